//! GEOADD.

use super::arguments;
use crate::command::errors;
use crate::command::expect::{Refused, refuse};
use crate::command::zset::add::{Rules, add};
use crate::object::geo;
use crate::resp::{Args, OwnedArgs};
use crate::shard::Cx;

/// `GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member …]`
pub fn geoadd(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_geoadd(cx, args);
}

fn try_geoadd(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let (mut rules, mut at) = (Rules::default(), 2);
    while at < args.len() {
        let flag = match args {
            _ if args.is(at, "NX") => &mut rules.missing,
            _ if args.is(at, "XX") => &mut rules.exists,
            _ if args.is(at, "CH") => &mut rules.count_changed,
            _ => break,
        };
        *flag = true;
        at += 1;
    }
    let triples = args.tail(at);
    if triples.is_empty() || !triples.len().is_multiple_of(3) || rules.missing && rules.exists {
        return refuse(cx, errors::SYNTAX);
    }
    let mut pairs = OwnedArgs::default();
    for at in (0..triples.len()).step_by(3) {
        let position = arguments::position(cx, triples.at(at), triples.at(at + 1))?;
        let bits = geo::encode(position).expect("the position was found valid");
        pairs.push(itoa::Buffer::new().format(bits).as_bytes());
        pairs.push(triples.at(at + 2));
    }
    let done = add(cx, args.at(1), pairs.as_args(), rules)?;
    cx.reply.int(done.shown(rules) as i64);
    Ok(())
}
