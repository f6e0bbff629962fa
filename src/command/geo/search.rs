//! GEOSEARCH, GEOSEARCHSTORE, and the older GEORADIUS and GEORADIUSBYMEMBER.

use super::options::{Form, Options, Order, member_position};
use super::{arguments, reply};
use crate::command::expect::Refused;
use crate::command::typed::bulk;
use crate::command::zset::value;
use crate::listpack::Element;
use crate::object::ZSet;
use crate::object::geo::{Search, decode};
use crate::object::zset::ScoreBound;
use crate::resp::Args;
use crate::shard::Cx;

/// `GEORADIUS key longitude latitude radius unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]
/// [STORE target | STOREDIST target]`
pub fn georadius(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = radius(cx, args, Form::Radius);
}

/// `GEORADIUS_RO`: GEORADIUS without STORE.
pub fn georadius_ro(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = radius(cx, args, Form::RadiusReadOnly);
}

fn radius(cx: &mut Cx<'_>, args: Args<'_>, form: Form) -> Result<(), Refused> {
    let found = value::to_read(cx, args.at(1))?;
    let center = Some(arguments::position(cx, args.at(2), args.at(3))?);
    let shape = Some(arguments::circle(cx, args.at(4), args.at(5))?);
    let mut options = Options { center, shape, ..Options::default() };
    options.parse(cx, args.tail(6), form, args.at(0), found)?;
    run(cx, args.at(1), &options, "georadiusstore")
}

/// `GEORADIUSBYMEMBER key member radius unit …`, as GEORADIUS.
pub fn georadiusbymember(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = radius_by_member(cx, args, Form::Radius);
}

/// `GEORADIUSBYMEMBER_RO`: GEORADIUSBYMEMBER without STORE.
pub fn georadiusbymember_ro(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = radius_by_member(cx, args, Form::RadiusReadOnly);
}

fn radius_by_member(cx: &mut Cx<'_>, args: Args<'_>, form: Form) -> Result<(), Refused> {
    let found = value::to_read(cx, args.at(1))?;
    let center = member_position(cx, found, args.at(2))?;
    let shape = match center {
        Some(_) => Some(arguments::circle(cx, args.at(3), args.at(4))?),
        None => None,
    };
    let mut options = Options { center, shape, ..Options::default() };
    options.parse(cx, args.tail(5), form, args.at(0), found)?;
    run(cx, args.at(1), &options, "georadiusstore")
}

/// `GEOSEARCH key FROMMEMBER member | FROMLONLAT longitude latitude BYRADIUS radius unit | BYBOX width height unit
/// [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]`
pub fn geosearch(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = search(cx, args.at(1), args.tail(2), Form::Search, None, args.at(0));
}

/// `GEOSEARCHSTORE target key … [STOREDIST]`, otherwise as GEOSEARCH.
pub fn geosearchstore(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = search(cx, args.at(2), args.tail(3), Form::SearchStore, Some(args.at(1)), args.at(0));
}

fn search<'a>(
    cx: &mut Cx<'_>,
    key: &[u8],
    words: Args<'a>,
    form: Form,
    target: Option<&'a [u8]>,
    command: &[u8],
) -> Result<(), Refused> {
    let found = value::to_read(cx, key)?;
    let mut options = Options { target, ..Options::default() };
    options.parse(cx, words, form, command, found)?;
    run(cx, key, &options, "geosearchstore")
}

/// Someone within the outline.
struct Hit<'a> {
    member: Element<'a>,
    score: f64,
    distance_m: f64,
}

fn run(cx: &mut Cx<'_>, key: &[u8], options: &Options<'_>, event: &'static str) -> Result<(), Refused> {
    // To store is to find the key as a writer does: were its time over and the key still there, replaying the effect
    // would read it.
    let found = if options.target.is_some() { value::to_write(cx, key)? } else { cx.peek(key) };
    let search = match (options.center, options.shape) {
        (Some(center), Some((shape, unit))) => Some(Search { center, shape, unit }),
        _ => None,
    };
    let (Some(found), Some(search)) = (found, search) else {
        match options.target {
            Some(target) => value::store(cx, target, ZSet::new(), event),
            None => cx.reply.array(0),
        }
        return Ok(());
    };
    let Some(target) = options.target else {
        let (db, reply) = cx.reading();
        let hits = hits(value::of(db.value(found.entry)), &search, options);
        let extras =
            usize::from(options.with_distance) + usize::from(options.with_hash) + usize::from(options.with_position);
        reply.array(hits.len());
        for hit in hits {
            if extras > 0 {
                reply.array(1 + extras);
            }
            bulk(reply, hit.member);
            if options.with_distance {
                reply::distance(reply, hit.distance_m / search.unit.metres());
            }
            if options.with_hash {
                reply.int(hit.score as i64);
            }
            if options.with_position {
                reply::position(reply, decode(hit.score));
            }
        }
        return Ok(());
    };
    let limits = value::limits(cx);
    let mut result = ZSet::new();
    for hit in hits(value::of(cx.value(found)), &search, options) {
        let score = if options.store_distance { hit.distance_m / search.unit.metres() } else { hit.score };
        hit.member.with_bytes(|member| result.insert(member, score, limits));
    }
    value::store(cx, target, result, event);
    Ok(())
}

/// Who is within, in the order and the number that the options say.
fn hits<'a>(zset: &'a ZSet, search: &Search, options: &Options<'_>) -> Vec<Hit<'a>> {
    let enough = if options.any { options.count } else { usize::MAX };
    let mut hits = Vec::new();
    'cells: for scores in search.score_ranges() {
        let (start, end) = (ScoreBound::Inclusive(scores.start), ScoreBound::Exclusive(scores.end));
        for (member, score) in zset.range(zset.ranks_by_score(start, end)) {
            if let Some(distance_m) = search.distance_within_m(decode(score)) {
                hits.push(Hit { member, score, distance_m });
                if hits.len() == enough {
                    break 'cells;
                }
            }
        }
    }
    match options.order {
        Some(Order::Ascending) => hits.sort_by(|one, other| one.distance_m.total_cmp(&other.distance_m)),
        Some(Order::Descending) => hits.sort_by(|one, other| other.distance_m.total_cmp(&one.distance_m)),
        None => {}
    }
    if options.count > 0 {
        hits.truncate(options.count);
    }
    hits
}
