//! Messages to a core from threads that are no cores: the keeper, the one that waits for signals.

use crate::shard::message::Envelope;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// The sending end; writes to an eventfd that the core's ring polls.
#[derive(Clone)]
pub struct Outside {
    sender: Sender<Envelope>,
    bell: Arc<OwnedFd>,
}

/// The core's end.
pub struct Mailbox {
    receiver: Receiver<Envelope>,
    bell: Arc<OwnedFd>,
}

/// Makes the two ends.
pub fn mailbox() -> io::Result<(Outside, Mailbox)> {
    // SAFETY: a plain syscall without pointers.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just created, and owned by nobody else.
    let bell = Arc::new(unsafe { OwnedFd::from_raw_fd(fd) });
    let (sender, receiver) = channel();
    Ok((Outside { sender, bell: bell.clone() }, Mailbox { receiver, bell }))
}

impl Outside {
    /// Sends a message and wakes the core. Without effect once the core has ended.
    pub fn post(&self, message: Envelope) {
        if self.sender.send(message).is_ok() {
            let one = 1u64.to_ne_bytes();
            // SAFETY: writes eight bytes from a local array. A full counter (EAGAIN) has been written to, so the core
            // wakes anyway.
            unsafe { libc::write(self.bell.as_raw_fd(), one.as_ptr().cast(), one.len()) };
        }
    }
}

impl Mailbox {
    /// What the core's ring polls.
    pub fn bell(&self) -> RawFd {
        self.bell.as_raw_fd()
    }

    /// Empties the bell's counter.
    pub fn hush(&self) {
        let mut count = [0u8; 8];
        // SAFETY: reads eight bytes into a local array; EAGAIN means it is empty already.
        unsafe { libc::read(self.bell.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }

    /// The next message.
    pub fn next(&self) -> Option<Envelope> {
        self.receiver.try_recv().ok()
    }
}
