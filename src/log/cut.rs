//! The durable cut over all cores (rule X1), at run time and at recovery.
//!
//! A core's records may be acknowledged up to its place in the cut: the greatest cut at or below what is written in which
//! every mark has all its parts. [`greatest_cut`] is that definition, and both users share it: [`DurableCut`] while the server
//! runs, recovery over what it found.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};

use super::rounds::Rounds;
use super::types::{CoreSet, Lsn, Mark};

/// One core's marks by LSN.
pub(crate) type CoreMarks = BTreeMap<Lsn, Mark>;

/// Lowers `cut` (per core, at first what is written) until every mark in it has all its parts in it.
///
/// `place` says where a transaction's mark stands in a core's log, if it was logged. A core beyond the end of `cut` has no part.
pub(crate) fn greatest_cut(cut: &mut [Lsn], marks: &[CoreMarks], place: impl Fn(u64, u16) -> Option<Lsn>) {
    assert_eq!(cut.len(), marks.len());
    loop {
        let mut lowered = false;
        for core in 0..cut.len() {
            let broken = marks[core].range(..=cut[core]).find(|(_, mark)| {
                mark.participants.iter().any(|partner| {
                    let reached = cut.get(partner as usize).copied().unwrap_or(0);
                    place(mark.tx_id, partner).is_none_or(|lsn| lsn > reached)
                })
            });
            if let Some((&lsn, _)) = broken {
                cut[core] = lsn - 1;
                lowered = true;
            }
        }
        if !lowered {
            return;
        }
    }
}

/// The published cut of one core, on a cache line of its own.
#[repr(align(128))]
#[derive(Debug, Default)]
struct Published(AtomicU64);

/// The run-time cut, shared by all cores. A core without unresolved marks publishes without a lock.
#[derive(Debug)]
pub struct DurableCut {
    published: Box<[Published]>,
    rounds: Rounds,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    written: Vec<Lsn>,
    /// Marks whose transaction is not yet wholly in the cut.
    unresolved: Vec<CoreMarks>,
    transactions: HashMap<u64, Transaction>,
    poisoned: CoreSet,
}

#[derive(Debug)]
struct Transaction {
    participants: CoreSet,
    places: Vec<(u16, Lsn)>,
}

impl State {
    fn place(&self, tx_id: u64, core: u16) -> Option<Lsn> {
        let places = &self.transactions.get(&tx_id)?.places;
        places.iter().find(|(at, _)| *at == core).map(|&(_, lsn)| lsn)
    }
}

impl DurableCut {
    /// The cut of a new incarnation of `cores` cores: all stand at 0.
    pub fn new(cores: u16) -> Self {
        let rounds = Rounds::new(cores);
        let cores = cores as usize;
        DurableCut {
            published: (0..cores).map(|_| Published::default()).collect(),
            rounds,
            state: Mutex::new(State {
                written: vec![0; cores],
                unresolved: vec![CoreMarks::new(); cores],
                transactions: HashMap::new(),
                poisoned: CoreSet::EMPTY,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic on any core ends the process in production; in tests the state is whole between statements that can panic.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The rounds, where replies do not wait for the disk.
    pub fn rounds(&self) -> &Rounds {
        &self.rounds
    }

    /// How far `core` may acknowledge.
    #[inline]
    pub fn durable_lsn(&self, core: u16) -> Lsn {
        self.published[core as usize].0.load(Ordering::Acquire)
    }

    /// A core logged its part of a transaction at `lsn`; everything up to `written` is on its medium.
    pub fn logged(&self, core: u16, lsn: Lsn, mark: Mark, written: Lsn) {
        let mut state = self.lock();
        let at = core as usize;
        assert!(mark.participants.contains(core) && lsn > written, "a core marks its own part, before it is written");
        assert!(written >= state.written[at], "what is written stays written");
        state.written[at] = written;
        let previous = state.unresolved[at].insert(lsn, mark);
        assert!(previous.is_none(), "one record has one mark");
        let transaction = state
            .transactions
            .entry(mark.tx_id)
            .or_insert_with(|| Transaction { participants: mark.participants, places: Vec::new() });
        assert!(transaction.participants == mark.participants, "all parts name the same participants");
        assert!(transaction.places.iter().all(|&(other, _)| other != core), "a core takes part once");
        transaction.places.push((core, lsn));
    }

    /// A core without unresolved marks has everything up to `written` on its medium.
    #[inline]
    pub(crate) fn publish_unmarked(&self, core: u16, written: Lsn) {
        self.published[core as usize].0.store(written, Ordering::Release);
    }

    /// A core has everything up to `written` on its medium. Says which cores' cut rose (that core included) and whether it
    /// still has unresolved marks.
    pub fn written(&self, core: u16, written: Lsn) -> Advance {
        let mut state = self.lock();
        let state = &mut *state;
        let at = core as usize;
        assert!(written >= state.written[at], "what is written stays written");
        state.written[at] = written;
        let mut cut = state.written.clone();
        greatest_cut(&mut cut, &state.unresolved, |tx_id, partner| state.place(tx_id, partner));
        let mut advanced = CoreSet::EMPTY;
        for (other, &lsn) in cut.iter().enumerate() {
            let had_marks = !state.unresolved[other].is_empty();
            let beyond = state.unresolved[other].split_off(&(lsn + 1));
            for (_, mark) in std::mem::replace(&mut state.unresolved[other], beyond) {
                // The last participant to resolve it forgets the transaction.
                let transaction =
                    state.transactions.get_mut(&mark.tx_id).expect("an unresolved mark has its transaction");
                transaction.participants.remove(other as u16);
                if transaction.participants.is_empty() {
                    state.transactions.remove(&mark.tx_id);
                }
            }
            // A core without marks publishes by itself and may be ahead of what this state knows.
            if (other == at || had_marks) && self.published[other].0.fetch_max(lsn, Ordering::AcqRel) < lsn {
                advanced.insert(other as u16);
            }
        }
        Advance { advanced, marks_left: !state.unresolved[at].is_empty() }
    }

    /// A core's log failed for good. Returns every core that can no longer acknowledge all it ran, itself included: those with
    /// an unresolved mark shared with one of them (rule F1).
    pub fn poison(&self, core: u16) -> CoreSet {
        let mut state = self.lock();
        state.poisoned.insert(core);
        loop {
            let before = state.poisoned;
            let mut reached = before;
            for (other, marks) in state.unresolved.iter().enumerate() {
                if marks.values().any(|mark| mark.participants.0 & before.0 != 0) {
                    reached.insert(other as u16);
                }
            }
            state.poisoned = reached;
            if reached == before {
                return reached;
            }
        }
    }
}

/// What [`DurableCut::written`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advance {
    /// Cores whose `durable_lsn` rose.
    pub advanced: CoreSet,
    /// Whether the calling core still has marks that wait for partners.
    pub marks_left: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u16 = 0;
    const B: u16 = 1;
    const C: u16 = 2;

    fn mark(tx_id: u64, cores: &[u16]) -> Mark {
        Mark { tx_id, participants: cores.iter().copied().collect() }
    }

    /// T2 on B and C at b1, T1 on A and B at a1, b2 > b1. All but c1 is on disk: nothing that follows may be acknowledged.
    #[test]
    fn x1_counterexample_t1_t2() {
        let cut = DurableCut::new(3);
        let (t1, t2) = (mark(1, &[A, B]), mark(2, &[B, C]));
        cut.logged(B, 1, t2, 0);
        cut.logged(C, 1, t2, 0);
        cut.logged(A, 1, t1, 0);
        cut.logged(B, 2, t1, 0);
        assert!(cut.written(A, 2).advanced.is_empty(), "a2 depends on a1, so on b2, so on b1, so on c1");
        assert!(cut.written(B, 2).advanced.is_empty());
        assert_eq!((cut.durable_lsn(A), cut.durable_lsn(B)), (0, 0));
        let advance = cut.written(C, 1);
        assert_eq!(advance.advanced, [A, B, C].into_iter().collect());
        assert_eq!((cut.durable_lsn(A), cut.durable_lsn(B), cut.durable_lsn(C)), (2, 2, 1));
        assert!(cut.lock().transactions.is_empty());
    }

    #[test]
    fn x1_crossed_orders_resolve_together() {
        let cut = DurableCut::new(2);
        let (t, u) = (mark(1, &[A, B]), mark(2, &[A, B]));
        cut.logged(A, 1, t, 0);
        cut.logged(A, 2, u, 0);
        cut.logged(B, 1, u, 0);
        cut.logged(B, 2, t, 0);
        assert!(cut.written(A, 2).advanced.is_empty());
        assert!(cut.written(B, 1).advanced.is_empty(), "u is on both, but behind t on A");
        assert_eq!(cut.written(B, 2).advanced.len(), 2);
    }

    #[test]
    fn x1_records_before_an_unresolved_mark_are_acknowledged() {
        let cut = DurableCut::new(2);
        cut.logged(A, 3, mark(1, &[A, B]), 0);
        let advance = cut.written(A, 5);
        assert_eq!((cut.durable_lsn(A), advance.marks_left), (2, true), "a partner that has not logged holds the mark");
    }

    #[test]
    fn f1_poison_spreads_over_shared_marks_only() {
        let cut = DurableCut::new(6);
        cut.logged(A, 1, mark(1, &[A, B]), 0);
        cut.logged(B, 1, mark(1, &[A, B]), 0);
        cut.logged(B, 2, mark(2, &[B, C]), 0);
        cut.logged(C, 1, mark(2, &[B, C]), 0);
        // Two that have nothing to do with those, and one without a mark.
        cut.logged(3, 1, mark(3, &[3, 4]), 0);
        cut.logged(4, 1, mark(3, &[3, 4]), 0);
        cut.written(5, 1);
        assert_eq!(cut.poison(A), [A, B, C].into_iter().collect());
    }
}
