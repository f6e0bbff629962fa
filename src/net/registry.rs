//! The registry of clients: every connection of every core, so that any core can count, find and route to any of them.

use super::conn::ConnRef;
use sharded_slab::Slab;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Where a client is served.
#[derive(Clone, Copy, Debug)]
pub struct ClientRecord {
    /// The client's id.
    pub id: u64,
    /// Its core.
    pub core: u16,
    /// Its place there.
    pub conn: ConnRef,
}

/// All clients. Adding and removing takes no lock that another core waits for.
pub struct Registry {
    clients: Slab<ClientRecord>,
    next_id: AtomicU64,
    count: AtomicUsize,
    /// Connections per core, to spread them.
    per_core: Box<[AtomicUsize]>,
}

impl Registry {
    /// An empty registry for `cores` cores.
    pub fn new(cores: usize) -> Registry {
        Registry {
            clients: Slab::new(),
            next_id: AtomicU64::new(1),
            count: AtomicUsize::new(0),
            per_core: (0..cores).map(|_| AtomicUsize::new(0)).collect(),
        }
    }

    /// A new client's id: ids rise and are never used twice.
    pub fn new_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Clients connected, over all cores.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Chooses the core with the fewest connections for a new one, and counts it there.
    pub fn choose_core(&self) -> usize {
        self.count.fetch_add(1, Ordering::Relaxed);
        loop {
            let (core, load) = self
                .per_core
                .iter()
                .enumerate()
                .map(|(core, load)| (core, load.load(Ordering::Relaxed)))
                .min_by_key(|&(_, load)| load)
                .expect("there is at least one core");
            let chosen = &self.per_core[core];
            if chosen.compare_exchange(load, load + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return core;
            }
        }
    }

    /// Counts a new connection on `core`, which the client has chosen.
    pub fn take_core(&self, core: usize) -> usize {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.per_core[core].fetch_add(1, Ordering::Relaxed);
        core
    }

    /// Records a client on its core. Returns the key to remove it by.
    pub fn add(&self, record: ClientRecord) -> Option<usize> {
        self.clients.insert(record)
    }

    /// Removes a client and what [`Registry::choose_core`] counted for it.
    pub fn remove(&self, key: Option<usize>, core: usize) {
        if let Some(key) = key {
            self.clients.remove(key);
        }
        self.per_core[core].fetch_sub(1, Ordering::Relaxed);
        self.count.fetch_sub(1, Ordering::Relaxed);
    }

    /// The record under a key that [`Registry::add`] gave.
    pub fn get(&self, key: usize) -> Option<ClientRecord> {
        self.clients.get(key).map(|record| *record)
    }
}
