//! DEBUG RELOAD and DEBUG LOADAOF: everything in memory is replaced by what the files say, while all cores stand still.
//!
//! The files are read into keyspaces of their own before anything is replaced: if that fails the data stays as it is. With a log the
//! log says the same as memory at every moment: what was just saved is what it holds; any other file becomes its base, by a rewrite
//! whose second switch is made before anybody is served. A crash leaves what was there before, or what was loaded.

use super::core::Core;
use super::instant::{go, stop_all, to_all};
use super::keeper::{Order, RewriteCut};
use super::loading::{Loader, Progress, replay_plan};
use super::move_shard::Moved;
use super::rewrite::poison_if_unknown;
use super::snapshot::{Output, begin_on_all, outcome, save_here};
use super::start;
use super::task::Handle;
use crate::config::Settings;
use crate::keyspace::{Keyspace, SlabOptions};
use crate::log::SegmentEnd;
use crate::recovery;
use crate::shard::Shard;
use crate::shard::message::{Act, Answer, Request};
use std::sync::{Arc, Mutex, PoisonError};

/// Where the data comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reload {
    /// The RDB file, saved first if so wanted.
    Rdb {
        /// Save what is there now.
        save: bool,
    },
    /// The log.
    Log,
}

/// Replaces everything in memory by what the files say. Runs in a conductor task, and waits for the end of a snapshot or rewrite.
///
/// # Errors
/// The text for the client. Nothing is changed then.
pub(crate) async fn reload(handle: &Handle, from: Reload) -> Result<(), String> {
    while !handle.with(begin_alone) {
        handle.next_pass().await;
    }
    let ends = stop_all(handle).await;
    let result = replace(handle, from, ends).await;
    handle.with(|core| core.everyone.saves.rewrites.call_off());
    go(handle).await;
    result
}

/// Keeps snapshots and rewrites away, unless one is under way.
pub(super) fn begin_alone(core: &mut Core) -> bool {
    let saves = &core.everyone.saves;
    if saves.snapshots.is_running() || !saves.rewrites.begin(core.now_ms / 1000) {
        return false;
    }
    // Looked at once more: a snapshot that begins on another core does it the other way round.
    let alone = !saves.snapshots.is_running();
    if !alone {
        saves.rewrites.call_off();
    }
    alone
}

async fn replace(handle: &Handle, from: Reload, ends: Vec<SegmentEnd>) -> Result<(), String> {
    let (has_log, cores) = handle.with(|core| (core.shard.journal_ref().is_on(), core.cores()));
    if has_log && ends.len() != cores {
        return Err("ERR the log of a core has failed".into());
    }
    match from {
        Reload::Log if !has_log => return Err("ERR DEBUG LOADAOF needs a log: appendonly is no".into()),
        Reload::Rdb { save: true } => save_here(handle).await?,
        _ => {}
    }
    let loaded = load(handle, from, has_log).await?;
    let is_logged = !has_log || from != Reload::Rdb { save: false };
    let replaced = |shards: Vec<Moved<Shard>>| {
        let acts = shards.into_iter().map(|shard| Request::Act(Act::Replace(Box::new(shard))));
        handle.ask(acts.enumerate().collect())
    };
    let settle = |restore| handle.ask(to_all(handle, || Request::Act(Act::Settle { restore })));
    if is_logged {
        replaced(loaded).await;
        settle(false).await;
        return Ok(());
    }
    let RewriteCut { rewrite, segments, base } = {
        handle.with(|core| core.order(Order::RewriteBegin { tx: handle.tx, ends }));
        match handle.answer_from_outside().await {
            Answer::RewriteCut(Ok(cut)) => *cut,
            Answer::RewriteCut(Err(error)) => return Err(format!("ERR {}", poison_if_unknown(handle, error))),
            _ => return Err("ERR the keeper of segments gave no answer".into()),
        }
    };
    let acts = segments.into_iter().map(|segment| Request::Act(Act::Segment(Box::new(segment))));
    handle.ask(acts.enumerate().collect()).await;
    replaced(loaded).await;
    let order = handle.with(|core| core.spawn_writer(handle.tx, Output::Base(base), |_, _, _| {}));
    let written = match order {
        Ok(order) => {
            begin_on_all(handle, &order, true).await;
            outcome(handle, order).await
        }
        Err(error) => Err(format!("ERR {error}")),
    };
    let result = match written {
        Ok(()) => {
            handle.with(|core| core.order(Order::RewriteEnd { tx: handle.tx, rewrite }));
            match handle.answer_from_outside().await {
                Answer::Rewritten(Ok(())) => Ok(()),
                Answer::Rewritten(Err(error)) => Err(format!("ERR {}", poison_if_unknown(handle, error))),
                _ => Err("ERR the keeper of segments gave no answer".into()),
            }
        }
        Err(error) => {
            handle.with(|core| core.order(Order::RewriteAbort(rewrite)));
            Err(error)
        }
    };
    settle(result.is_err()).await;
    result
}

/// Reads the files into shards of their own, on a thread.
async fn load(handle: &Handle, from: Reload, has_log: bool) -> Result<Vec<Moved<Shard>>, String> {
    let (settings, cores, now_ms) = handle.with(|core| (core.settings.clone(), core.cores(), core.now_ms));
    let place = Arc::new(Mutex::new(Vec::new()));
    let filled = place.clone();
    let read = move || {
        let shards = read(from, &settings, cores, now_ms, has_log).map_err(|error| {
            tracing::error!("the data could not be loaded: {error}");
            let what = if from == Reload::Log { "AOF files" } else { "RDB dump" };
            format!("ERR Error trying to load the {what}, check server logs.")
        })?;
        *filled.lock().unwrap_or_else(PoisonError::into_inner) = shards.into_iter().map(Moved::of).collect();
        Ok(())
    };
    handle.on_thread("reload", read).await?;
    let loaded = std::mem::take(&mut *place.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(loaded)
}

fn read(
    from: Reload,
    settings: &Arc<Settings>,
    cores: usize,
    now_ms: u64,
    has_log: bool,
) -> Result<Vec<Shard>, String> {
    let shard = |core| {
        let keyspace = Keyspace::new(settings.databases as usize, now_ms, SlabOptions::default());
        keyspace.map(|keyspace| Shard::new(core, cores, keyspace, settings.clone(), now_ms))
    };
    let mut shards = (0..cores).map(shard).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    let progress = Progress::default();
    if from == Reload::Log {
        let options =
            recovery::Options { inspect: true, lock_held: true, is_own: true, ..start::options(settings, cores) };
        let plan = recovery::plan(&start::directory(settings), &options).map_err(|error| error.to_string())?;
        replay_plan(&plan, &mut shards, settings, &progress, now_ms).map_err(|error| error.to_string())?;
    } else {
        Loader::new(&mut shards, settings, &progress, now_ms).rdb_again(&settings.rdb_file, has_log)?;
    }
    Ok(shards)
}
