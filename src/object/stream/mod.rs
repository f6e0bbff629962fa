//! The stream: an append-only log of entries (fields and values) under rising IDs, and groups of consumers reading it.
//!
//! Entries lie in nodes ([`node`](self) listpacks of some 100 entries) byte for byte as Redis stores them, in a map by their
//! first ID, so that an RDB file or a DUMP is a copy. [`EntryLog`] is the log, [`Group`] a group; [`Stream`] holds both.
//! Times are Unix milliseconds and always passed in.

mod group;
mod id;
mod log;
mod node;
mod saving;

#[cfg(test)]
mod tests;

pub use group::{AutoClaim, Claim, ClaimOptions, Consumer, ConsumerKey, Group, Pending};
pub use id::{IdRequest, RangeError, StreamId};
pub use log::{AppendError, EntryLog, StreamLimits, StreamMeta, Trim};
pub use node::{Entry, NodeError};

/// The entries of a node that an [`EntryLog`] gave out, deleted ones left out.
pub fn entries_of(id: StreamId, list: crate::listpack::ListpackRef<'_>) -> impl Iterator<Item = Entry<'_>> {
    node::Entries::of(id, list)
}

use std::collections::BTreeMap;

/// Heap bytes per group beside what it holds, about.
const GROUP_BYTES: usize = 192;

/// The groups of a stream by name.
pub type Groups = BTreeMap<Box<[u8]>, Group>;

/// A stream.
#[derive(Clone, Default)]
pub struct Stream {
    log: EntryLog,
    groups: Groups,
}

impl Stream {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name that OBJECT ENCODING gives.
    pub fn encoding_name(&self) -> &'static str {
        "stream"
    }

    /// The entries.
    #[inline]
    pub fn log(&self) -> &EntryLog {
        &self.log
    }

    /// The entries, to change.
    #[inline]
    pub fn log_mut(&mut self) -> &mut EntryLog {
        &mut self.log
    }

    /// The groups.
    #[inline]
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// A group.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    /// Entries and groups at once, for reading by a group.
    #[inline]
    pub fn parts_mut(&mut self) -> (&EntryLog, &mut Groups) {
        (&self.log, &mut self.groups)
    }

    /// Creates a group; `false` if there is one of this name.
    pub fn create_group(&mut self, name: &[u8], last_id: StreamId, entries_read: Option<u64>) -> bool {
        if self.groups.contains_key(name) {
            return false;
        }
        self.groups.insert(name.into(), Group::new(last_id, entries_read));
        true
    }

    /// Destroys a group; says whether there was one.
    pub fn destroy_group(&mut self, name: &[u8]) -> bool {
        self.groups.remove(name).is_some()
    }

    /// Bytes held on the heap, about. Constant time but for the number of groups and consumers.
    pub fn memory(&self) -> usize {
        let groups: usize = self.groups.iter().map(|(name, group)| GROUP_BYTES + name.len() + group.memory()).sum();
        self.log.memory() + groups
    }

    /// Frees up to about `budget` nodes or pending entries and returns whether everything is gone. Once begun, the stream
    /// is only to be freed on.
    pub fn free_some(&mut self, budget: usize) -> bool {
        let budget = budget.max(1);
        if let Some(mut last) = self.groups.last_entry() {
            if last.get_mut().free_some(budget) {
                last.remove();
            }
            return false;
        }
        self.log.free_some(budget)
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let entries = self.log.range(StreamId::MIN, StreamId::MAX);
        f.debug_map().entries(entries.map(|entry| (entry.id, entry.fields().collect::<Vec<_>>()))).finish()?;
        f.debug_map().entries(self.groups.iter()).finish()
    }
}

/// Equal when entries, meta data and groups are, however the entries are spread over nodes.
impl PartialEq for Stream {
    fn eq(&self, other: &Self) -> bool {
        let entries = |stream: &'_ Self| -> Vec<_> {
            let log = stream.log.range(StreamId::MIN, StreamId::MAX);
            log.map(|entry| {
                let pairs =
                    entry.fields().map(|(field, value)| (field.to_bytes().into_owned(), value.to_bytes().into_owned()));
                (entry.id, pairs.collect::<Vec<_>>())
            })
            .collect()
        };
        self.log.len() == other.log.len()
            && self.log.meta() == other.log.meta()
            && self.groups == other.groups
            && entries(self) == entries(other)
    }
}
