//! Backups by hard link (rule S7): the log as it was at one instant gets a second name for each of its files, in a directory of its own.
//!
//! It takes no rewrite and copies nothing: all cores go on in new segments, those before are sealed and never change again, and the
//! base never does. A file with more than one link is never changed in place: who has to, recovery after a crash, changes a copy.

use super::core::SegmentEnd;
use super::directory::Directory;
use super::error::KeeperError;
use super::history::remove_set;
use super::keeper::Keeper;
use super::manifest::Manifest;
use super::segment::Segment;
use std::io;
use std::path::PathBuf;

/// What sealing gives: the segments in which the cores go on, and the files of the backup or why there is none.
pub type Sealed = (Vec<Segment>, Result<Vec<PathBuf>, KeeperError>);

impl Keeper {
    /// Ends every core's segment at `ends`, durably, begins a generation, and gives every file of the log up to there a second name in
    /// `dirname` beside it, with a manifest of their own; that directory must be absent or empty. An error means that the log
    /// goes on where it was; after [`KeeperError::Unknown`] all logs must be poisoned.
    pub fn seal_backup(&mut self, dirname: &str, ends: &[SegmentEnd], now_ms: u64) -> Result<Sealed, KeeperError> {
        self.check()?;
        if self.standing.is_some() {
            return Err(KeeperError::RewriteRunning);
        }
        let sealed_generation = self.generation;
        let segments = self.next_generation(sealed_generation + 1, None, ends, now_ms)?;
        let mut entries = self.manifest.entries.clone();
        entries.retain(|entry| entry.segment.is_none_or(|segment| segment.generation <= sealed_generation));
        let set = Directory { dirname: dirname.to_string(), ..self.dir.clone() };
        let files = self.keep_backup(&set, Manifest { entries, edit: self.manifest.edit });
        Ok((segments, files))
    }

    fn keep_backup(&self, set: &Directory, manifest: Manifest) -> Result<Vec<PathBuf>, KeeperError> {
        let path = set.path();
        let failed = |error| KeeperError::Io { action: "make a backup in", path: path.clone(), error };
        if set.fs.exists(&path).map_err(failed)? && !set.fs.list(&path).map_err(failed)?.is_empty() {
            // Whatever it is, it is not ours to mix with or to remove.
            return Err(failed(io::ErrorKind::DirectoryNotEmpty.into()));
        }
        let mut files: Vec<PathBuf> = manifest.entries.iter().map(|entry| set.file(&entry.name)).collect();
        files.push(set.manifest());
        if let Err(error) = self.keep_set(set, manifest, None) {
            remove_set(set);
            return Err(error);
        }
        Ok(files)
    }
}
