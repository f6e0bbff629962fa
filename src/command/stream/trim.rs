//! XTRIM and XDEL.

use super::arguments::{self, AddOptions};
use super::value;
use crate::command::expect::Refused;
use crate::config::events;
use crate::object::stream::Trim;
use crate::resp::Args;
use crate::shard::Cx;

/// `XTRIM key MAXLEN | MINID [= | ~] threshold [LIMIT count]`
pub fn xtrim(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(removed) = try_xtrim(cx, args) else { return };
    cx.reply.int(removed as i64);
}

fn try_xtrim(cx: &mut Cx<'_>, args: Args<'_>) -> Result<u64, Refused> {
    let key = args.at(1);
    let options = AddOptions::parse(cx, args.tail(2), false)?;
    let Some(found) = value::to_write(cx, key)? else { return Ok(0) };
    let Some(trimming) = options.trimming else { return Ok(0) };
    let log = value::of(cx.value(found)).log();
    let may_go = match trimming.trim {
        Trim::MaxLen(len) => log.len() > len,
        Trim::MinId(min) => !log.is_empty() && log.first_id() < min,
    };
    // Whether whole nodes go is known only by trying, so the log may be told of a trim that removed nothing.
    if !may_go {
        return Ok(0);
    }
    let mut object = cx.object_mut(key, found);
    let log = value::of_mut(&mut object).log_mut();
    let removed = log.trim(trimming.trim, trimming.approximate, trimming.limit);
    let left = log.len();
    drop(object);
    if removed > 0 {
        cx.notify(events::STREAM, "xtrim", key);
    }
    cx.effect(&[b"XTRIM", key, b"MAXLEN", b"=", itoa::Buffer::new().format(left).as_bytes()]);
    Ok(removed)
}

/// `XDEL key id [id …]`
pub fn xdel(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(deleted) = try_xdel(cx, args) else { return };
    cx.reply.int(deleted as i64);
}

fn try_xdel(cx: &mut Cx<'_>, args: Args<'_>) -> Result<usize, Refused> {
    let key = args.at(1);
    let Some(found) = value::to_write(cx, key)? else { return Ok(0) };
    let ids = arguments::ids(cx, args.tail(2))?;
    let log = value::of(cx.value(found)).log();
    let Some(first) = ids.iter().position(|&id| log.get(id).is_some()) else { return Ok(0) };
    let mut object = cx.object_mut(key, found);
    let log = value::of_mut(&mut object).log_mut();
    let deleted = ids[first..].iter().filter(|&&id| log.delete(id)).count();
    drop(object);
    cx.notify(events::STREAM, "xdel", key);
    cx.effect_verbatim();
    Ok(deleted)
}
