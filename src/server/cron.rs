//! What a core looks after by time, ten times a second, and its end.

use super::core::Core;
use crate::net::{Closing, ConnRef, Listener, Special};
use crate::shard::message::Envelope;
use std::os::fd::RawFd;

/// Most keys expired in one go.
const EXPIRE_BUDGET: usize = 1000;

/// Where a core stands in its own end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// It serves.
    #[default]
    No,
    /// It writes the last frame of its log.
    Closing,
    /// Nothing is left to do.
    Done,
}

impl Core {
    /// Ten times a second.
    pub fn cron(&mut self) {
        self.crons += 1;
        if !self.standstill.stopped {
            // A transaction that has read a key must find it until it ends, so nothing expires while keys are locked.
            if self.locks.is_empty() {
                self.shard.expire_some(EXPIRE_BUDGET);
            }
        }
        if !self.blocked.is_empty() {
            self.end_late_waits();
        }
        self.take_samples();
        self.balance_memory();
        if !self.awaiting_pause.is_empty() && !self.pause.is_active(self.now_ms) {
            self.end_pause();
        }
        self.tend_rounds();
        if self.crons.is_multiple_of(10) {
            self.every_second();
        }
        if self.ending == Ending::Closing {
            self.end_if_drained();
        }
    }

    fn every_second(&mut self) {
        let now_ms = self.now_ms;
        // While all stand still the log must stay where it ended: no idle frame either.
        if !self.standstill.stopped
            && let Some(log) = self.shard.journal().log()
        {
            log.retry_segment();
            log.seal_idle(now_ms);
        }
        self.close_idle();
        self.save_if_due();
        self.rewrite_if_due();
        self.expire_backup();
    }

    /// Closes clients that have been silent for longer than `timeout` allows.
    fn close_idle(&mut self) {
        let limit_ms = self.settings.timeout_s as u64 * 1000;
        if limit_ms == 0 {
            return;
        }
        let now_ms = self.now_ms;
        let idle: Vec<ConnRef> = self
            .conns
            .iter()
            .filter(|conn| {
                conn.blocked == 0
                    && conn.subscriptions() == 0
                    && !conn.special.has(Special::MONITOR)
                    && now_ms.saturating_sub(conn.active_ms) > limit_ms
            })
            .map(|conn| conn.place)
            .collect();
        idle.into_iter().for_each(|at| self.close(at));
    }

    /// Welcomes a connection that a listener here accepted: on whichever core has the fewest, or here if it came by this
    /// core's own port.
    pub fn welcome(&mut self, listener: &Listener, fd: RawFd) {
        let stays = listener.is_core_port;
        let accepted = match listener.accepted(fd, self.settings.tcp_keepalive_s) {
            Ok(accepted) => accepted,
            Err(error) => return tracing::debug!("a client was gone before it was accepted: {error}"),
        };
        if self.everyone.registry.count() >= self.settings.maxclients as usize {
            self.stats.rejected_connections += 1;
            return refuse(&accepted, b"-ERR max number of clients reached\r\n");
        }
        if self.is_protected() && !accepted.peer.is_local() {
            self.stats.rejected_connections += 1;
            return refuse(&accepted, PROTECTED.as_bytes());
        }
        let me = self.me();
        let core = if stays { self.everyone.registry.take_core(me) } else { self.everyone.registry.choose_core() };
        if core == me {
            self.adopt(accepted);
        } else {
            self.mesh.send(core, Envelope::Adopt(Box::new(accepted)));
        }
    }

    fn is_protected(&self) -> bool {
        self.settings.protected_mode && self.settings.requirepass.is_none()
    }

    /// Connections that were taken over and do not receive yet.
    pub fn take_armed(&mut self) -> Vec<ConnRef> {
        std::mem::take(&mut self.arm)
    }

    /// Connections that can go on with what they have sent; none while the core stands still.
    pub fn take_resume(&mut self, into: &mut Vec<ConnRef>) {
        if !self.standstill.stopped {
            std::mem::swap(&mut self.resume, into);
        }
    }

    /// Whether any connection can go on.
    pub fn has_resume(&self) -> bool {
        !self.standstill.stopped && !self.resume.is_empty()
    }

    /// Whether another core owes this one an answer.
    pub fn is_owed_mail(&self) -> bool {
        self.batches_out > 0 || self.tasks.is_waiting()
    }

    /// Begins the core's end: all cores stand still and their logs are durable.
    pub(super) fn begin_end(&mut self) {
        let now_ms = self.now_ms;
        self.ending = Ending::Closing;
        if let Some(log) = self.shard.journal().log()
            && log.poisoned().is_none()
        {
            log.seal_clean_stop(now_ms);
        }
        let all: Vec<ConnRef> = self.conns.iter().map(|conn| conn.place).collect();
        for at in all {
            if let Some(conn) = self.conns.get(at) {
                conn.closing = conn.closing.max(Closing::AfterReplies);
            }
        }
        self.end_if_drained();
    }

    pub(super) fn end_if_drained(&mut self) {
        let log = self.shard.journal_ref().log_ref();
        let drained = log.is_none_or(|log| log.poisoned().is_some() || log.no_space().is_some() || log.is_drained());
        if drained && self.flights.is_empty() {
            self.ending = Ending::Done;
        } else if self.ending == Ending::Closing {
            self.hasten();
        }
    }

    /// Whether the core has ended.
    pub fn is_ended(&self) -> bool {
        self.ending == Ending::Done
    }
}

/// Tells a client why it is not let in, and closes.
fn refuse(accepted: &crate::net::Accepted, text: &[u8]) {
    use std::os::fd::AsRawFd;
    // A new socket's buffer takes this line; if not, the client just sees the end.
    // SAFETY: sends from a slice that outlives the call.
    unsafe {
        libc::send(
            accepted.socket.as_raw_fd(),
            text.as_ptr().cast(),
            text.len(),
            libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT,
        )
    };
}

const PROTECTED: &str = "-DENIED Basalt is running in protected mode because protected mode is enabled and no password \
is set for the default user. In this mode connections are only accepted from the loopback interface. To connect from \
other computers, set a password with 'CONFIG SET requirepass <password>' from the same host, or restart with \
'--protected-mode no'.\r\n";
