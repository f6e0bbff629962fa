//! The manifest: which files make up the log, in the text format of Redis 7 with additions that it skips.
//!
//! ```text
//! file "appendonly.aof.1.base.rdb" seq 1 type b by basalt
//! file "appendonly.aof.4.incr.aof" seq 4 type i core 0 gen 3 id 0123456789abcdef end 8192 lsn 17
//! #basalt-manifest v=0001 edit=000000000000000c crc=0123456789abcdef
//! ```
//!
//! Redis and Valkey ignore keys that they do not know and lines that begin with `#`; when they rewrite the manifest, both are
//! gone, and it is taken as theirs. With additions but without a right last line it is refused (rule S2).

use std::fmt::Write as _;

use crc64fast::Digest;

use super::hex;
use super::segment::FORMAT_VERSION;
use super::types::Lsn;

/// Longest manifest that is read, in bytes.
pub const MANIFEST_BYTES_MAX: u64 = 64 << 20;

const LAST_LINE: &str = "#basalt-manifest ";

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The state that the log starts from.
    Base,
    /// A part of the log.
    Incr,
    /// Replaced by a rewrite of Redis; to be deleted.
    History,
}

/// What the manifest says of a segment that Basalt wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentEntry {
    /// Its core.
    pub core: u16,
    /// Its generation.
    pub generation: u64,
    /// Its random id.
    pub id: u64,
    /// Once it can't grow any more: offset behind its last frame, and the last record.
    pub end: Option<(u64, Lsn)>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// File name in the log's directory.
    pub name: String,
    /// Number; rises over all incremental files.
    pub seq: u64,
    /// What the file is for.
    pub role: Role,
    /// What Basalt adds.
    pub segment: Option<SegmentEntry>,
    /// The random id of a base of commands that Basalt wrote.
    pub base_id: Option<u64>,
}

/// The whole manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// All files in order: base, history, incremental.
    pub entries: Vec<Entry>,
    /// Counts the switches; 0 if Redis or Valkey wrote it.
    pub edit: u64,
}

/// Why a manifest can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestFault {
    /// A line is not what it should be.
    #[error("line {line}: {what}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The checksum is wrong.
    #[error("the checksum in its last line does not match: it is damaged or was edited by hand")]
    Checksum,
    /// Basalt wrote it, but its last line is missing.
    #[error("the last line, which holds the checksum, is missing: it was cut short or edited by hand")]
    NoChecksum,
    /// A newer Basalt wrote it.
    #[error("it has format version {0}, newer than this program knows")]
    Newer(u16),
    /// It names no file at all.
    #[error("it is empty")]
    Empty,
}

impl Manifest {
    /// The base, if there is one.
    pub fn base(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.role == Role::Base)
    }

    /// The incremental files in order.
    pub fn incrs(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.role == Role::Incr)
    }

    /// The highest number of an incremental file, 0 without one.
    pub fn seq_max(&self) -> u64 {
        self.incrs().map(|entry| entry.seq).max().unwrap_or(0)
    }

    /// The text, with the last line.
    pub fn encode(&self) -> Vec<u8> {
        let mut text = String::new();
        for entry in &self.entries {
            let kind = match entry.role {
                Role::Base => 'b',
                Role::Incr => 'i',
                Role::History => 'h',
            };
            // Writing to a string can't fail.
            let _ = write!(text, "file {} seq {} type {kind}", quote(&entry.name), entry.seq);
            if let Some(segment) = &entry.segment {
                let SegmentEntry { core, generation, id, end } = segment;
                let _ = write!(text, " core {core} gen {generation} id {id:016x}");
                if let Some((offset, lsn)) = end {
                    let _ = write!(text, " end {offset} lsn {lsn}");
                }
            }
            if let Some(id) = entry.base_id {
                let _ = write!(text, " id {id:016x}");
            }
            // So that a manifest cut short behind this line is not taken for one of Redis.
            text.push_str(if entry.segment.is_none() { " by basalt\n" } else { "\n" });
        }
        let _ = write!(text, "{LAST_LINE}v={FORMAT_VERSION:04x} edit={:016x} crc=", self.edit);
        let crc = crc(text.as_bytes());
        let _ = writeln!(text, "{crc:016x}");
        text.into_bytes()
    }

    /// What can still be read of a damaged manifest, and how many lines cannot. Nothing vouches for it.
    pub fn read_damaged(bytes: &[u8]) -> (Manifest, usize) {
        let mut manifest = Manifest::default();
        let mut unreadable = 0;
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            match read_entry(line) {
                Ok((entry, _)) if manifest.entries.iter().all(|other| other.name != entry.name) => {
                    manifest.entries.push(entry);
                }
                _ if line.starts_with(LAST_LINE.as_bytes()) => {}
                _ => unreadable += 1,
            }
        }
        (manifest, unreadable)
    }

    /// Reads a manifest of Basalt, Redis or Valkey.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, ManifestFault> {
        let mut manifest = Manifest::default();
        let mut ours = false;
        let mut sealed = false;
        let mut seq_before = 0;
        let mut start = 0;
        for (index, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
            let fault = |what| ManifestFault::Line { line: index + 1, what };
            if sealed {
                return Err(fault("there is something behind the checksum"));
            }
            if line.starts_with(LAST_LINE.as_bytes()) {
                manifest.edit = read_last_line(bytes, start, line)?;
                sealed = true;
            } else if line.starts_with(b"#") {
                ours |= line.windows(7).any(|word| word == b"basalt-");
            } else {
                let (entry, by_us) = read_entry(line).map_err(fault)?;
                ours |= by_us;
                if entry.role == Role::Base && manifest.base().is_some() {
                    return Err(fault("a second base file"));
                }
                if entry.role == Role::Incr {
                    if entry.seq <= seq_before {
                        return Err(fault("sequence numbers of incremental files must rise"));
                    }
                    seq_before = entry.seq;
                }
                if manifest.entries.iter().any(|other| other.name == entry.name) {
                    return Err(fault("a file is named twice"));
                }
                manifest.entries.push(entry);
            }
            start += line.len();
        }
        if bytes.is_empty() {
            return Err(ManifestFault::Empty);
        }
        if !sealed && ours {
            return Err(ManifestFault::NoChecksum);
        }
        Ok(manifest)
    }
}

fn crc(bytes: &[u8]) -> u64 {
    let mut digest = Digest::new();
    digest.write(bytes);
    digest.sum64()
}

fn read_last_line(bytes: &[u8], start: usize, line: &[u8]) -> Result<u64, ManifestFault> {
    // "#basalt-manifest v=0001 edit=0123456789abcdef crc=0123456789abcdef\n"
    const CRC_AT: usize = 50;
    let whole = line.len() == CRC_AT + 17 && line.ends_with(b"\n");
    let claimed = if whole { hex::read_u64(&line[CRC_AT..CRC_AT + 16]) } else { None };
    if claimed != Some(crc(&bytes[..start + CRC_AT.min(line.len())])) {
        return Err(ManifestFault::Checksum);
    }
    match (hex::read_u64(&line[19..23]), hex::read_u64(&line[29..45])) {
        (Some(version), _) if version != FORMAT_VERSION as u64 => Err(ManifestFault::Newer(version as u16)),
        (Some(_), Some(edit)) => Ok(edit),
        _ => Err(ManifestFault::Checksum),
    }
}

/// Reads a line; also says whether Basalt wrote it.
fn read_entry(line: &[u8]) -> Result<(Entry, bool), &'static str> {
    let line = std::str::from_utf8(line).map_err(|_| "not UTF-8")?;
    let Some(line) = line.strip_suffix('\n') else { return Err("the line end is missing: the file was cut short") };
    let words = split_words(line.trim_matches([' ', '\t', '\r'])).ok_or("unbalanced quotes")?;
    if words.len() < 6 || !words.len().is_multiple_of(2) {
        return Err("not a list of keys and values");
    }
    let value = |key: &str| {
        let mut pairs = words.chunks_exact(2);
        pairs.find(|pair| pair[0].eq_ignore_ascii_case(key)).map(|pair| pair[1].as_str())
    };
    let number =
        |key: &str| value(key).map(|text| text.parse::<u64>().map_err(|_| "a number is malformed")).transpose();
    let name = value("file").filter(|name| !name.is_empty()).ok_or("no file name")?;
    if name.contains('/') || name == ".." || name == "." {
        return Err("a file name must not be a path");
    }
    let role = match value("type") {
        Some("b") => Role::Base,
        Some("i") => Role::Incr,
        Some("h") => Role::History,
        _ => return Err("unknown file type"),
    };
    let segment = match (number("core")?, number("gen")?, value("id")) {
        (Some(core), Some(generation), Some(id)) => Some(SegmentEntry {
            core: core.try_into().map_err(|_| "a number is malformed")?,
            generation,
            id: hex::read_u64(id.as_bytes()).ok_or("a number is malformed")?,
            end: number("end")?.zip(number("lsn")?),
        }),
        _ => None,
    };
    let base_id = match value("id") {
        Some(id) if role == Role::Base => Some(hex::read_u64(id.as_bytes()).ok_or("a number is malformed")?),
        _ => None,
    };
    let seq = number("seq")?.filter(|&seq| seq > 0).ok_or("no sequence number")?;
    let by_us = segment.is_some() || value("by") == Some("basalt");
    Ok((Entry { name: name.to_string(), seq, role, segment, base_id }, by_us))
}

fn quote(name: &str) -> String {
    let mut quoted = String::from("\"");
    for character in name.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// Splits as Redis does: blanks separate, single and double quotes enclose, the latter with escapes.
fn split_words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.chars().peekable();
    loop {
        while rest.next_if(|c| c.is_ascii_whitespace()).is_some() {}
        let Some(&first) = rest.peek() else { return Some(words) };
        let mut word = Vec::new();
        let push = |word: &mut Vec<u8>, c: char| word.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        if first == '"' || first == '\'' {
            rest.next();
            loop {
                match rest.next()? {
                    c if c == first => break,
                    '\\' if first == '"' => match rest.next()? {
                        'n' => word.push(b'\n'),
                        'r' => word.push(b'\r'),
                        't' => word.push(b'\t'),
                        'b' => word.push(8),
                        'a' => word.push(7),
                        'x' => {
                            let digits = [rest.next()?.to_digit(16)?, rest.next()?.to_digit(16)?];
                            word.push((digits[0] << 4 | digits[1]) as u8);
                        }
                        c => push(&mut word, c),
                    },
                    '\\' if rest.peek() == Some(&'\'') => {
                        rest.next();
                        word.push(b'\'');
                    }
                    c => push(&mut word, c),
                }
            }
            if rest.peek().is_some_and(|c| !c.is_ascii_whitespace()) {
                return None;
            }
        } else {
            while let Some(c) = rest.next_if(|c| !c.is_ascii_whitespace()) {
                push(&mut word, c);
            }
        }
        words.push(String::from_utf8(word).ok()?);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let entry =
            |name: &str, seq, role, segment| Entry { name: name.to_string(), seq, role, segment, base_id: None };
        let segment = SegmentEntry { core: 3, generation: 9, id: 0xab, end: Some((8192, 17)) };
        Manifest {
            entries: vec![
                entry("a \"b\".1.base.rdb", 1, Role::Base, None),
                entry("a.4.incr.aof", 4, Role::Incr, Some(segment)),
                entry("a.5.incr.aof", 5, Role::Incr, Some(SegmentEntry { end: None, ..segment })),
            ],
            edit: 12,
        }
    }

    #[test]
    fn s2_every_flipped_bit_and_every_truncation_is_refused() {
        let bytes = manifest().encode();
        assert_eq!(Manifest::decode(&bytes), Ok(manifest()));
        for bit in 0..bytes.len() * 8 {
            let mut rotten = bytes.clone();
            rotten[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::decode(&rotten).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..len]).is_err(), "length {len}");
        }
    }

    #[test]
    fn a_manifest_of_redis_is_read() {
        let text = b"file appendonly.aof.1.base.rdb seq 1 type b\nfile 'x y' seq 2 type i startoffset 0\n";
        let manifest = Manifest::decode(text).unwrap();
        assert_eq!((manifest.edit, manifest.entries[1].name.as_str()), (0, "x y"));
    }

    #[test]
    fn any_name_comes_back() {
        for name in ["a b", "quote\" and \\", "line\nend\r\ttab", "'single'", "tschüß"] {
            let entry = Entry { name: name.to_string(), seq: 7, role: Role::History, segment: None, base_id: None };
            let manifest = Manifest { entries: vec![entry], edit: 3 };
            assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest), "{name:?}");
        }
        let read = |name: &str| {
            let text = format!("file {name} seq 1 type i\n");
            Manifest::decode(text.as_bytes()).map(|manifest| manifest.entries[0].name.clone()).ok()
        };
        assert_eq!(read(r#""\x41\x7a\q\a\b""#).as_deref(), Some("Azq\u{7}\u{8}"));
        assert_eq!(read(r"'it\'s \n'").as_deref(), Some(r"it's \n"));
        assert_eq!(read(r"plain\n").as_deref(), Some(r"plain\n"));
        for broken in [r#""open"#, r#""a"b"#, "'open", r#""\x4""#, r#""\xgg""#] {
            assert_eq!(read(broken), None, "{broken}");
        }
    }

    #[test]
    fn a_manifest_that_makes_no_sense_is_refused_and_its_line_is_named() {
        for (text, bad_line) in [
            ("file a seq 1 type b\nfile b seq 2 type b\n", 2),
            ("file a seq 1 type i\nfile a seq 2 type h\n", 2),
            ("file a seq 1 type x\n", 1),
            ("file a/b seq 1 type i\n", 1),
            ("file . seq 1 type i\n", 1),
            ("file .. seq 1 type i\n", 1),
            ("file \"\" seq 1 type i\n", 1),
            ("seq 1 type i core 1\n", 1),
            ("file a seq 0 type i\n", 1),
            ("file a seq x type i\n", 1),
            ("file a type i core 1\n", 1),
            ("file a seq 1\n", 1),
            ("file a seq 1 type i core\n", 1),
            ("file a seq 1 type i", 1),
            ("file a seq 1 type i core 70000 gen 1 id 00\n", 1),
            ("file a seq 1 type i core 1 gen 1 id zz\n", 1),
        ] {
            match Manifest::decode(text.as_bytes()) {
                Err(ManifestFault::Line { line, .. }) => assert_eq!(line, bad_line, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert_eq!(Manifest::decode(b""), Err(ManifestFault::Empty));
        let mut behind = manifest().encode();
        behind.extend_from_slice(b"file z seq 9 type i\n");
        assert!(matches!(Manifest::decode(&behind), Err(ManifestFault::Line { line: 5, .. })));
        // One of a program to come, whose checksum is right.
        let mut newer = manifest().encode();
        let at = newer.len() - 67 + 22;
        assert_eq!(newer[at], b'0' + FORMAT_VERSION as u8);
        newer[at] = b'9';
        let crc_at = newer.len() - 17;
        let sum = format!("{:016x}", crc(&newer[..crc_at]));
        newer[crc_at..crc_at + 16].copy_from_slice(sum.as_bytes());
        assert_eq!(Manifest::decode(&newer), Err(ManifestFault::Newer(9)));
    }

    #[test]
    fn what_can_be_read_of_a_damaged_manifest_is_read() {
        let whole = manifest();
        assert_eq!(whole.seq_max(), 5);
        assert_eq!((whole.base().unwrap().seq, whole.incrs().count()), (1, 2));
        let mut bytes = whole.encode();
        let line = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        assert_eq!(Manifest::read_damaged(&bytes), (Manifest { edit: 0, ..whole.clone() }, 0));
        bytes[line] = b'?';
        let (read, unreadable) = Manifest::read_damaged(&bytes);
        assert_eq!((read.entries, unreadable), (vec![whole.entries[0].clone(), whole.entries[2].clone()], 1));
        let twice = [&bytes[..line], &bytes[..line]].concat();
        assert_eq!(Manifest::read_damaged(&twice).1, 1, "a file is named once");
    }

    #[test]
    fn numbers_that_do_not_rise_are_refused() {
        let text = b"file a seq 2 type i\nfile b seq 2 type i\n";
        assert!(matches!(Manifest::decode(text), Err(ManifestFault::Line { line: 2, .. })));
    }
}
