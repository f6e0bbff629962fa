//! A database that was cleared, on its way out.

use std::rc::Rc;

use super::entry::{self, EntryRef};
use super::expiry::ExpiryIndex;
use super::graves::Graves;
use super::slab::Slab;
use super::table::Table;

/// The keys of a database that was cleared ([`super::Db::clear`]): gone for all users, not yet freed. Dropping it frees the
/// rest at once.
#[must_use = "dropping it frees everything at once"]
pub struct Garbage {
    slab: Rc<Slab>,
    graves: Rc<Graves>,
    table: Table,
    expiry: ExpiryIndex,
    next: (usize, usize),
    freed: usize,
}

impl Garbage {
    pub(super) fn new(slab: Rc<Slab>, graves: Rc<Graves>, table: Table, expiry: ExpiryIndex) -> Garbage {
        Garbage { slab, graves, table, expiry, next: (0, 0), freed: 0 }
    }

    /// Keys not yet freed.
    pub fn pending(&self) -> usize {
        self.table.len().saturating_sub(self.freed)
    }

    /// Frees at least `budget` keys (up to 12 more), or all that are left; true when none is left. Large collections go to
    /// the core's [`Graves`].
    pub fn free_some(&mut self, budget: usize) -> bool {
        let (slab, mut freed) = (&*self.slab, 0);
        while freed < budget {
            self.expiry.drain_block();
            // An empty bucket costs something too: without the 1 a sparse table would be walked in one go.
            freed += 1;
            let freed_keys = &mut self.freed;
            let more = self.table.drain_bucket(slab, &mut self.next, |reference| {
                if let Some(object) = entry::take_heavy(slab, EntryRef::new(reference)) {
                    self.graves.bury(object);
                }
                entry::drop_whole(slab, EntryRef::new(reference));
                freed += 1;
                *freed_keys += 1;
            });
            if !more {
                while self.expiry.drain_block() {}
                return true;
            }
        }
        false
    }
}

impl Drop for Garbage {
    fn drop(&mut self) {
        while !self.free_some(usize::MAX) {}
    }
}
