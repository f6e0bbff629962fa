//! A string's bytes, whichever way it is kept.

use crate::command::errors;
use crate::command::expect::{Refused, refuse};
use crate::keyspace::{Value, ValueRef};
use crate::shard::{Cx, Expire, Found};

/// The bytes of a string; a number's are spelled out in `digits`. A collection has none.
#[inline]
pub fn bytes<'v>(value: ValueRef<'v>, digits: &'v mut itoa::Buffer) -> &'v [u8] {
    match value {
        ValueRef::Str(bytes) => bytes,
        ValueRef::Int(number) => digits.format(number).as_bytes(),
        ValueRef::Object(_) => &[],
    }
}

/// Replies with the string under a key, or with the error that it is none.
#[inline]
pub fn reply(cx: &mut Cx<'_>, found: Found) -> Result<(), Refused> {
    let (db, reply) = cx.reading();
    match db.value(found.entry) {
        ValueRef::Str(bytes) => reply.bulk(bytes),
        ValueRef::Int(number) => reply.bulk_int(number),
        ValueRef::Object(_) => return refuse(cx, errors::WRONG_TYPE),
    }
    Ok(())
}

/// Length of a string in bytes.
#[inline]
pub fn len(cx: &Cx<'_>, found: Found) -> usize {
    bytes(cx.value(found), &mut itoa::Buffer::new()).len()
}

/// Demands that a string of so many bytes may be. What the log holds once was allowed.
pub fn check_len(cx: &mut Cx<'_>, len: u64) -> Result<(), Refused> {
    if len > cx.settings().proto_max_bulk_len && !cx.is_replay() {
        return refuse(cx, errors::STRING_TOO_LONG);
    }
    Ok(())
}

/// Puts a string that was made piece by piece, which OBJECT ENCODING calls raw.
pub fn put_raw(cx: &mut Cx<'_>, key: &[u8], found: Option<Found>, bytes: Vec<u8>) {
    let found = cx.put(key, found, Value::Owned(bytes), Expire::Clear);
    cx.mark_raw(found);
}

/// Has `change` alter the first `len` bytes of a string, which is made or made longer with zeros if need be.
pub fn change<R>(
    cx: &mut Cx<'_>,
    key: &[u8],
    found: Option<Found>,
    len: usize,
    change: impl FnOnce(&mut [u8]) -> R,
) -> R {
    let Some(found) = found else {
        let mut bytes = vec![0; len];
        let result = change(&mut bytes);
        put_raw(cx, key, None, bytes);
        return result;
    };
    let in_place = matches!(cx.value(found), ValueRef::Str(bytes) if bytes.len() >= len);
    if in_place && let Some(bytes) = cx.string_mut(key, found) {
        return change(bytes);
    }
    let grow_and_change = |bytes: &mut Vec<u8>| {
        bytes.resize(bytes.len().max(len), 0);
        change(bytes)
    };
    cx.update_string(key, found, grow_and_change).1
}
