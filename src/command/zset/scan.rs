//! ZSCAN.

use super::value;
use crate::command::expect::Refused;
use crate::command::walk;
use crate::listpack::Element;
use crate::object::zset::ScoreText;
use crate::resp::Args;
use crate::shard::Cx;

/// `ZSCAN key cursor [MATCH pattern] [COUNT count]`
pub fn zscan(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_zscan(cx, args);
}

fn try_zscan(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let cursor = walk::cursor(cx, args.at(2))?;
    let Some(found) = value::to_read(cx, args.at(1))? else {
        walk::reply(cx, |_, _| (0, 0));
        return Ok(());
    };
    let options = walk::Options::parse(cx, args.tail(3), false)?;
    walk::reply(cx, |db, reply| {
        let mut shown = 0;
        let next = value::of(db.value(found.entry)).scan(cursor, options.count, |member, score| {
            if options.want(Element::Str(member)) {
                reply.bulk(member);
                reply.bulk(ScoreText::new(score).as_bytes());
                shown += 2;
            }
        });
        (shown, next)
    });
    Ok(())
}
