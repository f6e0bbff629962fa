//! Space first (rule W7): writes run only when there is room that is filled and named already.

use std::sync::Arc;

use super::{Admission, CoreLog, LogOp};
use crate::log::batch::RECORD_BYTES_EXTRA;
use crate::log::error::Refusal;
use crate::log::frame::{HEAD_BYTES, padded_bytes};
use crate::log::segment::Segment;
use crate::log::types::FRAME_BYTES_LARGE;

/// Blocks are no larger on any device; estimates that must hold in whichever segment comes next use it.
pub(super) const BLOCK_BYTES_MAX: u32 = 4096;

impl CoreLog {
    /// Whether a write whose records take `bytes` ([`crate::log::encoded_bytes`]) may run now. An effect may turn out longer: it
    /// is then logged as soon as a segment for it is prepared.
    #[inline]
    pub fn admit(&mut self, bytes: u64) -> Admission {
        let content = self.batch.content_bytes() + self.reserved_bytes + bytes + RECORD_BYTES_EXTRA;
        let frame = padded_bytes(content, BLOCK_BYTES_MAX);
        if self.poisoned.is_none() && !self.held_back && content <= FRAME_BYTES_LARGE as u64 && self.fits_current(frame)
        {
            return Admission::Ok;
        }
        self.admit_slowly(frame)
    }

    #[cold]
    fn admit_slowly(&mut self, frame: u64) -> Admission {
        if let Some(poisoned) = &self.poisoned {
            return Admission::Refuse(poisoned.clone().into());
        }
        if self.held_back {
            // The disk is behind. Where it can't catch up for want of room, waiting would be in vain.
            let obstacle = self.cut.rounds().obstacle();
            return obstacle.map_or(Admission::WaitForSpace, |reason| Admission::Refuse(Refusal::NoSpace(reason)));
        }
        if frame > FRAME_BYTES_LARGE as u64 && !self.batch.is_empty() {
            // What is large gets a frame of its own, and what has grown large grows no further.
            return Admission::WaitForSpace;
        }
        let fits_next = self.next.iter().any(|segment| Self::fits_empty(segment, self.relocating_bytes() + frame));
        if fits_next || self.fits_current(frame) {
            return Admission::Ok;
        }
        if let Some(reason) = &self.no_space {
            return Admission::Refuse(Refusal::NoSpace(reason.clone()));
        }
        self.request_segment(self.relocating_bytes() + frame);
        Admission::WaitForSpace
    }

    /// Admits `bytes` and keeps them for a multi-core write that appends later; to be given back with [`CoreLog::unreserve`]
    /// just before it appends, or when it does not happen.
    pub fn reserve(&mut self, bytes: u64) -> Admission {
        let bytes = bytes + RECORD_BYTES_EXTRA;
        let admission = self.admit(bytes);
        if matches!(admission, Admission::Ok) {
            self.reserved_bytes += bytes;
        }
        admission
    }

    /// Gives a reservation of `bytes` back.
    pub fn unreserve(&mut self, bytes: u64) {
        let bytes = bytes + RECORD_BYTES_EXTRA;
        assert!(bytes <= self.reserved_bytes, "only what was reserved is given back");
        self.reserved_bytes -= bytes;
    }

    /// The keeper prepared a segment and the durable manifest names it (rule W1).
    pub fn segment_ready(&mut self, segment: Segment) {
        let segment = Arc::new(segment);
        let header = &segment.header;
        if header.generation < self.segment.header.generation {
            // Prepared before a barrier, delivered after it: the keeper has dropped it already.
            return;
        }
        if header.generation > self.segment.header.generation {
            // Asked for before a barrier, prepared behind it, and here before the news of it. The manifest names it, so it must
            // be used in its turn: a start takes a segment without an end that others follow for rot.
            self.early.push_back(segment);
            return;
        }
        self.requested = false;
        self.no_space = None;
        self.cut.rounds().obstruct(self.config.core, None);
        assert!(header.core == self.config.core && header.incarnation == self.segment.header.incarnation);
        let newest = self.next.back().or(self.closing.as_ref()).unwrap_or(&self.segment);
        assert!(header.seq > newest.header.seq, "segments come in the order of their numbers");
        self.next.push_back(segment);
    }

    /// The keeper could not prepare a segment of this generation ([`crate::log::KeeperError::Io`]; after its other errors all logs must
    /// be poisoned). Writes that need one are refused until [`CoreLog::retry_segment`].
    pub fn segment_failed(&mut self, reason: String) {
        self.requested = false;
        self.cut.rounds().obstruct(self.config.core, Some(reason.clone()));
        self.no_space = Some(reason);
    }

    /// Asks once more for the segment that failed; to be called now and then while [`CoreLog::no_space`] says why.
    pub fn retry_segment(&mut self) {
        if self.no_space.take().is_some() {
            self.request_segment(self.relocating_bytes() + padded_bytes(self.batch_bytes(), BLOCK_BYTES_MAX));
        }
    }

    /// Why the next segment is missing, if its preparation failed.
    pub fn no_space(&self) -> Option<&str> {
        self.no_space.as_deref()
    }

    fn relocating_bytes(&self) -> u64 {
        self.relocating.as_ref().map_or(0, |frame| padded_bytes(frame.header.content_bytes(), BLOCK_BYTES_MAX))
    }

    /// Room that every segment keeps for its closing frame.
    pub(super) fn close_bytes(segment: &Segment) -> u64 {
        padded_bytes(HEAD_BYTES as u64, segment.header.block_bytes)
    }

    #[inline]
    pub(super) fn fits_current(&self, frame: u64) -> bool {
        match &self.closing {
            Some(next) => Self::fits_empty(next, frame),
            None => {
                !self.segment_dead
                    && self.offset + frame + Self::close_bytes(&self.segment) <= self.segment.header.size_bytes
            }
        }
    }

    pub(super) fn fits_empty(segment: &Segment, frame: u64) -> bool {
        segment.header.data_start() + frame + Self::close_bytes(segment) <= segment.header.size_bytes
    }

    /// Asks for a segment that holds a frame of `frame` bytes, unless one is on its way or could not be had.
    pub(super) fn request_segment(&mut self, frame: u64) {
        if !self.requested && self.no_space.is_none() && self.poisoned.is_none() {
            self.requested = true;
            let around = 3 * BLOCK_BYTES_MAX as u64;
            // A generation begins small, so that a start or a flush costs little, and doubles from segment to segment.
            let ordinary = self.config.segment_bytes.min(2 * self.segment.header.size_bytes);
            let bytes = (frame + around).next_multiple_of(BLOCK_BYTES_MAX as u64).max(ordinary);
            self.outbox.push_back(LogOp::NeedSegment { bytes, first_lsn_min: self.written_lsn + 1 });
        }
    }
}
