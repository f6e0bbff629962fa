//! Checking without changing.

use super::CheckError;
use super::change::options;
use super::place::Place;
use super::progress::Bar;
use super::trial::{BASE_BYTES, Trial};
use crate::config::Settings;
use crate::log::{Directory, LINE_BYTES, SegmentHeader, scan};
use crate::recovery::{self, Base, CommandsBase, Continued, Facts, PlainPart, Tolerance, Verdict, classify};
use crate::storage::{Fs, Open, RealFs, read_full_at};
use std::path::Path;
use std::sync::atomic::AtomicU64;

static SCANNED_BYTES: AtomicU64 = AtomicU64::new(0);

/// Checks a log as a start would, and says what it found.
pub(super) fn check_log(dir: &Directory, settings: &Settings, in_memory: bool) -> Result<(), CheckError> {
    let mut total = 0;
    for name in dir.fs.list(&dir.path()).unwrap_or_default() {
        total +=
            std::fs::metadata(dir.file(&name)).map_or(0, |file| if name.contains(".incr.") { file.len() } else { 0 });
    }
    let bar = Bar::start("reading the segments", total, &SCANNED_BYTES);
    let options = recovery::Options { scanned_bytes: Some(&SCANNED_BYTES), ..options(settings) };
    let plan = recovery::plan(dir, &options)?;
    drop(bar);
    let base = match &plan.base {
        Some(Base::Rdb(path)) => Some(path.clone()),
        Some(Base::Aof(part)) => Some(part.path.clone()),
        Some(Base::Commands(base)) => Some(base.path.clone()),
        None => None,
    };
    let base_bytes = base.as_ref().and_then(|path| std::fs::metadata(path).ok()).map_or(0, |file| file.len());
    let bar = Bar::start("trying the records", base_bytes, &BASE_BYTES);
    let trial = Trial::run(&plan, settings, in_memory)?;
    drop(bar);
    match &plan.base {
        Some(Base::Rdb(path)) => println!("base: {}, {} keys, {base_bytes} bytes", path.display(), trial.base_keys),
        Some(Base::Aof(part)) => println!("base: {}, commands, {base_bytes} bytes", part.path.display()),
        Some(Base::Commands(base)) => {
            println!("base: {}, commands of {} keys, {base_bytes} bytes", base.path.display(), base.end.keys);
        }
        None => println!("base: none"),
    }
    for generation in &plan.generations {
        for segment in &generation.segments {
            println!(
                "{}: generation {}, core {} of {}, records to LSN {}, {} bytes",
                segment.path.display(),
                generation.number,
                segment.header.core,
                segment.header.cores,
                segment.kept_last_lsn,
                segment.kept_end - segment.header.data_start(),
            );
        }
        if let Some(part) = &generation.plain {
            println!("{}: commands that another server wrote, {} bytes", part.path.display(), part.end);
        }
    }
    for finding in &plan.findings {
        println!("found: {finding}");
    }
    if plan.fresh {
        return Err(CheckError::Refused("there is no log here".into()));
    }
    println!("the log is sound: {} commands, {} bytes of records", trial.commands, plan.replay_bytes());
    Ok(())
}

/// What basalt-check says of a log.
#[cfg(test)]
pub(crate) fn verdict(dir: &Directory, settings: &Settings) -> Result<(), CheckError> {
    let plan = recovery::plan(dir, &options(settings))?;
    Trial::run(&plan, settings, false)?;
    Ok(())
}

/// What a file of commands holds: where its whole commands end, and how long it is.
pub(super) struct Commands {
    pub(super) ok_up_to: u64,
    pub(super) len: u64,
}

/// Reads a file of commands, perhaps with an RDB image in front.
pub(super) fn read_commands(path: &Path, time_ms: Option<u64>) -> Result<Commands, CheckError> {
    let file = RealFs.open(path, Open::Read).map_err(CheckError::io("open", path))?;
    let len = file.len().map_err(CheckError::io("read", path))?;
    let tolerance = Tolerance { truncated: true, corrupt_bytes_max: u64::MAX, time_ms };
    let mut head = [0; 16];
    let read = read_full_at(&*file, &mut head, 0).map_err(CheckError::io("read", path))?;
    let mut start = 0;
    if head[..read].starts_with(b"REDIS") || head[..read].starts_with(b"VALKEY") {
        let source = std::fs::File::open(path).map_err(CheckError::io("open", path))?;
        let mut reader = crate::rdb::Reader::new(std::io::BufReader::new(source), crate::rdb::Options::default())?;
        while reader.next_item()?.is_some() {}
        start = reader.offset();
        println!("an RDB image of {start} bytes comes first and is sound");
    }
    let part = PlainPart::check(path, file, start, tolerance)?;
    Ok(Commands { ok_up_to: part.end, len })
}

/// Checks a file of commands.
pub(super) fn check_commands(path: &Path) -> Result<(), CheckError> {
    let Commands { ok_up_to, len } = read_commands(path, None)?;
    println!("AOF analyzed: filename={}, size={len}, ok_up_to={ok_up_to}, diff={}", path.display(), len - ok_up_to);
    if ok_up_to == len {
        println!("the file is sound");
        return Ok(());
    }
    Err(CheckError::Refused(format!(
        "from offset {ok_up_to} on there is no whole command or transaction. Use --fix to cut the file there"
    )))
}

/// Checks a base of commands by itself.
pub(super) fn check_base(path: &Path) -> Result<(), CheckError> {
    let file = RealFs.open(path, Open::Read).map_err(CheckError::io("open", path))?;
    let base = CommandsBase::open(path, file, None)?;
    let mut commands = 0u64;
    base.replay(|_| true, &mut |_, args| {
        commands += 1;
        crate::server::ensure_effect(args)
    })?;
    println!("{commands} commands of {} keys in {} blocks; the base is sound", base.end.keys, base.end.blocks);
    Ok(())
}

/// Checks one segment by itself: not whether it fits the others.
pub(super) fn check_segment(path: &Path) -> Result<(), CheckError> {
    let file = RealFs.open(path, Open::Read).map_err(CheckError::io("open", path))?;
    let mut line = [0; LINE_BYTES];
    let read = read_full_at(&*file, &mut line, 0).map_err(CheckError::io("read", path))?;
    let header = SegmentHeader::decode(&line[..read])
        .map_err(|fault| CheckError::Refused(format!("the line that describes the segment is wrong: {fault:?}")))?;
    let found = scan(&*file, &header, None).map_err(CheckError::io("read", path))?;
    println!(
        "generation {}, core {} of {}, {} frames, records to LSN {}",
        header.generation,
        header.core,
        header.cores,
        found.frames.len(),
        found.last_lsn().unwrap_or(0)
    );
    let row = classify(&Facts {
        stop: found.stop,
        sealed: None,
        continued: Continued::No,
        closed: found.closed,
        beyond: false,
        has_frames: !found.frames.is_empty(),
        remains: found.remains_bytes > found.damaged_filler_bytes,
        above_durable: found.last_lsn().unwrap_or(0) >= found.durable_lsn,
    });
    let said = format!("{} (case {}) at offset {}", row.text(), row.label(), found.stop_offset);
    match row.verdict() {
        Verdict::Corrupt => Err(CheckError::Refused(said)),
        Verdict::Torn => {
            println!("a torn tail, if this is the core's last segment: {said}");
            Ok(())
        }
        Verdict::Intact => {
            println!("the segment is sound by itself; check its directory to see whether it fits the others");
            Ok(())
        }
    }
}

/// Checks whatever the path leads to.
pub(super) fn check(place: &Place, settings: &Settings, in_memory: bool) -> Result<(), CheckError> {
    match place {
        Place::Log(dir) => check_log(dir, settings, in_memory),
        Place::Commands(path) => check_commands(path),
        Place::Segment(path) => check_segment(path),
        Place::Base(path) => check_base(path),
        Place::Rdb(path) => super::rdb::check(path, &super::rdb::Wanted::default()),
    }
}
