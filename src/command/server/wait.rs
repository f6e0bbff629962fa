//! WAIT and WAITAOF: until what was written is safe.

use crate::command::Flow;
use crate::command::answer::{NOT_AN_INTEGER, answer, error, integer, timeout_ms};
use crate::net::Conn;
use crate::resp::Args;
use crate::server::{Core, Finding, Outcome, Query};

/// WAIT numreplicas timeout. There are no replicas to wait for.
pub fn wait(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    if integer(args.at(1)).is_none() {
        return error(core, conn, NOT_AN_INTEGER);
    }
    if let Err(text) = timeout_ms(args.at(2)) {
        return error(core, conn, text);
    }
    answer(core, conn, |reply| reply.int(0))
}

/// WAITAOF numlocal numreplicas timeout. Waits until everything that any core has logged by now is durable, which is
/// more than this connection's own writes and takes no longer than the commits under way and the next.
pub fn wait_aof(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let local = match integer(args.at(1)) {
        None => return error(core, conn, NOT_AN_INTEGER),
        Some(local @ 0..=1) => local,
        Some(_) => return error(core, conn, "ERR value is out of range, must be between 0 and 1"),
    };
    match integer(args.at(2)) {
        None => return error(core, conn, NOT_AN_INTEGER),
        Some(replicas) if replicas < 0 => return error(core, conn, "ERR value is out of range, must be positive"),
        Some(_) => {}
    }
    if let Err(text) = timeout_ms(args.at(3)) {
        return error(core, conn, text);
    }
    if !core.settings.appendonly {
        if local > 0 {
            return error(core, conn, "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
        }
        return answer(core, conn, |reply| {
            reply.array(2);
            reply.int(0);
            reply.int(0);
        });
    }
    if core.shard.journal_ref().is_relaxed() {
        let until_ms = match timeout_ms(args.at(3)) {
            Ok(wait_ms @ 1..) => core.now_ms + wait_ms,
            _ => 0,
        };
        return core.in_task(conn, move |handle| async move {
            let secured = crate::server::secure_all(&handle, until_ms).await;
            Outcome::write(Default::default(), |reply| {
                reply.array(2);
                reply.int(secured as i64);
                reply.int(0);
            })
        });
    }
    core.in_task(conn, move |handle| async move {
        let found = handle.ask_all(|| Query::Newest).await;
        let gates: Vec<_> =
            found.into_iter().filter_map(|found| if let Finding::Gate(gate) = found { gate } else { None }).collect();
        let durable = gates.is_empty() || local > 0;
        let outcome = Outcome::write(Default::default(), |reply| {
            reply.array(2);
            reply.int(durable as i64);
            reply.int(0);
        });
        if local > 0 { outcome.behind(gates) } else { outcome }
    })
}
