//! What recovery found and what it will do: data, made by `find` and `judge`, carried out by `replay` and `repair`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::commands::CommandsBase;
use super::plain::{PlainPart, Tolerance};
use super::table::Row;
use crate::log::{Directory, Lsn, Manifest, SegmentHeader, SegmentKind};
use crate::storage::File;

/// What may be forgiven, and how long is waited.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// `aof-load-truncated`: cut an unfinished command from the end of a file that Redis or Valkey wrote last.
    pub load_truncated: bool,
    /// `aof-load-corrupt-tail-max-size`: cut so many bytes of anything there, and of a last frame that nobody acknowledged.
    pub corrupt_tail_bytes_max: u64,
    /// How long to wait for the locks of a server that was just killed.
    pub lock_patience: Duration,
    /// This run of the machine ([`crate::storage::boot_id`]); 0: unknown.
    pub boot: u64,
    /// Only look: nothing is opened for writing, made or synced.
    pub inspect: bool,
    /// The caller holds the data directory's lock.
    pub lock_held: bool,
    /// The caller writes this log itself, and does not at the moment: its files are locked by nobody else.
    pub is_own: bool,
    /// How many files are read at the same time.
    pub threads: usize,
    /// Counts the bytes of segments that have been read, for progress reports.
    pub scanned_bytes: Option<&'static AtomicU64>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            load_truncated: true,
            corrupt_tail_bytes_max: 0,
            lock_patience: Duration::from_secs(2),
            inspect: false,
            lock_held: false,
            is_own: false,
            threads: 1,
            scanned_bytes: None,
            boot: 0,
        }
    }
}

impl Options {
    pub(crate) fn tolerance(&self, last_file: bool) -> Tolerance {
        Tolerance {
            truncated: last_file && self.load_truncated,
            corrupt_bytes_max: if last_file { self.corrupt_tail_bytes_max } else { 0 },
            time_ms: None,
        }
    }
}

/// The state that the log starts from.
#[derive(Clone, Debug)]
pub enum Base {
    /// An RDB file.
    Rdb(PathBuf),
    /// A file of commands, perhaps with an RDB image in front.
    Aof(PlainPart),
    /// A base of commands that Basalt wrote.
    Commands(CommandsBase),
}

/// What a person should know about a start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A torn tail is cut.
    TornTail {
        /// The segment.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// The record that was not written whole.
        first_lsn: Lsn,
        /// The case.
        row: Row,
    },
    /// Whole records are cut because they, or records before them, belong to multi-core writes that are not whole.
    Unfinished {
        /// The core.
        core: u16,
        /// The first record that is cut.
        first_lsn: Lsn,
        /// The last one.
        last_lsn: Lsn,
    },
    /// The power failed where replies do not wait for the disk: whole records are cut because they are newer than the last moment of
    /// which every core's log has all.
    BehindRound {
        /// The core.
        core: u16,
        /// The first record that is cut.
        first_lsn: Lsn,
        /// The last one.
        last_lsn: Lsn,
    },
    /// Rotten bytes in the unused part are filled anew.
    DamagedFiller {
        /// The segment.
        path: PathBuf,
        /// How many bytes' lines.
        bytes: u64,
    },
    /// Another server appended commands to a segment: a rewrite is due.
    Appended {
        /// The segment.
        path: PathBuf,
        /// How many bytes.
        bytes: u64,
    },
    /// The end of a file of another server is cut.
    PlainCut {
        /// The file.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// A file that no manifest names, without records or from before a finished rewrite: removed.
    Leftover(PathBuf),
    /// A file that no manifest names and Basalt did not write: left alone.
    Unknown(PathBuf),
    /// A log in a single file, from before Redis 7, moves into the log's directory.
    Upgraded(PathBuf),
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Finding::TornTail { path, offset, first_lsn, row } => write!(
                f,
                "{}: the log is cut at offset {offset}, before record {first_lsn}, which nobody was told about: {} (case {})",
                path.display(),
                row.text(),
                row.label()
            ),
            Finding::Unfinished { core, first_lsn, last_lsn } => write!(
                f,
                "core {core}: records {first_lsn} to {last_lsn} are cut, which nobody was told about: a multi-core write \
                 that they belong to or follow is not whole"
            ),
            Finding::BehindRound { core, first_lsn, last_lsn } => write!(
                f,
                "core {core}: records {first_lsn} to {last_lsn} are cut: the power failed, and they are newer than the last \
                 moment of which every core's log has all"
            ),
            Finding::DamagedFiller { path, bytes } => {
                write!(f, "{}: {bytes} bytes of its unused part are rotten and are filled anew", path.display())
            }
            Finding::Appended { path, bytes } => {
                write!(f, "{}: another server appended {bytes} bytes of commands", path.display())
            }
            Finding::PlainCut { path, offset, bytes } => write!(
                f,
                "{}: the last {bytes} bytes, from offset {offset} on, are no whole command or transaction and are cut",
                path.display()
            ),
            Finding::Leftover(path) => {
                write!(f, "{}: left over from something that was cut short, and removed", path.display())
            }
            Finding::Unknown(path) => write!(f, "{}: not named by the manifest, and left alone", path.display()),
            Finding::Upgraded(path) => {
                write!(f, "{}: a log in a single file, which moves into the log's directory", path.display())
            }
        }
    }
}

/// A frame that is kept in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partial {
    pub(crate) offset: u64,
}

/// One segment, checked to its last byte.
#[derive(Clone, Debug)]
pub struct SegmentPlan {
    /// Its header line.
    pub header: SegmentHeader,
    /// Its file.
    pub path: PathBuf,
    pub(crate) name: String,
    pub(crate) file: Arc<dyn File>,
    /// Byte behind the last frame that is kept whole.
    pub kept_end: u64,
    /// The last record that is kept: nothing above it is replayed.
    pub kept_last_lsn: Lsn,
    pub(crate) partial: Option<Partial>,
    /// Whether anything but filler lies behind what is kept.
    pub(crate) wipe: bool,
    /// What another server appended.
    pub appended: Option<PlainPart>,
}

/// Files that are replayed together. Generations are replayed one after another.
#[derive(Clone, Debug)]
pub struct GenerationPlan {
    /// Its number; 0 for a file of another server.
    pub number: u64,
    /// One core's logs, in parallel; or a barrier.
    pub kind: SegmentKind,
    /// Segments in the order of their numbers.
    pub segments: Vec<SegmentPlan>,
    /// A file of another server.
    pub plain: Option<PlainPart>,
}

/// Everything a start needs to know. Nothing on the disk has been changed.
#[derive(Debug)]
pub struct Plan {
    /// Where the log lies.
    pub dir: Directory,
    /// The state to start from.
    pub base: Option<Base>,
    /// What follows, in order.
    pub generations: Vec<GenerationPlan>,
    /// What a person should know.
    pub findings: Vec<Finding>,
    /// No log at all was there.
    pub fresh: bool,
    pub(crate) manifest: Manifest,
    pub(crate) leftovers: Vec<PathBuf>,
    /// The manifest of a log that was being opened; to be removed after what it names.
    pub(crate) opening: Option<PathBuf>,
    /// Old place of a single-file log, and its name.
    pub(crate) upgrade: Option<PathBuf>,
    pub(crate) next_generation: u64,
    pub(crate) next_seq: u64,
    /// The data directory's lock, unless the caller holds it or only looks.
    pub(crate) lock: Option<Arc<dyn File>>,
}

impl Plan {
    /// Whether another server's commands stand in or between our segments, so that a rewrite should follow soon.
    pub fn rewrite_due(&self) -> bool {
        self.generations.iter().any(|generation| {
            generation.plain.is_some() || generation.segments.iter().any(|segment| segment.appended.is_some())
        })
    }

    /// Whether nothing is to be cut or overwritten, so that other servers read the same as this one.
    pub fn is_settled(&self) -> bool {
        let mut segments = self.generations.iter().flat_map(|generation| &generation.segments);
        segments.all(|segment| !segment.wipe && segment.partial.is_none())
    }

    /// Length of the base's file in bytes, 0 without one.
    pub fn base_bytes(&self) -> u64 {
        let len = |path: &PathBuf| {
            let file = self.dir.fs.open(path, crate::storage::Open::Read);
            // A length for people: reading the file will say what is wrong with it.
            file.and_then(|file| file.len()).unwrap_or(0)
        };
        match &self.base {
            None => 0,
            Some(Base::Rdb(path)) => len(path),
            Some(Base::Aof(part)) => len(&part.path),
            Some(Base::Commands(base)) => base.len_bytes(),
        }
    }

    /// Bytes of all records that will be replayed, for progress reports; the base apart.
    pub fn replay_bytes(&self) -> u64 {
        let segments = self.generations.iter().flat_map(|generation| &generation.segments);
        let plain = self.generations.iter().filter_map(|generation| generation.plain.as_ref());
        segments.map(|segment| segment.kept_end - segment.header.data_start()).sum::<u64>()
            + plain.map(|part| part.end - part.start).sum::<u64>()
    }
}
