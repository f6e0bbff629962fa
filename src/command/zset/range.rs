//! ZRANGE, its older kin, and ZRANGESTORE.

use super::options::{By, RangeOptions};
use super::value;
use crate::command::expect::Refused;
use crate::object::ZSet;
use crate::resp::Args;
use crate::shard::Cx;

/// `ZRANGE key min max [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`
pub fn zrange(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = range(cx, args, None, None);
}

/// `ZREVRANGE key first last [WITHSCORES]`
pub fn zrevrange(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = range(cx, args, Some(By::Rank), Some(true));
}

/// `ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]`
pub fn zrangebyscore(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = range(cx, args, Some(By::Score), Some(false));
}

/// `ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]`
pub fn zrevrangebyscore(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = range(cx, args, Some(By::Score), Some(true));
}

/// `ZRANGEBYLEX key min max [LIMIT offset count]`
pub fn zrangebylex(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = range(cx, args, Some(By::Lex), Some(false));
}

/// `ZREVRANGEBYLEX key max min [LIMIT offset count]`
pub fn zrevrangebylex(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = range(cx, args, Some(By::Lex), Some(true));
}

#[inline]
fn range(cx: &mut Cx<'_>, args: Args<'_>, by: Option<By>, reverse: Option<bool>) -> Result<(), Refused> {
    let options = RangeOptions::parse(cx, args.tail(2), by, reverse, false)?;
    let Some(found) = value::to_read(cx, args.at(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    let (db, reply) = cx.reading();
    let zset = value::of(db.value(found.entry));
    let members = zset.range(options.ranks(zset));
    if options.reverse {
        value::reply_members(reply, members.rev(), options.with_scores);
    } else {
        value::reply_members(reply, members, options.with_scores);
    }
    Ok(())
}

/// `ZRANGESTORE target source min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]`
pub fn zrangestore(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_zrangestore(cx, args);
}

fn try_zrangestore(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let options = RangeOptions::parse(cx, args.tail(3), None, None, true)?;
    // Found as a writer finds it: were its time over and the key still there, replaying the effect would read it.
    let found = value::to_write(cx, args.at(2))?;
    let limits = value::limits(cx);
    let mut result = ZSet::new();
    if let Some(found) = found {
        let source = value::of(cx.value(found));
        for (member, score) in source.range(options.ranks(source)) {
            member.with_bytes(|member| result.insert(member, score, limits));
        }
    }
    value::store(cx, args.at(1), result, "zrangestore");
    Ok(())
}
