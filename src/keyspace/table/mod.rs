//! The table: from the hash of a key to its entry, growing and shrinking one segment at a time.
//!
//! Extendible hashing: the first bits of the hash choose a place in the directory, which names a segment; the last bits
//! choose the bucket in it. A full segment is split in two by one more bit, two nearly empty neighbours are joined, so an
//! insert or a removal moves at most one segment's entries (and at times copies the directory: 4 bytes per some 400
//! keys).
//!
//! **Order.** Keys are walked by the first 32 bits of the hash and then, among those that share a segment, by home bucket.
//! A [`Cursor`] names a range of hashes and the buckets of it already visited; splits narrow the range and joins leave it
//! alone, so a key that is there during the whole walk is met at least once. With no splits on the way it is met exactly
//! once.

mod cursor;
mod directory;
mod sampling;
pub mod segment;
#[cfg(test)]
mod tests;

pub use cursor::Cursor;
use directory::Directory;
use segment::{BUCKETS, Segment};

use super::slab::{SEGMENT_BYTES, Slab};

/// A segment splits when it holds this many: 92% of its slots, where lookups still look at 2 buckets on average.
const SPLIT_AT: usize = 708;
/// A removal that leaves this many looks whether the neighbour can be joined …
const JOIN_BELOW: usize = 192;
/// … which it can if both together hold at most this many (a third of the slots: far from the next split).
const JOINED_MAX: usize = 256;
/// Hash bits that can tell segments apart.
const DEPTH_MAX: u32 = 32;
/// The directory may have this many places per segment. A seeded hash stays below 8; beyond, someone has broken it, and the
/// keys that share so many bits go to the spill list instead.
const PLACES_PER_SEGMENT_MAX: usize = 16;

/// The table of one database.
#[derive(Debug)]
pub(super) struct Table {
    directory: Directory,
    len: usize,
    segments: usize,
    /// Segments of each depth: the directory can be halved when none needs its last two bits.
    depths: [u32; DEPTH_MAX as usize + 1],
    /// Entries beyond what segments can hold although the hashes agree in too many bits: none, unless the hash is broken.
    spill: Vec<(u64, u32)>,
    /// Entries moved by splits and joins so far.
    moved: u64,
}

/// The segment at a reference that the directory holds.
#[inline]
fn segment(slab: &Slab, reference: u32) -> &Segment {
    // SAFETY: the table allocated this slot with `alloc_segment` (right size and alignment) and initialized it with `clear`;
    // it lives as long as the directory names it. Only the table touches segments, and it changes them through `&mut self`,
    // while every borrow made here ends with the `&self` method that made it.
    unsafe { &*slab.ptr(reference).cast::<Segment>() }
}

/// The segment at a reference that the directory holds, or is about to hold.
#[inline]
#[allow(clippy::mut_from_ref, reason = "the table's `&mut self` is what makes the borrow exclusive; see the proof")]
fn segment_mut(slab: &Slab, reference: u32) -> &mut Segment {
    // SAFETY: as in `segment`, called from `&mut self` methods only, which never hold two borrows of one segment. Any bytes
    // make a valid `Segment` (plain integers), so a slot fresh from the slab may be borrowed in order to `clear` it.
    unsafe { &mut *slab.ptr(reference).cast::<Segment>() }
}

impl Table {
    pub fn new() -> Table {
        Table {
            directory: Directory::new(),
            len: 0,
            segments: 0,
            depths: [0; DEPTH_MAX as usize + 1],
            spill: Vec::new(),
            moved: 0,
        }
    }

    /// Entries held.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes held outside the slab.
    pub fn heap_bytes(&self) -> usize {
        self.directory.heap_bytes() + super::slab::heap_block_bytes(self.spill.capacity() * size_of::<(u64, u32)>())
    }

    /// Bytes held in the slab.
    pub fn segment_bytes(&self) -> usize {
        self.segments * SEGMENT_BYTES
    }

    /// Entries moved so far by splits and joins.
    #[cfg(test)]
    pub fn moved(&self) -> u64 {
        self.moved
    }

    /// The segment that `hash` belongs to.
    #[inline]
    fn target(&self, hash: u64) -> Option<u32> {
        self.directory.get(self.directory.place(hash))
    }

    /// The entry with this hash that `is_it` accepts.
    #[inline]
    pub fn find(&self, slab: &Slab, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let found = segment(slab, self.target(hash)?).find(hash, &mut is_it);
        if found.is_none() && !self.spill.is_empty() {
            return self.spill.iter().find(|&&(h, r)| h == hash && is_it(r)).map(|&(_, r)| r);
        }
        found
    }

    /// Adds an entry that is not there yet. `rehash` gives the hash of an entry already held.
    #[inline]
    pub fn insert(&mut self, slab: &Slab, hash: u64, entry: u32, rehash: &impl Fn(u32) -> u64) {
        loop {
            let reference = self.target(hash).unwrap_or_else(|| self.start(slab));
            let target = segment_mut(slab, reference);
            if target.count() < SPLIT_AT || !self.can_split(target.depth()) {
                if !target.insert(hash, entry) {
                    self.spill.push((hash, entry));
                }
                self.len += 1;
                return;
            }
            self.split(slab, hash, reference, rehash);
        }
    }

    #[cold]
    fn start(&mut self, slab: &Slab) -> u32 {
        let first = slab.alloc_segment();
        segment_mut(slab, first).clear(0);
        self.directory = Directory::with(first);
        (self.segments, self.depths[0]) = (1, 1);
        first
    }

    fn can_split(&self, depth: u32) -> bool {
        depth < self.directory.depth()
            || depth < DEPTH_MAX && self.directory.len() < PLACES_PER_SEGMENT_MAX * self.segments
    }

    /// Splits the segment at `low_ref`, to which `hash` belongs.
    #[cold]
    fn split(&mut self, slab: &Slab, hash: u64, low_ref: u32, rehash: &impl Fn(u32) -> u64) {
        let old = segment(slab, low_ref).clone();
        let depth = old.depth();
        if depth == self.directory.depth() {
            self.directory.double();
        }
        self.directory.prepare();
        let high_ref = slab.alloc_segment();
        let (low, high) = (segment_mut(slab, low_ref), segment_mut(slab, high_ref));
        low.clear(depth + 1);
        high.clear(depth + 1);
        for bucket in 0..BUCKETS {
            if bucket + 1 < BUCKETS {
                old.for_each_in(bucket + 1, |entry| super::prefetch_line(slab.ptr(entry)));
            }
            old.for_each_in(bucket, |entry| {
                let hash = rehash(entry);
                let to = if hash >> (63 - depth) & 1 == 0 { &mut *low } else { &mut *high };
                // Cannot fail: each half gets at most what the whole held.
                to.insert(hash, entry);
            });
        }
        self.moved += old.count() as u64;
        let span = 1usize << (self.directory.depth() - depth);
        let first = self.directory.place(hash) & !(span - 1);
        self.directory.set(first + span / 2..first + span, high_ref);
        self.segments += 1;
        self.depths[depth as usize] -= 1;
        self.depths[depth as usize + 1] += 2;
    }

    /// Takes an entry out. It must be there.
    #[inline]
    pub fn remove(&mut self, slab: &Slab, hash: u64, reference: u32, rehash: &impl Fn(u32) -> u64) {
        let at = self.target(hash).expect("removal from an empty table");
        let target = segment_mut(slab, at);
        if target.remove(hash, reference) {
            let count = target.count();
            if count < JOIN_BELOW && count.is_multiple_of(16) && target.depth() > 0 {
                self.join(slab, hash, rehash);
            }
        } else {
            let at = self.spill.iter().position(|&(_, r)| r == reference).expect("an entry in neither table nor spill");
            self.spill.swap_remove(at);
        }
        self.len -= 1;
    }

    /// Joins the segment that `hash` belongs to with its neighbour, if both are nearly empty.
    #[cold]
    fn join(&mut self, slab: &Slab, hash: u64, rehash: &impl Fn(u32) -> u64) {
        let place = self.directory.place(hash);
        let at = |place| self.directory.get(place).expect("a place within the directory");
        let depth = segment(slab, at(place)).depth();
        let half = 1usize << (self.directory.depth() - depth);
        let first = place & !(2 * half - 1);
        let (low_ref, high_ref) = (at(first), at(first + half));
        let (low, high) = (segment_mut(slab, low_ref), segment(slab, high_ref));
        if low.depth() != depth || high.depth() != depth || low.count() + high.count() > JOINED_MAX {
            return;
        }
        for bucket in 0..BUCKETS {
            high.for_each_in(bucket, |entry| {
                // Cannot fail: both together fill a third of the slots.
                low.insert(rehash(entry), entry);
            });
        }
        self.moved += high.count() as u64;
        low.set_depth(depth - 1);
        self.directory.set(first + half..first + 2 * half, low_ref);
        slab.free(high_ref);
        self.segments -= 1;
        self.depths[depth as usize] -= 2;
        self.depths[depth as usize - 1] += 1;
        // Only with a spare bit, or a segment on the brink would double and halve the directory by turns.
        let deepest = self.directory.depth() as usize;
        if deepest >= 2 && self.depths[deepest] == 0 && self.depths[deepest - 1] == 0 {
            self.directory.halve();
        }
    }

    /// Notes that an entry moved in the slab. It must be there.
    #[inline]
    pub fn replace(&mut self, slab: &Slab, hash: u64, old: u32, new: u32) {
        let at = self.target(hash).expect("a move in an empty table");
        if !segment_mut(slab, at).replace(hash, old, new) {
            let spilled = self.spill.iter_mut().find(|(_, r)| *r == old).expect("an entry in neither table nor spill");
            spilled.1 = new;
        }
    }

    /// Asks for the cache line that a lookup of `hash` begins with.
    #[inline]
    pub fn prefetch(&self, slab: &Slab, hash: u64) {
        if let Some(reference) = self.target(hash) {
            super::prefetch_line(slab.ptr(reference).wrapping_add(segment::home(hash) * 64));
        }
    }

    /// Asks for the entries that a lookup of `hash` will compare first; the bucket should be in the cache by now.
    #[inline]
    pub fn prefetch_candidates(&self, slab: &Slab, hash: u64, prefetch: impl FnMut(u32)) {
        if let Some(reference) = self.target(hash) {
            segment(slab, reference).candidates(hash).for_each(prefetch);
        }
    }

    /// Every entry, in no promised order.
    pub fn for_each(&self, slab: &Slab, mut visit: impl FnMut(u32)) {
        let mut place = 0;
        while let Some(reference) = self.directory.get(place) {
            let segment = segment(slab, reference);
            (0..BUCKETS).for_each(|bucket| segment.for_each_in(bucket, &mut visit));
            place += 1 << (self.directory.depth() - segment.depth());
        }
        self.spill.iter().for_each(|&(_, reference)| visit(reference));
    }

    /// Takes entries out one bucket at a time, in the order of the directory, freeing the segments on the way. Returns false
    /// when all are gone. `next` is where to go on, at first `(0, 0)`. Nothing else may be done with the table meanwhile.
    pub fn drain_bucket(&mut self, slab: &Slab, next: &mut (usize, usize), mut visit: impl FnMut(u32)) -> bool {
        let (place, bucket) = *next;
        let Some(reference) = self.directory.get(place) else {
            self.spill.drain(..).for_each(|(_, reference)| visit(reference));
            self.directory = Directory::new();
            (self.len, self.segments) = (0, 0);
            return false;
        };
        let segment = segment(slab, reference);
        segment.for_each_in(bucket, visit);
        *next = (place, bucket + 1);
        if bucket + 1 == BUCKETS {
            *next = (place + (1 << (self.directory.depth() - segment.depth())), 0);
            slab.free(reference);
            self.segments -= 1;
        }
        true
    }
}
