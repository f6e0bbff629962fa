//! Medians and their uncertainty.

/// The median; of an even number the mean of the two in the middle. None of nothing.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// A 95% confidence interval of the median from order statistics: exact for any distribution, where the bootstrap is too
/// narrow for the handful of rounds that people have time for. None for fewer than six values: even their whole range
/// covers the median less often than that.
pub fn median_interval(values: &[f64]) -> Option<(f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = sorted.len();
    // The largest k with P(Binomial(n, 1/2) < k) <= 2.5%: the k-th from either end bounds the median.
    let (mut k, mut below, mut term) = (0, 0.0, 0.5f64.powi(n.try_into().ok()?));
    while below + term <= 0.025 {
        below += term;
        term *= (n - k) as f64 / (k + 1) as f64;
        k += 1;
    }
    (k > 0).then(|| (sorted[k - 1], sorted[n - k]))
}

#[cfg(test)]
mod tests {
    use super::super::rng::Rng;
    use super::*;

    #[test]
    fn medians_of_odd_even_and_nothing() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn intervals_are_those_of_the_published_tables() {
        let values = |n: usize| (1..=n).map(|i| i as f64).collect::<Vec<_>>();
        assert_eq!(median_interval(&values(5)), None);
        for (n, low, high) in [(6, 1.0, 6.0), (8, 1.0, 8.0), (9, 2.0, 8.0), (20, 6.0, 15.0), (50, 18.0, 33.0)] {
            assert_eq!(median_interval(&values(n)), Some((low, high)), "{n} values");
        }
    }

    #[test]
    fn the_interval_covers_the_true_median_at_least_95_times_in_100() {
        let mut rng = Rng::new(11, &[]);
        let covered = (0..400)
            .filter(|_| {
                // Exponential: skewed, as latencies are; its median is ln 2.
                let values: Vec<f64> = (0..25).map(|_| rng.exponential()).collect();
                let (low, high) = median_interval(&values).unwrap();
                (low..=high).contains(&std::f64::consts::LN_2)
            })
            .count();
        // 95.7% for 25 values; three deviations are 3%.
        assert!((371..=395).contains(&covered), "{covered} of 400");
    }
}
