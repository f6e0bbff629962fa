//! HEXPIRE and its kin. In the log all of them are HPEXPIREAT or HDEL.

use super::access::{in_object, log_deleted, of, to_write};
use super::fields::{Meaning, fields, is_over};
use crate::command::expect::Refused;
use crate::config::events;
use crate::object::hash::FieldExpire;
use crate::resp::Args;
use crate::shard::{Cx, Found};

/// `HEXPIRE key s [NX | XX | GT | LT] FIELDS numfields field …`
pub fn hexpire(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = set(cx, args, Meaning { unit_ms: 1000, from_now: true }, "hexpire");
}

/// `HPEXPIRE key ms [NX | XX | GT | LT] FIELDS numfields field …`
pub fn hpexpire(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = set(cx, args, Meaning { unit_ms: 1, from_now: true }, "hpexpire");
}

/// `HEXPIREAT key unix-s [NX | XX | GT | LT] FIELDS numfields field …`
pub fn hexpireat(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = set(cx, args, Meaning { unit_ms: 1000, from_now: false }, "hexpireat");
}

/// `HPEXPIREAT key unix-ms [NX | XX | GT | LT] FIELDS numfields field …`
pub fn hpexpireat(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = set(cx, args, Meaning { unit_ms: 1, from_now: false }, "hpexpireat");
}

fn set(cx: &mut Cx<'_>, args: Args<'_>, meaning: Meaning, command: &str) -> Result<(), Refused> {
    let key = args.at(1);
    let found = to_write(cx, key)?;
    let at = meaning.unix_ms(cx, args.at(2), command)?;
    let condition = Condition::named(args, 3);
    let words = args.tail(if condition.is_some() { 4 } else { 3 });
    let fields = fields(cx, words, "ERR Parameter `numFields` should be greater than 0")?;
    cx.reply.array(fields.len());
    match found {
        Some(found) => set_each(cx, key, found, fields, at, condition),
        None => (0..fields.len()).for_each(|_| cx.reply.int(-2)),
    }
    Ok(())
}

/// Replies per field: -2 no such field, 0 condition not met, 1 set, 2 deleted, as its time is over.
fn set_each(cx: &mut Cx<'_>, key: &[u8], found: Found, fields: Args<'_>, at: u64, condition: Option<Condition>) {
    let over = is_over(cx, at);
    let mut changed: Vec<&[u8]> = Vec::new();
    // One after another, as the same field may be named twice.
    for field in fields.iter() {
        let before = match of(cx.db(), found).expire(field) {
            FieldExpire::NoField => {
                cx.reply.int(-2);
                continue;
            }
            FieldExpire::Never => None,
            FieldExpire::At(before) => Some(before),
        };
        if condition.is_some_and(|condition| !condition.allows(before, at)) {
            cx.reply.int(0);
            continue;
        }
        let mut object = cx.object_mut(key, found);
        let hash = in_object(&mut object);
        if over {
            hash.delete(field);
        } else {
            hash.set_expire(field, Some(at.max(1)));
        }
        drop(object);
        cx.reply.int(if over { 2 } else { 1 });
        changed.push(field);
    }
    if changed.is_empty() {
        return;
    }
    match over {
        true => log_deleted(cx, key, found, &changed),
        false => log_times(cx, key, at, &changed),
    }
}

/// Event and effect of fields that were given a time.
pub fn log_times(cx: &mut Cx<'_>, key: &[u8], at: u64, fields: &[&[u8]]) {
    let (mut time, mut number) = (itoa::Buffer::new(), itoa::Buffer::new());
    let head = [&b"HPEXPIREAT"[..], key, time.format(at).as_bytes(), b"FIELDS", number.format(fields.len()).as_bytes()];
    cx.notify(events::HASH, "hexpire", key);
    cx.effect(&[&head, fields].concat());
}

/// What must hold of the time that a field has.
#[derive(Clone, Copy)]
enum Condition {
    /// `NX`: it has none.
    Missing,
    /// `XX`: it has one.
    Exists,
    /// `GT`: the new one is later. None at all counts as never.
    Later,
    /// `LT`: the new one is sooner.
    Sooner,
}

impl Condition {
    fn named(args: Args<'_>, at: usize) -> Option<Condition> {
        use Condition::*;
        [("NX", Missing), ("XX", Exists), ("GT", Later), ("LT", Sooner)]
            .into_iter()
            .find_map(|(name, condition)| args.is(at, name).then_some(condition))
    }

    fn allows(self, before: Option<u64>, at: u64) -> bool {
        match self {
            Condition::Missing => before.is_none(),
            Condition::Exists => before.is_some(),
            Condition::Later => before.is_some_and(|before| at > before),
            Condition::Sooner => before.is_none_or(|before| at < before),
        }
    }
}
