//! The way from a member's name to the member: extendible hashing over small open-addressing segments.
//!
//! A directory, indexed by the hash's top bits, leads to segments of at most 512 places. A full segment splits in two, so
//! that no insert ever moves more than one segment (some 40 µs when all its members are cold) or doubles more than the
//! directory (32,000 segments at 10 million members). A place is eight bytes: the member's pointer, and in its upper
//! 16 bits, which user-space addresses leave free, hash bits 24 to 39. They give the place's home too, so growing and
//! deleting never look at the members.

use super::member::{MemberPtr, allocation_bytes};
use foldhash::quality::RandomState;
use std::hash::BuildHasher;

/// Places in a full-grown segment: 4 KiB.
const PLACES_MAX: usize = 512;
const PLACES_MIN: usize = 8;
/// Beyond this depth directory bits would overlap the tags; segments then grow instead. 2^24 segments are 5 G members.
const DEPTH_MAX: u8 = 24;
const TAG_SHIFT: u32 = 48;
const ADDRESS_MASK: usize = (1 << TAG_SHIFT) - 1;
/// Positions ([`Index::scan`]) have this many bits.
pub(super) const POSITION_BITS: u32 = 48;

/// A member's pointer with 16 hash bits on top; null where there is none.
#[derive(Clone, Copy)]
struct Place(*mut u8);

impl Place {
    const EMPTY: Place = Place(std::ptr::null_mut());

    #[inline]
    fn new(tag: u16, member: MemberPtr) -> Self {
        let ptr = member.as_ptr();
        assert!(ptr.addr() & !ADDRESS_MASK == 0, "user-space addresses have 48 bits");
        Place(ptr.map_addr(|address| address | usize::from(tag) << TAG_SHIFT))
    }

    #[inline]
    fn tag(self) -> u16 {
        (self.0.addr() >> TAG_SHIFT) as u16
    }

    #[inline]
    fn member(self) -> Option<MemberPtr> {
        MemberPtr::from_ptr(self.0.map_addr(|address| address & ADDRESS_MASK))
    }

    #[inline]
    fn is_empty(self) -> bool {
        self.0.is_null()
    }
}

#[inline]
fn tag(hash: u64) -> u16 {
    (hash >> 24) as u16
}

struct Segment {
    places: Box<[Place]>,
    len: u32,
    /// How many top bits of the hash all its members share.
    depth: u8,
}

impl Segment {
    fn new(places: usize, depth: u8) -> Self {
        Segment { places: vec![Place::EMPTY; places].into_boxed_slice(), len: 0, depth }
    }

    #[inline]
    fn home(&self, tag: u16) -> usize {
        (usize::from(tag) * self.places.len()) >> 16
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        if at + 1 == self.places.len() { 0 } else { at + 1 }
    }

    #[inline]
    fn find(&self, tag: u16, bytes: &[u8]) -> Option<usize> {
        if self.places.is_empty() {
            return None;
        }
        let mut at = self.home(tag);
        // One place in eight is free, so this ends.
        while let Some(member) = self.places[at].member() {
            if self.places[at].tag() == tag && member.bytes() == bytes {
                return Some(at);
            }
            at = self.after(at);
        }
        None
    }

    /// Whether one more has room.
    #[inline]
    fn has_room(&self) -> bool {
        (self.len as usize + 1) * 8 <= self.places.len() * 7
    }

    #[inline]
    fn put(&mut self, place: Place) {
        let mut at = self.home(place.tag());
        while !self.places[at].is_empty() {
            at = self.after(at);
        }
        self.places[at] = place;
        self.len += 1;
    }

    /// Takes the member out and closes the gap: who follows and may stand there moves up.
    fn take(&mut self, at: usize) {
        let mut gap = at;
        let mut next = self.after(at);
        while !self.places[next].is_empty() {
            let home = self.home(self.places[next].tag());
            // Distances walked forward, around the end.
            let len = self.places.len();
            let from_home = (next + len - home) % len;
            let from_gap = (next + len - gap) % len;
            if from_home >= from_gap {
                self.places[gap] = self.places[next];
                gap = next;
            }
            next = self.after(next);
        }
        self.places[gap] = Place::EMPTY;
        self.len -= 1;
    }

    fn resize(&mut self, places: usize) {
        let old = std::mem::replace(&mut self.places, vec![Place::EMPTY; places].into_boxed_slice());
        self.len = 0;
        for &place in old.iter().filter(|place| !place.is_empty()) {
            self.put(place);
        }
    }

    fn allocated_bytes(&self) -> usize {
        allocation_bytes(self.places.len() * size_of::<Place>())
    }
}

/// The number of places that the next larger allocation has: the allocator's classes, four per doubling.
fn next_places(places: usize) -> usize {
    (allocation_bytes(places * size_of::<Place>() + 1) / size_of::<Place>()).max(PLACES_MIN)
}

/// Places for `len` members with room to grow: about three quarters full.
fn places_for(len: usize) -> usize {
    (allocation_bytes(len * size_of::<Place>() * 4 / 3 + size_of::<Place>()) / size_of::<Place>()).max(PLACES_MIN)
}

/// All segments by number, in chunks: a single vector would move a megabyte at once at 10 million members.
#[derive(Default)]
struct Segments {
    chunks: Vec<Vec<Segment>>,
}

impl Segments {
    const CHUNK: usize = 1024;

    fn len(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * Self::CHUNK + last.len())
    }

    fn push(&mut self, segment: Segment) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < Self::CHUNK => last.push(segment),
            // The first chunk grows with what there is.
            None => self.chunks.push(vec![segment]),
            Some(_) => {
                let mut chunk = Vec::with_capacity(Self::CHUNK);
                chunk.push(segment);
                self.chunks.push(chunk);
            }
        }
    }

    fn pop(&mut self) -> Option<Segment> {
        let segment = self.chunks.last_mut()?.pop();
        if self.chunks.last().is_some_and(Vec::is_empty) {
            self.chunks.pop();
        }
        segment
    }

    /// Bytes allocated for the chunks.
    fn allocated_bytes(&self) -> usize {
        let first = self.chunks.first().map_or(0, |first| allocation_bytes(first.capacity() * size_of::<Segment>()));
        let others = self.chunks.len().saturating_sub(1) * allocation_bytes(Self::CHUNK * size_of::<Segment>());
        allocation_bytes(self.chunks.capacity() * size_of::<Vec<Segment>>()) + first + others
    }

    #[cfg(test)]
    fn iter(&self) -> impl Iterator<Item = &Segment> {
        self.chunks.iter().flatten()
    }
}

impl std::ops::Index<usize> for Segments {
    type Output = Segment;

    #[inline]
    fn index(&self, number: usize) -> &Segment {
        &self.chunks[number / Self::CHUNK][number % Self::CHUNK]
    }
}

impl std::ops::IndexMut<usize> for Segments {
    #[inline]
    fn index_mut(&mut self, number: usize) -> &mut Segment {
        &mut self.chunks[number / Self::CHUNK][number % Self::CHUNK]
    }
}

/// Name → member. Holds pointers only; the members belong to the tree.
pub(super) struct Index {
    hasher: RandomState,
    /// Segment numbers by the hash's top `depth` bits.
    directory: Vec<u32>,
    segments: Segments,
    /// Unused entries of `segments`.
    free: Vec<u32>,
    /// How many segments have each depth, so that the directory shrinks when none needs its last bit.
    at_depth: [u32; DEPTH_MAX as usize + 1],
    place_bytes: usize,
    depth: u8,
}

impl Index {
    pub(super) fn new() -> Self {
        let first = Segment::new(PLACES_MIN, 0);
        let mut at_depth = [0; DEPTH_MAX as usize + 1];
        at_depth[0] = 1;
        Index {
            hasher: RandomState::default(),
            directory: vec![0],
            place_bytes: first.allocated_bytes(),
            segments: Segments { chunks: vec![vec![first]] },
            free: Vec::new(),
            at_depth,
            depth: 0,
        }
    }

    #[inline]
    pub(super) fn hash(&self, bytes: &[u8]) -> u64 {
        self.hasher.hash_one(bytes)
    }

    /// Bytes allocated for directory and segments.
    pub(super) fn memory(&self) -> usize {
        self.place_bytes
            + allocation_bytes(self.directory.capacity() * size_of::<u32>())
            + self.segments.allocated_bytes()
            + allocation_bytes(self.free.capacity() * size_of::<u32>())
    }

    #[inline]
    fn slot(&self, hash: u64) -> usize {
        // With depth 0 the shift would be 64.
        if self.depth == 0 { 0 } else { (hash >> (64 - self.depth)) as usize }
    }

    #[inline]
    pub(super) fn find(&self, hash: u64, bytes: &[u8]) -> Option<MemberPtr> {
        let segment = &self.segments[self.directory[self.slot(hash)] as usize];
        segment.places[segment.find(tag(hash), bytes)?].member()
    }

    /// Adds a member that is not there yet.
    pub(super) fn insert(&mut self, hash: u64, member: MemberPtr) {
        loop {
            let number = self.directory[self.slot(hash)] as usize;
            let segment = &mut self.segments[number];
            if segment.has_room() {
                segment.put(Place::new(tag(hash), member));
                return;
            }
            if segment.places.len() < PLACES_MAX || segment.depth == DEPTH_MAX {
                let places = next_places(segment.places.len());
                self.resize(number, places);
            } else {
                self.split(number, hash);
            }
        }
    }

    /// Takes a member out, and gives its pointer.
    pub(super) fn remove(&mut self, hash: u64, bytes: &[u8]) -> Option<MemberPtr> {
        let number = self.directory[self.slot(hash)] as usize;
        let segment = &mut self.segments[number];
        let at = segment.find(tag(hash), bytes)?;
        let member = segment.places[at].member();
        segment.take(at);
        let (len, places) = (segment.len as usize, segment.places.len());
        if places > PLACES_MIN && len * 2 < places {
            self.resize(number, places_for(len));
            if len < PLACES_MAX / 4 {
                self.merge(number, hash);
            }
        }
        member
    }

    fn resize(&mut self, number: usize, places: usize) {
        let segment = &mut self.segments[number];
        self.place_bytes -= segment.allocated_bytes();
        segment.resize(places);
        self.place_bytes += segment.allocated_bytes();
    }

    /// The directory entries that lead to the segment of this depth which `hash` belongs to.
    fn entries(&self, hash: u64, depth: u8) -> std::ops::Range<usize> {
        let width = 1usize << (self.depth - depth);
        let first = self.slot(hash) & !(width - 1);
        first..first + width
    }

    fn split(&mut self, number: usize, hash: u64) {
        let depth = self.segments[number].depth;
        if depth == self.depth {
            let mut doubled = Vec::with_capacity(2 * self.directory.len());
            for &entry in &self.directory {
                doubled.extend_from_slice(&[entry, entry]);
            }
            self.directory = doubled;
            self.depth += 1;
        }
        let entries = self.entries(hash, depth);
        let bit = 1u64 << (63 - depth);
        let old = std::mem::replace(&mut self.segments[number], Segment::new(0, depth + 1));
        self.place_bytes -= old.allocated_bytes();
        let (mut low, mut high) = (Vec::with_capacity(PLACES_MAX), Vec::with_capacity(PLACES_MAX));
        for &place in old.places.iter() {
            let Some(member) = place.member() else { continue };
            let half = if self.hash(member.bytes()) & bit == 0 { &mut low } else { &mut high };
            half.push(place);
        }
        let other = match self.free.pop() {
            Some(other) => other,
            None => {
                self.segments.push(Segment::new(0, depth + 1));
                u32::try_from(self.segments.len() - 1).expect("there are at most 2^24 segments")
            }
        };
        for (number, half) in [(number, low), (other as usize, high)] {
            let mut segment = Segment::new(places_for(half.len()), depth + 1);
            half.into_iter().for_each(|place| segment.put(place));
            self.place_bytes += segment.allocated_bytes();
            self.segments[number] = segment;
        }
        let middle = entries.start + entries.len() / 2;
        self.directory[middle..entries.end].fill(other);
        self.at_depth[usize::from(depth)] -= 1;
        self.at_depth[usize::from(depth) + 1] += 2;
    }

    /// Joins a segment with the other half of its last split, if both are nearly empty.
    fn merge(&mut self, number: usize, hash: u64) {
        let depth = self.segments[number].depth;
        if depth == 0 {
            return;
        }
        let buddy_hash = hash ^ 1 << (64 - depth);
        let buddy = self.directory[self.slot(buddy_hash)];
        let sum = (self.segments[number].len + self.segments[buddy as usize].len) as usize;
        if self.segments[buddy as usize].depth != depth || sum > PLACES_MAX / 2 {
            return;
        }
        let taken = std::mem::replace(&mut self.segments[buddy as usize], Segment::new(0, 0));
        self.place_bytes -= taken.allocated_bytes();
        self.resize(number, places_for(sum));
        let segment = &mut self.segments[number];
        taken.places.iter().filter(|place| !place.is_empty()).for_each(|&place| segment.put(place));
        segment.depth = depth - 1;
        self.free.push(buddy);
        let entries = self.entries(hash, depth - 1);
        self.directory[entries].fill(number as u32);
        self.at_depth[usize::from(depth)] -= 2;
        self.at_depth[usize::from(depth) - 1] += 1;
        if self.depth > 0 && self.at_depth[usize::from(self.depth)] == 0 {
            self.directory = self.directory.iter().step_by(2).copied().collect();
            self.depth -= 1;
        }
    }

    /// Where a member of this hash stands in the order of [`Index::scan`].
    #[inline]
    pub(super) fn position(hash: u64) -> u64 {
        hash >> (64 - POSITION_BITS)
    }

    /// Visits the members whose positions are in `range`.
    pub(super) fn visit(&self, range: std::ops::Range<u64>, mut with: impl FnMut(MemberPtr)) {
        let mut from = range.start;
        while from < range.end {
            let hash = from << (64 - POSITION_BITS);
            let segment = &self.segments[self.directory[self.slot(hash)] as usize];
            let width = 1u64 << (POSITION_BITS - u32::from(segment.depth));
            let start = from & !(width - 1);
            let is_whole = range.start <= start && start + width <= range.end;
            for member in segment.places.iter().filter_map(|place| place.member()) {
                if is_whole || range.contains(&Self::position(self.hash(member.bytes()))) {
                    with(member);
                }
            }
            from = start + width;
        }
    }

    /// Visits at least `count` members (or all that are left) from `position` on, in an order that only the hash
    /// decides, and returns the position to go on from; 0 at the end. Members of one position are never parted.
    pub(super) fn scan(&self, mut position: u64, count: usize, mut visit: impl FnMut(MemberPtr)) -> u64 {
        let mut visited = 0;
        let mut found: Vec<(u64, MemberPtr)> = Vec::new();
        while position < 1 << POSITION_BITS {
            let hash = position << (64 - POSITION_BITS);
            let segment = &self.segments[self.directory[self.slot(hash)] as usize];
            let width = 1u64 << (POSITION_BITS - u32::from(segment.depth));
            let end = (position & !(width - 1)) + width;
            found.clear();
            found.extend(segment.places.iter().filter_map(|place| place.member()).filter_map(|member| {
                let at = Self::position(self.hash(member.bytes()));
                (at >= position).then_some((at, member))
            }));
            found.sort_unstable_by_key(|&(at, _)| at);
            let mut last = None;
            for &(at, member) in &found {
                if visited >= count && last != Some(at) {
                    return at;
                }
                visit(member);
                visited += 1;
                last = Some(at);
            }
            position = end;
            if visited >= count && position < 1 << POSITION_BITS {
                return position;
            }
        }
        0
    }

    /// Frees up to `budget` segments and returns how many; 0 when all are gone. The index is of no use afterwards.
    pub(super) fn free_segments(&mut self, budget: usize) -> usize {
        self.directory = Vec::new();
        self.free = Vec::new();
        let mut count = 0;
        while count < budget
            && let Some(segment) = self.segments.pop()
        {
            self.place_bytes -= segment.allocated_bytes();
            count += 1;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    fn name(number: usize) -> Vec<u8> {
        format!("name:{number}").into_bytes()
    }

    fn filled(count: usize) -> (Index, HashMap<Vec<u8>, MemberPtr>) {
        let mut index = Index::new();
        let mut model = HashMap::new();
        for number in 0..count {
            let bytes = name(number);
            let member = MemberPtr::new(number as f64, &bytes);
            index.insert(index.hash(&bytes), member);
            model.insert(bytes, member);
        }
        (index, model)
    }

    fn free(model: HashMap<Vec<u8>, MemberPtr>) {
        for member in model.into_values() {
            // SAFETY: each once, at the end of the test.
            unsafe { member.free() };
        }
    }

    #[test]
    fn nothing_is_lost_by_splits_and_merges() {
        let (mut index, mut model) = filled(5_000);
        assert!(index.segments.len() > 8);
        for (bytes, member) in &model {
            assert_eq!(index.find(index.hash(bytes), bytes), Some(*member));
        }
        assert_eq!(index.find(index.hash(b"none"), b"none"), None);
        for number in 20..5_000 {
            let bytes = name(number);
            let member = model.remove(&bytes).unwrap();
            assert_eq!(index.remove(index.hash(&bytes), &bytes), Some(member));
            assert_eq!(index.remove(index.hash(&bytes), &bytes), None);
            // SAFETY: out of the index and out of the model.
            unsafe { member.free() };
        }
        for (bytes, member) in &model {
            assert_eq!(index.find(index.hash(bytes), bytes), Some(*member));
        }
        assert!(index.segments.len() - index.free.len() < 4, "buddies join again");
        assert!(index.directory.len() < 8, "the directory shrinks");
        let counted: usize = index.segments.iter().map(Segment::allocated_bytes).sum();
        assert_eq!(counted, index.place_bytes);
        free(model);
    }

    #[test]
    fn a_scan_over_a_growing_index_misses_no_one() {
        let (mut index, mut model) = filled(1_000);
        let before: HashSet<Vec<u8>> = model.keys().cloned().collect();
        let mut seen = HashSet::new();
        let (mut position, mut added) = (0, 10_000);
        loop {
            position = index.scan(position, 7, |member| {
                assert!(seen.insert(member.bytes().to_vec()), "nobody comes twice");
            });
            if position == 0 {
                break;
            }
            assert!(position < 1 << 48);
            for _ in 0..20 {
                let bytes = name(added);
                added += 1;
                let member = MemberPtr::new(0.0, &bytes);
                index.insert(index.hash(&bytes), member);
                model.insert(bytes, member);
            }
        }
        assert!(before.is_subset(&seen));
        assert_eq!(index.scan(1 << 48, 10, |_| panic!("beyond the end")), 0);
        free(model);
    }
}
