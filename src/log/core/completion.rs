//! What happens when a write or a sync ends.

use std::io;

use super::{Completion, CoreLog, Flight, FrameState, LogOp, SegmentEnd, Sync, Token, Unsealed};
use crate::log::error::Poisoned;
use crate::log::types::{CoreSet, SyncPolicy};
use crate::storage::{AlignedBuf, is_out_of_space};

impl CoreLog {
    /// What the driver should do next; to be asked until `None`.
    #[inline]
    pub fn next_op(&mut self) -> Option<LogOp> {
        self.outbox.pop_front()
    }

    /// Asks for one sync of everything completed so far; no effect if there is nothing to sync or a sync is under way.
    pub fn request_sync(&mut self) {
        if self.sync.is_some() || self.poisoned.is_some() {
            return;
        }
        if let Some(covers) = self.newest_cached() {
            self.last_token += 1;
            let (token, segment) = (self.last_token, self.segment.clone());
            self.sync = Some(Sync { token, covers });
            self.outbox.push_back(LogOp::Fdatasync { segment, token });
        }
    }

    /// Whether a sync is under way (`aof_pending_bio_fsync`).
    pub fn sync_pending(&self) -> bool {
        self.sync.is_some()
    }

    /// The sync policy.
    pub fn policy(&self) -> SyncPolicy {
        self.config.policy
    }

    /// Changes the sync policy for frames sealed from now on; [`SyncPolicy::Always`] also has those before it synced.
    pub fn set_policy(&mut self, policy: SyncPolicy) {
        self.config.policy = policy;
        self.follow_up();
    }

    /// A write or a sync ended. `result` is the count of bytes written, anything for a sync; a write's buffer comes back with it.
    pub fn on_complete(&mut self, token: Token, result: io::Result<usize>, buf: Option<AlignedBuf>) -> Completion {
        let mut completion = Completion::default();
        match self.sync.take_if(|sync| sync.token == token) {
            Some(sync) => self.on_synced(sync, result, &mut completion),
            None => self.on_written(token, result, buf, &mut completion),
        }
        self.follow_up();
        completion
    }

    fn on_synced(&mut self, sync: Sync, result: io::Result<usize>, completion: &mut Completion) {
        match result {
            Ok(_) => {
                let covered = |flight: &&mut Flight| flight.token <= sync.covers && flight.state == FrameState::Cached;
                self.flights.iter_mut().filter(covered).for_each(|flight| flight.state = FrameState::Durable);
                self.advance(completion);
            }
            // Never tried again: nobody knows what the failed sync lost.
            Err(error) => self.fail("sync", 0, &error, completion),
        }
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
                // Without O_DSYNC a frame is on the medium only after a sync submitted later than this (rule W6).
                flight.state = if flight.dsync { FrameState::Durable } else { FrameState::Cached };
                self.pool.put(buf);
                self.merge_cached();
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
        if let Some(next) = self.closing.take() {
            self.next.push_front(next);
        }
        if flight.header.count > 0 {
            self.relocating = Some(Unsealed { buf, header: flight.header, exit_db: flight.exit_db });
        } else {
            self.pool.put(buf);
        }
    }

    /// Keeps the list of frames short while nobody syncs: neighbours in the cache become one entry.
    fn merge_cached(&mut self) {
        let covers = self.sync.as_ref().map(|sync| sync.covers);
        let mut index = 0;
        while index + 1 < self.flights.len() {
            let (one, two) = (&self.flights[index], &self.flights[index + 1]);
            let cached = one.state == FrameState::Cached && two.state == FrameState::Cached;
            if cached && Some(one.token) != covers {
                self.flights.remove(index);
            } else {
                index += 1;
            }
        }
    }

    fn advance(&mut self, completion: &mut Completion) {
        let before = self.written_lsn;
        while let Some(flight) = self.flights.front()
            && flight.state == FrameState::Durable
        {
            assert!(flight.last_lsn >= self.written_lsn, "frames lie in the order of their records");
            self.written_lsn = flight.last_lsn;
            self.flights.pop_front();
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

    fn fail(&mut self, what: &'static str, offset: u64, error: &io::Error, completion: &mut Completion) {
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
            completion.poisoned = self.cut.poison(self.config.core);
        }
    }

    /// What a completion makes possible: syncs that are due, the change to the next segment.
    fn follow_up(&mut self) {
        if self.poisoned.is_some() {
            return;
        }
        let due = self.config.policy == SyncPolicy::Always || self.closing.is_some();
        if due && self.newest_cached().is_some() {
            self.request_sync();
        }
        if self.closing.is_some()
            && self.flights.is_empty()
            && self.sync.is_none()
            && let Some(next) = self.closing.take()
        {
            let last_lsn = self.written_lsn;
            let end = SegmentEnd { seq: self.segment.header.seq, offset: self.offset, last_lsn };
            self.outbox.push_back(LogOp::Retired(self.segment.clone(), end));
            self.enter(next);
        }
    }
}
