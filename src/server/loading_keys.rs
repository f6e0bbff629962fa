//! Puts the keys that were read from an RDB file into a core's shard.

use super::loading::{Progress, access_bits};
use super::loading_rdb::RdbLoad;
use crate::keyspace::{KeyHash, hash_key};
use crate::rdb::{self, KeyRecord};
use crate::shard::Shard;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;

/// Keys that wait while the memory where they belong is on its way: enough to hide that, few enough to stay in the cache.
const WAITING: usize = 8;

/// Keys counted here before all others are told of them.
const COUNTED: u64 = 4096;

/// The way of keys into one shard. They go in in the order in which they came.
pub(super) struct KeyLoad<'a> {
    load: &'a RdbLoad<'a>,
    shard: &'a mut Shard,
    /// Database, hash, key: the table's line was asked for.
    waiting: VecDeque<(u16, KeyHash, KeyRecord)>,
    counts: Counts<'a>,
}

impl<'a> KeyLoad<'a> {
    /// Nothing is on its way yet.
    pub fn new(load: &'a RdbLoad<'a>, shard: &'a mut Shard) -> KeyLoad<'a> {
        let counts = Counts { progress: load.progress, loaded: 0, expired: 0 };
        KeyLoad { load, shard, waiting: VecDeque::with_capacity(WAITING), counts }
    }

    /// Takes a key in. It is there after [`KeyLoad::finish`]; an error may be that of a key before it.
    pub fn put(&mut self, db: u16, record: KeyRecord) -> Result<(), String> {
        let hash = hash_key(&record.key);
        self.shard.db(db).prefetch(hash);
        let oldest = if self.waiting.len() == WAITING { self.waiting.pop_front() } else { None };
        self.waiting.push_back((db, hash, record));
        oldest.map_or(Ok(()), |(db, hash, record)| self.insert(db, hash, record))
    }

    /// Puts in whatever still waits.
    pub fn finish(&mut self) -> Result<(), String> {
        while let Some((db, hash, record)) = self.waiting.pop_front() {
            self.insert(db, hash, record)?;
        }
        Ok(())
    }

    fn insert(&mut self, db: u16, hash: KeyHash, record: KeyRecord) -> Result<(), String> {
        let RdbLoad { settings, limits, now_ms, skip_expired, .. } = self.load;
        let expire_ms = record.expire_ms.map(|at| at.max(0) as u64);
        if *skip_expired && expire_ms.is_some_and(|at| at <= *now_ms) {
            self.counts.expired += 1;
            return Ok(());
        }
        let value = rdb::into_stored(record.value, limits)
            .map_err(|error| format!("key {:?}: {error}", String::from_utf8_lossy(&record.key)))?;
        let keys = self.shard.keyspace_mut().db_mut(db as usize);
        let entry = match keys.find(hash, &record.key) {
            Some(entry) => keys.replace(entry, hash, value, expire_ms),
            None => keys.insert(hash, &record.key, value, expire_ms),
        };
        if let Some(access) = access_bits(record.access, settings.maxmemory_policy, *now_ms) {
            keys.set_access(entry, access);
        }
        self.counts.count_loaded();
        Ok(())
    }
}

/// Counts of one thread, added to those of all now and then.
struct Counts<'a> {
    progress: &'a Progress,
    loaded: u64,
    expired: u64,
}

impl Counts<'_> {
    #[inline]
    fn count_loaded(&mut self) {
        self.loaded += 1;
        if self.loaded == COUNTED {
            self.add();
        }
    }

    fn add(&mut self) {
        self.progress.keys_loaded.fetch_add(std::mem::take(&mut self.loaded), Ordering::Relaxed);
        self.progress.keys_expired.fetch_add(std::mem::take(&mut self.expired), Ordering::Relaxed);
    }
}

impl Drop for Counts<'_> {
    fn drop(&mut self) {
        self.add();
    }
}
