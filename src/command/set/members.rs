//! Adding, removing and moving members: SADD, SREM, SMOVE.

use super::access::{self, contains, delete_if_empty, in_object, of, to_write};
use crate::command::expect::Refused;
use crate::config::events;
use crate::object::Set;
use crate::resp::Args;
use crate::shard::{Cx, Found};

/// `SADD key member [member …]`
pub fn sadd(cx: &mut Cx<'_>, args: Args<'_>) {
    let key = args.at(1);
    let Ok(found) = to_write(cx, key) else { return };
    let members = args.tail(2);
    let added = match found {
        Some(found) => {
            let set = of(cx.db(), found);
            // What is there already changes nothing, and a key is touched only if it changes.
            match members.iter().position(|member| !set.contains(member)) {
                Some(first) => add(cx, key, found, members, first),
                None => 0,
            }
        }
        None => create(cx, key, members),
    };
    if added > 0 {
        cx.add_dirty(added as u64 - 1);
        cx.notify(events::SET, "sadd", key);
        cx.effect_verbatim();
    }
    cx.reply.int(added as i64);
}

#[inline]
fn add(cx: &mut Cx<'_>, key: &[u8], found: Found, members: Args<'_>, first: usize) -> usize {
    let thresholds = access::thresholds(cx);
    let mut object = cx.object_mut(key, found);
    let set = in_object(&mut object);
    set.expect(members.len(), &thresholds);
    members.tail(first).iter().filter(|member| set.insert(member, &thresholds)).count()
}

#[inline]
fn create(cx: &mut Cx<'_>, key: &[u8], members: Args<'_>) -> usize {
    let thresholds = access::thresholds(cx);
    let mut set = Set::for_member(members.at(0), members.len(), &thresholds);
    let added = members.iter().filter(|member| set.insert(member, &thresholds)).count();
    access::put(cx, key, None, set);
    added
}

/// `SREM key member [member …]`
pub fn srem(cx: &mut Cx<'_>, args: Args<'_>) {
    let key = args.at(1);
    let Ok(found) = to_write(cx, key) else { return };
    let members = args.tail(2);
    let first = members.iter().position(|member| contains(cx, found, member));
    let (Some(found), Some(first)) = (found, first) else { return cx.reply.int(0) };
    let mut object = cx.object_mut(key, found);
    let set = in_object(&mut object);
    let removed = members.tail(first).iter().filter(|member| set.remove(member)).count();
    drop(object);
    cx.add_dirty(removed as u64 - 1);
    cx.notify(events::SET, "srem", key);
    cx.effect_verbatim();
    delete_if_empty(cx, key, found);
    cx.reply.int(removed as i64);
}

/// `SMOVE source destination member`
pub fn smove(cx: &mut Cx<'_>, args: Args<'_>) {
    if let Ok(moved) = try_smove(cx, args) {
        cx.reply.int(moved as i64);
    }
}

fn try_smove(cx: &mut Cx<'_>, args: Args<'_>) -> Result<bool, Refused> {
    let (from, to, member) = (args.at(1), args.at(2), args.at(3));
    let Some(source) = to_write(cx, from)? else { return Ok(false) };
    let destination = to_write(cx, to)?;
    if !contains(cx, Some(source), member) {
        return Ok(false);
    }
    if from == to {
        return Ok(true);
    }
    in_object(&mut cx.object_mut(from, source)).remove(member);
    cx.notify(events::SET, "srem", from);
    delete_if_empty(cx, from, source);
    if !contains(cx, destination, member) {
        match destination {
            Some(found) => add(cx, to, found, args.tail(3), 0),
            None => create(cx, to, args.tail(3)),
        };
        cx.notify(events::SET, "sadd", to);
    }
    cx.effect_verbatim();
    Ok(true)
}
