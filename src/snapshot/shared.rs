//! What the cores and the writer of one snapshot share, and what they send each other.

use crate::log::BlockLine;
use crate::object::Held;
use crate::rdb;
use crate::rdb::index::BlockPlace;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What all cores and the writer of one snapshot share.
#[derive(Debug)]
pub struct Shared {
    abandoned: AtomicBool,
    version: AtomicU16,
    /// Where the next part of the file has its place.
    next_place: AtomicU64,
    blocks: Mutex<Vec<BlockPlace>>,
    /// Changes counted up to the instant.
    pub dirty: AtomicU64,
    /// Keys there at the instant.
    pub keys_total: AtomicU64,
    /// Keys written so far.
    pub keys_done: AtomicU64,
    /// Bytes encoded and not yet in the file.
    pub pending_bytes: AtomicU64,
    /// Bytes that large collections keep for the snapshot.
    pub held: Held,
    /// The most that `pending_bytes` and `held` came to.
    pub peak_bytes: AtomicU64,
    /// How many bytes the snapshot may hold before writes wait.
    pub budget_bytes: u64,
    began: Instant,
    /// Bytes a second that may be put out; 0 for any number.
    rate_limit: AtomicU64,
}

impl Default for Shared {
    fn default() -> Shared {
        Shared::new(0, u64::MAX)
    }
}

impl Shared {
    /// A snapshot whose file has a head of `head_bytes`, and which may hold `budget_bytes` in memory.
    pub fn new(head_bytes: u64, budget_bytes: u64) -> Shared {
        Shared {
            abandoned: AtomicBool::new(false),
            version: AtomicU16::new(rdb::VERSION),
            next_place: AtomicU64::new(head_bytes),
            blocks: Mutex::new(Vec::new()),
            dirty: AtomicU64::new(0),
            keys_total: AtomicU64::new(0),
            keys_done: AtomicU64::new(0),
            pending_bytes: AtomicU64::new(0),
            held: Held::default(),
            peak_bytes: AtomicU64::new(0),
            budget_bytes,
            began: Instant::now(),
            rate_limit: AtomicU64::new(0),
        }
    }

    /// Has the walks put out no more than `bytes` a second; 0 for any number.
    pub fn limit_rate(&self, bytes: u64) {
        self.rate_limit.store(bytes, Ordering::Relaxed);
    }

    /// Whether more was put out than the limit allows by now.
    pub(super) fn is_ahead_of_limit(&self) -> bool {
        match self.rate_limit.load(Ordering::Relaxed) {
            0 => false,
            limit => self.end() as u128 * 1_000_000 > u128::from(limit) * self.began.elapsed().as_micros(),
        }
    }

    /// Calls the snapshot off.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    /// Whether it was called off.
    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// The RDB version that its values need.
    pub fn version(&self) -> u16 {
        self.version.load(Ordering::Relaxed)
    }

    /// A value needs this version.
    pub(super) fn needs_version(&self, version: u16) {
        if version > rdb::VERSION {
            self.version.fetch_max(version, Ordering::Relaxed);
        }
    }

    /// Takes the next `len` bytes of the file for a block of whole records of a core; returns their offset.
    pub(super) fn place(&self, core: u16, len: u64) -> u64 {
        let offset = self.next_place.fetch_add(len, Ordering::Relaxed);
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner).push(BlockPlace { offset, len, core });
        offset
    }

    /// Where the last place ends.
    pub(super) fn end(&self) -> u64 {
        self.next_place.load(Ordering::Relaxed)
    }

    /// The places taken, in the file's order.
    pub(super) fn blocks(&self) -> Vec<BlockPlace> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        blocks.sort_unstable_by_key(|block| block.offset);
        blocks
    }

    /// Bytes of memory that the snapshot holds.
    pub fn memory_bytes(&self) -> u64 {
        self.pending_bytes.load(Ordering::Relaxed) + self.held.bytes()
    }

    /// Whether it holds more than it may: writes have to wait.
    pub fn is_over_budget(&self) -> bool {
        self.memory_bytes() > self.budget_bytes && !self.is_abandoned()
    }

    pub(super) fn add_pending(&self, bytes: usize) {
        self.pending_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.peak_bytes.fetch_max(self.memory_bytes(), Ordering::Relaxed);
    }

    pub(super) fn sub_pending(&self, bytes: usize) {
        self.pending_bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
    }
}

/// What a core sends to the writer.
#[derive(Debug)]
pub enum Piece {
    /// Bytes and where they belong.
    Part {
        /// Offset in the file.
        offset: u64,
        /// The bytes.
        bytes: Vec<u8>,
        /// For a block of commands: what its line is to say. The writer seals it.
        line: Option<BlockLine>,
    },
    /// The core has sent all its keys.
    Whole,
}

/// What is told of a key's use, by the eviction policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uses {
    /// Nothing.
    Untold,
    /// Seconds since the last use.
    Idle,
    /// The LFU counter.
    Frequency,
}

/// What a walk is to do. A copy for each core.
#[derive(Clone)]
pub struct Order {
    /// What it shares with the others.
    pub shared: Arc<Shared>,
    /// The way to the writer.
    pub out: SyncSender<Piece>,
    /// Whether strings are compressed.
    pub compress: bool,
    /// What is told of uses.
    pub uses: Uses,
    /// Whether blocks are padded to the alignment of direct I/O. Those of commands always are.
    pub aligned: bool,
    /// Whether keys are written as commands and not as records of RDB.
    pub as_commands: bool,
}

/// How far a slice got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do.
    More,
    /// The writer has to catch up first.
    Waiting,
    /// All is sent, or called off.
    Done,
}
