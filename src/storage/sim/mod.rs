//! A disk in memory that does to unsynced data what real ones may do.
//!
//! # Fault model
//!
//! - A write lands in the cache. At a **power cut** every sector (512 bytes) written since the file's last sync is, independently,
//!   as it was, as it is, or as any write in between left it: writes are lost, reordered and torn at sector bounds. A sector itself is
//!   old or new, never a mixture.
//! - `write_at(dsync)` makes durable **its own bytes** and nothing else: no other write in the cache, however early (rule W6).
//! - `sync_all` and `sync_data` make durable what was written to that file before, and its length. A file's length after a
//!   power cut is the synced one or the newest.
//! - Names (create, rename, unlink) are durable after `sync_dir`; at a power cut some of the pending changes of each directory
//!   survive: the first so many, as journaling file systems do it, or any.
//! - A **failed sync** loses what it was to sync: reads still see it, no later sync brings it to the medium (rule F2).
//! - The Nth operation fails: with EIO, ENOSPC, or half of a write done. `set_room` limits the bytes of all files.
//! - After a power cut or a kill, old handles only give errors. A kill keeps the cache: reads see it, a later power cut may take it.
//!
//! - A **misdirected write** ([`SimFs::misdirect_nth`]) is reported as done and lands at another sector of its file, or in another file.
//! - A disk is as **slow** as the test that drives it: nothing here takes time, and operations may be carried out in any order.
//!
//! Bit rot and truncation are made by tests with [`SimFs::edit`]. Not simulated: sectors sheared inside.

mod file;
mod inode;
mod random;
mod state;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{File, Fs, Open};
use file::SimFile;
use inode::Inode;
use state::{NameChange, State, apply, error, missing};

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The device reports an error.
    Eio,
    /// No room.
    Enospc,
    /// A write stops half way, at a sector's end, and says so; other operations fail with EIO.
    Short,
    /// Power goes off during the operation; everything after it fails until [`SimFs::power_cut`].
    PowerOff,
}

/// How much of the cache survives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerCut {
    /// Nothing that was not synced.
    LoseAll,
    /// Each sector and name by chance.
    Random,
    /// Everything.
    KeepAll,
}

/// The simulated file system; clones are the same disk.
#[derive(Clone)]
pub struct SimFs {
    state: Arc<Mutex<State>>,
}

impl SimFs {
    /// An empty disk with a root directory `/`.
    pub fn new(seed: u64) -> Self {
        SimFs { state: Arc::new(Mutex::new(State::new(seed))) }
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The unit of direct I/O that files report, 512 by default.
    pub fn set_block_bytes(&self, bytes: u32) {
        self.lock_state().block_bytes = bytes;
    }

    /// Limits the bytes of all files.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.lock_state().room_bytes = bytes;
    }

    /// Bytes of all files that have a name.
    pub fn used_bytes(&self) -> u64 {
        self.lock_state().used_bytes()
    }

    /// Lets the `nth` operation from now (1 is the next) fail once; [`Fault::PowerOff`] counts only operations that change something.
    pub fn fail_nth(&self, nth: u64, fault: Fault) {
        let mut state = self.lock_state();
        state.mutations_only = fault == Fault::PowerOff;
        state.fault = Some((state.operations + nth, fault));
    }

    /// Lets the `nth` write from now (1 is the next) land elsewhere, and say nothing.
    pub fn misdirect_nth(&self, nth: u64) {
        self.lock_state().misdirected_in = Some(nth);
    }

    /// Takes back a fault that has not struck; says whether there was one.
    pub fn clear_fault(&self) -> bool {
        let mut state = self.lock_state();
        state.mutations_only = false;
        state.fault.take().is_some()
    }

    /// Whether the power is off.
    pub fn is_off(&self) -> bool {
        self.lock_state().off
    }

    /// Cuts the power and turns it on again: what was not synced is kept or lost as `how` says, old handles are dead.
    pub fn power_cut(&self, how: PowerCut) {
        let mut state = self.lock_state();
        let state = &mut *state;
        let directories: Vec<_> = state.pending_names.keys().cloned().collect();
        for directory in directories {
            let mut changes = state.pending_names.remove(&directory).unwrap_or_default();
            match how {
                PowerCut::LoseAll => changes.clear(),
                PowerCut::KeepAll => {}
                PowerCut::Random if state.random.below(2) == 0 => {
                    changes.truncate(state.random.below(changes.len() as u64 + 1) as usize);
                }
                PowerCut::Random => changes.retain(|_| state.random.below(2) == 0),
            }
            changes.iter().for_each(|change| apply(&mut state.durable_names, change));
        }
        state.names = state.durable_names.clone();
        let mut ids: Vec<_> = state.inodes.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            if state.names.values().any(|&named| named == id) {
                if let Some(inode) = state.inodes.get_mut(&id) {
                    inode.power_cut(how, &mut state.random);
                }
            } else {
                state.inodes.remove(&id);
            }
        }
        state.locks.clear();
        state.life += 1;
        state.off = false;
        state.fault = None;
        state.mutations_only = false;
    }

    /// The process dies, the machine does not: all that was written is there to read, and still not durable.
    pub fn kill(&self) {
        let mut state = self.lock_state();
        state.locks.clear();
        state.life += 1;
        state.off = false;
        state.fault = None;
        state.mutations_only = false;
    }

    /// Changes a file's bytes behind everybody's back, as bit rot or a person with an editor does.
    pub fn edit(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock_state();
        let id = *state.names.get(path).expect("a test edits a file that exists");
        let inode = state.inodes.get_mut(&id).expect("names lead to inodes");
        change(&mut inode.live);
        inode.durable = inode.live.clone();
        inode.pending.clear();
        inode.length_pending = false;
    }

    /// A copy of the whole disk, as if all were synced.
    pub fn snapshot(&self) -> SimFs {
        let state = self.lock_state();
        let copy = SimFs::new(state.random.0);
        {
            let mut target = copy.lock_state();
            target.directories = state.directories.clone();
            target.names = state.names.clone();
            target.durable_names = state.names.clone();
            target.next_id = state.next_id;
            target.block_bytes = state.block_bytes;
            for &id in state.names.values() {
                let live = state.inodes[&id].live.clone();
                target.inodes.insert(id, Inode { durable: live.clone(), live, ..Inode::default() });
            }
        }
        copy
    }
}

impl Fs for SimFs {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut state = self.lock_state();
        let creates = matches!(how, Open::Create | Open::CreateDirect | Open::Lock);
        let fault = state.begin(creates)?;
        let existing = state.names.get(path).copied();
        let id = match (existing, how) {
            _ if fault.is_some_and(|fault| fault != Fault::PowerOff) => return Err(error(fault.unwrap_or(Fault::Eio))),
            (Some(_), Open::Create | Open::CreateDirect) => return Err(io::Error::from(io::ErrorKind::AlreadyExists)),
            (Some(id), _) => id,
            (None, Open::Read | Open::ReadWrite) => return Err(missing()),
            (None, _) => {
                if !path.parent().is_some_and(|parent| state.directories.contains(parent)) {
                    return Err(missing());
                }
                let id = state.next_id;
                state.next_id += 1;
                state.inodes.insert(id, Inode::default());
                state.change_name(NameChange::Add(path.to_path_buf(), id));
                id
            }
        };
        if let Some(fault) = fault {
            return Err(error(fault));
        }
        let handle = state.next_id;
        state.next_id += 1;
        let (life, block_bytes) = (state.life, state.block_bytes);
        Ok(Arc::new(SimFile { fs: self.clone(), id, handle, life, block_bytes }))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        if let Some(fault) = state.begin(true)? {
            return Err(error(fault));
        }
        state.directories.insert(path.to_path_buf());
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut state = self.lock_state();
        if let Some(fault) = state.begin(false)? {
            return Err(error(fault));
        }
        if !state.directories.contains(path) {
            return Err(missing());
        }
        let inside = state.names.keys().chain(&state.directories).filter(|name| name.parent() == Some(path));
        Ok(inside.filter_map(|name| Some(name.file_name()?.to_str()?.to_string())).collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let mut state = self.lock_state();
        if let Some(fault) = state.begin(false)? {
            return Err(error(fault));
        }
        Ok(state.names.contains_key(path) || state.directories.contains(path))
    }

    fn rename(&self, source: &Path, target: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        let fault = state.begin(true)?;
        let id = *state.names.get(source).ok_or_else(missing)?;
        if state.happens(fault) {
            state.change_name(NameChange::Rename(source.to_path_buf(), target.to_path_buf(), id));
        }
        fault.map_or(Ok(()), |fault| Err(error(fault)))
    }

    fn link(&self, source: &Path, target: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        let fault = state.begin(true)?;
        let id = *state.names.get(source).ok_or_else(missing)?;
        if state.names.contains_key(target) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        if state.happens(fault) {
            state.change_name(NameChange::Add(target.to_path_buf(), id));
        }
        fault.map_or(Ok(()), |fault| Err(error(fault)))
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        let fault = state.begin(true)?;
        if !state.names.contains_key(path) {
            return Err(missing());
        }
        if state.happens(fault) {
            state.change_name(NameChange::Remove(path.to_path_buf()));
        }
        fault.map_or(Ok(()), |fault| Err(error(fault)))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        if let Some(fault) = state.begin(true)? {
            return Err(error(fault));
        }
        if state.names.keys().any(|name| name.parent() == Some(path)) {
            return Err(io::Error::from(io::ErrorKind::DirectoryNotEmpty));
        }
        state.directories.remove(path);
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        let fault = state.begin(true)?;
        if state.happens(fault) {
            state.sync_names(path);
        }
        fault.map_or(Ok(()), |fault| Err(error(fault)))
    }
}
#[cfg(test)]
mod tests;
