//! The parts of XINFO STREAM that only FULL shows.

use super::info::number_or_null;
use super::value;
use crate::object::Stream;
use crate::object::stream::{Group, StreamId};
use crate::resp::Reply;

/// Writes entries and groups, of entries and pending entries up to `count` each.
pub fn entries_and_groups(reply: &mut Reply<'_>, stream: &Stream, count: usize) {
    reply.bulk(b"entries");
    value::reply_entries(reply, stream.log().range(StreamId::MIN, StreamId::MAX), count);
    reply.bulk(b"groups");
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(7);
        reply.bulk(b"name");
        reply.bulk(name);
        reply.bulk(b"last-delivered-id");
        value::reply_id(reply, group.last_id);
        reply.bulk(b"entries-read");
        number_or_null(reply, group.entries_read.map(|read| read as i64));
        reply.bulk(b"lag");
        number_or_null(reply, group.lag(stream.log()));
        reply.bulk(b"pel-count");
        reply.int(group.pending_len() as i64);
        pending(reply, group, count);
        consumers(reply, group, count);
    }
}

fn pending(reply: &mut Reply<'_>, group: &Group, count: usize) {
    reply.bulk(b"pending");
    reply.array(group.pending_len().min(count));
    for (id, one) in group.pending_range(StreamId::MIN..=StreamId::MAX).take(count) {
        reply.array(4);
        value::reply_id(reply, id);
        reply.bulk(group.consumer(one.consumer).name());
        reply.int(one.delivery_time_ms);
        reply.int(one.delivery_count as i64);
    }
}

fn consumers(reply: &mut Reply<'_>, group: &Group, count: usize) {
    reply.bulk(b"consumers");
    let consumers = group.consumers();
    reply.array(consumers.len());
    for (key, consumer) in consumers {
        reply.map(5);
        reply.bulk(b"name");
        reply.bulk(consumer.name());
        reply.bulk(b"seen-time");
        reply.int(consumer.seen_time_ms);
        reply.bulk(b"active-time");
        reply.int(consumer.active_time_ms);
        reply.bulk(b"pel-count");
        reply.int(consumer.pending().len() as i64);
        reply.bulk(b"pending");
        reply.array(consumer.pending().len().min(count));
        for (id, one) in group.pending_of(key, StreamId::MIN..=StreamId::MAX).take(count) {
            reply.array(3);
            value::reply_id(reply, id);
            reply.int(one.delivery_time_ms);
            reply.int(one.delivery_count as i64);
        }
    }
}
