//! The words that the rows of the command table are written in.

pub(super) use super::Arg;
pub(super) use super::command::{CommandSpec, KeyFinder};
use super::{AclCategories, ArgKind, BeginSearch, FindKeys, Flags, KeyFlags, KeySpec};

/// Command flags, key flags and ACL categories as plain numbers, so that a row can join them with `|`.
macro_rules! numbers {
    ($kind:ident $number:ty: $($name:ident)*) => {
        $(pub(super) const $name: $number = $kind::$name.0;)*
    };
}

numbers! { Flags u32:
    WRITE READONLY DENYOOM ADMIN PUBSUB NOSCRIPT
    BLOCKING LOADING STALE SKIP_MONITOR SKIP_SLOWLOG
    ASKING FAST NO_AUTH NO_MANDATORY_KEYS
    NO_ASYNC_LOADING NO_MULTI ALLOW_BUSY MAY_REPLICATE
    SENTINEL PROTECTED
    TOUCHES_ARBITRARY_KEYS
}

numbers! { AclCategories u32:
    KEYSPACE SET SORTEDSET LIST HASH STRING BITMAP
    HYPERLOGLOG GEO STREAM CONNECTION TRANSACTION
    SCRIPTING DANGEROUS
}

/// The category `@admin`; `ADMIN` is the flag.
pub(super) const AS_ADMIN: u32 = AclCategories::ADMIN.0;

/// No category beyond those that the flags imply.
pub(super) const PLAIN: u32 = 0;

numbers! { KeyFlags u16:
    RO RW OW RM ACCESS UPDATE INSERT DELETE
    NOT_KEY INCOMPLETE VARIABLE_FLAGS
}

/// A command: name, arity, flags, categories.
pub(super) const fn cmd(name: &'static str, arity: i32, flags: u32, categories: u32) -> CommandSpec {
    CommandSpec::new(name, arity, flags, categories)
}

/// A container of subcommands, which does nothing by itself.
pub(super) const fn container(
    name: &'static str,
    flags: u32,
    since: &'static str,
    summary: &'static str,
    subcommands: &'static [CommandSpec],
) -> CommandSpec {
    cmd(name, -2, flags, PLAIN).doc(since, summary, "Depends on the subcommand").subcommands(subcommands)
}

/// The HELP of a container.
pub(super) const fn help(name: &'static str, flags: u32, categories: u32, since: &'static str) -> CommandSpec {
    cmd(name, 2, LOADING | STALE | flags, categories).doc(since, "Lists the subcommands.", "O(1)")
}

/// One key, at `index`.
pub(super) const fn at(index: i16, flags: u16) -> KeySpec {
    span(index, 0, 1, flags)
}

/// Keys from `index` on, every `step`th, to `last`: relative to the first, or to the end if negative.
pub(super) const fn span(index: i16, last: i16, step: i16, flags: u16) -> KeySpec {
    KeySpec {
        begin: BeginSearch::Index(index),
        find: FindKeys::Range { last, step, limit: 0 },
        flags: KeyFlags(flags),
        notes: "",
    }
}

/// The number of keys at `index` and the keys behind it.
pub(super) const fn counted(index: i16, flags: u16) -> KeySpec {
    KeySpec {
        begin: BeginSearch::Index(index),
        find: FindKeys::KeyNum { num: 0, first: 1, step: 1 },
        flags: KeyFlags(flags),
        notes: "",
    }
}

/// Keys behind a keyword.
pub(super) const fn behind(
    keyword: &'static str,
    start_from: i16,
    last: i16,
    step: i16,
    limit: i16,
    flags: u16,
) -> KeySpec {
    KeySpec {
        begin: BeginSearch::Keyword { keyword, start_from },
        find: FindKeys::Range { last, step, limit },
        flags: KeyFlags(flags),
        notes: "",
    }
}

/// Keys that only the command itself can tell.
pub(super) const fn hidden(flags: u16, notes: &'static str) -> KeySpec {
    KeySpec { begin: BeginSearch::Unknown, find: FindKeys::Unknown, flags: KeyFlags(flags), notes }
}

/// A key, found by the first key specification.
pub(super) const fn key(name: &'static str) -> Arg {
    Arg::new(name, ArgKind::Key).spec(0)
}

pub(super) const fn string(name: &'static str) -> Arg {
    Arg::new(name, ArgKind::String)
}

pub(super) const fn integer(name: &'static str) -> Arg {
    Arg::new(name, ArgKind::Integer)
}

pub(super) const fn double(name: &'static str) -> Arg {
    Arg::new(name, ArgKind::Double)
}

pub(super) const fn pattern(name: &'static str) -> Arg {
    Arg::new(name, ArgKind::Pattern)
}

pub(super) const fn unix_time(name: &'static str) -> Arg {
    Arg::new(name, ArgKind::UnixTime)
}

/// A word that stands for itself.
pub(super) const fn word(name: &'static str, token: &'static str) -> Arg {
    Arg::new(name, ArgKind::PureToken).after(token)
}

/// One of several.
pub(super) const fn one_of(name: &'static str, choices: &'static [Arg]) -> Arg {
    let mut arg = Arg::new(name, ArgKind::OneOf);
    arg.nested = choices;
    arg
}

/// Several that belong together.
pub(super) const fn block(name: &'static str, parts: &'static [Arg]) -> Arg {
    let mut arg = Arg::new(name, ArgKind::Block);
    arg.nested = parts;
    arg
}

pub(super) const KEY: Arg = key("key");
pub(super) const KEYS: Arg = key("key").many();

/// `NX | XX | GT | LT`
pub(super) const EXPIRE_CONDITION: Arg =
    one_of("condition", &[word("nx", "NX"), word("xx", "XX"), word("gt", "GT"), word("lt", "LT")]).opt();

/// `NX | XX`
pub(super) const NX_OR_XX: Arg = one_of("condition", &[word("nx", "NX"), word("xx", "XX")]).opt();

/// `LEFT | RIGHT`
pub(super) const SIDES: &[Arg] = &[word("left", "LEFT"), word("right", "RIGHT")];

/// `MIN | MAX`
pub(super) const ENDS: &[Arg] = &[word("min", "MIN"), word("max", "MAX")];

/// `ON | OFF`
pub(super) const ON_OFF: &[Arg] = &[word("on", "ON"), word("off", "OFF")];

/// `ASYNC | SYNC`
pub(super) const FLUSH_TYPE: Arg = one_of("flush-type", &[word("async", "ASYNC"), word("sync", "SYNC")]).opt();

/// `[ASC | DESC]`
pub(super) const ORDER: Arg = one_of("order", &[word("asc", "ASC"), word("desc", "DESC")]).opt();

/// `offset count`
pub(super) const OFFSET_COUNT: Arg = block("limit", &[integer("offset"), integer("count")]).after("LIMIT").opt();

/// `[COUNT count]`
pub(super) const COUNT: Arg = integer("count").after("COUNT").opt();

/// `[MATCH pattern]`
pub(super) const MATCH: Arg = pattern("pattern").after("MATCH").opt();

/// Ask every shard and add the numbers up; each gets the keys that it owns.
pub(super) const SPLIT_AND_SUM: &[&str] = &["request_policy:multi_shard", "response_policy:agg_sum"];
/// Ask every node, all must succeed.
pub(super) const ALL_NODES: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];
/// Ask every shard, all must succeed.
pub(super) const ALL_SHARDS: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];
/// The same request may be answered otherwise next time.
pub(super) const RANDOM: &[&str] = &["nondeterministic_output"];
/// The order of the answer's elements may change.
pub(super) const RANDOM_ORDER: &[&str] = &["nondeterministic_output_order"];
