//! `maxmemory` on one core: room for writes, evictions between requests, memory freed in steps, and connections closed when
//! they hold too much (`maxmemory-clients`).

use super::core::Core;
use crate::command::spec::Flags;
use crate::config::{ClientMemory, MaxmemoryPolicy};
use crate::net::{Closing, ConnRef};
use crate::observe::{ProcessMemory, Ticks};
use crate::shard::{Eviction, Lease};
use std::sync::atomic::Ordering::Relaxed;

/// What writes are refused with when memory has run out.
pub(super) const OUT_OF_MEMORY: &str = "OOM command not allowed when used memory > 'maxmemory'.";

/// What one pass spends on freeing memory that nobody needs any more, nanoseconds; a busy core then rests so many times as
/// long.
const FREE_NANOS: u64 = 100_000;
const REST_FACTOR: u64 = 3;
/// Allocations freed between two looks at the clock.
const FREE_STEP: usize = 64;

/// Whether a command that may need memory can run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Room {
    /// Yes; if evictions take longer than one command may wait, the passes to come go on with them.
    Yes,
    /// Not yet: another core has been asked to make room.
    Later,
    /// No: it is refused.
    No,
}

/// A core's share of the memory, and what it does about it.
#[derive(Debug)]
pub(super) struct Memory {
    lease: Lease,
    /// Since when the keys hold more than the lease.
    over_since: Option<Ticks>,
    /// How long they have done so before, nanoseconds.
    exceeded_nanos: u64,
    /// The last slice of freeing.
    freed_at: Ticks,
    rest_nanos: u64,
}

impl Memory {
    pub(super) fn new(core: usize) -> Memory {
        Memory { lease: Lease::new(core), over_since: None, exceeded_nanos: 0, freed_at: Ticks::now(), rest_nanos: 0 }
    }

    /// How long the keys held too much since the start, and in this stretch, milliseconds.
    pub(super) fn exceeded_ms(&self) -> (u64, u64) {
        let current = self.over_since.map_or(0, |since| Ticks::now().nanos_since(since));
        ((self.exceeded_nanos + current) / 1_000_000, current / 1_000_000)
    }

    pub(super) fn reset_stats(&mut self) {
        self.exceeded_nanos = 0;
    }

    fn note(&mut self, within: bool) {
        match (within, self.over_since) {
            (true, Some(since)) => {
                self.exceeded_nanos += Ticks::now().nanos_since(since);
                self.over_since = None;
            }
            (false, None) => self.over_since = Some(Ticks::now()),
            _ => {}
        }
    }
}

/// How long one command waits for evictions at most, in nanoseconds: Redis's scale. 10, the default, is half a
/// millisecond; 100 is without end.
fn eviction_nanos(tenacity: u32) -> u64 {
    match tenacity {
        0..=10 => u64::from(tenacity) * 50_000,
        11..=99 => (500_000.0 * 1.15f64.powi(tenacity as i32 - 10)) as u64,
        _ => u64::MAX,
    }
}

/// Whether keys as dispensable as `theirs` are so much more so than `mine` that they should go instead.
fn is_much_colder(policy: MaxmemoryPolicy, theirs: u64, mine: u64) -> bool {
    use MaxmemoryPolicy::{AllkeysLfu, AllkeysLru, VolatileLfu, VolatileLru, VolatileTtl};
    match policy {
        AllkeysLru | VolatileLru => theirs > mine + mine / 4 + 1,
        AllkeysLfu | VolatileLfu => theirs > mine + 2,
        VolatileTtl => theirs > mine,
        _ => false,
    }
}

impl Core {
    fn used_by_keys(&self) -> u64 {
        self.shard.keyspace().memory_bytes() as u64
    }

    /// Whether a command with these flags finds room for what it may add. Evicts, for a bounded time, if there is none.
    #[inline]
    pub(super) fn room_for(&mut self, flags: Flags) -> Room {
        if !self.memory.lease.is_limited() || !flags.has(Flags::DENYOOM) {
            return Room::Yes;
        }
        // It may need more than there is: where nothing more fits, also where a core holds no key yet, there is no room.
        if self.memory.lease.covers(self.used_by_keys() + 1) { Room::Yes } else { self.make_room(1).0 }
    }

    /// Why a transaction that may need memory is refused here, if it is: before its first effect, or never.
    pub(super) fn refuses_memory(&mut self) -> Option<&'static str> {
        (self.room_for(Flags::DENYOOM) == Room::No).then_some(OUT_OF_MEMORY)
    }

    /// Leases more or evicts, so that the keys may hold `more` bytes than they do. Also says whether going on would free more.
    #[cold]
    fn make_room(&mut self, more: u64) -> (Room, bool) {
        if self.memory.lease.extend(&self.everyone.memory, self.used_by_keys() + more) {
            self.memory.note(true);
            return (Room::Yes, false);
        }
        self.memory.note(false);
        if self.standstill.stopped || self.loading {
            // The logs must stay where they end now.
            return (Room::Yes, false);
        }
        let began = Ticks::now();
        let patience = eviction_nanos(self.settings.maxmemory_eviction_tenacity);
        let before = self.used_by_keys();
        let mut used = before;
        let outcome = loop {
            let wanted = used + more;
            if self.memory.lease.covers(wanted) || self.memory.lease.extend(&self.everyone.memory, wanted) {
                self.memory.note(true);
                break (Room::Yes, false);
            }
            // What was flushed lies in the slab until it is freed: no key goes for its sake.
            if self.shard.has_flushed() {
                self.shard.free_some(FREE_STEP);
            } else {
                match self.evict_one() {
                    Eviction::Done => {}
                    Eviction::NotNow => break (Room::Yes, false),
                    Eviction::Nothing if self.memory.lease.ask(&self.everyone.memory, wanted) => {
                        break (Room::Later, false);
                    }
                    Eviction::Nothing => break (Room::No, false),
                }
            }
            used = self.used_by_keys();
            if Ticks::now().nanos_since(began) > patience {
                break (Room::Yes, true);
            }
        };
        self.memory.lease.note_evicted(before.saturating_sub(used));
        self.note_delay("eviction-cycle", Ticks::now().nanos_since(began));
        outcome
    }

    fn evict_one(&mut self) -> Eviction {
        let began = Ticks::now();
        let locks = &self.locks;
        let eviction = self.shard.evict_one(&|db, key| !locks.holds(db, key));
        if eviction == Eviction::Done {
            self.note_delay("eviction-del", Ticks::now().nanos_since(began));
        }
        eviction
    }

    /// At the end of a pass: goes on with evictions, and tells the others what this core holds. Says whether there is more
    /// to evict at once.
    pub(crate) fn keep_memory(&mut self) -> bool {
        if !self.memory.lease.is_limited() || self.loading {
            return false;
        }
        let used = self.publish_memory();
        if self.everyone.memory.core(self.me()).asked.load(Relaxed) > 0 {
            self.memory.lease.settle(&self.everyone.memory, used);
        }
        if self.memory.lease.covers(used) {
            self.memory.note(true);
            return false;
        }
        let (_, more) = self.make_room(0);
        self.publish_memory();
        more
    }

    /// Tells the others what this core's keys hold; returns it, in bytes.
    fn publish_memory(&self) -> u64 {
        let shared = self.everyone.memory.core(self.me());
        let slab = self.shard.keyspace().slab().stats().used_bytes as u64;
        let used = self.used_by_keys();
        shared.slab.store(slab, Relaxed);
        shared.heap.store(used.saturating_sub(slab), Relaxed);
        used
    }

    /// Joins or leaves those who share `maxmemory`, by the settings in force.
    pub(super) fn apply_memory_limit(&mut self) {
        let limit = self.settings.maxmemory_bytes;
        let used = self.publish_memory();
        self.everyone.memory.set_limit(limit);
        if !self.loading {
            self.memory.lease.set_limited(&self.everyone.memory, limit > 0, used);
            self.memory.lease.settle(&self.everyone.memory, used);
        }
    }

    /// Ten times a second: the cores' shares are balanced, and what keys may not have is measured.
    pub(super) fn balance_memory(&mut self) {
        let used = self.publish_memory();
        let graves = self.shard.keyspace().graves().bytes() as u64;
        let mut uncounted = graves + self.log_buffer_bytes();
        if self.me() == 0 {
            uncounted += self.everyone.saves.current_counts().memory_bytes;
        }
        let everyone = self.everyone.clone();
        let shared = everyone.memory.core(self.me());
        shared.uncounted.store(uncounted, Relaxed);
        if self.me() == 0 {
            let process = ProcessMemory::now();
            everyone.memory_peak.note(everyone.used_memory(&process));
            everyone.memory.note_allocated(process.allocated);
        }
        if self.memory.lease.is_limited() && !self.loading {
            shared.coldness.store(self.shard.coldness(), Relaxed);
            self.memory.lease.settle(&everyone.memory, used);
            let policy = self.settings.maxmemory_policy;
            self.memory.lease.compare(&everyone.memory, |theirs, mine| is_much_colder(policy, theirs, mine));
            self.go_on_waiting();
        }
        self.limit_clients();
    }

    /// What waited for memory, or for room in the log, tries again.
    pub(super) fn go_on_waiting(&mut self) {
        if !self.awaiting_space.is_empty() || !self.stalled.is_empty() {
            self.space_made();
        }
    }

    /// Frees some of what nobody needs any more. `busy` says that the pass had requests to run. Says whether there is more.
    pub(crate) fn free_memory(&mut self, busy: bool) -> Freeing {
        if !self.shard.has_garbage() {
            return Freeing::Idle;
        }
        let began = Ticks::now();
        if self.standstill.stopped || (busy && began.nanos_since(self.memory.freed_at) < self.memory.rest_nanos) {
            return Freeing::Waits;
        }
        while self.shard.free_some(FREE_STEP) && Ticks::now().nanos_since(began) < FREE_NANOS {}
        self.memory.freed_at = Ticks::now();
        self.memory.rest_nanos = REST_FACTOR * self.memory.freed_at.nanos_since(began);
        Freeing::Ran
    }

    /// Closes the largest connections while all of them together hold more than `maxmemory-clients`.
    fn limit_clients(&mut self) {
        let limit = match self.settings.maxmemory_clients {
            ClientMemory::Bytes(bytes) => bytes,
            ClientMemory::Percent(percent) => self.settings.maxmemory_bytes / 100 * percent,
        };
        if limit == 0 {
            return;
        }
        let mut mine: Vec<(u64, ConnRef)> = Vec::new();
        let mut held = 0;
        for conn in self.conns.iter() {
            let bytes = conn.memory() as u64;
            if conn.closing == Closing::No && !conn.profile.no_evict {
                held += bytes;
                mine.push((bytes, conn.place));
            }
        }
        mine.sort_unstable_by_key(|&(bytes, _)| bytes);
        let everyone = self.everyone.clone();
        let me = self.me();
        let (mut all, mut largest) = (held, 0);
        for (core, shared) in everyone.memory.cores().enumerate().filter(|&(core, _)| core != me) {
            debug_assert_ne!(core, me);
            all += shared.clients.load(Relaxed);
            largest = largest.max(shared.largest_client.load(Relaxed));
        }
        // Each core closes its own, and only while nobody has a larger one: two cores never close for the same bytes.
        while all > limit
            && let Some(&(bytes, at)) = mine.last()
            && bytes >= largest
        {
            mine.pop();
            all -= bytes;
            held -= bytes;
            tracing::info!("Evicting client: it holds {bytes} bytes");
            self.stats.evicted_clients += 1;
            self.close(at);
        }
        let shared = everyone.memory.core(me);
        shared.clients.store(held, Relaxed);
        shared.largest_client.store(mine.last().map_or(0, |&(bytes, _)| bytes), Relaxed);
    }
}

/// What a pass did to free memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Freeing {
    /// There is nothing to free.
    Idle,
    /// Some of it; there may be more.
    Ran,
    /// Nothing: requests come first.
    Waits,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_follows_the_scale_of_redis() {
        assert_eq!(eviction_nanos(0), 0);
        assert_eq!(eviction_nanos(10), 500_000);
        assert_eq!(eviction_nanos(11), 575_000);
        assert!(eviction_nanos(99) > 60_000_000_000);
        assert_eq!(eviction_nanos(100), u64::MAX);
    }
}
