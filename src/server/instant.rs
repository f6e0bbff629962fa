//! Bringing all cores to one instant, for what concerns whole databases (LOG_RULES X6 and S3 in docs/DURABILITY.md).
//!
//! First every core holds off new commands that span cores and finishes those under way, still serving its clients.
//! Then all stop, and each waits until its log is durable. In that state, which lasts as long as the log's last commit,
//! the act is done everywhere; then they go on.

use super::core::Core;
use super::task::Handle;
use crate::config::ShutdownOptions;
use crate::log::SegmentEnd;
use crate::shard::message::{Act, Answer, Request, TxId};
use std::sync::atomic::Ordering;

/// Where this core stands on the way to one instant.
#[derive(Default)]
pub struct Standstill {
    /// Answer this once no command that spans cores is under way here.
    hold: Option<TxId>,
    /// Answer this once the log is durable.
    stop: Option<TxId>,
    /// No command may run.
    pub stopped: bool,
    /// What listeners are told once all go on.
    pub events: Vec<crate::shard::Event>,
    /// Keys that are to be let go of once all go on.
    pub kept: Vec<crate::shard::locks::LockKey>,
    /// Batches that came while stopped.
    pub batches: std::collections::VecDeque<(usize, Box<crate::shard::message::Batch>)>,
}

impl Core {
    /// A step on the way to one instant, or back.
    pub(super) fn stand_still(&mut self, tx: TxId, request: Request) -> Option<Answer> {
        match request {
            Request::Hold => {
                self.tasks.hold(true);
                if self.tasks.is_idle() {
                    return Some(Answer::Done);
                }
                self.standstill.hold = Some(tx);
                None
            }
            Request::Stop => {
                self.standstill.stopped = true;
                if self.is_drained() {
                    return Some(self.drained());
                }
                self.standstill.stop = Some(tx);
                self.hasten();
                None
            }
            Request::EndLog => Some(self.end_log()),
            Request::Act(act) => {
                self.act(act);
                Some(Answer::Done)
            }
            Request::Go => {
                self.standstill.stopped = false;
                self.shard.tell(&mut self.standstill.events);
                self.see_round();
                self.tasks.hold(false);
                self.space_made();
                for key in std::mem::take(&mut self.standstill.kept) {
                    self.let_go(key);
                }
                while let Some((from, batch)) = self.standstill.batches.pop_front() {
                    self.run_batch(from, batch);
                }
                Some(Answer::Done)
            }
            _ => None,
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Flush { db } => {
                self.flushes += u64::from(db.is_none());
                self.shard.flush(db);
            }
            Act::Swap { a, b } => self.shard.swap(a, b),
            Act::Snapshot { order, at_once } => {
                self.shard.begin_snapshot(*order);
                if at_once {
                    self.shard.finish_snapshot();
                }
            }
            Act::LogCut => self.log_bytes_at_cut = self.log_bytes_sealed(),
            Act::LogRewritten => self.log_bytes_dropped = self.log_bytes_at_cut,
            Act::AbandonSnapshot => {
                self.shard.abandon_snapshot();
                self.shard.finish_snapshot();
            }
            Act::End => self.begin_end(),
            Act::OpenLog { segment, cut } => self.open_log(*segment, cut),
            Act::CloseLog => self.close_log(),
            Act::Replace(shard) => self.put_aside = Some(self.shard.replace_keys(shard.into_inner().into_keys())),
            Act::Settle { restore } => {
                if let Some(keys) = self.put_aside.take()
                    && restore
                {
                    self.shard.replace_keys(keys);
                }
            }
            Act::Segment(segment) => {
                if let Some(log) = self.shard.journal().log() {
                    log.enter_generation(*segment);
                    let relaxed = log.is_relaxed();
                    self.mesh.hold(relaxed);
                    self.refresh_settings();
                    self.apply_fsync();
                }
            }
        }
    }

    fn is_drained(&self) -> bool {
        let log = self.shard.journal_ref().log_ref();
        // Without room what was run stays in memory until there is some: nobody waits for that.
        log.is_none_or(|log| log.poisoned().is_some() || log.no_space().is_some() || log.is_drained())
    }

    pub(super) fn drained(&self) -> Answer {
        let log = self.shard.journal_ref().log_ref().filter(|log| log.poisoned().is_none() && log.is_drained());
        Answer::Ended(log.map(|log| log.end()))
    }

    /// A command that spans cores has ended here.
    pub(super) fn task_ended(&mut self) {
        if self.tasks.is_idle()
            && let Some(tx) = self.standstill.hold.take()
        {
            self.answer_coordinator(tx, Answer::Done);
        }
    }

    /// Something was written: perhaps all is.
    pub(super) fn look_whether_drained(&mut self) {
        if let Some(tx) = self.standstill.stop
            && self.is_drained()
        {
            self.standstill.stop = None;
            let answer = self.drained();
            self.answer_coordinator(tx, answer);
        }
        if self.standstill.stop.is_some() {
            self.hasten();
        }
    }

    /// Has what is written made durable at once: where replies do not wait for the disk, nobody else asks for it soon.
    pub(super) fn hasten(&mut self) {
        if let Some(log) = self.shard.journal().log() {
            log.request_sync();
        }
    }
}

/// What is done at one instant, and how it is logged.
pub(crate) enum Whole {
    /// FLUSHALL, FLUSHDB.
    Flush {
        /// Which database; `None`: all.
        db: Option<u16>,
    },
    /// SWAPDB.
    Swap {
        /// One.
        a: u16,
        /// The other.
        b: u16,
    },
}

impl Whole {
    fn act(&self) -> Act {
        match *self {
            Whole::Flush { db } => Act::Flush { db },
            Whole::Swap { a, b } => Act::Swap { a, b },
        }
    }

    /// The effect as the log has it: a database and a command.
    pub(super) fn effect(&self) -> (u16, Vec<Vec<u8>>) {
        match *self {
            Whole::Flush { db: None } => (0, vec![b"FLUSHALL".to_vec()]),
            Whole::Flush { db: Some(db) } => (db, vec![b"FLUSHDB".to_vec()]),
            Whole::Swap { a, b } => {
                (0, vec![b"SWAPDB".to_vec(), a.to_string().into_bytes(), b.to_string().into_bytes()])
            }
        }
    }
}

/// Waits for the right to bring all cores to one instant, which one task of the server has at a time; give it back with
/// [`give_instant`].
async fn take_instant(handle: &Handle) {
    while !handle
        .with(|core| core.everyone.instant.compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed).is_ok())
    {
        // The holder is done within a few commits; until then this task is asked again once a pass.
        handle.next_pass().await;
    }
}

fn give_instant(handle: &Handle) {
    handle.with(|core| core.everyone.instant.store(false, Ordering::Release));
}

/// The same request for every core.
pub(super) fn to_all(handle: &Handle, make: impl Fn() -> Request) -> Vec<(usize, Request)> {
    let cores = handle.with(|core| core.cores());
    (0..cores).map(|core| (core, make())).collect()
}

/// Brings all cores to a standstill, with everything they ran durable. Returns where their logs ended; without a log,
/// nothing. Only in a conductor task, and [`go`] must follow.
pub(super) async fn stop_all(handle: &Handle) -> Vec<SegmentEnd> {
    take_instant(handle).await;
    handle.ask(to_all(handle, || Request::Hold)).await;
    let answers = handle.ask(to_all(handle, || Request::Stop)).await;
    answers.into_iter().filter_map(|answer| if let Answer::Ended(end) = answer { end } else { None }).collect()
}

/// Lets all cores go on. The right to stop them is given back when all have: otherwise the next one's Stop could reach
/// a core before this Go, which would then undo it.
pub(super) async fn go(handle: &Handle) {
    handle.ask(to_all(handle, || Request::Go)).await;
    give_instant(handle);
}

/// Does something to whole databases on all cores, which stand still.
pub(super) async fn act_all(handle: &Handle, what: &Whole) {
    handle.ask(to_all(handle, || Request::Act(what.act()))).await;
}

/// Logs effects on whole databases between two generations of the log, while all cores stand still. Does nothing
/// without a log, or without effects.
pub(super) async fn log_barrier(
    handle: &Handle,
    effects: Vec<(u16, Vec<Vec<u8>>)>,
    discards_history: bool,
    ends: Vec<SegmentEnd>,
) -> Result<(), String> {
    // A transaction that stopped all cores only to read leaves nothing to log: a barrier of no commands would be a record
    // without a command, which no start accepts.
    if effects.is_empty() || !handle.with(|core| core.shard.journal_ref().is_on()) {
        return Ok(());
    }
    if ends.len() != handle.with(|core| core.cores()) {
        return Err("MISCONF Errors writing to the AOF file: the log of a core has failed".into());
    }
    let segments = handle.barrier(effects, discards_history, ends).await?;
    let acts = segments.into_iter().enumerate();
    handle.ask(acts.map(|(core, segment)| (core, Request::Act(Act::Segment(Box::new(segment))))).collect()).await;
    Ok(())
}

/// Ends the server: all commands that run are finished and durable, the last snapshot is written if one is wanted, and
/// every log is closed. An error means that the snapshot failed and the server goes on.
pub(crate) async fn end_server(handle: &Handle, options: ShutdownOptions) -> Result<(), String> {
    stop_all(handle).await;
    if let Err(text) = super::snapshot::save_at_end(handle, options).await
        && !options.force
    {
        tracing::error!("Errors trying to SHUTDOWN: {text}");
        go(handle).await;
        return Err(text);
    }
    handle.with(|core| core.everyone.ending.store(true, Ordering::Release));
    handle.ask(to_all(handle, || Request::Act(Act::End))).await;
    Ok(())
}

/// Does something to whole databases on all cores at one instant. Runs in a conductor task. Returns an error for the
/// client if the log could not take it; then nothing was done.
pub(crate) async fn at_one_instant(handle: &Handle, what: Whole) -> Result<(), String> {
    let ends = stop_all(handle).await;
    let discards_history = matches!(what, Whole::Flush { db: None });
    let result = log_barrier(handle, vec![what.effect()], discards_history, ends).await;
    if result.is_ok() {
        act_all(handle, &what).await;
    }
    go(handle).await;
    result
}
