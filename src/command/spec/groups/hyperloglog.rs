//! HyperLogLogs, held in strings.

use crate::command::spec::row::*;

pub(in crate::command::spec) const COMMANDS: &[CommandSpec] = &[
    cmd("pfadd", -2, WRITE | DENYOOM | FAST, HYPERLOGLOG)
        .keys(&[at(1, RW | INSERT)])
        .doc("2.8.9", "Adds elements.", "O(1) per element")
        .args(&[KEY, string("element").opt().many()]),
    cmd("pfcount", -2, READONLY | MAY_REPLICATE, HYPERLOGLOG)
        .keys(&[span(1, -1, 1, RW | ACCESS).note("RW since the count is kept in the value")])
        .doc("2.8.9", "About how many different elements were added.", "O(1) for one key; O(N) in the keys")
        .args(&[KEYS]),
    cmd("pfdebug", 3, WRITE | DENYOOM | ADMIN, HYPERLOGLOG)
        .keys(&[at(2, RW | ACCESS)])
        .doc("2.8.9", "Shows the inside of a HyperLogLog.", "Depends on the subcommand")
        .syscmd()
        .args(&[string("subcommand"), KEY]),
    cmd("pfmerge", -2, WRITE | DENYOOM, HYPERLOGLOG)
        .keys(&[at(1, RW | ACCESS | INSERT), span(2, -1, 1, RO | ACCESS)])
        .doc("2.8.9", "Merges HyperLogLogs into one.", "O(N) in the keys")
        .args(&[key("destkey"), key("sourcekey").spec(1).opt().many()]),
    cmd("pfselftest", 1, ADMIN, HYPERLOGLOG).doc("2.8.9", "Tests the HyperLogLog code.", "Not bounded").syscmd(),
];
