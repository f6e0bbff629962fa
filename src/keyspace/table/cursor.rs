//! Walking a table that grows and shrinks meanwhile.

use super::segment::BUCKETS;
use super::{DEPTH_MAX, Slab, Table, segment};

/// Where a walk stands, as a number below 2^44: 0 at the start and at the end.
///
/// Everything whose hash begins below `prefix` is done. Of the range from `prefix` to the next multiple of
/// 2^(32 − `depth`), the home buckets below `bucket` are done. `depth` counts only when `bucket` is not 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    prefix: u32,
    depth: u32,
    bucket: usize,
}

impl Cursor {
    /// Bits that a cursor takes.
    pub const BITS: u32 = 44;

    fn unpack(cursor: u64) -> Cursor {
        Cursor {
            prefix: (cursor >> 12) as u32,
            depth: (cursor >> 6 & 63).min(u64::from(DEPTH_MAX)) as u32,
            bucket: cursor as usize % BUCKETS,
        }
    }

    fn pack(self) -> u64 {
        u64::from(self.prefix) << 12 | u64::from(self.depth) << 6 | self.bucket as u64
    }
}

impl Table {
    /// Visits the entries of one home bucket (the next one that has any in this segment) and returns the cursor to go on
    /// with, 0 at the end. Any number is a valid cursor.
    pub fn scan(&self, slab: &Slab, cursor: u64, rehash: &impl Fn(u32) -> u64, mut visit: impl FnMut(u32)) -> u64 {
        let Cursor { prefix, depth, bucket } = Cursor::unpack(cursor);
        let Some(reference) = self.target(u64::from(prefix) << 32) else { return 0 };
        if self.len == 0 {
            return 0;
        }
        let segment = segment(slab, reference);
        let depth = segment.depth().max(if bucket == 0 { 0 } else { depth });
        let start = u64::from(prefix);
        let end = (start + 1).next_multiple_of(1 << (32 - depth));
        let mut next = bucket;
        let mut met = 0;
        while next < BUCKETS && met == 0 {
            let mut meet = |reference, hash: u64| {
                if segment::home(hash) == next && (start..end).contains(&(hash >> 32)) {
                    met += 1;
                    visit(reference);
                }
            };
            segment.for_each_near(next, |reference| meet(reference, rehash(reference)));
            self.spill.iter().for_each(|&(hash, reference)| meet(reference, hash));
            next += 1;
        }
        if next < BUCKETS {
            Cursor { prefix, depth, bucket: next }.pack()
        } else if end >> 32 != 0 {
            0
        } else {
            Cursor { prefix: end as u32, depth: 0, bucket: 0 }.pack()
        }
    }
}
