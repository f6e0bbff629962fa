//! A generator thread's io_uring: multishot receives into a ring of provided buffers, and sleeping until a point in
//! time.
//!
//! Sends are plain `send` calls that never wait (see [`super::conn`]): a batch of sends in one ring entry would share
//! one timestamp, though the last of fifty leaves some 200 µs after the first.

use std::io;
use std::os::fd::RawFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use io_uring::types::{BufRingEntry, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

use super::error::BenchError;

/// Submission queue entries; a full queue is submitted and goes on.
const ENTRIES: u32 = 512;
/// Receive buffers, a power of two.
const BUFFERS: u16 = 256;
/// Bytes per receive buffer.
const BUFFER_BYTES: usize = 16 << 10;
const GROUP: u16 = 0;

const _: () = assert!(BUFFERS.is_power_of_two());

/// What a completion is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The connection takes bytes again (or is broken, which the next send tells).
    Writable {
        /// The connection's index.
        connection: usize,
    },
    /// Bytes arrived in a buffer that must be given back.
    Received {
        /// The connection's index.
        connection: usize,
        /// The buffer and its filled length; none at the end of the stream.
        buffer: Option<(u16, usize)>,
        /// Whether more will come without a new receive.
        armed: bool,
    },
    /// The receive ended with an error number (ENOBUFS: just arm it again).
    ReceiveFailed {
        /// The connection's index.
        connection: usize,
        /// OS error number.
        errno: i32,
    },
}

const WRITABLE: u64 = 1 << 32;

/// One thread's ring with its receive buffers.
pub struct Ring {
    ring: IoUring,
    buffers: Buffers,
}

impl Ring {
    /// A ring of the calling thread; no other thread may use it.
    pub fn new() -> Result<Self, BenchError> {
        let step = |step| move |source| BenchError::Ring { step, source };
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_coop_taskrun()
            .setup_defer_taskrun()
            .setup_taskrun_flag()
            .setup_cqsize(16 * ENTRIES)
            .setup_clamp()
            .build(ENTRIES)
            .map_err(step("io_uring_setup"))?;
        if !ring.params().is_feature_ext_arg() {
            return Err(step("timeouts")(io::Error::from_raw_os_error(libc::EOPNOTSUPP)));
        }
        let buffers = Buffers::new().map_err(step("mmap of the receive buffers"))?;
        // SAFETY: the entries stay mapped at this address until `Buffers` is dropped, which is after the ring: fields
        // drop in declaration order.
        unsafe { ring.submitter().register_buf_ring_with_flags(buffers.entries.as_ptr() as u64, BUFFERS, GROUP, 0) }
            .map_err(step("registering the receive buffers"))?;
        Ok(Ring { ring, buffers })
    }

    fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        loop {
            // SAFETY: the entries pushed here (multishot receive, poll) name no memory but the registered buffers, which
            // live as long as the ring.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return Ok(());
            }
            self.ring.submit()?;
        }
    }

    /// Queues a multishot receive on a connection. The socket must be in blocking mode, or the receive fails at once.
    pub fn receive(&mut self, connection: usize, fd: RawFd) -> io::Result<()> {
        self.push(&opcode::RecvMulti::new(Fd(fd), GROUP).build().user_data(connection as u64))
    }

    /// Asks for one [`Event::Writable`] when the connection takes bytes again.
    pub fn await_writable(&mut self, connection: usize, fd: RawFd) -> io::Result<()> {
        let entry = opcode::PollAdd::new(Fd(fd), libc::POLLOUT as u32).build();
        self.push(&entry.user_data(connection as u64 | WRITABLE))
    }

    /// Submits what is queued and sleeps until something completes, at most for `wait`. Zero only looks, and costs a
    /// system call only if something is queued or arrived.
    pub fn enter(&mut self, wait: Duration) -> io::Result<()> {
        let outcome = if wait.is_zero() {
            let queue = self.ring.submission();
            let idle = queue.is_empty() && !queue.taskrun() && !queue.cq_overflow();
            drop(queue);
            if idle { Ok(0) } else { self.ring.submit() }
        } else {
            let time = Timespec::from(wait);
            self.ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&time))
        };
        match outcome {
            Ok(_) => Ok(()),
            Err(e) if matches!(e.raw_os_error(), Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)) => {
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    /// Takes the completions that are there, in order. Received bytes are read through [`Ring::bytes`].
    pub fn events(&mut self, events: &mut Vec<Event>) {
        for entry in self.ring.completion() {
            let connection = (entry.user_data() & (WRITABLE - 1)) as usize;
            events.push(if entry.user_data() & WRITABLE != 0 {
                Event::Writable { connection }
            } else if entry.result() < 0 {
                Event::ReceiveFailed { connection, errno: -entry.result() }
            } else {
                Event::Received {
                    connection,
                    buffer: cqueue::buffer_select(entry.flags()).map(|id| (id, entry.result() as usize)),
                    armed: cqueue::more(entry.flags()),
                }
            });
        }
    }

    /// The filled part of a buffer named by an event, until it is given back.
    pub fn bytes(&self, (id, len): (u16, usize)) -> &[u8] {
        self.buffers.bytes(id, len)
    }

    /// Gives a buffer back to the kernel.
    pub fn give_back(&mut self, id: u16) {
        self.buffers.give(id);
        self.buffers.publish();
    }
}

/// The ring of provided buffers: entries shared with the kernel, and the buffers they point to, in one mapping.
struct Buffers {
    entries: NonNull<BufRingEntry>,
    mapped: usize,
    data_offset: usize,
    tail: u16,
}

impl Buffers {
    fn new() -> io::Result<Self> {
        // The entries must start on a page; so does the mapping, and the data begins on the next page boundary.
        let data_offset = (BUFFERS as usize * size_of::<BufRingEntry>()).next_multiple_of(4096);
        let mapped = data_offset + BUFFERS as usize * BUFFER_BYTES;
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches no memory of ours.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                mapped,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
                -1,
                0,
            )
        };
        let entries = match NonNull::new(address.cast()) {
            Some(entries) if address != libc::MAP_FAILED => entries,
            _ => return Err(io::Error::last_os_error()),
        };
        let mut buffers = Buffers { entries, mapped, data_offset, tail: 0 };
        (0..BUFFERS).for_each(|id| buffers.give(id));
        buffers.publish();
        Ok(buffers)
    }

    fn data(&self, id: u16) -> *mut u8 {
        debug_assert!(id < BUFFERS);
        // SAFETY: the offset lies inside the mapping, since ids are below BUFFERS.
        unsafe { self.entries.as_ptr().cast::<u8>().add(self.data_offset + id as usize * BUFFER_BYTES) }
    }

    fn bytes(&self, id: u16, len: usize) -> &[u8] {
        assert!(id < BUFFERS && len <= BUFFER_BYTES, "the kernel names only buffers that it was given");
        // SAFETY: the range lies inside the mapping and was initialized by it (zero pages); the kernel does not write
        // to the buffer again before `give`, which needs `&mut self`.
        unsafe { std::slice::from_raw_parts(self.data(id), len) }
    }

    fn give(&mut self, id: u16) {
        let data = self.data(id) as u64;
        // SAFETY: the slot lies inside the entries, since the tail is masked by their number; the kernel does not read
        // it before the tail passes it, in `publish`. The entry is plain data for which zeroes are valid.
        let entry = unsafe { &mut *self.entries.as_ptr().add((self.tail & (BUFFERS - 1)) as usize) };
        entry.set_addr(data);
        entry.set_len(BUFFER_BYTES as u32);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
    }

    fn publish(&mut self) {
        // SAFETY: the tail lies in the first entry of the mapping and is aligned; the kernel reads it concurrently,
        // hence the atomic, and only we write it.
        let tail = unsafe { &*BufRingEntry::tail(self.entries.as_ptr()).cast::<AtomicU16>() };
        tail.store(self.tail, Ordering::Release);
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, of this length, and the ring that used it was dropped before.
        unsafe { libc::munmap(self.entries.as_ptr().cast(), self.mapped) };
    }
}
