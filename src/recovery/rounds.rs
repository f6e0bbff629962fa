//! What rounds say of a log whose replies did not wait for the disk (rule X7).

use super::judge::Candidate;
use crate::log::Lsn;

/// The places of all cores in the newest round that every log reaches: what happened up to that moment, and nothing else. `None`
/// if no round is needed: replies waited for the disk, there is one core, the server was stopped cleanly, or the machine is still the
/// one that wrote, so that all that the kernel was given is there.
///
/// `floor` is settled by the manifest: the end of the generation before counts as a round that every log reaches.
pub(super) fn newest_round(
    segments: &[&mut Candidate],
    last_generation: Option<u64>,
    boot: u64,
    floor: &[Lsn],
    written: &[Lsn],
) -> Option<Vec<Lsn>> {
    let last: Vec<&Candidate> =
        segments.iter().map(|segment| &**segment).filter(|s| Some(s.header.generation) == last_generation).collect();
    // The manifest says where the log ends: it was closed, or an earlier start decided it. Segments before a core's last one were
    // synced before that.
    let has_end = |core: u16| {
        let of_core = last.iter().filter(|segment| segment.header.core == core);
        of_core.max_by_key(|segment| segment.header.seq).is_none_or(|newest| newest.end.is_some())
    };
    let is_settled = (0..written.len()).all(|core| has_end(core as u16));
    let same_machine = boot != 0 && last.iter().all(|segment| segment.header.boot == boot);
    if written.len() == 1
        || !last.iter().any(|s| s.header.relaxed)
        || is_settled
        || same_machine
        || stopped_cleanly(&last)
    {
        return None;
    }
    let mut cut = floor.to_vec();
    for round in last.iter().filter(|segment| !segment.beyond).flat_map(|segment| &segment.scan.rounds) {
        let reached =
            round.lsns.len() == written.len() && round.lsns.iter().zip(written).all(|(end, have)| end <= have);
        if reached {
            // Rounds are moments, so of two of them one is later on every core.
            cut.iter_mut().zip(&round.lsns).for_each(|(place, end)| *place = (*place).max(*end));
        }
    }
    Some(cut)
}

/// Whether every core's log ends with the frame of a clean stop.
fn stopped_cleanly(last: &[&Candidate]) -> bool {
    let cores = last.first().map_or(0, |segment| segment.header.cores);
    (0..cores).all(|core| {
        let mut used = last.iter().filter(|segment| segment.header.core == core && !segment.scan.frames.is_empty());
        used.next_back().is_some_and(|segment| segment.scan.clean_stop && !segment.beyond)
    })
}
