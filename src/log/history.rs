//! History: what a FLUSHALL or FLUSHDB took away can be brought back for a while.
//!
//! Until a rewrite the flush is one barrier in the log, and everything before it is there. A rewrite would remove it; if the flush is
//! younger than the retention time, the files from before the barrier get a second name first, in a directory of their own beside
//! the log's (rule S2: a Redis that starts deletes what its manifest calls history), with a manifest that makes them a log by
//! themselves. All of them were sealed at the barrier's cut and never change again (rule S7).
//!
//! ```text
//! <dir>/<appenddirname>.history/<ms of the flush>-<its generation>/   base, segments, manifest, why
//! ```

use std::io;
use std::path::PathBuf;

use super::directory::Directory;
use super::error::KeeperError;
use super::frame::HEAD_BYTES;
use super::keeper::{Keeper, Rewrite, SwitchError, switch_manifest};
use super::manifest::{Manifest, Role};
use super::parse::read_command;
use super::scan::{Window, reread, scan};
use super::segment::{LINE_BYTES, SegmentHeader, SegmentKind};
use crate::resp::Args;
use crate::storage::{File, Open, read_full_at, write_all_at};

/// What the directory of history is called: the log's directory's name and this.
pub const HISTORY_SUFFIX: &str = ".history";

/// How long history is kept, and how much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Flushes before this are not kept, Unix milliseconds. [`u64::MAX`]: none is.
    pub since_ms: u64,
    /// Most bytes of all history together; 0: no limit.
    pub bytes_max: u64,
}

/// The commands in a barrier segment, as texts.
pub fn barrier_commands(file: &dyn File, header: &SegmentHeader) -> io::Result<Vec<String>> {
    let mut commands = Vec::new();
    let mut window = Window::new(file);
    for frame in scan(file, header, None)?.frames {
        let Some((frame, bytes)) = reread(&mut window, header, frame.offset)? else { continue };
        let payload = &bytes[HEAD_BYTES..][..frame.payload_bytes as usize];
        let (mut at, mut words) = (0, Vec::new());
        while let Ok(taken) = read_command(&payload[at..], &mut words) {
            let args = Args::new(&payload[at..], &words);
            let text: Vec<_> = args.iter().map(String::from_utf8_lossy).collect();
            if !["MULTI", "EXEC", "SELECT"].iter().any(|word| text[0].eq_ignore_ascii_case(word)) {
                commands.push(text.join(" "));
            }
            at += taken;
        }
    }
    Ok(commands)
}

impl Keeper {
    /// Says which flushes are kept as history from now on, and removes what is too old or too much.
    pub fn set_retention(&mut self, retention: Retention) {
        self.retention = retention;
        self.prune_history();
    }

    fn history(&self) -> PathBuf {
        let dir = self.directory();
        dir.data_dir.join(format!("{}{HISTORY_SUFFIX}", dir.dirname))
    }

    /// Before a rewrite drops files of `manifest`: gives those a second name that hold the state before a young flush.
    pub(super) fn keep_history_or_warn(&self, manifest: &Manifest, rewrite: Rewrite) {
        if let Err(error) = self.keep_history(manifest, rewrite) {
            // The log itself is whole without it, and a rewrite that never ends would fill the disk.
            tracing::warn!("what was flushed can't be kept as history: {error}");
        }
    }

    fn keep_history(&self, manifest: &Manifest, rewrite: Rewrite) -> Result<(), KeeperError> {
        if self.retention.since_ms == u64::MAX {
            return Ok(());
        }
        let dir = self.directory();
        let mut flush = None;
        for (index, entry) in manifest.entries.iter().enumerate() {
            let Some(segment) = entry.segment.filter(|segment| segment.generation <= rewrite.cut_generation()) else {
                continue;
            };
            let path = dir.file(&entry.name);
            let failed = |error| KeeperError::Io { action: "read", path: path.clone(), error };
            let file = dir.fs.open(&path, Open::Read).map_err(failed)?;
            let mut line = [0; LINE_BYTES];
            let read = read_full_at(&*file, &mut line, 0).map_err(failed)?;
            let Ok(header) = SegmentHeader::decode(&line[..read]) else { continue };
            if header.kind != SegmentKind::Barrier || header.created_ms < self.retention.since_ms {
                continue;
            }
            let commands = barrier_commands(&*file, &header).map_err(failed)?;
            if commands.iter().any(|command| command.starts_with("FLUSH")) {
                flush = Some((index, header.created_ms, segment.generation, commands.join("; ")));
            }
        }
        let Some((index, created_ms, generation, why)) = flush else { return Ok(()) };
        let entries = manifest.entries[..index].to_vec();
        let set = self.history_set(format!("{created_ms:013}-{generation}"));
        self.keep_set(&set, Manifest { entries, edit: manifest.edit }, Some(&why))
    }

    fn history_set(&self, dirname: String) -> Directory {
        Directory { data_dir: self.history(), dirname, ..self.directory().clone() }
    }

    /// Gives the files of a whole log a second name, so that it can be brought back, unless nothing is to be kept.
    pub(super) fn keep_log(&self, manifest: &Manifest, now_ms: u64, why: &str) -> Result<(), KeeperError> {
        if self.retention.since_ms == u64::MAX {
            return Ok(());
        }
        let generations = manifest.entries.iter().filter_map(|entry| entry.segment.map(|segment| segment.generation));
        let generation = generations.max().unwrap_or(0);
        self.keep_set(&self.history_set(format!("{now_ms:013}-{generation}")), manifest.clone(), Some(why))
    }

    /// Gives the files of `manifest`, which never change again, a second name each in the directory of `set`, with a manifest that makes
    /// them a log by themselves. The manifest comes last.
    pub(super) fn keep_set(
        &self,
        set: &Directory,
        mut manifest: Manifest,
        why: Option<&str>,
    ) -> Result<(), KeeperError> {
        let dir = self.directory();
        let path = set.path();
        let failed = |action| {
            let path = path.clone();
            move |error| KeeperError::Io { action, path, error }
        };
        if dir.fs.exists(&set.manifest()).map_err(failed("look for"))? {
            return Ok(());
        }
        dir.fs.create_dir(&set.data_dir).map_err(failed("make"))?;
        dir.fs.create_dir(&path).map_err(failed("make"))?;
        manifest.entries.retain(|entry| entry.role != Role::History);
        for entry in &manifest.entries {
            let target = set.file(&entry.name);
            if !dir.fs.exists(&target).map_err(failed("look for"))? {
                dir.fs.link(&dir.file(&entry.name), &target).map_err(failed("link into"))?;
            }
        }
        let text = set.file("why");
        if let Some(why) = why
            && !dir.fs.exists(&text).map_err(failed("look for"))?
        {
            let file = dir.fs.open(&text, Open::Create).map_err(failed("write into"))?;
            write_all_at(&*file, why.as_bytes(), 0).map_err(failed("write into"))?;
            file.sync_all().map_err(failed("sync"))?;
        }
        dir.fs.sync_dir(&path).map_err(failed("sync"))?;
        // The manifest comes last: a set without one was not finished.
        switch_manifest(set, &manifest).map_err(|error| match error {
            SwitchError::Before(error) => error,
            SwitchError::During(error) => {
                KeeperError::Io { action: "finish", path: path.clone(), error: io::Error::other(error.to_string()) }
            }
        })?;
        dir.fs.sync_dir(&set.data_dir).map_err(failed("sync"))?;
        dir.fs.sync_dir(&dir.data_dir).map_err(failed("sync"))
    }

    /// Removes history that is too old, unfinished or, the oldest first, too much. What can't be removed stays for the next time.
    pub fn prune_history(&self) {
        let mut sets = self.history_sets();
        let mut bytes: u64 = sets.iter().map(|(_, _, bytes)| bytes).sum();
        sets.reverse();
        while let Some((set, since_ms, set_bytes)) = sets.pop() {
            let is_too_much = self.retention.bytes_max > 0 && bytes > self.retention.bytes_max;
            let is_finished = self.directory().fs.exists(&set.manifest()).unwrap_or(true);
            if since_ms < self.retention.since_ms || is_too_much || !is_finished {
                remove_set(&set);
                bytes -= set_bytes;
            }
        }
    }

    /// When the disk is full: gives up the oldest history. `false`: there is none.
    pub(super) fn drop_oldest_history(&self) -> bool {
        self.history_sets().first().is_some_and(|(set, ..)| {
            remove_set(set);
            true
        })
    }

    /// All sets, oldest first: where, when, how many bytes.
    fn history_sets(&self) -> Vec<(Directory, u64, u64)> {
        let (dir, history) = (self.directory(), self.history());
        let Ok(names) = dir.fs.list(&history) else { return Vec::new() };
        let sets = names.into_iter().filter_map(|name| {
            let since_ms = name.split('-').next()?.parse().ok()?;
            let set = Directory { data_dir: history.clone(), dirname: name, ..dir.clone() };
            let files = dir.fs.list(&set.path()).ok()?;
            let length = |file: &String| dir.fs.open(&set.file(file), Open::Read).and_then(|file| file.len()).ok();
            let bytes = files.iter().filter_map(length).sum();
            Some((set, since_ms, bytes))
        });
        sets.collect()
    }
}

/// Removes the directory of a set. What can't be removed stays.
pub(super) fn remove_set(set: &Directory) {
    // The manifest goes first: a set without one counts as unfinished.
    let _ = set.fs.unlink(&set.manifest());
    for name in set.fs.list(&set.path()).unwrap_or_default() {
        let _ = set.fs.unlink(&set.file(&name));
    }
    let _ = set.fs.remove_dir(&set.path());
}
