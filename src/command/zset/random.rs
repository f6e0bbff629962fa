//! ZRANDMEMBER.

use super::value;
use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse};
use crate::command::typed::{self, bulk};
use crate::resp::Args;
use crate::shard::Cx;
use rand::RngExt;

/// `ZRANDMEMBER key [count [WITHSCORES]]`
pub fn zrandmember(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_zrandmember(cx, args);
}

fn try_zrandmember(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let Some(count) = args.get(2) else { return one(cx, args.at(1)) };
    let count = integer(cx, count)?;
    if count == i64::MIN {
        return refuse(cx, format!("ERR value is out of range, value must between {} and {}", -i64::MAX, i64::MAX));
    }
    let with_scores = args.len() == 4 && args.is(3, "WITHSCORES");
    if args.len() > 3 && !with_scores {
        return refuse(cx, errors::SYNTAX);
    }
    if with_scores && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return refuse(cx, "ERR value is out of range");
    }
    let Some(found) = value::to_read(cx, args.at(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    let mut random = typed::random(cx);
    let (db, reply) = cx.reading();
    let zset = value::of(db.value(found.entry));
    let len = zset.len();
    let at = |rank| zset.nth(rank).expect("ranks are drawn below the length");
    if count < 0 {
        // As often as asked for, the same ones again if need be.
        let drawn = Draws { left: count.unsigned_abs() as usize, next: || at(random.random_range(0..len)) };
        value::reply_members(reply, drawn, with_scores);
    } else if count as usize >= len {
        value::reply_members(reply, zset.iter(), with_scores);
    } else {
        let ranks = rand::seq::index::sample(&mut random, len, count as usize);
        value::reply_members(reply, ranks.iter().map(at), with_scores);
    }
    Ok(())
}

fn one(cx: &mut Cx<'_>, key: &[u8]) -> Result<(), Refused> {
    let Some(found) = value::to_read(cx, key)? else {
        cx.reply.null();
        return Ok(());
    };
    let len = value::of(cx.value(found)).len();
    let rank = cx.shard().random.random_range(0..len);
    let (db, reply) = cx.reading();
    if let Some((member, _)) = value::of(db.value(found.entry)).nth(rank) {
        bulk(reply, member);
    }
    Ok(())
}

/// So many draws.
struct Draws<F> {
    left: usize,
    next: F,
}

impl<T, F: FnMut() -> T> Iterator for Draws<F> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        Some((self.next)())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T, F: FnMut() -> T> ExactSizeIterator for Draws<F> {}
