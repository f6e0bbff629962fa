//! Everything one core owns.

use super::cron::Ending;
use super::instant::Standstill;
use super::keeper::KeeperClient;
use super::logging::LogFlights;
use super::memory::Memory;
use super::outside::Outside;
use super::participant::{Deferred, Waiter};
use super::pause::Pause;
use super::subscribers::Subscribers;
use super::task::Tasks;
use crate::command::Command;
use crate::config::Settings;
use crate::net::{Conn, ConnRef, ConnTable, Gate, Registry};
use crate::observe::{LatencyEvents, MemoryPeak, ProcessMemory, Sampler, SaveState, Slowlog, Stats, Ticks, unix_ms};
use crate::shard::locks::Locks;
use crate::shard::mesh::Mesh;
use crate::shard::message::{Batch, Envelope};
use crate::shard::{MemoryPool, Shard};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// Output buffers that a core keeps for its connections, and the largest worth keeping.
const POOL_BUFFERS: usize = 256;
const POOL_BUFFER_BYTES: usize = 64 * 1024;

/// What all cores share. Nothing of it is touched by an ordinary command.
pub struct Everyone {
    /// All clients.
    pub registry: Registry,
    /// The configuration, behind a lock for CONFIG SET and CONFIG REWRITE.
    pub config: Mutex<crate::config::Config>,
    /// What the cores read of it, and its version: cores fetch it when the version moves.
    settings: Mutex<Arc<Settings>>,
    settings_version: AtomicU64,
    /// Set when the server is to end.
    pub ending: AtomicBool,
    /// 40 hex digits, drawn at the start.
    pub run_id: String,
    /// When the server started, unix ms.
    pub started_ms: u64,
    /// The port that clients connect to.
    pub port: u16,
    /// Each core's own port, once they are known (`cluster-core-ports`).
    pub core_ports: OnceLock<Vec<u16>>,
    /// How far loading is.
    pub progress: super::Progress,
    /// Cores that have taken over the shard that was loaded for them.
    pub loaded: AtomicUsize,
    /// Slow commands.
    pub slowlog: Slowlog,
    /// Events that held things up (`latency-monitor-threshold`).
    pub latency: LatencyEvents,
    /// The last snapshots and rewrites, and those under way.
    pub saves: SaveState,
    /// The backup by hard link.
    pub backup: Mutex<crate::observe::Backup>,
    /// What the server's end is to do besides.
    pub shutdown: Mutex<crate::config::ShutdownOptions>,
    /// Names the history of the data for replicas: 40 hex digits.
    pub replication_id: Mutex<String>,
    /// Subscriptions by core: messages go only to cores that have some.
    pub subscriptions: Box<[AtomicUsize]>,
    /// Connections that monitor, by core.
    pub monitors: Box<[AtomicUsize]>,
    /// The cores' shares of the memory.
    pub memory: MemoryPool,
    /// Most memory ever in use.
    pub memory_peak: MemoryPeak,
    /// Taken by the one task that may open or close the log.
    pub log_switch: AtomicBool,
    /// Taken by the one task that may bring all cores to one instant.
    pub instant: AtomicBool,
    /// The way to each core from threads that are none.
    pub outsides: Vec<Outside>,
}

impl Everyone {
    /// For a server that starts now.
    pub fn new(outsides: Vec<Outside>, config: crate::config::Config) -> Everyone {
        let settings = Arc::new(Settings::from(&config));
        let cores = outsides.len();
        let allocated = ProcessMemory::now().allocated;
        let counters = || (0..cores).map(|_| AtomicUsize::new(0)).collect();
        Everyone {
            registry: Registry::new(outsides.len()),
            outsides,
            slowlog: Slowlog::default(),
            progress: super::Progress::default(),
            loaded: AtomicUsize::new(0),
            instant: AtomicBool::new(false),
            log_switch: AtomicBool::new(false),
            port: settings.port,
            core_ports: OnceLock::new(),
            config: Mutex::new(config),
            settings: Mutex::new(settings),
            settings_version: AtomicU64::new(0),
            ending: AtomicBool::new(false),
            latency: LatencyEvents::default(),
            saves: SaveState::new(unix_ms() / 1000, cores),
            backup: Mutex::default(),
            shutdown: Mutex::default(),
            replication_id: Mutex::new(random_id()),
            subscriptions: counters(),
            monitors: counters(),
            memory: MemoryPool::new(cores, allocated),
            memory_peak: MemoryPeak::starting_at(allocated),
            run_id: random_id(),
            started_ms: unix_ms(),
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Puts other settings in force; every core must then be told to look.
    pub fn set_settings(&self, settings: Settings) {
        *self.settings.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Arc::new(settings);
        self.settings_version.fetch_add(1, Ordering::Release);
    }

    /// The backup by hard link.
    pub fn backup(&self) -> std::sync::MutexGuard<'_, crate::observe::Backup> {
        self.backup.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The port of a core's own.
    pub fn core_port(&self, core: usize) -> u16 {
        let known = self.core_ports.get().and_then(|ports| ports.get(core));
        known.copied().unwrap_or_else(|| self.settings().core_port_base + core as u16)
    }

    /// Bytes in use: what the allocator handed out and what the slabs hold.
    pub fn used_memory(&self, process: &ProcessMemory) -> u64 {
        process.allocated + self.memory.slab_bytes()
    }

    /// Changes whenever the settings do.
    pub fn settings_version(&self) -> u64 {
        self.settings_version.load(Ordering::Acquire)
    }
}

/// One core.
pub struct Core {
    /// What it shares with the others.
    pub everyone: Arc<Everyone>,
    /// The settings in force here.
    pub settings: Arc<Settings>,
    /// All commands, by the index of their id.
    pub commands: &'static [Command],
    /// Keys and log.
    pub shard: Shard,
    /// Locks on its keys.
    pub locks: Locks<Waiter>,
    /// The way to the other cores.
    pub mesh: Mesh<Envelope>,
    /// Its connections.
    pub conns: ConnTable,
    /// How far each core's log is durable, as far as this one knows.
    pub durable: Vec<u64>,
    /// Per core, connections whose next reply waits for that core's log.
    gates: Vec<VecDeque<(u64, ConnRef)>>,
    /// Per core, up to where replies that it holds for us reach: it is told when that is durable.
    pub(super) promised: Vec<u64>,
    /// Connections with something to send.
    pub(super) dirty: Vec<ConnRef>,
    /// Connections that can go on with what they have sent.
    pub(super) resume: Vec<ConnRef>,
    /// Batches being filled, per core.
    pub(super) filling: Vec<Option<Box<Batch>>>,
    #[allow(clippy::vec_box, reason = "batches travel between cores as boxes, and come back as such")]
    pub(super) batch_pool: Vec<Box<Batch>>,
    /// Batches sent and not back.
    pub(super) batches_out: usize,
    /// Output buffers not in use.
    pub(super) pool: Vec<Vec<u8>>,
    /// Commands that span cores, under way here.
    pub tasks: Tasks,
    /// Steps that others asked of this core and that are under way: what they did, not logged yet.
    pub(super) units: std::collections::HashMap<crate::shard::message::TxId, crate::shard::Unit>,
    /// Commands of other cores that wait for room in the log, in order.
    pub(super) stalled: VecDeque<Deferred>,
    /// Connections that wait for room in the log.
    pub(super) awaiting_space: Vec<ConnRef>,
    /// Connections that wait for the end of CLIENT PAUSE.
    pub(super) awaiting_pause: Vec<ConnRef>,
    /// Connections that were taken over and do not receive yet.
    pub(super) arm: Vec<ConnRef>,
    /// Waits of this core's clients for keys.
    pub(super) blocked: super::waits::Waits,
    /// Tasks that wait until something is durable.
    pub(super) awaited: Vec<super::safety::Awaited>,
    /// Connections that monitor.
    pub(super) monitors: Vec<ConnRef>,
    /// The data is not there yet.
    pub(super) loading: bool,
    /// Who subscribes to what.
    pub(super) subscribers: Subscribers,
    /// Samples for rates.
    pub(super) sampler: Sampler,
    /// Whether [`Core::attend`] has to look at each command.
    pub(super) attention: bool,
    /// CLIENT PAUSE.
    pub(super) pause: Pause,
    /// The way to one instant.
    pub(super) standstill: Standstill,
    /// Bytes of records logged up to the last rewrite's cut, and up to that of the last one that succeeded.
    pub(super) log_bytes_at_cut: u64,
    pub(super) log_bytes_dropped: u64,
    /// How often all keys were flushed, which abandons every snapshot.
    pub(super) flushes: u64,
    /// Its share of the memory.
    pub(super) memory: Memory,
    /// Operations of the log under way.
    pub(super) flights: LogFlights,
    /// How large its commits are and how long they take.
    pub(super) commits: crate::observe::CommitStats,
    /// The log is to be synced at the end of the pass.
    pub(super) sync_due: bool,
    /// The keeper of segments, if there is a log.
    pub(super) keeper: Option<KeeperClient>,
    /// Whose messages are read next.
    pub(super) mail_turn: usize,
    /// When the last command ended: the next one is timed from there.
    pub(super) tick: Ticks,
    /// From here on a command is slow, nanoseconds.
    pub(super) slow_nanos: u64,
    /// The snapshot's share of this core.
    pub(super) slices: super::snapshot::Slices,
    /// Times that [`Core::cron`] ran.
    pub(super) crons: u64,
    /// Keys in whose place others were put (`DEBUG RELOAD`), until it is certain that these stay.
    pub(super) put_aside: Option<crate::shard::AllKeys>,
    /// Where it stands in its own end.
    pub(super) ending: Ending,
    /// The task that ends the server has been started here.
    pub(super) end_spawned: bool,
    /// Entries into the kernel.
    pub enters: u64,
    /// Counters.
    pub stats: Stats,
    /// Unix ms, read once a pass.
    pub now_ms: u64,
    settings_version: u64,
}

impl Core {
    /// A core with an empty shard, at its end of the mesh. It answers that it is loading until it is given its data.
    pub fn new(everyone: Arc<Everyone>, shard: Shard, mesh: Mesh<Envelope>) -> Core {
        let cores = mesh.cores();
        let commands = crate::command::all();
        let slow_nanos = slow_nanos(&everyone.settings());
        Core {
            keeper: None,
            sync_due: false,
            commits: Default::default(),
            slow_nanos,
            stalled: VecDeque::new(),
            awaiting_space: Vec::new(),
            awaiting_pause: Vec::new(),
            arm: Vec::new(),
            blocked: Default::default(),
            awaited: Vec::new(),
            monitors: Vec::new(),
            loading: true,
            attention: true,
            subscribers: Subscribers::default(),
            sampler: Sampler::default(),
            pause: Pause::default(),
            standstill: Standstill::default(),
            log_bytes_at_cut: 0,
            log_bytes_dropped: 0,
            flushes: 0,
            memory: Memory::new(mesh.me()),
            flights: LogFlights::default(),
            mail_turn: 0,
            slices: Default::default(),
            crons: 0,
            put_aside: None,
            ending: Ending::No,
            enters: 0,
            end_spawned: false,
            tick: Ticks::now(),
            settings: everyone.settings(),
            settings_version: everyone.settings_version(),
            everyone,
            commands,
            shard,
            locks: Locks::default(),
            durable: vec![0; cores],
            gates: (0..cores).map(|_| VecDeque::new()).collect(),
            promised: vec![0; cores],
            dirty: Vec::new(),
            resume: Vec::new(),
            filling: (0..cores).map(|_| None).collect(),
            batch_pool: Vec::new(),
            batches_out: 0,
            pool: Vec::new(),
            tasks: Tasks::new(mesh.me() as u16),
            units: std::collections::HashMap::new(),
            stats: Stats::new(commands.len()),
            now_ms: unix_ms(),
            mesh,
            conns: ConnTable::default(),
        }
    }

    /// This core's number.
    #[inline]
    pub fn me(&self) -> usize {
        self.mesh.me()
    }

    /// How many cores there are.
    #[inline]
    pub fn cores(&self) -> usize {
        self.durable.len()
    }

    /// Begins a pass.
    pub fn begin_pass(&mut self) {
        self.now_ms = unix_ms();
        self.shard.set_now(self.now_ms);
        self.tick = Ticks::now();
        self.tasks.begin_pass();
        self.see_round();
        self.hold_back();
    }

    /// Takes over settings that have changed.
    pub fn refresh_settings(&mut self) {
        let version = self.everyone.settings_version();
        if version != self.settings_version {
            self.settings_version = version;
            self.settings = self.everyone.settings();
            self.shard.set_settings(self.settings.clone());
            self.apply_memory_limit();
            self.slow_nanos = slow_nanos(&self.settings);
        }
    }

    /// Remembers that a connection's replies wait for a gate.
    pub(super) fn await_gate(&mut self, conn: ConnRef, gate: Gate) {
        let queue = &mut self.gates[gate.core as usize];
        if let Some(&(last_lsn, last)) = queue.back()
            && last == conn
            && last_lsn >= gate.lsn
        {
            return;
        }
        queue.push_back((gate.lsn, conn));
    }

    /// A core's log is durable up to `lsn`: lets go of what waited for it.
    pub fn advance_durable(&mut self, core: usize, lsn: u64) {
        debug_assert!(lsn >= self.durable[core]);
        self.durable[core] = lsn;
        // Gates are queued nearly in order of their LSN, so what is due is at the front. One that stands behind a
        // later one is let go of with that.
        while let Some(&(due, conn)) = self.gates[core].front() {
            if due > lsn {
                break;
            }
            self.gates[core].pop_front();
            self.release(conn);
        }
        if !self.awaited.is_empty() {
            self.tell_awaited();
        }
    }

    /// Lets a connection's replies go as far as they may.
    pub(super) fn release(&mut self, at: ConnRef) {
        let Some(conn) = self.conns.get(at) else { return };
        conn.outbox.release(&self.durable);
        let gates: Vec<Gate> = conn.outbox.next_gates().to_vec();
        for gate in gates {
            self.await_gate(at, gate);
        }
        self.after_output(at);
    }

    /// Notes that a connection may have something to send, or may go on.
    pub(super) fn after_output(&mut self, at: ConnRef) {
        let Some(conn) = self.conns.get(at) else { return };
        if conn.outbox.is_ready() && !conn.dirty {
            conn.dirty = true;
            self.dirty.push(at);
        }
        if conn.awaits_drain && !conn.awaits_space && !conn.outbox.has_pending() {
            conn.awaits_drain = false;
            self.resume.push(at);
        }
    }

    /// A buffer for output.
    pub(super) fn lend(&mut self, conn: &mut Conn) {
        conn.outbox.lend(&mut self.pool);
    }

    /// Takes an output buffer back.
    pub(super) fn give_back(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() > 0 && buffer.capacity() <= POOL_BUFFER_BYTES && self.pool.len() < POOL_BUFFERS {
            buffer.clear();
            self.pool.push(buffer);
        }
    }
}

/// 40 hex digits at random.
pub(crate) fn random_id() -> String {
    let id: [u8; 20] = rand::random();
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// From how many nanoseconds on a command is looked at more closely: for the slow log or the latency monitor.
fn slow_nanos(settings: &Settings) -> u64 {
    let slow = settings.slowlog_slower_than_us.map_or(u64::MAX, |us| us.saturating_mul(1000));
    match settings.latency_monitor_threshold_ms {
        0 => slow,
        ms => slow.min(ms.saturating_mul(1_000_000)),
    }
}
