//! A command's arguments, as COMMAND DOCS describes them
//! (<https://redis.io/docs/latest/develop/reference/command-arguments/>).

/// The type of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgKind {
    /// Any bytes.
    String,
    /// An integer.
    Integer,
    /// A floating-point number.
    Double,
    /// The name of a key.
    Key,
    /// A glob pattern.
    Pattern,
    /// A Unix timestamp.
    UnixTime,
    /// Nothing but its token.
    PureToken,
    /// Exactly one of the nested arguments.
    OneOf,
    /// All nested arguments in order.
    Block,
}

impl ArgKind {
    /// The name that COMMAND DOCS gives it.
    pub const fn name(self) -> &'static str {
        match self {
            ArgKind::String => "string",
            ArgKind::Integer => "integer",
            ArgKind::Double => "double",
            ArgKind::Key => "key",
            ArgKind::Pattern => "pattern",
            ArgKind::UnixTime => "unix-time",
            ArgKind::PureToken => "pure-token",
            ArgKind::OneOf => "oneof",
            ArgKind::Block => "block",
        }
    }
}

/// How an argument may occur.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArgFlags {
    /// It may be left out.
    pub optional: bool,
    /// It may come several times.
    pub multiple: bool,
    /// Each time with its token (`multiple` is set too).
    pub multiple_token: bool,
}

impl ArgFlags {
    /// The names that COMMAND DOCS prints, in its order.
    pub fn names(self) -> impl Iterator<Item = &'static str> + Clone {
        [(self.optional, "optional"), (self.multiple, "multiple"), (self.multiple_token, "multiple_token")]
            .into_iter()
            .filter_map(|(set, name)| set.then_some(name))
    }
}

/// One argument, possibly with nested ones.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// Its name, for people.
    pub name: &'static str,
    /// Its type.
    pub kind: ArgKind,
    /// The literal word before it, if any.
    pub token: Option<&'static str>,
    /// How it may occur.
    pub flags: ArgFlags,
    /// The version that added it, if the command is older.
    pub since: Option<&'static str>,
    /// The version from which on it should no longer be used.
    pub deprecated_since: Option<&'static str>,
    /// What syntax shows for it, if not its name (see [`Arg::display`]).
    pub display: Option<&'static str>,
    /// Which of the command's key specifications finds it.
    pub key_spec: Option<u8>,
    /// The arguments inside a [`ArgKind::OneOf`] or [`ArgKind::Block`].
    pub nested: &'static [Arg],
}

impl Arg {
    /// What syntax shows for it; nothing for arguments that hold others.
    pub const fn display(&self) -> Option<&'static str> {
        match (self.display, self.kind) {
            (Some(text), _) => Some(text),
            (None, ArgKind::OneOf | ArgKind::Block) => None,
            (None, _) => Some(self.name),
        }
    }

    pub(super) const fn new(name: &'static str, kind: ArgKind) -> Arg {
        Arg {
            name,
            kind,
            token: None,
            flags: ArgFlags { optional: false, multiple: false, multiple_token: false },
            since: None,
            deprecated_since: None,
            display: None,
            key_spec: None,
            nested: &[],
        }
    }

    /// May be left out.
    pub(super) const fn opt(mut self) -> Arg {
        self.flags.optional = true;
        self
    }

    /// May come several times.
    pub(super) const fn many(mut self) -> Arg {
        self.flags.multiple = true;
        self
    }

    /// May come several times, each time after its token.
    pub(super) const fn many_tokens(mut self) -> Arg {
        self.flags.multiple = true;
        self.flags.multiple_token = true;
        self
    }

    /// Follows the word `token`.
    pub(super) const fn after(mut self, token: &'static str) -> Arg {
        self.token = Some(token);
        self
    }

    /// Exists since `version`.
    pub(super) const fn since(mut self, version: &'static str) -> Arg {
        self.since = Some(version);
        self
    }

    /// Should not be used since `version`.
    pub(super) const fn deprecated(mut self, version: &'static str) -> Arg {
        self.deprecated_since = Some(version);
        self
    }

    /// Is shown as `text`.
    pub(super) const fn shown(mut self, text: &'static str) -> Arg {
        self.display = Some(text);
        self
    }

    /// Is found by the command's key specification `index`.
    pub(super) const fn spec(mut self, index: u8) -> Arg {
        self.key_spec = Some(index);
        self
    }
}
