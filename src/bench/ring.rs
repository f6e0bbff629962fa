//! A generator thread's io_uring: the server's own ring and receive buffers, with multishot receives, and sleeping until
//! a point in time.
//!
//! Sends are plain `send` calls that never wait (see [`super::conn`]): a batch of sends in one ring entry would share
//! one timestamp, though the last of fifty leaves some 200 µs after the first.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use io_uring::opcode;
use io_uring::types::Fd;

use super::error::BenchError;
use crate::ring::{BufferRing, Completion, Ring as CoreRing, Token, Wait};

/// Receive buffers, a power of two.
const BUFFERS: u16 = 256;
/// Bytes per receive buffer.
const BUFFER_BYTES: usize = 16 << 10;
const GROUP: u16 = 0;

/// What a completion is about. The generation is that which the receive or poll was queued with: after a reconnect the
/// old socket's last completions must not be taken for the new one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The connection takes bytes again (or is broken, which the next send tells).
    Writable {
        /// The connection's index.
        connection: usize,
        /// The socket's number on that connection.
        generation: u32,
    },
    /// Bytes arrived in a buffer that must be given back.
    Received {
        /// The connection's index.
        connection: usize,
        /// The socket's number on that connection.
        generation: u32,
        /// The buffer and its filled length; none at the end of the stream.
        buffer: Option<(u16, usize)>,
        /// Whether more will come without a new receive.
        armed: bool,
    },
    /// The receive ended with an error number (ENOBUFS: just arm it again).
    ReceiveFailed {
        /// The connection's index.
        connection: usize,
        /// The socket's number on that connection.
        generation: u32,
        /// OS error number.
        errno: i32,
    },
}

/// One thread's ring with its receive buffers.
pub struct Ring {
    // Dropped before the buffers: the kernel must let go of them first.
    ring: CoreRing,
    buffers: BufferRing,
    completions: Vec<Completion>,
}

impl Ring {
    /// A ring of the calling thread; no other thread may use it.
    pub fn new() -> Result<Self, BenchError> {
        let step = |step| move |source| BenchError::Ring { step, source };
        let ring = CoreRing::new().map_err(|e| step("io_uring_setup")(io::Error::other(e.to_string())))?;
        let buffers = BufferRing::new(&ring, GROUP, BUFFERS, BUFFER_BYTES)
            .map_err(|e| step("registering the receive buffers")(e))?;
        Ok(Ring { ring, buffers, completions: Vec::new() })
    }

    /// Queues a multishot receive on a connection. The socket must be in blocking mode, or the receive fails at once.
    pub fn receive(&mut self, connection: usize, generation: u32, fd: RawFd) -> io::Result<()> {
        let entry = opcode::RecvMulti::new(Fd(fd), GROUP).build();
        // SAFETY: the entry names no memory but the registered buffers, which live as long as the ring.
        unsafe { self.ring.push(entry, Token::connection(Token::RECV, connection as u32, generation)) }
    }

    /// Asks for one [`Event::Writable`] when the connection takes bytes again.
    pub fn await_writable(&mut self, connection: usize, generation: u32, fd: RawFd) -> io::Result<()> {
        let entry = opcode::PollAdd::new(Fd(fd), libc::POLLOUT as u32).build();
        // SAFETY: the entry names no memory.
        unsafe { self.ring.push(entry, Token::connection(Token::SEND, connection as u32, generation)) }
    }

    /// Submits what is queued and sleeps until something completes, at most for `wait`. Zero only looks, and costs a
    /// system call only if something is queued or arrived.
    pub fn enter(&mut self, wait: Duration) -> io::Result<()> {
        match u32::try_from(wait.as_micros()).unwrap_or(u32::MAX) {
            0 if !self.ring.has_submissions() && !self.ring.has_completions() => Ok(()),
            0 => self.ring.enter(Wait::Poll),
            us => self.ring.enter(Wait::AtMostUs(us)),
        }
    }

    /// Takes the completions that are there, in order. Received bytes are read through [`Ring::bytes`].
    pub fn events(&mut self, events: &mut Vec<Event>) {
        self.ring.reap(&mut self.completions);
        for completion in self.completions.drain(..) {
            let (slot, generation) = completion.token.slot_generation();
            let connection = slot as usize;
            events.push(match completion.result {
                _ if completion.token.kind() == Token::SEND => Event::Writable { connection, generation },
                result if result < 0 => Event::ReceiveFailed { connection, generation, errno: -result },
                result => Event::Received {
                    connection,
                    generation,
                    buffer: completion.buffer().map(|id| (id, result as usize)),
                    armed: completion.more(),
                },
            });
        }
    }

    /// The filled part of a buffer named by an event, until it is given back.
    pub fn bytes(&self, (id, len): (u16, usize)) -> &[u8] {
        self.buffers.filled(id, len)
    }

    /// Gives a buffer back to the kernel.
    pub fn give_back(&mut self, id: u16) {
        self.buffers.give(id);
        self.buffers.publish();
    }
}
