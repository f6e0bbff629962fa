//! `--fix`: cuts what a crash tore and what is rotten, and writes the manifest anew if the segments tell it.

use super::change::{Change, Destination, read_manifest};
use super::place::Place;
use super::verify::{Commands, read_commands};
use super::{CheckError, cli::Consent};
use crate::config::Settings;
use crate::log::{
    Directory, Entry, LINE_BYTES, MANIFEST_BYTES_MAX, Manifest, Role, SegmentEntry, SegmentHeader, SegmentKind, scan,
};
use crate::recovery::{Limit, Loss, RecoveryError, plan};
use crate::storage::{Open, read_file, read_full_at};
use std::path::Path;

/// Repairs what the path leads to.
pub(super) fn fix(
    place: &Place,
    settings: &Settings,
    destination: &Destination,
    consent: Consent,
) -> Result<(), CheckError> {
    match place {
        Place::Log(dir) => fix_log(dir, settings, destination, consent),
        Place::Commands(path) => cut_commands(path, None, consent),
        Place::Segment(_) => {
            Err(CheckError::Refused("a segment can only be repaired with its log: name the log's directory".into()))
        }
        Place::Base(_) => Err(CheckError::Refused("a base is whole or of no use: restore it from a backup".into())),
        Place::Rdb(_) => Err(CheckError::Refused(
            "an RDB file can't be repaired: its keys are not sealed one by one. Restore it from a backup".into(),
        )),
    }
}

/// The manifest that a repair starts from.
fn manifest_for_repair(dir: &Directory, error: &RecoveryError) -> Result<Manifest, CheckError> {
    match error {
        RecoveryError::Manifest { .. } | RecoveryError::ManifestMissing { .. } | RecoveryError::Unnamed(_) => {
            rebuild_manifest(dir)
        }
        _ => read_manifest(dir),
    }
}

/// The repaired copy of a damaged log, which is left where it was built.
#[cfg(test)]
pub(crate) fn repaired(dir: &Directory, error: &RecoveryError, settings: &Settings) -> Result<Directory, CheckError> {
    let manifest = manifest_for_repair(dir, error)?;
    let built =
        Change::plan(dir, manifest, Limit::default(), settings)?.build(&Destination::InPlace("fix"), settings)?;
    Ok(built.target().clone())
}

fn fix_log(
    dir: &Directory,
    settings: &Settings,
    destination: &Destination,
    consent: Consent,
) -> Result<(), CheckError> {
    let options = super::change::options(settings);
    let manifest = match plan(dir, &options) {
        Ok(found) => {
            let is_done = found.findings.is_empty() && found.is_settled();
            if is_done {
                println!("the log is sound: there is nothing to repair");
                return Ok(());
            }
            println!("The log is sound, but a crash has left it with things that other servers can't read past:");
            found.findings.iter().for_each(|finding| println!("- {finding}"));
            drop(found);
            read_manifest(dir)?
        }
        Err(error @ (RecoveryError::Locked(_) | RecoveryError::SegmentBusy(_))) => return Err(error.into()),
        Err(error) => {
            println!("The start would be refused: {error}");
            manifest_for_repair(dir, &error)?
        }
    };
    let change = Change::plan(dir, manifest, Limit::default(), settings)?;
    describe(&change.losses, change.files);
    carry_out(change, settings, destination, consent)
}

/// Asks, builds, verifies, puts in place, and says where the backup is.
pub(super) fn carry_out(
    change: Change,
    settings: &Settings,
    destination: &Destination,
    consent: Consent,
) -> Result<(), CheckError> {
    match destination {
        Destination::InPlace(word) => {
            println!("The log as it is now stays beside the new one, under a name that ends in .before-{word}-<time>.");
        }
        Destination::New(dir) => println!("The result goes to {}; the log itself stays as it is.", dir.display()),
    }
    consent.ask("Do it?")?;
    let built = change.build(destination, settings)?;
    println!("the result is sound: {} commands", built.commands);
    match (built.put(destination)?, destination) {
        (Some(backup), _) => println!("done; the log as it was: {}", backup.display()),
        (None, Destination::New(dir)) => println!("done; start with dir {}", dir.display()),
        (None, Destination::InPlace(_)) => println!("done"),
    }
    Ok(())
}

/// Says in plain words what is lost.
pub(super) fn describe(losses: &[Loss], files: usize) {
    if losses.is_empty() {
        println!("No command that was ever acknowledged is lost. {files} files make up the result.");
        return;
    }
    println!("This is lost:");
    let mut commands = 0;
    for loss in losses {
        commands += loss.commands;
        print!("- {} from offset {} on: {}", loss.path.display(), loss.offset, loss.why);
        match (loss.core, loss.lsns) {
            (Some(core), Some((first, last))) => println!("; core {core}, records {first} to {last} or later"),
            _ => println!(),
        }
        if loss.commands > 0 {
            println!("  {} of its commands can still be read; their keys: {}", loss.commands, loss.keys.join(", "));
        }
    }
    println!("In all {commands} readable commands are lost. {files} files make up the result.");
}

/// Writes a manifest out of what can be read of the old one, and the segments' headers.
fn rebuild_manifest(dir: &Directory) -> Result<Manifest, CheckError> {
    let path = dir.manifest();
    let bytes = read_file(&*dir.fs, &path, MANIFEST_BYTES_MAX).unwrap_or_default();
    let (readable, unreadable) = Manifest::read_damaged(&bytes);
    let names = dir.fs.list(&dir.path()).map_err(CheckError::io("list", &path))?;
    let missing = unreadable + readable.entries.iter().filter(|entry| !names.contains(&entry.name)).count();
    let trusted = !readable.entries.is_empty() && missing == 0;
    let mut manifest = Manifest { entries: Vec::new(), edit: readable.edit.max(1) };
    manifest.entries.extend(find_base(dir, &readable, &names, trusted)?);
    let seq_max = readable.seq_max();
    // Of a log that was being opened and did not come about; nobody was told that its segments hold anything.
    let opening = read_file(&*dir.fs, &dir.opening_manifest(), MANIFEST_BYTES_MAX).unwrap_or_default();
    let opening = if trusted { Manifest::read_damaged(&opening).0.entries } else { Vec::new() };
    let mut incrs = Vec::new();
    let mut unnamed = Vec::new();
    // The newest generation that is certain to have begun.
    let mut begun = 0;
    for name in &names {
        let Some(seq) = dir.incr_seq(name) else { continue };
        let named = readable.entries.iter().find(|entry| entry.name == *name);
        if named.is_none() && opening.iter().any(|entry| entry.name == *name) {
            continue;
        }
        let path = dir.file(name);
        let file = dir.fs.open(&path, Open::Read).map_err(CheckError::io("open", &path))?;
        let mut line = [0; LINE_BYTES];
        let read = read_full_at(&*file, &mut line, 0).map_err(CheckError::io("read", &path))?;
        let Ok(header) = SegmentHeader::decode(&line[..read]) else {
            incrs.extend(named.filter(|entry| entry.role == Role::Incr).cloned());
            continue;
        };
        let found = scan(&*file, &header, None).map_err(CheckError::io("read", &path))?;
        let SegmentHeader { core, generation, id, kind, .. } = header;
        let segment = Some(SegmentEntry { core, generation, id, end: None });
        let entry = Entry { name: name.clone(), seq, role: Role::Incr, segment, base_id: None };
        let has_frames = !found.frames.is_empty();
        if named.is_some() || (has_frames && kind == SegmentKind::Ordinary) {
            begun = begun.max(generation);
        }
        if named.is_some() || (trusted && has_frames && seq > seq_max) {
            incrs.push(entry);
        } else if !trusted {
            unnamed.push((entry, kind, generation));
        }
    }
    // As many files without a name as names without a file: these are they. Else a barrier only counts if something came after it, since
    // one that was prepared and never named would flush what nobody flushed; a tail repeats what stands elsewhere.
    let all_fit = unnamed.len() == missing;
    incrs.extend(unnamed.into_iter().filter_map(|(entry, kind, generation)| {
        let belongs = match kind {
            SegmentKind::Ordinary => generation <= begun,
            SegmentKind::Barrier => generation < begun,
            SegmentKind::Tail => false,
        };
        (all_fit || belongs).then_some(entry)
    }));
    incrs.sort_by_key(|entry| entry.seq);
    if incrs.is_empty() && manifest.entries.is_empty() {
        return Err(CheckError::Refused(
            "neither the manifest nor any file in the directory tells what the log was".into(),
        ));
    }
    manifest.entries.extend(incrs);
    println!("The manifest is written anew from its readable lines and the segments' own headers:");
    manifest.entries.iter().for_each(|entry| println!("- {}", entry.name));
    if !trusted {
        println!(
            "If a rewrite of the log had just ended when the server stopped, an older segment may be among them that \
             belongs to it no more; a backup of the manifest would tell."
        );
    }
    Ok(manifest)
}

fn find_base(
    dir: &Directory,
    readable: &Manifest,
    names: &[String],
    trusted: bool,
) -> Result<Option<Entry>, CheckError> {
    if let Some(base) = readable.base().filter(|base| names.contains(&base.name)) {
        return Ok(Some(base.clone()));
    }
    if trusted && readable.base().is_none() {
        return Ok(None);
    }
    let bases: Vec<_> = names
        .iter()
        .filter_map(|name| {
            let rest = name.strip_prefix(&dir.filename)?.strip_prefix('.')?;
            let number = rest.strip_suffix(".base.rdb").or(rest.strip_suffix(".base.aof"))?.parse().ok()?;
            Some(Entry { name: name.clone(), seq: number, role: Role::Base, segment: None, base_id: None })
        })
        .collect();
    match bases.len() {
        0 => Ok(None),
        1 => Ok(bases.into_iter().next()),
        _ => Err(CheckError::Refused(format!(
            "the manifest's line for the base can't be read, and there are {} base files: move those away that are not \
             the base, or restore the manifest from a backup",
            bases.len()
        ))),
    }
}

/// Cuts a file of commands behind its last whole command, or before a time. A copy of it is kept.
pub(super) fn cut_commands(path: &Path, time_ms: Option<u64>, consent: Consent) -> Result<(), CheckError> {
    let Commands { ok_up_to, len } = read_commands(path, time_ms)?;
    if ok_up_to == len {
        println!("there is nothing to cut");
        return Ok(());
    }
    let mut backup = path.as_os_str().to_owned();
    backup.push(format!(".before-fix-{}", crate::observe::unix_ms()));
    println!("The last {} of {len} bytes are cut, from offset {ok_up_to} on.", len - ok_up_to);
    println!("A copy of the file as it is now stays in {}.", Path::new(&backup).display());
    consent.ask("Do it?")?;
    let failed = CheckError::io("cut", path);
    let cut = || {
        std::fs::copy(path, &backup)?;
        std::fs::File::open(&backup)?.sync_all()?;
        let file = std::fs::File::options().write(true).open(path)?;
        file.set_len(ok_up_to)?;
        file.sync_all()
    };
    cut().map_err(failed)?;
    println!("done");
    Ok(())
}
