//! BACKUP, CONFIG, LATENCY, MEMORY, MODULE and SLOWLOG.

use crate::command::spec::row::*;

const ADMINS: u32 = ADMIN | NOSCRIPT | LOADING | STALE;

/// Ask every node; how to join the answers is up to the client.
const EVERY_NODE: &[&str] = &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"];
/// The same for shards.
const EVERY_SHARD: &[&str] = &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];

/// As in Redis 8.10.
pub(super) const BACKUP: CommandSpec = container(
    "backup",
    0,
    "8.10.0",
    "Commands about backups.",
    &[
        cmd("backup|abort", 2, ADMIN | NOSCRIPT, PLAIN).doc("8.10.0", "Calls the backup off.", "O(1)"),
        cmd("backup|cleanup", 2, ADMIN | NOSCRIPT, PLAIN).doc(
            "8.10.0",
            "Removes the files of the backup.",
            "O(N) in the files",
        ),
        help("backup|help", 0, PLAIN, "8.10.0"),
        cmd("backup|list", 2, ADMIN | STALE, PLAIN).doc("8.10.0", "The files of the backup.", "O(N) in the files"),
        cmd("backup|seal", 2, ADMIN | NOSCRIPT, PLAIN).doc(
            "8.10.0",
            "Completes the backup: it holds everything up to now.",
            "O(N) in the files",
        ),
        cmd("backup|start", 2, ADMIN | NOSCRIPT, PLAIN).doc("8.10.0", "Begins a backup.", "O(1)"),
        cmd("backup|status", 2, ADMIN | STALE, PLAIN).doc("8.10.0", "How far the backup is.", "O(1)"),
    ],
)
.help(&[
    "START",
    "    Begin a backup. The log is its beginning; nothing is copied.",
    "SEAL",
    "    Complete it: hard links to all files of the log, as it is now, in the backup directory.",
    "STATUS",
    "    Show how far it is.",
    "LIST",
    "    Show its files.",
    "ABORT",
    "    Call it off before it is sealed.",
    "CLEANUP",
    "    Remove its files.",
]);

pub(super) const CONFIG: CommandSpec = container(
    "config",
    SENTINEL,
    "2.0.0",
    "Commands about settings.",
    &[
        cmd("config|get", -3, ADMINS, PLAIN)
            .doc("2.0.0", "The settings that match patterns.", "O(N) in settings and patterns")
            .history(&[("7.0.0", "Several patterns.")])
            .args(&[string("parameter").many()]),
        help("config|help", 0, PLAIN, "5.0.0"),
        cmd("config|resetstat", 2, ADMINS, PLAIN).tips(ALL_NODES).doc(
            "2.0.0",
            "Sets the counters that INFO shows to zero.",
            "O(1)",
        ),
        cmd("config|rewrite", 2, ADMINS, PLAIN).tips(ALL_NODES).doc(
            "2.8.0",
            "Writes the settings to the configuration file.",
            "O(1)",
        ),
        cmd("config|set", -4, ADMINS, PLAIN)
            .tips(ALL_NODES)
            .doc("2.0.0", "Changes settings, all or none of them.", "O(N) in the settings")
            .history(&[("7.0.0", "Several settings.")])
            .args(&[block("data", &[string("parameter"), string("value")]).many()]),
    ],
)
.help(&[
    "GET <pattern>",
    "    Show the settings that match the pattern.",
    "SET <directive> <value>",
    "    Change a setting.",
    "RESETSTAT",
    "    Set the counters that INFO shows to zero.",
    "REWRITE",
    "    Write the settings to the configuration file.",
]);

pub(super) const LATENCY: CommandSpec = container(
    "latency",
    0,
    "2.8.13",
    "Commands about delays.",
    &[
        cmd("latency|doctor", 2, ADMINS, PLAIN).tips(EVERY_NODE).doc(
            "2.8.13",
            "A report on delays, and advice.",
            "O(1)",
        ),
        cmd("latency|graph", 3, ADMINS, PLAIN)
            .tips(EVERY_NODE)
            .doc("2.8.13", "A drawing of an event's delays over time.", "O(1)")
            .args(&[string("event")]),
        help("latency|help", 0, PLAIN, "2.8.13"),
        cmd("latency|histogram", -2, ADMINS, PLAIN)
            .tips(EVERY_NODE)
            .doc("7.0.0", "How long commands took, as histograms.", "O(N) in the commands with data")
            .args(&[string("command").opt().many()]),
        cmd("latency|history", 3, ADMINS, PLAIN)
            .tips(EVERY_NODE)
            .doc("2.8.13", "An event's delays with their times.", "O(1)")
            .args(&[string("event")]),
        cmd("latency|latest", 2, ADMINS, PLAIN).tips(EVERY_NODE).doc(
            "2.8.13",
            "The last delay of every event.",
            "O(1)",
        ),
        cmd("latency|reset", -2, ADMINS, PLAIN)
            .tips(&["request_policy:all_nodes", "response_policy:agg_sum"])
            .doc("2.8.13", "Forgets the delays of all or some events.", "O(1)")
            .args(&[string("event").opt().many()]),
    ],
)
.help(&[
    "DOCTOR",
    "    Report on delays and give advice.",
    "GRAPH <event>",
    "    Draw an event's delays over time.",
    "HISTORY <event>",
    "    Show an event's delays with their times.",
    "LATEST",
    "    Show the last delay of every event.",
    "RESET [<event> ...]",
    "    Forget the delays of these events, or of all.",
    "HISTOGRAM [COMMAND ...]",
    "    Show how long these commands took, or all, as histograms.",
]);

pub(super) const MEMORY: CommandSpec = container(
    "memory",
    0,
    "4.0.0",
    "Commands about memory.",
    &[
        cmd("memory|doctor", 2, 0, PLAIN).tips(EVERY_SHARD).doc("4.0.0", "A report on memory, and advice.", "O(1)"),
        help("memory|help", 0, PLAIN, "4.0.0"),
        cmd("memory|malloc-stats", 2, 0, PLAIN).tips(EVERY_SHARD).doc(
            "4.0.0",
            "What the allocator tells about itself.",
            "Depends on the allocator",
        ),
        cmd("memory|purge", 2, 0, PLAIN).tips(ALL_SHARDS).doc(
            "4.0.0",
            "Makes the allocator give unused memory back.",
            "Depends on the allocator",
        ),
        cmd("memory|stats", 2, 0, PLAIN).tips(EVERY_SHARD).doc("4.0.0", "What memory is used for.", "O(1)"),
        cmd("memory|usage", -3, READONLY, PLAIN)
            .keys(&[at(2, RO)])
            .doc("4.0.0", "The bytes that a key and its value take.", "O(N) in the samples")
            .args(&[KEY, integer("count").after("SAMPLES").opt()]),
    ],
)
.help(&[
    "DOCTOR",
    "    Report on memory and give advice.",
    "MALLOC-STATS",
    "    Show what the allocator tells about itself.",
    "PURGE",
    "    Make the allocator give unused memory back.",
    "STATS",
    "    Show what memory is used for.",
    "USAGE <key> [SAMPLES <count>]",
    "    Show the bytes that a key and its value take. Nested values are estimated from",
    "    <count> elements (default: 5; 0 means all).",
]);

pub(super) const MODULE: CommandSpec = container(
    "module",
    0,
    "4.0.0",
    "Commands about modules.",
    &[
        help("module|help", 0, PLAIN, "5.0.0"),
        cmd("module|list", 2, ADMIN | NOSCRIPT, PLAIN).tips(RANDOM_ORDER).doc(
            "4.0.0",
            "The modules loaded.",
            "O(N) in the modules",
        ),
        cmd("module|load", -3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED, PLAIN)
            .doc("4.0.0", "Loads a module.", "O(1)")
            .args(&[string("path"), string("arg").opt().many()]),
        cmd("module|loadex", -3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED, PLAIN)
            .doc("7.0.0", "Loads a module with settings.", "O(1)")
            .args(&[
                string("path"),
                block("configs", &[string("name"), string("value")]).after("CONFIG").opt().many_tokens(),
                string("args").after("ARGS").opt().many(),
            ]),
        cmd("module|unload", 3, ADMIN | NOSCRIPT | NO_ASYNC_LOADING | PROTECTED, PLAIN)
            .doc("4.0.0", "Unloads a module.", "O(1)")
            .args(&[string("name")]),
    ],
)
.help(&[
    "LIST",
    "    List the modules loaded.",
    "LOAD <path> [<arg> ...]",
    "    Load a module, with arguments.",
    "LOADEX <path> [[CONFIG NAME VALUE]...] [ARGS ...]",
    "    Load a module, with settings and arguments.",
    "UNLOAD <name>",
    "    Unload a module.",
]);

pub(super) const SLOWLOG: CommandSpec = container(
    "slowlog",
    0,
    "2.2.12",
    "Commands about the slow log.",
    &[
        cmd("slowlog|get", -2, ADMIN | LOADING | STALE, PLAIN)
            .tips(&["request_policy:all_nodes", "nondeterministic_output"])
            .doc("2.2.12", "The latest entries.", "O(N) in the entries returned")
            .history(&[("4.0.0", "The client's address and name.")])
            .args(&[integer("count").opt()]),
        help("slowlog|help", 0, PLAIN, "6.2.0"),
        cmd("slowlog|len", 2, ADMIN | LOADING | STALE, PLAIN)
            .tips(&["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"])
            .doc("2.2.12", "The number of entries.", "O(1)"),
        cmd("slowlog|reset", 2, ADMIN | LOADING | STALE, PLAIN).tips(ALL_NODES).doc(
            "2.2.12",
            "Forgets all entries.",
            "O(N) in the entries",
        ),
    ],
)
.help(&[
    "GET [<count>]",
    "    Show the latest <count> entries (default: 10, -1 means all): number, time, microseconds,",
    "    command with arguments, the client's address and its name.",
    "LEN",
    "    Show the number of entries.",
    "RESET",
    "    Forget all entries.",
]);
