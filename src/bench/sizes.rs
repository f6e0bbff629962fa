//! How large values are: fixed, a range, Zipf, or a histogram.

use std::sync::Arc;

use super::keys::Zipf;
use super::rng::Rng;
use super::units::{parse_count, parse_size};

/// The largest value made, bytes: Redis's own limit on a string.
pub const MAX_VALUE: usize = 512 << 20;

/// A law over sizes in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Sizes(Kind);

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// Evenly from the first to the second, ends included.
    Range(usize, usize),
    /// The k-th smallest size of the range has weight 1 / k^theta: small ones are common, large ones rare.
    Zipf { min: usize, law: Zipf },
    /// Sizes with the sum of the weights up to and with each.
    Histogram(Arc<[(usize, f64)]>),
}

impl Sizes {
    /// Always `bytes`.
    pub fn fixed(bytes: usize) -> Self {
        Sizes(Kind::Range(bytes, bytes))
    }

    /// A size. A fixed one takes nothing from `rng`.
    #[inline]
    pub fn draw(&self, rng: &mut Rng) -> usize {
        match &self.0 {
            Kind::Range(min, max) if min == max => *min,
            Kind::Range(min, max) => min + rng.below((max - min + 1) as u64) as usize,
            Kind::Zipf { min, law } => min + law.rank(rng) as usize - 1,
            Kind::Histogram(steps) => {
                let at = rng.unit() * steps[steps.len() - 1].1;
                steps[steps.partition_point(|step| step.1 <= at).min(steps.len() - 1)].0
            }
        }
    }
}

impl std::str::FromStr for Sizes {
    type Err = String;

    /// `64`, `10-4kb`, `zipf(10-4kb)`, `zipf(10-4kb,1.2)`, `hist(64=50,1kb=9,16kb=1)`, `hist(@FILE)` with a size and a
    /// weight on each line.
    fn from_str(text: &str) -> Result<Self, String> {
        let inside = |name: &str| text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(arguments) = inside("zipf") {
            let (sizes, theta) = arguments.split_once(',').unwrap_or((arguments, "0.99"));
            let (min, max) = range(sizes)?;
            return match theta.trim().parse::<f64>() {
                Ok(theta) if theta > 0.0 && theta <= 10.0 => {
                    Ok(Sizes(Kind::Zipf { min, law: Zipf::new((max - min + 1) as u64, theta) }))
                }
                _ => Err(format!("\"{text}\": theta is a number above 0 and up to 10")),
            };
        }
        if let Some(arguments) = inside("hist") {
            let pairs = match arguments.strip_prefix('@') {
                None => arguments.split(',').map(|pair| pair.replace('=', " ")).collect(),
                Some(path) => std::fs::read_to_string(path)
                    .map_err(|e| format!("cannot read the sizes from {path}: {e}"))?
                    .lines()
                    .map(|line| line.split('#').next().unwrap_or("").replace([',', '='], " "))
                    .collect::<Vec<String>>(),
            };
            return histogram(text, &pairs);
        }
        let (min, max) = range(text)?;
        Ok(Sizes(Kind::Range(min, max)))
    }
}

fn range(text: &str) -> Result<(usize, usize), String> {
    let (min, max) = text.split_once('-').unwrap_or((text, text));
    match (parse_size(min.trim())?, parse_size(max.trim())?) {
        (min, max) if min <= max && max <= MAX_VALUE => Ok((min, max)),
        _ => Err(format!("\"{text}\" is not a range of sizes up to 512mb")),
    }
}

fn histogram(text: &str, pairs: &[String]) -> Result<Sizes, String> {
    let mut steps: Vec<(usize, f64)> = Vec::new();
    let mut total = 0.0;
    for pair in pairs.iter().filter(|pair| !pair.trim().is_empty()) {
        let mut words = pair.split_whitespace();
        let (Some(size), Some(weight), None) = (words.next(), words.next(), words.next()) else {
            return Err(format!("\"{pair}\" in \"{text}\": write SIZE=WEIGHT"));
        };
        let (size, _) = range(size)?;
        let weight = parse_count(weight)?;
        if weight > 0.0 {
            total += weight;
            steps.push((size, total));
        }
    }
    if steps.is_empty() {
        return Err(format!("\"{text}\": no size has a weight above 0"));
    }
    Ok(Sizes(Kind::Histogram(steps.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(law: &str, n: usize) -> Vec<usize> {
        let (law, mut rng) = (law.parse::<Sizes>().unwrap(), Rng::new(3, &[]));
        (0..n).map(|_| law.draw(&mut rng)).collect()
    }

    #[test]
    fn a_histogram_gives_each_size_its_share() {
        let drawn = draw("hist(64=50,1kb=40,16kb=10)", 100_000);
        for (size, share) in [(64, 0.5f64), (1024, 0.4), (16384, 0.1)] {
            let seen = drawn.iter().filter(|&&drawn| drawn == size).count() as f64;
            let deviation = (1e5 * share * (1.0 - share)).sqrt();
            assert!((seen - 1e5 * share).abs() < 3.3 * deviation, "{size}: {seen} of 100000");
        }
    }

    #[test]
    fn a_histogram_is_read_from_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# size weight\n100 1\n200 3\n\n").unwrap();
        let drawn = draw(&format!("hist(@{})", file.path().display()), 10_000);
        let large = drawn.iter().filter(|&&size| size == 200).count();
        assert!((7300..7700).contains(&large) && drawn.iter().all(|&size| size == 100 || size == 200));
    }

    #[test]
    fn zipf_sizes_stay_in_range_and_favour_the_small() {
        let drawn = draw("zipf(10-1kb,1.2)", 100_000);
        assert!(drawn.iter().all(|size| (10..=1024).contains(size)));
        // Weight of the first of 1015 ranks: 1 / sum(k^-1.2).
        let share = 1.0 / (1..=1015).map(|k| f64::from(k).powf(-1.2)).sum::<f64>();
        let seen = drawn.iter().filter(|&&size| size == 10).count() as f64;
        assert!((seen - 1e5 * share).abs() < 3.3 * (1e5 * share * (1.0 - share)).sqrt(), "{seen}");
        assert!(drawn.iter().any(|&size| size > 500));
    }

    #[test]
    fn typos_in_sizes_are_named() {
        for bad in ["64x", "9-1", "zipf(1-2,0)", "zipf(1-2", "hist()", "hist(64)", "hist(64=0)", "hist(@/no/such)"] {
            assert!(bad.parse::<Sizes>().is_err(), "{bad}");
        }
    }
}
