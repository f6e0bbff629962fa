//! Ranges of bytes or bits, as BITCOUNT and BITPOS are given them.

use crate::command::errors;
use crate::command::expect::{Refused, refuse};
use crate::resp::Args;
use crate::shard::Cx;

/// What a range counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Byte,
    /// Bits.
    Bit,
}

impl Unit {
    /// The unit named at `at`; bytes if there is no such argument.
    pub fn parse(cx: &mut Cx<'_>, args: Args<'_>, at: usize) -> Result<Unit, Refused> {
        match args.get(at) {
            None => Ok(Unit::Byte),
            Some(_) if args.is(at, "BYTE") => Ok(Unit::Byte),
            Some(_) if args.is(at, "BIT") => Ok(Unit::Bit),
            Some(_) => refuse(cx, errors::SYNTAX),
        }
    }

    /// The bits from `start` to `end` in a string of `len` bytes, both counted from the end if negative: the first and the
    /// last one's number, or `None` if there are none.
    pub fn resolve(self, start: i64, end: i64, len: usize) -> Option<(u64, u64)> {
        let total = match self {
            Unit::Byte => len as i64,
            Unit::Bit => 8 * len as i64,
        };
        let from_front = |index: i64| if index < 0 { index.saturating_add(total).max(0) } else { index };
        let (first, last) = (from_front(start), from_front(end).min(total - 1));
        if first > last {
            return None;
        }
        Some(match self {
            Unit::Byte => (8 * first as u64, 8 * last as u64 + 7),
            Unit::Bit => (first as u64, last as u64),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Unit;

    #[test]
    fn ranges_stay_inside_the_string() {
        for (unit, start, end, len, expected) in [
            (Unit::Byte, 0, -1, 2, Some((0, 15))),
            (Unit::Byte, -1, 100, 2, Some((8, 15))),
            (Unit::Bit, -3, -2, 2, Some((13, 14))),
            (Unit::Bit, 5, 4, 2, None),
            (Unit::Bit, 16, 20, 2, None),
            (Unit::Byte, 0, -1, 0, None),
            (Unit::Byte, i64::MIN, i64::MAX, 1, Some((0, 7))),
            (Unit::Bit, i64::MAX, i64::MIN, 1, None),
        ] {
            assert_eq!(unit.resolve(start, end, len), expected, "{unit:?} {start} {end} of {len}");
        }
    }
}
