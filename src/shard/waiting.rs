//! Clients that wait for keys of this core to change (BLPOP and its kin), in order of arrival.

use super::locks::LockKey;
use super::message::{StepCommand, TxId};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

/// One that waits.
struct Sleeper {
    keys: Vec<LockKey>,
    command: Option<Rc<StepCommand>>,
}

/// Who waits for which key. Empty nearly always: then a change of a key pays one comparison for it.
#[derive(Default)]
pub struct Waiting {
    by_key: HashMap<LockKey, VecDeque<TxId>>,
    sleepers: HashMap<TxId, Sleeper>,
    /// Keys that have changed since somebody began to wait for them.
    pub ready: Vec<LockKey>,
}

impl Waiting {
    /// Whether nobody waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Has `tx` wait for keys, behind those who do already. With a command it is run here when its turn comes; without
    /// one `tx` is only woken.
    pub fn add(&mut self, tx: TxId, keys: Vec<LockKey>, command: Option<StepCommand>) {
        for key in &keys {
            self.by_key.entry(key.clone()).or_default().push_back(tx);
        }
        self.sleepers.insert(tx, Sleeper { keys, command: command.map(Rc::new) });
    }

    /// Ends the wait of `tx`; says whether it waited.
    pub fn remove(&mut self, tx: TxId) -> bool {
        let Some(sleeper) = self.sleepers.remove(&tx) else { return false };
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
        true
    }

    /// Who has waited for a key longest, and the command to run for them.
    pub fn first(&self, key: &LockKey) -> Option<(TxId, Option<Rc<StepCommand>>)> {
        let tx = *self.by_key.get(key)?.front()?;
        Some((tx, self.sleepers.get(&tx)?.command.clone()))
    }

    /// A key changes.
    #[cold]
    pub fn changed(&mut self, db: u16, key: &[u8]) {
        let key = LockKey::new(db, key);
        if self.by_key.contains_key(&key) {
            self.ready.push(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn tx(number: u64) -> TxId {
        TxId { core: 0, number }
    }

    #[test]
    fn who_came_first_is_first_and_who_left_is_nowhere() {
        let mut waiting = Waiting::default();
        let (a, b) = (LockKey::new(0, b"a"), LockKey::new(0, b"b"));
        waiting.add(tx(1), vec![a.clone(), b.clone()], None);
        waiting.add(tx(2), vec![a.clone()], None);
        waiting.changed(0, b"a");
        waiting.changed(1, b"a");
        waiting.changed(0, b"c");
        assert_eq!(waiting.ready, std::slice::from_ref(&a));
        assert_eq!(waiting.first(&a).map(|(tx, _)| tx), Some(tx(1)));
        assert!(waiting.remove(tx(1)));
        assert!(!waiting.remove(tx(1)));
        assert!(waiting.first(&b).is_none());
        assert_eq!(waiting.first(&a).map(|(tx, _)| tx), Some(tx(2)));
        waiting.remove(tx(2));
        assert!(waiting.is_empty());
    }
}
