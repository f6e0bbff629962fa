//! The most memory ever in use, and what was in use at the start.

use std::sync::atomic::{AtomicU64, Ordering};

/// A peak that any core may raise.
#[derive(Debug)]
pub struct MemoryPeak {
    startup_bytes: u64,
    bytes: AtomicU64,
    at_s: AtomicU64,
}

impl MemoryPeak {
    /// At the start, with so much in use.
    pub fn starting_at(bytes: u64) -> MemoryPeak {
        MemoryPeak { startup_bytes: bytes, bytes: AtomicU64::new(bytes), at_s: AtomicU64::new(0) }
    }

    /// So much is in use now.
    pub fn note(&self, bytes: u64) {
        if self.bytes.fetch_max(bytes, Ordering::Relaxed) < bytes {
            self.at_s.store(super::unix_ms() / 1000, Ordering::Relaxed);
        }
    }

    /// In use at the start.
    pub fn startup_bytes(&self) -> u64 {
        self.startup_bytes
    }

    /// The peak.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
