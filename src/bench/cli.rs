//! The command line of `basalt-bench`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::client::{Address, Target};
use super::compare::{self, Candidate, Comparison};
use super::error::BenchError;
use super::keys::Law;
use super::load;
use super::run::{Measured, Plan, run};
use super::schedule::Arrivals;
use super::sweep::{Objective, Sweep};
use super::template::Sizes;
use super::units::{parse_count, parse_duration, parse_whole};
use super::verify::{VerifyArgs, verify};
use super::workload::{Class, Defaults};
use super::{export, rng};

/// Measures the latency of any RESP server, and tells the truth about it.
///
/// Requests of an open loop (--rate) leave at their intended times whatever the server does, and their response time
/// counts from there: a pause of the server shows. docs/BENCHMARKING.md has recipes.
#[derive(Debug, Parser)]
#[command(name = "basalt-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a workload and reports response times.
    Run(Box<RunArgs>),
    /// Runs a workload at several rates, or searches the highest rate that holds a latency objective.
    Sweep(Box<SweepArgs>),
    /// Checks durability: writes, kills the server again and again, and looks for losses.
    Verify(Box<VerifyArgs>),
    /// Runs a workload against several servers in interleaved rounds and compares them.
    Compare(Box<CompareArgs>),
}

/// Where the server is.
#[derive(Clone, Debug, Args)]
struct TargetArgs {
    /// The server: host:port, a port on 127.0.0.1, or the path of a unix socket.
    #[arg(short = 's', long, default_value = "127.0.0.1:6379", value_name = "ADDRESS")]
    server: Address,
    /// User for AUTH.
    #[arg(long, requires = "password", value_name = "NAME")]
    user: Option<String>,
    /// Password for AUTH.
    #[arg(short = 'a', long, env = "BASALT_BENCH_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    password: Option<String>,
    /// Database to SELECT.
    #[arg(long, default_value_t = 0, value_name = "N")]
    db: u32,
    /// Speak RESP3 (HELLO 3).
    #[arg(long)]
    resp3: bool,
}

impl TargetArgs {
    fn target(&self) -> Target {
        Target {
            user: self.user.clone(),
            password: self.password.clone(),
            database: self.db,
            resp3: self.resp3,
            ..Target::new(self.server.clone())
        }
    }
}

/// What to send; a class takes from here what its own settings leave open.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Workload")]
pub(super) struct WorkloadArgs {
    /// Commands, one class of clients: 'GET key:{key}', or a mix '90% GET key:{key} | 10% SET key:{key} {value}'.
    /// Placeholders: {key} {key:12} {newkey} {value} {value:64} {value:10-4kb} {int:1-100} {seq} {field:10}; {{ and }}
    /// are literal braces.
    #[arg(short = 'e', long = "command", value_name = "COMMANDS", conflicts_with = "workload")]
    commands: Option<String>,
    /// A workload by name: ycsb-a (half reads, half updates), ycsb-b (95% reads), ycsb-c (reads), ycsb-d (reads of the
    /// latest, 5% inserts). Load the keys first (--load).
    #[arg(short = 'w', long, value_name = "NAME")]
    workload: Option<String>,
    /// A class of clients, reported apart; may be given several times. NAME:SETTINGS:COMMANDS, with settings conns=,
    /// rate=, poisson, depth=, keys=, dist=, value=, requests= separated by commas, such as
    /// 'readers:rate=20k,conns=50:GET key:{key}'.
    #[arg(long = "class", value_name = "CLASS", conflicts_with_all = ["commands", "workload"])]
    classes: Vec<String>,
    /// Connections.
    #[arg(short = 'c', long, default_value_t = 50, value_name = "N")]
    connections: usize,
    /// Open loop: requests per second (20k). Without it a closed loop: each connection sends when it was answered.
    #[arg(short = 'r', long, value_parser = parse_count, value_name = "N")]
    rate: Option<f64>,
    /// Open loop: gaps between requests, constant or poisson.
    #[arg(long, default_value = "constant", value_name = "LAW")]
    arrivals: Arrivals,
    /// Closed loop: requests under way on each connection.
    #[arg(short = 'P', long, default_value_t = 1, value_name = "DEPTH", conflicts_with = "rate")]
    pipeline: usize,
    /// Number of keys that {key} draws from.
    #[arg(short = 'k', long, default_value = "100k", value_parser = parse_whole, value_name = "N")]
    keys: u64,
    /// Key distribution: uniform, zipf(THETA), sequential, latest(THETA), hotspot(KEY_SHARE,REQUEST_SHARE),
    /// gaussian(DEVIATION).
    #[arg(long, default_value = "uniform", value_name = "LAW")]
    dist: Law,
    /// Size of {value}, or a range: 64, 10-4kb.
    #[arg(long, default_value = "64", value_name = "SIZE")]
    value: Sizes,
    /// Stop after this many requests per class.
    #[arg(short = 'n', long, value_parser = parse_whole, value_name = "N")]
    requests: Option<u64>,
    /// Names the request stream: the same seed sends the same requests. Drawn at random if not given.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

impl WorkloadArgs {
    fn classes(&self) -> Result<Vec<Arc<Class>>, BenchError> {
        let defaults = Defaults {
            connections: self.connections,
            rate: self.rate,
            arrivals: self.arrivals,
            depth: self.pipeline,
            keys: self.keys,
            law: self.dist,
            value: self.value,
            requests: self.requests,
        };
        let classes: Vec<Class> = match (&self.commands, &self.workload) {
            (Some(mix), _) => vec![defaults.class("all", mix)?],
            (None, Some(name)) => vec![defaults.named(name)?],
            (None, None) if self.classes.is_empty() => {
                return Err(BenchError::workload(
                    "nothing to send: give commands (-e 'GET key:{key}'), a workload (-w ycsb-b) or classes (--class)",
                ));
            }
            (None, None) => self.classes.iter().map(|text| defaults.parse_class(text)).collect::<Result<_, _>>()?,
        };
        for (i, class) in classes.iter().enumerate() {
            if classes[..i].iter().any(|other| other.name == class.name) {
                return Err(BenchError::workload(format!("two classes are called {}", class.name)));
            }
        }
        Ok(classes.into_iter().map(Arc::new).collect())
    }

    fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            // Short enough to be typed again.
            rng::mix(now.map_or(0, |d| d.as_nanos() as u64)) % 1_000_000_000
        })
    }
}

/// How to measure.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Measurement")]
pub(super) struct MeasureArgs {
    /// How long to measure.
    #[arg(short = 'd', long, default_value = "10s", value_parser = parse_duration, value_name = "TIME")]
    duration: Duration,
    /// How long to run before measuring.
    #[arg(long, default_value = "1s", value_parser = parse_duration, value_name = "TIME")]
    warmup: Duration,
    /// How long to wait for replies at the end; what is still unanswered then counts with the time it had waited.
    #[arg(long, default_value = "5s", value_parser = parse_duration, value_name = "TIME")]
    drain: Duration,
    /// Step of the time line.
    #[arg(long, default_value = "1s", value_parser = parse_duration, value_name = "TIME")]
    interval: Duration,
    /// Generator threads.
    #[arg(short = 't', long, default_value_t = 1, value_name = "N")]
    threads: usize,
    /// CPUs to bind the generator threads to, in order: 1,3.
    #[arg(long, value_delimiter = ',', value_name = "LIST")]
    cpus: Vec<usize>,
    /// The run is invalid if the p99.9 of the generator's own lateness is above this.
    #[arg(long, default_value = "1ms", value_parser = parse_duration, value_name = "TIME")]
    late_limit: Duration,
    /// How often to ask the server for its state (INFO persistence); 0 asks only at the start.
    #[arg(long, default_value = "100ms", value_parser = parse_duration, value_name = "TIME")]
    poll: Duration,
    /// Send a command at a time since the start (warm-up included), such as '5s:BGSAVE'. May be given several times.
    #[arg(long, value_parser = parse_at, value_name = "TIME:COMMAND")]
    at: Vec<(Duration, String)>,
    /// The server's process, to account CPU and memory; found by INFO if the server is local.
    #[arg(long, value_name = "PID")]
    pid: Option<i32>,
}

fn parse_at(text: &str) -> Result<(Duration, String), String> {
    let (time, command) = text.split_once(':').ok_or("write TIME:COMMAND, such as 5s:BGSAVE")?;
    Ok((parse_duration(time)?, command.to_string()))
}

impl MeasureArgs {
    fn plan(&self, target: Target, classes: Vec<Arc<Class>>, seed: u64, stop: Arc<AtomicBool>) -> Plan {
        Plan {
            target,
            classes,
            threads: self.threads.max(1),
            cpus: self.cpus.clone(),
            warmup: self.warmup,
            duration: self.duration,
            drain: self.drain,
            interval: self.interval,
            seed,
            late_limit: self.late_limit,
            poll: Some(self.poll),
            pid: self.pid,
            at: self.at.clone(),
            progress: true,
            stop,
        }
    }
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    workload: WorkloadArgs,
    /// First fill this many keys (see --load-command) and check that every write was acknowledged.
    #[arg(long, value_parser = parse_whole, value_name = "N", help_heading = "Workload")]
    load: Option<u64>,
    /// What fills them; {seq} counts from 0.
    #[arg(long, default_value = "SET key:{seq} {value}", value_name = "COMMAND", help_heading = "Workload")]
    load_command: String,
    #[command(flatten)]
    measure: MeasureArgs,
    /// Write everything as JSON.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
    /// Write the time line as CSV.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    csv: Option<PathBuf>,
    /// Write the percentile curve of response times for HdrHistogram's plotters, one file per class.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    hgrm: Option<PathBuf>,
    /// No table.
    #[arg(short = 'q', long, help_heading = "Output")]
    quiet: bool,
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
    #[arg(long, value_name = "NAME")]
    vary: Option<String>,
    #[command(flatten)]
    measure: MeasureArgs,
    /// Write every run as JSON.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct CompareArgs {
    /// A server, at least twice: NAME=ADDRESS, or NAME=COMMAND that starts it, with {port} and {dir} filled in (prefix it
    /// with taskset to pin it). The first is what the others are compared with.
    #[arg(long = "server", value_name = "NAME=...", required = true)]
    servers: Vec<Candidate>,
    /// Rounds; each runs every server once. A 95% interval needs at least 6.
    #[arg(short = 'R', long, default_value_t = 7, value_name = "N")]
    rounds: usize,
    /// Password for AUTH, the same for all.
    #[arg(short = 'a', long, env = "BASALT_BENCH_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    password: Option<String>,
    #[command(flatten)]
    workload: WorkloadArgs,
    /// Before each run, fill this many keys.
    #[arg(long, value_parser = parse_whole, value_name = "N", help_heading = "Workload")]
    load: Option<u64>,
    /// What fills them; {seq} counts from 0.
    #[arg(long, default_value = "SET key:{seq} {value}", value_name = "COMMAND", help_heading = "Workload")]
    load_command: String,
    #[command(flatten)]
    measure: MeasureArgs,
    /// How long a server may take to start.
    #[arg(long, default_value = "60s", value_parser = parse_duration, value_name = "TIME")]
    patience: Duration,
    /// Write everything, every run included, as JSON.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
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
    let (target, seed, stop) = (args.target.target(), args.workload.seed(), stop_on_interrupt());
    let classes = args.workload.classes()?;
    if let Some(keys) = args.load {
        load::load(&target, keys, &args.load_command, args.workload.value, seed, &stop)?;
    }
    let measured = run(&args.measure.plan(target, classes, seed, stop))?;
    if !args.quiet {
        print!("{}", measured.report.table());
    }
    write_files(args, &measured)?;
    if measured.lost.is_some() {
        return Ok(ExitCode::FAILURE);
    }
    Ok(if measured.report.invalid.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_INVALID) })
}

fn sweep_command(args: &SweepArgs) -> Result<ExitCode, BenchError> {
    let classes = args.workload.classes()?;
    let plan = args.measure.plan(args.target.target(), classes, args.workload.seed(), stop_on_interrupt());
    let vary = match &args.vary {
        None => 0,
        Some(name) => plan
            .classes
            .iter()
            .position(|class| class.name == *name)
            .ok_or_else(|| BenchError::workload(format!("--vary: there is no class {name}")))?,
    };
    let mut sweep = Sweep::new(plan, vary, args.workload.arrivals, args.slo);
    // The steps that were measured are shown and written also when a later one fails.
    let outcome = match args.slo {
        None => sweep.rates(&args.rates),
        Some(_) => sweep.search(args.from, args.to),
    };
    print!("{}", sweep.table());
    if let Some(path) = &args.json {
        export::json(path, &sweep.reports())?;
    }
    outcome.map(|()| ExitCode::SUCCESS)
}

fn compare_command(args: &CompareArgs) -> Result<ExitCode, BenchError> {
    compare::check(&args.servers)?;
    // The address is replaced for each server.
    let target = Target { password: args.password.clone(), ..Target::new(Address::Tcp(String::new())) };
    let classes = args.workload.classes()?;
    let plan = args.measure.plan(target, classes, args.workload.seed(), stop_on_interrupt());
    let load = args.load.map(|keys| (keys, args.load_command.clone(), args.workload.value));
    let candidates = args.servers.clone();
    let report =
        compare::compare(&Comparison { candidates, rounds: args.rounds, plan, load, patience: args.patience })?;
    print!("{}", report.table());
    if let Some(path) = &args.json {
        export::json(path, &report)?;
    }
    Ok(if report.invalid.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_INVALID) })
}

fn write_files(args: &RunArgs, measured: &Measured) -> Result<(), BenchError> {
    if let Some(path) = &args.json {
        export::json(path, &measured.report)?;
    }
    if let Some(path) = &args.csv {
        export::csv(path, &measured.report)?;
    }
    if let Some(path) = &args.hgrm {
        export::hgrm(path, measured)?;
    }
    Ok(())
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

    fn run_args(words: &[&str]) -> RunArgs {
        match Cli::parse_from(words).command {
            Command::Run(args) => *args,
            other => panic!("not a run: {other:?}"),
        }
    }

    #[test]
    fn a_run_without_commands_says_what_to_give() {
        let args = run_args(&["basalt-bench", "run"]);
        assert!(args.workload.classes().unwrap_err().to_string().contains("--class"));
        let words = ["basalt-bench", "run", "--class", "a:rate=1:PING", "--class", "a::PING"];
        let args = run_args(&words);
        assert!(args.workload.classes().unwrap_err().to_string().contains("two classes"));
    }
}
