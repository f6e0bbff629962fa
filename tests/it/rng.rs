//! Random choices that one number replays.

/// The seed of this run: `SEED`, else the `GATE_SEED` of .ci/run, else a new one. Printed by each story that uses it.
pub fn seed() -> u64 {
    let given = ["SEED", "GATE_SEED"].iter().find_map(|name| std::env::var(name).ok());
    let seed = given.map_or_else(|| rand::random::<u32>().into(), |text| text.parse().expect("a seed is a number"));
    eprintln!("SEED={seed}");
    seed
}

/// A whole number from the environment.
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// SplitMix64.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }
}
