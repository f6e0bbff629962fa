//! RESET: the connection as it was when it was new.

use super::identity::set_name;
use crate::command::Flow;
use crate::command::answer::answer;
use crate::net::{Conn, Special};
use crate::resp::{Args, Proto};
use crate::server::Core;

/// RESET
pub fn reset(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    core.leave_multi(conn);
    core.unsubscribe_all(conn);
    core.end_monitoring(conn);
    set_name(conn, b"");
    conn.profile.no_evict = false;
    conn.session.no_touch = false;
    conn.session.db = 0;
    conn.session.proto = Proto::Resp2;
    conn.special.set(Special::REPLY_OFF | Special::REPLY_SKIP, false);
    conn.outbox.mute(false);
    conn.special.set(Special::UNAUTHENTICATED, core.settings.requirepass.is_some());
    answer(core, conn, |reply| reply.simple("RESET"))
}
