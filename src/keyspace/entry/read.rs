//! Reading entries, and changing them without changing their layout.

use super::{
    EMBSTR_BYTES_MAX, EPOCH_MASK, EPOCH_SHIFT, EntryRef, FLAGS, HAS_TTL, HEAP_KEY, KEY_LEN, Kind, LONG_KEY,
    OBJECT_BYTES, RAW, object_at,
};
use crate::keyspace::hash::{KeyHash, hash_key};
use crate::keyspace::slab::{Slab, heap_block_bytes};
use crate::keyspace::value::ValueRef;
use crate::object::Object;

/// Where the parts of an entry begin, as distances from its start.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub flags: u8,
    /// Also where the expiry time would go.
    pub key_at: usize,
    pub key_len: usize,
    pub value_at: usize,
}

#[inline]
pub(super) fn at(slab: &Slab, entry: EntryRef) -> *mut u8 {
    debug_assert!(slab.is_live(entry.get()), "stale handle {entry:?}");
    slab.ptr(entry.get())
}

#[inline]
pub(super) fn shape(slab: &Slab, entry: EntryRef) -> Shape {
    let p = at(slab, entry);
    // SAFETY: a live entry (see the module) has its flags and key length here; four bytes of length if the flag says so.
    let (flags, len, after_len) = unsafe {
        let flags = p.add(FLAGS).read();
        if flags & LONG_KEY == 0 {
            (flags, p.add(KEY_LEN).read() as usize, KEY_LEN + 1)
        } else {
            (flags, p.add(KEY_LEN).cast::<u32>().read_unaligned() as usize, KEY_LEN + 4)
        }
    };
    let key_at = after_len + if flags & HAS_TTL != 0 { 8 } else { 0 };
    let inline_len = if flags & HEAP_KEY != 0 { 8 } else { len };
    Shape { flags, key_at, key_len: len, value_at: key_at + inline_len }
}

#[inline]
pub(super) fn meta(slab: &Slab, entry: EntryRef) -> u32 {
    // SAFETY: a live entry begins with its meta word, at a multiple of 8.
    unsafe { at(slab, entry).cast::<u32>().read() }
}

#[inline]
pub(super) fn set_meta(slab: &Slab, entry: EntryRef, meta: u32) {
    // SAFETY: as in `meta`; the caller holds the only reference into this entry.
    unsafe { at(slab, entry).cast::<u32>().write(meta) }
}

#[inline]
pub(super) fn set_flags(slab: &Slab, entry: EntryRef, flags: u8) {
    // SAFETY: a live entry has its flags here; the caller holds the only reference into it.
    unsafe { at(slab, entry).add(FLAGS).write(flags) }
}

#[inline]
pub(super) fn kind(meta: u32) -> Kind {
    match meta >> 4 & 15 {
        0 => Kind::Int,
        1 => Kind::Short,
        2 => Kind::Medium,
        3 => Kind::Long,
        4 => Kind::Object,
        other => unreachable!("entry with value kind {other}"),
    }
}

/// Redis's type number.
#[inline]
pub(crate) fn type_code(slab: &Slab, entry: EntryRef) -> u8 {
    (meta(slab, entry) & 15) as u8
}

/// The key's bytes. The lifetime is the caller's to bind: see the module's safety section.
#[inline]
pub(crate) fn key(slab: &Slab, entry: EntryRef) -> &[u8] {
    let s = shape(slab, entry);
    let p = at(slab, entry);
    // SAFETY: `key_len` initialized bytes stand here, or at the address that stands here; nobody writes them while the
    // entry lives in this slot.
    unsafe {
        let start = p.add(s.key_at);
        let start = if s.flags & HEAP_KEY != 0 { start.cast::<*const u8>().read_unaligned() } else { start };
        std::slice::from_raw_parts(start, s.key_len)
    }
}

/// Whether the entry's key is `wanted`.
#[inline]
pub(crate) fn key_is(slab: &Slab, entry: EntryRef, wanted: &[u8]) -> bool {
    key(slab, entry) == wanted
}

/// The hash of the entry's key, computed anew.
#[inline]
pub(crate) fn hash(slab: &Slab, entry: EntryRef) -> KeyHash {
    hash_key(key(slab, entry))
}

/// Address, length and capacity of a long string, as they stand in an entry.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct LongString {
    pub start: *mut u8,
    pub len: usize,
    pub capacity: usize,
}

/// A value before it is given a lifetime.
pub(super) enum RawValue {
    Int(i64),
    Inline(*mut u8, usize),
    Long(LongString),
    Object(*mut Object),
}

#[inline]
pub(super) fn raw_value(slab: &Slab, entry: EntryRef, s: &Shape) -> RawValue {
    // SAFETY: a live entry has a value of the kind its meta word names at `value_at`.
    unsafe {
        let v = at(slab, entry).add(s.value_at);
        match kind(meta(slab, entry)) {
            Kind::Int => RawValue::Int(v.cast::<i64>().read_unaligned()),
            Kind::Short => RawValue::Inline(v.add(1), v.read() as usize),
            Kind::Medium => RawValue::Inline(v.add(2), v.cast::<u16>().read_unaligned() as usize),
            Kind::Long => RawValue::Long(v.cast::<LongString>().read_unaligned()),
            Kind::Object => RawValue::Object(at(slab, entry).add(object_at(s.value_at)).cast::<Object>()),
        }
    }
}

/// The value. The lifetime is the caller's to bind: see the module's safety section.
#[inline]
pub(crate) fn value(slab: &Slab, entry: EntryRef) -> ValueRef<'_> {
    match raw_value(slab, entry, &shape(slab, entry)) {
        RawValue::Int(number) => ValueRef::Int(number),
        RawValue::Inline(start, len) | RawValue::Long(LongString { start, len, .. }) => {
            // SAFETY: `len` initialized bytes that this entry owns; nobody writes them while they are borrowed.
            ValueRef::Str(unsafe { std::slice::from_raw_parts(start, len) })
        }
        // SAFETY: the collection in this entry; nobody changes or moves it while it is borrowed.
        RawValue::Object(object) => ValueRef::Object(unsafe { &*object }),
    }
}

/// The string's bytes for changing in place, or `None` if it is a number or a collection.
#[allow(clippy::mut_from_ref, reason = "the slab stands for the entry; see the module's safety section")]
pub(crate) fn string_mut(slab: &Slab, entry: EntryRef) -> Option<&mut [u8]> {
    match raw_value(slab, entry, &shape(slab, entry)) {
        RawValue::Inline(start, len) | RawValue::Long(LongString { start, len, .. }) => {
            // SAFETY: `len` initialized bytes that this entry owns; the caller holds the only reference into it.
            Some(unsafe { std::slice::from_raw_parts_mut(start, len) })
        }
        RawValue::Int(_) | RawValue::Object(_) => None,
    }
}

/// The collection, or `None` if it is a string.
#[allow(clippy::mut_from_ref, reason = "the slab stands for the entry; see the module's safety section")]
pub(crate) fn object_mut(slab: &Slab, entry: EntryRef) -> Option<&mut Object> {
    match raw_value(slab, entry, &shape(slab, entry)) {
        // SAFETY: the collection in this entry; the caller holds the only reference into it.
        RawValue::Object(object) => Some(unsafe { &mut *object }),
        _ => None,
    }
}

/// The expiry time in unix ms.
#[inline]
pub(crate) fn expire_at(slab: &Slab, entry: EntryRef) -> Option<u64> {
    let s = shape(slab, entry);
    // SAFETY: the flag says that the 8 bytes before the key are the expiry time.
    (s.flags & HAS_TTL != 0).then(|| unsafe { at(slab, entry).add(s.key_at - 8).cast::<u64>().read_unaligned() })
}

/// Overwrites the expiry time of an entry that has one.
pub(crate) fn overwrite_expire(slab: &Slab, entry: EntryRef, expire_ms: u64) {
    let s = shape(slab, entry);
    assert!(s.flags & HAS_TTL != 0, "no expiry time to overwrite");
    // SAFETY: as in `expire_at`; the caller holds the only reference into the entry.
    unsafe { at(slab, entry).add(s.key_at - 8).cast::<u64>().write_unaligned(expire_ms) };
}

/// The 24 access bits: LRU clock or LFU counter.
#[inline]
pub(crate) fn access(slab: &Slab, entry: EntryRef) -> u32 {
    meta(slab, entry) >> 8
}

/// Sets the 24 access bits.
#[inline]
pub(crate) fn set_access(slab: &Slab, entry: EntryRef, access: u32) {
    set_meta(slab, entry, meta(slab, entry) & 0xff | access << 8);
}

/// The 2-bit snapshot epoch.
#[inline]
pub(crate) fn epoch(slab: &Slab, entry: EntryRef) -> u8 {
    (shape(slab, entry).flags & EPOCH_MASK) >> EPOCH_SHIFT
}

/// Sets the 2-bit snapshot epoch.
#[inline]
pub(crate) fn set_epoch(slab: &Slab, entry: EntryRef, epoch: u8) {
    let flags = shape(slab, entry).flags;
    set_flags(slab, entry, flags & !EPOCH_MASK | epoch << EPOCH_SHIFT & EPOCH_MASK);
}

/// Marks a string as built piece by piece (APPEND, SETRANGE, SETBIT): OBJECT ENCODING calls it raw whatever its length.
pub(crate) fn set_raw(slab: &Slab, entry: EntryRef) {
    set_flags(slab, entry, shape(slab, entry).flags | RAW);
}

/// Whether [`set_raw`] marked it.
pub(crate) fn is_raw(slab: &Slab, entry: EntryRef) -> bool {
    shape(slab, entry).flags & RAW != 0
}

/// The name that OBJECT ENCODING gives.
pub(crate) fn encoding_name(slab: &Slab, entry: EntryRef) -> &'static str {
    match value(slab, entry) {
        ValueRef::Int(_) => "int",
        ValueRef::Str(bytes) if bytes.len() <= EMBSTR_BYTES_MAX && !is_raw(slab, entry) => "embstr",
        ValueRef::Str(_) => "raw",
        ValueRef::Object(object) => object.encoding_name(),
    }
}

/// Bytes of the value as they stand in the entry, with what aligns it.
#[inline]
pub(super) fn inline_value_bytes(slab: &Slab, entry: EntryRef, s: &Shape) -> usize {
    match raw_value(slab, entry, s) {
        RawValue::Int(_) => 8,
        RawValue::Object(_) => object_at(s.value_at) + OBJECT_BYTES - s.value_at,
        RawValue::Inline(_, len) => len + if kind(meta(slab, entry)) == Kind::Short { 1 } else { 2 },
        RawValue::Long(_) => size_of::<LongString>(),
    }
}

/// Bytes on the heap that the entry's value accounts for.
#[inline]
pub(crate) fn value_heap_bytes(slab: &Slab, entry: EntryRef) -> usize {
    match raw_value(slab, entry, &shape(slab, entry)) {
        RawValue::Int(_) | RawValue::Inline(..) => 0,
        RawValue::Long(long) => heap_block_bytes(long.capacity),
        // SAFETY: the collection in this entry, not borrowed mutably by anyone.
        RawValue::Object(object) => unsafe { &*object }.memory(),
    }
}

/// Bytes on the heap that the entry's key accounts for.
#[inline]
pub(crate) fn key_heap_bytes(slab: &Slab, entry: EntryRef) -> usize {
    let s = shape(slab, entry);
    if s.flags & HEAP_KEY != 0 { heap_block_bytes(s.key_len) } else { 0 }
}

/// Asks for the entry's first two cache lines to be loaded.
#[inline]
pub(crate) fn prefetch(slab: &Slab, entry: EntryRef) {
    crate::keyspace::prefetch_line(slab.ptr(entry.get()));
    crate::keyspace::prefetch_line(slab.ptr(entry.get()).wrapping_add(64));
}
