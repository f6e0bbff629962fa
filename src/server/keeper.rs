//! The keeper's thread: prepares segments and switches the manifest, so that no core ever blocks on metadata.

use super::outside::Outside;
use crate::config::Settings;
use crate::log::{Keeper, KeeperError, Lsn, Retention, Rewrite, Segment, SegmentEnd};
use crate::observe::unix_ms;
use crate::shard::message::{Answer, Envelope, TxId};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often history is looked through for what is too old.
const HISTORY_CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// What the keeper is asked to do.
pub enum Order {
    /// Make a segment; answered by [`Envelope::Segment`].
    Prepare {
        /// For whom.
        core: u16,
        /// Size at least.
        bytes: u64,
        /// For its header.
        first_lsn_min: Lsn,
    },
    /// Remove a segment that was never written to.
    Remove(Arc<Segment>),
    /// Put effects on whole databases between two generations; answered to the task.
    Barrier {
        /// Who asks.
        tx: TxId,
        /// Databases and effects.
        effects: Vec<(u16, Vec<Vec<u8>>)>,
        /// Nothing of what was before can be read any more.
        discards_history: bool,
        /// Where each core's log ended.
        ends: Vec<SegmentEnd>,
    },
    /// Cut the log for a rewrite; answered to the task.
    RewriteBegin {
        /// Who asks.
        tx: TxId,
        /// Where each core's log ended.
        ends: Vec<SegmentEnd>,
    },
    /// Begin a generation that is written in another way; answered to the task.
    Turn {
        /// Who asks.
        tx: TxId,
        /// Whether replies go out before their write is on the medium.
        relaxed: bool,
        /// Where each core's log ended.
        ends: Vec<SegmentEnd>,
    },
    /// The new base is written and durable; answered to the task.
    RewriteEnd {
        /// Who asks.
        tx: TxId,
        /// Which rewrite.
        rewrite: Rewrite,
    },
    /// Give a rewrite up. Has no answer.
    RewriteAbort(Rewrite),
    /// End the thread.
    End,
}

/// A rewrite that has begun: the log goes on in new segments, and all that was before goes into a new base.
pub struct RewriteCut {
    /// Which.
    pub rewrite: Rewrite,
    /// The new segments, one for each core.
    pub segments: Vec<Segment>,
    /// Path of the new base.
    pub base: std::path::PathBuf,
}

/// The way to the keeper's thread.
#[derive(Clone)]
pub struct KeeperClient {
    orders: Sender<Order>,
}

impl KeeperClient {
    /// Sends an order. After the keeper's end orders are dropped: the cores are ending too.
    pub fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }
}

/// Starts the thread. It answers through `cores`.
pub fn start(
    keeper: Keeper,
    cores: Vec<Outside>,
    settings: impl Fn() -> Arc<Settings> + Send + 'static,
) -> std::io::Result<(KeeperClient, JoinHandle<Keeper>)> {
    let (orders, receiver) = channel();
    let thread =
        std::thread::Builder::new().name("keeper".into()).spawn(move || serve(keeper, &cores, &receiver, &settings))?;
    Ok((KeeperClient { orders }, thread))
}

/// An error's text, and whether it leaves unknown which manifest is in force: then all logs must be poisoned.
fn told(error: KeeperError) -> (String, bool) {
    (error.to_string(), matches!(error, KeeperError::Unknown { .. } | KeeperError::Poisoned(_)))
}

/// How long history is kept under the settings in force.
fn retention(settings: &Settings) -> Retention {
    let since_ms = match settings.aof_history_retention_s {
        0 => u64::MAX,
        seconds => unix_ms().saturating_sub(seconds.saturating_mul(1000)),
    };
    Retention { since_ms, bytes_max: settings.aof_history_retention_bytes }
}

fn serve(
    mut keeper: Keeper,
    cores: &[Outside],
    orders: &Receiver<Order>,
    settings: &dyn Fn() -> Arc<Settings>,
) -> Keeper {
    keeper.set_retention(retention(&settings()));
    loop {
        let order = match orders.recv_timeout(HISTORY_CHECK_INTERVAL) {
            Ok(order) => order,
            Err(RecvTimeoutError::Timeout) => {
                keeper.set_retention(retention(&settings()));
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        };
        match order {
            Order::Prepare { core, bytes, first_lsn_min } => {
                let result = keeper.prepare_segment(core, bytes, first_lsn_min, unix_ms());
                if let Err(error) = &result {
                    tracing::warn!(core, "no new segment for the log: {error}");
                }
                let result = result.map(Box::new).map_err(told);
                cores[core as usize].post(Envelope::Segment(result));
            }
            Order::Remove(segment) => {
                if let Err(error) = keeper.remove_unused(&segment) {
                    tracing::warn!(segment = segment.name, "an unused segment stays behind: {error}");
                }
            }
            Order::Barrier { tx, effects, discards_history, ends } => {
                let effects: Vec<(u16, Vec<&[u8]>)> =
                    effects.iter().map(|(db, words)| (*db, words.iter().map(Vec::as_slice).collect())).collect();
                let result = keeper.barrier(&effects, discards_history, &ends, unix_ms());
                let result = result.map_err(told);
                cores[tx.core as usize].post(Envelope::Answer { tx, answer: Answer::Segments(result) });
            }
            Order::RewriteBegin { tx, ends } => {
                let cut = match keeper.rewrite_begin(&ends, unix_ms()) {
                    Ok((rewrite, segments)) => {
                        let directory = keeper.directory();
                        let base = directory.file(&keeper.rewrite_base_name(rewrite));
                        Ok(Box::new(RewriteCut { rewrite, segments, base }))
                    }
                    Err(error) => {
                        let is_unknown = matches!(error, KeeperError::Unknown { .. });
                        Err((error.to_string(), is_unknown))
                    }
                };
                cores[tx.core as usize].post(Envelope::Answer { tx, answer: Answer::RewriteCut(cut) });
            }
            Order::Turn { tx, relaxed, ends } => {
                let result = keeper.turn(relaxed, &ends, unix_ms());
                let answer = Answer::Segments(result.map_err(told));
                cores[tx.core as usize].post(Envelope::Answer { tx, answer });
            }
            Order::RewriteEnd { tx, rewrite } => {
                keeper.set_retention(retention(&settings()));
                let result = keeper.rewrite_end(rewrite).map_err(|error| {
                    keeper.rewrite_abort(rewrite);
                    (error.to_string(), matches!(error, KeeperError::Unknown { .. }))
                });
                cores[tx.core as usize].post(Envelope::Answer { tx, answer: Answer::Rewritten(result) });
            }
            Order::RewriteAbort(rewrite) => keeper.rewrite_abort(rewrite),
            Order::End => break,
        }
    }
    keeper
}
