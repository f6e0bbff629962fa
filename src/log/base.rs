//! The base of commands: what a log begins with under `aof-use-rdb-preamble no`, byte by byte in docs/FORMATS.md.
//!
//! ```text
//! head, HEAD_BYTES | block ... block | end, END_BYTES
//! block: line, BLOCK_LINE_BYTES | SELECT and other commands | padding to BASE_ALIGN
//! ```
//!
//! Each block holds commands of one core, and a key's commands stand in blocks of the same core, in order. Nothing of it is ever
//! changed: a base without its end, or with any byte that is not as it was written, is not used.

use crc64fast::Digest;

use super::frame::fill_padding;
use super::hex;
use super::types::CORES_MAX;

/// Version of the format that this code writes, and the newest it reads.
const BASE_VERSION: u16 = 1;
/// What the file begins with.
pub(crate) const BASE_MAGIC: &[u8] = b"#basalt-base ";
/// Where blocks begin.
pub const BASE_HEAD_BYTES: usize = 4096;
/// Blocks begin and end at multiples of this.
pub const BASE_ALIGN: usize = 4096;
/// Length of a block's line in bytes.
pub const BLOCK_LINE_BYTES: usize = 96;
/// Length of the last line in bytes.
pub const BASE_END_BYTES: usize = 128;

const LINE_BYTES: usize = 512;

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseHeader {
    /// Random name, repeated in every block, in the end and in the manifest.
    pub id: u64,
    /// Random start of every checksum in it; stands nowhere else.
    pub seed: u64,
    /// How many cores wrote it.
    pub cores: u16,
    /// The instant that it shows, Unix milliseconds.
    pub time_ms: u64,
}

/// What a block says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLine {
    /// The core whose keys it holds.
    pub core: u16,
    /// How many commands there are, SELECT not counted.
    pub commands: u32,
    /// Bytes of RESP.
    pub payload_bytes: u64,
}

/// What the last line says of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseEnd {
    /// How many blocks there are.
    pub blocks: u64,
    /// How many keys.
    pub keys: u64,
}

/// Why a base's first line can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BaseFault {
    /// It does not begin like one.
    Foreign,
    /// It begins like one and something in it is wrong.
    Damaged,
    /// A newer Basalt wrote it.
    Newer(u16),
}

fn digest(seed: u64, offset: u64) -> Digest {
    let mut digest = Digest::new();
    digest.write(&seed.to_le_bytes());
    digest.write(&offset.to_le_bytes());
    digest
}

/// The checksum of `bytes` at `offset`, without the sixteen digits at `at`.
fn sum(seed: u64, offset: u64, bytes: &[u8], at: usize) -> u64 {
    let mut digest = digest(seed, offset);
    digest.write(&bytes[..at]);
    digest.write(&bytes[at + 16..]);
    digest.sum64()
}

impl BaseHeader {
    /// The head: the first line, and padding up to the first block.
    pub fn encode(&self) -> Vec<u8> {
        let text = format!(
            "#basalt-base v={BASE_VERSION:04x} id={:016x} seed={:016x} cores={:04x} time={:016x} crc=",
            self.id, self.seed, self.cores, self.time_ms
        );
        let mut head = vec![b' '; BASE_HEAD_BYTES];
        head[..text.len()].copy_from_slice(text.as_bytes());
        head[LINE_BYTES - 2..LINE_BYTES].copy_from_slice(b"\r\n");
        fill_padding(&mut head[LINE_BYTES..]);
        let crc = sum(0, 0, &head, text.len());
        hex::write_u64(&mut head[text.len()..text.len() + 16], crc);
        head
    }

    /// Reads the head.
    pub fn decode(head: &[u8]) -> Result<BaseHeader, BaseFault> {
        if !head.starts_with(BASE_MAGIC) {
            return Err(BaseFault::Foreign);
        }
        let head = head.get(..BASE_HEAD_BYTES).ok_or(BaseFault::Damaged)?;
        let text = std::str::from_utf8(&head[..LINE_BYTES]).map_err(|_| BaseFault::Damaged)?;
        let crc_at = text.find(" crc=").ok_or(BaseFault::Damaged)? + 5;
        let crc = head.get(crc_at..crc_at + 16).and_then(hex::read_u64);
        if crc != Some(sum(0, 0, head, crc_at)) {
            return Err(BaseFault::Damaged);
        }
        let field = |name: &str| {
            let value = text.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            value.and_then(|digits| hex::read_u64(digits.as_bytes())).ok_or(BaseFault::Damaged)
        };
        let version = field("v")?;
        if version > u64::from(BASE_VERSION) {
            return Err(BaseFault::Newer(version as u16));
        }
        let cores = field("cores")?;
        if cores == 0 || cores > CORES_MAX as u64 {
            return Err(BaseFault::Damaged);
        }
        Ok(BaseHeader { id: field("id")?, seed: field("seed")?, cores: cores as u16, time_ms: field("time")? })
    }

    /// Seals a block that stands at `offset`, padding included; its first [`BLOCK_LINE_BYTES`] are room for its line.
    pub fn seal(&self, block: &mut [u8], line: &BlockLine, offset: u64) {
        assert!(block.len() as u64 >= BLOCK_LINE_BYTES as u64 + line.payload_bytes);
        let head = &mut block[..BLOCK_LINE_BYTES];
        head.copy_from_slice(BLOCK);
        hex::write_u64(&mut head[S..S + 16], self.id);
        hex::write_u64(&mut head[B..B + 4], u64::from(line.core));
        hex::write_u64(&mut head[N..N + 8], u64::from(line.commands));
        hex::write_u64(&mut head[P..P + 10], line.payload_bytes);
        let crc = self.line_sum(head, offset);
        hex::write_u64(&mut head[H..H + 16], crc);
        let crc = sum(self.seed, offset, block, C);
        hex::write_u64(&mut block[C..C + 16], crc);
    }

    fn line_sum(&self, head: &[u8], offset: u64) -> u64 {
        let mut digest = digest(self.seed, offset);
        digest.write(&head[..H]);
        digest.sum64()
    }

    /// Reads the line of the block at `offset`; `None` unless it is whole by its own checksum.
    pub fn read_line(&self, head: &[u8], offset: u64) -> Option<BlockLine> {
        let head = head.get(..BLOCK_LINE_BYTES)?;
        if hex::read_u64(&head[H..H + 16])? != self.line_sum(head, offset)
            || !head.starts_with(&BLOCK[..S])
            || hex::read_u64(&head[S..S + 16])? != self.id
        {
            return None;
        }
        let core = hex::read_u64(&head[B..B + 4])? as u16;
        let line = BlockLine {
            core,
            commands: hex::read_u64(&head[N..N + 8])? as u32,
            payload_bytes: hex::read_u64(&head[P..P + 10])?,
        };
        (core < self.cores).then_some(line)
    }

    /// Whether a block, padding included, is what was sealed.
    pub fn is_whole(&self, block: &[u8], offset: u64) -> bool {
        block.len() >= BLOCK_LINE_BYTES && hex::read_u64(&block[C..C + 16]) == Some(sum(self.seed, offset, block, C))
    }

    /// The last line, which stands at `offset`.
    pub fn encode_end(&self, end: &BaseEnd, offset: u64) -> [u8; BASE_END_BYTES] {
        let text = format!("#BE1 s={:016x} n={:016x} k={:016x} c=", self.id, end.blocks, end.keys);
        let mut line = [b' '; BASE_END_BYTES];
        line[..text.len()].copy_from_slice(text.as_bytes());
        line[BASE_END_BYTES - 2..].copy_from_slice(b"\r\n");
        let crc = sum(self.seed, offset, &line, END_C);
        hex::write_u64(&mut line[END_C..END_C + 16], crc);
        line
    }

    /// Reads the last line, which stands at `offset`; `None` if that is not what is there.
    pub fn read_end(&self, line: &[u8], offset: u64) -> Option<BaseEnd> {
        if line.len() != BASE_END_BYTES
            || !line.starts_with(b"#BE1 s=")
            || hex::read_u64(&line[END_C..END_C + 16])? != sum(self.seed, offset, line, END_C)
            || hex::read_u64(&line[7..23])? != self.id
        {
            return None;
        }
        Some(BaseEnd { blocks: hex::read_u64(&line[26..42])?, keys: hex::read_u64(&line[45..61])? })
    }
}

impl BlockLine {
    /// Bytes of the whole block.
    pub fn block_bytes(&self) -> u64 {
        super::frame::padded_bytes(BLOCK_LINE_BYTES as u64 + self.payload_bytes, BASE_ALIGN as u32)
    }
}

/// Pads a block, whose payload is there, to [`BASE_ALIGN`].
pub fn pad_base_block(block: &mut Vec<u8>) {
    let content = block.len();
    block.resize(super::frame::padded_bytes(content as u64, BASE_ALIGN as u32) as usize, 0);
    fill_padding(&mut block[content..]);
}

const BLOCK: &[u8; BLOCK_LINE_BYTES] = b"#BB1 s=0000000000000000 b=0000 n=00000000 p=0000000000 \
h=0000000000000000 c=0000000000000000  \r\n";
const S: usize = 7;
const B: usize = 26;
const N: usize = 33;
const P: usize = 44;
const H: usize = 57;
const C: usize = 76;
const END_C: usize = 64;

const _: () = assert!(BASE_HEAD_BYTES.is_multiple_of(BASE_ALIGN) && C + 16 + 4 == BLOCK_LINE_BYTES);

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: BaseHeader = BaseHeader { id: 0x1234, seed: 99, cores: 4, time_ms: 1_700_000_000_000 };

    #[test]
    fn any_flipped_bit_of_head_block_or_end_shows() {
        let head = HEADER.encode();
        assert_eq!(BaseHeader::decode(&head), Ok(HEADER));
        let line = BlockLine { core: 3, commands: 1, payload_bytes: 14 };
        let mut block = vec![0; BLOCK_LINE_BYTES];
        block.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
        pad_base_block(&mut block);
        assert_eq!(block.len() as u64, line.block_bytes());
        HEADER.seal(&mut block, &line, 8192);
        assert_eq!(HEADER.read_line(&block, 8192), Some(line));
        assert!(HEADER.is_whole(&block, 8192) && !HEADER.is_whole(&block, 4096));
        assert_eq!(HEADER.read_line(&block, 4096), None, "a block has its place");
        let end = BaseEnd { blocks: 7, keys: 9 };
        let last = HEADER.encode_end(&end, 12288);
        assert_eq!(HEADER.read_end(&last, 12288), Some(end));
        assert_eq!(HEADER.read_end(&last, 8192), None);
        let flip = |bytes: &[u8], bit: usize| {
            let mut rotten = bytes.to_vec();
            rotten[bit / 8] ^= 1 << (bit % 8);
            rotten
        };
        for bit in 0..head.len() * 8 {
            assert!(BaseHeader::decode(&flip(&head, bit)).is_err(), "bit {bit} of the head");
        }
        for bit in 0..block.len() * 8 {
            assert!(!HEADER.is_whole(&flip(&block, bit), 8192), "bit {bit} of the block");
        }
        for bit in 0..last.len() * 8 {
            assert_eq!(HEADER.read_end(&flip(&last, bit), 12288), None, "bit {bit} of the end");
        }
    }

    #[test]
    fn every_line_is_one_that_other_servers_skip() {
        let mut all = HEADER.encode();
        for payload in [0, 1, 3995, 3997, 3998, 3999, 4000, 8000] {
            let mut block = vec![0; BLOCK_LINE_BYTES + payload];
            pad_base_block(&mut block);
            HEADER.seal(&mut block, &BlockLine { core: 0, commands: 0, payload_bytes: payload as u64 }, 0);
            all.extend_from_slice(&block[..BLOCK_LINE_BYTES]);
            all.extend_from_slice(&block[BLOCK_LINE_BYTES + payload..]);
        }
        all.extend_from_slice(&HEADER.encode_end(&BaseEnd { blocks: 1, keys: 1 }, 0));
        for line in all.split_inclusive(|&byte| byte == b'\n') {
            assert!(line.starts_with(b"#") && line.ends_with(b"\r\n") && line.len() <= 512);
        }
    }
}
