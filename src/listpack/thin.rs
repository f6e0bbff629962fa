//! A byte vector in one word.
//!
//! Small collections are many, so the three words of a `Vec` are what a listpack of eight members pays most for. Here the
//! length is what the contents say of themselves ([`SelfSized`]), and the capacity is one of the allocator's size classes,
//! whose number stands in the address's unused upper bits. The allocation holds the contents and nothing else, so that a
//! node of exactly 8 KiB takes 8 KiB.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Range};
use std::ptr::NonNull;

/// Contents that begin with what tells their length.
pub(crate) trait SelfSized {
    /// Bytes at the start that are always there.
    const HEADER_BYTES: usize;
    /// The length in bytes, header included.
    fn len(header: &[u8]) -> usize;
    /// Writes the length into the header.
    fn set_len(header: &mut [u8], len: usize);
}

/// Addresses of user space stay below this on x86-64 and AArch64, with five levels of page tables too.
const CLASS_SHIFT: u32 = 56;
const ADDRESS: usize = (1 << CLASS_SHIFT) - 1;
const _: () = assert!(usize::BITS == 64);

/// The number of the allocator's size class for `bytes`: multiples of 16 up to 128, then four per doubling.
#[inline]
fn class_of(bytes: usize) -> usize {
    if bytes <= 128 {
        return bytes.max(1).div_ceil(16) - 1;
    }
    let doubling = (bytes - 1).ilog2() as usize;
    8 + 4 * (doubling - 7) + (bytes.div_ceil(1 << (doubling - 2)) - 5)
}

/// Bytes of a size class.
#[inline]
fn class_bytes(class: usize) -> usize {
    if class < 8 {
        return 16 * (class + 1);
    }
    let (doubling, step) = ((class - 8) / 4 + 7, (class - 8) % 4 + 5);
    step << (doubling - 2)
}

/// Bytes on the heap, as a `Vec<u8>` holds them.
///
/// # Safety
///
/// `word` is the address of an allocation of `class_bytes(class)` bytes, aligned to 1, owned by this value, with `class` in
/// the bits above [`CLASS_SHIFT`]. Its first `len()` bytes are initialized, and `len()` is at least `H::HEADER_BYTES` and at
/// most the capacity: whoever writes to the header through `DerefMut` leaves the length there as it is.
pub(crate) struct ThinVec<H> {
    word: NonNull<u8>,
    contents: PhantomData<H>,
}

// SAFETY: it owns its bytes alone, as a `Vec<u8>` does.
unsafe impl<H> Send for ThinVec<H> {}
// SAFETY: through a shared borrow they can only be read.
unsafe impl<H> Sync for ThinVec<H> {}

impl<H: SelfSized> ThinVec<H> {
    /// A copy of `bytes`, whose header gives their length, with room for `capacity` bytes in all.
    pub fn with_room(bytes: &[u8], capacity: usize) -> Self {
        assert!(bytes.len() >= H::HEADER_BYTES && H::len(bytes) == bytes.len(), "the header gives the length");
        let class = class_of(capacity.max(bytes.len()));
        let layout = Self::layout(class);
        // SAFETY: the layout's size is at least 16.
        let Some(start) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        // SAFETY: a fresh allocation of at least `bytes.len()` bytes.
        unsafe { start.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
        ThinVec { word: tagged(start, class), contents: PhantomData }
    }

    /// A copy of `bytes`, whose header gives their length.
    pub fn from_slice(bytes: &[u8]) -> Self {
        Self::with_room(bytes, bytes.len())
    }

    fn layout(class: usize) -> Layout {
        Layout::from_size_align(class_bytes(class), 1).expect("a collection's size stays below isize::MAX")
    }

    #[inline]
    fn start(&self) -> *mut u8 {
        self.word.as_ptr().map_addr(|address| address & ADDRESS)
    }

    #[inline]
    fn class(&self) -> usize {
        self.word.addr().get() >> CLASS_SHIFT
    }

    /// Bytes in use.
    #[inline]
    pub fn len(&self) -> usize {
        // SAFETY: the header is always there and initialized.
        H::len(unsafe { std::slice::from_raw_parts(self.start(), H::HEADER_BYTES) })
    }

    /// Bytes allocated.
    #[inline]
    pub fn capacity(&self) -> usize {
        class_bytes(self.class())
    }

    #[inline]
    fn set_len(&mut self, len: usize) {
        debug_assert!((H::HEADER_BYTES..=self.capacity()).contains(&len));
        // SAFETY: as in `len`; the borrow is exclusive.
        H::set_len(unsafe { std::slice::from_raw_parts_mut(self.start(), H::HEADER_BYTES) }, len);
    }

    /// Moves to an allocation of the size class for `capacity` bytes, which are enough for the contents.
    fn move_to(&mut self, capacity: usize) {
        let class = class_of(capacity);
        if class == self.class() {
            return;
        }
        let (old, new) = (Self::layout(self.class()), Self::layout(class));
        // SAFETY: allocated with the old layout by the allocator in use; the new size is not zero and fits an isize.
        let Some(start) = NonNull::new(unsafe { realloc(self.start(), old, new.size()) }) else {
            handle_alloc_error(new)
        };
        self.word = tagged(start, class);
    }

    /// Makes room for `additional` more bytes.
    #[inline]
    pub fn reserve(&mut self, additional: usize) {
        let needed = self.len() + additional;
        if needed > self.capacity() {
            self.move_to(needed);
        }
    }

    /// Gives back what lies beyond the size class of the contents.
    pub fn shrink(&mut self) {
        self.move_to(self.len());
    }

    /// Gives memory back if less than half of it is used.
    pub fn release(&mut self) {
        if self.capacity() > 2 * class_bytes(class_of(self.len())) {
            self.shrink();
        }
    }

    /// Sets the length; new bytes are 0.
    #[inline]
    pub fn resize(&mut self, len: usize) {
        let old = self.len();
        if len > old {
            self.reserve(len - old);
            // SAFETY: within the capacity, behind what is in use.
            unsafe { self.start().add(old).write_bytes(0, len - old) };
        }
        self.set_len(len);
    }

    /// Adds bytes at the end.
    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        let old = self.len();
        self.reserve(bytes.len());
        // SAFETY: within the capacity, behind what is in use; `bytes` is borrowed and so lies elsewhere.
        unsafe { self.start().add(old).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        self.set_len(old + bytes.len());
    }

    /// Removes a range of bytes.
    pub fn cut(&mut self, range: Range<usize>) {
        let len = self.len();
        self.copy_within(range.end..len, range.start);
        self.set_len(len - range.len());
    }
}

#[inline]
fn tagged(start: NonNull<u8>, class: usize) -> NonNull<u8> {
    assert!(start.addr().get() & !ADDRESS == 0, "an address above the user's half");
    start.map_addr(|address| address | class << CLASS_SHIFT)
}

impl<H: SelfSized> Deref for ThinVec<H> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: by the type's invariant the first `len` bytes are initialized.
        unsafe { std::slice::from_raw_parts(self.start(), self.len()) }
    }
}

impl<H: SelfSized> DerefMut for ThinVec<H> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`; the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start(), self.len()) }
    }
}

impl<H> Drop for ThinVec<H> {
    fn drop(&mut self) {
        let class = self.word.addr().get() >> CLASS_SHIFT;
        let start = self.word.as_ptr().map_addr(|address| address & ADDRESS);
        let layout = Layout::from_size_align(class_bytes(class), 1).expect("it was allocated with this layout");
        // SAFETY: allocated with this layout and owned by this value alone.
        unsafe { dealloc(start, layout) };
    }
}

impl<H: SelfSized> Clone for ThinVec<H> {
    fn clone(&self) -> Self {
        Self::from_slice(self)
    }
}

impl<H: SelfSized> PartialEq for ThinVec<H> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<H: SelfSized> Eq for ThinVec<H> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listpack::size_class;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    /// Four bytes of length, then anything.
    struct Counted;

    impl SelfSized for Counted {
        const HEADER_BYTES: usize = 4;

        fn len(header: &[u8]) -> usize {
            u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize
        }

        fn set_len(header: &mut [u8], len: usize) {
            header[..4].copy_from_slice(&(len as u32).to_le_bytes());
        }
    }

    #[test]
    fn classes_are_those_of_the_allocator() {
        for bytes in (1..20_000).chain((14..31).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1])) {
            assert_eq!(class_bytes(class_of(bytes)), size_class(bytes), "{bytes}");
            assert!(class_of(bytes) < 128);
        }
    }

    #[test]
    fn random_changes_agree_with_a_vector() {
        let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
        eprintln!("SEED={seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let mut thin = ThinVec::<Counted>::from_slice(&[4, 0, 0, 0]);
        let mut model: Vec<u8> = Vec::new();
        for _ in 0..if cfg!(miri) { 200 } else { 20_000 } {
            match random.random_range(0..6) {
                0 | 1 => {
                    let more = vec![random.random(); random.random_range(0..60)];
                    thin.extend_from_slice(&more);
                    model.extend(more);
                }
                2 => {
                    let len = random.random_range(0..model.len() + 40);
                    thin.resize(4 + len);
                    model.resize(len, 0);
                }
                3 => {
                    let end = random.random_range(0..=model.len());
                    let start = random.random_range(0..=end);
                    thin.cut(4 + start..4 + end);
                    model.drain(start..end);
                    thin.release();
                }
                4 => thin.reserve(random.random_range(0..100)),
                _ => {
                    thin = thin.clone();
                    assert_eq!(thin.capacity(), size_class(thin.len()));
                }
            }
            assert_eq!(thin[4..], model[..]);
            assert!(thin.capacity() >= thin.len());
        }
    }
}
