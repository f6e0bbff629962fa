//! The entries of a stream: nodes in order of their IDs, and what is remembered of those that are gone.

use super::id::{IdRequest, StreamId};
use super::node::{self, Entries, Entry, NodeError};
use super::saving::LogSaving;
use crate::listpack::{Listpack, ListpackRef, MAX_BYTES};
use crate::object::saving::{Held, Slot};
use std::collections::BTreeMap;

/// Bytes that the map of nodes takes per node, about: key, listpack's owner, and a share of the map's own nodes.
const MAP_BYTES_PER_NODE: usize = 60;

/// How large nodes grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// `stream-node-max-bytes`; 0 for no limit but the listpack's.
    pub node_max_bytes: usize,
    /// `stream-node-max-entries`; 0 for no limit.
    pub node_max_entries: u64,
}

impl Default for StreamLimits {
    /// Redis's: 4 KiB, 100 entries.
    fn default() -> Self {
        StreamLimits { node_max_bytes: 4096, node_max_entries: 100 }
    }
}

/// Why an entry can't be added. The texts are XADD's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The ID is `0-0`.
    #[error("ERR The ID specified in XADD must be greater than 0-0")]
    Zero,
    /// The ID is not above the last one.
    #[error("ERR The ID specified in XADD is equal or smaller than the target stream top item")]
    NotAbove,
    /// The last ID is the last one there is.
    #[error("ERR The stream has exhausted the last possible ID, unable to add more items")]
    Exhausted,
    /// Fields and values are beyond 1 GiB.
    #[error("ERR Elements are too large to be stored")]
    TooLarge,
}

/// Which entries XTRIM and XADD drop from the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trim {
    /// All but the last so many.
    MaxLen(u64),
    /// All with IDs below.
    MinId(StreamId),
}

/// What is known of a stream beside its entries, as it stands in RDB files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamMeta {
    /// The highest ID ever given.
    pub last_id: StreamId,
    /// The highest ID ever deleted (not trimmed).
    pub max_deleted_id: StreamId,
    /// Entries ever added.
    pub entries_added: u64,
}

/// The entries.
#[derive(Clone, Default)]
pub struct EntryLog {
    nodes: BTreeMap<StreamId, Listpack>,
    length: u64,
    first_id: StreamId,
    meta: StreamMeta,
    node_bytes: usize,
    saving: Slot<LogSaving>,
}

impl EntryLog {
    /// Number of entries.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The first entry's ID; `0-0` when there is none.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The highest ID ever given, not always that of an entry.
    pub fn last_id(&self) -> StreamId {
        self.meta.last_id
    }

    /// Last ID, highest deleted ID and number of entries ever added.
    pub fn meta(&self) -> StreamMeta {
        self.meta
    }

    /// Sets what [`EntryLog::meta`] gives (XSETID, loading). The caller has checked it.
    pub fn set_meta(&mut self, meta: StreamMeta) {
        self.meta = meta;
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The nodes as they stand in RDB files, in order, from the first one at or above `from`.
    pub fn nodes(&self, from: StreamId) -> impl DoubleEndedIterator<Item = (StreamId, ListpackRef<'_>)> {
        self.nodes.range(from..).map(|(&id, list)| (id, list.view()))
    }

    /// Bytes held on the heap. Constant time.
    pub fn memory(&self) -> usize {
        self.node_bytes + self.nodes.len() * MAP_BYTES_PER_NODE
    }

    /// Adds a node from an RDB file, whose IDs must be above those before. Set the meta data afterwards.
    pub fn push_node(&mut self, id: StreamId, list: Listpack) -> Result<(), NodeError> {
        node::validate(id, list.view())?;
        let above = self
            .nodes
            .last_key_value()
            .is_none_or(|(&last, before)| node::last_id_with_deleted(last, before.view()) < id);
        if !above {
            return Err(NodeError::Order(id));
        }
        let was_empty = self.nodes.is_empty();
        self.length += node::count(list.view());
        self.node_bytes += list.allocated_bytes();
        self.nodes.insert(id, list);
        if was_empty {
            self.find_first();
        }
        Ok(())
    }

    /// The ID that a request leads to.
    fn choose_id(&self, request: IdRequest, now_ms: u64) -> Result<StreamId, AppendError> {
        let last = self.meta.last_id;
        if request == IdRequest::Exact(StreamId::MIN) {
            return Err(AppendError::Zero);
        }
        if last == StreamId::MAX {
            return Err(AppendError::Exhausted);
        }
        let id = match request {
            IdRequest::Exact(id) => id,
            IdRequest::AutoSeq(ms) if ms == last.ms => {
                StreamId::new(ms, last.seq.checked_add(1).ok_or(AppendError::NotAbove)?)
            }
            IdRequest::AutoSeq(ms) => StreamId::new(ms, 0),
            IdRequest::Auto if now_ms > last.ms => StreamId::new(now_ms, 0),
            IdRequest::Auto => last.next().ok_or(AppendError::Exhausted)?,
        };
        if id > last { Ok(id) } else { Err(AppendError::NotAbove) }
    }

    /// Whether [`EntryLog::append`] would add this entry, and why not.
    pub fn check_append(&self, request: IdRequest, fields: &[&[u8]], now_ms: u64) -> Result<(), AppendError> {
        self.choose_id(request, now_ms)?;
        Self::fields_bytes(fields).map(drop)
    }

    /// Bytes of an entry's fields and values, if they are not too large.
    fn fields_bytes(fields: &[&[u8]]) -> Result<usize, AppendError> {
        let bytes: usize = fields.iter().map(|element| element.len()).sum();
        let too_large = bytes > MAX_BYTES / 2 || fields.len() > MAX_BYTES / 64;
        if too_large { Err(AppendError::TooLarge) } else { Ok(bytes) }
    }

    /// Adds an entry of `fields`, fields and values in turn, and gives its ID.
    pub fn append(
        &mut self,
        request: IdRequest,
        fields: &[&[u8]],
        now_ms: u64,
        limits: StreamLimits,
    ) -> Result<StreamId, AppendError> {
        assert!(fields.len().is_multiple_of(2), "every field has a value");
        let id = self.choose_id(request, now_ms)?;
        let bytes = Self::fields_bytes(fields)?;
        let max_bytes =
            if limits.node_max_bytes == 0 { MAX_BYTES / 2 } else { limits.node_max_bytes.min(MAX_BYTES / 2) };
        let full = |list: &Listpack| {
            list.as_bytes().len() + bytes >= max_bytes
                || limits.node_max_entries > 0 && node::count_with_deleted(list.view()) >= limits.node_max_entries
                || !list.fits(2 * fields.len() + 8, bytes)
        };
        if let Some(saving) = &mut *self.saving
            && let Some((&last, list)) = self.nodes.last_key_value()
        {
            saving.keep(last, list);
        }
        let new_node = match self.nodes.last_entry() {
            Some(mut last) if full(last.get()) => {
                let list = last.get_mut();
                self.node_bytes -= list.allocated_bytes();
                list.shrink();
                self.node_bytes += list.allocated_bytes();
                true
            }
            last => last.is_none(),
        };
        if new_node {
            let list = node::create(fields);
            self.node_bytes += list.allocated_bytes();
            self.nodes.insert(id, list);
        }
        let mut last = self.nodes.last_entry().expect("a node was made if there was none");
        let master_id = *last.key();
        let list = last.get_mut();
        self.node_bytes -= list.allocated_bytes();
        node::append(list, master_id, id, fields);
        self.node_bytes += list.allocated_bytes();
        self.length += 1;
        self.meta.entries_added += 1;
        self.meta.last_id = id;
        if self.length == 1 {
            self.first_id = id;
        }
        Ok(id)
    }

    /// The entries with IDs from `start` to `end`, both included; also backwards.
    pub fn range(&self, start: StreamId, end: StreamId) -> impl DoubleEndedIterator<Item = Entry<'_>> {
        // The node that `start` falls into has a lower key.
        let first = self.nodes.range(..=start).next_back().map_or(start, |(&id, _)| id);
        let nodes = (first <= end).then(|| self.nodes.range(first..=end));
        nodes
            .into_iter()
            .flatten()
            .flat_map(|(&id, list)| Entries::of(id, list.view()))
            .filter(move |entry| start <= entry.id && entry.id <= end)
    }

    /// The entry with this ID.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        let (&key, list) = self.nodes.range(..=id).next_back()?;
        Entries::of(key, list.view()).find(|entry| entry.id >= id).filter(|entry| entry.id == id)
    }

    /// The highest ID among the entries.
    pub fn last_entry_id(&self) -> Option<StreamId> {
        self.range(StreamId::MIN, StreamId::MAX).next_back().map(|entry| entry.id)
    }

    fn find_first(&mut self) {
        let first = self.range(StreamId::MIN, StreamId::MAX).next().map(|entry| entry.id);
        self.first_id = first.unwrap_or(StreamId::MIN);
    }

    fn remove_node(&mut self, id: StreamId) {
        if let Some(list) = self.nodes.remove(&id) {
            if let Some(saving) = &mut *self.saving {
                saving.keep(id, &list);
            }
            self.node_bytes -= list.allocated_bytes();
        }
    }

    /// Deletes an entry; says whether it was there.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Some((&key, list)) = self.nodes.range_mut(..=id).next_back() else { return false };
        if let Some(saving) = &mut *self.saving {
            saving.keep(key, list);
        }
        let before = list.allocated_bytes();
        let marked = node::delete_while(list, key, |entry| (entry <= id).then_some(entry == id));
        if marked == 0 {
            return false;
        }
        self.node_bytes = self.node_bytes + list.allocated_bytes() - before;
        if node::count(list.view()) == 0 {
            self.remove_node(key);
        }
        self.length -= 1;
        self.meta.max_deleted_id = self.meta.max_deleted_id.max(id);
        if id == self.first_id {
            self.find_first();
        }
        true
    }

    /// Drops entries from the front. With `approximate` only whole nodes go; `limit` bounds how many entries (0: no
    /// bound). Returns how many went.
    pub fn trim(&mut self, trim: Trim, approximate: bool, limit: u64) -> u64 {
        let mut removed = 0;
        while let Some(mut first) = self.nodes.first_entry() {
            if matches!(trim, Trim::MaxLen(len) if self.length <= len) {
                break;
            }
            let id = *first.key();
            let entries = node::count(first.get().view());
            if limit > 0 && removed + entries > limit {
                break;
            }
            let whole = match trim {
                Trim::MaxLen(len) => self.length - entries >= len,
                Trim::MinId(min) => node::last_id_with_deleted(id, first.get().view()) < min,
            };
            if whole {
                self.remove_node(id);
                self.length -= entries;
                removed += entries;
                continue;
            }
            if approximate {
                break;
            }
            let list = first.get_mut();
            if let Some(saving) = &mut *self.saving {
                saving.keep(id, list);
            }
            let before = list.allocated_bytes();
            let mut surplus = match trim {
                Trim::MaxLen(len) => self.length - len,
                Trim::MinId(_) => u64::MAX,
            };
            let marked = node::delete_while(list, id, |entry| {
                let go = surplus > 0 && !matches!(trim, Trim::MinId(min) if entry >= min);
                surplus -= u64::from(go);
                go.then_some(true)
            });
            self.node_bytes = self.node_bytes + list.allocated_bytes() - before;
            // Even with no living entry left the node stays, as in Redis: where nodes end decides what later
            // approximate trims remove.
            self.length -= marked;
            removed += marked;
            break;
        }
        if removed > 0 {
            self.find_first();
        }
        removed
    }

    /// Whether an entry at or behind `start` may be gone, deleted or trimmed, so that counting on from there can't be
    /// trusted.
    fn gone_from(&self, start: StreamId) -> bool {
        let deleted = self.length > 0 && self.meta.max_deleted_id != StreamId::MIN && start <= self.meta.max_deleted_id;
        deleted || start < self.first_id
    }

    /// How many entries were ever added up to and including this ID, where that can be known.
    pub fn entries_up_to(&self, id: StreamId) -> Option<u64> {
        let StreamMeta { last_id, max_deleted_id, entries_added } = self.meta;
        if entries_added == 0 {
            return Some(0);
        }
        if self.length == 0 && id <= last_id {
            return Some(entries_added);
        }
        if id != StreamId::MIN && id < max_deleted_id {
            return None;
        }
        if id >= last_id {
            return (id == last_id).then_some(entries_added);
        }
        if max_deleted_id == StreamId::MIN || max_deleted_id < self.first_id {
            let before_first = entries_added.wrapping_sub(self.length);
            match id.cmp(&self.first_id) {
                std::cmp::Ordering::Less => return Some(before_first),
                std::cmp::Ordering::Equal => return Some(before_first + 1),
                std::cmp::Ordering::Greater => {}
            }
        }
        None
    }

    /// How many entries a group that has read up to `last_id` has before it, where that can be known.
    pub fn lag(&self, last_id: StreamId, entries_read: Option<u64>) -> Option<i64> {
        let behind = |read: u64| self.meta.entries_added.wrapping_sub(read) as i64;
        if self.meta.entries_added == 0 || self.length == 0 {
            return Some(0);
        }
        if last_id < self.first_id && self.meta.max_deleted_id < self.first_id {
            return Some(self.length as i64);
        }
        match entries_read {
            Some(read) if !self.gone_from(last_id) => Some(behind(read)),
            _ => self.entries_up_to(last_id).map(behind),
        }
    }

    /// The number of entries read after reading `id` next, for a group at `last_id`.
    pub fn entries_read_after(&self, last_id: StreamId, entries_read: Option<u64>, id: StreamId) -> Option<u64> {
        match entries_read {
            Some(read) if !self.gone_from(last_id) => Some(read + 1),
            read if self.meta.entries_added == 0 => read,
            _ => self.entries_up_to(id),
        }
    }

    /// Begins to save the nodes as they are now, under the number `id`.
    pub(in crate::object) fn begin_saving(&mut self, id: u64, held: Held) {
        let last = self.nodes.last_key_value().map(|(&last, _)| last);
        self.saving.set(LogSaving::new(id, held, last));
    }

    /// The number of the saving under way.
    pub(in crate::object) fn saving(&self) -> Option<u64> {
        self.saving.as_ref().map(|saving| saving.id)
    }

    /// Ends the saving, whether all is saved or not.
    pub(in crate::object) fn end_saving(&mut self) {
        self.saving.clear();
    }

    /// Gives `with` the next nodes in order, about `budget` bytes of them; says whether all are saved then.
    pub(in crate::object) fn save_some(
        &mut self,
        budget: usize,
        with: &mut dyn FnMut(StreamId, ListpackRef<'_>),
    ) -> bool {
        let Some(mut saving) = self.saving.take() else { return true };
        let is_over = saving.save_some(&self.nodes, budget, with);
        *self.saving = Some(saving);
        is_over
    }

    /// Frees up to `budget` nodes; true when none are left.
    pub(super) fn free_some(&mut self, budget: usize) -> bool {
        for _ in 0..budget {
            let Some((_, list)) = self.nodes.pop_last() else { break };
            self.node_bytes -= list.allocated_bytes();
        }
        self.nodes.is_empty()
    }

    /// What [`EntryLog::memory`] keeps count of, counted anew.
    #[cfg(test)]
    pub(super) fn counted_bytes(&self) -> usize {
        self.nodes.values().map(Listpack::allocated_bytes).sum()
    }
}
