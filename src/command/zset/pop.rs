//! ZPOPMIN, ZPOPMAX, ZMPOP.

use super::value;
use crate::command::errors;
use crate::command::expect::{Refused, integer_or, refuse};
use crate::command::typed::bulk;
use crate::config::events;
use crate::resp::Args;
use crate::shard::{Cx, Found};

/// The end that is popped from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The lowest score.
    Min,
    /// The highest score.
    Max,
}

/// How popped pairs are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Member and score, without a head.
    Bare,
    /// Members and scores in turn.
    Flat,
    /// Each pair an array of its own.
    Nested,
}

/// `ZPOPMIN key [count]`
pub fn zpopmin(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = pop(cx, args, End::Min);
}

/// `ZPOPMAX key [count]`
pub fn zpopmax(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = pop(cx, args, End::Max);
}

fn pop(cx: &mut Cx<'_>, args: Args<'_>, end: End) -> Result<(), Refused> {
    const NOT_POSITIVE: &str = "ERR value is out of range, must be positive";
    if args.len() > 3 {
        return refuse(cx, errors::SYNTAX);
    }
    let count = match args.get(2) {
        None => 1,
        Some(text) => match integer_or(cx, text, NOT_POSITIVE)? {
            count @ 0.. => count as usize,
            _ => return refuse(cx, NOT_POSITIVE),
        },
    };
    let shape = if args.len() == 3 && cx.reply.is_resp3() { Shape::Nested } else { Shape::Flat };
    match value::to_write(cx, args.at(1))? {
        Some(found) if count > 0 => take(cx, args.at(1), found, end, count, shape),
        _ => cx.reply.array(0),
    }
    Ok(())
}

/// `ZMPOP numkeys key [key …] MIN | MAX [COUNT count]`
pub fn zmpop(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_zmpop(cx, args);
}

/// ZMPOP; also BZMPOP behind its timeout.
pub(super) fn try_zmpop(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    const NO_KEYS: &str = "ERR numkeys should be greater than 0";
    const NO_COUNT: &str = "ERR count should be greater than 0";
    let keys = match integer_or(cx, args.at(1), NO_KEYS)? {
        keys @ 1.. => keys as usize,
        _ => return refuse(cx, NO_KEYS),
    };
    let options = args.tail(keys.saturating_add(2));
    let end = match options {
        _ if options.is_empty() => return refuse(cx, errors::SYNTAX),
        _ if options.is(0, "MIN") => End::Min,
        _ if options.is(0, "MAX") => End::Max,
        _ => return refuse(cx, errors::SYNTAX),
    };
    let count = match options.len() {
        1 => 1,
        3 if options.is(1, "COUNT") => match integer_or(cx, options.at(2), NO_COUNT)? {
            count @ 1.. => count as usize,
            _ => return refuse(cx, NO_COUNT),
        },
        _ => return refuse(cx, errors::SYNTAX),
    };
    for at in 2..keys + 2 {
        let key = args.at(at);
        if let Some(found) = value::to_write(cx, key)? {
            cx.reply.array(2);
            cx.reply.bulk(key);
            take(cx, key, found, end, count, Shape::Nested);
            return Ok(());
        }
    }
    cx.reply.null_array();
    Ok(())
}

/// Replies with up to `count` pairs from one end and removes them.
pub(super) fn take(cx: &mut Cx<'_>, key: &[u8], found: Found, end: End, count: usize, shape: Shape) {
    let (db, reply) = cx.reading();
    let zset = value::of(db.value(found.entry));
    let len = zset.len();
    let count = count.min(len);
    let ranks = if end == End::Min { 0..count } else { len - count..len };
    match shape {
        Shape::Bare => {}
        Shape::Flat => reply.array(2 * count),
        Shape::Nested => reply.array(count),
    }
    let mut show = |(member, score)| {
        if shape == Shape::Nested {
            reply.array(2);
        }
        bulk(reply, member);
        reply.double(score);
    };
    match end {
        End::Min => zset.range(ranks.clone()).for_each(&mut show),
        End::Max => zset.range(ranks.clone()).rev().for_each(&mut show),
    }
    if count == len {
        cx.delete(key, found);
    } else {
        value::of_mut(&mut cx.object_mut(key, found)).remove_range(ranks);
    }
    let (event, command) = match end {
        End::Min => ("zpopmin", &b"ZPOPMIN"[..]),
        End::Max => ("zpopmax", &b"ZPOPMAX"[..]),
    };
    cx.notify(events::ZSET, event, key);
    if count == len {
        cx.notify(events::GENERIC, "del", key);
        cx.effect(&[b"DEL", key]);
    } else {
        cx.effect(&[command, key, itoa::Buffer::new().format(count).as_bytes()]);
    }
}
