//! One segment of the table: 64 buckets of one cache line each, 12 slots per bucket.
//!
//! An entry lives in its home bucket, or, if that is full, in the next one with room. Each bucket counts the entries that
//! passed it by for want of room: a lookup goes on only while that count is above zero, so that most end after one cache
//! line whether they find the key or not.

/// Buckets per segment.
pub const BUCKETS: usize = 64;
/// Slots per bucket.
pub const SLOTS: usize = 12;
/// Slots per segment.
pub const SEGMENT_SLOTS: usize = BUCKETS * SLOTS;

/// A count of passers-by that stays: after so many, it is no longer known when the last one is gone.
const PASSED_MAX: u8 = u8::MAX;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Bucket {
    /// 8 bits of the hash, never 0; 0 marks a free slot.
    tags: [u8; SLOTS],
    /// Entries that found this bucket full and went on.
    passed: u8,
    /// Of the first bucket only: hash bits that all of the segment's entries share, and how many they are.
    depth: u8,
    count: u16,
    refs: [u32; SLOTS],
}

/// A segment, exactly [`crate::keyspace::slab::SEGMENT_BYTES`] long.
#[derive(Clone)]
#[repr(C)]
pub struct Segment {
    buckets: [Bucket; BUCKETS],
}

const _: () = assert!(size_of::<Bucket>() == 64 && size_of::<Segment>() == crate::keyspace::slab::SEGMENT_BYTES);

/// The home bucket of a hash.
#[inline]
pub fn home(hash: u64) -> usize {
    hash as usize % BUCKETS
}

/// The tag of a hash.
#[inline]
fn tag(hash: u64) -> u8 {
    ((hash >> 6) as u8).max(1)
}

impl Bucket {
    /// A bit per slot whose tag is `tag`.
    #[inline]
    fn matches(&self, tag: u8) -> u32 {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_load_si128, _mm_movemask_epi8, _mm_set1_epi8};
            // SAFETY: the bucket is aligned to 64 and its first 16 bytes (tags, counts) are initialized; SSE2 is part of
            // x86-64. The four bytes that are no tags are masked off.
            unsafe {
                let line = _mm_load_si128(std::ptr::from_ref(self).cast());
                _mm_movemask_epi8(_mm_cmpeq_epi8(line, _mm_set1_epi8(tag as i8))) as u32 & ((1 << SLOTS) - 1)
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self.tags.iter().enumerate().fold(0, |bits, (slot, &t)| bits | u32::from(t == tag) << slot)
        }
    }

    #[inline]
    fn used(&self) -> u32 {
        !self.matches(0) & ((1 << SLOTS) - 1)
    }
}

/// Set bits, lowest first.
#[inline]
fn bits(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = mask.trailing_zeros() as usize;
        (mask != 0).then(|| {
            mask &= mask - 1;
            bit
        })
    })
}

impl Segment {
    /// Makes an empty segment in place of whatever bytes are there.
    pub fn clear(&mut self, depth: u32) {
        let empty = Bucket { tags: [0; SLOTS], passed: 0, depth: 0, count: 0, refs: [0; SLOTS] };
        self.buckets.fill(empty);
        self.buckets[0].depth = depth as u8;
    }

    /// Hash bits shared by all entries.
    #[inline]
    pub fn depth(&self) -> u32 {
        u32::from(self.buckets[0].depth)
    }

    /// Sets [`Segment::depth`].
    pub fn set_depth(&mut self, depth: u32) {
        self.buckets[0].depth = depth as u8;
    }

    /// Entries held.
    #[inline]
    pub fn count(&self) -> usize {
        self.buckets[0].count as usize
    }

    /// The entry with this hash that `is_it` accepts.
    #[inline]
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let (tag, mut at) = (tag(hash), home(hash));
        for _ in 0..BUCKETS {
            let bucket = &self.buckets[at];
            let mut matches = bucket.matches(tag);
            while matches != 0 {
                let reference = bucket.refs[matches.trailing_zeros() as usize];
                if is_it(reference) {
                    return Some(reference);
                }
                matches &= matches - 1;
            }
            if bucket.passed == 0 {
                return None;
            }
            at = (at + 1) % BUCKETS;
        }
        None
    }

    /// Adds an entry. False if all slots are taken.
    #[inline]
    pub fn insert(&mut self, hash: u64, reference: u32) -> bool {
        if self.count() == SEGMENT_SLOTS {
            return false;
        }
        self.buckets[0].count += 1;
        let mut at = home(hash);
        loop {
            let bucket = &mut self.buckets[at];
            let free = bucket.matches(0);
            if free != 0 {
                let slot = free.trailing_zeros() as usize;
                bucket.tags[slot] = tag(hash);
                bucket.refs[slot] = reference;
                return true;
            }
            bucket.passed = bucket.passed.saturating_add(1);
            at = (at + 1) % BUCKETS;
        }
    }

    #[inline]
    fn locate(&self, hash: u64, reference: u32) -> Option<(usize, usize)> {
        let (tag, mut at) = (tag(hash), home(hash));
        for _ in 0..BUCKETS {
            let bucket = &self.buckets[at];
            if let Some(slot) = bits(bucket.matches(tag)).find(|&slot| bucket.refs[slot] == reference) {
                return Some((at, slot));
            }
            if bucket.passed == 0 {
                return None;
            }
            at = (at + 1) % BUCKETS;
        }
        None
    }

    /// Takes an entry out. False if it is not here.
    #[inline]
    pub fn remove(&mut self, hash: u64, reference: u32) -> bool {
        let Some((found_at, slot)) = self.locate(hash, reference) else { return false };
        self.buckets[found_at].tags[slot] = 0;
        self.buckets[0].count -= 1;
        let mut at = home(hash);
        while at != found_at {
            let passed = &mut self.buckets[at].passed;
            if *passed != PASSED_MAX {
                *passed -= 1;
            }
            at = (at + 1) % BUCKETS;
        }
        true
    }

    /// Notes an entry's new place. False if it is not here.
    #[inline]
    pub fn replace(&mut self, hash: u64, old: u32, new: u32) -> bool {
        let Some((at, slot)) = self.locate(hash, old) else { return false };
        self.buckets[at].refs[slot] = new;
        true
    }

    /// The entries whose home may be `home`: all of that bucket and of those its entries may have gone on to.
    pub fn for_each_near(&self, home: usize, mut visit: impl FnMut(u32)) {
        let mut at = home;
        for _ in 0..BUCKETS {
            self.for_each_in(at, &mut visit);
            if self.buckets[at].passed == 0 {
                return;
            }
            at = (at + 1) % BUCKETS;
        }
    }

    /// The entries that lie in a bucket.
    pub fn for_each_in(&self, bucket: usize, mut visit: impl FnMut(u32)) {
        let bucket = &self.buckets[bucket];
        bits(bucket.used()).for_each(|slot| visit(bucket.refs[slot]));
    }

    /// The entry in a slot, if any; `slot` counts through all buckets.
    pub fn at_slot(&self, slot: usize) -> Option<u32> {
        let bucket = &self.buckets[slot / SLOTS];
        (bucket.tags[slot % SLOTS] != 0).then(|| bucket.refs[slot % SLOTS])
    }

    /// The `n`th entry in slot order.
    pub fn nth(&self, mut n: usize) -> Option<u32> {
        for bucket in &self.buckets {
            let used = bucket.used();
            let count = used.count_ones() as usize;
            if n < count {
                return bits(used).nth(n).map(|slot| bucket.refs[slot]);
            }
            n -= count;
        }
        None
    }

    /// The entries that a lookup of `hash` will look at first, for loading them ahead.
    #[inline]
    pub fn candidates(&self, hash: u64) -> impl Iterator<Item = u32> {
        let bucket = &self.buckets[home(hash)];
        bits(bucket.matches(tag(hash))).map(|slot| bucket.refs[slot])
    }
}
