//! Fields that count: HINCRBY, HINCRBYFLOAT.

use super::access::{self, in_object, to_write};
use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse};
use crate::command::long_double::LongDouble;
use crate::config::events;
use crate::keyspace::Value;
use crate::object::hash::OnUpdate;
use crate::object::{Hash, Object};
use crate::resp::Args;
use crate::shard::{Cx, Expire, Found};

/// `HINCRBY key field increment`
pub fn hincrby(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = add(cx, args);
}

fn add(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let (key, field) = (args.at(1), args.at(2));
    let increment = integer(cx, args.at(3))?;
    let found = to_write(cx, key)?;
    let number = match found.and_then(|found| access::of(cx.db(), found).get(field)) {
        None => Some(0),
        Some((value, _)) => value.as_int(),
    };
    let Some(number) = number else { return refuse(cx, "ERR hash value is not an integer") };
    let Some(sum) = number.checked_add(increment) else {
        return refuse(cx, "ERR increment or decrement would overflow");
    };
    store(cx, key, found, field, itoa::Buffer::new().format(sum).as_bytes());
    cx.notify(events::HASH, "hincrby", key);
    cx.effect_verbatim();
    cx.reply.int(sum);
    Ok(())
}

/// `HINCRBYFLOAT key field increment`
pub fn hincrbyfloat(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = add_float(cx, args);
}

fn add_float(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let (key, field) = (args.at(1), args.at(2));
    let Some(increment) = LongDouble::parse(args.at(3)) else { return refuse(cx, errors::NOT_A_FLOAT) };
    if increment.plus(LongDouble::ZERO).is_none() {
        return refuse(cx, "ERR value is NaN or Infinity");
    }
    let found = to_write(cx, key)?;
    let (number, expire_ms) = match found.and_then(|found| access::of(cx.db(), found).get(field)) {
        None => (Some(LongDouble::ZERO), None),
        Some((value, expire_ms)) => (value.with_bytes(LongDouble::parse), expire_ms),
    };
    let Some(number) = number else { return refuse(cx, "ERR hash value is not a float") };
    let Some(sum) = number.plus(increment) else {
        return refuse(cx, "ERR increment would produce NaN or Infinity");
    };
    let sum = sum.spelled();
    store(cx, key, found, field, &sum);
    cx.notify(events::HASH, "hincrbyfloat", key);
    // The sum, not the increment: what is replayed must not depend on how floats are added there.
    match expire_ms {
        None => cx.effect(&[b"HSET", key, field, &sum]),
        // HSET alone would take the field's time.
        Some(at) => cx.atomically(|cx| {
            cx.effect(&[b"HSET", key, field, &sum]);
            cx.effect(&[b"HPEXPIREAT", key, itoa::Buffer::new().format(at).as_bytes(), b"FIELDS", b"1", field]);
        }),
    }
    cx.reply.bulk(&sum);
    Ok(())
}

/// Sets a field that keeps its time.
fn store(cx: &mut Cx<'_>, key: &[u8], found: Option<Found>, field: &[u8], value: &[u8]) {
    let thresholds = access::thresholds(cx);
    match found {
        Some(found) => {
            in_object(&mut cx.object_mut(key, found)).set(field, value, OnUpdate::KeepExpire, &thresholds);
        }
        None => {
            let mut hash = Hash::new();
            hash.set(field, value, OnUpdate::KeepExpire, &thresholds);
            cx.put(key, None, Value::Object(Box::new(Object::Hash(hash))), Expire::Clear);
        }
    }
}
