//! SINTER, SUNION, SDIFF, their STORE forms, and SINTERCARD.

use super::access::{self, of, to_read, to_write};
use super::algebra::{self, Builder};
use crate::command::errors;
use crate::command::expect::{Refused, refuse};
use crate::command::typed::bulk;
use crate::config::events;
use crate::keyspace::{Db, parse_canonical_i64};
use crate::object::Set;
use crate::resp::Args;
use crate::shard::{Cx, Found};

/// How sets become one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Intersection,
    Union,
    Difference,
}

/// `SINTER key [key …]`
pub fn sinter(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = show(cx, args.tail(1), Operation::Intersection);
}

/// `SUNION key [key …]`
pub fn sunion(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = show(cx, args.tail(1), Operation::Union);
}

/// `SDIFF key [key …]`
pub fn sdiff(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = show(cx, args.tail(1), Operation::Difference);
}

/// `SINTERSTORE destination key [key …]`
pub fn sinterstore(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = store(cx, args, Operation::Intersection, "sinterstore");
}

/// `SUNIONSTORE destination key [key …]`
pub fn sunionstore(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = store(cx, args, Operation::Union, "sunionstore");
}

/// `SDIFFSTORE destination key [key …]`
pub fn sdiffstore(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = store(cx, args, Operation::Difference, "sdiffstore");
}

/// What the keys hold. All of them are looked at before an operation begins: any may be no set.
type Sources = Vec<Option<Found>>;

fn to_read_all(cx: &mut Cx<'_>, keys: Args<'_>) -> Result<Sources, Refused> {
    keys.iter().map(|key| to_read(cx, key)).collect()
}

/// The sets that an operation has something to do with; `None` if its result is empty anyway.
fn operands<'d>(db: &'d Db, sources: &Sources, operation: Operation) -> Option<Vec<&'d Set>> {
    let needs = match operation {
        Operation::Intersection => sources.len(),
        Operation::Difference => 1,
        Operation::Union => 0,
    };
    let has_needed = sources[..needs].iter().all(Option::is_some);
    has_needed.then(|| sources.iter().flatten().map(|&found| of(db, found)).collect())
}

fn show(cx: &mut Cx<'_>, keys: Args<'_>, operation: Operation) -> Result<(), Refused> {
    let sources = to_read_all(cx, keys)?;
    let thresholds = access::thresholds(cx);
    let (db, reply) = cx.reading();
    let Some(mut sets) = operands(db, &sources, operation) else {
        reply.set(0);
        return Ok(());
    };
    if let [only] = sets[..] {
        reply.set(only.len());
        only.iter().for_each(|member| bulk(reply, member));
        return Ok(());
    }
    let start = reply.deferred_array();
    let mut shown = 0;
    match operation {
        Operation::Intersection => algebra::intersection(sets, |member| {
            bulk(reply, member);
            shown += 1;
            true
        }),
        Operation::Union => {
            if let Some(union) = algebra::union(&sets, &thresholds) {
                union.iter().for_each(|member| bulk(reply, member));
                shown = union.len();
            }
        }
        Operation::Difference => {
            if let Some((first, others)) = sets.split_first_mut() {
                algebra::difference(first, others, |member| {
                    bulk(reply, member);
                    shown += 1;
                });
            }
        }
    }
    reply.finish_set(start, shown);
    Ok(())
}

fn store(cx: &mut Cx<'_>, args: Args<'_>, operation: Operation, event: &'static str) -> Result<(), Refused> {
    let key = args.at(1);
    // Found as a writer finds them: were a source's time over and it still there, replaying the effect would take it in.
    let sources = args.tail(2).iter().map(|key| to_write(cx, key)).collect::<Result<Sources, Refused>>()?;
    let result = operands(cx.db(), &sources, operation).and_then(|sets| combined(cx, sets, operation));
    let found = cx.write(key);
    match result {
        Some(mut set) => {
            set.shrink_to_intset(&access::thresholds(cx));
            cx.reply.int(set.len() as i64);
            access::put(cx, key, found, set);
            cx.notify(events::SET, event, key);
            cx.effect_verbatim();
        }
        None => {
            if let Some(found) = found {
                cx.delete(key, found);
                cx.notify(events::GENERIC, "del", key);
                cx.effect_verbatim();
            }
            cx.reply.int(0);
        }
    }
    Ok(())
}

/// The result as a set of its own; `None` if it is empty.
fn combined(cx: &Cx<'_>, mut sets: Vec<&Set>, operation: Operation) -> Option<Set> {
    let thresholds = access::thresholds(cx);
    let mut result = Builder::new(&thresholds);
    match operation {
        Operation::Union => return algebra::union(&sets, &thresholds),
        Operation::Intersection => algebra::intersection(sets, |member| {
            result.insert(member);
            true
        }),
        Operation::Difference => {
            let (first, others) = sets.split_first_mut()?;
            algebra::difference(first, others, |member| result.insert(member));
        }
    }
    result.set
}

/// `SINTERCARD numkeys key [key …] [LIMIT limit]`
pub fn sintercard(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_sintercard(cx, args);
}

fn try_sintercard(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let Some(number @ 1..) = parse_canonical_i64(args.at(1)) else {
        return refuse(cx, "ERR numkeys should be greater than 0");
    };
    if number as usize > args.len() - 2 {
        return refuse(cx, "ERR Number of keys can't be greater than number of args");
    }
    let number = number as usize;
    let limit = limit(cx, args.tail(2 + number))?;
    let keys: Vec<&[u8]> = args.tail(2).iter().take(number).collect();
    let sources = keys.iter().map(|key| to_read(cx, key)).collect::<Result<Sources, Refused>>()?;
    let mut count = 0;
    if let Some(sets) = operands(cx.db(), &sources, Operation::Intersection) {
        algebra::intersection(sets, |_| {
            count += 1;
            count != limit
        });
    }
    cx.reply.int(count);
    Ok(())
}

/// How many members to count at most; 0 means all.
fn limit(cx: &mut Cx<'_>, words: Args<'_>) -> Result<i64, Refused> {
    let (mut limit, mut at) = (0, 0);
    while at < words.len() {
        let Some(number) = words.get(at + 1).filter(|_| words.is(at, "LIMIT")) else {
            return refuse(cx, errors::SYNTAX);
        };
        limit = match parse_canonical_i64(number) {
            Some(limit @ 0..) => limit,
            _ => return refuse(cx, "ERR LIMIT can't be negative"),
        };
        at += 2;
    }
    Ok(limit)
}
