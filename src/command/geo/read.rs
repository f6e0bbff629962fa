//! GEOPOS, GEOHASH, GEODIST.

use super::{arguments, reply};
use crate::command::errors;
use crate::command::expect::{Refused, refuse};
use crate::command::zset::value;
use crate::object::geo::{self, Unit};
use crate::resp::{Args, Reply};
use crate::shard::Cx;

/// `GEOPOS key [member …]`
pub fn geopos(cx: &mut Cx<'_>, args: Args<'_>) {
    each(cx, args, |reply, score| match score {
        Some(score) => reply::position(reply, geo::decode(score)),
        None => reply.null_array(),
    });
}

/// `GEOHASH key [member …]`
pub fn geohash(cx: &mut Cx<'_>, args: Args<'_>) {
    each(cx, args, |reply, score| match score {
        Some(score) => reply.bulk(&geo::geohash(score)),
        None => reply.null(),
    });
}

/// Writes something about each member's score.
fn each(cx: &mut Cx<'_>, args: Args<'_>, write: impl Fn(&mut Reply<'_>, Option<f64>)) {
    let Ok(found) = value::to_read(cx, args.at(1)) else { return };
    let members = args.tail(2);
    let (db, reply) = cx.reading();
    let zset = found.map(|found| value::of(db.value(found.entry)));
    reply.array(members.len());
    for member in members.iter() {
        write(reply, zset.and_then(|zset| zset.score(member)));
    }
}

/// `GEODIST key member1 member2 [M | KM | FT | MI]`
pub fn geodist(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_geodist(cx, args);
}

fn try_geodist(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let unit = match args.len() {
        4 => Unit::Metres,
        5 => arguments::unit(cx, args.at(4))?,
        _ => return refuse(cx, errors::SYNTAX),
    };
    let found = value::to_read(cx, args.at(1))?;
    let distance = found.and_then(|found| {
        let zset = value::of(cx.value(found));
        let (one, other) = (zset.score(args.at(2))?, zset.score(args.at(3))?);
        Some(geo::decode(one).distance_m(geo::decode(other)) / unit.metres())
    });
    match distance {
        Some(distance) => reply::distance(&mut cx.reply, distance),
        None => cx.reply.null(),
    }
    Ok(())
}
