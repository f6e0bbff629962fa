//! HSCAN.

use super::access::{lives, now_ms, of, to_read};
use crate::command::expect::Refused;
use crate::command::typed::bulk;
use crate::command::walk::{self, Options};
use crate::resp::Args;
use crate::shard::Cx;

/// `HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]`
pub fn hscan(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_hscan(cx, args);
}

fn try_hscan(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let cursor = walk::cursor(cx, args.at(2))?;
    let Some(found) = to_read(cx, args.at(1))? else {
        walk::reply(cx, |_, _| (0, 0));
        return Ok(());
    };
    let options = Options::parse(cx, args.tail(3), true)?;
    let now_ms = now_ms(cx);
    walk::reply(cx, |db, reply| {
        let mut shown = 0;
        let next = of(db, found).scan(cursor, options.count, |entry| {
            if !lives(entry.expire_ms, now_ms) || !options.want(entry.field) {
                return;
            }
            bulk(reply, entry.field);
            shown += 1;
            if !options.no_values {
                bulk(reply, entry.value);
                shown += 1;
            }
        });
        (shown, next)
    });
    Ok(())
}
