//! CLIENT ID, GETNAME, SETNAME, SETINFO, CAPA, NO-EVICT, NO-TOUCH and REPLY: what a connection says of itself.

use crate::command::Flow;
use crate::command::answer::{SYNTAX_ERROR, answer, error, is, ok, shown};
use crate::net::{Conn, Special};
use crate::resp::Args;
use crate::server::Core;

/// What Redis says of a name that would break CLIENT LIST.
pub const NAME_ERROR: &str = "ERR Client names cannot contain spaces, newlines or special characters.";

/// Whether a name can stand in CLIENT LIST.
pub fn is_plain(name: &[u8]) -> bool {
    name.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

/// Names a connection; an empty name takes its name away.
pub fn set_name(conn: &mut Conn, name: &[u8]) {
    conn.profile.name = (!name.is_empty()).then(|| name.into());
}

/// CLIENT ID
pub fn id(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let id = conn.id as i64;
    answer(core, conn, |reply| reply.int(id))
}

/// CLIENT GETNAME
pub fn getname(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let name = conn.profile.name.clone();
    answer(core, conn, |reply| match name {
        Some(name) => reply.bulk(&name),
        None => reply.null(),
    })
}

/// CLIENT SETNAME connection-name
pub fn setname(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    if !is_plain(args.at(2)) {
        return error(core, conn, NAME_ERROR);
    }
    set_name(conn, args.at(2));
    ok(core, conn)
}

/// CLIENT SETINFO (LIB-NAME libname | LIB-VER libver)
pub fn setinfo(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let (attribute, value) = (args.at(2), args.at(3));
    let is_name = is(attribute, "lib-name");
    if !is_name && !is(attribute, "lib-ver") {
        return error(core, conn, format!("ERR Unrecognized option '{}'", shown(attribute)));
    }
    if !is_plain(value) {
        let text = format!("ERR {} cannot contain spaces, newlines or special characters.", shown(attribute));
        return error(core, conn, text);
    }
    if is_name {
        conn.profile.lib_name = value.into();
    } else {
        conn.profile.lib_version = value.into();
    }
    ok(core, conn)
}

/// CLIENT CAPA capability [capability ...]: nothing here depends on what a client is able to do.
pub fn capa(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    ok(core, conn)
}

/// `ON` or `OFF`.
fn switch(word: &[u8]) -> Option<bool> {
    match () {
        () if is(word, "on") => Some(true),
        () if is(word, "off") => Some(false),
        () => None,
    }
}

/// CLIENT NO-EVICT (ON | OFF)
pub fn no_evict(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let Some(on) = switch(args.at(2)) else { return error(core, conn, SYNTAX_ERROR) };
    conn.profile.no_evict = on;
    ok(core, conn)
}

/// CLIENT NO-TOUCH (ON | OFF)
pub fn no_touch(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let Some(on) = switch(args.at(2)) else { return error(core, conn, SYNTAX_ERROR) };
    conn.session.no_touch = on;
    ok(core, conn)
}

/// CLIENT REPLY (ON | OFF | SKIP)
pub fn reply(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    if is(args.at(2), "skip") {
        let off = conn.special.has(Special::REPLY_OFF);
        conn.special.set(Special::REPLY_SKIP, !off);
        return Flow::Next;
    }
    let Some(on) = switch(args.at(2)) else { return error(core, conn, SYNTAX_ERROR) };
    conn.special.set(Special::REPLY_OFF, !on);
    conn.outbox.mute(!on);
    if on { ok(core, conn) } else { Flow::Next }
}
