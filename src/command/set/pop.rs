//! SPOP. In the log it is SREM or DEL: chance has decided then.

use super::access::{delete_if_empty, in_object, of, to_write};
use super::random::choose;
use crate::command::errors;
use crate::command::expect::{Refused, refuse};
use crate::command::typed::{self, bulk};
use crate::config::events;
use crate::keyspace::parse_canonical_i64;
use crate::resp::{Args, OwnedArgs};
use crate::shard::{Cx, Found};
use rand::Rng;

/// `SPOP key [count]`
pub fn spop(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = match args.len() {
        2 => one(cx, args.at(1)),
        3 => several(cx, args),
        _ => refuse(cx, errors::SYNTAX),
    };
}

fn one(cx: &mut Cx<'_>, key: &[u8]) -> Result<(), Refused> {
    let Some(found) = to_write(cx, key)? else {
        cx.reply.null();
        return Ok(());
    };
    let mut random = typed::random(cx);
    let Some(member) = in_object(&mut cx.object_mut(key, found)).pop_random(|| random.next_u64()) else {
        unreachable!("an empty set has no key");
    };
    cx.reply.bulk(&member);
    cx.notify(events::SET, "spop", key);
    cx.effect(&[b"SREM", key, &member]);
    delete_if_empty(cx, key, found);
    Ok(())
}

fn several(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let key = args.at(1);
    let count = match parse_canonical_i64(args.at(2)) {
        Some(count @ 0..) => count as usize,
        _ => return refuse(cx, "ERR value is out of range, must be positive"),
    };
    let Some(found) = to_write(cx, key)?.filter(|_| count > 0) else {
        cx.reply.set(0);
        return Ok(());
    };
    if count >= of(cx.db(), found).len() {
        pop_all(cx, key, found);
    } else {
        pop_some(cx, key, found, count);
    }
    Ok(())
}

fn pop_all(cx: &mut Cx<'_>, key: &[u8], found: Found) {
    let (db, reply) = cx.reading();
    let set = of(db, found);
    reply.set(set.len());
    set.iter().for_each(|member| bulk(reply, member));
    cx.notify(events::SET, "spop", key);
    cx.delete(key, found);
    cx.notify(events::GENERIC, "del", key);
    cx.effect(&[b"DEL", key]);
}

/// Pops some members, and leaves some.
fn pop_some(cx: &mut Cx<'_>, key: &[u8], found: Found, count: usize) {
    let mut random = typed::random(cx);
    let mut effect = OwnedArgs::new([b"SREM", key]);
    let (db, reply) = cx.reading();
    reply.set(count);
    choose(of(db, found), count, &mut random, |member| {
        bulk(reply, member);
        member.with_bytes(|bytes| effect.push(bytes));
    });
    let members = effect.as_args().tail(2);
    let mut object = cx.object_mut(key, found);
    let set = in_object(&mut object);
    for member in members.iter() {
        set.remove(member);
    }
    drop(object);
    cx.add_dirty(count as u64 - 1);
    cx.notify(events::SET, "spop", key);
    cx.effect(&effect.as_args().iter().collect::<Vec<_>>());
}
