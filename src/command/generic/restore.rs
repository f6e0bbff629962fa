//! RESTORE. In the log its time is absolute and it replaces, so that it can be replayed on any state.

use super::payload;
use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse};
use crate::config::events;
use crate::keyspace::Value;
use crate::object::Limits;
use crate::rdb::{self, DumpError, Encoder};
use crate::resp::Args;
use crate::shard::{Cx, Expire, Found};

/// `RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME s] [FREQ frequency]`
pub fn restore(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_restore(cx, args);
}

fn try_restore(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let (key, payload) = (args.at(1), args.at(3));
    let options = Options::parse(cx, args.tail(4))?;
    let found = cx.write(key);
    if found.is_some() && !options.replace {
        return refuse(cx, "BUSYKEY Target key name already exists.");
    }
    let ttl = match integer(cx, args.at(2))? {
        ttl @ 0.. => ttl as u64,
        _ => return refuse(cx, "ERR Invalid TTL value, must be >= 0"),
    };
    let value = parse(cx, payload)?;
    let origin = if options.absolute { 0 } else { cx.now_ms() };
    let expire = (ttl > 0).then(|| ttl.saturating_add(origin).min(i64::MAX as u64));
    if expire.is_some_and(|at| at <= cx.now_ms()) && !cx.is_replay() {
        if let Some(found) = found {
            cx.delete(key, found);
            cx.notify(events::GENERIC, "del", key);
            cx.effect(&[b"DEL", key]);
        }
    } else {
        let found = cx.put(key, found, value, expire.map_or(Expire::Clear, Expire::At));
        options.set_access(cx, found);
        cx.notify(events::GENERIC, "restore", key);
        log(cx, key, found, payload, expire.unwrap_or(0));
    }
    cx.reply.ok();
    Ok(())
}

fn parse(cx: &mut Cx<'_>, payload: &[u8]) -> Result<Value<'static>, Refused> {
    match rdb::parse_dump(payload) {
        Ok(value) => match payload::value(value, &Limits::from(cx.settings())) {
            Some(value) => Ok(value),
            None => refuse(cx, errors::BAD_DATA),
        },
        Err(DumpError::VersionOrChecksum) => refuse(cx, "ERR DUMP payload version or checksum are wrong"),
        Err(DumpError::Data(_)) => refuse(cx, errors::BAD_DATA),
    }
}

/// Logs a RESTORE that Redis can load too: a payload in another server's dialect is written anew.
fn log(cx: &mut Cx<'_>, key: &[u8], found: Found, payload: &[u8], expire: u64) {
    let mut rewritten = Vec::new();
    let payload = if is_foreign(payload) {
        payload::write(&mut Encoder::new(false), &mut rewritten, cx.value(found));
        &rewritten[..]
    } else {
        payload
    };
    let mut digits = itoa::Buffer::new();
    cx.effect(&[b"RESTORE", key, digits.format(expire).as_bytes(), payload, b"REPLACE", b"ABSTTL"]);
}

/// Whether a payload that was read is of a version that only Valkey knows. The version stands before the checksum.
fn is_foreign(payload: &[u8]) -> bool {
    let version = payload.last_chunk::<10>().map_or(0, |footer| u16::from_le_bytes([footer[0], footer[1]]));
    version > rdb::VERSION_FIELD_TTL
}

#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle_s: Option<u64>,
    frequency: Option<u8>,
}

impl Options {
    fn parse(cx: &mut Cx<'_>, words: Args<'_>) -> Result<Options, Refused> {
        let mut options = Options::default();
        let mut at = 0;
        while at < words.len() {
            match words.get(at + 1) {
                _ if words.is(at, "REPLACE") => options.replace = true,
                _ if words.is(at, "ABSTTL") => options.absolute = true,
                Some(number) if words.is(at, "IDLETIME") && options.frequency.is_none() => {
                    let Ok(idle_s) = u64::try_from(integer(cx, number)?) else {
                        return refuse(cx, "ERR Invalid IDLETIME value, must be >= 0");
                    };
                    options.idle_s = Some(idle_s);
                    at += 1;
                }
                Some(number) if words.is(at, "FREQ") && options.idle_s.is_none() => {
                    let Ok(frequency) = u8::try_from(integer(cx, number)?) else {
                        return refuse(cx, "ERR Invalid FREQ value, must be >= 0 and <= 255");
                    };
                    options.frequency = Some(frequency);
                    at += 1;
                }
                _ => return refuse(cx, errors::SYNTAX),
            }
            at += 1;
        }
        Ok(options)
    }

    /// Sets the access bits that the options ask for, as far as the eviction policy keeps such.
    fn set_access(&self, cx: &mut Cx<'_>, found: Found) {
        let now_ms = cx.now_ms();
        let is_lfu = cx.access_clock().is_lfu();
        if let Some(idle_s) = self.idle_s
            && !is_lfu
        {
            cx.set_access(found, ((now_ms / 1000).saturating_sub(idle_s) & 0xff_ffff) as u32);
        }
        if let Some(frequency) = self.frequency
            && is_lfu
        {
            cx.set_access(found, ((now_ms / 60_000) as u32 & 0xffff) << 8 | u32::from(frequency));
        }
    }
}
