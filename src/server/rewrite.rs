//! Rewriting the log: a cut, a snapshot of that instant as the new base, and then the log begins with it (LOG_RULES S1 in
//! docs/DURABILITY.md).

use super::core::Core;
use super::instant::{go, stop_all, to_all};
use super::keeper::Order;
use super::opening::{unless_flushed, write_log};
use super::snapshot::{Output, begin_on_all, outcome};
use super::task::Handle;
use crate::observe::unix_ms;
use crate::shard::message::{Act, Answer, Request};
use std::sync::atomic::Ordering;

/// After a rewrite failed, the next automatic one waits a minute for each failure in a row, up to so many minutes.
const BACK_OFF_MINUTES_MAX: u64 = 60;

/// Why a rewrite does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RewriteRefusal {
    /// Another one is under way.
    Rewriting,
    /// A snapshot is being written; the rewrite follows it.
    Scheduled,
}

impl Core {
    /// Begins a rewrite if the log has grown enough, or one was put off until now. Called once a second.
    pub(super) fn rewrite_if_due(&mut self) {
        let saves = &self.everyone.saves;
        if self.me() != 0 || self.loading || saves.rewrites.is_running() || saves.snapshots.is_running() {
            return;
        }
        let (bytes, base) = (saves.log_bytes_total(), saves.log_base_bytes.load(Ordering::Relaxed).max(1));
        let growth = bytes.saturating_sub(base).saturating_mul(100) / base;
        let percentage = u64::from(self.settings.auto_aof_rewrite_percentage);
        let has_grown = self.shard.journal_ref().is_on()
            && percentage > 0
            && bytes > self.settings.auto_aof_rewrite_min_bytes
            && growth >= percentage;
        let wait_s = saves.rewrites.failed_in_a_row().min(BACK_OFF_MINUTES_MAX) * 60;
        let may_try = self.now_ms / 1000 >= saves.rewrites.begun_s() + wait_s;
        if has_grown && may_try {
            tracing::info!("Starting automatic rewriting of AOF on {growth}% growth");
        } else if !saves.rewrites.is_scheduled() {
            return;
        }
        let _ = begin_rewrite(self);
    }
}

/// Begins a rewrite, which goes on by itself.
pub(crate) fn begin_rewrite(core: &mut Core) -> Result<(), RewriteRefusal> {
    let everyone = core.everyone.clone();
    let rewrites = &everyone.saves.rewrites;
    if !rewrites.begin(core.now_ms / 1000) {
        return Err(RewriteRefusal::Rewriting);
    }
    // Looked at only now: a snapshot that begins on another core does it the other way round.
    if everyone.saves.snapshots.is_running() {
        rewrites.call_off();
        rewrites.schedule(true);
        return Err(RewriteRefusal::Scheduled);
    }
    core.tasks.spawn_conductor(move |handle| async move {
        let result = match handle.with(|core| core.shard.journal_ref().is_on()) {
            true => unless_flushed(&handle, async || rewrite(&handle).await).await,
            // As long as this is under way no log is opened.
            false => unless_flushed(&handle, async || write_log(&handle, false).await).await,
        };
        let rewrites = &everyone.saves.rewrites;
        rewrites.end(unix_ms() / 1000, result.is_ok());
        match result {
            Ok(()) => tracing::info!("Background AOF rewrite finished successfully"),
            Err(error) => tracing::error!("Background AOF rewrite failed: {error}"),
        }
    });
    Ok(())
}

async fn rewrite(handle: &Handle) -> Result<(), String> {
    let ends = stop_all(handle).await;
    if ends.len() != handle.with(|core| core.cores()) {
        go(handle).await;
        return Err("the log of a core has failed, or the log was closed".into());
    }
    handle.with(|core| core.order(Order::RewriteBegin { tx: handle.tx, ends }));
    let cut = match handle.answer_from_outside().await {
        Answer::RewriteCut(Ok(cut)) => cut,
        Answer::RewriteCut(Err(error)) => {
            let text = poison_if_unknown(handle, error);
            go(handle).await;
            return Err(text);
        }
        _ => {
            go(handle).await;
            return Err("the keeper of segments gave no answer".into());
        }
    };
    let (rewrite, base) = (cut.rewrite, cut.base);
    let acts = cut.segments.into_iter().enumerate();
    handle.ask(acts.map(|(core, segment)| (core, Request::Act(Act::Segment(Box::new(segment))))).collect()).await;
    handle.ask(to_all(handle, || Request::Act(Act::LogCut))).await;
    let output = Output::Base(base.clone());
    let order = handle.with(|core| core.spawn_writer(handle.tx, output, |_, _, _| {}));
    if let Ok(order) = &order {
        begin_on_all(handle, order, false).await;
    }
    go(handle).await;
    let written = match order {
        Ok(order) => outcome(handle, order).await,
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = written {
        handle.with(|core| core.order(Order::RewriteAbort(rewrite)));
        return Err(error);
    }
    let bytes = std::fs::metadata(&base.path).map_or(0, |file| file.len());
    handle.with(|core| core.order(Order::RewriteEnd { tx: handle.tx, rewrite }));
    match handle.answer_from_outside().await {
        Answer::Rewritten(Ok(())) => {
            handle.ask(to_all(handle, || Request::Act(Act::LogRewritten))).await;
            handle.with(|core| core.everyone.saves.log_base_bytes.store(bytes, Ordering::Relaxed));
            Ok(())
        }
        Answer::Rewritten(Err(error)) => Err(poison_if_unknown(handle, error)),
        _ => Err("the keeper of segments gave no answer".into()),
    }
}

/// When it is unknown which manifest is on the disk, nothing more may be acknowledged.
pub(super) fn poison_if_unknown(handle: &Handle, (text, is_unknown): (String, bool)) -> String {
    if is_unknown {
        handle.with(|core| core.poison_all(&text));
    }
    text
}
