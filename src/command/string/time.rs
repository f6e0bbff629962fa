//! When a key expires, as SET and GETEX are told: `EX s`, `PX ms`, `EXAT unix-s`, `PXAT unix-ms`.

use crate::command::expect::{Refused, integer, refuse};
use crate::shard::Cx;

/// How the number is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds from now.
    Ex,
    /// Milliseconds from now.
    Px,
    /// Unix seconds.
    ExAt,
    /// Unix milliseconds.
    PxAt,
}

/// A time as it was given.
#[derive(Clone, Copy, Debug)]
pub struct Time<'a> {
    /// How the number is meant.
    pub unit: Unit,
    /// The number, not looked at yet.
    pub number: &'a [u8],
}

impl Unit {
    /// The unit of that name.
    pub fn named(word: &[u8]) -> Option<Unit> {
        [("EX", Unit::Ex), ("PX", Unit::Px), ("EXAT", Unit::ExAt), ("PXAT", Unit::PxAt)]
            .into_iter()
            .find_map(|(name, unit)| word.eq_ignore_ascii_case(name.as_bytes()).then_some(unit))
    }
}

impl Time<'_> {
    /// The time in unix ms. `command` is for the error text.
    pub fn unix_ms(self, cx: &mut Cx<'_>, command: &str) -> Result<u64, Refused> {
        let number = integer(cx, self.number)?;
        let ms = match self.unit {
            Unit::Px | Unit::PxAt => Some(number),
            Unit::Ex | Unit::ExAt => number.checked_mul(1000),
        };
        let origin = match self.unit {
            Unit::Ex | Unit::Px => cx.now_ms() as i64,
            Unit::ExAt | Unit::PxAt => 0,
        };
        match ms.filter(|&ms| ms > 0).and_then(|ms| ms.checked_add(origin)) {
            Some(at) => Ok(at as u64),
            None => refuse(cx, format!("ERR invalid expire time in '{command}' command")),
        }
    }
}

/// Whether a time is over, so that a key with it is better removed at once. Nothing is over while the log is replayed.
pub fn is_over(cx: &Cx<'_>, at: u64) -> bool {
    at <= cx.now_ms() && !cx.is_replay()
}
