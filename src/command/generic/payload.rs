//! Values of the keyspace as the payload of DUMP and RESTORE has them.

use crate::keyspace::{Value, ValueRef};
use crate::rdb::{self, Encoder};

/// Appends the payload of a value; `false` if it is of a type that has none.
pub fn write(encoder: &mut Encoder, out: &mut Vec<u8>, value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Int(number) => rdb::dump(encoder, out, rdb::ValueView::Int(number)),
        ValueRef::Str(bytes) => rdb::dump(encoder, out, rdb::ValueView::String(bytes)),
        ValueRef::Object(_) => return false,
    }
    true
}

/// A value that came out of a payload; `None` if it is of a type that the keyspace does not hold.
pub fn value(value: rdb::Value) -> Option<Value<'static>> {
    match value {
        rdb::Value::String(bytes) => Some(match crate::keyspace::parse_canonical_i64(&bytes) {
            Some(number) => Value::Int(number),
            None => Value::Owned(bytes),
        }),
        _ => None,
    }
}
