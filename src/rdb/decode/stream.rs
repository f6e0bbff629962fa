//! Streams out of a file: every entry and every pending entry is looked at, since all later code trusts them.

use std::io::Read;

use super::error::Fault;
use super::input::Input;
use super::value::{capacity, to_usize};
use crate::listpack::{Element, Iter, Listpack};
use crate::rdb::opcode;
use crate::rdb::stream::{Consumer, Group, Pending, StreamData, StreamId, StreamMeta, StreamNode};

const FLAG_DELETED: i64 = 1;
const FLAG_SAME_FIELDS: i64 = 2;

/// What walking over the nodes found.
#[derive(Default)]
struct Walked {
    length: u64,
    first_id: StreamId,
    last_id: Option<StreamId>,
}

pub(super) fn load<R: Read>(input: &mut Input<R>, type_byte: u8) -> Result<StreamData, Fault> {
    let count = input.len()?;
    let mut nodes = Vec::with_capacity(capacity(count));
    let mut walked = Walked::default();
    for _ in 0..count {
        let key = input.string()?;
        let key: [u8; 16] = key.try_into().map_err(|_| Fault::Stream("a node's key is no stream ID"))?;
        let master_id = StreamId::from_bytes(key);
        let entries = Listpack::from_vec(input.string()?)?;
        walk_node(master_id, &entries, &mut walked)?;
        nodes.push(StreamNode { master_id, entries });
    }
    let meta = load_meta(input, type_byte, &walked)?;
    let count = input.len()?;
    let mut groups = Vec::with_capacity(capacity(count));
    let mut names = hashbrown::HashSet::new();
    for _ in 0..count {
        let group = load_group(input, type_byte, &meta)?;
        if !names.insert(group.name.clone()) {
            return Err(Fault::Stream("two groups have one name"));
        }
        groups.push(group);
    }
    Ok(StreamData { nodes, meta, groups })
}

fn load_id<R: Read>(input: &mut Input<R>) -> Result<StreamId, Fault> {
    Ok(StreamId { ms: input.len()?, seq: input.len()? })
}

fn load_meta<R: Read>(input: &mut Input<R>, type_byte: u8, walked: &Walked) -> Result<StreamMeta, Fault> {
    let said = input.len()?;
    let last_id = load_id(input)?;
    // The length is what the nodes hold; a file whose number differs is not worse than one without it, except that a
    // stream without nodes has lost them.
    if said > 0 && walked.last_id.is_none() {
        return Err(Fault::Stream("it has a length but no entries"));
    }
    let length = walked.length;
    let last_id = walked.last_id.map_or(last_id, |last| last.max(last_id));
    if type_byte == opcode::STREAM_LISTPACKS {
        let first_id = walked.first_id;
        return Ok(StreamMeta {
            length,
            last_id,
            first_id,
            max_deleted_id: StreamId::default(),
            entries_added: length,
        });
    }
    load_id(input)?;
    let max_deleted_id = load_id(input)?;
    let entries_added = input.len()?;
    Ok(StreamMeta { length, last_id, first_id: walked.first_id, max_deleted_id, entries_added })
}

/// Checks a node: master entry (count, deleted, fields), then entries (flags, ms, seq, fields and values, number of
/// elements), IDs ascending through all nodes.
fn walk_node(master_id: StreamId, entries: &Listpack, walked: &mut Walked) -> Result<(), Fault> {
    let mut elements = entries.iter();
    let alive = integer(&mut elements)?;
    let deleted = integer(&mut elements)?;
    let master_fields = field_count(&mut elements)?;
    for _ in 0..master_fields {
        next(&mut elements)?;
    }
    if integer(&mut elements)? != 0 {
        return Err(Fault::Stream("a master entry does not end in 0"));
    }
    let (mut alive_seen, mut deleted_seen) = (0, 0);
    while let Some(flags) = elements.next() {
        let flags = flags.as_int().ok_or(Fault::Stream("an entry's flags are no integer"))?;
        // Relative to the master ID; the sequence may be lower than the master's in a later millisecond.
        let id = StreamId {
            ms: master_id.ms.wrapping_add(integer(&mut elements)? as u64),
            seq: master_id.seq.wrapping_add(integer(&mut elements)? as u64),
        };
        if id < master_id || walked.last_id.is_some_and(|last| last >= id) {
            return Err(Fault::Stream("entries are not in order"));
        }
        walked.last_id = Some(id);
        let elements_before_count = if flags & FLAG_SAME_FIELDS != 0 {
            for _ in 0..master_fields {
                next(&mut elements)?;
            }
            master_fields.checked_add(3)
        } else {
            let fields = field_count(&mut elements)?;
            for _ in 0..fields {
                next(&mut elements)?;
                next(&mut elements)?;
            }
            fields.checked_mul(2).and_then(|n| n.checked_add(4))
        };
        if Some(integer(&mut elements)?) != elements_before_count {
            return Err(Fault::Stream("an entry's number of elements is wrong"));
        }
        if flags & FLAG_DELETED != 0 {
            deleted_seen += 1;
        } else {
            if walked.length == 0 {
                walked.first_id = id;
            }
            walked.length += 1;
            alive_seen += 1;
        }
    }
    if (alive, deleted) != (alive_seen, deleted_seen) || alive + deleted == 0 {
        return Err(Fault::Stream("a node's number of entries is wrong"));
    }
    Ok(())
}

fn next<'a>(elements: &mut Iter<'a>) -> Result<Element<'a>, Fault> {
    elements.next().ok_or(Fault::Stream("a node ends inside an entry"))
}

fn integer(elements: &mut Iter<'_>) -> Result<i64, Fault> {
    next(elements)?.as_int().ok_or(Fault::Stream("a number in a node is no integer"))
}

fn field_count(elements: &mut Iter<'_>) -> Result<i64, Fault> {
    match integer(elements)? {
        count @ 0.. => Ok(count),
        _ => Err(Fault::Stream("a number of fields is negative")),
    }
}

fn load_group<R: Read>(input: &mut Input<R>, type_byte: u8, meta: &StreamMeta) -> Result<Group, Fault> {
    let name = input.string()?;
    let last_id = load_id(input)?;
    let entries_read = if type_byte == opcode::STREAM_LISTPACKS {
        entries_read_estimate(meta, last_id)
    } else {
        Some(input.len()?).filter(|read| i64::try_from(*read).is_ok())
    };
    let count = input.len()?;
    let mut pending = Vec::with_capacity(capacity(count));
    for _ in 0..count {
        let id = StreamId::from_bytes(input.array()?);
        let delivery_ms = input.i64_le()?;
        let delivery_count = input.len()?;
        pending.push(Pending { id, consumer: usize::MAX, delivery_ms, delivery_count });
    }
    if !pending.is_sorted_by_key(|p| p.id) {
        pending.sort_unstable_by_key(|p| p.id);
    }
    if pending.windows(2).any(|pair| pair[0].id == pair[1].id) {
        return Err(Fault::Stream("an entry is pending twice"));
    }
    let count = input.len()?;
    let mut consumers: Vec<Consumer> = Vec::with_capacity(capacity(count));
    let mut names = hashbrown::HashSet::new();
    for index in 0..to_usize(count) {
        let name = input.string()?;
        if !names.insert(name.clone()) {
            return Err(Fault::Stream("two consumers of a group have one name"));
        }
        let seen_ms = input.i64_le()?;
        let active_ms = if type_byte == opcode::STREAM_LISTPACKS_3 { input.i64_le()? } else { seen_ms };
        for _ in 0..input.len()? {
            let id = StreamId::from_bytes(input.array()?);
            let at = pending
                .binary_search_by_key(&id, |p: &Pending| p.id)
                .map_err(|_| Fault::Stream("a consumer's pending entry is not pending in its group"))?;
            if pending[at].consumer != usize::MAX {
                return Err(Fault::Stream("an entry is pending at two consumers"));
            }
            pending[at].consumer = index;
        }
        consumers.push(Consumer { name, seen_ms, active_ms });
    }
    if pending.iter().any(|p| p.consumer == usize::MAX) {
        return Err(Fault::Stream("a pending entry belongs to no consumer"));
    }
    Ok(Group { name, last_id, entries_read, pending, consumers })
}

/// How many entries a group has read up to `id`, as far as the oldest form lets one know: it tells of no deletion.
fn entries_read_estimate(meta: &StreamMeta, id: StreamId) -> Option<u64> {
    if meta.entries_added == 0 {
        return Some(0);
    }
    match id.cmp(&meta.last_id) {
        std::cmp::Ordering::Equal => Some(meta.entries_added),
        std::cmp::Ordering::Greater => None,
        std::cmp::Ordering::Less if id < meta.first_id => Some(0),
        std::cmp::Ordering::Less if id == meta.first_id => Some(1),
        std::cmp::Ordering::Less => None,
    }
}
