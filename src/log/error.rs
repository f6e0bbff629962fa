//! What can go wrong while the log runs. Errors of recovery are in `recovery`.

use std::io;
use std::path::PathBuf;

use super::types::Lsn;

/// Why a core's log takes no more writes for good (rule F2).
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "core {core}: {what} of segment {segment} at offset {offset} failed ({error}); records above LSN {durable_lsn} are not acknowledged"
)]
pub struct Poisoned {
    /// The core.
    pub core: u16,
    /// `"write"`, `"short write"` or `"sync"`.
    pub what: &'static str,
    /// The segment's file name.
    pub segment: String,
    /// Where the frame was to be written; 0 for a sync.
    pub offset: u64,
    /// How far acknowledgement goes.
    pub durable_lsn: Lsn,
    /// The system's error.
    pub error: String,
}

/// Why a command that writes is refused before it runs (rule W7).
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// The log failed.
    #[error(transparent)]
    Poisoned(#[from] Poisoned),
    /// The next segment could not be prepared; tried again in the background.
    #[error("no room for the log: {0}")]
    NoSpace(String),
}

/// Why the keeper of segments could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// An operation failed and left nothing behind: it may be tried again.
    #[error("{action} {}: {error}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The switch of this very call failed half way: it is unknown which manifest is on the medium. Every core's log must be
    /// poisoned: there will be no more segments, and after a barrier or the cut of a rewrite the old ones may have ended for good.
    #[error("{action} {}: {error}; it is unknown which manifest is in force", path.display())]
    Unknown {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// An earlier switch failed half way: nothing is changed any more (rule F2), and nothing was done.
    #[error("the manifest could not be switched earlier ({0}); the log's directory is not changed any more")]
    Poisoned(String),
    /// The rewrite that was to end has been overtaken by a flush.
    #[error("the rewrite was aborted by a flush that discards what it holds")]
    RewriteAborted,
    /// The log is closed.
    #[error("the log is closed")]
    Closed,
    /// A rewrite is running already.
    #[error("a rewrite is running already")]
    RewriteRunning,
}

impl KeeperError {
    /// Whether the disk is full: the case that heals by itself.
    pub fn is_out_of_space(&self) -> bool {
        matches!(self, KeeperError::Io { error, .. } if crate::storage::is_out_of_space(error))
    }
}
