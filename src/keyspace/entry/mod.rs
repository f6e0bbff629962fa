//! The bytes of an entry: one key, its value or the way to it, its expiry time and its access bits.
//!
//! ```text
//!  0      3 4     5          6 (or 9)      +8 if TTL      +key length
//! ┌────────┬───────┬──────────┬─────────────┬──────────────┬─────────────────────────────────────────────┐
//! │ meta   │ flags │ key len  │ expiry time │ key          │ value                                       │
//! └────────┴───────┴──────────┴─────────────┴──────────────┴─────────────────────────────────────────────┘
//!  meta     u32: type (bits 0–3, Redis's numbers), kind of value (4–7), LRU clock or LFU counter (8–31)
//!  flags    1 has an expiry time, 2|4 snapshot epoch, 8 key length has 4 bytes, 16 key on the heap, 32 built by APPEND or
//!           the like (OBJECT ENCODING says raw)
//!  expiry   u64, unix ms
//!  key      its bytes, or on the heap: address (8 bytes)
//!  value    number: i64 │ short string: length (1 byte), bytes │ string: length (2 bytes), bytes
//!           long string: address, length, capacity (8 bytes each) │ collection: it, at a multiple of 8
//! ```
//!
//! All numbers little-endian and unaligned. A key and value of 16 bytes each take 39 bytes: a slot of 40.
//!
//! # Safety
//!
//! An [`EntryRef`] is the place of a live entry in the slab it came from; the functions here are handed nothing else.
//! [`super::Db`], their only caller, gets its references from its table or straight from [`write`], and by its contract
//! handles are not used after the entry was moved or removed. Debug builds check it at every access. The slab is used by one
//! thread; shared borrows of an entry's bytes live only as long as a borrow of the `Db`, exclusive ones as long as a
//! mutable one.

mod read;
mod write;

use std::num::NonZeroU32;

pub(super) use read::*;
pub(super) use write::*;

use super::slab::{SLOT_BYTES_MAX, heap_block_bytes};
use super::value::Value;
use crate::object::Object;

/// A handle to an entry: small, `Copy`, and valid until that entry is next changed in size or removed (every method that
/// may move an entry returns the new handle). Using a stale handle is a bug that debug builds report.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct EntryRef(NonZeroU32);

impl EntryRef {
    #[inline]
    pub(super) fn new(reference: u32) -> EntryRef {
        EntryRef(NonZeroU32::new(reference).expect("the slab never hands out reference 0"))
    }

    #[inline]
    pub(super) fn get(self) -> u32 {
        self.0.get()
    }
}

const FLAGS: usize = 4;
const KEY_LEN: usize = 5;

const HAS_TTL: u8 = 1;
const EPOCH_SHIFT: u8 = 1;
const EPOCH_MASK: u8 = 0b110;
const LONG_KEY: u8 = 8;
const HEAP_KEY: u8 = 16;
const RAW: u8 = 32;

/// Longest key that is kept in the slab, in bytes: with everything around it, it fits the largest slot.
const INLINE_KEY_BYTES_MAX: usize = 960;
/// Longest string that OBJECT ENCODING calls embstr, in bytes (Redis's number).
const EMBSTR_BYTES_MAX: usize = 44;
const LONG_STRING_BYTES: usize = 24;
const OBJECT_BYTES: usize = size_of::<Object>();
const _: () = assert!(OBJECT_BYTES <= 24 && align_of::<Object>() <= 8);
const _: () = assert!(FLAGS + 1 + 4 + 8 + INLINE_KEY_BYTES_MAX + 7 + LONG_STRING_BYTES <= SLOT_BYTES_MAX);
const _: () = assert!(size_of::<usize>() == 8, "addresses and lengths are stored in 8 bytes");

/// Redis's type number of strings.
pub const TYPE_STRING: u8 = 0;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Int = 0,
    Short = 1,
    Medium = 2,
    Long = 3,
    Object = 4,
}

/// A value in the form it will have in the slab.
pub(super) enum Stored<'a> {
    Int(i64),
    Inline(&'a [u8]),
    Long(Vec<u8>),
    Object(Box<Object>),
}

impl Stored<'_> {
    fn bytes(&self) -> usize {
        match self {
            Stored::Int(_) => 8,
            Stored::Object(_) => OBJECT_BYTES,
            Stored::Inline(bytes) => bytes.len() + if bytes.len() <= u8::MAX as usize { 1 } else { 2 },
            Stored::Long(_) => LONG_STRING_BYTES,
        }
    }

    /// Where an entry ends whose value begins at `value_at`.
    #[inline]
    fn end(&self, value_at: usize) -> usize {
        match self {
            Stored::Object(_) => object_at(value_at) + OBJECT_BYTES,
            _ => value_at + self.bytes(),
        }
    }

    /// Heap bytes behind it.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Stored::Int(_) | Stored::Inline(_) => 0,
            Stored::Long(bytes) => heap_block_bytes(bytes.capacity()),
            Stored::Object(object) => object.memory(),
        }
    }

    fn kind_and_type(&self) -> (Kind, u8) {
        match self {
            Stored::Int(_) => (Kind::Int, TYPE_STRING),
            Stored::Inline(bytes) if bytes.len() <= u8::MAX as usize => (Kind::Short, TYPE_STRING),
            Stored::Inline(_) => (Kind::Medium, TYPE_STRING),
            Stored::Long(_) => (Kind::Long, TYPE_STRING),
            Stored::Object(object) => (Kind::Object, object.type_code()),
        }
    }
}

/// Where a collection lies whose place behind the key begins at `value_at`: slots begin at multiples of 8.
#[inline]
fn object_at(value_at: usize) -> usize {
    value_at.next_multiple_of(align_of::<Object>())
}

/// Decides how `value` is stored beside a key of `key_len` bytes, and hands it on in that form.
#[inline]
pub(super) fn stored<'a, R>(value: Value<'a>, key_len: usize, then: impl FnOnce(Stored<'_>) -> R) -> R {
    let inline_max = SLOT_BYTES_MAX - header_bytes(key_len, true) - 2;
    match value {
        Value::Int(number) => then(Stored::Int(number)),
        Value::Str(bytes) if bytes.len() <= inline_max => then(Stored::Inline(bytes)),
        Value::Str(bytes) => then(Stored::Long(bytes.to_vec())),
        Value::Owned(bytes) if bytes.len() <= inline_max => then(Stored::Inline(&bytes)),
        Value::Owned(bytes) => then(Stored::Long(bytes)),
        Value::Object(object) => then(Stored::Object(object)),
    }
}

/// Bytes before the value.
#[inline]
fn header_bytes(key_len: usize, has_ttl: bool) -> usize {
    let ttl = if has_ttl { 8 } else { 0 };
    if key_len < 255 {
        KEY_LEN + 1 + ttl + key_len
    } else if key_len <= INLINE_KEY_BYTES_MAX {
        KEY_LEN + 4 + ttl + key_len
    } else {
        KEY_LEN + 4 + ttl + 8
    }
}
