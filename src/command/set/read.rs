//! Reading sets: SCARD, SISMEMBER, SMISMEMBER, SMEMBERS.

use super::access::{contains, of, to_read};
use crate::command::typed::bulk;
use crate::resp::Args;
use crate::shard::Cx;

/// `SCARD key`
pub fn scard(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(found) = to_read(cx, args.at(1)) else { return };
    let len = found.map_or(0, |found| of(cx.db(), found).len());
    cx.reply.int(len as i64);
}

/// `SISMEMBER key member`
pub fn sismember(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(found) = to_read(cx, args.at(1)) else { return };
    let is_member = contains(cx, found, args.at(2));
    cx.reply.int(is_member as i64);
}

/// `SMISMEMBER key member [member …]`
pub fn smismember(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(found) = to_read(cx, args.at(1)) else { return };
    let members = args.tail(2);
    cx.reply.array(members.len());
    for member in members.iter() {
        let is_member = contains(cx, found, member);
        cx.reply.int(is_member as i64);
    }
}

/// `SMEMBERS key`
pub fn smembers(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(found) = to_read(cx, args.at(1)) else { return };
    let (db, reply) = cx.reading();
    let Some(found) = found else { return reply.set(0) };
    let set = of(db, found);
    reply.set(set.len());
    set.iter().for_each(|member| bulk(reply, member));
}
