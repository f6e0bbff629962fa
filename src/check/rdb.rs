//! What an RDB file holds: structure, checksum, keys by type, the largest ones, memory by prefix.

use super::CheckError;
use super::progress::Bar;
use super::trial::BASE_BYTES;
use crate::object::Limits;
use crate::rdb::{Checksum, HashValue, Item, ListNode, Options, Reader, SetValue, Value, ZSetValue};
use serde::Serialize;
use std::collections::{BTreeMap, BinaryHeap};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::atomic::Ordering;

/// Most prefixes that are counted one by one; the rest goes into one line.
const PREFIXES_MAX: usize = 100_000;

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    /// How many of the largest keys and prefixes are shown.
    pub(super) top: usize,
    /// What ends a key's prefix.
    pub(super) separator: String,
    /// How it is shown.
    pub(super) form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Table,
    Json,
    Csv,
}

impl Default for Wanted {
    fn default() -> Self {
        Wanted { top: 10, separator: ":".into(), form: Form::Table }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
struct Count {
    keys: u64,
    elements: u64,
    with_expiry: u64,
    bytes: u64,
}

impl Count {
    fn add(&mut self, elements: u64, expires: bool, bytes: u64) {
        self.keys += 1;
        self.elements += elements;
        self.with_expiry += u64::from(expires);
        self.bytes += bytes;
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Large {
    bytes: u64,
    elements: u64,
    database: u32,
    r#type: &'static str,
    key: String,
}

#[derive(Debug, Default, Serialize)]
struct Report {
    file: String,
    version: u16,
    file_bytes: u64,
    checksum: &'static str,
    aux: BTreeMap<String, String>,
    keys: u64,
    with_expiry: u64,
    already_expired: u64,
    empty_keys_left_out: u64,
    functions: u64,
    databases: BTreeMap<u32, Count>,
    types: BTreeMap<&'static str, Count>,
    largest: Vec<Large>,
    prefixes: Vec<(String, Count)>,
}

/// When a base was written, Unix seconds, as its AUX fields say.
pub(super) fn made_s(path: &Path) -> Result<Option<u64>, CheckError> {
    let file = File::open(path).map_err(CheckError::io("open", path))?;
    let mut reader = Reader::new(BufReader::new(file), Options { checksum: false, ..Options::default() })?;
    while let Some(Item::Aux { name, value }) = reader.next_item()? {
        if name == b"ctime" {
            return Ok(std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok()));
        }
    }
    Ok(None)
}

/// Reads a file to its end and prints what was asked for.
pub(super) fn check(path: &Path, wanted: &Wanted) -> Result<(), CheckError> {
    let file = File::open(path).map_err(CheckError::io("open", path))?;
    let bytes = file.metadata().map_or(0, |file| file.len());
    let bar = Bar::start("reading the file", bytes, &BASE_BYTES);
    let report = read(path, file, wanted)?;
    drop(bar);
    match wanted.form {
        Form::Json => {
            let text = serde_json::to_string_pretty(&report);
            println!("{}", text.map_err(|error| CheckError::Refused(error.to_string()))?);
        }
        Form::Csv => print_csv(&report),
        Form::Table => print_table(&report),
    }
    if report.file_bytes < bytes {
        return Err(CheckError::Refused(format!(
            "{} bytes follow behind the end of the RDB file at offset {}",
            bytes - report.file_bytes,
            report.file_bytes
        )));
    }
    Ok(())
}

fn read(path: &Path, file: File, wanted: &Wanted) -> Result<Report, CheckError> {
    let options = Options { deep: true, ..Options::default() };
    let mut reader = Reader::new(BufReader::with_capacity(1 << 20, file), options)?;
    let mut report = Report { file: path.display().to_string(), version: reader.version(), ..Report::default() };
    let mut largest = BinaryHeap::new();
    let mut prefixes: BTreeMap<String, Count> = BTreeMap::new();
    let (mut db, limits, now_ms) = (0, Limits::default(), crate::observe::unix_ms() as i64);
    while let Some(item) = reader.next_item()? {
        match item {
            Item::Aux { name, value } if report.aux.len() < 100 => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
                report.aux.insert(text(&name), text(&value));
            }
            Item::SelectDb(number) => db = number,
            Item::Function(_) => report.functions += 1,
            Item::Eof(checksum) => {
                report.checksum = match checksum {
                    Checksum::Right => "right",
                    Checksum::Absent => "absent",
                    Checksum::Ignored => "ignored",
                };
            }
            Item::Key(record) => {
                let expires = record.expire_ms.is_some();
                let (kind, elements, bytes) = measure(&record.value);
                let bytes = bytes + record.key.len() as u64;
                report.keys += 1;
                report.with_expiry += u64::from(expires);
                report.already_expired += u64::from(record.expire_ms.is_some_and(|at| at <= now_ms));
                report.databases.entry(db).or_default().add(elements, expires, bytes);
                report.types.entry(kind).or_default().add(elements, expires, bytes);
                let key = String::from_utf8_lossy(&record.key).into_owned();
                let prefix = match key.find(&wanted.separator) {
                    Some(at) if !wanted.separator.is_empty() => &key[..at + wanted.separator.len()],
                    _ => "(no prefix)",
                };
                if !prefixes.contains_key(prefix) && prefixes.len() >= PREFIXES_MAX {
                    prefixes.entry("(others)".into()).or_default().add(elements, expires, bytes);
                } else if let Some(count) = prefixes.get_mut(prefix) {
                    count.add(elements, expires, bytes);
                } else {
                    prefixes.entry(prefix.to_string()).or_default().add(elements, expires, bytes);
                }
                largest.push(std::cmp::Reverse(Large {
                    bytes,
                    elements,
                    database: db,
                    r#type: kind,
                    key: key.clone(),
                }));
                if largest.len() > wanted.top {
                    largest.pop();
                }
                crate::rdb::into_stored(record.value, &limits)
                    .map_err(|error| CheckError::Refused(format!("key {key:?}: {error}")))?;
            }
            _ => {}
        }
        BASE_BYTES.store(reader.offset(), Ordering::Relaxed);
    }
    report.file_bytes = reader.offset();
    report.empty_keys_left_out = reader.empty_keys();
    report.largest = largest.into_sorted_vec().into_iter().map(|large| large.0).collect();
    report.prefixes = prefixes.into_iter().collect();
    report.prefixes.sort_by_key(|(_, count)| std::cmp::Reverse(count.bytes));
    report.prefixes.truncate(wanted.top);
    Ok(report)
}

/// A value's type, how many elements it has, and how many bytes they hold.
fn measure(value: &Value) -> (&'static str, u64, u64) {
    match value {
        Value::String(bytes) => ("string", 1, bytes.len() as u64),
        Value::List(nodes) => {
            let (mut elements, mut bytes) = (0, 0);
            for node in nodes {
                let (more, length) = match node {
                    ListNode::Packed(list) => (list.iter().count(), list.as_bytes().len()),
                    ListNode::Plain(bytes) => (1, bytes.len()),
                };
                elements += more as u64;
                bytes += length as u64;
            }
            ("list", elements, bytes)
        }
        Value::Set(SetValue::Intset(set)) => ("set", set.iter().count() as u64, set.as_bytes().len() as u64),
        Value::Set(SetValue::Listpack(list)) => ("set", list.iter().count() as u64, list.as_bytes().len() as u64),
        Value::Set(SetValue::Members(members)) => ("set", members.len() as u64, sum(members.iter().map(Vec::len))),
        Value::Hash(HashValue::Listpack(list)) => {
            ("hash", list.iter().count() as u64 / 2, list.as_bytes().len() as u64)
        }
        Value::Hash(HashValue::ListpackTtl(list)) => {
            ("hash", list.iter().count() as u64 / 3, list.as_bytes().len() as u64)
        }
        Value::Hash(HashValue::Fields(fields)) => {
            ("hash", fields.len() as u64, sum(fields.iter().map(|field| field.field.len() + field.value.len())))
        }
        Value::ZSet(ZSetValue::Listpack(list)) => {
            ("zset", list.iter().count() as u64 / 2, list.as_bytes().len() as u64)
        }
        Value::ZSet(ZSetValue::Members(members)) => {
            ("zset", members.len() as u64, sum(members.iter().map(|(member, _)| member.len() + 8)))
        }
        Value::Stream(stream) => {
            ("stream", stream.meta.length, sum(stream.nodes.iter().map(|node| node.entries.as_bytes().len())))
        }
    }
}

fn sum(lengths: impl Iterator<Item = usize>) -> u64 {
    lengths.map(|length| length as u64).sum()
}

fn print_table(report: &Report) {
    println!("RDB version {}", report.version);
    report
        .aux
        .iter()
        .filter(|(name, _)| !name.starts_with("basalt"))
        .for_each(|(name, value)| println!("  {name}: {value}"));
    println!(
        "{} keys, {} with an expiry time, {} of them over",
        report.keys, report.with_expiry, report.already_expired
    );
    if report.empty_keys_left_out + report.functions > 0 {
        println!("{} empty keys left out, {} libraries of functions", report.empty_keys_left_out, report.functions);
    }
    println!("{:<12} {:>12} {:>14} {:>12} {:>16}", "type", "keys", "elements", "with expiry", "bytes");
    let row = |name: &str, count: &Count| {
        println!("{name:<12} {:>12} {:>14} {:>12} {:>16}", count.keys, count.elements, count.with_expiry, count.bytes);
    };
    report.types.iter().for_each(|(name, count)| row(name, count));
    report.databases.iter().for_each(|(db, count)| row(&format!("database {db}"), count));
    println!("by prefix:");
    report.prefixes.iter().for_each(|(name, count)| row(name, count));
    println!("largest keys:");
    for large in &report.largest {
        println!(
            "{:>16} bytes {:>10} elements  database {} {} {}",
            large.bytes, large.elements, large.database, large.r#type, large.key
        );
    }
    println!("checksum: {}", report.checksum);
    println!("{} bytes, the RDB file is sound", report.file_bytes);
}

fn print_csv(report: &Report) {
    println!("section,name,keys,elements,with_expiry,bytes");
    let row = |section: &str, name: &str, count: &Count| {
        let Count { keys, elements, with_expiry, bytes } = count;
        println!("{section},{},{keys},{elements},{with_expiry},{bytes}", csv(name));
    };
    report.types.iter().for_each(|(name, count)| row("type", name, count));
    report.databases.iter().for_each(|(db, count)| row("database", &db.to_string(), count));
    report.prefixes.iter().for_each(|(name, count)| row("prefix", name, count));
    for large in &report.largest {
        println!("key,{},1,{},,{}", csv(&large.key), large.elements, large.bytes);
    }
}

/// A field as RFC 4180 has it.
fn csv(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_string()
    }
}
