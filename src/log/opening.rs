//! Opening and closing the log while the server runs (`CONFIG SET appendonly`, rule S6).
//!
//! A log that is opened begins with a base, a snapshot of one instant, and one segment for each core that is written from that instant
//! on. Until the base is there they are no log: the manifest in force says what it said before, and another one, the *opening
//! manifest*, names the new files. One switch of the manifest makes them the log, and only then it is open. A start that finds an
//! opening manifest removes the files that only it names: nobody was told that they hold anything.
//!
//! A log that is closed ends where every core's log ended, and the manifest says so. Its files stay; the next opening replaces them.

use super::core::SegmentEnd;
use super::directory::{Directory, FIRST_LSN, Incarnation};
use super::error::KeeperError;
use super::keeper::{Keeper, Rewrite, entry};
use super::manifest::{Entry, Manifest};
use super::segment::Segment;
use crate::storage::File;
use std::sync::Arc;

/// What history says of a log that was found and replaced.
const FOUND: &str = "a log that was there when another one was opened (appendonly)";

impl Keeper {
    /// For a server without a log: one can be opened later. `manifest` names the log that was found, which is not what the server holds.
    pub(crate) fn stand_by(
        dir: Directory,
        incarnation: Incarnation,
        manifest: Manifest,
        (generation, next_seq): (u64, u64),
        lock: Arc<dyn File>,
    ) -> Keeper {
        let is_found = !manifest.entries.is_empty();
        let mut keeper = Keeper::new(dir, incarnation, manifest, (generation.saturating_sub(1), next_seq), lock);
        keeper.closed = Some(vec![FIRST_LSN; incarnation.cores as usize]);
        keeper.is_found = is_found;
        keeper
    }

    /// A log that was closed is to be opened in this keeper's directory instead: the numbers of its records go on.
    pub fn continue_from(&mut self, closed: &Keeper) {
        self.closed = closed.closed.clone().or(self.closed.take());
        self.poisoned = closed.poisoned.clone();
    }

    /// Whether the log is closed, and none is being opened.
    pub fn is_closed(&self) -> bool {
        self.closed.is_some() && self.standing.is_none()
    }

    /// Begins to open a log: gives the segments that the cores write from the instant of the base on, one for each; none if only a
    /// base is to be written. `relaxed`: replies do not wait for the disk. The base goes to [`Keeper::rewrite_base_name`]; then
    /// [`Keeper::open_end`], or [`Keeper::close`] to give it up.
    pub fn open_begin(
        &mut self,
        relaxed: bool,
        with_segments: bool,
        now_ms: u64,
    ) -> Result<(Rewrite, Vec<Segment>), KeeperError> {
        self.check_poisoned()?;
        let Some(lsns) = self.closed.clone().filter(|_| self.standing.is_none()) else {
            return Err(KeeperError::RewriteRunning);
        };
        self.relaxed = relaxed;
        let segments = if with_segments { self.create_generation(self.generation + 1, &lsns, now_ms)? } else { vec![] };
        let rewrite = self.new_base(self.generation);
        let base = self.base_entry(rewrite);
        let entries = std::iter::once(base).chain(segments.iter().map(entry)).collect();
        let standing = self.manifest.clone();
        self.standing = Some(standing);
        if let Err(error) = self.switch(Manifest { entries, edit: self.manifest.edit }) {
            self.standing = None;
            if self.poisoned.is_none() {
                segments.iter().for_each(|segment| self.remove(&self.dir.file(&segment.name)));
            }
            return Err(error);
        }
        self.generation += u64::from(with_segments);
        self.rewrite = Some(rewrite);
        Ok((rewrite, segments))
    }

    /// The base is written and synced: makes it and every segment since its instant the log. On an error there is no new log, but for
    /// [`KeeperError::Unknown`]; [`Keeper::close`] must follow.
    pub fn open_end(&mut self, rewrite: Rewrite, now_ms: u64) -> Result<(), KeeperError> {
        self.check_poisoned()?;
        let Some(standing) = self.standing.clone().filter(|_| self.rewrite == Some(rewrite)) else {
            return Err(KeeperError::RewriteAborted);
        };
        if self.is_found {
            // Nobody has said that it may go, and nobody could bring it back.
            self.keep_log(&standing, now_ms, FOUND)?;
        } else {
            self.keep_history_or_warn(&standing, rewrite);
        }
        let path = self.dir.path();
        self.dir.fs.sync_dir(&path).map_err(|error| KeeperError::Io { action: "sync", path, error })?;
        self.standing = None;
        if let Err(error) = self.switch(self.manifest.clone()) {
            self.standing = Some(standing);
            return Err(error);
        }
        self.rewrite = None;
        self.is_found = false;
        if self.manifest.incrs().next().is_some() {
            self.closed = None;
        }
        // Everything that it names is in the manifest now.
        self.remove(&self.dir.opening_manifest());
        let is_kept = |entry: &&Entry| self.manifest.entries.iter().any(|kept| kept.name == entry.name);
        standing.entries.iter().filter(|entry| !is_kept(entry)).for_each(|entry| {
            self.remove(&self.dir.file(&entry.name));
        });
        Ok(())
    }

    /// Closes the log where each core's log ended, or gives up one that is being opened, with the files that were made for it.
    /// `ends`: one for each core, unless some core's log had failed: then no log can be opened before the next start.
    ///
    /// The log is closed in any case; an error says that its end is not in the manifest.
    pub fn close(&mut self, ends: Option<&[SegmentEnd]>) -> Result<(), KeeperError> {
        self.rewrite = None;
        let cores = self.closed.as_ref().map_or(0, Vec::len);
        match ends {
            Some(ends) => self.closed = Some(ends.iter().map(|end| end.last_lsn + 1).collect()),
            None => {
                self.closed.get_or_insert_with(|| vec![FIRST_LSN; cores]);
                self.poisoned.get_or_insert_with(|| "the log of a core had failed before the log was closed".into());
            }
        }
        let poisoned = self.check_poisoned();
        if let Some(standing) = self.standing.take() {
            poisoned?;
            self.give_up(standing);
            return Ok(());
        }
        poisoned?;
        let Some(ends) = ends else { return Ok(()) };
        let (manifest, unused) = self.ended(ends);
        self.switch(manifest)?;
        unused.iter().for_each(|path| self.remove(path));
        Ok(())
    }

    /// Gives up the opening of a log for which no core has written anything.
    pub fn open_abort(&mut self) {
        self.rewrite = None;
        if let Some(standing) = self.standing.take()
            && self.poisoned.is_none()
        {
            self.give_up(standing);
        }
    }

    /// Removes what was made for a log that did not come about.
    fn give_up(&mut self, standing: Manifest) {
        let made = std::mem::replace(&mut self.manifest.entries, standing.entries);
        made.iter().for_each(|entry| self.remove(&self.dir.file(&entry.name)));
        // The opening manifest goes last: without it a start would take a segment that is still there for a lost one.
        let is_gone = |entry: &Entry| self.dir.fs.exists(&self.dir.file(&entry.name)).is_ok_and(|there| !there);
        if made.iter().all(is_gone) && self.dir.fs.sync_dir(&self.dir.path()).is_ok() {
            self.remove(&self.dir.opening_manifest());
        }
    }
}
