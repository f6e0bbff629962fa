//! One long stretch of reserved addresses, backed by memory piece by piece.

use std::io;
use std::ptr::NonNull;

use super::SlabError;

/// Alignment of the mapping's base: a huge page, so that the kernel may use them.
#[cfg(not(miri))]
const ALIGN: usize = 2 << 20;

/// A reserved stretch of addresses. Nothing in it may be touched before [`Mapping::commit`].
#[derive(Debug)]
pub(super) struct Mapping {
    base: NonNull<u8>,
    reserved: usize,
    /// What was asked of the system, for giving it back: base before alignment, and its length.
    whole: (NonNull<u8>, usize),
}

#[cfg(not(miri))]
impl Mapping {
    /// Reserves `bytes` of addresses, or the largest half, quarter … of it down to `bytes_min` that the system grants.
    pub fn reserve(bytes: usize, bytes_min: usize) -> Result<Mapping, SlabError> {
        let mut wanted = bytes;
        loop {
            match Self::reserve_exactly(wanted) {
                Ok(mapping) => return Ok(mapping),
                Err(source) if wanted / 2 < bytes_min => {
                    return Err(SlabError::Reserve { bytes_wanted: bytes, bytes_tried: wanted, source });
                }
                Err(_) => wanted /= 2,
            }
        }
    }

    fn reserve_exactly(bytes: usize) -> io::Result<Mapping> {
        let len = bytes + ALIGN;
        // SAFETY: a fresh anonymous private mapping at an address of the kernel's choice touches no existing memory.
        let raw = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        if raw == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(raw.cast::<u8>()).ok_or_else(|| io::Error::other("mmap returned address 0"))?;
        let skip = start.as_ptr().align_offset(ALIGN);
        // SAFETY: `skip < ALIGN`, and the mapping is `bytes + ALIGN` long.
        let base = unsafe { start.add(skip) };
        Ok(Mapping { base, reserved: bytes, whole: (start, len) })
    }

    /// Makes `len` bytes at `offset` readable and writable; they read as zeros.
    pub fn commit(&self, offset: usize, len: usize, huge_pages: bool) -> io::Result<()> {
        assert!(offset + len <= self.reserved, "commit past the end of the mapping");
        // SAFETY: the range lies in this mapping, and only its protection changes, from none to read and write.
        let failed = unsafe {
            let at = self.base.as_ptr().add(offset).cast();
            libc::mprotect(at, len, libc::PROT_READ | libc::PROT_WRITE) != 0
        };
        if failed {
            return Err(io::Error::last_os_error());
        }
        if huge_pages {
            // SAFETY: as above; the advice changes no contents. A kernel without huge pages refuses it, harmlessly.
            unsafe { libc::madvise(self.base.as_ptr().add(offset).cast(), len, libc::MADV_HUGEPAGE) };
        }
        Ok(())
    }

    /// Gives the memory of `len` committed bytes at `offset` back to the system; they read as zeros afterwards.
    pub fn release(&self, offset: usize, len: usize) {
        assert!(offset + len <= self.reserved, "release past the end of the mapping");
        // SAFETY: the range lies in this mapping and the slab holds nothing in it. Failure leaves the pages in place.
        unsafe { libc::madvise(self.base.as_ptr().add(offset).cast(), len, libc::MADV_DONTNEED) };
    }
}

#[cfg(not(miri))]
impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly what `mmap` returned, and the slab that owns it is going away with everything in it.
        unsafe { libc::munmap(self.whole.0.as_ptr().cast(), self.whole.1) };
    }
}

#[cfg(miri)]
impl Mapping {
    /// Miri knows no reservations: a small block from the allocator stands in.
    pub fn reserve(bytes: usize, _bytes_min: usize) -> Result<Mapping, SlabError> {
        let bytes = bytes.min(16 << 20);
        let layout = std::alloc::Layout::from_size_align(bytes, 4096).expect("a constant, valid layout");
        // SAFETY: the layout's size is not zero.
        let base = NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) }).ok_or_else(|| SlabError::Reserve {
            bytes_wanted: bytes,
            bytes_tried: bytes,
            source: io::Error::from(io::ErrorKind::OutOfMemory),
        })?;
        Ok(Mapping { base, reserved: bytes, whole: (base, bytes) })
    }

    /// The whole block is usable from the start.
    pub fn commit(&self, _offset: usize, _len: usize, _huge_pages: bool) -> io::Result<()> {
        Ok(())
    }

    /// Zeroes the range, as the real one does.
    pub fn release(&self, offset: usize, len: usize) {
        // SAFETY: the range lies in the block and the slab holds nothing in it.
        unsafe { self.base.as_ptr().add(offset).write_bytes(0, len) };
    }
}

#[cfg(miri)]
impl Drop for Mapping {
    fn drop(&mut self) {
        let layout = std::alloc::Layout::from_size_align(self.whole.1, 4096).expect("a constant, valid layout");
        // SAFETY: allocated in `reserve` with this layout.
        unsafe { std::alloc::dealloc(self.whole.0.as_ptr(), layout) };
    }
}

impl Mapping {
    /// The first address of the stretch.
    #[inline]
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Length of the stretch in bytes.
    pub fn reserved(&self) -> usize {
        self.reserved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_reservation_falls_back_to_a_smaller_one() {
        if cfg!(miri) {
            return;
        }
        // Larger than any address space of today: the first tries must fail.
        let mapping = Mapping::reserve(1 << 52, 1 << 30).unwrap();
        assert!(mapping.reserved() < 1 << 52);
        let error = Mapping::reserve(1 << 60, 1 << 59).unwrap_err();
        assert!(error.to_string().contains("reserve"), "{error}");
    }
}
