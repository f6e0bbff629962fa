//! One core's shard: the only owner of its keys and of its log. What changes a key goes through [`Cx`], and from there
//! come the effect for the log, the keys that readers must wait for, the versions that WATCH compares and the events
//! that subscribers hear.

mod access;
mod budget;
mod change;
mod cx;
mod eviction;
mod expire;
mod journal;
pub mod locks;
pub mod mesh;
pub mod message;
#[allow(clippy::module_inception)]
mod shard;
pub mod slot;
mod snapshot;
mod undurable;
mod unit;
mod waiting;
mod watch;
mod whole;

pub use access::AccessClock;
pub use budget::{CoreMemory, Lease, MemoryPool};
pub use cx::{Cx, Expire, Found};
pub use eviction::Eviction;
pub use journal::{Journal, NotAdmitted};
pub use shard::{Event, Shard, ShardStats};
pub use unit::Unit;
pub use waiting::{Change, Turn, Waiting, Wants};
pub use whole::AllKeys;

/// Bits of a SCAN cursor that name the core; the walk's position is above.
const CURSOR_CORE_BITS: u32 = 8;

/// The core that a SCAN cursor, as sent by the client, goes on with; 0 if it is no cursor (the command then says so).
pub fn cursor_core(cursor: &[u8], cores: usize) -> usize {
    let number: u64 = std::str::from_utf8(cursor).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    split_cursor(number).0.min(cores - 1)
}

/// A cursor's core and position.
pub fn split_cursor(cursor: u64) -> (usize, u64) {
    ((cursor & ((1 << CURSOR_CORE_BITS) - 1)) as usize, cursor >> CURSOR_CORE_BITS)
}

/// The cursor behind `position` (0: at the end) on `core`, going on with the next core where this one ends.
pub fn join_cursor(core: usize, position: u64, cores: usize) -> u64 {
    match position {
        0 if core + 1 == cores => 0,
        0 => core as u64 + 1,
        _ => position << CURSOR_CORE_BITS | core as u64,
    }
}
