//! Keys whose time is over.

use super::shard::Shard;
use crate::config::events;
use crate::keyspace::{EntryRef, Garbage, KeyHash};
use crate::object::Object;

impl Shard {
    /// Removes a key whose time is over, and logs that.
    pub(super) fn expire(&mut self, db: u16, hash: KeyHash, entry: EntryRef) {
        let key = self.keyspace.db(db as usize).key(entry).to_vec();
        self.will_change_unwatched(db, hash, &key);
        if !self.watches.is_empty() {
            // Who began to watch the key after its time was over sees no change.
            self.watches.went(db, &key);
        }
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
        self.expire_fields(budget);
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

    /// Deletes up to `budget` fields of hashes whose time is over, and logs that. What is left goes at the next call.
    fn expire_fields(&mut self, budget: usize) {
        let mut left = budget;
        for db in 0..self.keyspace.dbs().len() as u16 {
            while left > 0
                && let Some(entry) = self.keyspace.db(db as usize).next_due_fields(self.now_ms)
                && self.refuses_writes().is_none()
            {
                self.gate = 0;
                self.logged = 0;
                left -= self.expire_fields_of(db, entry, left).clamp(1, left);
                self.settle_touched();
            }
        }
    }

    /// As above, of one hash; returns how many.
    fn expire_fields_of(&mut self, db: u16, entry: EntryRef, budget: usize) -> usize {
        let keys = self.keyspace.db(db as usize);
        let (key, hash) = (keys.key(entry).to_vec(), keys.hash(entry));
        self.will_change(db, hash, &key);
        let (mut fields, mut is_empty) = (Vec::new(), false);
        let mut object = self.keyspace.db_mut(db as usize).object_mut(entry);
        if let Object::Hash(fields_of_key) = &mut *object {
            fields_of_key.expire_due(self.now_ms, budget, |field| fields.push(field.field.to_bytes().into_owned()));
            is_empty = fields_of_key.is_empty();
        }
        drop(object);
        let words: Vec<&[u8]> = [b"HDEL", key.as_slice()].into_iter().chain(fields.iter().map(Vec::as_slice)).collect();
        self.log_effect(db, words.into_iter());
        self.notify(events::HASH, "hexpired", db, &key);
        self.stats.expired_fields += fields.len() as u64;
        if is_empty {
            self.keyspace.db_mut(db as usize).delete(entry, hash);
            self.notify(events::GENERIC, "del", db, &key);
        }
        fields.len()
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
