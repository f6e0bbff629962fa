//! Changes of keys. Every one of them goes through [`Shard::will_change`].

use super::cx::{Cx, Expire, Found};
use super::shard::{Event, Shard, Sink};
use crate::config::events;
use crate::keyspace::{EntryRef, KeyHash, ObjectMut, TYPE_STRING, Taken, Value, ValueRef, hash_key};
use rand::RngExt;

impl Cx<'_> {
    /// Puts a value under a key, new or found.
    #[inline]
    pub fn put(&mut self, key: &[u8], found: Option<Found>, value: Value<'_>, expire: Expire) -> Found {
        self.put_in(self.session.db, key, found, value, expire)
    }

    /// As [`Cx::put`], in any database.
    #[inline]
    pub fn put_in(&mut self, db: u16, key: &[u8], found: Option<Found>, value: Value<'_>, expire: Expire) -> Found {
        let hash = found.map_or_else(|| hash_key(key), |found| found.hash);
        self.shard.will_change(db, hash, key);
        if found.is_none() {
            self.shard.notify(events::NEW, "new", db, key);
        }
        let keys = self.shard.keyspace.db_mut(db as usize);
        let entry = match (found, expire) {
            (Some(found), Expire::Keep) => keys.set_value(found.entry, hash, value),
            (Some(found), Expire::Clear) => keys.replace(found.entry, hash, value, None),
            (Some(found), Expire::At(at)) => keys.replace(found.entry, hash, value, Some(at)),
            (None, Expire::At(at)) => keys.insert(hash, key, value, Some(at)),
            (None, _) => keys.insert(hash, key, value, None),
        };
        Found { hash, entry }
    }

    /// Removes a key.
    #[inline]
    pub fn delete(&mut self, key: &[u8], found: Found) {
        self.delete_in(self.session.db, key, found);
    }

    /// As [`Cx::delete`], in any database.
    pub fn delete_in(&mut self, db: u16, key: &[u8], found: Found) {
        self.shard.will_change(db, found.hash, key);
        self.shard.keyspace.db_mut(db as usize).delete(found.entry, found.hash);
    }

    /// Takes a key out whole.
    pub fn take(&mut self, key: &[u8], found: Found) -> Taken {
        self.shard.will_change(self.session.db, found.hash, key);
        self.shard.keyspace.db_mut(self.session.db as usize).take(found.entry, found.hash)
    }

    /// A copy of a key, whole, for [`Cx::place`].
    pub fn copy(&self, found: Found) -> Taken {
        let db = self.db();
        Taken {
            value: self.shard.copy_value(self.session.db, found.entry),
            expire_ms: db.expire_at(found.entry),
            access: db.access(found.entry),
            is_raw: db.type_code(found.entry) == TYPE_STRING && db.encoding_name(found.entry) == "raw",
        }
    }

    /// Puts back under another name, or in another database, what [`Cx::take`] took. The key must not be there.
    pub fn place(&mut self, db: u16, key: &[u8], taken: Taken) {
        let hash = hash_key(key);
        self.shard.will_change(db, hash, key);
        self.shard.notify(events::NEW, "new", db, key);
        self.shard.keyspace.db_mut(db as usize).put(hash, key, taken);
    }

    /// Sets or clears when a key expires, unix ms.
    pub fn set_expire(&mut self, key: &[u8], found: Found, at: Option<u64>) -> Found {
        self.shard.will_change(self.session.db, found.hash, key);
        let entry = self.shard.keyspace.db_mut(self.session.db as usize).set_expire(found.entry, found.hash, at);
        Found { entry, ..found }
    }

    /// The collection under a key, to be changed. Panics on strings.
    pub fn object_mut(&mut self, key: &[u8], found: Found) -> ObjectMut<'_> {
        self.shard.will_change(self.session.db, found.hash, key);
        self.shard.keyspace.db_mut(self.session.db as usize).object_mut(found.entry)
    }

    /// As [`Cx::object_mut`], for what is no change to those who WATCH the key: the state of a stream's consumer groups.
    pub fn object_mut_unwatched(&mut self, key: &[u8], found: Found) -> ObjectMut<'_> {
        self.shard.will_change_unwatched(self.session.db, found.hash, key);
        self.shard.keyspace.db_mut(self.session.db as usize).object_mut(found.entry)
    }

    /// Lets `change` alter a string as it likes. Panics on collections.
    pub fn update_string<R>(&mut self, key: &[u8], found: Found, change: impl FnOnce(&mut Vec<u8>) -> R) -> (Found, R) {
        self.shard.will_change(self.session.db, found.hash, key);
        let db = self.shard.keyspace.db_mut(self.session.db as usize);
        let (entry, result) = db.update_string(found.entry, found.hash, change);
        (Found { entry, ..found }, result)
    }

    /// Sets the access bits of a key: LRU clock or LFU counter, 24 bits. No change that is logged.
    pub fn set_access(&mut self, found: Found, access: u32) {
        self.shard.keyspace.db_mut(self.session.db as usize).set_access(found.entry, access);
    }

    /// Has OBJECT ENCODING call a string raw that [`Cx::put`] has just put: it was made piece by piece.
    pub fn mark_raw(&mut self, found: Found) {
        self.shard.keyspace.db_mut(self.session.db as usize).string_mut(found.entry);
    }

    /// The bytes of a string that is not kept as a number, to be changed where they are. `None`: use
    /// [`Cx::update_string`].
    pub fn string_mut(&mut self, key: &[u8], found: Found) -> Option<&mut [u8]> {
        self.shard.will_change(self.session.db, found.hash, key);
        self.shard.keyspace.db_mut(self.session.db as usize).string_mut(found.entry)
    }
}

impl Shard {
    /// The one gate of every change: called before a key's value, expiry or existence changes. From here come the
    /// old value for a snapshot, the set of keys that readers wait for, the versions that WATCH compares, and the count of changes.
    #[inline]
    pub(super) fn will_change(&mut self, db: u16, hash: KeyHash, key: &[u8]) {
        match &mut self.sink {
            Sink::Journal | Sink::Unit(_) if !self.watches.is_empty() => self.watches.changed(db, key),
            Sink::Copies(copies) => copies.seen.push(super::locks::LockKey::new(db, key)),
            _ => {}
        }
        self.will_change_unwatched(db, hash, key);
    }

    /// As [`Shard::will_change`], for what is none to those who watch the key.
    #[inline]
    pub(super) fn will_change_unwatched(&mut self, db: u16, hash: KeyHash, key: &[u8]) {
        if self.snapshot.is_some() {
            self.keep_for_snapshot(db, hash, key);
        }
        match &mut self.sink {
            Sink::Journal | Sink::Unit(_) => {
                self.touched.push(hash.0);
                self.stats.dirty += 1;
                if !self.waiting.is_empty() {
                    self.waiting.changed(db, key);
                }
            }
            Sink::Copies(copies) => copies.changed.push(super::locks::LockKey::new(db, key)),
            Sink::Replay => {}
        }
    }

    /// Logs an effect, or keeps it for its unit.
    #[inline]
    pub(super) fn log_effect<'w>(&mut self, db: u16, words: impl ExactSizeIterator<Item = &'w [u8]>) {
        match &mut self.sink {
            Sink::Journal => self.logged = self.logged.max(self.journal.append(db, words)),
            Sink::Unit(unit) => unit.push(db, words),
            Sink::Copies(_) | Sink::Replay => {}
        }
    }

    /// Tells listeners what happened to a key.
    #[inline]
    pub(super) fn notify(&mut self, class: u32, name: &'static str, db: u16, key: &[u8]) {
        if self.settings.notify_keyspace_events & class == 0 {
            return;
        }
        let event = || Event { class, name, db, key: key.into() };
        match &mut self.sink {
            Sink::Journal => self.events.push(event()),
            // Nobody must hear of what is not logged yet and may never be.
            Sink::Unit(unit) => unit.events.push(event()),
            Sink::Copies(copies) => copies.events.push(event()),
            Sink::Replay => {}
        }
    }

    /// Notes that a key was used, for LRU and LFU.
    #[inline]
    pub(super) fn note_access(&mut self, db: u16, entry: EntryRef) {
        let db = self.keyspace.db_mut(db as usize);
        let random = &mut self.random;
        let access = self.clock.used(db.access(entry), || random.random());
        db.set_access(entry, access);
    }

    /// The value of an entry, as a copy that can leave the core.
    pub(super) fn copy_value(&self, db: u16, entry: EntryRef) -> Value<'static> {
        match self.keyspace.db(db as usize).value(entry) {
            ValueRef::Int(number) => Value::Int(number),
            ValueRef::Str(bytes) => Value::Owned(bytes.to_vec()),
            ValueRef::Object(object) => Value::Object(Box::new(object.clone())),
        }
    }
}
