//! A generator thread: issues what is due, sends, receives, sleeps until the next intended time.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::client::Socket;
use super::conn::Conn;
use super::error::BenchError;
use super::record::{Recorder, Window};
use super::ring::{Event, Ring};
use super::schedule::Schedule;

/// The run's clock: nanoseconds since its start.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that reads 0 at `start`, and also before.
    pub fn new(start: Instant) -> Self {
        Clock(start)
    }

    /// Nanoseconds since the start.
    #[inline]
    pub fn now(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// What all threads share of one class.
#[derive(Debug, Default)]
pub struct Shared {
    /// Replies so far, for the progress line.
    pub replies: AtomicU64,
    /// Errors so far.
    pub errors: AtomicU64,
    /// Time of the last reply on any thread, for gaps across the whole class.
    pub last_reply: AtomicU64,
}

/// One thread's part of a class.
pub struct Part {
    /// Index of the class.
    pub class: usize,
    /// The open loop's intended times; none for a closed loop.
    pub schedule: Option<Schedule>,
    /// Requests under way per connection in a closed loop.
    pub depth: usize,
    /// Requests that this part may still issue.
    pub left: u64,
    /// Its connections.
    pub conns: Vec<(Conn, Socket)>,
    /// What all threads share of the class.
    pub shared: Arc<Shared>,
}

/// When a run ends.
#[derive(Clone, Debug)]
pub struct Limits {
    /// What counts.
    pub window: Window,
    /// Time line's step, ns.
    pub interval_ns: u64,
    /// How long after the last request replies are waited for, ns.
    pub drain_ns: u64,
    /// Raised by Ctrl-C: stop issuing, report what there is.
    pub stop: Arc<AtomicBool>,
}

/// What a thread hands back.
pub struct Outcome {
    /// Per part: the class and its record.
    pub records: Vec<(usize, Recorder)>,
    /// CPU time of the thread from the start to the last request, as a share of the wall-clock time.
    pub busy: f64,
    /// Connections lost, with the first reason.
    pub lost: Option<(usize, String)>,
    /// When this thread stopped issuing, ns.
    pub ended: u64,
}

/// Requests issued before the sockets are served again.
const BATCH: usize = 32;
/// Waits shorter than this are spent looking at the ring: a sleep takes longer to wake from.
const SPIN_NS: u64 = 8_000;
/// The longest sleep, so that a stop is noticed.
const NAP_NS: u64 = 50_000_000;

struct Worker {
    ring: Ring,
    clock: Clock,
    limits: Limits,
    classes: Vec<ClassState>,
    conns: Vec<Link>,
    /// Connections with something to send.
    dirty: Vec<usize>,
    lost: Option<(usize, String)>,
    issuing: bool,
}

struct ClassState {
    class: usize,
    schedule: Option<Schedule>,
    left: u64,
    /// Its connections are `first..end` of the thread's.
    first: usize,
    end: usize,
    next: usize,
    alive: usize,
    recorder: Recorder,
    shared: Arc<Shared>,
}

struct Link {
    conn: Conn,
    socket: Socket,
    class: usize,
    dirty: bool,
    /// A partial send left requests whose lateness was already counted.
    was_blocked: bool,
}

/// Runs `parts` on the calling thread until the limits are reached.
pub fn run(parts: Vec<Part>, clock: Clock, limits: Limits) -> Result<Outcome, BenchError> {
    // SAFETY: sets a number of the calling thread; no memory is involved. Without it sleeps are prolonged by 50 µs.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1u64) };
    let mut worker = Worker {
        ring: Ring::new()?,
        clock,
        limits,
        classes: Vec::new(),
        conns: Vec::new(),
        dirty: Vec::new(),
        lost: None,
        issuing: true,
    };
    let mut depths = Vec::new();
    for (index, part) in parts.into_iter().enumerate() {
        let first = worker.conns.len();
        depths.push(part.depth);
        for (conn, socket) in part.conns {
            worker.conns.push(Link { conn, socket, class: index, dirty: false, was_blocked: false });
        }
        let end = worker.conns.len();
        worker.classes.push(ClassState {
            class: part.class,
            schedule: part.schedule,
            left: part.left,
            first,
            end,
            next: first,
            alive: end - first,
            recorder: Recorder::new(worker.limits.window, worker.limits.interval_ns),
            shared: part.shared,
        });
    }
    worker.run(&depths).map_err(|source| BenchError::Ring { step: "running", source })
}

impl Worker {
    fn run(mut self, depths: &[usize]) -> io::Result<Outcome> {
        for (index, link) in self.conns.iter().enumerate() {
            self.ring.receive(index, link.socket.as_raw_fd())?;
        }
        while self.clock.now() == 0 {
            std::thread::sleep(Duration::from_micros(100));
        }
        let (cpu_start, wall_start) = (thread_cpu_ns(), self.clock.now());
        self.fill(depths);
        let mut events = Vec::new();
        let mut ended = None;
        let mut busy = 0.0;
        loop {
            let now = self.clock.now();
            let next_due = if self.issuing { self.issue(now) } else { u64::MAX };
            self.flush()?;
            self.issuing &= self.goes_on(now, next_due);
            if !self.issuing && ended.is_none() {
                ended = Some(now);
                busy = (thread_cpu_ns() - cpu_start) as f64 / (now - wall_start).max(1) as f64;
            }
            let deadline = ended.map_or(u64::MAX, |at| at + self.limits.drain_ns);
            if now >= deadline || (!self.issuing && self.conns.iter().all(|l| l.conn.in_flight() == 0)) {
                break;
            }
            let until = next_due.min(deadline).min(now + NAP_NS);
            let until =
                if self.issuing && now < self.limits.window.to { until.min(self.limits.window.to) } else { until };
            let wait = until.saturating_sub(self.clock.now());
            let sleep = if wait < SPIN_NS { Duration::ZERO } else { Duration::from_nanos(wait) };
            self.ring.enter(sleep)?;
            self.ring.events(&mut events);
            if !events.is_empty() {
                self.handle(&mut events)?;
            }
        }
        Ok(self.finish(busy, ended.unwrap_or(0)))
    }

    /// Whether there is more to issue. What was due in the window is sent even if the generator comes to it only later:
    /// to leave it out would be to leave out the requests that waited longest.
    fn goes_on(&self, now: u64, next_due: u64) -> bool {
        let Limits { window, drain_ns, .. } = self.limits;
        let time_left = now < window.to || (next_due < window.to && now < window.to + drain_ns);
        let work_left = self.classes.iter().any(|c| c.left > 0 && c.alive > 0);
        time_left && work_left && !self.limits.stop.load(Ordering::Relaxed)
    }

    /// A closed loop's first requests.
    fn fill(&mut self, depths: &[usize]) {
        for (class, &depth) in self.classes.iter_mut().zip(depths) {
            if class.schedule.is_some() {
                continue;
            }
            for index in class.first..class.end {
                let link = &mut self.conns[index];
                for _ in 0..depth.min(usize::try_from(class.left).unwrap_or(usize::MAX)) {
                    let now = self.clock.now();
                    link.conn.issue(now, now, &mut class.recorder);
                    class.left -= 1;
                }
                mark(link, index, &mut self.dirty);
            }
        }
    }

    /// Issues the open loops' requests that are due; gives the next intended time.
    fn issue(&mut self, now: u64) -> u64 {
        let mut next_due = u64::MAX;
        for class in &mut self.classes {
            let Some(schedule) = &mut class.schedule else { continue };
            for _ in 0..BATCH {
                let due = schedule.next_ns();
                if class.left == 0 || class.alive == 0 || due > now || due >= self.limits.window.to {
                    break;
                }
                // Connections take turns; a dead one passes its turn on.
                while self.conns[class.next].conn.dead {
                    class.next = if class.next + 1 == class.end { class.first } else { class.next + 1 };
                }
                let link = &mut self.conns[class.next];
                link.conn.issue(due, now, &mut class.recorder);
                mark(link, class.next, &mut self.dirty);
                class.next = if class.next + 1 == class.end { class.first } else { class.next + 1 };
                class.left -= 1;
                schedule.advance();
            }
            if class.left > 0 && class.alive > 0 {
                next_due = next_due.min(schedule.next_ns());
            }
        }
        next_due
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut dirty = std::mem::take(&mut self.dirty);
        for index in dirty.drain(..) {
            let link = &mut self.conns[index];
            link.dirty = false;
            if !link.conn.wants_to_send() {
                continue;
            }
            let recorder = &mut self.classes[link.class].recorder;
            let fd = link.socket.as_raw_fd();
            let bytes = link.conn.take_send(self.clock.now(), std::mem::take(&mut link.was_blocked), recorder);
            let len = bytes.len();
            // SAFETY: the pointer and length are those of a live slice; the descriptor is that of an open socket.
            let sent = unsafe { libc::send(fd, bytes.as_ptr().cast(), len, libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) };
            if sent >= 0 {
                link.conn.sent(sent as usize);
            }
            let error = (sent < 0).then(io::Error::last_os_error);
            match error {
                Some(e) if e.kind() != io::ErrorKind::WouldBlock => {
                    self.kill(index, &format!("send failed: {e}"));
                }
                _ if (sent as usize) != len => {
                    link.conn.blocked = true;
                    self.ring.await_writable(index, fd)?;
                }
                _ => {}
            }
        }
        self.dirty = dirty;
        Ok(())
    }

    fn handle(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        let now = self.clock.now();
        for event in events.drain(..) {
            match event {
                Event::Writable { connection } => {
                    let link = &mut self.conns[connection];
                    link.conn.blocked = false;
                    link.was_blocked = true;
                    mark(link, connection, &mut self.dirty);
                }
                Event::Received { connection, buffer: None, .. } => {
                    self.kill(connection, "the server closed the connection");
                }
                Event::Received { connection, buffer: Some((id, len)), armed } => {
                    let link = &mut self.conns[connection];
                    let class = &mut self.classes[link.class];
                    let outcome = link.conn.received(self.ring.bytes((id, len)), now, &mut class.recorder);
                    self.ring.give_back(id);
                    match outcome {
                        Err(e) => self.kill(connection, &e.to_string()),
                        Ok(replies) => {
                            if !armed && !link.conn.dead {
                                self.ring.receive(connection, link.socket.as_raw_fd())?;
                            }
                            if replies > 0 {
                                answered(class, replies, now);
                            }
                            if class.schedule.is_none()
                                && self.issuing
                                && now < self.limits.window.to
                                && !link.conn.dead
                            {
                                let next = class.left.min(replies as u64);
                                class.left -= next;
                                (0..next).for_each(|_| link.conn.issue(now, now, &mut class.recorder));
                                mark(link, connection, &mut self.dirty);
                            }
                        }
                    }
                }
                Event::ReceiveFailed { connection, errno: libc::ENOBUFS | libc::EINTR | libc::EAGAIN } => {
                    let link = &self.conns[connection];
                    if !link.conn.dead {
                        self.ring.receive(connection, link.socket.as_raw_fd())?;
                    }
                }
                Event::ReceiveFailed { connection, errno } => {
                    self.kill(connection, &io::Error::from_raw_os_error(errno).to_string());
                }
            }
        }
        Ok(())
    }

    #[cold]
    fn kill(&mut self, index: usize, reason: &str) {
        let link = &mut self.conns[index];
        if std::mem::replace(&mut link.conn.dead, true) {
            return;
        }
        let class = &mut self.classes[link.class];
        link.conn.abandon(self.clock.now(), "disconnected", &mut class.recorder);
        class.alive -= 1;
        self.lost.get_or_insert_with(|| (0, reason.to_string())).0 += 1;
    }

    fn finish(mut self, busy: f64, ended: u64) -> Outcome {
        let now = self.clock.now();
        for link in &mut self.conns {
            link.conn.abandon(now, "no reply in time", &mut self.classes[link.class].recorder);
        }
        for class in &mut self.classes {
            let Some(schedule) = &mut class.schedule else { continue };
            // Due, and never sent: nobody was left to send it to, or the generator was too slow for the rate, or it was
            // stopped with requests in arrears.
            let reason = match class.alive {
                0 => "no connection left",
                _ => "not sent in time by the generator",
            };
            while class.left > 0 && schedule.next_ns() < ended.min(self.limits.window.to) {
                class.recorder.sent(schedule.next_ns(), now, true);
                class.recorder.lost(schedule.next_ns(), now, now, reason);
                class.left -= 1;
                schedule.advance();
            }
        }
        let records = self.classes.into_iter().map(|c| (c.class, c.recorder)).collect();
        Outcome { records, busy, lost: self.lost, ended }
    }
}

fn mark(link: &mut Link, index: usize, dirty: &mut Vec<usize>) {
    if !std::mem::replace(&mut link.dirty, true) {
        dirty.push(index);
    }
}

fn answered(class: &mut ClassState, replies: usize, now: u64) {
    let previous = class.shared.last_reply.fetch_max(now, Ordering::Relaxed);
    if previous < now {
        class.recorder.gap(previous, now);
    }
    class.shared.replies.fetch_add(replies as u64, Ordering::Relaxed);
    let errors: u64 = class.recorder.errors.values().sum();
    if errors > 0 {
        class.shared.errors.fetch_max(errors, Ordering::Relaxed);
    }
}

/// CPU time of the calling thread, ns.
fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one timespec, which lives on this stack.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
