//! Memory that direct I/O takes as it is.

use std::alloc::{self, Layout};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Alignment of every [`AlignedBuf`] in bytes; no device asks for more.
pub const PAGE_BYTES: usize = 4096;

/// A growable byte buffer whose start is aligned to [`PAGE_BYTES`] and whose capacity is a multiple of it.
///
/// All of its capacity is initialised, so that padding to a whole block never exposes stale heap memory as undefined bytes.
pub struct AlignedBuf {
    start: NonNull<u8>,
    len: usize,
    capacity: usize,
}

// SAFETY: the buffer owns its memory alone, as a `Vec<u8>` does.
unsafe impl Send for AlignedBuf {}
// SAFETY: shared access only reads.
unsafe impl Sync for AlignedBuf {}

impl AlignedBuf {
    /// An empty buffer with room for at least `capacity` bytes.
    pub fn with_capacity(capacity: usize) -> Self {
        let capacity = capacity.max(1).next_multiple_of(PAGE_BYTES);
        let layout = Self::layout(capacity);
        // SAFETY: the layout's size is not zero.
        let start = unsafe { alloc::alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else { alloc::handle_alloc_error(layout) };
        AlignedBuf { start, len: 0, capacity }
    }

    fn layout(capacity: usize) -> Layout {
        Layout::from_size_align(capacity, PAGE_BYTES).expect("a buffer's size stays below isize::MAX")
    }

    /// How many bytes it holds without growing.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Makes room for `additional` more bytes, at least doubling when it must grow.
    #[inline]
    pub fn reserve(&mut self, additional: usize) {
        if self.capacity - self.len < additional {
            self.grow(additional);
        }
    }

    #[cold]
    fn grow(&mut self, additional: usize) {
        let mut larger = AlignedBuf::with_capacity((self.len + additional).max(self.capacity * 2));
        larger.extend_from_slice(self);
        *self = larger;
    }

    /// Appends bytes.
    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        // SAFETY: `reserve` left room for `bytes.len()` bytes behind `len`; `bytes` cannot overlap memory that is borrowed mutably.
        unsafe { self.start.as_ptr().add(self.len).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        self.len += bytes.len();
    }

    /// At least `len` bytes behind the content, to be filled and then taken in with [`AlignedBuf::advance`]. They hold whatever was
    /// there before.
    #[inline]
    pub fn spare(&mut self, len: usize) -> &mut [u8] {
        self.reserve(len);
        // SAFETY: all of the capacity is initialised and belongs to this buffer, borrowed exclusively; `len <= capacity`.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().add(self.len), self.capacity - self.len) }
    }

    /// Takes in the first `len` bytes of [`AlignedBuf::spare`].
    #[inline]
    pub fn advance(&mut self, len: usize) {
        assert!(len <= self.capacity - self.len, "only spare bytes are taken in");
        self.len += len;
    }

    /// Sets the length; new bytes hold `value`.
    pub fn resize(&mut self, len: usize, value: u8) {
        if len > self.len {
            self.reserve(len - self.len);
            // SAFETY: `reserve` made the capacity at least `len`.
            unsafe { self.start.as_ptr().add(self.len).write_bytes(value, len - self.len) };
        }
        self.len = len;
    }

    /// Shortens to `len` bytes; no effect if it is shorter.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Forgets the content, keeps the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }
}

impl Deref for AlignedBuf {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the first `len` bytes are initialised and belong to this buffer.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for AlignedBuf {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for AlignedBuf {
    fn drop(&mut self) {
        // SAFETY: allocated in `with_capacity` with this very layout.
        unsafe { alloc::dealloc(self.start.as_ptr(), Self::layout(self.capacity)) };
    }
}

impl std::fmt::Debug for AlignedBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AlignedBuf({} of {} bytes)", self.len, self.capacity)
    }
}

/// Spare buffers of one core.
#[derive(Debug, Default)]
pub struct BufferPool {
    spare: Vec<AlignedBuf>,
}

impl BufferPool {
    /// Buffers kept at most: one being filled, one being written, one to spare.
    const SPARE_MAX: usize = 3;
    /// A buffer that grew beyond this (bytes) is freed rather than kept.
    const KEPT_BYTES_MAX: usize = 4 << 20;
    /// Capacity of a new buffer in bytes.
    const NEW_BYTES: usize = 64 << 10;

    /// An empty buffer.
    pub fn take(&mut self) -> AlignedBuf {
        self.spare.pop().unwrap_or_else(|| AlignedBuf::with_capacity(Self::NEW_BYTES))
    }

    /// Gives a buffer back.
    pub fn put(&mut self, mut buf: AlignedBuf) {
        if self.spare.len() < Self::SPARE_MAX && buf.capacity() <= Self::KEPT_BYTES_MAX {
            buf.clear();
            self.spare.push(buf);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_grows_keeps_its_bytes_and_its_alignment() {
        let mut buf = AlignedBuf::with_capacity(1);
        for i in 0..20_000u32 {
            buf.extend_from_slice(&i.to_le_bytes());
            assert_eq!(buf.as_ptr() as usize % PAGE_BYTES, 0);
        }
        assert_eq!(buf.len(), 80_000);
        assert!(buf.chunks(4).enumerate().all(|(i, b)| b == (i as u32).to_le_bytes()));
        buf.truncate(10);
        buf.resize(12, b'x');
        assert_eq!(&buf[8..], b"\x02\0xx");
    }
}
