//! ACL categories.

use super::Flags;

/// A set of ACL categories. Bits stand in the order in which ACL CAT and COMMAND INFO print them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AclCategories(pub u32);

macro_rules! categories {
    ($($bit:literal $constant:ident $name:literal,)*) => {
        impl AclCategories {
            $(#[doc = concat!("`@", $name, "`")] pub const $constant: AclCategories = AclCategories(1 << $bit);)*
            /// All names, without the `@`, by bit.
            pub const NAMES: &'static [&'static str] = &[$($name),*];
        }
    };
}

categories! {
    0 KEYSPACE "keyspace",
    1 READ "read",
    2 WRITE "write",
    3 SET "set",
    4 SORTEDSET "sortedset",
    5 LIST "list",
    6 HASH "hash",
    7 STRING "string",
    8 BITMAP "bitmap",
    9 HYPERLOGLOG "hyperloglog",
    10 GEO "geo",
    11 STREAM "stream",
    12 PUBSUB "pubsub",
    13 ADMIN "admin",
    14 FAST "fast",
    15 SLOW "slow",
    16 BLOCKING "blocking",
    17 DANGEROUS "dangerous",
    18 CONNECTION "connection",
    19 TRANSACTION "transaction",
    20 SCRIPTING "scripting",
}

impl AclCategories {
    /// The category of that name (without the `@`), ignoring ASCII case.
    pub fn by_name(name: &[u8]) -> Option<AclCategories> {
        let bit = Self::NAMES.iter().position(|n| n.as_bytes().eq_ignore_ascii_case(name))?;
        Some(AclCategories(1 << bit))
    }

    /// Whether any category of `other` is in this set.
    #[inline]
    pub const fn any(self, other: AclCategories) -> bool {
        self.0 & other.0 != 0
    }

    /// Both sets together.
    pub const fn with(self, other: AclCategories) -> AclCategories {
        AclCategories(self.0 | other.0)
    }

    /// The names without `@`, in Redis's order.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        Self::NAMES.iter().enumerate().filter(move |(bit, _)| self.0 & (1 << bit) != 0).map(|(_, name)| *name)
    }

    /// Adds what `flags` imply: a write is `@write`, an administrator's command `@admin` and `@dangerous`, and what is not
    /// fast is `@slow`. Scripts that only read are not `@read`, since they do more than read.
    pub(super) const fn implied_by(self, flags: Flags) -> AclCategories {
        let mut set = self;
        if flags.has(Flags::WRITE) {
            set = set.with(Self::WRITE);
        }
        if flags.has(Flags::READONLY) && !set.any(Self::SCRIPTING) {
            set = set.with(Self::READ);
        }
        if flags.has(Flags::ADMIN) {
            set = set.with(Self::ADMIN).with(Self::DANGEROUS);
        }
        if flags.has(Flags::PUBSUB) {
            set = set.with(Self::PUBSUB);
        }
        if flags.has(Flags::BLOCKING) {
            set = set.with(Self::BLOCKING);
        }
        if flags.has(Flags::FAST) {
            set = set.with(Self::FAST);
        }
        if !set.any(Self::FAST) {
            set = set.with(Self::SLOW);
        }
        set
    }
}
