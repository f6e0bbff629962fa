//! How large a core's commits are and how long they take.

use hdrhistogram::Histogram;

/// Commits of one core since the start or CONFIG RESETSTAT. A commit is one frame of the log; it takes from the moment that it is
/// handed to the kernel until it is on the medium, or, where replies do not wait for that, until the kernel has it.
#[derive(Clone, Debug)]
pub struct CommitStats {
    /// Bytes of a frame.
    pub bytes: Histogram<u64>,
    /// Microseconds of a commit.
    pub micros: Histogram<u64>,
}

impl Default for CommitStats {
    fn default() -> Self {
        let histogram = || Histogram::new(2).expect("two digits are within what a histogram can have");
        CommitStats { bytes: histogram(), micros: histogram() }
    }
}

impl CommitStats {
    /// A commit of `bytes` took `micros`.
    #[inline]
    pub fn record(&mut self, bytes: u64, micros: u64) {
        // The histograms grow by themselves, so nothing is out of range.
        let _ = self.bytes.record(bytes);
        let _ = self.micros.record(micros);
    }

    /// `p50=…,p99=…,p99.9=…,max=…` of a histogram, as LATENCYSTATS spells it.
    pub fn percentiles(histogram: &Histogram<u64>) -> String {
        let at = |percentile| histogram.value_at_percentile(percentile);
        format!("p50={},p99={},p99.9={},max={}", at(50.0), at(99.0), at(99.9), histogram.max())
    }
}
