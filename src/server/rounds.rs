//! Rounds: where replies do not wait for the disk, what survives a loss of power is a prefix of the whole history over all cores
//! (LOG_RULES X7; how it works is told in `log/rounds.rs`). And the change between that and waiting for the disk.

use super::core::Core;
use super::instant::{go, stop_all};
use super::keeper::Order;
use super::rewrite::poison_if_unknown;
use super::task::Handle;
use crate::config::AppendFsync;
use crate::log::{Lsn, SyncPolicy};
use crate::shard::message::{Act, Answer, Envelope, Request};

/// Under `everysec` every so many calls of [`Core::cron`] a round is synced: twice a second, so that what may be lost stays below a
/// second with time to spare for the sync.
const SYNC_CRONS: u64 = 5;

/// Under `everysec` writers are held back when the oldest write that a loss of power would take is older than this, milliseconds.
const WINDOW_MS: u64 = 1000;

impl Core {
    /// Looks whether a round has ended. Called after anything came in from outside this core, before it is acted upon.
    #[inline]
    pub(super) fn see_round(&mut self) {
        if !self.standstill.stopped
            && let Some(log) = self.shard.journal().log()
        {
            log.see_round();
        }
    }

    /// Holds writers back while the disk is too far behind, and lets them go on when it has caught up. Once a pass.
    #[inline]
    pub(super) fn hold_back(&mut self) {
        let Some(log) = self.shard.journal().log() else { return };
        let (held, behind) = (log.is_held_back(), log.rounds().is_behind());
        if held != behind {
            log.hold_back(behind);
            if held {
                self.space_made();
            }
        }
    }

    /// Ends rounds and has them synced. Ten times a second, by the first core for all.
    pub(super) fn tend_rounds(&mut self) {
        let (now_ms, crons) = (self.now_ms, self.crons);
        if self.me() != 0 || self.standstill.stopped || self.loading {
            return;
        }
        let Some(log) = self.shard.journal().log() else { return };
        if !log.is_relaxed() {
            return;
        }
        let every_second = log.policy() == SyncPolicy::EverySecond;
        let rounds = log.rounds();
        let is_late = every_second && rounds.watch(now_ms, WINDOW_MS);
        let sync = every_second && (crons.is_multiple_of(SYNC_CRONS) || rounds.is_behind());
        let due = rounds.turn(now_ms) || sync && !rounds.is_all_durable();
        if is_late {
            self.stats.delayed_syncs += 1;
            tracing::warn!(
                "the disk is more than a second behind the log: writers are held back until it has caught up"
            );
        }
        if due {
            self.tell_round(sync);
        }
    }

    /// Tells all cores to look for the end of a round, and perhaps to sync.
    pub(super) fn tell_round(&mut self, sync: bool) {
        let me = self.me();
        for core in (0..self.cores()).filter(|&core| core != me) {
            self.mesh.send(core, Envelope::Round { sync });
        }
        self.round_told(sync);
    }

    /// A round may have ended, and perhaps is to be synced: once this pass has handed its frame to the kernel.
    pub(super) fn round_told(&mut self, sync: bool) {
        self.see_round();
        self.sync_due |= sync;
    }

    /// A newer round is durable: writers that were held back on other cores go on.
    pub(super) fn round_secured(&mut self) {
        self.hold_back();
        if !self.awaiting_space.is_empty() || !self.stalled.is_empty() {
            self.space_made();
        }
    }

    /// Changes how the log is written as the setting says, if that takes no new generation; otherwise says so.
    pub(super) fn apply_fsync(&mut self) -> bool {
        let policy = super::start::policy(self.settings.appendfsync);
        let Some(log) = self.shard.journal().log() else { return false };
        if log.is_relaxed() == policy.is_relaxed() {
            log.set_policy(policy);
            return false;
        }
        true
    }
}

/// Before a multi-core write is logged: from here to [`leave`] no round ends, so that all its parts are in one.
pub(super) async fn enter(handle: &Handle) {
    loop {
        let entered = handle.with(|core| {
            let me = core.me() as u16;
            let Some(log) = core.shard.journal_ref().log_ref() else { return true };
            if !log.rounds().begin_spanning(me) {
                leave_here(core);
                return false;
            }
            core.see_round();
            true
        });
        if entered {
            return;
        }
        // The round ends as soon as the writes that are being logged are done, within a hop.
        handle.next_pass().await;
    }
}

/// After a multi-core write was logged by all that took part.
pub(super) fn leave(handle: &Handle) {
    handle.with(leave_here);
}

fn leave_here(core: &mut Core) {
    let (me, now_ms) = (core.me() as u16, core.now_ms);
    let Some(log) = core.shard.journal_ref().log_ref() else { return };
    let rounds = log.rounds();
    if rounds.end_spanning(me) && rounds.turn(now_ms) {
        core.tell_round(false);
    }
}

/// Begins a generation of the log that is written as `appendfsync` says now, if it says otherwise than before. All that was
/// logged is durable then.
pub(crate) async fn change_fsync(handle: &Handle) -> Result<(), String> {
    let is_due = |core: &mut Core| {
        core.refresh_settings();
        core.apply_fsync()
    };
    if !handle.with(is_due) {
        return Ok(());
    }
    let ends = stop_all(handle).await;
    let result = turn(handle, ends).await;
    go(handle).await;
    result
}

async fn turn(handle: &Handle, ends: Vec<crate::log::SegmentEnd>) -> Result<(), String> {
    let (cores, setting) = handle.with(|core| (core.cores(), core.settings.appendfsync));
    let relaxed = setting != AppendFsync::Always;
    // Another change may have come first.
    if handle.with(|core| core.shard.journal_ref().log_ref().is_none_or(|log| log.is_relaxed() == relaxed)) {
        return Ok(());
    }
    if ends.len() != cores {
        return Err("the log of a core has failed".into());
    }
    handle.with(|core| core.order(Order::Turn { tx: handle.tx, relaxed, ends }));
    match handle.answer_from_outside().await {
        Answer::Segments(Ok(segments)) => {
            let acts = segments.into_iter().enumerate();
            handle
                .ask(acts.map(|(core, segment)| (core, Request::Act(Act::Segment(Box::new(segment))))).collect())
                .await;
            Ok(())
        }
        Answer::Segments(Err(error)) => Err(poison_if_unknown(handle, error)),
        _ => Err("the keeper of segments gave no answer".into()),
    }
}

/// Waits until everything that any core has logged by now would survive a loss of power, or until `until_ms` (0: for ever).
/// `false`: not by then, or a log has failed.
pub(crate) async fn secure_all(handle: &Handle, until_ms: u64) -> bool {
    let newest: Vec<Lsn> = handle
        .ask_all(|| super::query::Query::LogPosition)
        .await
        .into_iter()
        .map(|found| if let super::query::Finding::Count(lsn) = found { lsn } else { 0 })
        .collect();
    let mut asked_ms = 0;
    loop {
        let state = handle.with(|core| {
            let now_ms = core.now_ms;
            let Some(log) = core.shard.journal_ref().log_ref() else { return Some(false) };
            let rounds = log.rounds();
            if newest.iter().enumerate().all(|(core, &lsn)| rounds.durable_lsn(core as u16) >= lsn) {
                return Some(true);
            }
            if log.poisoned().is_some() || !log.is_relaxed() || (until_ms > 0 && now_ms >= until_ms) {
                return Some(false);
            }
            // Some other's sync may be under way that covers less: asked again until it is done.
            if now_ms != asked_ms {
                asked_ms = now_ms;
                rounds.turn(now_ms);
                core.tell_round(true);
            }
            None
        });
        if let Some(secured) = state {
            return secured;
        }
        handle.next_pass().await;
    }
}
