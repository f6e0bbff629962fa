//! The writer: records appended to a byte buffer, in the newest encodings that version 11 has.

use super::lzf::Compressor;
use super::opcode;
use super::stream::StreamEncoder;
use super::view::{ListNodeView, ValueView};
use crate::listpack::{Element, parse_i64};

/// Strings shorter than this are never compressed.
const COMPRESS_BYTES_MIN: usize = 21;
/// Decimals of 32-bit integers have at most so many characters.
const INT_SPELLED_MAX: usize = 11;

/// What eviction knows of a key, as far as its policy has it written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    #[default]
    Unknown,
    /// LRU: seconds since the last access.
    Idle(u64),
    /// LFU: the logarithmic counter.
    Frequency(u8),
}

/// The writer of one core: settings, and the compressor's table. All methods append to `out`.
pub struct Encoder {
    compressor: Option<Compressor>,
}

impl Encoder {
    /// A writer; `compress` is the setting `rdbcompression`.
    pub fn new(compress: bool) -> Self {
        Encoder { compressor: compress.then(Compressor::new) }
    }

    /// The nine bytes a file begins with.
    pub fn header(&self, out: &mut Vec<u8>, version: u16) {
        out.extend_from_slice(format!("REDIS{version:04}").as_bytes());
    }

    /// An AUX field. Readers skip names they do not know.
    pub fn aux(&mut self, out: &mut Vec<u8>, name: &str, value: &[u8]) {
        out.push(opcode::AUX);
        self.string(out, name.as_bytes());
        self.string(out, value);
    }

    /// The AUX fields that Redis writes at the start. `redis_version` is the version we are compatible with, `ctime_s`
    /// Unix seconds; `aof_base` says whether the file is the base of an AOF.
    pub fn aux_standard(
        &mut self,
        out: &mut Vec<u8>,
        redis_version: &str,
        ctime_s: u64,
        used_memory_bytes: u64,
        aof_base: bool,
    ) {
        self.aux(out, "redis-ver", redis_version.as_bytes());
        self.aux(out, "redis-bits", b"64");
        self.aux(out, "ctime", itoa::Buffer::new().format(ctime_s).as_bytes());
        self.aux(out, "used-mem", itoa::Buffer::new().format(used_memory_bytes).as_bytes());
        self.aux(out, "aof-base", if aof_base { b"1" } else { b"0" });
    }

    /// The following keys belong to this database.
    pub fn select_db(&self, out: &mut Vec<u8>, db: u32) {
        out.push(opcode::SELECTDB);
        write_len(out, u64::from(db));
    }

    /// The selected database will have so many keys, so many of them with a TTL. A hint.
    pub fn resize_db(&self, out: &mut Vec<u8>, keys: u64, expires: u64) {
        out.push(opcode::RESIZEDB);
        write_len(out, keys);
        write_len(out, expires);
    }

    /// A library of functions: its source with the `#!` line.
    pub fn function(&mut self, out: &mut Vec<u8>, code: &[u8]) {
        out.push(opcode::FUNCTION2);
        self.string(out, code);
    }

    /// The end; `crc` is the checksum of everything before it, the EOF opcode included, or 0 for none.
    pub fn checksum(&self, out: &mut Vec<u8>, crc: u64) {
        out.extend_from_slice(&crc.to_le_bytes());
    }

    /// The EOF opcode, which is part of what [`Encoder::checksum`] covers.
    pub fn eof(&self, out: &mut Vec<u8>) {
        out.push(opcode::EOF);
    }

    /// A key with all that belongs to it. `expire_ms` is Unix time.
    pub fn encode_key(
        &mut self,
        out: &mut Vec<u8>,
        key: &[u8],
        value: ValueView<'_>,
        expire_ms: Option<i64>,
        access: Access,
    ) {
        self.key_head(out, key, value.type_byte(), expire_ms, access);
        self.value(out, value);
    }

    /// Everything of a key but the value: for values that are written in parts.
    pub fn key_head(&mut self, out: &mut Vec<u8>, key: &[u8], type_byte: u8, expire_ms: Option<i64>, access: Access) {
        if let Some(expire_ms) = expire_ms {
            out.push(opcode::EXPIRETIME_MS);
            out.extend_from_slice(&expire_ms.to_le_bytes());
        }
        match access {
            Access::Unknown => {}
            Access::Idle(seconds) => {
                out.push(opcode::IDLE);
                write_len(out, seconds);
            }
            Access::Frequency(counter) => out.extend_from_slice(&[opcode::FREQ, counter]),
        }
        out.push(type_byte);
        self.string(out, key);
    }

    /// A value, without type and key. Panics if an iterator's length differs from the announced one: the file would
    /// be unreadable from there on.
    pub fn value(&mut self, out: &mut Vec<u8>, value: ValueView<'_>) {
        match value {
            ValueView::String(bytes) => self.string(out, bytes),
            ValueView::Int(value) => self.int(out, value),
            ValueView::ListListpack(bytes) => {
                write_len(out, 1);
                write_len(out, opcode::NODE_PACKED);
                self.blob(out, bytes);
            }
            ValueView::List { nodes, iter } => {
                write_len(out, nodes as u64);
                let written = iter
                    .map(|node| match node {
                        ListNodeView::Packed(bytes) => {
                            write_len(out, opcode::NODE_PACKED);
                            self.blob(out, bytes);
                        }
                        ListNodeView::Plain(bytes) => {
                            write_len(out, opcode::NODE_PLAIN);
                            self.blob(out, bytes);
                        }
                    })
                    .count();
                assert_eq!(written, nodes, "a list's nodes are as many as announced");
            }
            ValueView::SetIntset(bytes)
            | ValueView::SetListpack(bytes)
            | ValueView::HashListpack(bytes)
            | ValueView::ZSetListpack(bytes) => self.blob(out, bytes),
            ValueView::Set { len, iter } => {
                write_len(out, len as u64);
                let written = iter.map(|member| self.element(out, member)).count();
                assert_eq!(written, len, "a set's members are as many as announced");
            }
            ValueView::Hash { len, iter } => {
                write_len(out, len as u64);
                let mut written = 0;
                for (field, value) in iter {
                    self.element(out, field);
                    self.element(out, value);
                    written += 1;
                }
                assert_eq!(written, len, "a hash's fields are as many as announced");
            }
            ValueView::HashListpackTtl { expire_ms_min, bytes } => {
                out.extend_from_slice(&expire_ms_min.to_le_bytes());
                self.blob(out, bytes);
            }
            ValueView::HashTtl { len, expire_ms_min, iter } => {
                out.extend_from_slice(&expire_ms_min.to_le_bytes());
                write_len(out, len as u64);
                let mut written = 0;
                for (field, value, expire_ms) in iter {
                    self.hash_field_ttl(out, expire_ms_min, field, value, expire_ms);
                    written += 1;
                }
                assert_eq!(written, len, "a hash's fields are as many as announced");
            }
            ValueView::ZSet { len, iter } => {
                write_len(out, len as u64);
                let mut written = 0;
                for (member, score) in iter {
                    self.element(out, member);
                    out.extend_from_slice(&score.to_le_bytes());
                    written += 1;
                }
                assert_eq!(written, len, "a sorted set's members are as many as announced");
            }
            ValueView::Stream(source) => source.encode(&mut StreamEncoder::new(self, out)),
        }
    }

    /// One field of a hash with TTLs (type `HASH_METADATA`), for values that are written in parts. Expiries are told
    /// relative to the soonest one.
    pub fn hash_field_ttl(
        &mut self,
        out: &mut Vec<u8>,
        expire_ms_min: u64,
        field: Element<'_>,
        value: Element<'_>,
        expire_ms: Option<u64>,
    ) {
        let relative = expire_ms.map_or(0, |expire_ms| {
            assert!(expire_ms >= expire_ms_min, "no field expires before the soonest");
            expire_ms - expire_ms_min + 1
        });
        write_len(out, relative);
        self.element(out, field);
        self.element(out, value);
    }

    /// A string: as an 8-, 16- or 32-bit integer if it spells one, compressed if that pays, else as it is.
    #[inline]
    pub fn string(&mut self, out: &mut Vec<u8>, bytes: &[u8]) {
        if bytes.len() <= INT_SPELLED_MAX
            && let Some(value) = parse_i64(bytes)
            && small_int(out, value)
        {
            return;
        }
        self.blob(out, bytes);
    }

    /// A string that is known not to spell an integer, such as a listpack.
    #[inline]
    pub fn blob(&mut self, out: &mut Vec<u8>, bytes: &[u8]) {
        if bytes.len() >= COMPRESS_BYTES_MIN
            && let Some(compressor) = &mut self.compressor
            && let Some(compressed) = compressor.compress(bytes)
        {
            out.push(0xC0 | opcode::ENC_LZF);
            write_len(out, compressed.len() as u64);
            write_len(out, bytes.len() as u64);
            out.extend_from_slice(compressed);
            return;
        }
        write_len(out, bytes.len() as u64);
        out.extend_from_slice(bytes);
    }

    /// A string that is an integer.
    #[inline]
    pub fn int(&mut self, out: &mut Vec<u8>, value: i64) {
        if !small_int(out, value) {
            let mut buffer = itoa::Buffer::new();
            let spelled = buffer.format(value).as_bytes();
            write_len(out, spelled.len() as u64);
            out.extend_from_slice(spelled);
        }
    }

    /// A member, field or value.
    #[inline]
    pub fn element(&mut self, out: &mut Vec<u8>, element: Element<'_>) {
        match element {
            Element::Int(value) => self.int(out, value),
            Element::Str(bytes) => self.string(out, bytes),
        }
    }
}

/// Writes `value` in its integer encoding if it fits into 32 bits, and says so.
#[inline]
fn small_int(out: &mut Vec<u8>, value: i64) -> bool {
    if let Ok(value) = i8::try_from(value) {
        out.extend_from_slice(&[0xC0 | opcode::ENC_INT8, value as u8]);
    } else if let Ok(value) = i16::try_from(value) {
        let [a, b] = value.to_le_bytes();
        out.extend_from_slice(&[0xC0 | opcode::ENC_INT16, a, b]);
    } else if let Ok(value) = i32::try_from(value) {
        let [a, b, c, d] = value.to_le_bytes();
        out.extend_from_slice(&[0xC0 | opcode::ENC_INT32, a, b, c, d]);
    } else {
        return false;
    }
    true
}

/// Appends a length in the shortest of its four forms: 6, 14, 32 or 64 bits, big-endian.
#[inline]
pub fn write_len(out: &mut Vec<u8>, len: u64) {
    if len < 1 << 6 {
        out.push(len as u8);
    } else if len < 1 << 14 {
        out.extend_from_slice(&[0x40 | (len >> 8) as u8, len as u8]);
    } else if let Ok(len) = u32::try_from(len) {
        out.push(opcode::LEN_32);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(opcode::LEN_64);
        out.extend_from_slice(&len.to_be_bytes());
    }
}
