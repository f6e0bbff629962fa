//! LPOP and RPOP.

use super::access::{self, delete_if_empty, in_object, of, to_write};
use crate::command::expect::{Refused, refuse};
use crate::command::typed::{bulk, wrong_arity};
use crate::config::events;
use crate::keyspace::parse_canonical_i64;
use crate::listpack::Element;
use crate::object::list::End;
use crate::resp::Args;
use crate::shard::{Cx, Found};

/// `LPOP key [count]`
pub fn lpop(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = pop(cx, args, End::Front, "lpop");
}

/// `RPOP key [count]`
pub fn rpop(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = pop(cx, args, End::Back, "rpop");
}

#[inline]
fn pop(cx: &mut Cx<'_>, args: Args<'_>, end: End, command: &str) -> Result<(), Refused> {
    let key = args.at(1);
    if args.len() > 2 {
        return pop_counted(cx, args, end, command);
    }
    let Some(found) = to_write(cx, key)? else {
        cx.reply.null();
        return Ok(());
    };
    reply_next(cx, found, end);
    remove(cx, key, found, end, 1);
    cx.effect_verbatim();
    Ok(())
}

fn pop_counted(cx: &mut Cx<'_>, args: Args<'_>, end: End, command: &str) -> Result<(), Refused> {
    let key = args.at(1);
    if args.len() > 3 {
        return refuse(cx, wrong_arity(command));
    }
    let count = match parse_canonical_i64(args.at(2)) {
        Some(count @ 0..) => count as usize,
        _ => return refuse(cx, "ERR value is out of range, must be positive"),
    };
    match to_write(cx, key)? {
        None => cx.reply.null_array(),
        Some(_) if count == 0 => cx.reply.array(0),
        Some(found) => {
            take(cx, key, found, end, count);
            cx.effect_verbatim();
        }
    }
    Ok(())
}

/// Removes up to `count` elements from an end and replies with them as an array. Logs nothing.
pub fn take(cx: &mut Cx<'_>, key: &[u8], found: Found, end: End, count: usize) -> usize {
    let (db, reply) = cx.reading();
    let list = of(db, found);
    let count = count.min(list.len());
    reply.array(count);
    match end {
        End::Front => list.iter().take(count).for_each(|element| bulk(reply, element)),
        End::Back => list.iter_back_from(list.len() - 1).take(count).for_each(|element| bulk(reply, element)),
    }
    remove(cx, key, found, end, count);
    count
}

/// Replies with the element at an end.
#[inline]
pub fn reply_next(cx: &mut Cx<'_>, found: Found, end: End) {
    let (db, reply) = cx.reading();
    match next(of(db, found), end) {
        Some(element) => bulk(reply, element),
        None => unreachable!("an empty list has no key"),
    }
}

/// The element at an end.
#[inline]
pub fn next(list: &crate::object::List, end: End) -> Option<Element<'_>> {
    list.get(if end == End::Front { 0 } else { list.len().checked_sub(1)? })
}

/// Removes elements from an end; there must be as many.
#[inline]
pub fn remove(cx: &mut Cx<'_>, key: &[u8], found: Found, end: End, count: usize) {
    let thresholds = access::thresholds(cx);
    let mut object = cx.object_mut(key, found);
    let list = in_object(&mut object);
    if count == 1 {
        list.pop(end, &thresholds, |_| ());
    } else {
        let start = if end == End::Front { 0 } else { list.len() - count };
        list.remove_range(start, count, &thresholds);
    }
    drop(object);
    cx.add_dirty(count as u64 - 1);
    cx.notify(events::LIST, pop_event(end), key);
    delete_if_empty(cx, key, found);
}

/// The event of removing elements from an end.
pub fn pop_event(end: End) -> &'static str {
    if end == End::Front { "lpop" } else { "rpop" }
}
