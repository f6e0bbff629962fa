//! `FIELDS numfields field …`, and the times that fields are given.

use crate::command::expect::{Refused, integer, refuse};
use crate::keyspace::parse_canonical_i64;
use crate::object::hash::EXPIRE_MS_MAX;
use crate::resp::Args;
use crate::shard::Cx;

/// Latest time that commands accept, unix ms: Redis's limit.
const TIME_MS_MAX: i64 = (EXPIRE_MS_MAX >> 2) as i64;

/// The error of most commands when `numfields` is no number above 0.
pub const NOT_POSITIVE: &str = "ERR Number of fields must be a positive integer";

/// The fields that `words`, which begin with `FIELDS`, name. `error` is for a number that is none.
pub fn fields<'a>(cx: &mut Cx<'_>, words: Args<'a>, error: &str) -> Result<Args<'a>, Refused> {
    if words.is_empty() || !words.is(0, "FIELDS") {
        return refuse(cx, "ERR Mandatory argument FIELDS is missing or not at the right position");
    }
    let number = words.get(1).and_then(parse_canonical_i64).filter(|&number| number > 0);
    let Some(number) = number else { return refuse(cx, error) };
    let fields = words.tail(2);
    if number != fields.len() as i64 {
        return refuse(cx, "ERR The `numfields` parameter must match the number of arguments");
    }
    Ok(fields)
}

/// How a time is meant: its unit in ms, and whether it counts from now.
#[derive(Clone, Copy)]
pub struct Meaning {
    /// The unit, in ms.
    pub unit_ms: i64,
    /// Whether it counts from now, or from 1970.
    pub from_now: bool,
}

impl Meaning {
    /// What `EX`, `PX`, `EXAT` and `PXAT` mean.
    pub fn of_option(word: &[u8]) -> Option<Meaning> {
        [("EX", 1000, true), ("PX", 1, true), ("EXAT", 1000, false), ("PXAT", 1, false)]
            .into_iter()
            .find(|(name, ..)| word.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, unit_ms, from_now)| Meaning { unit_ms, from_now })
    }

    /// The time in unix ms. `command` is for the error text.
    pub fn unix_ms(self, cx: &mut Cx<'_>, text: &[u8], command: &str) -> Result<u64, Refused> {
        let number = integer(cx, text)?;
        if number < 0 {
            return refuse(cx, "ERR invalid expire time, must be >= 0");
        }
        let origin = if self.from_now { cx.now_ms() as i64 } else { 0 };
        let at = number.checked_mul(self.unit_ms).and_then(|ms| ms.checked_add(origin));
        match at.filter(|&at| at <= TIME_MS_MAX) {
            Some(at) => Ok(at as u64),
            None => refuse(cx, format!("ERR invalid expire time in '{command}' command")),
        }
    }
}

/// Whether a time is over, so that a field that is given it is better deleted at once.
pub fn is_over(cx: &Cx<'_>, at: u64) -> bool {
    at <= cx.now_ms() && !cx.is_replay()
}
