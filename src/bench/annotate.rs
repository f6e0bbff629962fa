//! What the server did meanwhile: snapshots and rewrites by INFO, CPU and memory of its process, and commands sent at
//! set times. On a connection and a thread of its own, so that a slow INFO delays no request.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::client::{Client, Target, Value, info_field};
use super::error::BenchError;
use super::generator::Clock;
use super::process;
use super::record::Window;
use super::template::words;

/// Something that happened in the server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Annotation {
    /// When it was seen, s since the run's start; up to one poll late.
    pub at_s: f64,
    /// What.
    pub what: String,
}

/// What was seen of the server.
/// The server at one moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Look {
    /// When, s since the run's start.
    pub at_s: f64,
    /// CPU time since the look before / time, forked children included: 1.0 is one core.
    pub cores: Option<f64>,
    /// Resident memory of the process, bytes.
    pub rss_bytes: Option<u64>,
    /// Resident memory of its forked children that they share with nobody, bytes: copies of what was written meanwhile.
    pub child_bytes: Option<u64>,
    /// Numbers of INFO, once a second.
    pub info: BTreeMap<String, f64>,
}

/// What was seen of the server.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ServerReport {
    /// Name and version as INFO tells them.
    pub version: String,
    /// Its process, if it is local.
    pub pid: Option<i32>,
    /// CPU time in the measured window, ns.
    pub cpu_ns: Option<u64>,
    /// CPU time / window: 1.0 is one core.
    pub cores_used: Option<f64>,
    /// CPU time per reply of all classes, ns.
    pub cpu_per_reply_ns: Option<f64>,
    /// Resident memory when the window began, bytes.
    pub rss_start_bytes: Option<u64>,
    /// Largest seen.
    pub rss_max_bytes: Option<u64>,
    /// When the window ended.
    pub rss_end_bytes: Option<u64>,
    /// Growth of counters over the window.
    pub deltas: BTreeMap<String, i64>,
    /// What happened when.
    pub annotations: Vec<Annotation>,
    /// The server over time, a look at each poll.
    pub looks: Vec<Look>,
}

/// INFO fields that tell of work going on.
const STATES: [(&str, &str); 4] = [
    ("rdb_bgsave_in_progress", "BGSAVE"),
    ("aof_rewrite_in_progress", "BGREWRITEAOF"),
    ("aof_rewrite_scheduled", "BGREWRITEAOF scheduled"),
    ("loading", "loading"),
];
/// INFO fields that count.
const COUNTERS: [&str; 8] = [
    "total_commands_processed",
    "expired_keys",
    "evicted_keys",
    "total_forks",
    "aof_delayed_fsync",
    "rdb_saves",
    "aof_rewrites",
    "total_error_replies",
];

/// INFO fields that are kept over time, once a second.
const SAMPLED: [&str; 8] = [
    "used_memory",
    "instantaneous_ops_per_sec",
    "aof_current_size",
    "aof_pending_bio_fsync",
    "aof_delayed_fsync",
    "rdb_changes_since_last_save",
    "current_cow_size",
    "total_net_output_bytes",
];

/// Watches one server during a run.
pub struct Annotator {
    client: Client,
    poll: Duration,
    /// Commands and when to send them, in order of time.
    at: Vec<(Duration, Vec<String>)>,
    report: ServerReport,
    states: BTreeMap<&'static str, String>,
    counters: BTreeMap<&'static str, i64>,
}

impl Annotator {
    /// Connects. `pid` is the server's process if the caller knows it; else INFO is asked if the server is local.
    pub fn new(
        target: &Target,
        pid: Option<i32>,
        poll: Duration,
        at: &[(Duration, String)],
    ) -> Result<Self, BenchError> {
        let mut client = Client::connect(target)?;
        let mut report = ServerReport { pid, ..ServerReport::default() };
        match client.call(&["INFO"])? {
            Value::Text(info) => {
                let info = String::from_utf8_lossy(&info);
                let field = |name| info_field(&info, name);
                let version = [("basalt", "basalt_version"), ("valkey", "valkey_version"), ("redis", "redis_version")];
                if let Some((name, version)) = version.iter().find_map(|(n, f)| Some((n, field(f)?))) {
                    report.version = format!("{name} {version}");
                }
                if pid.is_none() && target.address.is_local() {
                    report.pid = field("process_id").and_then(|p| p.parse().ok());
                }
            }
            Value::Error(e) if e.starts_with("NOAUTH") => {
                return Err(BenchError::Refused {
                    address: target.address.to_string(),
                    command: "INFO",
                    reply: format!("{e} (give a password with -a)"),
                });
            }
            // A server without INFO can be measured all the same.
            _ => {}
        }
        report.pid = report.pid.filter(|&pid| process::cpu_ns(pid).is_some());
        let mut at: Vec<_> = at
            .iter()
            .map(|(when, command)| Ok((*when, words(command).map_err(BenchError::Workload)?)))
            .collect::<Result<_, BenchError>>()?;
        at.sort_by_key(|(when, _)| std::cmp::Reverse(*when));
        let (states, counters) = (BTreeMap::new(), BTreeMap::new());
        Ok(Annotator { client, poll, at, report, states, counters })
    }

    /// Watches until `done` is raised; figures are of `window` on `clock`.
    pub fn watch(self, clock: Clock, window: Window, done: &AtomicBool) -> ServerReport {
        Watch { annotator: self, clock, window, cpu_before: None, switches: None }.run(done)
    }
}

struct Watch {
    annotator: Annotator,
    clock: Clock,
    window: Window,
    /// When the CPU time was last looked at, and what it was.
    cpu_before: Option<(u64, u64)>,
    /// Context switches when the window began.
    switches: Option<(u64, u64)>,
}

impl Watch {
    fn run(mut self, done: &AtomicBool) -> ServerReport {
        let (mut begun, mut over) = (None, false);
        let (mut next_poll, mut next_second) = (0, 0);
        let mut talking = true;
        loop {
            let stop = done.load(Ordering::Acquire);
            let now = self.clock.now();
            if begun.is_none() && now >= self.window.from {
                begun = self.annotator.report.pid.and_then(process::cpu_ns);
                self.switches = self.annotator.report.pid.and_then(process::context_switches);
                self.annotator.report.rss_start_bytes = self.annotator.report.pid.and_then(process::rss_bytes);
                next_poll = 0;
            }
            while self.annotator.at.last().is_some_and(|(when, _)| when.as_nanos() as u64 <= now) && talking {
                if let Some((_, command)) = self.annotator.at.pop() {
                    talking = self.send(&command);
                }
            }
            if !over && (now >= self.window.to || stop) {
                over = true;
                self.close(begun, now);
            }
            if stop {
                return self.annotator.report;
            }
            if now >= next_poll && talking && !self.annotator.poll.is_zero() {
                let second = now >= next_second;
                if second {
                    next_second = now + 1_000_000_000;
                }
                talking = self.look(now, second);
                next_poll = now + self.annotator.poll.as_nanos() as u64;
            }
            let mut until = now + 20_000_000;
            for moment in [self.window.from, self.window.to, next_poll] {
                if moment > now {
                    until = until.min(moment);
                }
            }
            // Without a connection, what is still to be sent never will be, and must not keep this thread awake.
            if let Some((when, _)) = self.annotator.at.last().filter(|_| talking) {
                until = until.min(when.as_nanos() as u64);
            }
            std::thread::sleep(Duration::from_nanos(until.saturating_sub(self.clock.now())));
        }
    }

    fn note(&mut self, what: String) {
        self.annotator.report.annotations.push(Annotation { at_s: self.clock.now() as f64 / 1e9, what });
    }

    fn send(&mut self, command: &[String]) -> bool {
        self.note(format!("sent {}", command.join(" ")));
        match self.annotator.client.call(command) {
            Ok(Value::Error(e)) => self.note(format!("{}: {e}", command.join(" "))),
            Ok(_) => {}
            Err(e) => {
                self.note(e.to_string());
                return false;
            }
        }
        true
    }

    /// Looks at the process and asks for its state; for what costs the server or this machine more, once a `second`.
    fn look(&mut self, now: u64, second: bool) -> bool {
        let mut look = Look { at_s: now as f64 / 1e9, ..Look::default() };
        if let Some(pid) = self.annotator.report.pid {
            let children = process::children(pid);
            look.rss_bytes = process::rss_bytes(pid);
            self.annotator.report.rss_max_bytes = self.annotator.report.rss_max_bytes.max(look.rss_bytes);
            let own = process::cpu_ns(pid);
            let cpu = own.map(|own| own + children.iter().filter_map(|&child| process::cpu_ns(child)).sum::<u64>());
            if let (Some(cpu), Some((then, before))) = (cpu, self.cpu_before) {
                // A child that ended takes its time with it.
                look.cores = cpu.checked_sub(before).map(|used| used as f64 / (now - then).max(1) as f64);
            }
            self.cpu_before = cpu.map(|cpu| (now, cpu));
            if second && !children.is_empty() {
                let private = children.iter().filter_map(|&child| process::private_bytes(child));
                look.child_bytes = Some(private.sum());
            }
        }
        let talking = self.ask(now, second, &mut look);
        self.annotator.report.looks.push(look);
        talking
    }

    fn ask(&mut self, now: u64, second: bool, look: &mut Look) -> bool {
        let asked = self.annotator.client.call(&["INFO", "persistence"]);
        let info = match &asked {
            Ok(Value::Text(info)) => String::from_utf8_lossy(info),
            Ok(_) => return true,
            Err(e) => {
                self.note(e.to_string());
                return false;
            }
        };
        for (field, name) in STATES {
            let Some(state) = info_field(&info, field).map(str::to_string) else { continue };
            let before = self.annotator.states.insert(field, state.clone());
            match (before.as_deref(), state.as_str()) {
                (Some("0") | None, "1") => self.note(format!("{name} begins")),
                (Some("1"), "0") => self.note(format!("{name} ends")),
                _ => {}
            }
        }
        if second {
            let sections = [Some(info.into_owned()), self.section("memory"), self.section("stats")];
            for (name, value) in
                sections.iter().flatten().flat_map(|text| text.lines()).filter_map(|line| line.split_once(':'))
            {
                if let Some(name) = SAMPLED.iter().find(|sampled| **sampled == name)
                    && let Ok(value) = value.trim().parse()
                {
                    look.info.insert((*name).to_string(), value);
                }
            }
        }
        if self.annotator.counters.is_empty() && now >= self.window.from {
            self.annotator.counters = self.count();
        }
        true
    }

    fn section(&mut self, name: &str) -> Option<String> {
        match self.annotator.client.call(&["INFO", name]) {
            Ok(Value::Text(text)) => Some(String::from_utf8_lossy(&text).into_owned()),
            _ => None,
        }
    }

    fn count(&mut self) -> BTreeMap<&'static str, i64> {
        let Ok(Value::Text(info)) = self.annotator.client.call(&["INFO"]) else { return BTreeMap::new() };
        let info = String::from_utf8_lossy(&info);
        COUNTERS.iter().filter_map(|&name| Some((name, info_field(&info, name)?.parse().ok()?))).collect()
    }

    /// The window is over at `now`.
    fn close(&mut self, begun: Option<u64>, now: u64) {
        let cpu = self.annotator.report.pid.and_then(process::cpu_ns).zip(begun).map(|(end, start)| end - start);
        let window = now.saturating_sub(self.window.from).max(1);
        self.annotator.report.cpu_ns = cpu;
        self.annotator.report.cores_used = cpu.map(|cpu| cpu as f64 / window as f64);
        self.annotator.report.rss_end_bytes = self.annotator.report.pid.and_then(process::rss_bytes);
        self.annotator.report.rss_max_bytes =
            self.annotator.report.rss_max_bytes.max(self.annotator.report.rss_end_bytes);
        let switches = self.annotator.report.pid.and_then(process::context_switches);
        if let Some((begin, end)) = self.switches.zip(switches) {
            // A thread that ended takes its counts with it.
            let grown = |begin: u64, end: u64| end.saturating_sub(begin) as i64;
            let counts = [("sleeps", grown(begin.0, end.0)), ("waits for a CPU", grown(begin.1, end.1))];
            self.annotator.report.deltas.extend(counts.map(|(name, count)| (name.to_string(), count)));
        }
        if !self.annotator.counters.is_empty() {
            let end = self.count();
            for (name, start) in &self.annotator.counters {
                if let Some(delta) = end.get(name).map(|end| end - start).filter(|&delta| delta != 0) {
                    self.annotator.report.deltas.insert((*name).to_string(), delta);
                }
            }
        }
    }
}
