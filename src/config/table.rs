//! The one table of all directives: those of Redis 7.4 and Valkey 8, the newer ones that later versions write into their
//! stock files, and Basalt's own.
//!
//! To change what Basalt does with a directive, change the last word of its row; the words with reasons are on top. The
//! page docs/CONFIGURATION.md is made from this table.

use super::choices::{
    AclPubsubDefault, Allowed, AofOnError, AppendFsync, LogLevel, MaxmemoryPolicy, ShutdownOptions, Supervised,
};
use super::directive::{
    Check, Directive, HIDDEN, IMMUTABLE, Kind, NOT_LOADING, PROTECTED, RUNTIME, SENSITIVE, Standing, Words,
};
use crate::limits;

/// A chapter of the table.
#[derive(Debug)]
pub struct Section {
    /// Its title in the documentation.
    pub title: &'static str,
    /// Its directives.
    pub rows: &'static [Directive],
}

use Standing::{NoEffect, Refused, Warn};

// What Basalt does with a directive.
const HONOURED: Standing = Standing::Honoured;
// Its subject does not exist here.
const CORES: Standing = NoEffect("every core runs its own loop: see `cores`");
const DIRECT_IO: Standing = NoEffect("files are written past the page cache, so nothing piles up in it");
const NO_REWRITE_STALL: Standing = NoEffect("a rewrite does not hold up the log's writes, so they stay durable");
const NO_FORK: Standing = NoEffect("nothing forks and nothing runs in helper processes or threads");
const NO_LAZYFREE: Standing = NoEffect("large values are always freed in small steps between requests");
const NO_DEFRAG: Standing = NoEffect("it belongs to `activedefrag`");
const NO_REHASH: Standing = NoEffect("the keyspace grows in small steps and has nothing to rehash");
const NO_TEST_AID: Standing = NoEffect("it is an aid for tests of another server");
const NO_COMMANDLOG: Standing = NoEffect("there is a log of slow commands, not of large ones");
const CHECKED: Standing = NoEffect("payloads and files are always checked in full");
const NO_TLS_YET: Standing = NoEffect("it belongs to `tls-port`");
const NO_RDMA: Standing = NoEffect("it belongs to RDMA, which is not there");
const NO_REPLICATION: Standing = NoEffect("there is no replication yet");
const NO_CLUSTER: Standing = NoEffect("it belongs to `cluster-enabled`");
const NO_ACL: Standing = NoEffect("there are no users besides `default` yet");
const NO_MODULES: Standing = NoEffect("there are no modules");
const NO_TITLE: Standing = NoEffect("the process keeps the name it was started with");
const NO_LOGO: Standing = NoEffect("there is no logo");
const NO_CRASH_HANDLER: Standing = NoEffect("a crash is left to the system's own reports");
const NO_WARNINGS: Standing = NoEffect("there is no such warning");
const NO_USER_DATA: Standing = NoEffect("user data is never logged");
const NO_SCRIPTS: Standing = NoEffect("there are no scripts yet");
const NO_TRACKING: Standing = NoEffect("there is no client tracking yet");
const NO_TICK: Standing = NoEffect("`hz` is not changed by the number of clients");
const NO_FETCH: Standing = NoEffect("memory access is tuned by the server itself");
const NAMED_NODE: Standing = NoEffect("the server does not say where it stands");
const RANDOM_SEED: Standing = NoEffect("hashes are seeded at random; no order of keys depends on it");
const REDIS_ERRORS: Standing = NoEffect("INFO and errors are those of Redis in any case");
const NO_THP: Standing = NoEffect("transparent huge pages are left as the system has them");
const NO_OOM: Standing = NoEffect("it belongs to `oom-score-adj`");
// Going on silently would betray the user.
const REPLICATION_REFUSED: Standing = Refused("there is no replication yet");
const CLUSTER_REFUSED: Standing = Refused("there is no cluster mode yet");
const TLS_REFUSED: Standing = Refused("there is no TLS yet");
const ACL_REFUSED: Standing = Refused("there are no users besides 'default' yet");
const MARK_REFUSED: Standing = Refused("connections can't be marked");
const RDMA_REFUSED: Standing = Refused("there is no RDMA");
const MPTCP_REFUSED: Standing = Refused("there is no Multipath TCP");
const PRELOAD_REFUSED: Standing = Refused("only the files in 'dir' can be loaded at the start");
const IMPORT_REFUSED: Standing = Refused("there is no import mode: keys would expire while they are being imported");
// The user ought to know.
const DEFRAG_WARNED: Standing = Warn("memory is not defragmented");
const COMPRESS_WARNED: Standing = Warn("lists are not compressed");
const CPULIST_WARNED: Standing = Warn("CPUs are not chosen here: start the server under taskset or CPUAffinity=");
const OOM_WARNED: Standing = Warn("the process's oom_score_adj is left as it is");
const LOG_FORMAT_WARNED: Standing = Warn("the log has one format");
const COLLATE_WARNED: Standing = Warn("texts are ordered by their bytes");

// Bounds.
const INT_MAX: i64 = i32::MAX as i64;
const UINT_MAX: i64 = u32::MAX as i64;
const LONG_MAX: i64 = i64::MAX;
const LONG: u64 = i64::MAX as u64;
const MIB: u64 = 1 << 20;

// Kinds.
const BOOL: Kind = Kind::Bool;
const COUNT: Kind = int(0, INT_MAX);
const LONG_COUNT: Kind = int(0, LONG_MAX);
const PORT: Kind = int(0, 65535);
const BYTES: Kind = mem(0, LONG);
const TEXT: Kind = Kind::Text(Check::Any);
const OPTIONAL: Kind = Kind::Optional(Check::Any);
const ALLOWED: Kind = Kind::Choice(Allowed::WORDS);
const SIGNAL: Kind = Kind::Bits(ShutdownOptions::WORDS);

const fn int(min: i64, max: i64) -> Kind {
    Kind::Integer { min, max }
}
const fn mem(min: u64, max: u64) -> Kind {
    Kind::Memory { min, max }
}
const fn d(
    name: &'static str,
    aliases: &'static [&'static str],
    kind: Kind,
    default: &'static str,
    flags: u8,
    standing: Standing,
) -> Directive {
    Directive { name, aliases, kind, default, flags, standing }
}

// Words of directives that nothing here reads.
const SANITIZE: Words = &[("no", 0), ("yes", 1), ("clients", 2)];
const PROPAGATION: Words = &[("ignore", 0), ("panic", 1), ("panic-on-replicas", 2)];
const OOM_ADJUST: Words = &[("no", 0), ("yes", 1), ("relative", 1), ("absolute", 2)];
const TLS_CLIENTS: Words = &[("no", 0), ("yes", 1), ("optional", 2)];
const TLS_USER: Words = &[("off", 0), ("CN", 1), ("URI", 2)];
const DISKLESS: Words = &[("disabled", 0), ("on-empty-db", 1), ("swapdb", 2), ("flush-before-load", 3)];
const ENDPOINT: Words = &[("ip", 0), ("hostname", 1), ("unknown-endpoint", 2)];
const VERSION_CHECK: Words = &[("strict", 0), ("relaxed", 1)];
const BGSAVE_METHOD: Words = &[("fork", 0), ("forkless", 1)];
const LOG_FORMAT: Words = &[("legacy", 0), ("logfmt", 1)];
const LOG_TIMESTAMP: Words = &[("legacy", 0), ("iso8601", 1), ("milliseconds", 2)];
const CLUSTER_SAVE: Words = &[("sync", 0), ("best-effort", 1)];
const FACILITY: Words = &[
    ("user", 0),
    ("local0", 1),
    ("local1", 2),
    ("local2", 3),
    ("local3", 4),
    ("local4", 5),
    ("local5", 6),
    ("local6", 7),
    ("local7", 8),
];

/// All directives, by section.
#[rustfmt::skip]
pub static SECTIONS: [Section; 9] = [
    Section { title: "Basalt's own", rows: &[
        d("cores", &[], int(0, limits::CORES_MAX as i64), "0", IMMUTABLE, HONOURED),
        d("cluster-core-ports", &[], BOOL, "no", IMMUTABLE, HONOURED),
        d("core-port-base", &[], PORT, "0", IMMUTABLE, HONOURED),
        d("aof-segment-size", &[], mem(limits::SEGMENT_BYTES_MIN, limits::SEGMENT_BYTES_MAX), "64mb", RUNTIME, HONOURED),
        d("snapshot-memory", &[], BYTES, "64mb", RUNTIME, HONOURED),
        d("snapshot-rate-limit", &[], BYTES, "0", RUNTIME, HONOURED),
        d("rdb-plain", &[], BOOL, "no", RUNTIME, HONOURED),
        d("aof-history-retention-time", &[], int(0, LONG_MAX), "86400", RUNTIME, HONOURED),
        d("aof-history-retention-size", &[], BYTES, "0", RUNTIME, HONOURED),
        d("restore-from", &[], Kind::Text(Check::Any), "", IMMUTABLE, HONOURED),
        d("restore-to-timestamp", &[], int(0, LONG_MAX), "0", IMMUTABLE, HONOURED),
        d("aof-on-error", &[], Kind::Choice(AofOnError::WORDS), "readonly", RUNTIME, HONOURED),
    ]},
    Section { title: "Persistence and shutdown", rows: &[
        d("appendonly", &[], BOOL, "yes", NOT_LOADING, HONOURED),
        d("appendfilename", &[], Kind::Text(Check::FileNameNotEmpty), "appendonly.aof", IMMUTABLE, HONOURED),
        d("appenddirname", &[], Kind::Text(Check::DirNameNotEmpty), "appendonlydir", IMMUTABLE, HONOURED),
        d("appendfsync", &[], Kind::Choice(AppendFsync::WORDS), "always", RUNTIME, HONOURED),
        d("no-appendfsync-on-rewrite", &[], BOOL, "no", RUNTIME, NO_REWRITE_STALL),
        d("auto-aof-rewrite-percentage", &[], COUNT, "100", RUNTIME, HONOURED),
        d("auto-aof-rewrite-min-size", &[], BYTES, "64mb", RUNTIME, HONOURED),
        d("aof-load-truncated", &[], BOOL, "yes", RUNTIME, HONOURED),
        d("aof-load-corrupt-tail-max-size", &[], BYTES, "0", RUNTIME, HONOURED),
        d("aof-use-rdb-preamble", &[], BOOL, "yes", RUNTIME, HONOURED),
        d("aof-timestamp-enabled", &[], BOOL, "no", RUNTIME, HONOURED),
        d("aof-rewrite-incremental-fsync", &[], BOOL, "yes", RUNTIME, DIRECT_IO),
        d("aof-disable-auto-gc", &[], BOOL, "no", HIDDEN, NO_TEST_AID),
        d("aof-rewrite-cpulist", &["aof_rewrite_cpulist"], OPTIONAL, "", IMMUTABLE, NO_FORK),
        d("save", &[], Kind::Save, "3600 1 300 100 60 10000", RUNTIME, HONOURED),
        d("dbfilename", &[], Kind::Text(Check::FileName), "dump.rdb", PROTECTED, HONOURED),
        d("dir", &[], Kind::Directory, "./data", PROTECTED | NOT_LOADING, HONOURED),
        d("rdbcompression", &[], BOOL, "yes", RUNTIME, HONOURED),
        d("rdbchecksum", &[], BOOL, "yes", IMMUTABLE, HONOURED),
        d("rdb-version-check", &[], Kind::Choice(VERSION_CHECK), "strict", RUNTIME, CHECKED),
        d("rdb-del-sync-files", &[], BOOL, "no", RUNTIME, NO_REPLICATION),
        d("rdb-save-incremental-fsync", &[], BOOL, "yes", RUNTIME, HONOURED),
        d("stop-writes-on-bgsave-error", &[], BOOL, "yes", RUNTIME, HONOURED),
        d("sanitize-dump-payload", &[], Kind::Choice(SANITIZE), "no", RUNTIME, CHECKED),
        d("bgsave-cpulist", &["bgsave_cpulist"], OPTIONAL, "", IMMUTABLE, NO_FORK),
        d("bgsave-default-method", &[], Kind::Choice(BGSAVE_METHOD), "fork", RUNTIME, NO_FORK),
        d("forkless-infrastructure-enabled", &[], BOOL, "no", IMMUTABLE, NO_FORK),
        d("backupdirname", &[], Kind::Text(Check::DirNameNotEmpty), "backupdir", IMMUTABLE, HONOURED),
        d("backup-sealed-ttl", &[], COUNT, "0", RUNTIME, HONOURED),
        d("preload-file", &[], OPTIONAL, "", IMMUTABLE, PRELOAD_REFUSED),
        d("rdb-key-save-delay", &[], int(-INT_MAX - 1, INT_MAX), "0", HIDDEN, NO_TEST_AID),
        d("key-load-delay", &[], int(-INT_MAX - 1, INT_MAX), "0", HIDDEN, NO_TEST_AID),
        d("loading-process-events-interval-bytes", &[], int(1024, INT_MAX), "2097152", HIDDEN, CORES),
        d("shutdown-timeout", &[], COUNT, "10", RUNTIME, NO_REPLICATION),
        d("shutdown-on-sigint", &[], SIGNAL, "default", RUNTIME, HONOURED),
        d("shutdown-on-sigterm", &[], SIGNAL, "default", RUNTIME, HONOURED),
        d("propagation-error-behavior", &[], Kind::Choice(PROPAGATION), "ignore", RUNTIME, NO_REPLICATION),
        d("replica-ignore-disk-write-errors", &[], BOOL, "no", RUNTIME, NO_REPLICATION),
    ]},
    Section { title: "Memory and encodings", rows: &[
        d("maxmemory", &[], mem(0, u64::MAX), "0", RUNTIME, HONOURED),
        d("maxmemory-policy", &[], Kind::Choice(MaxmemoryPolicy::WORDS), "noeviction", RUNTIME, HONOURED),
        d("maxmemory-samples", &[], int(1, 64), "5", RUNTIME, HONOURED),
        d("maxmemory-eviction-tenacity", &[], int(0, 100), "10", RUNTIME, HONOURED),
        d("maxmemory-clients", &[], Kind::MemoryOrPercent, "0", RUNTIME, HONOURED),
        d("lfu-log-factor", &[], COUNT, "10", RUNTIME, HONOURED),
        d("lfu-decay-time", &[], COUNT, "1", RUNTIME, HONOURED),
        d("active-expire-effort", &[], int(1, 10), "1", RUNTIME, HONOURED),
        d("lazyfree-lazy-eviction", &[], BOOL, "no", RUNTIME, HONOURED),
        d("lazyfree-lazy-expire", &[], BOOL, "no", RUNTIME, NO_LAZYFREE),
        d("lazyfree-lazy-server-del", &[], BOOL, "no", RUNTIME, NO_LAZYFREE),
        d("lazyfree-lazy-user-del", &[], BOOL, "no", RUNTIME, NO_LAZYFREE),
        d("lazyfree-lazy-user-flush", &[], BOOL, "no", RUNTIME, NO_LAZYFREE),
        d("activedefrag", &[], BOOL, "no", RUNTIME, DEFRAG_WARNED),
        d("active-defrag-ignore-bytes", &[], mem(1, LONG), "100mb", RUNTIME, NO_DEFRAG),
        d("active-defrag-threshold-lower", &[], int(0, 1000), "10", RUNTIME, NO_DEFRAG),
        d("active-defrag-threshold-upper", &[], int(0, 1000), "100", RUNTIME, NO_DEFRAG),
        d("active-defrag-cycle-min", &[], int(1, 99), "1", RUNTIME, NO_DEFRAG),
        d("active-defrag-cycle-max", &[], int(1, 99), "25", RUNTIME, NO_DEFRAG),
        d("active-defrag-cycle-us", &[], int(0, 100_000), "500", RUNTIME, NO_DEFRAG),
        d("active-defrag-max-scan-fields", &[], int(1, LONG_MAX), "1000", RUNTIME, NO_DEFRAG),
        d("jemalloc-bg-thread", &[], BOOL, "yes", RUNTIME, HONOURED),
        d("activerehashing", &[], BOOL, "yes", RUNTIME, NO_REHASH),
        d("hash-seed", &[], OPTIONAL, "", IMMUTABLE | SENSITIVE, RANDOM_SEED),
        d("disable-thp", &[], BOOL, "yes", IMMUTABLE, NO_THP),
        d("oom-score-adj", &[], Kind::Choice(OOM_ADJUST), "no", RUNTIME, OOM_WARNED),
        d("oom-score-adj-values", &[], Kind::OomScoreAdjValues, "0 200 800", RUNTIME, NO_OOM),
        d("hash-max-listpack-entries", &["hash-max-ziplist-entries"], LONG_COUNT, "512", RUNTIME, HONOURED),
        d("hash-max-listpack-value", &["hash-max-ziplist-value"], BYTES, "64", RUNTIME, HONOURED),
        d("list-max-listpack-size", &["list-max-ziplist-size"], int(-INT_MAX - 1, INT_MAX), "-2", RUNTIME, HONOURED),
        d("list-compress-depth", &[], COUNT, "0", RUNTIME, COMPRESS_WARNED),
        d("set-max-intset-entries", &[], LONG_COUNT, "512", RUNTIME, HONOURED),
        d("set-max-listpack-entries", &[], LONG_COUNT, "128", RUNTIME, HONOURED),
        d("set-max-listpack-value", &[], LONG_COUNT, "64", RUNTIME, HONOURED),
        d("zset-max-listpack-entries", &["zset-max-ziplist-entries"], LONG_COUNT, "128", RUNTIME, HONOURED),
        d("zset-max-listpack-value", &["zset-max-ziplist-value"], BYTES, "64", RUNTIME, HONOURED),
        d("hll-sparse-max-bytes", &[], BYTES, "3000", RUNTIME, HONOURED),
        d("stream-node-max-bytes", &[], BYTES, "4kb", RUNTIME, HONOURED),
        d("stream-node-max-entries", &[], LONG_COUNT, "100", RUNTIME, HONOURED),
    ]},
    Section { title: "Network and TLS", rows: &[
        d("bind", &[], Kind::Bind, "127.0.0.1 -::1", RUNTIME, HONOURED),
        d("bind-source-addr", &[], OPTIONAL, "", RUNTIME, NO_REPLICATION),
        d("port", &[], PORT, "6379", RUNTIME, HONOURED),
        d("protected-mode", &[], BOOL, "yes", RUNTIME, HONOURED),
        d("unixsocket", &[], OPTIONAL, "", IMMUTABLE, HONOURED),
        d("unixsocketperm", &[], Kind::Octal { max: 0o777 }, "0", IMMUTABLE, HONOURED),
        d("unixsocketgroup", &[], OPTIONAL, "", IMMUTABLE, HONOURED),
        d("tcp-backlog", &[], COUNT, "511", IMMUTABLE, HONOURED),
        d("tcp-keepalive", &[], COUNT, "300", RUNTIME, HONOURED),
        d("timeout", &[], COUNT, "0", RUNTIME, HONOURED),
        d("mptcp", &[], BOOL, "no", IMMUTABLE, MPTCP_REFUSED),
        d("socket-mark-id", &[], int(0, UINT_MAX), "0", IMMUTABLE, MARK_REFUSED),
        d("io-threads", &[], int(1, 256), "1", IMMUTABLE, CORES),
        d("io-threads-do-reads", &[], BOOL, "no", IMMUTABLE, CORES),
        d("events-per-io-thread", &[], COUNT, "2", RUNTIME, CORES),
        d("prefetch-batch-max-size", &[], int(0, 128), "16", RUNTIME, NO_FETCH),
        d("max-new-connections-per-cycle", &[], int(1, 1000), "10", RUNTIME, CORES),
        d("max-new-tls-connections-per-cycle", &[], int(1, 1000), "1", RUNTIME, NO_TLS_YET),
        d("server-cpulist", &["server_cpulist"], OPTIONAL, "", IMMUTABLE, CPULIST_WARNED),
        d("bio-cpulist", &["bio_cpulist"], OPTIONAL, "", IMMUTABLE, NO_FORK),
        d("rdma-bind", &[], OPTIONAL, "", IMMUTABLE, RDMA_REFUSED),
        d("rdma-port", &[], PORT, "0", RUNTIME, RDMA_REFUSED),
        d("rdma-rx-size", &[], int(64 * 1024, 16 * 1024 * 1024), "1048576", IMMUTABLE, NO_RDMA),
        d("rdma-completion-vector", &[], int(-1, 1024), "-1", IMMUTABLE, NO_RDMA),
        d("tls-port", &[], PORT, "0", RUNTIME, TLS_REFUSED),
        d("tls-session-cache-size", &[], COUNT, "20480", RUNTIME, NO_TLS_YET),
        d("tls-session-cache-timeout", &[], COUNT, "300", RUNTIME, NO_TLS_YET),
        d("tls-cluster", &[], BOOL, "no", RUNTIME, NO_TLS_YET),
        d("tls-replication", &[], BOOL, "no", RUNTIME, NO_TLS_YET),
        d("tls-auth-clients", &[], Kind::Choice(TLS_CLIENTS), "yes", RUNTIME, NO_TLS_YET),
        d("tls-auth-clients-user", &[], Kind::Choice(TLS_USER), "off", RUNTIME, NO_TLS_YET),
        d("tls-auto-reload-interval", &[], COUNT, "0", RUNTIME, NO_TLS_YET),
        d("tls-prefer-server-ciphers", &[], BOOL, "no", RUNTIME, NO_TLS_YET),
        d("tls-session-caching", &[], BOOL, "yes", RUNTIME, NO_TLS_YET),
        d("tls-cert-file", &[], OPTIONAL, "", RUNTIME, NO_TLS_YET),
        d("tls-key-file", &[], OPTIONAL, "", RUNTIME, NO_TLS_YET),
        d("tls-key-file-pass", &[], OPTIONAL, "", SENSITIVE, NO_TLS_YET),
        d("tls-client-cert-file", &[], OPTIONAL, "", RUNTIME, NO_TLS_YET),
        d("tls-client-key-file", &[], OPTIONAL, "", RUNTIME, NO_TLS_YET),
        d("tls-client-key-file-pass", &[], OPTIONAL, "", SENSITIVE, NO_TLS_YET),
        d("tls-dh-params-file", &[], OPTIONAL, "", RUNTIME, NO_TLS_YET),
        d("tls-ca-cert-file", &[], OPTIONAL, "", RUNTIME, NO_TLS_YET),
        d("tls-ca-cert-dir", &[], OPTIONAL, "", RUNTIME, NO_TLS_YET),
        d("tls-protocols", &[], OPTIONAL, "", RUNTIME, NO_TLS_YET),
        d("tls-ciphers", &[], OPTIONAL, "", RUNTIME, NO_TLS_YET),
        d("tls-ciphersuites", &[], OPTIONAL, "", RUNTIME, NO_TLS_YET),
    ]},
    Section { title: "Clients and keyspace", rows: &[
        d("maxclients", &[], int(1, UINT_MAX), "10000", RUNTIME, HONOURED),
        d("client-output-buffer-limit", &[], Kind::OutputBufferLimits, "normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60", RUNTIME, HONOURED),
        d("client-query-buffer-limit", &[], mem(MIB, LONG), "1gb", RUNTIME, HONOURED),
        d("proto-max-bulk-len", &[], mem(limits::PROTO_MAX_BULK_LEN_MIN as u64, LONG), "512mb", RUNTIME, HONOURED),
        d("client-default-resp", &[], int(2, 3), "2", IMMUTABLE | HIDDEN, HONOURED),
        d("tracking-table-max-keys", &[], LONG_COUNT, "1000000", RUNTIME, NO_TRACKING),
        d("busy-reply-threshold", &["lua-time-limit"], LONG_COUNT, "5000", RUNTIME, NO_SCRIPTS),
        d("databases", &[], int(1, limits::DATABASES_MAX as i64), "16", IMMUTABLE, HONOURED),
        d("notify-keyspace-events", &[], Kind::KeyspaceEvents, "", RUNTIME, HONOURED),
        d("hz", &[], Kind::Hertz, "10", RUNTIME, HONOURED),
        d("dynamic-hz", &[], BOOL, "yes", RUNTIME, NO_TICK),
        d("import-mode", &[], BOOL, "no", RUNTIME, IMPORT_REFUSED),
        d("extended-redis-compatibility", &[], BOOL, "no", RUNTIME, REDIS_ERRORS),
    ]},
    Section { title: "Security", rows: &[
        d("requirepass", &[], OPTIONAL, "", SENSITIVE, HONOURED),
        d("aclfile", &[], TEXT, "", IMMUTABLE, ACL_REFUSED),
        d("acllog-max-len", &[], LONG_COUNT, "128", RUNTIME, NO_ACL),
        d("acl-pubsub-default", &[], Kind::Choice(AclPubsubDefault::WORDS), "resetchannels", RUNTIME, NO_ACL),
        d("enable-protected-configs", &[], ALLOWED, "no", IMMUTABLE, HONOURED),
        d("enable-debug-command", &[], ALLOWED, "no", IMMUTABLE, HONOURED),
        d("enable-module-command", &[], ALLOWED, "no", IMMUTABLE, NO_MODULES),
        d("enable-debug-assert", &[], BOOL, "no", IMMUTABLE | HIDDEN, NO_TEST_AID),
        d("debug-context", &[], TEXT, "", HIDDEN, NO_TEST_AID),
        d("hide-user-data-from-log", &[], BOOL, "no", RUNTIME, NO_USER_DATA),
    ]},
    Section { title: "Replication", rows: &[
        d("replicaof", &["slaveof"], Kind::ReplicaOf, "no one", IMMUTABLE, REPLICATION_REFUSED),
        d("masterauth", &["primaryauth"], OPTIONAL, "", SENSITIVE, NO_REPLICATION),
        d("masteruser", &["primaryuser"], OPTIONAL, "", SENSITIVE, NO_REPLICATION),
        d("replica-serve-stale-data", &["slave-serve-stale-data"], BOOL, "yes", RUNTIME, NO_REPLICATION),
        d("replica-read-only", &["slave-read-only"], BOOL, "yes", RUNTIME, NO_REPLICATION),
        d("replica-priority", &["slave-priority"], COUNT, "100", RUNTIME, NO_REPLICATION),
        d("replica-announced", &[], BOOL, "yes", RUNTIME, NO_REPLICATION),
        d("replica-announce-ip", &["slave-announce-ip"], OPTIONAL, "", RUNTIME, NO_REPLICATION),
        d("replica-announce-port", &["slave-announce-port"], PORT, "0", RUNTIME, NO_REPLICATION),
        d("replica-ignore-maxmemory", &["slave-ignore-maxmemory"], BOOL, "yes", RUNTIME, NO_REPLICATION),
        d("replica-lazy-flush", &["slave-lazy-flush"], BOOL, "no", RUNTIME, NO_REPLICATION),
        d("replica-full-sync-buffer-limit", &[], BYTES, "0", RUNTIME, NO_REPLICATION),
        d("repl-diskless-sync", &[], BOOL, "yes", RUNTIME, NO_REPLICATION),
        d("repl-diskless-sync-delay", &[], COUNT, "5", RUNTIME, NO_REPLICATION),
        d("repl-diskless-sync-max-replicas", &[], COUNT, "0", RUNTIME, NO_REPLICATION),
        d("repl-diskless-load", &[], Kind::Choice(DISKLESS), "disabled", NOT_LOADING, NO_REPLICATION),
        d("repl-ping-replica-period", &["repl-ping-slave-period"], int(1, INT_MAX), "10", RUNTIME, NO_REPLICATION),
        d("repl-timeout", &[], int(1, INT_MAX), "60", RUNTIME, NO_REPLICATION),
        d("repl-disable-tcp-nodelay", &[], BOOL, "no", RUNTIME, NO_REPLICATION),
        d("repl-mptcp", &[], BOOL, "no", RUNTIME, NO_REPLICATION),
        d("repl-backlog-size", &[], mem(1, LONG), "1mb", RUNTIME, NO_REPLICATION),
        d("repl-backlog-ttl", &[], LONG_COUNT, "3600", RUNTIME, NO_REPLICATION),
        d("dual-channel-replication-enabled", &[], BOOL, "no", RUNTIME, NO_REPLICATION),
        d("min-replicas-to-write", &["min-slaves-to-write"], COUNT, "0", RUNTIME, REPLICATION_REFUSED),
        d("min-replicas-max-lag", &["min-slaves-max-lag"], COUNT, "10", RUNTIME, NO_REPLICATION),
        d("availability-zone", &[], TEXT, "", RUNTIME, NAMED_NODE),
    ]},
    Section { title: "Cluster", rows: &[
        d("cluster-enabled", &[], BOOL, "no", IMMUTABLE, CLUSTER_REFUSED),
        d("cluster-config-file", &[], TEXT, "nodes.conf", IMMUTABLE, NO_CLUSTER),
        d("cluster-config-save-behavior", &[], Kind::Choice(CLUSTER_SAVE), "sync", RUNTIME, NO_CLUSTER),
        d("cluster-node-timeout", &[], LONG_COUNT, "15000", RUNTIME, NO_CLUSTER),
        d("cluster-require-full-coverage", &[], BOOL, "yes", RUNTIME, NO_CLUSTER),
        d("cluster-replica-no-failover", &["cluster-slave-no-failover"], BOOL, "no", RUNTIME, NO_CLUSTER),
        d("cluster-replica-validity-factor", &["cluster-slave-validity-factor"], COUNT, "10", RUNTIME, NO_CLUSTER),
        d("cluster-manual-failover-timeout", &[], int(1, INT_MAX), "5000", RUNTIME, NO_CLUSTER),
        d("cluster-migration-barrier", &[], COUNT, "1", RUNTIME, NO_CLUSTER),
        d("cluster-allow-reads-when-down", &[], BOOL, "no", RUNTIME, NO_CLUSTER),
        d("cluster-allow-pubsubshard-when-down", &[], BOOL, "yes", RUNTIME, NO_CLUSTER),
        d("cluster-allow-replica-migration", &[], BOOL, "yes", RUNTIME, NO_CLUSTER),
        d("cluster-announce-ip", &[], OPTIONAL, "", RUNTIME, NO_CLUSTER),
        d("cluster-announce-client-ipv4", &[], OPTIONAL, "", RUNTIME, NO_CLUSTER),
        d("cluster-announce-client-ipv6", &[], OPTIONAL, "", RUNTIME, NO_CLUSTER),
        d("cluster-announce-client-port", &[], PORT, "0", RUNTIME, NO_CLUSTER),
        d("cluster-announce-client-tls-port", &[], PORT, "0", RUNTIME, NO_CLUSTER),
        d("cluster-announce-hostname", &[], Kind::Optional(Check::HostName), "", RUNTIME, NO_CLUSTER),
        d("cluster-announce-human-nodename", &[], Kind::Optional(Check::NodeName), "", RUNTIME, NO_CLUSTER),
        d("cluster-preferred-endpoint-type", &[], Kind::Choice(ENDPOINT), "ip", RUNTIME, NO_CLUSTER),
        d("cluster-port", &[], PORT, "0", IMMUTABLE, NO_CLUSTER),
        d("cluster-announce-bus-port", &[], PORT, "0", RUNTIME, NO_CLUSTER),
        d("cluster-announce-port", &[], PORT, "0", RUNTIME, NO_CLUSTER),
        d("cluster-announce-tls-port", &[], PORT, "0", RUNTIME, NO_CLUSTER),
        d("cluster-ping-interval", &[], LONG_COUNT, "0", HIDDEN, NO_CLUSTER),
        d("cluster-link-sendbuf-limit", &[], mem(0, u64::MAX), "0", RUNTIME, NO_CLUSTER),
        d("cluster-blacklist-ttl", &[], LONG_COUNT, "60", RUNTIME, NO_CLUSTER),
        d("cluster-databases", &[], int(1, INT_MAX), "1", IMMUTABLE, NO_CLUSTER),
        d("cluster-slot-stats-enabled", &[], BOOL, "no", RUNTIME, NO_CLUSTER),
        d("cluster-compatibility-sample-ratio", &[], int(0, 100), "0", RUNTIME, NO_CLUSTER),
        d("cluster-slot-migration-log-max-len", &[], LONG_COUNT, "1000", RUNTIME, NO_CLUSTER),
        d("slot-migration-max-failover-repl-bytes", &[], mem(0, LONG), "0", RUNTIME, NO_CLUSTER),
    ]},
    Section { title: "Logging, monitoring, process", rows: &[
        d("daemonize", &[], BOOL, "no", IMMUTABLE, HONOURED),
        d("supervised", &[], Kind::Choice(Supervised::WORDS), "no", IMMUTABLE, HONOURED),
        d("pidfile", &[], OPTIONAL, "", IMMUTABLE, HONOURED),
        d("loglevel", &[], Kind::Choice(LogLevel::WORDS), "notice", RUNTIME, HONOURED),
        d("logfile", &[], TEXT, "", IMMUTABLE, HONOURED),
        d("log-format", &[], Kind::Choice(LOG_FORMAT), "legacy", RUNTIME, LOG_FORMAT_WARNED),
        d("log-timestamp-format", &[], Kind::Choice(LOG_TIMESTAMP), "legacy", RUNTIME, LOG_FORMAT_WARNED),
        d("syslog-enabled", &[], BOOL, "no", IMMUTABLE, HONOURED),
        d("syslog-ident", &[], TEXT, "redis", IMMUTABLE, HONOURED),
        d("syslog-facility", &[], Kind::Choice(FACILITY), "local0", IMMUTABLE, HONOURED),
        d("always-show-logo", &[], BOOL, "no", IMMUTABLE, NO_LOGO),
        d("set-proc-title", &[], BOOL, "yes", IMMUTABLE, NO_TITLE),
        d("proc-title-template", &[], Kind::Text(Check::TitleTemplate), "{title} {listen-addr} {server-mode}", RUNTIME, NO_TITLE),
        d("locale-collate", &[], TEXT, "", RUNTIME, COLLATE_WARNED),
        d("ignore-warnings", &[], TEXT, "", RUNTIME, NO_WARNINGS),
        d("crash-log-enabled", &[], BOOL, "yes", RUNTIME, NO_CRASH_HANDLER),
        d("crash-memcheck-enabled", &[], BOOL, "yes", RUNTIME, NO_CRASH_HANDLER),
        d("use-exit-on-panic", &[], BOOL, "no", HIDDEN, NO_CRASH_HANDLER),
        d("req-res-logfile", &[], OPTIONAL, "", IMMUTABLE | HIDDEN, NO_TEST_AID),
        d("watchdog-period", &[], COUNT, "0", HIDDEN, NO_CRASH_HANDLER),
        d("slowlog-log-slower-than", &["commandlog-execution-slower-than"], int(-1, LONG_MAX), "10000", RUNTIME, HONOURED),
        d("slowlog-max-len", &["commandlog-slow-execution-max-len"], LONG_COUNT, "128", RUNTIME, HONOURED),
        d("commandlog-request-larger-than", &[], int(-1, LONG_MAX), "1048576", RUNTIME, NO_COMMANDLOG),
        d("commandlog-large-request-max-len", &[], LONG_COUNT, "128", RUNTIME, NO_COMMANDLOG),
        d("commandlog-reply-larger-than", &[], int(-1, LONG_MAX), "1048576", RUNTIME, NO_COMMANDLOG),
        d("commandlog-large-reply-max-len", &[], LONG_COUNT, "128", RUNTIME, NO_COMMANDLOG),
        d("latency-monitor-threshold", &[], LONG_COUNT, "0", RUNTIME, HONOURED),
        d("latency-tracking", &[], BOOL, "yes", RUNTIME, HONOURED),
        d("latency-tracking-info-percentiles", &[], Kind::Percentiles, "50 99 99.9", RUNTIME, HONOURED),
    ]},
];
