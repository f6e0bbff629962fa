//! What handlers demand of their arguments and keys. Where it is not met, the error becomes the reply.

use super::errors;
use crate::keyspace::{TYPE_STRING, parse_canonical_i64};
use crate::shard::{Cx, Found};

/// The reply, an error, has been written: nothing is left to do.
#[derive(Debug)]
pub struct Refused;

/// Writes an error and says so.
#[cold]
pub fn refuse<T>(cx: &mut Cx<'_>, text: impl AsRef<[u8]>) -> Result<T, Refused> {
    cx.reply.error(text);
    Err(Refused)
}

/// Demands an integer of 64 bits.
#[inline]
pub fn integer(cx: &mut Cx<'_>, text: &[u8]) -> Result<i64, Refused> {
    integer_or(cx, text, errors::NOT_AN_INTEGER)
}

/// As [`integer`], with an error text of its own.
#[inline]
pub fn integer_or(cx: &mut Cx<'_>, text: &[u8], error: &str) -> Result<i64, Refused> {
    match parse_canonical_i64(text) {
        Some(number) => Ok(number),
        None => refuse(cx, error),
    }
}

/// Demands the number of a database.
pub fn database(cx: &mut Cx<'_>, text: &[u8]) -> Result<u16, Refused> {
    let number = integer(cx, text)?;
    if i32::try_from(number).is_err() {
        return refuse(cx, format!("ERR value is out of range, value must between {} and {}", i32::MIN, i32::MAX));
    }
    match u16::try_from(number) {
        Ok(db) if db < cx.settings().databases => Ok(db),
        _ => refuse(cx, errors::DB_OUT_OF_RANGE),
    }
}

/// Finds a key to read it; if it is there, it must be a string.
#[inline]
pub fn string_to_read(cx: &mut Cx<'_>, key: &[u8]) -> Result<Option<Found>, Refused> {
    let found = cx.read(key);
    string(cx, found)
}

/// Finds a key to change it; if it is there, it must be a string.
#[inline]
pub fn string_to_write(cx: &mut Cx<'_>, key: &[u8]) -> Result<Option<Found>, Refused> {
    let found = cx.write(key);
    string(cx, found)
}

#[inline]
fn string(cx: &mut Cx<'_>, found: Option<Found>) -> Result<Option<Found>, Refused> {
    match found {
        Some(found) if cx.db().type_code(found.entry) != TYPE_STRING => refuse(cx, errors::WRONG_TYPE),
        found => Ok(found),
    }
}
