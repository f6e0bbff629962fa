//! XACK.

use super::{arguments, value};
use crate::command::expect::Refused;
use crate::resp::Args;
use crate::shard::Cx;

/// `XACK key group id [id …]`
pub fn xack(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(acknowledged) = try_xack(cx, args) else { return };
    cx.reply.int(acknowledged as i64);
}

fn try_xack(cx: &mut Cx<'_>, args: Args<'_>) -> Result<usize, Refused> {
    let (key, name) = (args.at(1), args.at(2));
    let Some(found) = value::to_write(cx, key)? else { return Ok(0) };
    if value::of(cx.value(found)).group(name).is_none() {
        return Ok(0);
    }
    let ids = arguments::ids(cx, args.tail(3))?;
    let pending = |id| value::of(cx.value(found)).group(name).is_some_and(|group| group.pending(id).is_some());
    let Some(first) = ids.iter().position(|&id| pending(id)) else { return Ok(0) };
    let mut object = cx.object_mut_unwatched(key, found);
    let group = value::group_mut(&mut object, name);
    let acknowledged = ids[first..].iter().filter(|&&id| group.acknowledge(id).is_some()).count();
    drop(object);
    cx.effect_verbatim();
    Ok(acknowledged)
}
