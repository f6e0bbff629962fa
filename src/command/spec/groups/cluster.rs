//! Clusters.

use crate::command::spec::row::*;

/// For administrators; changes the cluster.
const CHANGES: u32 = ADMIN | STALE | NO_ASYNC_LOADING;
const SLOTS: &str = "O(N) in the slots given";
const NODES: &str = "O(N) in the nodes";
const SLOT_RANGES: Arg = block("range", &[integer("start-slot"), integer("end-slot")]).many();

const SUBCOMMANDS: &[CommandSpec] = &[
    cmd("cluster|addslots", -3, CHANGES, PLAIN)
        .doc("3.0.0", "Gives slots to this node.", SLOTS)
        .args(&[integer("slot").many()]),
    cmd("cluster|addslotsrange", -4, CHANGES, PLAIN)
        .doc("7.0.0", "Gives ranges of slots to this node.", SLOTS)
        .args(&[SLOT_RANGES]),
    cmd("cluster|bumpepoch", 2, CHANGES, PLAIN).tips(RANDOM).doc("3.0.0", "Raises the node's epoch.", "O(1)"),
    cmd("cluster|count-failure-reports", 3, ADMIN | STALE, PLAIN)
        .tips(RANDOM)
        .doc("3.0.0", "How many nodes report that a node fails.", "O(N) in the reports")
        .args(&[string("node-id")]),
    cmd("cluster|countkeysinslot", 3, STALE, PLAIN)
        .doc("3.0.0", "How many keys a slot holds.", "O(1)")
        .args(&[integer("slot")]),
    cmd("cluster|delslots", -3, CHANGES, PLAIN)
        .doc("3.0.0", "Takes slots from this node.", SLOTS)
        .args(&[integer("slot").many()]),
    cmd("cluster|delslotsrange", -4, CHANGES, PLAIN)
        .doc("7.0.0", "Takes ranges of slots from this node.", SLOTS)
        .args(&[SLOT_RANGES]),
    cmd("cluster|failover", -2, CHANGES, PLAIN)
        .doc("3.0.0", "Makes this replica take its primary's place.", "O(1)")
        .args(&[one_of("options", &[word("force", "FORCE"), word("takeover", "TAKEOVER")]).opt()]),
    cmd("cluster|flushslots", 2, CHANGES, PLAIN).doc("3.0.0", "Takes all slots from this node.", "O(1)"),
    cmd("cluster|forget", 3, CHANGES, PLAIN)
        .doc("3.0.0", "Removes a node from this node's view of the cluster.", "O(1)")
        .args(&[string("node-id")]),
    cmd("cluster|getkeysinslot", 4, STALE, PLAIN)
        .tips(RANDOM)
        .doc("3.0.0", "Keys of a slot.", "O(N) in the keys returned")
        .args(&[integer("slot"), integer("count")]),
    help("cluster|help", 0, PLAIN, "5.0.0"),
    cmd("cluster|info", 2, STALE, PLAIN).tips(RANDOM).doc(
        "3.0.0",
        "State of the cluster as this node sees it.",
        "O(1)",
    ),
    cmd("cluster|keyslot", 3, STALE, PLAIN)
        .doc("3.0.0", "The slot of a key.", "O(N) in the key's length")
        .args(&[string("key")]),
    cmd("cluster|links", 2, STALE, PLAIN).tips(RANDOM).doc("7.0.0", "The links to other nodes.", NODES),
    cmd("cluster|meet", -4, CHANGES, PLAIN)
        .doc("3.0.0", "Makes this node join another.", "O(1)")
        .history(&[("4.0.0", "The port of the cluster bus.")])
        .args(&[string("ip"), integer("port"), integer("cluster-bus-port").since("4.0.0").opt()]),
    cmd("cluster|myid", 2, STALE, PLAIN).doc("3.0.0", "This node's ID.", "O(1)"),
    cmd("cluster|myshardid", 2, STALE, PLAIN).tips(RANDOM).doc("7.2.0", "The ID of this node's shard.", "O(1)"),
    cmd("cluster|nodes", 2, STALE, PLAIN).tips(RANDOM).doc("3.0.0", "All nodes in the form of nodes.conf.", NODES),
    cmd("cluster|replicas", 3, ADMIN | STALE, PLAIN)
        .tips(RANDOM)
        .doc("5.0.0", "The replicas of a node.", "O(N) in the replicas")
        .args(&[string("node-id")]),
    cmd("cluster|replicate", 3, CHANGES, PLAIN)
        .doc("3.0.0", "Makes this node a replica of another.", "O(1)")
        .args(&[string("node-id")]),
    cmd("cluster|reset", -2, ADMIN | STALE | NOSCRIPT, PLAIN)
        .doc("3.0.0", "Makes this node forget the cluster.", NODES)
        .args(&[one_of("reset-type", &[word("hard", "HARD"), word("soft", "SOFT")]).opt()]),
    cmd("cluster|saveconfig", 2, CHANGES, PLAIN).doc("3.0.0", "Writes nodes.conf.", "O(1)"),
    cmd("cluster|set-config-epoch", 3, CHANGES, PLAIN)
        .doc("3.0.0", "Sets the epoch of a new node.", "O(1)")
        .args(&[integer("config-epoch")]),
    cmd("cluster|setslot", -4, CHANGES, PLAIN)
        .doc("3.0.0", "Says whom a slot belongs to, or where it is moving.", "O(1)")
        .args(&[
            integer("slot"),
            one_of(
                "subcommand",
                &[
                    string("importing").shown("node-id").after("IMPORTING"),
                    string("migrating").shown("node-id").after("MIGRATING"),
                    string("node").shown("node-id").after("NODE"),
                    word("stable", "STABLE"),
                ],
            ),
        ]),
    cmd("cluster|shards", 2, LOADING | STALE, PLAIN).tips(RANDOM).doc(
        "7.0.0",
        "The shards, their slots and nodes.",
        NODES,
    ),
    cmd("cluster|slaves", 3, ADMIN | STALE, PLAIN)
        .tips(RANDOM)
        .doc("3.0.0", "The replicas of a node.", "O(N) in the replicas")
        .deprecated("5.0.0", "`CLUSTER REPLICAS`")
        .args(&[string("node-id")]),
    cmd("cluster|slot-stats", -4, STALE | LOADING, PLAIN)
        .tips(&["nondeterministic_output", "request_policy:all_shards"])
        .doc("8.0.0", "What the slots are used for.", "O(N) in the slots; O(N*log N) when ordered")
        .args(&[one_of(
            "filter",
            &[
                block("slotsrange", &[integer("start-slot"), integer("end-slot")]).after("SLOTSRANGE"),
                block("orderby", &[string("metric"), integer("limit").after("LIMIT").opt(), ORDER]).after("ORDERBY"),
            ],
        )]),
    cmd("cluster|slots", 2, LOADING | STALE, PLAIN)
        .tips(RANDOM)
        .doc("3.0.0", "The ranges of slots and their nodes.", NODES)
        .history(&[("4.0.0", "Node IDs."), ("7.0.0", "More about how to reach a node.")])
        .deprecated("7.0.0", "`CLUSTER SHARDS`"),
];

pub(in crate::command::spec) const COMMANDS: &[CommandSpec] = &[
    cmd("asking", 1, FAST, CONNECTION).doc("3.0.0", "Lets the next command use a slot that is being imported.", "O(1)"),
    container("cluster", 0, "3.0.0", "Commands about the cluster.", SUBCOMMANDS).help(&[
        "COUNTKEYSINSLOT <slot>",
        "    Show the number of keys in a slot.",
        "GETKEYSINSLOT <slot> <count>",
        "    List keys of a slot.",
        "INFO",
        "    Show the state of the cluster.",
        "KEYSLOT <key>",
        "    Show the slot of a key.",
        "MYID",
        "    Show this node's ID.",
        "MYSHARDID",
        "    Show the ID of this node's shard.",
        "NODES",
        "    List all nodes, one per line:",
        "    <id> <ip:port@bus-port[,hostname]> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...",
        "SLOTS",
        "    List the ranges of slots with their nodes:",
        "    first slot, last slot, then IP, port and ID of the primary and of each replica.",
        "SLOT-STATS SLOTSRANGE <start-slot> <end-slot>",
        "    Show what these slots are used for.",
        "SLOT-STATS ORDERBY <metric> [LIMIT <limit>] [ASC|DESC]",
        "    Show what slots are used for, ordered by a metric.",
        "SHARDS",
        "    List the shards with their slots and nodes.",
        "ADDSLOTS <slot> [<slot> ...]",
        "    Give slots to this node.",
        "ADDSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
        "    Give ranges of slots to this node.",
        "BUMPEPOCH",
        "    Raise the node's epoch.",
        "COUNT-FAILURE-REPORTS <node-id>",
        "    Show how many nodes report that this node fails.",
        "DELSLOTS <slot> [<slot> ...]",
        "    Take slots from this node.",
        "DELSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
        "    Take ranges of slots from this node.",
        "FAILOVER [FORCE|TAKEOVER]",
        "    Make this replica take its primary's place.",
        "FORGET <node-id>",
        "    Remove a node from this node's view of the cluster.",
        "FLUSHSLOTS",
        "    Take all slots from this node.",
        "MEET <ip> <port> [<bus-port>]",
        "    Make this node join another.",
        "REPLICATE <node-id>",
        "    Make this node a replica of another.",
        "RESET [HARD|SOFT]",
        "    Make this node forget the cluster.",
        "SET-CONFIG-EPOCH <epoch>",
        "    Set the epoch of a new node.",
        "SETSLOT <slot> (IMPORTING <node-id>|MIGRATING <node-id>|STABLE|NODE <node-id>)",
        "    Say whom a slot belongs to, or where it is moving.",
        "REPLICAS <node-id>",
        "    List the replicas of a node.",
        "SAVECONFIG",
        "    Write nodes.conf.",
        "LINKS",
        "    List the links to other nodes.",
    ]),
    cmd("readonly", 1, LOADING | STALE | FAST, CONNECTION).doc(
        "3.0.0",
        "Lets this connection read from a replica.",
        "O(1)",
    ),
    cmd("readwrite", 1, LOADING | STALE | FAST, CONNECTION).doc("3.0.0", "Undoes READONLY.", "O(1)"),
];
