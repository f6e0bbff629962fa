//! The record of a collection that is written in pieces. It has a place of its own in the file, large enough for whatever
//! the encoding makes of it; what is left of that is filled with AUX fields. Written as commands it needs no place: they stand in
//! the core's blocks.

use super::BLOCK_BYTES;
use super::commands::Building;
use super::shared::{Piece, Shared};
use crate::keyspace::KeyHash;
use crate::listpack::Element;
use crate::object::{Object, Part};
use crate::rdb::index::{BLOCK_ALIGN, PAD_BYTES_MIN, pad};
use crate::rdb::{self, Access, Encoder, opcode};

/// Where a collection is that is being saved.
pub(super) enum Home {
    /// Under a key of a database, by its number now.
    Key { db: u16, hash: KeyHash, key: Box<[u8]> },
    /// Under a key of a database that was emptied since, by the number of that.
    Detached { number: u32, hash: KeyHash, key: Box<[u8]> },
    /// Its key is gone.
    Owned(Box<Object>),
    /// All of it is saved.
    Nowhere,
}

/// A collection that is being written.
pub(super) struct Large {
    pub id: u64,
    pub home: Home,
    /// Elements that the record has still to get.
    left: usize,
    /// The soonest expiry time of a hash's fields.
    expire_ms_min: Option<u64>,
    /// What follows the elements.
    tail: Vec<u8>,
    /// Encoded and not sent.
    out: Vec<u8>,
    /// Where `out` belongs, and the end of the place.
    offset: u64,
    end: u64,
    is_aligned: bool,
    /// It is written as commands: its database, and what builds it.
    building: Option<(u16, Building)>,
}

impl Large {
    /// Begins the record of a collection under `key`, and takes its place in the file. `select` is the number of its
    /// database.
    #[allow(clippy::too_many_arguments)]
    pub fn begin(
        id: u64,
        home: Home,
        (core, shared): (u16, &Shared),
        encoder: &mut Encoder,
        (select, key): (u16, &[u8]),
        object: &Object,
        (expire_ms, access): (Option<i64>, Access),
        is_aligned: bool,
    ) -> Large {
        let mut out = Vec::new();
        encoder.select_db(&mut out, u32::from(select));
        let expire_ms_min = if let Object::Hash(hash) = object { hash.min_expire() } else { None };
        let (type_byte, left) = match object {
            // Not of nodes: how many there will be is not known.
            Object::List(list) => (opcode::LIST, list.len()),
            Object::Set(set) => (opcode::SET, set.len()),
            Object::ZSet(zset) => (opcode::ZSET_2, zset.len()),
            Object::Hash(hash) if expire_ms_min.is_some() => (opcode::HASH_METADATA, hash.len()),
            Object::Hash(hash) => (opcode::HASH, hash.len()),
            Object::Stream(stream) => (opcode::STREAM_LISTPACKS_3, stream.log().node_count()),
        };
        encoder.key_head(&mut out, key, type_byte, expire_ms, access);
        let mut tail = Vec::new();
        if let Object::Stream(stream) = object {
            rdb::stream_tail(stream, encoder, &mut tail);
        }
        if let Some(expire_ms_min) = expire_ms_min {
            shared.needs_version(rdb::VERSION_FIELD_TTL);
            out.extend_from_slice(&expire_ms_min.to_le_bytes());
        }
        rdb::write_len(&mut out, left as u64);
        let mut bytes = (out.len() + tail.len() + PAD_BYTES_MIN) as u64 + object.encoded_bytes_max() as u64;
        if is_aligned {
            bytes = bytes.next_multiple_of(BLOCK_ALIGN as u64);
        }
        let offset = shared.place(core, bytes);
        shared.add_pending(tail.len());
        let end = offset + bytes;
        Large { id, home, left, expire_ms_min, tail, out, offset, end, is_aligned, building: None }
    }

    /// Begins to write a collection under `key` of database `db` as commands.
    pub fn begin_commands(
        id: u64,
        home: Home,
        shared: &Shared,
        (db, key): (u16, &[u8]),
        object: &Object,
        expire_ms: Option<u64>,
    ) -> Large {
        let left = match object {
            Object::List(list) => list.len(),
            Object::Set(set) => set.len(),
            Object::ZSet(zset) => zset.len(),
            Object::Hash(hash) => hash.len(),
            Object::Stream(stream) => stream.log().node_count(),
        };
        let building = Building::begin(key, object, expire_ms);
        shared.add_pending(building.rest_bytes());
        let (tail, out) = (Vec::new(), Vec::new());
        let building = Some((db, building));
        Large { id, home, left, expire_ms_min: None, tail, out, offset: 0, end: 0, is_aligned: true, building }
    }

    /// The commands since the last time: their database, how many they are, and their bytes. `None` if it is not written so.
    pub fn take_commands(&mut self) -> Option<(u16, u32, Vec<u8>)> {
        let (db, building) = self.building.as_mut()?;
        Some((*db, building.take_commands(), std::mem::take(&mut self.out)))
    }

    /// Adds what `object` gives of what is not saved, about `budget` bytes. Returns what that cost, and whether it was all.
    pub fn add_some(&mut self, object: &mut Object, encoder: &mut Encoder, budget: usize) -> (usize, bool) {
        let Large { out, left, expire_ms_min, building, .. } = self;
        let before = (out.len(), *left);
        if let Some((_, building)) = building {
            let waiting = building.waiting_bytes();
            let is_over = object.save_some(budget, &mut |part| {
                *left = left.wrapping_sub(1);
                building.part(out, part);
            });
            let bytes = (out.len() + building.waiting_bytes()).saturating_sub(before.0 + waiting);
            return (bytes + super::walk::VISIT_COST * (1 + before.1.wrapping_sub(*left)), is_over);
        }
        let is_over = object.save_some(budget, &mut |part| {
            *left = left.wrapping_sub(1);
            match part {
                Part::Element(element) => encoder.element(out, element),
                Part::Member(member) => encoder.string(out, member),
                Part::Scored(member, score) => {
                    encoder.string(out, member);
                    out.extend_from_slice(&score.to_le_bytes());
                }
                Part::Field(field, value, expire_ms) => match expire_ms_min {
                    None => {
                        encoder.string(out, field);
                        encoder.string(out, value);
                    }
                    Some(min) => {
                        let (field, value) = (Element::Str(field), Element::Str(value));
                        encoder.hash_field_ttl(out, *min, field, value, expire_ms);
                    }
                },
                Part::Node(id, list) => rdb::stream_node(encoder, out, id, list),
            }
        });
        (out.len() - before.0 + super::walk::VISIT_COST * (1 + before.1.wrapping_sub(*left)), is_over)
    }

    /// The elements are all there: adds what follows them. `false`: they are not as many as announced, or have not the room
    /// that was thought; the file can't be finished.
    #[must_use]
    pub fn finish_elements(&mut self, shared: &Shared) -> bool {
        self.home = Home::Nowhere;
        if let Some((_, building)) = &mut self.building {
            shared.sub_pending(building.rest_bytes());
            building.finish(&mut self.out);
            return self.left == 0;
        }
        shared.sub_pending(self.tail.len());
        self.out.append(&mut self.tail);
        self.left == 0 && self.offset + self.out.len() as u64 + PAD_BYTES_MIN as u64 <= self.end
    }

    /// Fills the place up by about a block; says whether it is full.
    pub fn fill_some(&mut self) -> bool {
        let gap = (self.end - self.offset) as usize - self.out.len();
        if gap > BLOCK_BYTES + PAD_BYTES_MIN {
            pad(&mut self.out, BLOCK_BYTES);
            return false;
        }
        if gap > 0 {
            pad(&mut self.out, gap);
        }
        true
    }

    /// What there is to send: whole blocks only, unless it `is_last`.
    pub fn take(&mut self, is_last: bool) -> Option<Piece> {
        let len = match (is_last, self.is_aligned) {
            (false, _) if self.out.len() < BLOCK_BYTES => return None,
            (false, true) => self.out.len() / BLOCK_ALIGN * BLOCK_ALIGN,
            _ => self.out.len(),
        };
        if len == 0 || self.offset + len as u64 > self.end {
            return None;
        }
        let rest = self.out.split_off(len);
        let bytes = std::mem::replace(&mut self.out, rest);
        let offset = self.offset;
        self.offset += len as u64;
        Some(Piece::Part { offset, bytes, line: None })
    }
}
