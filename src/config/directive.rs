//! What a row of the directive table is made of.

/// One directive: a row of the table.
#[derive(Debug)]
pub struct Directive {
    /// Its name, in lower case.
    pub name: &'static str,
    /// Other names it answers to, in lower case.
    pub aliases: &'static [&'static str],
    /// What values it takes.
    pub kind: Kind,
    /// Its default, written as in a file.
    pub default: &'static str,
    /// Any of [`IMMUTABLE`], [`HIDDEN`], [`SENSITIVE`], [`PROTECTED`], [`NOT_LOADING`].
    pub flags: u8,
    /// What Basalt does with it.
    pub standing: Standing,
}

/// No flags: may be changed while the server runs.
pub const RUNTIME: u8 = 0;
/// Set at the start only.
pub const IMMUTABLE: u8 = 1;
/// Answers `CONFIG GET` by its exact name only.
pub const HIDDEN: u8 = 2;
/// Its value is a secret: never to be shown in the slow log, MONITOR or a log line.
pub const SENSITIVE: u8 = 4;
/// `CONFIG SET` needs `enable-protected-configs`.
pub const PROTECTED: u8 = 8;
/// Can't be set while the data is being loaded.
pub const NOT_LOADING: u8 = 16;

impl Directive {
    /// Whether all of `flags` are set.
    pub fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }
}

/// What Basalt does with a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Does what its name says.
    Honoured,
    /// Taken, kept and given back; changes nothing, because what it is about does not exist here (the reason).
    NoEffect(&'static str),
    /// Taken and given back; a value other than the default gets a warning in the log (the text).
    Warn(&'static str),
    /// A value other than the default stops the start and fails `CONFIG SET` (the reason): to go on would betray the user.
    Refused(&'static str),
}

/// What values a directive takes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `yes` or `no`.
    Bool,
    /// A decimal number, bounds included.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// An octal number (file modes), bounds included.
    Octal {
        /// Largest.
        max: u32,
    },
    /// Times per second: any number that is not negative, brought into 1..=500.
    Hertz,
    /// Bytes, with or without a unit; bounds included.
    Memory {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// Bytes, or a share of `maxmemory` such as `5%`.
    MemoryOrPercent,
    /// One of these words; words of equal value are synonyms, and the first of them is shown.
    Choice(Words),
    /// Any of these words together; each but the neutral one (0) is a bit. Highest precedence first.
    Bits(Words),
    /// Bytes. May be empty.
    Text(Check),
    /// Bytes; empty means none, and `CONFIG REWRITE` then leaves the line out.
    Optional(Check),
    /// The directory the files are in.
    Directory,
    /// `<seconds> <changes>` pairs.
    Save,
    /// `<class> <hard> <soft> <seconds>` groups.
    OutputBufferLimits,
    /// Three numbers from -2000 to 2000.
    OomScoreAdjValues,
    /// Letters of keyspace events.
    KeyspaceEvents,
    /// Numbers from 0 to 100.
    Percentiles,
    /// Addresses to listen on.
    Bind,
    /// `<host> <port>` or `no one`.
    ReplicaOf,
}

impl Kind {
    /// Whether the directive takes any number of words (it then checks them itself).
    pub fn takes_many(&self) -> bool {
        matches!(
            self,
            Kind::Bits(_)
                | Kind::Save
                | Kind::OutputBufferLimits
                | Kind::OomScoreAdjValues
                | Kind::Percentiles
                | Kind::Bind
                | Kind::ReplicaOf
        )
    }
}

/// Words and their values.
pub type Words = &'static [(&'static str, u32)];

/// What a text must be besides bytes.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    /// Nothing.
    Any,
    /// A file's name without a path.
    FileName,
    /// The same, not empty.
    FileNameNotEmpty,
    /// A directory's name without a path, not empty.
    DirNameNotEmpty,
    /// Letters, digits, hyphens and dots, under 256 bytes.
    HostName,
    /// Printable ASCII without the characters that `CLUSTER NODES` gives a meaning.
    NodeName,
    /// A template with known `{variables}`.
    TitleTemplate,
}
