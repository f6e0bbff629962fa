//! The collection types: what a key can hold beside a string.

/// A collection. The keyspace needs three things of it: its type, the name of its encoding, and its size.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// A list of byte strings.
    List(Vec<Vec<u8>>),
}

impl Object {
    /// Redis's number of the type: 1 list, 2 set, 3 sorted set, 4 hash, 6 stream.
    #[inline]
    pub fn type_code(&self) -> u8 {
        match self {
            Object::List(_) => 1,
        }
    }

    /// The name that OBJECT ENCODING gives.
    pub fn encoding_name(&self) -> &'static str {
        match self {
            Object::List(_) => "quicklist",
        }
    }

    /// Bytes held on the heap beyond the `Object` itself.
    ///
    /// Called before and after every change ([`crate::keyspace::Db::object_mut`]): takes constant time in the variants
    /// that can grow large, and depends on nothing that changes behind a shared borrow, or the keyspace's count of bytes
    /// would go astray.
    pub fn memory(&self) -> usize {
        match self {
            Object::List(items) => {
                items.capacity() * size_of::<Vec<u8>>() + items.iter().map(Vec::capacity).sum::<usize>()
            }
        }
    }
}
//! The collection types as pure data structures: no commands, no clock, no log.
//!
//! Small collections are one listpack or intset, in Redis's own bytes and with its thresholds and encoding names. Big
//! hashes and sets are a [`table::Table`], big lists a tree of listpacks: both grow, shrink and are freed in small steps,
//! so that no command pauses, and both can be walked in bounded chunks.

pub mod hash;
pub mod list;
pub mod set;
pub mod table;

mod alloc;
mod seed;

pub use hash::Hash;
pub use list::List;
pub use set::Set;

use crate::listpack::Listpack;

/// Whether the keys in a listpack, which are every `stride`th element, differ from each other.
fn distinct(list: &Listpack, stride: usize) -> bool {
    let view = list.view();
    if view.len() <= 32 * stride {
        // Few: comparing each with those behind it is faster than anything that allocates.
        let mut next = view.first();
        while let Some(at) = next {
            let mut behind = at;
            for _ in 0..stride {
                behind = view.skip(behind);
            }
            if view.at(at).with_bytes(|key| view.find_from(behind, key, stride - 1).is_some()) {
                return false;
            }
            next = (behind < view.end()).then_some(behind);
        }
        return true;
    }
    let mut seen = std::collections::HashSet::new();
    view.iter().step_by(stride).all(|key| seen.insert(key.to_bytes()))
}

#[cfg(test)]
mod testing;
//! The collection types and the algorithms over plain strings: what a key can hold, without any command.

pub mod bits;
pub mod geo;
pub mod hll;
pub mod stream;
pub mod zset;
