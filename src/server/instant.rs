//! Bringing all cores to one instant, for what concerns whole databases (LOG_RULES X6 and S3 in docs/DURABILITY.md).
//!
//! First every core holds off new commands that span cores and finishes those under way, still serving its clients.
//! Then all stop, and each waits until its log is durable. In that state, which lasts as long as the log's last commit,
//! the act is done everywhere; then they go on.

use super::core::Core;
use super::task::Handle;
use crate::log::Segment;
use crate::net::Gate;
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
                None
            }
            Request::Act(act) => {
                self.act(act);
                Some(Answer::Done)
            }
            Request::Go => {
                self.standstill.stopped = false;
                self.tasks.hold(false);
                while let Some((from, batch)) = self.standstill.batches.pop_front() {
                    self.run_batch(from, batch);
                }
                None
            }
            _ => None,
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Flush { db } => self.shard.flush(db),
            Act::Swap { a, b } => self.shard.swap(a, b),
            Act::End => self.begin_end(),
            Act::Segment(segment) => {
                if let Some(log) = self.shard.journal().log() {
                    log.enter_generation(*segment);
                }
            }
        }
    }

    fn is_drained(&self) -> bool {
        let log = self.shard.journal_ref().log_ref();
        log.is_none_or(|log| log.poisoned().is_some() || (self.stalled.is_empty() && log.is_drained()))
    }

    fn drained(&self) -> Answer {
        let log = self.shard.journal_ref().log_ref().filter(|log| log.poisoned().is_none());
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
    }
}

/// What is done at one instant, and how it is logged.
pub(super) enum Whole {
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
    fn effect(&self) -> (u16, Vec<Vec<u8>>) {
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
    while !handle.with(|core| {
        core.everyone.instant.compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }) {
        // The holder is done within a few commits; until then this task is asked again once a pass.
        handle.next_pass().await;
    }
}

fn give_instant(handle: &Handle) {
    handle.with(|core| core.everyone.instant.store(false, Ordering::Release));
}

/// Ends the server: all commands that run are finished and durable, and every log is closed.
pub(super) async fn end_server(handle: &Handle) {
    take_instant(handle).await;
    let cores = handle.with(|core| core.cores());
    let all = |make: &dyn Fn() -> Request| (0..cores).map(|core| (core, make())).collect::<Vec<_>>();
    handle.ask(all(&|| Request::Hold)).await;
    handle.ask(all(&|| Request::Stop)).await;
    handle.ask(all(&|| Request::Act(Act::End))).await;
}

/// Does something to whole databases on all cores at one instant. Runs in a conductor task. Returns an error for the client if the log could not take it; then nothing
/// was done.
pub(super) async fn at_one_instant(handle: &Handle, what: Whole) -> Result<Vec<Gate>, String> {
    take_instant(handle).await;
    let cores = handle.with(|core| core.cores());
    let all = |make: &dyn Fn() -> Request| (0..cores).map(|core| (core, make())).collect::<Vec<_>>();
    handle.ask(all(&|| Request::Hold)).await;
    let mut ends = Vec::new();
    for answer in handle.ask(all(&|| Request::Stop)).await {
        if let Answer::Ended(Some(end)) = answer {
            ends.push(end);
        }
    }
    let mut result = Ok(Vec::new());
    if ends.len() == cores {
        match handle.barrier(what.effect(), matches!(what, Whole::Flush { db: None }), ends).await {
            Ok(segments) => {
                let acts = segments.into_iter().enumerate();
                let acts =
                    acts.map(|(core, segment): (usize, Segment)| (core, Request::Act(Act::Segment(Box::new(segment)))));
                handle.ask(acts.collect()).await;
            }
            Err(text) => result = Err(text),
        }
    }
    if result.is_ok() {
        handle.ask(all(&|| Request::Act(what.act()))).await;
    }
    handle.tell(all(&|| Request::Go));
    give_instant(handle);
    result
}
