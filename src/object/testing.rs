//! What the random tests of the collections share.

use rand::SeedableRng;
use rand::rngs::StdRng;

/// A generator seeded from `SEED`, or at random; prints the seed, so that a failure can be replayed.
pub fn seeded() -> StdRng {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("SEED={seed}");
    StdRng::seed_from_u64(seed)
}

/// Bytes that this thread holds from the allocator: allocated minus freed.
pub fn thread_bytes() -> i64 {
    let read = |name: &[u8]| -> u64 {
        // SAFETY: the names are zero-terminated and stand for u64 statistics of jemalloc.
        unsafe { tikv_jemalloc_ctl::raw::read(name).unwrap() }
    };
    read(b"thread.allocated\0") as i64 - read(b"thread.deallocated\0") as i64
}
