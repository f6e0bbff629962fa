//! The durability check: writes, kills the server, starts it again, and proves that nothing acknowledged is missing,
//! nothing is invented and nothing is half there, and that what is there is a prefix of what happened.
//!
//! `kill -9` takes the process, not the machine: what the kernel holds in its page cache survives. A server that never
//! syncs can pass; losing power is for simulated disks. What this finds are acknowledgements before the write reached
//! the kernel, recovery that drops or tears writes, and transactions cut in half.

mod model;
mod sequence;
mod writer;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use super::client::{Address, Client, Target, Value};
use super::error::BenchError;
use super::rng::Rng;
use super::server::{Server, ServerCommand, free_port, remove_dir};
use super::units::{grouped, parse_duration};
use model::{ACCOUNTS, Fault, OPENING, RECEIPTS, Seen, Violation};
use sequence::Sequence;
use writer::{TOTAL, Writer, account};

/// What to check and how hard.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// Starts the server; {port} and {dir} are filled in, such as
    /// 'redis-server --port {port} --dir {dir} --appendonly yes --appendfsync always'.
    #[arg(long, value_name = "COMMAND", required_unless_present = "attach")]
    server: Option<ServerCommand>,
    /// Instead, check a server that runs already: it is not killed here; restart it while the check runs.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "server")]
    attach: Option<Address>,
    /// Password for AUTH, with --attach.
    #[arg(short = 'a', long, env = "BASALT_BENCH_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    password: Option<String>,
    /// How often to kill it.
    #[arg(short = 'n', long, default_value_t = 10, value_name = "N")]
    rounds: u32,
    /// Writing connections.
    #[arg(short = 'c', long, default_value_t = 6, value_name = "N")]
    writers: usize,
    /// Requests under way on each writing connection.
    #[arg(short = 'P', long, default_value_t = 4, value_name = "DEPTH")]
    pipeline: usize,
    /// Reading connections: what they saw must not vanish either.
    #[arg(long, default_value_t = 2, value_name = "N")]
    readers: usize,
    /// The shortest time to write before a kill.
    #[arg(long, default_value = "100ms", value_parser = parse_duration, value_name = "TIME")]
    min: Duration,
    /// The longest time to write before a kill; with --attach, the time of each round.
    #[arg(long, default_value = "1500ms", value_parser = parse_duration, value_name = "TIME")]
    max: Duration,
    /// Also kill the server while it starts, in about every third round.
    #[arg(long)]
    kill_while_starting: bool,
    /// Send this command at a random moment of each round, such as BGREWRITEAOF; of several, one each.
    #[arg(long, value_name = "COMMAND")]
    during: Vec<String>,
    /// How long the server may take to start; with --attach, to come back.
    #[arg(long, default_value = "60s", value_parser = parse_duration, value_name = "TIME")]
    patience: Duration,
    /// Where the server keeps its files; a new directory in the system's temporary one if not given. Must be empty.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Names the requests and the moments of the kills (the timing between processes stays random).
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Violations listed in full.
const LISTED: usize = 40;

/// Runs the check. True if nothing was amiss.
pub fn verify(args: &VerifyArgs, stop: &Arc<AtomicBool>) -> Result<bool, BenchError> {
    let seed = args.seed.unwrap_or_else(|| u64::from(std::process::id()) ^ super::rng::mix(now_ns()) >> 40);
    if args.writers == 0 || args.pipeline == 0 || args.rounds == 0 || args.min > args.max {
        return Err(BenchError::workload("verify needs at least one writer, depth and round, and --min below --max"));
    }
    eprintln!("seed {seed}");
    let mut check = Check::new(args, seed)?;
    let outcome = check.rounds(stop);
    let clean = check.violations.is_empty();
    if let Some(server) = &mut check.server {
        server.kill();
    }
    check.print();
    match (&check.dir, clean && outcome.is_ok()) {
        (Some(dir), true) if args.dir.is_none() => remove_dir(dir),
        (Some(dir), false) => eprintln!("the server's files are kept in {}", dir.display()),
        _ => {}
    }
    outcome.map(|()| clean)
}

fn now_ns() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64)
}

struct Check<'a> {
    args: &'a VerifyArgs,
    seed: u64,
    rng: Rng,
    prefix: String,
    dir: Option<PathBuf>,
    port: u16,
    server: Option<Server>,
    target: Target,
    writers: Vec<Writer>,
    sequence: Sequence,
    seen: Seen,
    violations: Vec<(u32, Violation)>,
    kills: u32,
    progress: AtomicU64,
}

impl<'a> Check<'a> {
    fn new(args: &'a VerifyArgs, seed: u64) -> Result<Self, BenchError> {
        let prefix = format!("verify{}:", seed % 1_000_000);
        let writers = (0..args.writers).map(|i| Writer::new(&prefix, i, seed)).collect();
        let sequence = Sequence::new(&prefix);
        let (dir, port, target) = match &args.attach {
            Some(address) => (None, 0, Target { password: args.password.clone(), ..Target::new(address.clone()) }),
            None => {
                let name = format!("basalt-verify-{}-{seed}", std::process::id());
                let dir = args.dir.clone().unwrap_or_else(|| std::env::temp_dir().join(name));
                ensure_empty(&dir)?;
                let port = free_port()?;
                (Some(dir), port, Target::new(Address::Tcp(format!("127.0.0.1:{port}"))))
            }
        };
        Ok(Check {
            args,
            seed,
            rng: Rng::new(seed, &[u64::MAX]),
            prefix,
            dir,
            port,
            server: None,
            target,
            writers,
            sequence,
            seen: Seen::new(),
            violations: Vec::new(),
            kills: 0,
            progress: AtomicU64::new(0),
        })
    }

    fn rounds(&mut self, stop: &Arc<AtomicBool>) -> Result<(), BenchError> {
        self.start(false)?;
        self.open_accounts()?;
        for round in 1..=self.args.rounds {
            let written = self.write(round, stop);
            let started = Instant::now();
            let kill_first = self.args.kill_while_starting && self.rng.below(3) == 0;
            self.start(kill_first)?;
            let restart = started.elapsed();
            let before = self.violations.len();
            self.check(round)?;
            let found = self.violations.len() - before;
            eprintln!(
                "round {round}/{}: {} requests answered, back after {:.0} ms, {}",
                self.args.rounds,
                grouped(written as f64),
                restart.as_secs_f64() * 1e3,
                if found == 0 { "all there".to_string() } else { format!("{found} VIOLATIONS") }
            );
            // The model of a broken state says nothing more about the next round.
            if found > 0 || stop.load(Ordering::Relaxed) {
                break;
            }
        }
        match (self.violations.is_empty(), self.args.attach.is_some()) {
            (true, false) => self.stop_cleanly(),
            (true, true) => self.remove_keys(),
            // What is wrong stays to be looked at.
            (false, _) => Ok(()),
        }
    }

    /// A server that is not ours gets its keyspace back as it was.
    fn remove_keys(&self) -> Result<(), BenchError> {
        let mut client = Client::connect(&self.target)?;
        for key in self.writers.iter().flat_map(|w| w.keys()).chain(self.sequence.keys().iter().map(String::as_str)) {
            client.call(&["DEL", key])?;
        }
        for index in 0..ACCOUNTS {
            client.call(&["DEL", &account(&self.prefix, index)])?;
        }
        Ok(())
    }

    /// A stop by SIGTERM must lose nothing either.
    fn stop_cleanly(&mut self) -> Result<(), BenchError> {
        if let Some(mut server) = self.server.take() {
            let clean = server.stop(self.args.patience);
            eprintln!("stopped with SIGTERM{}", if clean { "" } else { ", without success" });
        }
        self.start(false)?;
        self.check(self.args.rounds + 1)
    }

    fn start(&mut self, kill_first: bool) -> Result<(), BenchError> {
        let (Some(command), Some(dir)) = (&self.args.server, &self.dir) else { return self.wait_for_attached() };
        if kill_first {
            let mut server = command.start(self.port, dir)?;
            thread::sleep(Duration::from_micros(self.rng.below(60_000)));
            server.kill();
            self.kills += 1;
        }
        let mut server = command.start(self.port, dir)?;
        let ready = server.wait_ready(self.args.patience);
        self.server = Some(server);
        ready
    }

    fn wait_for_attached(&self) -> Result<(), BenchError> {
        let begun = Instant::now();
        loop {
            let answer = Client::connect(&self.target).and_then(|mut client| client.call(&["PING"]));
            match answer {
                Ok(Value::Text(_)) => return Ok(()),
                Err(e @ BenchError::Refused { .. }) => return Err(e),
                other if begun.elapsed() > self.args.patience => {
                    return Err(BenchError::NotReady(match other {
                        Err(e) => e.to_string(),
                        Ok(value) => format!("{value:?}"),
                    }));
                }
                _ => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    fn open_accounts(&self) -> Result<(), BenchError> {
        let mut client = Client::connect(&self.target)?;
        for index in 0..ACCOUNTS {
            let reply = client.call(&["SET", &account(&self.prefix, index), &OPENING.to_string()])?;
            if let Value::Error(reply) = reply {
                return Err(BenchError::Unexpected { command: "SET".into(), reply });
            }
        }
        Ok(())
    }

    /// Writes until the round's kill (or, attached, until its time is over or the server goes away).
    fn write(&mut self, round: u32, stop: &Arc<AtomicBool>) -> u64 {
        let (min, max) = (self.args.min.as_micros() as u64, self.args.max.as_micros() as u64);
        let span = min + self.rng.below(max - min + 1);
        let span = Duration::from_micros(if self.args.attach.is_some() { max } else { span });
        let pause = Duration::from_micros(self.rng.below(span.as_micros() as u64 + 1));
        let during = match self.args.during.len() {
            0 => None,
            n => Some(self.args.during[self.rng.below(n as u64) as usize].clone()),
        };
        let over = AtomicBool::new(false);
        let before = self.progress.load(Ordering::Relaxed);
        let groups: Vec<Vec<String>> =
            self.writers.iter().flat_map(|w| w.groups.iter().map(|g| g.keys.clone())).collect();
        let (target, args, progress, seed) = (&self.target, self.args, &self.progress, self.seed);
        let mut seen: Vec<Seen> = vec![Seen::new(); args.readers];
        let mut found = Vec::new();
        let server = &mut self.server;
        thread::scope(|scope| {
            for writer in &mut self.writers {
                let over = &over;
                scope.spawn(move || writer.run(target, args.pipeline, over, progress));
            }
            let (sequence, sequence_over) = (&mut self.sequence, &over);
            scope.spawn(move || sequence.run(target, sequence_over, progress));
            let readers: Vec<_> = seen
                .iter_mut()
                .enumerate()
                .map(|(i, seen)| {
                    let rng = Rng::new(seed, &[1 << 32, u64::from(round), i as u64]);
                    let (groups, over) = (&groups, &over);
                    scope.spawn(move || writer::read(target, groups, rng, over, seen))
                })
                .collect();
            let begun = Instant::now();
            if let Some(command) = during {
                thread::sleep(pause.min(span));
                let words: Vec<&str> = command.split_whitespace().collect();
                if let Ok(Value::Error(e)) = Client::connect(target).and_then(|mut client| client.call(&words)) {
                    eprintln!("{command}: {e}");
                }
            }
            while begun.elapsed() < span && !stop.load(Ordering::Relaxed) {
                thread::sleep((span - begun.elapsed().min(span)).min(Duration::from_millis(20)));
            }
            // Killed first, told to stop after: replies under way are cut off wherever they are.
            if let Some(server) = server {
                server.kill();
            }
            over.store(true, Ordering::Relaxed);
            found.extend(readers.into_iter().flat_map(|r| r.join().expect("a reader does not panic")));
        });
        self.server = None;
        self.kills += u32::from(self.args.attach.is_none());
        for seen in seen {
            for (key, number) in seen {
                let highest = self.seen.entry(key).or_default();
                *highest = number.max(*highest);
            }
        }
        self.violations.extend(found.into_iter().map(|v| (round, v)));
        for writer in &mut self.writers {
            self.violations.extend(writer.violations.drain(..).map(|v| (round, v)));
        }
        self.progress.load(Ordering::Relaxed) - before
    }

    fn check(&mut self, round: u32) -> Result<(), BenchError> {
        let mut client = Client::connect(&self.target)?;
        let mut found = Vec::new();
        let mut moved = vec![0i64; ACCOUNTS];
        for writer in &mut self.writers {
            for group in &mut writer.groups {
                let words: Vec<&str> = std::iter::once("MGET").chain(group.keys.iter().map(String::as_str)).collect();
                let reply = client.call(&words)?;
                let Value::Array(values) = reply else { return Err(unexpected("MGET", &reply)) };
                let seen = self.seen.get(&group.keys[0]).copied().unwrap_or(0);
                found.extend(group.check(&values, seen).err());
            }
            let value = client.call(&["GET", &writer.counter.key])?;
            found.extend(writer.counter.check(&value).err());
            let receipts = client.call(&["LRANGE", &writer.ledger.key, "0", &RECEIPTS.to_string()])?;
            match writer.ledger.check(&receipts) {
                Ok(happened) => happened.into_iter().for_each(|transfer| writer.book(transfer)),
                Err(violation) => found.push(violation),
            }
            moved.iter_mut().zip(&writer.moved).for_each(|(all, one)| *all += one);
        }
        let words: Vec<&str> = std::iter::once("MGET").chain(self.sequence.keys().iter().map(String::as_str)).collect();
        let reply = client.call(&words)?;
        let Value::Array(values) = reply else { return Err(unexpected("MGET", &reply)) };
        found.extend(self.sequence.check(&values).err());
        self.check_balances(&mut client, &moved, &mut found)?;
        self.check_keys(&mut client, &mut found)?;
        self.violations.extend(found.into_iter().map(|v| (round, v)));
        Ok(())
    }

    fn check_balances(&self, client: &mut Client, moved: &[i64], found: &mut Vec<Violation>) -> Result<(), BenchError> {
        let mut sum = 0;
        for (index, moved) in moved.iter().enumerate() {
            let key = account(&self.prefix, index);
            let value = client.call(&["GET", &key])?;
            let (balance, expected) = (value.number().unwrap_or(0), OPENING + moved);
            sum += balance;
            if balance != expected {
                let detail = format!("{key} holds {balance}, by the receipts {expected}");
                found.push(Violation { fault: Fault::Sum, detail });
            }
        }
        if sum != TOTAL {
            let detail = format!("all accounts hold {sum}, not {TOTAL}");
            found.push(Violation { fault: Fault::Sum, detail });
        }
        Ok(())
    }

    /// No key that nobody wrote. In a server of our own that means all keys; elsewhere those with our prefix.
    fn check_keys(&self, client: &mut Client, found: &mut Vec<Violation>) -> Result<(), BenchError> {
        let accounts: Vec<String> = (0..ACCOUNTS).map(|i| account(&self.prefix, i)).collect();
        let others = accounts.iter().chain(self.sequence.keys()).map(String::as_str);
        let known: BTreeSet<&str> = self.writers.iter().flat_map(|w| w.keys()).chain(others).collect();
        let pattern = if self.args.attach.is_some() { format!("{}*", self.prefix) } else { "*".to_string() };
        let mut cursor = "0".to_string();
        loop {
            let reply = client.call(&["SCAN", &cursor, "MATCH", &pattern, "COUNT", "1000"])?;
            let Value::Array(parts) = &reply else { return Err(unexpected("SCAN", &reply)) };
            let [next, Value::Array(keys)] = parts.as_slice() else { return Err(unexpected("SCAN", &reply)) };
            for key in keys.iter().filter_map(Value::text) {
                if !known.contains(key.as_str()) {
                    found.push(Violation { fault: Fault::Invented, detail: format!("the key {key:?}") });
                }
            }
            cursor = next.text().unwrap_or_default();
            if cursor == "0" || cursor.is_empty() {
                return Ok(());
            }
        }
    }

    fn print(&self) {
        let acked: u64 = self.writers.iter().map(|w| w.acked).sum();
        let seen = self.seen.len();
        println!(
            "{} writes acknowledged by {} connections, {} kills, {seen} groups also watched by readers",
            grouped(acked as f64),
            self.writers.len(),
            self.kills
        );
        let mut errors = std::collections::BTreeMap::<&str, u64>::new();
        for (kind, count) in self.writers.iter().flat_map(|w| &w.errors) {
            *errors.entry(kind).or_default() += count;
        }
        errors.iter().for_each(|(kind, count)| println!("error {kind}: {}", grouped(*count as f64)));
        self.violations.iter().take(LISTED).for_each(|(round, v)| println!("round {round}: {v}"));
        if self.violations.len() > LISTED {
            println!("... and {} more", self.violations.len() - LISTED);
        }
        match self.violations.len() {
            0 => println!("verify: nothing lost, nothing invented, nothing half there; the sum is {TOTAL}"),
            n => println!("verify: FAILED with {n} violations"),
        }
    }
}

fn unexpected(command: &str, reply: &Value) -> BenchError {
    let mut reply = format!("{reply:?}");
    reply.truncate(200);
    BenchError::Unexpected { command: command.to_string(), reply }
}

fn ensure_empty(dir: &Path) -> Result<(), BenchError> {
    match std::fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => {
            Err(BenchError::workload(format!("{} is not empty: the check starts from nothing", dir.display())))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(BenchError::io(format!("cannot read {}", dir.display()), e)),
    }
}
