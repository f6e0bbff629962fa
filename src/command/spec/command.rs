//! One row of the command table.

use super::{AclCategories, Arg, BeginSearch, FindKeys, Flags, KeyFlags, KeySpec};

/// A command's number in the table: top-level commands from 0 on, then all subcommands, without gaps. Handler tables are
/// indexed by it. Not stable from one build to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandId(pub u16);

impl CommandId {
    /// The number as an index.
    #[inline]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The row.
    #[inline]
    pub fn spec(self) -> &'static CommandSpec {
        match self.index().checked_sub(super::COMMANDS.len()) {
            None => &super::COMMANDS[self.index()],
            Some(index) => &super::SUBCOMMANDS[index],
        }
    }
}

/// The family a command is documented under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Group {
    Bitmap,
    Cluster,
    Connection,
    Generic,
    Geo,
    Hash,
    HyperLogLog,
    List,
    PubSub,
    Scripting,
    Sentinel,
    Server,
    Set,
    SortedSet,
    Stream,
    String,
    Transactions,
}

impl Group {
    /// The name in COMMAND DOCS.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Bitmap => "bitmap",
            Group::Cluster => "cluster",
            Group::Connection => "connection",
            Group::Generic => "generic",
            Group::Geo => "geo",
            Group::Hash => "hash",
            Group::HyperLogLog => "hyperloglog",
            Group::List => "list",
            Group::PubSub => "pubsub",
            Group::Scripting => "scripting",
            Group::Sentinel => "sentinel",
            Group::Server => "server",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Stream => "stream",
            Group::String => "string",
            Group::Transactions => "transactions",
        }
    }
}

/// Remarks on a command's documentation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DocFlags {
    /// Should no longer be used.
    pub deprecated: bool,
    /// Not meant for users.
    pub syscmd: bool,
}

impl DocFlags {
    /// The names that COMMAND DOCS prints.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        [(self.deprecated, "deprecated"), (self.syscmd, "syscmd")]
            .into_iter()
            .filter_map(|(set, name)| set.then_some(name))
    }
}

/// First key, last key and step, as COMMAND INFO has had them since the beginning. All 0 if there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyRange {
    /// Position of the first key; the command's name is 0.
    pub first: i16,
    /// Position of the last key; negative ones count from the end (-1 is the last argument).
    pub last: i16,
    /// Distance from one key to the next.
    pub step: i16,
}

/// The commands whose keys, or what is done to them, the key specifications do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFinder {
    /// The specifications tell all.
    Specs,
    /// SET: what is done depends on GET.
    Set,
    /// BITFIELD: reads only if it consists of GETs.
    BitField,
    /// SORT: STORE may stand anywhere, the last one counts.
    Sort,
    /// SORT_RO: one key; those made by BY and GET are not known.
    SortRo,
    /// MIGRATE: one key, or after KEYS if that is empty.
    Migrate,
    /// GEORADIUS and GEORADIUSBYMEMBER: options from this position on may hold STORE or STOREDIST.
    GeoRadius(u8),
}

/// One command or subcommand.
#[derive(Clone, Copy, Debug)]
pub struct CommandSpec {
    /// Lower case; `config|get` for a subcommand.
    pub name: &'static str,
    /// Its number.
    pub id: CommandId,
    /// For a subcommand, the command that it belongs to.
    pub container: Option<CommandId>,
    /// Number of arguments, all names included; `-n` means n or more.
    pub arity: i32,
    /// What it may do and when it may run.
    pub flags: Flags,
    /// All its ACL categories, those that the flags imply included.
    pub categories: AclCategories,
    /// Where its keys stand.
    pub keys: &'static [KeySpec],
    /// The same in the old form, as far as that can say it.
    pub key_range: KeyRange,
    /// How to find the keys where `keys` does not tell.
    pub key_finder: KeyFinder,
    /// The family.
    pub group: Group,
    /// The version that brought it.
    pub since: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Its cost.
    pub complexity: &'static str,
    /// Versions that changed it, and how.
    pub history: &'static [(&'static str, &'static str)],
    /// Hints for clients and proxies (<https://redis.io/docs/latest/develop/reference/command-tips/>).
    pub tips: &'static [&'static str],
    /// Remarks on the documentation.
    pub doc_flags: DocFlags,
    /// The version from which on it should no longer be used.
    pub deprecated_since: Option<&'static str>,
    /// What to use instead.
    pub replaced_by: Option<&'static str>,
    /// The arguments after its name.
    pub args: &'static [Arg],
    /// The subcommands, if it is a container.
    pub subcommands: &'static [CommandSpec],
    /// For a container: the lines that its HELP prints between the first and the last ones.
    pub help: &'static [&'static str],
}

impl CommandSpec {
    /// Whether `count` arguments, the names included, suit the arity.
    #[inline]
    pub const fn accepts(&self, count: usize) -> bool {
        if self.arity >= 0 { count == self.arity as usize } else { count >= self.arity.unsigned_abs() as usize }
    }

    /// The part of the name after `|`, or the whole name.
    pub fn own_name(&self) -> &'static str {
        self.name.split_once('|').map_or(self.name, |(_, own)| own)
    }

    /// Whether it has subcommands.
    #[inline]
    pub const fn is_container(&self) -> bool {
        !self.subcommands.is_empty()
    }

    /// The subcommand of that name, ignoring ASCII case.
    pub fn subcommand(&self, name: &[u8]) -> Option<&'static CommandSpec> {
        self.subcommands.iter().find(|sub| {
            let own = &sub.name.as_bytes()[self.name.len() + 1..];
            own.len() == name.len() && own.eq_ignore_ascii_case(name)
        })
    }

    /// First key, last key and step, if these tell all keys: no more work is needed to route the command.
    /// Negative `last` counts from the end of the arguments.
    #[inline]
    pub const fn simple_range(&self) -> Option<(i16, i16, i16)> {
        if self.key_range.first == 0 || self.flags.any(Flags(Flags::MOVABLE_KEYS.0 | Flags::PUBSUB.0)) {
            return None;
        }
        Some((self.key_range.first, self.key_range.last, self.key_range.step))
    }

    /// Whether any argument can be a key. Shard channels are not.
    pub fn has_keys(&self) -> bool {
        self.keys.iter().any(|spec| !spec.flags.has(KeyFlags::NOT_KEY))
    }

    pub(super) const fn new(name: &'static str, arity: i32, flags: u32, categories: u32) -> CommandSpec {
        CommandSpec {
            name,
            id: CommandId(u16::MAX),
            container: None,
            arity,
            flags: Flags(flags),
            categories: AclCategories(categories).implied_by(Flags(flags)),
            keys: &[],
            key_range: KeyRange { first: 0, last: 0, step: 0 },
            key_finder: KeyFinder::Specs,
            group: Group::Generic,
            since: "",
            summary: "",
            complexity: "",
            history: &[],
            tips: &[],
            doc_flags: DocFlags { deprecated: false, syscmd: false },
            deprecated_since: None,
            replaced_by: None,
            args: &[],
            subcommands: &[],
            help: &[],
        }
    }

    /// Since which version, what it does, what it costs.
    pub(super) const fn doc(mut self, since: &'static str, summary: &'static str, complexity: &'static str) -> Self {
        self.since = since;
        self.summary = summary;
        self.complexity = complexity;
        self
    }

    /// Sets the key specifications, and what follows from them.
    pub(super) const fn keys(mut self, keys: &'static [KeySpec]) -> Self {
        self.keys = keys;
        let (range, movable) = range_of(keys);
        self.key_range = range;
        if movable {
            self.flags = self.flags.with(Flags::MOVABLE_KEYS);
        }
        self
    }

    /// Sets how to find keys where the specifications do not tell.
    pub(super) const fn finder(mut self, finder: KeyFinder) -> Self {
        self.key_finder = finder;
        self
    }

    /// Sets the command tips.
    pub(super) const fn tips(mut self, tips: &'static [&'static str]) -> Self {
        self.tips = tips;
        self
    }

    /// Sets the history.
    pub(super) const fn history(mut self, history: &'static [(&'static str, &'static str)]) -> Self {
        self.history = history;
        self
    }

    /// Sets the arguments.
    pub(super) const fn args(mut self, args: &'static [Arg]) -> Self {
        self.args = args;
        self
    }

    /// Marks it as deprecated.
    pub(super) const fn deprecated(mut self, since: &'static str, replaced_by: &'static str) -> Self {
        self.doc_flags.deprecated = true;
        self.deprecated_since = Some(since);
        self.replaced_by = Some(replaced_by);
        self
    }

    /// Marks it as not meant for users.
    pub(super) const fn syscmd(mut self) -> Self {
        self.doc_flags.syscmd = true;
        self
    }

    /// Makes it a container.
    pub(super) const fn subcommands(mut self, subcommands: &'static [CommandSpec]) -> Self {
        self.subcommands = subcommands;
        self
    }

    /// Sets the lines of HELP.
    pub(super) const fn help(mut self, lines: &'static [&'static str]) -> Self {
        self.help = lines;
        self
    }
}

/// First, last and step that cover `keys` as far as they lie side by side, and whether that leaves keys out.
const fn range_of(keys: &[KeySpec]) -> (KeyRange, bool) {
    let mut range = KeyRange { first: 0, last: 0, step: 0 };
    let mut movable = false;
    let mut i = 0;
    while i < keys.len() {
        let spec = &keys[i];
        i += 1;
        match (spec.begin, spec.find) {
            (BeginSearch::Index(first), FindKeys::Range { last, step, limit: 0 | 1 }) => {
                let last = if last >= 0 { first + last } else { last };
                let follows = range.last > 0 && range.last == first - 1 && step == range.step;
                if range.first == 0 {
                    range = KeyRange { first, last, step };
                } else if follows {
                    range.last = last;
                } else {
                    movable = true;
                }
                if spec.flags.has(KeyFlags::INCOMPLETE) {
                    movable = true;
                }
            }
            _ => movable = true,
        }
    }
    (range, movable)
}
