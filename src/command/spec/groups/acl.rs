//! ACL.

use crate::command::spec::row::*;

const OPEN: u32 = NOSCRIPT | LOADING | STALE | SENTINEL;
const ADMINS: u32 = OPEN | ADMIN;

pub(super) const ACL: CommandSpec =
    container("acl", SENTINEL, "6.0.0", "Commands about users and their rights.", SUBCOMMANDS).help(&[
        "CAT [<category>]",
        "    List the categories, or the commands in one of them.",
        "DELUSER <username> [<username> ...]",
        "    Delete users and close their connections.",
        "DRYRUN <username> <command> [<arg> ...]",
        "    Show whether the user may run this command, without running it.",
        "GETUSER <username>",
        "    Show what a user may do.",
        "GENPASS [<bits>]",
        "    Make up a password of this many bits (256 if not given).",
        "LIST",
        "    List all users in the form of the configuration file.",
        "LOAD",
        "    Read the users from the ACL file again.",
        "LOG [<count> | RESET]",
        "    Show the latest refusals, or forget them.",
        "SAVE",
        "    Write the users to the ACL file.",
        "SETUSER <username> <attribute> [<attribute> ...]",
        "    Make a user, or change one.",
        "USERS",
        "    List the names of all users.",
        "WHOAMI",
        "    Show the user that this connection is logged in as.",
    ]);

const SUBCOMMANDS: &[CommandSpec] = &[
    cmd("acl|cat", -2, OPEN, PLAIN)
        .doc("6.0.0", "The categories, or the commands in one of them.", "O(N) in categories or commands")
        .args(&[string("category").opt()]),
    cmd("acl|deluser", -3, ADMINS, PLAIN)
        .tips(ALL_NODES)
        .doc("6.0.0", "Deletes users and closes their connections.", "O(1) per user")
        .args(&[string("username").many()]),
    cmd("acl|dryrun", -4, ADMINS, PLAIN)
        .doc("7.0.0", "Whether a user may run a command, without running it.", "O(1)")
        .args(&[string("username"), string("command"), string("arg").opt().many()]),
    cmd("acl|genpass", -2, OPEN, PLAIN).doc("6.0.0", "Makes up a password.", "O(1)").args(&[integer("bits").opt()]),
    cmd("acl|getuser", 3, ADMINS, PLAIN)
        .doc("6.0.0", "What a user may do.", "O(N) in the rules")
        .history(&[("6.2.0", "Channel patterns."), ("7.0.0", "Selectors; key and channel patterns as strings.")])
        .args(&[string("username")]),
    help("acl|help", SENTINEL, PLAIN, "6.0.0"),
    cmd("acl|list", 2, ADMINS, PLAIN).doc(
        "6.0.0",
        "All users in the form of the configuration file.",
        "O(N) in the users",
    ),
    cmd("acl|load", 2, ADMINS, PLAIN).doc("6.0.0", "Reads the users from the ACL file again.", "O(N) in the users"),
    cmd("acl|log", -2, ADMINS, PLAIN)
        .doc("6.0.0", "The latest refusals.", "O(N) in the entries shown")
        .history(&[("7.2.0", "entry-id, timestamp-created and timestamp-last-updated.")])
        .args(&[one_of("operation", &[integer("count"), word("reset", "RESET")]).opt()]),
    cmd("acl|save", 2, ADMINS, PLAIN).tips(ALL_NODES).doc(
        "6.0.0",
        "Writes the users to the ACL file.",
        "O(N) in the users",
    ),
    cmd("acl|setuser", -3, ADMINS, PLAIN)
        .tips(ALL_NODES)
        .doc("6.0.0", "Makes or changes a user.", "O(N) in the rules")
        .history(&[("6.2.0", "Channel patterns."), ("7.0.0", "Selectors and key permissions.")])
        .args(&[string("username"), string("rule").opt().many()]),
    cmd("acl|users", 2, ADMINS, PLAIN).doc("6.0.0", "The names of all users.", "O(N) in the users"),
    cmd("acl|whoami", 2, OPEN, PLAIN).doc("6.0.0", "The user this connection is logged in as.", "O(1)"),
];
