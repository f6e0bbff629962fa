//! Which key a request touches: distributions over `0..count`.

use super::rng::{Rng, mix};

/// A law over key numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Law {
    /// Each key alike.
    Uniform,
    /// Key of rank `k` with weight `1 / k^theta`, ranks scattered over the key space.
    Zipf {
        /// The exponent, above 0; 0.99 is YCSB's.
        theta: f64,
    },
    /// One after another, wrapping at the end; connections take turns.
    Sequential,
    /// Zipf over the age of the key: the newest is the most popular. Grows with `{newkey}`.
    Latest {
        /// The exponent, as for Zipf.
        theta: f64,
    },
    /// A share of the requests goes to a share of the keys, the rest to the others.
    Hotspot {
        /// Share of the keys that is hot, in (0, 1).
        keys: f64,
        /// Share of the requests that goes to them, in [0, 1].
        requests: f64,
    },
    /// Bell-shaped around the middle, with a standard deviation as a share of the key space.
    Gaussian {
        /// Standard deviation / key count.
        deviation: f64,
    },
}

impl std::str::FromStr for Law {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, arguments) = match text.split_once('(') {
            None => (text, ""),
            Some((name, rest)) => (name, rest.strip_suffix(')').ok_or(format!("\"{text}\" lacks its closing )"))?),
        };
        let given: Vec<f64> = arguments
            .split(',')
            .filter(|a| !a.trim().is_empty())
            .map(|a| a.trim().parse().map_err(|_| format!("\"{a}\" in \"{text}\" is not a number")))
            .collect::<Result<_, _>>()?;
        let argument = |i: usize, default: f64| given.get(i).copied().unwrap_or(default);
        let (law, takes) = match name {
            "uniform" => (Law::Uniform, 0),
            "zipf" | "zipfian" => (Law::Zipf { theta: argument(0, 0.99) }, 1),
            "sequential" => (Law::Sequential, 0),
            "latest" => (Law::Latest { theta: argument(0, 0.99) }, 1),
            "hotspot" => (Law::Hotspot { keys: argument(0, 0.2), requests: argument(1, 0.8) }, 2),
            "gaussian" => (Law::Gaussian { deviation: argument(0, 0.1) }, 1),
            _ => {
                return Err(format!(
                    "unknown key distribution \"{name}\" (uniform, zipf(THETA), sequential, latest(THETA), \
                     hotspot(KEY_SHARE,REQUEST_SHARE) or gaussian(DEVIATION))"
                ));
            }
        };
        if given.len() > takes {
            return Err(format!("\"{name}\" takes at most {takes} numbers"));
        }
        let sound = match law {
            Law::Zipf { theta } | Law::Latest { theta } => theta > 0.0 && theta <= 10.0,
            Law::Hotspot { keys, requests } => keys > 0.0 && keys < 1.0 && (0.0..=1.0).contains(&requests),
            Law::Gaussian { deviation } => deviation > 0.0 && deviation.is_finite(),
            Law::Uniform | Law::Sequential => true,
        };
        if sound { Ok(law) } else { Err(format!("\"{text}\" is out of range")) }
    }
}

/// Zipf over `1..=n` by rejection-inversion (Hörmann and Derflinger, 1996): exact for any theta, no tables, constant
/// time, and `n` may change between draws.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Zipf {
    n: f64,
    theta: f64,
    h_x1: f64,
    h_n: f64,
    s: f64,
}

impl Zipf {
    /// Weights `k^-theta` over `1..=n`; `n` at least 1, `theta` above 0.
    pub fn new(n: u64, theta: f64) -> Self {
        let mut zipf = Zipf { n: n as f64, theta, h_x1: 0.0, h_n: 0.0, s: 0.0 };
        zipf.h_x1 = zipf.integral(1.5) - 1.0;
        zipf.h_n = zipf.integral(zipf.n + 0.5);
        zipf.s = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.weight(2.0));
        zipf
    }

    /// Integral of `x^-theta`, continued through theta = 1.
    fn integral(&self, x: f64) -> f64 {
        let log = x.ln();
        let e = (1.0 - self.theta) * log;
        if e.abs() > 1e-8 { log * e.exp_m1() / e } else { log * (1.0 + e / 2.0 * (1.0 + e / 3.0)) }
    }

    fn weight(&self, x: f64) -> f64 {
        (-self.theta * x.ln()).exp()
    }

    fn inverse(&self, x: f64) -> f64 {
        let t = (x * (1.0 - self.theta)).max(-1.0);
        let scaled = if t.abs() > 1e-8 { t.ln_1p() / t } else { 1.0 - t * (0.5 - t / 3.0) };
        (scaled * x).exp()
    }

    /// A rank in `1..=n`.
    #[inline]
    pub fn rank(&self, rng: &mut Rng) -> u64 {
        loop {
            let u = self.h_n + rng.unit() * (self.h_x1 - self.h_n);
            let x = self.inverse(u);
            let k = x.round().clamp(1.0, self.n);
            if k - x <= self.s || u >= self.integral(k + 0.5) - self.weight(k) {
                return k as u64;
            }
        }
    }
}

/// One connection's source of key numbers.
#[derive(Clone, Debug)]
pub struct Keys {
    law: Law,
    count: u64,
    zipf: Option<Zipf>,
    /// Next in this connection's stripe, for sequential keys.
    turn: u64,
    /// Connections of the class, the stride of stripes.
    stride: u64,
    /// Keys that this connection has added beyond `count`.
    added: u64,
    stripe: u64,
}

impl Keys {
    /// Keys `0..count` (at least 1) under `law` for connection `index` of `connections`.
    pub fn new(law: Law, count: u64, index: u64, connections: u64) -> Self {
        let count = count.max(1);
        let zipf = match law {
            Law::Zipf { theta } | Law::Latest { theta } => Some(Zipf::new(count, theta)),
            _ => None,
        };
        Keys { law, count, zipf, turn: index, stride: connections.max(1), added: 0, stripe: index }
    }

    /// The next key number.
    #[inline]
    pub fn draw(&mut self, rng: &mut Rng) -> u64 {
        match (self.law, &self.zipf) {
            (Law::Zipf { .. }, Some(zipf)) => scatter(zipf.rank(rng) - 1, self.count),
            (Law::Latest { .. }, Some(zipf)) => {
                // Only keys that exist: what this connection added, newest first, then the loaded ones from the top.
                // What others added meanwhile it cannot know without making the stream depend on timing.
                let rank = zipf.rank(rng);
                if rank <= self.added {
                    self.count + self.stripe + (self.added - rank) * self.stride
                } else {
                    self.count - (rank - self.added)
                }
            }
            (Law::Sequential, _) => {
                let key = self.turn % self.count;
                self.turn += self.stride;
                key
            }
            (Law::Hotspot { keys, requests }, _) => {
                let hot = ((self.count as f64 * keys) as u64).clamp(1, self.count);
                let cold = self.count - hot;
                if cold == 0 || rng.unit() < requests { rng.below(hot) } else { hot + rng.below(cold) }
            }
            (Law::Gaussian { deviation }, _) => loop {
                // Box and Muller; what falls outside is drawn again.
                let normal = (2.0 * rng.exponential()).sqrt() * (std::f64::consts::TAU * rng.unit()).cos();
                let key = (0.5 + deviation * normal) * self.count as f64;
                if key >= 0.0 && key < self.count as f64 {
                    break key as u64;
                }
            },
            _ => rng.below(self.count),
        }
    }

    /// Keys that exist at the start.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// A key number that no connection has used yet, from this connection's stripe above `count`.
    #[inline]
    pub fn add(&mut self) -> u64 {
        let key = self.count + self.stripe + self.added * self.stride;
        self.added += 1;
        key
    }
}

/// Spreads ranks over the key space with a bijection, so that hot keys are not neighbours (and thus slots and cores
/// share them). A walk along cycles of a mixing permutation of the next power of two.
fn scatter(rank: u64, count: u64) -> u64 {
    let bits = 64 - (count - 1).leading_zeros();
    if bits < 2 {
        return rank;
    }
    let mask = (1u64 << bits.min(63)) - 1;
    let mut x = rank;
    loop {
        // Each step is a bijection on `bits` bits: multiplication by an odd number, and a xor-shift to the right.
        x = x.wrapping_mul(0x9e37_79b9_7f4a_7c15) & mask;
        x ^= x >> (bits / 2);
        x = x.wrapping_mul(mix(1) | 1) & mask;
        x ^= x >> (bits / 2);
        if x < count {
            return x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chi_square(observed: &[u64], expected: &[f64]) -> f64 {
        observed.iter().zip(expected).map(|(&o, &e)| (o as f64 - e).powi(2) / e).sum()
    }

    /// Wilson and Hilferty's approximation of the upper 0.1% point.
    fn critical(degrees: usize) -> f64 {
        let d = degrees as f64;
        d * (1.0 - 2.0 / (9.0 * d) + 3.09 * (2.0 / (9.0 * d)).sqrt()).powi(3)
    }

    #[test]
    fn zipf_passes_chi_square_for_every_theta() {
        let (n, draws) = (1000u64, 1_000_000);
        for (seed, theta) in [(1, 0.5), (2, 0.99), (3, 1.0), (4, 1.2), (5, 2.0)] {
            let zipf = Zipf::new(n, theta);
            let mut rng = Rng::new(seed, &[]);
            let mut counts = vec![0u64; n as usize];
            for _ in 0..draws {
                counts[zipf.rank(&mut rng) as usize - 1] += 1;
            }
            let total: f64 = (1..=n).map(|k| (k as f64).powf(-theta)).sum();
            // Cells with few expected draws are pooled, as the test demands.
            let (mut observed, mut expected) = (vec![0u64], vec![0f64]);
            for k in 1..=n {
                if expected[expected.len() - 1] >= 50.0 {
                    observed.push(0);
                    expected.push(0.0);
                }
                *observed.last_mut().unwrap() += counts[k as usize - 1];
                *expected.last_mut().unwrap() += draws as f64 * (k as f64).powf(-theta) / total;
            }
            let chi = chi_square(&observed, &expected);
            let limit = critical(observed.len() - 1);
            assert!(chi < limit, "theta {theta}: chi-square {chi} over {} cells exceeds {limit}", observed.len());
        }
    }

    #[test]
    fn scatter_is_a_bijection_so_no_key_is_lost() {
        for count in [1u64, 2, 3, 10, 1000, 65_536, 100_003] {
            let mut seen = vec![false; count as usize];
            for rank in 0..count {
                assert!(!std::mem::replace(&mut seen[scatter(rank, count) as usize], true));
            }
        }
    }

    #[test]
    fn hotspot_and_sequential_keep_their_shares() {
        let mut rng = Rng::new(9, &[]);
        let mut keys = Keys::new("hotspot(0.1,0.9)".parse().unwrap(), 1000, 0, 1);
        let hot = (0..100_000).filter(|_| keys.draw(&mut rng) < 100).count() as f64;
        assert!((hot - 90_000.0).abs() < 3.3 * (100_000.0f64 * 0.09).sqrt());
        let mut all: Vec<u64> = (0..4)
            .flat_map(|c| {
                let mut keys = Keys::new(Law::Sequential, 100, c, 4);
                let mut rng = Rng::new(9, &[]);
                (0..25).map(move |_| keys.draw(&mut rng)).collect::<Vec<_>>()
            })
            .collect();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>(), "connections together touch every key once");
    }

    #[test]
    fn latest_never_asks_for_a_key_that_was_not_added() {
        let mut rng = Rng::new(5, &[]);
        let mut keys = Keys::new("latest".parse().unwrap(), 100, 3, 7);
        let mut known: std::collections::HashSet<u64> = (0..100).collect();
        let mut newest = 0;
        for i in 0..5000 {
            if i % 20 == 0 {
                newest = keys.add();
                known.insert(newest);
            }
            assert!(known.contains(&keys.draw(&mut rng)));
        }
        let hits = (0..1000).filter(|_| keys.draw(&mut rng) == newest).count();
        assert!(hits > 100, "the newest key is the most popular: {hits} of 1000");
    }

    #[test]
    fn every_law_stays_in_range_even_with_one_key() {
        let mut rng = Rng::new(3, &[]);
        for law in ["uniform", "zipf", "zipf(1)", "sequential", "latest", "hotspot", "gaussian", "gaussian(3)"] {
            for count in [1, 2, 7, 1000] {
                let mut keys = Keys::new(law.parse().unwrap(), count, 0, 1);
                for _ in 0..1000 {
                    assert!(keys.draw(&mut rng) < count, "{law} over {count}");
                }
            }
        }
    }

    #[test]
    fn a_typo_in_a_distribution_is_named() {
        for bad in ["zip", "zipf(", "zipf(-1)", "zipf(1,2)", "hotspot(2)", "gaussian(x)"] {
            assert!(bad.parse::<Law>().is_err(), "{bad}");
        }
    }
}
