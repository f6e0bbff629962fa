//! Keys whose time is over.

use super::shard::Shard;
use crate::config::events;
use crate::keyspace::{EntryRef, Garbage, KeyHash};

impl Shard {
    /// Removes a key whose time is over, and logs that.
    pub(super) fn expire(&mut self, db: u16, hash: KeyHash, entry: EntryRef) {
        let key = self.keyspace.db(db as usize).key(entry).to_vec();
        self.will_change(db, hash, &key);
        self.keyspace.db_mut(db as usize).delete(entry, hash);
        self.log_effect(db, [&b"DEL"[..], &key].into_iter());
        self.notify(events::EXPIRED, "expired", db, &key);
        self.stats.expired += 1;
    }

    /// Removes up to `budget` keys whose time is over; `true` if there may be more. Must not run while keys are locked:
    /// a transaction that has read a key must find it until it ends.
    pub fn expire_some(&mut self, budget: usize) -> bool {
        if !self.active_expire {
            return false;
        }
        let mut left = budget;
        for db in 0..self.keyspace.dbs().len() as u16 {
            while let Some(entry) = self.keyspace.db(db as usize).next_due(self.now_ms) {
                if left == 0 || self.refuses_writes().is_some() {
                    return left == 0;
                }
                left -= 1;
                self.gate = 0;
                self.logged = 0;
                let hash = self.keyspace.db(db as usize).hash(entry);
                self.expire(db, hash, entry);
                self.settle_touched();
            }
        }
        false
    }

    /// Frees some of what nobody needs any more, large collections and databases that were emptied, about `budget`
    /// allocations; `true` if there is more.
    pub fn free_some(&mut self, budget: usize) -> bool {
        let graves = self.keyspace.graves();
        if graves.pending() > 0 {
            let before = graves.freed();
            graves.free_some(budget);
            self.stats.lazyfreed += graves.freed() - before;
        } else if let Some(garbage) = self.garbage.front_mut() {
            let before = garbage.pending();
            let done = garbage.free_some(budget);
            self.stats.lazyfreed += (before - garbage.pending()) as u64;
            if done {
                self.garbage.pop_front();
            }
        }
        self.has_garbage()
    }

    /// Whether anything waits to be freed.
    #[inline]
    pub fn has_garbage(&self) -> bool {
        self.has_flushed() || self.keyspace.graves().pending() > 0
    }

    /// Whether databases that were emptied wait to be freed.
    #[inline]
    pub fn has_flushed(&self) -> bool {
        !self.garbage.is_empty()
    }

    /// Keys and collections that wait to be freed.
    pub fn pending_frees(&self) -> usize {
        self.garbage.iter().map(Garbage::pending).sum::<usize>() + self.keyspace.graves().pending()
    }
}
