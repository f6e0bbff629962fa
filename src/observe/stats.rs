//! A core's counters. Plain numbers: only the core writes them, others ask it for a copy.

use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// What one command has cost.
#[derive(Clone, Debug, Default)]
pub struct CommandStats {
    /// Times run.
    pub calls: u64,
    /// Time spent, nanoseconds.
    pub nanos: u64,
    /// Times refused before it ran.
    pub rejected: u64,
    /// Times it answered with an error.
    pub failed: u64,
    /// Latencies, nanoseconds; only once it has run and while `latency-tracking` is on.
    pub latency: Option<Box<Histogram<u32>>>,
}

impl CommandStats {
    /// Adds one run.
    #[inline]
    pub fn record(&mut self, nanos: u64, tracking: bool) {
        self.calls += 1;
        self.nanos += nanos;
        if tracking {
            match &mut self.latency {
                Some(histogram) => histogram.saturating_record(nanos),
                None => self.latency = new_histogram(nanos),
            }
        }
    }
}

impl CommandStats {
    fn add(&mut self, other: &CommandStats) {
        self.calls += other.calls;
        self.nanos += other.nanos;
        self.rejected += other.rejected;
        self.failed += other.failed;
        match (&mut self.latency, &other.latency) {
            // All have the same bounds, so nothing is out of range.
            (Some(mine), Some(theirs)) => mine.add(&**theirs).unwrap_or_default(),
            (none @ None, Some(theirs)) => *none = Some(theirs.clone()),
            (_, None) => {}
        }
    }
}

/// From 1 ns to 1 s with two digits, as Redis keeps them.
#[cold]
fn new_histogram(first: u64) -> Option<Box<Histogram<u32>>> {
    let mut histogram = Histogram::new_with_bounds(1, 1_000_000_000, 2).ok()?;
    histogram.saturating_record(first);
    Some(Box::new(histogram))
}

/// A core's counters since its start or the last CONFIG RESETSTAT.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// Connections accepted.
    pub connections: u64,
    /// Connections refused because of `maxclients`.
    pub rejected_connections: u64,
    /// How often writers were held back since the disk was too far behind the log.
    pub delayed_syncs: u64,
    /// Commands run.
    pub commands: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Keys removed since their time was over.
    pub expired: u64,
    /// Keys removed for want of memory.
    pub evicted: u64,
    /// Replies that were errors.
    pub errors: u64,
    /// The same by the error's first word.
    pub errors_by_code: BTreeMap<Box<str>, u64>,
    /// Commands sent on to other cores.
    pub forwarded: u64,
    /// Commands that spanned cores.
    pub spanning: u64,
    /// Clients cut off because of their output buffer.
    pub output_limit_disconnections: u64,
    /// Clients closed because all of them held too much memory.
    pub evicted_clients: u64,
    /// Clients cut off because of their query buffer.
    pub query_limit_disconnections: u64,
    /// Passes of the core's loop that found something to do.
    pub passes: u64,
    /// By command.
    pub by_command: Vec<CommandStats>,
}

impl Stats {
    /// Zeros, for `commands` commands.
    pub fn new(commands: usize) -> Stats {
        Stats { by_command: vec![CommandStats::default(); commands], ..Stats::default() }
    }

    /// A copy without the latencies, which are large.
    pub fn without_latencies(&self) -> Stats {
        let plain = |command: &CommandStats| CommandStats { latency: None, ..*command };
        // The counters are copied one by one by `clone`, so only the commands need care.
        let by_command = self.by_command.iter().map(plain).collect();
        let errors_by_code = self.errors_by_code.clone();
        Stats { by_command, errors_by_code, ..*self }
    }

    /// Sets everything to zero.
    pub fn reset(&mut self) {
        *self = Stats::new(self.by_command.len());
    }

    /// Adds another core's counters.
    pub fn add(&mut self, other: &Stats) {
        self.connections += other.connections;
        self.rejected_connections += other.rejected_connections;
        self.delayed_syncs += other.delayed_syncs;
        self.commands += other.commands;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.hits += other.hits;
        self.misses += other.misses;
        self.expired += other.expired;
        self.evicted += other.evicted;
        self.evicted_clients += other.evicted_clients;
        self.errors += other.errors;
        for (code, count) in &other.errors_by_code {
            *self.errors_by_code.entry(code.clone()).or_default() += count;
        }
        self.forwarded += other.forwarded;
        self.spanning += other.spanning;
        self.output_limit_disconnections += other.output_limit_disconnections;
        self.query_limit_disconnections += other.query_limit_disconnections;
        self.passes += other.passes;
        if self.by_command.len() < other.by_command.len() {
            self.by_command.resize(other.by_command.len(), CommandStats::default());
        }
        for (mine, theirs) in self.by_command.iter_mut().zip(&other.by_command) {
            mine.add(theirs);
        }
    }

    /// Counts an error reply; `reply` begins with `-`.
    #[cold]
    pub fn count_error(&mut self, reply: &[u8]) {
        /// Codes are few; a client must not be able to make more of them.
        const CODES_MAX: usize = 128;
        self.errors += 1;
        let code = reply[1..].split(|&b| b == b' ' || b == b'\r').next().unwrap_or_default();
        let code = String::from_utf8_lossy(code);
        if let Some(count) = self.errors_by_code.get_mut(&*code) {
            *count += 1;
        } else if self.errors_by_code.len() < CODES_MAX {
            self.errors_by_code.insert(code.into(), 1);
        }
    }
}
