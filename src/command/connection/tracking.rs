//! CLIENT TRACKING and its kin. Keys are not tracked yet: turning that on is refused, asking about it says off.

use crate::command::Flow;
use crate::command::answer::{SYNTAX_ERROR, answer, error, is, ok};
use crate::net::Conn;
use crate::resp::Args;
use crate::server::Core;

/// CLIENT TRACKING (ON | OFF) [...]
pub fn tracking(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    if is(args.at(2), "off") {
        return ok(core, conn);
    }
    if is(args.at(2), "on") {
        return error(core, conn, "ERR Client tracking is not supported by this server");
    }
    error(core, conn, SYNTAX_ERROR)
}

/// CLIENT TRACKINGINFO
pub fn trackinginfo(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    answer(core, conn, |reply| {
        reply.map(3);
        reply.bulk(b"flags");
        reply.set(1);
        reply.bulk(b"off");
        reply.bulk(b"redirect");
        reply.int(-1);
        reply.bulk(b"prefixes");
        reply.array(0);
    })
}

/// CLIENT GETREDIR
pub fn getredir(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    answer(core, conn, |reply| reply.int(-1))
}

/// CLIENT CACHING (YES | NO)
pub fn caching(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    error(
        core,
        conn,
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
    )
}
