//! SRANDMEMBER, and choosing members at random.

use super::access::{of, to_read};
use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse};
use crate::command::sample;
use crate::command::typed::{self, bulk};
use crate::listpack::Element;
use crate::object::Set;
use crate::resp::Args;
use crate::shard::Cx;
use rand::Rng;
use rand::rngs::SmallRng;

/// `SRANDMEMBER key [count]`
pub fn srandmember(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = match args.len() {
        2 => one(cx, args.at(1)),
        3 => several(cx, args),
        _ => refuse(cx, errors::SYNTAX),
    };
}

fn one(cx: &mut Cx<'_>, key: &[u8]) -> Result<(), Refused> {
    let found = to_read(cx, key)?;
    let mut random = typed::random(cx);
    let (db, reply) = cx.reading();
    match found.and_then(|found| of(db, found).random(|| random.next_u64())) {
        Some(member) => bulk(reply, member),
        None => reply.null(),
    }
    Ok(())
}

fn several(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let count = integer(cx, args.at(2))?;
    if count == i64::MIN {
        return refuse(cx, format!("ERR value is out of range, value must between {} and {}", -i64::MAX, i64::MAX));
    }
    let found = to_read(cx, args.at(1))?;
    let mut random = typed::random(cx);
    let (db, reply) = cx.reading();
    let Some(found) = found.filter(|_| count != 0) else {
        reply.array(0);
        return Ok(());
    };
    let set = of(db, found);
    if count > 0 {
        let count = set.len().min(count as usize);
        reply.array(count);
        choose(set, count, &mut random, |member| bulk(reply, member));
        return Ok(());
    }
    reply.array(count.unsigned_abs() as usize);
    for _ in 0..count.unsigned_abs() {
        if let Some(member) = set.random(|| random.next_u64()) {
            bulk(reply, member);
        }
    }
    Ok(())
}

/// Gives `with` exactly `count` different members; there must be as many.
pub fn choose<'s>(set: &'s Set, count: usize, random: &mut SmallRng, with: impl FnMut(Element<'s>)) {
    if set.compact().is_some() || sample::in_one_pass(set.len(), count) {
        return sample::pass(set.iter(), set.len(), count, random, with);
    }
    // Each member has a place of its own in memory.
    let place = |member: &Element<'_>| match member {
        Element::Str(bytes) => bytes.as_ptr().addr(),
        Element::Int(_) => unreachable!("a table's members are bytes"),
    };
    sample::draw(count, || set.random(|| random.next_u64()), place, with);
}
