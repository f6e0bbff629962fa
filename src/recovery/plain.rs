//! Files without frames: what Redis and Valkey write, and what they append to a segment of ours.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::RecoveryError;
use super::replay::ReplaySink;
use crate::log::{Broken, Window, read_command};
use crate::resp::Args;
use crate::storage::File;

/// A row of commands in a file, each checked to be one.
#[derive(Clone, Debug)]
pub struct PlainPart {
    /// The file.
    pub path: PathBuf,
    pub(crate) file: Arc<dyn File>,
    /// First byte.
    pub start: u64,
    /// Byte behind the last whole command or transaction.
    pub end: u64,
    /// Bytes behind `end` that are cut: a command or transaction that was not written to its end.
    pub cut_bytes: u64,
    /// Whether it is cut because a timestamp says that what follows was written too late.
    pub cut_by_time: bool,
    /// Whether an RDB image comes first, whose length only its reader finds out.
    pub rdb_first: bool,
}

/// What may be cut from the end of a file without frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tolerance {
    /// A command that is not whole, or a transaction without its end (`aof-load-truncated`).
    pub truncated: bool,
    /// So many bytes of anything (`aof-load-corrupt-tail-max-size`).
    pub corrupt_bytes_max: u64,
    /// Nothing behind the first timestamp later than this counts, Unix milliseconds.
    pub time_ms: Option<u64>,
}

/// Whether the file begins with an RDB image.
pub(crate) fn begins_with_rdb(head: &[u8]) -> bool {
    head.starts_with(b"REDIS") || head.starts_with(b"VALKEY")
}

impl PlainPart {
    /// Checks the commands from `start` to the file's end; with `rdb_first` that is left to [`PlainPart::replay`].
    pub(crate) fn check(
        path: &Path,
        file: Arc<dyn File>,
        start: u64,
        tolerance: Tolerance,
    ) -> Result<PlainPart, RecoveryError> {
        let failed = |error| RecoveryError::Io { action: "read", path: path.to_path_buf(), error };
        let len = file.len().map_err(failed)?;
        let mut window = Window::new(&*file);
        let rdb_first = start == 0 && begins_with_rdb(window.get(0, 16).map_err(failed)?);
        let (end, cut_by_time) =
            if rdb_first { (len, false) } else { walk(path, &mut window, start, len, tolerance, |_| Ok(()))? };
        Ok(PlainPart { path: path.to_path_buf(), file, start, end, cut_bytes: len - end, cut_by_time, rdb_first })
    }

    /// Gives all commands to `sink`, in order. Transactions are given command by command.
    pub fn replay(&self, sink: &mut dyn ReplaySink) -> Result<(), RecoveryError> {
        let mut start = self.start;
        if self.rdb_first {
            start = sink.base_rdb(&self.path).map_err(RecoveryError::Sink)?;
            if start > self.end {
                let what = "the RDB image goes on behind the end of the file";
                return Err(RecoveryError::Plain { path: self.path.clone(), offset: self.end, what });
            }
        }
        let mut db = 0;
        let mut window = Window::new(&*self.file);
        let tolerance = Tolerance { truncated: true, corrupt_bytes_max: 0, time_ms: None };
        walk(&self.path, &mut window, start, self.end, tolerance, |args| {
            if is_word(&args, b"SELECT") && args.len() == 2 {
                let number = std::str::from_utf8(args.at(1)).ok().and_then(|text| text.parse().ok());
                db = number.ok_or("SELECT without a number")?;
                return Ok(());
            }
            if is_word(&args, b"MULTI") || is_word(&args, b"EXEC") {
                return Ok(());
            }
            sink.command(None, db, args).map_err(|_| "the server refuses a command")
        })?;
        Ok(())
    }
}

pub(crate) fn is_word(args: &Args<'_>, word: &[u8]) -> bool {
    args.at(0).eq_ignore_ascii_case(word)
}

/// Reads commands and annotations from `start` to `len`; returns where the last whole command or transaction ends, and whether
/// that is so because what follows is too late.
fn walk(
    path: &Path,
    window: &mut Window<'_>,
    start: u64,
    len: u64,
    tolerance: Tolerance,
    mut command: impl FnMut(Args<'_>) -> Result<(), &'static str>,
) -> Result<(u64, bool), RecoveryError> {
    let plain = |offset, what| RecoveryError::Plain { path: path.to_path_buf(), offset, what };
    let failed = |error: io::Error| RecoveryError::Io { action: "read", path: path.to_path_buf(), error };
    let mut words = Vec::new();
    let mut offset = start;
    let mut transaction_start = None;
    let mut want = 1 << 16;
    while offset < len {
        let left = len - offset;
        let bytes = window.get(offset, want.min(left as usize)).map_err(failed)?;
        let all = bytes.len() as u64 == left;
        let found = match bytes.first() {
            Some(b'#') if b"#TS:".starts_with(&bytes[..bytes.len().min(4)]) => read_annotation(bytes),
            Some(b'#') => Err(Broken::Malformed),
            _ => read_command(bytes, &mut words),
        };
        match found {
            Ok(taken) => {
                if bytes[0] == b'#' {
                    let seconds = std::str::from_utf8(&bytes[4..taken]).ok().and_then(|text| text.trim().parse().ok());
                    if seconds.is_some_and(|seconds: u64| is_late(seconds, tolerance.time_ms)) {
                        return Ok((transaction_start.unwrap_or(offset), true));
                    }
                } else {
                    let args = Args::new(bytes, &words);
                    if is_word(&args, b"MULTI") {
                        transaction_start = Some(offset);
                    } else if is_word(&args, b"EXEC") {
                        transaction_start = None;
                    }
                    command(args).map_err(|what| plain(offset, what))?;
                }
                offset += taken as u64;
                want = 1 << 16;
            }
            Err(Broken::Incomplete) if !all => want = want.saturating_mul(2),
            Err(Broken::Incomplete) if tolerance.truncated => {
                return Ok((transaction_start.unwrap_or(offset), false));
            }
            Err(_) if len - transaction_start.unwrap_or(offset) <= tolerance.corrupt_bytes_max => {
                return Ok((transaction_start.unwrap_or(offset), false));
            }
            Err(Broken::Incomplete) => {
                return Err(plain(
                    offset,
                    "the file ends inside a command (aof-load-truncated is no, or other files follow)",
                ));
            }
            Err(Broken::Malformed) if bytes[0] == b'#' => {
                return Err(plain(offset, "an annotation that Redis does not write: a damaged segment?"));
            }
            Err(Broken::Malformed) => return Err(plain(offset, "there is no command")),
        }
    }
    match transaction_start {
        None => Ok((offset, false)),
        Some(start) if tolerance.truncated => Ok((start, false)),
        Some(start) => Err(plain(start, "the file ends inside a transaction")),
    }
}

fn is_late(seconds: u64, limit_ms: Option<u64>) -> bool {
    limit_ms.is_some_and(|limit| seconds.saturating_mul(1000) > limit)
}

fn read_annotation(bytes: &[u8]) -> Result<usize, Broken> {
    match bytes.iter().take(1024).position(|&byte| byte == b'\n') {
        Some(index) => Ok(index + 1),
        None if bytes.len() < 1024 => Err(Broken::Incomplete),
        None => Err(Broken::Malformed),
    }
}
