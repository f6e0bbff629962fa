//! ZSCAN.

use super::value;
use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse};
use crate::glob;
use crate::object::zset::ScoreText;
use crate::resp::Args;
use crate::shard::Cx;

/// Members looked at if the client does not say how many.
const COUNT: usize = 10;

/// `ZSCAN key cursor [MATCH pattern] [COUNT count]`
pub fn zscan(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_zscan(cx, args);
}

fn try_zscan(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let cursor = std::str::from_utf8(args.at(2)).ok().and_then(|text| text.parse::<u64>().ok());
    let Some(cursor) = cursor else { return refuse(cx, "ERR invalid cursor") };
    let Some(found) = value::to_read(cx, args.at(1))? else {
        cx.reply.array(2);
        cx.reply.bulk(b"0");
        cx.reply.array(0);
        return Ok(());
    };
    let (pattern, count) = parse(cx, args.tail(3))?;
    let (db, reply) = cx.reading();
    reply.array(2);
    let start = reply.deferred_array();
    let mut shown = 0;
    let next = value::of(db.value(found.entry)).scan(cursor, count, |member, score| {
        if pattern.is_none_or(|pattern| glob::matches(pattern, member, false)) {
            reply.bulk(member);
            reply.bulk(ScoreText::new(score).as_bytes());
            shown += 2;
        }
    });
    reply.finish_array(start, shown);
    let end = reply.position();
    reply.bulk(itoa::Buffer::new().format(next).as_bytes());
    reply.put_before(start, end);
    Ok(())
}

fn parse<'a>(cx: &mut Cx<'_>, words: Args<'a>) -> Result<(Option<&'a [u8]>, usize), Refused> {
    let (mut pattern, mut count) = (None, COUNT);
    for at in (0..words.len()).step_by(2) {
        match words.get(at + 1) {
            Some(number) if words.is(at, "COUNT") => match integer(cx, number)? {
                number @ 1.. => count = number as usize,
                _ => return refuse(cx, errors::SYNTAX),
            },
            Some(glob) if words.is(at, "MATCH") => pattern = Some(glob).filter(|&glob| glob != b"*"),
            _ if words.is(at, "NOVALUES") => return refuse(cx, "ERR NOVALUES option can only be used in HSCAN"),
            _ => return refuse(cx, errors::SYNTAX),
        }
    }
    Ok((pattern, count))
}
