//! The file of a snapshot, RDB or commands: parts from all cores at the places they took, then in place at once.

use super::shared::{Piece, Shared};
use crate::log::{BaseEnd, BaseHeader};
use crate::rdb::crc::{self, checksum};
use crate::rdb::index::{self, BLOCK_ALIGN};
use crate::rdb::{self, Encoder};
use crate::storage::{AlignedBuf, File, Fs, Open, write_all_at};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};

/// So many bytes are left to the page cache before they are forced out: the sync at the end then has little to do.
const SYNC_BYTES: u64 = 4 << 20;

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
    /// Of a base of commands: what its head says. Then what is said here of RDB does not count.
    pub commands: Option<BaseHeader>,
    /// Whether it has padding and an index of blocks, and is written past the page cache; else it is plain.
    pub aligned: bool,
    /// Whether a plain file is forced out every few megabytes.
    pub incremental_sync: bool,
    /// Writes under way at once.
    pub threads: usize,
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
    /// A place in the file was taken and nothing came for it.
    #[error("internal error: the snapshot has a gap at offset {0}")]
    Gap(u64),
}

impl Target {
    /// What the file begins with, for values that need `version`. Its length does not depend on that.
    pub fn head(&self, version: u16) -> Vec<u8> {
        if let Some(header) = &self.commands {
            return header.encode();
        }
        let mut encoder = Encoder::new(false);
        let mut head = Vec::new();
        encoder.header(&mut head, version);
        encoder.aux_standard(&mut head, self.redis_version, self.ctime_s, self.used_memory_bytes, self.aof_base);
        if self.aligned {
            index::announce(&mut encoder, &mut head);
            index::pad_to_block(&mut head);
        }
        head
    }

    /// State for a snapshot to here that may hold `budget_bytes` in memory.
    pub fn shared(&self, budget_bytes: u64) -> Shared {
        Shared::new(self.head(rdb::VERSION).len() as u64, budget_bytes)
    }
}

/// Writes what `cores` cores send until all have ended. Blocks. Returns the length of the file in bytes.
///
/// # Errors
/// [`WriteError`]; the temporary file is removed then, and the cores are told to call it off.
pub fn write(target: &Target, shared: &Shared, pieces: Receiver<Piece>, cores: usize) -> Result<u64, WriteError> {
    let pieces = Mutex::new(pieces);
    let result = try_write(target, shared, &pieces, cores);
    if result.is_err() {
        shared.abandon();
        let _ = target.fs.unlink(&target.temporary);
        // The end is the end for all: not before the last core has gone through its entries.
        while let Some(piece) = next(&pieces) {
            if let Piece::Part { bytes, .. } = piece {
                shared.sub_pending(bytes.len());
            }
        }
    }
    result
}

fn next(pieces: &Mutex<Receiver<Piece>>) -> Option<Piece> {
    pieces.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

fn try_write(
    target: &Target,
    shared: &Shared,
    pieces: &Mutex<Receiver<Piece>>,
    cores: usize,
) -> Result<u64, WriteError> {
    let path = &target.temporary;
    let _ = target.fs.unlink(path);
    let how = if target.aligned { Open::CreateDirect } else { Open::Create };
    let file = at("create", path, target.fs.open(path, how))?;
    let out = Out { file: &*file, path, target, shared };
    let helpers = target.threads.saturating_sub(1);
    let done = std::thread::scope(|scope| {
        let helpers: Vec<_> = (0..helpers).map(|_| scope.spawn(|| out.write_pieces(pieces))).collect();
        let mut done = vec![out.write_pieces(pieces)];
        done.extend(helpers.into_iter().map(|helper| helper.join().unwrap_or(Err(WriteError::Abandoned))));
        done
    });
    let (mut parts, mut whole) = (Vec::new(), 0);
    for done in done {
        let done = done?;
        parts.extend(done.parts);
        whole += done.whole;
    }
    if whole < cores || shared.is_abandoned() {
        return Err(WriteError::Abandoned);
    }
    // Only now it is known which version the values need.
    let head = target.head(shared.version());
    out.write(&head, 0, &mut AlignedBuf::with_capacity(head.len()))?;
    let sum = join(&head, parts, shared.end())?;
    let tail = tail(target, shared, sum);
    let len = shared.end() + tail.len() as u64;
    let mut last = AlignedBuf::with_capacity(tail.len());
    last.extend_from_slice(&tail);
    if target.aligned {
        last.resize(tail.len().next_multiple_of(BLOCK_ALIGN), 0);
    }
    at("write", path, write_all_at(&*file, &last, shared.end()))?;
    at("cut", path, file.set_len(len))?;
    at("sync", path, file.sync_all())?;
    at("rename", path, target.fs.rename(path, &target.path))?;
    let dir = target.path.parent().unwrap_or(Path::new("."));
    at("sync", dir, target.fs.sync_dir(dir))?;
    Ok(len)
}

/// The checksum of head and parts, which must follow each other without a gap up to `end`.
fn join(head: &[u8], mut parts: Vec<Sum>, end: u64) -> Result<u64, WriteError> {
    parts.sort_unstable_by_key(|part| part.offset);
    let (mut sum, mut offset) = (checksum(head), head.len() as u64);
    for part in parts {
        if part.offset != offset {
            return Err(WriteError::Gap(offset));
        }
        sum = crc::combine(sum, part.sum, part.len);
        offset += part.len;
    }
    if offset == end { Ok(sum) } else { Err(WriteError::Gap(offset)) }
}

/// What follows the blocks, whose checksum with the head is `sum`.
fn tail(target: &Target, shared: &Shared, sum: u64) -> Vec<u8> {
    if let Some(header) = &target.commands {
        let keys = shared.keys_done.load(std::sync::atomic::Ordering::Relaxed);
        let end = BaseEnd { blocks: shared.blocks().len() as u64, keys };
        return header.encode_end(&end, shared.end()).to_vec();
    }
    let mut encoder = Encoder::new(false);
    let mut tail = Vec::new();
    if target.aligned {
        index::write(&mut encoder, &mut tail, &shared.blocks(), shared.end());
    }
    encoder.eof(&mut tail);
    let sum = crc::combine(sum, checksum(&tail), tail.len() as u64);
    encoder.checksum(&mut tail, if target.checksum { sum } else { 0 });
    tail
}

/// The checksum of a part of the file.
struct Sum {
    offset: u64,
    len: u64,
    sum: u64,
}

/// What one thread has written.
#[derive(Default)]
struct Done {
    parts: Vec<Sum>,
    whole: usize,
}

/// The file that is being written.
struct Out<'a> {
    file: &'a dyn File,
    path: &'a Path,
    target: &'a Target,
    shared: &'a Shared,
}

impl Out<'_> {
    fn write_pieces(&self, pieces: &Mutex<Receiver<Piece>>) -> Result<Done, WriteError> {
        let result = self.try_write_pieces(pieces);
        if result.is_err() {
            self.shared.abandon();
        }
        result
    }

    fn try_write_pieces(&self, pieces: &Mutex<Receiver<Piece>>) -> Result<Done, WriteError> {
        let mut done = Done::default();
        let mut aligned = AlignedBuf::with_capacity(BLOCK_ALIGN);
        let mut unsynced = 0;
        while let Some(piece) = next(pieces) {
            let Piece::Part { offset, mut bytes, line } = piece else {
                done.whole += 1;
                continue;
            };
            if let (Some(header), Some(line)) = (&self.target.commands, &line) {
                header.seal(&mut bytes, line, offset);
            }
            let written = self.write(&bytes, offset, &mut aligned);
            self.shared.sub_pending(bytes.len());
            written?;
            let sum = if self.target.checksum { checksum(&bytes) } else { 0 };
            done.parts.push(Sum { offset, len: bytes.len() as u64, sum });
            unsynced += bytes.len() as u64;
            if !self.target.aligned && self.target.incremental_sync && unsynced >= SYNC_BYTES {
                unsynced = 0;
                at("sync", self.path, self.file.sync_data())?;
            }
        }
        Ok(done)
    }

    /// Direct I/O wants memory at whole pages: `aligned` is used over and over.
    fn write(&self, bytes: &[u8], offset: u64, aligned: &mut AlignedBuf) -> Result<(), WriteError> {
        if !self.target.aligned {
            return at("write", self.path, write_all_at(self.file, bytes, offset));
        }
        aligned.clear();
        aligned.extend_from_slice(bytes);
        at("write", self.path, write_all_at(self.file, aligned, offset))
    }
}

fn at<T>(action: &'static str, path: &Path, result: io::Result<T>) -> Result<T, WriteError> {
    result.map_err(|error| WriteError::Io { action, path: path.to_owned(), error })
}
