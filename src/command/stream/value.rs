//! A stream under a key, and how its parts are written as replies.

use super::id_text::IdText;
use crate::command::expect::Refused;
use crate::command::typed::{STREAM, of_type};
use crate::keyspace::ValueRef;
use crate::object::stream::{Entry, Group, StreamId, StreamLimits};
use crate::object::{Object, Stream};
use crate::resp::Reply;
use crate::shard::{Cx, Found};

/// Finds a key to read it; if it is there, it must be a stream.
#[inline]
pub fn to_read(cx: &mut Cx<'_>, key: &[u8]) -> Result<Option<Found>, Refused> {
    let found = cx.read(key);
    of_type(cx, found, STREAM)
}

/// Finds a key to change it; if it is there, it must be a stream.
#[inline]
pub fn to_write(cx: &mut Cx<'_>, key: &[u8]) -> Result<Option<Found>, Refused> {
    let found = cx.write(key);
    of_type(cx, found, STREAM)
}

/// The stream that a value was found to be.
#[inline]
pub fn of(value: ValueRef<'_>) -> &Stream {
    match value {
        ValueRef::Object(Object::Stream(stream)) => stream,
        _ => unreachable!("the type was looked at when the key was found"),
    }
}

/// As [`of`], to change it.
#[inline]
pub fn of_mut(object: &mut Object) -> &mut Stream {
    match object {
        Object::Stream(stream) => stream,
        _ => unreachable!("the type was looked at when the key was found"),
    }
}

/// A group that was found to be there, to change it.
pub fn group_mut<'o>(object: &'o mut Object, name: &[u8]) -> &'o mut Group {
    let (_, groups) = of_mut(object).parts_mut();
    groups.get_mut(name).expect("the group was looked up before")
}

/// The thresholds in force.
#[inline]
pub fn limits(cx: &Cx<'_>) -> StreamLimits {
    let settings = cx.settings();
    StreamLimits {
        node_max_bytes: settings.stream_node_max_bytes as usize,
        node_max_entries: u64::from(settings.stream_node_max_entries),
    }
}

/// Writes an ID.
#[inline]
pub fn reply_id(reply: &mut Reply<'_>, id: StreamId) {
    reply.bulk(IdText::new(id).as_bytes());
}

/// Writes an entry: its ID, and fields and values in turn.
#[inline]
pub fn reply_entry(reply: &mut Reply<'_>, entry: &Entry<'_>) {
    reply.array(2);
    reply_id(reply, entry.id);
    reply.array(2 * entry.len());
    for (field, value) in entry.fields() {
        field.with_bytes(|bytes| reply.bulk(bytes));
        value.with_bytes(|bytes| reply.bulk(bytes));
    }
}

/// Writes up to `count` entries.
pub fn reply_entries<'e>(reply: &mut Reply<'_>, entries: impl Iterator<Item = Entry<'e>>, count: usize) {
    let start = reply.deferred_array();
    let mut shown = 0;
    for entry in entries.take(count) {
        reply_entry(reply, &entry);
        shown += 1;
    }
    reply.finish_array(start, shown);
}

/// Notes when a consumer was last here. No change that is logged or that readers wait for.
pub fn note_seen(cx: &mut Cx<'_>, found: Found, group: &[u8], consumer: &[u8], now_ms: i64) {
    let db = cx.session.db as usize;
    let mut object = cx.shard().keyspace_mut().db_mut(db).object_mut(found.entry);
    let group = group_mut(&mut object, group);
    if let Some(consumer) = group.find(consumer) {
        group.consumer_mut(consumer).seen_time_ms = now_ms;
    }
}
