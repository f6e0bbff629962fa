//! XLEN, XRANGE, XREVRANGE.

use super::{arguments, value};
use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse};
use crate::resp::Args;
use crate::shard::Cx;

/// `XLEN key`
pub fn xlen(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(found) = value::to_read(cx, args.at(1)) else { return };
    let len = found.map_or(0, |found| value::of(cx.value(found)).log().len());
    cx.reply.int(len as i64);
}

/// `XRANGE key start end [COUNT count]`
pub fn xrange(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = range(cx, args, false);
}

/// `XREVRANGE key end start [COUNT count]`
pub fn xrevrange(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = range(cx, args, true);
}

fn range(cx: &mut Cx<'_>, args: Args<'_>, reverse: bool) -> Result<(), Refused> {
    let (start, end) = if reverse { (args.at(3), args.at(2)) } else { (args.at(2), args.at(3)) };
    let start = arguments::start(cx, start)?;
    let end = arguments::end(cx, end)?;
    let mut count = usize::MAX;
    for at in (4..args.len()).step_by(2) {
        match args.get(at + 1) {
            Some(number) if args.is(at, "COUNT") => count = integer(cx, number)?.max(0) as usize,
            _ => return refuse(cx, errors::SYNTAX),
        }
    }
    let Some(found) = value::to_read(cx, args.at(1))? else {
        cx.reply.array(0);
        return Ok(());
    };
    if count == 0 {
        cx.reply.null_array();
        return Ok(());
    }
    let (db, reply) = cx.reading();
    let entries = value::of(db.value(found.entry)).log().range(start, end);
    if reverse {
        value::reply_entries(reply, entries.rev(), count);
    } else {
        value::reply_entries(reply, entries, count);
    }
    Ok(())
}
