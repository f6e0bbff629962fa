//! One connection of the generator: its outgoing bytes and the requests under way. Knows no clock and no ring; times
//! are handed in, so that tests run it on a clock of their own.

use std::collections::VecDeque;

use super::record::{Recorder, Sample};
use super::reply::{Outcome, ProtocolError, ReplyParser};
use super::workload::Later;

/// An operation under way.
#[derive(Debug)]
struct Pending {
    intended: u64,
    sent: u64,
    /// Its commands that wait for the reply to this one.
    later: Later,
    /// An earlier command of the operation has left already: its send time stands.
    begun: bool,
    /// It was counted as issued, when it came or when it left.
    counted: bool,
    /// An earlier command found nothing.
    missing: bool,
}

/// The most bytes that may wait for a server that does not read. Beyond it requests are counted as not sent.
pub const MAX_BACKLOG: usize = 256 << 20;

/// The protocol side of one connection.
#[derive(Debug)]
pub struct Conn {
    parser: ReplyParser,
    out: Vec<u8>,
    /// Bytes of `out` already with the kernel.
    written: usize,
    pending: VecDeque<Pending>,
    /// How many of the last `pending` have no send time yet.
    unsent: usize,
    /// The socket is full: a writable event is due.
    pub blocked: bool,
    /// The connection is gone; it takes no more requests.
    pub dead: bool,
    open: bool,
    moved: Option<(u16, String)>,
}

impl Conn {
    /// A connection of an open loop or not.
    pub fn new(open: bool) -> Self {
        Conn {
            parser: ReplyParser::new(),
            out: Vec::with_capacity(16 << 10),
            written: 0,
            pending: VecDeque::with_capacity(256),
            unsent: 0,
            blocked: false,
            dead: false,
            open,
            moved: None,
        }
    }

    /// The slot that the server said has moved, and where to, since the last call.
    pub fn take_moved(&mut self) -> Option<(u16, String)> {
        self.moved.take()
    }

    /// Ready for a new socket after [`Conn::abandon`]: what was under way on the old one is forgotten, what was issued
    /// since waits to be sent.
    pub fn restart(&mut self) {
        self.parser = ReplyParser::new();
        self.blocked = false;
    }

    /// Requests without a reply.
    pub fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// Whether bytes wait to be sent and may be.
    pub fn wants_to_send(&self) -> bool {
        !self.blocked && !self.dead && self.written < self.out.len()
    }

    /// Takes the request that `make` appends, intended for `intended`. `now` is its send time if the socket is full, so
    /// that a server that does not read is not taken for a late generator.
    #[inline]
    pub fn issue(
        &mut self,
        intended: u64,
        now: u64,
        recorder: &mut Recorder,
        make: impl FnOnce(&mut Vec<u8>) -> Later,
    ) {
        if self.out.len() - self.written > MAX_BACKLOG {
            recorder.sent(intended, now, self.open);
            recorder.lost(intended, now, now, "not sent: backlog full");
            return;
        }
        let later = make(&mut self.out);
        // What has to wait for the server is counted here: that it leaves late is not the generator's fault.
        let counted = self.blocked;
        if counted {
            recorder.sent(intended, now, self.open);
        }
        self.pending.push_back(Pending { intended, sent: now, later, begun: false, counted, missing: false });
        self.unsent += 1;
    }

    /// The bytes to send next. What was waiting counts as sent at `now`.
    #[inline]
    pub fn take_send(&mut self, now: u64, recorder: &mut Recorder) -> &[u8] {
        let first = self.pending.len() - self.unsent;
        for pending in self.pending.range_mut(first..).filter(|pending| !pending.begun) {
            pending.sent = now;
            if !std::mem::replace(&mut pending.counted, true) {
                recorder.sent(pending.intended, now, self.open);
            }
        }
        self.unsent = 0;
        &self.out[self.written..]
    }

    /// The kernel took `bytes` of what [`Conn::take_send`] gave.
    #[inline]
    pub fn sent(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        } else if self.written > 1 << 20 {
            self.out.drain(..self.written);
            self.written = 0;
        }
    }

    /// Takes received bytes; gives the number of operations that ended in them. Those that go on have more to send.
    #[inline]
    pub fn received(&mut self, bytes: &[u8], now: u64, recorder: &mut Recorder) -> Result<usize, ProtocolError> {
        let mut replies = 0;
        let Conn { pending, parser, out, unsent, moved, .. } = self;
        parser.feed(bytes, |outcome| {
            // A reply that nobody asked for: the server is broken, and it shows as an error of its own kind.
            let Some(mut request) = pending.pop_front() else {
                recorder.stray(now);
                return;
            };
            let sample = Sample { intended: request.intended, sent: request.sent, done: now };
            if let Outcome::Error(text) = outcome {
                if text.starts_with(b"MOVED ") {
                    *moved = moved.take().or_else(|| parse_moved(text));
                }
                replies += 1;
                return recorder.reply(sample, Some(text), false);
            }
            request.missing |= outcome == Outcome::Missing;
            match request.later.as_mut().and_then(|later| later.pop_front()) {
                Some(next) => {
                    out.extend_from_slice(&next);
                    *unsent += 1;
                    pending.push_back(Pending { begun: true, ..request });
                }
                None => {
                    replies += 1;
                    recorder.reply(sample, None, request.missing);
                }
            }
        })?;
        Ok(replies)
    }

    /// The connection broke: gives up on every request under way, and on what waited to be sent. Gives their number.
    pub fn cut_off(&mut self, now: u64, recorder: &mut Recorder) -> usize {
        let count = self.pending.len();
        self.abandon(now, "disconnected", recorder);
        self.out.clear();
        self.written = 0;
        count
    }

    /// Gives up on every request under way.
    pub fn abandon(&mut self, now: u64, kind: &str, recorder: &mut Recorder) {
        for pending in self.pending.drain(..) {
            if !pending.counted {
                recorder.sent(pending.intended, now, self.open);
            }
            recorder.lost(pending.intended, pending.sent, now, kind);
        }
        self.unsent = 0;
    }
}

/// `MOVED 3999 127.0.0.1:6381`.
fn parse_moved(text: &[u8]) -> Option<(u16, String)> {
    let mut words = std::str::from_utf8(text).ok()?.split(' ').skip(1);
    Some((words.next()?.parse().ok()?, words.next()?.to_string()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::record::Window;
    use super::super::rng::Rng;
    use super::super::schedule::{Arrivals, Rate, Schedule};
    use super::super::template::Pool;
    use super::super::workload::tests::defaults;
    use super::*;

    const MS: u64 = 1_000_000;

    fn ping(out: &mut Vec<u8>) -> Later {
        out.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
        None
    }

    #[test]
    fn an_operation_of_several_commands_is_timed_from_its_first_to_its_last() {
        let class = Arc::new(defaults().class("c", "GET key:{key} ; SET key:{same} x").unwrap());
        let mut stream = class.stream(1, 0, 0, &Arc::new(Pool::new(1)));
        let mut recorder = Recorder::new(Window { from: 0, to: 1000 * MS }, 100 * MS);
        let mut conn = Conn::new(true);
        conn.issue(MS, MS, &mut recorder, |out| stream.next(out));
        let bytes = conn.take_send(2 * MS, &mut recorder).len();
        conn.sent(bytes);
        assert_eq!(conn.received(b"$-1\r\n", 5 * MS, &mut recorder), Ok(0));
        assert!(conn.take_send(6 * MS, &mut recorder).starts_with(b"*3\r\n$3\r\nSET"));
        let bytes = conn.take_send(6 * MS, &mut recorder).len();
        conn.sent(bytes);
        assert_eq!(conn.received(b"+OK\r\n", 9 * MS, &mut recorder), Ok(1));
        assert_eq!((recorder.requests, recorder.replies, recorder.misses), (1, 1, 1));
        assert_eq!((recorder.max, recorder.service.max() / MS, recorder.lateness.max() / MS), (8 * MS, 7, 1));
        // An error ends the operation: its later commands would be made of nothing.
        conn.issue(10 * MS, 10 * MS, &mut recorder, |out| stream.next(out));
        assert_eq!(conn.received(b"-OOM no\r\n", 11 * MS, &mut recorder), Ok(1));
        assert_eq!((recorder.errors["OOM"], conn.in_flight()), (1, 0));
    }

    #[test]
    fn a_broken_connection_forgets_what_was_under_way_and_queues_what_comes() {
        let mut recorder = Recorder::new(Window { from: 0, to: 1000 * MS }, 100 * MS);
        let mut conn = Conn::new(true);
        conn.issue(MS, MS, &mut recorder, ping);
        let bytes = conn.take_send(MS, &mut recorder).len();
        conn.sent(bytes);
        assert_eq!(conn.received(b"+PO", 2 * MS, &mut recorder), Ok(0));
        assert_eq!(conn.cut_off(3 * MS, &mut recorder), 1);
        conn.blocked = true;
        conn.issue(4 * MS, 4 * MS, &mut recorder, ping);
        conn.restart();
        assert_eq!(conn.take_send(90 * MS, &mut recorder).len(), 14);
        assert_eq!(conn.received(b"+PONG\r\n", 91 * MS, &mut recorder), Ok(1));
        assert_eq!((recorder.requests, recorder.max, recorder.lateness.max()), (2, 87 * MS, 0));
        assert_eq!(recorder.errors["disconnected"], 1);
    }

    /// Runs an open loop against a server that answers after `service_ns` except while it stands still: the virtual
    /// clock jumps from event to event. `stall(t)` gives the end of the stall that `t` lies in.
    fn open_loop(rate: f64, seconds: u64, service_ns: u64, stall: impl Fn(u64) -> Option<u64>) -> Recorder {
        let class = Arc::new(defaults().class("c", "PING").unwrap());
        let pool = Arc::new(Pool::new(1));
        let mut conns: Vec<_> = (0..10).map(|i| (Conn::new(true), class.stream(1, 0, i, &pool))).collect();
        let window = Window { from: 0, to: seconds * 1000 * MS };
        let mut recorder = Recorder::new(window, 100 * MS);
        let mut schedule = Schedule::new(Arrivals::Constant, &Rate::Constant(rate), window, 0, 1, Rng::new(1, &[]));
        let mut replies: VecDeque<(u64, usize)> = VecDeque::new();
        let mut next = 0;
        loop {
            let due = schedule.next_ns();
            while let Some(&(at, conn)) = replies.front().filter(|(at, _)| *at <= due) {
                replies.pop_front();
                assert_eq!(conns[conn].0.received(b"+PONG\r\n", at, &mut recorder), Ok(1));
            }
            if due >= window.to {
                break;
            }
            let (conn, stream) = &mut conns[next];
            conn.issue(due, due, &mut recorder, |out| stream.next(out));
            let bytes = conn.take_send(due, &mut recorder).len();
            conn.sent(bytes);
            let begin = stall(due).unwrap_or(due);
            replies.push_back((begin + service_ns, next));
            next = (next + 1) % conns.len();
            schedule.advance();
        }
        for (at, conn) in replies {
            assert_eq!(conns[conn].0.received(b"+PONG\r\n", at, &mut recorder), Ok(1));
        }
        recorder
    }

    fn assert_within_1_percent(recorder: &Recorder, quantile: f64, exact_ns: f64) {
        let measured = recorder.response.value_at_quantile(quantile) as f64;
        assert!((measured / exact_ns - 1.0).abs() < 0.01, "p{}: {measured} ns, not {exact_ns}", quantile * 100.0);
    }

    #[test]
    fn one_pause_of_100_ms_shows_in_every_percentile_it_must() {
        // 10 s at 10,000/s with one pause of 100 ms: 1% of the requests fall into it and wait 0 to 100 ms, evenly. The
        // quantile q above 0.99 is therefore 100 ms * (q - 0.99) / 0.01. A tool that times from the send in a closed
        // loop of ten connections would have seen ten slow requests: p99.9 of 100 µs.
        let recorder = open_loop(10_000.0, 10, 100_000, |t| (5000 * MS..5100 * MS).contains(&t).then_some(5100 * MS));
        assert_eq!((recorder.requests, recorder.response.len()), (100_000, 100_000));
        assert_within_1_percent(&recorder, 0.5, 1e5);
        assert_within_1_percent(&recorder, 0.98, 1e5);
        for (quantile, exact) in [(0.995, 50e6), (0.999, 90e6), (0.9999, 99e6)] {
            assert_within_1_percent(&recorder, quantile, exact + 1e5);
        }
        assert_eq!(recorder.max, 100 * MS + 100_000);
        assert_eq!(recorder.lateness.max(), 0);
    }

    #[test]
    fn periodic_pauses_and_a_slow_fraction_match_their_law() {
        // 20 ms of every 200 ms stand still: a tenth waits evenly up to 20 ms.
        let recorder =
            open_loop(20_000.0, 10, 50_000, |t| (t % (200 * MS) < 20 * MS).then(|| t - t % (200 * MS) + 20 * MS));
        for quantile in [0.92, 0.95, 0.99, 0.999] {
            assert_within_1_percent(&recorder, quantile, 5e4 + 20e6 * (quantile - 0.9) / 0.1);
        }
        // Every hundredth arrival meets 3 ms; connections answer in order, but a connection's next turn is 10 ms later.
        let recorder = open_loop(1000.0, 20, 50_000, |t| (t / MS % 100 == 7).then_some(t + 3 * MS));
        assert_within_1_percent(&recorder, 0.985, 5e4);
        assert_within_1_percent(&recorder, 0.995, 3.05e6);
    }

    #[test]
    fn a_full_socket_is_the_servers_fault_not_the_generators() {
        let mut conn = Conn::new(true);
        let mut recorder = Recorder::new(Window { from: 0, to: 1000 * MS }, 100 * MS);
        conn.issue(MS, MS, &mut recorder, ping);
        assert_eq!(conn.take_send(MS, &mut recorder).len(), 14);
        conn.sent(5);
        conn.blocked = true;
        conn.issue(2 * MS, 2 * MS, &mut recorder, ping);
        conn.blocked = false;
        assert_eq!(conn.take_send(300 * MS, &mut recorder).len(), 9 + 14);
        conn.sent(23);
        assert_eq!(conn.received(b"+PONG\r\n+PONG\r\n", 301 * MS, &mut recorder), Ok(2));
        assert_eq!((recorder.requests, recorder.lateness.max()), (2, 0));
        assert_eq!(recorder.max, 300 * MS);
    }

    #[test]
    fn requests_cut_off_by_a_dying_server_are_counted() {
        let mut conn = Conn::new(true);
        let mut recorder = Recorder::new(Window { from: 0, to: 1000 * MS }, 100 * MS);
        (0..3).for_each(|i| conn.issue(i * MS, i * MS, &mut recorder, ping));
        let bytes = conn.take_send(3 * MS, &mut recorder).len();
        conn.sent(bytes);
        conn.issue(4 * MS, 4 * MS, &mut recorder, ping);
        assert_eq!(conn.received(b"+PONG\r\n", 5 * MS, &mut recorder), Ok(1));
        conn.abandon(10 * MS, "disconnected", &mut recorder);
        assert_eq!((recorder.requests, recorder.unanswered, recorder.response.len()), (4, 3, 4));
        assert_eq!(recorder.errors["disconnected"], 3);
    }
}
