//! Where the log's files lie and what they are called.

use std::path::PathBuf;
use std::sync::Arc;

use super::types::Lsn;
use crate::storage::Fs;

/// `<data_dir>/<dirname>/<filename>.…`, as Redis 7 names them.
#[derive(Clone)]
pub struct Directory {
    /// The file system.
    pub fs: Arc<dyn Fs>,
    /// `dir`
    pub data_dir: PathBuf,
    /// `appenddirname`
    pub dirname: String,
    /// `appendfilename`
    pub filename: String,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Directory({}, {})", self.path().display(), self.filename)
    }
}

impl Directory {
    /// The log's directory.
    pub fn path(&self) -> PathBuf {
        self.data_dir.join(&self.dirname)
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The manifest.
    pub fn manifest(&self) -> PathBuf {
        self.file(&format!("{}.manifest", self.filename))
    }

    /// Where the next manifest is written.
    pub fn manifest_aside(&self) -> PathBuf {
        self.file(&format!("temp-{}.manifest", self.filename))
    }

    /// Names the files of a log that is being opened, until the manifest does ([`super::Keeper::open_begin`]).
    pub fn opening_manifest(&self) -> PathBuf {
        self.file(&format!("temp-{}.opening", self.filename))
    }

    /// The file whose lock keeps a second server out of the data directory.
    pub fn lock_file(&self) -> PathBuf {
        self.data_dir.join("basalt.lock")
    }

    /// Name of an incremental file.
    pub fn incr_name(&self, seq: u64) -> String {
        format!("{}.{seq}.incr.aof", self.filename)
    }

    /// Name of a base in RDB format.
    pub fn base_name(&self, seq: u64) -> String {
        format!("{}.{seq}.base.rdb", self.filename)
    }

    /// Name of a base of commands.
    pub fn commands_base_name(&self, seq: u64) -> String {
        format!("{}.{seq}.base.aof", self.filename)
    }

    /// The number in an incremental file's name.
    pub fn incr_seq(&self, name: &str) -> Option<u64> {
        name.strip_prefix(&self.filename)?.strip_prefix('.')?.strip_suffix(".incr.aof")?.parse().ok()
    }
}

/// How a new incarnation of the log is made.
#[derive(Clone, Copy, Debug)]
pub struct Incarnation {
    /// Random, drawn at this start (rule W2).
    pub id: u64,
    /// How many cores there are, 1 to [`super::CORES_MAX`].
    pub cores: u16,
    /// Size of ordinary segments in bytes.
    /// Only of the first one of each core in a generation: later ones are as large as the cores ask.
    pub segment_bytes: u64,
    /// Seeds the random ids of segments; must differ from start to start.
    pub entropy: u64,
    /// Whether replies go out before their write is on the medium, at first.
    pub relaxed: bool,
    /// This run of the machine ([`crate::storage::boot_id`]).
    pub boot: u64,
}

/// The first record of every core in a new incarnation.
pub(crate) const FIRST_LSN: Lsn = 1;
