//! OBJECT: how values are held and how often keys are used.

use crate::command::spec;
use crate::config::MaxmemoryPolicy;
use crate::keyspace::ValueRef;
use crate::resp::Args;
use crate::shard::{Cx, Found};

/// Redis keeps one copy of each of the numbers below, used by all keys.
const SHARED_NUMBERS: i64 = 10_000;

/// The key, not touched by being looked at. Replies with null if there is none.
fn look(cx: &mut Cx<'_>, args: Args<'_>) -> Option<Found> {
    let found = cx.read_untouched(args.at(2));
    if found.is_none() {
        cx.reply.null();
    }
    found
}

/// `OBJECT ENCODING key`
pub fn encoding(cx: &mut Cx<'_>, args: Args<'_>) {
    let Some(found) = look(cx, args) else { return };
    let name = cx.db().encoding_name(found.entry);
    cx.reply.bulk(name.as_bytes());
}

/// `OBJECT REFCOUNT key`: nothing is shared here, but clients are told of the numbers that Redis shares.
pub fn refcount(cx: &mut Cx<'_>, args: Args<'_>) {
    let Some(found) = look(cx, args) else { return };
    let shared = matches!(cx.value(found), ValueRef::Int(0..SHARED_NUMBERS)) && !forgets_shared_numbers(cx);
    cx.reply.int(if shared { i32::MAX as i64 } else { 1 });
}

/// Policies that look at each key's access time keep Redis from sharing.
fn forgets_shared_numbers(cx: &Cx<'_>) -> bool {
    use MaxmemoryPolicy::{AllkeysLfu, AllkeysLru, VolatileLfu, VolatileLru};
    let policy = cx.settings().maxmemory_policy;
    cx.settings().maxmemory_bytes > 0 && matches!(policy, AllkeysLfu | AllkeysLru | VolatileLfu | VolatileLru)
}

/// `OBJECT IDLETIME key`
pub fn idletime(cx: &mut Cx<'_>, args: Args<'_>) {
    let Some(found) = look(cx, args) else { return };
    if cx.access_clock().is_lfu() {
        return cx.reply.error(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
             policies at runtime LRU and LFU data will take some time to adjust.",
        );
    }
    let idle = cx.access_clock().idle_s(cx.db().access(found.entry));
    cx.reply.int(idle.into());
}

/// `OBJECT FREQ key`
pub fn freq(cx: &mut Cx<'_>, args: Args<'_>) {
    let Some(found) = look(cx, args) else { return };
    if !cx.access_clock().is_lfu() {
        return cx.reply.error(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.",
        );
    }
    let counter = cx.access_clock().frequency(cx.db().access(found.entry));
    cx.reply.int(counter.into());
}

/// `OBJECT HELP`
pub fn help(cx: &mut Cx<'_>, _: Args<'_>) {
    spec::reply::help(b"object", &mut cx.reply);
}
