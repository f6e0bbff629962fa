//! What can be seen of a running server: clocks and counters.

mod clock;
mod stats;

pub use clock::{Ticks, unix_ms, unix_us};
pub use stats::{CommandStats, Stats};
