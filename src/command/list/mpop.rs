//! LMPOP.

use super::access::{end, to_write};
use super::pop::take;
use crate::command::errors;
use crate::command::expect::{Refused, refuse};
use crate::keyspace::parse_canonical_i64;
use crate::object::list::End;
use crate::resp::Args;
use crate::shard::Cx;

/// `LMPOP numkeys key [key …] LEFT | RIGHT [COUNT count]`. In the log it is LPOP or RPOP of the list that had any.
pub fn lmpop(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_lmpop(cx, args.tail(1));
}

/// As [`lmpop`], from `numkeys` on.
pub fn try_lmpop(cx: &mut Cx<'_>, words: Args<'_>) -> Result<(), Refused> {
    let (keys, end, count) = parse(cx, words)?;
    for key in words.tail(1).iter().take(keys) {
        let Some(found) = to_write(cx, key)? else { continue };
        cx.reply.array(2);
        cx.reply.bulk(key);
        let taken = take(cx, key, found, end, count);
        let command: &[u8] = if end == End::Front { b"LPOP" } else { b"RPOP" };
        cx.effect(&[command, key, itoa::Buffer::new().format(taken).as_bytes()]);
        return Ok(());
    }
    cx.reply.null_array();
    Ok(())
}

/// `numkeys key [key …] LEFT | RIGHT [COUNT count]`: how many keys, which end, how many elements.
fn parse(cx: &mut Cx<'_>, words: Args<'_>) -> Result<(usize, End, usize), Refused> {
    let Some(keys @ 1..) = parse_canonical_i64(words.at(0)) else {
        return refuse(cx, "ERR numkeys should be greater than 0");
    };
    let keys = usize::try_from(keys).unwrap_or(usize::MAX);
    let Some(end) = end(words, keys.saturating_add(1)) else { return refuse(cx, errors::SYNTAX) };
    let options = words.tail(keys + 2);
    match options.len() {
        0 => Ok((keys, end, 1)),
        2 if options.is(0, "COUNT") => match parse_canonical_i64(options.at(1)) {
            Some(count @ 1..) => Ok((keys, end, usize::try_from(count).unwrap_or(usize::MAX))),
            _ => refuse(cx, "ERR count should be greater than 0"),
        },
        _ => refuse(cx, errors::SYNTAX),
    }
}
