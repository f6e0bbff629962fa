//! Making, changing and freeing entries.

use super::read::{LongString, RawValue, at, inline_value_bytes, meta, raw_value, set_flags, set_meta, shape};
use super::{EPOCH_SHIFT, EntryRef, FLAGS, HAS_TTL, HEAP_KEY, INLINE_KEY_BYTES_MAX, KEY_LEN, LONG_KEY, RAW};
use super::{Stored, header_bytes, object_at};
use crate::keyspace::graves::is_heavy;
use crate::keyspace::slab::Slab;
use crate::keyspace::value::Value;
use crate::object::Object;

/// What goes into a new entry beside key and value.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    /// Expiry time in unix ms.
    pub expire_ms: Option<u64>,
    /// LRU clock or LFU counter, 24 bits.
    pub access: u32,
    /// Snapshot epoch, 2 bits.
    pub epoch: u8,
}

/// Makes an entry.
#[inline]
pub(crate) fn write(slab: &Slab, key: &[u8], value: Stored<'_>, header: Header) -> EntryRef {
    let value_at = header_bytes(key.len(), header.expire_ms.is_some());
    let entry = EntryRef::new(slab.alloc(value.end(value_at)));
    let p = at(slab, entry);
    let mut flags = header.epoch << EPOCH_SHIFT & super::EPOCH_MASK;
    if key.len() >= 255 {
        flags |= LONG_KEY;
    }
    if key.len() > INLINE_KEY_BYTES_MAX {
        flags |= HEAP_KEY;
    }
    if header.expire_ms.is_some() {
        flags |= HAS_TTL;
    }
    // SAFETY: the slot was just allocated and is as long as `header_bytes` and `Stored::bytes` say; every write below stays
    // within what they count.
    unsafe {
        p.cast::<u32>().write(header.access << 8);
        p.add(FLAGS).write(flags);
        let mut to = p.add(KEY_LEN);
        if flags & LONG_KEY == 0 {
            to.write(key.len() as u8);
            to = to.add(1);
        } else {
            let len = u32::try_from(key.len()).expect("keys are at most 512 MB");
            to.cast::<u32>().write_unaligned(len);
            to = to.add(4);
        }
        if let Some(expire_ms) = header.expire_ms {
            to.cast::<u64>().write_unaligned(expire_ms);
            to = to.add(8);
        }
        if flags & HEAP_KEY == 0 {
            to.copy_from_nonoverlapping(key.as_ptr(), key.len());
        } else {
            let start = Box::into_raw(Box::<[u8]>::from(key)).cast::<u8>();
            to.cast::<*mut u8>().write_unaligned(start);
        }
    }
    put_value(slab, entry, value_at, value);
    entry
}

/// Writes the value's bytes, its kind and its type. What stood there before is forgotten, not freed.
#[inline]
fn put_value(slab: &Slab, entry: EntryRef, value_at: usize, value: Stored<'_>) {
    let (kind, type_code) = value.kind_and_type();
    set_meta(slab, entry, meta(slab, entry) & !0xff | (kind as u32) << 4 | u32::from(type_code));
    // SAFETY: the caller made the slot as long as `value.end(value_at)`; slots are aligned to 8, as collections are.
    unsafe {
        let to = at(slab, entry).add(value_at);
        match value {
            Stored::Int(number) => to.cast::<i64>().write_unaligned(number),
            Stored::Inline(bytes) => {
                let to = if bytes.len() <= u8::MAX as usize {
                    to.write(bytes.len() as u8);
                    to.add(1)
                } else {
                    to.cast::<u16>().write_unaligned(bytes.len() as u16);
                    to.add(2)
                };
                to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            }
            Stored::Long(bytes) => {
                let mut bytes = std::mem::ManuallyDrop::new(bytes);
                let long = LongString { start: bytes.as_mut_ptr(), len: bytes.len(), capacity: bytes.capacity() };
                to.cast::<LongString>().write_unaligned(long);
            }
            Stored::Object(object) => at(slab, entry).add(object_at(value_at)).cast::<Object>().write(*object),
        }
    }
}

/// Changes value, expiry time or both; `value: None` keeps the value. The old value is dropped. Returns the entry's
/// handle, which differs if it had to move to a slot of another size. The raw mark goes with the old value.
#[inline]
pub(crate) fn change(slab: &Slab, entry: EntryRef, expire_ms: Option<u64>, value: Option<Stored<'_>>) -> EntryRef {
    let s = shape(slab, entry);
    let old_value_bytes = inline_value_bytes(slab, entry, &s);
    let old_bytes = s.value_at + old_value_bytes;
    let value_at = header_bytes(s.key_len, expire_ms.is_some());
    // A kept value moves by 8 bytes or not at all, so that what aligns it stays as long as it is.
    let new_bytes = value.as_ref().map_or(value_at + old_value_bytes, |value| value.end(value_at));
    let stays = Slab::slot_bytes(new_bytes) == Slab::slot_bytes(old_bytes);
    let target = if stays { entry } else { EntryRef::new(slab.alloc(new_bytes)) };
    // All that can fail is behind us: from here on the value has exactly one owner at every step.
    let kept_bytes = if value.is_some() {
        drop_value(slab, entry);
        0
    } else {
        old_value_bytes
    };
    let key_bytes = s.value_at - s.key_at;
    let key_at = value_at - key_bytes;
    let old_key_at = s.key_at;
    let fixed_bytes = if s.flags & LONG_KEY == 0 { KEY_LEN + 1 } else { KEY_LEN + 4 };
    // SAFETY: `from` is a live entry of `old_bytes`, `to` a slot of at least `new_bytes`; they are the same or disjoint.
    // Key and value (if kept) stand next to each other and move together; `copy` allows the overlap of a shift in place.
    unsafe {
        let (from, to) = (at(slab, entry), at(slab, target));
        if !stays {
            to.copy_from_nonoverlapping(from, fixed_bytes);
        }
        if !stays || key_at != old_key_at {
            to.add(key_at).copy_from(from.add(old_key_at), key_bytes + kept_bytes);
        }
        if let Some(expire_ms) = expire_ms {
            to.add(fixed_bytes).cast::<u64>().write_unaligned(expire_ms);
        }
    }
    let mut flags = if expire_ms.is_some() { s.flags | HAS_TTL } else { s.flags & !HAS_TTL };
    if let Some(value) = value {
        flags &= !RAW;
        put_value(slab, target, value_at, value);
    }
    set_flags(slab, target, flags);
    if !stays {
        slab.free(entry.get());
    }
    target
}

/// Overwrites a value in place if both the old and the new one are kept in the slab and need a slot of the same size: what
/// most SETs of a key that exists come to. With `keep_expire` false, only if there is no expiry time to be cleared. False
/// if nothing was done.
#[inline]
pub(crate) fn overwrite(slab: &Slab, entry: EntryRef, value: &Value<'_>, keep_expire: bool) -> bool {
    let s = shape(slab, entry);
    let old_value_bytes = match raw_value(slab, entry, &s) {
        RawValue::Int(_) => 8,
        RawValue::Inline(_, len) => len + if len <= u8::MAX as usize { 1 } else { 2 },
        RawValue::Long(_) | RawValue::Object(_) => return false,
    };
    let value = match value {
        Value::Int(number) => Stored::Int(*number),
        Value::Str(bytes) => Stored::Inline(bytes),
        Value::Owned(_) | Value::Object(_) => return false,
    };
    let new_bytes = s.value_at.saturating_add(value.bytes());
    let fits = Slab::slot_bytes(new_bytes) == Slab::slot_bytes(s.value_at + old_value_bytes);
    if !fits || (s.flags & HAS_TTL != 0 && !keep_expire) {
        return false;
    }
    put_value(slab, entry, s.value_at, value);
    if s.flags & RAW != 0 {
        set_flags(slab, entry, s.flags & !RAW);
    }
    true
}

/// Moves the value out. The entry must then be freed without it ([`free`]) or given a new one.
pub(crate) fn take_value(slab: &Slab, entry: EntryRef) -> Value<'static> {
    match raw_value(slab, entry, &shape(slab, entry)) {
        RawValue::Int(number) => Value::Int(number),
        // SAFETY: `len` initialized bytes that this entry owns.
        RawValue::Inline(start, len) => Value::Owned(unsafe { std::slice::from_raw_parts(start, len) }.to_vec()),
        RawValue::Long(long) => {
            // SAFETY: the parts of a vector that `put_value` took apart; by contract the entry's copy is not used again.
            Value::Owned(unsafe { Vec::from_raw_parts(long.start, long.len, long.capacity) })
        }
        // SAFETY: the collection in this entry, moved out; by contract the entry's copy is not used again.
        RawValue::Object(object) => Value::Object(Box::new(unsafe { object.read() })),
    }
}

/// Moves a collection out that is too large to be dropped at once, and leaves the number 0 in its place.
#[inline]
pub(crate) fn take_heavy(slab: &Slab, entry: EntryRef) -> Option<Box<Object>> {
    let s = shape(slab, entry);
    let RawValue::Object(object) = raw_value(slab, entry, &s) else { return None };
    // SAFETY: the collection in this entry; nothing else borrows it.
    if !is_heavy(unsafe { &*object }) {
        return None;
    }
    // SAFETY: moved out; the line below makes this the only copy. A number fits where a collection was.
    let object = unsafe { object.read() };
    put_value(slab, entry, s.value_at, Stored::Int(0));
    Some(Box::new(object))
}

/// Drops the value. The entry must then be freed or given a new one.
#[inline]
fn drop_value(slab: &Slab, entry: EntryRef) {
    match raw_value(slab, entry, &shape(slab, entry)) {
        RawValue::Int(_) | RawValue::Inline(..) => {}
        RawValue::Long(_) => drop(take_value(slab, entry)),
        // SAFETY: the collection in this entry; by contract it is not used again.
        RawValue::Object(object) => unsafe { object.drop_in_place() },
    }
}

/// Frees an entry whose value was taken out.
#[inline]
pub(crate) fn free(slab: &Slab, entry: EntryRef) {
    let s = shape(slab, entry);
    if s.flags & HEAP_KEY != 0 {
        // SAFETY: the boxed key that `write` took apart; the entry is about to go.
        unsafe {
            let start = at(slab, entry).add(s.key_at).cast::<*mut u8>().read_unaligned();
            drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(start, s.key_len)));
        }
    }
    slab.free(entry.get());
}

/// Frees an entry with its value.
#[inline]
pub(crate) fn drop_whole(slab: &Slab, entry: EntryRef) {
    drop_value(slab, entry);
    free(slab, entry);
}

/// Copies a short string out; moves a long one out and leaves an empty one behind. Empty for other values.
pub(crate) fn lift_string(slab: &Slab, entry: EntryRef) -> Vec<u8> {
    let s = shape(slab, entry);
    match raw_value(slab, entry, &s) {
        // SAFETY: `len` initialized bytes that this entry owns.
        RawValue::Inline(start, len) => unsafe { std::slice::from_raw_parts(start, len) }.to_vec(),
        RawValue::Long(long) => {
            put_value(slab, entry, s.value_at, Stored::Long(Vec::new()));
            // SAFETY: the parts of a vector that `put_value` took apart; the line above made this the only copy.
            unsafe { Vec::from_raw_parts(long.start, long.len, long.capacity) }
        }
        RawValue::Int(_) | RawValue::Object(_) => Vec::new(),
    }
}
