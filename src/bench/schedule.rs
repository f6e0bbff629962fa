//! When requests are meant to be sent: the open loop's arrivals, fixed in advance and deaf to the server.

use super::rng::Rng;

/// The law of the gaps between requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

/// One generator thread's share of a class's arrivals, as nanoseconds since the run's start.
///
/// With constant arrivals, thread `t` of `T` takes the arrivals `t`, `t + T`, ... of the whole class, so the class is
/// evenly spaced whatever the number of threads. With Poisson arrivals each thread runs an independent process of rate
/// `r / T`; their superposition is the process of rate `r`.
#[derive(Clone, Debug)]
pub struct Schedule {
    arrivals: Arrivals,
    gap_ns: f64,
    /// Constant: arrivals so far. Kept as a count, since adding up gaps would drift.
    count: u64,
    offset_ns: f64,
    next_ns: f64,
    rng: Rng,
}

impl Schedule {
    /// Arrivals at `rate` per second for the whole class, of which this is the share of `thread` out of `threads`.
    pub fn new(arrivals: Arrivals, rate: f64, thread: usize, threads: usize, rng: Rng) -> Self {
        let gap_ns = 1e9 * threads as f64 / rate;
        let offset_ns = 1e9 * thread as f64 / rate;
        let mut schedule = Schedule { arrivals, gap_ns, count: 0, offset_ns, next_ns: offset_ns, rng };
        if arrivals == Arrivals::Poisson {
            schedule.next_ns = schedule.gap_ns * schedule.rng.exponential();
        }
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
        self.next_ns = match self.arrivals {
            Arrivals::Constant => self.offset_ns + self.gap_ns * self.count as f64,
            Arrivals::Poisson => self.next_ns + self.gap_ns * self.rng.exponential(),
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

    #[test]
    fn constant_arrivals_neither_drift_nor_bunch_over_threads() {
        let mut all: Vec<u64> = (0..3)
            .flat_map(|t| take(Schedule::new(Arrivals::Constant, 30_000.0, t, 3, Rng::new(0, &[])), 100_000))
            .collect();
        all.sort_unstable();
        for (i, &at) in all.iter().enumerate() {
            let exact = i as f64 * 1e9 / 30_000.0;
            assert!((at as f64 - exact).abs() <= 1.0, "arrival {i} at {at}, not {exact}");
        }
    }

    #[test]
    fn poisson_gaps_pass_kolmogorov_smirnov() {
        let n = 200_000;
        let arrivals = take(Schedule::new(Arrivals::Poisson, 1000.0, 0, 1, Rng::new(42, &[0])), n);
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
        let arrivals = take(Schedule::new(Arrivals::Poisson, 1000.0, 0, 1, Rng::new(43, &[0])), 200_000);
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
