//! Transactions.

use crate::command::spec::row::*;

const FLAGS: u32 = NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY;

pub(in crate::command::spec) const COMMANDS: &[CommandSpec] = &[
    cmd("discard", 1, FLAGS, TRANSACTION).doc(
        "2.0.0",
        "Drops the queued commands and ends the transaction.",
        "O(N) in the commands queued",
    ),
    cmd("exec", 1, NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG, TRANSACTION).doc(
        "1.2.0",
        "Runs the queued commands as one.",
        "As the queued commands",
    ),
    cmd("multi", 1, FLAGS, TRANSACTION).doc("1.2.0", "Begins a transaction: what follows is queued.", "O(1)"),
    cmd("unwatch", 1, FLAGS, TRANSACTION).doc("2.2.0", "Forgets the watched keys.", "O(1)"),
    cmd("watch", -2, FLAGS, TRANSACTION)
        .keys(&[span(1, -1, 1, RO)])
        .doc("2.2.0", "Lets the next EXEC fail if one of the keys changes until then.", "O(N) in the keys")
        .args(&[KEYS]),
];
