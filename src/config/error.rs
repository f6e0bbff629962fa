//! What can go wrong with the configuration, in the words that Redis's users and tools know.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why the server can't start. `Display` gives the whole report, ready for standard error.
#[derive(Debug)]
pub enum StartError {
    /// A line is wrong.
    Line {
        /// Where it stands.
        place: Place,
        /// What is wrong with it.
        reason: String,
    },
    /// A file can't be read.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl StartError {
    /// `place` holds a line that is wrong for `reason`.
    pub fn at(place: &Place, reason: impl Into<String>) -> Self {
        StartError::Line { place: place.clone(), reason: reason.into() }
    }
}

impl std::error::Error for StartError {}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Line { place, reason } => {
                writeln!(f, "\n*** FATAL CONFIG FILE ERROR (Basalt {}) ***", env!("CARGO_PKG_VERSION"))?;
                writeln!(f, "Reading the configuration file, at line {}", place.line)?;
                writeln!(f, ">>> '{}'", String::from_utf8_lossy(&place.text))?;
                f.write_str(reason)?;
                match &place.included {
                    Some(path) => write!(f, "\n(in the included file '{}')", path.display()),
                    None => Ok(()),
                }
            }
            StartError::File { path, error } => {
                write!(f, "Fatal error, can't open config file '{}': {}", path.display(), system_text(error))
            }
        }
    }
}

/// Where a line of the configuration stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number, from 1. Standard input and arguments count on from the end of the file.
    pub line: usize,
    /// The line itself, without the blanks around it.
    pub text: Vec<u8>,
    /// The included file it stands in, if it doesn't stand in the main one.
    pub included: Option<PathBuf>,
}

/// Why `CONFIG SET` changes nothing. `Display` gives the error reply, its code included.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// No such directive.
    #[error("ERR Unknown option or number of arguments for CONFIG SET - '{0}'")]
    Unknown(String),
    /// A value or its directive is refused.
    #[error("ERR CONFIG SET failed (possibly related to argument '{argument}') - {reason}")]
    Failed {
        /// The directive.
        argument: String,
        /// Why.
        reason: String,
    },
    /// It can't be set before the data is loaded.
    #[error("LOADING Redis is loading the dataset in memory")]
    Loading,
}

impl SetError {
    /// `argument` can't be set for `reason`: also for a server that vetoes a prepared change.
    pub fn failed(argument: &str, reason: impl Into<String>) -> Self {
        SetError::Failed { argument: argument.to_owned(), reason: reason.into() }
    }
}

/// Why `CONFIG REWRITE` failed. `Display` gives the error reply, its code included.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// Nothing to rewrite.
    #[error("ERR The server is running without a config file")]
    NoFile,
    /// The file can't be read or replaced; it is as it was.
    #[error("ERR Rewriting config file: {}", system_text(.0))]
    Io(#[from] io::Error),
}

/// The system's own text for an error, without Rust's `(os error N)`.
pub(super) fn system_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_owned(),
        None => text,
    }
}
