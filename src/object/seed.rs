//! The hash that places elements inside collections.

use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

use foldhash::quality::SeedableRandomState;

static STATE: OnceLock<SeedableRandomState> = OnceLock::new();

/// Hashes an element. The seed is random per process, so that nobody outside can choose elements that collide. All 64
/// bits are good: the table uses the upper ones as a position.
#[inline]
pub(super) fn hash_element(bytes: &[u8]) -> u64 {
    let mut hasher = STATE.get_or_init(SeedableRandomState::random).build_hasher();
    hasher.write(bytes);
    hasher.finish()
}
