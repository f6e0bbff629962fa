//! Scripts and functions.

use crate::command::spec::row::*;

const CALL: u32 = NOSCRIPT | STALE | SKIP_MONITOR | MAY_REPLICATE | NO_MANDATORY_KEYS;
const CALL_RO: u32 = NOSCRIPT | READONLY | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS;
const CALL_COST: &str = "Depends on the script";
const KEYS_RW: &[crate::command::spec::KeySpec] =
    &[counted(2, RW | ACCESS | UPDATE).note("Only the script knows; it may do all of this")];
const KEYS_RO: &[crate::command::spec::KeySpec] =
    &[counted(2, RO | ACCESS).note("Only the script knows; it may do all of this")];
const SCRIPT_ARGS: &[Arg] = &[string("script"), integer("numkeys"), KEYS.opt(), string("arg").opt().many()];
const SHA_ARGS: &[Arg] = &[string("sha1"), integer("numkeys"), KEYS.opt(), string("arg").opt().many()];
const FUNCTION_ARGS: &[Arg] = &[string("function"), integer("numkeys"), KEYS.opt(), string("arg").opt().many()];
const KILL_TIPS: &[&str] = &["request_policy:all_shards", "response_policy:one_succeeded"];

const FUNCTION_SUBCOMMANDS: &[CommandSpec] = &[
    cmd("function|delete", 3, WRITE | NOSCRIPT, SCRIPTING)
        .tips(ALL_SHARDS)
        .doc("7.0.0", "Deletes a library with its functions.", "O(1)")
        .args(&[string("library-name")]),
    cmd("function|dump", 2, NOSCRIPT, SCRIPTING).doc(
        "7.0.0",
        "All libraries in serialized form, for FUNCTION RESTORE.",
        "O(N) in the libraries",
    ),
    cmd("function|flush", -2, WRITE | NOSCRIPT, SCRIPTING)
        .tips(ALL_SHARDS)
        .doc("7.0.0", "Deletes all libraries.", "O(N) in the libraries")
        .args(&[FLUSH_TYPE]),
    help("function|help", 0, SCRIPTING, "7.0.0"),
    cmd("function|kill", 2, NOSCRIPT | ALLOW_BUSY, SCRIPTING).tips(KILL_TIPS).doc(
        "7.0.0",
        "Ends the function that runs.",
        "O(1)",
    ),
    cmd("function|list", -2, NOSCRIPT, SCRIPTING)
        .tips(RANDOM_ORDER)
        .doc("7.0.0", "The libraries and their functions.", "O(N) in the functions")
        .args(&[string("library-name-pattern").after("LIBRARYNAME").opt(), word("withcode", "WITHCODE").opt()]),
    cmd("function|load", -3, WRITE | DENYOOM | NOSCRIPT, SCRIPTING)
        .tips(ALL_SHARDS)
        .doc("7.0.0", "Makes a library from its code.", "O(1), and the cost of compiling")
        .args(&[word("replace", "REPLACE").opt(), string("function-code")]),
    cmd("function|restore", -3, WRITE | DENYOOM | NOSCRIPT, SCRIPTING)
        .tips(ALL_SHARDS)
        .doc("7.0.0", "Makes libraries from what FUNCTION DUMP returned.", "O(N) in the libraries")
        .args(&[
            string("serialized-value"),
            one_of("policy", &[word("flush", "FLUSH"), word("append", "APPEND"), word("replace", "REPLACE")]).opt(),
        ]),
    cmd("function|stats", 2, NOSCRIPT | ALLOW_BUSY, SCRIPTING)
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .doc("7.0.0", "The function that runs, and the engines.", "O(1)"),
];

const SCRIPT_SUBCOMMANDS: &[CommandSpec] = &[
    cmd("script|debug", 3, NOSCRIPT, SCRIPTING)
        .doc("3.2.0", "Sets how EVAL debugs scripts on this connection.", "O(1)")
        .args(&[one_of("mode", &[word("yes", "YES"), word("sync", "SYNC"), word("no", "NO")])]),
    cmd("script|exists", -3, NOSCRIPT, SCRIPTING)
        .tips(&["request_policy:all_shards", "response_policy:agg_logical_and"])
        .doc("2.6.0", "Which scripts are known.", "O(N) in the scripts asked for")
        .args(&[string("sha1").many()]),
    cmd("script|flush", -2, NOSCRIPT, SCRIPTING)
        .tips(ALL_NODES)
        .doc("2.6.0", "Forgets all scripts.", "O(N) in the scripts")
        .history(&[("6.2.0", "ASYNC and SYNC.")])
        .args(&[FLUSH_TYPE.since("6.2.0")]),
    help("script|help", 0, SCRIPTING, "5.0.0"),
    cmd("script|kill", 2, NOSCRIPT | ALLOW_BUSY, SCRIPTING).tips(KILL_TIPS).doc(
        "2.6.0",
        "Ends the script that runs.",
        "O(1)",
    ),
    cmd("script|load", 3, NOSCRIPT | STALE, SCRIPTING)
        .tips(ALL_NODES)
        .doc("2.6.0", "Keeps a script for EVALSHA.", "O(N) in the script's length")
        .args(&[string("script")]),
    cmd("script|show", 3, NOSCRIPT | STALE, SCRIPTING)
        .doc("8.0.0", "A script's source.", "O(1)")
        .args(&[string("sha1")]),
];

pub(in crate::command::spec) const COMMANDS: &[CommandSpec] = &[
    cmd("eval", -3, CALL, SCRIPTING).keys(KEYS_RW).doc("2.6.0", "Runs a script.", CALL_COST).args(SCRIPT_ARGS),
    cmd("eval_ro", -3, CALL_RO, SCRIPTING)
        .keys(KEYS_RO)
        .doc("7.0.0", "Runs a script that only reads.", CALL_COST)
        .args(SCRIPT_ARGS),
    cmd("evalsha", -3, CALL, SCRIPTING)
        .keys(KEYS_RW)
        .doc("2.6.0", "Runs a script that is known already.", CALL_COST)
        .args(SHA_ARGS),
    cmd("evalsha_ro", -3, CALL_RO, SCRIPTING)
        .keys(KEYS_RO)
        .doc("7.0.0", "Runs a script that is known already and only reads.", CALL_COST)
        .args(SHA_ARGS),
    cmd("fcall", -3, CALL, SCRIPTING).keys(KEYS_RW).doc("7.0.0", "Calls a function.", CALL_COST).args(FUNCTION_ARGS),
    cmd("fcall_ro", -3, CALL_RO, SCRIPTING)
        .keys(KEYS_RO)
        .doc("7.0.0", "Calls a function that only reads.", CALL_COST)
        .args(FUNCTION_ARGS),
    container("function", 0, "7.0.0", "Commands about functions.", FUNCTION_SUBCOMMANDS).help(&[
        "LOAD [REPLACE] <FUNCTION CODE>",
        "    Make a library from its code.",
        "DELETE <LIBRARY NAME>",
        "    Delete a library.",
        "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
        "    Describe all libraries, or those whose name matches:",
        "    * name and engine",
        "    * functions with their descriptions and flags",
        "    * code, if WITHCODE is given",
        "STATS",
        "    Describe the function that runs:",
        "    * its name",
        "    * the command that called it",
        "    * for how many milliseconds it has been running",
        "    If none runs, answer nil. Describe the engines too.",
        "KILL",
        "    End the function that runs, unless it has written.",
        "FLUSH [ASYNC|SYNC]",
        "    Delete all libraries:",
        "    * ASYNC: free the memory in the background.",
        "    * SYNC: free the memory before answering.",
        "DUMP",
        "    Show all libraries in the form that FUNCTION RESTORE takes.",
        "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
        "    Make libraries from what FUNCTION DUMP returned. The policy says what becomes of others:",
        "    * FLUSH: delete them all.",
        "    * APPEND: keep them; it is an error if a name is taken (default).",
        "    * REPLACE: keep them; replace those whose name is taken.",
    ]),
    container("script", 0, "2.6.0", "Commands about scripts.", SCRIPT_SUBCOMMANDS).help(&[
        "DEBUG (YES|SYNC|NO)",
        "    Set how scripts are debugged on this connection.",
        "EXISTS <sha1> [<sha1> ...]",
        "    Show which of these scripts are known.",
        "FLUSH [ASYNC|SYNC]",
        "    Forget all scripts:",
        "    * ASYNC: free the memory in the background.",
        "    * SYNC: free the memory before answering.",
        "KILL",
        "    End the script that runs, unless it has written.",
        "LOAD <script>",
        "    Keep a script without running it.",
        "SHOW <sha1>",
        "    Show a script's source.",
    ]),
];
