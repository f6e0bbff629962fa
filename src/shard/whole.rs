//! Whole values and whole databases: what crosses cores, and what is flushed or exchanged at one instant.

use super::cx::Cx;
use super::locks::LockKey;
use super::message::FetchedValue;
use super::shard::{Copies, Event, Shard, Sink, presence};
use super::watch::Presence;
use crate::command::KeyedFn;
use crate::keyspace::{Keyspace, ValueRef, hash_key};
use crate::net::Session;
use crate::rdb;
use crate::resp::Args;
use std::collections::BTreeSet;

/// All keys of a core.
pub struct AllKeys {
    keyspace: Keyspace,
    /// The snapshot epoch that they were last stamped in.
    epoch: u8,
}

impl Shard {
    /// Copies of the values of keys; `None` where there is none.
    pub fn fetch(&mut self, keys: &[LockKey]) -> Vec<Option<FetchedValue>> {
        self.gate = 0;
        keys.iter()
            .map(|key| {
                let hash = hash_key(&key.key);
                if self.journal.gates_writes() {
                    self.gate = self.gate.max(self.undurable.lookup(hash.0));
                }
                let db = self.keyspace.db(key.db as usize);
                let entry = db.find(hash, &key.key)?;
                let expire_ms = db.expire_at(entry);
                if expire_ms.is_some_and(|at| at <= self.now_ms) {
                    return None;
                }
                Some(FetchedValue { value: self.copy_value(key.db, entry), expire_ms, unwatched: false })
            })
            .collect()
    }

    /// Runs a command on copies of its keys, in databases that hold nothing else. Returns the keys that it changed
    /// with their values then, and what happened to keys.
    pub fn run_elsewhere(
        &mut self,
        run: KeyedFn,
        session: Session,
        args: Args,
        values: impl Iterator<Item = (LockKey, Option<FetchedValue>)>,
        out: &mut Vec<u8>,
    ) -> (Vec<(LockKey, Option<FetchedValue>)>, Vec<Event>) {
        let databases = self.keyspace.dbs().len();
        let now_ms = self.now_ms;
        let mut aside: Vec<_> = (0..databases).map(|_| self.keyspace.scratch(now_ms)).collect();
        aside.iter_mut().zip(self.keyspace.dbs_mut()).for_each(|(aside, db)| std::mem::swap(aside, db));
        for (key, value) in values {
            if let Some(FetchedValue { value, expire_ms, .. }) = value {
                self.keyspace.db_mut(key.db as usize).insert(hash_key(&key.key), &key.key, value, expire_ms);
            }
        }
        let sink = std::mem::replace(&mut self.sink, Sink::Copies(Copies::default()));
        self.gate = 0;
        run(&mut Cx::new(self, session, out, args), args);
        let copies = match std::mem::replace(&mut self.sink, sink) {
            Sink::Copies(copies) => copies,
            _ => Copies::default(),
        };
        self.touched.clear();
        let sorted = |keys: Vec<LockKey>| keys.into_iter().map(|key| (key.db, key.key)).collect::<BTreeSet<_>>();
        let (changed, seen) = (sorted(copies.changed), sorted(copies.seen));
        let results = changed
            .into_iter()
            .map(|(db, key)| {
                let keys = self.keyspace.db(db as usize);
                let value = keys.find(hash_key(&key), &key).map(|entry| self.copy_value(db, entry));
                let expire_ms = keys.find(hash_key(&key), &key).and_then(|entry| keys.expire_at(entry));
                let key = (db, key);
                let unwatched = !seen.contains(&key);
                (LockKey { db, key: key.1 }, value.map(|value| FetchedValue { value, expire_ms, unwatched }))
            })
            .collect();
        aside.iter_mut().zip(self.keyspace.dbs_mut()).for_each(|(aside, db)| std::mem::swap(aside, db));
        (results, copies.events)
    }

    /// As [`Shard::fetch`] for one key while the log is replayed: nothing has expired yet.
    pub fn copy_for_replay(&self, key: &LockKey) -> Option<FetchedValue> {
        let db = self.keyspace.db(key.db as usize);
        let entry = db.find(hash_key(&key.key), &key.key)?;
        Some(FetchedValue { value: self.copy_value(key.db, entry), expire_ms: db.expire_at(entry), unwatched: false })
    }

    /// As [`Shard::run_elsewhere`] while the log is replayed: nothing expires.
    pub fn replay_elsewhere(
        &mut self,
        run: KeyedFn,
        session: Session,
        args: Args,
        values: impl Iterator<Item = (LockKey, Option<FetchedValue>)>,
        out: &mut Vec<u8>,
    ) -> Vec<(LockKey, Option<FetchedValue>)> {
        let now_ms = std::mem::replace(&mut self.now_ms, 0);
        let (changed, _) = self.run_elsewhere(run, session, args, values, out);
        self.now_ms = now_ms;
        changed
    }

    /// As [`Shard::store`] while the log is replayed: nothing is logged.
    pub fn store_in_replay(&mut self, key: &LockKey, value: Option<FetchedValue>) {
        self.sink = Sink::Replay;
        self.store(key, value);
        self.sink = Sink::Journal;
    }

    /// Replaces the value of a key by one that was computed elsewhere, or removes the key, and logs that.
    pub fn store(&mut self, key: &LockKey, value: Option<FetchedValue>) {
        let hash = hash_key(&key.key);
        if value.as_ref().is_some_and(|value| value.unwatched) {
            self.will_change_unwatched(key.db, hash, &key.key);
        } else {
            self.will_change(key.db, hash, &key.key);
        }
        let db = self.keyspace.db_mut(key.db as usize);
        let found = db.find(hash, &key.key);
        match value {
            None => {
                if let Some(entry) = found {
                    db.delete(entry, hash);
                }
                self.log_effect(key.db, [&b"DEL"[..], &key.key].into_iter());
            }
            Some(FetchedValue { value, expire_ms, .. }) => {
                let entry = match found {
                    Some(entry) => db.replace(entry, hash, value, expire_ms),
                    None => db.insert(hash, &key.key, value, expire_ms),
                };
                self.log_whole(key.db, &key.key, entry);
            }
        }
        self.settle_touched();
    }

    /// Logs a key with its value and expiry as they are, whatever they were before.
    pub(super) fn log_whole(&mut self, db: u16, key: &[u8], entry: crate::keyspace::EntryRef) {
        if !matches!(self.sink, Sink::Unit(_)) && !self.journal.is_on() {
            return;
        }
        let mut number = itoa::Buffer::new();
        let mut at = itoa::Buffer::new();
        let keys = self.keyspace.db(db as usize);
        let expire = keys.expire_at(entry);
        let bytes = match keys.value(entry) {
            ValueRef::Int(value) => number.format(value).as_bytes().to_vec(),
            ValueRef::Str(bytes) => bytes.to_vec(),
            value @ ValueRef::Object(_) => {
                let mut payload = Vec::new();
                rdb::with_stored(value, |view| rdb::dump(&mut rdb::Encoder::new(false), &mut payload, view));
                let at = at.format(expire.unwrap_or(0)).as_bytes();
                let words = [&b"RESTORE"[..], key, at, &payload, b"REPLACE", b"ABSTTL"];
                return self.log_effect(db, words.into_iter());
            }
        };
        match expire {
            None => self.log_effect(db, [&b"SET"[..], key, &bytes].into_iter()),
            Some(expire) => {
                let at = at.format(expire).as_bytes();
                self.log_effect(db, [&b"SET"[..], key, &bytes, b"PXAT", at].into_iter());
            }
        }
    }

    /// Empties one database, or all; nothing is logged.
    pub fn flush(&mut self, db: Option<u16>) {
        if db.is_none() {
            // Nothing that a snapshot could hold is worth its memory now.
            self.abandon_snapshot();
        }
        let range = db.map_or(0..self.keyspace.dbs().len() as u16, |db| db..db + 1);
        for db in range {
            let keys = self.keyspace.db(db as usize);
            if !self.watches.is_empty() {
                let now_ms = self.now_ms;
                self.watches.changed_whole(db, |key| presence(keys, key, now_ms), |_| Presence::Absent);
            }
            self.stats.dirty += keys.len() as u64;
            self.waiting.changed_all(db);
            if !self.detach_for_snapshot(db) {
                let garbage = self.keyspace.db_mut(db as usize).clear();
                self.garbage.push_back(garbage);
            }
        }
        if db.is_none() {
            // Nothing is left that its walk would have to go through.
            self.finish_snapshot();
        }
    }

    /// All keys of a shard that was loaded.
    pub fn into_keys(self) -> AllKeys {
        AllKeys { keyspace: self.keyspace, epoch: self.epoch }
    }

    /// Has other keys in the place of all; nothing is logged, and no snapshot may be under way. Returns those that were there.
    pub fn replace_keys(&mut self, keys: AllKeys) -> AllKeys {
        assert!(self.snapshot.is_none(), "a snapshot goes through the keys that are there");
        let before = AllKeys { keyspace: std::mem::replace(&mut self.keyspace, keys.keyspace), epoch: self.epoch };
        // What is older than the next snapshot is told by its stamp, which counts with the keys.
        self.epoch = keys.epoch;
        self.keyspace.set_epoch_stamp(self.epoch);
        self.keyspace.set_access_stamp(self.clock.initial());
        self.forget_candidates();
        for db in 0..self.keyspace.dbs().len() as u16 {
            if !self.watches.is_empty() {
                let now_ms = self.now_ms;
                let (old, new) = (before.keyspace.db(db as usize), self.keyspace.db(db as usize));
                self.watches.changed_whole(db, |key| presence(old, key, now_ms), |key| presence(new, key, now_ms));
            }
            self.waiting.changed_all(db);
        }
        before
    }

    /// Exchanges two databases; nothing is logged.
    pub fn swap(&mut self, a: u16, b: u16) {
        if !self.watches.is_empty() {
            let (first, second) = (self.keyspace.db(a as usize), self.keyspace.db(b as usize));
            let now_ms = self.now_ms;
            let in_first = |key: &[u8]| presence(first, key, now_ms);
            let in_second = |key: &[u8]| presence(second, key, now_ms);
            self.watches.changed_whole(a, in_first, in_second);
            self.watches.changed_whole(b, in_second, in_first);
        }
        if let Some(walk) = &mut self.snapshot {
            walk.swap(&mut self.keyspace, a, b);
        }
        self.keyspace.swap(a as usize, b as usize);
        self.waiting.changed_all(a);
        self.waiting.changed_all(b);
        self.stats.dirty += 1;
    }

    /// Everything that was written before depends on this LSN now: the next readers of any key wait for it.
    pub fn depend_all_on(&mut self, lsn: u64) {
        if self.journal.gates_writes() {
            self.undurable.insert_all(lsn);
        }
    }
}
