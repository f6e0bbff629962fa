//! The table behind big hashes and sets: extendible hashing over small sorted segments.
//!
//! ```text
//! hash of the key:  │ prefix (the segment) │ 16 bits (the slot in it) │ …
//!
//! directory: 2^depth numbers of segments, indexed by the hash's upper bits; a segment that shares fewer bits stands in
//! several places. A full segment splits in two (microseconds); only when it has the directory's own depth, the directory
//! doubles (a copy of four bytes per few hundred elements). Two sparse siblings merge.
//! ```
//!
//! Everything is ordered by hash, whatever splits and merges happen. So the upper 48 bits of a hash are a **position**, a
//! scan is a walk over ascending positions, and its cursor says exactly which elements it has passed: those with a lower
//! position. Every element that is there throughout is seen exactly once.
//!
//! A record is a string of bytes that begins with what is needed to know its length and to find its key in it: see
//! [`Shape`].

mod blocks;
mod header;
mod read;
mod segment;
mod timers;

use std::marker::PhantomData;

use blocks::Blocks;
pub use header::{Header, read_varint};
pub use read::Iter;
pub use segment::NEVER;
use segment::{DEPTH_MAX, ENTRIES_MAX, Full, MERGE_ENTRIES_MAX, Segment};
use timers::Timers;

use super::alloc::held;
use super::saving::{ELEMENT_COST, Grid, Held, Slot};
use super::seed::hash_element;

/// Bits of a position.
pub const POSITION_BITS: u32 = 48;

/// How the bytes of a record are to be read. `tail` is a record and whatever follows it in memory.
pub trait Shape {
    /// Whether records can have expiry times.
    const TIMED: bool = false;
    /// Length of the record in bytes.
    fn record_len(tail: &[u8]) -> usize;
    /// The key in it.
    fn key(tail: &[u8]) -> &[u8];
    /// Its expiry time in unix ms, [`NEVER`] if it has none.
    fn expire_ms(_tail: &[u8]) -> u64 {
        NEVER
    }
}

/// The position of a key in the order of the walk: below 2^48. The same for the whole life of the process.
#[inline]
pub fn position(key: &[u8]) -> u64 {
    hash_element(key) >> (64 - POSITION_BITS)
}

/// A set of records with distinct keys.
///
/// No operation takes longer than a segment's split or merge (some 10 µs) and, rarely, a copy of the directory: 128 to 256
/// KiB at 10 million elements.
pub struct Table<S> {
    /// Empty, or 2^depth numbers of segments.
    directory: Vec<u32>,
    depth: u8,
    segments: Blocks,
    /// Segments that have the directory's depth.
    deepest: usize,
    timers: Timers,
    len: usize,
    segment_bytes: usize,
    /// No segment has more elements.
    longest: usize,
    saving: Slot<Grid>,
    shape: PhantomData<S>,
}

impl<S: Shape> Default for Table<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Shape> Clone for Table<S> {
    fn clone(&self) -> Self {
        let segments = self.segments.clone();
        // The copy's blocks are as large as their contents.
        let segment_bytes = (0..segments.len()).map(|number| segments[number].memory()).sum();
        Table {
            directory: self.directory.clone(),
            timers: self.timers.clone(),
            segments,
            segment_bytes,
            saving: Slot::EMPTY,
            shape: PhantomData,
            ..*self
        }
    }
}

impl<S: Shape> Table<S> {
    /// An empty table: nothing allocated.
    pub fn new() -> Self {
        Table {
            directory: Vec::new(),
            depth: 0,
            segments: Blocks::default(),
            deepest: 0,
            timers: Timers::default(),
            len: 0,
            segment_bytes: 0,
            longest: ENTRIES_MAX,
            saving: Slot::EMPTY,
            shape: PhantomData,
        }
    }

    /// Number of records.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no record.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Heap bytes. Constant time.
    #[inline]
    pub fn memory(&self) -> usize {
        self.segment_bytes + self.segments.memory() + held(&self.directory) + self.timers.memory()
    }

    /// Number of the segment that `hash` belongs to.
    #[inline]
    fn segment_of(&self, hash: u64) -> Option<usize> {
        // At depth 0 the shift would be by 64; the directory has one place then.
        let place = if self.depth == 0 { 0 } else { (hash >> (64 - u32::from(self.depth))) as usize };
        self.directory.get(place).map(|&segment| segment as usize)
    }

    /// The segment and slot of `key`, or else those before which it would go; `None` in a table without segments.
    #[inline]
    fn spot(&self, hash: u64, key: &[u8]) -> Option<(usize, Result<usize, usize>)> {
        let segment = self.segment_of(hash)?;
        Some((segment, self.segments[segment].find::<S>(hash, key)))
    }

    #[inline]
    fn find(&self, hash: u64, key: &[u8]) -> Option<(usize, usize)> {
        let (segment, index) = self.spot(hash, key)?;
        Some((segment, index.ok()?))
    }

    /// The record with this key.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        let (segment, index) = self.find(hash_element(key), key)?;
        Some(self.segments[segment].record::<S>(index))
    }

    /// Adds the record that `parts` are the bytes of, unless its key is there; says whether it was added.
    pub fn insert(&mut self, key: &[u8], parts: &[&[u8]]) -> bool {
        let hash = hash_element(key);
        let spot = self.spot(hash, key);
        let new = spot.is_none_or(|(_, index)| index.is_err());
        if new {
            self.keep(hash);
            self.insert_at(hash, key, spot, parts);
        }
        new
    }

    /// Adds the record that `parts` are the bytes of, or puts it in the place of the one with its key. Says whether
    /// there was one.
    pub fn upsert(&mut self, key: &[u8], parts: &[&[u8]]) -> bool {
        let hash = hash_element(key);
        self.keep(hash);
        let spot = self.spot(hash, key);
        let Some((mut segment, Ok(mut index))) = spot else {
            self.insert_at(hash, key, spot, parts);
            return false;
        };
        while let Err(Full) = self.change(segment, |segment| segment.replace::<S>(index, parts)) {
            self.split(segment);
            (segment, index) = self.find(hash, key).expect("splitting loses nothing");
        }
        self.note_time(segment);
        true
    }

    /// Inserts at a spot that [`Table::spot`] found free.
    fn insert_at(&mut self, hash: u64, key: &[u8], spot: Option<(usize, Result<usize, usize>)>, parts: &[&[u8]]) {
        if spot.is_none() {
            self.start();
        }
        let (mut segment, mut index) = spot.unwrap_or((0, Err(0)));
        loop {
            let at = index.expect_err("the caller has seen that the key is not there");
            if self.change(segment, |segment| segment.insert::<S>(hash, at, parts)).is_ok() {
                break;
            }
            self.split(segment);
            (segment, index) = self.spot(hash, key).expect("a table that has split has segments");
        }
        self.len += 1;
        self.longest = self.longest.max(self.segments[segment].len());
        self.note_time(segment);
    }

    /// Removes the record with this key; gives what `take` makes of it.
    pub fn remove<R>(&mut self, key: &[u8], take: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let hash = hash_element(key);
        let (segment, index) = self.find(hash, key)?;
        self.keep(hash);
        let taken = take(self.segments[segment].record::<S>(index));
        self.change(segment, |segment| segment.remove::<S>(index));
        self.len -= 1;
        self.note_time(segment);
        self.merge_if_sparse(segment);
        Some(taken)
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Frees about `budget` allocations; says whether all is freed. The table is empty from the first call on.
    pub fn free_some(&mut self, budget: usize) -> bool {
        self.directory = Vec::new();
        self.timers.clear();
        self.len = 0;
        let mut freed = 0;
        while freed < budget {
            let Some(segment) = self.segments.pop() else { break };
            self.segment_bytes -= segment.memory();
            freed += 2 + segment.large_count();
        }
        if self.segments.len() == 0 {
            *self = Self::new();
            return true;
        }
        false
    }

    /// Begins to save the records as they are now, under the number `id`.
    pub(super) fn begin_saving(&mut self, id: u64, held: Held) {
        let grid = Grid::new(id, held, POSITION_BITS, self.len, self.segment_bytes);
        self.saving.set(grid);
    }

    /// The number of the saving under way.
    #[inline]
    pub(super) fn saving(&self) -> Option<u64> {
        self.saving.as_ref().map(|grid| grid.id)
    }

    /// Ends the saving, whether all is saved or not.
    pub(super) fn end_saving(&mut self) {
        self.saving.clear();
    }

    /// Gives `with` records that are not saved yet, about `budget` bytes of them; says whether all are saved then. What
    /// comes in later is not among them.
    pub(super) fn save_some(&mut self, mut budget: usize, with: &mut dyn FnMut(&[u8])) -> bool {
        let Some(mut grid) = self.saving.take() else { return true };
        budget = grid.give_kept(budget, |tail| {
            let len = S::record_len(tail);
            with(&tail[..len]);
            len
        });
        while budget > 0
            && let Some(range) = grid.claim_next()
        {
            budget = budget.saturating_sub(ELEMENT_COST);
            self.visit(range, |record| {
                budget = budget.saturating_sub(record.len() + ELEMENT_COST);
                with(record);
            });
        }
        let is_over = grid.is_over();
        *self.saving = Some(grid);
        is_over
    }

    /// What stands at `hash` is about to change: keeps its chunk, unless that is saved.
    #[inline]
    fn keep(&mut self, hash: u64) {
        if self.saving.is_some() {
            self.keep_chunk(hash);
        }
    }

    #[cold]
    pub(super) fn keep_chunk(&mut self, hash: u64) {
        let Some(mut grid) = self.saving.take() else { return };
        if let Some(range) = grid.claim(hash >> (64 - POSITION_BITS)) {
            self.visit(range, |record| grid.keep(&[record]));
        }
        *self.saving = Some(grid);
    }

    fn start(&mut self) {
        // Also after `free_some`, which leaves segments without a directory.
        *self = Table { saving: std::mem::take(&mut self.saving), ..Self::new() };
        self.segments.push(Segment::new(0, 0));
        self.directory.push(0);
        self.deepest = 1;
    }

    /// Changes a segment and keeps the count of bytes.
    #[inline]
    fn change<R>(&mut self, segment: usize, with: impl FnOnce(&mut Segment) -> R) -> R {
        let segment = &mut self.segments[segment];
        let before = segment.memory();
        let result = with(segment);
        self.segment_bytes = self.segment_bytes + segment.memory() - before;
        result
    }

    #[inline]
    fn note_time(&mut self, segment: usize) {
        if S::TIMED {
            self.timers.set(segment, self.segments[segment].next_expire_ms);
        }
    }

    /// The directory's places of a segment with this prefix and depth.
    #[inline]
    fn places(&self, prefix: u32, depth: u8) -> std::ops::Range<usize> {
        let wide = self.depth - depth;
        (prefix as usize) << wide..(prefix as usize + 1) << wide
    }

    fn split(&mut self, segment: usize) {
        debug_assert!(self.segments[segment].depth < DEPTH_MAX);
        if self.segments[segment].depth == self.depth {
            let mut doubled = Vec::with_capacity(2 * self.directory.len());
            doubled.extend(self.directory.iter().flat_map(|&segment| [segment, segment]));
            self.directory = doubled;
            self.depth += 1;
            self.deepest = 0;
        }
        let upper = self.change(segment, Segment::split::<S>);
        let number = self.segments.len();
        let places = self.places(upper.prefix, upper.depth);
        self.directory[places].fill(number as u32);
        if upper.depth == self.depth {
            self.deepest += 2;
        }
        self.segment_bytes += upper.memory();
        self.segments.push(upper);
        self.note_time(segment);
        self.note_time(number);
    }

    /// Merges a segment with its sibling while both together are small.
    fn merge_if_sparse(&mut self, mut segment: usize) {
        loop {
            let this = &self.segments[segment];
            if this.depth == 0 || this.len() > MERGE_ENTRIES_MAX {
                return;
            }
            let places = self.places(this.prefix ^ 1, this.depth);
            let sibling = self.directory[places.start] as usize;
            if self.segments[sibling].depth != this.depth || !this.can_absorb(&self.segments[sibling]) {
                return;
            }
            let (lower, upper) = if this.prefix & 1 == 0 { (segment, sibling) } else { (sibling, segment) };
            if self.segments[upper].depth == self.depth {
                self.deepest -= 2;
            }
            segment = self.merge(lower, upper);
            while self.deepest == 0 && self.depth > 0 {
                self.halve();
            }
        }
    }

    /// Merges two siblings; returns the number of the merged one.
    fn merge(&mut self, lower: usize, upper: usize) -> usize {
        let last = self.segments.len() - 1;
        let taken = self.segments.swap_remove(upper);
        self.segment_bytes -= taken.memory();
        let lower = if lower == last { upper } else { lower };
        if upper != last {
            // The last segment has a new number.
            let moved = &self.segments[upper];
            let places = self.places(moved.prefix, moved.depth);
            self.directory[places].fill(upper as u32);
        }
        self.change(lower, |segment| segment.absorb::<S>(taken));
        let merged = &self.segments[lower];
        let places = self.places(merged.prefix, merged.depth);
        self.directory[places].fill(lower as u32);
        if S::TIMED {
            self.timers.set(last, NEVER);
            if upper != last {
                self.note_time(upper);
            }
            self.note_time(lower);
            self.timers.shrink(last);
        }
        lower
    }

    fn halve(&mut self) {
        self.directory = self.directory.iter().step_by(2).copied().collect();
        self.depth -= 1;
        self.deepest = (0..self.directory.len())
            .filter(|&place| self.segments[self.directory[place] as usize].depth == self.depth)
            .count();
    }
}

#[cfg(test)]
mod tests;
