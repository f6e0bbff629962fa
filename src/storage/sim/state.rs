//! The disk's files and names, and the fault that waits for its operation.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use super::Fault;
use super::inode::{Inode, SECTOR};
use super::random::Random;

pub(super) struct State {
    pub(super) inodes: HashMap<u64, Inode>,
    pub(super) names: BTreeMap<PathBuf, u64>,
    pub(super) durable_names: BTreeMap<PathBuf, u64>,
    pub(super) pending_names: BTreeMap<PathBuf, Vec<NameChange>>,
    pub(super) directories: BTreeSet<PathBuf>,
    pub(super) locks: HashMap<u64, u64>,
    pub(super) next_id: u64,
    pub(super) life: u64,
    pub(super) off: bool,
    pub(super) operations: u64,
    pub(super) fault: Option<(u64, Fault)>,
    pub(super) mutations_only: bool,
    /// So many writes from now one is misdirected.
    pub(super) misdirected_in: Option<u64>,
    pub(super) room_bytes: Option<u64>,
    pub(super) block_bytes: u32,
    pub(super) random: Random,
}

#[derive(Clone)]
pub(super) enum NameChange {
    Add(PathBuf, u64),
    Rename(PathBuf, PathBuf, u64),
    Remove(PathBuf),
}

pub(super) fn error(fault: Fault) -> io::Error {
    match fault {
        Fault::Enospc => io::Error::from_raw_os_error(libc::ENOSPC),
        Fault::PowerOff => io::Error::other("the power is off"),
        Fault::Eio | Fault::Short => io::Error::from_raw_os_error(libc::EIO),
    }
}

pub(super) fn missing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl State {
    pub(super) fn new(seed: u64) -> State {
        State {
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
            misdirected_in: None,
            room_bytes: None,
            block_bytes: SECTOR as u32,
            random: Random(seed),
        }
    }

    /// Counts one operation; says whether and how it fails.
    pub(super) fn begin(&mut self, mutates: bool) -> io::Result<Option<Fault>> {
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

    /// Counts one write; says whether it lands elsewhere.
    pub(super) fn is_misdirected(&mut self) -> bool {
        self.misdirected_in = self.misdirected_in.map(|left| left - 1);
        let strikes = self.misdirected_in == Some(0);
        if strikes {
            self.misdirected_in = None;
        }
        strikes
    }

    /// Writes to any other place than `offset` of `inode`, in that file or in another one (`inode` itself is not among those).
    pub(super) fn write_elsewhere(&mut self, inode: &mut Inode, buf: &[u8], offset: usize, dsync: bool) {
        let mut others: Vec<u64> = self.names.values().copied().filter(|id| self.inodes.contains_key(id)).collect();
        others.dedup();
        let other = self.random.below(2 * others.len() as u64 + 1) as usize;
        let target = match others.get(other) {
            Some(id) => self.inodes.get_mut(id).expect("it was just found"),
            None => inode,
        };
        let sectors = (target.live.len().saturating_sub(buf.len()) / SECTOR) as u64 + 1;
        let mut place = self.random.below(sectors) as usize * SECTOR;
        if place == offset {
            place += SECTOR;
        }
        target.write(buf, place, dsync);
    }

    /// For an operation that either happens or not: with power going off, by chance.
    pub(super) fn happens(&mut self, fault: Option<Fault>) -> bool {
        match fault {
            None => true,
            Some(Fault::PowerOff) => self.random.below(2) == 0,
            Some(_) => false,
        }
    }

    pub(super) fn change_name(&mut self, change: NameChange) {
        let path = match &change {
            NameChange::Add(path, _) | NameChange::Rename(_, path, _) | NameChange::Remove(path) => path.clone(),
        };
        apply(&mut self.names, &change);
        let directory = path.parent().unwrap_or(Path::new("")).to_path_buf();
        self.pending_names.entry(directory).or_default().push(change);
    }

    pub(super) fn sync_names(&mut self, directory: &Path) {
        for change in self.pending_names.remove(directory).unwrap_or_default() {
            apply(&mut self.durable_names, &change);
        }
    }

    pub(super) fn used_bytes(&self) -> u64 {
        // A second name takes no room.
        let named: BTreeSet<u64> = self.names.values().copied().collect();
        named.iter().filter_map(|id| self.inodes.get(id)).map(|inode| inode.live.len() as u64).sum()
    }
}

pub(super) fn apply(names: &mut BTreeMap<PathBuf, u64>, change: &NameChange) {
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
