//! Walking a table, drawing from it, and taking what has expired.

use super::segment::Segment;
use super::{POSITION_BITS, Shape, Table, position};
use crate::object::seed::hash_element;
use std::ops::Range;

/// The lowest position of the segment's elements, and how many bits of a position lie behind the slot's tag.
#[inline]
fn span(segment: &Segment) -> (u64, u32) {
    let depth = u32::from(segment.depth);
    (u64::from(segment.prefix) << (POSITION_BITS - depth), POSITION_BITS - 16 - depth)
}

impl<S: Shape> Table<S> {
    /// Number of the segment that covers `position`.
    fn segment_at(&self, position: u64) -> usize {
        self.directory[(position >> (POSITION_BITS - u32::from(self.depth))) as usize] as usize
    }

    /// Gives `with` the records from position `cursor` on, in ascending positions: at least `count` and not many more (those
    /// that share the last slot's tag), or as many as there are. Fewer when it passes many empty segments.
    ///
    /// Returns the position to go on from: all records below it, and none from it on, have been given. 0 means the walk
    /// is over. What is not a position (2^48 or more) is read modulo 2^48.
    pub fn scan(&self, cursor: u64, count: usize, mut with: impl FnMut(&[u8])) -> u64 {
        let mut from = cursor & ((1 << POSITION_BITS) - 1);
        if self.directory.is_empty() {
            return 0;
        }
        let mut budget = count.max(1);
        loop {
            let segment = &self.segments[self.segment_at(from)];
            let (base, shift) = span(segment);
            let behind = from - base;
            let first_tag = (behind >> shift) as u16;
            // The cursor may come from a time when the segment was deeper: then it points into the midst of a tag.
            let midst = behind & ((1 << shift) - 1) != 0;
            let mut index = segment.lower_bound(first_tag);
            let mut last_tag = None;
            while index < segment.len() {
                let tag = segment.tag(index);
                if budget == 0 && last_tag != Some(tag) {
                    return base + (u64::from(tag) << shift);
                }
                let record = segment.record::<S>(index);
                index += 1;
                if midst && tag == first_tag && position(S::key(record)) < from {
                    continue;
                }
                with(record);
                budget = budget.saturating_sub(1);
                last_tag = Some(tag);
            }
            from = base + (1 << (shift + 16));
            // An empty segment costs as much as a record.
            budget = budget.saturating_sub(usize::from(last_tag.is_none()));
            if from == 1 << POSITION_BITS {
                return 0;
            }
            if budget == 0 {
                return from;
            }
        }
    }

    /// Gives `with` the records whose positions are in `range`.
    pub(super) fn visit(&self, range: Range<u64>, mut with: impl FnMut(&[u8])) {
        let mut from = range.start;
        while from < range.end && !self.directory.is_empty() {
            let segment = &self.segments[self.segment_at(from)];
            let (base, shift) = span(segment);
            let end = base + (1 << (shift + 16));
            let is_whole = range.start <= base && end <= range.end;
            let first = if from > base { segment.lower_bound(((from - base) >> shift) as u16) } else { 0 };
            for index in first..segment.len() {
                if base + (u64::from(segment.tag(index)) << shift) >= range.end {
                    break;
                }
                let record = segment.record::<S>(index);
                if is_whole || range.contains(&position(S::key(record))) {
                    with(record);
                }
            }
            from = end;
        }
    }

    /// The records in ascending positions.
    pub fn iter(&self) -> Iter<'_, S> {
        Iter { table: self, place: 0, index: 0 }
    }

    /// A record, each equally likely; `None` when empty. `bits` gives random numbers.
    ///
    /// Expected constant time: draws a segment and a slot number below the longest segment's length until there is such
    /// a slot.
    pub fn random(&self, mut bits: impl FnMut() -> u64) -> Option<&[u8]> {
        if self.len == 0 {
            return None;
        }
        let below = |limit: usize, bits: u64| ((u128::from(bits) * limit as u128) >> 64) as usize;
        if self.segments.len() == 1 {
            let segment = &self.segments[0];
            return Some(segment.record::<S>(below(segment.len(), bits())));
        }
        loop {
            let segment = &self.segments[below(self.segments.len(), bits())];
            let index = below(self.longest, bits());
            if index < segment.len() {
                return Some(segment.record::<S>(index));
            }
        }
    }

    /// The earliest expiry time of a record, [`super::NEVER`] without one.
    #[inline]
    pub fn earliest_expire_ms(&self) -> u64 {
        self.timers.earliest_ms()
    }

    /// Removes up to `budget` records whose time is before `now_ms`, giving each to `with` first. Returns how many.
    pub fn take_expired(&mut self, now_ms: u64, budget: usize, mut with: impl FnMut(&[u8])) -> usize {
        let mut taken = 0;
        while taken < budget && self.timers.earliest_ms() < now_ms {
            let number = self.timers.earliest().expect("there is an earliest time");
            let before = taken;
            for index in (0..self.segments[number].len()).rev() {
                if taken == budget {
                    break;
                }
                let record = self.segments[number].record::<S>(index);
                if S::expire_ms(record) < now_ms {
                    if self.saving.is_some() {
                        let hash = hash_element(S::key(record));
                        self.keep_chunk(hash);
                    }
                    let record = self.segments[number].record::<S>(index);
                    with(record);
                    self.change(number, |segment| segment.remove_untimed::<S>(index));
                    taken += 1;
                }
            }
            debug_assert!(taken > before);
            self.len -= taken - before;
            self.segments[number].retime::<S>();
            self.note_time(number);
            self.merge_if_sparse(number);
        }
        taken
    }
}

/// The records of a table in ascending positions.
pub struct Iter<'a, S> {
    table: &'a Table<S>,
    /// Place in the directory, and slot in its segment.
    place: usize,
    index: usize,
}

impl<S> Clone for Iter<'_, S> {
    fn clone(&self) -> Self {
        Iter { table: self.table, place: self.place, index: self.index }
    }
}

impl<'a, S: Shape> Iterator for Iter<'a, S> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let segment = &self.table.segments[*self.table.directory.get(self.place)? as usize];
            if self.index < segment.len() {
                self.index += 1;
                return Some(segment.record::<S>(self.index - 1));
            }
            self.place += 1 << (self.table.depth - segment.depth);
            self.index = 0;
        }
    }
}
