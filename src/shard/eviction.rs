//! Which key goes when memory runs out.
//!
//! As Redis does, a few keys are looked at and the worst of them are remembered, so that over several evictions they are
//! the worst of many. Unlike there, a key that was used since it was remembered is judged anew before it goes, and
//! volatile-ttl need not guess: the expiry index knows who is next.

use super::shard::{Shard, Sink};
use crate::config::{MaxmemoryPolicy, events};
use crate::keyspace::{EntryRef, KeyHash};

/// Keys remembered.
const REMEMBERED: usize = 16;
/// Rounds of looking for keys before giving up: a thinly filled table may hide them from some.
const ROUNDS: usize = 16;
/// Bytes of a key's deletion in the log beside the key.
const EFFECT_BYTES: u64 = 64;

/// A key that might go.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// How dispensable it is: the higher the sooner it goes.
    score: u64,
    db: u16,
    hash: KeyHash,
    entry: EntryRef,
}

/// The candidates of a core, the most dispensable last.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    pool: Vec<Candidate>,
    next_db: usize,
}

/// What became of an attempt to evict a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Eviction {
    /// A key has gone.
    Done,
    /// There are some, but not now: transactions hold them, or the log has no room for their deletion.
    NotNow,
    /// The policy allows none.
    Nothing,
}

impl Candidates {
    fn add(&mut self, candidate: Candidate) {
        let is_same = |other: &Candidate| (other.db, other.entry) == (candidate.db, candidate.entry);
        if let Some(at) = self.pool.iter().position(is_same) {
            self.pool.remove(at);
        }
        let at = self.pool.partition_point(|other| other.score < candidate.score);
        if self.pool.len() == REMEMBERED {
            if at == 0 {
                return;
            }
            self.pool.remove(0);
            self.pool.insert(at - 1, candidate);
        } else {
            self.pool.insert(at, candidate);
        }
    }
}

/// Whether only keys with an expiry time may go.
fn is_volatile(policy: MaxmemoryPolicy) -> bool {
    use MaxmemoryPolicy::{VolatileLfu, VolatileLru, VolatileRandom, VolatileTtl};
    matches!(policy, VolatileLfu | VolatileLru | VolatileRandom | VolatileTtl)
}

fn is_random(policy: MaxmemoryPolicy) -> bool {
    matches!(policy, MaxmemoryPolicy::AllkeysRandom | MaxmemoryPolicy::VolatileRandom)
}

impl Shard {
    /// Evicts the key that the policy can do without most. `is_free` says whether no transaction holds a key.
    ///
    /// Must not be called in the middle of a command. Its work does not depend on the size of the keyspace or of the key.
    pub fn evict_one(&mut self, is_free: &dyn Fn(u16, &[u8]) -> bool) -> Eviction {
        debug_assert!(matches!(self.sink, Sink::Journal), "evictions are changes of their own");
        let policy = self.settings.maxmemory_policy;
        if policy == MaxmemoryPolicy::Noeviction {
            return Eviction::Nothing;
        }
        let mut outcome = Eviction::Nothing;
        for _ in 0..ROUNDS {
            self.look_for_candidates();
            while let Some(candidate) = self.candidates.pool.pop() {
                let Some(score) = self.judge(&candidate) else { continue };
                if score < candidate.score && self.candidates.pool.last().is_some_and(|next| next.score > score) {
                    // It has been used since.
                    self.candidates.add(Candidate { score, ..candidate });
                    continue;
                }
                let Candidate { db, hash, entry, .. } = candidate;
                let key = self.keyspace.db(db as usize).key(entry).to_vec();
                outcome = Eviction::NotNow;
                if !is_free(db, &key) {
                    continue;
                }
                if self.journal.admit_bytes(key.len() as u64 + EFFECT_BYTES).is_err() {
                    self.candidates.pool.push(candidate);
                    return outcome;
                }
                self.evict(db, hash, entry, &key);
                return Eviction::Done;
            }
            if outcome == Eviction::Nothing && !self.has_evictable() {
                return outcome;
            }
        }
        outcome
    }

    /// Whether the policy allows any key to go.
    pub fn has_evictable(&self) -> bool {
        let policy = self.settings.maxmemory_policy;
        policy != MaxmemoryPolicy::Noeviction
            && self
                .keyspace
                .dbs()
                .iter()
                .any(|db| if is_volatile(policy) { db.expires_len() > 0 } else { !db.is_empty() })
    }

    /// How dispensable this core's most dispensable key is, as far as known, for comparison with other cores: 0 if it has none.
    pub fn coldness(&mut self) -> u64 {
        if !self.has_evictable() {
            return 0;
        }
        self.look_for_candidates();
        self.candidates.pool.last().map_or(1, |candidate| candidate.score.saturating_add(1))
    }

    /// Forgets the candidates: the policy is another one.
    pub(super) fn forget_candidates(&mut self) {
        self.candidates.pool.clear();
    }

    /// Looks at some keys of each database.
    fn look_for_candidates(&mut self) {
        let policy = self.settings.maxmemory_policy;
        let samples = self.settings.maxmemory_samples as usize;
        let databases = self.keyspace.dbs().len();
        let volatile = is_volatile(policy);
        let first = self.candidates.next_db;
        for step in 0..databases {
            let db = (first + step) % databases;
            let keys = self.keyspace.db(db);
            if if volatile { keys.expires_len() == 0 } else { keys.is_empty() } {
                continue;
            }
            let mut found = [None; 64];
            let mut count = 0;
            let mut take = |entry| {
                if count < found.len() {
                    found[count] = Some(entry);
                    count += 1;
                }
            };
            let random = &mut self.random;
            match policy {
                MaxmemoryPolicy::VolatileTtl => {
                    keys.soonest_to_expire().into_iter().for_each(&mut take);
                    keys.sample_volatile(random, samples, &mut take);
                }
                MaxmemoryPolicy::AllkeysRandom => keys.random(random).into_iter().for_each(&mut take),
                MaxmemoryPolicy::VolatileRandom => keys.sample_volatile(random, 1, &mut take),
                _ if volatile => keys.sample_volatile(random, samples, &mut take),
                _ => {
                    keys.sample(random, samples, &mut take);
                    keys.random(random).into_iter().for_each(&mut take);
                }
            }
            for entry in found.into_iter().flatten() {
                let candidate = Candidate { score: 0, db: db as u16, hash: keys.hash(entry), entry };
                if let Some(score) = score(policy, self.clock, keys.access(entry), keys.expire_at(entry)) {
                    self.candidates.add(Candidate { score, ..candidate });
                }
            }
            if is_random(policy) {
                // One database after the other, as Redis does.
                self.candidates.next_db = (db + 1) % databases;
                return;
            }
        }
    }

    /// How dispensable a remembered key is now; `None` if it is gone or may not go any more.
    fn judge(&self, candidate: &Candidate) -> Option<u64> {
        let keys = self.keyspace.db(candidate.db as usize);
        if !keys.holds(candidate.hash, candidate.entry) {
            return None;
        }
        let policy = self.settings.maxmemory_policy;
        score(policy, self.clock, keys.access(candidate.entry), keys.expire_at(candidate.entry))
    }

    /// Removes a key for want of memory, and logs that.
    fn evict(&mut self, db: u16, hash: KeyHash, entry: EntryRef, key: &[u8]) {
        (self.gate, self.logged) = (0, 0);
        self.will_change(db, hash, key);
        self.keyspace.db_mut(db as usize).delete(entry, hash);
        let effect = if self.settings.lazyfree_lazy_eviction { &b"UNLINK"[..] } else { b"DEL" };
        self.log_effect(db, [effect, key].into_iter());
        self.notify(events::EVICTED, "evicted", db, key);
        self.stats.evicted += 1;
        self.settle_touched();
    }
}

/// How dispensable a key is; `None` if it may not go.
fn score(policy: MaxmemoryPolicy, clock: super::AccessClock, access: u32, expire_ms: Option<u64>) -> Option<u64> {
    use MaxmemoryPolicy::{
        AllkeysLfu, AllkeysLru, AllkeysRandom, Noeviction, VolatileLfu, VolatileLru, VolatileRandom, VolatileTtl,
    };
    if is_volatile(policy) && expire_ms.is_none() {
        return None;
    }
    match policy {
        Noeviction => None,
        AllkeysLru | VolatileLru => Some(u64::from(clock.idle_s(access))),
        AllkeysLfu | VolatileLfu => Some(255 - u64::from(clock.frequency(access))),
        VolatileTtl => expire_ms.map(|at| u64::MAX - 1 - at.min(u64::MAX - 1)),
        AllkeysRandom | VolatileRandom => Some(0),
    }
}
