//! The estimator: Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", arXiv:1702.01284,
//! algorithm 6, with its functions sigma and tau. Each step in the order that Redis takes, so that rounding is the same.

use super::{REGISTERS, VALUE_BITS};

/// 1 / (2 ln 2).
#[allow(clippy::excessive_precision)]
const ALPHA_INFINITY: f64 = 0.721347520444481703680;

/// The cardinality that a histogram of register values speaks for.
pub(super) fn cardinality(histogram: &[u32; 64]) -> u64 {
    let registers = REGISTERS as f64;
    let highest = VALUE_BITS as usize + 1;
    let mut z = registers * tau((registers - f64::from(histogram[highest])) / registers);
    for &count in histogram[1..highest].iter().rev() {
        z += f64::from(count);
        z *= 0.5;
    }
    z += registers * sigma(f64::from(histogram[0]) / registers);
    (ALPHA_INFINITY * registers * registers / z).round() as u64
}

/// Sums x^(2^k) 2^(k-1), for the registers that are 0.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let mut weight = 1.0;
    let mut sum = x;
    loop {
        x *= x;
        let before = sum;
        sum += x * weight;
        weight += weight;
        if sum == before {
            return sum;
        }
    }
}

/// For the registers at the highest value.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let mut weight = 1.0;
    let mut sum = 1.0 - x;
    loop {
        x = x.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * weight;
        if sum == before {
            return sum / 3.0;
        }
    }
}
