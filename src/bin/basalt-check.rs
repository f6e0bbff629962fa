//! Checks what lies on the disk: a log's directory, or an RDB file. Changes nothing.
//!
//! Exit codes: 0 when it is sound (a torn tail that the server would cut is reported and counts as sound), 1 when it is
//! not, 2 when the command line is wrong.

use basalt::log::Directory;
use basalt::rdb::{Item, Options, Reader, Value};
use basalt::recovery::{self, Base};
use basalt::storage::RealFs;
use clap::Parser;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Checks a log's directory (its manifest, every segment to its last byte, and what recovery would do with it) or an
/// RDB file (structure, checksum, keys by type). No file is changed.
#[derive(Parser)]
#[command(name = "basalt-check", version)]
struct Args {
    /// The log's directory, its manifest, or an RDB file.
    path: PathBuf,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let result = if is_log(&args.path) { check_log(&args.path) } else { check_rdb(&args.path) };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{}: {text}", args.path.display());
            ExitCode::from(1)
        }
    }
}

fn is_log(path: &Path) -> bool {
    path.is_dir() || path.extension().is_some_and(|extension| extension == "manifest")
}

/// Where the log lies, told from its directory or its manifest.
fn directory(path: &Path) -> Result<Directory, String> {
    let path = path.canonicalize().map_err(|error| error.to_string())?;
    let dir = if path.is_dir() { path.as_path() } else { path.parent().ok_or("it has no directory")? };
    let mut names = std::fs::read_dir(dir)
        .map_err(|error| error.to_string())?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let filename = names
        .find_map(|name| name.strip_suffix(".manifest").map(str::to_string))
        .ok_or("there is no manifest in this directory, so it is no log of Basalt, Redis or Valkey")?;
    let dirname = dir.file_name().ok_or("it has no name")?.to_string_lossy().into_owned();
    let data_dir = dir.parent().ok_or("it has no parent")?.to_path_buf();
    Ok(Directory { fs: Arc::new(RealFs), data_dir, dirname, filename })
}

fn check_log(path: &Path) -> Result<(), String> {
    let plan = recovery::plan(&directory(path)?, &recovery::Options::default()).map_err(|error| error.to_string())?;
    match &plan.base {
        Some(Base::Rdb(base)) => {
            println!("base: {}", base.display());
            check_rdb(base)?;
        }
        Some(Base::Aof(_)) => println!("base: a file of commands"),
        None => println!("base: none"),
    }
    for generation in &plan.generations {
        for segment in &generation.segments {
            println!(
                "{}: core {} of {}, records to LSN {}, {} bytes",
                segment.path.display(),
                segment.header.core,
                segment.header.cores,
                segment.kept_last_lsn,
                segment.kept_end - segment.header.data_start(),
            );
        }
        if generation.plain.is_some() {
            println!("a file of commands that another server wrote");
        }
    }
    for finding in &plan.findings {
        println!("found: {finding:?}");
    }
    println!("the log is sound: {} bytes of records", plan.replay_bytes());
    Ok(())
}

fn check_rdb(path: &Path) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let options = Options { deep: true, ..Options::default() };
    let mut reader =
        Reader::new(BufReader::with_capacity(1 << 20, file), options).map_err(|error| error.to_string())?;
    let mut by_type: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut keys, mut with_expiry) = (0u64, 0u64);
    while let Some(item) = reader.next_item().map_err(|error| error.to_string())? {
        match item {
            Item::Key(record) => {
                keys += 1;
                with_expiry += record.expire_ms.is_some() as u64;
                *by_type.entry(type_name(&record.value)).or_default() += 1;
            }
            Item::Eof(checksum) => println!("checksum: {checksum:?}"),
            _ => {}
        }
    }
    println!("{keys} keys, {with_expiry} with an expiry time");
    by_type.iter().for_each(|(name, count)| println!("  {name}: {count}"));
    println!("{} bytes, the RDB file is sound", reader.offset());
    Ok(())
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::List(_) => "list",
        Value::Set(_) => "set",
        Value::Hash(_) => "hash",
        Value::ZSet(_) => "zset",
        Value::Stream(_) => "stream",
    }
}
