//! docs/CONFIGURATION.md, made from the table.

use std::fmt::Write;

use super::directive::{Check, Directive, HIDDEN, IMMUTABLE, Kind, NOT_LOADING, PROTECTED, SENSITIVE, Standing, Words};
use super::memory;
use super::table::SECTIONS;

const HEAD: &str = "\
# Configuration

This page is made from the table in `src/config/table.rs`. A test fails when it is out of date; to write it anew:

    REGENERATE=1 cargo test --lib config::documentation

Basalt is configured as redis-server is: `basalt-server [/path/to/redis.conf] [--directive value ...] [-]`. The file is
read first, then standard input (`-`, as the first or last argument), then the options; later lines win. Every directive
of Redis 7.4 and Valkey 8 is known, under all of its names, in any case. A directive that is unknown or has a bad value stops
the start and names the line.

- Sizes take a unit: `k` 1000, `kb` 1024, likewise `m`, `mb`, `g`, `gb`, in any case.
- Words may be quoted: `\"...\"` with `\\n \\r \\t \\a \\b \\xHH \\\\ \\\"`, or `'...'` with `\\'`.
- `include path` reads another file at that place; `*`, `?`, `[...]` in the path include every match in order, or none. Files may
  nest 16 deep.
- `save` lines add up; the first one replaces the defaults, `save \"\"` drops all before it.
- `rename-command name new-name` gives a command another name, or none at all if the new name is `\"\"`.
- `user default on nopass ~* &* +@all` is taken, since that is what the user is; any other `user` line is refused.
- `loadmodule`, settings of modules (`name.setting`) and `sentinel` are refused.
- `list-max-ziplist-entries`, `list-max-ziplist-value` and `lua-replicate-commands` are taken and forgotten.

Where Basalt differs from Redis: data is durable unless told otherwise (`appendonly yes`, `appendfsync always`), files are kept in
`./data` and the server listens on this machine only. The default `dir` is made if it is missing; any other must exist. A relative
`logfile` or `pidfile` is in `dir`. A size that does not fit in 64 bits is refused.

What the last column says:

- **honoured**: it does what its name says.
- **no effect**: taken, kept and given back by `CONFIG GET`; what it is about does not exist here.
- **warns**: likewise, but a value other than the default gets a warning in the log.
- **refused**: a value other than the default stops the start and fails `CONFIG SET`: to go on would betray the user.

Notes on setting: *start* can't be changed by `CONFIG SET`; *protected* only with `enable-protected-configs`; *not while loading* only once
the data is loaded; *secret* is never shown in a log; *hidden* answers `CONFIG GET` by its exact name only.
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    for section in &SECTIONS {
        let count = section.rows.len();
        write!(page, "\n## {} ({count})\n\n", section.title).unwrap();
        page.push_str("| Directive | Values | Default | Setting | Standing |\n|---|---|---|---|---|\n");
        for row in section.rows {
            let cells =
                [names(row), values(&row.kind), default(row), setting(row.flags), standing(row.standing)].join(" | ");
            writeln!(page, "| {cells} |").unwrap();
        }
    }
    page
}

fn names(row: &Directive) -> String {
    let also: String = row.aliases.iter().map(|alias| format!(", also `{alias}`")).collect();
    format!("`{}`{also}", row.name)
}

fn values(kind: &Kind) -> String {
    let words = |words: Words, by: &str| words.iter().map(|(word, _)| format!("`{word}`")).collect::<Vec<_>>().join(by);
    match *kind {
        Kind::Bool => "`yes`, `no`".into(),
        Kind::Integer { min, max } => range(min, max, i64::MAX),
        Kind::Octal { max } => format!("octal, 0 to {max:o}"),
        Kind::Hertz => "1 to 500; what is beyond is brought into it".into(),
        Kind::Memory { min, max } if max >= i64::MAX as u64 => format!("size, {} or more", memory::format(min)),
        Kind::Memory { min, max } => format!("size, {} to {}", memory::format(min), memory::format(max)),
        Kind::MemoryOrPercent => "size, or `0%` to `100%` of `maxmemory`".into(),
        Kind::Choice(choices) => words(choices, ", "),
        Kind::Bits(choices) => format!("any of {}", words(choices, ", ")),
        Kind::Text(check) => text(check).into(),
        Kind::Optional(check) => format!("{}, or nothing", text(check)),
        Kind::Directory => "directory".into(),
        Kind::Save => "`<seconds> <changes>` ..., or nothing".into(),
        Kind::OutputBufferLimits => {
            "`<class> <hard> <soft> <seconds>` ...; classes `normal`, `replica`, `pubsub`".into()
        }
        Kind::OomScoreAdjValues => "three numbers, -2000 to 2000".into(),
        Kind::KeyspaceEvents => "letters of `Ag$lshzxeKEtmdn`".into(),
        Kind::Percentiles => "numbers, 0 to 100".into(),
        Kind::Bind => "up to 16 addresses; `-` before one that may be missing; `*`, `::*` for all".into(),
        Kind::ReplicaOf => "`<host> <port>`, or `no one`".into(),
    }
}

fn range(min: i64, max: i64, open: i64) -> String {
    if max == open || max >= i32::MAX as i64 {
        let min = if min <= i32::MIN as i64 { "any number".to_owned() } else { format!("{min} or more") };
        return min;
    }
    format!("{min} to {max}")
}

fn text(check: Check) -> &'static str {
    match check {
        Check::Any => "text",
        Check::FileName | Check::FileNameNotEmpty => "file name without a path",
        Check::DirNameNotEmpty => "directory name without a path",
        Check::HostName => "host name",
        Check::NodeName => "name without punctuation",
        Check::TitleTemplate => "template",
    }
}

fn default(row: &Directive) -> String {
    if row.default.is_empty() { "nothing".into() } else { format!("`{}`", row.default) }
}

fn setting(flags: u8) -> String {
    let notes = [
        (IMMUTABLE, "start"),
        (PROTECTED, "protected"),
        (NOT_LOADING, "not while loading"),
        (SENSITIVE, "secret"),
        (HIDDEN, "hidden"),
    ];
    let set: Vec<&str> = notes.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, note)| *note).collect();
    set.join(", ")
}

fn standing(standing: Standing) -> String {
    match standing {
        Standing::Honoured => "honoured".into(),
        Standing::NoEffect(reason) => format!("no effect: {reason}"),
        Standing::Warn(text) => format!("warns: {text}"),
        Standing::Refused(reason) => format!("refused: {reason}"),
    }
}

#[test]
fn the_page_says_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONFIGURATION.md");
    let expected = page();
    if std::env::var_os("REGENERATE").is_some() {
        std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/docs")).unwrap();
        std::fs::write(path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/CONFIGURATION.md is out of date; to write it anew: REGENERATE=1 cargo test --lib config::documentation"
    );
}
