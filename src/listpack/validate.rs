//! The check of bytes that came from outside.

use super::entry::{backlen_len, inner_len, read_backlen};
use super::view::ListpackRef;
use super::{COUNT_UNKNOWN, END, HEADER_BYTES};

/// What is wrong with bytes that should be a listpack. Offsets are counted from the listpack's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListpackError {
    /// Fewer bytes than an empty listpack has.
    #[error("listpack of {0} bytes is shorter than an empty one")]
    TooShort(usize),
    /// The header's total differs from the number of bytes there are.
    #[error("listpack header says {header} bytes, there are {actual}")]
    TotalBytes {
        /// The header's total.
        header: usize,
        /// The bytes there are.
        actual: usize,
    },
    /// The last byte is not 0xFF.
    #[error("listpack does not end in 0xFF")]
    NoEnd,
    /// No encoding starts with this byte, or 0xFF stands before the end.
    #[error("listpack entry at offset {0} has an unknown encoding")]
    Encoding(usize),
    /// The entry would reach beyond the end byte.
    #[error("listpack entry at offset {0} reaches beyond the end")]
    EntryBounds(usize),
    /// The backlen differs from the entry's length.
    #[error("listpack entry at offset {0} has a wrong backlen")]
    Backlen(usize),
    /// The header's count differs from the number of entries.
    #[error("listpack header says {header} entries, there are {actual}")]
    Count {
        /// The header's count.
        header: usize,
        /// The entries there are.
        actual: usize,
    },
}

impl<'a> ListpackRef<'a> {
    /// Checks that `bytes` are exactly one listpack: header, every entry's bounds and backlen, count, end byte.
    pub fn validated(bytes: &'a [u8]) -> Result<Self, ListpackError> {
        if bytes.len() <= HEADER_BYTES {
            return Err(ListpackError::TooShort(bytes.len()));
        }
        let header = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
        if header != bytes.len() {
            return Err(ListpackError::TotalBytes { header, actual: bytes.len() });
        }
        let end = bytes.len() - 1;
        if bytes[end] != END {
            return Err(ListpackError::NoEnd);
        }
        let mut at = HEADER_BYTES;
        let mut actual = 0;
        while at < end {
            // Lengths are at most 4 GiB + 10, so the sums cannot wrap on 64 bits.
            let inner = inner_len(&bytes[..end], at).ok_or(match bytes[at] {
                0xE0..=0xF0 => ListpackError::EntryBounds(at),
                _ => ListpackError::Encoding(at),
            })?;
            let back = backlen_len(inner);
            let next = at + inner + back;
            if next > end {
                return Err(ListpackError::EntryBounds(at));
            }
            if read_backlen(bytes, next) != Some((inner, back)) {
                return Err(ListpackError::Backlen(at));
            }
            at = next;
            actual += 1;
        }
        let header = usize::from(u16::from_le_bytes([bytes[4], bytes[5]]));
        if header != COUNT_UNKNOWN && header != actual {
            return Err(ListpackError::Count { header, actual });
        }
        Ok(ListpackRef::new(bytes))
    }
}
