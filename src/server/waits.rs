//! The clients of a core that wait, whatever for: until when, and how a wait ends before anything has come.

use super::core::Core;
use crate::net::ConnRef;
use crate::shard::message::{Answer, Envelope, Request, TxId};
use std::collections::{BTreeSet, HashMap};

/// A wait under way whose client is on this core.
pub struct Blocked {
    /// The client.
    at: ConnRef,
    /// When it ends at the latest, unix ms.
    pub(super) deadline_ms: u64,
    /// Whom to tell that it has ended; nobody: the task itself.
    cores: Vec<usize>,
    /// It ends with an error (CLIENT UNBLOCK).
    with_error: bool,
}

impl Blocked {
    /// A client waits for what comes of these cores.
    pub(super) fn new(at: ConnRef, deadline_ms: u64, cores: Vec<usize>) -> Blocked {
        Blocked { at, deadline_ms, cores, with_error: false }
    }
}

/// The waits of a core's clients, by the number of their task.
#[derive(Default)]
pub struct Waits {
    by_number: HashMap<u64, Blocked>,
    /// Deadline and number of those that have one and were not told yet that it is over.
    deadlines: BTreeSet<(u64, u64)>,
}

impl Waits {
    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }

    /// A wait begins.
    pub(super) fn insert(&mut self, number: u64, blocked: Blocked) {
        if blocked.deadline_ms < u64::MAX {
            self.deadlines.insert((blocked.deadline_ms, number));
        }
        self.by_number.insert(number, blocked);
    }

    /// A wait has ended.
    pub(super) fn remove(&mut self, number: u64) {
        if let Some(blocked) = self.by_number.remove(&number) {
            self.deadlines.remove(&(blocked.deadline_ms, number));
        }
    }

    /// Whether a wait ends with an error.
    pub(super) fn is_error(&self, number: u64) -> bool {
        self.by_number.get(&number).is_some_and(|one| one.with_error)
    }

    /// Has the wait of a client end, with an error or without; says whether it waits.
    pub(super) fn mark_unblocked(&mut self, at: ConnRef, with_error: bool) -> bool {
        let blocked = self.by_number.values_mut().find(|one| one.at == at);
        blocked.map(|one| one.with_error = with_error).is_some()
    }

    /// When the next wait ends by time, unix ms.
    #[inline]
    fn next_deadline_ms(&self) -> Option<u64> {
        self.deadlines.first().map(|&(deadline_ms, _)| deadline_ms)
    }
}

impl Core {
    /// When the next wait of this core's clients ends by time, unix ms.
    #[inline]
    pub fn next_deadline_ms(&self) -> Option<u64> {
        self.blocked.next_deadline_ms()
    }

    /// Ends a wait on cores where it has not ended yet; those answer.
    fn end_waiting(&mut self, number: u64, cores: &[usize]) {
        let me = self.me();
        let tx = TxId { core: me as u16, number };
        if cores.is_empty() {
            self.tasks.answer(number, me, Answer::Busy);
        }
        for &core in cores {
            if core != me {
                self.mesh.send(core, Envelope::Request { tx, request: Request::Forget });
            } else if let Some(answer) = self.participate(tx, Request::Forget) {
                self.tasks.answer(number, core, answer);
            }
        }
    }

    /// Ends the waits that are over.
    pub(super) fn end_waits(&mut self, is_over: impl Fn(&Blocked) -> bool) {
        let over = self.blocked.by_number.iter().filter(|(_, one)| is_over(one));
        let over: Vec<(u64, Vec<usize>)> = over.map(|(&number, one)| (number, one.cores.clone())).collect();
        for (number, cores) in over {
            self.end_waiting(number, &cores);
        }
    }

    /// Ends the waits whose time is over.
    pub fn end_late_waits(&mut self) {
        while let Some(&(deadline_ms, number)) = self.blocked.deadlines.first() {
            if deadline_ms > self.now_ms {
                break;
            }
            self.blocked.deadlines.pop_first();
            let cores = self.blocked.by_number.get(&number).map(|one| one.cores.clone());
            if let Some(cores) = cores {
                self.end_waiting(number, &cores);
            }
        }
    }

    /// Ends the wait of a client that has gone.
    pub(super) fn end_wait_of(&mut self, at: ConnRef) {
        self.end_waits(|one| one.at == at);
    }
}
