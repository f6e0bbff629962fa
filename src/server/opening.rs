//! `CONFIG SET appendonly` while the server runs (LOG_RULES S6 in docs/DURABILITY.md), and BGREWRITEAOF without a log.
//!
//! **Opening.** New segments are made; all cores come to one instant, from which on each logs what it does, and of which a snapshot
//! becomes the base; the manifest is switched to both. Only then the log is open, and the client is told. Until then the files are
//! known as those of a log that does not exist yet ([`crate::log::Keeper::open_begin`]), and everything is as without a log.
//!
//! **Closing.** All cores come to one instant with everything durable, and log nothing from there on. The log's files stay as they are:
//! a start with `appendonly yes` would load them, one with `appendonly no` loads the RDB file.

use super::core::Core;
use super::instant::{go, stop_all, to_all};
use super::keeper::{Order, RewriteCut};
use super::reload::begin_alone;
use super::snapshot::{Output, begin_on_all, outcome};
use super::start;
use super::task::Handle;
use crate::log::{DurableCut, LogConfig, Segment, SegmentEnd, SyncPolicy};
use crate::observe::unix_ms;
use crate::shard::message::{Act, Answer, Request};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Core {
    /// Logs to `segment` from here on. All cores stand still.
    pub(super) fn open_log(&mut self, segment: Segment, cut: Arc<DurableCut>) {
        let (relaxed, policy) = (segment.header.relaxed, start::policy(self.settings.appendfsync));
        let config = LogConfig {
            // The setting may have changed since the segment was made; whoever changed it begins another generation.
            policy: match relaxed {
                false => SyncPolicy::Always,
                true if policy == SyncPolicy::Never => policy,
                true => SyncPolicy::EverySecond,
            },
            ..start::log_config(&self.settings, self.me())
        };
        let log = self.shard.journal().open(config, segment, cut);
        log.set_timestamps(self.settings.aof_timestamp_enabled);
        self.mesh.hold(relaxed);
        // What an earlier log held is in the base.
        self.log_bytes_at_cut = self.log_bytes_sealed();
        self.log_bytes_dropped = self.log_bytes_at_cut;
    }

    /// Says where the log ends, which is to be closed.
    pub(super) fn end_log(&mut self) -> Answer {
        let me = self.me();
        let Some(log) = self.shard.journal().log() else { return Answer::Ended(None) };
        if log.poisoned().is_some() || log.is_drained() {
            return self.drained();
        }
        // There is no room for it on the disk, or it would be there. What it did is in memory like all that follows.
        let advanced = log.abandon_unwritten();
        self.hasten();
        self.log_advanced();
        for core in advanced.iter().map(usize::from).filter(|&core| core != me) {
            self.mesh.send(core, crate::shard::message::Envelope::LogAdvanced);
        }
        Answer::Busy
    }

    /// Logs nothing from here on. All cores stand still.
    pub(super) fn close_log(&mut self) {
        // Another core's message that this log is durable may still be on its way: afterwards nobody would look.
        self.log_advanced();
        self.shard.journal().close();
        self.mesh.hold(false);
        self.sync_due = false;
    }
}

/// Opens the log or closes it, unless that is so already, and then does `then`, before anybody else opens or closes it. An error means
/// that nothing has changed.
///
/// Waits until no snapshot and no rewrite is under way. Runs in a conductor task.
pub(crate) async fn switch_log<T>(
    handle: &Handle,
    on: bool,
    then: impl FnOnce(&mut Core) -> Result<T, String>,
) -> Result<T, String> {
    while handle.with(|core| core.everyone.log_switch.swap(true, Ordering::AcqRel)) {
        handle.next_pass().await;
    }
    let is_on = |core: &mut Core| core.shard.journal_ref().is_on();
    let result = match (on, handle.with(is_on)) {
        (true, false) => open(handle).await,
        (false, true) => {
            close(handle).await;
            Ok(())
        }
        _ => Ok(()),
    };
    let result = result.and_then(|()| handle.with(then));
    handle.with(|core| core.everyone.log_switch.store(false, Ordering::Release));
    result
}

async fn open(handle: &Handle) -> Result<(), String> {
    while !handle.with(begin_alone) {
        handle.next_pass().await;
    }
    let result = unless_flushed(handle, async || write_log(handle, true).await).await;
    handle.with(|core| core.everyone.saves.rewrites.end(unix_ms() / 1000, result.is_ok()));
    match &result {
        Ok(()) => tracing::info!("the log is open: all that is written from here on is logged"),
        Err(error) => tracing::error!("the log could not be opened: {error}"),
    }
    result
}

/// Does `what`, which writes a snapshot, and does it again where it failed and all keys were flushed meanwhile: a flush abandons the
/// snapshot of what is gone, and whoever asked for a base of the log wants one of what is there. The next is small.
pub(super) async fn unless_flushed(handle: &Handle, what: impl AsyncFn() -> Result<(), String>) -> Result<(), String> {
    loop {
        let before = handle.with(|core| core.flushes);
        let result = what().await;
        if result.is_ok() || handle.with(|core| core.flushes == before) {
            return result;
        }
        tracing::info!("all keys were flushed meanwhile; the log's base is written anew");
    }
}

/// Writes a snapshot as the base of a log; with segments, the cores log from its instant on. Without, nobody does: that is
/// what BGREWRITEAOF does without a log. No snapshot or rewrite may be under way.
pub(super) async fn write_log(handle: &Handle, with_segments: bool) -> Result<(), String> {
    let tx = handle.tx;
    let relaxed = handle.with(|core| {
        core.refresh_settings();
        start::policy(core.settings.appendfsync).is_relaxed()
    });
    handle.with(|core| core.order(Order::Open { tx, relaxed, with_segments }));
    let RewriteCut { rewrite, segments, base } = match handle.answer_from_outside().await {
        Answer::RewriteCut(Ok(cut)) => *cut,
        Answer::RewriteCut(Err((text, _))) => return Err(text),
        _ => return Err("the keeper of segments gave no answer".into()),
    };
    stop_all(handle).await;
    let cut = handle.with(|core| Arc::new(DurableCut::new(core.cores() as u16)));
    let opened = segments.into_iter().enumerate().map(|(core, segment)| {
        let (segment, cut) = (Box::new(segment), cut.clone());
        (core, Request::Act(Act::OpenLog { segment, cut }))
    });
    handle.ask(opened.collect()).await;
    let output = Output::Base(base.clone());
    let order = handle.with(|core| core.spawn_writer(tx, output, |_, _, _| {}));
    if let Ok(order) = &order {
        begin_on_all(handle, order, false).await;
    }
    go(handle).await;
    let written = match order {
        Ok(order) => outcome(handle, order).await,
        Err(error) => Err(error.to_string()),
    };
    let result = match written {
        Ok(()) => {
            handle.with(|core| core.order(Order::OpenEnd { tx, rewrite }));
            match handle.answer_from_outside().await {
                Answer::Rewritten(result) => result.map_err(|(text, _)| text),
                _ => Err("the keeper of segments gave no answer".into()),
            }
        }
        Err(error) => Err(error),
    };
    match &result {
        Ok(()) => {
            let bytes = std::fs::metadata(&base.path).map_or(0, |file| file.len());
            handle.with(|core| core.everyone.saves.log_base_bytes.store(bytes, Ordering::Relaxed));
        }
        Err(_) if with_segments => close(handle).await,
        Err(_) => handle.with(|core| core.order(Order::OpenAbort)),
    }
    result
}

async fn close(handle: &Handle) {
    stop_all(handle).await;
    if handle.with(|core| core.everyone.saves.rewrites.is_running()) {
        // A rewrite of the log that is being closed.
        handle.ask(to_all(handle, || Request::Act(Act::AbandonSnapshot))).await;
    }
    let ends = log_ends(handle).await;
    handle.ask(to_all(handle, || Request::Act(Act::CloseLog))).await;
    let tx = handle.tx;
    handle.with(|core| core.order(Order::Close { tx, ends }));
    if let Answer::Rewritten(Err((text, _))) = handle.answer_from_outside().await {
        tracing::warn!("the end of the closed log could not be noted: {text}");
    }
    tracing::info!("the log is closed: what is written from here on is not logged");
    go(handle).await;
}

/// Where the logs of all cores end; `None` if one has failed.
async fn log_ends(handle: &Handle) -> Option<Vec<SegmentEnd>> {
    loop {
        let answers = handle.ask(to_all(handle, || Request::EndLog)).await;
        if answers.iter().any(|answer| matches!(answer, Answer::Busy)) {
            handle.next_pass().await;
            continue;
        }
        return answers.into_iter().map(|answer| if let Answer::Ended(end) = answer { end } else { None }).collect();
    }
}
