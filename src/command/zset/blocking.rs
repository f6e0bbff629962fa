//! BZPOPMIN, BZPOPMAX, BZMPOP. Where they find nothing the reply is null, and the server has them wait. In the log they
//! are ZPOPMIN and ZPOPMAX.

use super::pop::{End, Shape, take, try_zmpop};
use super::value;
use crate::command::expect::{Refused, refuse};
use crate::resp::Args;
use crate::server::{parse_timeout, timeout_of};
use crate::shard::Cx;

/// `BZPOPMIN key [key …] timeout`
pub fn bzpopmin(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = pop(cx, args, End::Min);
}

/// `BZPOPMAX key [key …] timeout`
pub fn bzpopmax(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = pop(cx, args, End::Max);
}

fn pop(cx: &mut Cx<'_>, args: Args<'_>, end: End) -> Result<(), Refused> {
    check_timeout(cx, timeout_of("bzpopmin", args))?;
    for at in 1..args.len() - 1 {
        let key = args.at(at);
        if let Some(found) = value::to_write(cx, key)? {
            cx.reply.array(3);
            cx.reply.bulk(key);
            take(cx, key, found, end, 1, Shape::Bare);
            return Ok(());
        }
    }
    cx.reply.null_array();
    Ok(())
}

/// `BZMPOP timeout numkeys key [key …] MIN | MAX [COUNT count]`
pub fn bzmpop(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = check_timeout(cx, timeout_of("bzmpop", args)).and_then(|()| try_zmpop(cx, args.tail(1)));
}

/// Demands a time to wait, which a transaction does not use.
fn check_timeout(cx: &mut Cx<'_>, text: &[u8]) -> Result<(), Refused> {
    match parse_timeout(text) {
        Ok(_) => Ok(()),
        Err(error) => refuse(cx, error),
    }
}
