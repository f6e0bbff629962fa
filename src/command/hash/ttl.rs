//! When fields expire: HTTL, HPTTL, HEXPIRETIME, HPEXPIRETIME, and HPERSIST.

use super::access::{get, in_object, now_ms, of, to_read, to_write};
use super::fields::{NOT_POSITIVE, fields};
use crate::command::expect::Refused;
use crate::config::events;
use crate::object::hash::FieldExpire;
use crate::resp::Args;
use crate::shard::{Cx, Found};

/// `HTTL key FIELDS numfields field …`
pub fn httl(cx: &mut Cx<'_>, args: Args<'_>) {
    let now_ms = cx.now_ms();
    let _ = each(cx, args, |at| at.saturating_sub(now_ms).div_ceil(1000));
}

/// `HPTTL key FIELDS numfields field …`
pub fn hpttl(cx: &mut Cx<'_>, args: Args<'_>) {
    let now_ms = cx.now_ms();
    let _ = each(cx, args, |at| at.saturating_sub(now_ms));
}

/// `HEXPIRETIME key FIELDS numfields field …`
pub fn hexpiretime(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = each(cx, args, |at| at.div_ceil(1000));
}

/// `HPEXPIRETIME key FIELDS numfields field …`
pub fn hpexpiretime(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = each(cx, args, |at| at);
}

/// Replies per field: -2 no such field, -1 no time, else what `show` makes of the time.
fn each(cx: &mut Cx<'_>, args: Args<'_>, show: impl Fn(u64) -> u64) -> Result<(), Refused> {
    let found = to_read(cx, args.at(1))?;
    let fields = fields(cx, args.tail(2), NOT_POSITIVE)?;
    let now_ms = now_ms(cx);
    let (db, reply) = cx.reading();
    let hash = found.map(|found| of(db, found));
    reply.array(fields.len());
    for field in fields.iter() {
        reply.int(match hash.and_then(|hash| get(hash, field, now_ms)) {
            None => -2,
            Some((_, None)) => -1,
            Some((_, Some(at))) => show(at) as i64,
        });
    }
    Ok(())
}

/// `HPERSIST key FIELDS numfields field …`
pub fn hpersist(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_hpersist(cx, args);
}

fn try_hpersist(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let key = args.at(1);
    let found = to_write(cx, key)?;
    let fields = fields(cx, args.tail(2), NOT_POSITIVE)?;
    cx.reply.array(fields.len());
    let mut changed: Vec<&[u8]> = Vec::new();
    for field in fields.iter() {
        let before = found.map_or(FieldExpire::NoField, |found| of(cx.db(), found).expire(field));
        match (before, found) {
            (FieldExpire::At(_), Some(found)) => {
                clear_time(cx, key, found, field);
                changed.push(field);
                cx.reply.int(1);
            }
            (FieldExpire::Never, _) => cx.reply.int(-1),
            _ => cx.reply.int(-2),
        }
    }
    if !changed.is_empty() {
        log_persist(cx, key, &changed);
    }
    Ok(())
}

/// Takes a field's time from it.
pub fn clear_time(cx: &mut Cx<'_>, key: &[u8], found: Found, field: &[u8]) {
    in_object(&mut cx.object_mut(key, found)).set_expire(field, None);
}

/// Event and effect of fields that lost their time.
pub fn log_persist(cx: &mut Cx<'_>, key: &[u8], fields: &[&[u8]]) {
    let mut number = itoa::Buffer::new();
    let head = [&b"HPERSIST"[..], key, b"FIELDS", number.format(fields.len()).as_bytes()];
    cx.notify(events::HASH, "hpersist", key);
    cx.effect(&[&head, fields].concat());
}
