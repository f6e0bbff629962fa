//! The segment: an append-only file of one core, filled with annotation lines before it is used.

use std::sync::Arc;

use crc64fast::Digest;

use super::hex;
use super::types::{CORES_MAX, Lsn};
use crate::storage::File;

/// Version of segment and frame format that this code writes, and the newest it reads. Version 1 knew no rounds (rule X7).
pub const FORMAT_VERSION: u16 = 2;

/// Length of the header line and of each filler line in bytes.
pub const LINE_BYTES: usize = 512;

/// What a segment's file begins with.
pub(crate) const SEGMENT_MAGIC: &[u8] = b"#basalt-segment ";

/// What a segment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    /// One core's log.
    Ordinary,
    /// Whole-database effects between two generations (rule X6).
    Barrier,
    /// The kept part of a frame that recovery had to divide.
    Tail,
}

/// The header line of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// What it is for.
    pub kind: SegmentKind,
    /// The core that writes it.
    pub core: u16,
    /// How many cores the server has.
    pub cores: u16,
    /// The start of the server that made it.
    pub incarnation: u64,
    /// Generations are replayed one after another; a start, a barrier and a rewrite each begin a new one.
    pub generation: u64,
    /// Its number among all incremental files.
    pub seq: u64,
    /// Random name, repeated in frames and filler.
    pub id: u64,
    /// Random start of every CRC in it; stands nowhere else.
    pub seed: u64,
    /// Length of the file in bytes.
    pub size_bytes: u64,
    /// The unit that the device writes whole: frames begin and end on it.
    pub block_bytes: u32,
    /// No frame in it holds a smaller LSN. (A segment is prepared before it is known where the one before it ends.)
    pub first_lsn_min: Lsn,
    /// Unix time in milliseconds when it was prepared.
    pub created_ms: u64,
    /// Its frames are acknowledged when the kernel has them, not when they are on the medium: after a loss of power rounds say
    /// what counts (rule X7). All segments of a generation agree.
    pub relaxed: bool,
    /// The run of the machine in which it is written; 0: unknown. As long as it lasts, what the kernel was given is there.
    pub boot: u64,
}

/// Why a segment's first line is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFault {
    /// It does not begin like one: a file of Redis or Valkey.
    Foreign,
    /// It begins like one and its checksum is wrong.
    Damaged,
    /// A newer Basalt wrote it.
    Newer(u16),
}

impl SegmentHeader {
    /// Where frames begin: after the header line, at the next block.
    pub fn data_start(&self) -> u64 {
        (self.block_bytes as u64).max(LINE_BYTES as u64)
    }

    /// The header line.
    pub fn encode(&self) -> [u8; LINE_BYTES] {
        let kind = match self.kind {
            SegmentKind::Ordinary => 'o',
            SegmentKind::Barrier => 'b',
            SegmentKind::Tail => 't',
        };
        let text = format!(
            "#basalt-segment v={FORMAT_VERSION:04x} kind={kind} core={:04x} cores={:04x} inc={:016x} gen={:016x} seq={:016x} \
             id={:016x} seed={:016x} size={:016x} block={:04x} lsn={:016x} time={:016x} sync={} boot={:016x} crc=",
            self.core,
            self.cores,
            self.incarnation,
            self.generation,
            self.seq,
            self.id,
            self.seed,
            self.size_bytes,
            self.block_bytes,
            self.first_lsn_min,
            self.created_ms,
            if self.relaxed { 'r' } else { 'a' },
            self.boot,
        );
        let mut line = [b' '; LINE_BYTES];
        line[..text.len()].copy_from_slice(text.as_bytes());
        line[LINE_BYTES - 2..].copy_from_slice(b"\r\n");
        let crc = line_crc(&line, text.len());
        hex::write_u64(&mut line[text.len()..text.len() + 16], crc);
        line
    }

    /// Reads a header line.
    pub fn decode(line: &[u8]) -> Result<SegmentHeader, HeaderFault> {
        if line.len() < LINE_BYTES || !line.starts_with(SEGMENT_MAGIC) {
            return Err(HeaderFault::Foreign);
        }
        let line = &line[..LINE_BYTES];
        let text = std::str::from_utf8(line).map_err(|_| HeaderFault::Damaged)?;
        let crc_at = text.find(" crc=").ok_or(HeaderFault::Damaged)? + 5;
        let crc = line.get(crc_at..crc_at + 16).and_then(hex::read_u64).ok_or(HeaderFault::Damaged)?;
        if crc != line_crc(line, crc_at) {
            return Err(HeaderFault::Damaged);
        }
        let field = |name: &str| {
            let mut words = text.split(' ');
            let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            value.and_then(|digits| hex::read_u64(digits.as_bytes())).ok_or(HeaderFault::Damaged)
        };
        let version = field("v")? as u16;
        if version > FORMAT_VERSION {
            return Err(HeaderFault::Newer(version));
        }
        let letter = |name: &str| text.find(name).and_then(|at| text.as_bytes().get(at + name.len()).copied());
        let header = SegmentHeader {
            kind: match letter(" kind=") {
                Some(b'o') => SegmentKind::Ordinary,
                Some(b'b') => SegmentKind::Barrier,
                Some(b't') => SegmentKind::Tail,
                _ => return Err(HeaderFault::Damaged),
            },
            core: field("core")? as u16,
            cores: field("cores")? as u16,
            incarnation: field("inc")?,
            generation: field("gen")?,
            seq: field("seq")?,
            id: field("id")?,
            seed: field("seed")?,
            size_bytes: field("size")?,
            block_bytes: field("block")? as u32,
            first_lsn_min: field("lsn")?,
            created_ms: field("time")?,
            relaxed: match letter(" sync=") {
                Some(b'r') => true,
                Some(b'a') => false,
                None if version == 1 => false,
                _ => return Err(HeaderFault::Damaged),
            },
            boot: if version == 1 { 0 } else { field("boot")? },
        };
        let sound = header.core < header.cores
            && header.cores as usize <= CORES_MAX
            && (512..=4096).contains(&header.block_bytes)
            && header.block_bytes.is_power_of_two()
            && header.size_bytes.is_multiple_of(header.block_bytes as u64)
            && header.size_bytes > header.data_start();
        if sound { Ok(header) } else { Err(HeaderFault::Damaged) }
    }

    /// Writes the filler of `out.len()` bytes at `offset`, both multiples of [`LINE_BYTES`].
    pub fn fill(&self, out: &mut [u8], offset: u64) {
        assert!(offset.is_multiple_of(LINE_BYTES as u64) && out.len().is_multiple_of(LINE_BYTES));
        let mut line = self.filler_template();
        for (index, target) in out.chunks_exact_mut(LINE_BYTES).enumerate() {
            let at = offset + (index * LINE_BYTES) as u64;
            hex::write_u64(&mut line[26..38], at);
            target.copy_from_slice(&line);
        }
    }

    fn filler_template(&self) -> [u8; LINE_BYTES] {
        let mut line = [b'.'; LINE_BYTES];
        line[..39].copy_from_slice(b"#BL1 s=0000000000000000 o=000000000000 ");
        hex::write_u64(&mut line[7..23], self.id);
        line[LINE_BYTES - 2..].copy_from_slice(b"\r\n");
        line
    }

    /// What the [`LINE_BYTES`] bytes at `offset` are.
    pub fn judge_line(&self, line: &[u8], offset: u64) -> Line {
        let mut filler = [0; LINE_BYTES];
        self.fill(&mut filler, offset);
        if line == filler {
            return Line::Filler;
        }
        let differ = line.iter().zip(&filler).filter(|(a, b)| a != b).count() + LINE_BYTES - line.len();
        if differ <= DAMAGED_BYTES_MAX { Line::DamagedFiller } else { Line::Written }
    }
}

/// A filler line that differs in at most this many bytes is rotten filler, not something written: a frame differs in far more.
const DAMAGED_BYTES_MAX: usize = 8;

/// What one line of a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// As it was prepared.
    Filler,
    /// As it was prepared, but for a few bytes.
    DamagedFiller,
    /// Something else was written there.
    Written,
}

fn line_crc(line: &[u8], crc_at: usize) -> u64 {
    let mut digest = Digest::new();
    digest.write(&line[..crc_at]);
    digest.write(&line[crc_at + 16..]);
    digest.sum64()
}

/// A segment in use: its header, its name in the log's directory, and its open file.
#[derive(Debug)]
pub struct Segment {
    /// The header line.
    pub header: SegmentHeader,
    /// File name in the log's directory.
    pub name: String,
    /// The open, locked file.
    pub file: Arc<dyn File>,
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn header() -> SegmentHeader {
        SegmentHeader {
            kind: SegmentKind::Barrier,
            core: 2,
            cores: 4,
            incarnation: 0xfeed_beef_0000_0001,
            generation: 7,
            seq: 31,
            id: 0xabc,
            seed: u64::MAX,
            size_bytes: 64 << 10,
            block_bytes: 4096,
            first_lsn_min: 99,
            created_ms: 1_700_000_000_000,
            relaxed: true,
            boot: 0xb007,
        }
    }

    #[test]
    fn w2_a_header_with_any_flipped_bit_is_refused() {
        let line = header().encode();
        assert_eq!(SegmentHeader::decode(&line), Ok(header()));
        for bit in 0..line.len() * 8 {
            let mut rotten = line;
            rotten[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&rotten).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_header_of_version_1_is_read_as_one_without_rounds() {
        let text = String::from_utf8(header().encode().to_vec()).unwrap();
        let text = text.replace("v=0002", "v=0001").replace(" sync=r boot=000000000000b007", "");
        let crc_at = text.find(" crc=").unwrap() + 5;
        let mut line = format!("{:<510}\r\n", text[..crc_at + 16].trim_end()).into_bytes();
        let crc = line_crc(&line, crc_at);
        hex::write_u64(&mut line[crc_at..crc_at + 16], crc);
        assert_eq!(SegmentHeader::decode(&line), Ok(SegmentHeader { relaxed: false, boot: 0, ..header() }));
    }

    #[test]
    fn w3_filler_tells_its_segment_and_its_offset() {
        let header = header();
        let mut filler = vec![0; 2048];
        header.fill(&mut filler, 4096);
        assert_eq!(header.judge_line(&filler[512..1024], 4608), Line::Filler);
        assert_eq!(header.judge_line(&filler[512..1024], 5120), Line::DamagedFiller);
        let mut other = header;
        other.id = 0x9999_9999_9999_9999;
        assert_ne!(other.judge_line(&filler[..512], 4096), Line::Filler);
        filler[700] ^= 4;
        assert_eq!(header.judge_line(&filler[512..1024], 4608), Line::DamagedFiller);
        assert!(filler.split_inclusive(|&b| b == b'\n').all(|line| line.len() == 512 && line[0] == b'#'));
    }
}
