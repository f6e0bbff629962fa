//! GETEX: GET that also changes the key's expiry.

use super::text;
use super::time::{Time, Unit, is_over};
use crate::command::errors;
use crate::command::expect::{Refused, refuse, string_to_read};
use crate::config::events;
use crate::resp::Args;
use crate::shard::{Cx, Found};

/// What becomes of the expiry.
#[derive(Clone, Copy)]
enum Change<'a> {
    /// Nothing.
    None,
    /// It goes.
    Persist,
    /// It is set.
    Set(Time<'a>),
}

/// `GETEX key [EX s | PX ms | EXAT unix-s | PXAT unix-ms | PERSIST]`
pub fn getex(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_getex(cx, args);
}

fn try_getex(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let key = args.at(1);
    let Some(change) = parse(args.tail(2)) else { return refuse(cx, errors::SYNTAX) };
    let Some(found) = string_to_read(cx, key)? else {
        cx.reply.null();
        return Ok(());
    };
    match change {
        Change::None => text::reply(cx, found)?,
        Change::Persist => {
            text::reply(cx, found)?;
            persist(cx, key, found);
        }
        Change::Set(time) => {
            let at = time.unix_ms(cx, "getex")?;
            text::reply(cx, found)?;
            expire(cx, key, found, at);
        }
    }
    Ok(())
}

fn parse(words: Args<'_>) -> Option<Change<'_>> {
    let mut change = Change::None;
    let mut at = 0;
    while at < words.len() {
        if words.is(at, "PERSIST") {
            if matches!(change, Change::Set(_)) {
                return None;
            }
            change = Change::Persist;
            at += 1;
            continue;
        }
        let time = Time { unit: Unit::named(words.at(at))?, number: words.get(at + 1)? };
        match change {
            Change::Persist => return None,
            Change::Set(other) if other.unit != time.unit => return None,
            _ => change = Change::Set(time),
        }
        at += 2;
    }
    Some(change)
}

fn persist(cx: &mut Cx<'_>, key: &[u8], found: Found) {
    if cx.expire_at(found).is_some() {
        cx.set_expire(key, found, None);
        cx.notify(events::GENERIC, "persist", key);
        cx.effect(&[b"PERSIST", key]);
    }
}

fn expire(cx: &mut Cx<'_>, key: &[u8], found: Found, at: u64) {
    if is_over(cx, at) {
        cx.delete(key, found);
        cx.notify(events::GENERIC, "del", key);
        cx.effect(&[b"DEL", key]);
    } else {
        cx.set_expire(key, found, Some(at));
        cx.notify(events::GENERIC, "expire", key);
        cx.effect(&[b"PEXPIREAT", key, itoa::Buffer::new().format(at).as_bytes()]);
    }
}
