//! Several strings at once: MGET, MSET, MSETNX.

use crate::config::events;
use crate::keyspace::{Value, ValueRef};
use crate::resp::Args;
use crate::shard::{Cx, Expire};

/// `MGET key [key …]`
pub fn mget(cx: &mut Cx<'_>, args: Args<'_>) {
    let keys = args.tail(1);
    cx.reply.array(keys.len());
    for key in keys.iter() {
        let Some(found) = cx.read(key) else {
            cx.reply.null();
            continue;
        };
        let (db, reply) = cx.reading();
        match db.value(found.entry) {
            ValueRef::Str(bytes) => reply.bulk(bytes),
            ValueRef::Int(number) => reply.bulk_int(number),
            ValueRef::Object(_) => reply.null(),
        }
    }
}

/// `MSET key value [key value …]`
pub fn mset(cx: &mut Cx<'_>, args: Args<'_>) {
    if args.len().is_multiple_of(2) {
        return cx.reply.error("ERR wrong number of arguments for 'mset' command");
    }
    store_all(cx, args);
    cx.reply.ok();
}

/// `MSETNX key value [key value …]`
pub fn msetnx(cx: &mut Cx<'_>, args: Args<'_>) {
    if args.len().is_multiple_of(2) {
        return cx.reply.error("ERR wrong number of arguments for 'msetnx' command");
    }
    let any_there = (1..args.len()).step_by(2).any(|at| cx.write(args.at(at)).is_some());
    if !any_there {
        store_all(cx, args);
    }
    cx.reply.int(!any_there as i64);
}

fn store_all(cx: &mut Cx<'_>, args: Args<'_>) {
    for at in (1..args.len()).step_by(2) {
        let (key, value) = (args.at(at), args.at(at + 1));
        let found = cx.write(key);
        cx.put(key, found, Value::from_bytes(value), Expire::Clear);
        cx.notify(events::STRING, "set", key);
    }
    cx.effect_verbatim();
}
