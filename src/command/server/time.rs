//! TIME and LASTSAVE.

use crate::command::Flow;
use crate::command::answer::answer;
use crate::net::Conn;
use crate::observe::unix_us;
use crate::resp::Args;
use crate::server::Core;
use std::sync::atomic::Ordering;

/// TIME
pub fn time(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let now_us = unix_us();
    answer(core, conn, |reply| {
        reply.array(2);
        reply.bulk_int((now_us / 1_000_000) as i64);
        reply.bulk_int((now_us % 1_000_000) as i64);
    })
}

/// LASTSAVE
pub fn last_save(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let at = core.everyone.saves.last_save_s.load(Ordering::Relaxed);
    answer(core, conn, |reply| reply.int(at as i64))
}
