//! Looks at the directory and makes the plan. Changes nothing but locks, and syncs what it reads.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::commands::{CommandsBase, begins_with_base};
use super::error::RecoveryError;
use super::judge::{Candidate, judge_barrier, judge_incarnation};
use super::plain::{PlainPart, begins_with_rdb};
use super::plan::{Base, Finding, GenerationPlan, Options, Plan, SegmentPlan};
use crate::log::{
    Directory, Entry, HeaderFault, LINE_BYTES, MANIFEST_BYTES_MAX, Manifest, Role, Scan, SegmentHeader, SegmentKind,
    scan,
};
use crate::storage::{File, Open, read_file, read_full_at};

/// A named incremental file.
enum Incr {
    Ours(Box<Candidate>),
    Plain(PathBuf, Arc<dyn File>),
}

/// Locks the directory, reads everything in it and decides what is kept.
pub fn plan(dir: &Directory, options: &Options) -> Result<Plan, RecoveryError> {
    let lock = take_lock(dir, options)?;
    let finder = Finder { dir, options };
    finder.plan(lock)
}

/// Takes the data directory's lock, so that no server can start while it is held.
pub(crate) fn lock_directory(dir: &Directory) -> Result<Option<Arc<dyn File>>, RecoveryError> {
    take_lock(dir, &Options::default())
}

/// Takes the data directory's lock, unless the caller holds it. Who only looks makes no file for it.
pub(super) fn take_lock(dir: &Directory, options: &Options) -> Result<Option<Arc<dyn File>>, RecoveryError> {
    if options.lock_held {
        return Ok(None);
    }
    let path = dir.lock_file();
    let failed = |error| RecoveryError::Io { action: "lock", path: path.clone(), error };
    let how = if options.inspect { Open::Read } else { Open::Lock };
    let lock = match dir.fs.open(&path, how) {
        Err(error) if options.inspect && error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    match lock.lock(options.lock_patience).map_err(failed)? {
        true => Ok(Some(lock)),
        false => Err(RecoveryError::Locked(path)),
    }
}

pub(super) struct Finder<'d> {
    pub(super) dir: &'d Directory,
    pub(super) options: &'d Options,
}

/// Where the segments of a manifest are read: what is scanned, and with which end.
struct ToScan {
    header: SegmentHeader,
    name: (String, PathBuf),
    file: Arc<dyn File>,
    end: Option<(u64, crate::log::Lsn)>,
}

/// Reads segments, several at a time. The order is kept.
fn scan_all(segments: Vec<ToScan>, options: &Options) -> Vec<io::Result<Candidate>> {
    let one = |segment: &ToScan| {
        let found = scan(&*segment.file, &segment.header, segment.end.map(|(offset, _)| offset));
        if let Some(counter) = options.scanned_bytes {
            counter.fetch_add(segment.header.size_bytes, Ordering::Relaxed);
        }
        found
    };
    let mut scans: Vec<Option<io::Result<Scan>>> = segments.iter().map(|_| None).collect();
    if options.threads <= 1 || segments.len() <= 1 {
        scans.iter_mut().zip(&segments).for_each(|(found, segment)| *found = Some(one(segment)));
    } else {
        let places = Mutex::new(scans.iter_mut().zip(&segments));
        std::thread::scope(|scope| {
            for _ in 0..options.threads.min(segments.len()) {
                scope.spawn(|| {
                    loop {
                        let next = places.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).next();
                        let Some((found, segment)) = next else { break };
                        *found = Some(one(segment));
                    }
                });
            }
        });
    }
    let scans = scans.into_iter().map(|found| found.expect("every segment was read"));
    let candidates = segments.into_iter().zip(scans);
    candidates
        .map(|(ToScan { header, name, file, end }, found)| Ok(Candidate::new(header, name, file, end, found?)))
        .collect()
}

fn failed(action: &'static str, path: &Path) -> impl Fn(io::Error) -> RecoveryError {
    let path = path.to_path_buf();
    move |error| RecoveryError::Io { action, path: path.clone(), error }
}

impl Finder<'_> {
    pub(super) fn empty_plan(&self, lock: Option<Arc<dyn File>>) -> Plan {
        Plan {
            dir: self.dir.clone(),
            base: None,
            generations: Vec::new(),
            findings: Vec::new(),
            fresh: false,
            manifest: Manifest::default(),
            leftovers: Vec::new(),
            opening: None,
            upgrade: None,
            next_generation: 1,
            next_seq: 1,
            lock,
        }
    }

    fn plan(&self, lock: Option<Arc<dyn File>>) -> Result<Plan, RecoveryError> {
        let mut plan = self.empty_plan(lock);
        let path = self.dir.manifest();
        let named = self.dir.fs.exists(&path).map_err(failed("look for", &path))?;
        if named {
            let bytes = read_file(&*self.dir.fs, &path, MANIFEST_BYTES_MAX).map_err(failed("read", &path))?;
            plan.manifest = Manifest::decode(&bytes).map_err(|fault| RecoveryError::Manifest { path, fault })?;
        }
        self.look_for_strangers(named, &mut plan)?;
        if !named {
            self.look_for_single_file(&mut plan)?;
            return Ok(plan);
        }
        self.sync_dir()?;
        self.find_base(&mut plan)?;
        let incrs = self.open_incrs(&plan.manifest)?;
        self.judge(incrs, &mut plan)?;
        Ok(plan)
    }

    fn sync_dir(&self) -> Result<(), RecoveryError> {
        if self.options.inspect {
            return Ok(());
        }
        let path = self.dir.path();
        self.dir.fs.sync_dir(&path).map_err(failed("sync", &path))
    }

    /// A log from before Redis 7: one file in the data directory.
    fn look_for_single_file(&self, plan: &mut Plan) -> Result<(), RecoveryError> {
        let path = self.dir.data_dir.join(&self.dir.filename);
        if !self.dir.fs.exists(&path).map_err(failed("look for", &path))? {
            plan.fresh = true;
            return Ok(());
        }
        plan.base = Some(self.read_base(&path, true, None)?);
        plan.findings.push(Finding::Upgraded(path.clone()));
        plan.upgrade = Some(path);
        Ok(())
    }

    pub(super) fn find_base(&self, plan: &mut Plan) -> Result<(), RecoveryError> {
        let Some(entry) = plan.manifest.base() else { return Ok(()) };
        let mut path = self.dir.file(&entry.name);
        let single = self.dir.data_dir.join(&self.dir.filename);
        let here = self.dir.fs.exists(&path).map_err(failed("look for", &path))?;
        if !here && entry.name == self.dir.filename {
            // The move of a single-file log was cut short between manifest and rename.
            if self.dir.fs.exists(&single).map_err(failed("look for", &single))? {
                path = single.clone();
                plan.upgrade = Some(single);
            }
        }
        let last = plan.manifest.incrs().next().is_none();
        let id = entry.base_id;
        plan.base = Some(self.read_base(&path, last, id)?);
        Ok(())
    }

    /// `id`: that of a base of commands, if the manifest has one.
    fn read_base(&self, path: &Path, last: bool, id: Option<u64>) -> Result<Base, RecoveryError> {
        let file = self.open(path)?;
        let mut head = [0; 16];
        let read = read_full_at(&*file, &mut head, 0).map_err(failed("read", path))?;
        if begins_with_rdb(&head[..read]) && path.extension().is_some_and(|extension| extension == "rdb") {
            return Ok(Base::Rdb(path.to_path_buf()));
        }
        if id.is_some() || begins_with_base(&head[..read]) {
            return CommandsBase::open(path, file, id).map(Base::Commands);
        }
        PlainPart::check(path, file, 0, self.options.tolerance(last)).map(Base::Aof)
    }

    /// Opens a named file, waits for its last writer, and syncs it, so that what is read is also what a power cut leaves (rule V1).
    pub(super) fn open(&self, path: &Path) -> Result<Arc<dyn File>, RecoveryError> {
        let how = if self.options.inspect { Open::Read } else { Open::ReadWrite };
        let file = match self.dir.fs.open(path, how) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(RecoveryError::FileMissing(path.to_path_buf()));
            }
            other => other.map_err(failed("open", path))?,
        };
        if !self.options.is_own && !file.lock(self.options.lock_patience).map_err(failed("lock", path))? {
            return Err(RecoveryError::SegmentBusy(path.to_path_buf()));
        }
        if !self.options.inspect {
            file.sync_all().map_err(failed("sync", path))?;
        }
        Ok(file)
    }

    fn open_incrs(&self, manifest: &Manifest) -> Result<Vec<Incr>, RecoveryError> {
        let mut plain = Vec::new();
        let mut segments = Vec::new();
        let mut places = Vec::new();
        let mut generation = 0;
        for entry in manifest.incrs() {
            let path = self.dir.file(&entry.name);
            let file = self.open(&path)?;
            let Some(header) = self.read_header(entry, &path, &*file)? else {
                places.push(true);
                plain.push(Incr::Plain(path, file));
                continue;
            };
            places.push(false);
            if header.generation < generation {
                let what = "its generation is older than that of a segment before it";
                return Err(RecoveryError::Disagrees { path, what });
            }
            generation = header.generation;
            let end = entry.segment.and_then(|segment| segment.end);
            segments.push(ToScan { header, name: (entry.name.clone(), path), file, end });
        }
        let paths: Vec<_> = segments.iter().map(|segment| segment.name.1.clone()).collect();
        let scans = scan_all(segments, self.options).into_iter().zip(paths);
        let mut segments = scans.map(|(found, path)| match found {
            Ok(candidate) => Ok(Incr::Ours(Box::new(candidate))),
            Err(error) => Err(failed("read", &path)(error)),
        });
        let mut plain = plain.into_iter().map(Ok);
        let in_order = places.into_iter().map(|is_plain| if is_plain { plain.next() } else { segments.next() });
        in_order.flatten().collect()
    }

    /// The header line, checked against the manifest; `None` if another server wrote the file.
    pub(super) fn read_header(
        &self,
        entry: &Entry,
        path: &Path,
        file: &dyn File,
    ) -> Result<Option<SegmentHeader>, RecoveryError> {
        let mut line = [0; LINE_BYTES];
        let read = read_full_at(file, &mut line, 0).map_err(failed("read", path))?;
        let header = match (SegmentHeader::decode(&line[..read]), entry.segment) {
            (Err(HeaderFault::Foreign), None) => return Ok(None),
            (Err(fault), _) => return Err(RecoveryError::Header { path: path.to_path_buf(), fault }),
            (Ok(header), _) => header,
        };
        let disagrees = |what| Err(RecoveryError::Disagrees { path: path.to_path_buf(), what });
        if header.seq != entry.seq {
            return disagrees("its header has another sequence number than the manifest");
        }
        if let Some(segment) = entry.segment
            && (segment.core, segment.generation, segment.id) != (header.core, header.generation, header.id)
        {
            return disagrees("its header is not that of the segment that the manifest names");
        }
        Ok(Some(header))
    }

    fn judge(&self, mut incrs: Vec<Incr>, plan: &mut Plan) -> Result<(), RecoveryError> {
        let mut incarnations = Vec::new();
        for incr in &incrs {
            if let Incr::Ours(candidate) = incr
                && !incarnations.contains(&candidate.header.incarnation)
            {
                incarnations.push(candidate.header.incarnation);
            }
        }
        let mut plans: BTreeMap<u64, SegmentPlan> = BTreeMap::new();
        for &incarnation in &incarnations {
            let mut ordinary = Vec::new();
            for incr in &mut incrs {
                let Incr::Ours(candidate) = incr else { continue };
                if candidate.header.incarnation != incarnation {
                    continue;
                }
                if candidate.header.kind == SegmentKind::Barrier {
                    plans.insert(candidate.header.seq, judge_barrier(candidate, &mut plan.findings)?);
                } else {
                    ordinary.push(&mut **candidate);
                }
            }
            let newest = incarnations.last() == Some(&incarnation);
            let forgiven = self.options.corrupt_tail_bytes_max;
            let boot = self.options.boot;
            for segment in judge_incarnation(&mut ordinary, newest, boot, forgiven, &mut plan.findings)? {
                plans.insert(segment.header.seq, segment);
            }
        }
        let count = incrs.len();
        for (index, incr) in incrs.into_iter().enumerate() {
            let last = index + 1 == count;
            match incr {
                Incr::Plain(path, file) => self.add_plain(path, file, last, plan)?,
                Incr::Ours(candidate) => {
                    let segment = plans.remove(&candidate.header.seq);
                    let segment = segment.expect("every segment was judged");
                    self.add_segment(segment, candidate.scan.appended_bytes, last, plan)?;
                }
            }
        }
        Ok(())
    }

    fn add_plain(&self, path: PathBuf, file: Arc<dyn File>, last: bool, plan: &mut Plan) -> Result<(), RecoveryError> {
        let part = PlainPart::check(&path, file, 0, self.options.tolerance(last))?;
        if part.cut_bytes > 0 {
            plan.findings.push(Finding::PlainCut { path, offset: part.end, bytes: part.cut_bytes });
        }
        let (kind, segments) = (SegmentKind::Ordinary, Vec::new());
        plan.generations.push(GenerationPlan { number: 0, kind, segments, plain: Some(part) });
        Ok(())
    }

    fn add_segment(
        &self,
        mut segment: SegmentPlan,
        appended_bytes: u64,
        last: bool,
        plan: &mut Plan,
    ) -> Result<(), RecoveryError> {
        let SegmentHeader { generation, kind, size_bytes, .. } = segment.header;
        if appended_bytes > 0 {
            let (path, file) = (segment.path.clone(), segment.file.clone());
            let part = PlainPart::check(&path, file, size_bytes, self.options.tolerance(last))?;
            plan.findings.push(Finding::Appended { path: path.clone(), bytes: appended_bytes });
            if part.cut_bytes > 0 {
                plan.findings.push(Finding::PlainCut { path, offset: part.end, bytes: part.cut_bytes });
            }
            segment.appended = Some(part);
        }
        plan.next_generation = plan.next_generation.max(generation + 1);
        match plan.generations.last_mut() {
            Some(current) if current.number == generation && current.plain.is_none() => current.segments.push(segment),
            _ => {
                let segments = vec![segment];
                plan.generations.push(GenerationPlan { number: generation, kind, segments, plain: None });
            }
        }
        Ok(())
    }

    /// Files in the directory that the manifest does not name: remains of what was cut short, or a sign that it is the wrong manifest.
    fn look_for_strangers(&self, named: bool, plan: &mut Plan) -> Result<(), RecoveryError> {
        let path = self.dir.path();
        if !self.dir.fs.exists(&path).map_err(failed("look for", &path))? {
            return Ok(());
        }
        // Without any named segment nothing can be said to have been replaced.
        let seq_min = plan.manifest.incrs().next().map_or(0, |entry| entry.seq);
        plan.next_seq = plan.manifest.seq_max() + 1;
        let opening = self.read_opening(plan)?;
        for name in self.dir.fs.list(&path).map_err(failed("list", &path))? {
            let path = self.dir.file(&name);
            let entry = plan.manifest.entries.iter().find(|entry| entry.name == name);
            if let Some(seq) = self.dir.incr_seq(&name) {
                plan.next_seq = plan.next_seq.max(seq + 1);
                if entry.is_none() && opening.contains(&name) {
                    plan.findings.push(Finding::Leftover(path.clone()));
                    plan.leftovers.push(path);
                } else if entry.is_none() {
                    self.judge_stranger(path, named && seq < seq_min, named, plan)?;
                }
            } else if entry.is_some_and(|entry| entry.role == Role::History) || path == self.dir.manifest_aside() {
                plan.leftovers.push(path);
            } else if entry.is_none() && self.is_base(&name) {
                if !named && !opening.contains(&name) {
                    let manifest = self.dir.manifest();
                    return Err(RecoveryError::ManifestMissing { path, manifest });
                }
                // A rewrite that did not get to its end, or whose base was replaced since.
                if plan.manifest.edit > 0 || opening.contains(&name) {
                    plan.findings.push(Finding::Leftover(path.clone()));
                    plan.leftovers.push(path);
                }
            }
        }
        Ok(())
    }

    /// Names of the files of a log that was being opened. What of them the manifest does not name belongs to no log.
    fn read_opening(&self, plan: &mut Plan) -> Result<Vec<String>, RecoveryError> {
        let path = self.dir.opening_manifest();
        if !self.dir.fs.exists(&path).map_err(failed("look for", &path))? {
            return Ok(Vec::new());
        }
        let bytes = read_file(&*self.dir.fs, &path, MANIFEST_BYTES_MAX).map_err(failed("read", &path))?;
        let opening =
            Manifest::decode(&bytes).map_err(|fault| RecoveryError::Manifest { path: path.clone(), fault })?;
        plan.opening = Some(path);
        Ok(opening.entries.into_iter().map(|entry| entry.name).collect())
    }

    pub(super) fn is_base(&self, name: &str) -> bool {
        let number = name.strip_prefix(&self.dir.filename).and_then(|rest| rest.strip_prefix('.'));
        let number = number.and_then(|rest| rest.strip_suffix(".base.rdb").or(rest.strip_suffix(".base.aof")));
        number.is_some_and(|number| number.parse::<u64>().is_ok())
    }

    fn judge_stranger(&self, path: PathBuf, replaced: bool, named: bool, plan: &mut Plan) -> Result<(), RecoveryError> {
        let file = self.dir.fs.open(&path, Open::Read).map_err(failed("open", &path))?;
        let mut line = [0; LINE_BYTES];
        let read = read_full_at(&*file, &mut line, 0).map_err(failed("read", &path))?;
        let unused = match SegmentHeader::decode(&line[..read]) {
            // A barrier or tail that no manifest names has not happened.
            Ok(header) if header.kind != SegmentKind::Ordinary || replaced => true,
            Ok(header) => scan(&*file, &header, None).map_err(failed("read", &path))?.frames.is_empty(),
            Err(_) => line[..read].iter().all(|&byte| byte == 0),
        };
        if unused {
            plan.findings.push(Finding::Leftover(path.clone()));
            plan.leftovers.push(path);
        } else if SegmentHeader::decode(&line[..read]).is_ok() {
            return Err(RecoveryError::Unnamed(path));
        } else if !named {
            return Err(RecoveryError::ManifestMissing { path, manifest: self.dir.manifest() });
        } else {
            plan.findings.push(Finding::Unknown(path));
        }
        Ok(())
    }
}
