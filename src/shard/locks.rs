//! Intent locks on keys, held by writes and reads that span cores.
//!
//! A command on one core needs no lock: the core runs one command at a time. A command over several cores locks its
//! keys on each of them in ascending order of cores, so that no two of them can wait for each other in a circle. On
//! one core a request for several keys takes its place in all their queues at once, which rules out circles there.
//! While nothing spans cores the table is empty, and a command pays one comparison for it.
//!
//! A key can also be *kept*: what came to it is meant for a client that waits for keys of several cores and has been told (see
//! [`super::waiting`]). Commands of one core, which hold nothing meanwhile, are parked until it is let go of; whoever locks keys is not
//! held up by it, so it adds no circle.

use std::collections::{HashMap, VecDeque};

/// Whether others may hold the key at the same time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Other readers may hold it too.
    Shared,
    /// Nobody else.
    Exclusive,
}

/// A key and the database it is in.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct LockKey {
    /// Number of the database.
    pub db: u16,
    /// The key's bytes.
    pub key: Box<[u8]>,
}

impl LockKey {
    /// Copies `key`.
    pub fn new(db: u16, key: &[u8]) -> Self {
        LockKey { db, key: key.into() }
    }
}

struct Lock<W> {
    readers: u32,
    writer: bool,
    /// Waiters by number, in order of arrival.
    queue: VecDeque<u32>,
    /// How many keep the key.
    kept: u32,
    /// Commands of this core alone that wait until nobody keeps it.
    parked: VecDeque<Waiter<W>>,
}

impl<W> Default for Lock<W> {
    fn default() -> Self {
        Lock { readers: 0, writer: false, queue: VecDeque::new(), kept: 0, parked: VecDeque::new() }
    }
}

impl<W> Lock<W> {
    fn free_for(&self, mode: Mode) -> bool {
        !self.writer && (mode == Mode::Shared || self.readers == 0)
    }

    fn take(&mut self, mode: Mode) {
        match mode {
            Mode::Shared => self.readers += 1,
            Mode::Exclusive => self.writer = true,
        }
    }
}

struct Waiter<W> {
    who: W,
    keys: Vec<LockKey>,
    mode: Mode,
}

/// The locks of one core. `W` says who waits; it comes back when its turn is there.
pub struct Locks<W> {
    table: HashMap<LockKey, Lock<W>>,
    waiters: slab::Slab<Waiter<W>>,
}

impl<W> Default for Locks<W> {
    fn default() -> Self {
        Locks { table: HashMap::new(), waiters: slab::Slab::new() }
    }
}

impl<W> Locks<W> {
    /// Whether nobody holds, awaits or keeps any key.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Whether somebody holds, awaits or keeps a key.
    pub fn holds(&self, db: u16, key: &[u8]) -> bool {
        !self.is_empty() && self.table.contains_key(&LockKey::new(db, key))
    }

    /// Whether a command of this core alone that wants `key` now has to wait ([`Locks::acquire_alone`]).
    pub fn blocks(&self, key: &LockKey, mode: Mode) -> bool {
        self.is_taken(key, mode) || self.is_kept(key)
    }

    fn is_taken(&self, key: &LockKey, mode: Mode) -> bool {
        self.table.get(key).is_some_and(|lock| !lock.free_for(mode) || !lock.queue.is_empty())
    }

    fn is_kept(&self, key: &LockKey) -> bool {
        self.table.get(key).is_some_and(|lock| lock.kept > 0)
    }

    /// Keeps a key from commands of this core alone until [`Locks::let_go`].
    pub fn keep(&mut self, key: &LockKey) {
        self.table.entry(key.clone()).or_default().kept += 1;
    }

    /// Keeps a key no longer. Returns, in order, those that were parked for it; they hold nothing.
    pub fn let_go(&mut self, key: &LockKey) -> Vec<(W, Vec<LockKey>, Mode)> {
        let lock = self.table.get_mut(key).expect("a key that is let go of was kept");
        lock.kept -= 1;
        if lock.kept > 0 {
            return Vec::new();
        }
        let parked = std::mem::take(&mut lock.parked);
        if lock.queue.is_empty() && lock.free_for(Mode::Exclusive) {
            self.table.remove(key);
        }
        parked.into_iter().map(|Waiter { who, keys, mode }| (who, keys, mode)).collect()
    }

    /// As [`Locks::acquire`], for a command of this core alone: it also waits for keys that are kept.
    pub fn acquire_alone(&mut self, keys: Vec<LockKey>, mode: Mode, who: W) -> Option<W> {
        match keys.iter().position(|key| self.is_kept(key)) {
            Some(at) => {
                let lock = self.table.entry(keys[at].clone()).or_default();
                lock.parked.push_back(Waiter { who, keys, mode });
                None
            }
            None => self.acquire(keys, mode, who),
        }
    }

    /// Takes all `keys` (without repeats) if they are free at once; `false` takes none.
    pub fn try_acquire(&mut self, keys: &[LockKey], mode: Mode) -> bool {
        if keys.iter().any(|key| self.is_taken(key, mode)) {
            return false;
        }
        for key in keys {
            self.table.entry(key.clone()).or_default().take(mode);
        }
        true
    }

    /// Takes all `keys` (without repeats), or queues `who` for them: it is then returned by a later
    /// [`Locks::release`], and holds the keys from then on.
    pub fn acquire(&mut self, keys: Vec<LockKey>, mode: Mode, who: W) -> Option<W> {
        if self.try_acquire(&keys, mode) {
            return Some(who);
        }
        let number = self.waiters.insert(Waiter { who, keys, mode }) as u32;
        for key in &self.waiters[number as usize].keys {
            self.table.entry(key.clone()).or_default().queue.push_back(number);
        }
        None
    }

    /// Lets go of `keys` and returns, in order, who holds its keys now.
    pub fn release(&mut self, keys: &[LockKey], mode: Mode) -> Vec<(W, Vec<LockKey>, Mode)> {
        let mut turn = Vec::new();
        for key in keys {
            let lock = self.table.get_mut(key).expect("a key that is let go of was taken");
            match mode {
                Mode::Shared => lock.readers -= 1,
                Mode::Exclusive => {
                    assert!(lock.writer, "a key is let go of in the mode it was taken in");
                    lock.writer = false;
                }
            }
        }
        for key in keys {
            self.wake(key, &mut turn);
        }
        turn
    }

    /// Grants as many waiters at the head of the key's queue as can run together.
    fn wake(&mut self, key: &LockKey, turn: &mut Vec<(W, Vec<LockKey>, Mode)>) {
        loop {
            let Some(lock) = self.table.get(key) else { return };
            let Some(&first) = lock.queue.front() else {
                if lock.free_for(Mode::Exclusive) && lock.kept == 0 {
                    self.table.remove(key);
                }
                return;
            };
            let waiter = &self.waiters[first as usize];
            let ready = waiter.keys.iter().all(|wanted| {
                self.table
                    .get(wanted)
                    .is_some_and(|lock| lock.queue.front() == Some(&first) && lock.free_for(waiter.mode))
            });
            if !ready {
                return;
            }
            let waiter = self.waiters.remove(first as usize);
            for wanted in &waiter.keys {
                if let Some(lock) = self.table.get_mut(wanted) {
                    lock.queue.pop_front();
                    lock.take(waiter.mode);
                }
            }
            turn.push((waiter.who, waiter.keys, waiter.mode));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&str]) -> Vec<LockKey> {
        names.iter().map(|name| LockKey::new(0, name.as_bytes())).collect()
    }

    fn names(turn: Vec<(u32, Vec<LockKey>, Mode)>) -> Vec<u32> {
        turn.into_iter().map(|(who, ..)| who).collect()
    }

    #[test]
    fn waiters_get_their_turn_in_order_and_never_starve() {
        let mut locks = Locks::default();
        assert_eq!(locks.acquire(keys(&["a", "b"]), Mode::Exclusive, 1), Some(1));
        assert_eq!(locks.acquire(keys(&["b", "c"]), Mode::Exclusive, 2), None);
        // "c" is free, yet 3 arrived after 2, which wants it.
        assert_eq!(locks.acquire(keys(&["c"]), Mode::Exclusive, 3), None);
        assert_eq!(locks.acquire(keys(&["a"]), Mode::Shared, 4), None);
        assert_eq!(names(locks.release(&keys(&["a", "b"]), Mode::Exclusive)), [4, 2]);
        assert_eq!(names(locks.release(&keys(&["b", "c"]), Mode::Exclusive)), [3]);
        assert_eq!(names(locks.release(&keys(&["c"]), Mode::Exclusive)), [0u32; 0]);
        assert_eq!(names(locks.release(&keys(&["a"]), Mode::Shared)), [0u32; 0]);
        assert!(locks.is_empty());
    }

    #[test]
    fn readers_share_until_a_writer_waits() {
        let mut locks = Locks::default();
        assert_eq!(locks.acquire(keys(&["a"]), Mode::Shared, 1), Some(1));
        assert_eq!(locks.acquire(keys(&["a"]), Mode::Shared, 2), Some(2));
        assert_eq!(locks.acquire(keys(&["a"]), Mode::Exclusive, 3), None);
        assert!(!locks.try_acquire(&keys(&["a"]), Mode::Shared), "a reader must not overtake the writer");
        assert_eq!(locks.acquire(keys(&["a"]), Mode::Shared, 4), None);
        assert_eq!(locks.acquire(keys(&["a"]), Mode::Shared, 5), None);
        assert_eq!(names(locks.release(&keys(&["a"]), Mode::Shared)), [0u32; 0]);
        assert_eq!(names(locks.release(&keys(&["a"]), Mode::Shared)), [3]);
        assert_eq!(names(locks.release(&keys(&["a"]), Mode::Exclusive)), [4, 5]);
    }

    #[test]
    fn a_kept_key_parks_commands_of_one_core_and_nobody_who_holds_others() {
        let mut locks = Locks::default();
        let a = LockKey::new(0, b"a");
        locks.keep(&a);
        assert!(!locks.is_empty() && locks.blocks(&a, Mode::Shared));
        assert_eq!(locks.acquire_alone(keys(&["a"]), Mode::Exclusive, 1), None);
        assert_eq!(locks.acquire_alone(keys(&["b", "a"]), Mode::Exclusive, 2), None);
        assert_eq!(locks.acquire_alone(keys(&["b"]), Mode::Exclusive, 3), Some(3), "who is parked holds nothing");
        assert_eq!(names(locks.release(&keys(&["b"]), Mode::Exclusive)), [0u32; 0]);
        // The trial for which it is kept, and a transaction behind it.
        assert_eq!(locks.acquire(keys(&["a", "c"]), Mode::Exclusive, 4), Some(4));
        assert_eq!(locks.acquire(keys(&["a"]), Mode::Exclusive, 5), None);
        assert_eq!(names(locks.release(&keys(&["a", "c"]), Mode::Exclusive)), [5]);
        assert_eq!(names(locks.let_go(&a)), [1, 2]);
        assert_eq!(locks.acquire_alone(keys(&["a"]), Mode::Exclusive, 1), None, "5 has the key");
        assert_eq!(names(locks.release(&keys(&["a"]), Mode::Exclusive)), [1]);
        assert_eq!(names(locks.release(&keys(&["a"]), Mode::Exclusive)), [0u32; 0]);
        assert!(locks.is_empty());
        locks.keep(&a);
        locks.keep(&a);
        assert_eq!(locks.acquire_alone(keys(&["a"]), Mode::Shared, 6), None);
        assert_eq!(names(locks.let_go(&a)), [0u32; 0], "another keeps it");
        assert_eq!(names(locks.let_go(&a)), [6]);
        assert!(locks.is_empty());
    }

    #[test]
    fn random_schedules_always_drain() {
        use rand::rngs::StdRng;
        use rand::{RngExt, SeedableRng};
        let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(rand::random);
        println!("SEED={seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let mut locks = Locks::default();
        let mut held: Vec<(u32, Vec<LockKey>, Mode)> = Vec::new();
        let mut kept: Vec<LockKey> = Vec::new();
        let mut arrived = 0;
        let mut served = 0;
        for who in 0..5_000u32 {
            if random.random_bool(0.1) {
                kept.push(LockKey::new(0, &[random.random_range(0..6u8)]));
                locks.keep(&kept[kept.len() - 1]);
            }
            if !kept.is_empty() && random.random_bool(0.15) {
                let key = kept.swap_remove(random.random_range(0..kept.len()));
                for (who, keys, mode) in locks.let_go(&key) {
                    held.extend(locks.acquire_alone(keys.clone(), mode, who).map(|who| (who, keys, mode)));
                }
            }
            let mut wanted: Vec<_> = (0..random.random_range(1..4)).map(|_| random.random_range(0..6u8)).collect();
            wanted.sort_unstable();
            wanted.dedup();
            let wanted: Vec<_> = wanted.iter().map(|k| LockKey::new(0, &[*k])).collect();
            let mode = if random.random_bool(0.4) { Mode::Shared } else { Mode::Exclusive };
            arrived += 1;
            let acquire = if random.random_bool(0.5) { Locks::acquire } else { Locks::acquire_alone };
            if acquire(&mut locks, wanted.clone(), mode, who).is_some() {
                held.push((who, wanted, mode));
            }
            while held.len() > random.random_range(0..4) {
                let (_, keys, mode) = held.swap_remove(random.random_range(0..held.len()));
                served += 1;
                held.extend(locks.release(&keys, mode));
            }
        }
        for key in kept {
            for (who, keys, mode) in locks.let_go(&key) {
                held.extend(locks.acquire_alone(keys.clone(), mode, who).map(|who| (who, keys, mode)));
            }
        }
        while let Some((_, keys, mode)) = held.pop() {
            served += 1;
            held.extend(locks.release(&keys, mode));
        }
        assert_eq!(arrived, served, "a waiter was forgotten");
        assert!(locks.is_empty());
    }
}
