//! What is logged about groups: who has which entry, and how far a group has come.

use super::id_text::IdText;
use crate::object::stream::{Group, Pending, StreamId};
use crate::shard::Cx;

/// Logs that a consumer has these entries now, all of them given at the same time and equally often.
pub fn given(
    cx: &mut Cx<'_>,
    key: &[u8],
    group: &[u8],
    consumer: &[u8],
    ids: &[StreamId],
    pending: Pending,
    last_id: StreamId,
) {
    let texts: Vec<IdText> = ids.iter().map(|&id| IdText::new(id)).collect();
    let (mut time, mut count) = (itoa::Buffer::new(), itoa::Buffer::new());
    let last_id = IdText::new(last_id);
    let mut words: Vec<&[u8]> = vec![b"XCLAIM", key, group, consumer, b"0"];
    words.extend(texts.iter().map(IdText::as_bytes));
    words.extend([b"TIME", time.format(pending.delivery_time_ms).as_bytes()]);
    words.extend([b"RETRYCOUNT", count.format(pending.delivery_count).as_bytes()]);
    words.extend([&b"FORCE"[..], b"JUSTID", b"LASTID", last_id.as_bytes()]);
    cx.effect(&words);
}

/// Logs that these entries are pending no more.
pub fn dropped(cx: &mut Cx<'_>, key: &[u8], group: &[u8], ids: &[StreamId]) {
    let texts: Vec<IdText> = ids.iter().map(|&id| IdText::new(id)).collect();
    let mut words: Vec<&[u8]> = vec![b"XACK", key, group];
    words.extend(texts.iter().map(IdText::as_bytes));
    cx.effect(&words);
}

/// Logs how far a group has come.
pub fn position(cx: &mut Cx<'_>, key: &[u8], name: &[u8], last_id: StreamId, entries_read: Option<u64>) {
    let read = entries_read.map_or(-1, |read| read as i64);
    cx.effect(&[
        b"XGROUP",
        b"SETID",
        key,
        name,
        IdText::new(last_id).as_bytes(),
        b"ENTRIESREAD",
        itoa::Buffer::new().format(read).as_bytes(),
    ]);
}

/// Logs that a group has a new consumer.
pub fn consumer(cx: &mut Cx<'_>, key: &[u8], group: &[u8], name: &[u8]) {
    cx.effect(&[b"XGROUP", b"CREATECONSUMER", key, group, name]);
}

/// How far a group has come.
pub fn position_of(group: &Group) -> (StreamId, Option<u64>) {
    (group.last_id, group.entries_read)
}
