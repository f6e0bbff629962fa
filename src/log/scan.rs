//! Reads a segment from its first frame to its last byte (rule W3) and says what it found, without judging it.

use std::io;

use super::frame::{self, FLAG_CLEAN_STOP, FLAG_CLOSES, FLAG_SUPERSEDES, FrameHeader, HEAD_BYTES};
use super::segment::{LINE_BYTES, Line, SegmentHeader};
use super::types::{Lsn, PlacedMark, RoundVector};
use crate::storage::{File, read_full_at};

/// Read at a time, in bytes.
const WINDOW_BYTES: usize = 1 << 20;

/// A piece of a file in memory that moves forward.
pub(crate) struct Window<'f> {
    file: &'f dyn File,
    start: u64,
    bytes: Vec<u8>,
    /// Length of the file: a small one needs no large buffer.
    file_bytes: u64,
}

impl<'f> Window<'f> {
    pub(crate) fn new(file: &'f dyn File) -> Self {
        // Without a length the buffer is as large as for a large file; reading will tell what is wrong.
        let file_bytes = file.len().unwrap_or(u64::MAX);
        Window { file, start: 0, bytes: Vec::new(), file_bytes }
    }

    /// The `len` bytes at `offset`; fewer where the file ends.
    pub(crate) fn get(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let end = self.start + self.bytes.len() as u64;
        if offset < self.start || offset + len as u64 > end {
            let left = self.file_bytes.saturating_sub(offset).min(WINDOW_BYTES as u64) as usize;
            self.bytes.resize(len.max(left), 0);
            let read = read_full_at(self.file, &mut self.bytes, offset)?;
            self.bytes.truncate(read);
            self.start = offset;
        }
        let from = (offset - self.start) as usize;
        Ok(&self.bytes[from..self.bytes.len().min(from + len)])
    }
}

/// A whole frame: where it is and what records it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameSpan {
    /// Byte offset in the file.
    pub offset: u64,
    /// Its first record.
    pub first_lsn: Lsn,
    /// How many records it has.
    pub count: u32,
    /// When it was sealed, Unix milliseconds.
    pub time_ms: u64,
}

impl FrameSpan {
    /// Its last record; `first_lsn - 1` if it has none.
    pub fn last_lsn(&self) -> Lsn {
        self.first_lsn + self.count as u64 - 1
    }
}

/// What stands where the row of whole frames ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing but filler up to the segment's end, or no room for more.
    Clean,
    /// Filler, but something was written further on.
    Hole,
    /// A frame whose header is right and whose content is not.
    BadFrame {
        /// Whether a line of it was never written.
        holds_filler: bool,
    },
    /// Neither filler nor a frame's header.
    NotAFrame,
    /// A whole frame whose records don't follow those before it.
    OutOfOrder {
        /// What follows would be.
        expected: Lsn,
        /// What is there.
        found: Lsn,
    },
    /// The file ends before the size that its header gives.
    FileEnds,
}

/// What a segment holds.
#[derive(Clone, Debug)]
pub struct Scan {
    /// Whole frames in a row from the start.
    pub frames: Vec<FrameSpan>,
    /// Marks in them.
    pub marks: Vec<PlacedMark>,
    /// Rounds in them that were not known to be durable already, the newest of these included (rule X7).
    pub rounds: Vec<RoundVector>,
    /// The newest round that any whole frame says is durable; 0: none.
    pub durable_round: u64,
    /// Whether the last frame was written at a clean stop.
    pub clean_stop: bool,
    /// Whether the first frame overrides older copies of its records.
    pub supersedes: bool,
    /// Whether the last frame says that the log goes on in another segment.
    pub closed: bool,
    /// The highest `durable_lsn` in any whole frame, those behind the stop included.
    pub durable_lsn: Lsn,
    /// Where the row ends.
    pub stop: Stop,
    /// At this byte.
    pub stop_offset: u64,
    /// Lines behind the stop that are not exactly filler, in bytes.
    pub remains_bytes: u64,
    /// Of them, lines of filler with a few wrong bytes, and nothing else (rot in the unused part).
    pub damaged_filler_bytes: u64,
    /// Bytes behind the segment's size: appended by another server.
    pub appended_bytes: u64,
}

impl Scan {
    /// The last record in the row of whole frames; `None` without frames.
    pub fn last_lsn(&self) -> Option<Lsn> {
        self.frames.last().map(FrameSpan::last_lsn)
    }
}

/// Reads the segment; `end` is where the manifest says that its frames end, if it does: nothing behind it is looked at as frames.
pub fn scan(file: &dyn File, header: &SegmentHeader, end: Option<u64>) -> io::Result<Scan> {
    let len = file.len()?;
    let mut window = Window::new(file);
    let mut scan = Scan {
        frames: Vec::new(),
        marks: Vec::new(),
        rounds: Vec::new(),
        durable_round: 0,
        clean_stop: false,
        supersedes: false,
        closed: false,
        durable_lsn: 0,
        stop: Stop::Clean,
        stop_offset: header.data_start(),
        remains_bytes: 0,
        damaged_filler_bytes: 0,
        appended_bytes: len.saturating_sub(header.size_bytes),
    };
    let limit = end.unwrap_or(header.size_bytes).min(header.size_bytes);
    scan.stop = loop {
        if scan.stop_offset >= limit || scan.closed {
            break Stop::Clean;
        }
        match read_frame(&mut window, header, scan.stop_offset)? {
            Found::Frame(frame, marks, rounds) => {
                let expected = scan.last_lsn().map_or(frame.first_lsn, |last| last + 1);
                if frame.first_lsn != expected {
                    break Stop::OutOfOrder { expected, found: frame.first_lsn };
                }
                scan.supersedes |= scan.frames.is_empty() && frame.flags & FLAG_SUPERSEDES != 0;
                scan.closed = frame.flags & FLAG_CLOSES != 0;
                scan.durable_lsn = scan.durable_lsn.max(frame.durable_lsn);
                let FrameHeader { first_lsn, count, time_ms, .. } = frame;
                scan.frames.push(FrameSpan { offset: scan.stop_offset, first_lsn, count, time_ms });
                scan.marks.extend(marks);
                scan.rounds.extend(rounds);
                scan.clean_stop = frame.flags & FLAG_CLEAN_STOP != 0;
                scan.durable_round = scan.durable_round.max(frame.round);
                let durable_round = scan.durable_round;
                scan.rounds.retain(|round| round.round >= durable_round);
                scan.stop_offset += frame.frame_bytes(header.block_bytes);
            }
            Found::Bad { holds_filler } => break Stop::BadFrame { holds_filler },
            Found::Filler => break Stop::Clean,
            Found::Nothing => break Stop::NotAFrame,
        }
    };
    if len < header.size_bytes {
        scan.stop = Stop::FileEnds;
        scan.remains_bytes = header.size_bytes - len;
        return Ok(scan);
    }
    look_behind(&mut window, header, end.is_some(), &mut scan)?;
    if scan.stop == Stop::Clean && scan.remains_bytes > scan.damaged_filler_bytes && end.is_none() {
        scan.stop = Stop::Hole;
    }
    Ok(scan)
}

/// Reads what lies between the stop and the segment's end, in search of frames and of anything else that is no filler.
fn look_behind(window: &mut Window<'_>, header: &SegmentHeader, ended: bool, scan: &mut Scan) -> io::Result<()> {
    let mut offset = scan.stop_offset;
    while offset < header.size_bytes {
        let line = window.get(offset, LINE_BYTES)?;
        match header.judge_line(line, offset) {
            Line::Filler => {}
            Line::DamagedFiller => {
                scan.remains_bytes += LINE_BYTES as u64;
                scan.damaged_filler_bytes += LINE_BYTES as u64;
            }
            Line::Written => {
                scan.remains_bytes += LINE_BYTES as u64;
                let frame = frame::read_header(line, header.seed, offset).is_some();
                if !ended
                    && frame
                    && let Found::Frame(frame, _, _) = read_frame(window, header, offset)?
                {
                    scan.durable_round = scan.durable_round.max(frame.round);
                    scan.durable_lsn = scan.durable_lsn.max(frame.durable_lsn);
                }
            }
        }
        offset += LINE_BYTES as u64;
    }
    Ok(())
}

enum Found {
    Frame(FrameHeader, Vec<PlacedMark>, Vec<RoundVector>),
    Bad { holds_filler: bool },
    Filler,
    Nothing,
}

fn read_frame(window: &mut Window<'_>, segment: &SegmentHeader, offset: u64) -> io::Result<Found> {
    let line = window.get(offset, LINE_BYTES)?;
    let Some(header) = frame::read_header(line, segment.seed, offset) else {
        return Ok(match segment.judge_line(line, offset) {
            Line::Filler | Line::DamagedFiller => Found::Filler,
            Line::Written => Found::Nothing,
        });
    };
    let bytes = header.frame_bytes(segment.block_bytes);
    let ours = header.segment_id == segment.id && header.incarnation == segment.incarnation;
    if !ours || offset + bytes > segment.size_bytes || header.first_lsn == 0 {
        return Ok(Found::Nothing);
    }
    let frame = window.get(offset, bytes as usize)?;
    if frame::is_whole(frame, segment.seed, offset) {
        let trailer = &frame[HEAD_BYTES + header.payload_bytes as usize..header.content_bytes() as usize];
        if let Some((marks, rounds)) = frame::read_trailer(trailer) {
            return Ok(Found::Frame(header, marks, rounds));
        }
    }
    let holds_filler = frame
        .chunks(LINE_BYTES)
        .enumerate()
        .any(|(index, line)| segment.judge_line(line, offset + (index * LINE_BYTES) as u64) == Line::Filler);
    Ok(Found::Bad { holds_filler })
}

/// Reads a frame that a scan found whole: its header and its bytes. `None` if it no longer is.
pub(crate) fn reread<'w>(
    window: &'w mut Window<'_>,
    segment: &SegmentHeader,
    offset: u64,
) -> io::Result<Option<(FrameHeader, &'w [u8])>> {
    let line = window.get(offset, LINE_BYTES)?;
    let Some(header) = frame::read_header(line, segment.seed, offset) else { return Ok(None) };
    let frame = window.get(offset, header.frame_bytes(segment.block_bytes) as usize)?;
    Ok(frame::is_whole(frame, segment.seed, offset).then_some((header, frame)))
}
