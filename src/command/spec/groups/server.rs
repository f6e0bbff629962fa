//! The server.

use super::{acl, admin};
use crate::command::spec::row::*;

/// For administrators, at any time.
const ADMIN_ALWAYS: u32 = ADMIN | NOSCRIPT | LOADING | STALE;

/// `FLUSHALL` and `FLUSHDB` learned ASYNC and SYNC at different times.
const FLUSH: Arg =
    one_of("flush-type", &[word("async", "ASYNC").since("4.0.0"), word("sync", "SYNC").since("6.2.0")]).opt();
const FLUSH_HISTORY: &[(&str, &str)] = &[("4.0.0", "ASYNC."), ("6.2.0", "SYNC.")];

const REPLICA_ARGS: &[Arg] = &[one_of(
    "args",
    &[block("host-port", &[string("host"), integer("port")]), block("no-one", &[word("no", "NO"), word("one", "ONE")])],
)];

const COMMAND_SUBCOMMANDS: &[CommandSpec] = &[
    cmd("command|count", 2, LOADING | STALE | SENTINEL, CONNECTION).doc(
        "2.8.13",
        "How many commands there are.",
        "O(1)",
    ),
    cmd("command|docs", -2, LOADING | STALE | SENTINEL, CONNECTION)
        .tips(RANDOM_ORDER)
        .doc("7.0.0", "Documentation of commands.", "O(N) in the commands asked for")
        .args(&[string("command-name").opt().many()]),
    cmd("command|getkeys", -3, LOADING | STALE | SENTINEL, CONNECTION)
        .doc("2.8.13", "The keys in a full command.", "O(N) in its arguments")
        .args(&[string("command"), string("arg").opt().many()]),
    cmd("command|getkeysandflags", -3, LOADING | STALE | SENTINEL, CONNECTION)
        .doc("7.0.0", "The keys in a full command, and what is done to each.", "O(N) in its arguments")
        .args(&[string("command"), string("arg").opt().many()]),
    help("command|help", SENTINEL, CONNECTION, "5.0.0"),
    cmd("command|info", -2, LOADING | STALE | SENTINEL, CONNECTION)
        .tips(RANDOM_ORDER)
        .doc("2.8.13", "Arity, flags, keys and categories of commands.", "O(N) in the commands asked for")
        .history(&[("7.0.0", "Without names, all commands.")])
        .args(&[string("command-name").opt().many()]),
    cmd("command|list", -2, LOADING | STALE | SENTINEL, CONNECTION)
        .tips(RANDOM_ORDER)
        .doc("7.0.0", "The names of all commands, or of some.", "O(N) in the commands")
        .args(&[one_of(
            "filterby",
            &[
                string("module-name").after("MODULE"),
                string("category").after("ACLCAT"),
                pattern("pattern").after("PATTERN"),
            ],
        )
        .after("FILTERBY")
        .opt()]),
];

pub(in crate::command::spec) const COMMANDS: &[CommandSpec] = &[
    acl::ACL,
    admin::BACKUP,
    cmd("bgrewriteaof", 1, ADMIN | NOSCRIPT | NO_ASYNC_LOADING, PLAIN).doc(
        "1.0.0",
        "Rewrites the append-only log in the background.",
        "O(1)",
    ),
    cmd("bgsave", -1, ADMIN | NOSCRIPT | NO_ASYNC_LOADING, PLAIN)
        .doc("1.0.0", "Saves a snapshot in the background.", "O(1)")
        .history(&[("3.2.2", "SCHEDULE.")])
        .args(&[word("schedule", "SCHEDULE").since("3.2.2").opt()]),
    cmd("command", -1, LOADING | STALE | SENTINEL, CONNECTION)
        .tips(RANDOM_ORDER)
        .doc("2.8.13", "All commands with arity, flags, keys and categories.", "O(N) in the commands")
        .subcommands(COMMAND_SUBCOMMANDS)
        .help(&[
            "(no subcommand)",
            "    Describe all commands.",
            "COUNT",
            "    Show the number of commands.",
            "LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
            "    List the names of all commands, or of those that match.",
            "INFO [<command-name> ...]",
            "    Describe these commands: arity, flags, keys, categories. Without names, all of them.",
            "DOCS [<command-name> ...]",
            "    Document these commands. Without names, all of them.",
            "GETKEYS <full-command>",
            "    Show the keys in a full command.",
            "GETKEYSANDFLAGS <full-command>",
            "    Show the keys in a full command, and what is done to each.",
        ]),
    admin::CONFIG,
    cmd("dbsize", 1, READONLY | FAST, KEYSPACE).tips(&["request_policy:all_shards", "response_policy:agg_sum"]).doc(
        "1.0.0",
        "How many keys the database holds.",
        "O(1)",
    ),
    cmd("debug", -2, ADMIN_ALWAYS | PROTECTED, PLAIN)
        .doc("1.0.0", "Commands for tests and fault finding.", "Depends on the subcommand")
        .syscmd(),
    cmd("failover", -1, ADMIN | NOSCRIPT | STALE, PLAIN).doc("6.2.0", "Hands over to a replica.", "O(1)").args(&[
        block("target", &[string("host"), integer("port"), word("force", "FORCE").opt()]).after("TO").opt(),
        word("abort", "ABORT").opt(),
        integer("milliseconds").after("TIMEOUT").opt(),
    ]),
    cmd("flushall", -1, WRITE, KEYSPACE | DANGEROUS)
        .tips(ALL_SHARDS)
        .doc("1.0.0", "Deletes all keys of all databases.", "O(N) in the keys")
        .history(FLUSH_HISTORY)
        .args(&[FLUSH]),
    cmd("flushdb", -1, WRITE, KEYSPACE | DANGEROUS)
        .tips(ALL_SHARDS)
        .doc("1.0.0", "Deletes all keys of the database.", "O(N) in the keys")
        .history(FLUSH_HISTORY)
        .args(&[FLUSH]),
    cmd("info", -1, LOADING | STALE | SENTINEL, DANGEROUS)
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .doc("1.0.0", "State and statistics of the server.", "O(1)")
        .history(&[("7.0.0", "Several sections.")])
        .args(&[string("section").opt().many()]),
    cmd("lastsave", 1, LOADING | STALE | FAST, AS_ADMIN | DANGEROUS).tips(RANDOM).doc(
        "1.0.0",
        "The Unix time of the last snapshot that succeeded.",
        "O(1)",
    ),
    admin::LATENCY,
    cmd("lolwut", -1, READONLY | FAST, PLAIN)
        .doc("5.0.0", "The version, and something pretty.", "O(1)")
        .args(&[integer("version").after("VERSION").opt()]),
    admin::MEMORY,
    admin::MODULE,
    cmd("monitor", 1, ADMIN_ALWAYS, PLAIN).doc("1.0.0", "Shows each command that the server runs.", "O(1)"),
    cmd("psync", -3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI, PLAIN)
        .doc("2.8.0", "Begins replication, where it broke off if possible. Sent by replicas.", "O(1)")
        .args(&[string("replicationid"), integer("offset")]),
    cmd("replconf", -1, ADMIN_ALWAYS | ALLOW_BUSY, PLAIN)
        .doc("3.0.0", "Settings and positions that replicas and their source exchange.", "O(1)")
        .syscmd(),
    cmd("replicaof", 3, ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING, PLAIN)
        .doc("5.0.0", "Makes the server a replica of another, or ends that.", "O(1)")
        .args(REPLICA_ARGS),
    cmd("restore-asking", -4, WRITE | DENYOOM | ASKING, KEYSPACE | DANGEROUS)
        .keys(&[at(1, OW | UPDATE)])
        .doc("3.0.0", "RESTORE as a cluster sends it while a slot moves.", "As RESTORE")
        .history(&[("3.0.0", "REPLACE."), ("5.0.0", "ABSTTL."), ("5.0.0", "IDLETIME and FREQ.")])
        .syscmd()
        .args(super::generic::RESTORE_ARGS),
    cmd("role", 1, NOSCRIPT | LOADING | STALE | FAST | SENTINEL, AS_ADMIN | DANGEROUS).doc(
        "2.8.12",
        "Whether the server is a replica, and of whom or for whom.",
        "O(1)",
    ),
    cmd("save", 1, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI, PLAIN).doc(
        "1.0.0",
        "Saves a snapshot and waits until it is done.",
        "O(N) in all keys",
    ),
    cmd("shutdown", -1, ADMIN_ALWAYS | NO_MULTI | SENTINEL | ALLOW_BUSY, PLAIN)
        .doc("1.0.0", "Stops the server.", "O(N) in all keys when it saves, else O(1)")
        .history(&[("7.0.0", "NOW, FORCE and ABORT.")])
        .args(&[
            one_of("save-selector", &[word("nosave", "NOSAVE"), word("save", "SAVE")]).opt(),
            word("now", "NOW").since("7.0.0").opt(),
            word("force", "FORCE").since("7.0.0").opt(),
            word("abort", "ABORT").since("7.0.0").opt(),
        ]),
    cmd("slaveof", 3, ADMIN | NOSCRIPT | STALE | NO_ASYNC_LOADING, PLAIN)
        .doc("1.0.0", "Makes the server a replica of another, or ends that.", "O(1)")
        .deprecated("5.0.0", "`REPLICAOF`")
        .args(REPLICA_ARGS),
    admin::SLOWLOG,
    cmd("swapdb", 3, WRITE | FAST, KEYSPACE | DANGEROUS)
        .doc("4.0.0", "Exchanges two databases.", "O(N) in the connections that watch or wait for keys in them")
        .args(&[integer("index1"), integer("index2")]),
    cmd("sync", 1, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI, PLAIN).doc(
        "1.0.0",
        "Begins replication in its old form. Sent by replicas.",
        "O(1)",
    ),
    cmd("time", 1, LOADING | STALE | FAST | SENTINEL, PLAIN).tips(RANDOM).doc("2.6.0", "The server's time.", "O(1)"),
];
