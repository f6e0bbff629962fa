//! Strings changed in part: APPEND, SETRANGE, SETBIT and their kin.

use super::db::Db;
use super::entry::{self, EntryRef};
use super::hash::KeyHash;
use super::value::{Value, ValueRef};

impl Db {
    /// Has OBJECT ENCODING call the string raw until its value is replaced, as Redis does for a key that SETRANGE or SETBIT
    /// created.
    pub fn mark_raw(&mut self, entry: EntryRef) {
        entry::set_raw(&self.slab, entry);
    }

    /// The string's bytes, to be changed without changing their number; `None` if it is stored as a number or is a
    /// collection. OBJECT ENCODING says raw from then on, as in Redis.
    pub fn string_mut(&mut self, entry: EntryRef) -> Option<&mut [u8]> {
        if !matches!(self.value(entry), ValueRef::Str(_)) {
            return None;
        }
        self.mark_raw(entry);
        entry::string_mut(&self.slab, entry)
    }

    /// Lets `change` alter the string as it likes: a number comes as its decimal text, and the result is kept as bytes,
    /// which OBJECT ENCODING calls raw. Long strings are changed where they are and keep their spare room, so a series of
    /// appends costs constant time per byte; short ones are copied (1 KiB at most). Panics on collections.
    pub fn update_string<R>(
        &mut self,
        entry: EntryRef,
        hash: KeyHash,
        change: impl FnOnce(&mut Vec<u8>) -> R,
    ) -> (EntryRef, R) {
        let mut bytes = match self.value(entry) {
            ValueRef::Int(number) => itoa::Buffer::new().format(number).as_bytes().to_vec(),
            ValueRef::Str(_) => self.lift_string(entry),
            ValueRef::Object(_) => panic!("update_string of a collection"),
        };
        let result = change(&mut bytes);
        let entry = self.set_value(entry, hash, Value::Owned(bytes));
        self.mark_raw(entry);
        (entry, result)
    }

    /// Adds bytes to the end of a string; returns the handle and the new length in bytes. Panics on collections.
    pub fn append(&mut self, entry: EntryRef, hash: KeyHash, tail: &[u8]) -> (EntryRef, usize) {
        self.update_string(entry, hash, |bytes| {
            bytes.extend_from_slice(tail);
            bytes.len()
        })
    }

    /// Copies a short string, moves a long one out and leaves an empty one in its place.
    fn lift_string(&mut self, entry: EntryRef) -> Vec<u8> {
        self.block_bytes -= entry::value_heap_bytes(&self.slab, entry);
        let bytes = entry::lift_string(&self.slab, entry);
        self.block_bytes += entry::value_heap_bytes(&self.slab, entry);
        bytes
    }
}
