//! A backup by hard link, as BACKUP STATUS and LIST show it.

use std::path::PathBuf;

/// How far a backup is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackupState {
    /// There is none.
    #[default]
    Idle,
    /// Begun: what is written goes into it until it is sealed.
    Incrementing,
    /// Its files are complete and never change again.
    Sealed,
    /// It failed or was called off.
    Failed,
}

impl BackupState {
    /// As Redis calls it.
    pub fn name(self) -> &'static str {
        match self {
            BackupState::Idle => "idle",
            BackupState::Incrementing => "incrementing",
            BackupState::Sealed => "sealed",
            BackupState::Failed => "failed",
        }
    }
}

/// The server's one backup.
#[derive(Clone, Debug, Default)]
pub struct Backup {
    /// How far it is.
    pub state: BackupState,
    /// Why it failed.
    pub error: String,
    /// When it was begun, Unix seconds; 0: never.
    pub start_s: u64,
    /// When it was sealed, Unix seconds; 0: it is not.
    pub end_s: u64,
    /// Its files, once it is sealed.
    pub files: Vec<PathBuf>,
}
