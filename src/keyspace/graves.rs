//! Big collections that no key leads to any more, on their way out.
//!
//! Dropping a collection of ten million elements takes a second. Whatever removes its key hands it over to here instead,
//! and the core frees it bit by bit between requests. Small values are dropped where they stand: that is cheaper.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use crate::object::Object;

/// From so many bytes on, a collection is freed in steps. Dropping a smaller one takes at most some 20 µs.
const HEAVY_BYTES: usize = 16 << 10;

/// The collections of one core that are being freed, shared by its databases.
#[derive(Debug, Default)]
pub struct Graves {
    objects: RefCell<VecDeque<Box<Object>>>,
    /// What they still hold.
    bytes: Cell<usize>,
    freed: Cell<u64>,
}

/// Whether a collection is too large to be dropped at once.
#[inline]
pub(super) fn is_heavy(object: &Object) -> bool {
    object.memory() >= HEAVY_BYTES
}

impl Graves {
    /// Takes a collection that nobody needs any more: drops it, or keeps it to be freed in steps.
    pub(super) fn bury(&self, object: Box<Object>) {
        if is_heavy(&object) {
            self.bytes.set(self.bytes.get() + object.memory());
            self.objects.borrow_mut().push_back(object);
        }
    }

    /// Frees about `budget` allocations; `true` if nothing is left.
    pub fn free_some(&self, budget: usize) -> bool {
        let mut objects = self.objects.borrow_mut();
        let Some(object) = objects.front_mut() else { return true };
        let before = object.memory();
        let done = object.free_some(budget);
        let after = if done { 0 } else { object.memory() };
        self.bytes.set((self.bytes.get() + after).saturating_sub(before));
        if done {
            objects.pop_front();
            self.freed.set(self.freed.get() + 1);
            if objects.is_empty() {
                self.bytes.set(0);
            }
        }
        objects.is_empty()
    }

    /// Collections that are still to be freed.
    pub fn pending(&self) -> usize {
        self.objects.borrow().len()
    }

    /// Bytes that they still hold.
    pub fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// Collections freed so far.
    pub fn freed(&self) -> u64 {
        self.freed.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::{Keyspace, SlabOptions, Value, hash_key};
    use crate::object::hash::OnUpdate;
    use crate::object::list::End;
    use crate::object::stream::IdRequest;
    use crate::object::{Hash, Limits, List, Set, Stream, ZSet};

    /// One of each type, of `count` elements.
    fn collections(count: usize) -> Vec<Object> {
        let limits = Limits::default();
        let (mut hash, mut set, mut list, mut zset) =
            (Hash::new(), Set::for_member(b"e", 1, &limits.set), List::new(), ZSet::new());
        let mut stream = Stream::new();
        for number in 0..count {
            let name = format!("element {number:08}");
            hash.set(name.as_bytes(), b"value", OnUpdate::KeepExpire, &limits.hash);
            set.insert(name.as_bytes(), &limits.set);
            list.push(End::Back, [name.as_bytes()], &limits.list);
            zset.insert(name.as_bytes(), number as f64, limits.zset);
            stream.log_mut().append(IdRequest::Auto, &[name.as_bytes(), b"value"], 1, limits.stream).unwrap();
        }
        vec![
            Object::Hash(hash),
            Object::Set(set),
            Object::List(list),
            Object::ZSet(zset),
            Object::Stream(Box::new(stream)),
        ]
    }

    #[test]
    fn a_deleted_collection_is_freed_in_steps_and_counted_until_then() {
        let mut keyspace = Keyspace::new(1, 0, SlabOptions::default()).unwrap();
        for (index, object) in collections(if cfg!(miri) { 1_000 } else { 20_000 }).into_iter().enumerate() {
            let key = [index as u8];
            let before = keyspace.memory_bytes();
            let held = object.memory();
            keyspace.db_mut(0).insert(hash_key(&key), &key, Value::Object(Box::new(object)), None);
            assert!(keyspace.memory_bytes() >= before + held);
            let entry = keyspace.db(0).find(hash_key(&key), &key).unwrap();
            keyspace.db_mut(0).delete(entry, hash_key(&key));
            assert_eq!(keyspace.graves().bytes(), held, "type {index}");
            assert!(keyspace.memory_bytes() < before + held, "what is being freed is counted apart");
            let mut steps = 0;
            while !keyspace.graves().free_some(10) {
                steps += 1;
            }
            assert!(steps > 1, "type {index} was freed in {steps} steps");
            assert_eq!((keyspace.graves().bytes(), keyspace.graves().pending()), (0, 0));
            assert_eq!(keyspace.graves().freed(), index as u64 + 1);
        }
    }

    #[test]
    fn replacing_a_collection_or_clearing_its_database_frees_it_in_steps_too() {
        let mut keyspace = Keyspace::new(1, 0, SlabOptions::default()).unwrap();
        let hash = hash_key(b"k");
        for object in collections(2_000) {
            let entry = keyspace.db_mut(0).insert(hash, b"k", Value::Object(Box::new(object)), Some(1 << 40));
            let entry = keyspace.db_mut(0).replace(entry, hash, Value::Str(b"now a string"), None);
            assert_eq!(keyspace.graves().pending(), 1);
            while !keyspace.graves().free_some(100) {}
            keyspace.db_mut(0).delete(entry, hash);
        }
        for object in collections(2_000) {
            keyspace.db_mut(0).insert(hash, b"k", Value::Object(Box::new(object)), None);
            let mut garbage = keyspace.db_mut(0).clear();
            while !garbage.free_some(10) {}
            assert_eq!(keyspace.graves().pending(), 1);
            while !keyspace.graves().free_some(100) {}
        }
        assert_eq!(keyspace.slab().stats().used_bytes, 0);
    }

    #[test]
    fn small_collections_are_dropped_at_once() {
        let mut keyspace = Keyspace::new(1, 0, SlabOptions::default()).unwrap();
        for object in collections(8) {
            let entry = keyspace.db_mut(0).insert(hash_key(b"k"), b"k", Value::Object(Box::new(object)), None);
            keyspace.db_mut(0).delete(entry, hash_key(b"k"));
            assert_eq!(keyspace.graves().pending(), 0);
        }
    }
}
