//! What a FLUSHALL or FLUSHDB took away: kept in the log until a rewrite, then as history beside it
//! ([`crate::log::Keeper::keep_history`]).

use super::change::{Change, Destination, options, read_manifest};
use super::{CheckError, cli::Consent, fix, restore};
use crate::config::Settings;
use crate::log::{Directory, HISTORY_SUFFIX, LINE_BYTES, SegmentHeader, SegmentKind, barrier_commands};
use crate::recovery::{Limit, lock_directory};
use crate::storage::{Open, read_full_at};

/// A state of the log that can be gone back to.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What to call it.
    pub name: String,
    /// What ended it.
    pub command: String,
    /// When that was, Unix milliseconds.
    pub time_ms: u64,
    /// Bytes on the disk that only history holds; 0 while it is part of the log.
    pub bytes: u64,
    /// The generation that ended it, if that is still in the log.
    generation: Option<u64>,
}

/// The directory of history beside a log.
fn history_directory(dir: &Directory) -> Directory {
    Directory { data_dir: dir.data_dir.join(format!("{}{HISTORY_SUFFIX}", dir.dirname)), ..dir.clone() }
}

/// Everything that can be restored, oldest first.
pub fn list(dir: &Directory) -> Result<Vec<Kept>, CheckError> {
    let mut kept = Vec::new();
    let beside = history_directory(dir);
    if beside.data_dir.is_dir() {
        let mut names = dir.fs.list(&beside.data_dir).map_err(CheckError::io("list", &beside.data_dir))?;
        names.sort();
        for name in names {
            let set = Directory { dirname: name.clone(), ..beside.clone() };
            if !set.manifest().exists() {
                continue;
            }
            let time_ms = name.split('-').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
            let files = dir.fs.list(&set.path()).map_err(CheckError::io("list", &set.path()))?;
            let bytes =
                files.iter().filter_map(|file| std::fs::metadata(set.file(file)).ok()).map(|file| file.len()).sum();
            let command = std::fs::read_to_string(set.file("why")).unwrap_or_default().trim().to_string();
            kept.push(Kept { name, command, time_ms, bytes, generation: None });
        }
    }
    let manifest = read_manifest(dir)?;
    for entry in manifest.incrs() {
        let path = dir.file(&entry.name);
        let Ok(file) = dir.fs.open(&path, Open::Read) else { continue };
        let mut line = [0; LINE_BYTES];
        let read = read_full_at(&*file, &mut line, 0).map_err(CheckError::io("read", &path))?;
        let Ok(header) = SegmentHeader::decode(&line[..read]) else { continue };
        if header.kind != SegmentKind::Barrier {
            continue;
        }
        let commands = barrier_commands(&*file, &header).map_err(CheckError::io("read", &path))?;
        let (name, generation) = (format!("generation-{}", header.generation), Some(header.generation));
        kept.push(Kept { name, command: commands.join("; "), time_ms: header.created_ms, bytes: 0, generation });
    }
    Ok(kept)
}

pub(super) fn print(dir: &Directory) -> Result<(), CheckError> {
    let kept = list(dir)?;
    if kept.is_empty() {
        println!("no FLUSHALL, FLUSHDB or SWAPDB is in the log, and no history is kept beside it");
    }
    for Kept { name, command, time_ms, bytes, generation } in kept {
        let place = if generation.is_some() { "still in the log".to_string() } else { format!("{bytes} bytes") };
        println!("{name}: the state before {command} at Unix time {time_ms} ms, {place}");
    }
    Ok(())
}

/// Brings back the state that `name` stands for.
pub(super) fn restore(
    dir: &Directory,
    name: &str,
    settings: &Settings,
    destination: &Destination,
    consent: Consent,
) -> Result<(), CheckError> {
    let found = list(dir)?.into_iter().find(|kept| kept.name == name);
    let Some(found) = found else {
        return Err(CheckError::Refused(format!("there is no history called {name}: see --list-history")));
    };
    println!("The state before {} at Unix time {} ms comes back.", found.command, found.time_ms);
    let change = match found.generation {
        Some(_) => restore::plan(dir, Limit { time_ms: None, generation: found.generation }, settings)?,
        None => {
            let lock = lock_directory(dir)?;
            let set = Directory { dirname: found.name, ..history_directory(dir) };
            crate::recovery::plan(&set, &options(settings))?;
            println!("What is in the log now stays in the backup only.");
            Change::plan(&set, read_manifest(&set)?, Limit::default(), settings)?.holding(lock).named(dir)
        }
    };
    fix::describe(&change.losses, change.files);
    fix::carry_out(change, settings, destination, consent)
}
