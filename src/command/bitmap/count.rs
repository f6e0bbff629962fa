//! BITCOUNT and BITPOS.

use super::bits;
use super::range::Unit;
use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse, string_to_read};
use crate::command::string::text;
use crate::resp::Args;
use crate::shard::Cx;

/// `BITCOUNT key [start end [BYTE | BIT]]`
pub fn bitcount(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_bitcount(cx, args);
}

fn try_bitcount(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let (start, end, unit) = match args.len() {
        2 => (0, -1, Unit::Byte),
        4 | 5 => (integer(cx, args.at(2))?, integer(cx, args.at(3))?, Unit::parse(cx, args, 4)?),
        _ => return refuse(cx, errors::SYNTAX),
    };
    let found = string_to_read(cx, args.at(1))?;
    let mut digits = itoa::Buffer::new();
    let bytes = found.map_or(&b""[..], |found| text::bytes(cx.value(found), &mut digits));
    // Both before the beginning is nothing here, where BITPOS takes it for the first.
    let backwards = start < 0 && end < 0 && start > end;
    let count = match unit.resolve(start, end, bytes.len()) {
        Some((first, last)) if !backwards => bits::ones_between(bytes, first, last),
        _ => 0,
    };
    cx.reply.int(count as i64);
    Ok(())
}

/// `BITPOS key bit [start [end [BYTE | BIT]]]`
pub fn bitpos(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_bitpos(cx, args);
}

fn try_bitpos(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let on = match integer(cx, args.at(2))? {
        bit @ 0..=1 => bit == 1,
        _ => return refuse(cx, "ERR The bit argument must be 1 or 0."),
    };
    if args.len() > 6 {
        return refuse(cx, errors::SYNTAX);
    }
    let start = args.get(3).map_or(Ok(0), |start| integer(cx, start))?;
    let unit = Unit::parse(cx, args, 5)?;
    let end = args.get(4).map(|end| integer(cx, end)).transpose()?;
    let Some(found) = string_to_read(cx, args.at(1))? else {
        // A string that is not there is endless zeros.
        cx.reply.int(if on { -1 } else { 0 });
        return Ok(());
    };
    let mut digits = itoa::Buffer::new();
    let bytes = text::bytes(cx.value(found), &mut digits);
    let position = unit.resolve(start, end.unwrap_or(-1), bytes.len()).and_then(|(first, last)| {
        let found = bits::position(bytes, on, first, last);
        // Without an end, endless zeros follow the string.
        if on || end.is_some() { found } else { found.or(Some(last + 1)) }
    });
    cx.reply.int(position.map_or(-1, |position| position as i64));
    Ok(())
}
