//! Streams.

use crate::command::spec::row::*;

const TRIM_ARGS: &[Arg] = &[
    one_of("strategy", &[word("maxlen", "MAXLEN"), word("minid", "MINID").since("6.2.0")]),
    one_of("operator", &[word("equal", "="), word("approximately", "~")]).opt(),
    string("threshold"),
    integer("count").after("LIMIT").since("6.2.0").opt(),
];
const STREAMS: Arg = block("streams", &[KEYS, string("id").many()]).after("STREAMS");
const BLOCK: Arg = integer("milliseconds").after("BLOCK").opt();
const LAST_OR_ID: Arg = one_of("id-selector", &[string("id"), word("new-id", "$")]);
const ENTRIES_READ: Arg = integer("entriesread").shown("entries-read").after("ENTRIESREAD").opt();
const RETURNED: &str = "O(N) in the entries returned";

const GROUP_SUBCOMMANDS: &[CommandSpec] = &[
    cmd("xgroup|create", -5, WRITE | DENYOOM, STREAM)
        .keys(&[at(2, RW | INSERT)])
        .doc("5.0.0", "Makes a consumer group.", "O(1)")
        .history(&[("7.0.0", "ENTRIESREAD.")])
        .args(&[KEY, string("group"), LAST_OR_ID, word("mkstream", "MKSTREAM").opt(), ENTRIES_READ]),
    cmd("xgroup|createconsumer", 5, WRITE | DENYOOM, STREAM)
        .keys(&[at(2, RW | INSERT)])
        .doc("6.2.0", "Makes a consumer.", "O(1)")
        .args(&[KEY, string("group"), string("consumer")]),
    cmd("xgroup|delconsumer", 5, WRITE, STREAM)
        .keys(&[at(2, RW | DELETE)])
        .doc("5.0.0", "Deletes a consumer and what it has pending.", "O(1)")
        .args(&[KEY, string("group"), string("consumer")]),
    cmd("xgroup|destroy", 4, WRITE, STREAM)
        .keys(&[at(2, RW | DELETE)])
        .doc("5.0.0", "Deletes a consumer group.", "O(N) in the entries pending")
        .args(&[KEY, string("group")]),
    help("xgroup|help", 0, STREAM, "5.0.0"),
    cmd("xgroup|setid", -5, WRITE, STREAM)
        .keys(&[at(2, RW | UPDATE)])
        .doc("5.0.0", "Sets what a group has been given last.", "O(1)")
        .history(&[("7.0.0", "ENTRIESREAD.")])
        .args(&[KEY, string("group"), LAST_OR_ID, ENTRIES_READ]),
];

const INFO_SUBCOMMANDS: &[CommandSpec] = &[
    cmd("xinfo|consumers", 4, READONLY, STREAM)
        .keys(&[at(2, RO | ACCESS)])
        .tips(RANDOM)
        .doc("5.0.0", "The consumers of a group.", "O(N) in the consumers")
        .history(&[("7.2.0", "Field inactive, and idle counts tries too.")])
        .args(&[KEY, string("group")]),
    cmd("xinfo|groups", 3, READONLY, STREAM)
        .keys(&[at(2, RO | ACCESS)])
        .doc("5.0.0", "The consumer groups of a stream.", "O(N) in the groups")
        .history(&[("7.0.0", "Fields entries-read and lag.")])
        .args(&[KEY]),
    help("xinfo|help", 0, STREAM, "5.0.0"),
    cmd("xinfo|stream", -3, READONLY, STREAM)
        .keys(&[at(2, RO | ACCESS)])
        .doc("5.0.0", "State and counters of a stream.", "O(1); O(N) with FULL")
        .history(&[
            ("6.0.0", "FULL."),
            ("7.0.0", "Fields max-deleted-entry-id, entries-added, recorded-first-entry-id, entries-read and lag."),
            ("7.2.0", "Field active-time, and seen-time counts tries too."),
        ])
        .args(&[KEY, block("full-block", &[word("full", "FULL"), COUNT]).opt()]),
];

pub(in crate::command::spec) const COMMANDS: &[CommandSpec] = &[
    cmd("xack", -4, WRITE | FAST, STREAM)
        .keys(&[at(1, RW | UPDATE)])
        .doc("5.0.0", "Ends the pending state of entries.", "O(1) per entry")
        .args(&[KEY, string("group"), string("id").many()]),
    cmd("xadd", -5, WRITE | DENYOOM | FAST, STREAM)
        .keys(&[at(1, RW | UPDATE).note("UPDATE rather than INSERT since trimming removes entries")])
        .tips(RANDOM)
        .doc("5.0.0", "Adds an entry; may trim the stream.", "O(1); O(N) in the entries trimmed")
        .history(&[("6.2.0", "NOMKSTREAM, MINID and LIMIT."), ("7.0.0", "IDs of the form ms-*.")])
        .args(&[
            KEY,
            word("nomkstream", "NOMKSTREAM").since("6.2.0").opt(),
            block("trim", TRIM_ARGS).opt(),
            one_of("id-selector", &[word("auto-id", "*"), string("id")]),
            block("data", &[string("field"), string("value")]).many(),
        ]),
    cmd("xautoclaim", -6, WRITE | FAST, STREAM)
        .keys(&[at(1, RW | DELETE)])
        .tips(RANDOM)
        .doc("6.2.0", "Takes over entries that have been pending for long.", "O(1) if COUNT is small")
        .history(&[("7.0.0", "Drops entries that no longer exist, and lists them.")])
        .args(&[
            KEY,
            string("group"),
            string("consumer"),
            string("min-idle-time"),
            string("start"),
            COUNT,
            word("justid", "JUSTID").opt(),
        ]),
    cmd("xclaim", -6, WRITE | FAST, STREAM)
        .keys(&[at(1, RW | UPDATE)])
        .tips(RANDOM)
        .doc("5.0.0", "Takes over pending entries.", "O(log N) per entry, N entries pending")
        .args(&[
            KEY,
            string("group"),
            string("consumer"),
            string("min-idle-time"),
            string("id").many(),
            integer("ms").after("IDLE").opt(),
            unix_time("unix-time-milliseconds").after("TIME").opt(),
            integer("count").after("RETRYCOUNT").opt(),
            word("force", "FORCE").opt(),
            word("justid", "JUSTID").opt(),
            string("lastid").after("LASTID").opt(),
        ]),
    cmd("xdel", -3, WRITE | FAST, STREAM)
        .keys(&[at(1, RW | DELETE)])
        .doc("5.0.0", "Deletes entries.", "O(1) per entry")
        .args(&[KEY, string("id").many()]),
    container("xgroup", 0, "5.0.0", "Commands about consumer groups.", GROUP_SUBCOMMANDS).help(&[
        "CREATE <key> <groupname> <id|$> [option]",
        "    Make a consumer group. Options are:",
        "    * MKSTREAM",
        "      Make the stream too if it does not exist.",
        "    * ENTRIESREAD entries_read",
        "      Set how many entries the group has read (its lag is worked out from that).",
        "CREATECONSUMER <key> <groupname> <consumer>",
        "    Make a consumer.",
        "DELCONSUMER <key> <groupname> <consumer>",
        "    Delete a consumer.",
        "DESTROY <key> <groupname>",
        "    Delete a consumer group.",
        "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
        "    Set what the group has been given last, and how many entries it has read.",
    ]),
    container("xinfo", 0, "5.0.0", "Commands that describe streams.", INFO_SUBCOMMANDS).help(&[
        "CONSUMERS <key> <groupname>",
        "    Describe the consumers of a group.",
        "GROUPS <key>",
        "    Describe the consumer groups of a stream.",
        "STREAM <key> [FULL [COUNT <count>]]",
        "    Describe a stream.",
    ]),
    cmd("xlen", 2, READONLY | FAST, STREAM)
        .keys(&[at(1, RO)])
        .doc("5.0.0", "The number of entries.", "O(1)")
        .args(&[KEY]),
    cmd("xpending", -3, READONLY, STREAM)
        .keys(&[at(1, RO | ACCESS)])
        .tips(RANDOM)
        .doc("5.0.0", "What a group has pending.", RETURNED)
        .history(&[("6.2.0", "IDLE and exclusive bounds.")])
        .args(&[
            KEY,
            string("group"),
            block(
                "filters",
                &[
                    integer("min-idle-time").after("IDLE").since("6.2.0").opt(),
                    string("start"),
                    string("end"),
                    integer("count"),
                    string("consumer").opt(),
                ],
            )
            .opt(),
        ]),
    cmd("xrange", -4, READONLY, STREAM)
        .keys(&[at(1, RO | ACCESS)])
        .doc("5.0.0", "The entries from one ID to another.", RETURNED)
        .history(&[("6.2.0", "Exclusive bounds.")])
        .args(&[KEY, string("start"), string("end"), COUNT]),
    cmd("xread", -4, READONLY | BLOCKING, STREAM)
        .keys(&[behind("STREAMS", 1, -1, 1, 2, RO | ACCESS)])
        .doc("5.0.0", "The entries of several streams after given IDs; may wait for some.", RETURNED)
        .args(&[COUNT, BLOCK, STREAMS]),
    cmd("xreadgroup", -7, WRITE | BLOCKING, STREAM)
        .keys(&[behind("STREAMS", 4, -1, 1, 2, RO | ACCESS)])
        .doc("5.0.0", "New or pending entries for a consumer of a group; may wait for some.", RETURNED)
        .args(&[
            block("group-block", &[string("group"), string("consumer")]).after("GROUP"),
            COUNT,
            BLOCK,
            word("noack", "NOACK").opt(),
            STREAMS,
        ]),
    cmd("xrevrange", -4, READONLY, STREAM)
        .keys(&[at(1, RO | ACCESS)])
        .doc("5.0.0", "The entries from one ID back to another.", RETURNED)
        .history(&[("6.2.0", "Exclusive bounds.")])
        .args(&[KEY, string("end"), string("start"), COUNT]),
    cmd("xsetid", -3, WRITE | DENYOOM | FAST, STREAM)
        .keys(&[at(1, RW | UPDATE)])
        .doc("5.0.0", "Sets a stream's last ID and counters. For internal use.", "O(1)")
        .history(&[("7.0.0", "ENTRIESADDED and MAXDELETEDID.")])
        .args(&[
            KEY,
            string("last-id"),
            integer("entries-added").after("ENTRIESADDED").since("7.0.0").opt(),
            string("max-deleted-id").after("MAXDELETEDID").since("7.0.0").opt(),
        ]),
    cmd("xtrim", -4, WRITE, STREAM)
        .keys(&[at(1, RW | DELETE)])
        .tips(RANDOM)
        .doc("5.0.0", "Deletes the oldest entries.", "O(N) in the entries deleted")
        .history(&[("6.2.0", "MINID and LIMIT.")])
        .args(&[KEY, block("trim", TRIM_ARGS)]),
];
