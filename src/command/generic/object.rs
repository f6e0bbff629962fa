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

/// Whether access bits are LFU counters.
pub fn is_lfu(cx: &Cx<'_>) -> bool {
    matches!(cx.settings().maxmemory_policy, MaxmemoryPolicy::AllkeysLfu | MaxmemoryPolicy::VolatileLfu)
}

/// `OBJECT IDLETIME key`
pub fn idletime(cx: &mut Cx<'_>, args: Args<'_>) {
    let Some(found) = look(cx, args) else { return };
    if is_lfu(cx) {
        return cx.reply.error(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
             policies at runtime LRU and LFU data will take some time to adjust.",
        );
    }
    let idle = ((cx.now_ms() / 1000) as u32).wrapping_sub(cx.db().access(found.entry)) & 0xff_ffff;
    cx.reply.int(idle as i64);
}

/// `OBJECT FREQ key`
pub fn freq(cx: &mut Cx<'_>, args: Args<'_>) {
    let Some(found) = look(cx, args) else { return };
    if !is_lfu(cx) {
        return cx.reply.error(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
             switching between policies at runtime LRU and LFU data will take some time to adjust.",
        );
    }
    let counter = decayed(cx.db().access(found.entry), cx.now_ms(), cx.settings().lfu_decay_minutes);
    cx.reply.int(counter as i64);
}

/// The LFU counter that access bits hold, less one for every `decay_minutes` since it was last counted up: minutes (16
/// bits) above the counter (8 bits), as Redis has them.
fn decayed(access: u32, now_ms: u64, decay_minutes: u32) -> u32 {
    let (counted_at, counter) = (access >> 8, access & 0xff);
    let minutes = ((now_ms / 60_000) as u32).wrapping_sub(counted_at) & 0xffff;
    counter.saturating_sub(minutes.checked_div(decay_minutes).unwrap_or(0))
}

/// `OBJECT HELP`
pub fn help(cx: &mut Cx<'_>, _: Args<'_>) {
    spec::reply::help(b"object", &mut cx.reply);
}

#[cfg(test)]
mod tests {
    use super::decayed;

    #[test]
    fn the_counter_falls_with_time_and_not_below_zero() {
        let minute = 0xfffe;
        let access = minute << 8 | 5;
        assert_eq!(decayed(access, 60_000 * u64::from(minute), 1), 5);
        assert_eq!(decayed(access, 60_000 * u64::from(minute + 3), 1), 2, "also over the end of 16 bits");
        assert_eq!(decayed(access, 60_000 * u64::from(minute + 3), 2), 4);
        assert_eq!(decayed(access, 60_000 * u64::from(minute + 300), 1), 0);
        assert_eq!(decayed(access, 60_000 * u64::from(minute + 300), 0), 5);
    }
}
