//! The one door to the disk: what the log, the manifest and recovery ask of a file system.
//!
//! [`Fs`] and [`File`] are synchronous: the keeper of segments and recovery run on threads that may block. Frame
//! writes are the exception: the core submits them on its own ring, with [`File::raw_fd`]. Two implementations: [`RealFs`],
//! and [`SimFs`], a disk in memory that loses, reorders and tears what was not synced (its fault model is written there).

mod aligned;
mod real;
mod sim;

use std::fmt;
use std::io;
use std::os::fd::RawFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use aligned::{AlignedBuf, BufferPool, PAGE_BYTES};
pub use real::RealFs;
pub use sim::{Fault, PowerCut, SimFs};

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// An existing file, to read.
    Read,
    /// An existing file, to read and change through the page cache.
    ReadWrite,
    /// A file that must not exist yet, to read and write through the page cache.
    Create,
    /// A file that must not exist yet, written past the page cache where the file system can (else as [`Open::Create`]).
    CreateDirect,
    /// An existing or new file, to hold a lock on.
    Lock,
}

/// An open file. Offsets and lengths are in bytes.
pub trait File: Send + Sync + fmt::Debug {
    /// Reads at `offset`; fewer bytes than asked for only at the end of the file.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// One write at `offset`; may be short. With `dsync`, the bytes of this write (and of no other) are on the medium when it returns.
    fn write_at(&self, buf: &[u8], offset: u64, dsync: bool) -> io::Result<usize>;

    /// Length of the file.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file holds nothing.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts or grows the file.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Data and metadata to the medium. After an error nothing may be assumed about what was written before (rule F2).
    fn sync_all(&self) -> io::Result<()>;

    /// As [`File::sync_all`], without metadata that reading does not need.
    fn sync_data(&self) -> io::Result<()>;

    /// Takes the exclusive lock of this open file, waiting `patience` at most. `Ok(false)`: another holds it.
    ///
    /// The lock belongs to the open file, so that a write in flight from a killed process keeps it held (rule V1).
    fn lock(&self, patience: Duration) -> io::Result<bool>;

    /// The alignment in bytes that offset and length of a direct write need: the unit that the device writes whole.
    fn block_bytes(&self) -> u32;

    /// How many names the file has.
    fn links(&self) -> io::Result<u64>;

    /// The descriptor, to submit writes on a ring; a simulated file has none.
    fn raw_fd(&self) -> Option<RawFd>;
}

/// A file system.
pub trait Fs: Send + Sync {
    /// Opens a file.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>>;

    /// Makes a directory; fine if it is there already.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Names in a directory, sorted.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Whether there is such a file or directory.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Renames, replacing what stood at `target`.
    fn rename(&self, source: &Path, target: &Path) -> io::Result<()>;

    /// Gives a file a second name, which must not exist yet.
    fn link(&self, source: &Path, target: &Path) -> io::Result<()>;

    /// Removes a file's name.
    fn unlink(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// Writes all of `buf`; a write that makes no headway is an error (a full disk gives short counts).
pub fn write_all_at(file: &dyn File, mut buf: &[u8], mut offset: u64) -> io::Result<()> {
    while !buf.is_empty() {
        match file.write_at(buf, offset, false)? {
            0 => return Err(io::Error::from(io::ErrorKind::StorageFull)),
            written => {
                buf = &buf[written..];
                offset += written as u64;
            }
        }
    }
    Ok(())
}

/// Reads until `buf` is full or the file ends; returns how many bytes there were.
pub fn read_full_at(file: &dyn File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match file.read_at(&mut buf[filled..], offset + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Reads a whole file of at most `limit` bytes; a longer one is [`io::ErrorKind::FileTooLarge`].
pub fn read_file(fs: &dyn Fs, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = fs.open(path, Open::Read)?;
    let len = file.len()?;
    if len > limit {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    let mut bytes = vec![0; len as usize];
    let read = read_full_at(&*file, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Names this run of the machine: as long as it is the same, what was written to files is there to read, on the medium or not. 0 if
/// the kernel does not say.
pub fn boot_id() -> u64 {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    u64::from_str_radix(&digits, 16).unwrap_or(0)
}

/// Whether an error says that there is no room: the one failure of a disk that heals.
pub fn is_out_of_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
