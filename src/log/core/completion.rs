//! What happens when a write or a sync ends.

use std::io;

use super::{Completion, CoreLog, Flight, FrameState, LogOp, SegmentEnd, Token, Unsealed};
use crate::log::error::Poisoned;
use crate::log::types::{CoreSet, SyncPolicy};
use crate::storage::{AlignedBuf, is_out_of_space};

impl CoreLog {
    /// What the driver should do next; to be asked until `None`.
    #[inline]
    pub fn next_op(&mut self) -> Option<LogOp> {
        self.outbox.pop_front()
    }

    /// The sync policy.
    pub fn policy(&self) -> SyncPolicy {
        self.config.policy
    }

    /// Changes between `everysec` and `no`. To and from `always` leads a new generation ([`crate::log::Keeper::turn`]).
    pub fn set_policy(&mut self, policy: SyncPolicy) {
        assert!(policy.is_relaxed() == self.is_relaxed(), "a generation is written in one way");
        self.config.policy = policy;
    }

    /// A write or a sync ended. `result` is the count of bytes written, anything for a sync; a write's buffer comes back with it.
    pub fn on_complete(&mut self, token: Token, result: io::Result<usize>, buf: Option<AlignedBuf>) -> Completion {
        let mut completion = Completion::default();
        if self.is_sync(token) {
            self.on_synced(token, result, &mut completion);
        } else {
            self.on_written(token, result, buf, &mut completion);
        }
        self.follow_up();
        completion
    }

    fn on_written(
        &mut self,
        token: Token,
        result: io::Result<usize>,
        buf: Option<AlignedBuf>,
        completion: &mut Completion,
    ) {
        let index = self.flights.iter().position(|flight| flight.token == token);
        let index = index.expect("a completion belongs to a frame in flight");
        let buf = buf.expect("a write gives its buffer back");
        let newest = index + 1 == self.flights.len();
        let flight = &mut self.flights[index];
        assert!(flight.state == FrameState::Writing, "a frame completes once");
        let offset = flight.offset;
        match result {
            Ok(written) if written == buf.len() => {
                flight.state = FrameState::Written;
                self.pool.put(buf);
                self.advance(completion);
            }
            Err(error) if is_out_of_space(&error) && newest && self.poisoned.is_none() => {
                if let Some(flight) = self.flights.pop_back() {
                    self.relocate(flight, buf);
                }
            }
            Ok(_) => self.fail("short write", offset, &io::Error::from(io::ErrorKind::WriteZero), completion),
            Err(error) => self.fail("write", offset, &error, completion),
        }
    }

    /// The segment takes no more: nothing is written to it again, the frame waits for another one.
    fn relocate(&mut self, flight: Flight, buf: AlignedBuf) {
        self.segment_dead = true;
        // What is left of it there counts for nothing, wherever the log goes on.
        self.offset = flight.offset;
        if let Some(next) = self.closing.take() {
            self.next.push_front(next);
        }
        if flight.header.count > 0 {
            let Flight { header, exit_db, round, .. } = flight;
            self.relocating = Some(Unsealed { buf, header, exit_db, round });
        } else {
            self.pool.put(buf);
        }
    }

    fn advance(&mut self, completion: &mut Completion) {
        let before = self.written_lsn;
        while let Some(flight) = self.flights.front()
            && flight.state == FrameState::Written
        {
            assert!(flight.last_lsn >= self.written_lsn, "frames lie in the order of their records");
            self.written_lsn = flight.last_lsn;
            if let Some(flight) = self.flights.pop_front()
                && self.is_relaxed()
            {
                // It is on the medium only after a sync submitted later than this (rule W6).
                self.note_unsynced(&flight);
            }
        }
        if self.written_lsn == before {
            return;
        }
        let core = self.config.core;
        if self.marks_unresolved {
            let advance = self.cut.written(core, self.written_lsn);
            self.marks_unresolved = advance.marks_left;
            completion.advanced = advance.advanced;
        } else {
            self.cut.publish_unmarked(core, self.written_lsn);
            completion.advanced = CoreSet::one(core);
        }
    }

    pub(super) fn fail(&mut self, what: &'static str, offset: u64, error: &io::Error, completion: &mut Completion) {
        let reason = Poisoned {
            core: self.config.core,
            what,
            segment: self.segment.name.clone(),
            offset,
            durable_lsn: self.durable_lsn(),
            error: error.to_string(),
        };
        if self.poisoned.is_none() {
            self.poisoned = Some(reason);
            completion.poisoned = self.poison_reach();
        }
    }

    /// What a completion makes possible: syncs that are due, the change to the next segment.
    fn follow_up(&mut self) {
        if self.poisoned.is_some() {
            return;
        }
        if self.closing.is_some()
            && self.flights.is_empty()
            && let Some(next) = self.closing.take()
        {
            let last_lsn = self.written_lsn;
            let end = SegmentEnd { seq: self.segment.header.seq, offset: self.offset, last_lsn };
            self.outbox.push_back(LogOp::Retired(self.segment.clone(), end));
            self.enter(next);
            // Where nobody syncs every second a segment is synced at its end.
            self.request_sync();
        }
    }
}
