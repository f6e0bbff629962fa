//! XPENDING.

use super::{arguments, value};
use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse};
use crate::object::stream::{Group, StreamId};
use crate::resp::{Args, Reply};
use crate::shard::{Cx, Found};

/// The error of a key or group that is not there.
pub(super) fn no_key_or_group(key: &[u8], group: &[u8]) -> Vec<u8> {
    [b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'"].concat()
}

/// `XPENDING key group [[IDLE min-ms] start end count [consumer]]`
pub fn xpending(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_xpending(cx, args);
}

fn try_xpending(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let range = match args.len() {
        3 => None,
        6..=9 => Some(Range::parse(cx, args)?),
        _ => return refuse(cx, errors::SYNTAX),
    };
    let found = with_group(cx, args.at(1), args.at(2))?;
    let now_ms = cx.now_ms() as i64;
    let (db, reply) = cx.reading();
    if let Some(group) = value::of(db.value(found.entry)).group(args.at(2)) {
        match range {
            None => summary(reply, group),
            Some(range) => range.list(reply, group, now_ms),
        }
    }
    Ok(())
}

/// Finds a key that must be there and have the group, to read it.
fn with_group(cx: &mut Cx<'_>, key: &[u8], name: &[u8]) -> Result<Found, Refused> {
    match value::to_read(cx, key)? {
        Some(found) if value::of(cx.value(found)).group(name).is_some() => Ok(found),
        _ => refuse(cx, no_key_or_group(key, name)),
    }
}

fn summary(reply: &mut Reply<'_>, group: &Group) {
    reply.array(4);
    reply.int(group.pending_len() as i64);
    let Some((first, last)) = group.pending_bounds() else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    value::reply_id(reply, first);
    value::reply_id(reply, last);
    let start = reply.deferred_array();
    let mut shown = 0;
    for (_, consumer) in group.consumers().filter(|(_, consumer)| !consumer.pending().is_empty()) {
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk_int(consumer.pending().len() as i64);
        shown += 1;
    }
    reply.finish_array(start, shown);
}

/// Which pending entries are wanted.
struct Range<'a> {
    min_idle_ms: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

impl<'a> Range<'a> {
    fn parse(cx: &mut Cx<'_>, args: Args<'a>) -> Result<Range<'a>, Refused> {
        let (mut at, mut min_idle_ms) = (3, 0);
        if args.is(3, "IDLE") {
            min_idle_ms = integer(cx, args.at(4))?;
            if args.len() < 8 {
                return refuse(cx, errors::SYNTAX);
            }
            at = 5;
        }
        let count = integer(cx, args.at(at + 2))?.max(0) as usize;
        let start = arguments::start(cx, args.at(at))?;
        let end = arguments::end(cx, args.at(at + 1))?;
        Ok(Range { min_idle_ms, start, end, count, consumer: args.get(at + 3) })
    }

    fn list(&self, reply: &mut Reply<'_>, group: &Group, now_ms: i64) {
        let ids = self.start..=self.end;
        let (all, own) = match self.consumer {
            None => (Some(group.pending_range(ids)), None),
            Some(name) => (None, group.find(name).map(|consumer| group.pending_of(consumer, ids))),
        };
        let start = reply.deferred_array();
        let mut shown = 0;
        let pending = all.into_iter().flatten().chain(own.into_iter().flatten());
        let idle_ms = |time_ms: i64| now_ms.saturating_sub(time_ms);
        let old = pending.filter(|(_, one)| self.min_idle_ms == 0 || idle_ms(one.delivery_time_ms) >= self.min_idle_ms);
        for (id, one) in old.take(self.count) {
            reply.array(4);
            value::reply_id(reply, id);
            reply.bulk(group.consumer(one.consumer).name());
            reply.int(idle_ms(one.delivery_time_ms).max(0));
            reply.int(one.delivery_count as i64);
            shown += 1;
        }
        reply.finish_array(start, shown);
    }
}
