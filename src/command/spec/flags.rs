//! What a command may do and when it may run.

/// A set of command flags. Bits stand in the order in which COMMAND INFO prints them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// Changes the keyspace.
    pub const WRITE: Flags = Flags(1);
    /// Reads keys and changes none.
    pub const READONLY: Flags = Flags(1 << 1);
    /// Refused when memory is used up, since it may need more.
    pub const DENYOOM: Flags = Flags(1 << 2);
    /// For administrators.
    pub const ADMIN: Flags = Flags(1 << 3);
    /// Belongs to publish/subscribe.
    pub const PUBSUB: Flags = Flags(1 << 4);
    /// Must not be called by a script.
    pub const NOSCRIPT: Flags = Flags(1 << 5);
    /// May make its connection wait.
    pub const BLOCKING: Flags = Flags(1 << 6);
    /// Allowed while the data is being loaded.
    pub const LOADING: Flags = Flags(1 << 7);
    /// Allowed on a replica whose data is stale.
    pub const STALE: Flags = Flags(1 << 8);
    /// Not shown to MONITOR.
    pub const SKIP_MONITOR: Flags = Flags(1 << 9);
    /// Not entered in the slow log.
    pub const SKIP_SLOWLOG: Flags = Flags(1 << 10);
    /// Runs on a slot that is being imported, as if ASKING had been sent before.
    pub const ASKING: Flags = Flags(1 << 11);
    /// Takes constant or logarithmic time.
    pub const FAST: Flags = Flags(1 << 12);
    /// Needs no authentication.
    pub const NO_AUTH: Flags = Flags(1 << 13);
    /// Has key arguments, and may come with none of them.
    pub const NO_MANDATORY_KEYS: Flags = Flags(1 << 14);
    /// Refused during an asynchronous load, where a replica still serves the old data.
    pub const NO_ASYNC_LOADING: Flags = Flags(1 << 15);
    /// Refused inside MULTI.
    pub const NO_MULTI: Flags = Flags(1 << 16);
    /// Its keys can't be told by first, last and step. Worked out from the key specifications.
    pub const MOVABLE_KEYS: Flags = Flags(1 << 17);
    /// Allowed while a script runs for too long.
    pub const ALLOW_BUSY: Flags = Flags(1 << 18);

    /// Changes nothing itself and may still cause effects that must be replicated. Not printed.
    pub const MAY_REPLICATE: Flags = Flags(1 << 24);
    /// Also served by a sentinel. Not printed.
    pub const SENTINEL: Flags = Flags(1 << 25);
    /// Needs the setting `enable-debug-command` or `enable-module-command`. Not printed.
    pub const PROTECTED: Flags = Flags(1 << 27);
    /// May read keys that its arguments do not name (SORT BY). Not printed.
    pub const TOUCHES_ARBITRARY_KEYS: Flags = Flags(1 << 28);

    /// Names of the printed flags, by bit.
    const NAMES: [&'static str; 19] = [
        "write",
        "readonly",
        "denyoom",
        "admin",
        "pubsub",
        "noscript",
        "blocking",
        "loading",
        "stale",
        "skip_monitor",
        "skip_slowlog",
        "asking",
        "fast",
        "no_auth",
        "no_mandatory_keys",
        "no_async_loading",
        "no_multi",
        "movablekeys",
        "allow_busy",
    ];

    /// Whether all flags of `other` are set.
    #[inline]
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any flag of `other` is set.
    #[inline]
    pub const fn any(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }

    /// Both sets together.
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }

    /// The names that COMMAND INFO prints, in its order.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        Self::NAMES.iter().enumerate().filter(move |(bit, _)| self.0 & (1 << bit) != 0).map(|(_, name)| *name)
    }
}
