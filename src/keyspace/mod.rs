//! The keyspace of one core: its databases, the slab they share, expiry, sampling and the walk in a stable order.
//!
//! A key is hashed once ([`hash_key`]) and looked up in its [`Db`]: the table leads to an entry in the slab, which
//! holds key, expiry time, access bits and, if small, the value. The layers, each on the one below:
//!
//! - [`Db`]: what commands use; keeps table, entries, expiry index and memory counts in step.
//! - `table`: extendible hashing, one cache line per lookup as a rule; grows without pauses.
//! - `entry`: the bytes of an entry. `expiry`: who is due.
//! - [`slab`]: slots with 8-byte size classes, addressed by 32 bits.
//!
//! One thread only. Nothing here reads a clock or logs.

mod db;
mod entry;
mod expiry;
mod garbage;
mod graves;
mod hash;
mod mapping;
#[cfg(test)]
mod model_tests;
pub mod slab;
mod strings;
mod table;
#[cfg(test)]
mod testing;
mod value;

use std::rc::Rc;

pub use db::{Db, ObjectMut, Stray, Taken};
pub use entry::{EntryRef, TYPE_STRING};
pub use garbage::Garbage;
pub use graves::Graves;
pub use hash::{KeyHash, hash_key, seed_key_hash};
pub use slab::{Slab, SlabError, SlabOptions, SlabStats};
pub use table::Cursor;
pub use value::{Value, ValueRef, parse_canonical_i64};

/// A core's databases.
pub struct Keyspace {
    slab: Rc<Slab>,
    graves: Rc<Graves>,
    dbs: Vec<Db>,
}

impl Keyspace {
    /// Makes `databases` empty databases. `now_ms` is the unix time: expiry times before it count as past.
    ///
    /// # Errors
    /// [`SlabError`] when the system grants no address space.
    pub fn new(databases: usize, now_ms: u64, options: SlabOptions) -> Result<Keyspace, SlabError> {
        let slab = Rc::new(Slab::new(options)?);
        let graves = Rc::new(Graves::default());
        let dbs = (0..databases).map(|_| Db::new(Rc::clone(&slab), Rc::clone(&graves), now_ms)).collect();
        Ok(Keyspace { slab, graves, dbs })
    }

    /// One database. Panics if there is none of that number.
    #[inline]
    pub fn db(&self, index: usize) -> &Db {
        &self.dbs[index]
    }

    /// One database, to be changed. Panics if there is none of that number.
    #[inline]
    pub fn db_mut(&mut self, index: usize) -> &mut Db {
        &mut self.dbs[index]
    }

    /// Two different databases, to be changed (MOVE, COPY). Panics if they are the same.
    pub fn two_mut(&mut self, first: usize, second: usize) -> (&mut Db, &mut Db) {
        let [first, second] = self.dbs.get_disjoint_mut([first, second]).expect("two different databases");
        (first, second)
    }

    /// All databases in order.
    pub fn dbs(&self) -> &[Db] {
        &self.dbs
    }

    /// All databases in order, to be changed.
    pub fn dbs_mut(&mut self) -> &mut [Db] {
        &mut self.dbs
    }

    /// Exchanges two databases (SWAPDB).
    pub fn swap(&mut self, first: usize, second: usize) {
        self.dbs.swap(first, second);
    }

    /// An empty database on the same slab that is none of the numbered ones: for keys fetched from other cores.
    pub fn scratch(&self, now_ms: u64) -> Db {
        Db::new(Rc::clone(&self.slab), Rc::clone(&self.graves), now_ms)
    }

    /// Sets what new entries of all databases get as access bits: the LRU clock, or the first LFU counter. 24 bits.
    pub fn set_access_stamp(&mut self, stamp: u32) {
        self.dbs.iter_mut().for_each(|db| db.set_access_stamp(stamp));
    }

    /// Sets the snapshot epoch (2 bits) that new entries of all databases get.
    pub fn set_epoch_stamp(&mut self, epoch: u8) {
        self.dbs.iter_mut().for_each(|db| db.set_epoch_stamp(epoch));
    }

    /// Bytes that keys and values take: slots of the slab, directories, expiry indexes and blocks on the heap.
    /// [`Garbage`] not yet freed is counted as far as it lies in the slab.
    pub fn memory_bytes(&self) -> usize {
        self.slab.stats().used_bytes + self.dbs.iter().map(Db::heap_bytes).sum::<usize>()
    }

    /// Large collections on their way out, which are not part of [`Keyspace::memory_bytes`].
    pub fn graves(&self) -> &Graves {
        &self.graves
    }

    /// The slab, for its statistics.
    pub fn slab(&self) -> &Slab {
        &self.slab
    }
}

/// Asks for a cache line to be loaded. Any address will do.
#[inline]
fn prefetch_line(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a hint that reads nothing and cannot fault, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}
