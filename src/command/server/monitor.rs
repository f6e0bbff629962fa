//! MONITOR.

use crate::command::Flow;
use crate::net::Conn;
use crate::resp::Args;
use crate::server::{Core, Outcome, Query};

/// MONITOR. Answered once every core attends, so that no command behind the answer is missed.
pub fn monitor(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let at = conn.place;
    core.in_task(conn, move |handle| async move {
        handle.with(|core| core.monitor_at(at));
        handle.ask_all(|| Query::Attend).await;
        Outcome::write(Default::default(), |reply| reply.ok())
    })
}
