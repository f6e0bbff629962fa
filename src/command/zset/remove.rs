//! ZREM, ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX.

use super::options::{Bounds, By};
use super::value;
use crate::command::expect::Refused;
use crate::config::events;
use crate::resp::Args;
use crate::shard::Cx;

/// `ZREM key member [member …]`
pub fn zrem(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(removed) = try_zrem(cx, args) else { return };
    cx.reply.int(removed as i64);
}

fn try_zrem(cx: &mut Cx<'_>, args: Args<'_>) -> Result<usize, Refused> {
    let (key, members) = (args.at(1), args.tail(2));
    let Some(found) = value::to_write(cx, key)? else { return Ok(0) };
    let zset = value::of(cx.value(found));
    let Some(first) = members.iter().position(|member| zset.score(member).is_some()) else { return Ok(0) };
    let mut object = cx.object_mut(key, found);
    let zset = value::of_mut(&mut object);
    let removed = members.tail(first).iter().filter(|member| zset.remove(member).is_some()).count();
    drop(object);
    cx.notify(events::ZSET, "zrem", key);
    value::delete_if_empty(cx, key, found);
    cx.effect_verbatim();
    Ok(removed)
}

/// `ZREMRANGEBYRANK key first last`
pub fn zremrangebyrank(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = remove_range(cx, args, By::Rank, "zremrangebyrank");
}

/// `ZREMRANGEBYSCORE key min max`
pub fn zremrangebyscore(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = remove_range(cx, args, By::Score, "zremrangebyscore");
}

/// `ZREMRANGEBYLEX key min max`
pub fn zremrangebylex(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = remove_range(cx, args, By::Lex, "zremrangebylex");
}

fn remove_range(cx: &mut Cx<'_>, args: Args<'_>, by: By, event: &'static str) -> Result<(), Refused> {
    let key = args.at(1);
    let bounds = Bounds::parse(cx, by, args.at(2), args.at(3))?;
    let mut removed = 0;
    if let Some(found) = value::to_write(cx, key)? {
        let zset = value::of(cx.value(found));
        let ranks = bounds.ranks(zset, false);
        removed = ranks.len();
        if removed == zset.len() {
            cx.delete(key, found);
            cx.notify(events::ZSET, event, key);
            cx.notify(events::GENERIC, "del", key);
            cx.effect_verbatim();
        } else if removed > 0 {
            value::of_mut(&mut cx.object_mut(key, found)).remove_range(ranks);
            cx.notify(events::ZSET, event, key);
            cx.effect_verbatim();
        }
    }
    cx.reply.int(removed as i64);
    Ok(())
}
