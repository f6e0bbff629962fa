//! The kernel's file system.

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{File, Fs, Open, PAGE_BYTES};

/// [`Fs`] on the real kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFs;

#[derive(Debug)]
struct RealFile {
    file: fs::File,
    block_bytes: u32,
}

impl Fs for RealFs {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match how {
            Open::Read => {}
            Open::ReadWrite => {
                options.write(true);
            }
            Open::Create | Open::CreateDirect => {
                options.write(true).create_new(true);
            }
            Open::Lock => {
                options.write(true).create(true).truncate(false);
            }
        }
        let file = if how == Open::CreateDirect {
            match options.clone().custom_flags(libc::O_DIRECT).open(path) {
                // Some file systems know no direct I/O; the failed attempt may have left the name behind.
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                    let _ = fs::remove_file(path);
                    options.open(path)?
                }
                other => other?,
            }
        } else {
            options.open(path)?
        };
        let block_bytes = block_bytes(path);
        Ok(Arc::new(RealFile { file, block_bytes }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            other => other,
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(path)? {
            // Names that are not UTF-8 are none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn rename(&self, source: &Path, target: &Path) -> io::Result<()> {
        fs::rename(source, target)
    }

    fn link(&self, source: &Path, target: &Path) -> io::Result<()> {
        fs::hard_link(source, target)
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }
}

impl RealFs {
    /// Makes the names in a directory durable.
    pub fn sync_path(path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    /// Swaps two directories, which must lie in one file system: at every instant both names lead to one of them.
    pub fn exchange(&self, one: &Path, other: &Path) -> io::Result<()> {
        let one = CString::new(one.as_os_str().as_bytes())?;
        let other = CString::new(other.as_os_str().as_bytes())?;
        let at = libc::AT_FDCWD;
        // SAFETY: both are C strings that outlive the call, which changes nothing in memory.
        match unsafe { libc::renameat2(at, one.as_ptr(), at, other.as_ptr(), libc::RENAME_EXCHANGE) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// The unit that the device behind `path` writes whole: what the kernel says direct I/O must be aligned to, else 4096.
fn block_bytes(path: &Path) -> u32 {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return PAGE_BYTES as u32 };
    // SAFETY: an all-zero `statx` is a valid value of this plain C struct.
    let mut stat: libc::statx = unsafe { std::mem::zeroed() };
    // SAFETY: `path` is a C string and `stat` a writable `statx`, both alive during the call.
    let result = unsafe { libc::statx(libc::AT_FDCWD, path.as_ptr(), 0, libc::STATX_DIOALIGN, &mut stat) };
    let known = result == 0 && stat.stx_mask & libc::STATX_DIOALIGN != 0;
    match stat.stx_dio_offset_align {
        align @ 512..=4096 if known && align.is_power_of_two() => align,
        _ => PAGE_BYTES as u32,
    }
}

impl File for RealFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buf, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn write_at(&self, buf: &[u8], offset: u64, dsync: bool) -> io::Result<usize> {
        let vector = libc::iovec { iov_base: buf.as_ptr() as *mut libc::c_void, iov_len: buf.len() };
        let flags = if dsync { libc::RWF_DSYNC } else { 0 };
        loop {
            // SAFETY: the descriptor is open, and the one vector covers `buf`, which outlives the call and is only read.
            let written = unsafe { libc::pwritev2(self.file.as_raw_fd(), &vector, 1, offset as libc::off_t, flags) };
            if written >= 0 {
                return Ok(written as usize);
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn lock(&self, patience: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + patience;
        loop {
            // SAFETY: plain system call on an open descriptor.
            if unsafe { libc::flock(self.file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
                return Ok(true);
            }
            let error = io::Error::last_os_error();
            match error.kind() {
                io::ErrorKind::WouldBlock if Instant::now() >= deadline => return Ok(false),
                io::ErrorKind::WouldBlock => std::thread::sleep(Duration::from_millis(5)),
                io::ErrorKind::Interrupted => {}
                _ => return Err(error),
            }
        }
    }

    fn block_bytes(&self) -> u32 {
        self.block_bytes
    }

    fn links(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.nlink())
    }

    fn raw_fd(&self) -> Option<RawFd> {
        Some(self.file.as_raw_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::AlignedBuf;

    #[test]
    fn a_direct_file_takes_one_block_with_dsync_and_gives_it_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let file = RealFs.open(&path, Open::CreateDirect).unwrap();
        let mut block = AlignedBuf::with_capacity(4096);
        block.resize(file.block_bytes() as usize, b'b');
        assert_eq!(file.write_at(&block, 0, true).unwrap(), block.len());
        let read = RealFs.open(&path, Open::Read).unwrap();
        let mut back = vec![0; block.len()];
        assert_eq!(read.read_at(&mut back, 0).unwrap(), back.len());
        assert_eq!(&back[..], &block[..]);
        assert!(RealFs.open(&path, Open::Create).is_err(), "a second creation must fail");
    }

    #[test]
    fn v1_a_lock_excludes_a_second_opening_of_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = RealFs.open(&path, Open::Lock).unwrap();
        let second = RealFs.open(&path, Open::Lock).unwrap();
        assert!(first.lock(Duration::ZERO).unwrap());
        assert!(!second.lock(Duration::from_millis(12)).unwrap());
        drop(first);
        assert!(second.lock(Duration::ZERO).unwrap());
    }
}
