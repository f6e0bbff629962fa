//! Random entries, for RANDOMKEY and eviction.

use rand::Rng;

use super::segment::{SEGMENT_SLOTS, SLOTS};
use super::{Slab, Table, segment};

/// Random slots tried before counting through a segment.
const TRIES: usize = 16;

impl Table {
    /// An entry at random. A segment is chosen in proportion to its share of the hashes, then one of its entries: nearly
    /// fair, since segments hold nearly as many entries as their share.
    pub fn random(&self, slab: &Slab, rng: &mut impl Rng) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        let mut place = self.directory.place(rng.next_u64());
        // Joining keeps empty segments rare; going on to the next one from there ends the search for certain.
        for _ in 0..self.directory.len() {
            let Some(reference) = self.directory.get(place) else { break };
            let segment = segment(slab, reference);
            if segment.count() > 0 {
                for _ in 0..TRIES {
                    let found = segment.at_slot(rng.next_u64() as usize % SEGMENT_SLOTS);
                    if found.is_some() {
                        return found;
                    }
                }
                return segment.nth(rng.next_u64() as usize % segment.count());
            }
            place = (place + 1) % self.directory.len();
        }
        self.spill.get(rng.next_u64() as usize % self.spill.len().max(1)).map(|&(_, reference)| reference)
    }

    /// About `n` entries from one random stretch of neighbouring slots: cheap to fetch, and as good as independent ones
    /// for eviction, since neighbours have nothing in common but hash bits. Fewer if the stretch is thinly filled.
    pub fn sample(&self, slab: &Slab, rng: &mut impl Rng, n: usize, mut visit: impl FnMut(u32)) {
        let Some(reference) = self.target(rng.next_u64()) else { return };
        let segment = segment(slab, reference);
        let start = rng.next_u64() as usize % SEGMENT_SLOTS;
        let stretch = n.saturating_mul(4).clamp(4 * SLOTS, SEGMENT_SLOTS);
        let found = (start..start + stretch).filter_map(|slot| segment.at_slot(slot % SEGMENT_SLOTS));
        found.take(n).for_each(&mut visit);
    }
}
