//! FLUSHALL, FLUSHDB and SWAPDB: whole databases, on all cores at one instant.

use crate::command::Flow;
use crate::command::answer::{SYNTAX_ERROR, error, integer, is, ok};
use crate::command::spec::Flags;
use crate::net::Conn;
use crate::resp::Args;
use crate::server::{Core, Outcome, Whole, at_one_instant};

/// FLUSHALL [ASYNC | SYNC]
pub fn flush_all(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    flush(core, conn, args, None)
}

/// FLUSHDB [ASYNC | SYNC]
pub fn flush_db(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let db = Some(conn.session.db);
    flush(core, conn, args, db)
}

/// Both kinds of flush empty the database at once and free its memory bit by bit.
fn flush(core: &mut Core, conn: &mut Conn, args: Args, db: Option<u16>) -> Flow {
    let well_formed = args.len() == 1 || (args.len() == 2 && (is(args.at(1), "async") || is(args.at(1), "sync")));
    if !well_formed {
        return error(core, conn, SYNTAX_ERROR);
    }
    at_once(core, conn, Whole::Flush { db })
}

/// SWAPDB index1 index2
pub fn swap_db(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let Some(first) = integer(args.at(1)).and_then(|index| i32::try_from(index).ok()) else {
        return error(core, conn, "ERR invalid first DB index");
    };
    let Some(second) = integer(args.at(2)).and_then(|index| i32::try_from(index).ok()) else {
        return error(core, conn, "ERR invalid second DB index");
    };
    let database = |index: i32| u16::try_from(index).ok().filter(|&db| db < core.settings.databases);
    match (database(first), database(second)) {
        (Some(a), Some(b)) if a == b => ok(core, conn),
        (Some(a), Some(b)) => at_once(core, conn, Whole::Swap { a, b }),
        _ => error(core, conn, "ERR DB index is out of range"),
    }
}

fn at_once(core: &mut Core, conn: &mut Conn, what: Whole) -> Flow {
    if let Some(text) = core.shard.refuses(Flags::WRITE) {
        return error(core, conn, text);
    }
    core.in_task(conn, move |handle| async move {
        match at_one_instant(&handle, what).await {
            Ok(()) => Outcome::write(Default::default(), |reply| reply.ok()),
            Err(text) => Outcome::error(text.as_bytes()),
        }
    })
}
