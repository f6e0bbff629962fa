//! SLOWLOG.

use crate::command::answer::{answer, error, help, integer, ok};
use crate::command::{Exec, Flow};
use crate::net::Conn;
use crate::resp::Args;
use crate::server::Core;

/// Entries shown unless told otherwise.
const COUNT_DEFAULT: i64 = 10;

pub(super) fn handlers() -> Vec<(&'static str, Exec)> {
    vec![
        ("slowlog|get", Exec::Conn(get)),
        ("slowlog|len", Exec::Conn(len)),
        ("slowlog|reset", Exec::Conn(reset)),
        ("slowlog|help", Exec::Conn(help)),
    ]
}

/// SLOWLOG GET [count]
fn get(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    if args.len() > 3 {
        return error(core, conn, crate::command::answer::subcommand_error(args));
    }
    let count = args.get(2).map_or(Some(COUNT_DEFAULT), integer).filter(|&count| count >= -1);
    let Some(count) = count else {
        return error(core, conn, "ERR count should be greater than or equal to -1");
    };
    let entries = core.everyone.slowlog.newest(usize::try_from(count).unwrap_or(usize::MAX));
    answer(core, conn, |reply| {
        reply.array(entries.len());
        for entry in &entries {
            reply.array(6);
            reply.int(entry.id as i64);
            reply.int(entry.time_s as i64);
            reply.int(entry.duration_us as i64);
            reply.array(entry.args.len());
            entry.args.iter().for_each(|word| reply.bulk(word));
            reply.bulk(entry.address.as_bytes());
            reply.bulk(&entry.name);
        }
    })
}

/// SLOWLOG LEN
fn len(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let len = core.everyone.slowlog.len();
    answer(core, conn, |reply| reply.int(len as i64))
}

/// SLOWLOG RESET
fn reset(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    core.everyone.slowlog.reset();
    ok(core, conn)
}
