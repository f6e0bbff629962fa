//! GET and GETDEL.

use super::text;
use crate::config::events;
use crate::resp::Args;
use crate::shard::Cx;

/// `GET key`
pub fn get(cx: &mut Cx<'_>, args: Args<'_>) {
    match cx.read(args.at(1)) {
        Some(found) => drop(text::reply(cx, found)),
        None => cx.reply.null(),
    }
}

/// `GETDEL key`
pub fn getdel(cx: &mut Cx<'_>, args: Args<'_>) {
    let key = args.at(1);
    let Some(found) = cx.read(key) else { return cx.reply.null() };
    if text::reply(cx, found).is_ok() {
        cx.delete(key, found);
        cx.notify(events::GENERIC, "del", key);
        cx.effect(&[b"DEL", key]);
    }
}
