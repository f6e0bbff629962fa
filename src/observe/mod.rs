//! What can be seen of a running server: clocks, counters, slow commands.

mod clock;
mod slowlog;
mod stats;

pub use clock::{Ticks, unix_ms, unix_us};
pub use slowlog::{SlowEntry, Slowlog, monitor_line, quote};
pub use stats::{CommandStats, Stats};
