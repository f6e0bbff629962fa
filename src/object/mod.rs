//! The collection types: what a key can hold beside a string, as pure data structures without commands, clock or log;
//! and the algorithms over plain strings (bits, HyperLogLog, geohashes).
//!
//! Small collections are one listpack or intset, in Redis's own bytes and with its thresholds and encoding names. Big
//! ones grow, shrink and are freed in small steps, so that no command pauses, and can be walked in bounded chunks.

pub mod bits;
pub mod geo;
pub mod hash;
pub mod hll;
pub mod list;
pub mod set;
pub mod stream;
pub mod table;
pub mod zset;

mod alloc;
mod distinct;
mod limits;
mod saving;
mod seed;
#[cfg(test)]
mod testing;

pub use hash::Hash;
pub use limits::Limits;
pub use list::List;
pub use saving::{Held, Part};
pub use set::Set;
pub use stream::Stream;
pub use zset::ZSet;

use distinct::distinct;

/// A collection.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// A list of byte strings.
    List(List),
    /// A set of byte strings.
    Set(Set),
    /// Byte strings ordered by score.
    ZSet(ZSet),
    /// Fields and values.
    Hash(Hash),
    /// Entries by time.
    Stream(Box<Stream>),
}

impl Object {
    /// Redis's number of the type: 1 list, 2 set, 3 sorted set, 4 hash, 6 stream.
    #[inline]
    pub fn type_code(&self) -> u8 {
        match self {
            Object::List(_) => 1,
            Object::Set(_) => 2,
            Object::ZSet(_) => 3,
            Object::Hash(_) => 4,
            Object::Stream(_) => 6,
        }
    }

    /// The name that OBJECT ENCODING gives.
    pub fn encoding_name(&self) -> &'static str {
        match self {
            Object::List(list) => list.encoding_name(),
            Object::Set(set) => set.encoding_name(),
            Object::ZSet(zset) => zset.encoding_name(),
            Object::Hash(hash) => hash.encoding_name(),
            Object::Stream(_) => "stream",
        }
    }

    /// Bytes held on the heap beyond the `Object` itself.
    ///
    /// Called before and after every change ([`crate::keyspace::Db::object_mut`]): takes constant time, and depends on
    /// nothing that changes behind a shared borrow, or the keyspace's count of bytes would go astray.
    pub fn memory(&self) -> usize {
        match self {
            Object::List(list) => list.memory(),
            Object::Set(set) => set.memory(),
            Object::ZSet(zset) => zset.memory(),
            Object::Hash(hash) => hash.memory(),
            Object::Stream(stream) => size_of::<Stream>() + stream.memory(),
        }
    }

    /// Frees about `budget` allocations; says whether all is freed. Once begun, the collection is only to be freed on.
    pub fn free_some(&mut self, budget: usize) -> bool {
        match self {
            Object::List(list) => list.free_some(budget),
            Object::Set(set) => set.free_some(budget),
            Object::ZSet(zset) => zset.free_some(budget),
            Object::Hash(hash) => hash.free_some(budget),
            Object::Stream(stream) => stream.free_some(budget),
        }
    }

    /// Whether nothing is in it, so that its key goes. A stream may be empty.
    pub fn is_empty(&self) -> bool {
        match self {
            Object::List(list) => list.len() == 0,
            Object::Set(set) => set.len() == 0,
            Object::ZSet(zset) => zset.len() == 0,
            Object::Hash(hash) => hash.len() == 0,
            Object::Stream(_) => false,
        }
    }
}
