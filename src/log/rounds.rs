//! Rounds: what survives a loss of power where replies do not wait for the disk (rule X7).
//!
//! A round ends at one moment for all cores: the number in [`Rounds::current`] rises. Each core looks at it before it runs anything
//! that came in from outside (at the start of a pass, and with each message of another core) and so knows its last record of the round
//! that ended. Nobody stops. Why these places are a prefix of the whole history: if a write depends on another one, what told of
//! the other (a reply that its client saw, a message between cores) was there before the number was read for it, so its round is no
//! earlier. Multi-core writes log all their parts within one round: [`Rounds::begin_spanning`] and [`Rounds::end_spanning`] enclose
//! that step, and the number rises only while nobody is between them.
//!
//! The last core to look has the whole vector and logs it. A round is durable when every core has synced up to its place in the vector,
//! and the core that logged it has synced the vector. A core that logs nothing reaches every vector, so it holds nothing up.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use super::types::{Lsn, RoundVector};

/// A core's word, on a cache line of its own.
#[repr(align(128))]
#[derive(Debug, Default)]
struct Word(AtomicU64);

/// The rounds of one incarnation, shared by all cores.
#[derive(Debug)]
pub struct Rounds {
    /// The round under way.
    current: AtomicU64,
    /// The round is to end: no multi-core write begins to log.
    turning: AtomicBool,
    /// Multi-core writes that are logging, by coordinating core.
    spanning: Box<[Word]>,
    /// The newest record that the kernel has, by core.
    handed: Box<[Word]>,
    /// By core, its place in the newest durable round.
    durable: Box<[Word]>,
    durable_round: AtomicU64,
    /// What is not durable has grown too old.
    behind: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Rounds that have ended and are not durable, oldest first.
    pending: VecDeque<Pending>,
    synced: Vec<Lsn>,
    /// By core, the newest vector that it logged and synced.
    vectors_synced: Vec<u64>,
    /// Everything logged before was durable at this time.
    durable_ms: u64,
    /// Why no round can become durable.
    obstacle: Option<(u16, String)>,
}

#[derive(Debug)]
struct Pending {
    round: u64,
    ended_ms: u64,
    ends: Vec<Option<Lsn>>,
    /// Who logs the vector, once it is complete.
    logger: Option<u16>,
}

impl Rounds {
    /// For a new incarnation of `cores` cores.
    pub(crate) fn new(cores: u16) -> Self {
        let cores = cores as usize;
        let words = || (0..cores).map(|_| Word::default()).collect();
        Rounds {
            current: AtomicU64::new(1),
            turning: AtomicBool::new(false),
            spanning: words(),
            handed: words(),
            durable: words(),
            durable_round: AtomicU64::new(0),
            behind: AtomicBool::new(false),
            state: Mutex::new(State {
                pending: VecDeque::new(),
                synced: vec![0; cores],
                vectors_synced: vec![0; cores],
                durable_ms: 0,
                obstacle: None,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic on any core ends the process in production; in tests the state is whole between statements that can panic.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn cores(&self) -> usize {
        self.handed.len()
    }

    /// The round under way. To be read again after anything has come in, and before it is acted upon.
    #[inline]
    pub fn current(&self) -> u64 {
        self.current.load(Ordering::Acquire)
    }

    /// Everything of `core` up to here survives a loss of power.
    #[inline]
    pub fn durable_lsn(&self, core: u16) -> Lsn {
        self.durable[core as usize].0.load(Ordering::Acquire)
    }

    /// The newest durable round; 0: none yet.
    pub fn durable_round(&self) -> u64 {
        self.durable_round.load(Ordering::Acquire)
    }

    /// `core` begins to log a multi-core write that it coordinates. `false`: a round is about to end, try again soon; then
    /// [`Rounds::end_spanning`] is due all the same.
    pub fn begin_spanning(&self, core: u16) -> bool {
        self.spanning[core as usize].0.fetch_add(1, Ordering::SeqCst);
        !self.turning.load(Ordering::SeqCst)
    }

    /// All parts are logged. `true`: a round waits for this to end; call [`Rounds::turn`].
    pub fn end_spanning(&self, core: u16) -> bool {
        let before = self.spanning[core as usize].0.fetch_sub(1, Ordering::SeqCst);
        assert!(before > 0, "what ends has begun");
        self.turning.load(Ordering::SeqCst)
    }

    /// Ends the round if anything was logged in it. `true`: it has ended; all cores should be told to look. If multi-core
    /// writes are being logged it ends when they are done ([`Rounds::end_spanning`]).
    pub fn turn(&self, now_ms: u64) -> bool {
        let mut state = self.lock();
        if self.cores() == 1 || state.pending.back().is_some_and(|pending| pending.logger.is_none()) {
            // With one core its log is the whole history. Otherwise someone has not looked yet.
            return false;
        }
        let newest = state.pending.back();
        let stood = |core: usize| {
            let vector = newest.and_then(|pending| pending.ends[core]).unwrap_or(0);
            vector.max(self.durable[core].0.load(Ordering::Acquire))
        };
        let idle = (0..self.cores()).all(|core| self.handed[core].0.load(Ordering::Acquire) <= stood(core));
        if idle {
            self.turning.store(false, Ordering::SeqCst);
            return false;
        }
        self.turning.store(true, Ordering::SeqCst);
        if self.spanning.iter().any(|core| core.0.load(Ordering::SeqCst) > 0) {
            return false;
        }
        let round = self.current.fetch_add(1, Ordering::SeqCst);
        self.turning.store(false, Ordering::SeqCst);
        let ends = vec![None; self.cores()];
        state.pending.push_back(Pending { round, ended_ms: now_ms, ends, logger: None });
        true
    }

    /// `core` has seen that the round ended; `last_lsn` is its last record before that. The last one to see it gets the vector, to
    /// log it.
    pub(crate) fn seen(&self, core: u16, last_lsn: Lsn) -> Option<RoundVector> {
        let mut state = self.lock();
        let pending = state.pending.back_mut()?;
        if pending.logger.is_some() || pending.ends[core as usize].is_some() {
            return None;
        }
        pending.ends[core as usize] = Some(last_lsn);
        let lsns: Vec<Lsn> = pending.ends.iter().copied().collect::<Option<_>>()?;
        pending.logger = Some(core);
        Some(RoundVector { round: pending.round, lsns })
    }

    /// The kernel has everything of `core` up to `lsn`.
    pub(crate) fn handed(&self, core: u16, lsn: Lsn) {
        self.handed[core as usize].0.store(lsn, Ordering::Release);
    }

    /// `core` has synced its log up to `lsn`, and the vectors that it logged up to `round`. `true`: a newer round is durable.
    pub(crate) fn synced(&self, core: u16, lsn: Lsn, round: u64) -> bool {
        let mut state = self.lock();
        let state = &mut *state;
        let at = core as usize;
        state.synced[at] = state.synced[at].max(lsn);
        state.vectors_synced[at] = state.vectors_synced[at].max(round);
        if self.cores() == 1 {
            self.behind.store(false, Ordering::Relaxed);
            return self.durable[0].0.fetch_max(lsn, Ordering::AcqRel) < lsn;
        }
        let reached = state.pending.iter().rposition(|pending| {
            let logged = pending.logger.is_some_and(|logger| state.vectors_synced[logger as usize] >= pending.round);
            logged && pending.ends.iter().zip(&state.synced).all(|(end, synced)| end.is_some_and(|end| end <= *synced))
        });
        let Some(reached) = reached else { return false };
        let Some(pending) = state.pending.drain(..=reached).next_back() else { return false };
        for (core, end) in pending.ends.iter().enumerate() {
            self.durable[core].0.fetch_max(end.unwrap_or(0), Ordering::AcqRel);
        }
        self.durable_round.store(pending.round, Ordering::Release);
        state.durable_ms = state.durable_ms.max(pending.ended_ms);
        self.behind.store(false, Ordering::Relaxed);
        true
    }

    /// A generation ended: everything of `core` up to `lsn`, and of the others up to their ends, is settled by the manifest.
    pub(crate) fn settle(&self, core: u16, lsn: Lsn) {
        let mut state = self.lock();
        state.pending.clear();
        state.obstacle = None;
        let at = core as usize;
        state.synced[at] = lsn;
        self.handed[at].0.store(lsn, Ordering::Release);
        self.durable[at].0.store(lsn, Ordering::Release);
    }

    /// Whether everything that the kernel was given survives a loss of power.
    pub fn is_all_durable(&self) -> bool {
        let mut cores = self.handed.iter().zip(&self.durable);
        cores.all(|(handed, durable)| handed.0.load(Ordering::Acquire) <= durable.0.load(Ordering::Acquire))
    }

    /// Looks how old the oldest write is that a loss of power would take. Beyond `limit_ms` writers are held back until a round
    /// is durable. Returns whether that has just begun.
    pub fn watch(&self, now_ms: u64, limit_ms: u64) -> bool {
        let mut state = self.lock();
        if self.is_all_durable() {
            state.durable_ms = now_ms;
        }
        let behind = now_ms.saturating_sub(state.durable_ms) > limit_ms;
        !self.behind.swap(behind, Ordering::Relaxed) && behind
    }

    /// Whether writers are to be held back.
    #[inline]
    pub fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed)
    }

    /// Says why no round can become durable, as long as that is so: `core` finds no room.
    pub(crate) fn obstruct(&self, core: u16, reason: Option<String>) {
        let mut state = self.lock();
        match reason {
            Some(reason) => state.obstacle = Some((core, reason)),
            None => drop(state.obstacle.take_if(|(by, _)| *by == core)),
        }
    }

    /// Why writers that are held back would wait in vain.
    pub(crate) fn obstacle(&self) -> Option<String> {
        self.lock().obstacle.as_ref().map(|(core, reason)| format!("core {core}: {reason}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x7_a_round_is_durable_when_every_core_has_reached_its_place_and_the_vector_is_synced() {
        let rounds = Rounds::new(3);
        rounds.handed(0, 5);
        assert!(rounds.turn(10));
        assert!(!rounds.turn(11), "nobody has looked yet");
        assert_eq!((rounds.seen(0, 5), rounds.seen(1, 0)), (None, None));
        let vector = rounds.seen(2, 0).unwrap();
        assert_eq!(vector, RoundVector { round: 1, lsns: vec![5, 0, 0] });
        assert!(!rounds.synced(0, 5, 0), "the vector is not on the medium");
        assert!(rounds.synced(2, 0, 1), "the idle cores have nothing to sync");
        assert_eq!((rounds.durable_lsn(0), rounds.durable_round()), (5, 1));
        assert!(!rounds.turn(20), "nothing new");
    }

    #[test]
    fn x7_a_round_does_not_end_between_the_parts_of_a_multi_core_write() {
        let rounds = Rounds::new(2);
        assert!(rounds.begin_spanning(1));
        rounds.handed(0, 1);
        assert!(!rounds.turn(1));
        assert_eq!(rounds.current(), 1);
        assert!(!rounds.begin_spanning(0), "new ones are held off");
        assert!(rounds.end_spanning(0));
        assert!(!rounds.turn(2));
        assert!(rounds.end_spanning(1) && rounds.turn(3));
        assert_eq!(rounds.current(), 2);
        assert!(rounds.begin_spanning(0));
    }

    #[test]
    fn x7_what_is_not_durable_for_too_long_holds_writers_back_until_it_is() {
        let rounds = Rounds::new(2);
        assert!(!rounds.watch(100_000, 1000), "nothing was ever written");
        rounds.handed(0, 1);
        assert!(!rounds.watch(100_900, 1000));
        assert!(rounds.watch(101_100, 1000) && rounds.is_behind());
        assert!(rounds.turn(101_100));
        rounds.seen(1, 0);
        let vector = rounds.seen(0, 1).unwrap();
        rounds.synced(0, 1, vector.round);
        assert!(!rounds.is_behind());
    }
}
