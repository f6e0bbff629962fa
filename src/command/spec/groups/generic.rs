//! Keys of any type.

use crate::command::spec::row::*;

const OBJECT_SUBCOMMANDS: &[CommandSpec] = &[
    cmd("object|encoding", 3, READONLY, KEYSPACE)
        .keys(&[at(2, RO)])
        .tips(RANDOM)
        .doc("2.2.3", "How a value is held in memory.", "O(1)")
        .args(&[KEY]),
    cmd("object|freq", 3, READONLY, KEYSPACE)
        .keys(&[at(2, RO)])
        .tips(RANDOM)
        .doc("4.0.0", "How often a key is used, on a logarithmic scale.", "O(1)")
        .args(&[KEY]),
    help("object|help", 0, KEYSPACE, "6.2.0"),
    cmd("object|idletime", 3, READONLY, KEYSPACE)
        .keys(&[at(2, RO)])
        .tips(RANDOM)
        .doc("2.2.3", "Seconds since a key was last used.", "O(1)")
        .args(&[KEY]),
    cmd("object|refcount", 3, READONLY, KEYSPACE)
        .keys(&[at(2, RO)])
        .tips(RANDOM)
        .doc("2.2.3", "How many references a value has.", "O(1)")
        .args(&[KEY]),
];

/// `REPLACE | ABSTTL | IDLETIME | FREQ` of RESTORE.
pub(super) const RESTORE_ARGS: &[Arg] = &[
    KEY,
    integer("ttl"),
    string("serialized-value"),
    word("replace", "REPLACE").since("3.0.0").opt(),
    word("absttl", "ABSTTL").since("5.0.0").opt(),
    integer("seconds").after("IDLETIME").since("5.0.0").opt(),
    integer("frequency").after("FREQ").since("5.0.0").opt(),
];

const CONDITIONS: &[(&str, &str)] = &[("7.0.0", "NX, XX, GT and LT.")];
const EXPIRY_FLAGS: u32 = WRITE | FAST;

const SORT_BY: Arg = pattern("by-pattern").shown("pattern").after("BY").spec(1).opt();
const SORT_GET: Arg = pattern("get-pattern").shown("pattern").after("GET").spec(1).opt().many_tokens();
const SORT_COST: &str = "O(N+M*log M): N elements, M of them returned; O(N) without sorting";

pub(in crate::command::spec) const COMMANDS: &[CommandSpec] = &[
    cmd("copy", -3, WRITE | DENYOOM, KEYSPACE)
        .keys(&[at(1, RO | ACCESS), at(2, OW | UPDATE)])
        .doc("6.2.0", "Copies a value to another key or database.", "O(N) in the elements; O(1) for strings")
        .args(&[
            key("source"),
            key("destination").spec(1),
            integer("destination-db").after("DB").opt(),
            word("replace", "REPLACE").opt(),
        ]),
    cmd("del", -2, WRITE, KEYSPACE)
        .keys(&[span(1, -1, 1, RM | DELETE)])
        .tips(SPLIT_AND_SUM)
        .doc("1.0.0", "Deletes keys.", "O(N) in the keys, and in their elements")
        .args(&[KEYS]),
    cmd("dump", 2, READONLY, KEYSPACE)
        .keys(&[at(1, RO | ACCESS)])
        .tips(RANDOM)
        .doc("2.6.0", "A value in serialized form, for RESTORE.", "O(N) in the value's size")
        .args(&[KEY]),
    cmd("exists", -2, READONLY | FAST, KEYSPACE)
        .keys(&[span(1, -1, 1, RO)])
        .tips(SPLIT_AND_SUM)
        .doc("1.0.0", "How many of the keys exist.", "O(N) in the keys")
        .history(&[("3.0.3", "Several keys.")])
        .args(&[KEYS]),
    cmd("expire", -3, EXPIRY_FLAGS, KEYSPACE)
        .keys(&[at(1, RW | UPDATE)])
        .doc("1.0.0", "Lets a key live for some seconds from now.", "O(1)")
        .history(CONDITIONS)
        .args(&[KEY, integer("seconds"), EXPIRE_CONDITION.since("7.0.0")]),
    cmd("expireat", -3, EXPIRY_FLAGS, KEYSPACE)
        .keys(&[at(1, RW | UPDATE)])
        .doc("1.2.0", "Lets a key live until a Unix time in seconds.", "O(1)")
        .history(CONDITIONS)
        .args(&[KEY, unix_time("unix-time-seconds"), EXPIRE_CONDITION.since("7.0.0")]),
    cmd("expiretime", 2, READONLY | FAST, KEYSPACE)
        .keys(&[at(1, RO | ACCESS)])
        .doc("7.0.0", "The Unix time in seconds at which a key expires.", "O(1)")
        .args(&[KEY]),
    cmd("keys", 2, READONLY, KEYSPACE | DANGEROUS)
        .tips(&["request_policy:all_shards", "nondeterministic_output_order"])
        .doc("1.0.0", "All keys that match a pattern.", "O(N) in the database's keys")
        .args(&[pattern("pattern")]),
    cmd("migrate", -6, WRITE, KEYSPACE | DANGEROUS)
        .keys(&[at(3, RW | ACCESS | DELETE), behind("KEYS", -2, -1, 1, 0, RW | ACCESS | DELETE | INCOMPLETE)])
        .finder(KeyFinder::Migrate)
        .tips(RANDOM)
        .doc("2.6.0", "Moves keys to another server.", "O(N) in the size of the values, on both servers")
        .history(&[("3.0.0", "COPY and REPLACE."), ("3.0.6", "KEYS."), ("4.0.7", "AUTH."), ("6.0.0", "AUTH2.")])
        .args(&[
            string("host"),
            integer("port"),
            one_of("key-selector", &[KEY, word("empty-string", "")]),
            integer("destination-db"),
            integer("timeout"),
            word("copy", "COPY").since("3.0.0").opt(),
            word("replace", "REPLACE").since("3.0.0").opt(),
            one_of(
                "authentication",
                &[
                    string("auth").shown("password").after("AUTH").since("4.0.7"),
                    block("auth2", &[string("username"), string("password")]).after("AUTH2").since("6.0.0"),
                ],
            )
            .opt(),
            key("keys").spec(1).shown("key").after("KEYS").since("3.0.6").opt().many(),
        ]),
    cmd("move", 3, WRITE | FAST, KEYSPACE)
        .keys(&[at(1, RW | ACCESS | UPDATE)])
        .doc("1.0.0", "Moves a key to another database.", "O(1)")
        .args(&[KEY, integer("db")]),
    container("object", 0, "2.2.3", "Commands about how values are held.", OBJECT_SUBCOMMANDS).help(&[
        "ENCODING <key>",
        "    Show how the value is held in memory.",
        "FREQ <key>",
        "    Show how often the key is used, on a logarithmic scale (LFU policies only).",
        "IDLETIME <key>",
        "    Show the seconds since the key was last used.",
        "REFCOUNT <key>",
        "    Show the number of references to the value.",
    ]),
    cmd("persist", 2, WRITE | FAST, KEYSPACE)
        .keys(&[at(1, RW | UPDATE)])
        .doc("2.2.0", "Removes a key's expiry.", "O(1)")
        .args(&[KEY]),
    cmd("pexpire", -3, EXPIRY_FLAGS, KEYSPACE)
        .keys(&[at(1, RW | UPDATE)])
        .doc("2.6.0", "Lets a key live for some milliseconds from now.", "O(1)")
        .history(CONDITIONS)
        .args(&[KEY, integer("milliseconds"), EXPIRE_CONDITION.since("7.0.0")]),
    cmd("pexpireat", -3, EXPIRY_FLAGS, KEYSPACE)
        .keys(&[at(1, RW | UPDATE)])
        .doc("2.6.0", "Lets a key live until a Unix time in milliseconds.", "O(1)")
        .history(CONDITIONS)
        .args(&[KEY, unix_time("unix-time-milliseconds"), EXPIRE_CONDITION.since("7.0.0")]),
    cmd("pexpiretime", 2, READONLY | FAST, KEYSPACE)
        .keys(&[at(1, RO | ACCESS)])
        .doc("7.0.0", "The Unix time in milliseconds at which a key expires.", "O(1)")
        .args(&[KEY]),
    cmd("pttl", 2, READONLY | FAST, KEYSPACE)
        .keys(&[at(1, RO | ACCESS)])
        .tips(RANDOM)
        .doc("2.6.0", "The milliseconds a key has left.", "O(1)")
        .history(&[("2.8.0", "Answers -2 for a missing key.")])
        .args(&[KEY]),
    cmd("randomkey", 1, READONLY | TOUCHES_ARBITRARY_KEYS, KEYSPACE)
        .tips(&["request_policy:all_shards", "response_policy:special", "nondeterministic_output"])
        .doc("1.0.0", "Any key of the database.", "O(1)"),
    cmd("rename", 3, WRITE, KEYSPACE)
        .keys(&[at(1, RW | ACCESS | DELETE), at(2, OW | UPDATE)])
        .doc("1.0.0", "Renames a key, over one that exists too.", "O(1), and the cost of deleting what was there")
        .args(&[KEY, key("newkey").spec(1)]),
    cmd("renamenx", 3, WRITE | FAST, KEYSPACE)
        .keys(&[at(1, RW | ACCESS | DELETE), at(2, OW | INSERT)])
        .doc("1.0.0", "Renames a key if the new name is free.", "O(1)")
        .history(&[("3.2.0", "Both names may be the same.")])
        .args(&[KEY, key("newkey").spec(1)]),
    cmd("restore", -4, WRITE | DENYOOM, KEYSPACE | DANGEROUS)
        .keys(&[at(1, OW | UPDATE)])
        .doc("2.6.0", "Makes a key from what DUMP returned.", "O(N) in the size; O(N*log N) for sorted sets")
        .history(&[("3.0.0", "REPLACE."), ("5.0.0", "ABSTTL."), ("5.0.0", "IDLETIME and FREQ.")])
        .args(RESTORE_ARGS),
    cmd("scan", -2, READONLY | TOUCHES_ARBITRARY_KEYS, KEYSPACE)
        .tips(&["nondeterministic_output", "request_policy:special", "response_policy:special"])
        .doc("2.8.0", "Walks through the keys, some at each call.", "O(1) per call; O(N) for the whole walk")
        .history(&[("6.0.0", "TYPE.")])
        .args(&[integer("cursor"), MATCH, COUNT, string("type").after("TYPE").since("6.0.0").opt()]),
    cmd("sort", -2, WRITE | DENYOOM, SET | SORTEDSET | LIST | DANGEROUS)
        .keys(&[
            at(1, RO | ACCESS),
            hidden(RO | ACCESS, "BY and GET: the names are made from the elements"),
            hidden(OW | UPDATE, "STORE may stand anywhere"),
        ])
        .finder(KeyFinder::Sort)
        .doc("1.0.0", "Sorts a list, set or sorted set; may store the result.", SORT_COST)
        .args(&[
            KEY,
            SORT_BY,
            OFFSET_COUNT,
            SORT_GET,
            ORDER,
            word("sorting", "ALPHA").opt(),
            key("destination").spec(2).after("STORE").opt(),
        ]),
    cmd("sort_ro", -2, READONLY, SET | SORTEDSET | LIST | DANGEROUS)
        .keys(&[at(1, RO | ACCESS), hidden(RO | ACCESS, "BY and GET: the names are made from the elements")])
        .finder(KeyFinder::SortRo)
        .doc("7.0.0", "Sorts a list, set or sorted set.", SORT_COST)
        .args(&[KEY, SORT_BY, OFFSET_COUNT, SORT_GET, ORDER, word("sorting", "ALPHA").opt()]),
    cmd("touch", -2, READONLY | FAST, KEYSPACE)
        .keys(&[span(1, -1, 1, RO)])
        .tips(SPLIT_AND_SUM)
        .doc("3.2.1", "Marks keys as used now; how many exist.", "O(N) in the keys")
        .args(&[KEYS]),
    cmd("ttl", 2, READONLY | FAST, KEYSPACE)
        .keys(&[at(1, RO | ACCESS)])
        .tips(RANDOM)
        .doc("1.0.0", "The seconds a key has left.", "O(1)")
        .history(&[("2.8.0", "Answers -2 for a missing key.")])
        .args(&[KEY]),
    cmd("type", 2, READONLY | FAST, KEYSPACE)
        .keys(&[at(1, RO)])
        .doc("1.0.0", "The type of the value at a key.", "O(1)")
        .args(&[KEY]),
    cmd("unlink", -2, WRITE | FAST, KEYSPACE)
        .keys(&[span(1, -1, 1, RM | DELETE)])
        .tips(SPLIT_AND_SUM)
        .doc("4.0.0", "Deletes keys, and frees their memory later.", "O(N) in the keys")
        .args(&[KEYS]),
    cmd("wait", 3, BLOCKING, CONNECTION)
        .tips(&["request_policy:all_shards", "response_policy:agg_min"])
        .doc("3.0.0", "Waits until replicas have this connection's writes.", "O(1)")
        .args(&[integer("numreplicas"), integer("timeout")]),
    cmd("waitaof", 4, BLOCKING, CONNECTION)
        .tips(&["request_policy:all_shards", "response_policy:agg_min"])
        .doc("7.2.0", "Waits until this connection's writes are on disk, here and on replicas.", "O(1)")
        .args(&[integer("numlocal"), integer("numreplicas"), integer("timeout")]),
];
