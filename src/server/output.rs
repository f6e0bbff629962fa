//! From replies to the socket, and the ends of connections.

use super::core::Core;
use crate::net::{Closing, Conn, ConnRef, OutputClass, Special};

impl Core {
    /// Notes that a connection in hand (taken out of the table) may have something to send or may be at its end.
    #[inline]
    pub(super) fn note_output(&mut self, conn: &mut Conn) {
        if conn.awaits_drain && !conn.outbox.has_pending() && !conn.awaits_space {
            conn.awaits_drain = false;
            self.resume.push(conn.place);
        }
        if !conn.dirty && (conn.outbox.is_ready() || conn.closing != Closing::No) {
            conn.dirty = true;
            self.dirty.push(conn.place);
        } else if conn.outbox.is_empty()
            && let Some(buffer) = conn.outbox.give_back()
        {
            self.give_back(buffer);
        }
    }

    /// Connections that have something to send; each is asked for once.
    pub fn take_dirty(&mut self, into: &mut Vec<ConnRef>) {
        std::mem::swap(&mut self.dirty, into);
    }

    /// Prepares what a connection sends next: `true` if there is something and no send is under way.
    pub fn next_send(&mut self, at: ConnRef) -> bool {
        let Some(conn) = self.conns.get(at) else { return false };
        conn.dirty = false;
        if conn.send_in_flight || conn.closing == Closing::Now || !conn.outbox.is_ready() {
            return false;
        }
        debug_assert!(conn.sent == conn.sending.len());
        let mut empty = std::mem::take(&mut conn.sending);
        empty.clear();
        conn.sent = 0;
        conn.outbox.take_ready(&mut empty);
        conn.sending = empty;
        conn.send_in_flight = true;
        true
    }

    /// A quick send was submitted and has not failed, so everything was sent: `true` if this is one that was not heard
    /// of before.
    pub fn quickly_sent(&mut self, at: ConnRef) -> bool {
        let Some(conn) = self.conns.get(at) else { return false };
        if !conn.send_is_quick {
            return false;
        }
        let rest = conn.sending.len() - conn.sent;
        let more = self.sent(at, Ok(rest));
        debug_assert!(!more, "all was sent");
        true
    }

    /// A send has ended: `true` if the rest has to be sent.
    pub fn sent(&mut self, at: ConnRef, result: std::io::Result<usize>) -> bool {
        let Some(conn) = self.conns.get(at) else { return false };
        conn.send_in_flight = false;
        let was_quick = std::mem::take(&mut conn.send_is_quick);
        match result {
            // The socket had no room at all: the rest waits for some.
            Err(error) if was_quick && error.kind() == std::io::ErrorKind::WouldBlock => {
                if conn.closing != Closing::Now {
                    conn.send_in_flight = true;
                    return true;
                }
            }
            Ok(bytes) if bytes > 0 => {
                conn.sent += bytes;
                conn.bytes_out += bytes as u64;
                self.stats.bytes_out += bytes as u64;
                if conn.sent < conn.sending.len() && conn.closing != Closing::Now {
                    conn.send_in_flight = true;
                    return true;
                }
            }
            _ => conn.closing = Closing::Now,
        }
        let buffer = std::mem::take(&mut conn.sending);
        conn.sent = 0;
        let more = conn.outbox.is_ready() || conn.closing != Closing::No;
        if more && !conn.dirty {
            conn.dirty = true;
            self.dirty.push(at);
        }
        self.give_back(buffer);
        false
    }

    /// Whether a connection is to be closed now: it is at its end, and nothing is left to be sent.
    pub fn is_finished(&mut self, at: ConnRef) -> bool {
        let Some(conn) = self.conns.get(at) else { return false };
        match conn.closing {
            Closing::No => false,
            Closing::AfterReplies => conn.outbox.is_empty() && !conn.send_in_flight,
            Closing::Now => true,
        }
    }

    /// Lets go of a connection: of its keys watched, its channels, its place. The kernel must be done with its buffers.
    pub fn drop_conn(&mut self, at: ConnRef) {
        if self.conns.get(at).is_some_and(|conn| conn.special.has(Special::WAITING)) {
            self.end_wait_of(at);
        }
        let Some(mut conn) = self.conns.take(at) else { return };
        debug_assert!(!conn.kernel_holds());
        self.unwatch_all(&mut conn);
        self.unsubscribe_all(&mut conn);
        self.end_monitoring(&mut conn);
        self.everyone.registry.remove(conn.registered, self.me());
        tracing::debug!(client = conn.id, peer = %conn.peer.remote_text(), "client closed connection");
        self.conns.forget(at);
    }

    /// Cuts off connections whose output is over the limit of their class.
    pub(super) fn check_output_limit(&mut self, at: ConnRef) {
        let now_ms = self.now_ms;
        let limits = self.settings.client_output_buffer_limits;
        let Some(conn) = self.conns.get(at) else { return };
        let class = if conn.subscriptions() > 0 { OutputClass::PubSub } else { OutputClass::Normal };
        let limit = &limits[class as usize];
        let bytes = conn.output_bytes() as u64;
        let over = |bound: u64| bound > 0 && bytes > bound;
        let soft_over = if over(limit.soft_bytes) {
            if conn.soft_limit_since_ms == 0 {
                conn.soft_limit_since_ms = now_ms.max(1);
            }
            now_ms - conn.soft_limit_since_ms >= limit.soft_seconds * 1000
        } else {
            conn.soft_limit_since_ms = 0;
            false
        };
        if (over(limit.hard_bytes) || soft_over) && conn.closing != Closing::Now {
            tracing::warn!(client = conn.id, bytes, "closing client: its output buffer is over the limit");
            conn.closing = Closing::Now;
            self.stats.output_limit_disconnections += 1;
            if !conn.dirty {
                conn.dirty = true;
                self.dirty.push(at);
            }
        }
    }
}
