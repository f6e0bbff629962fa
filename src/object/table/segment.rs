//! A segment: the elements whose hashes share a prefix, in the order of their hashes.
//!
//! ```text
//! slots   tag u16 │ place u16   ascending by tag; no gaps
//!         tag:   the 16 bits of the hash behind the segment's prefix
//!         place: offset into `data`, or with the top bit set, index into `large`
//! data    record │ record │ dead bytes │ record …
//! ```
//!
//! Tags are evenly spread, so a tag's rank is guessed from its value and found a few slots away. Four bytes of slot and
//! nothing but the bytes of the record: no pointer, no allocation of its own, no rounding up. Deleting leaves dead bytes,
//! which are squeezed out when they pass a quarter, and when room is needed and they make an eighth.

use super::Shape;
use crate::object::alloc::{held, release, reserve, size_class, with_room};
use crate::object::seed::hash_element;

/// A segment with this many elements splits before it takes another.
pub(super) const ENTRIES_MAX: usize = 512;
/// Bytes of records in `data`; bounded by what 15 bits of place address.
const DATA_BYTES_MAX: usize = 1 << 15;
/// Longer records are allocated by themselves.
const INLINE_BYTES_MAX: usize = 512;
/// Two sibling segments merge when they have no more than this between them: half of what makes them split.
pub(super) const MERGE_ENTRIES_MAX: usize = ENTRIES_MAX / 2;
const MERGE_DATA_BYTES_MAX: usize = DATA_BYTES_MAX / 2;
/// Prefix bits at most. Reached only if billions of elements crowd together; segments then grow beyond their bounds.
pub(super) const DEPTH_MAX: u8 = 30;
/// Fewer dead bytes are not worth squeezing out.
const DEAD_BYTES_MIN: usize = 256;
const LARGE: u32 = 1 << 15;
const PLACE: u32 = 0xFFFF;

const _: () = assert!(DATA_BYTES_MAX <= LARGE as usize && DEPTH_MAX <= 32);

/// No expiry time.
pub const NEVER: u64 = u64::MAX;

/// The segment has to split before it can take the record.
#[derive(Debug)]
pub(super) struct Full;

#[derive(Clone)]
pub(super) struct Segment {
    slots: Vec<u32>,
    data: Vec<u8>,
    large: Vec<Box<[u8]>>,
    large_bytes: usize,
    /// Earliest expiry time of a record here, [`NEVER`] without one.
    pub next_expire_ms: u64,
    dead_bytes: u32,
    /// The upper `depth` bits of all hashes here.
    pub prefix: u32,
    pub depth: u8,
}

/// The 16 bits behind the first `depth`.
#[inline]
pub(super) fn tag_of(hash: u64, depth: u8) -> u16 {
    ((hash << depth) >> 48) as u16
}

impl Segment {
    pub fn new(prefix: u32, depth: u8) -> Self {
        Segment {
            slots: Vec::new(),
            data: Vec::new(),
            large: Vec::new(),
            large_bytes: 0,
            next_expire_ms: NEVER,
            dead_bytes: 0,
            prefix,
            depth,
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Heap bytes.
    #[inline]
    pub fn memory(&self) -> usize {
        held(&self.slots) + held(&self.data) + held(&self.large) + self.large_bytes
    }

    /// Allocations that dropping this frees, beside a constant few.
    pub fn large_count(&self) -> usize {
        self.large.len()
    }

    #[inline]
    pub fn tag(&self, index: usize) -> u16 {
        (self.slots[index] >> 16) as u16
    }

    /// Index of the first slot with this tag or a higher one.
    #[inline]
    pub fn lower_bound(&self, tag: u16) -> usize {
        let least = u32::from(tag) << 16;
        let slots = &self.slots[..];
        let mut at = (usize::from(tag) * slots.len()) >> 16;
        if slots.get(at).is_some_and(|&slot| slot < least) {
            at += 1;
            while at < slots.len() && slots[at] < least {
                at += 1;
            }
        } else {
            while at > 0 && slots[at - 1] >= least {
                at -= 1;
            }
        }
        at
    }

    /// Index of the slot that holds `key`, or else of the one before which its slot would go.
    #[inline]
    pub fn find<S: Shape>(&self, hash: u64, key: &[u8]) -> Result<usize, usize> {
        let tag = tag_of(hash, self.depth);
        let mut at = self.lower_bound(tag);
        while at < self.slots.len() && self.tag(at) == tag {
            if S::key(self.tail(at)) == key {
                return Ok(at);
            }
            at += 1;
        }
        Err(at)
    }

    /// The record, and whatever follows it in memory.
    #[inline]
    fn tail(&self, index: usize) -> &[u8] {
        let place = self.slots[index] & PLACE;
        if place & LARGE == 0 { &self.data[place as usize..] } else { &self.large[(place & !LARGE) as usize] }
    }

    #[inline]
    pub fn record<S: Shape>(&self, index: usize) -> &[u8] {
        let tail = self.tail(index);
        &tail[..S::record_len(tail)]
    }

    /// Adds a record that is not there yet, given in parts, before slot `at`, which [`Segment::find`] gave.
    pub fn insert<S: Shape>(&mut self, hash: u64, at: usize, parts: &[&[u8]]) -> Result<(), Full> {
        if self.slots.len() >= ENTRIES_MAX && self.depth < DEPTH_MAX {
            return Err(Full);
        }
        let place = self.place::<S>(parts)?;
        let tag = tag_of(hash, self.depth);
        reserve(&mut self.slots, 1);
        self.slots.insert(at, u32::from(tag) << 16 | place);
        if S::TIMED {
            self.next_expire_ms = self.next_expire_ms.min(S::expire_ms(self.tail(at)));
        }
        Ok(())
    }

    /// Puts another record with the same key in the place of the one at `index`.
    pub fn replace<S: Shape>(&mut self, index: usize, parts: &[&[u8]]) -> Result<(), Full> {
        let old_len = self.record::<S>(index).len();
        let old_expire_ms = if S::TIMED { S::expire_ms(self.tail(index)) } else { NEVER };
        let new_len: usize = parts.iter().map(|part| part.len()).sum();
        let place = self.slots[index] & PLACE;
        if new_len == old_len {
            let target = if place & LARGE == 0 {
                &mut self.data[place as usize..][..old_len]
            } else {
                &mut self.large[(place & !LARGE) as usize][..]
            };
            let mut rest = target;
            for part in parts {
                let (head, tail) = rest.split_at_mut(part.len());
                head.copy_from_slice(part);
                rest = tail;
            }
        } else {
            // The new one first: a segment that is full must still hold the old one when it splits. Squeezing may move
            // records, so the old place is looked up again.
            let new_place = self.place::<S>(parts)?;
            let old_place = self.slots[index] & PLACE;
            self.slots[index] = self.slots[index] & !PLACE | new_place;
            self.forget(old_place, old_len);
            self.squeeze_if_worth::<S>();
        }
        if S::TIMED {
            self.retime_after::<S>(old_expire_ms);
            self.next_expire_ms = self.next_expire_ms.min(S::expire_ms(self.tail(index)));
        }
        Ok(())
    }

    /// Removes the record at `index`.
    pub fn remove<S: Shape>(&mut self, index: usize) {
        let old_expire_ms = if S::TIMED { S::expire_ms(self.tail(index)) } else { NEVER };
        self.remove_untimed::<S>(index);
        if S::TIMED {
            self.retime_after::<S>(old_expire_ms);
        }
    }

    /// As [`Segment::remove`], leaving the next expiry time to the caller.
    pub fn remove_untimed<S: Shape>(&mut self, index: usize) {
        let old_len = self.record::<S>(index).len();
        let place = self.slots.remove(index) & PLACE;
        self.forget(place, old_len);
        self.squeeze_if_worth::<S>();
        release(&mut self.slots);
    }

    /// Computes the next expiry time anew if the one that went away was it.
    fn retime_after<S: Shape>(&mut self, gone_ms: u64) {
        if gone_ms != NEVER && gone_ms <= self.next_expire_ms {
            self.retime::<S>();
        }
    }

    /// Computes the next expiry time anew.
    pub fn retime<S: Shape>(&mut self) {
        self.next_expire_ms = (0..self.len()).map(|index| S::expire_ms(self.tail(index))).min().unwrap_or(NEVER);
    }

    /// Writes a record and says where.
    fn place<S: Shape>(&mut self, parts: &[&[u8]]) -> Result<u32, Full> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if len > INLINE_BYTES_MAX {
            return Ok(self.place_large(parts, len));
        }
        if self.data.len() + len > self.data.capacity().min(DATA_BYTES_MAX) {
            if self.dead_bytes as usize * 8 >= self.data.len() {
                self.squeeze::<S>(len);
            }
            if self.data.len() + len > DATA_BYTES_MAX {
                return if self.depth < DEPTH_MAX { Err(Full) } else { Ok(self.place_large(parts, len)) };
            }
            reserve(&mut self.data, len);
        }
        let place = self.data.len() as u32;
        for part in parts {
            self.data.extend_from_slice(part);
        }
        Ok(place)
    }

    fn place_large(&mut self, parts: &[&[u8]], len: usize) -> u32 {
        assert!(self.large.len() < LARGE as usize, "a hash prefix of 30 bits is shared by fewer than 32768 elements");
        self.large_bytes += size_class(len);
        reserve(&mut self.large, 1);
        self.large.push(parts.concat().into_boxed_slice());
        LARGE | (self.large.len() - 1) as u32
    }

    /// Frees a place that no slot points to any more.
    fn forget(&mut self, place: u32, len: usize) {
        if place & LARGE == 0 {
            if place as usize + len == self.data.len() {
                self.data.truncate(place as usize);
            } else {
                self.dead_bytes += len as u32;
            }
            return;
        }
        let index = (place & !LARGE) as usize;
        self.large.swap_remove(index);
        self.large_bytes -= size_class(len);
        let moved = self.large.len() as u32;
        if index as u32 != moved {
            let slot = self.slots.iter_mut().find(|slot| **slot & PLACE == LARGE | moved);
            let slot = slot.expect("every large record has a slot");
            *slot = *slot & !PLACE | place;
        }
        release(&mut self.large);
    }

    #[inline]
    fn squeeze_if_worth<S: Shape>(&mut self) {
        let dead = self.dead_bytes as usize;
        if dead > DEAD_BYTES_MIN && dead * 4 > self.data.len() || self.slots.is_empty() {
            self.squeeze::<S>(0);
        } else {
            release(&mut self.data);
        }
    }

    /// Writes the live records into a new block, in slot order, with room for `extra` bytes.
    fn squeeze<S: Shape>(&mut self, extra: usize) {
        let live = self.data.len() - self.dead_bytes as usize;
        let mut data = with_room(live + extra);
        for slot in &mut self.slots {
            let place = *slot & PLACE;
            if place & LARGE == 0 {
                let tail = &self.data[place as usize..];
                *slot = *slot & !PLACE | data.len() as u32;
                data.extend_from_slice(&tail[..S::record_len(tail)]);
            }
        }
        self.data = data;
        self.dead_bytes = 0;
    }

    /// Splits by the next bit of the prefix: keeps the lower half, returns the upper.
    pub fn split<S: Shape>(&mut self) -> Segment {
        let depth = self.depth + 1;
        let middle = self.lower_bound(0x8000);
        let mut old = std::mem::replace(self, Segment::new(self.prefix << 1, depth));
        let mut upper = Segment::new(self.prefix | 1, depth);
        old.hand_over::<S>(0..middle, self);
        old.hand_over::<S>(middle..old.len(), &mut upper);
        upper
    }

    /// Moves the records of `range` to the empty segment `to`, one level deeper.
    fn hand_over<S: Shape>(&mut self, range: std::ops::Range<usize>, to: &mut Segment) {
        let inline = |slot: &&u32| **slot & LARGE == 0;
        let bytes = self.slots[range.clone()].iter().filter(inline);
        let bytes = bytes.map(|slot| S::record_len(&self.data[(*slot & PLACE) as usize..])).sum();
        to.slots = with_room(range.len());
        to.data = with_room(bytes);
        for index in range {
            let place = self.slots[index] & PLACE;
            let tag = tag_of(hash_element(S::key(self.tail(index))), to.depth);
            let place = if place & LARGE == 0 {
                let at = to.data.len() as u32;
                to.data.extend_from_slice(self.record::<S>(index));
                at
            } else {
                to.adopt(std::mem::take(&mut self.large[(place & !LARGE) as usize]))
            };
            to.slots.push(u32::from(tag) << 16 | place);
        }
        // One more bit of the hash: only former ties can be out of order.
        to.slots.sort_unstable();
        if S::TIMED && self.next_expire_ms != NEVER {
            to.retime::<S>();
        }
    }

    fn adopt(&mut self, record: Box<[u8]>) -> u32 {
        self.large_bytes += size_class(record.len());
        reserve(&mut self.large, 1);
        self.large.push(record);
        LARGE | (self.large.len() - 1) as u32
    }

    /// Whether this and its sibling are small enough to be one.
    pub fn can_absorb(&self, sibling: &Segment) -> bool {
        let live = |segment: &Segment| segment.data.len() - segment.dead_bytes as usize;
        self.len() + sibling.len() <= MERGE_ENTRIES_MAX && live(self) + live(sibling) <= MERGE_DATA_BYTES_MAX
    }

    /// Takes in the sibling above it: undoes a split.
    pub fn absorb<S: Shape>(&mut self, upper: Segment) {
        debug_assert!(self.depth == upper.depth && self.prefix | 1 == upper.prefix && self.prefix != upper.prefix);
        let mut slots = with_room(self.len() + upper.len());
        let bytes = [&*self, &upper].map(|segment| segment.data.len() - segment.dead_bytes as usize);
        let mut merged = Segment::new(self.prefix >> 1, self.depth - 1);
        merged.data = with_room(bytes[0] + bytes[1]);
        merged.next_expire_ms = self.next_expire_ms.min(upper.next_expire_ms);
        let lower = std::mem::replace(self, Segment::new(0, 0));
        for (mut segment, bit) in [(lower, 0), (upper, 0x8000)] {
            for index in 0..segment.len() {
                let place = segment.slots[index] & PLACE;
                let tag = bit | u32::from(segment.tag(index)) >> 1;
                let place = if place & LARGE == 0 {
                    let at = merged.data.len() as u32;
                    merged.data.extend_from_slice(segment.record::<S>(index));
                    at
                } else {
                    merged.adopt(std::mem::take(&mut segment.large[(place & !LARGE) as usize]))
                };
                slots.push(tag << 16 | place);
            }
        }
        merged.slots = slots;
        *self = merged;
    }

    /// Everything that must hold, for tests.
    #[cfg(test)]
    pub fn check<S: Shape>(&self) {
        assert!(self.slots.is_sorted_by_key(|slot| slot >> 16));
        let mut live = 0;
        let mut expire_ms = NEVER;
        let mut large = 0;
        for index in 0..self.len() {
            let record = self.record::<S>(index);
            let hash = hash_element(S::key(record));
            assert_eq!(self.tag(index), tag_of(hash, self.depth));
            assert_eq!(u64::from(self.prefix), hash.checked_shr(64 - u32::from(self.depth)).unwrap_or(0));
            if self.slots[index] & LARGE == 0 {
                live += record.len()
            } else {
                large += size_class(record.len())
            }
            expire_ms = expire_ms.min(S::expire_ms(record));
        }
        assert_eq!(live + self.dead_bytes as usize, self.data.len());
        assert_eq!(large, self.large_bytes);
        assert!(!S::TIMED || expire_ms == self.next_expire_ms);
        assert!(self.dead_bytes as usize <= DEAD_BYTES_MIN.max(self.data.len() / 4));
    }
}
