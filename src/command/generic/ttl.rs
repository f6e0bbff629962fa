//! When a key expires: TTL, PTTL, EXPIRETIME, PEXPIRETIME. −1: never; −2: there is no key.

use crate::resp::Args;
use crate::shard::Cx;

/// `TTL key`
pub fn ttl(cx: &mut Cx<'_>, args: Args<'_>) {
    reply(cx, args, |at, now| rounded_s(at.saturating_sub(now)));
}

/// `PTTL key`
pub fn pttl(cx: &mut Cx<'_>, args: Args<'_>) {
    reply(cx, args, |at, now| at.saturating_sub(now) as i64);
}

/// `EXPIRETIME key`
pub fn expiretime(cx: &mut Cx<'_>, args: Args<'_>) {
    reply(cx, args, |at, _| rounded_s(at));
}

/// `PEXPIRETIME key`
pub fn pexpiretime(cx: &mut Cx<'_>, args: Args<'_>) {
    reply(cx, args, |at, _| at as i64);
}

fn rounded_s(ms: u64) -> i64 {
    (ms.saturating_add(500) / 1000) as i64
}

fn reply(cx: &mut Cx<'_>, args: Args<'_>, of: impl FnOnce(u64, u64) -> i64) {
    let found = cx.read_untouched(args.at(1));
    let number = match found.map(|found| cx.expire_at(found)) {
        None => -2,
        Some(None) => -1,
        Some(Some(at)) => of(at, cx.now_ms()),
    };
    cx.reply.int(number);
}
