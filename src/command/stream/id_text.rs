//! An entry's ID as text, on the stack.

use crate::object::stream::StreamId;

/// Two numbers of 20 digits and a dash.
const BYTES_MAX: usize = 41;

/// `ms-seq`
pub struct IdText {
    bytes: [u8; BYTES_MAX],
    len: usize,
}

impl IdText {
    /// Spells an ID.
    #[inline]
    pub fn new(id: StreamId) -> IdText {
        let mut text = IdText { bytes: [0; BYTES_MAX], len: 0 };
        text.push(itoa::Buffer::new().format(id.ms).as_bytes());
        text.push(b"-");
        text.push(itoa::Buffer::new().format(id.seq).as_bytes());
        text
    }

    #[inline]
    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// The text.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_id_fits() {
        assert_eq!(IdText::new(StreamId::MAX).as_bytes(), b"18446744073709551615-18446744073709551615");
        assert_eq!(IdText::new(StreamId::new(5, 0)).as_bytes(), b"5-0");
    }
}
