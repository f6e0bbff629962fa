//! SSCAN.

use super::access::{of, to_read};
use crate::command::expect::Refused;
use crate::command::typed::bulk;
use crate::command::walk::{self, Options};
use crate::resp::Args;
use crate::shard::Cx;

/// `SSCAN key cursor [MATCH pattern] [COUNT count]`
pub fn sscan(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_sscan(cx, args);
}

fn try_sscan(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let cursor = walk::cursor(cx, args.at(2))?;
    let Some(found) = to_read(cx, args.at(1))? else {
        walk::reply(cx, |_, _| (0, 0));
        return Ok(());
    };
    let options = Options::parse(cx, args.tail(3), false)?;
    walk::reply(cx, |db, reply| {
        let mut shown = 0;
        let next = of(db, found).scan(cursor, options.count, |member| {
            if options.want(member) {
                bulk(reply, member);
                shown += 1;
            }
        });
        (shown, next)
    });
    Ok(())
}
