//! Events per second over the last moments, from samples of counters.

use super::Stats;
use std::collections::VecDeque;

/// Samples kept: at ten a second, the last 1.6 seconds, as in Redis.
const SAMPLES: usize = 16;

/// Events per second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Commands.
    pub commands: f64,
    /// Bytes received.
    pub bytes_in: f64,
    /// Bytes sent.
    pub bytes_out: f64,
    /// Passes of the core's loop.
    pub passes: f64,
}

/// The counters at one time: ms, commands, bytes in and out, passes.
type Sample = [u64; 5];

/// The samples of one core.
#[derive(Clone, Debug, Default)]
pub struct Sampler {
    samples: VecDeque<Sample>,
}

impl Sampler {
    /// Takes a sample.
    pub fn sample(&mut self, now_ms: u64, stats: &Stats) {
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(sample(now_ms, stats));
    }

    /// The rates from the oldest sample until now.
    pub fn rates(&self, now_ms: u64, stats: &Stats) -> Rates {
        let now = sample(now_ms, stats);
        let Some(then) = self.samples.front().filter(|then| then[0] < now[0]) else { return Rates::default() };
        let per_second = |at: usize| now[at].saturating_sub(then[at]) as f64 * 1000.0 / (now[0] - then[0]) as f64;
        Rates { commands: per_second(1), bytes_in: per_second(2), bytes_out: per_second(3), passes: per_second(4) }
    }
}

fn sample(now_ms: u64, stats: &Stats) -> Sample {
    [now_ms, stats.commands, stats.bytes_in, stats.bytes_out, stats.passes]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_the_last_moments_only() {
        let (mut sampler, mut stats) = (Sampler::default(), Stats::default());
        stats.commands = 1_000_000;
        for tick in 0..100 {
            sampler.sample(tick * 100, &stats);
            stats.commands += 10;
        }
        let rates = sampler.rates(10_000, &stats);
        assert_eq!(rates.commands, 100.0);
        assert_eq!(sampler.rates(8_000, &stats), Rates::default(), "a clock that goes back is no division by zero");
    }
}
