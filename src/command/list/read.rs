//! Reading lists: LLEN, LINDEX, LRANGE.

use super::access::{self, of, to_read};
use crate::command::expect::{Refused, integer};
use crate::command::typed::{bulk, range};
use crate::resp::Args;
use crate::shard::Cx;

/// `LLEN key`
pub fn llen(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(found) = to_read(cx, args.at(1)) else { return };
    let len = found.map_or(0, |found| of(cx.db(), found).len());
    cx.reply.int(len as i64);
}

/// `LINDEX key index`
pub fn lindex(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_lindex(cx, args);
}

fn try_lindex(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let Some(found) = to_read(cx, args.at(1))? else {
        cx.reply.null();
        return Ok(());
    };
    let index = integer(cx, args.at(2))?;
    let (db, reply) = cx.reading();
    let list = of(db, found);
    match access::index(list, index).and_then(|index| list.get(index)) {
        Some(element) => bulk(reply, element),
        None => reply.null(),
    }
    Ok(())
}

/// `LRANGE key start stop`
pub fn lrange(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_lrange(cx, args);
}

fn try_lrange(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let (start, stop) = (integer(cx, args.at(2))?, integer(cx, args.at(3))?);
    let found = to_read(cx, args.at(1))?;
    let (db, reply) = cx.reading();
    let Some(found) = found else {
        reply.array(0);
        return Ok(());
    };
    let list = of(db, found);
    let range = range(start, stop, list.len());
    reply.array(range.len());
    list.iter_from(range.start).take(range.len()).for_each(|element| bulk(reply, element));
    Ok(())
}
