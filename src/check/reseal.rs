//! `--reseal`: a log that was edited by hand becomes a log again.
//!
//! Frames are sealed, so an edit breaks them, and the server refuses the file. Here the commands are read as Redis would read them,
//! file after file and without looking at seals; each must be one that a start would run. They are written into one new segment,
//! in the same order, and sealed anew. Where a file still has whole frames, their times are kept.

use super::change::{Built, Destination, switch, temp_directory, verify};
use super::{CheckError, cli::Consent};
use crate::config::Settings;
use crate::log::{
    Batch, Broken, Directory, Entry, FLAG_CLEAN_STOP, LINE_BYTES, MANIFEST_BYTES_MAX, Manifest, Role, SegmentEntry,
    SegmentHeader, SegmentKind, Stop, Window, read_command, scan,
};
use crate::recovery::lock_directory;
use crate::resp::Args;
use crate::server::ensure_effect;
use crate::storage::{AlignedBuf, File, Open, read_file, read_full_at, write_all_at};
use std::io;
use std::path::{Path, PathBuf};

/// A frame is sealed when it holds so many bytes.
const FRAME_BYTES: u64 = 64 << 10;
const BLOCK_BYTES: u32 = 4096;

pub(super) fn reseal(
    dir: &Directory,
    settings: &Settings,
    destination: &Destination,
    consent: Consent,
) -> Result<(), CheckError> {
    let lock = lock_directory(dir)?;
    let path = dir.manifest();
    let bytes = read_file(&*dir.fs, &path, MANIFEST_BYTES_MAX).map_err(CheckError::io("read", &path))?;
    let manifest = Manifest::decode(&bytes).unwrap_or_else(|fault| {
        println!("{}: {fault}; its readable lines count", path.display());
        Manifest::read_damaged(&bytes).0
    });
    let mut edited = 0;
    for entry in manifest.incrs() {
        let text = Edited::open(dir, entry)?;
        if text.is_edited {
            edited += 1;
            println!("edited: {}", text.path.display());
        }
    }
    println!("{edited} files were edited. All commands of the log are checked, and sealed anew in their order.");
    println!("The base is left as it is.");
    consent.ask("Do it?")?;

    let target = temp_directory(dir, destination)?;
    let result = write(dir, &target, &manifest).and_then(|()| verify(&target, settings));
    if result.is_err() {
        let _ = std::fs::remove_dir_all(target.path());
    }
    let commands = result?;
    println!("the result is sound: {commands} commands");
    match Built::of(dir, target, commands, lock).put(destination)? {
        Some(backup) => println!("done; the log as it was: {}", backup.display()),
        None => println!("done"),
    }
    Ok(())
}

/// Fills the new directory: the base, and one segment with every command.
fn write(dir: &Directory, target: &Directory, manifest: &Manifest) -> Result<(), CheckError> {
    let path = target.path();
    target.fs.create_dir(&path).map_err(CheckError::io("make", &path))?;
    let mut entries = Vec::new();
    if let Some(base) = manifest.base() {
        let (from, to) = (dir.file(&base.name), target.file(&base.name));
        super::change::link_or_copy(target, &from, &to).map_err(CheckError::io("link", &to))?;
        entries.push(base.clone());
    }
    let seq = manifest.seq_max() + 1;
    let name = target.incr_name(seq);
    let mut writer = Writer::create(target, &name, seq)?;
    for entry in manifest.incrs() {
        Edited::open(dir, entry)?.read(&mut writer)?;
    }
    let (header, end, last_lsn) = writer.finish()?;
    let SegmentHeader { core, generation, id, .. } = header;
    let segment = Some(SegmentEntry { core, generation, id, end: Some((end, last_lsn)) });
    entries.push(Entry { name, seq, role: Role::Incr, segment, base_id: None });
    target.fs.sync_dir(&path).map_err(CheckError::io("sync", &path))?;
    switch(target, &Manifest { entries, edit: manifest.edit + 1 })
}

/// A file whose commands are read whatever its seals say.
struct Edited {
    path: PathBuf,
    file: std::sync::Arc<dyn File>,
    /// Where its commands end, if it is as the server left it.
    end: Option<u64>,
    created_ms: u64,
    is_edited: bool,
}

impl Edited {
    fn open(dir: &Directory, entry: &Entry) -> Result<Edited, CheckError> {
        let path = dir.file(&entry.name);
        let file = dir.fs.open(&path, Open::Read).map_err(CheckError::io("open", &path))?;
        let mut line = [0; LINE_BYTES];
        let read = read_full_at(&*file, &mut line, 0).map_err(CheckError::io("read", &path))?;
        let header = SegmentHeader::decode(&line[..read]).ok();
        let mut edited = Edited { path, file, end: None, created_ms: 0, is_edited: entry.segment.is_some() };
        if let Some(header) = header {
            let end = entry.segment.and_then(|segment| segment.end).map(|(offset, _)| offset);
            let found = scan(&*edited.file, &header, end).map_err(CheckError::io("read", &edited.path))?;
            edited.is_edited = found.stop != Stop::Clean;
            edited.created_ms = header.created_ms;
            // What another server appended stands behind the segment's size.
            edited.end = (!edited.is_edited && found.appended_bytes == 0).then_some(found.stop_offset);
        }
        Ok(edited)
    }

    fn read(&self, writer: &mut Writer) -> Result<(), CheckError> {
        let failed = |error| CheckError::io("read", &self.path)(error);
        let len = self.end.unwrap_or(self.file.len().map_err(failed)?);
        let mut window = Window::new(&*self.file);
        let mut words = Vec::new();
        let (mut offset, mut want, mut db) = (0, 1 << 16, 0);
        let mut transaction: Option<u64> = None;
        writer.at(self.created_ms);
        while offset < len {
            let left = len - offset;
            let bytes = window.get(offset, want.min(left as usize)).map_err(failed)?;
            let refuse = |offset: u64, what: &str| {
                CheckError::Refused(format!("{} at offset {offset}: {what}", self.path.display()))
            };
            if bytes.first() == Some(&b'#') {
                let line = bytes.iter().take(1024).position(|&byte| byte == b'\n');
                let Some(line) = line else {
                    return Err(refuse(offset, "a line of 1024 bytes or more, or without an end"));
                };
                if let Some(time_ms) = time_of(&bytes[..line])
                    && transaction.is_none()
                {
                    writer.at(time_ms);
                }
                offset += line as u64 + 1;
                continue;
            }
            let taken = match read_command(bytes, &mut words) {
                Ok(taken) => taken,
                Err(Broken::Incomplete) if (bytes.len() as u64) < left => {
                    want = want.saturating_mul(2);
                    continue;
                }
                Err(Broken::Incomplete) => return Err(refuse(offset, "the file ends inside this command")),
                Err(Broken::Malformed) => {
                    return Err(refuse(
                        offset,
                        "here begins no command: check the lengths after * and $, and the line ends",
                    ));
                }
            };
            want = 1 << 16;
            let args = Args::new(bytes, &words);
            let is = |name: &[u8]| args.at(0).eq_ignore_ascii_case(name);
            if is(b"SELECT") && args.len() == 2 {
                let number = std::str::from_utf8(args.at(1)).ok().and_then(|text| text.parse().ok());
                db = number.ok_or_else(|| refuse(offset, "SELECT without a number"))?;
            } else if is(b"MULTI") {
                if transaction.replace(offset).is_some() {
                    return Err(refuse(offset, "MULTI inside of MULTI"));
                }
                writer.begin()?;
            } else if is(b"EXEC") {
                transaction.take().ok_or_else(|| refuse(offset, "EXEC without MULTI"))?;
                writer.end();
            } else {
                ensure_effect(args).map_err(|text| refuse(offset, &text))?;
                writer.command(db, args, transaction.is_some())?;
            }
            offset += taken as u64;
        }
        match transaction {
            Some(start) => {
                Err(CheckError::Refused(format!("{} at offset {start}: this MULTI has no EXEC", self.path.display())))
            }
            None => Ok(()),
        }
    }
}

/// The time in an annotation: that of a frame, or of Redis.
fn time_of(line: &[u8]) -> Option<u64> {
    if let Some(seconds) = line.strip_prefix(b"#TS:") {
        return std::str::from_utf8(seconds).ok()?.trim().parse::<u64>().ok()?.checked_mul(1000);
    }
    let line = std::str::from_utf8(line.strip_prefix(b"#BF1 ")?).ok()?;
    let digits = line.split(' ').find_map(|word| word.strip_prefix("t="))?;
    u64::from_str_radix(digits, 16).ok()
}

/// Writes one segment of one core.
struct Writer {
    path: PathBuf,
    file: std::sync::Arc<dyn File>,
    header: SegmentHeader,
    offset: u64,
    batch: Batch,
    next_lsn: u64,
    segment_db: u16,
    time_ms: u64,
    /// Whether a transaction's MULTI is to be written before its first command.
    opens: bool,
    in_transaction: bool,
}

impl Writer {
    fn create(target: &Directory, name: &str, seq: u64) -> Result<Writer, CheckError> {
        let path = target.file(name);
        let file = target.fs.open(&path, Open::Create).map_err(CheckError::io("make", &path))?;
        let header = SegmentHeader {
            kind: SegmentKind::Ordinary,
            core: 0,
            cores: 1,
            incarnation: rand::random(),
            generation: 1,
            seq,
            id: rand::random(),
            seed: rand::random(),
            size_bytes: 0,
            block_bytes: BLOCK_BYTES,
            first_lsn_min: 1,
            created_ms: crate::observe::unix_ms(),
            relaxed: false,
            boot: 0,
        };
        Ok(Writer {
            path,
            file,
            header,
            offset: header.data_start(),
            batch: Batch::new(AlignedBuf::with_capacity(4096), 1),
            next_lsn: 1,
            segment_db: 0,
            time_ms: 0,
            opens: false,
            in_transaction: false,
        })
    }

    /// What follows was logged then. Time never falls within a log.
    fn at(&mut self, time_ms: u64) {
        if time_ms > self.time_ms && !self.in_transaction {
            // A failed write is found again by the next one, which then fails for good.
            let _ = self.flush(0);
            self.time_ms = time_ms;
        }
    }

    fn begin(&mut self) -> Result<(), CheckError> {
        self.flush_if_full()?;
        (self.in_transaction, self.opens) = (true, true);
        Ok(())
    }

    fn end(&mut self) {
        if !self.opens {
            self.batch.exec();
            self.next_lsn = self.batch.end_record() + 1;
        }
        (self.in_transaction, self.opens) = (false, false);
    }

    fn command(&mut self, db: u16, args: Args<'_>, in_transaction: bool) -> Result<(), CheckError> {
        if !in_transaction {
            self.flush_if_full()?;
        }
        self.batch.select(db);
        if std::mem::take(&mut self.opens) {
            self.batch.multi();
        }
        let words: Vec<&[u8]> = args.iter().collect();
        self.batch.command(words.into_iter());
        if !in_transaction {
            self.next_lsn = self.batch.end_record() + 1;
        }
        Ok(())
    }

    fn flush_if_full(&mut self) -> Result<(), CheckError> {
        if self.batch.content_bytes() >= FRAME_BYTES { self.flush(0) } else { Ok(()) }
    }

    fn flush(&mut self, flags: u16) -> Result<(), CheckError> {
        if self.batch.is_empty() && flags == 0 {
            return Ok(());
        }
        let fresh = Batch::new(AlignedBuf::with_capacity(4096), self.next_lsn);
        let mut frame = std::mem::replace(&mut self.batch, fresh).finish(BLOCK_BYTES);
        frame.header.flags = flags;
        frame.header.time_ms = self.time_ms;
        frame.header.durable_lsn = frame.header.first_lsn - 1;
        frame.seal_into(&self.header, self.offset, self.segment_db);
        self.segment_db = frame.exit_db.unwrap_or(self.segment_db);
        write_all_at(&*self.file, &frame.buf, self.offset).map_err(CheckError::io("write", &self.path))?;
        self.offset += frame.buf.len() as u64;
        Ok(())
    }

    /// Writes the last frames, filler and the header line. Returns header, end of the frames, and last record.
    fn finish(mut self) -> Result<(SegmentHeader, u64, u64), CheckError> {
        self.flush(0)?;
        self.flush(FLAG_CLEAN_STOP)?;
        let path: &Path = &self.path;
        self.header.size_bytes = self.offset + u64::from(BLOCK_BYTES);
        let mut rest = vec![0; BLOCK_BYTES as usize];
        self.header.fill(&mut rest, self.offset);
        let mut first = vec![0; self.header.data_start() as usize];
        self.header.fill(&mut first, 0);
        first[..LINE_BYTES].copy_from_slice(&self.header.encode());
        let complete = || -> io::Result<()> {
            write_all_at(&*self.file, &rest, self.offset)?;
            write_all_at(&*self.file, &first, 0)?;
            self.file.sync_all()
        };
        complete().map_err(CheckError::io("write", path))?;
        Ok((self.header, self.offset, self.next_lsn - 1))
    }
}
