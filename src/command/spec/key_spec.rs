//! Key specifications: where a command's keys stand and what it does to them
//! (<https://redis.io/docs/latest/develop/reference/key-specs/>).

/// What a command does to a key. Bits stand in the order in which COMMAND INFO prints them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyFlags(pub u16);

impl KeyFlags {
    /// Reads the value, and leaves it as it is.
    pub const RO: KeyFlags = KeyFlags(1);
    /// Changes the value; the result may depend on what it was.
    pub const RW: KeyFlags = KeyFlags(1 << 1);
    /// Replaces the value whatever it was.
    pub const OW: KeyFlags = KeyFlags(1 << 2);
    /// Removes the key.
    pub const RM: KeyFlags = KeyFlags(1 << 3);
    /// Gives user data of the value back, or copies it.
    pub const ACCESS: KeyFlags = KeyFlags(1 << 4);
    /// May change data in the value.
    pub const UPDATE: KeyFlags = KeyFlags(1 << 5);
    /// Adds data and changes or removes none.
    pub const INSERT: KeyFlags = KeyFlags(1 << 6);
    /// Removes data explicitly.
    pub const DELETE: KeyFlags = KeyFlags(1 << 7);
    /// Not a key; routed as if it were one (shard channels).
    pub const NOT_KEY: KeyFlags = KeyFlags(1 << 8);
    /// The specification may miss keys.
    pub const INCOMPLETE: KeyFlags = KeyFlags(1 << 9);
    /// The flags depend on the other arguments.
    pub const VARIABLE_FLAGS: KeyFlags = KeyFlags(1 << 10);

    const NAMES: [&'static str; 11] =
        ["RO", "RW", "OW", "RM", "access", "update", "insert", "delete", "not_key", "incomplete", "variable_flags"];

    /// Whether all flags of `other` are set.
    #[inline]
    pub const fn has(self, other: KeyFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the key is only read.
    #[inline]
    pub const fn is_read(self) -> bool {
        self.has(KeyFlags::RO)
    }

    /// The names that COMMAND INFO prints, in its order.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        Self::NAMES.iter().enumerate().filter(move |(bit, _)| self.0 & (1 << bit) != 0).map(|(_, name)| *name)
    }
}

/// Where the arguments begin that hold keys. Positions count from the command's name, which is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeginSearch {
    /// At this argument. For a subcommand, the container's name is 0 and its own name 1.
    Index(i16),
    /// After the argument that equals `keyword`, sought from `start_from` on (from the end, backwards, if negative).
    Keyword {
        /// The keyword, in upper case.
        keyword: &'static str,
        /// Where the search starts.
        start_from: i16,
    },
    /// Only the command itself can tell.
    Unknown,
}

/// Which arguments from there on are keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindKeys {
    /// Every `step`th one up to the last.
    Range {
        /// The last key relative to the first one if not negative, else relative to the number of arguments.
        last: i16,
        /// Distance from one key to the next.
        step: i16,
        /// If `last` is negative: only the first `1/limit` of the remaining arguments. 0 and 1 mean all of them.
        limit: i16,
    },
    /// As many as an argument says.
    KeyNum {
        /// Where the number stands, relative to the beginning.
        num: i16,
        /// Where the first key stands, relative to the beginning.
        first: i16,
        /// Distance from one key to the next.
        step: i16,
    },
    /// Only the command itself can tell.
    Unknown,
}

/// One group of a command's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    /// Where to begin.
    pub begin: BeginSearch,
    /// How to go on.
    pub find: FindKeys,
    /// What is done to these keys.
    pub flags: KeyFlags,
    /// A remark for people, or nothing.
    pub notes: &'static str,
}

impl KeySpec {
    /// Adds a remark.
    pub(super) const fn note(mut self, notes: &'static str) -> KeySpec {
        self.notes = notes;
        self
    }
}
