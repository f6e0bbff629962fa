//! A field in a table.
//!
//! ```text
//! field length × 2 + 1 if it has an expiry time: varint │ value length: varint │ expiry time: 6 bytes, if any │ field │ value
//! ```

use crate::object::table::{Header, NEVER, Shape, Table, read_varint};

/// The shape of a hash's records.
pub struct Field;

/// Where things stand in a record.
struct Parts {
    expire: Option<usize>,
    field: usize,
    value: usize,
    end: usize,
}

#[inline]
fn parts(tail: &[u8]) -> Parts {
    let (field_len, a) = read_varint(tail);
    let (value_len, b) = read_varint(&tail[a..]);
    let timed = field_len & 1 != 0;
    let field = a + b + if timed { 6 } else { 0 };
    let value = field + (field_len >> 1) as usize;
    Parts { expire: timed.then_some(a + b), field, value, end: value + value_len as usize }
}

impl Shape for Field {
    const TIMED: bool = true;

    #[inline]
    fn record_len(tail: &[u8]) -> usize {
        parts(tail).end
    }

    #[inline]
    fn key(tail: &[u8]) -> &[u8] {
        let parts = parts(tail);
        &tail[parts.field..parts.value]
    }

    #[inline]
    fn expire_ms(tail: &[u8]) -> u64 {
        if tail[0] & 1 == 0 {
            return NEVER;
        }
        expire_at(tail, parts(tail).expire).unwrap_or(NEVER)
    }
}

#[inline]
fn expire_at(record: &[u8], at: Option<usize>) -> Option<u64> {
    let bytes = &record[at?..][..6];
    let mut wide = [0; 8];
    wide[..6].copy_from_slice(bytes);
    Some(u64::from_le_bytes(wide))
}

/// Field, value, expiry time.
#[inline]
pub(super) fn read(record: &[u8]) -> (&[u8], &[u8], Option<u64>) {
    let parts = parts(record);
    (&record[parts.field..parts.value], &record[parts.value..parts.end], expire_at(record, parts.expire))
}

/// Sets a field; says whether it was there.
#[inline]
pub(super) fn write(table: &mut Table<Field>, field: &[u8], value: &[u8], expire_ms: Option<u64>) -> bool {
    let timed = u64::from(expire_ms.is_some());
    let header = Header::new().varint((field.len() as u64) << 1 | timed).varint(value.len() as u64);
    let header = match expire_ms {
        Some(expire_ms) => header.u48(expire_ms),
        None => header,
    };
    table.upsert(field, &[header.as_bytes(), field, value])
}
