//! A captured stream of commands, to be sent again with its timing: the output of MONITOR, or an append-only file.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;

use super::client::encode;
use super::error::BenchError;
use crate::log::{Broken, read_command};

/// One request of the capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it was sent, ns since the first.
    pub at_ns: u64,
    /// Its connection here.
    pub connection: u32,
    start: usize,
    len: u32,
}

/// A capture, ready to be sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// Connections that it is spread over.
    pub connections: usize,
    /// Whether the capture tells when each request was sent.
    pub timed: bool,
    /// Commands that are not sent again, by name.
    pub left_out: BTreeMap<String, u64>,
}

/// Commands that would end or mute the connection, or change the server instead of its data.
const LEFT_OUT: [&str; 27] = [
    "ACL",
    "ASKING",
    "AUTH",
    "CLIENT",
    "CLUSTER",
    "CONFIG",
    "DEBUG",
    "FAILOVER",
    "HELLO",
    "MODULE",
    "MONITOR",
    "PSUBSCRIBE",
    "PSYNC",
    "PUNSUBSCRIBE",
    "QUIT",
    "READONLY",
    "REPLCONF",
    "REPLICAOF",
    "RESET",
    "SHUTDOWN",
    "SLAVEOF",
    "SSUBSCRIBE",
    "SUBSCRIBE",
    "SUNSUBSCRIBE",
    "SYNC",
    "UNSUBSCRIBE",
    "WAIT",
];

impl Recording {
    /// Reads a file; what it is shows in its first byte. Each client of a MONITOR capture keeps a connection of its own,
    /// up to `connections`; an append-only file is one stream, in the order of its commands.
    pub fn read(path: &Path, connections: usize) -> Result<Self, BenchError> {
        let bytes = std::fs::read(path).map_err(|e| BenchError::io(format!("cannot read {}", path.display()), e))?;
        let outcome = match bytes.first() {
            Some(b'*' | b'#') => append_only(&bytes),
            Some(_) if bytes.starts_with(b"REDIS") => {
                Err("it begins with a snapshot (RDB); give the incremental file, or switch aof-use-rdb-preamble off"
                    .into())
            }
            _ => monitor(&bytes, connections.max(1)),
        };
        let recording = outcome.map_err(|e| BenchError::workload(format!("{}: {e}", path.display())))?;
        if recording.entries.is_empty() {
            return Err(BenchError::workload(format!("{} holds no command that can be sent again", path.display())));
        }
        Ok(recording)
    }

    /// All requests, in the order of the capture.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// A request as it goes on the wire.
    pub fn request(&self, entry: &Entry) -> &[u8] {
        &self.bytes[entry.start..][..entry.len as usize]
    }

    /// From the first request to the last, ns.
    pub fn length_ns(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.at_ns)
    }

    fn push(&mut self, at_ns: u64, connection: u32, words: &[Vec<u8>]) {
        let name = String::from_utf8_lossy(&words[0]).to_ascii_uppercase();
        if LEFT_OUT.contains(&name.as_str()) {
            *self.left_out.entry(name).or_default() += 1;
            return;
        }
        let start = self.bytes.len();
        encode(words, &mut self.bytes);
        self.entries.push(Entry { at_ns, connection, start, len: (self.bytes.len() - start) as u32 });
    }
}

/// Lines as MONITOR sends them: `+1339518083.107412 [0 127.0.0.1:60866] "keys" "*"`, the plus sign optional.
fn monitor(bytes: &[u8], connections: usize) -> Result<Recording, String> {
    let mut recording = Recording { timed: true, ..Recording::default() };
    let mut first_ns = None;
    let mut clients: HashMap<Vec<u8>, u32> = HashMap::new();
    let mut databases: HashMap<u32, Vec<u8>> = HashMap::new();
    for (number, line) in bytes.split(|&b| b == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = line.strip_prefix(b"+").unwrap_or(line);
        if line.is_empty() || line == b"OK" {
            continue;
        }
        let bad = |what: &str| format!("line {}: {what} (is it the output of MONITOR?)", number + 1);
        let (time, rest) = cut(line, b" [").ok_or_else(|| bad("no time and client"))?;
        let (origin, arguments) = cut(rest, b"] ").ok_or_else(|| bad("no client"))?;
        let (database, client) = cut(origin, b" ").ok_or_else(|| bad("no database"))?;
        if client == b"lua" {
            // Scripts run again with their EVAL.
            *recording.left_out.entry("(from scripts)".into()).or_default() += 1;
            continue;
        }
        let time = time_ns(time).ok_or_else(|| bad("no time"))?;
        let words = quoted(arguments).ok_or_else(|| bad("arguments that are not quoted as MONITOR does"))?;
        let known = clients.len();
        let connection = *clients.entry(client.to_vec()).or_insert((known % connections) as u32);
        let at = time.saturating_sub(*first_ns.get_or_insert(time));
        // Never back in time, though the clock of the capture may be set.
        let at = at.max(recording.entries.last().map_or(0, |entry| entry.at_ns));
        if words[0].eq_ignore_ascii_case(b"select") {
            continue;
        }
        if databases.get(&connection).map_or(b"0".as_slice(), Vec::as_slice) != database {
            recording.push(at, connection, &[b"SELECT".to_vec(), database.to_vec()]);
            databases.insert(connection, database.to_vec());
        }
        recording.push(at, connection, &words);
    }
    recording.connections = clients.len().min(connections);
    Ok(recording)
}

/// Commands as an append-only file holds them; lines `#TS:1640995200` tell the time (`aof-timestamp-enabled`).
fn append_only(bytes: &[u8]) -> Result<Recording, String> {
    let mut recording = Recording { connections: 1, ..Recording::default() };
    let (mut at, mut spans) = (0, Vec::new());
    let (mut first_s, mut now_ns, mut in_second) = (None, 0u64, 0u64);
    while at < bytes.len() {
        if bytes[at] == b'#' {
            let end = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |end| at + end + 1);
            let line = String::from_utf8_lossy(&bytes[at..end]);
            if let Some(second) = line.trim_end().strip_prefix("#TS:").and_then(|text| text.parse::<u64>().ok()) {
                spread(&mut recording.entries, in_second as usize);
                in_second = 0;
                now_ns = second.saturating_sub(*first_s.get_or_insert(second)) * 1_000_000_000;
                recording.timed = true;
            }
            at = end;
            continue;
        }
        match read_command(&bytes[at..], &mut spans) {
            Ok(len) => {
                let words: Vec<Vec<u8>> =
                    spans.iter().map(|span| bytes[at..][span.start as usize..][..span.len as usize].to_vec()).collect();
                let before = recording.entries.len();
                recording.push(now_ns, 0, &words);
                in_second += (recording.entries.len() - before) as u64;
                at += len;
            }
            // The last command of a file whose writer was killed.
            Err(Broken::Incomplete) => break,
            Err(Broken::Malformed) => return Err(format!("no command at offset {at}")),
        }
    }
    spread(&mut recording.entries, in_second as usize);
    Ok(recording)
}

/// The file's clock ticks in seconds: what it holds of one second is spread evenly over it, not sent as a burst.
fn spread(entries: &mut [Entry], count: usize) {
    let first = entries.len() - count;
    for (i, entry) in entries[first..].iter_mut().enumerate() {
        entry.at_ns += 1_000_000_000 * i as u64 / count as u64;
    }
}

fn cut<'a>(line: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let place = memchr::memmem::find(line, at)?;
    Some((&line[..place], &line[place + at.len()..]))
}

fn time_ns(text: &[u8]) -> Option<u64> {
    let (seconds, micros) = std::str::from_utf8(text).ok()?.split_once('.')?;
    let micros: u64 = format!("{micros:0<6}").get(..6)?.parse().ok()?;
    Some(seconds.parse::<u64>().ok()?.checked_mul(1_000_000_000)? + micros * 1000)
}

/// Words in double quotes with the escapes `\" \\ \n \r \t \a \b \xHH`.
fn quoted(mut text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    while !text.is_empty() {
        text = text.strip_prefix(b"\"")?;
        let mut word = Vec::new();
        loop {
            let (&byte, rest) = text.split_first()?;
            text = rest;
            match byte {
                b'"' => break,
                b'\\' => {
                    let (&escape, rest) = text.split_first()?;
                    text = rest;
                    word.push(match escape {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'a' => 7,
                        b'b' => 8,
                        b'x' => {
                            let digits = text.get(..2)?;
                            text = &text[2..];
                            u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
                        }
                        other => other,
                    });
                }
                other => word.push(other),
            }
        }
        words.push(word);
        text = text.strip_prefix(b" ").unwrap_or(text);
    }
    (!words.is_empty()).then_some(words)
}

/// One connection's requests of a capture, in order.
#[derive(Clone, Debug)]
pub struct Replay {
    entries: std::vec::IntoIter<Range<usize>>,
}

impl Replay {
    /// The requests of `connection`.
    pub fn new(recording: &Recording, connection: usize) -> Self {
        let mine = recording.entries.iter().filter(|entry| entry.connection as usize == connection);
        let ranges: Vec<Range<usize>> = mine.map(|e| e.start..e.start + e.len as usize).collect();
        Replay { entries: ranges.into_iter() }
    }

    /// Requests that are left.
    pub fn left(&self) -> usize {
        self.entries.len()
    }

    /// Appends the next request; false if there is none.
    #[inline]
    pub fn next(&mut self, recording: &Recording, out: &mut Vec<u8>) -> bool {
        let Some(range) = self.entries.next() else { return false };
        out.extend_from_slice(&recording.bytes[range]);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(recording: &Recording) -> Vec<(u64, u32, String)> {
        let text = |e: &Entry| String::from_utf8_lossy(recording.request(e)).replace("\r\n", " ");
        recording.entries().iter().map(|e| (e.at_ns, e.connection, text(e))).collect()
    }

    #[test]
    fn a_monitor_capture_keeps_times_clients_databases_and_odd_bytes() {
        let capture = b"OK\n1700000000.000100 [0 127.0.0.1:1000] \"SET\" \"a b\" \"x\\\"\\\\\\r\\n\\x00\\xff\"\n\
            +1700000000.250100 [2 127.0.0.1:1001] \"get\" \"k\"\r\n\
            1700000000.250200 [2 lua] \"get\" \"k\"\n\
            1700000001.000100 [0 127.0.0.1:1000] \"config\" \"set\" \"a\" \"b\"\n\
            1700000002.000100 [2 127.0.0.1:1001] \"DEL\" \"k\"\n";
        let recording = monitor(capture, 50).unwrap();
        let sent = wire(&recording);
        assert_eq!(sent[0].0, 0);
        assert!(recording.request(&recording.entries()[0]).ends_with(b"$7\r\nx\"\\\r\n\0\xff\r\n"));
        assert_eq!(sent[1], (250_000_000, 1, "*2 $6 SELECT $1 2 ".into()));
        assert_eq!(sent[2], (250_000_000, 1, "*2 $3 get $1 k ".into()));
        assert_eq!(sent[3], (2_000_000_000, 1, "*2 $3 DEL $1 k ".into()));
        assert_eq!((sent.len(), recording.connections, recording.left_out["CONFIG"]), (4, 2, 1));
    }

    #[test]
    fn an_append_only_file_is_spread_over_its_seconds() {
        let file = b"#TS:100\r\n*2\r\n$3\r\nDEL\r\n$1\r\na\r\n*2\r\n$3\r\nDEL\r\n$1\r\nb\r\n#TS:103\r\n\
            *2\r\n$3\r\nDEL\r\n$1\r\nc\r\n*2\r\n$3\r\nDE";
        let recording = append_only(file).unwrap();
        let times: Vec<u64> = recording.entries().iter().map(|e| e.at_ns).collect();
        assert_eq!(times, [0, 500_000_000, 3_000_000_000]);
        assert!(recording.timed);
        assert!(!append_only(b"*1\r\n$4\r\nPING\r\n").unwrap().timed);
    }

    #[test]
    fn files_that_are_no_capture_are_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (bytes, says) in [
            (&b"hello world\n"[..], "line 1"),
            (b"1700000000.1 [0 1.1.1.1:1] SET a\n", "quoted"),
            (b"REDIS0011\xfa", "snapshot"),
            (b"*1\r\nx", "offset 0"),
            (b"", "no command"),
            (b"1700000000.1 [0 1.1.1.1:1] \"AUTH\" \"x\"\n", "no command"),
        ] {
            std::fs::write(file.path(), bytes).unwrap();
            let error = Recording::read(file.path(), 5).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        assert!(Recording::read(Path::new("/no/such"), 5).unwrap_err().to_string().contains("/no/such"));
    }
}
