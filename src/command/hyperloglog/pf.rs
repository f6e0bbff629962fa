//! PFADD, PFCOUNT, PFMERGE.

use crate::command::expect::{Refused, refuse, string_to_read, string_to_write};
use crate::config::events;
use crate::keyspace::{Value, ValueRef};
use crate::object::hll::{self, HllError, Registers};
use crate::resp::Args;
use crate::shard::{Cx, Expire, Found};

/// Runs `look` on the bytes of a string; what is wrong with them becomes the reply.
pub(super) fn look<T>(
    cx: &mut Cx<'_>,
    found: Found,
    look: impl FnOnce(&[u8]) -> Result<T, HllError>,
) -> Result<T, Refused> {
    let result = match cx.value(found) {
        ValueRef::Str(bytes) => look(bytes),
        // Decimal digits are no header.
        ValueRef::Int(_) | ValueRef::Object(_) => Err(HllError::NotHll),
    };
    result.or_else(|error| refuse(cx, error.to_string()))
}

fn sparse_max_bytes(cx: &Cx<'_>) -> usize {
    cx.settings().hll_sparse_max_bytes as usize
}

/// `PFADD key [element …]`
pub fn pfadd(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(changed) = try_pfadd(cx, args.at(1), args.tail(2)) else { return };
    if changed {
        cx.notify(events::STRING, "pfadd", args.at(1));
        cx.effect_verbatim();
    }
    cx.reply.int(changed as i64);
}

fn try_pfadd(cx: &mut Cx<'_>, key: &[u8], elements: Args<'_>) -> Result<bool, Refused> {
    let max_bytes = sparse_max_bytes(cx);
    let add_all = |value: &mut Vec<u8>, elements: Args<'_>| {
        elements.iter().try_for_each(|element| hll::add(value, element, max_bytes).map(drop))
    };
    let Some(found) = string_to_write(cx, key)? else {
        let mut value = hll::new();
        add_all(&mut value, elements).expect("a new value is sound");
        cx.put(key, None, Value::Owned(value), Expire::Clear);
        return Ok(true);
    };
    // Mostly nothing changes: the value is only looked at then, and nothing logged.
    let first = look(cx, found, |value| {
        hll::check(value)?;
        for (index, element) in elements.iter().enumerate() {
            if hll::would_add(value, element)? {
                return Ok(Some(index));
            }
        }
        Ok(None)
    })?;
    let Some(first) = first else { return Ok(false) };
    let (_, added) = cx.update_string(key, found, |value| add_all(value, elements.tail(first)));
    added.expect("the first element that changes something had all registers checked");
    Ok(true)
}

/// `PFCOUNT key [key …]`
pub fn pfcount(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = if args.len() == 2 { count_one(cx, args.at(1)) } else { count_union(cx, args.tail(1)) };
}

fn count_one(cx: &mut Cx<'_>, key: &[u8]) -> Result<(), Refused> {
    let Some(found) = string_to_read(cx, key)? else {
        cx.reply.int(0);
        return Ok(());
    };
    let (count, stale) = look(cx, found, |value| Ok((hll::count(value)?, hll::cached_count(value).is_none())))?;
    // The command only reads, but keeps the count where there is room for that in the log: no reader waits for it.
    if stale && cx.has_room() {
        let (_, cached) = cx.update_string(key, found, |value| hll::count_and_cache(value));
        cached.expect("the registers were counted before");
        cx.effect_verbatim();
    }
    cx.reply.int(count as i64);
    Ok(())
}

fn count_union(cx: &mut Cx<'_>, keys: Args<'_>) -> Result<(), Refused> {
    let mut union = Registers::new();
    for key in keys.iter() {
        if let Some(found) = string_to_read(cx, key)? {
            look(cx, found, |value| union.merge(value))?;
        }
    }
    cx.reply.int(union.count() as i64);
    Ok(())
}

/// `PFMERGE target [source …]`
pub fn pfmerge(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_pfmerge(cx, args);
}

fn try_pfmerge(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let target = args.at(1);
    let mut union = Registers::new();
    let mut dense = false;
    // Found as a writer finds them: were a key's time over and it still there, replaying the effect would read it.
    for key in args.tail(1).iter() {
        if let Some(found) = string_to_write(cx, key)? {
            look(cx, found, |value| {
                union.merge(value)?;
                dense |= hll::is_dense(value);
                Ok(())
            })?;
        }
    }
    let max_bytes = sparse_max_bytes(cx);
    match string_to_write(cx, target)? {
        Some(found) => {
            let (_, stored) = cx.update_string(target, found, |value| union.store(value, dense, max_bytes));
            stored.expect("the target's registers were checked with all others");
        }
        None => {
            let mut value = hll::new();
            union.store(&mut value, dense, max_bytes).expect("a new value is sound");
            cx.put(target, None, Value::Owned(value), Expire::Clear);
        }
    }
    cx.notify(events::STRING, "pfadd", target);
    cx.effect_verbatim();
    cx.reply.ok();
    Ok(())
}
