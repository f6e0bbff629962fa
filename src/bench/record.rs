//! What is measured: per class, on each generator thread, merged at the end.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use super::reply::error_kind;

/// The longest time recorded exactly, ns; longer ones count as this, and the maximum is kept apart.
const MAX_NS: u64 = 3_600_000_000_000;

/// A histogram of nanoseconds with three significant digits.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(MAX_NS, 3).expect("three digits up to an hour are within the crate's limits")
}

/// The span of time that counts, ns since the run's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// End of the warm-up.
    pub from: u64,
    /// No request is intended at or after this.
    pub to: u64,
}

impl Window {
    /// Whether a moment lies in it.
    pub fn contains(&self, at: u64) -> bool {
        (self.from..self.to).contains(&at)
    }
}

/// The largest spans seen, longest first, each with the moment it ended.
#[derive(Clone, Debug, Default)]
pub struct Longest {
    /// (length ns, end ns since the run's start).
    spans: Vec<(u64, u64)>,
}

/// How many of the longest are kept.
const KEPT: usize = 10;

impl Longest {
    /// Takes a span into account.
    #[inline]
    pub fn note(&mut self, length: u64, end: u64) {
        if self.spans.len() == KEPT && length <= self.spans[KEPT - 1].0 {
            return;
        }
        let at = self.spans.partition_point(|&(l, _)| l >= length);
        self.spans.insert(at, (length, end));
        self.spans.truncate(KEPT);
    }

    /// Longest first: (length, end).
    pub fn spans(&self) -> &[(u64, u64)] {
        &self.spans
    }

    fn merge(&mut self, other: &Longest) {
        other.spans.iter().for_each(|&(length, end)| self.note(length, end));
    }
}

/// One step of the time line, by the time of the reply.
#[derive(Clone, Debug)]
pub struct Interval {
    /// Replies.
    pub replies: u64,
    /// Of them errors.
    pub errors: u64,
    /// Longest response time, ns.
    pub max: u64,
    /// Response times, two digits.
    pub response: Histogram<u32>,
}

/// Everything measured of one class.
#[derive(Clone, Debug)]
pub struct Recorder {
    window: Window,
    interval_ns: u64,
    /// From the intended time to the reply.
    pub response: Histogram<u64>,
    /// From the send to the reply.
    pub service: Histogram<u64>,
    /// From the intended time to the send: the generator's own fault. Open loop only.
    pub lateness: Histogram<u64>,
    /// Longest response time, exactly.
    pub max: u64,
    /// Requests whose intended time lies in the window.
    pub requests: u64,
    /// Replies that arrived in the window, whatever their intended time.
    pub replies: u64,
    /// Missing values among the replies of the window's requests.
    pub misses: u64,
    /// Requests of the window that were never answered; they stand in the histograms with the time they had waited.
    pub unanswered: u64,
    /// Errors of the window's requests, by kind.
    pub errors: BTreeMap<String, u64>,
    /// Steps of the time line from the run's start, warm-up included.
    pub timeline: Vec<Interval>,
    /// The longest times without a reply in the window.
    pub gaps: Longest,
    /// The slowest requests: response time and the reply's time.
    pub slowest: Longest,
    /// The last reply's time.
    pub last_reply: u64,
}

/// One answered request, times in ns since the run's start.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When it should have left.
    pub intended: u64,
    /// When it left.
    pub sent: u64,
    /// When its reply was seen.
    pub done: u64,
}

impl Recorder {
    /// An empty record; the time line has steps of `interval_ns`.
    pub fn new(window: Window, interval_ns: u64) -> Self {
        Recorder {
            window,
            interval_ns,
            response: histogram(),
            service: histogram(),
            lateness: histogram(),
            max: 0,
            requests: 0,
            replies: 0,
            misses: 0,
            unanswered: 0,
            errors: BTreeMap::new(),
            timeline: Vec::new(),
            gaps: Longest::default(),
            slowest: Longest::default(),
            last_reply: 0,
        }
    }

    /// Length of a step of the time line, ns.
    pub fn interval_ns(&self) -> u64 {
        self.interval_ns
    }

    /// A request with this intended time left (or was taken over by a connection that cannot send) at `sent`.
    #[inline]
    pub fn sent(&mut self, intended: u64, sent: u64, open: bool) {
        if self.window.contains(intended) {
            self.requests += 1;
            if open {
                self.lateness.saturating_record(sent.saturating_sub(intended));
            }
        }
    }

    /// A reply came.
    #[inline]
    pub fn reply(&mut self, sample: Sample, error: Option<&[u8]>, missing: bool) {
        let Sample { intended, sent, done } = sample;
        let response = done.saturating_sub(intended);
        self.last_reply = self.last_reply.max(done);
        if self.window.contains(done) {
            self.replies += 1;
        }
        let step = self.step(done);
        step.replies += 1;
        step.errors += u64::from(error.is_some());
        step.max = step.max.max(response);
        step.response.saturating_record(response);
        if self.window.contains(intended) {
            self.max = self.max.max(response);
            self.response.saturating_record(response);
            self.service.saturating_record(done.saturating_sub(sent));
            self.slowest.note(response, done);
            self.misses += u64::from(missing);
            if let Some(text) = error {
                self.error(text);
            }
        }
    }

    #[inline]
    fn step(&mut self, at: u64) -> &mut Interval {
        let index = (at / self.interval_ns) as usize;
        while self.timeline.len() <= index {
            let response = Histogram::new_with_bounds(1 << 10, MAX_NS, 2)
                .expect("two digits up to an hour are within the crate's limits");
            self.timeline.push(Interval { replies: 0, errors: 0, max: 0, response });
        }
        &mut self.timeline[index]
    }

    #[cold]
    fn error(&mut self, text: &[u8]) {
        let kind = error_kind(text);
        // A server that puts arguments into its codes must not fill the memory.
        let kind = if self.errors.len() < 100 || self.errors.contains_key(&kind) { kind } else { "other".into() };
        *self.errors.entry(kind).or_default() += 1;
    }

    /// A request will never be answered: it had waited until `now`. It counts with that time, since leaving out the
    /// slowest would flatter the server.
    pub fn lost(&mut self, intended: u64, sent: u64, now: u64, kind: &str) {
        if self.window.contains(intended) {
            let waited = now.saturating_sub(intended);
            self.unanswered += 1;
            self.max = self.max.max(waited);
            self.response.saturating_record(waited);
            self.service.saturating_record(now.saturating_sub(sent));
            *self.errors.entry(kind.to_string()).or_default() += 1;
        }
    }

    /// A reply came that answers no request.
    #[cold]
    pub fn stray(&mut self, now: u64) {
        if self.window.contains(now) {
            *self.errors.entry("reply without a request".into()).or_default() += 1;
        }
    }

    /// Replies came after a pause that began at `previous` and ended at `now`.
    #[inline]
    pub fn gap(&mut self, previous: u64, now: u64) {
        let (start, end) = (previous.max(self.window.from), now.min(self.window.to));
        if start < end {
            self.gaps.note(end - start, end);
        }
    }

    /// Adds what another thread measured of the same class.
    pub fn merge(&mut self, other: &Recorder) {
        const SAME: &str = "histograms of the same bounds always add up";
        self.response.add(&other.response).expect(SAME);
        self.service.add(&other.service).expect(SAME);
        self.lateness.add(&other.lateness).expect(SAME);
        self.max = self.max.max(other.max);
        self.requests += other.requests;
        self.replies += other.replies;
        self.misses += other.misses;
        self.unanswered += other.unanswered;
        self.last_reply = self.last_reply.max(other.last_reply);
        for (kind, count) in &other.errors {
            *self.errors.entry(kind.clone()).or_default() += count;
        }
        if let Some(last) = other.timeline.len().checked_sub(1) {
            self.step(last as u64 * self.interval_ns);
        }
        for (mine, theirs) in self.timeline.iter_mut().zip(&other.timeline) {
            mine.replies += theirs.replies;
            mine.errors += theirs.errors;
            mine.max = mine.max.max(theirs.max);
            mine.response.add(&theirs.response).expect(SAME);
        }
        self.gaps.merge(&other.gaps);
        self.slowest.merge(&other.slowest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { from: 1000, to: 10_000 };

    fn sample(intended: u64, sent: u64, done: u64) -> Sample {
        Sample { intended, sent, done }
    }

    #[test]
    fn warm_up_is_left_out_and_the_drain_is_not() {
        let mut recorder = Recorder::new(WINDOW, 1000);
        recorder.reply(sample(999, 999, 5000), None, false);
        assert_eq!((recorder.response.len(), recorder.replies), (0, 1));
        recorder.reply(sample(9999, 9999, 50_000), None, false);
        assert_eq!((recorder.response.len(), recorder.max, recorder.replies), (1, 40_001, 1));
        recorder.reply(sample(10_000, 10_000, 10_001), None, false);
        assert_eq!(recorder.response.len(), 1);
        assert_eq!(recorder.timeline.iter().map(|i| i.replies).sum::<u64>(), 3);
    }

    #[test]
    fn an_unanswered_request_counts_as_slow_instead_of_vanishing() {
        let mut recorder = Recorder::new(WINDOW, 1000);
        recorder.lost(2000, 2100, 9000, "timeout");
        assert_eq!((recorder.unanswered, recorder.max, recorder.response.len()), (1, 7000, 1));
        assert_eq!(recorder.errors["timeout"], 1);
    }

    #[test]
    fn threads_merge_to_what_one_thread_would_have_seen() {
        let mut whole = Recorder::new(WINDOW, 1000);
        let mut parts = [whole.clone(), whole.clone()];
        for i in 0..2000u64 {
            let sample = sample(1000 + i, 1001 + i, 1010 + i * 3);
            let error = (i % 100 == 0).then_some(&b"OOM no"[..]);
            whole.reply(sample, error, false);
            parts[(i % 2) as usize].reply(sample, error, false);
        }
        let [mut merged, other] = parts;
        merged.merge(&other);
        assert_eq!(merged.response, whole.response);
        assert_eq!(merged.errors, whole.errors);
        assert_eq!(merged.slowest.spans(), whole.slowest.spans());
        let replies = |r: &Recorder| r.timeline.iter().map(|i| (i.replies, i.errors, i.max)).collect::<Vec<_>>();
        assert_eq!(replies(&merged), replies(&whole));
    }

    #[test]
    fn the_longest_are_kept_whatever_their_order() {
        let mut longest = Longest::default();
        (0..100u64).for_each(|i| longest.note(i * 37 % 100, i));
        assert_eq!(longest.spans().iter().map(|s| s.0).collect::<Vec<_>>(), (90..100).rev().collect::<Vec<_>>());
    }
}
