//! The byte source: buffered, checksummed lazily, and never trusting an announced length.

use std::io::Read;

use super::error::Fault;
use crate::listpack::Element;
use crate::rdb::crc::Crc64;
use crate::rdb::{lzf, opcode};

/// Memory for one string is reserved in steps of this size as its bytes arrive.
const RESERVE_BYTES_MAX: u64 = 1 << 20;

pub(super) struct Input<R> {
    inner: R,
    buffer: Box<[u8]>,
    /// The unread part of the buffer.
    at: usize,
    end: usize,
    /// What lies before is in the checksum.
    summed: usize,
    crc: Option<Crc64>,
    /// Offset in the file of the buffer's first byte.
    base: u64,
    /// Offset of the number or string that is being read: for error messages.
    mark: u64,
    pub(super) string_bytes_max: u64,
}

/// A length, or the number of a string encoding in its place.
pub(super) enum Length {
    Plain(u64),
    Encoded(u8),
}

impl<R: Read> Input<R> {
    pub(super) fn new(inner: R, capacity: usize, offset: u64, checksum: bool, string_bytes_max: u64) -> Self {
        Input {
            inner,
            buffer: vec![0; capacity.max(64)].into_boxed_slice(),
            at: 0,
            end: 0,
            summed: 0,
            crc: checksum.then(Crc64::new),
            base: offset,
            mark: offset,
            string_bytes_max,
        }
    }

    pub(super) fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    pub(super) fn mark(&self) -> u64 {
        self.mark
    }

    /// The checksum of everything read so far.
    pub(super) fn crc(&mut self) -> Option<u64> {
        self.sum();
        self.crc.as_ref().map(Crc64::value)
    }

    /// What was buffered and not read, and the source behind it.
    pub(super) fn into_parts(self) -> (Vec<u8>, R) {
        (self.buffer[self.at..self.end].to_vec(), self.inner)
    }

    fn sum(&mut self) {
        if let Some(crc) = &mut self.crc {
            crc.update(&self.buffer[self.summed..self.at]);
        }
        self.summed = self.at;
    }

    /// Reads more behind the unread part, which is at most `buffer.len() - 1` long. Says whether there was more.
    fn fill(&mut self) -> Result<bool, Fault> {
        self.sum();
        self.buffer.copy_within(self.at..self.end, 0);
        self.base += self.at as u64;
        self.end -= self.at;
        self.at = 0;
        self.summed = 0;
        loop {
            match self.inner.read(&mut self.buffer[self.end..]) {
                Ok(read) => {
                    self.end += read;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether the input ends here.
    pub(super) fn at_end(&mut self) -> Result<bool, Fault> {
        Ok(self.at == self.end && !self.fill()?)
    }

    /// The next `len` bytes if they fit into the buffer.
    #[inline]
    fn buffered(&mut self, len: usize) -> Result<&[u8], Fault> {
        while self.end - self.at < len {
            if !self.fill()? {
                return Err(Fault::UnexpectedEnd);
            }
        }
        let start = self.at;
        self.at += len;
        Ok(&self.buffer[start..self.at])
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.mark = self.offset();
        self.raw()
    }

    #[inline]
    fn raw<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut array = [0; N];
        array.copy_from_slice(self.buffered(N)?);
        Ok(array)
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, Fault> {
        Ok(self.array::<1>()?[0])
    }

    #[inline]
    pub(super) fn i64_le(&mut self) -> Result<i64, Fault> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    #[inline]
    fn length(&mut self) -> Result<Length, Fault> {
        let [first] = self.raw()?;
        Ok(match first {
            0x00..=0x3F => Length::Plain(u64::from(first)),
            0x40..=0x7F => {
                let [second] = self.raw()?;
                Length::Plain(u64::from(first & 0x3F) << 8 | u64::from(second))
            }
            opcode::LEN_32 => Length::Plain(u64::from(u32::from_be_bytes(self.raw()?))),
            opcode::LEN_64 => Length::Plain(u64::from_be_bytes(self.raw()?)),
            0xC0..=0xFF => Length::Encoded(first & 0x3F),
            _ => return Err(Fault::Length(first)),
        })
    }

    /// A number.
    #[inline]
    pub(super) fn len(&mut self) -> Result<u64, Fault> {
        self.mark = self.offset();
        self.plain_len()
    }

    #[inline]
    fn plain_len(&mut self) -> Result<u64, Fault> {
        match self.length()? {
            Length::Plain(len) => Ok(len),
            Length::Encoded(encoding) => Err(Fault::Length(0xC0 | encoding)),
        }
    }

    /// A string in any encoding.
    pub(super) fn string(&mut self) -> Result<Vec<u8>, Fault> {
        self.mark = self.offset();
        match self.length()? {
            Length::Plain(len) => self.bytes(len),
            Length::Encoded(opcode::ENC_LZF) => self.compressed(),
            Length::Encoded(encoding) => Ok(Element::Int(self.small_int(encoding)?).to_bytes().into_owned()),
        }
    }

    fn small_int(&mut self, encoding: u8) -> Result<i64, Fault> {
        Ok(match encoding {
            opcode::ENC_INT8 => i64::from(i8::from_le_bytes(self.raw()?)),
            opcode::ENC_INT16 => i64::from(i16::from_le_bytes(self.raw()?)),
            opcode::ENC_INT32 => i64::from(i32::from_le_bytes(self.raw()?)),
            _ => return Err(Fault::StringEncoding(encoding)),
        })
    }

    fn compressed(&mut self) -> Result<Vec<u8>, Fault> {
        let compressed_len = self.plain_len()?;
        let announced = self.plain_len()?;
        self.check_len(compressed_len)?;
        self.check_len(announced)?;
        lzf::check_announced(compressed_len, announced)?;
        if compressed_len <= self.buffer.len() as u64 {
            return Ok(lzf::decompress(self.buffered(compressed_len as usize)?, announced)?);
        }
        let compressed = self.bytes(compressed_len)?;
        Ok(lzf::decompress(&compressed, announced)?)
    }

    fn check_len(&self, announced: u64) -> Result<(), Fault> {
        if announced > self.string_bytes_max {
            return Err(Fault::StringTooLong { announced, limit: self.string_bytes_max });
        }
        Ok(())
    }

    /// `len` bytes. Memory is taken as they arrive.
    fn bytes(&mut self, len: u64) -> Result<Vec<u8>, Fault> {
        self.check_len(len)?;
        if len <= self.buffer.len() as u64 {
            return Ok(self.buffered(len as usize)?.to_vec());
        }
        let len =
            usize::try_from(len).map_err(|_| Fault::StringTooLong { announced: len, limit: usize::MAX as u64 })?;
        let mut bytes = Vec::with_capacity(len.min(RESERVE_BYTES_MAX as usize));
        while bytes.len() < len {
            if self.at == self.end && !self.fill()? {
                return Err(Fault::UnexpectedEnd);
            }
            let take = (len - bytes.len()).min(self.end - self.at);
            bytes.extend_from_slice(&self.buffer[self.at..self.at + take]);
            self.at += take;
        }
        bytes.shrink_to_fit();
        Ok(bytes)
    }

    /// Passes over a string.
    pub(super) fn skip_string(&mut self) -> Result<(), Fault> {
        self.mark = self.offset();
        let mut left = match self.length()? {
            Length::Plain(len) => len,
            Length::Encoded(opcode::ENC_LZF) => {
                let compressed_len = self.plain_len()?;
                self.plain_len()?;
                compressed_len
            }
            Length::Encoded(encoding) => {
                self.small_int(encoding)?;
                0
            }
        };
        while left > 0 {
            if self.at == self.end && !self.fill()? {
                return Err(Fault::UnexpectedEnd);
            }
            let take = left.min((self.end - self.at) as u64);
            self.at += take as usize;
            left -= take;
        }
        Ok(())
    }
}
