//! Reading hashes.

use super::access::{get, has_due, living, now_ms, of, to_read};
use crate::command::expect::Refused;
use crate::command::typed::bulk;
use crate::object::hash::Entry;
use crate::resp::{Args, Reply};
use crate::shard::Cx;

/// `HGET key field`
pub fn hget(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(found) = to_read(cx, args.at(1)) else { return };
    let now_ms = now_ms(cx);
    let (db, reply) = cx.reading();
    match found.and_then(|found| get(of(db, found), args.at(2), now_ms)) {
        Some((value, _)) => bulk(reply, value),
        None => reply.null(),
    }
}

/// `HMGET key field [field …]`
pub fn hmget(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(found) = to_read(cx, args.at(1)) else { return };
    let now_ms = now_ms(cx);
    let (db, reply) = cx.reading();
    let hash = found.map(|found| of(db, found));
    let fields = args.tail(2);
    reply.array(fields.len());
    for field in fields.iter() {
        match hash.and_then(|hash| get(hash, field, now_ms)) {
            Some((value, _)) => bulk(reply, value),
            None => reply.null(),
        }
    }
}

/// `HGETALL key`
pub fn hgetall(cx: &mut Cx<'_>, args: Args<'_>) {
    let write = |reply: &mut Reply<'_>, entry: Entry<'_>| {
        bulk(reply, entry.field);
        bulk(reply, entry.value);
    };
    let _ = all(cx, args.at(1), true, write);
}

/// `HKEYS key`
pub fn hkeys(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = all(cx, args.at(1), false, |reply, entry| bulk(reply, entry.field));
}

/// `HVALS key`
pub fn hvals(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = all(cx, args.at(1), false, |reply, entry| bulk(reply, entry.value));
}

/// Writes all living fields, as a map or as an array.
#[inline]
fn all(cx: &mut Cx<'_>, key: &[u8], as_map: bool, write: impl Fn(&mut Reply<'_>, Entry<'_>)) -> Result<(), Refused> {
    let Some(found) = to_read(cx, key)? else {
        if as_map {
            cx.reply.map(0)
        } else {
            cx.reply.array(0)
        }
        return Ok(());
    };
    let now_ms = now_ms(cx);
    let (db, reply) = cx.reading();
    let hash = of(db, found);
    if has_due(hash, now_ms) {
        let start = reply.deferred_array();
        let shown = living(hash, now_ms).map(|entry| write(reply, entry)).count();
        if as_map { reply.finish_map(start, shown) } else { reply.finish_array(start, shown) }
    } else {
        if as_map {
            reply.map(hash.len())
        } else {
            reply.array(hash.len())
        }
        hash.iter().for_each(|entry| write(reply, entry));
    }
    Ok(())
}

/// `HLEN key`. Fields that are due and not yet deleted count, as in Redis.
pub fn hlen(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(found) = to_read(cx, args.at(1)) else { return };
    let len = found.map_or(0, |found| of(cx.db(), found).len());
    cx.reply.int(len as i64);
}

/// `HEXISTS key field`
pub fn hexists(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(found) = to_read(cx, args.at(1)) else { return };
    let now_ms = now_ms(cx);
    let exists = found.is_some_and(|found| get(of(cx.db(), found), args.at(2), now_ms).is_some());
    cx.reply.int(exists as i64);
}

/// `HSTRLEN key field`
pub fn hstrlen(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(found) = to_read(cx, args.at(1)) else { return };
    let now_ms = now_ms(cx);
    let value = found.and_then(|found| get(of(cx.db(), found), args.at(2), now_ms));
    let len = value.map_or(0, |(value, _)| value.spelled_len());
    cx.reply.int(len as i64);
}
