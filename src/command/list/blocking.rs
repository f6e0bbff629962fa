//! BLPOP, BRPOP, BLMOVE, BLMPOP, BRPOPLPUSH. Where they find nothing the reply is null, and the server has them wait.
//! In the log they are LPOP, RPOP and LMOVE.

use super::access::{end, to_write};
use super::mpop::try_lmpop;
use super::pop::{remove, reply_next};
use super::shift::shift;
use crate::command::errors;
use crate::command::expect::{Refused, refuse};
use crate::object::list::End;
use crate::resp::Args;
use crate::server::{parse_timeout, timeout_of};
use crate::shard::Cx;

/// `BLPOP key [key …] timeout`
pub fn blpop(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = pop(cx, args, End::Front, b"LPOP");
}

/// `BRPOP key [key …] timeout`
pub fn brpop(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = pop(cx, args, End::Back, b"RPOP");
}

fn pop(cx: &mut Cx<'_>, args: Args<'_>, end: End, command: &[u8]) -> Result<(), Refused> {
    check_timeout(cx, timeout_of("blpop", args))?;
    for at in 1..args.len() - 1 {
        let key = args.at(at);
        let Some(found) = to_write(cx, key)? else { continue };
        cx.reply.array(2);
        cx.reply.bulk(key);
        reply_next(cx, found, end);
        remove(cx, key, found, end, 1);
        cx.effect(&[command, key]);
        return Ok(());
    }
    cx.reply.null_array();
    Ok(())
}

/// `BLMPOP timeout numkeys key [key …] LEFT | RIGHT [COUNT count]`
pub fn blmpop(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = check_timeout(cx, timeout_of("blmpop", args)).and_then(|()| try_lmpop(cx, args.tail(2)));
}

/// `BLMOVE source destination LEFT | RIGHT LEFT | RIGHT timeout`
pub fn blmove(cx: &mut Cx<'_>, args: Args<'_>) {
    let (Some(take), Some(add)) = (end(args, 3), end(args, 4)) else { return cx.reply.error(errors::SYNTAX) };
    let _ = check_timeout(cx, timeout_of("blmove", args)).and_then(|()| shift(cx, args.at(1), args.at(2), take, add));
}

/// `BRPOPLPUSH source destination timeout`
pub fn brpoplpush(cx: &mut Cx<'_>, args: Args<'_>) {
    let timeout = check_timeout(cx, timeout_of("brpoplpush", args));
    let _ = timeout.and_then(|()| shift(cx, args.at(1), args.at(2), End::Back, End::Front));
}

/// Demands a time to wait, which a transaction does not use.
fn check_timeout(cx: &mut Cx<'_>, text: &[u8]) -> Result<(), Refused> {
    match parse_timeout(text) {
        Ok(_) => Ok(()),
        Err(error) => refuse(cx, error),
    }
}
