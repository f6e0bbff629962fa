//! The core's own io_uring: sockets, log writes and the bells between cores all go through one ring.
//!
//! glommio's sockets cost a syscall per `recv` and `send`; here one `io_uring_enter` per pass submits everything the
//! pass produced and reaps everything that arrived (docs/ARCHITECTURE.md has the figures).

mod buffers;
mod token;

pub use buffers::BufferRing;
pub use token::Token;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, squeue};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use thiserror::Error;

/// Entries of the submission queue. Small, since rings are charged to the user's memlock limit, and every entry is used in
/// its turn, so that a large queue throws other things out of the caches; a full queue is simply submitted early.
const SUBMISSIONS: u32 = 128;

/// Entries of the completion queue, as small as that for the same reason. What does not fit is kept by the kernel, and receives are
/// armed again.
const COMPLETIONS: u32 = 2048;

/// Why a core cannot have its ring, and what to do.
#[derive(Debug, Error)]
pub enum RingError {
    /// The kernel has io_uring switched off.
    #[error(
        "io_uring is not permitted ({source}). If /proc/sys/kernel/io_uring_disabled is not 0, set it: \
         sysctl kernel.io_uring_disabled=0. In a container, allow io_uring_setup, io_uring_enter and \
         io_uring_register in its seccomp profile (Docker: --security-opt seccomp=...)."
    )]
    NotPermitted {
        /// What the kernel answered.
        source: io::Error,
    },
    /// The kernel has no io_uring, or lacks a feature.
    #[error("this kernel's io_uring lacks {feature} ({source}): Basalt needs Linux 6.1 or newer")]
    TooOld {
        /// What is missing.
        feature: &'static str,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The locked-memory limit is too small for one more ring.
    #[error(
        "not enough locked memory for io_uring ({source}): the limit is {limit_kib} KiB. Raise it with `ulimit -l unlimited`, \
         LimitMEMLOCK=infinity in the systemd unit, or --ulimit memlock=-1 for a container."
    )]
    MemoryLock {
        /// The soft limit, KiB.
        limit_kib: u64,
        /// What the kernel answered.
        source: io::Error,
    },
    /// Anything else.
    #[error("io_uring: {0}")]
    Other(#[from] io::Error),
}

/// How long [`Ring::enter`] may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Not at all.
    Poll,
    /// Until a completion arrives, at most this many microseconds.
    AtMostUs(u32),
    /// Until `completions` have arrived or `gather_us` are over, then until one has, at most `at_most_us` in all.
    Gather {
        /// How many.
        completions: u32,
        /// How long to wait for more than one, microseconds.
        gather_us: u32,
        /// How long to wait for one, microseconds.
        at_most_us: u32,
    },
}

/// One completion: what was submitted, its result (bytes, a descriptor, or `-errno`) and the kernel's flags.
#[derive(Clone, Copy, Debug)]
pub struct Completion {
    /// The token given with the entry.
    pub token: Token,
    /// Bytes, a descriptor, or `-errno`.
    pub result: i32,
    /// `IORING_CQE_F_*`.
    pub flags: u32,
}

impl Completion {
    /// The result as `io::Result`.
    pub fn outcome(&self) -> io::Result<usize> {
        if self.result < 0 { Err(io::Error::from_raw_os_error(-self.result)) } else { Ok(self.result as usize) }
    }

    /// Whether a multishot entry stays armed.
    pub fn more(&self) -> bool {
        io_uring::cqueue::more(self.flags)
    }

    /// The provided buffer that holds the received bytes.
    pub fn buffer(&self) -> Option<u16> {
        io_uring::cqueue::buffer_select(self.flags)
    }
}

/// A ring used by one thread.
pub struct Ring {
    uring: IoUring,
    /// Times the kernel was entered, for INFO and the goal on syscalls per pass.
    enters: u64,
}

impl Ring {
    /// Creates the ring of the calling thread; only this thread may use it.
    pub fn new() -> Result<Ring, RingError> {
        let mut builder = IoUring::builder();
        builder
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_coop_taskrun()
            .setup_taskrun_flag()
            .setup_submit_all()
            .setup_cqsize(COMPLETIONS)
            .setup_clamp();
        let uring = builder.build(SUBMISSIONS).map_err(|source| match source.raw_os_error() {
            Some(libc::EPERM) | Some(libc::EACCES) => RingError::NotPermitted { source },
            Some(libc::ENOSYS) => RingError::TooOld { feature: "io_uring_setup", source },
            Some(libc::EINVAL) => RingError::TooOld { feature: "SINGLE_ISSUER and DEFER_TASKRUN", source },
            Some(libc::ENOMEM) => RingError::MemoryLock { limit_kib: memory_lock_limit_kib(), source },
            _ => RingError::Other(source),
        })?;
        // Spares the lookup of the ring's descriptor on every enter; harmless to go without.
        let _ = uring.submitter().register_ring_fd();
        Ok(Ring { uring, enters: 0 })
    }

    /// Queues an entry; it is submitted by the next [`Ring::enter`], or now if the queue is full.
    ///
    /// # Safety
    /// Memory that the entry names (buffers, addresses, timespecs) must stay valid and unmoved until its completion.
    #[inline]
    pub unsafe fn push(&mut self, entry: squeue::Entry, token: Token) -> io::Result<()> {
        let entry = entry.user_data(token.raw());
        loop {
            // SAFETY: the caller answers for the entry's memory.
            if unsafe { self.uring.submission().push(&entry) }.is_ok() {
                return Ok(());
            }
            self.enters += 1;
            match self.uring.submit() {
                Ok(_) => {}
                Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Submits what is queued and waits as told. Completions are then in [`Ring::reap`].
    #[inline]
    pub fn enter(&mut self, wait: Wait) -> io::Result<()> {
        self.enters += 1;
        let result = match wait {
            Wait::Poll => {
                // GETEVENTS is needed to run deferred completions; a timeout of zero is the way to ask for it
                // without waiting.
                let zero = Timespec::new();
                self.uring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&zero))
            }
            Wait::AtMostUs(us) => {
                let span = timespec(us);
                self.uring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&span))
            }
            Wait::Gather { completions, gather_us, at_most_us } => {
                let span = timespec(at_most_us);
                let args = SubmitArgs::new().timespec(&span).min_wait_usec(gather_us);
                self.uring.submitter().submit_with_args(completions as usize, &args)
            }
        };
        match result {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                Some(libc::ETIME) | Some(libc::EINTR) | Some(libc::EBUSY) | Some(libc::EAGAIN) => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// Moves every completion at hand into `into`.
    #[inline]
    pub fn reap(&mut self, into: &mut Vec<Completion>) {
        let queue = self.uring.completion();
        into.extend(queue.map(|entry| Completion {
            token: Token::from_raw(entry.user_data()),
            result: entry.result(),
            flags: entry.flags(),
        }));
    }

    /// Whether entries wait to be submitted.
    #[inline]
    pub fn has_submissions(&mut self) -> bool {
        !self.uring.submission().is_empty()
    }

    /// Whether a completion is at hand, or deferred work that would make one.
    pub fn has_completions(&mut self) -> bool {
        if self.uring.submission().taskrun() {
            return true;
        }
        let mut queue = self.uring.completion();
        queue.sync();
        !queue.is_empty()
    }

    /// Registers the eventfd that tells of completions while the core sleeps through glommio; starts disabled.
    pub fn register_eventfd(&mut self, eventfd: RawFd) -> io::Result<()> {
        self.uring.submitter().register_eventfd(eventfd)?;
        self.set_eventfd(false);
        Ok(())
    }

    /// Switches the eventfd on before a sleep through glommio and off after it.
    pub fn set_eventfd(&mut self, enabled: bool) {
        let queue = self.uring.completion();
        if enabled { queue.enable_eventfd() } else { queue.disable_eventfd() }
    }

    /// Whether the kernel understands [`Wait::Gather`] (Linux 6.12).
    pub fn can_gather(&self) -> bool {
        self.uring.params().is_feature_min_timeout()
    }

    /// How often the kernel was entered so far.
    pub fn enters(&self) -> u64 {
        self.enters
    }

    /// The submitter, to register buffers.
    pub(super) fn submitter(&self) -> io_uring::Submitter<'_> {
        self.uring.submitter()
    }
}

impl AsRawFd for Ring {
    fn as_raw_fd(&self) -> RawFd {
        self.uring.as_raw_fd()
    }
}

fn timespec(us: u32) -> Timespec {
    Timespec::new().sec((us / 1_000_000) as u64).nsec((us % 1_000_000) * 1000)
}

/// The soft limit on locked memory, KiB.
fn memory_lock_limit_kib() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the kernel to write to.
    unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit) };
    limit.rlim_cur / 1024
}
