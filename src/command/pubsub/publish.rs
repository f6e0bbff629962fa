//! PUBLISH and SPUBLISH.

use crate::command::Flow;
use crate::command::answer::answer;
use crate::net::Conn;
use crate::resp::Args;
use crate::server::{Core, Finding, Message, Outcome, Query};
use std::sync::Arc;

/// PUBLISH channel message
pub fn publish(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    send(core, conn, args, false)
}

/// SPUBLISH shardchannel message
pub fn spublish(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    send(core, conn, args, true)
}

fn send(core: &mut Core, conn: &mut Conn, args: Args, sharded: bool) -> Flow {
    // Whoever gets the message may look for what its sender wrote before: that must have run, and be durable.
    if conn.outbox.has_pending() {
        return Flow::Retry;
    }
    let gates = conn.outbox.gates();
    let message = Message { sharded, channel: args.at(1).into(), payload: args.at(2).into(), gates };
    let mut cores = core.cores_with_subscribers();
    if cores.is_empty() {
        let receivers = core.deliver_message(&message);
        let flow = answer(core, conn, |reply| reply.int(receivers as i64));
        core.deliver_to(conn, &message);
        return flow;
    }
    cores.push(core.me());
    let message = Arc::new(message);
    core.in_task(conn, move |handle| async move {
        let found = handle.ask_some(&cores, || Query::Publish(message.clone())).await;
        let receivers: u64 = found.iter().map(Finding::count).sum();
        Outcome::write(Default::default(), |reply| reply.int(receivers as i64))
    })
}
