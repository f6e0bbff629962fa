//! Between the values of a file and those of the keyspace: compact forms are moved in as they are, and written out
//! without a copy.

use super::encode::Encoder;
use super::stream::{StreamData, StreamEncoder, StreamId, StreamSource};
use super::value::{HashValue, ListNode, SetValue, Value, ZSetValue};
use super::view::{ListNodeView, ValueView};
use crate::keyspace::{self, ValueRef, parse_canonical_i64};
use crate::listpack::{Element, Listpack, ListpackRef};
use crate::object::hash::{self, EXPIRE_MS_MAX, Hash, OnUpdate};
use crate::object::list::{List, NodeRef};
use crate::object::set::{self, Set};
use crate::object::stream::{self, NodeError, Stream};
use crate::object::zset::ZSet;
use crate::object::{Limits, Object};

/// Why a sound value of a file can't be held.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A stream's node is broken in a way that the file's structure does not show.
    #[error("stream: {0}")]
    StreamNode(#[from] NodeError),
    /// Two groups of a stream, or two consumers of a group, have one name.
    #[error("stream: two groups or consumers are named {0:?}")]
    StreamName(String),
    /// A field's expiry is beyond what can be told, in Unix ms.
    #[error("a hash field expires at {0}, beyond the year 10,000")]
    FieldExpire(u64),
}

/// A file's value as the keyspace holds it, in the encoding that today's settings ask for. Of members and fields that
/// stand twice the first one counts.
pub fn into_stored(value: Value, limits: &Limits) -> Result<keyspace::Value<'static>, StoreError> {
    let object = match value {
        Value::String(bytes) => {
            return Ok(match parse_canonical_i64(&bytes) {
                Some(number) => keyspace::Value::Int(number),
                None => keyspace::Value::Owned(bytes),
            });
        }
        Value::List(nodes) => Object::List(list(nodes, limits)),
        Value::Set(value) => Object::Set(set(value, limits)),
        Value::Hash(value) => Object::Hash(hash(value, limits)?),
        Value::ZSet(value) => Object::ZSet(zset(value, limits)),
        Value::Stream(data) => Object::Stream(Box::new(stream(*data)?)),
    };
    Ok(keyspace::Value::Object(Box::new(object)))
}

fn list(mut nodes: Vec<ListNode>, limits: &Limits) -> List {
    if let [ListNode::Packed(only)] = &mut nodes[..] {
        return List::from_listpack(std::mem::take(only), &limits.list);
    }
    let mut list = List::new();
    for node in nodes {
        match node {
            ListNode::Packed(elements) => list.push_node(elements, &limits.list),
            ListNode::Plain(element) => list.push_plain_node(&element, &limits.list),
        }
    }
    list.finish_loading(&limits.list);
    list
}

fn set(value: SetValue, limits: &Limits) -> Set {
    match value {
        SetValue::Intset(intset) => Set::from_intset(intset, &limits.set),
        SetValue::Listpack(list) => Set::from_listpack(list, &limits.set).unwrap_or_else(|list| {
            set_of(list.len(), list.iter().map(|member| member.to_bytes().into_owned()), limits)
        }),
        SetValue::Members(members) => set_of(members.len(), members.into_iter(), limits),
    }
}

fn set_of(len: usize, mut members: impl Iterator<Item = Vec<u8>>, limits: &Limits) -> Set {
    let first = members.next().unwrap_or_default();
    let mut set = Set::for_member(&first, len, &limits.set);
    set.insert(&first, &limits.set);
    members.for_each(|member| {
        set.insert(&member, &limits.set);
    });
    set
}

fn hash(value: HashValue, limits: &Limits) -> Result<Hash, StoreError> {
    match value {
        HashValue::Listpack(list) => Ok(Hash::from_listpack(list, &limits.hash).unwrap_or_else(|list| {
            let mut hash = Hash::new();
            for (field, value) in list.view().pairs() {
                field.with_bytes(|field| value.with_bytes(|value| add_field(&mut hash, field, value, None, limits)));
            }
            hash
        })),
        HashValue::ListpackTtl(list) => {
            Hash::from_timed_listpack(list, &limits.hash).or_else(|list| timed_hash(&list, limits))
        }
        HashValue::Fields(fields) => {
            let mut hash = Hash::new();
            hash.expect(fields.len(), &limits.hash);
            for field in fields {
                add_field(&mut hash, &field.field, &field.value, checked_expire(field.expire_ms)?, limits);
            }
            Ok(hash)
        }
    }
}

fn timed_hash(list: &Listpack, limits: &Limits) -> Result<Hash, StoreError> {
    let mut hash = Hash::new();
    let mut elements = list.iter();
    while let (Some(field), Some(value), Some(expire)) = (elements.next(), elements.next(), elements.next()) {
        let expire_ms = expire.as_int().and_then(|at| u64::try_from(at).ok()).filter(|at| *at > 0);
        let expire_ms = checked_expire(expire_ms)?;
        field.with_bytes(|field| value.with_bytes(|value| add_field(&mut hash, field, value, expire_ms, limits)));
    }
    Ok(hash)
}

fn checked_expire(expire_ms: Option<u64>) -> Result<Option<u64>, StoreError> {
    match expire_ms {
        Some(at) if at > EXPIRE_MS_MAX => Err(StoreError::FieldExpire(at)),
        // Some writers know a time of 0; it is long over all the same.
        at => Ok(at.map(|at| at.max(1))),
    }
}

fn add_field(hash: &mut Hash, field: &[u8], value: &[u8], expire_ms: Option<u64>, limits: &Limits) {
    if hash.contains(field) {
        return;
    }
    match expire_ms {
        Some(at) => hash.set_expiring(field, value, at, &limits.hash),
        None => hash.set(field, value, OnUpdate::ClearExpire, &limits.hash),
    };
}

fn zset(value: ZSetValue, limits: &Limits) -> ZSet {
    match value {
        ZSetValue::Listpack(list) => ZSet::try_from_listpack(list, limits.zset).unwrap_or_else(|(_, list)| {
            let mut zset = ZSet::new();
            for (member, score) in list.view().pairs() {
                let score = match score {
                    Element::Int(score) => score as f64,
                    Element::Str(text) => std::str::from_utf8(text).ok().and_then(|t| t.parse().ok()).unwrap_or(0.0),
                };
                member.with_bytes(|member| add_member(&mut zset, member, score, limits));
            }
            zset
        }),
        ZSetValue::Members(members) => {
            let longest = members.iter().map(|(member, _)| member.len()).max().unwrap_or(0);
            let mut zset = ZSet::for_size(members.len(), longest, limits.zset);
            for (member, score) in members {
                add_member(&mut zset, &member, score, limits);
            }
            zset
        }
    }
}

fn add_member(zset: &mut ZSet, member: &[u8], score: f64, limits: &Limits) {
    if zset.score(member).is_none() {
        zset.insert(member, score, limits.zset);
    }
}

fn stream(data: StreamData) -> Result<Stream, StoreError> {
    let mut stream = Stream::new();
    for node in data.nodes {
        stream.log_mut().push_node(in_memory(node.master_id), node.entries)?;
    }
    stream.log_mut().set_meta(stream::StreamMeta {
        last_id: in_memory(data.meta.last_id),
        max_deleted_id: in_memory(data.meta.max_deleted_id),
        entries_added: data.meta.entries_added,
    });
    for group in data.groups {
        let twice = |name: &[u8]| StoreError::StreamName(String::from_utf8_lossy(name).into_owned());
        if !stream.create_group(&group.name, in_memory(group.last_id), group.entries_read) {
            return Err(twice(&group.name));
        }
        let (_, groups) = stream.parts_mut();
        let Some(made) = groups.get_mut(&group.name[..]) else { continue };
        let mut keys = Vec::with_capacity(group.consumers.len());
        for consumer in group.consumers {
            let (key, is_new) = made.find_or_create(&consumer.name, consumer.seen_ms);
            if !is_new {
                return Err(twice(&consumer.name));
            }
            made.consumer_mut(key).active_time_ms = consumer.active_ms;
            keys.push(key);
        }
        for pending in group.pending {
            let Some(&consumer) = keys.get(pending.consumer) else { continue };
            let (delivery_time_ms, delivery_count) = (pending.delivery_ms, pending.delivery_count);
            made.set_pending(in_memory(pending.id), stream::Pending { consumer, delivery_time_ms, delivery_count });
        }
    }
    Ok(stream)
}

/// Calls `with` on the view that [`super::Encoder`] takes.
pub fn with_stored<R>(value: ValueRef<'_>, with: impl FnOnce(ValueView<'_>) -> R) -> R {
    match value {
        ValueRef::Int(number) => with(ValueView::Int(number)),
        ValueRef::Str(bytes) => with(ValueView::String(bytes)),
        ValueRef::Object(object) => with_object(object, with),
    }
}

fn with_object<R>(object: &Object, with: impl FnOnce(ValueView<'_>) -> R) -> R {
    match object {
        Object::List(list) => match list.compact() {
            Some(elements) => with(ValueView::ListListpack(elements.as_bytes())),
            None => {
                let nodes = list.nodes_from(0).0.count();
                with(ValueView::List {
                    nodes,
                    iter: &mut list.nodes_from(0).0.map(|node| match node {
                        NodeRef::Packed(elements) => ListNodeView::Packed(elements.as_bytes()),
                        NodeRef::Plain(element) => ListNodeView::Plain(element),
                    }),
                })
            }
        },
        Object::Set(set) => match set.compact() {
            Some(set::Compact::Intset(intset)) => with(ValueView::SetIntset(intset.as_bytes())),
            Some(set::Compact::Listpack(list)) => with(ValueView::SetListpack(list.as_bytes())),
            None => with(ValueView::Set { len: set.len(), iter: &mut set.iter() }),
        },
        Object::Hash(hash) => with_hash(hash, with),
        Object::ZSet(zset) => match zset.as_listpack() {
            Some(list) => with(ValueView::ZSetListpack(list.as_bytes())),
            None => with(ValueView::ZSet { len: zset.len(), iter: &mut zset.iter().rev() }),
        },
        Object::Stream(stream) => with(ValueView::Stream(&**stream)),
    }
}

/// A hash without any time is told in the form that version 11 knows, whatever it was before.
fn with_hash<R>(hash: &Hash, with: impl FnOnce(ValueView<'_>) -> R) -> R {
    match (hash.compact(), hash.min_expire()) {
        (Some(hash::Compact::Listpack(list)), _) => with(ValueView::HashListpack(list.as_bytes())),
        (Some(hash::Compact::Timed(list)), Some(expire_ms_min)) => {
            with(ValueView::HashListpackTtl { expire_ms_min, bytes: list.listpack().as_bytes() })
        }
        (None, Some(expire_ms_min)) => with(ValueView::HashTtl {
            len: hash.len(),
            expire_ms_min,
            iter: &mut hash.iter().map(|entry| (entry.field, entry.value, entry.expire_ms)),
        }),
        (_, None) => {
            with(ValueView::Hash { len: hash.len(), iter: &mut hash.iter().map(|entry| (entry.field, entry.value)) })
        }
    }
}

impl StreamSource for Stream {
    fn encode(&self, to: &mut StreamEncoder<'_>) {
        let log = self.log();
        to.nodes(log.node_count());
        log.nodes(stream::StreamId::MIN).for_each(|(id, list)| to.node(in_file(id), list.as_bytes()));
        encode_tail(self, to);
    }
}

/// What of a stream follows its nodes.
fn encode_tail(stream: &Stream, to: &mut StreamEncoder<'_>) {
    let (log, all) = (stream.log(), stream::StreamId::MIN..=stream::StreamId::MAX);
    let meta = log.meta();
    to.meta(&super::stream::StreamMeta {
        length: log.len(),
        last_id: in_file(meta.last_id),
        first_id: in_file(log.first_id()),
        max_deleted_id: in_file(meta.max_deleted_id),
        entries_added: meta.entries_added,
    });
    to.groups(stream.groups().len());
    for (name, group) in stream.groups() {
        to.group(name, in_file(group.last_id), group.entries_read, group.pending_len());
        for (id, pending) in group.pending_range(all.clone()) {
            to.pending(in_file(id), pending.delivery_time_ms, pending.delivery_count);
        }
        to.consumers(group.consumers().len());
        for (_, consumer) in group.consumers() {
            let pending = consumer.pending();
            to.consumer(consumer.name(), consumer.seen_time_ms, consumer.active_time_ms, pending.len());
            pending.iter().for_each(|&id| to.consumer_pending(in_file(id)));
        }
    }
}

/// Writes what follows the nodes of a stream that is written in parts.
pub fn stream_tail(stream: &Stream, encoder: &mut Encoder, out: &mut Vec<u8>) {
    encode_tail(stream, &mut StreamEncoder::new(encoder, out));
}

/// Writes a node of a stream that is written in parts.
pub fn stream_node(encoder: &mut Encoder, out: &mut Vec<u8>, id: stream::StreamId, list: ListpackRef<'_>) {
    StreamEncoder::new(encoder, out).node(in_file(id), list.as_bytes());
}

fn in_memory(id: StreamId) -> stream::StreamId {
    stream::StreamId { ms: id.ms, seq: id.seq }
}

fn in_file(id: stream::StreamId) -> StreamId {
    StreamId { ms: id.ms, seq: id.seq }
}
