//! Keys whose newest write is not durable yet. A reply that depends on one waits for it; all others never wait.
//!
//! Keys are told apart by their hash: two that collide make a reply wait longer than it must, never shorter.
//! Deleted keys are in here too, since a DEL is a write and the nil that follows depends on it.

use foldhash::HashMap;
use std::collections::VecDeque;

/// The keys written in one frame.
#[derive(Default)]
struct Generation {
    /// The frame's last LSN, 0 while it is not sealed.
    last_lsn: u64,
    keys: HashMap<u64, u64>,
}

/// The undurable keys of one core.
#[derive(Default)]
pub struct Undurable {
    /// Sealed frames on their way, oldest first.
    sealed: VecDeque<Generation>,
    open: Generation,
    /// Emptied maps, to be used again.
    spare: Vec<HashMap<u64, u64>>,
    /// Up to here a FLUSHALL or the like concerns every key.
    all_until: u64,
}

impl Undurable {
    /// A key was written at `lsn`.
    #[inline]
    pub fn insert(&mut self, hash: u64, lsn: u64) {
        self.open.keys.insert(hash, lsn);
    }

    /// Every key was written at `lsn`.
    pub fn insert_all(&mut self, lsn: u64) {
        self.all_until = self.all_until.max(lsn);
    }

    /// The LSN that a reader of the key depends on, 0 if none that is not durable.
    #[inline]
    pub fn lookup(&self, hash: u64) -> u64 {
        if self.open.keys.is_empty() && self.sealed.is_empty() {
            return self.all_until;
        }
        let newest = self.open.keys.get(&hash).copied();
        let lsn = newest.or_else(|| self.sealed.iter().rev().find_map(|frame| frame.keys.get(&hash).copied()));
        lsn.unwrap_or(0).max(self.all_until)
    }

    /// The batch was sealed into a frame that ends with `last_lsn`.
    pub fn seal(&mut self, last_lsn: u64) {
        if self.open.keys.is_empty() {
            return;
        }
        let mut sealed = std::mem::take(&mut self.open);
        sealed.last_lsn = last_lsn;
        self.open.keys = self.spare.pop().unwrap_or_default();
        self.sealed.push_back(sealed);
    }

    /// The log is durable up to `lsn`.
    pub fn advance(&mut self, lsn: u64) {
        const KEEP_KEYS: usize = 64 * 1024;
        while let Some(frame) = self.sealed.front()
            && frame.last_lsn <= lsn
            && let Some(mut frame) = self.sealed.pop_front()
        {
            if frame.keys.capacity() <= KEEP_KEYS && self.spare.len() < 4 {
                frame.keys.clear();
                self.spare.push(frame.keys);
            }
        }
        if self.all_until <= lsn {
            self.all_until = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_undurable_until_its_newest_write_is_durable() {
        let mut keys = Undurable::default();
        keys.insert(7, 1);
        keys.seal(1);
        keys.insert(7, 2);
        assert_eq!(keys.lookup(7), 2);
        keys.advance(1);
        assert_eq!(keys.lookup(7), 2, "the write in the open batch still counts");
        keys.seal(2);
        keys.advance(2);
        assert_eq!(keys.lookup(7), 0);
        assert_eq!(keys.lookup(8), 0);
    }

    #[test]
    fn after_a_flush_every_key_depends_on_it() {
        let mut keys = Undurable::default();
        keys.insert_all(5);
        assert_eq!(keys.lookup(1), 5);
        keys.advance(4);
        assert_eq!(keys.lookup(1), 5);
        keys.advance(5);
        assert_eq!(keys.lookup(1), 0);
    }
}
