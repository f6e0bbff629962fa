//! HRANDFIELD.

use super::access::{has_due, living, now_ms, of, to_read};
use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse};
use crate::command::sample;
use crate::command::typed::{self, bulk};
use crate::listpack::Element;
use crate::object::Hash;
use crate::object::hash::Entry;
use crate::resp::{Args, Reply};
use crate::shard::Cx;
use rand::rngs::SmallRng;
use rand::{Rng, RngExt};

/// `HRANDFIELD key [count [WITHVALUES]]`
pub fn hrandfield(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = if args.len() == 2 { one(cx, args.at(1)) } else { several(cx, args) };
}

fn one(cx: &mut Cx<'_>, key: &[u8]) -> Result<(), Refused> {
    let found = to_read(cx, key)?;
    let mut random = typed::random(cx);
    let now_ms = now_ms(cx);
    let (db, reply) = cx.reading();
    let field = found.and_then(|found| {
        let hash = of(db, found);
        if has_due(hash, now_ms) {
            let len = living(hash, now_ms).count();
            return living(hash, now_ms).nth(if len == 0 { 0 } else { random.random_range(0..len) });
        }
        hash.random(|| random.next_u64())
    });
    match field {
        Some(entry) => bulk(reply, entry.field),
        None => reply.null(),
    }
    Ok(())
}

fn several(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let count = integer(cx, args.at(2))?;
    if count == i64::MIN {
        return refuse(cx, format!("ERR value is out of range, value must between {} and {}", -i64::MAX, i64::MAX));
    }
    if args.len() > 4 || args.len() == 4 && !args.is(3, "WITHVALUES") {
        return refuse(cx, errors::SYNTAX);
    }
    let with_values = args.len() == 4;
    if with_values && !(-i64::MAX / 2..=i64::MAX / 2).contains(&count) {
        return refuse(cx, "ERR value is out of range");
    }
    let found = to_read(cx, args.at(1))?;
    let mut random = typed::random(cx);
    let now_ms = now_ms(cx);
    let (db, reply) = cx.reading();
    let Some(found) = found.filter(|_| count != 0) else {
        reply.array(0);
        return Ok(());
    };
    let hash = of(db, found);
    let mut writer = Writer { reply, with_values };
    if has_due(hash, now_ms) {
        choose_of_living(&living(hash, now_ms).collect::<Vec<_>>(), count, &mut random, &mut writer);
    } else if count < 0 {
        writer.head(count.unsigned_abs() as usize);
        (0..count.unsigned_abs())
            .filter_map(|_| hash.random(|| random.next_u64()))
            .for_each(|entry| writer.write(entry));
    } else {
        choose(hash, count as usize, &mut random, &mut writer);
    }
    Ok(())
}

/// Different fields of a hash, none of which is due.
fn choose(hash: &Hash, count: usize, random: &mut SmallRng, writer: &mut Writer<'_, '_>) {
    let len = hash.len();
    let count = count.min(len);
    writer.head(count);
    if hash.compact().is_some() || sample::in_one_pass(len, count) {
        return sample::pass(hash.iter(), len, count, random, |entry| writer.write(entry));
    }
    // Each field has a place of its own in memory.
    let place = |entry: &Entry<'_>| match entry.field {
        Element::Str(bytes) => bytes.as_ptr().addr(),
        Element::Int(_) => unreachable!("a table's fields are bytes"),
    };
    sample::draw(count, || hash.random(|| random.next_u64()), place, |entry| writer.write(entry));
}

/// Fields of a hash of which others are due.
fn choose_of_living(fields: &[Entry<'_>], count: i64, random: &mut SmallRng, writer: &mut Writer<'_, '_>) {
    if count > 0 {
        let count = fields.len().min(count as usize);
        writer.head(count);
        return sample::pass(fields.iter(), fields.len(), count, random, |&entry| writer.write(entry));
    }
    let count = if fields.is_empty() { 0 } else { count.unsigned_abs() as usize };
    writer.head(count);
    (0..count).for_each(|_| writer.write(fields[random.random_range(0..fields.len())]));
}

struct Writer<'w, 'a> {
    reply: &'w mut Reply<'a>,
    with_values: bool,
}

impl Writer<'_, '_> {
    fn head(&mut self, fields: usize) {
        let flat = self.with_values && !self.reply.is_resp3();
        self.reply.array(if flat { 2 * fields } else { fields });
    }

    fn write(&mut self, entry: Entry<'_>) {
        if self.with_values && self.reply.is_resp3() {
            self.reply.array(2);
        }
        bulk(self.reply, entry.field);
        if self.with_values {
            bulk(self.reply, entry.value);
        }
    }
}
