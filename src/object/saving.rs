//! Saving a large collection piece by piece, as it was at one instant, while it goes on changing.
//!
//! A collection that is being saved knows what of it is saved already. Before a change touches a part that is not, the
//! collection keeps that part as it is (a *chunk*, some ten kilobytes), for the saving to fetch. So each element is given
//! out once, as it was at the instant, and no change waits for more than a chunk.

use super::Object;
use std::ops::{Deref, DerefMut, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Elements in a chunk, about.
const CHUNK_ELEMENTS: usize = 256;
/// Bytes in a chunk, about.
const CHUNK_BYTES: usize = 64 << 10;
/// What giving out an element costs beside its bytes, in bytes: for the budget of a step.
pub(super) const ELEMENT_COST: usize = 24;

/// Bytes that collections keep for savings under way, counted together.
#[derive(Clone, Debug, Default)]
pub struct Held(Arc<AtomicU64>);

impl Held {
    /// How many bytes.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn sub(&self, bytes: usize) {
        self.0.fetch_sub(bytes as u64, Ordering::Relaxed);
    }
}

/// What a saving gives out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Part<'a> {
    /// An element of a list, in order.
    Element(crate::listpack::Element<'a>),
    /// A member of a set.
    Member(&'a [u8]),
    /// A field of a hash, its value, and its expiry time in unix ms.
    Field(&'a [u8], &'a [u8], Option<u64>),
    /// A member of a sorted set, in no order.
    Scored(&'a [u8], f64),
    /// A node of a stream, in order.
    Node(super::stream::StreamId, crate::listpack::ListpackRef<'a>),
}

/// Collections of more elements or bytes are saved in pieces: writing one of them takes a millisecond or so.
const WHOLE_ELEMENTS_MAX: usize = 4096;
const WHOLE_BYTES_MAX: usize = 256 << 10;

impl Object {
    /// Whether it is too large to be written at once.
    #[inline]
    pub fn is_saved_in_pieces(&self) -> bool {
        let (is_divided, len) = match self {
            Object::List(list) => (list.compact().is_none(), list.len()),
            Object::Set(set) => (set.compact().is_none(), set.len()),
            Object::ZSet(zset) => (zset.as_listpack().is_none(), zset.len()),
            Object::Hash(hash) => (hash.compact().is_none(), hash.len()),
            Object::Stream(stream) => (true, stream.log().node_count()),
        };
        is_divided && (len > WHOLE_ELEMENTS_MAX || self.memory() > WHOLE_BYTES_MAX)
    }

    /// Bytes that RDB's encoding of what is given out takes at most, of a stream's nodes alone.
    ///
    /// A table's memory counts four bytes a record beside its bytes: more than lengths in the file may be longer than in
    /// memory. In a listpack a 64-bit integer takes 10 bytes, in the file up to 21. Compressed strings may be two bytes
    /// longer, those of more than 16 KiB.
    pub fn encoded_bytes_max(&self) -> usize {
        let bytes = match self {
            Object::List(list) => list.memory() + (11 * list.len()).min(list.memory() / 10 * 11),
            Object::Set(set) => set.memory(),
            Object::ZSet(zset) => zset.element_bytes() + 2 * zset.len(),
            Object::Hash(hash) if hash.min_expire().is_some() => hash.memory() + 9 * hash.len(),
            Object::Hash(hash) => hash.memory(),
            Object::Stream(stream) => stream.log().memory() + 32 * stream.log().node_count(),
        };
        bytes + bytes / 1024 + 64
    }

    /// Begins to save it as it is now, under the number `id`. Only where [`Object::is_saved_in_pieces`]. What it keeps is
    /// counted by `held`.
    pub fn begin_saving(&mut self, id: u64, held: Held) {
        match self {
            Object::List(list) => list.begin_saving(id, held),
            Object::Set(set) => set.begin_saving(id, held),
            Object::ZSet(zset) => zset.begin_saving(id, held),
            Object::Hash(hash) => hash.begin_saving(id, held),
            Object::Stream(stream) => stream.log_mut().begin_saving(id, held),
        }
    }

    /// The number of the saving under way.
    #[inline]
    pub fn saving(&self) -> Option<u64> {
        match self {
            Object::List(list) => list.saving(),
            Object::Set(set) => set.saving(),
            Object::ZSet(zset) => zset.saving(),
            Object::Hash(hash) => hash.saving(),
            Object::Stream(stream) => stream.log().saving(),
        }
    }

    /// Ends the saving, whether all is saved or not.
    pub fn end_saving(&mut self) {
        match self {
            Object::List(list) => list.end_saving(),
            Object::Set(set) => set.end_saving(),
            Object::ZSet(zset) => zset.end_saving(),
            Object::Hash(hash) => hash.end_saving(),
            Object::Stream(stream) => stream.log_mut().end_saving(),
        }
    }

    /// Gives `with` about `budget` bytes of what is not saved yet, as it was when the saving began; says whether all is
    /// saved then. A stream gives its nodes; its groups are the caller's business.
    pub fn save_some(&mut self, budget: usize, with: &mut dyn FnMut(Part<'_>)) -> bool {
        match self {
            Object::List(list) => list.save_some(budget, &mut |element| with(Part::Element(element))),
            Object::Set(set) => set.save_some(budget, &mut |member| with(Part::Member(member))),
            Object::ZSet(zset) => zset.save_some(budget, &mut |member, score| with(Part::Scored(member, score))),
            Object::Hash(hash) => hash.save_some(budget, with),
            Object::Stream(stream) => stream.log_mut().save_some(budget, &mut |id, list| with(Part::Node(id, list))),
        }
    }
}

/// A place for the state of a saving. A copy of a collection is not being saved.
pub(super) struct Slot<T>(Option<Box<T>>);

impl<T> Slot<T> {
    pub const EMPTY: Slot<T> = Slot(None);

    pub fn set(&mut self, state: T) {
        self.0 = Some(Box::new(state));
    }

    pub fn clear(&mut self) {
        self.0 = None;
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self::EMPTY
    }
}

impl<T> Deref for Slot<T> {
    type Target = Option<Box<T>>;
    #[inline]
    fn deref(&self) -> &Option<Box<T>> {
        &self.0
    }
}

impl<T> DerefMut for Slot<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Option<Box<T>> {
        &mut self.0
    }
}

/// The saving of a collection whose elements have positions of a fixed number of bits that no growth moves: a grid of
/// chunks over the positions.
pub(super) struct Grid {
    pub id: u64,
    position_bits: u32,
    /// There are 2^bits chunks.
    bits: u32,
    done: Box<[u64]>,
    /// All chunks below are done.
    next: usize,
    /// Records of chunks that a change was about to touch, and how far they are given out.
    kept: Vec<u8>,
    kept_read: usize,
    held: Held,
}

impl Grid {
    /// A grid for `len` elements of `bytes` in all.
    pub fn new(id: u64, held: Held, position_bits: u32, len: usize, bytes: usize) -> Self {
        let chunks = (len / CHUNK_ELEMENTS).max(bytes / CHUNK_BYTES).clamp(1, len.max(1));
        let bits = chunks.ilog2().min(position_bits - 1);
        Grid {
            id,
            position_bits,
            bits,
            done: vec![0; (1usize << bits).div_ceil(64)].into_boxed_slice(),
            next: 0,
            kept: Vec::new(),
            kept_read: 0,
            held,
        }
    }

    fn range(&self, chunk: usize) -> Range<u64> {
        let shift = self.position_bits - self.bits;
        (chunk as u64) << shift..(chunk as u64 + 1) << shift
    }

    fn is_done(&self, chunk: usize) -> bool {
        self.done[chunk / 64] >> (chunk % 64) & 1 != 0
    }

    /// The positions to keep before what is at `position` changes; from here on they count as saved. `None`: they are.
    #[inline]
    pub fn claim(&mut self, position: u64) -> Option<Range<u64>> {
        let chunk = (position >> (self.position_bits - self.bits)) as usize;
        if chunk < self.next || self.is_done(chunk) {
            return None;
        }
        self.done[chunk / 64] |= 1 << (chunk % 64);
        Some(self.range(chunk))
    }

    /// The next positions that nothing is saved of.
    pub fn claim_next(&mut self) -> Option<Range<u64>> {
        while self.next < 1 << self.bits && self.is_done(self.next) {
            self.next += 1;
        }
        (self.next < 1 << self.bits).then(|| {
            self.next += 1;
            self.range(self.next - 1)
        })
    }

    /// Keeps a record, given in parts.
    pub fn keep(&mut self, parts: &[&[u8]]) {
        let before = self.kept.len();
        parts.iter().for_each(|part| self.kept.extend_from_slice(part));
        self.held.add(self.kept.len() - before);
    }

    /// Gives `with` what is kept, until `budget` is spent; `with` returns the length of the record it took. Returns what
    /// is left of the budget.
    pub fn give_kept(&mut self, mut budget: usize, mut with: impl FnMut(&[u8]) -> usize) -> usize {
        while budget > 0 && self.kept_read < self.kept.len() {
            let len = with(&self.kept[self.kept_read..]);
            self.kept_read += len;
            budget = budget.saturating_sub(len + ELEMENT_COST);
        }
        if self.kept_read == self.kept.len() {
            self.held.sub(self.kept.len());
            self.kept = Vec::new();
            self.kept_read = 0;
        }
        budget
    }

    pub fn is_over(&self) -> bool {
        self.next == 1 << self.bits && self.kept.is_empty()
    }
}

impl Drop for Grid {
    fn drop(&mut self) {
        self.held.sub(self.kept.len());
    }
}
