//! Reading fields while changing them: HGETEX, HGETDEL.

use super::access::{delete_fields, in_object, log_deleted, of, to_write};
use super::expire::log_times;
use super::fields::{Meaning, NOT_POSITIVE, fields, is_over};
use super::ttl::{clear_time, log_persist};
use crate::command::expect::Refused;
use crate::command::typed::bulk;
use crate::object::hash::FieldExpire;
use crate::resp::Args;
use crate::shard::{Cx, Found};

/// What becomes of the fields' times.
enum Change {
    /// Nothing.
    None,
    /// They go.
    Persist,
    /// They are set to this, unix ms.
    Set(u64),
}

/// `HGETEX key [EX s | PX ms | EXAT unix-s | PXAT unix-ms | PERSIST] FIELDS numfields field …`
pub fn hgetex(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_hgetex(cx, args);
}

fn try_hgetex(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let key = args.at(1);
    let found = to_write(cx, key)?;
    let (change, taken) = match Meaning::of_option(args.at(2)) {
        Some(meaning) => (Change::Set(meaning.unix_ms(cx, args.at(3), "hgetex")?), 2),
        None if args.is(2, "PERSIST") => (Change::Persist, 1),
        None => (Change::None, 0),
    };
    let fields = fields(cx, args.tail(2 + taken), NOT_POSITIVE)?;
    reply_values(cx, found, fields);
    let Some(found) = found else { return Ok(()) };
    match change {
        Change::None => {}
        Change::Persist => {
            let timed: Vec<_> = fields
                .iter()
                .filter(|field| {
                    let timed = matches!(of(cx.db(), found).expire(field), FieldExpire::At(_));
                    if timed {
                        clear_time(cx, key, found, field);
                    }
                    timed
                })
                .collect();
            if !timed.is_empty() {
                log_persist(cx, key, &timed);
            }
        }
        Change::Set(at) => {
            let there = there(cx, found, fields);
            if !there.is_empty() {
                set_times(cx, key, found, at, &there);
            }
        }
    }
    Ok(())
}

/// Gives fields that are there a time, or deletes them if it is over.
fn set_times(cx: &mut Cx<'_>, key: &[u8], found: Found, at: u64, fields: &[&[u8]]) {
    if is_over(cx, at) {
        return delete_fields(cx, key, found, fields);
    }
    let mut object = cx.object_mut(key, found);
    let hash = in_object(&mut object);
    for field in fields {
        hash.set_expire(field, Some(at.max(1)));
    }
    drop(object);
    log_times(cx, key, at, fields);
}

/// `HGETDEL key FIELDS numfields field …`
pub fn hgetdel(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_hgetdel(cx, args);
}

fn try_hgetdel(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let key = args.at(1);
    let found = to_write(cx, key)?;
    let fields = fields(cx, args.tail(2), NOT_POSITIVE)?;
    let mut deleted = Vec::new();
    cx.reply.array(fields.len());
    // One after another: a field that is named twice is gone the second time.
    for field in fields.iter() {
        let (db, reply) = cx.reading();
        match found.map(|found| (found, of(db, found).get(field))) {
            Some((found, Some((value, _)))) => {
                bulk(reply, value);
                in_object(&mut cx.object_mut(key, found)).delete(field);
                deleted.push(field);
            }
            _ => reply.null(),
        }
    }
    if let Some(found) = found
        && !deleted.is_empty()
    {
        log_deleted(cx, key, found, &deleted);
    }
    Ok(())
}

fn reply_values(cx: &mut Cx<'_>, found: Option<Found>, fields: Args<'_>) {
    let (db, reply) = cx.reading();
    let hash = found.map(|found| of(db, found));
    reply.array(fields.len());
    for field in fields.iter() {
        match hash.and_then(|hash| hash.get(field)) {
            Some((value, _)) => bulk(reply, value),
            None => reply.null(),
        }
    }
}

/// Those of the fields that are there.
fn there<'a>(cx: &Cx<'_>, found: Found, fields: Args<'a>) -> Vec<&'a [u8]> {
    let hash = of(cx.db(), found);
    fields.iter().filter(|field| hash.contains(field)).collect()
}
