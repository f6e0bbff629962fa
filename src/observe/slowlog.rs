//! SLOWLOG: the latest slow commands of all cores, and the line that MONITOR shows for a command.

use super::unix_us;
use crate::resp::Args;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

/// What an entry keeps of a request, as in Redis.
const ARGS_MAX: usize = 32;
const ARG_BYTES_MAX: usize = 128;

/// A slow command.
#[derive(Clone, Debug)]
pub struct SlowEntry {
    /// Rises from 0.
    pub id: u64,
    /// When it ended, unix seconds.
    pub time_s: u64,
    /// How long it took, µs.
    pub duration_us: u64,
    /// Its arguments, shortened.
    pub args: Vec<Vec<u8>>,
    /// The client's address.
    pub address: String,
    /// The client's name.
    pub name: Vec<u8>,
}

impl SlowEntry {
    /// An entry for a command that has just ended.
    pub fn new(duration_us: u64, args: Args, address: String, name: Vec<u8>) -> SlowEntry {
        let kept = if args.len() > ARGS_MAX { ARGS_MAX - 1 } else { args.len() };
        let mut words: Vec<Vec<u8>> = args
            .iter()
            .take(kept)
            .map(|word| match word.len().checked_sub(ARG_BYTES_MAX) {
                None | Some(0) => word.to_vec(),
                Some(more) => {
                    let mut short = word[..ARG_BYTES_MAX].to_vec();
                    short.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
                    short
                }
            })
            .collect();
        if kept < args.len() {
            words.push(format!("... ({} more arguments)", args.len() - kept).into_bytes());
        }
        SlowEntry { id: 0, time_s: unix_us() / 1_000_000, duration_us, args: words, address, name }
    }
}

/// The log. Behind a lock, which only slow commands and SLOWLOG take.
#[derive(Default)]
pub struct Slowlog {
    entries: Mutex<(u64, VecDeque<SlowEntry>)>,
}

impl Slowlog {
    /// Adds an entry and keeps at most `max`.
    pub fn add(&self, mut entry: SlowEntry, max: usize) {
        let mut guard = self.lock();
        entry.id = guard.0;
        guard.0 += 1;
        guard.1.push_front(entry);
        guard.1.truncate(max);
    }

    /// The newest `count` entries, newest first.
    pub fn newest(&self, count: usize) -> Vec<SlowEntry> {
        self.lock().1.iter().take(count).cloned().collect()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.lock().1.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all entries; their numbers go on.
    pub fn reset(&self) {
        self.lock().1.clear();
    }

    fn lock(&self) -> MutexGuard<'_, (u64, VecDeque<SlowEntry>)> {
        self.entries.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// A request as MONITOR shows it: time, database, client, words in quotes.
pub fn monitor_line(db: u16, address: &str, args: Args) -> Vec<u8> {
    let now = unix_us();
    let mut line = format!("{}.{:06} [{db} {address}]", now / 1_000_000, now % 1_000_000).into_bytes();
    for word in args.iter() {
        line.extend_from_slice(b" ");
        quote(word, &mut line);
    }
    line
}

/// A word in double quotes, unprintable bytes escaped.
pub fn quote(word: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in word {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            7 => out.extend_from_slice(b"\\a"),
            8 => out.extend_from_slice(b"\\b"),
            0x20..=0x7e => out.push(byte),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(b'"');
}
