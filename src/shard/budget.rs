//! `maxmemory`, shared out among the cores.
//!
//! What is left of the limit once connections, buffers and the like have theirs is a pool. Each core leases of it what its
//! keys need, a chunk at a time, and gives back what they do not: so the leases add up to the limit, and move to where the
//! data is. When the pool is empty a core makes room by evicting. If another core's keys are much less needed than its own,
//! it asks that core to make the room instead; so a core whose slots hold little does not keep what nobody reads while
//! another throws away what is.
//!
//! The atomics are touched only while there is a limit: when a lease ends, once a pass, and ten times a second.

use crossbeam_utils::CachePadded;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Smallest and largest piece of memory that moves between a core and the pool, bytes.
const CHUNK_BYTES_MIN: u64 = 4 << 10;
const CHUNK_BYTES_MAX: u64 = 1 << 20;

/// What one core tells the others.
#[derive(Debug, Default)]
pub struct CoreMemory {
    /// Bytes in use in its slab, which the allocator does not know of.
    pub slab: AtomicU64,
    /// Bytes that its keys hold of the allocator's.
    pub heap: AtomicU64,
    /// Bytes that do not count towards the limit: what is being freed, and buffers of the log and of a snapshot.
    pub uncounted: AtomicU64,
    /// How dispensable its most dispensable key is; 0: it has nothing to evict.
    pub coldness: AtomicU64,
    /// Bytes that others ask it to give up.
    pub asked: AtomicU64,
    /// Bytes that its connections hold, and the largest of them that may be closed.
    pub clients: AtomicU64,
    /// Bytes that the largest connection that may be closed holds.
    pub largest_client: AtomicU64,
}

#[derive(Debug, Default)]
struct Totals {
    /// `maxmemory`; 0: none.
    limit: u64,
    /// Bytes in use that are not keys.
    other: u64,
}

impl Totals {
    /// What there is for keys; nothing without a limit, since nobody has a lease then.
    fn room(&self) -> i64 {
        if self.limit == 0 { 0 } else { self.limit as i64 - self.other as i64 }
    }
}

/// The pool.
#[derive(Debug)]
pub struct MemoryPool {
    /// Bytes that no core has leased. Below 0 when the leases are more than there is.
    free: CachePadded<AtomicI64>,
    totals: Mutex<Totals>,
    cores: Box<[CachePadded<CoreMemory>]>,
}

impl MemoryPool {
    /// For so many cores. `other` bytes are in use that are not keys.
    pub fn new(cores: usize, other: u64) -> MemoryPool {
        MemoryPool {
            free: CachePadded::new(AtomicI64::new(0)),
            totals: Mutex::new(Totals { limit: 0, other }),
            cores: (0..cores).map(|_| CachePadded::default()).collect(),
        }
    }

    /// What a core tells.
    #[inline]
    pub fn core(&self, core: usize) -> &CoreMemory {
        &self.cores[core]
    }

    /// All cores.
    pub fn cores(&self) -> impl Iterator<Item = &CoreMemory> {
        self.cores.iter().map(|core| &**core)
    }

    /// Bytes in use in all slabs.
    pub fn slab_bytes(&self) -> u64 {
        self.cores().map(|core| core.slab.load(Ordering::Relaxed)).sum()
    }

    /// Bytes that do not count towards the limit.
    pub fn uncounted_bytes(&self) -> u64 {
        self.cores().map(|core| core.uncounted.load(Ordering::Relaxed)).sum()
    }

    /// Sets `maxmemory`, in bytes; 0: none. Repeating it does nothing.
    pub fn set_limit(&self, bytes: u64) {
        self.change(|totals| totals.limit = bytes);
    }

    /// The allocator has handed out so many bytes in all: what is not the keys' is taken from the pool.
    pub fn note_allocated(&self, bytes: u64) {
        let keys: u64 = self.cores().map(|core| core.heap.load(Ordering::Relaxed)).sum();
        let uncounted = self.uncounted_bytes();
        self.change(|totals| totals.other = bytes.saturating_sub(keys + uncounted));
    }

    fn change(&self, change: impl FnOnce(&mut Totals)) {
        let mut totals = self.totals.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let before = totals.room();
        change(&mut totals);
        self.free.fetch_add(totals.room() - before, Ordering::Relaxed);
    }

    /// What there is for keys, bytes.
    fn room(&self) -> u64 {
        let totals = self.totals.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        totals.room().max(0) as u64
    }

    /// What moves between a core and the pool at a time, bytes.
    fn chunk(&self) -> u64 {
        let limit = self.totals.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).limit;
        (limit / 256 / self.cores.len() as u64).clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX)
    }

    /// The core, other than `me`, whose keys are least needed, and how dispensable they are.
    fn coldest(&self, me: usize) -> Option<(usize, u64)> {
        let others = (0..self.cores.len()).filter(|&core| core != me);
        let cold = others.map(|core| (core, self.cores[core].coldness.load(Ordering::Relaxed)));
        cold.filter(|&(_, coldness)| coldness > 0).max_by_key(|&(_, coldness)| coldness)
    }
}

/// One core's lease.
#[derive(Debug)]
pub struct Lease {
    core: usize,
    /// Bytes that its keys may hold; `u64::MAX`: there is no limit, and nothing was leased.
    bytes: u64,
    chunk: u64,
    /// Bytes evicted since the cores were last compared.
    evicted: u64,
    /// It gave up some for another core, which it must not take back before that could.
    yields: bool,
}

impl Lease {
    /// For a core; without a limit at first.
    pub fn new(core: usize) -> Lease {
        Lease { core, bytes: u64::MAX, chunk: CHUNK_BYTES_MIN, evicted: 0, yields: false }
    }

    /// Whether there is a limit.
    #[inline]
    pub fn is_limited(&self) -> bool {
        self.bytes != u64::MAX
    }

    /// Whether keys may hold so many bytes.
    #[inline]
    pub fn covers(&self, used: u64) -> bool {
        used <= self.bytes
    }

    /// Joins or leaves, as there is a limit or not. A core that joins leases what its keys hold.
    pub fn set_limited(&mut self, pool: &MemoryPool, limited: bool, used: u64) {
        if limited && !self.is_limited() {
            pool.free.fetch_sub(used as i64, Ordering::Relaxed);
            self.bytes = used;
        } else if !limited && self.is_limited() {
            pool.free.fetch_add(self.bytes as i64, Ordering::Relaxed);
            self.bytes = u64::MAX;
        }
        self.chunk = pool.chunk();
    }

    /// Leases more, so that so many bytes are covered; `false` if the pool does not have that.
    pub fn extend(&mut self, pool: &MemoryPool, used: u64) -> bool {
        let Some(missing) = used.checked_sub(self.bytes).filter(|&missing| missing > 0) else {
            self.yields = false;
            return true;
        };
        if self.yields {
            return false;
        }
        let taken = pool.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
            let free = u64::try_from(free).unwrap_or(0);
            (free >= missing).then(|| (free - free.min(missing.max(self.chunk))) as i64)
        });
        let Ok(before) = taken else { return false };
        self.bytes += (before as u64).min(missing.max(self.chunk));
        true
    }

    /// Ten times a second: gives back what is not used, what others asked for, and this core's share of what the leases are
    /// too much. The caller then evicts down to the lease.
    pub fn settle(&mut self, pool: &MemoryPool, used: u64) {
        if !self.is_limited() {
            return;
        }
        if self.bytes > used.saturating_add(2 * self.chunk) {
            self.give(pool, self.bytes - used - self.chunk);
        }
        let asked = pool.core(self.core).asked.swap(0, Ordering::Relaxed);
        self.give(pool, asked);
        self.yields = (self.yields || asked > 0) && !self.covers(used);
        if pool.free.load(Ordering::Relaxed) < 0 {
            let load = |memory: &CoreMemory| memory.slab.load(Ordering::Relaxed) + memory.heap.load(Ordering::Relaxed);
            let all: u64 = pool.cores().map(load).sum::<u64>().max(1);
            let mine = load(pool.core(self.core)).min(all);
            let share = (u128::from(pool.room()) * u128::from(mine) / u128::from(all)) as u64;
            self.give(pool, self.bytes.saturating_sub(share));
        }
    }

    fn give(&mut self, pool: &MemoryPool, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        pool.free.fetch_add(bytes as i64, Ordering::Relaxed);
    }

    /// So many bytes were evicted here.
    pub fn note_evicted(&mut self, bytes: u64) {
        self.evicted += bytes;
    }

    /// Ten times a second: if this core has had to evict while another's keys are `much_colder`, half of that is asked of
    /// the other.
    pub fn compare(&mut self, pool: &MemoryPool, much_colder: impl Fn(u64, u64) -> bool) {
        let evicted = std::mem::take(&mut self.evicted);
        let mine = pool.core(self.core).coldness.load(Ordering::Relaxed);
        if evicted > 0
            && let Some((other, theirs)) = pool.coldest(self.core)
            && much_colder(theirs, mine)
        {
            pool.core(other).asked.fetch_add(evicted / 2, Ordering::Relaxed);
        }
    }

    /// This core has nothing to evict and needs room: asks the core whose keys are least needed. `false` if none has any.
    pub fn ask(&mut self, pool: &MemoryPool, used: u64) -> bool {
        self.yields = false;
        let Some((other, _)) = pool.coldest(self.core) else { return false };
        let wanted = used.saturating_sub(self.bytes).max(4 * self.chunk);
        pool.core(other).asked.fetch_max(wanted, Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pool of 1,000 KiB for keys, and two cores that hold so many KiB each.
    fn pool(used: [u64; 2]) -> (MemoryPool, [Lease; 2]) {
        let pool = MemoryPool::new(2, 24 << 10);
        pool.set_limit(1024 << 10);
        let mut leases = [Lease::new(0), Lease::new(1)];
        for (lease, used) in leases.iter_mut().zip(used) {
            lease.set_limited(&pool, true, used << 10);
            pool.core(lease.core).slab.store(used << 10, Ordering::Relaxed);
        }
        (pool, leases)
    }

    /// What the leases and the pool add up to, KiB.
    fn sum(pool: &MemoryPool, leases: &[Lease; 2]) -> i64 {
        (pool.free.load(Ordering::Relaxed) + leases.iter().map(|lease| lease.bytes as i64).sum::<i64>()) >> 10
    }

    #[test]
    fn leases_add_up_to_the_limit_and_go_where_the_data_is() {
        let (pool, mut leases) = pool([100, 100]);
        assert_eq!(sum(&pool, &leases), 1000);
        // One core fills up all there is.
        let mut used = 100 << 10;
        while leases[0].extend(&pool, used + 1024) {
            used += 1024;
        }
        assert!(used >> 10 >= 890, "{used}");
        assert_eq!(sum(&pool, &leases), 1000);
        // The other cannot have more than it has, until the first gives something up.
        assert!(!leases[1].extend(&pool, 200 << 10));
        leases[0].settle(&pool, 500 << 10);
        assert!(leases[1].extend(&pool, 200 << 10));
        assert_eq!(sum(&pool, &leases), 1000);
        for lease in &mut leases {
            lease.set_limited(&pool, false, 0);
        }
        pool.set_limit(0);
        assert_eq!(pool.free.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_lower_limit_is_borne_by_each_core_as_it_has() {
        let (pool, mut leases) = pool([600, 300]);
        pool.set_limit((24 + 450) << 10);
        leases.iter_mut().zip([600, 300]).for_each(|(lease, used)| lease.settle(&pool, used << 10));
        leases.iter_mut().zip([600, 300]).for_each(|(lease, used)| lease.settle(&pool, used << 10));
        assert_eq!(sum(&pool, &leases), 450);
        assert_eq!((leases[0].bytes >> 10, leases[1].bytes >> 10), (300, 150));
        assert!(pool.free.load(Ordering::Relaxed) >= 0);
        // So is what connections take.
        pool.note_allocated(124 << 10);
        leases.iter_mut().zip([300, 150]).for_each(|(lease, used)| lease.settle(&pool, used << 10));
        leases.iter_mut().zip([300, 150]).for_each(|(lease, used)| lease.settle(&pool, used << 10));
        assert_eq!(sum(&pool, &leases), 350);
    }

    #[test]
    fn a_core_without_anything_to_evict_gets_room_from_one_that_has() {
        let (pool, mut leases) = pool([0, 1000]);
        assert!(!leases[0].extend(&pool, 1 << 10));
        assert!(!leases[0].ask(&pool, 1 << 10), "nobody has anything to evict");
        pool.core(1).coldness.store(1, Ordering::Relaxed);
        assert!(leases[0].ask(&pool, 1 << 10));
        leases[1].settle(&pool, 1000 << 10);
        assert!(leases[0].extend(&pool, 1 << 10));
    }

    #[test]
    fn colder_keys_elsewhere_make_room_for_warmer_ones_here() {
        let (pool, mut leases) = pool([500, 500]);
        pool.core(0).coldness.store(10, Ordering::Relaxed);
        pool.core(1).coldness.store(1000, Ordering::Relaxed);
        leases[0].note_evicted(64 << 10);
        leases[0].compare(&pool, |theirs, mine| theirs > 2 * mine);
        leases[1].note_evicted(64 << 10);
        leases[1].compare(&pool, |theirs, mine| theirs > 2 * mine);
        leases.iter_mut().for_each(|lease| lease.settle(&pool, 500 << 10));
        assert_eq!((leases[0].bytes >> 10, leases[1].bytes >> 10), (500, 468));
    }
}
