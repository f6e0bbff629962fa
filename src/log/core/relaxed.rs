//! Where replies do not wait for the disk (`appendfsync everysec` and `no`): frames count when the kernel has them, and rounds say
//! what survives a loss of power (rule X7).

use std::io;
use std::sync::Arc;

use super::admission::BLOCK_BYTES_MAX;
use super::{Completion, CoreLog, Flight, LogOp, Token};
use crate::log::batch::Savepoint;
use crate::log::frame::padded_bytes;
use crate::log::rounds::Rounds;
use crate::log::segment::Segment;
use crate::log::types::{CoreSet, Lsn};

/// Frames of one segment that the kernel has and the medium may not.
#[derive(Debug)]
pub(super) struct Unsynced {
    segment: Arc<Segment>,
    last_lsn: Lsn,
    /// The newest round among them; 0: none.
    round: u64,
}

/// A sync of every segment with unsynced frames (rule W6).
#[derive(Debug)]
pub(super) struct RoundSync {
    waiting: Vec<Token>,
    last_lsn: Lsn,
    round: u64,
}

impl CoreLog {
    /// Whether replies go out before their write is on the medium.
    #[inline]
    pub fn is_relaxed(&self) -> bool {
        self.config.policy.is_relaxed()
    }

    /// Whether replies wait until [`CoreLog::durable_lsn`] covers them: for the disk; or, where they don't wait for that, while a part
    /// of a multi-core write is missing, since what stands behind it would fall with it (rule X1), or while a record finds no room,
    /// so that the kernel does not have it at the end of the pass.
    #[inline]
    pub fn gates_writes(&self) -> bool {
        !self.is_relaxed() || self.marks_unresolved || self.overflows
    }

    /// A record that began at `start` turned out longer than what was admitted for it. Where no segment is prepared that takes it, it
    /// waits for one, and so do the replies that depend on it. What stands before it in the batch was acknowledged without a
    /// gate: it does not wait.
    #[cold]
    pub(super) fn look_for_overflow(&mut self, start: Savepoint) {
        let frame = padded_bytes(self.batch_bytes(), BLOCK_BYTES_MAX);
        if self.overflows || self.next.iter().any(|segment| Self::fits_empty(segment, frame)) {
            return;
        }
        self.overflows = true;
        let buf = self.pool.take();
        let last = self.batch.split_off_last(start, buf);
        let ahead = std::mem::replace(&mut self.batch, last);
        match ahead.is_empty() {
            true => self.pool.put(ahead.into_buf()),
            false => self.ahead = Some(ahead),
        }
    }

    /// The rounds of all cores.
    pub fn rounds(&self) -> &Rounds {
        self.cut.rounds()
    }

    /// Looks whether a round has ended. To be called after anything has come in from outside this core, before it is acted upon; not
    /// while the core stands still.
    #[inline]
    pub fn see_round(&mut self) {
        let current = self.cut.rounds().current();
        if current != self.round {
            self.see_new_round(current);
        }
    }

    #[cold]
    fn see_new_round(&mut self, current: u64) {
        self.round = current;
        if self.is_relaxed()
            && self.poisoned.is_none()
            && let Some(vector) = self.cut.rounds().seen(self.config.core, self.last_lsn())
        {
            self.batch.round(&vector);
        }
    }

    /// Everything up to here survives a loss of power.
    pub fn secure_lsn(&self) -> Lsn {
        if self.is_relaxed() { self.cut.rounds().durable_lsn(self.config.core) } else { self.durable_lsn() }
    }

    /// Holds writers back at admission, or no longer.
    #[inline]
    pub fn hold_back(&mut self, held: bool) {
        self.held_back = held;
    }

    /// Whether writers are held back.
    pub fn is_held_back(&self) -> bool {
        self.held_back
    }

    /// The kernel has a frame.
    pub(super) fn note_unsynced(&mut self, flight: &Flight) {
        let (last_lsn, round) = (flight.last_lsn, flight.round);
        match self.unsynced.last_mut() {
            Some(unsynced) if unsynced.segment.header.seq == flight.segment.header.seq => {
                unsynced.last_lsn = last_lsn;
                unsynced.round = unsynced.round.max(round);
            }
            _ => self.unsynced.push(Unsynced { segment: flight.segment.clone(), last_lsn, round }),
        }
        self.cut.rounds().handed(self.config.core, last_lsn);
    }

    /// Asks for one sync of everything that the kernel has so far. `false`: there is nothing to sync, or a sync is under way, which
    /// does not cover what came after it was asked for.
    pub fn request_sync(&mut self) -> bool {
        if self.sync.is_some() || self.poisoned.is_some() || self.unsynced.is_empty() {
            return false;
        }
        let unsynced = std::mem::take(&mut self.unsynced);
        let mut sync = RoundSync { waiting: Vec::with_capacity(unsynced.len()), last_lsn: 0, round: 0 };
        for Unsynced { segment, last_lsn, round } in unsynced {
            self.last_token += 1;
            sync.waiting.push(self.last_token);
            sync.last_lsn = last_lsn;
            sync.round = sync.round.max(round);
            self.outbox.push_back(LogOp::Fdatasync { segment, token: self.last_token });
        }
        self.sync = Some(sync);
        true
    }

    /// Whether a sync is under way (`aof_pending_bio_fsync`).
    pub fn sync_pending(&self) -> bool {
        self.sync.is_some()
    }

    /// Whether the kernel has frames that no sync under way covers.
    pub fn has_unsynced(&self) -> bool {
        !self.unsynced.is_empty()
    }

    pub(super) fn is_sync(&self, token: Token) -> bool {
        self.sync.as_ref().is_some_and(|sync| sync.waiting.contains(&token))
    }

    pub(super) fn on_synced(&mut self, token: Token, result: io::Result<usize>, completion: &mut Completion) {
        let Some(sync) = &mut self.sync else { return };
        sync.waiting.retain(|waiting| *waiting != token);
        if let Err(error) = result {
            // Never tried again: nobody knows what the failed sync lost.
            return self.fail("sync", 0, &error, completion);
        }
        if sync.waiting.is_empty()
            && self.poisoned.is_none()
            && let Some(RoundSync { last_lsn, round, .. }) = self.sync.take()
        {
            completion.secured = self.cut.rounds().synced(self.config.core, last_lsn, round);
        }
    }

    /// A log that failed keeps every later round from becoming durable, so no core may go on (rule F1).
    pub(super) fn poison_reach(&self) -> CoreSet {
        let reached = self.cut.poison(self.config.core);
        if self.is_relaxed() { (0..self.segment.header.cores).collect() } else { reached }
    }
}
