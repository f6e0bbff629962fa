//! Strings.

use crate::command::spec::row::*;

const READ_WRITE: u16 = RW | ACCESS | UPDATE;

/// `EX seconds | PX milliseconds | EXAT … | PXAT … | PERSIST`
const EXPIRATION: Arg = one_of(
    "expiration",
    &[
        integer("seconds").after("EX"),
        integer("milliseconds").after("PX"),
        unix_time("unix-time-seconds").after("EXAT"),
        unix_time("unix-time-milliseconds").after("PXAT"),
        word("persist", "PERSIST"),
    ],
);

pub(in crate::command::spec) const COMMANDS: &[CommandSpec] = &[
    cmd("append", 3, WRITE | DENYOOM | FAST, STRING)
        .keys(&[at(1, RW | INSERT)])
        .doc("2.0.0", "Adds bytes at the end of a string; a missing key counts as empty.", "O(1)")
        .args(&[KEY, string("value")]),
    cmd("decr", 2, WRITE | DENYOOM | FAST, STRING)
        .keys(&[at(1, READ_WRITE)])
        .doc("1.0.0", "Subtracts one from an integer; a missing key counts as 0.", "O(1)")
        .args(&[KEY]),
    cmd("decrby", 3, WRITE | DENYOOM | FAST, STRING)
        .keys(&[at(1, READ_WRITE)])
        .doc("1.0.0", "Subtracts from an integer; a missing key counts as 0.", "O(1)")
        .args(&[KEY, integer("decrement")]),
    cmd("get", 2, READONLY | FAST, STRING)
        .keys(&[at(1, RO | ACCESS)])
        .doc("1.0.0", "The string at a key.", "O(1)")
        .args(&[KEY]),
    cmd("getdel", 2, WRITE | FAST, STRING)
        .keys(&[at(1, RW | ACCESS | DELETE)])
        .doc("6.2.0", "The string at a key, which is deleted.", "O(1)")
        .args(&[KEY]),
    cmd("getex", -2, WRITE | FAST, STRING)
        .keys(&[at(1, READ_WRITE).note("RW and UPDATE since the expiry may change")])
        .doc("6.2.0", "The string at a key, whose expiry is set or removed.", "O(1)")
        .args(&[KEY, EXPIRATION.opt()]),
    cmd("getrange", 4, READONLY, STRING)
        .keys(&[at(1, RO | ACCESS)])
        .doc("2.4.0", "Part of a string, by positions of its first and last byte.", "O(N) in the bytes returned")
        .args(&[KEY, integer("start"), integer("end")]),
    cmd("getset", 3, WRITE | DENYOOM | FAST, STRING)
        .keys(&[at(1, READ_WRITE)])
        .doc("1.0.0", "Sets a string and returns the one before.", "O(1)")
        .deprecated("6.2.0", "`SET` with the `!GET` argument")
        .args(&[KEY, string("value")]),
    cmd("incr", 2, WRITE | DENYOOM | FAST, STRING)
        .keys(&[at(1, READ_WRITE)])
        .doc("1.0.0", "Adds one to an integer; a missing key counts as 0.", "O(1)")
        .args(&[KEY]),
    cmd("incrby", 3, WRITE | DENYOOM | FAST, STRING)
        .keys(&[at(1, READ_WRITE)])
        .doc("1.0.0", "Adds to an integer; a missing key counts as 0.", "O(1)")
        .args(&[KEY, integer("increment")]),
    cmd("incrbyfloat", 3, WRITE | DENYOOM | FAST, STRING)
        .keys(&[at(1, READ_WRITE)])
        .doc("2.6.0", "Adds to a decimal number; a missing key counts as 0.", "O(1)")
        .args(&[KEY, double("increment")]),
    cmd("lcs", -3, READONLY, STRING)
        .keys(&[span(1, 1, 1, RO | ACCESS)])
        .doc("7.0.0", "The longest common subsequence of two strings.", "O(N*M) in the lengths of the strings")
        .args(&[
            key("key1"),
            key("key2"),
            word("len", "LEN").opt(),
            word("idx", "IDX").opt(),
            integer("min-match-len").after("MINMATCHLEN").opt(),
            word("withmatchlen", "WITHMATCHLEN").opt(),
        ]),
    cmd("mget", -2, READONLY | FAST, STRING)
        .keys(&[span(1, -1, 1, RO | ACCESS)])
        .tips(&["request_policy:multi_shard"])
        .doc("1.0.0", "The strings at several keys at one moment.", "O(N) in the keys")
        .args(&[KEYS]),
    cmd("mset", -3, WRITE | DENYOOM, STRING)
        .keys(&[span(1, -1, 2, OW | UPDATE)])
        .tips(&["request_policy:multi_shard", "response_policy:all_succeeded"])
        .doc("1.0.1", "Sets several strings at one moment.", "O(N) in the keys")
        .args(&[block("data", &[KEY, string("value")]).many()]),
    cmd("msetnx", -3, WRITE | DENYOOM, STRING)
        .keys(&[span(1, -1, 2, OW | INSERT)])
        .doc("1.0.1", "Sets several strings at one moment if none of the keys exists.", "O(N) in the keys")
        .args(&[block("data", &[KEY, string("value")]).many()]),
    cmd("psetex", 4, WRITE | DENYOOM, STRING)
        .keys(&[at(1, OW | UPDATE)])
        .doc("2.6.0", "Sets a string that lives for some milliseconds.", "O(1)")
        .deprecated("2.6.12", "`SET` with the `PX` argument")
        .args(&[KEY, integer("milliseconds"), string("value")]),
    cmd("set", -3, WRITE | DENYOOM, STRING)
        .keys(&[at(1, RW | ACCESS | UPDATE | VARIABLE_FLAGS).note("RW and ACCESS only with GET")])
        .finder(KeyFinder::Set)
        .doc("1.0.0", "Sets a string, whatever the key held before.", "O(1)")
        .history(&[
            ("2.6.12", "EX, PX, NX and XX."),
            ("6.0.0", "KEEPTTL."),
            ("6.2.0", "GET, EXAT and PXAT."),
            ("7.0.0", "NX and GET together."),
        ])
        .args(&[
            KEY,
            string("value"),
            NX_OR_XX.since("2.6.12"),
            word("get", "GET").since("6.2.0").opt(),
            one_of(
                "expiration",
                &[
                    integer("seconds").after("EX").since("2.6.12"),
                    integer("milliseconds").after("PX").since("2.6.12"),
                    unix_time("unix-time-seconds").after("EXAT").since("6.2.0"),
                    unix_time("unix-time-milliseconds").after("PXAT").since("6.2.0"),
                    word("keepttl", "KEEPTTL").since("6.0.0"),
                ],
            )
            .opt(),
        ]),
    cmd("setex", 4, WRITE | DENYOOM, STRING)
        .keys(&[at(1, OW | UPDATE)])
        .doc("2.0.0", "Sets a string that lives for some seconds.", "O(1)")
        .deprecated("2.6.12", "`SET` with the `EX` argument")
        .args(&[KEY, integer("seconds"), string("value")]),
    cmd("setnx", 3, WRITE | DENYOOM | FAST, STRING)
        .keys(&[at(1, OW | INSERT)])
        .doc("1.0.0", "Sets a string if the key does not exist.", "O(1)")
        .deprecated("2.6.12", "`SET` with the `NX` argument")
        .args(&[KEY, string("value")]),
    cmd("setrange", 4, WRITE | DENYOOM, STRING)
        .keys(&[at(1, RW | UPDATE)])
        .doc(
            "2.2.0",
            "Overwrites part of a string, which grows with zero bytes if need be.",
            "O(N) in the bytes written; O(1) for short ones",
        )
        .args(&[KEY, integer("offset"), string("value")]),
    cmd("strlen", 2, READONLY | FAST, STRING)
        .keys(&[at(1, RO)])
        .doc("2.2.0", "The length of a string in bytes.", "O(1)")
        .args(&[KEY]),
    cmd("substr", 4, READONLY, STRING)
        .keys(&[at(1, RO | ACCESS)])
        .doc("1.0.0", "Part of a string, by positions of its first and last byte.", "O(N) in the bytes returned")
        .deprecated("2.0.0", "`GETRANGE`")
        .args(&[KEY, integer("start"), integer("end")]),
];
