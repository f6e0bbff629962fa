//! The mesh: how cores talk. Between any two cores runs a queue with one writer and one reader each way; a core that
//! sleeps is rung once per pass, through its ring.

use crossbeam_utils::CachePadded;
use rtrb::{Consumer, Producer, RingBuffer};
use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering, fence};

/// Messages that fit a queue; what does not fit waits with its sender, so this bounds memory that is shared, not work.
const LANE_MESSAGES: usize = 256;

/// What the other cores need to know of a core.
struct Bedside {
    /// Set while the core sleeps or is about to; whoever clears it rings.
    asleep: AtomicBool,
    /// The core's ring, where a bell is sent to; -1 before it exists.
    ring: AtomicI32,
}

struct Lane<M> {
    producer: Producer<M>,
    /// Messages that did not fit, in order.
    overflow: VecDeque<M>,
    /// Whether something was sent since the last flush.
    fresh: bool,
}

/// One core's end of the mesh; `M` is the message.
pub struct Mesh<M> {
    me: usize,
    lanes: Vec<Option<Lane<M>>>,
    inboxes: Vec<Option<Consumer<M>>>,
    /// Messages stay here until the flush.
    held: bool,
    bedsides: Arc<[CachePadded<Bedside>]>,
}

impl<M> Mesh<M> {
    /// The ends of a mesh of `cores` cores, in order.
    pub fn build(cores: usize) -> Vec<Mesh<M>> {
        let bedsides: Arc<[_]> = (0..cores)
            .map(|_| CachePadded::new(Bedside { asleep: AtomicBool::new(false), ring: AtomicI32::new(-1) }))
            .collect();
        let mut ends: Vec<Mesh<M>> = (0..cores)
            .map(|me| Mesh {
                me,
                lanes: (0..cores).map(|_| None).collect(),
                inboxes: (0..cores).map(|_| None).collect(),
                held: false,
                bedsides: bedsides.clone(),
            })
            .collect();
        for from in 0..cores {
            for to in (0..cores).filter(|&to| to != from) {
                let (producer, consumer) = RingBuffer::new(LANE_MESSAGES);
                ends[from].lanes[to] = Some(Lane { producer, overflow: VecDeque::new(), fresh: false });
                ends[to].inboxes[from] = Some(consumer);
            }
        }
        ends
    }

    /// This core's number.
    pub fn me(&self) -> usize {
        self.me
    }

    /// Number of cores.
    pub fn cores(&self) -> usize {
        self.lanes.len()
    }

    /// Says where this core's bell is.
    pub fn set_ring(&self, ring: RawFd) {
        self.bedsides[self.me].ring.store(ring, Ordering::Release);
    }

    /// Queues a message for another core; it goes out at the next [`Mesh::flush`] at the latest.
    pub fn send(&mut self, to: usize, message: M) {
        let lane = self.lanes[to].as_mut().expect("a core does not write to itself");
        lane.fresh = true;
        if self.held || !lane.overflow.is_empty() {
            lane.overflow.push_back(message);
        } else if let Err(rtrb::PushError::Full(message)) = lane.producer.push(message) {
            lane.overflow.push_back(message);
        }
    }

    /// Whether messages wait for the next [`Mesh::flush`] to be seen, so that nothing of a pass is known elsewhere before the
    /// kernel has what the pass logged.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// The messages that the receivers can't see yet.
    pub fn unseen(&mut self) -> impl Iterator<Item = &mut M> {
        self.lanes.iter_mut().flatten().flat_map(|lane| lane.overflow.iter_mut())
    }

    /// Moves what overflowed, and calls `ring_bell` with the ring of each core that sleeps and has mail.
    pub fn flush(&mut self, mut ring_bell: impl FnMut(RawFd)) {
        for (to, lane) in self.lanes.iter_mut().enumerate() {
            let Some(lane) = lane else { continue };
            if !lane.fresh {
                continue;
            }
            while let Some(message) = lane.overflow.pop_front() {
                if let Err(rtrb::PushError::Full(message)) = lane.producer.push(message) {
                    lane.overflow.push_front(message);
                    break;
                }
            }
            lane.fresh = !lane.overflow.is_empty();
            let bedside = &self.bedsides[to];
            // The message must be seen by a core that then finds itself still marked asleep, or its mark by us.
            fence(Ordering::SeqCst);
            if bedside.asleep.load(Ordering::Relaxed) && bedside.asleep.swap(false, Ordering::AcqRel) {
                let ring = bedside.ring.load(Ordering::Acquire);
                if ring >= 0 {
                    ring_bell(ring);
                }
            }
        }
    }

    /// Whether messages wait for room in another core's queue, so that the core must not sleep long.
    pub fn has_overflow(&self) -> bool {
        self.lanes.iter().flatten().any(|lane| !lane.overflow.is_empty())
    }

    /// The next message from any core, starting behind `*turn` so that none is served first always.
    pub fn receive(&mut self, turn: &mut usize) -> Option<(usize, M)> {
        let cores = self.inboxes.len();
        for step in 0..cores {
            let from = (*turn + step) % cores;
            if let Some(inbox) = &mut self.inboxes[from]
                && let Ok(message) = inbox.pop()
            {
                *turn = from;
                return Some((from, message));
            }
        }
        *turn = (*turn + 1) % cores;
        None
    }

    /// Whether a message is waiting here.
    #[inline]
    pub fn has_mail(&self) -> bool {
        self.inboxes.iter().flatten().any(|inbox| !inbox.is_empty())
    }

    /// Marks this core asleep; `false`, and awake again, if mail has come in the meantime.
    pub fn fall_asleep(&self) -> bool {
        if self.lanes.len() == 1 {
            return true;
        }
        self.bedsides[self.me].asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.has_mail() {
            self.wake_up();
            return false;
        }
        true
    }

    /// Marks this core awake.
    #[inline]
    pub fn wake_up(&self) {
        if self.lanes.len() > 1 {
            self.bedsides[self.me].asleep.store(false, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_messages_than_fit_arrive_in_order() {
        let mut ends = Mesh::<u32>::build(2);
        let (mut b, mut a) = (ends.pop().unwrap(), ends.pop().unwrap());
        for n in 0..1000 {
            a.send(1, n);
        }
        let (mut turn, mut got) = (0, Vec::new());
        while got.len() < 1000 {
            while let Some((from, n)) = b.receive(&mut turn) {
                assert_eq!(from, 0);
                got.push(n);
            }
            a.flush(|_| {});
        }
        assert_eq!(got, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn a_sleeper_is_rung_once_and_never_sleeps_over_mail() {
        let mut ends = Mesh::<u32>::build(2);
        let (b, mut a) = (ends.pop().unwrap(), ends.pop().unwrap());
        b.set_ring(7);
        assert!(b.fall_asleep());
        let mut bells = Vec::new();
        a.send(1, 1);
        a.flush(|ring| bells.push(ring));
        a.send(1, 2);
        a.flush(|ring| bells.push(ring));
        assert_eq!(bells, [7]);
        assert!(!b.fall_asleep(), "mail is waiting");
    }
}
