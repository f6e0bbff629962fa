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
