//! A ring of receive buffers that all connections of a core share, so that an idle connection holds none.

use super::Ring;
use io_uring::types::BufRingEntry;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

/// The buffers and the ring through which the kernel takes them (`IORING_REGISTER_PBUF_RING`).
pub struct BufferRing {
    /// `entries` ring entries, page-aligned, followed by the buffers.
    memory: NonNull<u8>,
    bytes: usize,
    entries: u16,
    buffer_bytes: usize,
    group: u16,
    tail: u16,
}

impl BufferRing {
    /// Registers `entries` (a power of two) buffers of `buffer_bytes` under the number `group`.
    pub fn new(ring: &Ring, group: u16, entries: u16, buffer_bytes: usize) -> io::Result<BufferRing> {
        assert!(entries.is_power_of_two() && buffer_bytes.is_multiple_of(64));
        let head = (entries as usize * size_of::<BufRingEntry>()).next_multiple_of(4096);
        let bytes = head + entries as usize * buffer_bytes;
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches nothing that exists.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory = NonNull::new(memory.cast()).expect("mmap without MAP_FIXED never returns page zero");
        let mut buffers = BufferRing { memory, bytes, entries, buffer_bytes, group, tail: 0 };
        // SAFETY: the mapping lives until `drop`, which the core runs after its ring is gone.
        unsafe { ring.submitter().register_buf_ring_with_flags(memory.as_ptr() as u64, entries, group, 0)? };
        for id in 0..entries {
            buffers.give(id);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// The group's number, for receive entries.
    pub fn group(&self) -> u16 {
        self.group
    }

    /// The first `len` bytes of buffer `id`, which the kernel has filled and handed over.
    #[inline]
    pub fn filled(&self, id: u16, len: usize) -> &[u8] {
        assert!(id < self.entries && len <= self.buffer_bytes);
        // SAFETY: inside the mapping; the kernel wrote it and will not again before `give`, which takes `&mut self`.
        unsafe { std::slice::from_raw_parts(self.buffer(id), len) }
    }

    /// Hands buffer `id` back. The kernel sees it at the next [`BufferRing::publish`].
    #[inline]
    pub fn give(&mut self, id: u16) {
        let index = self.tail & (self.entries - 1);
        // SAFETY: the entries lie at the mapping's start and `index` is below their number. Written field by field,
        // since the tail lives in the first entry's reserved bytes.
        unsafe {
            let entry = &mut *self.memory.as_ptr().cast::<BufRingEntry>().add(index as usize);
            entry.set_addr(self.buffer(id) as u64);
            entry.set_len(self.buffer_bytes as u32);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    /// Lets the kernel have the buffers given since the last call.
    #[inline]
    pub fn publish(&mut self) {
        // SAFETY: the tail is a `u16` inside the first entry, which lives as long as the mapping; the kernel reads it
        // with acquire ordering.
        unsafe {
            let tail = BufRingEntry::tail(self.memory.as_ptr().cast()) as *const AtomicU16;
            (*tail).store(self.tail, Ordering::Release);
        }
    }

    #[inline]
    fn buffer(&self, id: u16) -> *mut u8 {
        let head = self.bytes - self.entries as usize * self.buffer_bytes;
        // SAFETY: callers keep `id` below `entries`, so the offset lies inside the mapping.
        unsafe { self.memory.as_ptr().add(head + id as usize * self.buffer_bytes) }
    }
}

impl Drop for BufferRing {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length, and no slice into it outlives `self`.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), self.bytes) };
    }
}
