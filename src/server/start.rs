//! Starting the server: limits, data, cores; and waiting for its end.

use super::core::{Core, Everyone};
use super::daemon;
use super::engine::Engine;
use super::facts::{self, PidFile};
use super::keeper::{KeeperClient, Order};
use super::loading::{Loader, replay_plan};
use super::move_shard::Moved;
use super::outside::mailbox;
use crate::config::{AppendFsync, Config, Settings};
use crate::keyspace::{Keyspace, SlabError, SlabOptions};
use crate::log::{CoreLog, Directory, DurableCut, Incarnation, Keeper, LogConfig, SyncPolicy};
use crate::net::{ListenError, Listener};
use crate::observe::{Ticks, server_log, unix_ms};
use crate::recovery::{self, Base, RecoveryError};
use crate::ring::{Ring, RingError};
use crate::shard::mesh::Mesh;
use crate::shard::message::Envelope;
use crate::shard::{Journal, Shard};
use crate::storage::RealFs;
use glommio::{LocalExecutorBuilder, Placement};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Instant;
use thiserror::Error;

/// Why the server does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A core has no ring.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// No address space for keys.
    #[error(transparent)]
    Slab(#[from] SlabError),
    /// glommio could not start an executor.
    #[error("a core's executor could not start: {0}")]
    Executor(String),
    /// The data cannot be loaded.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// The log that is to be restored from cannot be.
    #[error("restore-from {}: {error}", path.display())]
    Restore {
        /// Where it is.
        path: std::path::PathBuf,
        /// Why not.
        error: String,
    },
    /// The RDB file cannot be loaded.
    #[error("{0}")]
    Rdb(String),
    /// Nobody could connect.
    #[error("there is nothing to listen on: set port, or unixsocket")]
    NoListener,
    /// More cores than the log's format has room for.
    #[error("{0} cores are more than the {max} that the log can have: set the directive cores", max = crate::log::CORES_MAX)]
    TooManyCores(usize),
    /// There is no room for a port of its own for each core.
    #[error(
        "cluster-core-ports is on, but core-port-base {base} leaves no {cores} ports for the cores: set it to a free range"
    )]
    CorePorts {
        /// The first one.
        base: u16,
        /// How many are needed.
        cores: usize,
    },
    /// A core failed while it served, or could not begin to.
    #[error("a core failed: {0}")]
    Failed(String),
    /// Anything else from the system.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Size of a core's first segment after a start or a flush. Each is read to its end at the next start, so it is small;
/// those that follow double in size up to `aof-segment-size`.
const SEGMENT_BYTES_FIRST: u64 = 8 << 20;

/// Frames that a core's log has with the disk at a time. With two the next commit need not wait for the end of the one before:
/// a fifth more commits with 8 clients, a seventh with 50, and no difference with more; with four the disk gave less.
const FRAMES_IN_FLIGHT: usize = 2;

/// CPUs that this process may use.
fn cpus() -> Vec<usize> {
    // SAFETY: the set is plain memory that the call fills.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is valid and its size is passed along.
    let ok = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) } == 0;
    // SAFETY: indices below the set's size.
    let cpus: Vec<usize> =
        (0..libc::CPU_SETSIZE as usize).filter(|&cpu| ok && unsafe { libc::CPU_ISSET(cpu, &set) }).collect();
    if cpus.is_empty() { vec![0] } else { cpus }
}

/// Rings are charged to the locked-memory limit: takes all of it that is allowed.
fn raise_memory_lock() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place to read from and write to.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_MEMLOCK, &mut limit) == 0 && limit.rlim_cur < limit.rlim_max {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit);
        }
    }
}

/// Room for every client's descriptor: raises the limit as far as allowed. Returns how many clients fit.
fn raise_open_files(maxclients: u32) -> u64 {
    /// Descriptors that are not clients': segments, rings, listeners.
    const RESERVED: u64 = 256;
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place to read from and write to.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 && limit.rlim_cur < maxclients as u64 + RESERVED {
            limit.rlim_cur = limit.rlim_max.min(maxclients as u64 + RESERVED).max(limit.rlim_cur);
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
    limit.rlim_cur.saturating_sub(RESERVED)
}

/// Runs a server with this configuration until it is told to end.
pub fn serve(config: Config) -> Result<(), StartError> {
    Ticks::calibrate();
    raise_memory_lock();
    // Tells a missing io_uring from other troubles before any core starts.
    drop(Ring::new()?);
    let settings = Settings::from(&config);
    facts::report(&settings);
    // Before the cores are bound to their CPUs: its threads run where this one may.
    crate::observe::set_background_purge(settings.jemalloc_bg_thread);
    for (directive, what) in config.warnings() {
        tracing::warn!("directive {directive}: {what}");
    }
    let fit = raise_open_files(settings.maxclients);
    if fit < settings.maxclients as u64 {
        tracing::warn!(
            "the limit on open files leaves room for {fit} clients, not {} (maxclients)",
            settings.maxclients
        );
    }
    let cpus = cpus();
    let cores = if settings.cores == 0 { cpus.len() } else { settings.cores };
    if cores > crate::log::CORES_MAX {
        return Err(StartError::TooManyCores(cores));
    }
    tracing::info!("{cores} cores on {} CPUs", cpus.len());
    if settings.dir_is_default {
        std::fs::create_dir_all(&settings.dir)?;
    }
    let mut listeners = Listener::bind_all(&settings, settings.port)?;
    let mut ways = if listeners.is_empty() { vec![] } else { vec!["tcp".to_string()] };
    // Its file goes with the server.
    let mut _socket_file = None;
    if let Some((listener, file)) = Listener::bind_unix(&settings)? {
        ways.extend(listener.path.as_ref().map(|path| format!("unix {path}")));
        listeners.push(listener);
        _socket_file = Some(file);
    }
    if listeners.is_empty() && !settings.cluster_core_ports {
        return Err(StartError::NoListener);
    }
    let (outsides, mailboxes): (Vec<_>, Vec<_>) =
        (0..cores).map(|_| mailbox()).collect::<io::Result<Vec<_>>>()?.into_iter().unzip();
    let everyone = Arc::new(Everyone::new(outsides, config));
    let crowded = cores > cpus.len();
    let mut threads = Vec::new();
    let mut listeners = Some(listeners);
    let core_ports = core_ports(&settings, cores)?;
    let mut core_listeners =
        core_ports.iter().map(|&port| Listener::bind_core_port(&settings, port)).collect::<Result<Vec<_>, _>>()?;
    let _ = everyone.core_ports.set(core_ports);
    let settings = everyone.settings();
    for (index, (mesh, mailbox)) in Mesh::build(cores).into_iter().zip(mailboxes).enumerate() {
        let cpu = cpus[index % cpus.len()];
        let mut listeners = listeners.take().unwrap_or_default();
        if let Some(own) = core_listeners.get_mut(index) {
            listeners.append(own);
        }
        let (everyone, settings) = (everyone.clone(), settings.clone());
        let thread =
            std::thread::Builder::new().name(format!("core-{index}")).spawn(move || -> Result<(), StartError> {
                let executor = LocalExecutorBuilder::new(Placement::Fixed(cpu))
                    .name(&format!("core-{index}"))
                    .io_memory(64 << 10)
                    .ring_depth(16)
                    .make()
                    .map_err(|error| StartError::Executor(error.to_string()))?;
                let result: Result<(), StartError> = executor.run(async move {
                    let now_ms = unix_ms();
                    let keyspace = Keyspace::new(settings.databases as usize, now_ms, SlabOptions::default())?;
                    let shard = Shard::new(index, cores, keyspace, settings, now_ms);
                    let core = Core::new(everyone, shard, mesh);
                    Ok(Engine::new(core, listeners, mailbox, crowded)?.run().await?)
                });
                if let Err(error) = &result {
                    // The others cannot go on without this core's keys.
                    tracing::error!("core {index} failed: {error}");
                    eprintln!("core {index} failed: {error}");
                    std::process::exit(2);
                }
                result
            })?;
        threads.push(thread);
    }
    let watched = everyone.clone();
    std::thread::Builder::new().name("signals".into()).spawn(move || watch_signals(&watched))?;
    let keeper = load(&everyone, cores)?;
    for way in &ways {
        tracing::info!("Ready to accept connections {way}");
    }
    let pidfile = PidFile::write(&settings);
    daemon::ready(&settings);
    for thread in threads {
        match thread.join() {
            Ok(result) => result.map_err(|error| StartError::Failed(error.to_string()))?,
            Err(_) => return Err(StartError::Failed("a core panicked".into())),
        }
    }
    daemon::stopping();
    drop(pidfile);
    let (client, thread) = keeper;
    client.order(Order::End);
    let _ = thread.join();
    tracing::info!("Basalt is now ready to exit, bye bye...");
    Ok(())
}

/// The ports of the cores' own, in order; none unless they are switched on.
fn core_ports(settings: &Settings, cores: usize) -> Result<Vec<u16>, StartError> {
    if !settings.cluster_core_ports {
        return Ok(Vec::new());
    }
    let base = settings.core_port_base;
    if base == 0 || base as usize + cores > u16::MAX as usize + 1 {
        return Err(StartError::CorePorts { base, cores });
    }
    Ok((0..cores).map(|core| base + core as u16).collect())
}

/// Loads the data, opens the log, and gives each core its shard. Returns the keeper's thread.
fn load(everyone: &Arc<Everyone>, cores: usize) -> Result<(KeeperClient, JoinHandle<()>), StartError> {
    let settings = everyone.settings();
    let now_ms = unix_ms();
    let started = Instant::now();
    everyone.progress.started_ms.store(now_ms, Ordering::Relaxed);
    everyone.progress.loading.store(true, Ordering::Release);
    let mut shards = (0..cores)
        .map(|core| {
            let keyspace = Keyspace::new(settings.databases as usize, now_ms, SlabOptions::default())?;
            Ok(Shard::new(core, cores, keyspace, settings.clone(), now_ms))
        })
        .collect::<Result<Vec<_>, SlabError>>()?;
    let mut keeper = None;
    if settings.appendonly {
        keeper = Some(load_log(everyone, &settings, &mut shards, now_ms)?);
    } else {
        if settings.rdb_file.exists() {
            Loader::new(&mut shards, &settings, &everyone.progress, now_ms)
                .rdb_file(&settings.rdb_file)
                .map_err(StartError::Rdb)?;
        }
        let manifest = directory(&settings).manifest();
        if manifest.exists() {
            tracing::warn!("appendonly is no: the log that {} names is not loaded", manifest.display());
        }
    }
    let source = everyone.clone();
    let keeper = super::keeper::start(
        keeper,
        everyone.outsides.clone(),
        move || source.settings(),
        Box::new(move |settings| {
            let plan = recovery::plan(&directory(settings), &options(settings, cores))?;
            plan.stand_by(incarnation(settings, cores))
        }),
    )?;
    let keys: usize = shards.iter().flat_map(|shard| shard.keyspace().dbs()).map(|db| db.len()).sum();
    tracing::info!("loaded {keys} keys in {:.3} seconds", started.elapsed().as_secs_f64());
    for (outside, shard) in everyone.outsides.iter().zip(shards) {
        outside.post(Envelope::Loaded(Box::new(Moved::of(shard)), Some(keeper.0.clone())));
    }
    Ok(keeper)
}

/// Where the log lies.
pub(super) fn directory(settings: &Settings) -> Directory {
    Directory {
        fs: Arc::new(RealFs),
        data_dir: settings.dir.clone(),
        dirname: settings.append_directory.to_string_lossy().into_owned(),
        filename: settings.appendfilename.to_string_lossy().into_owned(),
    }
}

/// How a log that is found is read.
pub(super) fn options(settings: &Settings, threads: usize) -> recovery::Options {
    recovery::Options {
        load_truncated: settings.aof_load_truncated,
        corrupt_tail_bytes_max: settings.aof_load_corrupt_tail_bytes_max,
        threads,
        boot: crate::storage::boot_id(),
        ..recovery::Options::default()
    }
}

/// A new incarnation of the log.
fn incarnation(settings: &Settings, cores: usize) -> Incarnation {
    Incarnation {
        id: rand::random(),
        cores: cores as u16,
        segment_bytes: settings.aof_segment_bytes.min(SEGMENT_BYTES_FIRST),
        entropy: rand::random(),
        relaxed: policy(settings.appendfsync).is_relaxed(),
        boot: crate::storage::boot_id(),
    }
}

/// How a core's log is written.
pub(super) fn log_config(settings: &Settings, core: usize) -> LogConfig {
    LogConfig {
        core: core as u16,
        policy: policy(settings.appendfsync),
        segment_bytes: settings.aof_segment_bytes,
        in_flight_max: FRAMES_IN_FLIGHT,
    }
}

/// Recovers the log, loads it into `shards`, and gives each its own.
fn load_log(everyone: &Everyone, settings: &Settings, shards: &mut [Shard], now_ms: u64) -> Result<Keeper, StartError> {
    let (cores, directory) = (shards.len(), directory(settings));
    if let Some(source) = &settings.restore_from {
        restore(source, settings.restore_to_ms, &directory, settings)?;
    }
    let mut plan = recovery::plan(&directory, &options(settings, cores))?;
    if plan.fresh && settings.rdb_file.exists() {
        tracing::warn!(
            "there is no log yet, but {}: it is loaded, and a copy of it becomes the base of the log",
            settings.rdb_file.display()
        );
        plan.begin_with(&settings.rdb_file)?;
        // A copy is quickly made and can't be half of anything; the base of commands is made of what was loaded from it.
        everyone.saves.rewrites.schedule(!settings.aof_use_rdb_preamble);
    }
    for finding in &plan.findings {
        tracing::warn!("{finding}");
    }
    let commands_bytes = if let Some(Base::Commands(base)) = &plan.base { base.len_bytes() } else { 0 };
    everyone.progress.total_bytes.store(commands_bytes + plan.replay_bytes(), Ordering::Relaxed);
    everyone.saves.log_base_bytes.store(plan.base_bytes() + plan.replay_bytes(), Ordering::Relaxed);
    replay_plan(&plan, shards, settings, &everyone.progress, now_ms)?;
    let (keeper, segments) = plan.repair(incarnation(settings, cores), now_ms)?;
    let cut = Arc::new(DurableCut::new(cores as u16));
    for (core, (shard, segment)) in shards.iter_mut().zip(segments).enumerate() {
        let mut log = CoreLog::new(log_config(settings, core), segment, cut.clone());
        log.set_timestamps(settings.aof_timestamp_enabled);
        shard.set_journal(Journal::new(Some(log)));
    }
    Ok(keeper)
}

/// Makes the log out of another directory's, as that one was at a time (`restore-from`, `restore-to-timestamp`). Done once:
/// where there is a log already, it is the one that was restored, and has gone on since.
fn restore(
    source: &std::path::Path,
    time_ms: Option<u64>,
    target: &Directory,
    settings: &Settings,
) -> Result<(), StartError> {
    if target.path().exists() {
        tracing::warn!("restore-from: {} is there already and is what is loaded", target.path().display());
        return Ok(());
    }
    tracing::info!("restoring the log of {}", source.display());
    crate::check::restore_new(source, time_ms, target, settings)
        .map_err(|error| StartError::Restore { path: source.to_path_buf(), error: error.to_string() })
}

/// When the log counts as durable under a setting of `appendfsync`.
pub(super) fn policy(appendfsync: AppendFsync) -> SyncPolicy {
    match appendfsync {
        AppendFsync::Always => SyncPolicy::Always,
        AppendFsync::Everysec => SyncPolicy::EverySecond,
        AppendFsync::No => SyncPolicy::Never,
    }
}

/// Waits for signals: SIGTERM and SIGINT end the server, SIGHUP opens the log file anew. Runs in a thread of its own.
fn watch_signals(everyone: &Everyone) {
    loop {
        let signal = wait_for_signal();
        if signal == libc::SIGHUP {
            if let Err(error) = server_log::reopen() {
                tracing::error!("the log file cannot be opened anew: {error}");
            }
            continue;
        }
        let name = if signal == libc::SIGINT { "SIGINT" } else { "SIGTERM" };
        tracing::warn!("Received {name} scheduling shutdown...");
        if everyone.progress.loading.load(Ordering::Acquire) {
            // Nothing was acknowledged yet.
            std::process::exit(0);
        }
        let settings = everyone.settings();
        let options = if signal == libc::SIGINT { settings.shutdown_on_sigint } else { settings.shutdown_on_sigterm };
        *everyone.shutdown.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = options;
        everyone.ending.store(true, Ordering::Release);
        everyone.outsides[0].post(Envelope::Look);
    }
}

/// The signals that the server waits for.
fn signals() -> libc::sigset_t {
    // SAFETY: the set is plain memory that the calls fill.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
            libc::sigaddset(&mut set, signal);
        }
        set
    }
}

fn wait_for_signal() -> i32 {
    let (set, mut signal) = (signals(), 0);
    // SAFETY: both point to locals.
    unsafe { libc::sigwait(&set, &mut signal) };
    signal
}

/// Blocks the signals that [`serve`] waits for; call it before any thread is started.
pub fn block_signals() {
    let set = signals();
    // SAFETY: the set is a local; no old mask is asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) };
}
