//! Driving the core's log: what it wants done goes to the ring or the keeper, what was done goes back to it.

use super::core::Core;
use super::keeper::Order;
use crate::log::{FrameWrite, LogOp, Poisoned, Segment};
use crate::net::Gate;
use crate::observe::Ticks;
use crate::shard::message::Envelope;
use crate::storage::AlignedBuf;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// Operations of the log that are with the kernel; they hold the memory and the files that it uses.
#[derive(Default)]
pub struct LogFlights {
    writes: HashMap<u64, (FrameWrite, Ticks)>,
    syncs: HashMap<u64, (Arc<Segment>, Ticks)>,
}

impl LogFlights {
    /// Whether nothing is with the kernel.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.syncs.is_empty()
    }
}

/// What the ring is to do for the log.
pub enum LogIo<'a> {
    /// Write all of the frame at its offset.
    Write(&'a FrameWrite),
    /// `fdatasync`.
    Sync(&'a Segment, u64),
}

impl Core {
    /// Seals the batch if it is time, and hands out what is to be done.
    pub fn drive_log(&mut self, mut submit: impl FnMut(LogIo)) {
        let now_ms = self.now_ms;
        let core = self.me() as u16;
        if let Some(sealed) = self.shard.journal().seal(now_ms) {
            self.shard.sealed(sealed);
        }
        loop {
            let Some(op) = self.shard.journal().log().and_then(|log| log.next_op()) else {
                if std::mem::take(&mut self.sync_due)
                    && let Some(log) = self.shard.journal().log()
                {
                    // While a sync is under way, which covers less, it is asked for again.
                    self.sync_due = !log.request_sync() && log.sync_pending() && log.has_unsynced();
                    if log.sync_pending() && !self.sync_due {
                        continue;
                    }
                }
                break;
            };
            match op {
                // Where replies do not wait for the disk, they wait for this: the kernel has the frame before any reply or message
                // of this pass leaves the core, so that the end of the process alone loses nothing.
                LogOp::Write(write) if !write.dsync => {
                    let started = Ticks::now();
                    let result = write.segment.file.write_at(&write.buf, write.offset, false);
                    self.note_commit(write.buf.len() as u64, started, "aof-write");
                    if !result.as_ref().is_ok_and(|&written| written == write.buf.len()) {
                        self.take_back_replies();
                    }
                    self.log_io_ended(write.token, result, Some(write.buf));
                    if let Some(sealed) = self.shard.journal().seal(now_ms) {
                        self.shard.sealed(sealed);
                    }
                }
                LogOp::Write(write) => {
                    let (write, _) = self.flights.writes.entry(write.token).or_insert((write, Ticks::now()));
                    submit(LogIo::Write(write));
                }
                LogOp::Fdatasync { segment, token } => {
                    submit(LogIo::Sync(&segment, token));
                    self.flights.syncs.insert(token, (segment, Ticks::now()));
                }
                LogOp::NeedSegment { bytes, first_lsn_min } => {
                    self.order(Order::Prepare { core, bytes, first_lsn_min });
                }
                LogOp::Unused(segment) => self.order(Order::Remove(segment)),
                LogOp::Retired(..) => {}
            }
        }
    }

    /// The kernel does not get what this pass logged, and its replies were made in the belief that it would (`everysec`, `no`). Nothing
    /// of the pass has left the core yet: connections that are to be sent something are closed, since what became of their
    /// writes is unknown, and replies on their way to other cores wait for the log.
    #[cold]
    fn take_back_replies(&mut self) {
        let doomed: Vec<_> = self.conns.iter().filter(|conn| !conn.outbox.is_empty()).map(|conn| conn.place).collect();
        doomed.into_iter().for_each(|at| self.close(at));
        let lsn = self.shard.journal_ref().log_ref().map_or(0, |log| log.last_lsn());
        let gate = Gate { core: self.me() as u16, lsn };
        for message in self.mesh.unseen() {
            match message {
                Envelope::BatchDone(batch) => {
                    batch.commands.iter_mut().filter(|command| !command.late).for_each(|command| {
                        command.gate.get_or_insert(gate);
                    });
                }
                Envelope::Late { gate: waits_for, .. } => {
                    waits_for.get_or_insert(gate);
                }
                _ => {}
            }
        }
    }

    pub(super) fn order(&self, order: Order) {
        if let Some(keeper) = &self.keeper {
            keeper.order(order);
        }
    }

    /// Bytes of records that are not written yet, and their buffers.
    pub(super) fn log_buffer_bytes(&self) -> u64 {
        let gathered = self.shard.journal_ref().log_ref().map_or(0, |log| log.buffer_bytes());
        gathered + self.flights.writes.values().map(|(write, _)| write.buf.capacity() as u64).sum::<u64>()
    }

    /// Bytes of records logged since the start, padding left out.
    pub(super) fn log_bytes_sealed(&self) -> u64 {
        self.shard.journal_ref().log_ref().map_or(0, |log| log.sealed_bytes())
    }

    /// Bytes of records logged since the start or the last rewrite, padding left out.
    pub(super) fn log_bytes(&self) -> u64 {
        // Without a log there are none, whatever an earlier one had.
        self.log_bytes_sealed().saturating_sub(self.log_bytes_dropped)
    }

    /// A commit has ended.
    fn note_commit(&mut self, bytes: u64, started: Ticks, event: &'static str) {
        let nanos = Ticks::now().nanos_since(started);
        self.commits.record(bytes, nanos / 1000);
        self.note_delay(event, nanos);
    }

    /// Remembers what took longer than `latency-monitor-threshold`.
    #[inline]
    pub(super) fn note_delay(&self, event: &'static str, nanos: u64) {
        let (threshold_ms, ms) = (self.settings.latency_monitor_threshold_ms, nanos / 1_000_000);
        if threshold_ms > 0 && ms >= threshold_ms {
            self.everyone.latency.add(event, self.now_ms / 1000, ms);
        }
    }

    /// An operation of the log has ended.
    pub fn log_completed(&mut self, token: u64, result: io::Result<usize>) {
        let buf = self.flights.writes.remove(&token).map(|(write, started)| {
            self.note_commit(write.buf.len() as u64, started, "aof-fsync-always");
            write.buf
        });
        if let Some((_, started)) = self.flights.syncs.remove(&token) {
            self.note_delay("aof-fsync", Ticks::now().nanos_since(started));
        }
        self.log_io_ended(token, result, buf);
    }

    fn log_io_ended(&mut self, token: u64, result: io::Result<usize>, buf: Option<AlignedBuf>) {
        if let Err(error) = &result {
            tracing::error!(core = self.me(), "writing the log failed: {error}");
        }
        let Some(log) = self.shard.journal().log() else { return };
        let completion = log.on_complete(token, result, buf);
        let reason = log.poisoned().cloned();
        if completion.secured {
            let me = self.me();
            for core in (0..self.cores()).filter(|&core| core != me) {
                self.mesh.send(core, Envelope::RoundSecured);
            }
            self.round_secured();
        }
        self.log_advanced();
        let me = self.me();
        for core in completion.advanced.iter().filter(|&core| core as usize != me) {
            self.mesh.send(core as usize, Envelope::LogAdvanced);
        }
        for core in completion.poisoned.iter() {
            let reason = reason.clone().unwrap_or_else(|| Poisoned {
                core: me as u16,
                what: "write",
                segment: String::new(),
                offset: 0,
                durable_lsn: self.durable[me],
                error: "the log of a core that shares transactions with this one failed".into(),
            });
            if core as usize == me {
                self.poison(reason);
            } else {
                self.mesh.send(core as usize, Envelope::Poison(reason));
            }
        }
    }

    /// The log may be durable further than before: lets go of what waited for it.
    pub fn log_advanced(&mut self) {
        let me = self.me();
        let Some(log) = self.shard.journal_ref().log_ref() else { return };
        let (before, durable) = (self.durable[me], log.durable_lsn());
        if durable > before {
            self.shard.durable(durable);
            self.advance_durable(me, durable);
            self.tell_durable(before, durable);
        }
        self.look_whether_drained();
        if !self.awaiting_space.is_empty() || !self.stalled.is_empty() {
            self.space_made();
        }
    }

    /// This core can no longer acknowledge all it ran: its log failed, or that of a partner did. Connections whose
    /// replies wait for it are closed (what became of their writes is unknown); from here on writes are refused.
    pub fn poison(&mut self, reason: Poisoned) {
        let me = self.me() as u16;
        if self.shard.journal_ref().log_ref().is_some_and(|log| log.is_relaxed() && log.buffer_holds_records()) {
            // What this pass has logged so far will not be written.
            self.take_back_replies();
        }
        if let Some(log) = self.shard.journal().log() {
            log.poison(reason);
        }
        let doomed: Vec<_> =
            self.conns.iter().filter(|conn| conn.outbox.waits_for(me)).map(|conn| conn.place).collect();
        for at in doomed {
            self.close(at);
        }
        self.give_up_awaited();
        for core in 0..self.cores() {
            if core != me as usize {
                self.mesh.send(core, Envelope::PeerPoisoned);
            }
        }
    }

    /// No core may acknowledge anything any more.
    pub(super) fn poison_all(&mut self, why: &str) {
        let me = self.me();
        let reason = Poisoned {
            core: me as u16,
            what: "write",
            segment: "the barrier".into(),
            offset: 0,
            durable_lsn: self.durable[me],
            error: why.into(),
        };
        for core in (0..self.cores()).filter(|&core| core != me) {
            self.mesh.send(core, Envelope::Poison(reason.clone()));
        }
        self.poison(reason);
    }

    /// Another core's log failed: closes the connections here that wait for it.
    pub(super) fn peer_poisoned(&mut self, core: u16) {
        let doomed: Vec<_> =
            self.conns.iter().filter(|conn| conn.outbox.waits_for(core)).map(|conn| conn.place).collect();
        doomed.into_iter().for_each(|at| self.close(at));
        self.give_up_awaited();
    }

    /// A segment is ready, or could not be made.
    pub(super) fn segment_made(&mut self, result: Result<Box<Segment>, (String, bool)>) {
        let Some(log) = self.shard.journal().log() else { return };
        match result {
            Ok(segment) => log.segment_ready(*segment),
            Err((reason, false)) => log.segment_failed(reason),
            // Which manifest is in force is unknown, so what is acknowledged from here on might be in none.
            Err((reason, true)) => return self.poison_all(&reason),
        }
        self.look_whether_drained();
        self.space_made();
    }

    /// The log may have room again: goes on with what waited for it.
    pub(super) fn space_made(&mut self) {
        if self.standstill.stopped {
            // Nothing may run; this is called again when the core goes on.
            return;
        }
        for at in std::mem::take(&mut self.awaiting_space) {
            if let Some(conn) = self.conns.get(at) {
                conn.awaits_space = false;
                conn.awaits_drain = false;
                self.resume.push(at);
            }
        }
        for deferred in std::mem::take(&mut self.stalled) {
            self.run_stalled(deferred);
        }
    }
}
