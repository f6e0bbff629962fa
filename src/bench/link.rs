//! One socket of the generator with what speaks over it, and how it comes back after it broke.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use std::{io, thread};

use super::client::{Client, Socket, Target};
use super::conn::Conn;
use super::error::BenchError;
use super::record::Recorder;
use super::tls::Session;

/// A connection of a class to one node.
pub struct Link {
    /// The protocol.
    pub conn: Conn,
    /// The thread's part of a class that it belongs to.
    pub class: usize,
    /// The client among the class's whose requests it carries.
    pub client: usize,
    /// The server.
    pub target: Target,
    /// Counts sockets: completions of an earlier one are not ours.
    pub generation: u32,
    /// Requests of a closed loop that broke off and begin anew with the next socket.
    pub owed: usize,
    /// On the list of those with something to send.
    pub dirty: bool,
    socket: Socket,
    tls: Option<Box<Session>>,
}

/// How a send went.
pub enum Sent {
    /// All of it is with the kernel.
    All,
    /// The socket is full.
    Full,
}

impl Link {
    /// Connects to `target` for client `client` of the part `class`, in an open loop or not.
    pub fn connect(target: &Target, class: usize, client: usize, open: bool) -> Result<Self, BenchError> {
        let (socket, tls) = Client::connect(target)?.into_socket()?;
        let (conn, target) = (Conn::new(open), target.clone());
        Ok(Link { conn, class, client, target, generation: 0, owed: 0, dirty: false, socket, tls })
    }

    /// The socket.
    pub fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Whether bytes wait to be sent and may be.
    pub fn wants_to_send(&self) -> bool {
        let records = self.tls.as_ref().is_some_and(|tls| !tls.records().is_empty());
        self.conn.wants_to_send() || (records && !self.conn.blocked && !self.conn.dead)
    }

    /// Sends what waits, without waiting itself.
    #[inline]
    pub fn send(&mut self, now: u64, recorder: &mut Recorder) -> io::Result<Sent> {
        let bytes = self.conn.take_send(now, recorder);
        let fd = self.socket.as_raw_fd();
        let Some(tls) = &mut self.tls else {
            let (len, sent) = (bytes.len(), send(fd, bytes)?);
            self.conn.sent(sent);
            return Ok(if sent == len { Sent::All } else { Sent::Full });
        };
        let len = bytes.len();
        tls.encrypt(bytes)?;
        self.conn.sent(len);
        let (records, sent) = (tls.records().len(), send(fd, tls.records())?);
        tls.sent(sent);
        Ok(if sent == records { Sent::All } else { Sent::Full })
    }

    /// Takes received bytes; gives the number of operations that ended in them.
    #[inline]
    pub fn received(&mut self, bytes: &[u8], now: u64, recorder: &mut Recorder) -> Result<usize, String> {
        let outcome = match &mut self.tls {
            None => self.conn.received(bytes, now, recorder),
            Some(tls) => {
                let plain = tls.decrypt(bytes).map_err(|e| e.to_string())?;
                self.conn.received(plain, now, recorder)
            }
        };
        outcome.map_err(|e| e.to_string())
    }

    /// Ends the socket, so that what the ring still waits for on it completes.
    pub fn shut_down(&self) {
        // SAFETY: a system call without memory on a descriptor that this link owns.
        unsafe { libc::shutdown(self.fd(), libc::SHUT_RDWR) };
    }

    /// Goes on with a new socket.
    pub fn restart(&mut self, (socket, tls): (Socket, Option<Box<Session>>)) {
        (self.socket, self.tls) = (socket, tls);
        self.conn.restart();
    }
}

/// The bytes that the kernel took; none if the socket is full.
fn send(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the pointer and length are those of a live slice; the descriptor is that of an open socket.
    let sent = unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) };
    match sent {
        0.. => Ok(sent as usize),
        _ => match io::Error::last_os_error() {
            e if e.kind() == io::ErrorKind::WouldBlock => Ok(0),
            e => Err(e),
        },
    }
}

/// A socket that is ready again: the link's index and generation.
pub type Restored = (usize, u32, (Socket, Option<Box<Session>>));

/// Makes broken connections anew on a thread of its own: connecting takes its time, and no request may wait for it.
pub struct Reconnector {
    broken: Sender<(usize, u32, Target)>,
    restored: Receiver<Restored>,
    over: Arc<AtomicBool>,
    /// Connections that are being made.
    pub under_way: usize,
}

impl Reconnector {
    /// Tries each broken connection again after `pause`, as often as needed.
    pub fn new(pause: Duration) -> Self {
        let ((broken, queue), (ready, restored)) = (channel(), channel());
        let over = Arc::new(AtomicBool::new(false));
        let ended = over.clone();
        thread::spawn(move || {
            let mut waiting: Vec<(usize, u32, Target)> = Vec::new();
            loop {
                match if waiting.is_empty() { queue.recv().ok() } else { queue.try_recv().ok() } {
                    Some(link) => {
                        waiting.push(link);
                        waiting.extend(queue.try_iter());
                    }
                    None if waiting.is_empty() => return,
                    None => {}
                }
                thread::sleep(pause);
                let mut still = Vec::new();
                for (index, generation, target) in waiting.drain(..) {
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                    match Client::connect(&target).and_then(Client::into_socket) {
                        Ok(made) => {
                            if ready.send((index, generation, made)).is_err() {
                                return;
                            }
                        }
                        Err(_) => still.push((index, generation, target)),
                    }
                }
                waiting = still;
            }
        });
        Reconnector { broken, restored, over, under_way: 0 }
    }

    /// Asks for a new socket for a link.
    pub fn ask(&mut self, index: usize, generation: u32, target: Target) {
        self.under_way += usize::from(self.broken.send((index, generation, target)).is_ok());
    }

    /// A socket that is ready.
    pub fn take(&mut self) -> Option<Restored> {
        let restored = self.restored.try_recv().ok();
        self.under_way -= usize::from(restored.is_some());
        restored
    }
}

impl Drop for Reconnector {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
