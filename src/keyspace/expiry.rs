//! The expiry index: which entries are due, soonest first.
//!
//! One 64-bit item per entry with an expiry time: the deadline in units of 64 ms since the index's own beginning (32 bits,
//! 8.7 years) above the entry's reference. Items stand sorted in blocks of up to 127, the blocks in a B-tree by the smallest
//! item they may hold; that takes 8 to 16 bytes per entry. Deadlines beyond the 8.7 years share the last unit and are only
//! noticed on access.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use rand::Rng;

use super::entry::EntryRef;
use super::slab::heap_block_bytes;

/// Milliseconds per unit of a deadline: how much later than due an entry may be reported.
const UNIT_MS: u64 = 64;
/// The last unit: "later than can be told".
const FAR: u64 = u32::MAX as u64;
/// Items per block: with the count, 1 KiB.
const BLOCK_ITEMS: usize = 127;
/// A block that falls to this size looks whether it fits into its neighbour …
const JOIN_BELOW: usize = 32;
/// … which it does if both together have at most this many.
const JOINED_MAX: usize = 96;

struct Block {
    len: usize,
    items: [u64; BLOCK_ITEMS],
}

const _: () = assert!(size_of::<Block>() == 1024);

impl Block {
    fn items(&self) -> &[u64] {
        &self.items[..self.len]
    }

    fn insert(&mut self, at: usize, item: u64) {
        self.items.copy_within(at..self.len, at + 1);
        self.items[at] = item;
        self.len += 1;
    }

    fn remove(&mut self, at: usize) {
        self.items.copy_within(at + 1..self.len, at);
        self.len -= 1;
    }
}

/// The expiry index of one database.
pub(super) struct ExpiryIndex {
    /// Blocks by a lower bound of their items; the first block's is 0. No block is empty.
    blocks: BTreeMap<u64, Box<Block>>,
    len: usize,
    /// Unix ms where the units are counted from.
    origin_ms: u64,
    /// Sum of all deadlines in units.
    units_sum: u64,
}

impl ExpiryIndex {
    /// An empty index. `origin_ms` is the unix time where it begins: deadlines before it are kept as though at it.
    pub fn new(origin_ms: u64) -> ExpiryIndex {
        ExpiryIndex { blocks: BTreeMap::new(), len: 0, origin_ms, units_sum: 0 }
    }

    /// The time given to [`ExpiryIndex::new`].
    pub fn origin_ms(&self) -> u64 {
        self.origin_ms
    }

    /// Entries held.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes held on the heap.
    pub fn heap_bytes(&self) -> usize {
        // A B-tree node has 5 to 11 places of 16 bytes and is on average some 70% full.
        self.blocks.len() * (heap_block_bytes(size_of::<Block>()) + 16 * 3 / 2)
    }

    fn unit(&self, ms: u64) -> u64 {
        (ms.saturating_sub(self.origin_ms) / UNIT_MS).min(FAR)
    }

    fn item(&self, entry: EntryRef, expire_ms: u64) -> u64 {
        self.unit(expire_ms) << 32 | u64::from(entry.get())
    }

    /// Adds an entry, which must not be there yet.
    pub fn insert(&mut self, entry: EntryRef, expire_ms: u64) {
        let item = self.item(entry, expire_ms);
        self.len += 1;
        self.units_sum += item >> 32;
        let Some((_, block)) = self.blocks.range_mut(..=item).next_back() else {
            let mut block = Box::new(Block { len: 1, items: [0; BLOCK_ITEMS] });
            block.items[0] = item;
            self.blocks.insert(0, block);
            return;
        };
        let at = block.items().partition_point(|&other| other < item);
        debug_assert!(block.items().get(at) != Some(&item), "entry indexed twice");
        if block.len < BLOCK_ITEMS {
            block.insert(at, item);
            return;
        }
        // Deadlines mostly come in rising order: leave full blocks behind rather than half-full ones.
        let keep = if at == BLOCK_ITEMS { BLOCK_ITEMS } else { BLOCK_ITEMS / 2 };
        let mut upper = Box::new(Block { len: BLOCK_ITEMS - keep, items: [0; BLOCK_ITEMS] });
        upper.items[..BLOCK_ITEMS - keep].copy_from_slice(&block.items[keep..]);
        block.len = keep;
        if at <= keep && keep < BLOCK_ITEMS {
            block.insert(at, item);
        } else {
            upper.insert(at - keep, item);
        }
        self.blocks.insert(upper.items[0], upper);
    }

    /// Takes an entry out, which must be there with this deadline.
    pub fn remove(&mut self, entry: EntryRef, expire_ms: u64) {
        let item = self.item(entry, expire_ms);
        let (&bound, block) = self.blocks.range_mut(..=item).next_back().expect("an entry missing in the expiry index");
        let at = block.items().binary_search(&item).expect("an entry missing in the expiry index");
        block.remove(at);
        self.len -= 1;
        self.units_sum -= item >> 32;
        let len = block.len;
        if len == 0 {
            self.blocks.remove(&bound);
            if bound == 0
                && let Some((_, next)) = self.blocks.pop_first()
            {
                self.blocks.insert(0, next);
            }
        } else if len < JOIN_BELOW && len.is_multiple_of(8) {
            self.join_next(bound);
        }
    }

    /// Moves the items of the block after `bound` into the one at `bound`, if they fit well.
    fn join_next(&mut self, bound: u64) {
        let Some((&next_bound, next)) = self.blocks.range((Excluded(bound), Unbounded)).next() else { return };
        if self.blocks[&bound].len + next.len > JOINED_MAX {
            return;
        }
        let next = self.blocks.remove(&next_bound).expect("found above");
        let block = self.blocks.get_mut(&bound).expect("found above");
        block.items[block.len..block.len + next.len].copy_from_slice(next.items());
        block.len += next.len;
    }

    /// The entry with the earliest deadline (to within a unit).
    pub fn soonest(&self) -> Option<EntryRef> {
        self.blocks.first_key_value().map(|(_, block)| EntryRef::new(block.items[0] as u32))
    }

    /// An entry that is past its deadline at `now_ms`, if there is one: within 64 ms of the deadline for certain.
    /// `expire_ms` gives an entry's exact deadline.
    pub fn next_due(&self, now_ms: u64, expire_ms: impl Fn(EntryRef) -> Option<u64>) -> Option<EntryRef> {
        let item = self.blocks.first_key_value()?.1.items[0];
        let (unit, entry) = (item >> 32, EntryRef::new(item as u32));
        let is_due = unit < self.unit(now_ms) || expire_ms(entry).is_some_and(|at| at <= now_ms);
        is_due.then_some(entry)
    }

    /// Mean time to live at `now_ms`, in ms; 0 without entries.
    pub fn avg_ttl_ms(&self, now_ms: u64) -> u64 {
        if self.len == 0 {
            return 0;
        }
        let mean_ms = self.origin_ms + self.units_sum / self.len as u64 * UNIT_MS;
        mean_ms.saturating_sub(now_ms)
    }

    /// About `n` entries from a random place. Entries after a long gap between deadlines are met more often.
    pub fn sample(&self, rng: &mut impl Rng, n: usize, mut visit: impl FnMut(EntryRef)) {
        let Some((_, last)) = self.blocks.last_key_value() else { return };
        let (first, last) = (self.blocks[&0].items[0], last.items[last.len - 1]);
        let pivot = first + rng.next_u64() % (last - first + 1);
        let Some((_, block)) = self.blocks.range(..=pivot).next_back() else { return };
        let start = rng.next_u64() as usize % block.len;
        let items = block.items();
        items[start..].iter().chain(&items[..start]).take(n).for_each(|&item| visit(EntryRef::new(item as u32)));
    }

    /// Forgets up to one block of entries; false when none is left.
    pub fn drain_block(&mut self) -> bool {
        self.len = 0;
        self.units_sum = 0;
        self.blocks.pop_first().is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::keyspace::testing::Rng64;

    #[test]
    fn the_index_agrees_with_a_sorted_set() {
        let mut rng = Rng64::from_env();
        let origin = 1_700_000_000_000;
        let mut index = ExpiryIndex::new(origin);
        let mut model: BTreeSet<(u64, u32)> = BTreeSet::new();
        let rounds = if cfg!(miri) { 2_000 } else { 200_000 };
        for round in 0..rounds {
            // Grows for a while, then shrinks, by turns.
            let growing = round / (rounds / 4) % 2 == 0;
            if rng.below(100) < if growing { 70 } else { 20 } || model.is_empty() {
                let reference = 1 + rng.below(1 << 30) as u32;
                let at = origin + UNIT_MS * if rng.below(2) == 0 { rng.below(50) } else { round as u64 };
                if model.insert((at, reference)) {
                    index.insert(EntryRef::new(reference), at);
                }
            } else {
                let pivot = (origin + UNIT_MS * rng.below(round as u64 + 1), 0);
                let &(at, reference) = model.range(pivot..).next().or(model.first()).unwrap();
                model.remove(&(at, reference));
                index.remove(EntryRef::new(reference), at);
            }
            assert_eq!(index.len(), model.len());
            let first = model.first();
            assert_eq!(index.soonest().map(EntryRef::get), first.map(|&(_, reference)| reference));
        }
        while let Some((at, reference)) = model.pop_first() {
            assert_eq!(index.next_due(at - 1, |_| Some(at)), None);
            assert_eq!(index.next_due(at, |_| Some(at)).map(EntryRef::get), Some(reference));
            index.remove(EntryRef::new(reference), at);
        }
        assert_eq!((index.len(), index.blocks.len(), index.units_sum), (0, 0, 0));
    }

    #[test]
    fn rising_deadlines_leave_full_blocks() {
        let mut index = ExpiryIndex::new(0);
        let blocks = if cfg!(miri) { 3 } else { 100 };
        for n in 1..=blocks * 127 {
            index.insert(EntryRef::new(n), u64::from(n) * 100);
        }
        assert_eq!(index.blocks.len(), blocks as usize);
        let mean_ms = i64::from((blocks * 127 + 1) * 50);
        assert!((index.avg_ttl_ms(0) as i64 - mean_ms).abs() <= 2 * UNIT_MS as i64);
    }

    #[test]
    fn deadlines_beyond_the_range_are_kept_and_never_reported_early() {
        let mut index = ExpiryIndex::new(1_000_000);
        index.insert(EntryRef::new(7), u64::MAX);
        index.insert(EntryRef::new(8), 5);
        assert_eq!(index.next_due(1_000_000, |_| Some(5)), Some(EntryRef::new(8)));
        index.remove(EntryRef::new(8), 5);
        assert_eq!(index.next_due(u64::MAX - 1, |_| Some(u64::MAX)), None);
        index.remove(EntryRef::new(7), u64::MAX);
        assert_eq!(index.len(), 0);
    }
}
