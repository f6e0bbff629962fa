//! Brings the directory in order before the server writes again (rule V1). It may crash at any step and run again.
//!
//! 1. Kept parts of divided frames are copied to tail segments, synced.
//! 2. One switch of the manifest names them and says of every old segment where its frames end. From here on nothing behind
//!    those ends counts, whatever it looks like.
//! 3. What lies behind the ends is overwritten with filler, synced.
//! 4. New segments under a new incarnation, and the switch that names them. Now the server may serve.
//! 5. Files that nothing names are removed.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::RecoveryError;
use super::find::take_lock;
use super::plain::PlainPart;
use super::plan::{Base, Options, Plan, SegmentPlan};
use super::replay::walk_frame;
use crate::log::{
    Batch, Directory, Entry, FrameHeader, HEAD_BYTES, Incarnation, Keeper, LINE_BYTES, Manifest, Role, Segment,
    SegmentEntry, SegmentHeader, SegmentKind, SwitchError, Window, read_marks, reread, switch_manifest,
    switch_manifest_at, write_mark,
};
use crate::storage::{AlignedBuf, File, Open, write_all_at};

/// Pieces of filler, in bytes.
const FILL_BYTES: usize = 1 << 20;

impl Plan {
    /// Carries out the plan's changes and begins a new incarnation. Gives the keeper and the first segment of each core.
    pub fn repair(mut self, incarnation: Incarnation, now_ms: u64) -> Result<(Keeper, Vec<Segment>), RecoveryError> {
        let lock = self.take_lock()?;
        self.settle(incarnation.entropy, now_ms)?;
        let dir = self.dir;
        let numbers = (self.next_generation, self.next_seq);
        let started = Keeper::start(dir.clone(), incarnation, self.manifest, numbers, lock, now_ms)?;
        remove_leftovers(&dir, &self.leftovers, self.opening.as_deref());
        Ok(started)
    }

    /// For a server without a log: the keeper of one that may be opened later. The log that was found stays as it is.
    pub fn stand_by(mut self, incarnation: Incarnation) -> Result<Keeper, RecoveryError> {
        let lock = self.take_lock()?;
        let dir = self.dir;
        let path = dir.path();
        let failed = |error| RecoveryError::Io { action: "make", path: path.clone(), error };
        dir.fs.create_dir(&path).map_err(failed)?;
        dir.fs.sync_dir(&dir.data_dir).map_err(failed)?;
        remove_leftovers(&dir, &self.leftovers, self.opening.as_deref());
        let numbers = (self.next_generation, self.next_seq);
        Ok(Keeper::stand_by(dir, incarnation, self.manifest, numbers, lock))
    }

    /// Has a log that is not there yet begin with a copy of an RDB file, which is loaded from the copy. The manifest does not name it before
    /// [`Plan::repair`], but the opening manifest does: whatever happens until then, the next start removes it and does the same again.
    ///
    /// A copy, since whoever puts another file in the place of the RDB file may do so by writing into it. Keys whose time is over stay
    /// in it until they expire by the log: it is a base (rule S4).
    pub fn begin_with(&mut self, rdb: &Path) -> Result<(), RecoveryError> {
        assert!(self.fresh && self.manifest.entries.is_empty(), "only a log that is not there begins with something");
        self.make_directory()?;
        let name = self.dir.base_name(1);
        let path = self.dir.file(&name);
        let base = Entry { name: name.clone(), seq: 1, role: Role::Base, segment: None, base_id: None };
        let opening = Manifest { entries: vec![base.clone()], edit: 0 };
        switched(switch_manifest_at(&self.dir, &opening, &self.dir.opening_manifest()))?;
        self.opening = Some(self.dir.opening_manifest());
        // One that an earlier start left there is replaced, and then it is the log's own.
        self.leftovers.retain(|leftover| *leftover != path);
        let failed = |error| RecoveryError::Io { action: "copy", path: rdb.to_path_buf(), error };
        let source = self.dir.fs.open(rdb, Open::Read).map_err(failed)?;
        let len = source.len().map_err(failed)?;
        copy_and_replace(&self.dir, &*source, (&name, &path), len, |_| Ok(())).map_err(failed)?;
        self.manifest.entries.push(base);
        self.base = Some(Base::Rdb(path));
        self.fresh = false;
        Ok(())
    }

    fn take_lock(&mut self) -> Result<std::sync::Arc<dyn File>, RecoveryError> {
        match self.lock.take() {
            Some(lock) => Ok(lock),
            None => Ok(take_lock(&self.dir, &Options { inspect: false, lock_held: false, ..Options::default() })?
                .expect("a lock that nobody holds was taken")),
        }
    }

    /// Steps 1 to 3: afterwards the directory holds what the plan keeps and nothing else, for any server.
    pub(crate) fn settle(&mut self, entropy: u64, now_ms: u64) -> Result<(), RecoveryError> {
        self.make_directory()?;
        let dir = self.dir.clone();
        let failed = |action, path: &Path| {
            let path = path.to_path_buf();
            move |error| RecoveryError::Io { action, path, error }
        };
        self.end_old_segments(entropy, now_ms)?;
        for segment in self.generations.iter().flat_map(|generation| &generation.segments) {
            if segment.wipe {
                wipe(&dir, segment).map_err(failed("overwrite", &segment.path))?;
            }
        }
        let parts = self.generations.iter().flat_map(|generation| {
            generation.plain.iter().chain(generation.segments.iter().filter_map(|segment| segment.appended.as_ref()))
        });
        for part in parts.filter(|part| part.cut_bytes > 0) {
            cut_plain(&dir, part).map_err(failed("cut", &part.path))?;
        }
        Ok(())
    }

    /// Makes the log's directory, and moves a single-file log into it: the manifest names it first.
    fn make_directory(&mut self) -> Result<(), RecoveryError> {
        let dir = &self.dir;
        let path = dir.path();
        let failed = |error| RecoveryError::Io { action: "make", path: path.clone(), error };
        dir.fs.create_dir(&path).map_err(failed)?;
        dir.fs.sync_dir(&dir.data_dir).map_err(failed)?;
        let Some(single) = &self.upgrade else { return Ok(()) };
        if self.manifest.entries.is_empty() {
            let name = dir.filename.clone();
            self.manifest.entries.push(Entry { name, seq: 1, role: Role::Base, segment: None, base_id: None });
            self.manifest.edit += 1;
            switch(dir, &self.manifest)?;
        }
        let target = dir.file(&dir.filename);
        dir.fs.rename(single, &target).map_err(failed)?;
        dir.fs.sync_dir(&path).map_err(failed)?;
        dir.fs.sync_dir(&dir.data_dir).map_err(failed)
    }

    /// Steps 1 and 2.
    fn end_old_segments(&mut self, entropy: u64, now_ms: u64) -> Result<(), RecoveryError> {
        let mut manifest = self.manifest.clone();
        manifest.entries.retain(|entry| entry.role != Role::History);
        let mut tails = Vec::new();
        for segment in self.generations.iter().flat_map(|generation| &generation.segments) {
            let SegmentHeader { core, generation, id, .. } = segment.header;
            let entry = manifest.entries.iter_mut().find(|entry| entry.name == segment.name);
            let entry = entry.expect("the plan's segments are those of the manifest");
            let mut last_lsn = segment.kept_last_lsn;
            if let Some(partial) = &segment.partial {
                let path = self.dir.file(&self.dir.incr_name(self.next_seq));
                let failed = |error| RecoveryError::Io { action: "write", path: path.clone(), error };
                let tail = make_tail(&self.dir, segment, partial.offset, self.next_seq, entropy, now_ms);
                let tail = tail
                    .map_err(failed)?
                    .ok_or_else(|| RecoveryError::Malformed { path: segment.path.clone(), offset: partial.offset })?;
                self.next_seq += 1;
                last_lsn = tail.1;
                tails.push(tail.0);
            }
            let end = entry.segment.and_then(|segment| segment.end).unwrap_or((segment.kept_end, last_lsn));
            entry.segment = Some(SegmentEntry { core, generation, id, end: Some(end) });
        }
        manifest.entries.extend(tails);
        if manifest.entries != self.manifest.entries {
            let path = self.dir.path();
            self.dir.fs.sync_dir(&path).map_err(|error| RecoveryError::Io { action: "sync", path, error })?;
            manifest.edit = self.manifest.edit + 1;
            switch(&self.dir, &manifest)?;
        }
        self.manifest = manifest;
        Ok(())
    }
}

/// Removes files that nothing names. What can't be removed is tried again at the next start.
fn remove_leftovers(dir: &Directory, leftovers: &[PathBuf], opening: Option<&Path>) {
    for path in leftovers {
        let _ = dir.fs.unlink(path);
    }
    // Without it a segment that came back would be taken for one that the manifest has lost.
    if let Some(opening) = opening
        && dir.fs.sync_dir(&dir.path()).is_ok()
        && leftovers.iter().all(|path| dir.fs.exists(path).is_ok_and(|there| !there))
    {
        let _ = dir.fs.unlink(opening);
    }
}

fn switch(dir: &Directory, manifest: &Manifest) -> Result<(), RecoveryError> {
    switched(switch_manifest(dir, manifest))
}

fn switched(result: Result<(), SwitchError>) -> Result<(), RecoveryError> {
    result.map_err(|error| match error {
        SwitchError::Before(error) | SwitchError::During(error) => error.into(),
    })
}

/// Copies the kept records of a divided frame into a segment of its own. Returns its manifest entry and the last record before it;
/// `None` if the frame is not what its header says.
fn make_tail(
    dir: &Directory,
    segment: &SegmentPlan,
    offset: u64,
    seq: u64,
    entropy: u64,
    now_ms: u64,
) -> io::Result<Option<(Entry, u64)>> {
    let mut window = Window::new(&*segment.file);
    let Some((header, frame)) = reread(&mut window, &segment.header, offset)? else { return Ok(None) };
    let (payload, rest) = frame[HEAD_BYTES..].split_at(header.payload_bytes as usize);
    let Some(mut marks) = read_marks(&rest[..header.trailer_bytes as usize]) else { return Ok(None) };
    let keep = segment.kept_last_lsn;
    marks.retain(|mark| mark.lsn <= keep);
    let mark_only: Vec<_> = marks.iter().filter(|mark| !mark.has_effect).map(|mark| mark.lsn).collect();
    let Some(kept_bytes) = walk_frame(&header, payload, &mark_only, keep, |_, _, _| true) else { return Ok(None) };

    let mut trailer = Vec::new();
    marks.iter().for_each(|mark| write_mark(&mut trailer, mark));
    let count = (keep - header.first_lsn + 1) as u32;
    let kept = FrameHeader {
        count,
        flags: 0,
        payload_bytes: kept_bytes as u64,
        trailer_bytes: trailer.len() as u32,
        ..header
    };
    let name = dir.incr_name(seq);
    let path = dir.file(&name);
    // A file of this name can only be left from an attempt that was cut short: it is in no manifest.
    if dir.fs.exists(&path)? {
        dir.fs.unlink(&path)?;
    }
    let file = dir.fs.open(&path, Open::Create)?;
    file.lock(Duration::ZERO)?;
    let mut tail = SegmentHeader {
        kind: SegmentKind::Tail,
        seq,
        id: mix(segment.header.id ^ entropy),
        seed: mix(segment.header.seed ^ entropy),
        first_lsn_min: header.first_lsn,
        created_ms: now_ms,
        ..segment.header
    };
    let frame_bytes = kept.frame_bytes(tail.block_bytes);
    tail.size_bytes = (tail.data_start() + frame_bytes + tail.block_bytes as u64).next_multiple_of(4096);
    let mut bytes = AlignedBuf::with_capacity(tail.size_bytes as usize);
    bytes.resize(tail.size_bytes as usize, 0);
    tail.fill(&mut bytes, 0);
    bytes[..LINE_BYTES].copy_from_slice(&tail.encode());
    let mut sealed = Batch::rebuild(kept, &payload[..kept_bytes], &trailer, tail.block_bytes);
    let start = tail.data_start();
    sealed.seal_into(&tail, start, 0);
    bytes[start as usize..][..sealed.buf.len()].copy_from_slice(&sealed.buf);
    write_all_at(&*file, &bytes, 0)?;
    file.sync_all()?;
    let end = Some((start + frame_bytes, keep));
    let SegmentHeader { core, generation, id, .. } = tail;
    let entry =
        Entry { name, seq, role: Role::Incr, segment: Some(SegmentEntry { core, generation, id, end }), base_id: None };
    Ok(Some((entry, header.first_lsn - 1)))
}

fn mix(value: u64) -> u64 {
    let z = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Cuts a file of another server behind its last whole command. A backup by hard link keeps what it had (rule S7).
fn cut_plain(dir: &Directory, part: &PlainPart) -> io::Result<()> {
    if part.file.links()? > 1 {
        let name = part.path.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidFilename)?;
        return copy_and_replace(dir, &*part.file, (name, &part.path), part.end, |_| Ok(()));
    }
    part.file.set_len(part.end)?;
    part.file.sync_all()
}

/// Overwrites what lies behind the end with filler. A file with a second name (a backup by hard link) is copied first, so that
/// the backup keeps what it had (rule S7).
fn wipe(dir: &Directory, segment: &SegmentPlan) -> io::Result<()> {
    if segment.file.links()? > 1 {
        return replace(dir, segment);
    }
    fill_behind(&*segment.file, segment)?;
    segment.file.sync_all()
}

fn fill_behind(file: &dyn File, segment: &SegmentPlan) -> io::Result<()> {
    let mut piece = Vec::new();
    let mut offset = segment.kept_end;
    while offset < segment.header.size_bytes {
        piece.resize((segment.header.size_bytes - offset).min(FILL_BYTES as u64) as usize, 0);
        segment.header.fill(&mut piece, offset);
        write_all_at(file, &piece, offset)?;
        offset += piece.len() as u64;
    }
    Ok(())
}

fn replace(dir: &Directory, segment: &SegmentPlan) -> io::Result<()> {
    let len = segment.file.len()?;
    let change = |file: &dyn File| fill_behind(file, segment);
    copy_and_replace(dir, &*segment.file, (&segment.name, &segment.path), len, change)
}

/// Copies the first `len` bytes of a file, changes the copy, and puts it in the file's place.
fn copy_and_replace(
    dir: &Directory,
    source: &dyn File,
    (name, path): (&str, &Path),
    len: u64,
    change: impl FnOnce(&dyn File) -> io::Result<()>,
) -> io::Result<()> {
    let aside = dir.file(&format!("temp-{name}"));
    if dir.fs.exists(&aside)? {
        dir.fs.unlink(&aside)?;
    }
    let file = dir.fs.open(&aside, Open::Create)?;
    let mut piece = vec![0; FILL_BYTES];
    let mut offset = 0;
    while offset < len {
        let want = (len - offset).min(FILL_BYTES as u64) as usize;
        let read = crate::storage::read_full_at(source, &mut piece[..want], offset)?;
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        write_all_at(&*file, &piece[..read], offset)?;
        offset += read as u64;
    }
    change(&*file)?;
    file.sync_all()?;
    dir.fs.rename(&aside, path)?;
    dir.fs.sync_dir(&dir.path())
}
