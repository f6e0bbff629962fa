//! One database of one core: everything that commands do with keys.

use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use rand::Rng;

use super::entry::{self, EntryRef, Header};
use super::expiry::ExpiryIndex;
use super::garbage::Garbage;
use super::graves::Graves;
use super::hash::KeyHash;
use super::slab::Slab;
use super::table::Table;
use super::value::{Value, ValueRef};
use crate::object::{List, Object};

/// Redis's number of the type hash.
const TYPE_HASH: u8 = 4;
/// Share of the table in what one key costs, in bytes: a slot of 5.3 bytes in segments that are two thirds full.
const TABLE_BYTES_PER_KEY: usize = 8;
/// Share of the expiry index in what one key with an expiry time costs, in bytes.
const INDEX_BYTES_PER_KEY: usize = 12;

/// One database of one core.
///
/// Keys are found once and then named by an [`EntryRef`]. Methods that may move an entry want the key's hash and
/// return the new handle; all older handles of that entry are then stale, while those of other entries stay good.
pub struct Db {
    pub(super) slab: Rc<Slab>,
    graves: Rc<Graves>,
    pub(super) table: Table,
    pub(super) expiry: ExpiryIndex,
    /// Hashes with fields that expire, by the soonest of these.
    pub(super) fields: ExpiryIndex,
    /// Bytes of long keys, long strings and collections.
    pub(super) block_bytes: usize,
    access_stamp: u32,
    epoch_stamp: u8,
    /// What a snapshot has not saved all of, of keys that went or have another name: see [`Db::strays`].
    strays: Vec<Stray>,
}

/// A collection that a snapshot was saving in pieces when its key went.
#[derive(Debug)]
pub enum Stray {
    /// It has another key now, with this hash.
    Moved {
        /// The number of its saving.
        id: u64,
        /// The hash of its key.
        hash: KeyHash,
        /// Its key.
        key: Box<[u8]>,
    },
    /// It belongs to no key any more.
    Removed(Box<Object>),
}

/// A key taken out whole, on its way to another name or database.
#[derive(Debug)]
pub struct Taken {
    /// The value.
    pub value: Value<'static>,
    /// Expiry time in unix ms.
    pub expire_ms: Option<u64>,
    /// LRU clock or LFU counter, 24 bits.
    pub access: u32,
    /// Built by APPEND or the like: OBJECT ENCODING says raw.
    pub is_raw: bool,
}

impl Db {
    /// An empty database on `slab`; collections that are too large to be dropped at once go to `graves`. `now_ms` is the
    /// unix time: expiry times before it count as past.
    pub fn new(slab: Rc<Slab>, graves: Rc<Graves>, now_ms: u64) -> Db {
        let (table, expiry, fields) = (Table::new(), ExpiryIndex::new(now_ms), ExpiryIndex::new(now_ms));
        Db { slab, graves, table, expiry, fields, block_bytes: 0, access_stamp: 0, epoch_stamp: 0, strays: Vec::new() }
    }

    /// Keys held, expired ones not yet removed among them.
    #[inline]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no key.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keys with an expiry time.
    #[inline]
    pub fn expires_len(&self) -> usize {
        self.expiry.len()
    }

    /// Hashes with fields that expire.
    pub fn hashes_with_times(&self) -> usize {
        self.fields.len()
    }

    // Finding and reading.

    /// The entry of `key`, whose hash is `hash`. Does not look at the expiry time.
    #[inline]
    pub fn find(&self, hash: KeyHash, key: &[u8]) -> Option<EntryRef> {
        let is_it = |reference| entry::key_is(&self.slab, EntryRef::new(reference), key);
        self.table.find(&self.slab, hash.0, is_it).map(EntryRef::new)
    }

    /// Whether `entry`, noted some time ago, is still a key with this hash. What it names may have been removed, moved or
    /// replaced by another key since: only the table is asked, until it says that there is such an entry.
    pub fn holds(&self, hash: KeyHash, entry: EntryRef) -> bool {
        let is_it = |reference| reference == entry.get();
        self.table.find(&self.slab, hash.0, is_it).is_some() && self.hash(entry) == hash
    }

    /// First step of looking up many keys at once: loads the cache line where the lookup begins.
    #[inline]
    pub fn prefetch(&self, hash: KeyHash) {
        self.table.prefetch(&self.slab, hash.0);
    }

    /// Second step, some hundred nanoseconds later: loads the entry that the lookup will most likely find.
    #[inline]
    pub fn prefetch_entry(&self, hash: KeyHash) {
        self.table.prefetch_candidates(&self.slab, hash.0, |r| entry::prefetch(&self.slab, EntryRef::new(r)));
    }

    /// The key's bytes.
    #[inline]
    pub fn key(&self, entry: EntryRef) -> &[u8] {
        entry::key(&self.slab, entry)
    }

    /// The hash of the entry's key, computed anew.
    #[inline]
    pub fn hash(&self, entry: EntryRef) -> KeyHash {
        entry::hash(&self.slab, entry)
    }

    /// The value.
    #[inline]
    pub fn value(&self, entry: EntryRef) -> ValueRef<'_> {
        entry::value(&self.slab, entry)
    }

    /// Redis's type number: [`entry::TYPE_STRING`] or what [`Object::type_code`] says.
    #[inline]
    pub fn type_code(&self, entry: EntryRef) -> u8 {
        entry::type_code(&self.slab, entry)
    }

    /// The name that OBJECT ENCODING gives.
    pub fn encoding_name(&self, entry: EntryRef) -> &'static str {
        entry::encoding_name(&self.slab, entry)
    }

    /// Bytes that the key takes: slot, table, expiry index and heap (MEMORY USAGE).
    pub fn memory_of(&self, entry: EntryRef) -> usize {
        let index = if self.expire_at(entry).is_some() { INDEX_BYTES_PER_KEY } else { 0 };
        self.slab.slot_size(entry.get()) + TABLE_BYTES_PER_KEY + index + self.blocks_of(entry)
    }

    fn blocks_of(&self, entry: EntryRef) -> usize {
        entry::value_heap_bytes(&self.slab, entry) + entry::key_heap_bytes(&self.slab, entry)
    }

    /// Bytes held outside the slab: directory, expiry index, long keys, long strings, collections.
    pub fn heap_bytes(&self) -> usize {
        if self.is_empty() && self.block_bytes == 0 {
            // Most databases are empty, and this is asked before each write while `maxmemory` is set.
            return self.table.heap_bytes();
        }
        self.block_bytes + self.table.heap_bytes() + self.expiry_bytes()
    }

    /// Bytes of the table (for MEMORY STATS): segments and directory.
    pub fn table_bytes(&self) -> usize {
        self.table.heap_bytes() + self.table.segment_bytes()
    }

    /// Bytes of the expiry indices.
    pub fn expiry_bytes(&self) -> usize {
        self.expiry.heap_bytes() + self.fields.heap_bytes()
    }

    // Changing.

    /// Adds a key, which must not be there yet.
    #[inline]
    pub fn insert(&mut self, hash: KeyHash, key: &[u8], value: Value<'_>, expire_ms: Option<u64>) -> EntryRef {
        debug_assert!(self.find(hash, key).is_none(), "insert of a key that is there");
        let header = Header { expire_ms, access: self.access_stamp, epoch: self.epoch_stamp };
        let slab = &*self.slab;
        let blocks = &mut self.block_bytes;
        let entry = entry::stored(value, key.len(), |value| {
            *blocks += value.heap_bytes();
            entry::write(slab, key, value, header)
        });
        self.block_bytes += entry::key_heap_bytes(&self.slab, entry);
        self.table.insert(&self.slab, hash.0, entry.get(), &rehash(&self.slab));
        if let Some(expire_ms) = expire_ms {
            self.expiry.insert(entry, expire_ms);
        }
        if let Some(at) = self.fields_expire_at(entry) {
            self.fields.insert(entry, at);
        }
        entry
    }

    /// When the first field of a hash expires, unix ms.
    #[inline]
    fn fields_expire_at(&self, entry: EntryRef) -> Option<u64> {
        if self.type_code(entry) != TYPE_HASH {
            return None;
        }
        match self.value(entry) {
            ValueRef::Object(object) => first_expiry(object),
            _ => None,
        }
    }

    /// Replaces the value and keeps expiry time, access bits and epoch. The old value is dropped, or freed in steps.
    #[inline]
    pub fn set_value(&mut self, entry: EntryRef, hash: KeyHash, value: Value<'_>) -> EntryRef {
        if entry::overwrite(&self.slab, entry, &value, true) {
            return entry;
        }
        self.rescue(entry);
        let expire_ms = self.expire_at(entry);
        self.change(entry, hash, expire_ms, expire_ms, Some(value))
    }

    /// Replaces value and expiry time (SET without KEEPTTL); keeps access bits and epoch. The old value is dropped.
    #[inline]
    pub fn replace(&mut self, entry: EntryRef, hash: KeyHash, value: Value<'_>, expire_ms: Option<u64>) -> EntryRef {
        if expire_ms.is_none() && entry::overwrite(&self.slab, entry, &value, false) {
            return entry;
        }
        self.rescue(entry);
        self.change(entry, hash, self.expire_at(entry), expire_ms, Some(value))
    }

    /// Sets or clears the expiry time.
    pub fn set_expire(&mut self, entry: EntryRef, hash: KeyHash, expire_ms: Option<u64>) -> EntryRef {
        match (self.expire_at(entry), expire_ms) {
            (old, new) if old == new => entry,
            (Some(old), Some(new)) => {
                self.expiry.remove(entry, old);
                entry::overwrite_expire(&self.slab, entry, new);
                self.expiry.insert(entry, new);
                entry
            }
            (old, new) => self.change(entry, hash, old, new, None),
        }
    }

    #[inline]
    fn change(
        &mut self,
        entry: EntryRef,
        hash: KeyHash,
        old_expire_ms: Option<u64>,
        expire_ms: Option<u64>,
        value: Option<Value<'_>>,
    ) -> EntryRef {
        let fields_before = self.fields_expire_at(entry);
        let slab = &*self.slab;
        let moved = match value {
            None => entry::change(slab, entry, expire_ms, None),
            Some(value) => {
                let blocks = &mut self.block_bytes;
                *blocks -= entry::value_heap_bytes(slab, entry);
                if let Some(object) = entry::take_heavy(slab, entry) {
                    self.graves.bury(object);
                }
                entry::stored(value, entry::key(slab, entry).len(), |value| {
                    *blocks += value.heap_bytes();
                    entry::change(slab, entry, expire_ms, Some(value))
                })
            }
        };
        self.note_move(entry, moved, hash, old_expire_ms, expire_ms);
        let fields_now = self.fields_expire_at(moved);
        if fields_before.is_some() || fields_now.is_some() {
            fields_before.inspect(|&at| self.fields.remove(entry, at));
            fields_now.inspect(|&at| self.fields.insert(moved, at));
        }
        moved
    }

    #[inline]
    fn note_move(
        &mut self,
        old: EntryRef,
        new: EntryRef,
        hash: KeyHash,
        old_expire_ms: Option<u64>,
        expire_ms: Option<u64>,
    ) {
        if new != old {
            self.table.replace(&self.slab, hash.0, old.get(), new.get());
        }
        if new != old || old_expire_ms != expire_ms {
            if let Some(at) = old_expire_ms {
                self.expiry.remove(old, at);
            }
            if let Some(at) = expire_ms {
                self.expiry.insert(new, at);
            }
        }
    }

    /// The collection, to be changed; panics on strings. Its size is counted anew when the guard goes.
    #[inline]
    pub fn object_mut(&mut self, entry: EntryRef) -> ObjectMut<'_> {
        let object = entry::object_mut(&self.slab, entry).expect("object_mut of a string");
        let bytes_before = object.memory();
        let fields_before = first_expiry(object);
        let (block_bytes, fields) = (&mut self.block_bytes, &mut self.fields);
        ObjectMut { object, entry, bytes_before, block_bytes, fields_before, fields }
    }

    /// Removes a key and hands its value out. A short string is copied; [`Db::delete`] doesn't.
    pub fn remove(&mut self, entry: EntryRef, hash: KeyHash) -> Value<'static> {
        self.unlink(entry, hash);
        let value = entry::take_value(&self.slab, entry);
        entry::free(&self.slab, entry);
        value
    }

    /// Removes a key and its value; a large collection is freed later, in steps.
    #[inline]
    pub fn delete(&mut self, entry: EntryRef, hash: KeyHash) {
        self.rescue(entry);
        self.unlink(entry, hash);
        if let Some(object) = entry::take_heavy(&self.slab, entry) {
            self.graves.bury(object);
        }
        entry::drop_whole(&self.slab, entry);
    }

    /// Removes a key and hands all of it out (RENAME, MOVE).
    pub fn take(&mut self, entry: EntryRef, hash: KeyHash) -> Taken {
        let (expire_ms, access) = (self.expire_at(entry), self.access(entry));
        let is_raw = entry::is_raw(&self.slab, entry);
        Taken { value: self.remove(entry, hash), expire_ms, access, is_raw }
    }

    /// Adds what [`Db::take`] took, under a key that must not be there yet.
    pub fn put(&mut self, hash: KeyHash, key: &[u8], taken: Taken) -> EntryRef {
        if let Value::Object(object) = &taken.value
            && let Some(id) = object.saving()
        {
            self.strays.push(Stray::Moved { id, hash, key: key.into() });
        }
        let entry = self.insert(hash, key, taken.value, taken.expire_ms);
        self.set_access(entry, taken.access);
        if taken.is_raw {
            self.mark_raw(entry);
        }
        entry
    }

    /// A value is about to be dropped: not what a snapshot is still saving.
    #[inline]
    fn rescue(&mut self, entry: EntryRef) {
        if self.type_code(entry) != entry::TYPE_STRING {
            self.rescue_object(entry);
        }
    }

    #[cold]
    fn rescue_object(&mut self, entry: EntryRef) {
        if matches!(self.value(entry), ValueRef::Object(object) if object.saving().is_some()) {
            let object = std::mem::replace(&mut *self.object_mut(entry), Object::List(List::new()));
            self.strays.push(Stray::Removed(Box::new(object)));
        }
    }

    /// Collections that are being saved ([`Object::begin_saving`]) and whose keys went since this was last asked, in order.
    pub fn strays(&mut self) -> impl Iterator<Item = Stray> {
        self.strays.drain(..)
    }

    #[inline]
    fn unlink(&mut self, entry: EntryRef, hash: KeyHash) {
        self.block_bytes -= self.blocks_of(entry);
        if let Some(at) = self.expire_at(entry) {
            self.expiry.remove(entry, at);
        }
        if let Some(at) = self.fields_expire_at(entry) {
            self.fields.remove(entry, at);
        }
        self.table.remove(&self.slab, hash.0, entry.get(), &rehash(&self.slab));
    }

    /// Removes all keys at once and hands them over to be freed bit by bit.
    pub fn clear(&mut self) -> Garbage {
        let origin_ms = self.expiry.origin_ms();
        let table = std::mem::replace(&mut self.table, Table::new());
        let expiry = std::mem::replace(&mut self.expiry, ExpiryIndex::new(origin_ms));
        // One item per hash, 127 to a block: little beside the entries, which are freed bit by bit.
        self.fields = ExpiryIndex::new(origin_ms);
        self.block_bytes = 0;
        Garbage::new(Rc::clone(&self.slab), Rc::clone(&self.graves), table, expiry)
    }

    // Expiry times, access bits, epochs.

    /// The expiry time in unix ms.
    #[inline]
    pub fn expire_at(&self, entry: EntryRef) -> Option<u64> {
        entry::expire_at(&self.slab, entry)
    }

    /// An entry that is past its expiry time, if there is one; the caller removes it. An entry is reported 64 ms after
    /// its time at the latest (later ones with the same clock tick may hide an earlier one for so long).
    #[inline]
    pub fn next_due(&self, now_ms: u64) -> Option<EntryRef> {
        self.expiry.next_due(now_ms, |entry| self.expire_at(entry))
    }

    /// As [`Db::next_due`], for a hash some of whose fields are past their time: those before `now_ms`.
    #[inline]
    pub fn next_due_fields(&self, now_ms: u64) -> Option<EntryRef> {
        self.fields.next_due(now_ms.saturating_sub(1), |entry| self.fields_expire_at(entry))
    }

    /// The entry that expires first, to within 64 ms (volatile-ttl).
    pub fn soonest_to_expire(&self) -> Option<EntryRef> {
        self.expiry.soonest()
    }

    /// Mean time to live in ms of the keys with an expiry time, 0 if there are none.
    pub fn avg_ttl_ms(&self, now_ms: u64) -> u64 {
        self.expiry.avg_ttl_ms(now_ms)
    }

    /// The access bits: LRU clock or LFU counter, 24 bits.
    #[inline]
    pub fn access(&self, entry: EntryRef) -> u32 {
        entry::access(&self.slab, entry)
    }

    /// Sets the access bits; the upper 8 of `access` are ignored.
    #[inline]
    pub fn set_access(&mut self, entry: EntryRef, access: u32) {
        let access = access & 0xff_ffff;
        // The LRU clock ticks once a second: a key read more often keeps its cache line clean.
        if entry::access(&self.slab, entry) != access {
            entry::set_access(&self.slab, entry, access);
        }
    }

    /// Sets the access bits that new entries get.
    pub fn set_access_stamp(&mut self, stamp: u32) {
        self.access_stamp = stamp & 0xff_ffff;
    }

    /// The snapshot epoch, 2 bits.
    #[inline]
    pub fn epoch(&self, entry: EntryRef) -> u8 {
        entry::epoch(&self.slab, entry)
    }

    /// Sets the snapshot epoch, 2 bits.
    #[inline]
    pub fn set_epoch(&mut self, entry: EntryRef, epoch: u8) {
        entry::set_epoch(&self.slab, entry, epoch);
    }

    /// Sets the snapshot epoch that new entries get.
    pub fn set_epoch_stamp(&mut self, epoch: u8) {
        self.epoch_stamp = epoch & 3;
    }

    // Walking and sampling.

    /// Visits the keys of one home bucket, some ten at most, and returns the cursor to go on with: below
    /// 2^[`super::Cursor::BITS`], 0 at the start and at the end. Every key that is there during the whole walk is visited at
    /// least once, whatever is inserted and removed meanwhile; with no inserts, exactly once.
    pub fn scan(&self, cursor: u64, visit: &mut dyn FnMut(EntryRef)) -> u64 {
        self.table.scan(&self.slab, cursor, &rehash(&self.slab), |reference| visit(EntryRef::new(reference)))
    }

    /// Every key, in no promised order.
    pub fn for_each(&self, mut visit: impl FnMut(EntryRef)) {
        self.table.for_each(&self.slab, |reference| visit(EntryRef::new(reference)));
    }

    /// A key at random, each with nearly the same chance.
    pub fn random(&self, rng: &mut impl Rng) -> Option<EntryRef> {
        self.table.random(&self.slab, rng).map(EntryRef::new)
    }

    /// Up to `n` keys from a random place, for eviction. May find fewer, even none, in a thinly filled table.
    pub fn sample(&self, rng: &mut impl Rng, n: usize, mut visit: impl FnMut(EntryRef)) {
        self.table.sample(&self.slab, rng, n, |reference| visit(EntryRef::new(reference)));
    }

    /// Up to `n` keys that have an expiry time, from a random place, for the volatile policies.
    pub fn sample_volatile(&self, rng: &mut impl Rng, n: usize, visit: impl FnMut(EntryRef)) {
        self.expiry.sample(rng, n, visit);
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        drop(self.clear());
    }
}

/// The hash of an entry that the table holds.
#[inline]
fn rehash(slab: &Slab) -> impl Fn(u32) -> u64 {
    move |reference| entry::hash(slab, EntryRef::new(reference)).0
}

/// A collection being changed; see [`Db::object_mut`]. When it goes, its size and the times of its fields are noted.
pub struct ObjectMut<'a> {
    object: &'a mut Object,
    entry: EntryRef,
    bytes_before: usize,
    block_bytes: &'a mut usize,
    fields_before: Option<u64>,
    fields: &'a mut ExpiryIndex,
}

#[inline]
fn first_expiry(object: &Object) -> Option<u64> {
    if let Object::Hash(hash) = object { hash.min_expire() } else { None }
}

impl Deref for ObjectMut<'_> {
    type Target = Object;

    #[inline]
    fn deref(&self) -> &Object {
        self.object
    }
}

impl DerefMut for ObjectMut<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Object {
        self.object
    }
}

impl Drop for ObjectMut<'_> {
    #[inline]
    fn drop(&mut self) {
        *self.block_bytes = *self.block_bytes + self.object.memory() - self.bytes_before;
        let fields_now = first_expiry(self.object);
        if fields_now != self.fields_before {
            self.fields_before.inspect(|&at| self.fields.remove(self.entry, at));
            fields_now.inspect(|&at| self.fields.insert(self.entry, at));
        }
    }
}
