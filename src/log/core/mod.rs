//! One core's log: a state machine without I/O.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::log::batch::{Batch, Savepoint, Unsealed};
use crate::log::cut::DurableCut;
use crate::log::error::{Poisoned, Refusal};
use crate::log::frame::padded_bytes;
use crate::log::segment::{Segment, SegmentKind};
use crate::log::types::{CoreSet, Lsn, Mark, SEGMENT_BYTES_MIN, SyncPolicy};
use crate::storage::{AlignedBuf, BufferPool};

mod admission;
mod completion;
mod relaxed;
mod sealing;
mod transaction;

#[cfg(test)]
mod relaxed_tests;
#[cfg(test)]
mod tests;

pub use transaction::Transaction;

/// What a core's log is made with.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// The core's number.
    pub core: u16,
    /// When frames count as written.
    pub policy: SyncPolicy,
    /// Size of ordinary segments in bytes, a multiple of 4096, at least [`SEGMENT_BYTES_MIN`].
    /// Generations begin with smaller ones ([`crate::log::Incarnation`]) and double up to this.
    pub segment_bytes: u64,
    /// Frames written at the same time; 1 gives natural batching.
    pub in_flight_max: usize,
}

/// Names an operation until its completion.
pub type Token = u64;

/// What the driver has to do.
#[derive(Debug)]
pub enum LogOp {
    /// One write, past the page cache, of the whole buffer; with `RWF_DSYNC` if `dsync`.
    Write(FrameWrite),
    /// One `fdatasync`, submitted after the writes that came out of the outbox before it have completed.
    Fdatasync {
        /// Whose data.
        segment: Arc<Segment>,
        /// For [`CoreLog::on_complete`].
        token: Token,
    },
    /// Have the keeper prepare a segment; answer with [`CoreLog::segment_ready`] or [`CoreLog::segment_failed`].
    NeedSegment {
        /// Size of the file at least.
        bytes: u64,
        /// For the segment's header.
        first_lsn_min: Lsn,
    },
    /// A prepared segment that is not needed: the keeper may remove it.
    Unused(Arc<Segment>),
    /// A segment that ended; its last frame says so on the medium.
    Retired(Arc<Segment>, SegmentEnd),
}

/// A frame on its way to the medium. The buffer goes back with the completion.
#[derive(Debug)]
pub struct FrameWrite {
    /// Where to.
    pub segment: Arc<Segment>,
    /// Byte offset in the file, a multiple of the block.
    pub offset: u64,
    /// The frame; all of it is written.
    pub buf: AlignedBuf,
    /// Whether its bytes must be on the medium at completion.
    pub dsync: bool,
    /// For [`CoreLog::on_complete`].
    pub token: Token,
}

/// Where the frames of a segment end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentEnd {
    /// The segment's number.
    pub seq: u64,
    /// Byte offset behind the last frame.
    pub offset: u64,
    /// The core's last record so far.
    pub last_lsn: Lsn,
}

/// Whether a write may run (rule W7).
#[derive(Debug)]
pub enum Admission {
    /// There is room for it.
    Ok,
    /// Not now: ask again after the next completion or prepared segment.
    WaitForSpace,
    /// Refuse it with this reason.
    Refuse(Refusal),
}

/// What a completion changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Completion {
    /// Cores, this one perhaps among them, whose `durable_lsn` rose: release their replies, ring their bells.
    pub advanced: CoreSet,
    /// Cores that can't acknowledge all they ran: empty unless this completion failed. Call [`CoreLog::poison`] on them.
    pub poisoned: CoreSet,
    /// A newer round is durable: whoever waits for [`CoreLog::secure_lsn`] of any core should look.
    pub secured: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FrameState {
    Writing,
    /// On the medium; where replies do not wait for that, with the kernel.
    Written,
}

#[derive(Debug)]
struct Flight {
    token: Token,
    last_lsn: Lsn,
    offset: u64,
    state: FrameState,
    segment: Arc<Segment>,
    header: crate::log::frame::FrameHeader,
    exit_db: Option<u16>,
    /// The newest round in it; 0: none.
    round: u64,
}

/// One core's log. It never does I/O: what is to be done comes out of [`CoreLog::next_op`], what happened goes into
/// [`CoreLog::on_complete`].
#[derive(Debug)]
pub struct CoreLog {
    config: LogConfig,
    cut: Arc<DurableCut>,
    segment: Arc<Segment>,
    offset: u64,
    segment_db: u16,
    /// A write of this segment failed for space: the next frame supersedes what it may have left.
    segment_dead: bool,
    next: VecDeque<Arc<Segment>>,
    /// Segments of the generation that this log is about to enter.
    early: VecDeque<Arc<Segment>>,
    requested: bool,
    no_space: Option<String>,
    batch: Batch,
    /// What stood in the batch before a record that finds no room yet, and goes out without waiting for it.
    ahead: Option<Batch>,
    /// The batch holds such a record.
    overflows: bool,
    relocating: Option<Unsealed>,
    reserved_bytes: u64,
    flights: VecDeque<Flight>,
    /// Frames that the kernel has, by segment, not covered by `sync`.
    unsynced: Vec<relaxed::Unsynced>,
    sync: Option<relaxed::RoundSync>,
    /// The round that this core has seen last.
    round: u64,
    held_back: bool,
    /// Where the log goes on once the closing frame, which is being written or synced, is on the medium.
    closing: Option<Arc<Segment>>,
    next_lsn: Lsn,
    written_lsn: Lsn,
    logged_durable_lsn: Lsn,
    sealed_bytes: u64,
    marks_unresolved: bool,
    last_token: Token,
    last_time_ms: u64,
    /// Whether each frame with commands tells Redis its time.
    timestamps: bool,
    poisoned: Option<Poisoned>,
    pool: BufferPool,
    outbox: VecDeque<LogOp>,
}

impl CoreLog {
    /// The log of a new incarnation, writing to `segment`, which the keeper has prepared; asks for the next at once.
    pub fn new(config: LogConfig, segment: Segment, cut: Arc<DurableCut>) -> Self {
        assert!(config.segment_bytes >= SEGMENT_BYTES_MIN && config.segment_bytes.is_multiple_of(4096));
        assert!(config.in_flight_max >= 1);
        assert!(segment.header.core == config.core && segment.header.kind == SegmentKind::Ordinary);
        assert!(segment.header.relaxed == config.policy.is_relaxed(), "a generation is written in one way");
        let mut pool = BufferPool::default();
        let mut log = CoreLog {
            round: cut.rounds().current(),
            cut,
            offset: segment.header.data_start(),
            segment: Arc::new(segment),
            segment_db: 0,
            segment_dead: false,
            next: VecDeque::new(),
            early: VecDeque::new(),
            requested: false,
            no_space: None,
            batch: Batch::new(pool.take(), 1),
            ahead: None,
            overflows: false,
            relocating: None,
            reserved_bytes: 0,
            flights: VecDeque::new(),
            unsynced: Vec::new(),
            sync: None,
            held_back: false,
            closing: None,
            next_lsn: 1,
            written_lsn: 0,
            logged_durable_lsn: 0,
            sealed_bytes: 0,
            marks_unresolved: false,
            last_token: 0,
            last_time_ms: 0,
            timestamps: false,
            poisoned: None,
            pool,
            outbox: VecDeque::new(),
            config,
        };
        log.request_segment(0);
        log
    }

    // ---- appending ----

    /// Logs one effect in database `db`. Never fails: room was admitted before the command ran, and what can't be written is
    /// never acknowledged.
    #[inline]
    pub fn append<'w>(&mut self, db: u16, words: impl ExactSizeIterator<Item = &'w [u8]>) -> Lsn {
        let start = self.batch.savepoint();
        self.batch.select(db);
        self.batch.command(words);
        self.end_record(start)
    }

    /// As [`CoreLog::append`] for this core's part of a multi-core write.
    pub fn append_marked<'w>(&mut self, db: u16, words: impl ExactSizeIterator<Item = &'w [u8]>, mark: Mark) -> Lsn {
        let start = self.batch.savepoint();
        self.batch.select(db);
        self.batch.command(words);
        self.place_mark(mark, true);
        self.end_record(start)
    }

    /// Logs a mark without an effect: this core took part in a multi-core write and changed nothing (rule X2).
    pub fn append_mark(&mut self, mark: Mark) -> Lsn {
        let start = self.batch.savepoint();
        self.place_mark(mark, false);
        self.end_record(start)
    }

    /// Begins a record of several effects, which will lie in one frame between MULTI and EXEC.
    pub fn transaction(&mut self) -> Transaction<'_> {
        Transaction { savepoint: self.batch.savepoint(), effects: 0, finished: false, log: self }
    }

    fn place_mark(&mut self, mark: Mark, has_effect: bool) {
        self.batch.mark(mark, has_effect);
        self.cut.logged(self.config.core, self.next_lsn, mark, self.written_lsn);
        self.marks_unresolved = true;
    }

    /// Ends the record that began at `start`.
    #[inline]
    fn end_record(&mut self, start: Savepoint) -> Lsn {
        let lsn = self.batch.end_record();
        debug_assert_eq!(lsn, self.next_lsn);
        self.next_lsn += 1;
        if self.is_relaxed() && !self.fits_current(padded_bytes(self.batch_bytes(), self.segment.header.block_bytes)) {
            self.look_for_overflow(start);
        }
        lsn
    }

    // ---- state ----

    /// The core's number.
    pub fn core(&self) -> u16 {
        self.config.core
    }

    /// The newest record; 0 before the first.
    #[inline]
    pub fn last_lsn(&self) -> Lsn {
        self.next_lsn - 1
    }

    /// Everything up to here is on the medium; where replies do not wait for that, with the kernel.
    pub fn written_lsn(&self) -> Lsn {
        self.written_lsn
    }

    /// Everything up to here may be acknowledged: written, with all that it depends on (rule X1).
    #[inline]
    pub fn durable_lsn(&self) -> Lsn {
        self.cut.durable_lsn(self.config.core)
    }

    /// Bytes of records that wait for their frame.
    pub fn buffer_bytes(&self) -> u64 {
        self.batch.content_bytes() + self.ahead.as_ref().map_or(0, Batch::content_bytes)
    }

    /// Whether records wait for their frame.
    pub fn buffer_holds_records(&self) -> bool {
        !self.nothing_gathered()
    }

    /// As [`CoreLog::durable_lsn`], of another core.
    pub fn durable_lsn_of(&self, core: u16) -> Lsn {
        self.cut.durable_lsn(core)
    }

    /// Bytes of all frames sealed by this log, without their padding: what `aof_current_size` grows by (rule W4).
    pub fn sealed_bytes(&self) -> u64 {
        self.sealed_bytes
    }

    /// Whether everything logged is durable and nothing is under way: what a rendezvous waits for.
    pub fn is_drained(&self) -> bool {
        self.nothing_gathered()
            && self.relocating.is_none()
            && self.flights.is_empty()
            && self.unsynced.is_empty()
            && self.sync.is_none()
            && self.closing.is_none()
            && self.durable_lsn() == self.last_lsn()
    }

    /// Why the log takes no more writes, if so.
    pub fn poisoned(&self) -> Option<&Poisoned> {
        self.poisoned.as_ref()
    }

    /// Another core's failure reached this one over a shared mark (rule F1), or the server gives the log up.
    pub fn poison(&mut self, reason: Poisoned) {
        self.poisoned.get_or_insert(reason);
    }

    /// The segment being written.
    pub fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    // ---- generations ----

    /// Gives up what was logged and never reached the disk: the log is to be closed, there is no room for it, and nobody is to wait for
    /// it any more. Does nothing while a write is under way. Returns the cores whose `durable_lsn` rose.
    pub fn abandon_unwritten(&mut self) -> CoreSet {
        if !self.flights.is_empty() || self.poisoned.is_some() {
            return CoreSet::EMPTY;
        }
        self.batch = Batch::fresh(&mut self.pool, self.next_lsn);
        self.ahead = None;
        self.overflows = false;
        self.relocating = None;
        self.closing = None;
        self.no_space = None;
        self.written_lsn = self.last_lsn();
        let advance = self.cut.written(self.config.core, self.written_lsn);
        self.marks_unresolved = advance.marks_left;
        advance.advanced
    }

    /// Where the log ends. It must be drained; what follows goes to a new generation ([`CoreLog::enter_generation`]).
    pub fn end(&self) -> SegmentEnd {
        assert!(self.is_drained() && self.poisoned.is_none(), "a generation ends when all its records are durable");
        SegmentEnd { seq: self.segment.header.seq, offset: self.offset, last_lsn: self.last_lsn() }
    }

    /// Goes on in the segment of a new generation, after a barrier, the cut of a rewrite or another setting of `appendfsync`. Prepared
    /// segments of the old one are dropped; the keeper has dropped them too.
    pub fn enter_generation(&mut self, segment: Segment) {
        assert!(self.is_drained(), "a generation ends when all its records are durable");
        assert!(segment.header.generation > self.segment.header.generation && segment.header.core == self.config.core);
        assert!(segment.header.first_lsn_min == self.next_lsn, "the log goes on where it ended");
        self.next = std::mem::take(&mut self.early);
        self.next.retain(|early| early.header.generation == segment.header.generation);
        self.requested = false;
        self.no_space = None;
        self.logged_durable_lsn = self.durable_lsn();
        self.config.policy = match (segment.header.relaxed, self.config.policy) {
            (false, _) => SyncPolicy::Always,
            (true, SyncPolicy::Never) => SyncPolicy::Never,
            (true, _) => SyncPolicy::EverySecond,
        };
        self.round = self.cut.rounds().current();
        self.cut.rounds().settle(self.config.core, self.last_lsn());
        self.enter(Arc::new(segment));
    }
}

impl Batch {
    fn fresh(pool: &mut BufferPool, first_lsn: Lsn) -> Batch {
        Batch::new(pool.take(), first_lsn)
    }
}
