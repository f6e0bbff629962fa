//! The frame: one group commit in a segment, byte by byte in docs/FORMATS.md.
//!
//! ```text
//! header line (with an optional SELECT behind it, together HEAD_BYTES) | payload: RESP | trailer: mark lines | padding to the block
//! ```
//!
//! All numbers are lower-case hexadecimal of fixed width. The CRC runs over the segment's seed, the frame's offset and every byte
//! of the frame but its own sixteen digits; a shorter one over the header's fields alone makes the length trustworthy
//! when a sector further on is missing.

use crc64fast::Digest;

use super::hex;
use super::types::{CoreSet, Lsn, Mark, PlacedMark, RoundVector};

/// Bytes before the payload: the header line and, if the database changes, a SELECT.
pub const HEAD_BYTES: usize = 240;

/// The frame repeats LSNs that the segment before could not take; its copies override those (rule W7).
pub const FLAG_SUPERSEDES: u16 = 1;
/// The last frame of its segment: the log goes on in the core's next segment.
pub const FLAG_CLOSES: u16 = 2;
/// Written at a clean stop.
pub const FLAG_CLEAN_STOP: u16 = 4;

const TEMPLATE: &[u8; 201] = b"#BF1 f=0000 i=0000000000000000 s=0000000000000000 l=0000000000000000 n=00000000 \
d=0000000000000000 b=0000 p=0000000000 m=00000000 t=000000000000 r=0000000000000000 h=0000000000000000 c=0000000000000000";

/// What a frame's first bytes must be.
pub(crate) const FRAME_MAGIC: &[u8] = b"#BF1 ";

const F: usize = 7;
const I: usize = 14;
const S: usize = 33;
const L: usize = 52;
const N: usize = 71;
const D: usize = 82;
const B: usize = 101;
const P: usize = 108;
const M: usize = 121;
const T: usize = 132;
const R: usize = 147;
const H: usize = 166;
const C: usize = 185;

/// What a frame says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameHeader {
    /// `FLAG_…` bits.
    pub flags: u16,
    /// The start of the server that wrote it.
    pub incarnation: u64,
    /// The segment it belongs to.
    pub segment_id: u64,
    /// Its first record; in an empty frame the one that comes next.
    pub first_lsn: Lsn,
    /// How many records it holds.
    pub count: u32,
    /// The core's durable cut when it was sealed: everything up to here may have been acknowledged.
    pub durable_lsn: Lsn,
    /// The database in which its first command runs.
    pub db: u16,
    /// Bytes of RESP.
    pub payload_bytes: u64,
    /// Bytes of trailer lines.
    pub trailer_bytes: u32,
    /// Unix time in milliseconds when it was sealed; never falls within a log.
    pub time_ms: u64,
    /// The newest round that was durable when it was sealed (rule X7); 0: none.
    pub round: u64,
}

impl FrameHeader {
    /// The last record, `first_lsn - 1` in an empty frame.
    pub fn last_lsn(&self) -> Lsn {
        self.first_lsn + self.count as u64 - 1
    }

    /// Bytes up to the padding.
    pub fn content_bytes(&self) -> u64 {
        HEAD_BYTES as u64 + self.payload_bytes + self.trailer_bytes as u64
    }

    /// Bytes on the medium.
    pub fn frame_bytes(&self, block_bytes: u32) -> u64 {
        padded_bytes(self.content_bytes(), block_bytes)
    }
}

/// The length that `content` bytes take with padding. Padding is a line, so it is never one or two bytes.
pub fn padded_bytes(content: u64, block_bytes: u32) -> u64 {
    let padded = content.next_multiple_of(block_bytes as u64);
    if matches!(padded - content, 1 | 2) { padded + block_bytes as u64 } else { padded }
}

/// Fills `out` with annotation lines. Its length must not be 1 or 2.
pub(crate) fn fill_padding(mut out: &mut [u8]) {
    while !out.is_empty() {
        assert!(out.len() > 2, "padding is whole lines");
        let line = match out.len() {
            0..=512 => out.len(),
            513..=514 => 509,
            _ => 512,
        };
        let (now, rest) = out.split_at_mut(line);
        now[0] = b'#';
        now[1..line - 2].fill(b' ');
        now[line - 2..].copy_from_slice(b"\r\n");
        out = rest;
    }
}

fn digest(seed: u64, offset: u64) -> Digest {
    let mut digest = Digest::new();
    let mut start = [0; 16];
    start[..8].copy_from_slice(&seed.to_le_bytes());
    start[8..].copy_from_slice(&offset.to_le_bytes());
    digest.write(&start);
    digest
}

fn frame_crc(seed: u64, offset: u64, frame: &[u8]) -> u64 {
    let mut digest = digest(seed, offset);
    digest.write(&frame[..C]);
    digest.write(&frame[C + 16..]);
    digest.sum64()
}

fn header_crc(seed: u64, offset: u64, head: &[u8]) -> u64 {
    let mut digest = digest(seed, offset);
    digest.write(&head[..H]);
    digest.sum64()
}

/// Writes the header into the first [`HEAD_BYTES`] of `frame`, whose payload, trailer and padding are in place, and seals it.
///
/// With `select`, a SELECT of the header's database stands between header line and payload.
pub fn seal(frame: &mut [u8], header: &FrameHeader, select: bool, seed: u64, offset: u64) {
    assert!(frame.len() as u64 >= header.content_bytes());
    let mut command = [0; 32];
    let command = if select { select_command(header.db, &mut command) } else { &[] };
    let line_end = HEAD_BYTES - command.len();
    frame[line_end..HEAD_BYTES].copy_from_slice(command);
    frame[TEMPLATE.len()..line_end - 2].fill(b' ');
    frame[line_end - 2..line_end].copy_from_slice(b"\r\n");
    let head = &mut frame[..TEMPLATE.len()];
    head.copy_from_slice(TEMPLATE);
    hex::write_u64(&mut head[F..F + 4], header.flags as u64);
    hex::write_u64(&mut head[I..I + 16], header.incarnation);
    hex::write_u64(&mut head[S..S + 16], header.segment_id);
    hex::write_u64(&mut head[L..L + 16], header.first_lsn);
    hex::write_u64(&mut head[N..N + 8], header.count as u64);
    hex::write_u64(&mut head[D..D + 16], header.durable_lsn);
    hex::write_u64(&mut head[B..B + 4], header.db as u64);
    hex::write_u64(&mut head[P..P + 10], header.payload_bytes);
    hex::write_u64(&mut head[M..M + 8], header.trailer_bytes as u64);
    hex::write_u64(&mut head[T..T + 12], header.time_ms);
    hex::write_u64(&mut head[R..R + 16], header.round);
    let crc = header_crc(seed, offset, head);
    hex::write_u64(&mut head[H..H + 16], crc);
    let crc = frame_crc(seed, offset, frame);
    hex::write_u64(&mut frame[C..C + 16], crc);
}

fn select_command(db: u16, room: &mut [u8; 32]) -> &[u8] {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(db).as_bytes();
    let head = b"*2\r\n$6\r\nSELECT\r\n$";
    let mut len = head.len();
    room[..len].copy_from_slice(head);
    room[len] = b'0' + digits.len() as u8;
    room[len + 1..len + 3].copy_from_slice(b"\r\n");
    len += 3;
    room[len..len + digits.len()].copy_from_slice(digits);
    len += digits.len();
    room[len..len + 2].copy_from_slice(b"\r\n");
    &room[..len + 2]
}

/// Reads the header at the start of `head`; `None` unless it is whole by its own checksum.
pub fn read_header(head: &[u8], seed: u64, offset: u64) -> Option<FrameHeader> {
    if head.len() < HEAD_BYTES || !head.starts_with(FRAME_MAGIC) {
        return None;
    }
    if hex::read_u64(&head[H..H + 16])? != header_crc(seed, offset, head) {
        return None;
    }
    Some(FrameHeader {
        flags: hex::read_u64(&head[F..F + 4])? as u16,
        incarnation: hex::read_u64(&head[I..I + 16])?,
        segment_id: hex::read_u64(&head[S..S + 16])?,
        first_lsn: hex::read_u64(&head[L..L + 16])?,
        count: hex::read_u64(&head[N..N + 8])? as u32,
        durable_lsn: hex::read_u64(&head[D..D + 16])?,
        db: hex::read_u64(&head[B..B + 4])? as u16,
        payload_bytes: hex::read_u64(&head[P..P + 10])?,
        trailer_bytes: hex::read_u64(&head[M..M + 8])? as u32,
        time_ms: hex::read_u64(&head[T..T + 12])?,
        round: hex::read_u64(&head[R..R + 16])?,
    })
}

/// Whether the whole frame, padding included, is what was sealed.
pub fn is_whole(frame: &[u8], seed: u64, offset: u64) -> bool {
    hex::read_u64(&frame[C..C + 16]) == Some(frame_crc(seed, offset, frame))
}

/// Length of a mark line in bytes.
pub(crate) const MARK_BYTES: usize = 83;

/// Appends a mark line.
pub(crate) fn write_mark(out: &mut Vec<u8>, placed: &PlacedMark) {
    let mut line = *b"#BM1 x=0000000000000000 l=0000000000000000 p=00000000000000000000000000000000 e=0\r\n";
    hex::write_u64(&mut line[7..23], placed.mark.tx_id);
    hex::write_u64(&mut line[26..42], placed.lsn);
    hex::write(&mut line[45..77], placed.mark.participants.0);
    line[80] = b'0' + placed.has_effect as u8;
    out.extend_from_slice(&line);
}

/// Places of cores in one line of a round: the line stays below the 1,024 bytes that Redis skips.
const LINE_CORES: usize = 32;

/// Appends the lines of a round: where every core's log stood when it ended (rule X7).
pub(crate) fn write_round(out: &mut Vec<u8>, round: &RoundVector) {
    for (index, lsns) in round.lsns.chunks(LINE_CORES).enumerate() {
        let mut line = *b"#BV1 r=0000000000000000 c=0000 n=0000";
        hex::write_u64(&mut line[7..23], round.round);
        hex::write_u64(&mut line[26..30], (index * LINE_CORES) as u64);
        hex::write_u64(&mut line[33..37], round.lsns.len() as u64);
        out.extend_from_slice(&line);
        for &lsn in lsns {
            let mut place = *b" 0000000000000000";
            hex::write_u64(&mut place[1..], lsn);
            out.extend_from_slice(&place);
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Bytes that [`write_round`] takes for so many cores.
#[cfg(test)]
fn round_bytes(cores: u16) -> u64 {
    cores.div_ceil(LINE_CORES as u16) as u64 * 39 + cores as u64 * 17
}

/// Reads a frame's trailer: marks, and rounds. `None` if it holds anything but well-formed lines of these.
pub fn read_trailer(trailer: &[u8]) -> Option<(Vec<PlacedMark>, Vec<RoundVector>)> {
    let (mut marks, mut rounds) = (Vec::with_capacity(trailer.len() / MARK_BYTES), Vec::<RoundVector>::new());
    for line in trailer.split_inclusive(|&byte| byte == b'\n') {
        if line.starts_with(b"#BM1 x=") {
            marks.push(read_mark(line)?);
            continue;
        }
        if !line.starts_with(b"#BV1 r=") || !line.ends_with(b"\r\n") || line.len() < 39 {
            return None;
        }
        let round = hex::read_u64(&line[7..23])?;
        let (first, cores) = (hex::read_u64(&line[26..30])? as usize, hex::read_u64(&line[33..37])? as usize);
        if first == 0 {
            rounds.push(RoundVector { round, lsns: Vec::new() });
        }
        let vector = rounds.last_mut().filter(|vector| vector.round == round && vector.lsns.len() == first)?;
        for place in line[37..line.len() - 2].chunks(17) {
            vector.lsns.push(hex::read_u64(place.strip_prefix(b" ")?)?);
        }
        if vector.lsns.len() != cores.min(first + LINE_CORES) {
            return None;
        }
    }
    Some((marks, rounds))
}

/// As [`read_trailer`], the marks only.
pub fn read_marks(trailer: &[u8]) -> Option<Vec<PlacedMark>> {
    read_trailer(trailer).map(|(marks, _)| marks)
}

fn read_mark(line: &[u8]) -> Option<PlacedMark> {
    (line.len() == MARK_BYTES && line.ends_with(b"\r\n")).then_some(())?;
    Some(PlacedMark {
        lsn: hex::read_u64(&line[26..42])?,
        mark: Mark { tx_id: hex::read_u64(&line[7..23])?, participants: CoreSet(hex::read(&line[45..77])?) },
        has_effect: line[80] == b'1',
    })
}

// The header line, its line end and the longest SELECT (database 65535) fit before the payload.
const _: () = assert!(TEMPLATE.len() + 2 + 27 <= HEAD_BYTES);
const _: () = assert!(C + 16 == TEMPLATE.len() && H + 19 == C && HEAD_BYTES < 512);

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(payload: &[u8], block: u32, db: u16) -> (Vec<u8>, FrameHeader) {
        let mut trailer = Vec::new();
        let mark = Mark { tx_id: 77, participants: [0u16, 3].into_iter().collect() };
        write_mark(&mut trailer, &PlacedMark { lsn: 5, mark, has_effect: true });
        let header = FrameHeader {
            flags: FLAG_CLOSES,
            incarnation: u64::MAX,
            segment_id: 0x1234,
            first_lsn: 5,
            count: 1,
            durable_lsn: 4,
            db,
            payload_bytes: payload.len() as u64,
            trailer_bytes: trailer.len() as u32,
            time_ms: 1_700_000_000_000,
            round: 9,
        };
        let mut frame = vec![0; HEAD_BYTES];
        frame.extend_from_slice(payload);
        frame.extend_from_slice(&trailer);
        let content = frame.len();
        frame.resize(header.frame_bytes(block) as usize, 0);
        fill_padding(&mut frame[content..]);
        seal(&mut frame, &header, db != 0, 42, 512);
        (frame, header)
    }

    #[test]
    fn w2_any_flipped_bit_breaks_the_frame() {
        let (frame, header) = sealed(b"*1\r\n$4\r\nPING\r\n", 512, 15);
        assert_eq!(read_header(&frame, 42, 512), Some(header));
        assert!(is_whole(&frame, 42, 512));
        for bit in 0..frame.len() * 8 {
            let mut rotten = frame.clone();
            rotten[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_whole(&rotten, 42, 512) || read_header(&rotten, 42, 512).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn w2_a_frame_is_none_elsewhere() {
        let (frame, _) = sealed(b"*1\r\n$4\r\nPING\r\n", 512, 0);
        assert!(read_header(&frame, 43, 512).is_none(), "in another segment");
        assert!(read_header(&frame, 42, 1024).is_none(), "at another offset");
    }

    #[test]
    fn w4_frames_end_on_blocks_and_consist_of_lines() {
        for block in [512, 4096] {
            for len in 0..1100 {
                let payload =
                    [b"*2\r\n$4\r\nECHO\r\n$", len.to_string().as_bytes(), b"\r\n", &vec![b'x'; len], b"\r\n"].concat();
                let (frame, header) = sealed(&payload, block, 1);
                assert_eq!(frame.len() % block as usize, 0);
                let padding = &frame[header.content_bytes() as usize..];
                for line in padding.split_inclusive(|&b| b == b'\n') {
                    assert!(line.starts_with(b"#") && line.ends_with(b"\r\n") && line.len() < 1024);
                }
                let marks = &frame[HEAD_BYTES + payload.len()..header.content_bytes() as usize];
                assert_eq!(read_marks(marks).unwrap()[0].lsn, 5);
            }
        }
    }

    #[test]
    fn x7_rounds_of_any_number_of_cores_come_back_from_a_trailer_beside_marks() {
        for cores in [1u16, 2, 31, 32, 33, 64, 128] {
            let mut trailer = Vec::new();
            let mark = Mark { tx_id: 7, participants: [0u16].into_iter().collect() };
            let placed = PlacedMark { lsn: 5, mark, has_effect: true };
            write_mark(&mut trailer, &placed);
            let rounds =
                [4, 5].map(|round| RoundVector { round, lsns: (0..cores as u64).map(|c| c * round).collect() });
            let marks_len = trailer.len();
            write_round(&mut trailer, &rounds[0]);
            assert_eq!((trailer.len() - marks_len) as u64, round_bytes(cores));
            write_round(&mut trailer, &rounds[1]);
            write_mark(&mut trailer, &placed);
            assert!(trailer.split_inclusive(|&b| b == b'\n').all(|line| line[0] == b'#' && line.len() < 1024));
            assert_eq!(read_trailer(&trailer), Some((vec![placed; 2], rounds.to_vec())));
            assert!(read_trailer(&trailer[..trailer.len() - 1]).is_none());
            assert!(read_trailer(&trailer[..marks_len + 45]).is_none());
        }
    }

    #[test]
    fn a_trailer_of_anything_else_is_refused() {
        let mut trailer = Vec::new();
        let mark = Mark { tx_id: 7, participants: [0u16].into_iter().collect() };
        write_mark(&mut trailer, &PlacedMark { lsn: 5, mark, has_effect: true });
        let long = [&trailer[..MARK_BYTES - 2], b"0\r\n"].concat();
        let unended = [&trailer[..MARK_BYTES - 2], b"00"].concat();
        let of_two = b"#BV1 r=0000000000000004 c=0000 n=0002 0000000000000001\r\n".to_vec();
        let without_number = b"#BV1 r=0000000000000004 c=0000 n\r\n".to_vec();
        let second_part = b"#BV1 r=0000000000000004 c=0020 n=0021 0000000000000001\r\n".to_vec();
        let with_tail = b"#BV1 r=0000000000000004 c=0000 n=0001 0000000000000001x".to_vec();
        let other = b"#TS:1700000000\r\n".to_vec();
        for bad in [long, unended, of_two, without_number, second_part, with_tail, other] {
            assert_eq!(read_trailer(&bad), None, "{}", String::from_utf8_lossy(&bad));
        }
        let empty = b"#BV1 r=0000000000000004 c=0000 n=0000\r\n";
        assert_eq!(read_trailer(empty), Some((vec![], vec![RoundVector { round: 4, lsns: vec![] }])));
    }

    #[test]
    fn w4_padding_of_any_length_is_lines_of_at_most_a_sector() {
        for len in (3..=1600).chain([4093, 4096]) {
            let mut padding = vec![0; len];
            fill_padding(&mut padding);
            let lines: Vec<_> = padding.split_inclusive(|&byte| byte == b'\n').collect();
            for line in &lines {
                assert!((3..=512).contains(&line.len()) && line.starts_with(b"#") && line.ends_with(b"\r\n"), "{len}");
                assert!(line[1..line.len() - 2].iter().all(|&byte| byte == b' '));
            }
            assert!(lines.len() <= len.div_ceil(509), "{len}: {} lines", lines.len());
        }
    }

    #[test]
    fn a_select_stands_before_the_payload_of_a_frame_in_another_database() {
        let (frame, _) = sealed(b"*1\r\n$4\r\nPING\r\n", 512, 65535);
        let at = HEAD_BYTES - 27;
        assert_eq!(&frame[at - 2..HEAD_BYTES], b"\r\n*2\r\n$6\r\nSELECT\r\n$5\r\n65535\r\n");
    }
}
