//! From scans to verdicts: chains of segments per core, the durable cut, the table.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::error::{Corruption, RecoveryError};
use super::plan::{Finding, Partial, SegmentPlan};
use super::rounds::newest_round;
use super::table::{Continued, Facts, Row, Verdict, classify};
use crate::log::{CoreMarks, Lsn, Scan, SegmentHeader, SegmentKind, Stop, greatest_cut};
use crate::storage::File;

/// A scanned segment on its way to a [`SegmentPlan`].
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) header: SegmentHeader,
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
    /// Where its frames end, if the manifest says so.
    pub(crate) end: Option<(u64, Lsn)>,
    pub(crate) scan: Scan,
    pub(super) continued: Continued,
    /// The record that would come next in it.
    pub(super) expected: Lsn,
    /// Records above this are overridden by a later segment.
    pub(super) valid_to: Lsn,
    /// A segment before it lost its end with the power, so nothing in it counts.
    pub(super) beyond: bool,
}

impl Candidate {
    pub(crate) fn new(
        header: SegmentHeader,
        (name, path): (String, PathBuf),
        file: Arc<dyn File>,
        end: Option<(u64, Lsn)>,
        scan: Scan,
    ) -> Self {
        let (continued, expected, valid_to) = (Continued::No, header.first_lsn_min, Lsn::MAX);
        Candidate { header, name, path, file, end, scan, continued, expected, valid_to, beyond: false }
    }

    pub(super) fn classify(&self, durable_lsn: Lsn) -> Row {
        let scan = &self.scan;
        let sealed = self.end.map(|(offset, lsn)| {
            let last = scan.last_lsn().unwrap_or(lsn);
            offset == scan.stop_offset && scan.stop == Stop::Clean && last == lsn
        });
        classify(&Facts {
            stop: scan.stop,
            sealed,
            continued: self.continued,
            closed: scan.closed,
            has_frames: !scan.frames.is_empty(),
            beyond: self.beyond,
            remains: scan.remains_bytes > scan.damaged_filler_bytes,
            above_durable: self.expected > durable_lsn,
        })
    }

    /// Whether a bad tail may be cut since the operator said that so many bytes may be (`aof-load-corrupt-tail-max-size`). What
    /// was acknowledged is never cut.
    fn is_forgiven(&self, row: Row, durable_lsn: Lsn, bytes_max: u64) -> bool {
        let is_tail = self.continued == Continued::No && self.end.is_none() && !self.scan.closed;
        let behind = self.scan.remains_bytes - self.scan.damaged_filler_bytes;
        matches!(row, Row::FrameRotten | Row::NotAFrame)
            && is_tail
            && self.expected > durable_lsn
            && behind <= bytes_max
    }

    fn corrupt(&self, row: Row, durable_lsn: Lsn) -> RecoveryError {
        RecoveryError::Corrupt(Corruption {
            path: self.path.clone(),
            offset: self.scan.stop_offset,
            first_lsn: self.expected,
            durable_lsn,
            core: self.header.core,
            row,
        })
    }

    /// What is kept of it, with `cut` the last record of its core that is.
    pub(super) fn plan(&self, cut: Lsn, findings: &mut Vec<Finding>) -> SegmentPlan {
        let keep = cut.min(self.valid_to);
        let mut kept_end = self.header.data_start();
        let mut kept_last_lsn = 0;
        let mut partial = None;
        for (index, frame) in self.scan.frames.iter().enumerate() {
            if frame.last_lsn() > keep {
                if frame.first_lsn <= keep {
                    partial = Some(Partial { offset: frame.offset });
                    kept_last_lsn = keep;
                }
                break;
            }
            kept_last_lsn = frame.last_lsn();
            kept_end = self.scan.frames.get(index + 1).map_or(self.scan.stop_offset, |next| next.offset);
        }
        if self.scan.damaged_filler_bytes > 0 {
            findings.push(Finding::DamagedFiller { path: self.path.clone(), bytes: self.scan.damaged_filler_bytes });
        }
        SegmentPlan {
            header: self.header,
            path: self.path.clone(),
            name: self.name.clone(),
            file: self.file.clone(),
            kept_end,
            kept_last_lsn,
            partial,
            wipe: kept_end < self.scan.stop_offset || self.scan.remains_bytes > 0,
            appended: None,
        }
    }
}

/// Judges a barrier segment: it was complete before the manifest named it.
pub(crate) fn judge_barrier(candidate: &Candidate, findings: &mut Vec<Finding>) -> Result<SegmentPlan, RecoveryError> {
    let scan = &candidate.scan;
    let whole = scan.stop == Stop::Clean && scan.closed && scan.frames.len() == 1 && scan.frames[0].count == 1;
    if !whole || scan.remains_bytes > scan.damaged_filler_bytes {
        return Err(candidate.corrupt(Row::BarrierBroken, 1));
    }
    Ok(candidate.plan(Lsn::MAX, findings))
}

/// Judges all ordinary segments of one incarnation, in the order of their numbers; `newest` says that nothing newer exists, `boot` is
/// this run of the machine. A bad last frame of at most `corrupt_tail_bytes_max` bytes that nobody acknowledged is cut like a torn one.
pub(crate) fn judge_incarnation(
    segments: &mut [&mut Candidate],
    newest: bool,
    boot: u64,
    corrupt_tail_bytes_max: u64,
    findings: &mut Vec<Finding>,
) -> Result<Vec<SegmentPlan>, RecoveryError> {
    let Some(first) = segments.first() else { return Ok(Vec::new()) };
    let cores = first.header.cores;
    check_cores(segments, cores)?;

    let mut written = vec![0; cores as usize];
    let mut durable = vec![0; cores as usize];
    for core in 0..cores {
        let mut chain: Vec<_> = segments.iter_mut().filter(|segment| segment.header.core == core).collect();
        written[core as usize] = link(&mut chain, newest)?;
        durable[core as usize] = chain.iter().map(|segment| segment.scan.durable_lsn).max().unwrap_or(0);
    }
    let last_generation = segments.iter().map(|segment| segment.header.generation).max();
    for segment in segments.iter_mut() {
        if segment.continued == Continued::No && Some(segment.header.generation) != last_generation {
            segment.continued = Continued::Elsewhere;
        }
    }
    let mut lost_frames = false;
    for segment in segments.iter() {
        let durable_lsn = durable[segment.header.core as usize];
        let row = segment.classify(durable_lsn);
        lost_frames |= matches!(row, Row::HoleTorn | Row::BeyondTear);
        match row.verdict() {
            Verdict::Intact => {}
            // What a newer incarnation was built on has been repaired: nothing in it is torn any more.
            _ if newest
                && (row.verdict() == Verdict::Torn
                    || segment.is_forgiven(row, durable_lsn, corrupt_tail_bytes_max)) =>
            {
                findings.push(Finding::TornTail {
                    path: segment.path.clone(),
                    offset: segment.scan.stop_offset,
                    first_lsn: segment.expected,
                    row,
                })
            }
            Verdict::Torn | Verdict::Corrupt => return Err(segment.corrupt(row, durable_lsn)),
        }
    }

    let floor: Vec<Lsn> = (0..cores).map(|core| settled(segments, core, last_generation)).collect();
    // The end of a process leaves no later frame without the ones before it. The device lost some, though the machine ran on: what it
    // kept is no better known than after a loss of power.
    let boot = if lost_frames { 0 } else { boot };
    let round = if newest { newest_round(segments, last_generation, boot, &floor, &written) } else { None };
    let mut cut = round.clone().unwrap_or_else(|| written.clone());
    compute_cut(segments, &mut cut);
    for core in 0..cores {
        let behind_round = round.as_ref().is_some_and(|round| round[core as usize] < written[core as usize]);
        let (cut, written, durable_lsn) = (cut[core as usize], written[core as usize], durable[core as usize]);
        // Nothing that was acknowledged, or that a later generation builds on, may fall.
        let settled = if newest { floor[core as usize] } else { written };
        let known = durable_lsn.max(settled);
        if cut < known {
            return Err(RecoveryError::PartMissing { core, durable_lsn: known, cut });
        }
        if cut < written && behind_round {
            findings.push(Finding::BehindRound { core, first_lsn: cut + 1, last_lsn: written });
        } else if cut < written {
            findings.push(Finding::Unfinished { core, first_lsn: cut + 1, last_lsn: written });
        }
    }
    Ok(segments.iter().map(|segment| segment.plan(cut[segment.header.core as usize], findings)).collect())
}

fn check_cores(segments: &[&mut Candidate], cores: u16) -> Result<(), RecoveryError> {
    let mut present: BTreeMap<u64, u128> = BTreeMap::new();
    for segment in segments {
        if segment.header.cores != cores {
            let what = "segments of one incarnation differ in the number of cores";
            return Err(RecoveryError::Disagrees { path: segment.path.clone(), what });
        }
        *present.entry(segment.header.generation).or_default() |= 1 << segment.header.core;
    }
    for (generation, present) in present {
        if let Some(core) = (0..cores).find(|core| present >> core & 1 == 0) {
            return Err(RecoveryError::CoreMissing { generation, core });
        }
    }
    Ok(())
}

/// Checks that one core's segments follow one another, and notes how; returns the last record.
fn link(chain: &mut [&mut &mut Candidate], newest: bool) -> Result<Lsn, RecoveryError> {
    let mut expected = chain.first().map_or(1, |segment| segment.header.first_lsn_min);
    for index in 0..chain.len() {
        let (before, rest) = chain.split_at_mut(index);
        let segment = &mut *rest[0];
        let core = segment.header.core;
        // If a segment before it is damaged, that one is to be named.
        let damaged = before.iter().find(|earlier| !matches!(earlier.scan.stop, Stop::Clean | Stop::Hole));
        let damaged = damaged
            .map(|earlier| earlier.corrupt(earlier.classify(earlier.scan.durable_lsn), earlier.scan.durable_lsn));
        let path = segment.path.clone();
        let gap = move |expected, found| damaged.unwrap_or(RecoveryError::Gap { path, core, expected, found });
        let turns = before.last().is_some_and(|last| last.header.generation != segment.header.generation);
        if turns {
            // A generation begins where the one before it was drained.
            if segment.header.first_lsn_min != expected {
                return Err(gap(expected, segment.header.first_lsn_min));
            }
            before.iter_mut().for_each(|earlier| leave(earlier, Continued::Elsewhere));
        }
        if let (Some(frame), Some(last)) = (segment.scan.frames.first().copied(), segment.scan.last_lsn()) {
            let supersedes = segment.scan.supersedes && !turns && frame.first_lsn <= expected;
            if newest && lost_its_end(before, turns, supersedes || frame.first_lsn <= expected, segment) {
                segment.beyond = true;
                segment.expected = expected;
                continue;
            }
            if frame.first_lsn != expected && !supersedes || frame.first_lsn < segment.header.first_lsn_min {
                return Err(gap(expected, frame.first_lsn));
            }
            let how = match segment.header.kind {
                _ if supersedes => Continued::Superseded,
                SegmentKind::Tail => Continued::Elsewhere,
                _ => Continued::Segment,
            };
            for earlier in before.iter_mut() {
                if supersedes && earlier.scan.last_lsn().is_some_and(|last| last >= frame.first_lsn) {
                    earlier.valid_to = earlier.valid_to.min(frame.first_lsn - 1);
                }
                leave(earlier, how);
            }
            expected = last + 1;
        }
        segment.expected = expected;
    }
    Ok(expected - 1)
}

/// Whether the log's end fell before `segment`: where replies do not wait for the disk a segment is not synced before the next one is
/// written, so the power may take its last frames and leave those of the next. Whatever was known to be durable is looked at later.
fn lost_its_end(before: &[&mut &mut Candidate], turns: bool, follows: bool, segment: &Candidate) -> bool {
    if !segment.header.relaxed || segment.end.is_some() || turns {
        return false;
    }
    let mut earlier = before.iter().rev();
    let last = earlier.find(|last| last.beyond || !last.scan.frames.is_empty());
    let unclosed = last.is_some_and(|last| {
        let ends = last.end.is_some() || last.scan.closed && last.scan.stop == Stop::Clean;
        last.beyond || last.header.generation == segment.header.generation && !ends && !segment.scan.supersedes
    });
    unclosed || !follows
}

fn leave(segment: &mut Candidate, how: Continued) {
    if segment.continued == Continued::No {
        segment.continued = how;
    }
}

/// The last record of `core` that is settled: its segment is sealed, or belongs to a generation before the last (of which a base may have
/// taken the place).
fn settled(segments: &[&mut Candidate], core: u16, last_generation: Option<u64>) -> Lsn {
    let settled = segments.iter().filter(|segment| {
        segment.header.core == core
            && !segment.beyond
            && (segment.end.is_some() || Some(segment.header.generation) != last_generation)
    });
    let settled = settled.filter_map(|segment| segment.scan.last_lsn().map(|last| last.min(segment.valid_to))).max();
    let first = segments.iter().find(|s| s.header.core == core && Some(s.header.generation) == last_generation);
    settled.unwrap_or(0).max(first.map_or(0, |first| first.header.first_lsn_min - 1))
}

fn compute_cut(segments: &[&mut Candidate], cut: &mut [Lsn]) {
    let mut marks = vec![CoreMarks::new(); cut.len()];
    let mut places: HashMap<(u64, u16), Lsn> = HashMap::new();
    for segment in segments {
        let core = segment.header.core;
        if segment.beyond {
            continue;
        }
        for placed in segment.scan.marks.iter().filter(|placed| placed.lsn <= segment.valid_to) {
            marks[core as usize].insert(placed.lsn, placed.mark);
            places.insert((placed.mark.tx_id, core), placed.lsn);
        }
    }
    greatest_cut(cut, &marks, |tx_id, core| places.get(&(tx_id, core)).copied());
}
