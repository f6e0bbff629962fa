//! The words of directives that take one of a few, as enums.

use super::directive::Words;

/// Makes an enum, the words that a directive's row lists (in Redis's order: error texts show it), and the way back.
macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// The words, for the directive's row.
            pub const WORDS: Words = &[$(($word, $name::$variant as u32),)+];

            /// The choice of this number in [`Self::WORDS`].
            pub(super) fn from_number(number: u32) -> Self {
                const ALL: &[$name] = &[$($name::$variant,)+];
                ALL[number as usize]
            }

            /// The word for it, as `CONFIG GET` shows it.
            pub fn as_str(self) -> &'static str {
                Self::WORDS[self as usize].0
            }
        }
    };
}

choices! {
    /// When a write is made durable (`appendfsync`).
    AppendFsync {
        /// Once a second at most is lost.
        Everysec = "everysec",
        /// Before the reply.
        Always = "always",
        /// When the kernel sees fit.
        No = "no",
    }
}
choices! {
    /// What the server does after a failed write or sync of the log (`aof-on-error`).
    AofOnError {
        /// Ends, with a report.
        Exit = "exit",
        /// Goes on serving reads.
        Readonly = "readonly",
    }
}
choices! {
    /// What is evicted at `maxmemory` (`maxmemory-policy`).
    MaxmemoryPolicy {
        /// Keys with a TTL, least recently used first.
        VolatileLru = "volatile-lru",
        /// Keys with a TTL, least often used first.
        VolatileLfu = "volatile-lfu",
        /// Keys with a TTL, any.
        VolatileRandom = "volatile-random",
        /// Keys with a TTL, nearest to their end first.
        VolatileTtl = "volatile-ttl",
        /// Any key, least recently used first.
        AllkeysLru = "allkeys-lru",
        /// Any key, least often used first.
        AllkeysLfu = "allkeys-lfu",
        /// Any key.
        AllkeysRandom = "allkeys-random",
        /// None: writes are refused.
        Noeviction = "noeviction",
    }
}
choices! {
    /// The least level that is logged (`loglevel`).
    LogLevel {
        /// Everything.
        Debug = "debug",
        /// A little less.
        Verbose = "verbose",
        /// What an operator wants to know.
        Notice = "notice",
        /// Only what is wrong.
        Warning = "warning",
        /// Nothing at all.
        Nothing = "nothing",
    }
}
choices! {
    /// Which service manager may have started the server (`supervised`).
    Supervised {
        /// upstart, which waits for the process to stop itself.
        Upstart = "upstart",
        /// systemd, which is told over a socket.
        Systemd = "systemd",
        /// Whichever shows in the environment.
        Auto = "auto",
        /// None.
        No = "no",
    }
}
choices! {
    /// Who may do something dangerous (`enable-protected-configs`, `enable-debug-command`).
    Allowed {
        /// Nobody.
        No = "no",
        /// Everybody.
        Yes = "yes",
        /// Connections from this machine.
        Local = "local",
    }
}
choices! {
    /// What a user may subscribe to who was not told otherwise (`acl-pubsub-default`).
    AclPubsubDefault {
        /// Every channel.
        AllChannels = "allchannels",
        /// None.
        ResetChannels = "resetchannels",
    }
}

/// What a signal does beside ending the server (`shutdown-on-sigint`, `shutdown-on-sigterm`). All false: save if there
/// are save points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShutdownOptions {
    /// Save even without save points.
    pub save: bool,
    /// Don't save even with save points.
    pub nosave: bool,
    /// Don't wait for replicas.
    pub now: bool,
    /// End even if saving fails.
    pub force: bool,
}

impl ShutdownOptions {
    /// The words, for the directive's row, in the order they are shown.
    pub const WORDS: Words = &[("default", 0), ("save", 1), ("nosave", 2), ("now", 4), ("force", 8)];

    pub(super) fn from_bits(bits: u32) -> Self {
        let has = |bit: u32| bits & bit != 0;
        ShutdownOptions { save: has(1), nosave: has(2), now: has(4), force: has(8) }
    }
}
