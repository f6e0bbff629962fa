//! Tests of the writer and the reader: fixed bytes, streams, what is refused, and random files.

mod golden;
mod random;
mod refusal;
mod stored;
mod stream;

use super::*;
use crate::listpack::Listpack;

fn seed() -> u64 {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("SEED={seed}");
    seed
}

fn list_of(elements: &[&[u8]]) -> Listpack {
    elements.iter().copied().collect()
}

fn encoded(value: &Value, compress: bool) -> Vec<u8> {
    let mut out = Vec::new();
    value.with_view(|view| Encoder::new(compress).value(&mut out, view));
    out
}

/// A DUMP payload of `version` around a type and its bytes.
fn payload(version: u16, type_byte: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![type_byte];
    bytes.extend(body);
    bytes.extend(version.to_le_bytes());
    let crc = crc::checksum(&bytes);
    bytes.extend(crc.to_le_bytes());
    bytes
}

fn load(type_byte: u8, body: &[u8]) -> Result<Value, Fault> {
    load_version(12, type_byte, body)
}

fn load_version(version: u16, type_byte: u8, body: &[u8]) -> Result<Value, Fault> {
    match parse_dump(&payload(version, type_byte, body)) {
        Ok(value) => Ok(value),
        Err(DumpError::Data(error)) => Err(error.fault),
        Err(error) => panic!("{error}"),
    }
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_len(&mut out, bytes.len() as u64);
    out.extend(bytes);
    out
}

/// A node of `ids`, of which those with an odd sequence number are deleted.
fn stream_node(master_id: StreamId, ids: &[StreamId]) -> StreamNode {
    let deleted = ids.iter().filter(|id| id.seq % 2 == 1).count() as i64;
    let mut entries = Listpack::new();
    for number in [ids.len() as i64 - deleted, deleted, 1] {
        entries.append(number);
    }
    entries.append(b"field");
    entries.append(0);
    for id in ids {
        let flags = (id.seq % 2) as i64;
        let same = id.ms % 2 == 0;
        entries.append(flags | if same { 2 } else { 0 });
        entries.append(id.ms.wrapping_sub(master_id.ms) as i64);
        entries.append(id.seq.wrapping_sub(master_id.seq) as i64);
        if same {
            entries.append(b"value");
            entries.append(4);
        } else {
            for element in [&b"1"[..], b"other", b"value"] {
                entries.append(element);
            }
            entries.append(6);
        }
    }
    StreamNode { master_id, entries }
}

fn id(ms: u64, seq: u64) -> StreamId {
    StreamId { ms, seq }
}

fn stream() -> StreamData {
    StreamData {
        nodes: vec![
            stream_node(id(10, 7), &[id(10, 7), id(10, 8), id(11, 0)]),
            stream_node(id(12, 0), &[id(12, 0), id(12, 2)]),
        ],
        meta: StreamMeta {
            length: 4,
            last_id: id(13, 0),
            first_id: id(10, 8),
            max_deleted_id: id(10, 7),
            entries_added: 6,
        },
        groups: vec![
            Group {
                name: b"g".to_vec(),
                last_id: id(12, 0),
                entries_read: Some(4),
                pending: vec![
                    Pending { id: id(10, 8), consumer: 1, delivery_ms: 99, delivery_count: 3 },
                    Pending { id: id(12, 0), consumer: 0, delivery_ms: 100, delivery_count: 1 },
                ],
                consumers: vec![
                    Consumer { name: b"one".to_vec(), seen_ms: 5, active_ms: -1 },
                    Consumer { name: b"two".to_vec(), seen_ms: 6, active_ms: 6 },
                ],
            },
            Group { name: b"h".to_vec(), entries_read: None, ..Group::default() },
        ],
    }
}
