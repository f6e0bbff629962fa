//! XINFO.

use super::group::no_group;
use super::{info_full, value};
use crate::command::answer::subcommand_error;
use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse};
use crate::object::Stream;
use crate::object::stream::{Entry, StreamId};
use crate::resp::{Args, Reply};
use crate::shard::{Cx, Found};

/// Entries and pending entries that FULL shows unless told otherwise.
const FULL_COUNT: usize = 10;

/// Finds a key that must be there.
fn must_be(cx: &mut Cx<'_>, key: &[u8]) -> Result<Found, Refused> {
    match value::to_read(cx, key)? {
        Some(found) => Ok(found),
        None => refuse(cx, errors::NO_SUCH_KEY),
    }
}

/// `XINFO CONSUMERS key group`
pub fn consumers(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_consumers(cx, args);
}

fn try_consumers(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let found = must_be(cx, args.at(2))?;
    let now_ms = cx.now_ms() as i64;
    let (db, reply) = cx.reading();
    let Some(group) = value::of(db.value(found.entry)).group(args.at(3)) else {
        return refuse(cx, no_group(args.at(2), args.at(3)));
    };
    let consumers = group.consumers();
    reply.array(consumers.len());
    for (_, consumer) in consumers {
        let since = |time_ms: i64| now_ms.saturating_sub(time_ms).max(0);
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(consumer.name());
        reply.bulk(b"pending");
        reply.int(consumer.pending().len() as i64);
        reply.bulk(b"idle");
        reply.int(since(consumer.seen_time_ms));
        reply.bulk(b"inactive");
        reply.int(if consumer.active_time_ms < 0 { -1 } else { since(consumer.active_time_ms) });
    }
    Ok(())
}

/// `XINFO GROUPS key`
pub fn groups(cx: &mut Cx<'_>, args: Args<'_>) {
    let Ok(found) = must_be(cx, args.at(2)) else { return };
    let (db, reply) = cx.reading();
    let stream = value::of(db.value(found.entry));
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(6);
        reply.bulk(b"name");
        reply.bulk(name);
        reply.bulk(b"consumers");
        reply.int(group.consumers().len() as i64);
        reply.bulk(b"pending");
        reply.int(group.pending_len() as i64);
        reply.bulk(b"last-delivered-id");
        value::reply_id(reply, group.last_id);
        reply.bulk(b"entries-read");
        number_or_null(reply, group.entries_read.map(|read| read as i64));
        reply.bulk(b"lag");
        number_or_null(reply, group.lag(stream.log()));
    }
}

/// Writes a number, or null for one that is not known.
pub(super) fn number_or_null(reply: &mut Reply<'_>, number: Option<i64>) {
    match number {
        Some(number) => reply.int(number),
        None => reply.null(),
    }
}

/// `XINFO STREAM key [FULL [COUNT count]]`
pub fn stream(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_stream(cx, args);
}

fn try_stream(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let full_count = match args.len() {
        3 => None,
        4 if args.is(3, "FULL") => Some(FULL_COUNT),
        6 if args.is(3, "FULL") && args.is(4, "COUNT") => Some(match integer(cx, args.at(5))? {
            0 => usize::MAX,
            count @ 1.. => count as usize,
            _ => FULL_COUNT,
        }),
        _ => return refuse(cx, subcommand_error(args)),
    };
    let found = must_be(cx, args.at(2))?;
    let (db, reply) = cx.reading();
    let stream = value::of(db.value(found.entry));
    reply.map(if full_count.is_some() { 9 } else { 10 });
    state(reply, stream);
    match full_count {
        Some(count) => info_full::entries_and_groups(reply, stream, count),
        None => {
            let log = stream.log();
            reply.bulk(b"groups");
            reply.int(stream.groups().len() as i64);
            reply.bulk(b"first-entry");
            entry_or_null(reply, log.range(StreamId::MIN, StreamId::MAX).next());
            reply.bulk(b"last-entry");
            entry_or_null(reply, log.range(StreamId::MIN, StreamId::MAX).next_back());
        }
    }
    Ok(())
}

/// What both forms tell of a stream.
fn state(reply: &mut Reply<'_>, stream: &Stream) {
    let log = stream.log();
    let meta = log.meta();
    reply.bulk(b"length");
    reply.int(log.len() as i64);
    reply.bulk(b"radix-tree-keys");
    reply.int(log.node_count() as i64);
    reply.bulk(b"radix-tree-nodes");
    // As many as a radix tree has whose keys share nothing: one for each, and the root.
    reply.int(log.node_count() as i64 + 1);
    reply.bulk(b"last-generated-id");
    value::reply_id(reply, meta.last_id);
    reply.bulk(b"max-deleted-entry-id");
    value::reply_id(reply, meta.max_deleted_id);
    reply.bulk(b"entries-added");
    reply.int(meta.entries_added as i64);
    reply.bulk(b"recorded-first-entry-id");
    value::reply_id(reply, log.first_id());
}

fn entry_or_null(reply: &mut Reply<'_>, entry: Option<Entry<'_>>) {
    match entry {
        Some(entry) => value::reply_entry(reply, &entry),
        None => reply.null(),
    }
}
