//! Finding hashes, and what is due in them.
//!
//! A field whose time is over is hidden from readers. A writer deletes all such fields first and logs that; what it
//! does then, it does to a hash in which every field lives, so that its own effect does the same when it is replayed.

use crate::command::expect::Refused;
use crate::command::typed::{HASH, of_type};
use crate::config::events;
use crate::keyspace::{Db, ValueRef};
use crate::object::hash::{Entry, Thresholds};
use crate::object::{Hash, Object};
use crate::shard::{Cx, Found};

/// Due fields that are deleted with one effect.
const DUE_PER_EFFECT: usize = 1024;

/// Finds a hash to read it.
#[inline]
pub fn to_read(cx: &mut Cx<'_>, key: &[u8]) -> Result<Option<Found>, Refused> {
    let found = cx.read(key);
    of_type(cx, found, HASH)
}

/// Finds a hash to change it. None of its fields is due then.
#[inline]
pub fn to_write(cx: &mut Cx<'_>, key: &[u8]) -> Result<Option<Found>, Refused> {
    let found = cx.write(key);
    let Some(found) = of_type(cx, found, HASH)? else { return Ok(None) };
    let now_ms = now_ms(cx);
    Ok(if has_due(of(cx.db(), found), now_ms) { delete_due(cx, key, found, now_ms) } else { Some(found) })
}

/// The time that fields are judged by, unix ms: nothing is due while the log is replayed.
#[inline]
pub fn now_ms(cx: &Cx<'_>) -> u64 {
    if cx.is_replay() { 0 } else { cx.now_ms() }
}

/// The hash that was found.
#[inline]
pub fn of(db: &Db, found: Found) -> &Hash {
    match db.value(found.entry) {
        ValueRef::Object(Object::Hash(hash)) => hash,
        _ => unreachable!("its type was checked when it was found"),
    }
}

/// The hash in an object, to be changed.
#[inline]
pub fn in_object(object: &mut Object) -> &mut Hash {
    match object {
        Object::Hash(hash) => hash,
        _ => unreachable!("its type was checked when it was found"),
    }
}

/// Whether a time is not over. At its very millisecond a field lives.
#[inline]
pub fn lives(expire_ms: Option<u64>, now_ms: u64) -> bool {
    expire_ms.is_none_or(|at| at >= now_ms)
}

/// Whether some field's time is over.
#[inline]
pub fn has_due(hash: &Hash, now_ms: u64) -> bool {
    !lives(hash.min_expire(), now_ms)
}

/// A field's value, if the field is there and lives, with its expiry time.
#[inline]
pub fn get<'h>(hash: &'h Hash, field: &[u8], now_ms: u64) -> Option<(crate::listpack::Element<'h>, Option<u64>)> {
    hash.get(field).filter(|&(_, expire_ms)| lives(expire_ms, now_ms))
}

/// The fields that live.
#[inline]
pub fn living(hash: &Hash, now_ms: u64) -> impl Iterator<Item = Entry<'_>> {
    hash.iter().filter(move |entry| lives(entry.expire_ms, now_ms))
}

/// Redis's thresholds as they are set.
#[inline]
pub fn thresholds(cx: &Cx<'_>) -> Thresholds {
    let settings = cx.settings();
    Thresholds {
        listpack_entries_max: settings.hash_max_listpack_entries as usize,
        listpack_value_bytes_max: settings.hash_max_listpack_value as usize,
    }
}

/// Deletes a key whose last field has gone. The effect that deleted the field does so again when it is replayed.
pub fn delete_if_empty(cx: &mut Cx<'_>, key: &[u8], found: Found) -> Option<Found> {
    if !of(cx.db(), found).is_empty() {
        return Some(found);
    }
    cx.delete(key, found);
    cx.notify(events::GENERIC, "del", key);
    None
}

/// Deletes fields that are there, with events and effect.
pub fn delete_fields(cx: &mut Cx<'_>, key: &[u8], found: Found, fields: &[&[u8]]) {
    let mut object = cx.object_mut(key, found);
    let hash = in_object(&mut object);
    for field in fields {
        hash.delete(field);
    }
    drop(object);
    log_deleted(cx, key, found, fields);
}

/// Events and effect of fields that were deleted, and the end of their key if they were the last.
pub fn log_deleted(cx: &mut Cx<'_>, key: &[u8], found: Found, fields: &[&[u8]]) {
    cx.effect(&[&[b"HDEL", key], fields].concat());
    cx.notify(events::HASH, "hdel", key);
    delete_if_empty(cx, key, found);
}

#[cold]
fn delete_due(cx: &mut Cx<'_>, key: &[u8], found: Found, now_ms: u64) -> Option<Found> {
    while has_due(of(cx.db(), found), now_ms) {
        let mut fields = Vec::new();
        in_object(&mut cx.object_mut(key, found))
            .expire_due(now_ms, DUE_PER_EFFECT, |entry| fields.push(entry.field.to_bytes().into_owned()));
        let words: Vec<&[u8]> = [&b"HDEL"[..], key].into_iter().chain(fields.iter().map(Vec::as_slice)).collect();
        cx.effect(&words);
        cx.shard().stats.expired_fields += fields.len() as u64;
    }
    cx.notify(events::HASH, "hexpired", key);
    delete_if_empty(cx, key, found)
}
