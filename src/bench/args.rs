//! What is common to the commands of `basalt-bench`: the server, the workload, how to measure, where to write.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Args;

use super::client::{Address, Target};
use super::error::BenchError;
use super::keys::Law;
use super::load::Load;
use super::rng;
use super::run::Plan;
use super::schedule::{Arrivals, Rate};
use super::sizes::Sizes;
use super::tls::TlsArgs;
use super::units::{parse_duration, parse_whole};
use super::workload::{Class, Defaults};

/// Where the server is.
#[derive(Clone, Debug, Args)]
pub struct TargetArgs {
    /// The server: host:port, a port on 127.0.0.1, or the path of a unix socket.
    #[arg(short = 's', long, default_value = "127.0.0.1:6379", value_name = "ADDRESS")]
    server: Address,
    #[command(flatten)]
    login: LoginArgs,
}

impl TargetArgs {
    /// The server that is meant.
    pub fn target(&self) -> Result<Target, BenchError> {
        self.login.target(self.server.clone())
    }
}

/// How to speak to it.
#[derive(Clone, Debug, Args)]
pub struct LoginArgs {
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
    /// The server is a cluster: ask it for its slots, keep a connection to each node for every client, and send each
    /// request to the node (or, of Basalt, the core) that has its first key.
    #[arg(long)]
    cluster: bool,
    #[command(flatten)]
    tls: TlsArgs,
}

impl LoginArgs {
    /// The server at `address`.
    pub fn target(&self, address: Address) -> Result<Target, BenchError> {
        Ok(Target {
            user: self.user.clone(),
            password: self.password.clone(),
            database: self.db,
            resp3: self.resp3,
            tls: self.tls.read()?,
            cluster: self.cluster,
            ..Target::new(address)
        })
    }
}

/// What to send; a class takes from here what its own settings leave open.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Workload")]
pub struct WorkloadArgs {
    /// Commands, one class of clients: 'GET key:{key}', or a mix '90% GET key:{key} | 10% SET key:{key} {value}'.
    /// Placeholders: {key} {key:12} {newkey} {same} {value} {value:64} {value:10-4kb} {int:1-100} {range} {seq} {field:10}
    /// {ttl:10-60} {ttl:exp(30)}; {{ and }} are literal braces. Commands with ' ; ' between them are one operation, each
    /// sent when the one before was answered: 'GET key:{key} ; SET key:{same} {value}'.
    #[arg(short = 'e', long = "command", value_name = "COMMANDS", conflicts_with = "workload")]
    commands: Option<String>,
    /// A workload by name: ycsb-a (half reads, half updates), ycsb-b (95% reads), ycsb-c (reads), ycsb-d (reads of the
    /// latest, 5% inserts), ycsb-e (scans, 5% inserts), ycsb-f (half reads, half read-modify-writes). Load the keys first
    /// (--load).
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
    /// Open loop: requests per second (20k), a ramp (10k..50k) or steps (10k/20k/50k) over the measured time. Without it
    /// a closed loop: each connection sends when it was answered.
    #[arg(short = 'r', long, value_name = "N")]
    rate: Option<Rate>,
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
    /// Size of {value}: 64, a range 10-4kb, zipf(10-4kb,THETA), hist(64=50,1kb=40,16kb=10), or hist(@FILE) with a size and
    /// a weight on each line.
    #[arg(long, default_value = "64", value_name = "SIZE")]
    value: Sizes,
    /// Stop after this many requests per class.
    #[arg(short = 'n', long, value_parser = parse_whole, value_name = "N")]
    requests: Option<u64>,
    /// Names the request stream: the same seed sends the same requests. Drawn at random if not given.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// First fill this many keys, with a progress bar; every write must be acknowledged, and a sample is read back.
    #[arg(long, value_parser = parse_whole, value_name = "N")]
    load: Option<u64>,
    /// What fills them; {seq} counts from 0. If not given: what the workload by name needs, or SET key:{seq} {value}.
    #[arg(long, value_name = "COMMAND")]
    load_command: Option<String>,
}

impl WorkloadArgs {
    fn defaults(&self) -> Defaults {
        Defaults {
            connections: self.connections,
            rate: self.rate.clone(),
            arrivals: self.arrivals,
            depth: self.pipeline,
            keys: self.keys,
            law: self.dist,
            value: self.value.clone(),
            requests: self.requests,
        }
    }

    /// The load phase, if there is to be one.
    pub fn load(&self) -> Result<Option<Load>, BenchError> {
        let Some(keys) = self.load else { return Ok(None) };
        let named = self.workload.as_ref().map(|name| self.defaults().named(name)).transpose()?;
        let usual = named.map_or("SET key:{seq} {value}", |(_, load)| load);
        let command = self.load_command.clone().unwrap_or_else(|| usual.to_string());
        Ok(Some(Load { keys, command, value: self.value.clone() }))
    }

    /// How a class of a closed or open loop varies its rate in a sweep.
    pub fn arrivals(&self) -> Arrivals {
        self.arrivals
    }

    /// The classes of clients.
    pub fn classes(&self) -> Result<Vec<Arc<Class>>, BenchError> {
        let defaults = self.defaults();
        let classes: Vec<Class> = match (&self.commands, &self.workload) {
            (Some(mix), _) => vec![defaults.class("all", mix)?],
            (None, Some(name)) => vec![defaults.named(name)?.0],
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

    /// The seed that was given, or one of the moment.
    pub fn seed(&self) -> u64 {
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
pub struct MeasureArgs {
    /// How long to measure. [default: 10s; of a capture, to its end]
    #[arg(short = 'd', long, value_parser = parse_duration, value_name = "TIME")]
    pub duration: Option<Duration>,
    /// How long to run before measuring. [default: 1s; of a capture, 0s]
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    pub warmup: Option<Duration>,
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
    /// Make a broken connection anew after this pause, again and again; requests that fall due meanwhile wait. Without it
    /// a broken connection stays broken, and the run is invalid.
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    reconnect: Option<Duration>,
    /// The server's process, to account CPU and memory; found by INFO if the server is local.
    #[arg(long, value_name = "PID")]
    pid: Option<i32>,
}

fn parse_at(text: &str) -> Result<(Duration, String), String> {
    let (time, command) = text.split_once(':').ok_or("write TIME:COMMAND, such as 5s:BGSAVE")?;
    Ok((parse_duration(time)?, command.to_string()))
}

impl MeasureArgs {
    /// The run that is meant.
    pub fn plan(&self, target: Target, classes: Vec<Arc<Class>>, seed: u64, stop: Arc<AtomicBool>) -> Plan {
        Plan {
            target,
            classes,
            threads: self.threads.max(1),
            cpus: self.cpus.clone(),
            warmup: self.warmup.unwrap_or(Duration::from_secs(1)),
            duration: self.duration.unwrap_or(Duration::from_secs(10)),
            drain: self.drain,
            interval: self.interval,
            seed,
            late_limit: self.late_limit,
            poll: Some(self.poll),
            pid: self.pid,
            at: self.at.clone(),
            reconnect: self.reconnect,
            progress: true,
            stop,
        }
    }
}

/// Where to write.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Write everything as JSON; `basalt-bench report` makes pages of it later.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a page with charts and tables: one file, no scripts, nothing loaded from elsewhere.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Title of the page.
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// No table.
    #[arg(short = 'q', long)]
    pub quiet: bool,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Given {
        #[command(flatten)]
        workload: WorkloadArgs,
    }

    fn given(words: &[&str]) -> WorkloadArgs {
        Given::parse_from([&["run"], words].concat()).workload
    }

    #[test]
    fn a_run_without_commands_says_what_to_give() {
        assert!(given(&[]).classes().unwrap_err().to_string().contains("--class"));
        let twice = given(&["--class", "a:rate=1:PING", "--class", "a::PING"]);
        assert!(twice.classes().unwrap_err().to_string().contains("two classes"));
    }

    #[test]
    fn a_workload_by_name_is_loaded_with_what_it_needs() {
        let load = given(&["-w", "ycsb-e", "--load", "1k"]).load().unwrap().unwrap();
        assert!(load.command.contains("ZADD"));
        let own = given(&["-w", "ycsb-e", "--load", "1k", "--load-command", "PING"]).load().unwrap().unwrap();
        assert_eq!((own.command.as_str(), own.keys), ("PING", 1000));
    }
}
