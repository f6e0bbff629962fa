//! The commands of `basalt-bench`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::args::{LoginArgs, MeasureArgs, OutputArgs, TargetArgs, WorkloadArgs};
use super::client::Address;
use super::compare::{self, Candidate, Comparison};
use super::document::Document;
use super::error::BenchError;
use super::recording::Recording;
use super::run::{Measured, run};
use super::sweep::{Objective, Sweep};
use super::units::{grouped, nanos, parse_count, parse_duration};
use super::verify::{VerifyArgs, verify};
use super::workload::Class;
use super::{export, html};

/// Measures the latency of any RESP server, and tells the truth about it.
///
/// Requests of an open loop (--rate) leave at their intended times whatever the server does, and their response time
/// counts from there: a pause of the server shows.
#[derive(Debug, Parser)]
#[command(name = "basalt-bench", version, after_help = RECIPES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const RECIPES: &str = "\
A true number in one minute, with the server on port 6379:
  basalt-bench run --load 100k -r 20k -e 'GET key:{key}'

Peak throughput:
  basalt-bench run --load 100k -P 16 -e 'GET key:{key}'
The highest rate that holds an objective:
  basalt-bench sweep --load 100k -e 'GET key:{key}' --slo 'p99.9<1ms' --from 5k --to 200k
What a snapshot does to readers, as a page to look at:
  basalt-bench run --load 1M -k 1M -d 20s --interval 100ms --at 6s:BGSAVE --html snapshot.html \\
    --class 'readers:rate=10k,poisson:GET key:{key}' --class 'writers:rate=5k,conns=8:SET key:{key} {value}'
What it costs to sync every write:
  basalt-bench compare --load 100k -c 50 -e 'SET key:{key} {value}' \\
    --server 'no=redis-server --port {port} --dir {dir} --save \"\" --appendonly no' \\
    --server 'always=redis-server --port {port} --dir {dir} --save \"\" --appendonly yes --appendfsync always'
Whether acknowledged writes survive kill -9:
  basalt-bench verify --server 'redis-server --port {port} --dir {dir} --appendonly yes --appendfsync always'

docs/BENCHMARKING.md says how to read the figures. Exit codes: 0 all well, 1 an error or (verify) a loss, 2 wrong usage,
3 an invalid run: its figures must not be used.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a workload and reports response times.
    Run(Box<RunArgs>),
    /// Runs a workload at several rates, or searches the highest rate that holds a latency objective.
    Sweep(Box<SweepArgs>),
    /// Runs a workload against several servers in interleaved rounds and compares them.
    Compare(Box<CompareArgs>),
    /// Sends a captured stream of commands with its timing: the output of MONITOR, or an append-only file.
    Replay(Box<ReplayArgs>),
    /// Checks durability: writes, kills the server again and again, and looks for losses.
    Verify(Box<VerifyArgs>),
    /// Makes one page of the JSON files of earlier runs, sweeps and comparisons.
    Report(ReportArgs),
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    workload: WorkloadArgs,
    #[command(flatten)]
    measure: MeasureArgs,
    #[command(flatten)]
    files: RunFiles,
    #[command(flatten)]
    output: OutputArgs,
}

/// Files that only a single run can fill.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct RunFiles {
    /// Write the time line as CSV.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the percentile curve of response times for HdrHistogram's plotters, one file per class.
    #[arg(long, value_name = "FILE")]
    hgrm: Option<PathBuf>,
    /// Write an HdrHistogram interval log, the histograms of each step of the time line, a tag for each class.
    #[arg(long, value_name = "FILE")]
    hlog: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct SweepArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    workload: WorkloadArgs,
    /// Rates to run, one after the other: 10k,20k,50k.
    #[arg(long, value_delimiter = ',', value_parser = parse_count, value_name = "LIST", required_unless_present = "slo")]
    rates: Vec<f64>,
    /// Search the highest rate that holds this response time: 'p99.9<1ms'. Starts at --from, doubles until it is missed,
    /// then halves the interval until it is within 5%.
    #[arg(long, value_name = "OBJECTIVE", conflicts_with = "rates")]
    slo: Option<Objective>,
    /// Where the search begins.
    #[arg(long, default_value = "1k", value_parser = parse_count, value_name = "RATE")]
    from: f64,
    /// Where the search ends at the latest.
    #[arg(long, default_value = "1M", value_parser = parse_count, value_name = "RATE")]
    to: f64,
    /// The class whose rate is varied; the first one if not given. Others keep their pace.
    #[arg(long, value_name = "CLASS")]
    vary: Option<String>,
    #[command(flatten)]
    measure: MeasureArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct CompareArgs {
    /// A server to compare, at least twice: NAME=ADDRESS, or NAME=COMMAND that starts it afresh for each round, with {port}
    /// and {dir} filled in (prefix it with taskset to pin it). The first is what the others are compared with.
    #[arg(long = "server", value_name = "NAME=...", required = true)]
    servers: Vec<Candidate>,
    /// Rounds; in each every server runs once, in an order drawn anew. A 95% interval needs at least 6.
    #[arg(short = 'R', long, default_value_t = 7, value_name = "N")]
    rounds: usize,
    #[command(flatten)]
    login: LoginArgs,
    #[command(flatten)]
    workload: WorkloadArgs,
    #[command(flatten)]
    measure: MeasureArgs,
    /// How long a server may take to start.
    #[arg(long, default_value = "60s", value_parser = parse_duration, value_name = "TIME")]
    patience: Duration,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct ReplayArgs {
    /// The capture: what `redis-cli MONITOR` printed, or an append-only file of Redis or Valkey.
    file: PathBuf,
    #[command(flatten)]
    target: TargetArgs,
    /// How many times as fast as it was captured; max sends when the last request was answered.
    #[arg(long, default_value = "1", value_parser = parse_speed, value_name = "FACTOR")]
    speed: Speed,
    /// Connections at most; each client of a MONITOR capture has one of its own if there are enough.
    #[arg(short = 'c', long, default_value_t = 1000, value_name = "N")]
    connections: usize,
    /// With --speed max: requests under way on each connection.
    #[arg(short = 'P', long, default_value_t = 1, value_name = "DEPTH")]
    pipeline: usize,
    #[command(flatten)]
    measure: MeasureArgs,
    #[command(flatten)]
    files: RunFiles,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Speed {
    Times(f64),
    Max,
}

fn parse_speed(text: &str) -> Result<Speed, String> {
    match (text, text.trim_end_matches('x').parse::<f64>()) {
        ("max", _) => Ok(Speed::Max),
        (_, Ok(factor)) if factor > 0.0 && factor.is_finite() => Ok(Speed::Times(factor)),
        _ => Err(format!("\"{text}\" is no speed: write 1, 0.5, 10 or max")),
    }
}

#[derive(Debug, Args)]
struct ReportArgs {
    /// JSON files that run, sweep, compare or replay wrote; TITLE=FILE gives a file's part a title.
    #[arg(required = true, value_name = "[TITLE=]FILE")]
    files: Vec<String>,
    /// Where to write the page.
    #[arg(short = 'o', long, value_name = "FILE")]
    html: PathBuf,
    /// Title of the page.
    #[arg(long, default_value = "Latency report", value_name = "TEXT")]
    title: String,
    /// A text under the title: what was measured, and on what. A blank line begins a new paragraph.
    #[arg(long, default_value = "", value_name = "TEXT")]
    text: String,
}

/// Exit code of a run whose figures must not be used.
const EXIT_INVALID: u8 = 3;

/// Runs the program. Exit codes: 0 all well, 1 an error (verify: losses), 2 wrong usage, 3 an invalid run.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Run(args) => run_command(&args),
        Command::Verify(args) => {
            verify(&args, &stop_on_interrupt()).map(|clean| if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Sweep(args) => sweep_command(&args),
        Command::Compare(args) => compare_command(&args),
        Command::Replay(args) => replay_command(&args),
        Command::Report(args) => report_command(&args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("basalt-bench: {error}");
        match error {
            BenchError::Workload(_) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    })
}

fn run_command(args: &RunArgs) -> Result<ExitCode, BenchError> {
    let (target, seed, stop) = (args.target.target()?, args.workload.seed(), stop_on_interrupt());
    let classes = args.workload.classes()?;
    if let Some(load) = args.workload.load()? {
        load.run(&target, seed, &stop)?;
    }
    let measured = run(&args.measure.plan(target, classes, seed, stop))?;
    finish_run(measured, &args.files, &args.output)
}

/// Shows and writes a run, whatever became of it.
fn finish_run(measured: Measured, files: &RunFiles, output: &OutputArgs) -> Result<ExitCode, BenchError> {
    if !output.quiet {
        print!("{}", measured.report.table());
    }
    if let Some(path) = &files.csv {
        export::csv(path, &measured.report)?;
    }
    if let Some(path) = &files.hgrm {
        export::hgrm(path, &measured)?;
    }
    if let Some(path) = &files.hlog {
        export::interval_log(path, &measured)?;
    }
    let (lost, valid) = (measured.lost, measured.report.invalid.is_empty());
    write(output, Document::Run(measured.report))?;
    match lost {
        Some((count, reason)) if !valid => {
            eprintln!("basalt-bench: {count} connections were lost: {reason}");
            Ok(ExitCode::FAILURE)
        }
        _ => Ok(if valid { ExitCode::SUCCESS } else { ExitCode::from(EXIT_INVALID) }),
    }
}

fn write(output: &OutputArgs, document: Document) -> Result<(), BenchError> {
    if let Some(path) = &output.json {
        export::json(path, &document)?;
    }
    if let Some(path) = &output.html {
        let title = output.title.clone().unwrap_or_else(|| document.title());
        export::write(path, &html::page(&title, "", &[(String::new(), document)]))?;
    }
    Ok(())
}

fn sweep_command(args: &SweepArgs) -> Result<ExitCode, BenchError> {
    let (target, classes, seed) = (args.target.target()?, args.workload.classes()?, args.workload.seed());
    let stop = stop_on_interrupt();
    let vary = match &args.vary {
        None => 0,
        Some(name) => classes
            .iter()
            .position(|class| class.name == *name)
            .ok_or_else(|| BenchError::workload(format!("--vary: there is no class {name}")))?,
    };
    if let Some(load) = args.workload.load()? {
        load.run(&target, seed, &stop)?;
    }
    let plan = args.measure.plan(target, classes, seed, stop);
    let mut sweep = Sweep::new(plan, vary, args.workload.arrivals(), args.slo);
    // The steps that were measured are shown and written also when a later one fails.
    let outcome = match args.slo {
        None => sweep.rates(&args.rates),
        Some(_) => sweep.search(args.from, args.to),
    };
    let report = sweep.into_report();
    if !args.output.quiet {
        print!("{}", report.table());
    }
    if !report.steps.is_empty() {
        write(&args.output, Document::Sweep(report))?;
    }
    outcome.map(|()| ExitCode::SUCCESS)
}

fn compare_command(args: &CompareArgs) -> Result<ExitCode, BenchError> {
    compare::check(&args.servers)?;
    // The address is replaced for each server.
    let target = args.login.target(Address::Tcp(String::new()))?;
    let (classes, load) = (args.workload.classes()?, args.workload.load()?);
    let plan = args.measure.plan(target, classes, args.workload.seed(), stop_on_interrupt());
    let candidates = args.servers.clone();
    let report =
        compare::compare(&Comparison { candidates, rounds: args.rounds, plan, load, patience: args.patience })?;
    if !args.output.quiet {
        print!("{}", report.table());
    }
    let (valid, early) = (report.invalid.is_empty(), report.ended_early.clone());
    write(&args.output, Document::Compare(report))?;
    Ok(match early {
        Some(reason) => {
            eprintln!("basalt-bench: {reason}");
            ExitCode::FAILURE
        }
        None if valid => ExitCode::SUCCESS,
        None => ExitCode::from(EXIT_INVALID),
    })
}

fn replay_command(args: &ReplayArgs) -> Result<ExitCode, BenchError> {
    let recording = Recording::read(&args.file, args.connections)?;
    let left_out: Vec<String> = recording.left_out.iter().map(|(name, n)| format!("{n} {name}")).collect();
    if !left_out.is_empty() {
        eprintln!("left out: {}", left_out.join(", "));
    }
    let speed = match args.speed {
        Speed::Max => None,
        Speed::Times(_) if !recording.timed => {
            return Err(BenchError::workload(format!(
                "{} does not say when its commands were sent (aof-timestamp-enabled was off): give --speed max",
                args.file.display()
            )));
        }
        Speed::Times(factor) => Some(factor),
    };
    let length = Duration::from_nanos(recording.length_ns()).div_f64(speed.unwrap_or(1.0));
    eprintln!(
        "{} requests on {} connections, captured over {}",
        grouped(recording.entries().len() as f64),
        recording.connections,
        nanos(recording.length_ns())
    );
    let class: Class = Class::replay(Arc::new(recording), speed, args.pipeline.max(1));
    let mut measure = args.measure.clone();
    // The window holds the last request, which is intended at its very end. As fast as possible, the requests end it.
    let whole = if speed.is_some() { length + Duration::from_millis(1) } else { Duration::from_secs(86_400) };
    measure.duration = Some(measure.duration.map_or(whole, |duration| duration.min(whole)));
    measure.warmup = Some(measure.warmup.unwrap_or_default());
    let plan = measure.plan(args.target.target()?, vec![Arc::new(class)], 0, stop_on_interrupt());
    finish_run(run(&plan)?, &args.files, &args.output)
}

fn report_command(args: &ReportArgs) -> Result<ExitCode, BenchError> {
    let mut parts = Vec::new();
    for given in &args.files {
        let (title, path) = given.split_once('=').unwrap_or(("", given));
        parts.push((title.to_string(), Document::read(path.as_ref())?));
    }
    export::write(&args.html, &html::page(&args.title, &args.text, &parts))?;
    Ok(ExitCode::SUCCESS)
}

/// Raised by the first Ctrl-C; a second one ends the program.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A flag that Ctrl-C raises, so that what was measured until then is still reported.
fn stop_on_interrupt() -> Arc<AtomicBool> {
    extern "C" fn on_interrupt(_: libc::c_int) {
        INTERRUPTED.store(true, Ordering::Relaxed);
    }
    // SAFETY: the handler only stores to an atomic, which is allowed in a signal handler; zeroes are a valid sigaction.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_interrupt as extern "C" fn(libc::c_int) as usize;
        action.sa_flags = libc::SA_RESETHAND | libc::SA_RESTART;
        libc::sigaction(libc::SIGINT, &action, std::ptr::null_mut());
    }
    let stop = Arc::new(AtomicBool::new(false));
    let raise = stop.clone();
    std::thread::spawn(move || {
        while !INTERRUPTED.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(50));
        }
        raise.store(true, Ordering::Relaxed);
    });
    stop
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn speeds_are_read_and_typos_named() {
        assert_eq!(parse_speed("max"), Ok(Speed::Max));
        assert_eq!(parse_speed("0.5"), Ok(Speed::Times(0.5)));
        assert_eq!(parse_speed("10x"), Ok(Speed::Times(10.0)));
        assert!(parse_speed("0").is_err() && parse_speed("fast").is_err());
    }
}
