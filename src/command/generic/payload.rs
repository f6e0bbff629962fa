//! Values of the keyspace as the payload of DUMP and RESTORE has them.

use crate::keyspace::{Value, ValueRef};
use crate::object::Limits;
use crate::rdb::{self, Encoder};

/// Appends the payload of a value.
pub fn write(encoder: &mut Encoder, out: &mut Vec<u8>, value: ValueRef<'_>) {
    rdb::with_stored(value, |view| rdb::dump(encoder, out, view));
}

/// A value that came out of a payload; `None` if it cannot be held.
pub fn value(value: rdb::Value, limits: &Limits) -> Option<Value<'static>> {
    rdb::into_stored(value, limits).ok()
}
