//! From received bytes to requests.

use super::core::Core;
use super::lookahead::Lookahead;
use crate::command::Flow;
use crate::net::{Closing, Conn, ConnRef, Special};
use crate::resp::{Args, Parsed, Parser, Reply, RequestLimits};

/// Most that an announced argument may reserve before it arrives, bytes.
const RESERVE_BYTES_MAX: usize = 64 * 1024;

/// A query buffer larger than this gives its memory back when it is empty, bytes.
const QUERY_KEEP_BYTES: usize = 4 * 1024;

impl Core {
    /// Runs what a connection has sent.
    pub fn received(&mut self, conn: &mut Conn, bytes: &[u8]) {
        conn.active_ms = self.now_ms;
        conn.bytes_in += bytes.len() as u64;
        self.stats.bytes_in += bytes.len() as u64;
        if conn.closing != Closing::No {
            return;
        }
        self.lend(conn);
        if self.standstill.stopped {
            // Nothing may run, and above all log, until all cores go on.
            conn.query.extend_from_slice(bytes);
            self.resume.push(conn.place);
        } else if conn.query_bytes() == 0 && conn.blocked == 0 && !conn.awaits_drain {
            let used = self.run_requests(conn, bytes);
            if used < bytes.len() && conn.closing == Closing::No {
                conn.query.clear();
                conn.query_start = 0;
                conn.query.extend_from_slice(&bytes[used..]);
            }
        } else {
            conn.query.extend_from_slice(bytes);
            self.run_query(conn);
        }
        self.check_query_limit(conn);
        self.note_output(conn);
    }

    /// Goes on with what a connection has sent before.
    pub fn resume(&mut self, at: ConnRef) {
        let Some(mut conn) = self.conns.take(at) else { return };
        self.lend(&mut conn);
        self.run_query(&mut conn);
        self.note_output(&mut conn);
        self.conns.restore(conn);
    }

    fn run_query(&mut self, conn: &mut Conn) {
        if conn.blocked > 0 || conn.awaits_drain || conn.closing != Closing::No || conn.query_bytes() == 0 {
            return;
        }
        // The buffer is set aside so that commands can have the connection.
        let query = std::mem::take(&mut conn.query);
        let start = conn.query_start;
        let used = start + self.run_requests(conn, &query[start..]);
        debug_assert!(conn.query.is_empty());
        conn.query = query;
        conn.query_start = used;
        if used == conn.query.len() {
            conn.query_start = 0;
            conn.query.clear();
            conn.query.shrink_to(QUERY_KEEP_BYTES);
        } else if used > conn.query.len() / 2 {
            // What is left is the smaller half: moving it costs less than what was executed.
            conn.query.drain(..used);
            conn.query_start = 0;
        }
    }

    /// Runs requests until one is incomplete or the connection has to wait. Returns how many bytes were used.
    fn run_requests(&mut self, conn: &mut Conn, bytes: &[u8]) -> usize {
        let mut limits = self.request_limits(conn);
        let mut parser = std::mem::replace(&mut conn.parser, Parser::new());
        let mut at = 0;
        let mut ahead = Lookahead::default();
        while at < bytes.len() {
            let rest = &bytes[at..];
            match parser.parse(rest, &limits) {
                Ok(Parsed::Request(len)) => {
                    if len < rest.len() {
                        ahead.advance(&rest[len..], self.shard.db(conn.session.db));
                    }
                    let args = Args::new(parser.buffer(&rest[..len]), parser.spans());
                    let flow = self.execute(conn, args);
                    match flow {
                        Flow::Next => at += len,
                        Flow::Blocked => {
                            at += len;
                            conn.blocked += 1;
                            break;
                        }
                        Flow::Retry => {
                            conn.awaits_drain = true;
                            break;
                        }
                        Flow::Close => {
                            at = bytes.len();
                            conn.closing = conn.closing.max(Closing::AfterReplies);
                        }
                    }
                    if conn.closing != Closing::No {
                        break;
                    }
                    if limits.unauthenticated {
                        limits = self.request_limits(conn);
                    }
                }
                Ok(Parsed::Empty(len)) => at += len,
                Ok(Parsed::Incomplete(least)) => {
                    let missing = least.saturating_sub(rest.len());
                    conn.query.reserve(missing.min(RESERVE_BYTES_MAX));
                    break;
                }
                Err(error) => {
                    let (out, start) = conn.outbox.target();
                    Reply::new(out, conn.session.proto).error(format!("ERR Protocol error: {error}"));
                    conn.outbox.commit(start, None);
                    tracing::debug!(client = conn.id, "protocol error: {error}");
                    conn.closing = Closing::AfterReplies;
                    at = bytes.len();
                }
            }
        }
        conn.parser = parser;
        at
    }

    fn request_limits(&self, conn: &Conn) -> RequestLimits {
        if conn.special.has(Special::UNAUTHENTICATED) {
            RequestLimits::unauthenticated()
        } else {
            RequestLimits::authenticated(self.settings.proto_max_bulk_len as i64)
        }
    }

    fn check_query_limit(&mut self, conn: &mut Conn) {
        let queued = conn.query_bytes() + conn.multi.as_ref().map_or(0, |multi| multi.bytes);
        if queued as u64 > self.settings.client_query_buffer_limit_bytes {
            tracing::warn!(client = conn.id, bytes = queued, "closing client that reached max query buffer length");
            self.stats.query_limit_disconnections += 1;
            conn.closing = Closing::Now;
        }
    }
}
