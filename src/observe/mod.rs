//! What can be seen of a running server: clocks, counters, slow commands.

mod backup;
mod clock;
mod commits;
pub mod info;
mod latency;
mod peak;
mod process;
mod rates;
mod saves;
mod secrets;
pub mod server_log;
mod slowlog;
mod stats;
mod syslog;

pub use backup::{Backup, BackupState};
pub use clock::{Ticks, unix_ms, unix_us};
pub use commits::CommitStats;
pub use latency::{LatencyEvent, LatencyEvents, LatencySample};
pub use peak::MemoryPeak;
pub use process::{ProcessMemory, ThreadTime, machine_memory, purge, set_background_purge, system_name};
pub use rates::{Rates, Sampler};
pub use saves::{CurrentSave, Runs, SaveState};
pub use secrets::without_secrets;
pub use slowlog::{SlowEntry, Slowlog, monitor_line, quote};
pub use stats::{CommandStats, Stats};
