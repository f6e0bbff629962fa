//! Keys that clients watch (WATCH): a version for each, which every change moves.

use super::locks::LockKey;
use crate::net::Watched;
use std::collections::HashMap;

/// Whether a key is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is, and its time is not over.
    Lives,
    /// Its time is over.
    Stale,
    /// It is not.
    Absent,
}

struct Entry {
    /// When the key changed last.
    changed: u64,
    /// When it went last with its time over, which is no change for who began to watch it after that.
    gone: u64,
    watchers: u32,
}

/// The watched keys of one core.
#[derive(Default)]
pub struct Watches {
    keys: HashMap<LockKey, Entry>,
    clock: u64,
}

impl Watches {
    /// Whether nobody watches anything, so that changes need not look.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Begins to watch a key. `absent`: it is not there, or its time is over.
    pub fn watch(&mut self, key: &LockKey, absent: bool) -> Watched {
        self.clock += 1;
        let entry = self.keys.entry(key.clone()).or_insert(Entry { changed: 0, gone: 0, watchers: 0 });
        entry.watchers += 1;
        Watched { db: key.db, key: key.key.clone(), version: self.clock, absent }
    }

    /// One client no longer watches the key.
    pub fn unwatch(&mut self, key: &LockKey) {
        if let Some(entry) = self.keys.get_mut(key) {
            entry.watchers -= 1;
            if entry.watchers == 0 {
                self.keys.remove(key);
            }
        }
    }

    /// A key has changed.
    #[cold]
    pub fn changed(&mut self, db: u16, key: &[u8]) {
        self.clock += 1;
        if let Some(entry) = self.keys.get_mut(&LockKey::new(db, key)) {
            entry.changed = self.clock;
        }
    }

    /// A key went, and its time was over before.
    #[cold]
    pub fn went(&mut self, db: u16, key: &[u8]) {
        self.clock += 1;
        if let Some(entry) = self.keys.get_mut(&LockKey::new(db, key)) {
            entry.gone = self.clock;
        }
    }

    /// A database was emptied or exchanged: the keys that live before or after have changed, and of others those are
    /// gone that were there and are not.
    pub fn changed_whole(&mut self, db: u16, before: impl Fn(&[u8]) -> Presence, after: impl Fn(&[u8]) -> Presence) {
        self.clock += 1;
        for (key, entry) in self.keys.iter_mut().filter(|(key, _)| key.db == db) {
            match (before(&key.key), after(&key.key)) {
                (Presence::Lives, _) | (_, Presence::Lives) => entry.changed = self.clock,
                (Presence::Stale, Presence::Absent) => entry.gone = self.clock,
                _ => {}
            }
        }
    }

    /// Whether a watched key has changed since.
    pub fn has_changed(&self, watched: &Watched) -> bool {
        let key = LockKey { db: watched.db, key: watched.key.clone() };
        self.keys
            .get(&key)
            .is_none_or(|entry| entry.changed > watched.version || (!watched.absent && entry.gone > watched.version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_a_key_goes_after_its_time_is_no_change_for_who_came_later() {
        let mut watches = Watches::default();
        let key = LockKey::new(0, b"k");
        let (early, late) = (watches.watch(&key, false), watches.watch(&key, true));
        watches.went(0, b"k");
        assert!(watches.has_changed(&early) && !watches.has_changed(&late));
        let late = watches.watch(&key, true);
        watches.changed_whole(0, |_| Presence::Stale, |_| Presence::Stale);
        watches.changed_whole(0, |_| Presence::Absent, |_| Presence::Stale);
        watches.changed_whole(0, |_| Presence::Stale, |_| Presence::Absent);
        assert!(!watches.has_changed(&late));
        watches.changed_whole(0, |_| Presence::Stale, |_| Presence::Lives);
        assert!(watches.has_changed(&late));
    }
}
