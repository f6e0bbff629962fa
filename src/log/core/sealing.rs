//! From batch to frame, and from segment to segment.

use std::sync::Arc;

use super::{Batch, CoreLog, Flight, FrameState, FrameWrite, LogOp, Unsealed};
use crate::log::batch::TIMESTAMP_BYTES;
use crate::log::frame::{FLAG_CLEAN_STOP, FLAG_CLOSES, FLAG_SUPERSEDES, padded_bytes};
use crate::log::segment::Segment;

impl CoreLog {
    /// Whether [`CoreLog::seal`] may have something to do: records wait and no commit is in the way.
    #[inline]
    pub fn ready_to_seal(&self) -> bool {
        (!self.nothing_gathered() || self.relocating.is_some())
            && self.closing.is_none()
            && self.poisoned.is_none()
            && self.writing() < self.config.in_flight_max
    }

    /// No record waits for its frame.
    pub(super) fn nothing_gathered(&self) -> bool {
        self.batch.is_empty() && self.ahead.is_none()
    }

    pub(super) fn writing(&self) -> usize {
        self.flights.iter().filter(|flight| flight.state == FrameState::Writing).count()
    }

    /// Seals the batch into a frame, or starts the change to the next segment that it needs. To be called at the end of each pass,
    /// and after each completion or prepared segment.
    pub fn seal(&mut self, now_ms: u64) {
        if !self.ready_to_seal() {
            return;
        }
        match self.ahead.take() {
            None => self.seal_gathered(now_ms),
            Some(ahead) => {
                let behind = std::mem::replace(&mut self.batch, ahead);
                self.seal_gathered(now_ms);
                let left = std::mem::replace(&mut self.batch, behind);
                match left.is_empty() {
                    true => self.pool.put(left.into_buf()),
                    false => self.ahead = Some(left),
                }
            }
        }
        self.overflows &= !self.batch.is_empty();
    }

    fn seal_gathered(&mut self, now_ms: u64) {
        if self.segment_dead {
            return self.leave_dead_segment(now_ms);
        }
        let block = self.segment.header.block_bytes;
        let bytes = padded_bytes(self.batch_bytes(), block);
        if self.offset + bytes + Self::close_bytes(&self.segment) <= self.segment.header.size_bytes {
            self.seal_batch(now_ms, 0);
        } else if self.writing() == 0
            && let Some(next) = self.pop_next(padded_bytes(self.batch_bytes(), 4096))
        {
            self.closing = Some(next);
            self.seal_empty(now_ms, FLAG_CLOSES);
        }
    }

    /// A write failed for space (rule W7): its frame, or the next one, goes to a new segment and overrides what may be left here.
    fn leave_dead_segment(&mut self, now_ms: u64) {
        let content = match &self.relocating {
            Some(frame) => frame.header.content_bytes(),
            None => self.batch_bytes(),
        };
        let Some(next) = self.pop_next(padded_bytes(content, 4096)) else { return };
        self.enter(next);
        match self.relocating.take() {
            Some(mut frame) => {
                frame.header.flags |= FLAG_SUPERSEDES;
                self.write(frame);
            }
            None => self.seal_batch(now_ms, FLAG_SUPERSEDES),
        }
    }

    fn seal_batch(&mut self, now_ms: u64, flags: u16) {
        let fresh = Batch::fresh(&mut self.pool, self.next_lsn);
        let batch = std::mem::replace(&mut self.batch, fresh);
        let mut frame = batch.finish(self.segment.header.block_bytes);
        frame.header.flags = flags;
        self.stamp(&mut frame, now_ms);
        if self.timestamps && frame.header.payload_bytes > 0 {
            frame.insert_timestamp(self.segment.header.block_bytes);
        }
        self.write(frame);
    }

    /// Whether each frame with commands begins with its time in seconds, as Redis writes it (`aof-timestamp-enabled`).
    pub fn set_timestamps(&mut self, enabled: bool) {
        self.timestamps = enabled;
    }

    /// Bytes of the batch's frame before padding.
    pub(super) fn batch_bytes(&self) -> u64 {
        self.batch.content_bytes() + if self.timestamps { TIMESTAMP_BYTES } else { 0 }
    }

    /// Writes a frame that only carries the cut, before the batch.
    fn seal_empty(&mut self, now_ms: u64, flags: u16) {
        let first_lsn = self.batch.first_lsn();
        let mut frame = Batch::fresh(&mut self.pool, first_lsn).finish(self.segment.header.block_bytes);
        frame.header.flags = flags;
        self.stamp(&mut frame, now_ms);
        self.write(frame);
    }

    fn stamp(&mut self, frame: &mut Unsealed, now_ms: u64) {
        self.last_time_ms = self.last_time_ms.max(now_ms);
        frame.header.time_ms = self.last_time_ms;
        frame.header.durable_lsn = self.secure_lsn();
        frame.header.round = if self.is_relaxed() { self.cut.rounds().durable_round() } else { 0 };
    }

    fn write(&mut self, mut frame: Unsealed) {
        let segment = self.segment.clone();
        let offset = self.offset;
        frame.seal_into(&segment.header, offset, self.segment_db);
        let header = frame.header;
        let len = frame.buf.len() as u64;
        assert!(offset.is_multiple_of(segment.header.block_bytes as u64) && offset >= segment.header.data_start());
        assert!(offset + len <= segment.header.size_bytes, "a frame stays inside its segment");
        assert!(header.durable_lsn < header.first_lsn, "nothing is acknowledged before it is written");
        self.offset += len;
        self.segment_db = frame.exit_db.unwrap_or(self.segment_db);
        self.sealed_bytes += header.content_bytes();
        self.logged_durable_lsn = header.durable_lsn;
        self.last_token += 1;
        let token = self.last_token;
        let dsync = !self.is_relaxed();
        let last_lsn = header.last_lsn();
        let (state, exit_db, round) = (FrameState::Writing, frame.exit_db, frame.round);
        let of = segment.clone();
        self.flights.push_back(Flight { token, last_lsn, offset, state, segment: of, header, exit_db, round });
        self.outbox.push_back(LogOp::Write(FrameWrite { segment, offset, buf: frame.buf, dsync, token }));
    }

    /// The next segment that takes a frame of `frame` bytes. Smaller ones before it stay empty for ever, since Redis replays
    /// segments in the order of their numbers.
    fn pop_next(&mut self, frame: u64) -> Option<Arc<Segment>> {
        let Some(index) = self.next.iter().position(|segment| Self::fits_empty(segment, frame)) else {
            self.request_segment(frame);
            return None;
        };
        self.outbox.extend(self.next.drain(..index).map(LogOp::Unused));
        self.next.pop_front()
    }

    pub(super) fn enter(&mut self, segment: Arc<Segment>) {
        self.offset = segment.header.data_start();
        self.segment = segment;
        self.segment_db = 0;
        self.segment_dead = false;
        if self.next.is_empty() {
            self.request_segment(0);
        }
    }

    /// Writes an empty frame if the medium does not know yet how far acknowledgement went (rule W5). For an idle log: a crash
    /// then can't mistake rot in the last frame with records for a torn tail.
    pub fn seal_idle(&mut self, now_ms: u64) {
        if self.is_quiet() && self.logged_durable_lsn < self.secure_lsn() {
            self.seal_empty(now_ms, 0);
        }
    }

    /// Writes the last frame of a clean stop. The log must be drained.
    pub fn seal_clean_stop(&mut self, now_ms: u64) {
        if self.is_quiet() {
            self.seal_empty(now_ms, FLAG_CLEAN_STOP);
        }
    }

    /// Nothing waits or is under way, and there is room for an empty frame beside the closing one.
    fn is_quiet(&self) -> bool {
        self.nothing_gathered()
            && self.relocating.is_none()
            && self.closing.is_none()
            && self.poisoned.is_none()
            && !self.segment_dead
            && self.writing() == 0
            && self.offset + 2 * Self::close_bytes(&self.segment) <= self.segment.header.size_bytes
    }
}
