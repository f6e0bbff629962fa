//! Snapshots and rewrites of the log, as INFO shows them: the last ones, and one that is under way.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// One kind of background work: its runs so far.
#[derive(Debug)]
pub struct Runs {
    begun_s: AtomicU64,
    running: AtomicBool,
    scheduled: AtomicBool,
    failed: AtomicBool,
    last_seconds: AtomicI64,
    succeeded: AtomicU64,
    failed_in_a_row: AtomicU64,
}

impl Default for Runs {
    fn default() -> Runs {
        Runs {
            begun_s: AtomicU64::new(0),
            running: AtomicBool::new(false),
            scheduled: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            last_seconds: AtomicI64::new(-1),
            succeeded: AtomicU64::new(0),
            failed_in_a_row: AtomicU64::new(0),
        }
    }
}

impl Runs {
    /// One begins. `false`: one is under way already.
    pub fn begin(&self, now_s: u64) -> bool {
        if self.running.swap(true, Ordering::AcqRel) {
            return false;
        }
        self.scheduled.store(false, Ordering::Relaxed);
        self.begun_s.store(now_s, Ordering::Relaxed);
        true
    }

    /// It has ended.
    pub fn end(&self, now_s: u64, success: bool) {
        let seconds = now_s.saturating_sub(self.begun_s.load(Ordering::Relaxed));
        self.last_seconds.store(seconds as i64, Ordering::Relaxed);
        self.failed.store(!success, Ordering::Relaxed);
        if success {
            self.succeeded.fetch_add(1, Ordering::Relaxed);
            self.failed_in_a_row.store(0, Ordering::Relaxed);
        } else {
            self.failed_in_a_row.fetch_add(1, Ordering::Relaxed);
        }
        self.running.store(false, Ordering::Release);
    }

    /// It was called off: that says nothing about the next one.
    pub fn call_off(&self) {
        self.running.store(false, Ordering::Release);
    }

    /// When the last one began, unix seconds.
    pub fn begun_s(&self) -> u64 {
        self.begun_s.load(Ordering::Relaxed)
    }

    /// Whether the last one failed.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// One is to begin as soon as possible.
    pub fn schedule(&self, scheduled: bool) {
        self.scheduled.store(scheduled, Ordering::Relaxed);
    }

    /// Whether one is under way.
    pub fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    /// Whether one is to begin as soon as possible.
    pub fn is_scheduled(&self) -> bool {
        self.scheduled.load(Ordering::Relaxed)
    }

    /// `ok` or `err`, for the last one.
    pub fn last_status(&self) -> &'static str {
        if self.failed.load(Ordering::Relaxed) { "err" } else { "ok" }
    }

    /// How long the last one took, seconds; -1 before the first.
    pub fn last_seconds(&self) -> i64 {
        self.last_seconds.load(Ordering::Relaxed)
    }

    /// How long the one under way has taken, seconds; -1 if there is none.
    pub fn current_seconds(&self, now_s: u64) -> i64 {
        if self.is_running() { now_s.saturating_sub(self.begun_s.load(Ordering::Relaxed)) as i64 } else { -1 }
    }

    /// How many succeeded.
    pub fn succeeded(&self) -> u64 {
        self.succeeded.load(Ordering::Relaxed)
    }

    /// How many failed since the last one that succeeded.
    pub fn failed_in_a_row(&self) -> u64 {
        self.failed_in_a_row.load(Ordering::Relaxed)
    }
}

/// A snapshot that is under way.
#[derive(Clone, Copy, Debug, Default)]
pub struct CurrentSave {
    /// Keys written.
    pub keys_done: u64,
    /// Keys to write in all.
    pub keys_total: u64,
    /// Bytes of memory it holds: encoded and not yet in the file, and kept of large collections that change.
    pub memory_bytes: u64,
    /// The most that came to.
    pub peak_bytes: u64,
    /// How much it may hold before writes wait.
    pub budget_bytes: u64,
}

/// All background work on files.
#[derive(Debug)]
pub struct SaveState {
    /// Snapshots.
    pub snapshots: Runs,
    /// Rewrites of the log.
    pub rewrites: Runs,
    /// When the last snapshot succeeded, or the server started, unix seconds.
    pub last_save_s: AtomicU64,
    /// Changes that the last snapshot holds, to be taken off those counted since the start.
    pub dirty_saved: AtomicU64,
    /// Changes counted since the start, by core, as of a tenth of a second ago.
    pub dirty: Box<[AtomicU64]>,
    /// Bytes of records logged since the start or the last rewrite, by core, as of a tenth of a second ago.
    pub log_bytes: Box<[AtomicU64]>,
    /// The snapshot under way, which may be a new base of the log.
    pub current: Mutex<Option<Arc<crate::snapshot::Shared>>>,
    /// The most memory that the last snapshot held, and the last rewrite of the log, in bytes.
    pub last_peak_bytes: [AtomicU64; 2],
    /// Bytes of the log's base file, and of the log that was replayed on top of it at the start.
    pub log_base_bytes: AtomicU64,
}

impl SaveState {
    /// For a server that starts now.
    pub fn new(now_s: u64, cores: usize) -> SaveState {
        SaveState {
            snapshots: Runs::default(),
            rewrites: Runs::default(),
            last_save_s: AtomicU64::new(now_s),
            dirty_saved: AtomicU64::new(0),
            log_bytes: (0..cores).map(|_| AtomicU64::new(0)).collect(),
            dirty: (0..cores).map(|_| AtomicU64::new(0)).collect(),
            current: Mutex::new(None),
            last_peak_bytes: Default::default(),
            log_base_bytes: AtomicU64::new(0),
        }
    }

    /// What the snapshot under way has done and holds; zeros if there is none.
    pub fn current_counts(&self) -> CurrentSave {
        let current = self.current.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        current.as_ref().map_or(CurrentSave::default(), |shared| CurrentSave {
            keys_done: read(&shared.keys_done),
            keys_total: read(&shared.keys_total),
            memory_bytes: shared.memory_bytes(),
            peak_bytes: read(&shared.peak_bytes),
            budget_bytes: shared.budget_bytes,
        })
    }

    /// Bytes of the log: of its base and of the records behind it.
    pub fn log_bytes_total(&self) -> u64 {
        let logged: u64 = self.log_bytes.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        self.log_base_bytes.load(Ordering::Relaxed) + logged
    }

    /// Changes since the last snapshot.
    pub fn changes(&self) -> u64 {
        let all: u64 = self.dirty.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        all.saturating_sub(self.dirty_saved.load(Ordering::Relaxed))
    }
}
