//! Why a directory is refused. Every error names the file and says what can be done.

use std::io;
use std::path::PathBuf;

use super::table::Row;
use crate::log::{HeaderFault, KeeperError, Lsn, ManifestFault};

/// Damage in a segment that can't be what a crash leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corruption {
    /// The file.
    pub path: PathBuf,
    /// Byte offset of the first bad frame.
    pub offset: u64,
    /// The first record that is missing or doubtful.
    pub first_lsn: Lsn,
    /// The last one that is known to have been acknowledged, if it is not before `first_lsn`.
    pub durable_lsn: Lsn,
    /// The core.
    pub core: u16,
    /// The case.
    pub row: Row,
}

impl std::fmt::Display for Corruption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Corruption { path, offset, first_lsn, durable_lsn, core, row } = self;
        write!(f, "{} is damaged at offset {offset} (core {core}, ", path.display())?;
        if durable_lsn >= first_lsn {
            write!(f, "acknowledged records {first_lsn} to {durable_lsn}")?;
        } else {
            write!(f, "records from {first_lsn} on")?;
        }
        write!(f, "; case {}): {}. ", row.label(), row.text())?;
        write!(
            f,
            "Restore the file from a backup, or look with 'basalt-check' and let 'basalt-check --fix' cut the log there. \
             If the file was edited by hand, 'basalt-check --reseal' checks and seals it anew"
        )
    }
}

/// Why recovery stops. Nothing has been changed.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// Another server has the data directory.
    #[error("{} is locked: another server is using this data directory", .0.display())]
    Locked(PathBuf),
    /// A write of a killed server has not ended.
    #[error("{} is still locked by the server that wrote it: a write of it has not ended", .0.display())]
    SegmentBusy(PathBuf),
    /// The file system reports an error.
    #[error("{action} {}: {error}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The manifest can't be used.
    #[error("the manifest {} can't be used: {fault}. Restore it from a backup, or let 'basalt-check --fix' write it anew from the segments; after an edit by hand, 'basalt-check --reseal'", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Why.
        fault: ManifestFault,
    },
    /// There are files of a log and no manifest.
    #[error("{} holds data but there is no manifest {}: restore the manifest, or move the file away", path.display(), manifest.display())]
    ManifestMissing {
        /// One of the files.
        path: PathBuf,
        /// Where the manifest should be.
        manifest: PathBuf,
    },
    /// A file that the manifest names does not exist.
    #[error("the manifest names {}, which does not exist: restore it from a backup", .0.display())]
    FileMissing(PathBuf),
    /// A segment with records that the manifest does not name.
    #[error("{} holds records but the manifest does not name it: the manifest is older than the log. Restore the manifest that belongs to it, or move the file away", .0.display())]
    Unnamed(PathBuf),
    /// The first line of a segment.
    #[error("the first line of {}, which describes the segment, is {}: restore the file from a backup", path.display(), describe(fault))]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: HeaderFault,
    },
    /// Manifest and segments contradict each other.
    #[error("{}: {what}. Files of different logs or times have been mixed", path.display())]
    Disagrees {
        /// The file.
        path: PathBuf,
        /// In what.
        what: &'static str,
    },
    /// A core's log is missing.
    #[error("generation {generation} of the log has no segment of core {core}")]
    CoreMissing {
        /// The generation.
        generation: u64,
        /// The core.
        core: u16,
    },
    /// A segment is damaged.
    #[error("{0}")]
    Corrupt(Corruption),
    /// Records are missing between two segments, or there twice.
    #[error("{} goes on with record {found} of core {core} where {expected} should follow: a segment is missing or has been replaced (case @S)", path.display())]
    Gap {
        /// The later segment.
        path: PathBuf,
        /// The core.
        core: u16,
        /// The record that should follow.
        expected: Lsn,
        /// The one that does.
        found: Lsn,
    },
    /// A multi-core write that was acknowledged has lost a part.
    #[error(
        "a part of a multi-core write is missing although core {core} acknowledged records up to {durable_lsn}: only {cut} of them are whole (case @T). The log of another core has lost acknowledged records; restore it from a backup"
    )]
    PartMissing {
        /// The core that knows.
        core: u16,
        /// What it acknowledged.
        durable_lsn: Lsn,
        /// How far the cut goes.
        cut: Lsn,
    },
    /// A file without frames, as Redis and Valkey write them.
    #[error("{} can't be read at offset {offset}: {what}", path.display())]
    Plain {
        /// The file.
        path: PathBuf,
        /// Byte offset.
        offset: u64,
        /// Why.
        what: &'static str,
    },
    /// The base of commands is damaged.
    #[error("{} is damaged at offset {offset}: {what}. It is the base of the log, which begins with it: restore the file from a backup", path.display())]
    Base {
        /// The file.
        path: PathBuf,
        /// Byte offset.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A frame's records are not what its header says; a defect of the server that wrote it.
    #[error("the frame at offset {offset} of {} has a right checksum and wrong records", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Byte offset of the frame.
        offset: u64,
    },
    /// The new incarnation's segments could not be made.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// The one who takes the records refused one.
    #[error("{0}")]
    Sink(String),
}

fn describe(fault: &HeaderFault) -> String {
    match fault {
        HeaderFault::Foreign => "missing".to_string(),
        HeaderFault::Damaged => "damaged".to_string(),
        HeaderFault::Newer(version) => format!("of format version {version}, newer than this program knows"),
    }
}
