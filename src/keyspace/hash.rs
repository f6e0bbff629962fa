//! The hash of a key: 64 bits, seeded once per process, computed once per command and passed along.

use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;

/// The 64-bit hash of a key, as [`hash_key`] computes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyHash(pub u64);

static STATE: OnceLock<SeedableRandomState> = OnceLock::new();

/// Fixes the hash seed, so that a simulation or a test places its keys the same way in every run.
///
/// Must come before the first [`hash_key`] of the process. Returns false, and changes nothing, when it is too late.
pub fn seed_key_hash(seed: u64) -> bool {
    // A process does this once: the 48 bytes of shared seed live as long as it does.
    let shared: &'static SharedSeed = Box::leak(Box::new(SharedSeed::from_u64(seed)));
    STATE.set(SeedableRandomState::with_seed(seed, shared)).is_ok()
}

/// Hashes a key. The seed is random per process, so that nobody outside can choose keys that collide.
#[inline]
pub fn hash_key(key: &[u8]) -> KeyHash {
    let mut hasher = STATE.get_or_init(SeedableRandomState::random).build_hasher();
    hasher.write(key);
    KeyHash(hasher.finish())
}
