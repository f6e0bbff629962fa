//! What is ours in a file, in AUX fields that every reader skips: padding of an exact length, and the index of blocks.

use super::crc::checksum;
use super::encode::{Encoder, write_len};
use super::opcode;

/// The name of the padding field.
pub const PAD_NAME: &str = "basalt-pad";
/// The shortest padding: the opcode and two empty strings.
pub const PAD_BYTES_MIN: usize = 3;
/// The alignment of blocks, in bytes.
pub const BLOCK_ALIGN: usize = 4096;

/// A run of whole records in the file, beginning with the number of their database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockPlace {
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub len: u64,
    /// The core whose keys it holds.
    pub core: u16,
}

/// Appends an AUX field of exactly `total` bytes, at least [`PAD_BYTES_MIN`]. Where there is no room for the whole name,
/// it is cut.
pub fn pad(out: &mut Vec<u8>, total: usize) {
    assert!(total >= PAD_BYTES_MIN, "padding has at least {PAD_BYTES_MIN} bytes");
    let start = out.len();
    let name = &PAD_NAME.as_bytes()[..PAD_NAME.len().min(total - PAD_BYTES_MIN)];
    out.push(opcode::AUX);
    write_len(out, name.len() as u64);
    out.extend_from_slice(name);
    // What is left for the value and its length, whose forms take 1, 2, 5 or 9 bytes.
    let left = total - (out.len() - start);
    if left <= 64 {
        out.push(left as u8 - 1);
    } else if left < (1 << 14) + 2 {
        let len = left - 2;
        out.extend_from_slice(&[0x40 | (len >> 8) as u8, len as u8]);
    } else if let Ok(len) = u32::try_from(left - 5) {
        out.push(opcode::LEN_32);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(opcode::LEN_64);
        out.extend_from_slice(&(left as u64 - 9).to_be_bytes());
    }
    out.resize(start + total, 0);
}

/// Pads `out` to a multiple of [`BLOCK_ALIGN`]; not at all if it is one already, and by one block more if the gap is
/// too small for a padding field.
pub fn pad_to_block(out: &mut Vec<u8>) {
    let gap = out.len().next_multiple_of(BLOCK_ALIGN) - out.len();
    match gap {
        0 => {}
        PAD_BYTES_MIN.. => pad(out, gap),
        _ => pad(out, gap + BLOCK_ALIGN),
    }
}

/// The name of the field in the head that says that there is an index.
const ANNOUNCED: &str = "basalt-blocks";
/// The name of the index itself, and of the field behind it that tells where it begins.
const INDEX: &str = "basalt-index";
const INDEX_AT: &str = "basalt-index-at";
/// Bytes of an entry: offset, length and core, each u64.
const ENTRY_BYTES: usize = 24;
/// Bytes of the last field: opcode, name with its length, value with its length.
const INDEX_AT_BYTES: usize = 1 + 1 + INDEX_AT.len() + 1 + 16;
/// Bytes from the last field to the end of the file: with EOF and the checksum.
pub const TRAILER_BYTES: usize = INDEX_AT_BYTES + 1 + 8;

/// Adds to a file's head the field that announces an index at the end. Only where it stands is the index looked for: a value
/// of a foreign file can't pass for one.
pub fn announce(encoder: &mut Encoder, out: &mut Vec<u8>) {
    encoder.aux(out, ANNOUNCED, b"v1");
}

/// Whether an AUX field of the head announces an index.
pub fn is_announcement(name: &[u8], value: &[u8]) -> bool {
    name == ANNOUNCED.as_bytes() && value == b"v1"
}

/// Adds the index of `blocks`, which ends right before EOF; it begins at offset `at` of the file.
pub fn write(encoder: &mut Encoder, out: &mut Vec<u8>, blocks: &[BlockPlace], at: u64) {
    let mut value = Vec::with_capacity(blocks.len() * ENTRY_BYTES);
    for block in blocks {
        value.extend_from_slice(&block.offset.to_le_bytes());
        value.extend_from_slice(&block.len.to_le_bytes());
        value.extend_from_slice(&u64::from(block.core).to_le_bytes());
    }
    let sum = checksum(&value);
    encoder.aux(out, INDEX, &value);
    let mut place = at.to_le_bytes().to_vec();
    place.extend_from_slice(&sum.to_le_bytes());
    out.push(opcode::AUX);
    for bytes in [INDEX_AT.as_bytes(), &place] {
        write_len(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }
}

/// Where the index begins, by the last [`TRAILER_BYTES`] of a file; and the checksum of its value.
pub fn find(trailer: &[u8]) -> Option<(u64, u64)> {
    let field = trailer.len().checked_sub(TRAILER_BYTES).map(|at| &trailer[at..][..INDEX_AT_BYTES])?;
    let mut head = vec![opcode::AUX, INDEX_AT.len() as u8];
    head.extend_from_slice(INDEX_AT.as_bytes());
    head.push(16);
    let place = field.strip_prefix(&head[..])?;
    let number = |at: usize| <[u8; 8]>::try_from(&place[at..at + 8]).ok().map(u64::from_le_bytes);
    (trailer[trailer.len() - 9] == opcode::EOF).then_some(())?;
    Some((number(0)?, number(8)?))
}

/// The blocks that an index tells of, by its name, its value, and the checksum that [`find`] gave; they follow each other
/// from `first` to `end` without a gap. `None`: it is no such index.
pub fn parse(name: &[u8], value: &[u8], sum: u64, first: u64, end: u64) -> Option<Vec<BlockPlace>> {
    if name != INDEX.as_bytes() || !value.len().is_multiple_of(ENTRY_BYTES) || checksum(value) != sum {
        return None;
    }
    let mut offset = first;
    let mut blocks = Vec::with_capacity(value.len() / ENTRY_BYTES);
    for entry in value.chunks_exact(ENTRY_BYTES) {
        let number = |at: usize| <[u8; 8]>::try_from(&entry[at..at + 8]).map_or(0, u64::from_le_bytes);
        let block = BlockPlace { offset: number(0), len: number(8), core: u16::try_from(number(16)).ok()? };
        if block.offset != offset || block.len == 0 {
            return None;
        }
        offset = offset.checked_add(block.len)?;
        blocks.push(block);
    }
    (offset == end).then_some(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rdb::{Item, Options, Reader, VERSION};

    #[test]
    fn padding_of_any_length_is_one_aux_field_of_exactly_that_length() {
        for total in (3..300).chain(16_300..16_500).chain([70_000]) {
            let mut out = Vec::new();
            pad(&mut out, total);
            assert_eq!(out.len(), total);
            let mut reader = Reader::block(&out[..], VERSION, 0, Options::default());
            let Some(Item::Aux { name, value }) = reader.next_item().unwrap() else { panic!("not an AUX field") };
            assert!(PAD_NAME.as_bytes().starts_with(&name));
            assert!(value.iter().all(|byte| *byte == 0));
            assert!(reader.next_item().unwrap().is_none());
        }
    }

    #[test]
    fn a_block_ends_on_the_alignment_whatever_it_holds() {
        for len in (0..9000).step_by(7).chain(4090..4100) {
            let mut out = vec![1; len];
            pad_to_block(&mut out);
            assert_eq!(out.len() % BLOCK_ALIGN, 0);
            assert!(out.len() - len < BLOCK_ALIGN + PAD_BYTES_MIN);
        }
    }
}
