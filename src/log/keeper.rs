//! The keeper of segments: the only one who changes the log's directory while the server runs.
//!
//! It prepares segments and switches the manifest, one edit after another, each applied to the current manifest. The order is
//! always: file synced, directory synced, manifest written aside and synced, renamed, directory synced (rule S1). Only then is
//! a segment handed out (rule W1). It blocks on the disk: in production it runs in a thread of its own.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch::Batch;
use super::core::SegmentEnd;
use super::directory::{Directory, FIRST_LSN, Incarnation};
use super::error::KeeperError;
use super::frame::{FLAG_CLOSES, padded_bytes};
use super::history::Retention;
use super::manifest::{Entry, Manifest, Role, SegmentEntry};
use super::segment::{LINE_BYTES, Segment, SegmentHeader, SegmentKind};
use super::types::Lsn;
use crate::storage::{AlignedBuf, File, Open, is_out_of_space, write_all_at};

/// Filler is written in pieces of this many bytes.
const FILL_BYTES: usize = 1 << 20;

/// See the module's text.
#[derive(Debug)]
pub struct Keeper {
    pub(super) dir: Directory,
    incarnation: Incarnation,
    pub(super) manifest: Manifest,
    pub(super) generation: u64,
    next_seq: u64,
    /// How the current generation is written.
    pub(super) relaxed: bool,
    entropy: u64,
    /// Whether the next base is one of commands.
    commands_base: bool,
    pub(super) poisoned: Option<String>,
    pub(super) rewrite: Option<Rewrite>,
    /// While the log is being opened: what the manifest in force says ([`Keeper::open_begin`]).
    pub(super) standing: Option<Manifest>,
    /// The log is closed; each core's next record.
    pub(super) closed: Option<Vec<Lsn>>,
    /// What the manifest names was found at a start without a log, and is not what the server holds.
    pub(super) is_found: bool,
    /// Which flushes are kept as history.
    pub(super) retention: Retention,
    /// Keeps other servers out of the data directory.
    _lock: Arc<dyn File>,
}

/// A rewrite between its two switches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Everything up to this generation goes into the new base.
    pub(super) cut_generation: u64,
    /// Number of the new base.
    pub(super) base_seq: u64,
    /// The new base is one of commands, of this id.
    pub(super) base_id: Option<u64>,
}

impl Rewrite {
    /// The new base is to be a file of commands with this id in its head ([`super::BaseHeader`]); `None`: an RDB file.
    pub fn base_id(&self) -> Option<u64> {
        self.base_id
    }

    /// Everything up to this generation goes into the new base.
    pub(super) fn cut_generation(&self) -> u64 {
        self.cut_generation
    }
}

/// Effects on whole databases, each with the database it runs in.
pub type BarrierEffects<'e> = [(u16, Vec<&'e [u8]>)];

/// What a new segment is to be.
struct Wanted<'w> {
    kind: SegmentKind,
    core: u16,
    generation: u64,
    bytes: u64,
    first_lsn_min: Lsn,
    /// Written as its only frame.
    effects: Option<&'w BarrierEffects<'w>>,
}

impl Keeper {
    /// Starts a new incarnation on a manifest that recovery has brought in order: one segment for each core, one switch.
    /// `generation` and `next_seq` must be above everything in the directory.
    pub(crate) fn start(
        dir: Directory,
        incarnation: Incarnation,
        manifest: Manifest,
        (generation, next_seq): (u64, u64),
        lock: Arc<dyn File>,
        now_ms: u64,
    ) -> Result<(Keeper, Vec<Segment>), KeeperError> {
        let mut keeper = Keeper::new(dir, incarnation, manifest, (generation, next_seq), lock);
        let lsns = vec![FIRST_LSN; incarnation.cores as usize];
        let segments = keeper.create_generation(generation, &lsns, now_ms)?;
        let mut manifest = keeper.manifest.clone();
        manifest.entries.extend(segments.iter().map(entry));
        keeper.switch_or_remove(manifest, &segments)?;
        Ok((keeper, segments))
    }

    /// One that has made nothing yet.
    pub(super) fn new(
        dir: Directory,
        incarnation: Incarnation,
        manifest: Manifest,
        (generation, next_seq): (u64, u64),
        lock: Arc<dyn File>,
    ) -> Keeper {
        assert!(incarnation.cores >= 1 && incarnation.cores as usize <= super::CORES_MAX);
        Keeper {
            dir,
            incarnation,
            manifest,
            generation,
            next_seq,
            relaxed: incarnation.relaxed,
            entropy: incarnation.entropy ^ incarnation.id,
            commands_base: false,
            poisoned: None,
            rewrite: None,
            standing: None,
            closed: None,
            is_found: false,
            retention: Retention { since_ms: u64::MAX, bytes_max: 0 },
            _lock: lock,
        }
    }

    /// The manifest in force; while the log is being opened, the one that will be.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where its files lie.
    pub fn directory(&self) -> &Directory {
        &self.dir
    }

    /// The generation that ordinary segments belong to now.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Makes a segment of at least `bytes` for `core`. On an error nothing is left behind, or the keeper is poisoned.
    pub fn prepare_segment(
        &mut self,
        core: u16,
        bytes: u64,
        first_lsn_min: Lsn,
        now_ms: u64,
    ) -> Result<Segment, KeeperError> {
        self.check()?;
        let (kind, generation) = (SegmentKind::Ordinary, self.generation);
        let wanted = Wanted { kind, core, generation, bytes, first_lsn_min, effects: None };
        let created = loop {
            match self.create(&wanted, now_ms) {
                // Room for what is being written matters more than what was flushed.
                Err(KeeperError::Io { error, .. }) if is_out_of_space(&error) && self.drop_oldest_history() => {}
                other => break other?,
            }
        };
        let segments = [created];
        self.sync_dir_or_remove(&segments)?;
        let mut manifest = self.manifest.clone();
        manifest.entries.push(entry(&segments[0]));
        self.switch_or_remove(manifest, &segments)?;
        let [segment] = segments;
        Ok(segment)
    }

    /// Gives back a segment that was never written to.
    pub fn remove_unused(&mut self, segment: &Segment) -> Result<(), KeeperError> {
        self.check()?;
        let mut manifest = self.manifest.clone();
        manifest.entries.retain(|entry| entry.name != segment.name);
        if manifest.entries.len() != self.manifest.entries.len() {
            self.switch(manifest)?;
            self.remove(&self.dir.file(&segment.name));
        }
        Ok(())
    }

    /// Puts effects on whole databases between two generations (rule X6): `ends` says where each core's log ended; all of it is
    /// durable. Returns the segments in which the cores go on, one each. When it returns the barrier is durable; on an error
    /// it has not happened, but for [`KeeperError::Unknown`], after which all logs must be poisoned.
    pub fn barrier(
        &mut self,
        effects: &BarrierEffects<'_>,
        discards_history: bool,
        ends: &[SegmentEnd],
        now_ms: u64,
    ) -> Result<Vec<Segment>, KeeperError> {
        self.check()?;
        let bytes = 0;
        let (kind, generation) = (SegmentKind::Barrier, self.generation + 1);
        let wanted = Wanted { kind, core: 0, generation, bytes, first_lsn_min: FIRST_LSN, effects: Some(effects) };
        let barrier = self.create(&wanted, now_ms)?;
        let segments = self.next_generation(generation + 1, Some(barrier), ends, now_ms)?;
        // What is being opened has no history; its base is from before the flush, and the barrier stands behind it.
        if discards_history && self.standing.is_none() {
            self.rewrite = None;
        }
        Ok(segments)
    }

    /// Begins a generation that is written in another way: `relaxed` or not. Every core's log has ended at `ends`, durably, and goes on
    /// in the segments returned. After [`KeeperError::Unknown`] all logs must be poisoned.
    pub fn turn(&mut self, relaxed: bool, ends: &[SegmentEnd], now_ms: u64) -> Result<Vec<Segment>, KeeperError> {
        self.check()?;
        let before = std::mem::replace(&mut self.relaxed, relaxed);
        let result = self.next_generation(self.generation + 1, None, ends, now_ms);
        if result.is_err() {
            self.relaxed = before;
        }
        result
    }

    /// The first switch of a rewrite (rule S1): the cut. Old base, old segments and the new ones that this returns. After
    /// [`KeeperError::Unknown`] all logs must be poisoned.
    pub fn rewrite_begin(&mut self, ends: &[SegmentEnd], now_ms: u64) -> Result<(Rewrite, Vec<Segment>), KeeperError> {
        self.check()?;
        if self.rewrite.is_some() {
            return Err(KeeperError::RewriteRunning);
        }
        let cut_generation = self.generation;
        let segments = self.next_generation(cut_generation + 1, None, ends, now_ms)?;
        let rewrite = self.new_base(cut_generation);
        self.rewrite = Some(rewrite);
        Ok((rewrite, segments))
    }

    /// Whether bases are files of commands from here on (`aof-use-rdb-preamble no`), or RDB files. A rewrite that has begun keeps to what
    /// it began with.
    pub fn set_commands_base(&mut self, commands: bool) {
        self.commands_base = commands;
    }

    /// What the base of everything up to a generation will be.
    pub(super) fn new_base(&mut self, cut_generation: u64) -> Rewrite {
        let base_seq = self.manifest.base().map_or(0, |base| base.seq) + 1;
        // The base of an aborted rewrite may lie there under the same name; no manifest names it.
        for name in [self.dir.base_name(base_seq), self.dir.commands_base_name(base_seq)] {
            self.remove(&self.dir.file(&name));
        }
        Rewrite { cut_generation, base_seq, base_id: self.commands_base.then(|| self.random()) }
    }

    /// Name of the base that a rewrite writes into the log's directory.
    pub fn rewrite_base_name(&self, rewrite: Rewrite) -> String {
        match rewrite.base_id {
            None => self.dir.base_name(rewrite.base_seq),
            Some(_) => self.dir.commands_base_name(rewrite.base_seq),
        }
    }

    /// The manifest's line for it.
    pub(super) fn base_entry(&self, rewrite: Rewrite) -> Entry {
        let (name, base_id) = (self.rewrite_base_name(rewrite), rewrite.base_id);
        Entry { name, seq: rewrite.base_seq, role: Role::Base, segment: None, base_id }
    }

    /// The second switch: the new base, whose file is written and synced, and every segment since the cut.
    pub fn rewrite_end(&mut self, rewrite: Rewrite) -> Result<(), KeeperError> {
        self.check()?;
        if self.rewrite != Some(rewrite) {
            return Err(KeeperError::RewriteAborted);
        }
        self.keep_history_or_warn(&self.manifest, rewrite);
        let path = self.dir.path();
        self.dir.fs.sync_dir(&path).map_err(|error| KeeperError::Io { action: "sync", path, error })?;
        let base = self.base_entry(rewrite);
        let (kept, dropped): (Vec<_>, Vec<_>) = self
            .manifest
            .entries
            .iter()
            .cloned()
            .partition(|entry| entry.segment.is_some_and(|segment| segment.generation > rewrite.cut_generation));
        let entries = std::iter::once(base).chain(kept).collect();
        self.switch(Manifest { entries, edit: self.manifest.edit })?;
        self.rewrite = None;
        dropped.iter().for_each(|entry| self.remove(&self.dir.file(&entry.name)));
        Ok(())
    }

    /// Gives a rewrite up. The log goes on as it is.
    pub fn rewrite_abort(&mut self, rewrite: Rewrite) {
        self.rewrite.take_if(|running| *running == rewrite);
    }

    pub(super) fn check(&self) -> Result<(), KeeperError> {
        self.check_poisoned()?;
        if self.closed.is_some() && self.standing.is_none() { Err(KeeperError::Closed) } else { Ok(()) }
    }

    pub(super) fn check_poisoned(&self) -> Result<(), KeeperError> {
        self.poisoned.clone().map_or(Ok(()), |reason| Err(KeeperError::Poisoned(reason)))
    }

    /// Ends the current generation at `ends` and begins `generation`, with one switch.
    pub(super) fn next_generation(
        &mut self,
        generation: u64,
        barrier: Option<Segment>,
        ends: &[SegmentEnd],
        now_ms: u64,
    ) -> Result<Vec<Segment>, KeeperError> {
        assert_eq!(ends.len(), self.incarnation.cores as usize, "every core ends its segment");
        let lsns: Vec<_> = ends.iter().map(|end| end.last_lsn + 1).collect();
        let created = self.create_generation(generation, &lsns, now_ms);
        let segments = match (created, &barrier) {
            (Ok(segments), _) => segments,
            (Err(error), barrier) => {
                barrier.iter().for_each(|barrier| self.remove(&self.dir.file(&barrier.name)));
                return Err(error);
            }
        };
        let (mut manifest, unused) = self.ended(ends);
        let created: Vec<&Segment> = barrier.iter().chain(&segments).collect();
        manifest.entries.extend(created.iter().map(|segment| entry(segment)));
        if let Err(error) = self.switch(manifest) {
            if self.poisoned.is_none() {
                created.iter().for_each(|segment| self.remove(&self.dir.file(&segment.name)));
            }
            return Err(error);
        }
        self.generation = generation;
        unused.iter().for_each(|path| self.remove(path));
        Ok(segments)
    }

    /// The manifest with the current generation ended at `ends`, and the files that it names no more: they were prepared and never
    /// used.
    pub(super) fn ended(&self, ends: &[SegmentEnd]) -> (Manifest, Vec<PathBuf>) {
        let mut manifest = self.manifest.clone();
        let mut unused = Vec::new();
        manifest.entries.retain_mut(|entry| match &mut entry.segment {
            Some(segment) if segment.generation == self.generation => {
                let end = &ends[segment.core as usize];
                if entry.seq == end.seq {
                    segment.end = Some((end.offset, end.last_lsn));
                }
                // Prepared and never used: what follows has segments of its own.
                let used = entry.seq <= end.seq;
                if !used {
                    unused.push(self.dir.file(&entry.name));
                }
                used
            }
            _ => true,
        });
        (manifest, unused)
    }

    pub(super) fn create_generation(
        &mut self,
        generation: u64,
        first_lsns: &[Lsn],
        now_ms: u64,
    ) -> Result<Vec<Segment>, KeeperError> {
        let mut segments = Vec::new();
        for (core, &first_lsn_min) in first_lsns.iter().enumerate() {
            let (kind, core, bytes) = (SegmentKind::Ordinary, core as u16, self.incarnation.segment_bytes);
            let wanted = Wanted { kind, core, generation, bytes, first_lsn_min, effects: None };
            match self.create(&wanted, now_ms) {
                Ok(segment) => segments.push(segment),
                Err(error) => {
                    segments.iter().for_each(|segment| self.remove(&self.dir.file(&segment.name)));
                    return Err(error);
                }
            }
        }
        self.sync_dir_or_remove(&segments)?;
        Ok(segments)
    }

    /// Makes, locks, fills and syncs a file.
    fn create(&mut self, wanted: &Wanted<'_>, now_ms: u64) -> Result<Segment, KeeperError> {
        let seq = self.next_seq;
        self.next_seq += 1;
        let name = self.dir.incr_name(seq);
        let path = self.dir.file(&name);
        let failed = |error| KeeperError::Io { action: "prepare", path: path.clone(), error };
        // Where replies do not wait for the disk frames go to the page cache: the kernel has them at once, and writes a page once
        // that several frames share.
        let how = match wanted.kind {
            SegmentKind::Ordinary if self.relaxed => Open::Create,
            _ => Open::CreateDirect,
        };
        let file = self.dir.fs.open(&path, how).map_err(failed)?;
        let result = self.fill(&*file, wanted, seq, now_ms);
        match result {
            Ok(header) => Ok(Segment { header, name, file }),
            Err(error) => {
                self.remove(&path);
                Err(failed(error))
            }
        }
    }

    fn fill(&mut self, file: &dyn File, wanted: &Wanted<'_>, seq: u64, now_ms: u64) -> io::Result<SegmentHeader> {
        if !file.lock(std::time::Duration::ZERO)? {
            return Err(io::Error::from(io::ErrorKind::WouldBlock));
        }
        let block_bytes = file.block_bytes();
        let mut header = SegmentHeader {
            kind: wanted.kind,
            core: wanted.core,
            cores: self.incarnation.cores,
            incarnation: self.incarnation.id,
            generation: wanted.generation,
            seq,
            id: self.random(),
            seed: self.random(),
            size_bytes: wanted.bytes.next_multiple_of(4096),
            block_bytes,
            first_lsn_min: wanted.first_lsn_min,
            created_ms: now_ms,
            relaxed: self.relaxed,
            boot: self.incarnation.boot,
        };
        let frame = wanted.effects.map(|effects| barrier_frame(effects, block_bytes, now_ms));
        if let Some(frame) = &frame {
            let closing = padded_bytes(super::HEAD_BYTES as u64, block_bytes);
            header.size_bytes = (header.data_start() + frame.buf.len() as u64 + closing).next_multiple_of(4096);
        }
        let mut piece = AlignedBuf::with_capacity(FILL_BYTES.min(header.size_bytes as usize));
        let mut offset = 0;
        while offset < header.size_bytes {
            let len = (header.size_bytes - offset).min(FILL_BYTES as u64);
            piece.resize(len as usize, 0);
            header.fill(&mut piece, offset);
            if offset == 0 {
                piece[..LINE_BYTES].copy_from_slice(&header.encode());
            }
            write_all_at(file, &piece, offset)?;
            offset += len;
        }
        if let Some(mut frame) = frame {
            let start = header.data_start();
            frame.seal_into(&header, start, 0);
            write_all_at(file, &frame.buf, start)?;
        }
        file.sync_all()?;
        Ok(header)
    }

    fn random(&mut self) -> u64 {
        self.entropy = self.entropy.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.entropy ^ (self.entropy >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn sync_dir_or_remove(&self, segments: &[Segment]) -> Result<(), KeeperError> {
        let path = self.dir.path();
        self.dir.fs.sync_dir(&path).map_err(|error| {
            segments.iter().for_each(|segment| self.remove(&self.dir.file(&segment.name)));
            KeeperError::Io { action: "sync", path, error }
        })
    }

    fn switch_or_remove(&mut self, manifest: Manifest, segments: &[Segment]) -> Result<(), KeeperError> {
        let result = self.switch(manifest);
        if result.is_err() && self.poisoned.is_none() {
            segments.iter().for_each(|segment| self.remove(&self.dir.file(&segment.name)));
        }
        result
    }

    pub(super) fn switch(&mut self, mut manifest: Manifest) -> Result<(), KeeperError> {
        manifest.edit = self.manifest.edit + 1;
        let target = if self.standing.is_some() { self.dir.opening_manifest() } else { self.dir.manifest() };
        match switch_manifest_at(&self.dir, &manifest, &target) {
            Ok(()) => {
                self.manifest = manifest;
                Ok(())
            }
            Err(SwitchError::Before(error)) => Err(error),
            Err(SwitchError::During(error)) => {
                self.poisoned = Some(error.to_string());
                Err(error)
            }
        }
    }

    /// Removes a file that no manifest names. If that fails it is an orphan, which the next start removes.
    pub(super) fn remove(&self, path: &Path) {
        let _ = self.dir.fs.unlink(path);
    }
}

pub(super) fn entry(segment: &Segment) -> Entry {
    let SegmentHeader { core, generation, id, seq, .. } = segment.header;
    let segment_entry = SegmentEntry { core, generation, id, end: None };
    Entry { name: segment.name.clone(), seq, role: Role::Incr, segment: Some(segment_entry), base_id: None }
}

/// The one frame of a barrier segment: one record, so that several effects are a transaction.
fn barrier_frame(effects: &BarrierEffects<'_>, block_bytes: u32, now_ms: u64) -> super::batch::Unsealed {
    assert!(!effects.is_empty(), "a record has a command");
    let mut batch = Batch::new(AlignedBuf::with_capacity(4096), FIRST_LSN);
    for (index, (db, words)) in effects.iter().enumerate() {
        batch.select(*db);
        if index == 0 && effects.len() > 1 {
            batch.multi();
        }
        batch.command(words.iter().copied());
    }
    if effects.len() > 1 {
        batch.exec();
    }
    batch.end_record();
    let mut frame = batch.finish(block_bytes);
    frame.header.flags = FLAG_CLOSES;
    frame.header.time_ms = now_ms;
    frame
}

/// How far a failed switch got.
#[derive(Debug)]
pub(crate) enum SwitchError {
    /// The old manifest is in force.
    Before(KeeperError),
    /// Either may be.
    During(KeeperError),
}

/// Makes `manifest` the durable one.
pub(crate) fn switch_manifest(dir: &Directory, manifest: &Manifest) -> Result<(), SwitchError> {
    switch_manifest_at(dir, manifest, &dir.manifest())
}

/// Makes `manifest` the durable one at another place than the log's own.
pub(crate) fn switch_manifest_at(dir: &Directory, manifest: &Manifest, target: &Path) -> Result<(), SwitchError> {
    let aside: PathBuf = dir.manifest_aside();
    let before = |error| SwitchError::Before(KeeperError::Io { action: "write", path: aside.clone(), error });
    let during = |action, path: &Path, error| {
        SwitchError::During(KeeperError::Unknown { action, path: path.to_path_buf(), error })
    };
    let write_aside = || {
        if dir.fs.exists(&aside)? {
            dir.fs.unlink(&aside)?;
        }
        let file = dir.fs.open(&aside, Open::Create)?;
        write_all_at(&*file, &manifest.encode(), 0)?;
        file.sync_all()
    };
    write_aside().map_err(before)?;
    dir.fs.rename(&aside, target).map_err(|error| during("rename", target, error))?;
    dir.fs.sync_dir(&dir.path()).map_err(|error| during("sync", &dir.path(), error))
}
