//! Clients that wait for keys of this core to change (BLPOP and its kin), in order of arrival.
//!
//! A waiter whose keys all live here is served here. One with keys on several cores can only be told that it is its turn:
//! it is then *on trial* until its core has tried the command, and those behind it in the line of that key wait for the
//! outcome. Either way a waiter that got nothing keeps its place. Each change of a key has a number, so that nobody is
//! tried twice for the same one.

use super::locks::LockKey;
use super::message::{StepCommand, TxId};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

/// What a waiter can use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wants {
    /// A value of this type, by Redis's number of it.
    Type(u8),
    /// Any change of the key, also that it goes (XREADGROUP: its group may be gone with it).
    Anything,
}

/// Redis's number of the type of streams.
const STREAM: u8 = 6;

/// One that waits.
struct Sleeper {
    keys: Vec<LockKey>,
    wants: Wants,
    command: Option<Rc<StepCommand>>,
    /// It was tried for all changes up to this one.
    tried: u64,
    on_trial: bool,
    /// The key that is kept for it while it is on trial.
    kept: Option<LockKey>,
    /// Changes that those behind it have not been tried for, since it is on trial.
    held: Vec<Change>,
}

/// That a key has changed since somebody began to wait for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The key.
    pub key: LockKey,
    /// Rises from change to change.
    number: u64,
}

/// What is to be done for one who waits.
pub enum Turn {
    /// Run this command.
    Run(Rc<StepCommand>),
    /// Tell its core that it is its turn; it is on trial from here on. Whether nobody else may take what came meanwhile: then the key
    /// is to be kept for it ([`Waiting::take_kept`]).
    Tell {
        /// Whether it takes what comes.
        keep: bool,
    },
    /// Nothing before a trial is over: the change is looked at again then.
    Wait,
}

/// Who waits for which key. Empty nearly always: then a change of a key pays one comparison for it.
#[derive(Default)]
pub struct Waiting {
    by_key: HashMap<LockKey, VecDeque<TxId>>,
    sleepers: HashMap<TxId, Sleeper>,
    /// How many want [`Wants::Anything`].
    want_anything: usize,
    /// Changes to be looked at.
    pub ready: Vec<Change>,
    changes: u64,
}

impl Waiting {
    /// Whether nobody waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// How many keys are waited for, and how many of them by somebody who wants [`Wants::Anything`].
    pub fn keys(&self) -> (usize, usize) {
        let wants_anything = |tx| self.sleepers.get(tx).is_some_and(|one| one.wants == Wants::Anything);
        let on_any = self.by_key.values().filter(|queue| queue.iter().any(wants_anything)).count();
        (self.by_key.len(), on_any)
    }

    /// Has `tx` wait for keys, behind those who do already. With a command it is run here when its turn comes; without
    /// one `tx` is only told.
    pub fn add(&mut self, tx: TxId, keys: Vec<LockKey>, wants: Wants, command: Option<StepCommand>) {
        for key in &keys {
            self.by_key.entry(key.clone()).or_default().push_back(tx);
        }
        self.want_anything += usize::from(wants == Wants::Anything);
        let command = command.map(Rc::new);
        let sleeper = Sleeper { keys, wants, command, tried: 0, on_trial: false, kept: None, held: Vec::new() };
        self.sleepers.insert(tx, sleeper);
    }

    /// Ends the wait of `tx`; says whether it waited.
    pub fn remove(&mut self, tx: TxId) -> bool {
        let Some(sleeper) = self.sleepers.remove(&tx) else { return false };
        self.want_anything -= usize::from(sleeper.wants == Wants::Anything);
        for key in sleeper.keys {
            if let Some(queue) = self.by_key.get_mut(&key) {
                // Nearly always it is the turn of who ends.
                match queue.front() {
                    Some(&first) if first == tx => drop(queue.pop_front()),
                    _ => queue.retain(|&other| other != tx),
                }
                if queue.is_empty() {
                    self.by_key.remove(&key);
                }
            }
        }
        self.ready.extend(sleeper.held);
        true
    }

    /// Who is next in the line of a key that has changed, from place `at` on, as a key of this type has it (`None`: the
    /// key is not there). `at` becomes the place.
    pub fn next(&self, change: &Change, at: &mut usize, type_code: Option<u8>) -> Option<TxId> {
        if type_code.is_none() && self.want_anything == 0 {
            return None;
        }
        let queue = self.by_key.get(&change.key)?;
        while let Some(&tx) = queue.get(*at) {
            let suits = self.sleepers.get(&tx).is_some_and(|sleeper| {
                sleeper.tried < change.number
                    && match sleeper.wants {
                        Wants::Type(wanted) => type_code == Some(wanted),
                        Wants::Anything => true,
                    }
            });
            if suits {
                return Some(tx);
            }
            *at += 1;
        }
        None
    }

    /// It is the turn of `tx`, for a change.
    pub fn turn(&mut self, tx: TxId, change: &Change) -> Turn {
        let changes = self.changes;
        let Some(sleeper) = self.sleepers.get_mut(&tx) else { return Turn::Wait };
        if let Some(command) = &sleeper.command {
            return Turn::Run(command.clone());
        }
        sleeper.held.push(change.clone());
        if std::mem::replace(&mut sleeper.on_trial, true) {
            return Turn::Wait;
        }
        sleeper.tried = changes;
        // Who reads a stream leaves it as it is.
        let keep = sleeper.wants != Wants::Type(STREAM);
        sleeper.kept = keep.then(|| change.key.clone());
        Turn::Tell { keep }
    }

    /// The key that was kept for `tx`, which is to be let go of now: its trial is over, or it waits no more.
    pub fn take_kept(&mut self, tx: TxId) -> Option<LockKey> {
        self.sleepers.get_mut(&tx)?.kept.take()
    }

    /// `tx` was tried for a change and found nothing.
    pub fn found_nothing(&mut self, tx: TxId, change: &Change) {
        if let Some(sleeper) = self.sleepers.get_mut(&tx) {
            sleeper.tried = sleeper.tried.max(change.number);
        }
    }

    /// The trial of `tx` is over, and it found nothing: it is the turn of those behind it.
    pub fn end_trial(&mut self, tx: TxId) {
        if let Some(sleeper) = self.sleepers.get_mut(&tx) {
            sleeper.on_trial = false;
            self.ready.append(&mut sleeper.held);
        }
    }

    /// A key changes.
    #[cold]
    pub fn changed(&mut self, db: u16, key: &[u8]) {
        let key = LockKey::new(db, key);
        if self.by_key.contains_key(&key) {
            self.note(key);
        }
    }

    /// Every key of a database that somebody waits for may have changed.
    pub fn changed_all(&mut self, db: u16) {
        let keys: Vec<LockKey> = self.by_key.keys().filter(|key| key.db == db).cloned().collect();
        keys.into_iter().for_each(|key| self.note(key));
    }

    fn note(&mut self, key: LockKey) {
        self.changes += 1;
        match self.ready.last_mut() {
            Some(last) if last.key == key => last.number = self.changes,
            _ => self.ready.push(Change { key, number: self.changes }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: Option<u8> = Some(1);

    const fn tx(number: u64) -> TxId {
        TxId { core: 0, number }
    }

    fn first(waiting: &Waiting, key: &LockKey) -> Option<TxId> {
        waiting.next(&Change { key: key.clone(), number: u64::MAX }, &mut 0, LIST)
    }

    #[test]
    fn who_came_first_is_first_and_who_left_is_nowhere() {
        let mut waiting = Waiting::default();
        let (a, b) = (LockKey::new(0, b"a"), LockKey::new(0, b"b"));
        waiting.add(tx(1), vec![a.clone(), b.clone()], Wants::Type(1), None);
        waiting.add(tx(2), vec![a.clone()], Wants::Type(1), None);
        waiting.changed(0, b"a");
        waiting.changed(1, b"a");
        waiting.changed(0, b"c");
        assert_eq!(waiting.ready, [Change { key: a.clone(), number: 1 }]);
        assert_eq!(first(&waiting, &a), Some(tx(1)));
        assert!(waiting.remove(tx(1)));
        assert!(!waiting.remove(tx(1)));
        assert!(first(&waiting, &b).is_none());
        assert_eq!(first(&waiting, &a), Some(tx(2)));
        waiting.remove(tx(2));
        assert!(waiting.is_empty());
    }

    #[test]
    fn those_behind_one_on_trial_wait_for_its_outcome_and_it_keeps_its_place() {
        let mut waiting = Waiting::default();
        let a = LockKey::new(0, b"a");
        (1..=2).for_each(|number| waiting.add(tx(number), vec![a.clone()], Wants::Type(1), None));
        waiting.changed(0, b"a");
        let change = waiting.ready.pop().unwrap();
        assert!(matches!(waiting.turn(tx(1), &change), Turn::Tell { keep: true }));
        // Another push meanwhile: nobody overtakes.
        waiting.changed(0, b"a");
        let second = waiting.ready.pop().unwrap();
        assert_eq!(waiting.next(&second, &mut 0, LIST), Some(tx(1)));
        assert!(matches!(waiting.turn(tx(1), &second), Turn::Wait));
        waiting.end_trial(tx(1));
        assert_eq!(waiting.ready, [change.clone(), second.clone()]);
        // For the first push it was tried, for the second it was not.
        assert_eq!(waiting.next(&change, &mut 0, LIST), Some(tx(2)));
        assert_eq!(waiting.next(&second, &mut 0, LIST), Some(tx(1)));
        waiting.ready.clear();
        assert!(matches!(waiting.turn(tx(1), &second), Turn::Tell { keep: true }));
        waiting.remove(tx(1));
        assert_eq!(waiting.ready, [second], "what it held up goes on when it leaves");
    }

    #[test]
    fn only_who_can_use_the_type_gets_a_turn() {
        let mut waiting = Waiting::default();
        let a = LockKey::new(0, b"a");
        waiting.add(tx(1), vec![a.clone()], Wants::Type(1), None);
        waiting.add(tx(2), vec![a.clone()], Wants::Type(3), None);
        let change = Change { key: a.clone(), number: 1 };
        assert_eq!(waiting.next(&change, &mut 0, Some(3)), Some(tx(2)));
        assert_eq!(waiting.next(&change, &mut 0, Some(0)), None);
        assert_eq!(waiting.next(&change, &mut 0, None), None);
        waiting.add(tx(3), vec![a.clone()], Wants::Anything, None);
        assert_eq!(waiting.next(&change, &mut 0, None), Some(tx(3)));
    }
}
