//! Going back to a point in time, over all cores at once (rule V3).

use super::change::{Change, Destination, log_at, read_manifest};
use super::{CheckError, cli::Consent, fix, place::Place};
use crate::config::Settings;
use crate::log::Directory;
use crate::recovery::{Base, Limit};
use std::path::Path;

/// Why the log can't be restored.
pub type RestoreError = CheckError;

/// Times from here on are milliseconds, smaller ones seconds: the year 5138 in seconds, 1973 in milliseconds.
const MILLISECONDS_FROM: u64 = 100_000_000_000;

/// Reads a Unix time in seconds or milliseconds. A second means all of it, as Redis takes it: everything up to its end.
pub fn parse_time(text: &str) -> Option<u64> {
    let number: u64 = text.trim().parse().ok()?;
    Some(if number < MILLISECONDS_FROM { number * 1000 + 999 } else { number })
}

/// Cuts a log at a time.
pub(super) fn truncate(
    place: &Place,
    time_ms: u64,
    settings: &Settings,
    destination: &Destination,
    consent: Consent,
) -> Result<(), CheckError> {
    let dir = match place {
        Place::Log(dir) => dir,
        Place::Commands(path) => return fix::cut_commands(path, Some(time_ms), consent),
        _ => return Err(CheckError::Refused("this needs a log's directory or a file of commands".into())),
    };
    let change = plan(dir, Limit { time_ms: Some(time_ms), generation: None }, settings)?;
    if change.losses.is_empty() {
        println!("Nothing in the log is later than that: there is nothing to cut.");
        return Ok(());
    }
    println!(
        "The log goes back to Unix time {time_ms} ms; the newest records that stay are of {} ms.",
        change.newest_ms
    );
    fix::describe(&change.losses, change.files);
    fix::carry_out(change, settings, destination, consent)
}

/// Thinks a cut through that must leave everything up to it as it is.
pub(super) fn plan(dir: &Directory, limit: Limit, settings: &Settings) -> Result<Change, CheckError> {
    // What is damaged is to be repaired first, knowingly.
    let found = crate::recovery::plan(dir, &super::change::options(settings))?;
    let made_s = match &found.base {
        Some(Base::Rdb(base)) => super::rdb::made_s(base)?,
        Some(Base::Commands(base)) => Some(base.header.time_ms / 1000),
        _ => None,
    };
    if let (Some(time_ms), Some(made_s)) = (limit.time_ms, made_s)
        && made_s > time_ms / 1000
    {
        return Err(CheckError::Refused(format!(
            "the log begins with a base that was written at Unix time {made_s} s, later than {time_ms} ms: what was \
             before is only in backups, or in history (see --list-history)"
        )));
    }
    drop(found);
    Change::plan(dir, read_manifest(dir)?, limit, settings)
}

/// Restores the log at `source` into the data directory of `target`, which must hold none; `source` is only read.
pub fn restore_new(
    source: &Path,
    time_ms: Option<u64>,
    target: &Directory,
    settings: &Settings,
) -> Result<(), RestoreError> {
    let dir = log_at(source)?;
    let change = plan(&dir, Limit { time_ms, generation: None }, settings)?;
    for loss in &change.losses {
        let lsns = loss.lsns.map_or(String::new(), |(first, last)| format!(", records {first} to {last}"));
        tracing::info!("left out of {}: {}{lsns}", loss.path.display(), loss.why);
    }
    let destination = Destination::New(target.data_dir.clone());
    let built = change.named(target).build(&destination, settings)?;
    built.put(&destination)?;
    Ok(())
}
