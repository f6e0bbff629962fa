//! Keys that clients watch (WATCH): a version for each, which every change moves.

use super::locks::LockKey;
use crate::net::Watched;
use std::collections::HashMap;

struct Entry {
    version: u64,
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

    /// Begins to watch a key. `expired`: its time was over already.
    pub fn watch(&mut self, key: &LockKey, expired: bool) -> Watched {
        self.clock += 1;
        let entry = self.keys.entry(key.clone()).or_insert(Entry { version: self.clock, watchers: 0 });
        entry.watchers += 1;
        Watched { db: key.db, key: key.key.clone(), version: entry.version, expired }
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
            entry.version = self.clock;
        }
    }

    /// Keys of a database for which `was_there` holds have changed (it was emptied or exchanged).
    pub fn changed_where(&mut self, db: u16, mut was_there: impl FnMut(&[u8]) -> bool) {
        self.clock += 1;
        for (key, entry) in &mut self.keys {
            if key.db == db && was_there(&key.key) {
                entry.version = self.clock;
            }
        }
    }

    /// Whether a watched key has changed since.
    pub fn has_changed(&self, watched: &Watched) -> bool {
        let key = LockKey { db: watched.db, key: watched.key.clone() };
        self.keys.get(&key).is_none_or(|entry| entry.version != watched.version)
    }
}
