//! A generator thread: issues what is due, sends, receives, sleeps until the next intended time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::cluster::Routes;
use super::error::BenchError;
use super::link::{Link, Reconnector, Restored, Sent};
use super::record::{Recorder, Window};
use super::ring::{Event, Ring};
use super::schedule::Schedule;
use super::workload::Stream;

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
    /// When requests leave.
    pub timing: Timing,
    /// Requests that this part may still issue.
    pub left: u64,
    /// Request streams, one for each client.
    pub streams: Vec<Stream>,
    /// The clients' connections: for each client one to each node of `routes`, in that order.
    pub links: Vec<Link>,
    /// Which node a key belongs to.
    pub routes: Routes,
    /// What all threads share of the class.
    pub shared: Arc<Shared>,
}

/// What makes a part's requests leave.
pub enum Timing {
    /// The replies: this many requests under way per client.
    Closed(usize),
    /// Intended times, the clients taking turns.
    Open(Schedule),
    /// The intended times and clients of a capture.
    Replay(std::vec::IntoIter<(u64, usize)>),
}

impl Timing {
    fn is_open(&self) -> bool {
        !matches!(self, Timing::Closed(_))
    }

    /// The next intended time; never, if there is none.
    #[inline]
    fn next_ns(&self) -> u64 {
        match self {
            Timing::Closed(_) => u64::MAX,
            Timing::Open(schedule) => schedule.next_ns(),
            Timing::Replay(times) => times.as_slice().first().map_or(u64::MAX, |next| next.0),
        }
    }

    #[inline]
    fn advance(&mut self) {
        match self {
            Timing::Closed(_) => {}
            Timing::Open(schedule) => schedule.advance(),
            Timing::Replay(times) => drop(times.next()),
        }
    }
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
    /// After which pause a broken connection is made anew; none leaves it broken.
    pub reconnect: Option<Duration>,
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
    /// Connections made anew.
    pub restored: usize,
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
    links: Vec<Link>,
    /// Links with something to send.
    dirty: Vec<usize>,
    lost: Option<(usize, String)>,
    reconnector: Option<Reconnector>,
    restored: usize,
    issuing: bool,
}

struct ClassState {
    class: usize,
    timing: Timing,
    left: u64,
    streams: Vec<Stream>,
    routes: Routes,
    /// The links of its first client begin here.
    first: usize,
    /// The client whose turn it is.
    next: usize,
    /// Links that work or will again.
    alive: usize,
    /// A cluster's requests are made here, before their node is known.
    scratch: Vec<u8>,
    recorder: Recorder,
    shared: Arc<Shared>,
}

impl ClassState {
    fn open(&self) -> bool {
        self.timing.is_open()
    }

    /// Whether no connection of a client is left.
    fn is_dead(&self, client: usize, links: &[Link]) -> bool {
        let nodes = self.routes.nodes().len();
        links[self.first + client * nodes..][..nodes].iter().all(|link| link.conn.dead)
    }

    /// Makes the next request of `client` on the link that it belongs to.
    #[inline]
    fn issue(&mut self, client: usize, intended: u64, now: u64, links: &mut [Link], dirty: &mut Vec<usize>) {
        let stream = &mut self.streams[client];
        if self.routes.nodes().len() == 1 {
            let index = self.first + client;
            links[index].conn.issue(intended, now, &mut self.recorder, |out| stream.next(out));
            return mark(&mut links[index], index, dirty);
        }
        self.scratch.clear();
        let (key, later) = stream.next_with_key(&mut self.scratch);
        let node = self.routes.route(key.map(|place| &self.scratch[place]), intended as usize);
        let nodes = self.routes.nodes().len();
        match node.map(|node| self.first + client * nodes + node).filter(|&index| !links[index].conn.dead) {
            Some(index) => {
                let bytes = &self.scratch;
                links[index].conn.issue(intended, now, &mut self.recorder, |out| {
                    out.extend_from_slice(bytes);
                    later
                });
                mark(&mut links[index], index, dirty);
            }
            None => {
                self.recorder.sent(intended, now, self.timing.is_open());
                self.recorder.lost(intended, now, now, "no connection to the node of the slot");
            }
        }
    }

    /// A closed loop's next request of `client`.
    fn refill(&mut self, client: usize, now: u64, links: &mut [Link], dirty: &mut Vec<usize>) {
        if self.left > 0 && self.streams[client].left() != Some(0) {
            self.left -= 1;
            self.issue(client, now, now, links, dirty);
        }
    }
}

/// Runs `parts` on the calling thread until the limits are reached.
pub fn run(parts: Vec<Part>, clock: Clock, limits: Limits) -> Result<Outcome, BenchError> {
    // SAFETY: sets a number of the calling thread; no memory is involved. Without it sleeps are prolonged by 50 µs.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1u64) };
    let mut worker = Worker {
        ring: Ring::new()?,
        clock,
        classes: Vec::new(),
        links: Vec::new(),
        dirty: Vec::new(),
        lost: None,
        reconnector: limits.reconnect.map(Reconnector::new),
        restored: 0,
        issuing: true,
        limits,
    };
    for part in parts {
        worker.classes.push(ClassState {
            class: part.class,
            timing: part.timing,
            left: part.left,
            streams: part.streams,
            routes: part.routes,
            first: worker.links.len(),
            next: 0,
            alive: part.links.len(),
            scratch: Vec::new(),
            recorder: Recorder::new(worker.limits.window, worker.limits.interval_ns),
            shared: part.shared,
        });
        worker.links.extend(part.links);
    }
    worker.run().map_err(|source| BenchError::Ring { step: "running", source })
}

impl Worker {
    fn run(mut self) -> io::Result<Outcome> {
        for (index, link) in self.links.iter().enumerate() {
            self.ring.receive(index, link.generation, link.fd())?;
        }
        while self.clock.now() == 0 {
            std::thread::sleep(Duration::from_micros(100));
        }
        let (cpu_start, wall_start) = (thread_cpu_ns(), self.clock.now());
        self.fill();
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
            if now >= deadline || (!self.issuing && self.links.iter().all(|l| l.conn.in_flight() == 0)) {
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
            while let Some(restored) = self.reconnector.as_mut().filter(|r| r.under_way > 0).and_then(|r| r.take()) {
                self.restore(restored)?;
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
    fn fill(&mut self) {
        for class in &mut self.classes {
            let Timing::Closed(depth) = class.timing else { continue };
            for client in 0..class.streams.len() {
                for _ in 0..depth {
                    let now = self.clock.now();
                    class.refill(client, now, &mut self.links, &mut self.dirty);
                }
            }
        }
    }

    /// Issues the open loops' requests that are due; gives the next intended time.
    fn issue(&mut self, now: u64) -> u64 {
        let mut next_due = u64::MAX;
        for class in self.classes.iter_mut().filter(|class| class.open()) {
            for _ in 0..BATCH {
                let due = class.timing.next_ns();
                if class.left == 0 || class.alive == 0 || due > now || due >= self.limits.window.to {
                    break;
                }
                let client = match &class.timing {
                    Timing::Replay(times) => times.as_slice()[0].1,
                    _ => {
                        // Clients take turns; one whose connections are gone passes its turn on.
                        while class.is_dead(class.next, &self.links) {
                            class.next = (class.next + 1) % class.streams.len();
                        }
                        let client = class.next;
                        class.next = if client + 1 == class.streams.len() { 0 } else { client + 1 };
                        client
                    }
                };
                if class.is_dead(client, &self.links) {
                    class.recorder.sent(due, now, true);
                    class.recorder.lost(due, now, now, "disconnected");
                } else {
                    class.issue(client, due, now, &mut self.links, &mut self.dirty);
                }
                class.left -= 1;
                class.timing.advance();
            }
            if class.left > 0 && class.alive > 0 {
                next_due = next_due.min(class.timing.next_ns());
            }
        }
        next_due
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut dirty = std::mem::take(&mut self.dirty);
        for index in dirty.drain(..) {
            let link = &mut self.links[index];
            link.dirty = false;
            if !link.wants_to_send() {
                continue;
            }
            let recorder = &mut self.classes[link.class].recorder;
            match link.send(self.clock.now(), recorder) {
                Ok(Sent::All) => {}
                Ok(Sent::Full) => {
                    link.conn.blocked = true;
                    self.ring.await_writable(index, link.generation, link.fd())?;
                }
                Err(e) => self.kill(index, &format!("send failed: {e}")),
            }
        }
        // What a broken connection left to be sent elsewhere.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
        Ok(())
    }

    fn handle(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        let now = self.clock.now();
        for event in events.drain(..) {
            match event {
                Event::Writable { connection, generation } if self.is_current(connection, generation) => {
                    let link = &mut self.links[connection];
                    link.conn.blocked = false;
                    mark(link, connection, &mut self.dirty);
                }
                Event::Received { connection, generation, buffer, .. } if !self.is_current(connection, generation) => {
                    buffer.into_iter().for_each(|(id, _)| self.ring.give_back(id));
                }
                Event::Received { connection, buffer: None, .. } => {
                    self.kill(connection, "the server closed the connection");
                }
                Event::Received { connection, buffer: Some(buffer), armed, .. } => {
                    self.received(connection, buffer, armed, now)?;
                }
                Event::ReceiveFailed { connection, generation, errno } if self.is_current(connection, generation) => {
                    match errno {
                        libc::ENOBUFS | libc::EINTR | libc::EAGAIN => {
                            let link = &self.links[connection];
                            self.ring.receive(connection, generation, link.fd())?;
                        }
                        _ => self.kill(connection, &io::Error::from_raw_os_error(errno).to_string()),
                    }
                }
                Event::Writable { .. } | Event::ReceiveFailed { .. } => {}
            }
        }
        Ok(())
    }

    fn is_current(&self, connection: usize, generation: u32) -> bool {
        let link = &self.links[connection];
        link.generation == generation && !link.conn.dead
    }

    #[inline]
    fn received(&mut self, index: usize, buffer: (u16, usize), armed: bool, now: u64) -> io::Result<()> {
        let link = &mut self.links[index];
        let class = &mut self.classes[link.class];
        let outcome = link.received(self.ring.bytes(buffer), now, &mut class.recorder);
        self.ring.give_back(buffer.0);
        let replies = match outcome {
            Ok(replies) => replies,
            Err(reason) => {
                self.kill(index, &reason);
                return Ok(());
            }
        };
        if !armed {
            self.ring.receive(index, link.generation, link.fd())?;
        }
        if let Some((slot, address)) = link.conn.take_moved() {
            class.routes.moved(slot, &address);
        }
        if link.wants_to_send() {
            mark(link, index, &mut self.dirty);
        }
        let client = link.client;
        if replies > 0 {
            answered(class, replies, now);
            if !class.open() && self.issuing && now < self.limits.window.to {
                (0..replies).for_each(|_| class.refill(client, now, &mut self.links, &mut self.dirty));
            }
        }
        Ok(())
    }

    #[cold]
    fn kill(&mut self, index: usize, reason: &str) {
        let link = &mut self.links[index];
        if link.conn.dead {
            return;
        }
        let class = &mut self.classes[link.class];
        self.lost.get_or_insert_with(|| (0, reason.to_string())).0 += 1;
        link.shut_down();
        let cut_off = link.conn.cut_off(self.clock.now(), &mut class.recorder);
        match &mut self.reconnector {
            // Until it is back, requests queue: that is what users do.
            Some(reconnector) => {
                link.generation += 1;
                link.conn.blocked = true;
                link.owed += cut_off;
                reconnector.ask(index, link.generation, link.target.clone());
            }
            None => {
                link.conn.dead = true;
                class.alive -= 1;
                // Nobody else sends what this client of a capture had still to send.
                if let (false, Some(left)) = (class.timing.is_open(), class.streams[link.client].left()) {
                    class.left = class.left.saturating_sub(left as u64);
                }
            }
        }
    }

    /// A connection works again.
    #[cold]
    fn restore(&mut self, (index, generation, made): Restored) -> io::Result<()> {
        let link = &mut self.links[index];
        if link.generation != generation {
            return Ok(());
        }
        link.restart(made);
        self.restored += 1;
        self.ring.receive(index, generation, link.fd())?;
        mark(link, index, &mut self.dirty);
        let (owed, client) = (std::mem::take(&mut link.owed), link.client);
        let (class, now) = (&mut self.classes[link.class], self.clock.now());
        if !class.open() && self.issuing && now < self.limits.window.to {
            (0..owed).for_each(|_| class.refill(client, now, &mut self.links, &mut self.dirty));
        }
        Ok(())
    }

    fn finish(mut self, busy: f64, ended: u64) -> Outcome {
        let now = self.clock.now();
        for link in &mut self.links {
            link.conn.abandon(now, "no reply in time", &mut self.classes[link.class].recorder);
        }
        for class in self.classes.iter_mut().filter(|class| class.open()) {
            // Due, and never sent: nobody was left to send it to, or the generator was too slow for the rate, or it was
            // stopped with requests in arrears.
            let reason = match class.alive {
                0 => "no connection left",
                _ => "not sent in time by the generator",
            };
            while class.left > 0 && class.timing.next_ns() < ended.min(self.limits.window.to) {
                class.recorder.sent(class.timing.next_ns(), now, true);
                class.recorder.lost(class.timing.next_ns(), now, now, reason);
                class.left -= 1;
                class.timing.advance();
            }
        }
        let records = self.classes.into_iter().map(|c| (c.class, c.recorder)).collect();
        Outcome { records, busy, lost: self.lost, restored: self.restored, ended }
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
