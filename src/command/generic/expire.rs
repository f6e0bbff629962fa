//! EXPIRE and its kin, and PERSIST. In the log all of them are PEXPIREAT, PERSIST or DEL.

use crate::command::expect::{Refused, integer, refuse};
use crate::config::events;
use crate::resp::Args;
use crate::shard::Cx;

/// How the number is meant: its unit in ms, and whether it counts from now.
struct Meaning {
    unit_ms: i64,
    from_now: bool,
    command: &'static str,
}

/// `EXPIRE key s [NX | XX | GT | LT]`
pub fn expire(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = set(cx, args, Meaning { unit_ms: 1000, from_now: true, command: "expire" });
}

/// `PEXPIRE key ms [NX | XX | GT | LT]`
pub fn pexpire(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = set(cx, args, Meaning { unit_ms: 1, from_now: true, command: "pexpire" });
}

/// `EXPIREAT key unix-s [NX | XX | GT | LT]`
pub fn expireat(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = set(cx, args, Meaning { unit_ms: 1000, from_now: false, command: "expireat" });
}

/// `PEXPIREAT key unix-ms [NX | XX | GT | LT]`
pub fn pexpireat(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = set(cx, args, Meaning { unit_ms: 1, from_now: false, command: "pexpireat" });
}

fn set(cx: &mut Cx<'_>, args: Args<'_>, meaning: Meaning) -> Result<(), Refused> {
    let key = args.at(1);
    let conditions = Conditions::parse(cx, args.tail(3))?;
    let at = meaning.unix_ms(cx, args.at(2))?;
    let Some(found) = cx.write(key).filter(|&found| conditions.allow(cx.expire_at(found), at)) else {
        cx.reply.int(0);
        return Ok(());
    };
    if at <= cx.now_ms() as i64 && !cx.is_replay() {
        cx.delete(key, found);
        cx.notify(events::GENERIC, "del", key);
        cx.effect(&[b"DEL", key]);
    } else {
        let at = at.max(0) as u64;
        cx.set_expire(key, found, Some(at));
        cx.notify(events::GENERIC, "expire", key);
        cx.effect(&[b"PEXPIREAT", key, itoa::Buffer::new().format(at).as_bytes()]);
    }
    cx.reply.int(1);
    Ok(())
}

impl Meaning {
    /// The time in unix ms, which may be negative.
    fn unix_ms(&self, cx: &mut Cx<'_>, text: &[u8]) -> Result<i64, Refused> {
        let origin = if self.from_now { cx.now_ms() as i64 } else { 0 };
        let number = integer(cx, text)?;
        match number.checked_mul(self.unit_ms).and_then(|ms| ms.checked_add(origin)) {
            Some(at) => Ok(at),
            None => refuse(cx, format!("ERR invalid expire time in '{}' command", self.command)),
        }
    }
}

/// What must hold of the time that the key has.
#[derive(Default)]
struct Conditions {
    /// `NX`: it has none.
    missing: bool,
    /// `XX`: it has one.
    exists: bool,
    /// `GT`: the new one is later. None at all counts as never.
    later: bool,
    /// `LT`: the new one is sooner.
    sooner: bool,
}

impl Conditions {
    #[inline]
    fn parse(cx: &mut Cx<'_>, words: Args<'_>) -> Result<Conditions, Refused> {
        let mut conditions = Conditions::default();
        for at in 0..words.len() {
            let condition = match words {
                _ if words.is(at, "NX") => &mut conditions.missing,
                _ if words.is(at, "XX") => &mut conditions.exists,
                _ if words.is(at, "GT") => &mut conditions.later,
                _ if words.is(at, "LT") => &mut conditions.sooner,
                _ => return refuse(cx, [b"ERR Unsupported option ", words.at(at)].concat()),
            };
            *condition = true;
        }
        if conditions.missing && (conditions.exists || conditions.later || conditions.sooner) {
            return refuse(cx, "ERR NX and XX, GT or LT options at the same time are not compatible");
        }
        if conditions.later && conditions.sooner {
            return refuse(cx, "ERR GT and LT options at the same time are not compatible");
        }
        Ok(conditions)
    }

    #[inline]
    fn allow(&self, old: Option<u64>, new: i64) -> bool {
        let old = old.map(|at| at as i64);
        !(self.missing && old.is_some()
            || self.exists && old.is_none()
            || self.later && old.is_none_or(|old| new <= old)
            || self.sooner && old.is_some_and(|old| new >= old))
    }
}

/// `PERSIST key`
pub fn persist(cx: &mut Cx<'_>, args: Args<'_>) {
    let key = args.at(1);
    let found = cx.write(key).filter(|&found| cx.expire_at(found).is_some());
    if let Some(found) = found {
        cx.set_expire(key, found, None);
        cx.notify(events::GENERIC, "persist", key);
        cx.effect_verbatim();
    }
    cx.reply.int(found.is_some() as i64);
}
