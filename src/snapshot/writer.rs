//! The file of a snapshot: blocks one behind the other, then in place at once.

use super::walk::{Piece, Shared};
use crate::rdb::crc::{self, Crc64};
use crate::rdb::{self, Encoder};
use crate::storage::{File, Fs, Open, write_all_at};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// So many bytes are left to the page cache before they are forced out: the sync at the end then has little to do.
const SYNC_BYTES: u64 = 32 << 20;

/// Where a snapshot goes, and what its head says.
pub struct Target {
    /// The file system.
    pub fs: Arc<dyn Fs>,
    /// The file.
    pub path: PathBuf,
    /// Its name until it is whole, in the same directory.
    pub temporary: PathBuf,
    /// Whether it ends with a checksum.
    pub checksum: bool,
    /// The version of Redis that we are compatible with.
    pub redis_version: &'static str,
    /// Unix seconds of the instant.
    pub ctime_s: u64,
    /// Bytes in use.
    pub used_memory_bytes: u64,
    /// Whether it is the base of a log.
    pub aof_base: bool,
}

/// Why a snapshot was not written. What was there before is untouched.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file system refused.
    #[error("{action} {}: {error}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why it failed.
        error: io::Error,
    },
    /// It was called off.
    #[error("the snapshot was called off")]
    Abandoned,
}

/// Writes what `cores` cores send until all have ended. Blocks. Returns the length of the file in bytes.
///
/// # Errors
/// [`WriteError`]; the temporary file is removed then, and the cores are told to call it off.
pub fn write(target: &Target, shared: &Shared, pieces: &Receiver<Piece>, cores: usize) -> Result<u64, WriteError> {
    let result = try_write(target, shared, pieces, cores);
    if result.is_err() {
        shared.abandon();
        let _ = target.fs.unlink(&target.temporary);
        // The end is the end for all: not before the last core has gone through its entries.
        while pieces.recv().is_ok() {}
    }
    result
}

fn try_write(target: &Target, shared: &Shared, pieces: &Receiver<Piece>, cores: usize) -> Result<u64, WriteError> {
    let path = &target.temporary;
    let _ = target.fs.unlink(path);
    let file = at("create", path, target.fs.open(path, Open::Create))?;
    let mut encoder = Encoder::new(false);
    let (mut head, mut start) = (Vec::new(), Vec::new());
    encoder.header(&mut head, rdb::VERSION);
    encoder.aux_standard(&mut start, target.redis_version, target.ctime_s, target.used_memory_bytes, target.aof_base);
    let mut out = Out { file: &*file, path, offset: head.len() as u64, unsynced: 0, crc: Crc64::new() };
    out.append(&start)?;
    let mut whole = 0;
    for piece in pieces {
        match piece {
            Piece::Block(block) => out.append(&block)?,
            Piece::Whole => whole += 1,
        }
    }
    if whole < cores || shared.is_abandoned() {
        return Err(WriteError::Abandoned);
    }
    let mut end = Vec::new();
    encoder.eof(&mut end);
    out.append(&end)?;
    // Only now it is known which version the values need.
    head.clear();
    encoder.header(&mut head, shared.version());
    let sum = crc::combine(crc::checksum(&head), out.crc.value(), out.offset - head.len() as u64);
    at("write", path, write_all_at(&*file, &head, 0))?;
    end.clear();
    encoder.checksum(&mut end, if target.checksum { sum } else { 0 });
    out.append(&end)?;
    at("sync", path, file.sync_all())?;
    at("rename", path, target.fs.rename(path, &target.path))?;
    let dir = target.path.parent().unwrap_or(Path::new("."));
    at("sync", dir, target.fs.sync_dir(dir))?;
    Ok(out.offset)
}

/// The file that grows.
struct Out<'a> {
    file: &'a dyn File,
    path: &'a Path,
    offset: u64,
    unsynced: u64,
    crc: Crc64,
}

impl Out<'_> {
    fn append(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.crc.update(bytes);
        at("write", self.path, write_all_at(self.file, bytes, self.offset))?;
        self.offset += bytes.len() as u64;
        self.unsynced += bytes.len() as u64;
        if self.unsynced >= SYNC_BYTES {
            self.unsynced = 0;
            at("sync", self.path, self.file.sync_data())?;
        }
        Ok(())
    }
}

fn at<T>(action: &'static str, path: &Path, result: io::Result<T>) -> Result<T, WriteError> {
    result.map_err(|error| WriteError::Io { action, path: path.to_owned(), error })
}
