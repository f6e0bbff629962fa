//! Setting and deleting fields: HSET, HMSET, HSETNX, HDEL.

use super::access::{self, in_object, to_write};
use crate::command::expect::{Refused, refuse};
use crate::command::typed::wrong_arity;
use crate::config::events;
use crate::keyspace::Value;
use crate::object::hash::{OnUpdate, SetOutcome, Thresholds};
use crate::object::{Hash, Object};
use crate::resp::Args;
use crate::shard::{Cx, Expire, Found};

/// `HSET key field value [field value …]`
pub fn hset(cx: &mut Cx<'_>, args: Args<'_>) {
    if let Ok(created) = set_all(cx, args, "hset") {
        cx.reply.int(created);
    }
}

/// `HMSET key field value [field value …]`
pub fn hmset(cx: &mut Cx<'_>, args: Args<'_>) {
    if set_all(cx, args, "hmset").is_ok() {
        cx.reply.ok();
    }
}

#[inline]
fn set_all(cx: &mut Cx<'_>, args: Args<'_>, command: &str) -> Result<i64, Refused> {
    if !args.len().is_multiple_of(2) {
        return refuse(cx, wrong_arity(command));
    }
    let key = args.at(1);
    let found = to_write(cx, key)?;
    let created = store(cx, key, found, args.tail(2));
    cx.notify(events::HASH, "hset", key);
    cx.effect_verbatim();
    Ok(created)
}

/// Sets fields, in a hash that is there or in a new one. Returns how many are new.
#[inline]
pub fn store(cx: &mut Cx<'_>, key: &[u8], found: Option<Found>, pairs: Args<'_>) -> i64 {
    let thresholds = access::thresholds(cx);
    cx.add_dirty(pairs.len() as u64 / 2 - 1);
    match found {
        Some(found) => set_pairs(in_object(&mut cx.object_mut(key, found)), pairs, &thresholds),
        None => {
            let mut hash = Hash::new();
            let created = set_pairs(&mut hash, pairs, &thresholds);
            cx.put(key, None, Value::Object(Box::new(Object::Hash(hash))), Expire::Clear);
            created
        }
    }
}

#[inline]
fn set_pairs(hash: &mut Hash, pairs: Args<'_>, thresholds: &Thresholds) -> i64 {
    hash.expect(pairs.len() / 2, thresholds);
    let mut created = 0;
    for at in (0..pairs.len()).step_by(2) {
        let outcome = hash.set(pairs.at(at), pairs.at(at + 1), OnUpdate::ClearExpire, thresholds);
        created += (outcome == SetOutcome::Created) as i64;
    }
    created
}

/// `HSETNX key field value`
pub fn hsetnx(cx: &mut Cx<'_>, args: Args<'_>) {
    let (key, field) = (args.at(1), args.at(2));
    let Ok(found) = to_write(cx, key) else { return };
    if found.is_some_and(|found| access::of(cx.db(), found).contains(field)) {
        return cx.reply.int(0);
    }
    store(cx, key, found, args.tail(2));
    cx.notify(events::HASH, "hset", key);
    cx.effect(&[b"HSET", key, field, args.at(3)]);
    cx.reply.int(1);
}

/// `HDEL key field [field …]`
pub fn hdel(cx: &mut Cx<'_>, args: Args<'_>) {
    let key = args.at(1);
    let Ok(Some(found)) = to_write_or_zero(cx, key) else { return };
    let fields = args.tail(2);
    let hash = access::of(cx.db(), found);
    let Some(first) = fields.iter().position(|field| hash.contains(field)) else { return cx.reply.int(0) };
    let mut object = cx.object_mut(key, found);
    let hash = in_object(&mut object);
    let deleted = fields.tail(first).iter().filter(|field| hash.delete(field)).count();
    drop(object);
    cx.add_dirty(deleted as u64 - 1);
    cx.notify(events::HASH, "hdel", key);
    cx.effect_verbatim();
    access::delete_if_empty(cx, key, found);
    cx.reply.int(deleted as i64);
}

/// Finds a hash to change it; replies 0 if there is none.
fn to_write_or_zero(cx: &mut Cx<'_>, key: &[u8]) -> Result<Option<Found>, Refused> {
    let found = to_write(cx, key)?;
    if found.is_none() {
        cx.reply.int(0);
    }
    Ok(found)
}
