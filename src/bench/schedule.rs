//! When requests are meant to be sent: the open loop's arrivals, fixed in advance and deaf to the server.

use serde::{Deserialize, Serialize};

use super::record::Window;
use super::rng::Rng;
use super::units::{grouped, parse_count};

/// The law of the gaps between requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Evenly spaced.
    #[default]
    Constant,
    /// A Poisson process: exponential gaps, as independent users produce.
    Poisson,
}

impl std::str::FromStr for Arrivals {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "constant" => Ok(Arrivals::Constant),
            "poisson" => Ok(Arrivals::Poisson),
            _ => Err(format!("unknown arrivals \"{text}\" (constant or poisson)")),
        }
    }
}

/// How many requests per second are meant to leave, over the measured window. Before it, the rate is that of its begin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Rate {
    /// The same all the time.
    Constant(f64),
    /// Evenly from one rate to another.
    Ramp {
        /// At the window's begin.
        from: f64,
        /// At its end.
        to: f64,
    },
    /// One after another, each for an equal part of the window.
    Steps(Vec<f64>),
}

impl std::str::FromStr for Rate {
    type Err = String;

    /// `20k`, `10k..50k` (a ramp), `10k/20k/50k` (steps).
    fn from_str(text: &str) -> Result<Self, String> {
        let rate = |text: &str| match parse_count(text)? {
            rate if rate > 0.0 && rate <= 1e9 => Ok(rate),
            _ => Err(format!("rate {text}: above 0 and up to 1G")),
        };
        if let Some((from, to)) = text.split_once("..") {
            return Ok(Rate::Ramp { from: rate(from)?, to: rate(to)? });
        }
        match text.split('/').map(rate).collect::<Result<Vec<_>, _>>()? {
            steps if steps.len() == 1 => Ok(Rate::Constant(steps[0])),
            steps => Ok(Rate::Steps(steps)),
        }
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Rate::Constant(rate) => write!(f, "{}/s", grouped(*rate)),
            Rate::Ramp { from, to } => write!(f, "{} to {}/s", grouped(*from), grouped(*to)),
            Rate::Steps(steps) => {
                let steps: Vec<String> = steps.iter().map(|&rate| grouped(rate)).collect();
                write!(f, "{}/s", steps.join(", then "))
            }
        }
    }
}

impl Rate {
    /// The mean over the window.
    pub fn mean(&self) -> f64 {
        match self {
            Rate::Constant(rate) => *rate,
            Rate::Ramp { from, to } => (from + to) / 2.0,
            Rate::Steps(steps) => steps.iter().sum::<f64>() / steps.len().max(1) as f64,
        }
    }

    /// Pieces between which the rate changes linearly: begin ns, rates at begin and end. The last goes on for ever.
    fn pieces(&self, window: Window) -> Vec<(f64, f64, f64)> {
        let (from, to) = (window.from as f64, window.to.max(window.from + 1) as f64);
        let mut pieces = match self {
            Rate::Constant(rate) => vec![(0.0, *rate, *rate)],
            Rate::Ramp { from: low, to: high } => vec![(0.0, *low, *low), (from, *low, *high), (to, *high, *high)],
            Rate::Steps(steps) => {
                let length = (to - from) / steps.len() as f64;
                let at = |i: usize| if i == 0 { 0.0 } else { from + length * i as f64 };
                steps.iter().enumerate().map(|(i, &rate)| (at(i), rate, rate)).collect()
            }
        };
        // Without a warm-up the first piece may be empty.
        pieces.dedup_by(|next, piece| {
            next.0 == piece.0 && {
                *piece = *next;
                true
            }
        });
        pieces
    }
}

/// One generator thread's share of a class's arrivals, as nanoseconds since the run's start.
///
/// With constant arrivals, thread `t` of `T` takes the arrivals `t`, `t + T`, ... of the whole class, so the class is
/// evenly spaced whatever the number of threads. With Poisson arrivals each thread runs an independent process of rate
/// `r / T`; their superposition is the process of rate `r`. A rate that changes is the same with time stretched: arrival
/// number `x` of a steady process comes when the rate's integral reaches `x`.
#[derive(Clone, Debug)]
pub struct Schedule {
    arrivals: Arrivals,
    threads: f64,
    thread: f64,
    /// Arrivals of the thread so far. Constant arrivals are computed from it, since adding up gaps would drift.
    count: u64,
    /// Poisson: arrivals of the class that would have come by now at an even pace.
    reached: f64,
    pace: Pace,
    next_ns: f64,
    rng: Rng,
}

#[derive(Clone, Debug)]
enum Pace {
    /// The gap between two arrivals of the class, ns.
    Even(f64),
    Changing(Clock),
}

/// From a number of arrivals to the moment when the rate's integral reaches it.
#[derive(Clone, Debug)]
struct Clock {
    pieces: Vec<(f64, f64, f64)>,
    /// The piece that was used last, and the integral at its begin.
    at: usize,
    before: f64,
}

impl Clock {
    /// `arrivals` must not go down from call to call.
    fn moment(&mut self, arrivals: f64) -> f64 {
        loop {
            let (begin, low, high) = self.pieces[self.at];
            let left = arrivals - self.before;
            let Some(&(end, ..)) = self.pieces.get(self.at + 1) else { return begin + left * 1e9 / high };
            let seconds = (end - begin) / 1e9;
            let holds = (low + high) / 2.0 * seconds;
            if left < holds {
                // Solves low s + (high - low) / (2 seconds) s² = left in the form that does not cancel.
                let slope = (high - low) / seconds;
                return begin + 1e9 * 2.0 * left / (low + (low * low + 2.0 * slope * left).max(0.0).sqrt());
            }
            self.before += holds;
            self.at += 1;
        }
    }
}

impl Schedule {
    /// Arrivals at `rate` for the whole class, of which this is the share of `thread` out of `threads`.
    pub fn new(arrivals: Arrivals, rate: &Rate, window: Window, thread: usize, threads: usize, rng: Rng) -> Self {
        let pace = match rate {
            Rate::Constant(rate) => Pace::Even(1e9 / rate),
            _ => Pace::Changing(Clock { pieces: rate.pieces(window), at: 0, before: 0.0 }),
        };
        let (threads, thread) = (threads as f64, thread as f64);
        let mut schedule = Schedule { arrivals, threads, thread, count: 0, reached: 0.0, pace, next_ns: 0.0, rng };
        schedule.place();
        schedule
    }

    /// The next intended time.
    #[inline]
    pub fn next_ns(&self) -> u64 {
        self.next_ns as u64
    }

    /// Goes on to the arrival after it.
    #[inline]
    pub fn advance(&mut self) {
        self.count += 1;
        self.place();
    }

    #[inline]
    fn place(&mut self) {
        let arrivals = match self.arrivals {
            Arrivals::Constant => self.thread + self.threads * self.count as f64,
            Arrivals::Poisson => {
                self.reached += self.threads * self.rng.exponential();
                self.reached
            }
        };
        self.next_ns = match &mut self.pace {
            Pace::Even(gap_ns) => *gap_ns * arrivals,
            Pace::Changing(clock) => clock.moment(arrivals),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(mut schedule: Schedule, n: usize) -> Vec<u64> {
        (0..n)
            .map(|_| {
                let at = schedule.next_ns();
                schedule.advance();
                at
            })
            .collect()
    }

    const WINDOW: Window = Window { from: 1_000_000_000, to: 11_000_000_000 };

    fn schedule(arrivals: Arrivals, rate: &str, thread: usize, threads: usize, seed: u64) -> Schedule {
        Schedule::new(arrivals, &rate.parse().unwrap(), WINDOW, thread, threads, Rng::new(seed, &[0]))
    }

    fn between(arrivals: &[u64], from_s: f64, to_s: f64) -> usize {
        arrivals.iter().filter(|&&at| at as f64 >= from_s * 1e9 && (at as f64) < to_s * 1e9).count()
    }

    #[test]
    fn a_ramp_and_steps_send_what_their_integral_says() {
        // 1 s at 1000, then 10 s from 1000 to 3000: 1000 in the warm-up, 1100 in the first second, 2900 in the last.
        let mut ramp: Vec<u64> =
            (0..4).flat_map(|t| take(schedule(Arrivals::Constant, "1k..3k", t, 4, 1), 6000)).collect();
        ramp.sort_unstable();
        for (from, to, count) in [(0.0, 1.0, 1000), (1.0, 2.0, 1100), (10.0, 11.0, 2900), (11.0, 11.5, 1500)] {
            let seen = between(&ramp, from, to);
            assert!(seen.abs_diff(count) <= 1, "{from} s to {to} s: {seen}, not {count}");
        }
        let steps = take(schedule(Arrivals::Constant, "1k/5k", 0, 1, 1), 40_000);
        for (from, to, count) in [(0.0, 6.0, 6000), (6.0, 11.0, 25_000), (11.0, 12.0, 5000)] {
            let seen = between(&steps, from, to);
            assert!(seen.abs_diff(count) <= 1, "{from} s to {to} s: {seen}, not {count}");
        }
        let random = take(schedule(Arrivals::Poisson, "1k/5k", 0, 1, 1), 40_000);
        let seen = between(&random, 6.0, 11.0) as f64;
        assert!((seen - 25_000.0).abs() < 3.3 * 25_000f64.sqrt(), "{seen}");
    }

    #[test]
    fn rates_are_read_and_typos_named() {
        assert_eq!("10k..20k".parse(), Ok(Rate::Ramp { from: 1e4, to: 2e4 }));
        assert_eq!("1k/2k/3k".parse::<Rate>().map(|rate| rate.mean()), Ok(2000.0));
        for bad in ["0", "fast", "1k..", "1k//2k", "-5"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn constant_arrivals_neither_drift_nor_bunch_over_threads() {
        let mut all: Vec<u64> =
            (0..3).flat_map(|t| take(schedule(Arrivals::Constant, "30k", t, 3, 0), 100_000)).collect();
        all.sort_unstable();
        for (i, &at) in all.iter().enumerate() {
            let exact = i as f64 * 1e9 / 30_000.0;
            assert!((at as f64 - exact).abs() <= 1.0, "arrival {i} at {at}, not {exact}");
        }
    }

    #[test]
    fn poisson_gaps_pass_kolmogorov_smirnov() {
        let n = 200_000;
        let arrivals = take(schedule(Arrivals::Poisson, "1k", 0, 1, 42), n);
        let mut gaps: Vec<f64> = arrivals.windows(2).map(|w| (w[1] - w[0]) as f64 / 1e6).collect();
        gaps.sort_unstable_by(f64::total_cmp);
        let count = gaps.len() as f64;
        let distance = gaps.iter().enumerate().fold(0f64, |worst, (i, gap)| {
            let exact = 1.0 - (-gap).exp();
            worst.max((exact - i as f64 / count).abs()).max(((i + 1) as f64 / count - exact).abs())
        });
        assert!(distance < 1.95 / count.sqrt(), "distance {distance} exceeds the 0.1% point");
    }

    #[test]
    fn poisson_counts_have_the_variance_of_a_poisson_process() {
        // Gaps alone would not show arrivals that are exponential but correlated.
        let arrivals = take(schedule(Arrivals::Poisson, "1k", 0, 1, 43), 200_000);
        let mut counts = vec![0f64; (arrivals[arrivals.len() - 1] / 10_000_000) as usize];
        for at in arrivals {
            if let Some(count) = counts.get_mut((at / 10_000_000) as usize) {
                *count += 1.0;
            }
        }
        let mean = counts.iter().sum::<f64>() / counts.len() as f64;
        let variance = counts.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / counts.len() as f64;
        // The index of dispersion of n windows is 1 with a standard deviation of sqrt(2 / n).
        let z = (variance / mean - 1.0) / (2.0 / counts.len() as f64).sqrt();
        assert!(z.abs() < 3.3, "index of dispersion {} is {z} deviations from 1", variance / mean);
    }
}
