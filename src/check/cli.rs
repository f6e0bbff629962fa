//! The command line.

use super::change::Destination;
use super::place::Place;
use super::rdb::{Form, Wanted};
use super::{CheckError, fix, history, rdb, reseal, restore, verify};
use crate::config::Settings;
use clap::{ArgGroup, Parser};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Checks a log's directory (its manifest, every segment to its last byte, and what a start would do with it), an RDB file
/// (structure, checksum, contents) or a file of commands. Changes nothing unless told to; then it says what will be lost, asks,
/// and keeps the log as it was.
///
/// Exit codes: 0 when it is sound or was put right, 1 when it is not or nothing was done, 2 when the command line is wrong.
#[derive(Debug, Parser)]
#[command(name = "basalt-check", version)]
#[command(group = ArgGroup::new("deed").args(["fix", "reseal", "truncate_to_timestamp", "list_history", "restore_history"]))]
pub struct Args {
    /// The data directory, the log's directory, its manifest, a segment, a file of commands, or an RDB file.
    pub path: PathBuf,
    /// Cut what a crash tore and what is rotten, and write a damaged manifest anew.
    #[arg(long)]
    pub fix: bool,
    /// Seal a log that was edited by hand.
    #[arg(long)]
    pub reseal: bool,
    /// Go back to a Unix time in seconds or milliseconds, on all cores at once.
    #[arg(long, value_name = "TIME")]
    pub truncate_to_timestamp: Option<String>,
    /// List the states before each FLUSHALL, FLUSHDB and SWAPDB that can be restored.
    #[arg(long)]
    pub list_history: bool,
    /// Bring back one of those states.
    #[arg(long, value_name = "NAME")]
    pub restore_history: Option<String>,
    /// Put the result into this data directory instead of the log's place.
    #[arg(long, value_name = "DIR")]
    pub to: Option<PathBuf>,
    /// Don't ask.
    #[arg(long)]
    pub yes: bool,
    /// Also load everything into memory, as a start would.
    #[arg(long)]
    pub load: bool,
    /// The server's setting `databases`.
    #[arg(long, value_name = "NUMBER", default_value_t = 16)]
    pub databases: u16,
    /// The server's setting `aof-load-truncated`.
    #[arg(long, value_name = "YES|NO", default_value = "yes", value_parser = ["yes", "no"])]
    pub aof_load_truncated: String,
    /// The server's setting `aof-load-corrupt-tail-max-size`, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub aof_load_corrupt_tail_max_size: u64,
    /// Show an RDB file's contents as JSON.
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Show an RDB file's contents as CSV.
    #[arg(long)]
    pub csv: bool,
    /// How many of the largest keys and prefixes to show.
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    pub top: usize,
    /// What ends a key's prefix.
    #[arg(long, value_name = "TEXT", default_value = ":")]
    pub prefix_separator: String,
}

/// Whether the question is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Consent {
    yes: bool,
}

impl Consent {
    /// Asks on the terminal; everything but y or yes is a no.
    pub(super) fn ask(self, question: &str) -> Result<(), CheckError> {
        if self.yes {
            return Ok(());
        }
        print!("{question} [y/N]: ");
        let _ = std::io::stdout().flush();
        let mut line = String::new();
        let _ = std::io::stdin().read_line(&mut line);
        match line.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(CheckError::Declined),
        }
    }
}

/// Does what the command line says.
pub fn run(args: &Args) -> ExitCode {
    match carry_out(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", args.path.display());
            ExitCode::from(1)
        }
    }
}

fn carry_out(args: &Args) -> Result<(), CheckError> {
    let settings = Settings {
        databases: args.databases,
        aof_load_truncated: args.aof_load_truncated == "yes",
        aof_load_corrupt_tail_bytes_max: args.aof_load_corrupt_tail_max_size,
        ..Settings::default()
    };
    let place = Place::of(&args.path)?;
    let consent = Consent { yes: args.yes };
    let destination = |word| args.to.clone().map_or(Destination::InPlace(word), Destination::New);
    if args.fix {
        return fix::fix(&place, &settings, &destination("fix"), consent);
    }
    if let Some(text) = &args.truncate_to_timestamp {
        let time_ms = restore::parse_time(text)
            .ok_or_else(|| CheckError::Refused(format!("{text} is no Unix time in seconds or milliseconds")))?;
        return restore::truncate(&place, time_ms, &settings, &destination("truncate"), consent);
    }
    let log = |place: Place| match place {
        Place::Log(dir) => Ok(dir),
        _ => Err(CheckError::Refused("this needs a log's directory or its manifest".into())),
    };
    if args.reseal {
        return reseal::reseal(&log(place)?, &settings, &destination("reseal"), consent);
    }
    if args.list_history {
        return history::print(&log(place)?);
    }
    if let Some(name) = &args.restore_history {
        return history::restore(&log(place)?, name, &settings, &destination("restore"), consent);
    }
    if let Place::Rdb(path) = &place {
        let form = match (args.json, args.csv) {
            (true, _) => Form::Json,
            (_, true) => Form::Csv,
            _ => Form::Table,
        };
        let wanted = Wanted { top: args.top, separator: args.prefix_separator.clone(), form };
        return rdb::check(path, &wanted);
    }
    verify::check(&place, &settings, args.load)
}
