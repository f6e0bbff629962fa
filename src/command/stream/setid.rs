//! XSETID.

use super::{arguments, value};
use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse};
use crate::config::events;
use crate::object::stream::StreamId;
use crate::resp::Args;
use crate::shard::Cx;

/// `XSETID key last-id [ENTRIESADDED count] [MAXDELETEDID id]`
pub fn xsetid(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_xsetid(cx, args);
}

fn try_xsetid(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let key = args.at(1);
    let last_id = arguments::id(cx, args.at(2))?;
    let (mut entries_added, mut max_deleted_id) = (None, None);
    for at in (3..args.len()).step_by(2) {
        match args.get(at + 1) {
            Some(number) if args.is(at, "ENTRIESADDED") => match integer(cx, number)? {
                number @ 0.. => entries_added = Some(number as u64),
                _ => return refuse(cx, "ERR entries_added must be positive"),
            },
            Some(id) if args.is(at, "MAXDELETEDID") => {
                let id = arguments::id(cx, id)?;
                if last_id < id {
                    return refuse(
                        cx,
                        "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                    );
                }
                max_deleted_id = Some(id).filter(|&id| id != StreamId::MIN);
            }
            _ => return refuse(cx, errors::SYNTAX),
        }
    }
    let Some(found) = value::to_write(cx, key)? else { return refuse(cx, errors::NO_SUCH_KEY) };
    let log = value::of(cx.value(found)).log();
    let (mut meta, len, last_entry) = (log.meta(), log.len(), log.last_entry_id());
    if last_id < meta.max_deleted_id {
        return refuse(cx, "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
    }
    if last_entry.is_some_and(|last_entry| last_id < last_entry) {
        return refuse(cx, "ERR The ID specified in XSETID is smaller than the target stream top item");
    }
    if len > 0 && entries_added.is_some_and(|added| added < len) {
        return refuse(cx, "ERR The entries_added specified in XSETID is smaller than the target stream length");
    }
    meta.last_id = last_id;
    meta.entries_added = entries_added.unwrap_or(meta.entries_added);
    meta.max_deleted_id = max_deleted_id.unwrap_or(meta.max_deleted_id);
    value::of_mut(&mut cx.object_mut_unwatched(key, found)).log_mut().set_meta(meta);
    cx.notify(events::STREAM, "xsetid", key);
    cx.effect_verbatim();
    cx.reply.ok();
    Ok(())
}
