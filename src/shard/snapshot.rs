//! A snapshot of this core, from the shard's side.

use super::shard::{Shard, Sink};
use crate::keyspace::KeyHash;
use crate::snapshot::{Order, Progress, Walk};
use std::sync::atomic::Ordering;

impl Shard {
    /// Begins to write all keys as they are now. Nothing else may be under way: [`Shard::finish_snapshot`].
    pub fn begin_snapshot(&mut self, order: Order) {
        assert!(self.snapshot.is_none(), "one snapshot at a time");
        self.epoch = (self.epoch + 1) & 3;
        self.keyspace.set_epoch_stamp(self.epoch);
        order.shared.dirty.fetch_add(self.stats.dirty, Ordering::Relaxed);
        self.snapshot = Some(Box::new(Walk::new(order, self.core as u16, self.epoch, self.now_ms, &self.keyspace)));
    }

    /// Whether one is under way.
    #[inline]
    pub fn has_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }

    /// Whether writes have to wait, since the snapshot holds all the memory it may.
    #[inline]
    pub fn awaits_snapshot(&self) -> bool {
        self.snapshot.as_ref().is_some_and(|walk| walk.shared().is_over_budget())
    }

    /// How many times as long as a slice of the snapshot took a busy core rests from it: the snapshot gets a quarter of the
    /// core, half when it holds much memory, and all but everything when it holds all it may.
    pub fn snapshot_rest_factor(&self) -> u64 {
        let Some(walk) = &self.snapshot else { return 0 };
        let (held, budget) = (walk.shared().memory_bytes(), walk.shared().budget_bytes);
        match () {
            () if held > budget / 4 * 3 => 0,
            () if held > budget / 2 => 1,
            () => 3,
        }
    }

    /// Does work of about `budget` bytes for the snapshot.
    pub fn advance_snapshot(&mut self, budget: usize) -> Progress {
        let Some(walk) = &mut self.snapshot else { return Progress::Done };
        let progress = walk.step(&mut self.keyspace, &mut self.garbage, budget);
        if progress == Progress::Done {
            self.snapshot = None;
        }
        progress
    }

    /// Does all that is left of the snapshot, waiting for the disk: for the server's end.
    pub fn finish_snapshot(&mut self) {
        if let Some(walk) = &mut self.snapshot {
            walk.finish(&mut self.keyspace, &mut self.garbage);
            self.snapshot = None;
        }
    }

    /// Calls off the snapshot on all cores.
    pub fn abandon_snapshot(&mut self) {
        if let Some(walk) = &self.snapshot {
            walk.shared().abandon();
        }
    }

    /// A key is about to change.
    #[inline]
    pub(super) fn keep_for_snapshot(&mut self, db: u16, hash: KeyHash, key: &[u8]) {
        if let Some(walk) = &mut self.snapshot
            && matches!(self.sink, Sink::Journal | Sink::Unit(_))
        {
            walk.keep(&mut self.keyspace, db, hash, key);
        }
    }

    /// Empties a database, leaving to the snapshot what it has not written. Says whether that was so.
    pub(super) fn detach_for_snapshot(&mut self, db: u16) -> bool {
        let Some(walk) = &mut self.snapshot else { return false };
        if !walk.wants(&mut self.keyspace, db) {
            return false;
        }
        let empty = self.keyspace.scratch(self.now_ms);
        walk.detach(db, std::mem::replace(self.keyspace.db_mut(db as usize), empty));
        self.keyspace.set_epoch_stamp(self.epoch);
        self.keyspace.set_access_stamp(self.clock.initial());
        true
    }
}
