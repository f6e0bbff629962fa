//! COPY and MOVE.

use crate::command::errors;
use crate::command::expect::{Refused, database, refuse};
use crate::config::events;
use crate::resp::Args;
use crate::shard::Cx;

/// `COPY source destination [DB db] [REPLACE]`
pub fn copy(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(copied) = try_copy(cx, args) else { return };
    cx.reply.int(copied as i64);
}

fn try_copy(cx: &mut Cx<'_>, args: Args<'_>) -> Result<bool, Refused> {
    let (from, to) = (args.at(1), args.at(2));
    let (db, replace) = parse(cx, args.tail(3))?;
    if db == cx.session.db && from == to {
        return refuse(cx, errors::SAME_OBJECT);
    }
    // Found as a writer finds it: were its time over and the key still there, replaying the effect would copy it.
    let Some(found) = cx.write(from) else { return Ok(false) };
    let old = cx.write_in(db, to);
    if old.is_some() && !replace {
        return Ok(false);
    }
    let copy = cx.copy(found);
    if let Some(old) = old {
        cx.delete_in(db, to, old);
    }
    cx.place(db, to, copy);
    cx.notify_in(db, events::GENERIC, "copy_to", to);
    cx.effect_verbatim();
    Ok(true)
}

fn parse(cx: &mut Cx<'_>, words: Args<'_>) -> Result<(u16, bool), Refused> {
    let (mut db, mut replace, mut at) = (cx.session.db, false, 0);
    while at < words.len() {
        if words.is(at, "REPLACE") {
            replace = true;
        } else if words.is(at, "DB")
            && let Some(number) = words.get(at + 1)
        {
            db = database(cx, number)?;
            at += 1;
        } else {
            return refuse(cx, errors::SYNTAX);
        }
        at += 1;
    }
    Ok((db, replace))
}

/// `MOVE key db`
pub fn move_key(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(moved) = try_move(cx, args) else { return };
    cx.reply.int(moved as i64);
}

fn try_move(cx: &mut Cx<'_>, args: Args<'_>) -> Result<bool, Refused> {
    let key = args.at(1);
    let db = database(cx, args.at(2))?;
    if db == cx.session.db {
        return refuse(cx, errors::SAME_OBJECT);
    }
    let Some(found) = cx.write(key) else { return Ok(false) };
    if cx.write_in(db, key).is_some() {
        return Ok(false);
    }
    let taken = cx.take(key, found);
    cx.place(db, key, taken);
    cx.notify(events::GENERIC, "move_from", key);
    cx.notify_in(db, events::GENERIC, "move_to", key);
    cx.effect_verbatim();
    Ok(true)
}
