//! Snapshots of all cores: when one begins, what share of a core it gets, and what becomes of its result.

use super::core::{Core, Everyone};
use super::instant::{self, to_all};
use super::keeper::NewBase;
use super::query::Finding;
use super::task::Handle;
use crate::config::{MaxmemoryPolicy, Settings, ShutdownOptions};
use crate::log::BaseHeader;
use crate::observe::info::REDIS_VERSION;
use crate::observe::{ProcessMemory, SaveState, Ticks, unix_ms};
use crate::shard::message::{Act, Answer, Envelope, Request, TxId};
use crate::snapshot::{self, BLOCKS_WAITING_PER_CORE, Order, Progress, Shared, Target, Uses, WriteError};
use crate::storage::RealFs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;

/// What a slice does, in bytes: a few hundred microseconds.
const SLICE_BYTES: usize = 48 << 10;

/// Writes of a snapshot that are under way at once: a disk is faster with the next one waiting.
const WRITES_AT_ONCE: usize = 2;

/// Beside `snapshot-memory`, a snapshot may hold one part in so many of the memory in use.
const BUDGET_SHARE: u64 = 20;

/// After a snapshot failed, save points wait so long, in seconds.
const RETRY_S: u64 = 5;

/// When the snapshot's next slice is due.
#[derive(Debug)]
pub(super) struct Slices {
    ended: Ticks,
    rest_nanos: u64,
    /// Whether writes waited for the snapshot.
    held_up: bool,
}

impl Default for Slices {
    fn default() -> Slices {
        Slices { ended: Ticks::now(), rest_nanos: 0, held_up: false }
    }
}

/// What a pass did for the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slice {
    /// There is none.
    Idle,
    /// Some of it; there may be more.
    Ran,
    /// Nothing: the writer has to catch up, or commands come first.
    Waits,
}

/// Why a snapshot does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SaveRefusal {
    /// Another one is under way.
    Saving,
    /// The log is being rewritten.
    Rewriting,
    /// There is no thread to write it.
    NoThread,
}

impl SaveRefusal {
    /// As clients are told.
    pub(crate) fn text(self) -> &'static str {
        match self {
            SaveRefusal::Saving => "ERR Background save already in progress",
            SaveRefusal::Rewriting => {
                "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to \
                 schedule a BGSAVE whenever possible."
            }
            SaveRefusal::NoThread => "ERR the snapshot's thread could not be started",
        }
    }
}

/// What a snapshot is written to.
pub(super) enum Output {
    /// The RDB file here.
    Rdb(PathBuf),
    /// The base of a log.
    Base(NewBase),
}

impl Core {
    /// Does a slice of the snapshot if it is its turn; `busy` says that the pass had requests to run.
    pub(crate) fn advance_snapshot(&mut self, busy: bool) -> Slice {
        if !self.shard.has_snapshot() {
            if std::mem::take(&mut self.slices.held_up) {
                self.space_made();
            }
            return Slice::Idle;
        }
        let began = Ticks::now();
        if self.standstill.stopped || (busy && began.nanos_since(self.slices.ended) < self.slices.rest_nanos) {
            return Slice::Waits;
        }
        let progress = self.shard.advance_snapshot(SLICE_BYTES);
        self.slices.ended = Ticks::now();
        self.slices.rest_nanos = self.shard.snapshot_rest_factor() * self.slices.ended.nanos_since(began);
        if self.shard.awaits_snapshot() {
            self.slices.held_up = true;
        } else if std::mem::take(&mut self.slices.held_up) {
            self.space_made();
        }
        if progress == Progress::Waiting { Slice::Waits } else { Slice::Ran }
    }

    /// Begins a snapshot if a save point is reached, or one was put off until now. Called once a second.
    pub(super) fn save_if_due(&mut self) {
        let saves = &self.everyone.saves;
        if self.me() != 0 || self.loading || saves.snapshots.is_running() || saves.rewrites.is_running() {
            return;
        }
        let now_s = self.now_ms / 1000;
        let since_s = now_s.saturating_sub(saves.last_save_s.load(Ordering::Relaxed));
        let changes = saves.changes();
        let reached = self.settings.save_points.iter().find(|at| changes >= at.changes && since_s > at.seconds);
        let may_try = !saves.snapshots.has_failed() || now_s > saves.snapshots.begun_s() + RETRY_S;
        if let Some(point) = reached.filter(|_| may_try) {
            tracing::info!("{} changes in {} seconds. Saving...", point.changes, point.seconds);
        } else if !saves.snapshots.is_scheduled() {
            return;
        }
        self.tasks.spawn_conductor(|handle| async move {
            if let Err(refusal) = begin_snapshot(&handle).await {
                tracing::warn!("no snapshot: {}", refusal.text());
            }
        });
    }

    /// Whether writes are refused since the last snapshot failed.
    pub(super) fn note_last_save(&mut self) {
        self.shard.save_failed = self.settings.stop_writes_on_bgsave_error
            && !self.settings.save_points.is_empty()
            && self.everyone.saves.snapshots.has_failed();
    }

    /// Starts the thread that writes the RDB file; it answers `tx` at its end. At the server's end a rewrite that has not
    /// got its instant yet does not matter any more.
    fn start_writer(&mut self, tx: TxId, at_end: bool) -> Result<Order, SaveRefusal> {
        let everyone = self.everyone.clone();
        let saves = &everyone.saves;
        let now_s = self.now_ms / 1000;
        if !saves.snapshots.begin(now_s) {
            return Err(SaveRefusal::Saving);
        }
        // Looked at only now: a rewrite that begins on another core does it the other way round.
        if saves.rewrites.is_running() && !at_end {
            saves.snapshots.call_off();
            return Err(SaveRefusal::Rewriting);
        }
        let path = self.settings.rdb_file.clone();
        let done = |everyone: &Everyone, shared: &Shared, result: &Result<u64, WriteError>| {
            let (saves, now_s) = (&everyone.saves, unix_ms() / 1000);
            match result {
                Ok(bytes) => {
                    saves.dirty_saved.store(shared.dirty.load(Ordering::Relaxed), Ordering::Relaxed);
                    saves.last_save_s.store(now_s, Ordering::Relaxed);
                    saves.snapshots.end(now_s, true);
                    tracing::info!(bytes, keys = shared.keys_done.load(Ordering::Relaxed), "DB saved on disk");
                }
                Err(WriteError::Abandoned) => {
                    saves.snapshots.call_off();
                    tracing::warn!("Background saving was called off");
                }
                Err(error) => {
                    saves.snapshots.end(now_s, false);
                    tracing::error!("Background saving error: {error}");
                }
            }
            everyone.outsides.iter().for_each(|core| core.post(Envelope::Look));
        };
        self.spawn_writer(tx, Output::Rdb(path), done).map_err(|error| {
            tracing::error!("the snapshot's thread could not be started: {error}");
            everyone.saves.snapshots.end(now_s, false);
            SaveRefusal::NoThread
        })
    }

    /// Starts the thread that writes a snapshot to `output`; at its end it calls `done` and answers `tx`.
    pub(super) fn spawn_writer(
        &self,
        tx: TxId,
        output: Output,
        done: impl FnOnce(&Everyone, &Shared, &Result<u64, WriteError>) + Send + 'static,
    ) -> std::io::Result<Order> {
        /// Tells the temporary files of one process apart.
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let (everyone, cores) = (self.everyone.clone(), self.cores());
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let (path, aof_base, commands_id) = match output {
            Output::Rdb(path) => (path, false, None),
            Output::Base(base) => (base.path, true, base.commands_id),
        };
        let commands =
            commands_id.map(|id| BaseHeader { id, seed: rand::random(), cores: cores as u16, time_ms: self.now_ms });
        let kind = if commands.is_some() { "aof" } else { "rdb" };
        let target = Target {
            fs: Arc::new(RealFs),
            temporary: path.with_file_name(format!("temp-{}-{number}.{kind}", std::process::id())),
            path,
            checksum: self.settings.rdbchecksum,
            redis_version: REDIS_VERSION,
            ctime_s: self.now_ms / 1000,
            used_memory_bytes: everyone.used_memory(&ProcessMemory::now()),
            aof_base,
            commands,
            aligned: !self.settings.rdb_plain,
            incremental_sync: self.settings.rdb_save_incremental_fsync,
            threads: WRITES_AT_ONCE,
        };
        let used = target.used_memory_bytes;
        let shared = Arc::new(target.shared(self.settings.snapshot_memory_bytes.saturating_add(used / BUDGET_SHARE)));
        shared.limit_rate(self.settings.snapshot_rate_limit_bytes);
        let (out, pieces) = sync_channel(BLOCKS_WAITING_PER_CORE * cores);
        let (compress, uses) = (self.settings.rdbcompression, uses(&self.settings));
        let as_commands = commands.is_some();
        let order = Order { shared: shared.clone(), out, compress, uses, aligned: target.aligned, as_commands };
        set_current(&everyone.saves.current, Some(shared.clone()));
        let saves = everyone.clone();
        let write = move || {
            let result = snapshot::write(&target, &shared, pieces, cores);
            let peak = shared.peak_bytes.load(Ordering::Relaxed);
            everyone.saves.last_peak_bytes[usize::from(aof_base)].store(peak, Ordering::Relaxed);
            done(&everyone, &shared, &result);
            set_current(&everyone.saves.current, None);
            let result = result.map(drop).map_err(|error| format!("ERR {error}"));
            let answer = Answer::Finding(Finding::Outcome(result));
            everyone.outsides[tx.core as usize].post(Envelope::Answer { tx, answer });
        };
        match std::thread::Builder::new().name("snapshot".into()).spawn(write) {
            Ok(_) => Ok(order),
            Err(error) => {
                set_current(&saves.saves.current, None);
                Err(error)
            }
        }
    }
}

fn set_current(current: &std::sync::Mutex<Option<Arc<Shared>>>, to: Option<Arc<Shared>>) {
    *current.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = to;
}

fn is_under_way(saves: &SaveState) -> bool {
    saves.current.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).is_some()
}

/// What a snapshot tells of uses: what the eviction policy goes by.
fn uses(settings: &Settings) -> Uses {
    match settings.maxmemory_policy {
        MaxmemoryPolicy::AllkeysLru | MaxmemoryPolicy::VolatileLru => Uses::Idle,
        MaxmemoryPolicy::AllkeysLfu | MaxmemoryPolicy::VolatileLfu => Uses::Frequency,
        _ => Uses::Untold,
    }
}

/// Begins a snapshot of this instant. Runs in a conductor task. It goes on by itself once what this returns is dropped.
pub(crate) async fn begin_snapshot(handle: &Handle) -> Result<Order, SaveRefusal> {
    instant::stop_all(handle).await;
    // Only who holds the instant begins one, so that at the server's end none is about to begin.
    let order = handle.with(|core| core.start_writer(handle.tx, false));
    if let Ok(order) = &order {
        begin_on_all(handle, order, false).await;
        tracing::info!("Background saving started");
    }
    instant::go(handle).await;
    order
}

/// Has all cores, which stand still, begin their walks.
pub(super) async fn begin_on_all(handle: &Handle, order: &Order, at_once: bool) {
    let act = || Request::Act(Act::Snapshot { order: Box::new(order.clone()), at_once });
    handle.ask(to_all(handle, act)).await;
}

/// Writes a snapshot of this instant and waits until it is on the disk. Runs in a conductor task.
pub(crate) async fn save_and_wait(handle: &Handle) -> Result<(), String> {
    let order = begin_snapshot(handle).await.map_err(|refusal| refusal.text().to_string())?;
    outcome(handle, order).await
}

/// Waits for the writer. It ends after the last copy of the order, and answers in a later pass than this one.
pub(super) async fn outcome(handle: &Handle, order: Order) -> Result<(), String> {
    drop(order);
    match handle.answer_from_outside().await {
        Answer::Finding(Finding::Outcome(result)) => result,
        _ => Err("ERR internal error: no answer from the snapshot's thread".into()),
    }
}

/// Writes a snapshot of this instant, at which all cores stand still, and waits until it is on the disk. Whoever calls this
/// keeps other snapshots and rewrites away.
pub(super) async fn save_here(handle: &Handle) -> Result<(), String> {
    let order = handle.with(|core| core.start_writer(handle.tx, true)).map_err(|refusal| refusal.text().to_string())?;
    begin_on_all(handle, &order, true).await;
    outcome(handle, order).await
}

/// Calls off the snapshot under way and writes the last one if the options or save points want it. All cores stand still.
pub(super) async fn save_at_end(handle: &Handle, options: ShutdownOptions) -> Result<(), String> {
    handle.ask(to_all(handle, || Request::Act(Act::AbandonSnapshot))).await;
    while handle.with(|core| is_under_way(&core.everyone.saves)) {
        handle.next_pass().await;
    }
    if options.nosave || (!options.save && handle.with(|core| core.settings.save_points.is_empty())) {
        return Ok(());
    }
    tracing::info!("Saving the final RDB snapshot before exiting.");
    save_here(handle).await
}
