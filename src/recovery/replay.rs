//! Gives the records of a plan to the server, generation by generation (rule V2).

use std::path::Path;

use super::error::RecoveryError;
use super::plain::is_word;
use super::plan::{Base, GenerationPlan, Plan, SegmentPlan};
use crate::log::{FrameHeader, HEAD_BYTES, Lsn, Window, read_command, read_marks, reread};
use crate::resp::Args;

/// Takes what recovery reads. An error (a text for people) stops the start.
pub trait ReplaySink {
    /// The state to start from: an RDB file, perhaps with commands behind the image. Returns the image's length in bytes.
    fn base_rdb(&mut self, path: &Path) -> Result<u64, String>;

    /// One effect in database `db`. `core` logged it; commands of other servers have none. Calls of one core come in its log's order.
    /// MULTI, EXEC and SELECT are not passed on: what is given belongs to whole transactions only.
    fn command(&mut self, core: Option<u16>, db: u16, args: Args<'_>) -> Result<(), String>;
}

/// Takes one core's effects: core, database, command.
pub type EffectSink<'s> = dyn FnMut(Option<u16>, u16, Args<'_>) -> Result<(), String> + 's;

type FrameVisitor<'v> = dyn FnMut(&FrameHeader, &[u8], &[Lsn], Lsn) -> Result<(), Option<RecoveryError>> + 'v;

impl Plan {
    /// Replays everything in one thread. To use all cores, take the generations one by one as here, and within each the segments
    /// of every core in parallel ([`SegmentPlan::replay`]), then what other servers appended.
    pub fn replay(&self, sink: &mut dyn ReplaySink) -> Result<(), RecoveryError> {
        match &self.base {
            Some(Base::Rdb(path)) => {
                sink.base_rdb(path).map_err(RecoveryError::Sink)?;
            }
            Some(Base::Aof(part)) => part.replay(sink)?,
            Some(Base::Commands(base)) => base.replay(|_| true, &mut |db, args| sink.command(None, db, args))?,
            None => {}
        }
        self.generations.iter().try_for_each(|generation| generation.replay(sink))
    }
}

impl GenerationPlan {
    /// Replays one generation: its segments, then what other servers appended to them.
    pub fn replay(&self, sink: &mut dyn ReplaySink) -> Result<(), RecoveryError> {
        for segment in &self.segments {
            segment.replay(&mut |core, db, args| sink.command(core, db, args))?;
        }
        let appended = self.segments.iter().filter_map(|segment| segment.appended.as_ref());
        appended.chain(&self.plain).try_for_each(|part| part.replay(sink))
    }
}

impl SegmentPlan {
    /// Gives every record up to the cut to `sink`, in order.
    pub fn replay(&self, sink: &mut EffectSink<'_>) -> Result<(), RecoveryError> {
        let core = Some(self.header.core);
        self.for_each_frame(&mut |header, payload, mark_only, keep| {
            let mut refused = None;
            let walked = walk_frame(header, payload, mark_only, keep, |_, db, args| {
                let result = sink(core, db, args);
                result.is_ok() || refused.replace(result).is_some()
            });
            match (walked, refused) {
                (_, Some(Err(reason))) => Err(Some(RecoveryError::Sink(reason))),
                (Some(_), _) => Ok(()),
                (None, _) => Err(None),
            }
        })
    }

    /// Visits every kept frame: its header, payload, records without effect, and the last record that is kept. `Err(None)` means that
    /// the payload is not what the header says.
    fn for_each_frame(&self, visit: &mut FrameVisitor<'_>) -> Result<(), RecoveryError> {
        let failed = |error| RecoveryError::Io { action: "read", path: self.path.clone(), error };
        let mut window = Window::new(&*self.file);
        let mut offset = self.header.data_start();
        let end = self.partial.as_ref().map_or(self.kept_end, |partial| partial.offset + 1);
        while offset < end {
            let malformed = || RecoveryError::Malformed { path: self.path.clone(), offset };
            let (header, frame) = reread(&mut window, &self.header, offset).map_err(failed)?.ok_or_else(malformed)?;
            let (payload, rest) = frame[HEAD_BYTES..].split_at(header.payload_bytes as usize);
            let marks = read_marks(&rest[..header.trailer_bytes as usize]).ok_or_else(malformed)?;
            let mark_only: Vec<Lsn> = marks.iter().filter(|mark| !mark.has_effect).map(|mark| mark.lsn).collect();
            let keep = self.kept_last_lsn.min(header.last_lsn());
            visit(&header, payload, &mark_only, keep).map_err(|error| error.unwrap_or_else(malformed))?;
            offset += header.frame_bytes(self.header.block_bytes);
        }
        Ok(())
    }
}

/// Walks through a frame's records up to `keep`; returns how many payload bytes they take. `None` if the records are not as many as
/// the header says, or `visit` said no.
pub(crate) fn walk_frame(
    header: &FrameHeader,
    payload: &[u8],
    mark_only: &[Lsn],
    keep: Lsn,
    mut visit: impl FnMut(Lsn, u16, Args<'_>) -> bool,
) -> Option<usize> {
    let mut words = Vec::new();
    let mut lsn = header.first_lsn;
    let mut db = header.db;
    let mut at = 0;
    let mut kept = 0;
    let mut in_transaction = false;
    let skip = |lsn: &mut Lsn| {
        while mark_only.contains(lsn) {
            *lsn += 1;
        }
    };
    skip(&mut lsn);
    while at < payload.len() {
        let bytes = &payload[at..];
        if bytes[0] == b'#' {
            // A timestamp.
            at += bytes.iter().take(64).position(|&byte| byte == b'\n')? + 1;
            continue;
        }
        let len = read_command(bytes, &mut words).ok()?;
        let args = Args::new(bytes, &words);
        at += len;
        if is_word(&args, b"SELECT") {
            db = std::str::from_utf8(args.get(1)?).ok()?.parse().ok()?;
            continue;
        }
        if lsn > keep {
            return (!in_transaction && lsn <= header.last_lsn()).then_some(kept);
        }
        if is_word(&args, b"MULTI") && !in_transaction {
            in_transaction = true;
            continue;
        }
        if is_word(&args, b"EXEC") {
            if !in_transaction {
                return None;
            }
            in_transaction = false;
        } else if !visit(lsn, db, args) {
            return None;
        }
        if !in_transaction {
            kept = at;
            lsn += 1;
            skip(&mut lsn);
        }
    }
    (lsn > keep && !in_transaction).then_some(kept)
}
