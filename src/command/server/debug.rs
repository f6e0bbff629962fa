//! DEBUG: the part of it that test suites need.

use crate::command::Flow;
use crate::command::answer::{SYNTAX_ERROR, answer, error, integer, is, ok, subcommand_error};
use crate::config::Allowed;
use crate::glob;
use crate::net::Conn;
use crate::resp::Args;
use crate::server::{Core, Digest, Finding, Outcome, Query, Reload, random_id, reload};
use crate::shard::slot;
use std::time::Duration;

const HELP: [&str; 30] = [
    "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CHANGE-REPL-ID",
    "    Draw another replication ID.",
    "DIGEST",
    "    A digest of all keys: equal content gives the same.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    A digest of each value.",
    "LOADAOF",
    "    Load everything anew from the log.",
    "OBJECT <key>",
    "    Show internals of a key.",
    "PROTOCOL (string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false)",
    "    A reply of that kind, for tests of clients.",
    "QUICKLIST-PACKED-THRESHOLD <size>",
    "    For tests: lists have no such threshold here, so only the size is checked.",
    "RELOAD [NOSAVE]",
    "    Save everything to the RDB file and load it anew. With NOSAVE what the file holds",
    "    takes the place of everything, also in the log.",
    "SET-ACTIVE-EXPIRE (0|1)",
    "    Whether expired keys are removed by themselves.",
    "SET-DISABLE-DENY-SCRIPTS (0|1)",
    "    For tests: no command is denied to scripts by this server's own choice.",
    "SLEEP <seconds>",
    "    Keep the server busy for so long. Decimals are allowed.",
    "STRINGMATCH-LEN <len> <pattern>",
    "    Match <pattern> against as many letters a.",
    "ERROR <string>",
    "    Answer with an error.",
    "HELP",
    "    Show these lines.",
];

/// DEBUG subcommand [argument ...]
pub fn debug(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let allowed = match core.settings.enable_debug_command {
        Allowed::No => false,
        Allowed::Yes => true,
        Allowed::Local => conn.peer.is_local(),
    };
    if !allowed {
        return error(
            core,
            conn,
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it \
             from a local connection, otherwise you need to set this option in the configuration file, and then \
             restart the server.",
        );
    }
    let sub = args.at(1);
    match args.len() {
        2 if is(sub, "help") => answer(core, conn, |reply| {
            reply.array(HELP.len());
            HELP.iter().for_each(|line| reply.simple(line));
        }),
        2 if is(sub, "change-repl-id") => {
            *core.everyone.replication_id.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = random_id();
            ok(core, conn)
        }
        2 if is(sub, "digest") => core.in_task(conn, |handle| async move {
            let found = handle.ask_all(|| Query::Digest { db: 0, key: None }).await;
            let digest = found.into_iter().filter_map(digest_of).fold(Digest::default(), Digest::plus);
            Outcome::write(Default::default(), |reply| reply.simple(&digest.hex()))
        }),
        3.. if is(sub, "digest-value") => digest_values(core, conn, args),
        2 if is(sub, "loadaof") => load_anew(core, conn, Reload::Log),
        2.. if is(sub, "reload") => {
            let mut options = args.tail(2).iter();
            match args.len() {
                3.. if options.any(|word| !is(word, "nosave")) => {
                    error(core, conn, "ERR DEBUG RELOAD only supports the NOSAVE option here.")
                }
                count => load_anew(core, conn, Reload::Rdb { save: count == 2 }),
            }
        }
        3 if is(sub, "sleep") => sleep(core, conn, args.at(2)),
        3 if is(sub, "object") => object(core, conn, args.at(2)),
        3 if is(sub, "protocol") => super::debug_protocol::protocol(core, conn, args.at(2)),
        3 if is(sub, "error") => error(core, conn, args.at(2)),
        3 if is(sub, "set-active-expire") => set_active_expire(core, conn, args.at(2)),
        3 if is(sub, "quicklist-packed-threshold") => match args.at(2).first() {
            Some(b'0'..=b'9') => ok(core, conn),
            _ => error(core, conn, "ERR argument must be a memory value bigger than 1 and smaller than 4gb"),
        },
        3 if is(sub, "set-disable-deny-scripts") => match integer(args.at(2)) {
            Some(0 | 1) => ok(core, conn),
            _ => error(core, conn, SYNTAX_ERROR),
        },
        4 if is(sub, "stringmatch-len") => match integer(args.at(2)).and_then(|len| usize::try_from(len).ok()) {
            Some(len) if len <= 512 << 20 => {
                let matches = glob::matches(args.at(3), &vec![b'a'; len], false);
                answer(core, conn, |reply| reply.int(matches as i64))
            }
            _ => error(core, conn, crate::command::answer::NOT_AN_INTEGER),
        },
        _ => error(core, conn, subcommand_error(args)),
    }
}

/// DEBUG RELOAD and LOADAOF: all other clients wait meanwhile.
fn load_anew(core: &mut Core, conn: &mut Conn, from: Reload) -> Flow {
    if conn.outbox.is_captured() {
        return error(core, conn, "ERR DEBUG RELOAD and LOADAOF cannot run inside a transaction");
    }
    core.in_task(conn, move |handle| async move {
        match reload(&handle, from).await {
            Ok(()) => Outcome::write(Default::default(), |reply| reply.ok()),
            Err(text) => Outcome::error(text.as_bytes()),
        }
    })
}

/// DEBUG SLEEP: no core serves anybody meanwhile.
fn sleep(core: &mut Core, conn: &mut Conn, seconds: &[u8]) -> Flow {
    let seconds: f64 = std::str::from_utf8(seconds).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    let span = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    core.in_task(conn, move |handle| async move {
        handle.sleep_everywhere(span).await;
        Outcome::write(Default::default(), |reply| reply.ok())
    })
}

fn object(core: &mut Core, conn: &mut Conn, key: &[u8]) -> Flow {
    let (db, proto, key) = (conn.session.db, conn.session.proto, Box::<[u8]>::from(key));
    core.in_task(conn, move |handle| async move {
        let owner = handle.with(|core| slot::core_of_key(&key, core.cores()));
        match handle.find_out(owner, Query::DescribeKey { db, key }).await {
            Finding::Name(Some(text), gate) => {
                let text = String::from_utf8_lossy(&text).into_owned();
                Outcome::write(proto, |reply| reply.simple(&text)).behind(gate.into_iter().collect())
            }
            _ => Outcome::error(b"ERR no such key"),
        }
    })
}

fn digest_values(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let (db, proto) = (conn.session.db, conn.session.proto);
    let keys: Vec<Box<[u8]>> = args.iter().skip(2).map(Box::from).collect();
    core.in_task(conn, move |handle| async move {
        let mut digests = Vec::new();
        for key in keys {
            let owner = handle.with(|core| slot::core_of_key(&key, core.cores()));
            let found = handle.find_out(owner, Query::Digest { db, key: Some(key) }).await;
            digests.push(digest_of(found).unwrap_or_default().hex());
        }
        Outcome::write(proto, |reply| {
            reply.array(digests.len());
            digests.iter().for_each(|digest| reply.bulk(digest.as_bytes()));
        })
    })
}

fn digest_of(found: Finding) -> Option<Digest> {
    if let Finding::Digest(digest) = found { Some(digest) } else { None }
}

fn set_active_expire(core: &mut Core, conn: &mut Conn, word: &[u8]) -> Flow {
    // As C's atoi reads it.
    let on = integer(word).is_some_and(|number| number != 0);
    core.in_task(conn, move |handle| async move {
        handle.ask_all(|| Query::ActiveExpire(on)).await;
        Outcome::write(Default::default(), |reply| reply.ok())
    })
}
