//! Changing lists in their midst: LSET, LINSERT, LREM, LTRIM.

use super::access::{self, delete_if_empty, in_object, of, to_write};
use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse};
use crate::command::typed::range;
use crate::config::events;
use crate::listpack::Element;
use crate::object::list::End;
use crate::resp::Args;
use crate::shard::Cx;

/// `LSET key index element`
pub fn lset(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_lset(cx, args);
}

fn try_lset(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let key = args.at(1);
    let Some(found) = to_write(cx, key)? else { return refuse(cx, errors::NO_SUCH_KEY) };
    let index = integer(cx, args.at(2))?;
    let Some(index) = access::index(of(cx.db(), found), index) else { return refuse(cx, "ERR index out of range") };
    let thresholds = access::thresholds(cx);
    in_object(&mut cx.object_mut(key, found)).set(index, args.at(3), &thresholds);
    cx.notify(events::LIST, "lset", key);
    cx.effect_verbatim();
    cx.reply.ok();
    Ok(())
}

/// `LINSERT key BEFORE | AFTER pivot element`
pub fn linsert(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_linsert(cx, args);
}

fn try_linsert(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let key = args.at(1);
    let behind = args.is(2, "AFTER");
    if !behind && !args.is(2, "BEFORE") {
        return refuse(cx, errors::SYNTAX);
    }
    let Some(found) = to_write(cx, key)? else {
        cx.reply.int(0);
        return Ok(());
    };
    let pivot = Element::canonical(args.at(3));
    let list = of(cx.db(), found);
    let Some(index) = list.iter().position(|element| element == pivot) else {
        cx.reply.int(-1);
        return Ok(());
    };
    let thresholds = access::thresholds(cx);
    let mut object = cx.object_mut(key, found);
    let list = in_object(&mut object);
    list.insert(index + behind as usize, args.at(4), &thresholds);
    let len = list.len();
    drop(object);
    cx.notify(events::LIST, "linsert", key);
    cx.effect_verbatim();
    cx.reply.int(len as i64);
    Ok(())
}

/// `LREM key count element`
pub fn lrem(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_lrem(cx, args);
}

fn try_lrem(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let (key, value) = (args.at(1), args.at(3));
    let count = integer(cx, args.at(2))?;
    let found = to_write(cx, key)?;
    let element = Element::canonical(value);
    // A key is touched only if it changes.
    let Some(found) = found.filter(|&found| of(cx.db(), found).iter().any(|other| other == element)) else {
        cx.reply.int(0);
        return Ok(());
    };
    let from = if count < 0 { End::Back } else { End::Front };
    let limit = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let thresholds = access::thresholds(cx);
    let removed = in_object(&mut cx.object_mut(key, found)).remove_equal(value, limit, from, &thresholds);
    cx.add_dirty(removed as u64 - 1);
    cx.notify(events::LIST, "lrem", key);
    cx.effect_verbatim();
    delete_if_empty(cx, key, found);
    cx.reply.int(removed as i64);
    Ok(())
}

/// `LTRIM key start stop`
pub fn ltrim(cx: &mut Cx<'_>, args: Args<'_>) {
    if try_ltrim(cx, args).is_ok() {
        cx.reply.ok();
    }
}

fn try_ltrim(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let key = args.at(1);
    let (start, stop) = (integer(cx, args.at(2))?, integer(cx, args.at(3))?);
    let Some(found) = to_write(cx, key)? else { return Ok(()) };
    let len = of(cx.db(), found).len();
    let range = range(start, stop, len);
    if range.is_empty() {
        cx.notify(events::LIST, "ltrim", key);
        cx.delete(key, found);
        cx.notify(events::GENERIC, "del", key);
    } else {
        let thresholds = access::thresholds(cx);
        in_object(&mut cx.object_mut(key, found)).trim(range.start, range.len(), &thresholds);
        cx.notify(events::LIST, "ltrim", key);
    }
    cx.effect_verbatim();
    Ok(())
}
