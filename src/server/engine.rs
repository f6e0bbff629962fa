//! A core's loop: one pass takes what the ring completed, runs it, and submits what came of it, with one entry into
//! the kernel.

use super::core::Core;
use super::gathering::{GATHER_US, Gathering};
use super::logging::LogIo;
use super::lookahead::Foreseen;
use super::memory::Freeing;
use super::outside::Mailbox;
use super::snapshot::Slice;
use super::task::Runner;
use crate::net::{Closing, Conn, ConnRef, Listener};
use crate::ring::{BufferRing, Completion, Ring, Token, Wait};
use glommio::io::BufferedFile;
use io_uring::opcode;
use io_uring::squeue::Flags as EntryFlags;
use io_uring::types::{Fd, FsyncFlags, Timespec};
use std::cell::RefCell;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::rc::Rc;

/// Receive buffers of a core: how many, and their size in bytes. Not a power of two: their first lines, often all that is used of
/// them, would share a few sets of the processor's caches and throw each other out.
const BUFFERS: u16 = 256;
const BUFFER_BYTES: usize = 16 * 1024 + 192;

/// How often a core looks after what is due by time, milliseconds.
const CRON_MS: u32 = 100;

/// A core with nothing to do sleeps first in its own ring for so long, microseconds: under load every wake-up comes
/// from there. Only then it sleeps through glommio, which costs a few microseconds more.
const SHORT_SLEEP_US: u32 = 200;

/// Payload of the timer that ends clients' waits.
const DEADLINE: u64 = 1;

/// Longest time that this timer is set to, milliseconds.
const DEADLINE_MS_MAX: u64 = 3_600_000;

/// While another core owes an answer, it is looked for so many times before sleeping.
const LOOKS_FOR_MAIL: u32 = 200;

/// Most rounds of requests that became ready in one pass.
const ROUNDS_MAX: u32 = 64;

/// A core and its way to the outside.
pub struct Engine {
    core: Rc<RefCell<Core>>,
    runner: Runner,
    ring: Ring,
    buffers: BufferRing,
    listeners: Vec<Listener>,
    mailbox: Mailbox,
    bell: OwnedFd,
    bell_file: BufferedFile,
    completions: Vec<Completion>,
    /// For each completion, the key that it will look up first, as far as that can be told.
    foreseen: Vec<Option<Foreseen>>,
    dirty: Vec<ConnRef>,
    /// Sends handed to the ring that tell only of failure: once submitted, what is not heard of has been sent.
    quick: Vec<ConnRef>,
    resume: Vec<ConnRef>,
    cron_span: Box<Timespec>,
    /// How long the nearest wait of a client may still take, and until when that is, unix ms, if a timer runs for it.
    deadline_span: Box<Timespec>,
    deadline_ms: Option<u64>,
    /// Background work goes on soon: only short sleeps.
    dozes: bool,
    /// What came lately, and so how much is worth waiting for; nothing where the kernel cannot do that.
    gathering: Option<Gathering>,
    /// More cores than CPUs: looking for mail instead of sleeping would keep others from running.
    crowded: bool,
}

impl Engine {
    /// Sets up the ring of the calling thread, which must be a glommio executor's.
    pub fn new(
        core: Core,
        listeners: Vec<Listener>,
        mailbox: Mailbox,
        crowded: bool,
    ) -> Result<Engine, super::StartError> {
        let mut ring = Ring::new()?;
        let buffers = BufferRing::new(&ring, 0, BUFFERS, BUFFER_BYTES).map_err(crate::ring::RingError::from)?;
        core.mesh.set_ring(ring.as_raw_fd());
        // SAFETY: a plain syscall without pointers.
        let bell = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        if bell < 0 {
            return Err(io::Error::last_os_error().into());
        }
        // SAFETY: just created, owned by nobody else.
        let bell = unsafe { OwnedFd::from_raw_fd(bell) };
        // glommio closes the descriptor it is given, so it gets one of its own.
        let for_glommio = bell.try_clone()?.into_raw_fd();
        // SAFETY: `for_glommio` is open and now glommio's alone.
        let bell_file = unsafe { BufferedFile::from_raw_fd(for_glommio) };
        ring.register_eventfd(bell.as_raw_fd())?;
        let core = Rc::new(RefCell::new(core));
        let gathering = ring.can_gather().then(Gathering::default);
        Ok(Engine {
            gathering,
            runner: Runner::new(core.clone()),
            core,
            ring,
            buffers,
            listeners,
            mailbox,
            bell,
            bell_file,
            completions: Vec::new(),
            foreseen: Vec::new(),
            dirty: Vec::new(),
            quick: Vec::new(),
            resume: Vec::new(),
            cron_span: Box::new(Timespec::new().nsec(CRON_MS * 1_000_000)),
            deadline_span: Box::new(Timespec::new()),
            deadline_ms: None,
            dozes: false,
            crowded,
        })
    }

    /// Serves until the core is told to end.
    pub async fn run(mut self) -> io::Result<()> {
        self.arm_timer()?;
        self.arm_mailbox()?;
        for index in 0..self.listeners.len() {
            self.arm_accept(index)?;
        }
        loop {
            let wait = self.pass()?;
            if self.core.borrow().is_ended() {
                return Ok(());
            }
            if wait == Wait::Poll {
                self.ring.enter(Wait::Poll)?;
                self.reap();
                continue;
            }
            if !self.core.borrow().mesh.fall_asleep() {
                self.ring.enter(Wait::Poll)?;
                self.reap();
                continue;
            }
            self.ring.enter(wait)?;
            self.reap();
            // What was sent is settled by a pass before a long sleep, which may come to close connections.
            let is_idle = self.completions.is_empty() && self.quick.is_empty() && !self.dozes;
            if is_idle && !self.core.borrow().mesh.has_mail() {
                self.sleep_through_glommio().await?;
            }
            self.core.borrow().mesh.wake_up();
        }
    }

    fn reap(&mut self) {
        self.ring.reap(&mut self.completions);
    }

    /// Sleeps until the ring has something, and lets glommio's own tasks run meanwhile.
    async fn sleep_through_glommio(&mut self) -> io::Result<()> {
        self.ring.set_eventfd(true);
        if !self.ring.has_completions() && !self.core.borrow().mesh.has_mail() {
            // The mesh's mark says asleep, so whoever writes to this core rings through the ring.
            let _ = self.bell_file.read_at(0, 8).await;
        }
        self.ring.set_eventfd(false);
        self.drain_bell();
        self.ring.enter(Wait::Poll)?;
        self.reap();
        Ok(())
    }

    /// Empties the eventfd's counter without blocking, so that the next sleep is not cut short.
    fn drain_bell(&self) {
        let mut poll = libc::pollfd { fd: self.bell.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd; returns at once.
        if unsafe { libc::poll(&mut poll, 1, 0) } > 0 {
            let mut count = [0u8; 8];
            // SAFETY: eight bytes into a local array, and poll said that it does not block.
            unsafe { libc::read(self.bell.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
        }
    }

    /// Runs what has completed and submits what came of it. Returns how long the core may sleep.
    fn pass(&mut self) -> io::Result<Wait> {
        let shared = self.core.clone();
        let mut core = shared.borrow_mut();
        core.begin_pass();
        if let Some(gathering) = &mut self.gathering {
            gathering.note(self.completions.len(), core.tick);
        }
        let mut busy = !self.completions.is_empty();
        let mut completions = std::mem::take(&mut self.completions);
        self.foresee(&mut core, &completions);
        for (index, completion) in completions.drain(..).enumerate() {
            if let Some(&Some(next)) = self.foreseen.get(index + 1) {
                core.fetch_foreseen(next);
            }
            self.complete(&mut core, completion)?;
        }
        self.completions = completions;
        self.settle_quick_sends(&mut core)?;
        self.buffers.publish();
        busy |= core.read_mail();
        for _ in 0..ROUNDS_MAX {
            core.take_resume(&mut self.resume);
            for at in self.resume.drain(..) {
                core.resume(at);
            }
            if core.tasks.has_work() {
                drop(core);
                self.runner.run();
                core = shared.borrow_mut();
                busy = true;
            }
            if !core.has_resume() {
                break;
            }
        }
        core.serve_waiting();
        self.arm_deadline(&core)?;
        let evicts = core.keep_memory();
        self.drive_log(&mut core)?;
        self.send_all(&mut core)?;
        let ring = &mut self.ring;
        let mut failed = None;
        core.send_mail(|target| failed = failed.take().or(ring_bell(ring, target).err()));
        if let Some(error) = failed {
            return Err(error);
        }
        let slice = core.advance_snapshot(busy);
        let freeing = core.free_memory(busy);
        self.dozes = slice != Slice::Idle || freeing != Freeing::Idle || core.tasks.has_later();
        core.stats.passes += busy as u64;
        core.enters = self.ring.enters();
        if slice == Slice::Ran
            || freeing == Freeing::Ran
            || evicts
            || core.has_resume()
            || core.tasks.has_work()
            || core.mesh.has_mail()
            || core.mesh.has_overflow()
        {
            return Ok(Wait::Poll);
        }
        let is_owed_mail = core.is_owed_mail();
        if is_owed_mail && !self.crowded {
            for _ in 0..LOOKS_FOR_MAIL {
                if core.mesh.has_mail() {
                    return Ok(Wait::Poll);
                }
                std::hint::spin_loop();
            }
        }
        let expected = self.gathering.as_ref().map_or(1, |gathering| gathering.expected(core.conns.len()));
        // What waits for a commit should not wait for others besides.
        if expected > 1 && !is_owed_mail && core.flights.is_empty() {
            return Ok(Wait::Gather { completions: expected, gather_us: GATHER_US, at_most_us: SHORT_SLEEP_US });
        }
        Ok(Wait::AtMostUs(SHORT_SLEEP_US))
    }

    /// Where several requests came at once, asks for the memory that each will need before the first is run.
    fn foresee(&mut self, core: &mut Core, completions: &[Completion]) {
        self.foreseen.clear();
        if completions.len() < 2 {
            return;
        }
        self.foreseen.extend(completions.iter().map(|completion| {
            let id = completion.buffer().filter(|_| completion.token.kind() == Token::RECV && completion.result > 0)?;
            let (slot, generation) = completion.token.slot_generation();
            core.foresee(ConnRef { slot, generation }, self.buffers.filled(id, completion.result as usize))
        }));
    }

    fn complete(&mut self, core: &mut Core, completion: Completion) -> io::Result<()> {
        let token = completion.token;
        match token.kind() {
            Token::RECV => self.received(core, completion),
            Token::SEND => {
                let (slot, generation) = token.slot_generation();
                let at = ConnRef { slot, generation };
                if core.sent(at, completion.outcome()) {
                    self.send_rest(core, at)?;
                } else {
                    self.close_if_finished(core, at);
                }
                Ok(())
            }
            Token::LOG => {
                core.log_completed(token.payload(), completion.outcome());
                Ok(())
            }
            Token::ACCEPT => self.accepted(core, completion),
            Token::OUTSIDE => {
                self.mailbox.hush();
                let me = core.me();
                while let Some(message) = self.mailbox.next() {
                    core.take_in(me, message);
                }
                if completion.more() { Ok(()) } else { self.arm_mailbox() }
            }
            Token::TIMER if completion.token.payload() == DEADLINE => {
                self.deadline_ms = None;
                core.end_late_waits();
                Ok(())
            }
            Token::TIMER => {
                core.cron();
                self.arm_timer()
            }
            _ => Ok(()),
        }
    }

    fn received(&mut self, core: &mut Core, completion: Completion) -> io::Result<()> {
        let (slot, generation) = completion.token.slot_generation();
        let at = ConnRef { slot, generation };
        let buffer = completion.buffer();
        if let Some(mut conn) = core.conns.take(at) {
            conn.receiving = completion.more();
            match (completion.result, buffer) {
                (len, Some(id)) if len > 0 => core.received(&mut conn, self.buffers.filled(id, len as usize)),
                (error, _) if error == -libc::ENOBUFS => {}
                _ => conn.closing = Closing::Now,
            }
            let rearm = !conn.receiving && conn.closing == Closing::No;
            let ends = conn.closing != Closing::No;
            core.conns.restore(conn);
            if rearm {
                self.arm_receive(core, at)?;
            }
            if ends {
                self.close_if_finished(core, at);
            }
        }
        if let Some(id) = buffer {
            self.buffers.give(id);
        }
        Ok(())
    }

    fn accepted(&mut self, core: &mut Core, completion: Completion) -> io::Result<()> {
        if completion.result >= 0 {
            core.welcome(&self.listeners[completion.token.payload() as usize], completion.result);
        } else if completion.result != -libc::ECANCELED {
            let error = io::Error::from_raw_os_error(-completion.result);
            tracing::warn!("Accepting client connection: {error}");
        }
        if !completion.more() && completion.result != -libc::ECANCELED {
            self.arm_accept(completion.token.payload() as usize)?;
        }
        Ok(())
    }

    fn drive_log(&mut self, core: &mut Core) -> io::Result<()> {
        let ring = &mut self.ring;
        let mut result = Ok(());
        core.drive_log(|op| {
            let (entry, token) = match op {
                LogIo::Write(write) => {
                    let fd = Fd(write.segment.file.raw_fd().unwrap_or(-1));
                    let flags = if write.dsync { libc::RWF_DSYNC } else { 0 };
                    let entry = opcode::Write::new(fd, write.buf.as_ptr(), write.buf.len() as u32)
                        .offset(write.offset)
                        .rw_flags(flags)
                        .build();
                    (entry, write.token)
                }
                LogIo::Sync(segment, token) => {
                    let fd = Fd(segment.file.raw_fd().unwrap_or(-1));
                    (opcode::Fsync::new(fd).flags(FsyncFlags::DATASYNC).build(), token)
                }
            };
            // SAFETY: the frame's buffer and its file are kept in the core's flights until the completion.
            let pushed = unsafe { ring.push(entry, Token::new(Token::LOG, token)) };
            if result.is_ok() {
                result = pushed;
            }
        });
        result
    }

    fn send_all(&mut self, core: &mut Core) -> io::Result<()> {
        for at in core.take_armed() {
            self.arm_receive(core, at)?;
        }
        core.take_dirty(&mut self.dirty);
        let mut dirty = std::mem::take(&mut self.dirty);
        for at in dirty.drain(..) {
            core.check_output_limit(at);
            if core.next_send(at) {
                self.send(core, at)?;
            } else {
                self.close_if_finished(core, at);
            }
        }
        self.dirty = dirty;
        Ok(())
    }

    /// Sends a reply as far as the socket takes it at once. Nearly always that is all of it, and then no completion
    /// is made: the next entry need not return for it, which would be an entry and a pass more for each request.
    fn send(&mut self, core: &mut Core, at: ConnRef) -> io::Result<()> {
        let Some(conn) = core.conns.get(at) else { return Ok(()) };
        if conn.closing != Closing::No {
            // Its last words: it is closed when they are gone, not when something else happens.
            return self.send_rest(core, at);
        }
        conn.send_is_quick = true;
        self.quick.push(at);
        let entry = send_entry(conn, libc::MSG_DONTWAIT).flags(EntryFlags::SKIP_SUCCESS);
        // SAFETY: `sending` is neither changed nor freed while `send_in_flight` is set. It is cleared by the completion of
        // a failure, or once the entry was submitted: MSG_DONTWAIT makes the kernel finish it there and then.
        unsafe { self.ring.push(entry, Token::connection(Token::SEND, at.slot, at.generation)) }
    }

    /// Sends what the socket did not take at once; the completion comes when all of it was taken.
    fn send_rest(&mut self, core: &mut Core, at: ConnRef) -> io::Result<()> {
        let Some(conn) = core.conns.get(at) else { return Ok(()) };
        let entry = send_entry(conn, 0);
        // SAFETY: `sending` is neither changed nor freed while `send_in_flight` is set, which the completion clears.
        unsafe { self.ring.push(entry, Token::connection(Token::SEND, at.slot, at.generation)) }
    }

    /// Ends the quick sends that were submitted and of which no failure was heard.
    fn settle_quick_sends(&mut self, core: &mut Core) -> io::Result<()> {
        if self.quick.is_empty() || self.ring.has_submissions() {
            return Ok(());
        }
        let mut quick = std::mem::take(&mut self.quick);
        for at in quick.drain(..) {
            if core.quickly_sent(at) {
                self.close_if_finished(core, at);
            }
        }
        self.quick = quick;
        Ok(())
    }

    fn close_if_finished(&mut self, core: &mut Core, at: ConnRef) {
        if !core.is_finished(at) {
            return;
        }
        let Some(conn) = core.conns.get(at) else { return };
        if conn.kernel_holds() {
            if conn.closing != Closing::Now || !conn.shut {
                conn.closing = Closing::Now;
                conn.shut = true;
                // Ends the receive, and a send to a peer that does not read.
                // SAFETY: a plain syscall on a descriptor that the connection owns.
                unsafe { libc::shutdown(conn.fd(), libc::SHUT_RDWR) };
            }
            return;
        }
        core.drop_conn(at);
    }

    fn arm_receive(&mut self, core: &mut Core, at: ConnRef) -> io::Result<()> {
        let Some(conn) = core.conns.get(at) else { return Ok(()) };
        conn.receiving = true;
        let entry = opcode::RecvMulti::new(Fd(conn.fd()), self.buffers.group()).build();
        // SAFETY: the kernel writes only into the buffer ring, which lives as long as the ring.
        unsafe { self.ring.push(entry, Token::connection(Token::RECV, at.slot, at.generation)) }
    }

    fn arm_accept(&mut self, index: usize) -> io::Result<()> {
        let entry = opcode::AcceptMulti::new(Fd(self.listeners[index].as_raw_fd())).flags(libc::SOCK_CLOEXEC).build();
        // SAFETY: the entry names no memory.
        unsafe { self.ring.push(entry, Token::new(Token::ACCEPT, index as u64)) }
    }

    fn arm_mailbox(&mut self) -> io::Result<()> {
        let entry = opcode::PollAdd::new(Fd(self.mailbox.bell()), libc::POLLIN as u32).multi(true).build();
        // SAFETY: the entry names no memory.
        unsafe { self.ring.push(entry, Token::new(Token::OUTSIDE, 0)) }
    }

    /// Sees to it that the core wakes up when the time of a waiting client is over. Called once a pass, whose end
    /// submits the entry before the span can change again.
    fn arm_deadline(&mut self, core: &Core) -> io::Result<()> {
        let Some(next_ms) = core.next_deadline_ms() else { return Ok(()) };
        if self.deadline_ms.is_some_and(|armed_ms| armed_ms <= next_ms) {
            return Ok(());
        }
        self.deadline_ms = Some(next_ms);
        let left_ms = next_ms.saturating_sub(core.now_ms).clamp(1, DEADLINE_MS_MAX);
        *self.deadline_span = Timespec::new().sec(left_ms / 1000).nsec((left_ms % 1000) as u32 * 1_000_000);
        let entry = opcode::Timeout::new(&*self.deadline_span).build();
        // SAFETY: the span is boxed, lives as long as the engine, and stays as it is until the kernel has read it.
        unsafe { self.ring.push(entry, Token::new(Token::TIMER, DEADLINE)) }
    }

    fn arm_timer(&mut self) -> io::Result<()> {
        let entry = opcode::Timeout::new(&*self.cron_span).build();
        // SAFETY: the span is boxed and lives as long as the engine.
        unsafe { self.ring.push(entry, Token::new(Token::TIMER, 0)) }
    }
}

/// The entry that sends what is left of `sending`.
fn send_entry(conn: &Conn, flags: i32) -> io_uring::squeue::Entry {
    let rest = &conn.sending[conn.sent..];
    opcode::Send::new(Fd(conn.fd()), rest.as_ptr(), rest.len().min(u32::MAX as usize) as u32)
        .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL | flags)
        .build()
}

/// Rings another core, without a completion here unless it fails.
fn ring_bell(ring: &mut Ring, target: RawFd) -> io::Result<()> {
    let entry = opcode::MsgRingData::new(Fd(target), 0, Token::new(Token::BELL, 0).raw(), None)
        .build()
        .flags(EntryFlags::SKIP_SUCCESS);
    // SAFETY: the entry names no memory.
    unsafe { ring.push(entry, Token::new(Token::IGNORE, 0)) }
}
