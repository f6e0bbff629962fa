//! Strings that count: INCR, DECR, INCRBY, DECRBY, INCRBYFLOAT.

use super::text;
use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse, string_to_write};
use crate::command::long_double::LongDouble;
use crate::config::events;
use crate::keyspace::{Value, ValueRef, parse_canonical_i64};
use crate::resp::Args;
use crate::shard::{Cx, Expire};

/// `INCR key`
pub fn incr(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = add(cx, args.at(1), 1);
}

/// `DECR key`
pub fn decr(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = add(cx, args.at(1), -1);
}

/// `INCRBY key increment`
pub fn incrby(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(increment) = integer(cx, args.at(2)) else { return };
    let _ = add(cx, args.at(1), increment);
}

/// `DECRBY key decrement`
pub fn decrby(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(decrement) = integer(cx, args.at(2)) else { return };
    match decrement.checked_neg() {
        Some(increment) => drop(add(cx, args.at(1), increment)),
        None => cx.reply.error("ERR decrement would overflow"),
    }
}

#[inline]
fn add(cx: &mut Cx<'_>, key: &[u8], increment: i64) -> Result<(), Refused> {
    let found = string_to_write(cx, key)?;
    let number = match found.map(|found| cx.value(found)) {
        None => Some(0),
        Some(ValueRef::Int(number)) => Some(number),
        Some(ValueRef::Str(bytes)) => parse_canonical_i64(bytes),
        Some(ValueRef::Object(_)) => None,
    };
    let Some(number) = number else { return refuse(cx, errors::NOT_AN_INTEGER) };
    let Some(sum) = number.checked_add(increment) else {
        return refuse(cx, "ERR increment or decrement would overflow");
    };
    cx.put(key, found, Value::Int(sum), Expire::Keep);
    cx.notify(events::STRING, "incrby", key);
    cx.effect_verbatim();
    cx.reply.int(sum);
    Ok(())
}

/// `INCRBYFLOAT key increment`
pub fn incrbyfloat(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = add_float(cx, args.at(1), args.at(2));
}

fn add_float(cx: &mut Cx<'_>, key: &[u8], increment: &[u8]) -> Result<(), Refused> {
    let found = string_to_write(cx, key)?;
    let number = match found {
        None => Some(LongDouble::ZERO),
        Some(found) => LongDouble::parse(text::bytes(cx.value(found), &mut itoa::Buffer::new())),
    };
    let (Some(number), Some(increment)) = (number, LongDouble::parse(increment)) else {
        return refuse(cx, errors::NOT_A_FLOAT);
    };
    let Some(sum) = number.plus(increment) else {
        return refuse(cx, "ERR increment would produce NaN or Infinity");
    };
    let sum = sum.spelled();
    cx.put(key, found, Value::Str(&sum), Expire::Keep);
    cx.notify(events::STRING, "incrbyfloat", key);
    // The sum, not the increment: what is replayed must not depend on how floats are added there.
    cx.effect(&[b"SET", key, &sum, b"KEEPTTL"]);
    cx.reply.bulk(&sum);
    Ok(())
}
