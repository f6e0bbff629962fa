//! Which keys there are: EXISTS, TOUCH, TYPE, KEYS, DBSIZE.

use crate::glob;
use crate::keyspace::Db;
use crate::resp::Args;
use crate::shard::Cx;

/// `EXISTS key [key …]`
pub fn exists(cx: &mut Cx<'_>, args: Args<'_>) {
    let count = args.tail(1).iter().filter(|key| cx.read_untouched(key).is_some()).count();
    cx.reply.int(count as i64);
}

/// `TOUCH key [key …]`, which also CLIENT NO-TOUCH does not keep from touching.
pub fn touch(cx: &mut Cx<'_>, args: Args<'_>) {
    cx.session.no_touch = false;
    let count = args.tail(1).iter().filter(|key| cx.read(key).is_some()).count();
    cx.reply.int(count as i64);
}

/// `TYPE key`
pub fn type_name(cx: &mut Cx<'_>, args: Args<'_>) {
    let name = match cx.read_untouched(args.at(1)) {
        Some(found) => name_of_type(cx.db().type_code(found.entry)),
        None => "none",
    };
    cx.reply.simple(name);
}

/// Redis's name of a type number.
pub fn name_of_type(code: u8) -> &'static str {
    ["string", "list", "set", "zset", "hash", "module", "stream"].get(code as usize).copied().unwrap_or("unknown")
}

/// `DBSIZE`
pub fn dbsize(cx: &mut Cx<'_>, _: Args<'_>) {
    cx.depend_on_all();
    let len = cx.db().len();
    cx.reply.int(len as i64);
}

/// `KEYS pattern`
pub fn keys(cx: &mut Cx<'_>, args: Args<'_>) {
    cx.depend_on_all();
    let pattern = args.at(1);
    let now_ms = cx.now_ms();
    let (db, reply) = cx.reading();
    let start = reply.deferred_array();
    let mut shown = 0;
    db.for_each(|entry| {
        let key = db.key(entry);
        if is_alive(db, entry, now_ms) && (pattern == b"*" || glob::matches(pattern, key, false)) {
            reply.bulk(key);
            shown += 1;
        }
    });
    reply.finish_array(start, shown);
}

/// Whether an entry's time is not over.
pub fn is_alive(db: &Db, entry: crate::keyspace::EntryRef, now_ms: u64) -> bool {
    db.expire_at(entry).is_none_or(|at| at > now_ms)
}
