//! One member in one allocation, behind an eight-byte pointer: what the tree's leaves and the index both hold.
//!
//! ```text
//! score f64 │ length u8, or 255 and u32 │ member
//! ```
//!
//! A name of up to 23 bytes fits the allocator's class of 32 bytes.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cmp::Ordering;
use std::ptr::NonNull;

const SCORE_BYTES: usize = 8;
/// In the short length: the length follows as `u32`.
const LONG: u8 = 255;

/// Bytes the allocator really takes for an allocation of `bytes`: multiples of 16 up to 128, then four classes per
/// doubling.
pub(super) fn allocation_bytes(bytes: usize) -> usize {
    match bytes {
        0 => 0,
        1..=8 => 8,
        9..=128 => bytes.next_multiple_of(16),
        _ => bytes.next_multiple_of(1usize << ((bytes - 1).ilog2() - 2)),
    }
}

/// Compares as the sorted set orders: by score, then by the members' bytes. `-0` equals `0`; there is no NaN.
#[inline]
pub(super) fn compare(
    score: f64,
    member: &[u8],
    other_score: f64,
    other_member: impl FnOnce() -> MemberPtr,
) -> Ordering {
    if score < other_score {
        Ordering::Less
    } else if score > other_score {
        Ordering::Greater
    } else {
        member.cmp(other_member().bytes())
    }
}

/// A thin pointer to a member. `Copy`, because tree and index both hold it.
///
/// Who holds one upholds: it was made by [`MemberPtr::new`] and not yet freed. The zset's tree owns all members: they
/// are freed only by `free`, after tree and index have let go, or when the whole tree is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct MemberPtr(NonNull<u8>);

impl MemberPtr {
    /// Fills unused places; never followed.
    pub(super) const DANGLING: MemberPtr = MemberPtr(NonNull::dangling());

    /// Allocates a member. Lengths are below 4 GiB: the protocol's limit is far below that.
    pub(super) fn new(score: f64, bytes: &[u8]) -> Self {
        let long = u32::try_from(bytes.len()).expect("a member is shorter than 4 GiB");
        let layout = layout(bytes.len());
        // SAFETY: the layout has at least nine bytes.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        let head = head_bytes(bytes.len());
        // SAFETY: the allocation is `head + bytes.len()` bytes long and aligned for f64; source and target differ.
        unsafe {
            start.cast::<f64>().write(score);
            if bytes.len() < usize::from(LONG) {
                start.add(SCORE_BYTES).write(bytes.len() as u8);
            } else {
                start.add(SCORE_BYTES).write(LONG);
                start.add(SCORE_BYTES + 1).cast::<u32>().write_unaligned(long);
            }
            start.add(head).copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
        }
        MemberPtr(start)
    }

    /// Frees the member.
    ///
    /// # Safety
    /// It was not freed before, and no copy of the pointer is followed afterwards.
    pub(super) unsafe fn free(self) {
        let layout = layout(self.len());
        // SAFETY: allocated by `new` with this very layout, as its length never changes; the rest is the caller's.
        unsafe { dealloc(self.0.as_ptr(), layout) }
    }

    /// The score.
    #[inline]
    pub(super) fn score(self) -> f64 {
        // SAFETY: the type's invariant: alive, and starts with an aligned f64.
        unsafe { self.0.cast::<f64>().read() }
    }

    /// Changes the score; the caller sees to the order.
    #[inline]
    pub(super) fn set_score(self, score: f64) {
        // SAFETY: as in `score`. No reference to the score is ever handed out, only copies.
        unsafe { self.0.cast::<f64>().write(score) }
    }

    #[inline]
    fn len(self) -> usize {
        // SAFETY: the type's invariant: the length stands behind the score.
        unsafe {
            match self.0.add(SCORE_BYTES).read() {
                LONG => self.0.add(SCORE_BYTES + 1).cast::<u32>().read_unaligned() as usize,
                short => usize::from(short),
            }
        }
    }

    /// The member's bytes, which never change. The lifetime is the caller's to bound: by a borrow of the owning tree.
    #[inline]
    pub(super) fn bytes<'a>(self) -> &'a [u8] {
        let len = self.len();
        // SAFETY: the type's invariant: `len` initialized bytes stand behind the head. They are written once, before
        // any pointer is handed out; callers inside this folder bind the lifetime to a borrow of the tree.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().add(head_bytes(len)), len) }
    }

    /// Bytes the allocator holds for it.
    #[inline]
    pub(super) fn allocated_bytes(self) -> usize {
        let len = self.len();
        allocation_bytes(head_bytes(len) + len)
    }

    /// The pointer as such, for the index to put a tag on.
    #[inline]
    pub(super) fn as_ptr(self) -> *mut u8 {
        self.0.as_ptr()
    }

    /// The way back from [`MemberPtr::as_ptr`].
    #[inline]
    pub(super) fn from_ptr(ptr: *mut u8) -> Option<Self> {
        NonNull::new(ptr).map(MemberPtr)
    }
}

#[inline]
fn head_bytes(len: usize) -> usize {
    if len < usize::from(LONG) { SCORE_BYTES + 1 } else { SCORE_BYTES + 5 }
}

#[inline]
fn layout(len: usize) -> Layout {
    Layout::from_size_align(head_bytes(len) + len, 8).expect("a member is shorter than 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_every_length_keep_score_and_bytes() {
        for len in [0, 1, 23, 254, 255, 256, 70_000] {
            let bytes = vec![b'm'; len];
            let member = MemberPtr::new(1.5, &bytes);
            assert_eq!((member.score(), member.bytes()), (1.5, &bytes[..]));
            member.set_score(-2.0);
            assert_eq!((member.score(), member.bytes()), (-2.0, &bytes[..]));
            assert!(member.allocated_bytes() > len);
            // SAFETY: the only pointer, not followed again.
            unsafe { member.free() };
        }
    }
}
