//! A sorted set under a key: finding, storing, replying with it.

use crate::command::expect::Refused;
use crate::command::typed::{ZSET, bulk, of_type};
use crate::config::events;
use crate::keyspace::{Value, ValueRef};
use crate::listpack::Element;
use crate::object::zset::ZSetLimits;
use crate::object::{Object, ZSet};
use crate::resp::Reply;
use crate::shard::{Cx, Expire, Found};

/// Finds a key to read it; if it is there, it must be a sorted set.
#[inline]
pub fn to_read(cx: &mut Cx<'_>, key: &[u8]) -> Result<Option<Found>, Refused> {
    let found = cx.read(key);
    of_type(cx, found, ZSET)
}

/// Finds a key to change it; if it is there, it must be a sorted set.
#[inline]
pub fn to_write(cx: &mut Cx<'_>, key: &[u8]) -> Result<Option<Found>, Refused> {
    let found = cx.write(key);
    of_type(cx, found, ZSET)
}

/// The sorted set that a value was found to be.
#[inline]
pub fn of(value: ValueRef<'_>) -> &ZSet {
    match value {
        ValueRef::Object(Object::ZSet(zset)) => zset,
        _ => unreachable!("the type was looked at when the key was found"),
    }
}

/// As [`of`], to change it.
#[inline]
pub fn of_mut(object: &mut Object) -> &mut ZSet {
    match object {
        Object::ZSet(zset) => zset,
        _ => unreachable!("the type was looked at when the key was found"),
    }
}

/// The thresholds in force.
#[inline]
pub fn limits(cx: &Cx<'_>) -> ZSetLimits {
    let settings = cx.settings();
    ZSetLimits {
        max_listpack_entries: settings.zset_max_listpack_entries as usize,
        max_listpack_value: settings.zset_max_listpack_value as usize,
    }
}

/// Puts a sorted set under a key that is new or gets a new value.
pub fn put(cx: &mut Cx<'_>, key: &[u8], found: Option<Found>, zset: ZSet) {
    cx.put(key, found, Value::Object(Box::new(Object::ZSet(zset))), Expire::Clear);
}

/// Removes the key if nothing is left in its sorted set.
#[inline]
pub fn delete_if_empty(cx: &mut Cx<'_>, key: &[u8], found: Found) {
    if of(cx.value(found)).is_empty() {
        cx.delete(key, found);
        cx.notify(events::GENERIC, "del", key);
    }
}

/// Stores the result of a command under `target`, or removes that key if the result is empty; event, effect and reply
/// are the same for all such commands.
pub fn store(cx: &mut Cx<'_>, target: &[u8], mut result: ZSet, event: &'static str) {
    let old = cx.write(target);
    let len = result.len();
    if len > 0 {
        result.pack(limits(cx));
        put(cx, target, old, result);
        cx.notify(events::ZSET, event, target);
        cx.effect_verbatim();
    } else if let Some(old) = old {
        cx.delete(target, old);
        cx.notify(events::GENERIC, "del", target);
        cx.effect(&[b"DEL", target]);
    }
    cx.reply.int(len as i64);
}

/// Writes members, on demand with their scores: in RESP3 each pair is an array of its own.
#[inline]
pub fn reply_members<'e>(
    reply: &mut Reply<'_>,
    members: impl ExactSizeIterator<Item = (Element<'e>, f64)>,
    with_scores: bool,
) {
    let nested = with_scores && reply.is_resp3();
    let flat = with_scores && !nested;
    reply.array(members.len() * (1 + usize::from(flat)));
    for (member, score) in members {
        if nested {
            reply.array(2);
        }
        bulk(reply, member);
        if with_scores {
            reply.double(score);
        }
    }
}
