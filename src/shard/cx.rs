//! What a command about keys has in hand: the one place where the keyspace is read and changed.

use super::shard::{Shard, Sink};
use crate::config::{Settings, events};
use crate::keyspace::{Db, EntryRef, KeyHash, ValueRef, hash_key};
use crate::net::Session;
use crate::resp::{Args, Reply};

/// A key that was found. Stale once the key is changed through anything but what returned it.
#[derive(Clone, Copy)]
pub struct Found {
    /// The key's hash.
    pub hash: KeyHash,
    /// Its entry.
    pub entry: EntryRef,
}

/// What becomes of a key's expiry when its value is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expire {
    /// It goes (SET).
    Clear,
    /// It stays (SET … KEEPTTL, and every change in place).
    Keep,
    /// It is set, unix ms.
    At(u64),
}

/// The context of a command on its shard.
pub struct Cx<'a> {
    pub(super) shard: &'a mut Shard,
    /// The connection's state.
    pub session: Session,
    /// The reply.
    pub reply: Reply<'a>,
    /// The request, for effects that repeat it.
    args: Args<'a>,
}

impl<'a> Cx<'a> {
    pub(super) fn new(shard: &'a mut Shard, session: Session, out: &'a mut Vec<u8>, args: Args<'a>) -> Cx<'a> {
        Cx { shard, session, reply: Reply::new(out, session.proto), args }
    }

    /// The time of this pass, unix ms; the same for the whole command.
    #[inline]
    pub fn now_ms(&self) -> u64 {
        self.shard.now_ms
    }

    /// The time as access bits have it, and how they are to be read.
    pub fn access_clock(&self) -> super::AccessClock {
        self.shard.clock
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.shard.settings
    }

    /// Whether the log has room for the request, so that what only might write may do so. While the log is replayed there is
    /// always room.
    pub fn has_room(&mut self) -> bool {
        self.is_replay() || self.shard.admit(self.args).is_ok()
    }

    /// The selected database.
    #[inline]
    pub fn db(&self) -> &Db {
        self.shard.keyspace.db(self.session.db as usize)
    }

    /// The shard, for commands about the keyspace as a whole.
    pub fn shard(&mut self) -> &mut Shard {
        self.shard
    }

    /// Whether the log is being replayed: nothing expires then.
    pub fn is_replay(&self) -> bool {
        matches!(self.shard.sink, Sink::Replay)
    }

    /// The selected database and the reply: to write what is read without copying it first.
    #[inline]
    pub fn reading(&mut self) -> (&Db, &mut Reply<'a>) {
        (self.shard.keyspace.db(self.session.db as usize), &mut self.reply)
    }

    /// Finds a key to read it. Counts a hit or a miss, notes the access, and makes the reply wait for the key's newest
    /// write. A key whose time is over is not found.
    #[inline]
    pub fn read(&mut self, key: &[u8]) -> Option<Found> {
        let found = self.read_untouched(key);
        if let Some(found) = found
            && !self.session.no_touch
        {
            self.shard.note_access(self.session.db, found.entry);
        }
        found
    }

    /// As [`Cx::read`], but leaves the access time alone (EXISTS, TYPE, TTL …).
    #[inline]
    pub fn read_untouched(&mut self, key: &[u8]) -> Option<Found> {
        let found = self.peek(key);
        match found {
            Some(_) => self.shard.stats.hits += 1,
            None => {
                self.shard.stats.misses += 1;
                self.notify(events::KEY_MISS, "keymiss", key);
            }
        }
        found
    }

    /// As [`Cx::read`], but leaves access times and counters alone.
    #[inline]
    pub fn peek(&mut self, key: &[u8]) -> Option<Found> {
        let hash = hash_key(key);
        self.depend_on(hash);
        let db = self.shard.keyspace.db(self.session.db as usize);
        let entry = db.find(hash, key)?;
        if db.expire_at(entry).is_some_and(|at| at <= self.shard.now_ms) && !self.is_replay() {
            return None;
        }
        Some(Found { hash, entry })
    }

    /// Finds a key to change it. A key whose time is over is removed first.
    #[inline]
    pub fn write(&mut self, key: &[u8]) -> Option<Found> {
        self.write_in(self.session.db, key)
    }

    /// As [`Cx::write`], in any database.
    #[inline]
    pub fn write_in(&mut self, db: u16, key: &[u8]) -> Option<Found> {
        let hash = hash_key(key);
        self.depend_on(hash);
        let keys = self.shard.keyspace.db(db as usize);
        let entry = keys.find(hash, key)?;
        if keys.expire_at(entry).is_some_and(|at| at <= self.shard.now_ms) && !self.is_replay() {
            self.shard.expire(db, hash, entry);
            return None;
        }
        if !self.session.no_touch {
            self.shard.note_access(db, entry);
        }
        Some(Found { hash, entry })
    }

    /// Makes the reply wait for the newest write of a key.
    #[inline]
    fn depend_on(&mut self, hash: KeyHash) {
        if self.shard.journal.gates_writes() {
            let lsn = self.shard.undurable.lookup(hash.0);
            self.shard.gate = self.shard.gate.max(lsn);
        }
    }

    /// Makes the reply wait for everything logged so far, for commands that look at all keys.
    pub fn depend_on_all(&mut self) {
        if self.shard.journal.gates_writes() {
            let newest = self.shard.journal.log_ref().map_or(0, |log| log.last_lsn());
            self.shard.gate = self.shard.gate.max(newest);
        }
    }

    /// The value of a key.
    #[inline]
    pub fn value(&self, found: Found) -> ValueRef<'_> {
        self.db().value(found.entry)
    }

    /// When a key expires, unix ms.
    #[inline]
    pub fn expire_at(&self, found: Found) -> Option<u64> {
        self.db().expire_at(found.entry)
    }

    /// Logs an effect. Every command that changes something logs what makes the same change again, whatever the state
    /// of randomness and clock then.
    #[inline]
    pub fn effect(&mut self, words: &[&[u8]]) {
        self.shard.log_effect(self.session.db, words.iter().copied());
    }

    /// Logs an effect in any database.
    pub fn effect_in(&mut self, db: u16, words: &[&[u8]]) {
        self.shard.log_effect(db, words.iter().copied());
    }

    /// Logs a key with its value and expiry as they are now, for commands whose result depends on keys that need not be
    /// the same when it is replayed.
    pub fn effect_whole(&mut self, key: &[u8], found: Found) {
        self.shard.log_whole(self.session.db, key, found.entry);
    }

    /// Logs the request itself, for commands that do the same each time.
    #[inline]
    pub fn effect_verbatim(&mut self) {
        self.shard.log_effect(self.session.db, self.args.iter());
    }

    /// Runs `change` so that all its effects are logged as one record: all of them survive a crash, or none.
    pub fn atomically<T>(&mut self, change: impl FnOnce(&mut Cx<'_>) -> T) -> T {
        if !matches!(self.shard.sink, Sink::Journal) || !self.shard.journal.is_on() {
            return change(self);
        }
        self.shard.enter_unit(Default::default());
        let result = change(self);
        let mut unit = self.shard.leave_unit();
        self.shard.touched.append(&mut unit.touched);
        self.shard.events.append(&mut unit.events);
        let tx = super::message::TxId { core: self.shard.core as u16, number: 0 };
        self.shard.logged = self.shard.logged.max(self.shard.journal.append_unit(&unit, tx, &[]));
        result
    }

    /// Tells listeners what happened to a key.
    #[inline]
    pub fn notify(&mut self, class: u32, name: &'static str, key: &[u8]) {
        self.shard.notify(class, name, self.session.db, key);
    }

    /// As [`Cx::notify`], for any database.
    pub fn notify_in(&mut self, db: u16, class: u32, name: &'static str, key: &[u8]) {
        self.shard.notify(class, name, db, key);
    }

    /// Adds to the number of changes since the last save, beyond the one that each change of a key counts.
    pub fn add_dirty(&mut self, changes: u64) {
        if !self.is_replay() {
            self.shard.stats.dirty += changes;
        }
    }
}
