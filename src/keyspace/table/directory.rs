//! The directory: from the first bits of a hash to the segment.
//!
//! It doubles when a segment needs one more bit than it has. Copying it at that moment would take milliseconds for a large
//! table (most of them page faults), so the doubled one is built beforehand, a little at every split.

use std::ops::Range;

/// Places of the doubled directory that a split prepares. Between two doublings come at least some hundred times more
/// splits than this needs.
const PLACES_PREPARED: usize = 512;

/// References of segments by the first `depth` bits of the hash. Empty until the first is put in.
#[derive(Debug)]
pub struct Directory {
    places: Vec<u32>,
    depth: u32,
    /// The first part of what `places` will be when doubled: always in step with it.
    doubled: Vec<u32>,
    /// Most places copied at once by a doubling.
    #[cfg(test)]
    pub copied_at_once_max: usize,
}

impl Directory {
    /// An empty directory.
    pub fn new() -> Directory {
        Directory {
            places: Vec::new(),
            depth: 0,
            doubled: Vec::new(),
            #[cfg(test)]
            copied_at_once_max: 0,
        }
    }

    /// A directory with one place.
    pub fn with(segment: u32) -> Directory {
        Directory { places: vec![segment], ..Directory::new() }
    }

    /// Hash bits told apart.
    #[inline]
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Number of places: 2^depth, or 0.
    #[inline]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Bytes held.
    pub fn heap_bytes(&self) -> usize {
        let bytes = |places: &Vec<u32>| crate::keyspace::slab::heap_block_bytes(places.capacity() * size_of::<u32>());
        bytes(&self.places) + bytes(&self.doubled)
    }

    /// The place of a hash.
    #[inline]
    pub fn place(&self, hash: u64) -> usize {
        (((hash >> 32) << self.depth) >> 32) as usize
    }

    /// The segment at a place; none in an empty directory or past its end.
    #[inline]
    pub fn get(&self, place: usize) -> Option<u32> {
        self.places.get(place).copied()
    }

    /// Names a segment in a range of places.
    pub fn set(&mut self, range: Range<usize>, segment: u32) {
        let prepared = self.doubled.len();
        self.doubled[(2 * range.start).min(prepared)..(2 * range.end).min(prepared)].fill(segment);
        self.places[range].fill(segment);
    }

    /// Copies up to `count` more places into the doubled directory.
    fn prepare_some(&mut self, count: usize) {
        if self.doubled.is_empty() {
            self.doubled.reserve_exact(2 * self.places.len());
        }
        let from = self.doubled.len() / 2;
        let to = self.places.len().min(from.saturating_add(count));
        self.doubled.resize(2 * to, 0);
        for (pair, &place) in self.doubled[2 * from..].chunks_exact_mut(2).zip(&self.places[from..to]) {
            pair.fill(place);
        }
    }

    /// Gets on with the doubled directory.
    pub fn prepare(&mut self) {
        self.prepare_some(PLACES_PREPARED);
    }

    /// One bit more.
    pub fn double(&mut self) {
        #[cfg(test)]
        {
            let missing = self.places.len() - self.doubled.len() / 2;
            self.copied_at_once_max = self.copied_at_once_max.max(missing);
        }
        self.prepare_some(usize::MAX);
        self.places = std::mem::take(&mut self.doubled);
        self.depth += 1;
    }

    /// One bit less, which no segment may need.
    pub fn halve(&mut self) {
        self.doubled = Vec::new();
        let half = self.places.len() / 2;
        (0..half).for_each(|place| self.places[place] = self.places[2 * place]);
        self.places.truncate(half);
        self.places.shrink_to_fit();
        self.depth -= 1;
    }
}
