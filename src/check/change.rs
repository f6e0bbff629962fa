//! Changing a log without ever touching it: a new directory is put together out of hard links to what stays and new files for what
//! does not, verified as a start would, and only then put in the log's place. The old directory stays as the backup.
//!
//! A crash at any step leaves the log as it was, or the verified new one: the two directories are swapped in one step of the
//! file system.

use super::trial::Trial;
use super::{CheckError, place::Place};
use crate::config::Settings;
use crate::log::{Directory, LINE_BYTES, Manifest, SwitchError, switch_manifest};
use crate::recovery::{self, Base, Limit, Loss, Options, Plan, Salvage, salvage};
use crate::storage::{AlignedBuf, File, Open, RealFs, write_all_at};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the changed log goes.
#[derive(Clone, Debug)]
pub enum Destination {
    /// In the place of the old one, which is kept under this word: `<log>.before-<word>-<ms>`.
    InPlace(&'static str),
    /// Into a data directory of its own. The old log is only read.
    New(PathBuf),
}

/// A change that was thought through and not made yet.
#[derive(Debug)]
pub struct Change {
    source: Directory,
    /// The log whose place the result takes, or whose name it gets.
    place: Directory,
    limit: Limit,
    manifest: Manifest,
    /// What stays and what goes.
    pub losses: Vec<Loss>,
    /// What a start would say of what stays.
    pub newest_ms: u64,
    /// Files that make up the result.
    pub files: usize,
    base: Option<PathBuf>,
    hollow: Vec<recovery::Hollow>,
    _lock: Option<Arc<dyn File>>,
}

/// A new directory, verified, not in its place yet.
#[derive(Debug)]
pub struct Built {
    /// The log whose place it takes.
    source: Directory,
    target: Directory,
    /// What a trial of the result read.
    pub commands: u64,
    _lock: Option<Arc<dyn File>>,
}

/// How the files are read here.
pub(super) fn options(settings: &Settings) -> Options {
    Options {
        load_truncated: settings.aof_load_truncated,
        corrupt_tail_bytes_max: settings.aof_load_corrupt_tail_bytes_max,
        inspect: true,
        boot: crate::storage::boot_id(),
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        ..Options::default()
    }
}

impl Change {
    /// Thinks a change through: what of the files that `manifest` names is kept. Takes the data directory's lock.
    pub fn plan(
        source: &Directory,
        manifest: Manifest,
        limit: Limit,
        settings: &Settings,
    ) -> Result<Change, CheckError> {
        let edit = manifest.edit;
        let options = options(settings);
        let Salvage { plan, losses, hollow, newest_ms } = salvage(source, &options, manifest, limit)?;
        let Plan { base, mut manifest, lock, .. } = plan;
        manifest.edit = edit + 1;
        let base = base.map(|base| match base {
            Base::Rdb(path) => path,
            Base::Aof(part) => part.path,
            Base::Commands(base) => base.path,
        });
        let files = manifest.entries.len();
        let (source, place) = (source.clone(), source.clone());
        Ok(Change { source, place, limit, manifest, losses, newest_ms, files, base, hollow, _lock: lock })
    }

    /// The result takes the place, or gets the name, of another log than the one it is made from.
    pub fn named(mut self, place: &Directory) -> Change {
        self.place = place.clone();
        self
    }

    /// Holds a lock as long as the change is not made.
    pub(super) fn holding(mut self, lock: Option<Arc<dyn File>>) -> Change {
        self._lock = lock.or(self._lock);
        self
    }

    /// Puts the new directory together and verifies it.
    pub fn build(self, destination: &Destination, settings: &Settings) -> Result<Built, CheckError> {
        let target = temp_directory(&self.place, destination)?;
        if self.source.filename != self.place.filename {
            return Err(CheckError::Refused(format!(
                "the files are called {}… and not {}…: set appendfilename",
                self.source.filename, self.place.filename
            )));
        }
        let result = self.fill(&target, settings);
        if result.is_err() {
            remove_directory(&target);
        }
        let commands = result?;
        Ok(Built { source: self.place, target, commands, _lock: self._lock })
    }

    fn fill(&self, target: &Directory, settings: &Settings) -> Result<u64, CheckError> {
        let fs = &target.fs;
        let path = target.path();
        fs.create_dir(&path).map_err(CheckError::io("make", &path))?;
        for entry in &self.manifest.entries {
            let to = target.file(&entry.name);
            if let Some(hollow) = self.hollow.iter().find(|hollow| hollow.name == entry.name) {
                write_hollow(target, hollow).map_err(CheckError::io("write", &to))?;
                continue;
            }
            let from = match &self.base {
                Some(base) if base.file_name().is_some_and(|name| name.to_str() == Some(&entry.name)) => base.clone(),
                _ => self.source.file(&entry.name),
            };
            link_or_copy(target, &from, &to).map_err(CheckError::io("link", &to))?;
        }
        fs.sync_dir(&path).map_err(CheckError::io("sync", &path))?;
        switch(target, &self.manifest)?;
        let options = Options { inspect: false, lock_held: true, ..options(settings) };
        let mut salvaged = salvage(target, &options, self.manifest.clone(), self.limit)?;
        let now_ms = crate::observe::unix_ms();
        salvaged.plan.settle(rand::random(), now_ms)?;
        drop(salvaged);
        verify(target, settings)
    }
}

/// The directory that is filled before it gets its place.
pub(super) fn temp_directory(place: &Directory, destination: &Destination) -> Result<Directory, CheckError> {
    let data_dir = match destination {
        Destination::InPlace(_) => place.data_dir.clone(),
        Destination::New(dir) => {
            let path = dir.join(&place.dirname);
            if path.exists() {
                return Err(CheckError::Refused(format!("{} is there already", path.display())));
            }
            std::fs::create_dir_all(dir).map_err(CheckError::io("make", dir))?;
            dir.clone()
        }
    };
    Ok(Directory { data_dir, dirname: format!("{}.temp-{}", place.dirname, std::process::id()), ..place.clone() })
}

/// Makes a start's plan of a directory and tries it; returns how many commands it would replay.
pub(super) fn verify(target: &Directory, settings: &Settings) -> Result<u64, CheckError> {
    let options = Options { lock_held: true, ..options(settings) };
    let plan = recovery::plan(target, &options)?;
    Ok(Trial::run(&plan, settings, false)?.commands)
}

pub(super) fn switch(dir: &Directory, manifest: &Manifest) -> Result<(), CheckError> {
    switch_manifest(dir, manifest).map_err(|error| match error {
        SwitchError::Before(error) | SwitchError::During(error) => CheckError::Refused(error.to_string()),
    })
}

/// A second name for the file or, on another file system, a synced copy of it.
pub(super) fn link_or_copy(target: &Directory, from: &Path, to: &Path) -> io::Result<()> {
    match target.fs.link(from, to) {
        Ok(()) => return Ok(()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {
            return Err(error);
        }
        Err(_) => {}
    }
    let source = target.fs.open(from, Open::Read)?;
    let copy = target.fs.open(to, Open::Create)?;
    let mut piece = vec![0; 1 << 20];
    let mut offset = 0;
    loop {
        let read = crate::storage::read_full_at(&*source, &mut piece, offset)?;
        if read == 0 {
            return copy.sync_all();
        }
        write_all_at(&*copy, &piece[..read], offset)?;
        offset += read as u64;
    }
}

/// An empty segment, so that a core whose segment is gone has one in its generation.
fn write_hollow(target: &Directory, hollow: &recovery::Hollow) -> io::Result<()> {
    let header = hollow.header;
    let mut bytes = AlignedBuf::with_capacity(header.size_bytes as usize);
    bytes.resize(header.size_bytes as usize, 0);
    header.fill(&mut bytes, 0);
    bytes[..LINE_BYTES].copy_from_slice(&header.encode());
    let file = target.fs.open(&target.file(&hollow.name), Open::Create)?;
    write_all_at(&*file, &bytes, 0)?;
    file.sync_all()
}

fn remove_directory(target: &Directory) {
    // What can't be removed is named `….temp-…` and read by nobody.
    let _ = std::fs::remove_dir_all(target.path());
}

impl Built {
    /// For whoever fills the new directory by other means than a [`Change`].
    pub(super) fn of(source: &Directory, target: Directory, commands: u64, lock: Option<Arc<dyn File>>) -> Built {
        Built { source: source.clone(), target, commands, _lock: lock }
    }

    /// Where it was built.
    #[cfg(test)]
    pub(super) fn target(&self) -> &Directory {
        &self.target
    }

    /// Puts the new directory in its place. Returns where the backup is, if there is one.
    pub fn put(self, destination: &Destination) -> Result<Option<PathBuf>, CheckError> {
        let (new, data_dir) = (self.target.path(), &self.target.data_dir);
        let sync = || RealFs::sync_path(data_dir);
        let Destination::InPlace(word) = destination else {
            let place = data_dir.join(&self.source.dirname);
            std::fs::rename(&new, &place).map_err(CheckError::io("rename", &new))?;
            sync().map_err(CheckError::io("sync", data_dir))?;
            return Ok(None);
        };
        let old = self.source.path();
        let backup = data_dir.join(format!("{}.before-{word}-{}", self.source.dirname, crate::observe::unix_ms()));
        if let Err(error) = RealFs.exchange(&new, &old) {
            remove_directory(&self.target);
            return Err(CheckError::Refused(format!(
                "the file system can't swap {} and {} in one step ({error}); nothing was changed. Give --to DIR, and \
                 put the result in its place by hand",
                new.display(),
                old.display()
            )));
        }
        sync().map_err(CheckError::io("sync", data_dir))?;
        std::fs::rename(&new, &backup).map_err(CheckError::io("rename", &new))?;
        sync().map_err(CheckError::io("sync", data_dir))?;
        Ok(Some(backup))
    }
}

/// The log's manifest as it stands, if it can be used.
pub(super) fn read_manifest(dir: &Directory) -> Result<Manifest, CheckError> {
    let path = dir.manifest();
    let bytes = crate::storage::read_file(&*dir.fs, &path, crate::log::MANIFEST_BYTES_MAX)
        .map_err(CheckError::io("read", &path))?;
    Manifest::decode(&bytes).map_err(|fault| CheckError::Recovery(recovery::RecoveryError::Manifest { path, fault }))
}

/// A log's directory, or an error that says what else there is.
pub(super) fn log_at(path: &Path) -> Result<Directory, CheckError> {
    match Place::of(path)? {
        Place::Log(dir) => Ok(dir),
        _ => Err(CheckError::Refused("this needs a log's directory or its manifest".into())),
    }
}
