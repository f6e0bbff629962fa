//! Collections as handlers find them: of the type that the command is for, or the command is refused.

use super::errors;
use super::expect::{Refused, refuse};
use crate::listpack::Element;
use crate::resp::Reply;
use crate::shard::{Cx, Found};
use rand::SeedableRng;
use rand::rngs::SmallRng;

/// Redis's number of the list type.
pub const LIST: u8 = 1;
/// Redis's number of the set type.
pub const SET: u8 = 2;
/// Redis's number of the sorted set type.
pub const ZSET: u8 = 3;
/// Redis's number of the hash type.
pub const HASH: u8 = 4;
/// Redis's number of the stream type.
pub const STREAM: u8 = 6;

/// What was found; if it is there, it must be of this type.
#[inline]
pub fn of_type(cx: &mut Cx<'_>, found: Option<Found>, type_code: u8) -> Result<Option<Found>, Refused> {
    match found {
        Some(found) if cx.db().type_code(found.entry) != type_code => refuse(cx, errors::WRONG_TYPE),
        found => Ok(found),
    }
}

/// Writes an element as a bulk string.
#[inline]
pub fn bulk(reply: &mut Reply<'_>, element: Element<'_>) {
    match element {
        Element::Str(bytes) => reply.bulk(bytes),
        Element::Int(number) => reply.bulk_int(number),
    }
}

/// The error of a command whose words do not come in the number it needs.
pub fn wrong_arity(command: &str) -> String {
    format!("ERR wrong number of arguments for '{command}' command")
}

/// A source of randomness that leaves the context free.
pub fn random(cx: &mut Cx<'_>) -> SmallRng {
    SmallRng::from_rng(&mut cx.shard().random)
}

/// Index range from `start` to `end`, both inclusive and counted from the end if negative, of a sequence of `len`.
#[inline]
pub fn range(start: i64, end: i64, len: usize) -> std::ops::Range<usize> {
    let len = len as i64;
    let from_front = |index: i64| if index < 0 { index.saturating_add(len) } else { index };
    let (first, last) = (from_front(start).max(0), from_front(end).min(len - 1));
    if first > last { 0..0 } else { first as usize..last as usize + 1 }
}
