//! SET and its older kin.
//!
//! This is how a command is written: arguments are understood first, keys are found next, what is wrong ends the
//! command with an error as its reply; then the change, its events, its effect for the log, and the reply. The effect
//! says what happened, not what was asked: conditions are decided and times are absolute, so that replaying it does
//! the same again.

use super::text;
use super::time::{Time, Unit, is_over};
use crate::command::errors;
use crate::command::expect::{Refused, refuse};
use crate::config::events;
use crate::keyspace::Value;
use crate::resp::Args;
use crate::shard::{Cx, Expire, Found};

/// `SET key value [NX | XX] [GET] [EX s | PX ms | EXAT unix-s | PXAT unix-ms | KEEPTTL]`
pub fn set(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_set(cx, args);
}

#[inline]
fn try_set(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let (key, value) = (args.at(1), args.at(2));
    let options = Options::parse(cx, args.tail(3))?;
    let expire = match options.time {
        Some(time) => Expire::At(time.unix_ms(cx, "set")?),
        None if options.keep_ttl => Expire::Keep,
        None => Expire::Clear,
    };
    if options.get {
        match cx.read(key) {
            Some(found) => text::reply(cx, found)?,
            None => cx.reply.null(),
        }
    }
    let found = cx.write(key);
    let met = options.condition.is_none_or(|condition| (condition == Condition::Exists) == found.is_some());
    if met {
        store(cx, key, found, value, expire);
    }
    match (options.get, met) {
        (true, _) => {}
        (false, true) => cx.reply.ok(),
        (false, false) => cx.reply.null(),
    }
    Ok(())
}

/// When SET sets at all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// `NX`
    Missing,
    /// `XX`
    Exists,
}

#[derive(Default)]
struct Options<'a> {
    condition: Option<Condition>,
    get: bool,
    keep_ttl: bool,
    time: Option<Time<'a>>,
}

impl<'a> Options<'a> {
    #[inline]
    fn parse(cx: &mut Cx<'_>, words: Args<'a>) -> Result<Options<'a>, Refused> {
        let mut options = Options::default();
        let mut at = 0;
        while at < words.len() {
            match options.take(words, at) {
                Some(taken) => at += taken,
                None => return refuse(cx, errors::SYNTAX),
            }
        }
        Ok(options)
    }

    /// Understands the option at `at` and says how many words it takes; `None` if it is none or contradicts another.
    fn take(&mut self, words: Args<'a>, at: usize) -> Option<usize> {
        if words.is(at, "NX") && self.condition != Some(Condition::Exists) {
            self.condition = Some(Condition::Missing);
        } else if words.is(at, "XX") && self.condition != Some(Condition::Missing) {
            self.condition = Some(Condition::Exists);
        } else if words.is(at, "GET") {
            self.get = true;
        } else if words.is(at, "KEEPTTL") && self.time.is_none() {
            self.keep_ttl = true;
        } else {
            let unit = Unit::named(words.at(at))?;
            let number = words.get(at + 1)?;
            if self.keep_ttl || self.time.is_some_and(|time| time.unit != unit) {
                return None;
            }
            self.time = Some(Time { unit, number });
            return Some(2);
        }
        Some(1)
    }
}

/// Puts a string under a key with all that belongs to it: events and effect.
#[inline]
fn store(cx: &mut Cx<'_>, key: &[u8], found: Option<Found>, value: &[u8], expire: Expire) {
    if let Expire::At(at) = expire
        && is_over(cx, at)
    {
        return remove(cx, key, found);
    }
    cx.put(key, found, Value::from_bytes(value), expire);
    cx.notify(events::STRING, "set", key);
    match expire {
        Expire::Clear => cx.effect(&[b"SET", key, value]),
        Expire::Keep => cx.effect(&[b"SET", key, value, b"KEEPTTL"]),
        Expire::At(at) => {
            cx.notify(events::GENERIC, "expire", key);
            cx.effect(&[b"SET", key, value, b"PXAT", itoa::Buffer::new().format(at).as_bytes()]);
        }
    }
}

/// A string whose time is over before it is there: the key goes.
#[cold]
fn remove(cx: &mut Cx<'_>, key: &[u8], found: Option<Found>) {
    if let Some(found) = found {
        cx.delete(key, found);
        cx.notify(events::GENERIC, "del", key);
        cx.effect(&[b"DEL", key]);
    }
}

/// `SETNX key value`
pub fn setnx(cx: &mut Cx<'_>, args: Args<'_>) {
    let found = cx.write(args.at(1));
    if found.is_none() {
        store(cx, args.at(1), None, args.at(2), Expire::Clear);
    }
    cx.reply.int(found.is_none() as i64);
}

/// `SETEX key s value`
pub fn setex(cx: &mut Cx<'_>, args: Args<'_>) {
    set_for(cx, args, Unit::Ex, "setex");
}

/// `PSETEX key ms value`
pub fn psetex(cx: &mut Cx<'_>, args: Args<'_>) {
    set_for(cx, args, Unit::Px, "psetex");
}

fn set_for(cx: &mut Cx<'_>, args: Args<'_>, unit: Unit, command: &str) {
    let Ok(at) = (Time { unit, number: args.at(2) }).unix_ms(cx, command) else { return };
    let found = cx.write(args.at(1));
    store(cx, args.at(1), found, args.at(3), Expire::At(at));
    cx.reply.ok();
}

/// `GETSET key value`
pub fn getset(cx: &mut Cx<'_>, args: Args<'_>) {
    match cx.read(args.at(1)) {
        Some(found) if text::reply(cx, found).is_err() => return,
        Some(_) => {}
        None => cx.reply.null(),
    }
    let found = cx.write(args.at(1));
    store(cx, args.at(1), found, args.at(2), Expire::Clear);
}
