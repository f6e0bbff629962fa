//! What can be kept of a log of which a part is damaged, missing, or not wanted: for `basalt-check`, never for the server.
//!
//! What is kept is a prefix of the whole history: per core everything up to the damage or the wanted time, lowered by the same
//! fixpoint that recovery computes (rule X1, V3), and of the generations everything up to the first one in which anything was cut.
//! So a multi-core write is kept whole or not at all, and a barrier only with everything before it.

use std::collections::HashMap;
use std::path::PathBuf;

use super::error::RecoveryError;
use super::find::{Finder, take_lock};
use super::judge::Candidate;
use super::plain::{PlainPart, Tolerance};
use super::plan::{GenerationPlan, Options, Plan, SegmentPlan};
use super::replay::walk_frame;
use super::rounds::newest_round;
use super::table::{Continued, Row, Verdict};
use crate::log::{
    CoreMarks, Directory, Entry, FrameSpan, HEAD_BYTES, LINE_BYTES, Lsn, Manifest, Role, SegmentKind, Window,
    greatest_cut, read_marks, reread, scan,
};

/// Most keys that a loss names.
const KEYS_NAMED_MAX: usize = 20;

/// What is wanted at most.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limit {
    /// Records sealed up to then, in Unix milliseconds.
    pub time_ms: Option<u64>,
    /// Generations below this one.
    pub generation: Option<u64>,
}

/// What is not kept.
#[derive(Clone, Debug)]
pub struct Loss {
    /// In which file.
    pub path: PathBuf,
    /// Where it begins in it.
    pub offset: u64,
    /// Whose records they are; `None` for a file of another server, or a barrier.
    pub core: Option<u16>,
    /// The first record that is lost, and the last one that is known of.
    pub lsns: Option<(Lsn, Lsn)>,
    /// Commands among them that can still be read.
    pub commands: u64,
    /// Their keys, the first few.
    pub keys: Vec<String>,
    /// Why it is not kept.
    pub why: String,
}

/// See the module's text.
#[derive(Debug)]
pub struct Salvage {
    /// What is kept, as recovery would have it.
    pub plan: Plan,
    /// What is not.
    pub losses: Vec<Loss>,
    /// Segments that are gone although their generation is kept: name, number, core, generation, id, the record they would
    /// begin with.
    pub(crate) hollow: Vec<Hollow>,
    /// Seal time of the newest frame that is kept, Unix milliseconds.
    pub newest_ms: u64,
}

/// A named segment of which nothing is left, in a generation that is kept: an empty one has to take its place.
#[derive(Clone, Debug)]
pub(crate) struct Hollow {
    pub(crate) name: String,
    pub(crate) header: crate::log::SegmentHeader,
}

enum Part {
    Ours(Box<Candidate>),
    Plain(PathBuf, std::sync::Arc<dyn crate::storage::File>),
    Gone(String),
}

struct Named {
    entry: Entry,
    path: PathBuf,
    part: Part,
}

impl Named {
    fn generation(&self) -> Option<u64> {
        match &self.part {
            Part::Ours(candidate) => Some(candidate.header.generation),
            Part::Plain(..) => None,
            Part::Gone(_) => self.entry.segment.map(|segment| segment.generation),
        }
    }

    fn core(&self) -> u16 {
        match &self.part {
            Part::Ours(candidate) => candidate.header.core,
            _ => self.entry.segment.map_or(0, |segment| segment.core),
        }
    }
}

/// Finds what can be kept of the files that `manifest` names. Changes nothing. Fails only if the base can't be read or the directory
/// is in use.
pub fn salvage(dir: &Directory, options: &Options, manifest: Manifest, limit: Limit) -> Result<Salvage, RecoveryError> {
    let lock = take_lock(dir, options)?;
    let finder = Finder { dir, options };
    let mut plan = finder.empty_plan(lock);
    plan.next_seq = manifest.seq_max() + 1;
    plan.manifest = manifest;
    finder.find_base(&mut plan)?;
    let mut named = Vec::new();
    for entry in plan.manifest.incrs().cloned().collect::<Vec<_>>() {
        named.push(open(&finder, entry));
    }
    let mut salvager = Salvager {
        limit,
        boot: options.boot,
        losses: Vec::new(),
        hollow: Vec::new(),
        newest_ms: 0,
        incarnation: None,
        expected: Vec::new(),
        marks: Vec::new(),
        places: HashMap::new(),
        ended: None,
    };
    let mut generations: Vec<GenerationPlan> = Vec::new();
    let mut rest = named.into_iter().peekable();
    while let Some(first) = rest.next() {
        let generation = first.generation();
        let mut group = vec![first];
        while generation.is_some() && rest.peek().is_some_and(|next| next.generation() == generation) {
            group.extend(rest.next());
        }
        if generation.is_some_and(|number| limit.generation.is_some_and(|limit| number >= limit)) {
            salvager.end("it belongs to a later generation than was asked for");
        }
        if let Some(why) = salvager.ended.clone() {
            group.iter().for_each(|named| salvager.drop_file(named, &why));
            continue;
        }
        generations.extend(salvager.group(group, rest.peek().is_none())?);
    }
    let Salvager { losses, hollow, newest_ms, .. } = salvager;
    plan.next_generation = generations.iter().map(|generation| generation.number + 1).max().unwrap_or(1);
    keep_entries(&mut plan.manifest, &generations, &hollow);
    plan.generations = generations;
    Ok(Salvage { plan, losses, hollow, newest_ms })
}

/// Leaves in the manifest what is kept, with its new end.
fn keep_entries(manifest: &mut Manifest, generations: &[GenerationPlan], hollow: &[Hollow]) {
    manifest.entries.retain_mut(|entry| {
        if entry.role != Role::Incr {
            return entry.role == Role::Base;
        }
        if hollow.iter().any(|hollow| hollow.name == entry.name) {
            return true;
        }
        for generation in generations {
            if let Some(segment) = generation.segments.iter().find(|segment| segment.name == entry.name) {
                if let Some(named) = &mut entry.segment
                    && named.end.is_some_and(|(end, _)| end != segment.kept_end)
                {
                    named.end = None;
                }
                return true;
            }
            let plain = generation.plain.as_ref().and_then(|part| part.path.file_name());
            if plain.is_some_and(|name| name.to_str() == Some(&entry.name)) {
                return true;
            }
        }
        false
    });
}

fn open(finder: &Finder<'_>, entry: Entry) -> Named {
    let path = finder.dir.file(&entry.name);
    let part = (|| {
        let file = finder.open(&path)?;
        let Some(header) = finder.read_header(&entry, &path, &*file)? else {
            return Ok(Part::Plain(path.clone(), file));
        };
        let end = entry.segment.and_then(|segment| segment.end);
        let found = scan(&*file, &header, end.map(|(offset, _)| offset));
        let found = found.map_err(|error| RecoveryError::Io { action: "read", path: path.clone(), error })?;
        let name = (entry.name.clone(), path.clone());
        Ok(Part::Ours(Box::new(Candidate::new(header, name, file, end, found))))
    })();
    let part = part.unwrap_or_else(|error: RecoveryError| Part::Gone(error.to_string()));
    Named { entry, path, part }
}

struct Salvager {
    limit: Limit,
    boot: u64,
    losses: Vec<Loss>,
    hollow: Vec<Hollow>,
    newest_ms: u64,
    incarnation: Option<u64>,
    /// Of each core the record that comes next.
    expected: Vec<Lsn>,
    marks: Vec<CoreMarks>,
    places: HashMap<(u64, u16), Lsn>,
    /// Why nothing more is kept.
    ended: Option<String>,
}

impl Salvager {
    fn end(&mut self, why: &str) {
        self.ended.get_or_insert_with(|| why.to_string());
    }

    fn drop_file(&mut self, named: &Named, why: &str) {
        match &named.part {
            Part::Ours(candidate) => self.lose(candidate, 0, candidate.header.data_start(), why),
            Part::Plain(..) | Part::Gone(_) => self.losses.push(Loss {
                path: named.path.clone(),
                offset: 0,
                core: None,
                lsns: None,
                commands: 0,
                keys: Vec::new(),
                why: why.to_string(),
            }),
        }
    }

    /// Notes that a core's records above `cut` in a segment are lost, unless there are none.
    fn lose(&mut self, candidate: &Candidate, cut: Lsn, offset: u64, why: &str) {
        let mut readable = Readable::default();
        let durable_lsn = candidate.scan.durable_lsn;
        if readable.read(candidate, cut).is_err() {
            readable.keys.push("(the file can't be read)".into());
        }
        let end = candidate.end.map_or(0, |(_, lsn)| lsn);
        let last = readable.last_lsn.max(durable_lsn).max(end);
        let damaged = !matches!(candidate.scan.stop, crate::log::Stop::Clean);
        if last <= cut && !damaged {
            return;
        }
        let barrier = candidate.header.kind == SegmentKind::Barrier;
        self.losses.push(Loss {
            path: candidate.path.clone(),
            offset,
            core: (!barrier).then_some(candidate.header.core),
            lsns: (!barrier).then_some((cut + 1, last.max(cut + 1))),
            commands: readable.commands,
            keys: readable.keys,
            why: why.to_string(),
        });
    }

    fn group(&mut self, group: Vec<Named>, newest: bool) -> Result<Option<GenerationPlan>, RecoveryError> {
        let kind = group.iter().find_map(|named| match &named.part {
            Part::Ours(candidate) => Some(candidate.header.kind),
            _ => None,
        });
        match kind {
            Some(SegmentKind::Barrier) => self.barrier(group),
            Some(_) => self.ordinary(group, newest),
            None => self.plain(group),
        }
    }

    fn plain(&mut self, group: Vec<Named>) -> Result<Option<GenerationPlan>, RecoveryError> {
        for named in group {
            let (path, file) = match named.part {
                Part::Plain(path, file) => (path, file),
                Part::Gone(why) => {
                    self.end("a file before it is gone");
                    let part = Part::Gone(String::new());
                    self.drop_file(&Named { part, ..named }, &why);
                    continue;
                }
                Part::Ours(_) => continue,
            };
            let tolerance = Tolerance { truncated: true, corrupt_bytes_max: u64::MAX, time_ms: self.limit.time_ms };
            let part = PlainPart::check(&path, file, 0, tolerance)?;
            if part.cut_bytes > 0 {
                self.end("what comes before it is cut");
                self.losses.push(Loss {
                    path: path.clone(),
                    offset: part.end,
                    core: None,
                    lsns: None,
                    commands: 0,
                    keys: Vec::new(),
                    why: match self.limit.time_ms {
                        Some(_) if part.cut_by_time => "it was written later".to_string(),
                        _ => "from here on there are no whole commands or transactions".to_string(),
                    },
                });
            }
            let segments = Vec::new();
            return Ok(Some(GenerationPlan { number: 0, kind: SegmentKind::Ordinary, segments, plain: Some(part) }));
        }
        Ok(None)
    }

    fn barrier(&mut self, group: Vec<Named>) -> Result<Option<GenerationPlan>, RecoveryError> {
        let Some(Named { part: Part::Ours(candidate), .. }) = group.first() else { return Ok(None) };
        let scan = &candidate.scan;
        let whole = scan.stop == crate::log::Stop::Clean && scan.closed && scan.frames.len() == 1;
        let late = self.limit.time_ms.is_some_and(|limit| scan.frames.iter().any(|frame| frame.time_ms > limit));
        if !whole || late {
            let why = if late { "it was written later" } else { "the barrier segment is damaged" };
            self.end(if late { "what comes before it was written too late" } else { "a barrier before it is damaged" });
            self.lose(candidate, 0, scan.stop_offset, why);
            return Ok(None);
        }
        let number = candidate.header.generation;
        let segment = candidate.plan(Lsn::MAX, &mut Vec::new());
        Ok(Some(GenerationPlan { number, kind: SegmentKind::Barrier, segments: vec![segment], plain: None }))
    }

    fn ordinary(&mut self, mut group: Vec<Named>, newest: bool) -> Result<Option<GenerationPlan>, RecoveryError> {
        let Some(header) = group.iter().find_map(|named| match &named.part {
            Part::Ours(candidate) => Some(candidate.header),
            _ => None,
        }) else {
            return Ok(None);
        };
        let cores = header.cores as usize;
        if self.incarnation != Some(header.incarnation) {
            self.incarnation = Some(header.incarnation);
            self.expected = vec![0; cores];
            self.marks = vec![CoreMarks::new(); cores];
            self.places.clear();
        }
        let number = header.generation;
        let floor: Vec<Lsn> = self.expected.iter().map(|next| next.saturating_sub(1)).collect();
        let mut reached = vec![0; cores];
        let mut broken: Vec<Option<String>> = vec![None; cores];
        for core in 0..cores {
            let chain: Vec<&mut Named> = group.iter_mut().filter(|named| named.core() as usize == core).collect();
            (reached[core], broken[core]) = self.chain(chain, core, newest);
            self.expected[core] = reached[core] + 1;
        }
        for named in &group {
            let Part::Ours(candidate) = &named.part else { continue };
            for placed in candidate.scan.marks.iter().filter(|placed| {
                placed.lsn <= candidate.valid_to && placed.lsn <= reached[candidate.header.core as usize]
            }) {
                self.marks[candidate.header.core as usize].insert(placed.lsn, placed.mark);
                self.places.insert((placed.mark.tx_id, candidate.header.core), placed.lsn);
            }
        }
        let mut cut = reached.clone();
        if let Some(limit) = self.limit.time_ms {
            for named in &group {
                let Part::Ours(candidate) = &named.part else { continue };
                let late = candidate.scan.frames.iter().find(|frame| frame.time_ms > limit && frame.count > 0);
                if let Some(frame) = late.filter(|frame| frame.first_lsn <= candidate.valid_to) {
                    let core = candidate.header.core as usize;
                    cut[core] = cut[core].min(frame.first_lsn - 1);
                }
            }
        }
        // After a power cut only what a round covers is there on every core (rule X7).
        let mut ours: Vec<&mut Candidate> = Vec::new();
        for named in &mut group {
            if let Part::Ours(candidate) = &mut named.part {
                ours.push(candidate);
            }
        }
        if newest && let Some(round) = newest_round(&ours, Some(number), self.boot, &floor, &reached) {
            cut.iter_mut().zip(round).for_each(|(cut, round)| *cut = (*cut).min(round));
        }
        let wanted = cut.clone();
        greatest_cut(&mut cut, &self.marks, |tx_id, core| self.places.get(&(tx_id, core)).copied());

        let mut segments = Vec::new();
        let mut has_segment = vec![false; cores];
        let mut complete = true;
        for named in &group {
            let core = named.core() as usize;
            let candidate = match &named.part {
                Part::Ours(candidate) => candidate,
                Part::Gone(why) => {
                    complete = false;
                    self.drop_file(named, why);
                    continue;
                }
                Part::Plain(..) => continue,
            };
            let lost_before = self.losses.len();
            let first = candidate.scan.frames.first().map_or(candidate.header.first_lsn_min, |frame| frame.first_lsn);
            let last = candidate.scan.last_lsn().unwrap_or(0).min(candidate.valid_to);
            let keep_file = !has_segment[core] || first <= cut[core];
            let why = match &broken[core] {
                Some(why) => why.clone(),
                None if wanted[core] < reached[core] => "it was written later".to_string(),
                None => {
                    "it belongs to, or comes after, a multi-core write of which another core's part is not kept".into()
                }
            };
            let tail_broken = broken[core].is_some() && last >= reached[core];
            if last > cut[core] || tail_broken {
                let frames = &candidate.scan.frames;
                let offset = frames.iter().find(|frame| frame.last_lsn() > cut[core]).map(|frame| frame.offset);
                self.lose(candidate, cut[core], offset.unwrap_or(candidate.scan.stop_offset), &why);
            }
            complete &= self.losses.len() == lost_before && broken[core].is_none();
            if keep_file {
                let mut segment = candidate.plan(cut[core], &mut Vec::new());
                // What lies behind a stop is wiped in any case.
                segment.wipe |= broken[core].is_some();
                has_segment[core] = true;
                self.note_newest(candidate, &segment);
                segments.push(segment);
            }
        }
        complete &= (0..cores).all(|core| cut[core] == reached[core]);
        for core in (0..cores).filter(|&core| !has_segment[core]) {
            complete = false;
            self.hollow(&group, core as u16, header, cut[core] + 1);
        }
        if !complete {
            self.end("records before it are not kept");
        }
        Ok(Some(GenerationPlan { number, kind: SegmentKind::Ordinary, segments, plain: None }))
    }

    fn note_newest(&mut self, candidate: &Candidate, segment: &SegmentPlan) {
        let kept = candidate.scan.frames.iter().filter(|frame| frame.offset < segment.kept_end && frame.count > 0);
        self.newest_ms = kept.map(|frame| frame.time_ms).max().unwrap_or(0).max(self.newest_ms);
    }

    /// An empty segment takes the place of one that is gone, so that the generation has one for each core.
    fn hollow(&mut self, group: &[Named], core: u16, sibling: crate::log::SegmentHeader, first_lsn_min: Lsn) {
        let gone = group.iter().find(|named| named.core() == core && matches!(named.part, Part::Gone(_)));
        let Some(named) = gone else { return };
        let id = named.entry.segment.map_or(sibling.id ^ 1, |segment| segment.id);
        let header = crate::log::SegmentHeader {
            core,
            seq: named.entry.seq,
            id,
            seed: sibling.seed.rotate_left(17) ^ id,
            size_bytes: sibling.data_start().next_multiple_of(4096) + 4096,
            first_lsn_min,
            ..sibling
        };
        self.hollow.push(Hollow { name: named.entry.name.clone(), header });
    }

    /// Follows one core's segments of a generation as far as they are whole. Returns the last record, and why it is not the end.
    fn chain(&mut self, mut chain: Vec<&mut Named>, core: usize, newest: bool) -> (Lsn, Option<String>) {
        let first_min = chain.iter().find_map(|named| match &named.part {
            Part::Ours(candidate) => Some(candidate.header.first_lsn_min),
            _ => None,
        });
        let mut expected =
            self.expected[core].max(1).max(if self.expected[core] == 0 { first_min.unwrap_or(1) } else { 1 });
        for index in 0..chain.len() {
            let (before, after) = chain.split_at_mut(index);
            let (this, rest) = after.split_first_mut().expect("the index is in the chain");
            let candidate = match &mut this.part {
                Part::Ours(candidate) => candidate,
                Part::Gone(why) => return (expected - 1, Some(why.clone())),
                Part::Plain(..) => continue,
            };
            if let (Some(first), Some(last)) = (candidate.scan.frames.first().copied(), candidate.scan.last_lsn()) {
                let supersedes = candidate.scan.supersedes && first.first_lsn <= expected;
                if first.first_lsn != expected && !supersedes {
                    return (expected - 1, Some(format!("records from {expected} on are missing before it")));
                }
                if supersedes {
                    for earlier in before.iter_mut() {
                        if let Part::Ours(earlier) = &mut earlier.part {
                            earlier.valid_to = earlier.valid_to.min(first.first_lsn - 1);
                        }
                    }
                }
                expected = last + 1;
            }
            candidate.expected = expected;
            let next = rest.iter().find_map(|named| match &named.part {
                Part::Ours(next) if !next.scan.frames.is_empty() => Some(next),
                _ => None,
            });
            candidate.continued = match next {
                Some(next) if next.scan.supersedes => Continued::Superseded,
                Some(next) if next.header.kind == SegmentKind::Tail => Continued::Elsewhere,
                Some(_) => Continued::Segment,
                None if newest => Continued::No,
                None => Continued::Elsewhere,
            };
            let row = candidate.classify(candidate.scan.durable_lsn);
            match row.verdict() {
                Verdict::Intact => {}
                Verdict::Torn => return (expected - 1, (!newest).then(|| row.text().to_string())),
                Verdict::Corrupt if row == Row::NotClosed && rest.is_empty() => {}
                Verdict::Corrupt => return (expected - 1, Some(format!("{} (case {})", row.text(), row.label()))),
            }
        }
        (expected - 1, None)
    }
}

/// The commands of lost frames that can still be read.
#[derive(Default)]
struct Readable {
    last_lsn: Lsn,
    commands: u64,
    keys: Vec<String>,
}

impl Readable {
    /// Reads the segment's whole frames with records above `cut`, those behind the damage included.
    fn read(&mut self, candidate: &Candidate, cut: Lsn) -> std::io::Result<()> {
        let mut window = Window::new(&*candidate.file);
        for FrameSpan { offset, .. } in candidate.scan.frames.iter().filter(|frame| frame.last_lsn() > cut) {
            self.frame(candidate, &mut window, *offset, cut)?;
        }
        let (mut offset, end) = (candidate.scan.stop_offset, candidate.header.size_bytes);
        // Behind a manifest's end nothing counts.
        while candidate.end.is_none() && offset < end {
            let taken = self.frame(candidate, &mut window, offset, cut)?;
            offset += taken.unwrap_or(LINE_BYTES as u64);
        }
        Ok(())
    }

    /// Reads the frame at `offset` if there is a whole one; returns its length in bytes.
    fn frame(
        &mut self,
        candidate: &Candidate,
        window: &mut Window<'_>,
        offset: u64,
        cut: Lsn,
    ) -> std::io::Result<Option<u64>> {
        let Some((header, frame)) = reread(window, &candidate.header, offset)? else { return Ok(None) };
        self.last_lsn = self.last_lsn.max(header.last_lsn()).max(header.durable_lsn);
        let (payload, rest) = frame[HEAD_BYTES..].split_at(header.payload_bytes as usize);
        let marks = read_marks(&rest[..header.trailer_bytes as usize]).unwrap_or_default();
        let mark_only: Vec<_> = marks.iter().filter(|mark| !mark.has_effect).map(|mark| mark.lsn).collect();
        walk_frame(&header, payload, &mark_only, header.last_lsn(), |lsn, _, args| {
            if lsn > cut {
                self.commands += 1;
                let key = args.get(1).map(|key| String::from_utf8_lossy(&key[..key.len().min(100)]).into_owned());
                if let Some(key) = key
                    && self.keys.len() < KEYS_NAMED_MAX
                    && !self.keys.contains(&key)
                {
                    self.keys.push(key);
                }
            }
            true
        });
        Ok(Some(header.frame_bytes(candidate.header.block_bytes)))
    }
}
