//! How many requests a core waits for before it wakes up.
//!
//! Under load, waking up for each request costs more than the request: entering and leaving the kernel, a switch of tasks, a pass of
//! the core's loop, and a wake-up of the client for each reply. As network cards moderate their interrupts, a core that expects
//! several requests within [`GATHER_US`] sleeps until they are there, or until that time is over. What it expects is what came lately:
//! a lone client, or few requests a second, are never waited for.

use crate::observe::Ticks;

/// Longest time that a request waits for others, microseconds.
pub const GATHER_US: u32 = 25;

/// Most requests that are waited for.
const REQUESTS_MAX: f32 = 32.0;

/// Of so many connections, one is waited for: the others are busy with their replies, or it would be in vain.
const CONNECTIONS_PER_REQUEST: f32 = 4.0;

/// Share of the newest pass in the averages.
const NEWEST: f32 = 1.0 / 16.0;

/// What came lately.
#[derive(Debug)]
pub struct Gathering {
    last: Ticks,
    /// Nanoseconds between passes, on average.
    gap_ns: f32,
    /// Completions in a pass, on average.
    completions: f32,
}

impl Default for Gathering {
    fn default() -> Gathering {
        Gathering { last: Ticks::now(), gap_ns: 1e9, completions: 0.0 }
    }
}

impl Gathering {
    /// A pass begins with so many completions.
    #[inline]
    pub fn note(&mut self, completions: usize, now: Ticks) {
        let gap_ns = now.nanos_since(self.last) as f32;
        self.last = now;
        self.gap_ns += (gap_ns - self.gap_ns) * NEWEST;
        self.completions += (completions as f32 - self.completions) * NEWEST;
    }

    /// How many completions are worth waiting for, at least one, with so many connections.
    #[inline]
    pub fn expected(&self, connections: usize) -> u32 {
        let rate_per_us = self.completions * 1000.0 / self.gap_ns.max(1.0);
        let expected = rate_per_us * GATHER_US as f32;
        expected.min(connections as f32 / CONNECTIONS_PER_REQUEST).clamp(1.0, REQUESTS_MAX) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_likely_to_come_is_waited_for() {
        let lately = |gap_ns, completions| Gathering { gap_ns, completions, ..Gathering::default() };
        let busy = lately(10_000.0, 2.0);
        assert_eq!(busy.expected(50), 5, "0.2 a microsecond, for 25 of them");
        assert_eq!(busy.expected(4), 1, "few clients would only wait for each other");
        assert_eq!(busy.expected(0), 1);
        assert_eq!(lately(60_000.0, 1.0).expected(1_000), 1, "a request now and then waits for nobody");
        assert_eq!(Gathering::default().expected(1_000), 1);
        assert_eq!(lately(1_000.0, 100.0).expected(10_000), 32);
    }
}
