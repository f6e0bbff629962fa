//! The settings as plain fields, cheap to read on any path.

use std::net::IpAddr;
use std::path::PathBuf;

use super::choices::{
    AclPubsubDefault, Allowed, AofOnError, AppendFsync, LogLevel, MaxmemoryPolicy, ShutdownOptions, Supervised,
};
use super::registry::{Config, to_path};
use super::value::{OutputBufferLimit, SavePoint, Value};

/// Every setting that some part of the server may read, made from a [`Config`]. Share it as `Arc<Settings>` and put a
/// new one in its place after each CONFIG SET.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Cores to run on; 0: every CPU the process may use.
    pub cores: usize,
    /// Whether each core also listens on a port of its own and CLUSTER names these ports.
    pub cluster_core_ports: bool,
    /// The first core's own port; 0: chosen by the server.
    pub core_port_base: u16,
    /// Bytes of a log segment.
    pub aof_segment_bytes: u64,
    /// What follows a failed write or sync of the log.
    pub aof_on_error: AofOnError,

    /// Whether there is a log.
    pub appendonly: bool,
    /// Name of the log's files, without a path.
    pub appendfilename: PathBuf,
    /// Directory of the log, absolute.
    pub append_directory: PathBuf,
    /// When a write is made durable.
    pub appendfsync: AppendFsync,
    /// Growth over the base, in percent, that starts a rewrite; 0: never.
    pub auto_aof_rewrite_percentage: u32,
    /// Bytes below which the log is not rewritten by itself.
    pub auto_aof_rewrite_min_bytes: u64,
    /// Whether a torn tail of the log is cut off at the start, or stops it.
    pub aof_load_truncated: bool,
    /// `aof-load-corrupt-tail-max-size`, bytes.
    pub aof_load_corrupt_tail_bytes_max: u64,
    /// `aof-timestamp-enabled`
    pub aof_timestamp_enabled: bool,
    /// `aof-use-rdb-preamble`: the base of the log is an RDB file, else a file of commands.
    pub aof_use_rdb_preamble: bool,
    /// `backupdirname`, with `dir` in front: where BACKUP puts its links.
    pub backup_directory: PathBuf,
    /// `backup-sealed-ttl`, seconds; 0: a backup stays until BACKUP CLEANUP.
    pub backup_sealed_ttl_s: u64,
    /// `restore-from`: the log that this server's is made from, if it has none yet.
    pub restore_from: Option<PathBuf>,
    /// `restore-to-timestamp`, Unix milliseconds.
    pub restore_to_ms: Option<u64>,
    /// `aof-history-retention-time`, seconds; 0 keeps no history.
    pub aof_history_retention_s: u64,
    /// `aof-history-retention-size`, bytes; 0 is no limit.
    pub aof_history_retention_bytes: u64,
    /// When a snapshot is written by itself; none: never.
    pub save_points: Vec<SavePoint>,
    /// The snapshot's file, absolute.
    pub rdb_file: PathBuf,
    /// The directory of all files, absolute. Only the default one may have to be made.
    pub dir: PathBuf,
    /// Whether `dir` is where it is by default.
    pub dir_is_default: bool,
    /// Whether strings in snapshots are compressed.
    pub rdbcompression: bool,
    /// `rdb-plain`: snapshots without padding and index, written through the page cache.
    pub rdb_plain: bool,
    /// `rdb-save-incremental-fsync`: such snapshots are forced out every few megabytes.
    pub rdb_save_incremental_fsync: bool,
    /// `snapshot-memory`: bytes a snapshot may hold, beside a twentieth of the memory in use.
    pub snapshot_memory_bytes: u64,
    /// `snapshot-rate-limit`: bytes a second that a snapshot writes at most; 0 for any number.
    pub snapshot_rate_limit_bytes: u64,
    /// Whether snapshots carry a checksum and have it checked.
    pub rdbchecksum: bool,
    /// Whether writes are refused after a snapshot failed.
    pub stop_writes_on_bgsave_error: bool,
    /// What SIGINT does beside ending the server.
    pub shutdown_on_sigint: ShutdownOptions,
    /// What SIGTERM does beside ending the server.
    pub shutdown_on_sigterm: ShutdownOptions,

    /// Bytes of data beyond which keys are evicted or writes refused; 0: no limit.
    pub maxmemory_bytes: u64,
    /// What is evicted.
    pub maxmemory_policy: MaxmemoryPolicy,
    /// Keys looked at for each eviction.
    pub maxmemory_samples: u32,
    /// How hard eviction works, 0..=100.
    pub maxmemory_eviction_tenacity: u32,
    /// What all connections together may use.
    pub maxmemory_clients: ClientMemory,
    /// How slowly a key's LFU counter grows.
    pub lfu_log_factor: u32,
    /// Minutes after which a key's LFU counter is lowered; 0: never.
    pub lfu_decay_minutes: u32,
    /// Evictions are logged as UNLINK rather than DEL.
    pub lazyfree_lazy_eviction: bool,
    /// The allocator gives unused memory back to the system in a thread of its own.
    pub jemalloc_bg_thread: bool,
    /// How hard expired keys are searched for, 1..=10.
    pub active_expire_effort: u32,
    /// Most fields of a hash kept as a listpack.
    pub hash_max_listpack_entries: u32,
    /// Longest field or value, in bytes, of a hash kept as a listpack.
    pub hash_max_listpack_value: u32,
    /// Size of a list's nodes: elements, or -1..=-5 for 4, 8, 16, 32, 64 KiB.
    pub list_max_listpack_size: i32,
    /// Nodes at a list's ends that aren't compressed; 0: none is.
    pub list_compress_depth: u32,
    /// Most members of a set kept as an intset.
    pub set_max_intset_entries: u32,
    /// Most members of a set kept as a listpack.
    pub set_max_listpack_entries: u32,
    /// Longest member, in bytes, of a set kept as a listpack.
    pub set_max_listpack_value: u32,
    /// Most members of a sorted set kept as a listpack.
    pub zset_max_listpack_entries: u32,
    /// Longest member, in bytes, of a sorted set kept as a listpack.
    pub zset_max_listpack_value: u32,
    /// Bytes beyond which a sparse HyperLogLog becomes dense.
    pub hll_sparse_max_bytes: u32,
    /// Bytes of a stream's node; 0: no limit.
    pub stream_node_max_bytes: u32,
    /// Entries of a stream's node; 0: no limit.
    pub stream_node_max_entries: u32,

    /// Addresses to listen on; none: only a unix socket.
    pub bind: Vec<BindAddress>,
    /// The TCP port; 0: none.
    pub port: u16,
    /// Whether connections from elsewhere are refused while there is no password.
    pub protected_mode: bool,
    /// The unix socket to listen on, absolute.
    pub unixsocket: Option<PathBuf>,
    /// Its permissions, as `chmod` takes them; 0: as the umask leaves them.
    pub unixsocketperm: u32,
    /// The group that it is given to, by name or number.
    pub unixsocketgroup: Option<String>,
    /// Connections waiting to be accepted.
    pub tcp_backlog: u32,
    /// Seconds between TCP keep-alive probes; 0: none.
    pub tcp_keepalive_s: u32,
    /// Seconds after which an idle connection is closed; 0: never.
    pub timeout_s: u32,
    /// Most connections at a time.
    pub maxclients: u32,
    /// Limits of unread replies, by [`Settings::NORMAL`], [`Settings::REPLICA`], [`Settings::PUBSUB`].
    pub client_output_buffer_limits: [OutputBufferLimit; 3],
    /// Bytes of one connection's unfinished requests.
    pub client_query_buffer_limit_bytes: u64,
    /// Bytes of one argument.
    pub proto_max_bulk_len: u64,
    /// The protocol a connection begins with: 2 or 3.
    pub client_default_resp: u8,
    /// Most keys remembered for client tracking; 0: no limit.
    pub tracking_table_max_keys: u64,
    /// Milliseconds after which a running script lets others get BUSY; 0: never.
    pub busy_reply_threshold_ms: u64,
    /// Number of databases.
    pub databases: u16,
    /// Classes of keyspace events: bits of [`super::events`].
    pub notify_keyspace_events: u32,
    /// How often a second housekeeping runs, 1..=500.
    pub hz: u32,

    /// The default user's password.
    pub requirepass: Option<Vec<u8>>,
    /// Entries of the log of denied commands.
    pub acllog_max_len: u64,
    /// What new users may subscribe to.
    pub acl_pubsub_default: AclPubsubDefault,
    /// Who may use DEBUG.
    pub enable_debug_command: Allowed,

    /// The least level that is logged.
    pub loglevel: LogLevel,
    /// The log file, absolute; none: standard output.
    pub logfile: Option<PathBuf>,
    /// The file for the process's id, absolute.
    pub pidfile: Option<PathBuf>,
    /// Whether to leave the terminal.
    pub daemonize: bool,
    /// Which service manager may have started the server.
    pub supervised: Supervised,
    /// Whether and how the log goes to syslog too.
    pub syslog: Syslog,
    /// Microseconds from which a command is put into the slow log; 0: every command; none: no command.
    pub slowlog_slower_than_us: Option<u64>,
    /// Entries of the slow log.
    pub slowlog_max_len: u64,
    /// Milliseconds from which an event is put into the latency history; 0: none is.
    pub latency_monitor_threshold_ms: u64,
    /// Whether latencies are counted by command.
    pub latency_tracking: bool,
    /// The percentiles of them that INFO shows.
    pub latency_tracking_percentiles: Vec<f64>,
}

/// What all connections together may use (`maxmemory-clients`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientMemory {
    /// This many bytes; 0: no limit.
    Bytes(u64),
    /// This share of `maxmemory`, in percent.
    Percent(u64),
}

/// How the log goes to syslog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syslog {
    /// Whether it does.
    pub enabled: bool,
    /// The name that lines carry.
    pub ident: Vec<u8>,
    /// `LOG_USER`, or one of `LOG_LOCAL0` to `LOG_LOCAL7`.
    pub facility: i32,
}

/// One address of `bind`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindAddress {
    /// Whether it may be missing on this machine (`-` before it).
    pub optional: bool,
    /// The address.
    pub host: BindHost,
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindHost {
    /// `*`: every IPv4 address.
    AnyV4,
    /// `::*`: every IPv6 address.
    AnyV6,
    /// This one.
    Ip(IpAddr),
    /// Whatever this name stands for.
    Name(String),
}

impl BindAddress {
    fn read(text: &[u8]) -> BindAddress {
        let (optional, host) = match text.strip_prefix(b"-") {
            Some(host) => (true, host),
            None => (false, text),
        };
        let name = String::from_utf8_lossy(host).into_owned();
        let host = match host {
            b"*" => BindHost::AnyV4,
            b"::*" => BindHost::AnyV6,
            _ => name.parse().map_or(BindHost::Name(name), BindHost::Ip),
        };
        BindAddress { optional, host }
    }
}

impl Settings {
    /// Ordinary connections, in [`Settings::client_output_buffer_limits`].
    pub const NORMAL: usize = 0;
    /// Replicas, likewise.
    pub const REPLICA: usize = 1;
    /// Connections that subscribed to something, likewise.
    pub const PUBSUB: usize = 2;
}

impl Default for Settings {
    /// The defaults, with `dir` relative to the current directory.
    fn default() -> Settings {
        Settings::from(&Config::defaults(""))
    }
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Settings {
        let from = Fields(config);
        let dir = to_path(from.text("dir"));
        let in_dir = |name: &'static str| match from.text(name) {
            b"" => None,
            path => Some(dir.join(to_path(path))),
        };
        Settings {
            cores: from.number("cores"),
            cluster_core_ports: from.bool("cluster-core-ports"),
            core_port_base: from.number("core-port-base"),
            aof_segment_bytes: from.bytes("aof-segment-size"),
            aof_on_error: AofOnError::from_number(from.word("aof-on-error")),
            appendonly: from.bool("appendonly"),
            appendfilename: to_path(from.text("appendfilename")),
            append_directory: dir.join(to_path(from.text("appenddirname"))),
            appendfsync: AppendFsync::from_number(from.word("appendfsync")),
            auto_aof_rewrite_percentage: from.number("auto-aof-rewrite-percentage"),
            auto_aof_rewrite_min_bytes: from.bytes("auto-aof-rewrite-min-size"),
            aof_load_truncated: from.bool("aof-load-truncated"),
            aof_load_corrupt_tail_bytes_max: from.bytes("aof-load-corrupt-tail-max-size"),
            aof_use_rdb_preamble: from.bool("aof-use-rdb-preamble"),
            aof_timestamp_enabled: from.bool("aof-timestamp-enabled"),
            backup_directory: dir.join(to_path(from.text("backupdirname"))),
            backup_sealed_ttl_s: from.number("backup-sealed-ttl"),
            restore_from: Some(from.text("restore-from")).filter(|path| !path.is_empty()).map(to_path),
            restore_to_ms: match from.number::<u64>("restore-to-timestamp") {
                0 => None,
                time => crate::check::parse_time(&time.to_string()),
            },
            aof_history_retention_s: from.number("aof-history-retention-time"),
            aof_history_retention_bytes: from.bytes("aof-history-retention-size"),
            save_points: from.save_points(),
            rdb_file: dir.join(to_path(from.text("dbfilename"))),
            dir_is_default: dir == default_directory(config),
            rdb_plain: from.bool("rdb-plain"),
            rdb_save_incremental_fsync: from.bool("rdb-save-incremental-fsync"),
            snapshot_memory_bytes: from.bytes("snapshot-memory"),
            snapshot_rate_limit_bytes: from.bytes("snapshot-rate-limit"),
            rdbcompression: from.bool("rdbcompression"),
            rdbchecksum: from.bool("rdbchecksum"),
            stop_writes_on_bgsave_error: from.bool("stop-writes-on-bgsave-error"),
            shutdown_on_sigint: ShutdownOptions::from_bits(from.word("shutdown-on-sigint")),
            shutdown_on_sigterm: ShutdownOptions::from_bits(from.word("shutdown-on-sigterm")),
            maxmemory_bytes: from.bytes("maxmemory"),
            maxmemory_policy: MaxmemoryPolicy::from_number(from.word("maxmemory-policy")),
            maxmemory_samples: from.number("maxmemory-samples"),
            maxmemory_eviction_tenacity: from.number("maxmemory-eviction-tenacity"),
            maxmemory_clients: from.client_memory(),
            lfu_log_factor: from.number("lfu-log-factor"),
            lfu_decay_minutes: from.number("lfu-decay-time"),
            lazyfree_lazy_eviction: from.bool("lazyfree-lazy-eviction"),
            jemalloc_bg_thread: from.bool("jemalloc-bg-thread"),
            active_expire_effort: from.number("active-expire-effort"),
            hash_max_listpack_entries: from.capped("hash-max-listpack-entries"),
            hash_max_listpack_value: from.capped("hash-max-listpack-value"),
            list_max_listpack_size: from.number("list-max-listpack-size"),
            list_compress_depth: from.number("list-compress-depth"),
            set_max_intset_entries: from.capped("set-max-intset-entries"),
            set_max_listpack_entries: from.capped("set-max-listpack-entries"),
            set_max_listpack_value: from.capped("set-max-listpack-value"),
            zset_max_listpack_entries: from.capped("zset-max-listpack-entries"),
            zset_max_listpack_value: from.capped("zset-max-listpack-value"),
            hll_sparse_max_bytes: from.capped("hll-sparse-max-bytes"),
            stream_node_max_bytes: from.capped("stream-node-max-bytes"),
            stream_node_max_entries: from.capped("stream-node-max-entries"),
            bind: from.addresses(),
            port: from.number("port"),
            protected_mode: from.bool("protected-mode"),
            unixsocket: in_dir("unixsocket"),
            unixsocketperm: from.number("unixsocketperm"),
            unixsocketgroup: Some(from.text("unixsocketgroup"))
                .filter(|name| !name.is_empty())
                .map(|name| String::from_utf8_lossy(name).into_owned()),
            tcp_backlog: from.number("tcp-backlog"),
            tcp_keepalive_s: from.number("tcp-keepalive"),
            timeout_s: from.number("timeout"),
            maxclients: from.number("maxclients"),
            client_output_buffer_limits: from.output_buffer_limits(),
            client_query_buffer_limit_bytes: from.bytes("client-query-buffer-limit"),
            proto_max_bulk_len: from.bytes("proto-max-bulk-len"),
            client_default_resp: from.number("client-default-resp"),
            tracking_table_max_keys: from.number("tracking-table-max-keys"),
            busy_reply_threshold_ms: from.number("busy-reply-threshold"),
            databases: from.number("databases"),
            notify_keyspace_events: from.word("notify-keyspace-events"),
            hz: from.number("hz"),
            requirepass: Some(from.text("requirepass").to_vec()).filter(|password| !password.is_empty()),
            acllog_max_len: from.number("acllog-max-len"),
            acl_pubsub_default: AclPubsubDefault::from_number(from.word("acl-pubsub-default")),
            enable_debug_command: Allowed::from_number(from.word("enable-debug-command")),
            loglevel: LogLevel::from_number(from.word("loglevel")),
            logfile: in_dir("logfile"),
            pidfile: in_dir("pidfile"),
            daemonize: from.bool("daemonize"),
            supervised: Supervised::from_number(from.word("supervised")),
            syslog: Syslog {
                enabled: from.bool("syslog-enabled"),
                ident: from.text("syslog-ident").to_vec(),
                facility: from.word("syslog-facility") as i32,
            },
            slowlog_slower_than_us: u64::try_from(from.integer("slowlog-log-slower-than")).ok(),
            slowlog_max_len: from.number("slowlog-max-len"),
            latency_monitor_threshold_ms: from.number("latency-monitor-threshold"),
            latency_tracking: from.bool("latency-tracking"),
            latency_tracking_percentiles: from.percentiles(),
            dir,
        }
    }
}

fn default_directory(config: &Config) -> PathBuf {
    let defaults = Config::defaults(config.start_directory.clone());
    to_path(Fields(&defaults).text("dir"))
}

/// Reads values whose kinds the table fixes; a test reads them all.
struct Fields<'a>(&'a Config);

impl<'a> Fields<'a> {
    fn wrong(&self, name: &str) -> ! {
        panic!("the table gives '{name}' another kind than the settings expect")
    }

    fn bool(&self, name: &'static str) -> bool {
        match self.0.value(name) {
            Value::Bool(yes) => *yes,
            _ => self.wrong(name),
        }
    }

    fn integer(&self, name: &'static str) -> i64 {
        match self.0.value(name) {
            Value::Integer(number) => *number,
            _ => self.wrong(name),
        }
    }

    /// A number whose bounds in the table fit the field.
    fn number<T: TryFrom<i64>>(&self, name: &'static str) -> T {
        T::try_from(self.integer(name)).unwrap_or_else(|_| self.wrong(name))
    }

    /// A threshold that Redis takes up to 64 bits wide; beyond 32 bits there is no difference.
    fn capped(&self, name: &'static str) -> u32 {
        let number = match self.0.value(name) {
            Value::Integer(number) => u64::try_from(*number).unwrap_or_else(|_| self.wrong(name)),
            _ => self.bytes(name),
        };
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    fn bytes(&self, name: &'static str) -> u64 {
        match self.0.value(name) {
            Value::Memory(bytes) => *bytes,
            _ => self.wrong(name),
        }
    }

    fn word(&self, name: &'static str) -> u32 {
        match self.0.value(name) {
            Value::Word(number) => *number,
            _ => self.wrong(name),
        }
    }

    fn text(&self, name: &'static str) -> &'a [u8] {
        match self.0.value(name) {
            Value::Text(text) => text,
            _ => self.wrong(name),
        }
    }

    fn save_points(&self) -> Vec<SavePoint> {
        match self.0.value("save") {
            Value::Save(points) => points.clone(),
            _ => self.wrong("save"),
        }
    }

    fn output_buffer_limits(&self) -> [OutputBufferLimit; 3] {
        match self.0.value("client-output-buffer-limit") {
            Value::Limits(limits) => *limits,
            _ => self.wrong("client-output-buffer-limit"),
        }
    }

    fn client_memory(&self) -> ClientMemory {
        match self.0.value("maxmemory-clients") {
            Value::Memory(bytes) => ClientMemory::Bytes(*bytes),
            Value::Percent(percent) => ClientMemory::Percent(*percent),
            _ => self.wrong("maxmemory-clients"),
        }
    }

    fn addresses(&self) -> Vec<BindAddress> {
        match self.0.value("bind") {
            Value::Addresses(addresses) => addresses.iter().map(|address| BindAddress::read(address)).collect(),
            _ => self.wrong("bind"),
        }
    }

    fn percentiles(&self) -> Vec<f64> {
        match self.0.value("latency-tracking-info-percentiles") {
            Value::Percentiles(values) => values.clone(),
            _ => self.wrong("latency-tracking-info-percentiles"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::options;
    use std::path::Path;

    #[test]
    fn settings_follow_the_values() {
        let config = options(&["--bind", "* -::* host", "--requirepass", "a b", "--slowlog-log-slower-than", "-1"]);
        let settings = Settings::from(&config);
        let hosts: Vec<&BindHost> = settings.bind.iter().map(|address| &address.host).collect();
        assert_eq!(hosts, [&BindHost::AnyV4, &BindHost::AnyV6, &BindHost::Name("host".into())]);
        assert!(settings.bind[1].optional && !settings.bind[2].optional);
        assert_eq!(settings.requirepass.as_deref(), Some(b"a b".as_slice()));
        assert_eq!(settings.slowlog_slower_than_us, None);
        let config = options(&[
            "--dir",
            "/",
            "--logfile",
            "x.log",
            "--pidfile",
            "/run/x",
            "--shutdown-on-sigterm",
            "nosave now",
        ]);
        let settings = Settings::from(&config);
        assert_eq!(settings.logfile.as_deref(), Some(Path::new("/x.log")));
        assert_eq!(settings.pidfile.as_deref(), Some(Path::new("/run/x")));
        assert!(!settings.dir_is_default);
        assert_eq!(settings.shutdown_on_sigterm, ShutdownOptions { nosave: true, now: true, ..Default::default() });
        let config = options(&["--hash-max-listpack-entries", "9223372036854775807", "--maxmemory-clients", "9%"]);
        let settings = Settings::from(&config);
        assert_eq!(settings.hash_max_listpack_entries, u32::MAX);
        assert_eq!(settings.maxmemory_clients, ClientMemory::Percent(9));
        for (number, (word, _)) in MaxmemoryPolicy::WORDS.iter().enumerate() {
            assert_eq!(MaxmemoryPolicy::from_number(number as u32).as_str(), *word);
        }
    }
}
