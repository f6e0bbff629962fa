//! WAIT and WAITAOF: until what was written is safe, or the time is over.

use crate::command::Flow;
use crate::command::answer::{NOT_AN_INTEGER, error, integer, timeout_ms};
use crate::net::Conn;
use crate::resp::{Args, Reply};
use crate::server::{Core, Outcome, Safety, secure_all};

/// WAIT numreplicas timeout. There are no replicas: whoever wants one waits until the time is over.
pub fn wait(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let Some(replicas) = integer(args.at(1)) else { return error(core, conn, NOT_AN_INTEGER) };
    let timeout_ms = match timeout_ms(args.at(2)) {
        Ok(ms) => ms,
        Err(text) => return error(core, conn, text),
    };
    let wanted = Safety { local: false, replicas: replicas > 0 };
    core.wait_for_safety(conn, wanted, timeout_ms, |_| Outcome::write(Default::default(), |reply| reply.int(0)))
}

/// WAITAOF numlocal numreplicas timeout. Waits until everything that any core has logged by now is durable, which is
/// more than this connection's own writes and takes no longer than the commits under way and the next.
pub fn wait_aof(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let local = match integer(args.at(1)) {
        None => return error(core, conn, NOT_AN_INTEGER),
        Some(local @ 0..=1) => local,
        Some(_) => return error(core, conn, "ERR value is out of range, must be between 0 and 1"),
    };
    let replicas = match integer(args.at(2)) {
        None => return error(core, conn, NOT_AN_INTEGER),
        Some(replicas) if replicas < 0 => return error(core, conn, "ERR value is out of range, must be positive"),
        Some(replicas) => replicas,
    };
    let timeout_ms = match timeout_ms(args.at(3)) {
        Ok(ms) => ms,
        Err(text) => return error(core, conn, text),
    };
    if local > 0 && !core.settings.appendonly {
        return error(core, conn, "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
    }
    if local > 0 && replicas == 0 && core.shard.journal_ref().is_relaxed() {
        return wait_for_round(core, conn, timeout_ms);
    }
    let wanted = Safety { local: local > 0, replicas: replicas > 0 };
    let reply = if core.settings.appendonly { answer_of_log } else { |_| answer_of_log(false) };
    core.wait_for_safety(conn, wanted, timeout_ms, reply)
}

/// As [`wait_aof`] where replies do not wait for the disk: has the round that holds all of it synced.
fn wait_for_round(core: &mut Core, conn: &mut Conn, timeout_ms: u64) -> Flow {
    // In a transaction nothing is waited for.
    let until_ms = match timeout_ms {
        _ if conn.outbox.is_captured() => core.now_ms,
        0 => 0,
        ms => core.now_ms.saturating_add(ms),
    };
    core.in_task(conn, move |handle| async move { answer_of_log(secure_all(&handle, until_ms).await) })
}

/// Whether it is durable here, and on how many replicas.
fn answer_of_log(is_durable: bool) -> Outcome {
    Outcome::write(Default::default(), |reply: &mut Reply| {
        reply.array(2);
        reply.int(is_durable as i64);
        reply.int(0);
    })
}
