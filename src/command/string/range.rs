//! Parts of strings: GETRANGE (once SUBSTR), SETRANGE, STRLEN.

use super::text;
use crate::command::expect::{Refused, integer, refuse, string_to_read, string_to_write};
use crate::config::events;
use crate::resp::Args;
use crate::shard::Cx;
use std::ops::Range;

/// `GETRANGE key start end`, `SUBSTR key start end`
pub fn getrange(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_getrange(cx, args);
}

fn try_getrange(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let start = integer(cx, args.at(2))?;
    let end = integer(cx, args.at(3))?;
    let Some(found) = string_to_read(cx, args.at(1))? else {
        cx.reply.bulk(b"");
        return Ok(());
    };
    let mut digits = itoa::Buffer::new();
    let (db, reply) = cx.reading();
    let bytes = text::bytes(db.value(found.entry), &mut digits);
    reply.bulk(&bytes[slice(start, end, bytes.len())]);
    Ok(())
}

/// The elements from `start` to `end`, both counted from the end if negative, that a sequence of `len` has.
fn slice(start: i64, end: i64, len: usize) -> Range<usize> {
    let from_front = |index: i64| if index < 0 { index.saturating_add(len as i64).max(0) } else { index };
    if len == 0 || start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let (first, last) = (from_front(start), from_front(end).min(len as i64 - 1));
    if first > last { 0..0 } else { first as usize..last as usize + 1 }
}

/// `SETRANGE key offset value`
pub fn setrange(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_setrange(cx, args);
}

fn try_setrange(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let (key, patch) = (args.at(1), args.at(3));
    let offset = match integer(cx, args.at(2))? {
        offset @ 0.. => offset as u64,
        _ => return refuse(cx, "ERR offset is out of range"),
    };
    let found = string_to_write(cx, key)?;
    let old_len = found.map_or(0, |found| text::len(cx, found));
    if patch.is_empty() {
        cx.reply.int(old_len as i64);
        return Ok(());
    }
    let end = offset.saturating_add(patch.len() as u64);
    text::check_len(cx, end)?;
    let end = end as usize;
    text::change(cx, key, found, end, |bytes| bytes[end - patch.len()..end].copy_from_slice(patch));
    cx.notify(events::STRING, "setrange", key);
    cx.effect_verbatim();
    cx.reply.int(old_len.max(end) as i64);
    Ok(())
}

/// `STRLEN key`
pub fn strlen(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(found) = string_to_read(cx, args.at(1)) else { return };
    let len = found.map_or(0, |found| text::len(cx, found));
    cx.reply.int(len as i64);
}

#[cfg(test)]
mod tests {
    use super::slice;

    #[test]
    fn no_range_reaches_outside_the_string() {
        for (start, end, len, expected) in [
            (0, -1, 5, 0..5),
            (-3, -2, 5, 2..4),
            (-100, 1, 5, 0..2),
            (3, 1, 5, 0..0),
            (-1, -2, 5, 0..0),
            (7, 9, 5, 0..0),
            (0, 0, 0, 0..0),
            (i64::MIN, i64::MAX, 5, 0..5),
            (i64::MAX, i64::MIN, 5, 0..0),
            (-5, -100, 5, 0..0),
            (0, -100, 5, 0..1),
        ] {
            assert_eq!(slice(start, end, len), expected, "{start} {end} of {len}");
        }
    }
}
