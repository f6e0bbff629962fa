//! Scores, ranks and counts: ZCARD, ZSCORE, ZMSCORE, ZRANK, ZREVRANK, ZCOUNT, ZLEXCOUNT.

use super::{score, value};
use crate::command::errors;
use crate::command::expect::{Refused, refuse};
use crate::resp::Args;
use crate::shard::Cx;

/// `ZCARD key`
pub fn zcard(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(found) = value::to_read(cx, args.at(1)) else { return };
    let len = found.map_or(0, |found| value::of(cx.value(found)).len());
    cx.reply.int(len as i64);
}

/// `ZSCORE key member`
pub fn zscore(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(found) = value::to_read(cx, args.at(1)) else { return };
    match found.and_then(|found| value::of(cx.value(found)).score(args.at(2))) {
        Some(score) => cx.reply.double(score),
        None => cx.reply.null(),
    }
}

/// `ZMSCORE key member [member …]`
pub fn zmscore(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(found) = value::to_read(cx, args.at(1)) else { return };
    let members = args.tail(2);
    let (db, reply) = cx.reading();
    let zset = found.map(|found| value::of(db.value(found.entry)));
    reply.array(members.len());
    for member in members.iter() {
        match zset.and_then(|zset| zset.score(member)) {
            Some(score) => reply.double(score),
            None => reply.null(),
        }
    }
}

/// `ZRANK key member [WITHSCORE]`
pub fn zrank(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = rank(cx, args, false);
}

/// `ZREVRANK key member [WITHSCORE]`
pub fn zrevrank(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = rank(cx, args, true);
}

fn rank(cx: &mut Cx<'_>, args: Args<'_>, reverse: bool) -> Result<(), Refused> {
    if args.len() > 4 {
        let command = if reverse { "zrevrank" } else { "zrank" };
        return refuse(cx, format!("ERR wrong number of arguments for '{command}' command"));
    }
    let with_score = args.len() > 3;
    if with_score && !args.is(3, "WITHSCORE") {
        return refuse(cx, errors::SYNTAX);
    }
    let found = value::to_read(cx, args.at(1))?;
    let ranked = found.and_then(|found| {
        let zset = value::of(cx.value(found));
        let (rank, score) = zset.rank(args.at(2))?;
        Some((if reverse { zset.len() - 1 - rank } else { rank }, score))
    });
    match ranked {
        Some((rank, score)) if with_score => {
            cx.reply.array(2);
            cx.reply.int(rank as i64);
            cx.reply.double(score);
        }
        Some((rank, _)) => cx.reply.int(rank as i64),
        None if with_score => cx.reply.null_array(),
        None => cx.reply.null(),
    }
    Ok(())
}

/// `ZCOUNT key min max`
pub fn zcount(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok((min, max)) = score::score_bounds(cx, args.at(2), args.at(3)) else { return };
    let Ok(found) = value::to_read(cx, args.at(1)) else { return };
    let count = found.map_or(0, |found| value::of(cx.value(found)).ranks_by_score(min, max).len());
    cx.reply.int(count as i64);
}

/// `ZLEXCOUNT key min max`
pub fn zlexcount(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok((min, max)) = score::lex_bounds(cx, args.at(2), args.at(3)) else { return };
    let Ok(found) = value::to_read(cx, args.at(1)) else { return };
    let count = found.map_or(0, |found| value::of(cx.value(found)).ranks_by_lex(min, max).len());
    cx.reply.int(count as i64);
}
