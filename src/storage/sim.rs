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
//! Bit rot and truncation are made by tests with [`SimFs::edit`]. Not simulated: misdirected writes, sectors sheared inside.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::{File, Fs, Open};

/// What a sector holds at least: the unit that is written whole.
const SECTOR: usize = 512;

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

struct State {
    inodes: HashMap<u64, Inode>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    pending_names: BTreeMap<PathBuf, Vec<NameChange>>,
    directories: BTreeSet<PathBuf>,
    locks: HashMap<u64, u64>,
    next_id: u64,
    life: u64,
    off: bool,
    operations: u64,
    fault: Option<(u64, Fault)>,
    mutations_only: bool,
    room_bytes: Option<u64>,
    block_bytes: u32,
    random: Random,
}

#[derive(Clone)]
enum NameChange {
    Add(PathBuf, u64),
    Rename(PathBuf, PathBuf, u64),
    Remove(PathBuf),
}

#[derive(Default)]
struct Inode {
    live: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors not synced yet, each with the images that were overwritten meanwhile (the newest is in `live`).
    pending: BTreeMap<usize, Vec<Vec<u8>>>,
    length_pending: bool,
}

/// A small generator (splitmix64): the same seed gives the same disk.
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

impl Inode {
    fn sector(bytes: &[u8], sector: usize) -> Vec<u8> {
        let start = (sector * SECTOR).min(bytes.len());
        let mut image = bytes[start..bytes.len().min(start + SECTOR)].to_vec();
        image.resize(SECTOR, 0);
        image
    }

    fn put(bytes: &mut Vec<u8>, sector: usize, image: &[u8], len: usize) {
        if bytes.len() < len {
            bytes.resize(len, 0);
        }
        let start = sector * SECTOR;
        if start < len {
            let end = len.min(start + SECTOR);
            bytes[start..end].copy_from_slice(&image[..end - start]);
        }
    }

    fn write(&mut self, buf: &[u8], offset: usize, dsync: bool) {
        let end = offset + buf.len();
        let sectors = offset / SECTOR..end.div_ceil(SECTOR);
        if !dsync {
            for sector in sectors.clone() {
                match self.pending.get_mut(&sector) {
                    Some(images) => images.push(Self::sector(&self.live, sector)),
                    None => {
                        self.pending.insert(sector, Vec::new());
                    }
                }
            }
        }
        if end > self.live.len() {
            self.live.resize(end, 0);
            self.length_pending = true;
        }
        self.live[offset..end].copy_from_slice(buf);
        if dsync {
            let len = self.durable.len().max(end);
            for sector in sectors {
                self.pending.remove(&sector);
                Self::put(&mut self.durable, sector, &Self::sector(&self.live, sector), len);
            }
            self.length_pending = self.live.len() != self.durable.len();
        }
    }

    fn set_len(&mut self, len: usize) {
        self.live.resize(len, 0);
        self.length_pending = true;
        let _ = self.pending.split_off(&len.div_ceil(SECTOR));
    }

    fn sync(&mut self) {
        let len = self.live.len();
        self.durable.resize(len, 0);
        for sector in std::mem::take(&mut self.pending).into_keys() {
            Self::put(&mut self.durable, sector, &Self::sector(&self.live, sector), len);
        }
        self.length_pending = false;
    }

    fn lose_sync(&mut self) {
        self.pending.clear();
        self.length_pending = false;
    }

    fn power_cut(&mut self, how: PowerCut, random: &mut Random) {
        let mut after = std::mem::take(&mut self.durable);
        let chance = if how == PowerCut::Random { random.below(3) } else { 0 };
        let keep = |random: &mut Random| match how {
            PowerCut::LoseAll => false,
            PowerCut::KeepAll => true,
            PowerCut::Random => random.below(4) <= chance,
        };
        if self.length_pending && keep(random) {
            after.resize(self.live.len(), 0);
        }
        let len = after.len();
        for (sector, images) in std::mem::take(&mut self.pending) {
            if !keep(random) {
                continue;
            }
            let mut image = Self::sector(&self.live, sector);
            if how == PowerCut::Random && !images.is_empty() && random.below(2) == 0 {
                image = images[random.below(images.len() as u64) as usize].clone();
            }
            Self::put(&mut after, sector, &image, len);
        }
        self.live = after.clone();
        self.durable = after;
        self.length_pending = false;
    }
}

fn error(fault: Fault) -> io::Error {
    match fault {
        Fault::Enospc => io::Error::from_raw_os_error(libc::ENOSPC),
        Fault::PowerOff => io::Error::other("the power is off"),
        Fault::Eio | Fault::Short => io::Error::from_raw_os_error(libc::EIO),
    }
}

fn missing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl State {
    /// Counts one operation; says whether and how it fails.
    fn begin(&mut self, mutates: bool) -> io::Result<Option<Fault>> {
        if self.off {
            return Err(error(Fault::PowerOff));
        }
        if !mutates && self.mutations_only {
            return Ok(None);
        }
        self.operations += 1;
        match self.fault {
            Some((at, fault)) if at == self.operations => {
                self.fault = None;
                self.off = fault == Fault::PowerOff;
                Ok(Some(fault))
            }
            _ => Ok(None),
        }
    }

    /// For an operation that either happens or not: with power going off, by chance.
    fn happens(&mut self, fault: Option<Fault>) -> bool {
        match fault {
            None => true,
            Some(Fault::PowerOff) => self.random.below(2) == 0,
            Some(_) => false,
        }
    }

    fn change_name(&mut self, change: NameChange) {
        let path = match &change {
            NameChange::Add(path, _) | NameChange::Rename(_, path, _) | NameChange::Remove(path) => path.clone(),
        };
        apply(&mut self.names, &change);
        let directory = path.parent().unwrap_or(Path::new("")).to_path_buf();
        self.pending_names.entry(directory).or_default().push(change);
    }

    fn sync_names(&mut self, directory: &Path) {
        for change in self.pending_names.remove(directory).unwrap_or_default() {
            apply(&mut self.durable_names, &change);
        }
    }

    fn used_bytes(&self) -> u64 {
        self.names.values().filter_map(|id| self.inodes.get(id)).map(|inode| inode.live.len() as u64).sum()
    }
}

fn apply(names: &mut BTreeMap<PathBuf, u64>, change: &NameChange) {
    match change {
        NameChange::Add(path, id) => {
            names.insert(path.clone(), *id);
        }
        NameChange::Rename(source, target, id) => {
            if names.get(source) == Some(id) {
                names.remove(source);
            }
            names.insert(target.clone(), *id);
        }
        NameChange::Remove(path) => {
            names.remove(path);
        }
    }
}

impl SimFs {
    /// An empty disk with a root directory `/`.
    pub fn new(seed: u64) -> Self {
        SimFs {
            state: Arc::new(Mutex::new(State {
                inodes: HashMap::new(),
                names: BTreeMap::new(),
                durable_names: BTreeMap::new(),
                pending_names: BTreeMap::new(),
                directories: BTreeSet::from([PathBuf::from("/")]),
                locks: HashMap::new(),
                next_id: 1,
                life: 0,
                off: false,
                operations: 0,
                fault: None,
                mutations_only: false,
                room_bytes: None,
                block_bytes: SECTOR as u32,
                random: Random(seed),
            })),
        }
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

    /// Lets the `nth` operation from now (1 is the next) fail once; [`Fault::PowerOff`] counts only operations that change something.
    pub fn fail_nth(&self, nth: u64, fault: Fault) {
        let mut state = self.lock_state();
        state.mutations_only = fault == Fault::PowerOff;
        state.fault = Some((state.operations + nth, fault));
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
        let inside = state.names.keys().filter(|name| name.parent() == Some(path));
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

struct SimFile {
    fs: SimFs,
    id: u64,
    handle: u64,
    life: u64,
    block_bytes: u32,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn file(fs: &SimFs, name: &str) -> Arc<dyn File> {
        fs.open(Path::new(name), Open::Create).unwrap()
    }

    fn content(fs: &SimFs, name: &str) -> Vec<u8> {
        crate::storage::read_file(fs, Path::new(name), 1 << 20).unwrap()
    }

    #[test]
    fn w6_dsync_covers_its_own_write_only() {
        let fs = SimFs::new(1);
        let file = file(&fs, "/a");
        file.write_at(&[1; 1024], 0, false).unwrap();
        file.sync_all().unwrap();
        fs.sync_dir(Path::new("/")).unwrap();
        file.write_at(&[2; 512], 0, false).unwrap();
        file.write_at(&[3; 512], 512, true).unwrap();
        fs.power_cut(PowerCut::LoseAll);
        let bytes = content(&fs, "/a");
        assert!(bytes[..512].iter().all(|&b| b == 1), "the plain write before was not synced by it");
        assert!(bytes[512..].iter().all(|&b| b == 3));
    }

    #[test]
    fn f2_what_a_failed_sync_lost_no_later_sync_brings_back() {
        let fs = SimFs::new(1);
        let file = file(&fs, "/a");
        file.write_at(&[1; 512], 0, false).unwrap();
        file.sync_all().unwrap();
        fs.sync_dir(Path::new("/")).unwrap();
        file.write_at(&[2; 512], 0, false).unwrap();
        fs.fail_nth(1, Fault::Eio);
        assert!(file.sync_all().is_err());
        file.sync_all().unwrap();
        assert_eq!(content(&fs, "/a")[0], 2, "reads still see it");
        fs.power_cut(PowerCut::KeepAll);
        assert_eq!(content(&fs, "/a")[0], 1);
    }

    #[test]
    fn a_name_without_a_directory_sync_can_be_lost() {
        let fs = SimFs::new(1);
        file(&fs, "/a").sync_all().unwrap();
        fs.power_cut(PowerCut::LoseAll);
        assert!(!fs.exists(Path::new("/a")).unwrap());
    }
}
