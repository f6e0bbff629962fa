//! LPUSH, RPUSH, LPUSHX, RPUSHX.

use super::access::{self, to_write};
use crate::object::list::End;
use crate::resp::Args;
use crate::shard::{Cx, Found};

/// `LPUSH key element [element …]`
pub fn lpush(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(found) = to_write(cx, args.at(1)) else { return };
    push(cx, args, found, End::Front);
}

/// `RPUSH key element [element …]`
pub fn rpush(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(found) = to_write(cx, args.at(1)) else { return };
    push(cx, args, found, End::Back);
}

/// `LPUSHX key element [element …]`
pub fn lpushx(cx: &mut Cx<'_>, args: Args<'_>) {
    push_to_list(cx, args, End::Front);
}

/// `RPUSHX key element [element …]`
pub fn rpushx(cx: &mut Cx<'_>, args: Args<'_>) {
    push_to_list(cx, args, End::Back);
}

fn push_to_list(cx: &mut Cx<'_>, args: Args<'_>, end: End) {
    let Ok(found) = to_write(cx, args.at(1)) else { return };
    match found {
        Some(_) => push(cx, args, found, end),
        None => cx.reply.int(0),
    }
}

#[inline]
fn push(cx: &mut Cx<'_>, args: Args<'_>, found: Option<Found>, end: End) {
    let values = args.tail(2);
    let len = access::push(cx, args.at(1), found, end, values.iter());
    cx.add_dirty(values.len() as u64 - 1);
    cx.effect_verbatim();
    cx.reply.int(len as i64);
}
