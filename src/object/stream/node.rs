//! One node: some entries with near IDs in a listpack, byte for byte as Redis stores them.
//!
//! ```text
//! master:  count │ deleted │ fields │ field … field │ 0
//! entry:   flags │ ms - master's ms │ seq - master's seq │ value … value │ elements before this one     (same fields)
//!          flags │ ms - master's ms │ seq - master's seq │ fields │ field │ value … │ elements before this one
//! ```
//!
//! `count` is of the living entries, `deleted` of those only marked so. The master's ID is the node's key: the first
//! entry's. An entry's last element leads back to its first.

use super::id::StreamId;
use crate::listpack::{Element, Listpack, ListpackRef};

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

/// What is wrong with a listpack that should be a stream's node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// An element that should be a number is none, or one out of range.
    #[error("stream node: the element at offset {0} is not the number it should be")]
    Number(usize),
    /// The listpack ends within the master or an entry.
    #[error("stream node ends in the middle of an entry")]
    Cut,
    /// An entry's last element does not lead back to its first.
    #[error("stream node: the entry before offset {0} has a wrong element count")]
    BackCount(usize),
    /// IDs don't rise.
    #[error("stream node: IDs do not rise at {0}")]
    Order(StreamId),
    /// The master's counts are not those of the entries.
    #[error("stream node says {count} entries and {deleted} deleted ones, there are others")]
    Counts {
        /// The master's count of living entries.
        count: i64,
        /// The master's count of deleted entries.
        deleted: i64,
    },
}

/// The number at a position of a validated node.
#[inline]
fn int(list: ListpackRef<'_>, at: usize) -> i64 {
    list.at(at).as_int().unwrap_or(0)
}

#[inline]
fn skip_many(list: ListpackRef<'_>, mut at: usize, count: i64) -> usize {
    for _ in 0..count {
        at = list.skip(at);
    }
    at
}

/// The master entry.
#[derive(Clone, Copy)]
struct Master {
    id: StreamId,
    deleted_at: usize,
    fields: i64,
    /// Position of the first field.
    fields_at: usize,
}

impl Master {
    fn of(id: StreamId, list: ListpackRef<'_>) -> Self {
        let deleted_at = list.skip(count_at(list));
        let fields_at = list.skip(deleted_at);
        Master { id, deleted_at, fields: int(list, fields_at), fields_at: list.skip(fields_at) }
    }

    /// Position of the first entry.
    fn end(&self, list: ListpackRef<'_>) -> usize {
        skip_many(list, self.fields_at, self.fields + 1)
    }
}

fn count_at(list: ListpackRef<'_>) -> usize {
    list.first().expect("a node has a master entry")
}

/// Living entries.
pub(super) fn count(list: ListpackRef<'_>) -> u64 {
    int(list, count_at(list)) as u64
}

/// Living entries and those marked as deleted.
pub(super) fn count_with_deleted(list: ListpackRef<'_>) -> u64 {
    count(list) + int(list, list.skip(count_at(list))) as u64
}

/// A new node with `fields` (fields and values in turn) as master, and no entry yet.
pub(super) fn create(fields: &[&[u8]]) -> Listpack {
    let mut list = Listpack::new();
    list.append(0);
    list.append(0);
    list.append(fields.len() as i64 / 2);
    for field in fields.iter().step_by(2) {
        list.append(*field);
    }
    list.append(0);
    list
}

/// Adds an entry with a higher ID than all before.
pub(super) fn append(list: &mut Listpack, master_id: StreamId, id: StreamId, fields: &[&[u8]]) {
    let view = list.view();
    let master = Master::of(master_id, view);
    let pairs = fields.len() as i64 / 2;
    let same = pairs == master.fields
        && view
            .iter_from(master.fields_at)
            .zip(fields.iter().step_by(2))
            .take(pairs as usize)
            .all(|(own, field)| own == Element::Str(field));
    let entries = int(view, count_at(view));
    list.append(if same { SAME_FIELDS } else { 0 });
    list.append(id.ms.wrapping_sub(master_id.ms) as i64);
    list.append(id.seq.wrapping_sub(master_id.seq) as i64);
    if same {
        fields.iter().skip(1).step_by(2).for_each(|value| list.append(*value));
        list.append(pairs + 3);
    } else {
        list.append(pairs);
        fields.iter().for_each(|element| list.append(*element));
        list.append(2 * pairs + 4);
    }
    let at = count_at(list.view());
    list.replace(at, entries + 1);
}

/// An entry of a stream.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    /// Its ID.
    pub id: StreamId,
    list: ListpackRef<'a>,
    flags_at: usize,
    /// Position of the first value, or of the first field where the entry has its own.
    body_at: usize,
    /// Position of the master's first field where the entry shares them.
    shared_at: Option<usize>,
    fields: i64,
    deleted: bool,
}

impl<'a> Entry<'a> {
    /// Number of fields.
    pub fn len(&self) -> usize {
        self.fields as usize
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.fields == 0
    }

    /// Fields and values in the order they were added.
    pub fn fields(&self) -> impl Iterator<Item = (Element<'a>, Element<'a>)> + use<'a> {
        let list = self.list;
        let (mut field_at, mut value_at, shared) =
            (self.shared_at.unwrap_or(self.body_at), self.body_at, self.shared_at.is_some());
        (0..self.fields).map(move |_| {
            if !shared {
                field_at = value_at;
                value_at = list.skip(field_at);
            }
            let pair = (list.at(field_at), list.at(value_at));
            value_at = list.skip(value_at);
            field_at = list.skip(field_at);
            pair
        })
    }

    /// The position behind the entry.
    fn end(&self) -> usize {
        let elements = if self.shared_at.is_some() { self.fields } else { 2 * self.fields };
        skip_many(self.list, self.body_at, elements + 1)
    }
}

/// All entries of a node from both ends, deleted ones left out.
#[derive(Clone)]
pub(super) struct Entries<'a> {
    list: ListpackRef<'a>,
    master: Master,
    front: usize,
    back: usize,
}

impl<'a> Entries<'a> {
    pub(super) fn of(id: StreamId, list: ListpackRef<'a>) -> Self {
        let master = Master::of(id, list);
        Entries { list, master, front: master.end(list), back: list.end() }
    }

    fn at(&self, flags_at: usize) -> Entry<'a> {
        let list = self.list;
        let flags = int(list, flags_at);
        let ms_at = list.skip(flags_at);
        let seq_at = list.skip(ms_at);
        let id = StreamId {
            ms: self.master.id.ms.wrapping_add(int(list, ms_at) as u64),
            seq: self.master.id.seq.wrapping_add(int(list, seq_at) as u64),
        };
        let rest = list.skip(seq_at);
        let deleted = flags & DELETED != 0;
        if flags & SAME_FIELDS != 0 {
            let shared_at = Some(self.master.fields_at);
            Entry { id, list, flags_at, body_at: rest, shared_at, fields: self.master.fields, deleted }
        } else {
            Entry { id, list, flags_at, body_at: list.skip(rest), shared_at: None, fields: int(list, rest), deleted }
        }
    }

    fn next_any(&mut self) -> Option<Entry<'a>> {
        if self.front >= self.back {
            return None;
        }
        let entry = self.at(self.front);
        self.front = entry.end();
        Some(entry)
    }

    fn back_any(&mut self) -> Option<Entry<'a>> {
        if self.front >= self.back {
            return None;
        }
        let mut at = self.list.prev(self.back)?;
        for _ in 0..int(self.list, at) {
            at = self.list.prev(at)?;
        }
        self.back = at;
        Some(self.at(at))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        loop {
            let entry = self.next_any()?;
            if !entry.deleted {
                return Some(entry);
            }
        }
    }
}

impl DoubleEndedIterator for Entries<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        loop {
            let entry = self.back_any()?;
            if !entry.deleted {
                return Some(entry);
            }
        }
    }
}

/// The ID of the last entry, deleted or not.
pub(super) fn last_id_with_deleted(id: StreamId, list: ListpackRef<'_>) -> StreamId {
    Entries::of(id, list).back_any().map_or(id, |entry| entry.id)
}

/// Marks living entries as deleted, from the first on, while `wanted` says so: [`Some`] whether to delete, [`None`] to
/// stop. Returns how many were marked.
pub(super) fn delete_while(list: &mut Listpack, id: StreamId, mut wanted: impl FnMut(StreamId) -> Option<bool>) -> u64 {
    let mut marked = 0;
    let mut front = Master::of(id, list.view()).end(list.view());
    loop {
        let mut entries = Entries::of(id, list.view());
        entries.front = front;
        let Some(entry) = entries.next_any() else { break };
        front = entry.end();
        if entry.deleted {
            continue;
        }
        match wanted(entry.id) {
            None => break,
            Some(false) => {}
            Some(true) => {
                let at = entry.flags_at;
                let flags = int(list.view(), at);
                // Flags are one byte before and after: nothing moves.
                list.replace(at, flags | DELETED);
                marked += 1;
            }
        }
    }
    if marked > 0 {
        let master = Master::of(id, list.view());
        let deleted = int(list.view(), master.deleted_at);
        list.replace(master.deleted_at, deleted + marked);
        let at = count_at(list.view());
        let count = int(list.view(), at);
        list.replace(at, count - marked);
    }
    marked as u64
}

/// Checks everything that reading a node relies on.
pub(super) fn validate(id: StreamId, list: ListpackRef<'_>) -> Result<(), NodeError> {
    let end = list.end();
    let mut at = list.first().ok_or(NodeError::Cut)?;
    let number = |at: &mut usize, min: i64| {
        if *at >= end {
            return Err(NodeError::Cut);
        }
        let value = list.at(*at).as_int().filter(|value| *value >= min).ok_or(NodeError::Number(*at))?;
        *at = list.skip(*at);
        Ok(value)
    };
    let skip = |at: &mut usize, elements: i64| {
        for _ in 0..elements {
            if *at >= end {
                return Err(NodeError::Cut);
            }
            *at = list.skip(*at);
        }
        Ok(())
    };
    let (count, deleted, fields) = (number(&mut at, 0)?, number(&mut at, 0)?, number(&mut at, 0)?);
    skip(&mut at, fields)?;
    let zero_at = at;
    if number(&mut at, 0)? != 0 {
        return Err(NodeError::Number(zero_at));
    }
    let (mut alive, mut dead, mut previous) = (0, 0, None);
    while at < end {
        let flags_at = at;
        let flags = number(&mut at, 0)?;
        if flags & !(DELETED | SAME_FIELDS) != 0 {
            return Err(NodeError::Number(flags_at));
        }
        let entry = StreamId {
            ms: id.ms.wrapping_add(number(&mut at, i64::MIN)? as u64),
            seq: id.seq.wrapping_add(number(&mut at, i64::MIN)? as u64),
        };
        if entry < id || previous.is_some_and(|previous| entry <= previous) {
            return Err(NodeError::Order(entry));
        }
        previous = Some(entry);
        let own_at = at;
        let elements = if flags & SAME_FIELDS != 0 {
            skip(&mut at, fields)?;
            fields + 3
        } else {
            let own = number(&mut at, 0)?;
            let elements = own.checked_mul(2).and_then(|own| own.checked_add(4)).ok_or(NodeError::Number(own_at))?;
            skip(&mut at, elements - 4)?;
            elements
        };
        if number(&mut at, 0)? != elements {
            return Err(NodeError::BackCount(at));
        }
        if flags & DELETED != 0 { dead += 1 } else { alive += 1 }
    }
    // All may be deleted: trimming by ID leaves such nodes in Redis.
    if (alive, dead) != (count, deleted) || alive + dead == 0 {
        return Err(NodeError::Counts { count, deleted });
    }
    Ok(())
}
