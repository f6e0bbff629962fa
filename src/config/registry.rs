//! The registry: the value of every directive, and CONFIG GET and SET on it.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use super::choices::Allowed;
use super::directive::{Directive, HIDDEN, IMMUTABLE, Kind, NOT_LOADING, PROTECTED, Standing};
use super::error::{Place, SetError, system_text};
use super::settings::Settings;
use super::table::SECTIONS;
use super::value::{self, Value};
use crate::glob;

/// The value of every directive.
#[derive(Clone, Debug)]
pub struct Config {
    /// By the directive's number.
    pub(super) values: Vec<Value>,
    /// Where the server was started: relative paths begin here until `dir` is given.
    pub(super) start_directory: PathBuf,
    /// The configuration file, absolute.
    pub(super) file: Option<PathBuf>,
    pub(super) renames: Vec<Rename>,
}

/// A `rename-command` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// The command's name.
    pub from: Vec<u8>,
    /// Its new name; empty to remove it.
    pub to: Vec<u8>,
    /// Where it stands, for [`super::StartError::at`] should the server not know the command.
    pub place: Place,
}

/// The circumstances of a `CONFIG SET`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetContext {
    /// The client is connected from this machine.
    pub local: bool,
    /// The data is still being loaded.
    pub loading: bool,
}

/// New values that were checked but not yet taken over.
#[derive(Clone, Debug)]
pub struct Change {
    assignments: Vec<(usize, Value)>,
    changed: Vec<&'static str>,
}

impl Change {
    /// The directives whose value would differ.
    pub fn names(&self) -> &[&'static str] {
        &self.changed
    }

    /// The settings as they would be, for the server to try before it commits.
    pub fn settings(&self, config: &Config) -> Settings {
        let mut next = config.clone();
        next.take(self.assignments.clone());
        Settings::from(&next)
    }
}

/// All rows in one sequence, and the number of each name and alias in it.
pub(super) struct Index {
    pub(super) rows: Vec<&'static Directive>,
    numbers: HashMap<&'static str, usize>,
    defaults: Vec<Value>,
}

pub(super) static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let rows: Vec<&'static Directive> = SECTIONS.iter().flat_map(|section| section.rows).collect();
    let mut numbers = HashMap::new();
    for (number, row) in rows.iter().enumerate() {
        for name in [&row.name].into_iter().chain(row.aliases) {
            let twice = numbers.insert(*name, number);
            assert!(twice.is_none(), "'{name}' stands in the table twice");
        }
    }
    let defaults = rows.iter().map(|row| default_value(row)).collect();
    Index { rows, numbers, defaults }
});

fn default_value(row: &Directive) -> Value {
    let mut words: Vec<Vec<u8>> = vec![row.default.into()];
    if row.kind.takes_many() {
        words = row.default.split(' ').map(Into::into).collect();
    }
    value::parse(row.name, &row.kind, &words, &Value::Bool(false))
        .unwrap_or_else(|reason| panic!("the table's default of '{}' is not valid: {reason}", row.name))
}

impl Index {
    /// The number of the directive with this name or alias, in any case.
    pub(super) fn number(&self, name: &[u8]) -> Option<usize> {
        let name = std::str::from_utf8(name).ok()?.to_ascii_lowercase();
        self.numbers.get(name.as_str()).copied()
    }

    /// Every name that answers, aliases included.
    fn names(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.rows.iter().enumerate().flat_map(|(number, row)| {
            [row.name].into_iter().chain(row.aliases.iter().copied()).map(move |name| (name, number))
        })
    }
}

/// The row of the directive with this name or alias, in any case.
pub fn directive(name: &[u8]) -> Option<&'static Directive> {
    INDEX.number(name).map(|number| INDEX.rows[number])
}

impl Config {
    /// The defaults, for a server started in `start_directory` without a file.
    pub fn defaults(start_directory: impl Into<PathBuf>) -> Config {
        let start_directory = start_directory.into();
        let mut values = INDEX.defaults.clone();
        for (row, value) in INDEX.rows.iter().zip(&mut values) {
            if let (Kind::Directory, Value::Text(path)) = (&row.kind, &*value) {
                *value = absolute(&start_directory, path);
            }
        }
        Config { values, start_directory, file: None, renames: Vec::new() }
    }

    /// The configuration file, absolute. `None` if the server was started without one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The `rename-command` lines, in order.
    pub fn renames(&self) -> &[Rename] {
        &self.renames
    }

    /// The value of a directive.
    ///
    /// Panics for a name that isn't in the table, so `name` is to be a constant.
    pub fn value(&self, name: &'static str) -> &Value {
        let number = INDEX.number(name.as_bytes()).unwrap_or_else(|| panic!("no directive '{name}'"));
        &self.values[number]
    }

    /// Directives with a value other than the default that does not do what one might expect, with a line about each.
    pub fn warnings(&self) -> Vec<(&'static str, &'static str)> {
        let warned = |(number, row): (usize, &&'static Directive)| match row.standing {
            Standing::Warn(text) if !self.is_default(number, &self.values[number]) => Some((row.name, text)),
            _ => None,
        };
        INDEX.rows.iter().enumerate().filter_map(warned).collect()
    }

    /// CONFIG GET: names and values of all directives that one of `patterns` matches, each name once. A pattern without
    /// `*`, `?` and `[` is a name, given back in the case it was asked for; only a name reaches hidden directives.
    pub fn get<'a>(&self, patterns: impl IntoIterator<Item = &'a [u8]>) -> Vec<(String, Vec<u8>)> {
        let mut found: Vec<(String, Vec<u8>)> = Vec::new();
        let mut add = |name: &str, number: usize| {
            if !found.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                found.push((name.to_owned(), self.show(number)));
            }
        };
        for pattern in patterns {
            if memchr::memchr3(b'*', b'?', b'[', pattern).is_none() {
                if let (Some(number), Ok(name)) = (INDEX.number(pattern), std::str::from_utf8(pattern)) {
                    add(name, number);
                }
                continue;
            }
            for (name, number) in INDEX.names() {
                if !INDEX.rows[number].has(HIDDEN) && glob::matches(pattern, name.as_bytes(), true) {
                    add(name, number);
                }
            }
        }
        found
    }

    /// The first step of CONFIG SET: checks all of `pairs` (names and values) and gives the change to commit. Nothing is
    /// changed yet, so the server may still refuse (with [`SetError::failed`]).
    ///
    /// Looks at the file system if `dir` is among them.
    pub fn prepare(&self, pairs: &[(&[u8], &[u8])], context: SetContext) -> Result<Change, SetError> {
        let mut numbers: Vec<usize> = Vec::with_capacity(pairs.len());
        for (name, _) in pairs {
            let given = String::from_utf8_lossy(name);
            let number = INDEX.number(name).ok_or_else(|| SetError::Unknown(given.clone().into_owned()))?;
            let row = INDEX.rows[number];
            if row.has(IMMUTABLE) {
                return Err(SetError::failed(&given, "can't set immutable config"));
            }
            if row.has(PROTECTED) && !self.may_set_protected(context) {
                return Err(SetError::failed(&given, "can't set protected config"));
            }
            if row.has(NOT_LOADING) && context.loading {
                return Err(SetError::Loading);
            }
            if numbers.contains(&number) {
                return Err(SetError::failed(&given, "duplicate parameter"));
            }
            numbers.push(number);
        }
        let mut change = Change { assignments: Vec::with_capacity(pairs.len()), changed: Vec::new() };
        for ((name, text), number) in pairs.iter().zip(numbers) {
            let row = INDEX.rows[number];
            let words: Vec<Vec<u8>> = match row.kind.takes_many() {
                true if text.is_empty() => Vec::new(),
                true => text.split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect(),
                false => vec![text.to_vec()],
            };
            let failed = |reason: String| SetError::failed(&String::from_utf8_lossy(name).to_ascii_lowercase(), reason);
            let value = self.read(number, &words).map_err(failed)?;
            if value != self.values[number] {
                change.changed.push(row.name);
                change.assignments.push((number, value));
            }
        }
        Ok(change)
    }

    /// The second step of CONFIG SET: takes the new values over. Gives the directives whose value changed.
    pub fn commit(&mut self, change: Change) -> Vec<&'static str> {
        self.take(change.assignments);
        change.changed
    }

    /// Both steps of CONFIG SET at once.
    pub fn set(&mut self, pairs: &[(&[u8], &[u8])], context: SetContext) -> Result<Vec<&'static str>, SetError> {
        let change = self.prepare(pairs, context)?;
        Ok(self.commit(change))
    }

    /// Reads a value for the directive `number`, with all checks. The error is the reason.
    pub(super) fn read(&self, number: usize, words: &[Vec<u8>]) -> Result<Value, String> {
        let row = INDEX.rows[number];
        let mut value = value::parse(row.name, &row.kind, words, &self.values[number])?;
        if let (Kind::Directory, Value::Text(path)) = (&row.kind, &value) {
            value = self.directory(number, path)?;
        }
        match row.standing {
            Standing::Refused(reason) if !self.is_default(number, &value) => Err(reason.to_owned()),
            _ => Ok(value),
        }
    }

    /// The value of `dir` for a path as given. The directory must exist (one that is mistyped would look like an empty
    /// database), except the default one, which the server makes.
    fn directory(&self, number: usize, path: &[u8]) -> Result<Value, String> {
        let Value::Text(default) = absolute(&self.start_directory, directory_text(&INDEX.defaults[number])) else {
            unreachable!("a directory is a text")
        };
        // As in Redis, a relative path starts at the directory given last.
        let current = directory_text(&self.values[number]);
        let base = if current == default { &self.start_directory } else { &to_path(current) };
        let value = absolute(base, path);
        if directory_text(&value) != default {
            match std::fs::metadata(to_path(directory_text(&value))) {
                Ok(metadata) if metadata.is_dir() => {}
                Ok(_) => return Err("Not a directory".into()),
                Err(error) => return Err(system_text(&error)),
            }
        }
        Ok(value)
    }

    /// Whether `value` is the default of the directive `number`.
    pub(super) fn is_default(&self, number: usize, value: &Value) -> bool {
        match &INDEX.defaults[number] {
            Value::Text(path) if matches!(INDEX.rows[number].kind, Kind::Directory) => {
                *value == absolute(&self.start_directory, path)
            }
            default => value == default,
        }
    }

    fn take(&mut self, assignments: Vec<(usize, Value)>) {
        for (number, value) in assignments {
            self.values[number] = value;
        }
    }

    fn show(&self, number: usize) -> Vec<u8> {
        value::show(&INDEX.rows[number].kind, &self.values[number])
    }

    fn may_set_protected(&self, context: SetContext) -> bool {
        match self.value("enable-protected-configs") {
            Value::Word(word) => match Allowed::from_number(*word) {
                Allowed::No => false,
                Allowed::Yes => true,
                Allowed::Local => context.local,
            },
            _ => false,
        }
    }
}

/// `path` as a value, made absolute from `base` and rid of `.` parts.
fn absolute(base: &Path, path: &[u8]) -> Value {
    use std::os::unix::ffi::OsStringExt;
    let joined = base.join(to_path(path));
    let clean: PathBuf = joined.components().filter(|part| *part != Component::CurDir).collect();
    Value::Text(clean.into_os_string().into_vec())
}

fn directory_text(value: &Value) -> &[u8] {
    match value {
        Value::Text(text) => text,
        _ => unreachable!("a directory is a text"),
    }
}

/// The path that these bytes name.
pub(super) fn to_path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}
