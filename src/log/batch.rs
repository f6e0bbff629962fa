//! The batch: records encoded in place, behind the room for their frame's header.

use super::frame::{self, FrameHeader, HEAD_BYTES};
use super::types::{Lsn, PlacedMark, RoundVector};
use crate::storage::AlignedBuf;

const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

/// Bytes that a record may take beyond its commands: SELECT, MULTI, EXEC, a mark line, and its frame's timestamp.
pub(crate) const RECORD_BYTES_EXTRA: u64 = 27 + 15 + 14 + frame::MARK_BYTES as u64 + TIMESTAMP_BYTES;

/// Length of a timestamp line until the year 2286: `#TS:1700000000\r\n`.
pub(crate) const TIMESTAMP_BYTES: u64 = 16;

/// Records that wait for their frame.
#[derive(Debug)]
pub(crate) struct Batch {
    buf: AlignedBuf,
    trailer: Vec<u8>,
    first_lsn: Lsn,
    count: u32,
    /// The database in which the first command runs.
    entry_db: u16,
    /// The database after the last command; `None` before the first.
    db: Option<u16>,
    /// The newest round in the trailer; 0: none.
    round: u64,
}

/// A place in a batch to go back to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Savepoint {
    len: usize,
    trailer_len: usize,
    entry_db: u16,
    db: Option<u16>,
}

impl Batch {
    pub(crate) fn new(mut buf: AlignedBuf, first_lsn: Lsn) -> Self {
        buf.clear();
        buf.resize(HEAD_BYTES, 0);
        Batch { buf, trailer: Vec::new(), first_lsn, count: 0, entry_db: 0, db: None, round: 0 }
    }

    /// No record at all, not even one without effect, and no round.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0 && self.round == 0
    }

    /// Adds a round that has ended; it becomes durable with this frame.
    pub(crate) fn round(&mut self, vector: &RoundVector) {
        self.round = vector.round;
        frame::write_round(&mut self.trailer, vector);
    }

    /// Bytes of its frame before padding.
    #[inline]
    pub(crate) fn content_bytes(&self) -> u64 {
        (self.buf.len() + self.trailer.len()) as u64
    }

    /// Its first record.
    pub(crate) fn first_lsn(&self) -> Lsn {
        self.first_lsn
    }

    #[inline]
    fn next_lsn(&self) -> Lsn {
        self.first_lsn + self.count as u64
    }

    /// Ends the record whose commands were encoded last.
    #[inline]
    pub(crate) fn end_record(&mut self) -> Lsn {
        let lsn = self.next_lsn();
        self.count = self.count.checked_add(1).expect("a batch is sealed long before 2^32 records");
        lsn
    }

    /// Names the record that [`Batch::end_record`] will end as part of a transaction.
    pub(crate) fn mark(&mut self, mark: super::types::Mark, has_effect: bool) {
        let lsn = self.next_lsn();
        frame::write_mark(&mut self.trailer, &PlacedMark { lsn, mark, has_effect });
    }

    pub(crate) fn savepoint(&self) -> Savepoint {
        Savepoint { len: self.buf.len(), trailer_len: self.trailer.len(), entry_db: self.entry_db, db: self.db }
    }

    pub(crate) fn roll_back(&mut self, to: Savepoint) {
        self.buf.truncate(to.len);
        self.trailer.truncate(to.trailer_len);
        self.entry_db = to.entry_db;
        self.db = to.db;
    }

    /// Takes the last record, which began at `start`, out of the batch into one of its own.
    pub(crate) fn split_off_last(&mut self, start: Savepoint, buf: AlignedBuf) -> Batch {
        let mut last = Batch::new(buf, self.next_lsn() - 1);
        last.buf.extend_from_slice(&self.buf[start.len..]);
        last.trailer.extend_from_slice(&self.trailer[start.trailer_len..]);
        last.count = 1;
        // Where it begins with a SELECT of its own, that still holds.
        last.entry_db = start.db.unwrap_or(self.entry_db);
        last.db = self.db;
        self.count -= 1;
        self.roll_back(start);
        last
    }

    /// The buffer, to be used again.
    pub(crate) fn into_buf(self) -> AlignedBuf {
        self.buf
    }

    /// The commands that follow run in `db`.
    #[inline]
    pub(crate) fn select(&mut self, db: u16) {
        match self.db {
            Some(current) if current == db => {}
            // What stands before the first command is decided at the seal: the segment may be another by then.
            None => {
                self.entry_db = db;
                self.db = Some(db);
            }
            Some(_) => {
                let mut digits = itoa::Buffer::new();
                self.command([b"SELECT".as_slice(), digits.format(db).as_bytes()].into_iter());
                self.db = Some(db);
            }
        }
    }

    pub(crate) fn multi(&mut self) {
        self.buf.extend_from_slice(MULTI);
    }

    pub(crate) fn exec(&mut self) {
        self.buf.extend_from_slice(EXEC);
    }

    pub(crate) fn encoded(&mut self, resp: &[u8]) {
        self.buf.extend_from_slice(resp);
    }

    /// Encodes one command.
    #[inline]
    pub(crate) fn command<'w>(&mut self, words: impl ExactSizeIterator<Item = &'w [u8]>) {
        let count = words.len();
        let room = self.buf.spare(LENGTH_BYTES_MAX);
        let taken = write_length(room, b'*', count);
        self.buf.advance(taken);
        for word in words {
            // Room for the whole value at once: it is copied once, and the buffer grows at most once.
            let room = self.buf.spare(word.len() + LENGTH_BYTES_MAX + 2);
            let start = write_length(room, b'$', word.len());
            let end = start + word.len();
            room[start..end].copy_from_slice(word);
            room[end..end + 2].copy_from_slice(b"\r\n");
            self.buf.advance(end + 2);
        }
    }

    /// A frame out of records that are encoded already.
    pub(crate) fn rebuild(header: FrameHeader, payload: &[u8], trailer: &[u8], block_bytes: u32) -> Unsealed {
        let mut buf = AlignedBuf::with_capacity(header.frame_bytes(block_bytes) as usize);
        buf.resize(HEAD_BYTES, 0);
        buf.extend_from_slice(payload);
        buf.extend_from_slice(trailer);
        let exit_db = (!payload.is_empty()).then_some(header.db);
        let mut unsealed = Unsealed { buf, header, exit_db, round: 0 };
        unsealed.pad(block_bytes);
        unsealed
    }

    /// Appends trailer and padding and gives out buffer and header; `seal_into` completes it for its place.
    pub(crate) fn finish(self, block_bytes: u32) -> Unsealed {
        let Batch { mut buf, trailer, first_lsn, count, entry_db, db, round } = self;
        let header = FrameHeader {
            first_lsn,
            count,
            db: entry_db,
            payload_bytes: (buf.len() - HEAD_BYTES) as u64,
            trailer_bytes: trailer.len() as u32,
            ..FrameHeader::default()
        };
        buf.extend_from_slice(&trailer);
        let mut unsealed = Unsealed { buf, header, exit_db: db, round };
        unsealed.pad(block_bytes);
        unsealed
    }
}

/// Longest length line: a kind, twenty digits, a line end.
const LENGTH_BYTES_MAX: usize = 24;

/// Writes `<kind><value>\r\n`; returns how many bytes that are.
#[inline]
fn write_length(room: &mut [u8], kind: u8, value: usize) -> usize {
    let room = &mut room[..LENGTH_BYTES_MAX];
    room[0] = kind;
    let digits = if value < 10 {
        room[1] = b'0' + value as u8;
        1
    } else if value < 100 {
        room[1] = b'0' + (value / 10) as u8;
        room[2] = b'0' + (value % 10) as u8;
        2
    } else {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(value).as_bytes();
        room[1..1 + digits.len()].copy_from_slice(digits);
        digits.len()
    };
    room[1 + digits..3 + digits].copy_from_slice(b"\r\n");
    3 + digits
}

/// A frame that still has to learn its segment and its offset.
#[derive(Debug)]
pub(crate) struct Unsealed {
    pub(crate) buf: AlignedBuf,
    pub(crate) header: FrameHeader,
    /// The database after it; `None` if it has no command.
    pub(crate) exit_db: Option<u16>,
    /// The newest round in its trailer; 0: none.
    pub(crate) round: u64,
}

impl Unsealed {
    fn pad(&mut self, block_bytes: u32) {
        let content = self.header.content_bytes() as usize;
        self.buf.truncate(content);
        self.buf.resize(self.header.frame_bytes(block_bytes) as usize, 0);
        frame::fill_padding(&mut self.buf[content..]);
    }

    /// Puts Redis's annotation of the header's time in front of the first command (`aof-timestamp-enabled`).
    pub(crate) fn insert_timestamp(&mut self, block_bytes: u32) {
        let seconds = (self.header.time_ms / 1000).min(9_999_999_999);
        let line = format!("#TS:{seconds:010}\r\n");
        let content = self.header.content_bytes() as usize;
        self.buf.truncate(content);
        self.buf.resize(content + line.len(), 0);
        self.buf.copy_within(HEAD_BYTES..content, HEAD_BYTES + line.len());
        self.buf[HEAD_BYTES..HEAD_BYTES + line.len()].copy_from_slice(line.as_bytes());
        self.header.payload_bytes += line.len() as u64;
        self.pad(block_bytes);
    }

    /// Completes the header for `offset` of a segment whose database is `segment_db` so far.
    pub(crate) fn seal_into(&mut self, segment: &super::segment::SegmentHeader, offset: u64, segment_db: u16) {
        if self.buf.len() as u64 != self.header.frame_bytes(segment.block_bytes) {
            self.pad(segment.block_bytes);
        }
        self.header.incarnation = segment.incarnation;
        self.header.segment_id = segment.id;
        let select = self.exit_db.is_some() && self.header.db != segment_db;
        frame::seal(&mut self.buf, &self.header, select, segment.seed, offset);
    }
}

/// Upper bound of the bytes that a command of these words takes in the log.
pub fn encoded_bytes<'w>(words: impl ExactSizeIterator<Item = &'w [u8]>) -> u64 {
    24 + words.map(|word| word.len() as u64 + 24).sum::<u64>()
}
