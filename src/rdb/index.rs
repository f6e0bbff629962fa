//! Padding for blocks: an AUX field of an exact length, which every reader skips.

use super::encode::write_len;
use super::opcode;

/// The name of the padding field.
pub const PAD_NAME: &str = "basalt-pad";
/// The shortest padding: the opcode and two empty strings.
pub const PAD_BYTES_MIN: usize = 3;
/// The alignment of blocks, in bytes.
pub const BLOCK_ALIGN: usize = 4096;

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
