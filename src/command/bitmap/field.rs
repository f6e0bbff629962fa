//! BITFIELD and BITFIELD_RO.

use super::offset;
use super::overflow::{FieldType, Overflow};
use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse, string_to_read, string_to_write};
use crate::command::string::text;
use crate::config::events;
use crate::resp::{Args, Reply};
use crate::shard::Cx;
use std::collections::BTreeMap;

/// Bytes that a field of 64 bits may lie in.
const FIELD_BYTES_MAX: usize = 9;

/// `BITFIELD key [GET type offset | [OVERFLOW WRAP | SAT | FAIL] (SET | INCRBY) type offset number …]`
pub fn bitfield(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = run(cx, args, false);
}

/// `BITFIELD_RO key [GET type offset …]`
pub fn bitfield_ro(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = run(cx, args, true);
}

fn run(cx: &mut Cx<'_>, args: Args<'_>, read_only: bool) -> Result<(), Refused> {
    let key = args.at(1);
    let steps = parse(cx, args.tail(2))?;
    // Bytes that the string must have for all that is written.
    let len = steps.iter().filter(|step| step.writes()).map(|step| step.end().div_ceil(8)).max();
    if len.is_some() && read_only {
        return refuse(cx, "ERR BITFIELD_RO only supports the GET subcommand");
    }
    let found = match len {
        None => string_to_read(cx, key)?,
        Some(_) => string_to_write(cx, key)?,
    };
    let mut digits = itoa::Buffer::new();
    let (db, reply) = cx.reading();
    let bytes = found.map_or(&b""[..], |found| text::bytes(db.value(found.entry), &mut digits));
    let mut patch = Patch { bytes, changed: BTreeMap::new() };
    let len = len.unwrap_or(0) as usize;
    let grows = bytes.len() < len;
    reply.array(steps.len());
    let changes = steps.iter().filter(|step| step.run(&mut patch, reply, grows)).count();
    let changed = patch.changed;
    if changes > 0 || grows {
        text::change(cx, key, found, len, |bytes| changed.into_iter().for_each(|(at, byte)| bytes[at] = byte));
        cx.add_dirty(changes.saturating_sub(1) as u64);
        cx.effect_verbatim();
    }
    if changes > 0 {
        cx.notify(events::STRING, "setbit", key);
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum Action {
    Get,
    Set(i64),
    Add(i64),
}

/// One thing to do to one field.
struct Step {
    action: Action,
    kind: FieldType,
    offset: u64,
    overflow: Overflow,
}

fn parse(cx: &mut Cx<'_>, words: Args<'_>) -> Result<Vec<Step>, Refused> {
    let mut steps = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut at = 0;
    while at < words.len() {
        let behind = words.len() - at - 1;
        if words.is(at, "OVERFLOW") && behind >= 1 {
            overflow = match words {
                _ if words.is(at + 1, "WRAP") => Overflow::Wrap,
                _ if words.is(at + 1, "SAT") => Overflow::Saturate,
                _ if words.is(at + 1, "FAIL") => Overflow::Fail,
                _ => return refuse(cx, "ERR Invalid OVERFLOW type specified"),
            };
            at += 2;
            continue;
        }
        let action = match words {
            _ if words.is(at, "GET") && behind >= 2 => Action::Get,
            _ if words.is(at, "SET") && behind >= 3 => Action::Set(0),
            _ if words.is(at, "INCRBY") && behind >= 3 => Action::Add(0),
            _ => return refuse(cx, errors::SYNTAX),
        };
        let Some(kind) = FieldType::parse(words.at(at + 1)) else {
            return refuse(
                cx,
                "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
            );
        };
        let offset = offset::field(cx, words.at(at + 2), kind.bits)?;
        let action = match action {
            Action::Get => Action::Get,
            Action::Set(_) => Action::Set(integer(cx, words.at(at + 3))?),
            Action::Add(_) => Action::Add(integer(cx, words.at(at + 3))?),
        };
        at += if matches!(action, Action::Get) { 3 } else { 4 };
        steps.push(Step { action, kind, offset, overflow });
    }
    Ok(steps)
}

impl Step {
    fn writes(&self) -> bool {
        !matches!(self.action, Action::Get)
    }

    /// The bit behind the field.
    fn end(&self) -> u64 {
        self.offset + u64::from(self.kind.bits)
    }

    /// Does it and replies. Says whether the string changed; `grows`: it does so anyway, by whatever is written.
    fn run(&self, patch: &mut Patch<'_>, reply: &mut Reply<'_>, grows: bool) -> bool {
        let old = self.kind.decode(patch.read(self.offset, self.kind.bits));
        let (wanted, shows_old) = match self.action {
            Action::Get => {
                reply.int(old);
                return false;
            }
            Action::Set(number) => (self.kind.given(number), true),
            Action::Add(number) => (i128::from(old) + i128::from(number), false),
        };
        let Some(new) = self.kind.fit(wanted, self.overflow) else {
            reply.null();
            return false;
        };
        reply.int(if shows_old { old } else { new });
        patch.write(self.offset, self.kind.bits, new as u64);
        grows || old != new
    }
}

/// A string, endless zeros behind it, and the bytes that will be changed.
struct Patch<'a> {
    bytes: &'a [u8],
    changed: BTreeMap<usize, u8>,
}

impl Patch<'_> {
    fn byte(&self, at: usize) -> u8 {
        self.changed.get(&at).or_else(|| self.bytes.get(at)).copied().unwrap_or(0)
    }

    /// `bits` bits from `offset` on.
    fn read(&self, offset: u64, bits: u32) -> u64 {
        let first = (offset / 8) as usize;
        let window = (0..FIELD_BYTES_MAX).fold(0u128, |window, at| window << 8 | u128::from(self.byte(first + at)));
        (window >> shift(offset, bits)) as u64 & mask(bits)
    }

    fn write(&mut self, offset: u64, bits: u32, value: u64) {
        let first = (offset / 8) as usize;
        let mask_bytes = (u128::from(mask(bits)) << shift(offset, bits)).to_be_bytes();
        let value_bytes = (u128::from(value & mask(bits)) << shift(offset, bits)).to_be_bytes();
        let unused = size_of::<u128>() - FIELD_BYTES_MAX;
        for at in 0..FIELD_BYTES_MAX {
            let (mask, value) = (mask_bytes[unused + at], value_bytes[unused + at]);
            if mask != 0 {
                let byte = self.byte(first + at) & !mask | value;
                self.changed.insert(first + at, byte);
            }
        }
    }
}

fn mask(bits: u32) -> u64 {
    u64::MAX >> (64 - bits)
}

/// How far a field lies from the end of the window of nine bytes that begins at its first byte.
fn shift(offset: u64, bits: u32) -> u32 {
    8 * FIELD_BYTES_MAX as u32 - (offset % 8) as u32 - bits
}
