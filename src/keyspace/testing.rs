//! What the tests of this module share.

use std::convert::Infallible;

/// A small seeded generator (splitmix64), so that one number replays a test.
pub struct Rng64(pub u64);

impl Rng64 {
    /// Seeds from the `SEED` environment variable, or at random, and prints the seed.
    pub fn from_env() -> Rng64 {
        let seed = match std::env::var("SEED") {
            Ok(text) => text.parse().expect("SEED is a number"),
            Err(_) if cfg!(miri) => 1,
            Err(_) => std::time::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_nanos() as u64),
        };
        println!("SEED={seed}");
        super::seed_key_hash(seed);
        Rng64(seed)
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

impl rand::TryRng for Rng64 {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.next() as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next())
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        dst.iter_mut().for_each(|b| *b = self.next() as u8);
        Ok(())
    }
}
