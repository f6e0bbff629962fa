//! Streams: what a file says of one, and the writer that a stream in memory drives.

use super::encode::{Encoder, write_len};
use crate::listpack::Listpack;

/// The ID of a stream's entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Unix milliseconds.
    pub ms: u64,
    /// Number within the millisecond.
    pub seq: u64,
}

impl StreamId {
    /// The form that sorts as bytes, both parts big-endian: a node's key, a pending entry's ID.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.ms.to_be_bytes());
        bytes[8..].copy_from_slice(&self.seq.to_be_bytes());
        bytes
    }

    /// The reverse of [`StreamId::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let wide = u128::from_be_bytes(bytes);
        StreamId { ms: (wide >> 64) as u64, seq: wide as u64 }
    }
}

/// The numbers that belong to a whole stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamMeta {
    /// Number of entries that are not deleted.
    pub length: u64,
    /// The highest ID ever given.
    pub last_id: StreamId,
    /// The ID of the first entry; 0-0 when there is none.
    pub first_id: StreamId,
    /// The highest ID ever deleted.
    pub max_deleted_id: StreamId,
    /// How many entries were ever added.
    pub entries_added: u64,
}

/// A stream as it stands in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamData {
    /// The entries, node by node, ascending.
    pub nodes: Vec<StreamNode>,
    /// The numbers of the whole.
    pub meta: StreamMeta,
    /// The consumer groups.
    pub groups: Vec<Group>,
}

/// Some entries of a stream: Redis's listpack with a master entry, checked in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamNode {
    /// The ID that the entries' IDs are told relative to.
    pub master_id: StreamId,
    /// Master entry and entries.
    pub entries: Listpack,
}

/// A consumer group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: Vec<u8>,
    /// The last ID delivered.
    pub last_id: StreamId,
    /// How many entries the group has read, if that is known.
    pub entries_read: Option<u64>,
    /// Entries delivered and not acknowledged, ascending.
    pub pending: Vec<Pending>,
    /// Its consumers.
    pub consumers: Vec<Consumer>,
}

/// A delivered entry that is not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The entry.
    pub id: StreamId,
    /// Whose it is: an index into the group's consumers.
    pub consumer: usize,
    /// When it was last delivered, in Unix ms.
    pub delivery_ms: i64,
    /// How often it was delivered.
    pub delivery_count: u64,
}

/// A consumer of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consumer {
    /// Its name.
    pub name: Vec<u8>,
    /// When it last tried, in Unix ms.
    pub seen_ms: i64,
    /// When it last got something, in Unix ms; -1: never.
    pub active_ms: i64,
}

/// A stream in memory, able to tell itself to the encoder.
pub trait StreamSource {
    /// Drives `to` through all its calls, in the order in which [`StreamEncoder`] lists them.
    fn encode(&self, to: &mut StreamEncoder<'_>);
}

/// Writes one stream. The order of calls is `nodes`, `node` × n, `meta`, `groups`, then for every group `group`,
/// `pending` × n, `consumers`, and for every consumer `consumer`, `consumer_pending` × n.
pub struct StreamEncoder<'a> {
    encoder: &'a mut Encoder,
    out: &'a mut Vec<u8>,
}

impl<'a> StreamEncoder<'a> {
    pub(super) fn new(encoder: &'a mut Encoder, out: &'a mut Vec<u8>) -> Self {
        StreamEncoder { encoder, out }
    }

    /// How many nodes follow.
    pub fn nodes(&mut self, count: usize) {
        write_len(self.out, count as u64);
    }

    /// A node; `listpack` in Redis's stream form.
    pub fn node(&mut self, master_id: StreamId, listpack: &[u8]) {
        write_len(self.out, 16);
        self.out.extend_from_slice(&master_id.to_bytes());
        self.encoder.blob(self.out, listpack);
    }

    /// The numbers of the whole stream.
    pub fn meta(&mut self, meta: &StreamMeta) {
        write_len(self.out, meta.length);
        self.id(meta.last_id);
        self.id(meta.first_id);
        self.id(meta.max_deleted_id);
        write_len(self.out, meta.entries_added);
    }

    /// How many groups follow.
    pub fn groups(&mut self, count: usize) {
        write_len(self.out, count as u64);
    }

    /// A group, with `pending` entries to follow.
    pub fn group(&mut self, name: &[u8], last_id: StreamId, entries_read: Option<u64>, pending: usize) {
        self.encoder.string(self.out, name);
        self.id(last_id);
        write_len(self.out, entries_read.unwrap_or(u64::MAX));
        write_len(self.out, pending as u64);
    }

    /// A pending entry of the group; ascending by ID.
    pub fn pending(&mut self, id: StreamId, delivery_ms: i64, delivery_count: u64) {
        self.out.extend_from_slice(&id.to_bytes());
        self.out.extend_from_slice(&delivery_ms.to_le_bytes());
        write_len(self.out, delivery_count);
    }

    /// How many consumers follow.
    pub fn consumers(&mut self, count: usize) {
        write_len(self.out, count as u64);
    }

    /// A consumer, with `pending` IDs to follow. Times in Unix ms.
    pub fn consumer(&mut self, name: &[u8], seen_ms: i64, active_ms: i64, pending: usize) {
        self.encoder.string(self.out, name);
        self.out.extend_from_slice(&seen_ms.to_le_bytes());
        self.out.extend_from_slice(&active_ms.to_le_bytes());
        write_len(self.out, pending as u64);
    }

    /// An entry pending at this consumer; ascending, each also told by [`StreamEncoder::pending`].
    pub fn consumer_pending(&mut self, id: StreamId) {
        self.out.extend_from_slice(&id.to_bytes());
    }

    fn id(&mut self, id: StreamId) {
        write_len(self.out, id.ms);
        write_len(self.out, id.seq);
    }
}

impl StreamSource for StreamData {
    fn encode(&self, to: &mut StreamEncoder<'_>) {
        to.nodes(self.nodes.len());
        for node in &self.nodes {
            to.node(node.master_id, node.entries.as_bytes());
        }
        to.meta(&self.meta);
        to.groups(self.groups.len());
        for group in &self.groups {
            to.group(&group.name, group.last_id, group.entries_read, group.pending.len());
            let mut owned = vec![Vec::new(); group.consumers.len()];
            for pending in &group.pending {
                to.pending(pending.id, pending.delivery_ms, pending.delivery_count);
                owned[pending.consumer].push(pending.id);
            }
            to.consumers(group.consumers.len());
            for (consumer, pending) in group.consumers.iter().zip(owned) {
                to.consumer(&consumer.name, consumer.seen_ms, consumer.active_ms, pending.len());
                for id in pending {
                    to.consumer_pending(id);
                }
            }
        }
    }
}
