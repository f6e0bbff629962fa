//! HSETEX: HSET with conditions and an expiry.

use super::access::{self, delete_fields, in_object, of, to_write};
use super::expire::log_times;
use super::fields::{Meaning, is_over};
use super::write::store;
use crate::command::expect::{Refused, refuse};
use crate::command::typed::wrong_arity;
use crate::config::events;
use crate::keyspace::parse_canonical_i64;
use crate::object::hash::OnUpdate;
use crate::resp::Args;
use crate::shard::{Cx, Found};

/// `HSETEX key [FNX | FXX] [EX s | PX ms | EXAT unix-s | PXAT unix-ms | KEEPTTL] FIELDS numfields field value …`
pub fn hsetex(cx: &mut Cx<'_>, args: Args<'_>) {
    if let Ok(set) = try_hsetex(cx, args) {
        cx.reply.int(set as i64);
    }
}

fn try_hsetex(cx: &mut Cx<'_>, args: Args<'_>) -> Result<bool, Refused> {
    let key = args.at(1);
    let options = Options::parse(cx, args)?;
    let at = match options.time {
        Some((meaning, number)) => Some(meaning.unix_ms(cx, number, "hsetex")?),
        None => None,
    };
    let found = to_write(cx, key)?;
    let pairs = options.pairs;
    let fields = || (0..pairs.len()).step_by(2).map(|at| pairs.at(at));
    let exists = |field: &[u8]| found.is_some_and(|found| of(cx.db(), found).contains(field));
    let met = options.must_exist.is_none_or(|must| fields().all(|field| exists(field) == must));
    if !met {
        return Ok(false);
    }
    if at.is_some_and(|at| is_over(cx, at)) {
        let there: Vec<_> = fields().filter(|field| exists(field)).collect();
        if let Some(found) = found
            && !there.is_empty()
        {
            delete_fields(cx, key, found, &there);
        }
        return Ok(true);
    }
    cx.atomically(|cx| {
        match found {
            Some(found) if options.keep_ttl => keep(cx, key, found, pairs),
            _ => {
                store(cx, key, found, pairs);
                log_set(cx, key, pairs);
            }
        }
        if let Some(at) = at {
            expire(cx, key, at, &fields().collect::<Vec<_>>());
        }
    });
    Ok(true)
}

/// Sets fields that keep their times.
fn keep(cx: &mut Cx<'_>, key: &[u8], found: Found, pairs: Args<'_>) {
    let thresholds = access::thresholds(cx);
    let mut object = cx.object_mut(key, found);
    let hash = in_object(&mut object);
    for at in (0..pairs.len()).step_by(2) {
        hash.set(pairs.at(at), pairs.at(at + 1), OnUpdate::KeepExpire, &thresholds);
    }
    drop(object);
    log_set(cx, key, pairs);
    // HSET takes the times when it is replayed.
    for at in (0..pairs.len()).step_by(2) {
        let field = pairs.at(at);
        if let Some((_, Some(time))) = of(cx.db(), found).get(field) {
            let mut digits = itoa::Buffer::new();
            cx.effect(&[b"HPEXPIREAT", key, digits.format(time).as_bytes(), b"FIELDS", b"1", field]);
        }
    }
}

fn log_set(cx: &mut Cx<'_>, key: &[u8], pairs: Args<'_>) {
    cx.notify(events::HASH, "hset", key);
    let words: Vec<&[u8]> = [&b"HSET"[..], key].into_iter().chain(pairs.iter()).collect();
    cx.effect(&words);
}

/// Gives fields that have just been set a time.
fn expire(cx: &mut Cx<'_>, key: &[u8], at: u64, fields: &[&[u8]]) {
    let Some(found) = cx.peek(key) else { return };
    let mut object = cx.object_mut(key, found);
    let hash = in_object(&mut object);
    for field in fields {
        hash.set_expire(field, Some(at.max(1)));
    }
    drop(object);
    log_times(cx, key, at, fields);
}

struct Options<'a> {
    /// FXX: all fields must be there. FNX: none.
    must_exist: Option<bool>,
    keep_ttl: bool,
    time: Option<(Meaning, &'a [u8])>,
    pairs: Args<'a>,
}

impl<'a> Options<'a> {
    fn parse(cx: &mut Cx<'_>, args: Args<'a>) -> Result<Options<'a>, Refused> {
        let mut options = Options { must_exist: None, keep_ttl: false, time: None, pairs: args.tail(args.len()) };
        let mut at = 2;
        while at < args.len() {
            if args.is(at, "FIELDS") {
                options.pairs = pairs(cx, args.tail(at + 1))?;
                return Ok(options);
            } else if args.is(at, "FNX") || args.is(at, "FXX") {
                if options.must_exist.is_some() {
                    return refuse(cx, "ERR Only one of FXX or FNX arguments can be specified");
                }
                options.must_exist = Some(args.is(at, "FXX"));
                at += 1;
                continue;
            }
            let meaning = Meaning::of_option(args.at(at));
            if meaning.is_none() && !args.is(at, "KEEPTTL") {
                return refuse(cx, [b"ERR unknown argument: ", args.at(at)].concat());
            }
            if options.keep_ttl || options.time.is_some() {
                return refuse(cx, "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
            }
            match (meaning, args.get(at + 1)) {
                (None, _) => options.keep_ttl = true,
                (Some(meaning), Some(number)) => {
                    options.time = Some((meaning, number));
                    at += 1;
                }
                (Some(_), None) => return refuse(cx, "ERR missing expire time"),
            }
            at += 1;
        }
        refuse(cx, "ERR missing FIELDS argument")
    }
}

/// `numfields field value …`
fn pairs<'a>(cx: &mut Cx<'_>, words: Args<'a>) -> Result<Args<'a>, Refused> {
    let number = words.get(0).and_then(parse_canonical_i64).filter(|number| (1..=i64::from(i32::MAX)).contains(number));
    let Some(number) = number else { return refuse(cx, "ERR invalid number of fields") };
    let pairs = words.tail(1);
    if pairs.len() as i64 != 2 * number {
        return refuse(cx, wrong_arity("hsetex"));
    }
    Ok(pairs)
}
