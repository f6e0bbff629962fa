//! `basalt-check`: says whether a log's directory or a file is sound, and puts right what can be put right.
//!
//! Its verdict on a directory is that of a start: it makes the same plan ([`crate::recovery::plan`]) and puts the same questions to
//! every command. What it changes, it changes in a copy made of hard links; the copy is verified, then swapped with the
//! original, which stays as the backup. docs/DURABILITY.md tells an operator when to use what.

mod change;
mod cli;
mod fix;
mod history;
mod place;
mod progress;
mod rdb;
mod reseal;
mod restore;
mod trial;
mod verify;

#[cfg(test)]
pub(crate) use {fix::repaired, verify::verdict};

pub use change::{Built, Change, Destination};
pub use cli::{Args, run};
pub use history::{Kept, list as list_history};
pub use place::Place;
pub use restore::{RestoreError, parse_time, restore_new};
pub use trial::Trial;

/// Why nothing was done, or why what was looked at is not sound.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Recovery refuses it.
    #[error(transparent)]
    Recovery(#[from] crate::recovery::RecoveryError),
    /// The file system reports an error.
    #[error("{action} {}: {error}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: std::path::PathBuf,
        /// The system's error.
        error: std::io::Error,
    },
    /// An RDB file is not what it should be.
    #[error("{0}")]
    Rdb(#[from] crate::rdb::DecodeError),
    /// Anything else, in words.
    #[error("{0}")]
    Refused(String),
    /// The question was answered with no.
    #[error("nothing was changed")]
    Declined,
}

impl CheckError {
    pub(crate) fn io<'p>(
        action: &'static str,
        path: &'p std::path::Path,
    ) -> impl Fn(std::io::Error) -> CheckError + 'p {
        move |error| CheckError::Io { action, path: path.to_path_buf(), error }
    }
}
