//! Where the configuration comes from: `[file] [options] [-]`, as redis-server takes them.
//!
//! The file, standard input (`-`) and the options are put one after the other into one text, each option as a line of its
//! own; later lines win. Line numbers in errors count through that text.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::directive::Kind;
use super::error::{Place, StartError};
use super::registry::{Config, INDEX, Rename, to_path};
use super::value::Value;
use super::{include, words};
use crate::limits;

/// Directives of old files that are taken and forgotten.
const FORGOTTEN: [&str; 3] = ["list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"];

/// What may follow `user default` while nothing can be restricted: this is what the user is anyway.
const UNRESTRICTED: [&str; 10] = [
    "on",
    "nopass",
    "sanitize-payload",
    "skip-sanitize-payload",
    "~*",
    "allkeys",
    "&*",
    "allchannels",
    "+@all",
    "allcommands",
];

impl Config {
    /// Reads the configuration from the program's arguments (its own name not among them), started in the current
    /// directory. `stdin` is read only if `-` is the first or the last argument.
    pub fn from_args(args: impl IntoIterator<Item = OsString>, stdin: &mut dyn Read) -> Result<Config, StartError> {
        let directory =
            std::env::current_dir().map_err(|error| StartError::File { path: PathBuf::from("."), error })?;
        Config::from_args_in(directory, args, stdin)
    }

    /// The same, started in `directory` (an absolute path).
    pub fn from_args_in(
        directory: PathBuf,
        args: impl IntoIterator<Item = OsString>,
        stdin: &mut dyn Read,
    ) -> Result<Config, StartError> {
        let args: Vec<Vec<u8>> = args.into_iter().map(OsStringExt::into_vec).collect();
        let mut config = Config::defaults(directory);
        let mut text = Vec::new();
        let mut options = args.as_slice();
        if let Some((first, rest)) = args.split_first()
            && !first.starts_with(b"-")
        {
            let file = config.start_directory.join(to_path(first));
            text = std::fs::read(&file).map_err(|error| StartError::File { path: file.clone(), error })?;
            config.file = Some(file);
            options = rest;
        }
        // The dash counts only in the first place of all, or in the last.
        let first_option = args.len() - options.len();
        let is_stdin = |at: usize| options[at] == b"-" && (first_option + at == 0 || at == options.len() - 1);
        if (0..options.len()).any(is_stdin) {
            end_line(&mut text);
            let error = |error: io::Error| StartError::File { path: PathBuf::from("-"), error };
            stdin.read_to_end(&mut text).map_err(error)?;
        }
        let lines = option_lines((0..options.len()).filter(|at| !is_stdin(*at)).map(|at| options[at].as_slice()));
        text.push(b'\n');
        text.extend(lines);
        Loader { config: &mut config, save_seen: false }.load(&text, None, 0)?;
        Ok(config)
    }

    /// What a server started in the same directory would read from `text`.
    pub(super) fn read_again(&self, text: &[u8]) -> Result<Config, StartError> {
        let mut config = Config::defaults(self.start_directory.clone());
        Loader { config: &mut config, save_seen: false }.load(text, None, 0)?;
        Ok(config)
    }

    /// Reads the value of the directive `number` from the words behind it on a line. The error is the reason.
    pub(super) fn read_line(&self, number: usize, args: &[Vec<u8>]) -> Result<Value, String> {
        let many = INDEX.rows[number].kind.takes_many();
        match args {
            // A directive that takes many words takes them in one as well: save "900 1".
            [word] if many && !word.is_empty() => {
                let words = words::split(word).ok_or("Unbalanced quotes in configuration line")?;
                self.read(number, &words)
            }
            [_] => self.read(number, args),
            _ if many => self.read(number, args),
            _ => Err("wrong number of arguments".into()),
        }
    }
}

/// Turns `--name value …` arguments into lines. What begins with `--` is a name only where the name before it has got
/// a value, so that values may begin so too; but `--save` may go without, as in lists made from empty variables.
fn option_lines<'a>(args: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut lines = Vec::new();
    let mut value_seen = true;
    let mut args = args.peekable();
    while let Some(arg) = args.next() {
        if let Some(name) = arg.strip_prefix(b"--")
            && value_seen
        {
            end_line(&mut lines);
            lines.extend(name);
            lines.push(b' ');
            // "--port 6380" may also be one argument.
            value_seen = words::split(arg).is_none_or(|words| words.len() != 1);
            let next_is_name = args.peek().is_none_or(|next| next.starts_with(b"--"));
            if name.eq_ignore_ascii_case(b"save") && next_is_name {
                lines.extend(b"\"\"");
                value_seen = true;
            }
        } else {
            words::quote_into(arg, &mut lines);
            lines.push(b' ');
            value_seen = true;
        }
    }
    lines
}

fn end_line(text: &mut Vec<u8>) {
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
}

struct Loader<'a> {
    config: &'a mut Config,
    /// A `save` line was seen: the next ones add to it.
    save_seen: bool,
}

impl Loader<'_> {
    /// Reads the lines of `text`, which stands in `included` if not in the main file.
    fn load(&mut self, text: &[u8], included: Option<&Path>, depth: usize) -> Result<(), StartError> {
        for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = words::trim(line);
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let place = Place { line: number + 1, text: line.to_vec(), included: included.map(Path::to_path_buf) };
            let refused = |reason: &str| StartError::at(&place, reason);
            let words = words::split(line).ok_or_else(|| refused("Unbalanced quotes in configuration line"))?;
            let Some((name, args)) = words.split_first() else { continue };
            if let Some(directive) = INDEX.number(name) {
                self.assign(directive, args).map_err(|reason| refused(&reason))?;
            } else if let (true, [pattern]) = (name.eq_ignore_ascii_case(b"include"), args) {
                if depth == limits::INCLUDE_DEPTH_MAX {
                    return Err(refused(&format!("files include each other more than {depth} levels deep")));
                }
                self.include(pattern, depth)?;
            } else {
                self.other(name, args, &place)?;
            }
        }
        Ok(())
    }

    fn assign(&mut self, number: usize, args: &[Vec<u8>]) -> Result<(), String> {
        let row = INDEX.rows[number];
        let mut value = self.config.read_line(number, args)?;
        if let (Kind::Save, Value::Save(points)) = (&row.kind, &mut value) {
            // The first line replaces the defaults, the next ones add to it, and an empty one starts anew.
            let starts_anew = matches!(args, [word] if word.is_empty());
            if let (true, false, Value::Save(before)) = (self.save_seen, starts_anew, &self.config.values[number]) {
                points.splice(0..0, before.iter().copied());
            }
            self.save_seen = true;
        }
        self.config.values[number] = value;
        Ok(())
    }

    fn include(&mut self, pattern: &[u8], depth: usize) -> Result<(), StartError> {
        for path in include::files(&self.config.start_directory, pattern) {
            let text = std::fs::read(&path).map_err(|error| StartError::File { path: path.clone(), error })?;
            self.load(&text, Some(&path), depth + 1)?;
        }
        Ok(())
    }

    /// Lines that are not directives.
    fn other(&mut self, name: &[u8], args: &[Vec<u8>], place: &Place) -> Result<(), StartError> {
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        let refuse = |reason: &str| Err(StartError::at(place, reason));
        match args {
            [_] if FORGOTTEN.iter().any(|old| is(old)) => Ok(()),
            [from, to] if is("rename-command") => {
                self.config.renames.push(Rename { from: from.clone(), to: to.clone(), place: place.clone() });
                Ok(())
            }
            [user, rules @ ..] if is("user") => {
                let plain = |rule: &Vec<u8>| UNRESTRICTED.iter().any(|ok| rule.eq_ignore_ascii_case(ok.as_bytes()));
                if user == b"default" && rules.iter().all(plain) {
                    return Ok(());
                }
                refuse("users can't be restricted yet: only 'user default on nopass ~* &* +@all' is taken")
            }
            [_, ..] if is("loadmodule") => refuse("modules can't be loaded"),
            [] if name.contains(&b'.') => refuse("Module config specified without value"),
            _ if name.contains(&b'.') => refuse("there are no modules to configure"),
            _ if is("sentinel") => refuse("sentinel directive while not in sentinel mode"),
            _ => refuse("Bad directive or wrong number of arguments"),
        }
    }
}
