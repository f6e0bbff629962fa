//! Messages to a core from threads that are no cores: the keeper, the one that waits for signals.
//!
//! The bell is a pipe that the core's ring polls, not an eventfd: the ring tells glommio of completions through an
//! eventfd of its own, and the kernel (6.18) puts off a signal to an eventfd from within the wake-up of another, and
//! loses the second one that it puts off. A core then slept over its mail for good.

use crate::shard::message::Envelope;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// The sending end; writes to the pipe that the core's ring polls.
#[derive(Clone)]
pub struct Outside {
    sender: Sender<Envelope>,
    bell: Arc<OwnedFd>,
}

/// The core's end.
pub struct Mailbox {
    receiver: Receiver<Envelope>,
    bell: OwnedFd,
}

/// Makes the two ends.
pub fn mailbox() -> io::Result<(Outside, Mailbox)> {
    let mut ends = [-1; 2];
    // SAFETY: the kernel writes two descriptors into a local array.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC | libc::O_NONBLOCK) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just created, and owned by nobody else.
    let [reading, writing] = ends.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    let (sender, receiver) = channel();
    Ok((Outside { sender, bell: Arc::new(writing) }, Mailbox { receiver, bell: reading }))
}

impl Outside {
    /// Sends a message and wakes the core. Without effect once the core has ended.
    pub fn post(&self, message: Envelope) {
        if self.sender.send(message).is_ok() {
            // SAFETY: writes one byte from a constant. A full pipe (EAGAIN) has been written to, so the core wakes anyway.
            unsafe { libc::write(self.bell.as_raw_fd(), b"!".as_ptr().cast(), 1) };
        }
    }
}

impl Mailbox {
    /// What the core's ring polls.
    pub fn bell(&self) -> RawFd {
        self.bell.as_raw_fd()
    }

    /// Empties the pipe.
    pub fn hush(&self) {
        let mut bytes = [0u8; 256];
        // SAFETY: reads into a local array of that length; EAGAIN means that it is empty.
        while unsafe { libc::read(self.bell.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len()) }
            == bytes.len() as isize
        {}
    }

    /// The next message.
    pub fn next(&self) -> Option<Envelope> {
        self.receiver.try_recv().ok()
    }
}
