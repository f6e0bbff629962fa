//! An open file.

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use super::inode::{Inode, SECTOR};
use super::state::{State, error, missing};
use super::{Fault, SimFs};
use crate::storage::File;

pub(super) struct SimFile {
    pub(super) fs: SimFs,
    pub(super) id: u64,
    pub(super) handle: u64,
    pub(super) life: u64,
    pub(super) block_bytes: u32,
}

impl std::fmt::Debug for SimFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SimFile({})", self.id)
    }
}

impl SimFile {
    fn with<T>(
        &self,
        mutates: bool,
        run: impl FnOnce(&mut State, &mut Inode, Option<Fault>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.fs.lock_state();
        if state.life != self.life {
            return Err(error(Fault::PowerOff));
        }
        let fault = state.begin(mutates)?;
        let mut inode = state.inodes.remove(&self.id).ok_or_else(missing)?;
        let result = run(&mut state, &mut inode, fault);
        state.inodes.insert(self.id, inode);
        result
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        let mut state = self.fs.lock_state();
        if state.life == self.life && state.locks.get(&self.id) == Some(&self.handle) {
            state.locks.remove(&self.id);
        }
    }
}

impl File for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(false, |_, inode, fault| {
            if let Some(fault) = fault {
                return Err(error(fault));
            }
            let start = (offset as usize).min(inode.live.len());
            let len = buf.len().min(inode.live.len() - start);
            buf[..len].copy_from_slice(&inode.live[start..start + len]);
            Ok(len)
        })
    }

    fn write_at(&self, buf: &[u8], offset: u64, dsync: bool) -> io::Result<usize> {
        self.with(true, |state, inode, fault| {
            let grows = (offset + buf.len() as u64).saturating_sub(inode.live.len() as u64);
            let full = state
                .room_bytes
                .is_some_and(|room| grows > 0 && state.used_bytes() + inode.live.len() as u64 + grows > room);
            match fault {
                None if full => Err(error(Fault::Enospc)),
                None if state.is_misdirected() => {
                    state.write_elsewhere(inode, buf, offset as usize, dsync);
                    Ok(buf.len())
                }
                None => {
                    inode.write(buf, offset as usize, dsync);
                    Ok(buf.len())
                }
                Some(Fault::Short) => {
                    let half = buf.len() / 2 / SECTOR * SECTOR;
                    inode.write(&buf[..half], offset as usize, dsync);
                    Ok(half)
                }
                Some(Fault::PowerOff) => {
                    inode.write(buf, offset as usize, false);
                    Err(error(Fault::PowerOff))
                }
                Some(fault) => Err(error(fault)),
            }
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.with(false, |_, inode, fault| match fault {
            Some(fault) => Err(error(fault)),
            None => Ok(inode.live.len() as u64),
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(true, |_, inode, fault| {
            if fault.is_none_or(|fault| fault == Fault::PowerOff) {
                inode.set_len(len as usize);
            }
            fault.map_or(Ok(()), |fault| Err(error(fault)))
        })
    }

    fn sync_all(&self) -> io::Result<()> {
        self.with(true, |state, inode, fault| {
            match fault {
                None => inode.sync(),
                Some(Fault::PowerOff) if state.random.below(2) == 0 => inode.sync(),
                Some(Fault::PowerOff) => {}
                Some(_) => inode.lose_sync(),
            }
            fault.map_or(Ok(()), |fault| Err(error(fault)))
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync_all()
    }

    fn lock(&self, _patience: Duration) -> io::Result<bool> {
        self.with(false, |state, _, fault| {
            if let Some(fault) = fault {
                return Err(error(fault));
            }
            Ok(*state.locks.entry(self.id).or_insert(self.handle) == self.handle)
        })
    }

    fn block_bytes(&self) -> u32 {
        self.block_bytes
    }

    fn links(&self) -> io::Result<u64> {
        self.with(false, |state, _, fault| match fault {
            Some(fault) => Err(error(fault)),
            None => Ok(state.names.values().filter(|&&id| id == self.id).count() as u64),
        })
    }

    fn raw_fd(&self) -> Option<RawFd> {
        None
    }
}
