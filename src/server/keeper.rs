//! The keeper's thread: prepares segments and switches the manifest, so that no core ever blocks on metadata.

use super::outside::Outside;
use crate::config::Settings;
use crate::log::{Keeper, KeeperError, Lsn, Retention, Rewrite, Segment, SegmentEnd};
use crate::observe::unix_ms;
use crate::recovery::RecoveryError;
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
    /// Begin to open a log; answered to the task like [`Order::RewriteBegin`].
    Open {
        /// Who asks.
        tx: TxId,
        /// Whether replies go out before their write is on the medium.
        relaxed: bool,
        /// Whether the cores are to write to it, or only a base is.
        with_segments: bool,
    },
    /// The base of the log that is being opened is written and durable; answered to the task like [`Order::RewriteEnd`].
    OpenEnd {
        /// Who asks.
        tx: TxId,
        /// Which opening.
        rewrite: Rewrite,
    },
    /// Seal a backup; answered to the task.
    Backup {
        /// Who asks.
        tx: TxId,
        /// The directory's name, beside the log's.
        dirname: String,
        /// Where each core's log ended.
        ends: Vec<SegmentEnd>,
    },
    /// Give an opening up for which no core has written anything. Has no answer.
    OpenAbort,
    /// Close the log, or give up one that is being opened; answered to the task like [`Order::RewriteEnd`].
    Close {
        /// Who asks.
        tx: TxId,
        /// Where each core's log ended, if none has failed.
        ends: Option<Vec<SegmentEnd>>,
    },
    /// End the thread.
    End,
}

/// A rewrite that has begun: the log goes on in new segments, and all that was before goes into a new base.
pub struct RewriteCut {
    /// Which.
    pub rewrite: Rewrite,
    /// The new segments, one for each core.
    pub segments: Vec<Segment>,
    /// The new base.
    pub base: NewBase,
}

/// A base that is to be written.
#[derive(Clone, Debug)]
pub struct NewBase {
    /// Where.
    pub path: std::path::PathBuf,
    /// As a file of commands with this id; `None`: as an RDB file.
    pub commands_id: Option<u64>,
}

/// What became of a backup: where the cores go on, and its files or why there are none; or why nothing was done, and whether it is unknown
/// what is on the disk.
pub type BackupResult = Result<(Vec<Segment>, Result<Vec<std::path::PathBuf>, String>), (String, bool)>;

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

/// Makes the keeper of a log that is to be opened, from the settings in force.
pub type StandBy = dyn Fn(&Settings) -> Result<Keeper, RecoveryError> + Send;

/// Starts the thread. It answers through `cores`. Without a log it waits until one is opened.
pub fn start(
    keeper: Option<Keeper>,
    cores: Vec<Outside>,
    settings: impl Fn() -> Arc<Settings> + Send + 'static,
    stand_by: Box<StandBy>,
) -> std::io::Result<(KeeperClient, JoinHandle<()>)> {
    let (orders, receiver) = channel();
    let serve = move || serve(keeper, &cores, &receiver, &settings, &stand_by);
    let thread = std::thread::Builder::new().name("keeper".into()).spawn(serve)?;
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

/// Has a keeper that can open a log, in the directory that the settings name now.
fn ready<'k>(
    keeper: &'k mut Option<Keeper>,
    settings: &Settings,
    stand_by: &StandBy,
) -> Result<&'k mut Keeper, (String, bool)> {
    let told = |error: RecoveryError| (error.to_string(), false);
    let made = match keeper.take() {
        None => stand_by(settings).map_err(told)?,
        Some(closed) if closed.is_closed() && closed.directory().data_dir != settings.dir => match stand_by(settings) {
            Ok(mut made) => {
                made.continue_from(&closed);
                made
            }
            Err(error) => {
                *keeper = Some(closed);
                return Err(told(error));
            }
        },
        Some(same) => same,
    };
    Ok(keeper.insert(made))
}

fn cut_of(keeper: &Keeper, (rewrite, segments): (Rewrite, Vec<Segment>)) -> Box<RewriteCut> {
    let path = keeper.directory().file(&keeper.rewrite_base_name(rewrite));
    let base = NewBase { path, commands_id: rewrite.base_id() };
    Box::new(RewriteCut { rewrite, segments, base })
}

fn serve(
    mut keeper: Option<Keeper>,
    cores: &[Outside],
    orders: &Receiver<Order>,
    settings: &dyn Fn() -> Arc<Settings>,
    stand_by: &StandBy,
) {
    let tend = |keeper: &mut Option<Keeper>| {
        keeper.iter_mut().for_each(|keeper| keeper.set_retention(retention(&settings())));
    };
    tend(&mut keeper);
    loop {
        let order = match orders.recv_timeout(HISTORY_CHECK_INTERVAL) {
            Ok(order) => order,
            Err(RecvTimeoutError::Timeout) => {
                tend(&mut keeper);
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let order = match order {
            Order::End => break,
            Order::Open { tx, relaxed, with_segments } => {
                let begun = ready(&mut keeper, &settings(), stand_by).and_then(|keeper| {
                    keeper.set_retention(retention(&settings()));
                    keeper.set_commands_base(!settings().aof_use_rdb_preamble);
                    let begun = keeper.open_begin(relaxed, with_segments, unix_ms()).map_err(told)?;
                    Ok(cut_of(keeper, begun))
                });
                cores[tx.core as usize].post(Envelope::Answer { tx, answer: Answer::RewriteCut(begun) });
                continue;
            }
            order => order,
        };
        // Nothing else is asked before a log was opened.
        if let Some(keeper) = &mut keeper {
            carry_out(keeper, order, cores, settings);
        }
    }
}

fn carry_out(keeper: &mut Keeper, order: Order, cores: &[Outside], settings: &dyn Fn() -> Arc<Settings>) {
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
            keeper.set_commands_base(!settings().aof_use_rdb_preamble);
            let cut = match keeper.rewrite_begin(&ends, unix_ms()) {
                Ok(begun) => Ok(cut_of(keeper, begun)),
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
        Order::OpenEnd { tx, rewrite } => {
            keeper.set_retention(retention(&settings()));
            let answer = Answer::Rewritten(keeper.open_end(rewrite, unix_ms()).map_err(told));
            cores[tx.core as usize].post(Envelope::Answer { tx, answer });
        }
        Order::Backup { tx, dirname, ends } => {
            let sealed = keeper.seal_backup(&dirname, &ends, unix_ms()).map_err(told);
            let sealed = sealed.map(|(segments, files)| (segments, files.map_err(|error| error.to_string())));
            cores[tx.core as usize].post(Envelope::Answer { tx, answer: Answer::Backup(sealed) });
        }
        Order::OpenAbort => keeper.open_abort(),
        Order::Close { tx, ends } => {
            let answer = Answer::Rewritten(keeper.close(ends.as_deref()).map_err(told));
            cores[tx.core as usize].post(Envelope::Answer { tx, answer });
        }
        Order::Open { .. } | Order::End => {}
    }
}
