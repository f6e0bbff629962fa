//! The number of a bit, as commands are given it.

use crate::command::expect::{Refused, refuse};
use crate::keyspace::parse_canonical_i64;
use crate::shard::Cx;

const ERROR: &str = "ERR bit offset is not an integer or out of range";

/// The number of a bit, in a string no longer than `proto-max-bulk-len`.
pub fn bit(cx: &mut Cx<'_>, text: &[u8]) -> Result<u64, Refused> {
    check(cx, parse_canonical_i64(text))
}

/// The number of a field's first bit: as it is, or behind `#` in fields of `bits` bits.
pub fn field(cx: &mut Cx<'_>, text: &[u8], bits: u32) -> Result<u64, Refused> {
    let number = match text {
        [b'#', index @ ..] => parse_canonical_i64(index).and_then(|index| index.checked_mul(i64::from(bits))),
        offset => parse_canonical_i64(offset),
    };
    check(cx, number)
}

fn check(cx: &mut Cx<'_>, number: Option<i64>) -> Result<u64, Refused> {
    match number.and_then(|number| u64::try_from(number).ok()) {
        // What the log holds once was allowed.
        Some(offset) if offset / 8 < cx.settings().proto_max_bulk_len || cx.is_replay() => Ok(offset),
        _ => refuse(cx, ERROR),
    }
}
