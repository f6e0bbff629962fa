//! The numbers at the front of a record.

/// Up to 24 bytes of header, built on the stack.
#[derive(Clone, Copy, Default)]
pub struct Header {
    bytes: [u8; 24],
    len: usize,
}

impl Header {
    /// An empty header.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a number: seven bits per byte, low ones first, the top bit set on all bytes but the last.
    #[inline]
    pub fn varint(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.bytes[self.len] = value as u8 | 0x80;
            self.len += 1;
            value >>= 7;
        }
        self.bytes[self.len] = value as u8;
        self.len += 1;
        self
    }

    /// Adds the lower six bytes of a number, low ones first.
    #[inline]
    pub fn u48(mut self, value: u64) -> Self {
        self.bytes[self.len..self.len + 6].copy_from_slice(&value.to_le_bytes()[..6]);
        self.len += 6;
        self
    }

    /// The bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Reads what [`Header::varint`] wrote: the number, and how many bytes it takes.
#[inline]
pub fn read_varint(bytes: &[u8]) -> (u64, usize) {
    let first = bytes[0];
    if first < 0x80 {
        return (u64::from(first), 1);
    }
    let mut value = u64::from(first & 0x7F);
    let mut len = 1;
    loop {
        let byte = bytes[len];
        value |= u64::from(byte & 0x7F) << (7 * len);
        len += 1;
        if byte < 0x80 {
            return (value, len);
        }
    }
}
