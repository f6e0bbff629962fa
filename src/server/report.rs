//! What a core tells about itself: the raw material of INFO, MEMORY STATS and LATENCY HISTOGRAM.

use super::core::Core;
use super::subscribers::ChannelKind;
use crate::keyspace::SlabStats;
use crate::net::Special;
use crate::observe::{Rates, Stats, ThreadTime};
use crate::shard::ShardStats;
use std::sync::atomic::Ordering;

/// One database of one core.
#[derive(Clone, Copy, Debug, Default)]
pub struct DatabaseReport {
    /// Keys in it.
    pub keys: u64,
    /// Those with an expiry time.
    pub expires: u64,
    /// Hashes with fields that expire.
    pub hashes_with_times: u64,
    /// The mean time to live of keys that have one, ms.
    pub avg_ttl_ms: u64,
    /// Bytes of its table.
    pub table_bytes: u64,
    /// Bytes of its expiry index.
    pub expiry_bytes: u64,
}

/// The clients of one core.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientsReport {
    /// Connected.
    pub connected: u64,
    /// Waiting for a command to end.
    pub blocked: u64,
    /// Subscribed to something.
    pub subscribed: u64,
    /// Watching keys.
    pub watching: u64,
    /// Keys of this core that clients wait for.
    pub blocking_keys: u64,
    /// Of these, the ones whose end is waited for as well.
    pub blocking_keys_on_nokey: u64,
    /// Keys watched.
    pub watched_keys: u64,
    /// Memory of all connections, bytes.
    pub memory: u64,
    /// Largest query buffer at the moment, bytes.
    pub query_max: u64,
    /// Largest output buffer at the moment, bytes.
    pub output_max: u64,
}

/// The log of one core.
#[derive(Clone, Debug, Default)]
pub struct LogReport {
    /// The newest record.
    pub last_lsn: u64,
    /// Up to where everything survives a loss of power.
    pub durable_lsn: u64,
    /// Whether a sync is under way.
    pub sync_pending: bool,
    /// Bytes written since the start or the last rewrite.
    pub bytes_written: u64,
    /// Why it takes no more writes, if so.
    pub failure: Option<String>,
    /// Why writes that need room are refused at the moment, if so.
    pub no_space: Option<String>,
    /// Its commits.
    pub commits: crate::observe::CommitStats,
}

/// One core.
#[derive(Clone, Debug)]
pub struct CoreReport {
    /// Its number.
    pub core: usize,
    /// Counters.
    pub stats: Stats,
    /// Counters of the shard.
    pub shard: ShardStats,
    /// Databases, in order.
    pub databases: Vec<DatabaseReport>,
    /// Bytes that keys and values take.
    pub keyspace_bytes: u64,
    /// The slab.
    pub slab: SlabStats,
    /// Keys and collections that wait to be freed.
    pub pending_frees: u64,
    /// How long its keys held more than they may, in all and in this stretch, ms.
    pub memory_exceeded_ms: (u64, u64),
    /// Bytes of records that wait to be written to the log.
    pub log_buffer_bytes: u64,
    /// Clients.
    pub clients: ClientsReport,
    /// The log, if there is one.
    pub log: Option<LogReport>,
    /// CPU time of the core's thread.
    pub cpu: ThreadTime,
    /// Events per second.
    pub rates: Rates,
    /// Channels with subscribers.
    pub channels: u64,
    /// Entries into the kernel.
    pub enters: u64,
    /// Patterns with subscribers.
    pub patterns: u64,
    /// Shard channels with subscribers.
    pub shard_channels: u64,
}

impl Core {
    /// This core's report; with latencies if asked for.
    pub(super) fn report(&self, latencies: bool) -> CoreReport {
        let keyspace = self.shard.keyspace();
        let databases = keyspace.dbs().iter().map(|db| DatabaseReport {
            keys: db.len() as u64,
            expires: db.expires_len() as u64,
            hashes_with_times: db.hashes_with_times() as u64,
            avg_ttl_ms: db.avg_ttl_ms(self.now_ms),
            table_bytes: db.table_bytes() as u64,
            expiry_bytes: db.expiry_bytes() as u64,
        });
        let log = self.shard.journal_ref().log_ref();
        CoreReport {
            core: self.me(),
            stats: if latencies { self.stats.clone() } else { self.stats.without_latencies() },
            shard: self.shard.stats,
            databases: databases.collect(),
            keyspace_bytes: keyspace.memory_bytes() as u64,
            slab: keyspace.slab().stats(),
            pending_frees: self.shard.pending_frees() as u64,
            memory_exceeded_ms: self.memory.exceeded_ms(),
            log_buffer_bytes: self.log_buffer_bytes(),
            clients: self.report_clients(),
            log: log.map(|log| LogReport {
                last_lsn: log.last_lsn(),
                durable_lsn: log.secure_lsn(),
                sync_pending: log.sync_pending(),
                bytes_written: self.log_bytes(),
                failure: log.poisoned().map(|poisoned| poisoned.to_string()),
                no_space: log.no_space().map(str::to_owned),
                commits: self.commits.clone(),
            }),
            cpu: ThreadTime::now(),
            rates: self.sampler.rates(self.now_ms, &self.stats),
            enters: self.enters,
            channels: self.subscribers.len(ChannelKind::Channel) as u64,
            patterns: self.subscribers.len(ChannelKind::Pattern) as u64,
            shard_channels: self.subscribers.len(ChannelKind::Shard) as u64,
        }
    }

    fn report_clients(&self) -> ClientsReport {
        let (keys, on_nokey) = self.shard.waiting.keys();
        let mut report = ClientsReport {
            connected: self.conns.len() as u64,
            blocking_keys: keys as u64,
            blocking_keys_on_nokey: on_nokey as u64,
            ..ClientsReport::default()
        };
        for conn in self.conns.iter() {
            // Those that CLIENT PAUSE holds back count as well.
            let is_paused = self.awaiting_pause.contains(&conn.place);
            report.blocked += (is_paused || conn.special.has(Special::WAITING)) as u64;
            report.subscribed += (conn.subscriptions() > 0) as u64;
            report.watching += !conn.profile.watched.is_empty() as u64;
            report.watched_keys += conn.profile.watched.len() as u64;
            report.memory += conn.memory() as u64;
            report.query_max = report.query_max.max(conn.query_bytes() as u64);
            report.output_max = report.output_max.max(conn.output_bytes() as u64);
        }
        report
    }

    /// Sets this core's counters to zero.
    pub(super) fn reset_stats(&mut self) {
        self.stats.reset();
        self.memory.reset_stats();
        self.commits = Default::default();
        let dirty = self.shard.stats.dirty;
        self.shard.stats = ShardStats { dirty, ..ShardStats::default() };
        self.sampler = Default::default();
    }

    /// Notes figures that others read, and those that need a history. Called ten times a second.
    pub(super) fn take_samples(&mut self) {
        self.sampler.sample(self.now_ms, &self.stats);
        self.everyone.saves.dirty[self.me()].store(self.shard.stats.dirty, Ordering::Relaxed);
        self.everyone.saves.log_bytes[self.me()].store(self.log_bytes(), Ordering::Relaxed);
    }
}
