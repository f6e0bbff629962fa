//! `kill -9`: what was acknowledged is there afterwards, and nothing is there by half.
//!
//! `ROUNDS` sets how often each story kills the server (scripts/soak sets more). A kill ends the process, not the
//! machine: what power cuts do is shown over the simulated disk (`cargo test --lib recovery`).

use super::client::{Client, Value};
use super::rng::{Rng, seed, setting};
use super::server::{Server, directory};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// One writer's keys: a counter, a pair written by MSET, a pair written by MULTI, and a key that comes and goes. Each is
/// written the number of its turn.
pub struct Writer {
    pub name: String,
    /// What was acknowledged, or was there after a crash: the counter, the MSET's pair, the transaction's pair.
    least: [u64; 3],
    /// The same for the key that comes and goes; 0 if it is gone.
    gone: u64,
    /// The turn that was sent last.
    pub sent: u64,
    /// Whether the last turn's SET or DEL of that key was answered.
    settled: bool,
}

impl Writer {
    pub fn new(name: String) -> Writer {
        Writer { name, least: [0; 3], gone: 0, sent: 0, settled: true }
    }

    fn key(&self, what: &str) -> String {
        format!("{}:{what}", self.name)
    }

    /// What the key that comes and goes holds behind the last turn.
    fn gone_after(&self) -> u64 {
        if self.sent.is_multiple_of(2) { self.sent } else { 0 }
    }

    /// Writes turn by turn until the server goes away.
    pub fn run(&mut self, port: u16) {
        let Ok(mut client) = Client::try_connect(port) else { return };
        loop {
            self.sent += 1;
            self.settled = false;
            let n = self.sent.to_string();
            let [count, a, b, c, d, gone] = ["count", "a", "b", "c", "d", "gone"].map(|what| self.key(what));
            let commands = [
                vec!["SET", &count, &n],
                vec!["MSET", &a, &n, &b, &n],
                vec!["MULTI"],
                vec!["SET", &c, &n],
                vec!["SET", &d, &n],
                vec!["EXEC"],
                if self.gone_after() > 0 { vec!["SET", &gone, &n] } else { vec!["DEL", &gone] },
            ];
            let mut request = Vec::new();
            commands.iter().for_each(|words| super::client::encode(words, &mut request));
            if client.send_raw(&request).is_err() {
                return;
            }
            for (at, words) in commands.iter().enumerate() {
                match client.read() {
                    Ok(Value::Error(error)) => panic!("{words:?}: {error}"),
                    Ok(_) => {}
                    Err(_) => return,
                }
                match at {
                    0 => self.least[0] = self.sent,
                    1 => self.least[1] = self.sent,
                    5 => self.least[2] = self.sent,
                    6 => (self.gone, self.settled) = (self.gone_after(), true),
                    _ => {}
                }
            }
        }
    }

    /// Looks at what is there after a crash, and goes on from it: what was recovered once must stay.
    pub fn check(&mut self, client: &mut Client, keeps: Keeps) {
        let number = |value: &Value| if *value == Value::Nil { 0 } else { value.int() as u64 };
        let words: Vec<String> = ["count", "a", "b", "c", "d", "gone"].map(|what| self.key(what)).to_vec();
        let values = client.call(&[vec!["MGET".to_string()], words].concat()).items();
        let [count, a, b, c, d, gone] = [0, 1, 2, 3, 4, 5].map(|at| number(&values[at]));
        let told = format!("{}: {values:?}, least {:?} and {}, sent {}", self.name, self.least, self.gone, self.sent);
        for (n, least) in [count, a, c].into_iter().zip(self.least) {
            assert!(n >= least || keeps == Keeps::Whole, "an acknowledged write is lost. {told}");
            assert!(n <= self.sent, "a write that nobody sent. {told}");
        }
        assert_eq!(a, b, "half an MSET. {told}");
        assert_eq!(c, d, "half a transaction. {told}");
        let open = !self.settled && gone == self.gone_after();
        assert!(gone == self.gone || open || keeps == Keeps::Whole, "a lost SET or DEL. {told}");
        (self.least, self.gone, self.settled) = ([count, a, c], gone, true);
    }
}

/// What a kill must leave.
#[derive(Clone, Copy, PartialEq)]
pub enum Keeps {
    /// Everything acknowledged.
    All,
    /// Perhaps not the last moment, but nothing by half.
    Whole,
}

fn kill_rounds(options: &str, rounds: u64, cores: &[usize], keeps: Keeps) {
    let mut rng = Rng::new(seed());
    let dir = directory();
    let mut writers: Vec<Writer> = (0..6).map(|i| Writer::new(format!("w{i}"))).collect();
    let mut total = 0;
    for round in 0..rounds {
        let cores = cores[round as usize % cores.len()];
        let server = Server::start(dir.path(), &format!("--cores {cores} {options}"));
        let mut client = server.client();
        writers.iter_mut().for_each(|writer| writer.check(&mut client, keeps));
        let port = server.port;
        let before: u64 = writers.iter().map(|writer| writer.sent).sum();
        std::thread::scope(|scope| {
            for writer in &mut writers {
                scope.spawn(move || writer.run(port));
            }
            std::thread::sleep(Duration::from_millis(30 + rng.below(400)));
            server.kill();
        });
        total += writers.iter().map(|writer| writer.sent).sum::<u64>() - before;
        // Sometimes another kill while it starts.
        if rng.below(3) == 0 {
            let server = Server::spawn(dir.path(), &format!("--cores {cores} {options}"));
            std::thread::sleep(Duration::from_micros(rng.below(150_000)));
            server.kill();
        }
    }
    let server = Server::start(dir.path(), "--cores 2");
    let mut client = server.client();
    writers.iter_mut().for_each(|writer| writer.check(&mut client, keeps));
    assert!(total > 10 * rounds, "hardly anything was written: {total} in {rounds} rounds");
    server.stop();
    let server = Server::start(dir.path(), "--cores 1");
    let mut client = server.client();
    writers.iter_mut().for_each(|writer| writer.check(&mut client, keeps));
}

pub fn rounds() -> u64 {
    setting("ROUNDS", 8)
}

#[test]
fn kill_9_on_1_core_loses_nothing() {
    kill_rounds("--appendfsync always", rounds(), &[1], Keeps::All);
}

#[test]
fn kill_9_on_2_cores_loses_nothing() {
    kill_rounds("--appendfsync always", rounds(), &[2], Keeps::All);
}

#[test]
fn kill_9_on_4_cores_loses_nothing() {
    kill_rounds("--appendfsync always", rounds(), &[4], Keeps::All);
}

#[test]
fn kill_9_with_other_core_counts_each_time_loses_nothing() {
    kill_rounds("--appendfsync always", rounds(), &[1, 2, 4, 3], Keeps::All);
}

#[test]
fn kill_9_between_rotations_of_small_segments_loses_nothing() {
    kill_rounds("--appendfsync always --aof-segment-size 64kb", rounds(), &[2, 4], Keeps::All);
}

#[test]
fn kill_9_with_everysec_or_no_halves_nothing() {
    kill_rounds("--appendfsync everysec", rounds(), &[2, 4], Keeps::Whole);
    kill_rounds("--appendfsync no", rounds(), &[2], Keeps::Whole);
}

#[test]
fn kill_9_with_everysec_keeps_what_is_older() {
    let dir = directory();
    for round in 0..3 {
        let server = Server::start(dir.path(), "--cores 2 --appendfsync everysec");
        let mut client = server.client();
        client.expect("DBSIZE", &(round * 100).to_string());
        (0..100).for_each(|i| client.expect(&format!("SET k:{round}:{i} {i}"), "OK"));
        // Far longer than a write takes to reach the kernel; a second is promised for a power cut.
        std::thread::sleep(Duration::from_millis(1_500));
        server.kill();
    }
    Server::start(dir.path(), "--cores 2").client().expect("DBSIZE", "300");
}

/// The harness's own check, with readers, transfers and receipts.
#[test]
fn basalt_bench_verify_finds_nothing() {
    if !super::differential::is_there("LRANGE") {
        return super::peers::skipped("basalt-bench verify: it keeps its receipts in lists, which are not there yet");
    }
    for cores in [1, 2, 4] {
        let dir = directory();
        let server = format!(
            "{} --port {{port}} --dir {{dir}} --cores {cores} --appendfsync always --aof-segment-size 1mb",
            super::server::binary().display()
        );
        let output = Command::new(bench())
            .args(["verify", "--kill-while-starting", "--max", "600ms", "--rounds", &rounds().div_ceil(2).to_string()])
            .args(["--server", &server, "--dir"])
            .arg(dir.path().join("data"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "on {cores} cores:\n{said}");
    }
}

fn bench() -> PathBuf {
    std::env::var_os("BASALT_BENCH").map_or_else(|| env!("CARGO_BIN_EXE_basalt-bench").into(), PathBuf::from)
}

#[test]
fn other_core_counts_keep_everything() {
    let dir = directory();
    let mut before: Option<Vec<(u16, Vec<String>)>> = None;
    for (step, cores) in [1, 2, 4, 1].into_iter().enumerate() {
        let server = Server::start(dir.path(), &format!("--cores {cores} --aof-segment-size 256kb"));
        let mut client = server.client();
        if let Some(before) = &before {
            assert_eq!(&content(&mut client), before, "before step {step}");
        }
        for db in [0, 5] {
            client.expect(&format!("SELECT {db}"), "OK");
            let commands: Vec<Vec<String>> = (0..2_000)
                .map(|i| match i % 4 {
                    0 => vec!["SET".into(), format!("key:{db}:{i}"), format!("{step}:{}", "v".repeat(i % 300))],
                    1 => vec!["SET".into(), format!("t:{}", i % 100), step.to_string(), "EX".into(), "100000".into()],
                    2 => vec!["INCRBY".into(), format!("n:{}", i % 50), i.to_string()],
                    _ => vec!["DEL".into(), format!("key:{db}:{}", (i * 7 + step) % 2_000)],
                })
                .collect();
            assert!(client.pipeline(&commands).iter().all(|reply| !reply.is_error()));
        }
        before = Some(content(&mut client));
        // Cleanly and not, by turns.
        if step % 2 == 0 { server.kill() } else { server.stop() }
    }
    let server = Server::start(dir.path(), "--cores 3");
    assert_eq!(Some(content(&mut server.client())), before);
}

/// All keys of all databases with type, expiry and value, sorted.
pub fn content(client: &mut Client) -> Vec<(u16, Vec<String>)> {
    let mut all = Vec::new();
    for db in 0..16 {
        client.expect(&format!("SELECT {db}"), "OK");
        let mut keys: Vec<String> = client.say("KEYS *").items().iter().map(Value::text).collect();
        keys.sort();
        assert_eq!(client.say("DBSIZE").int() as usize, keys.len(), "DBSIZE and KEYS disagree in database {db}");
        for keys in keys.chunks(500) {
            let ask = |words: fn(&String) -> Vec<String>| keys.iter().map(words).collect::<Vec<_>>();
            let types = client.pipeline(&ask(|key| vec!["TYPE".into(), key.clone()]));
            let times = client.pipeline(&ask(|key| vec!["PEXPIRETIME".into(), key.clone()]));
            let read: Vec<Vec<String>> =
                keys.iter().zip(&types).map(|(key, kind)| reading(key, &kind.text())).collect();
            let values = client.pipeline(&read);
            for (((key, kind), time), value) in keys.iter().zip(types).zip(times).zip(values) {
                all.push((db, vec![key.clone(), kind.text(), time.text(), normal(&kind.text(), value)]));
            }
        }
    }
    client.expect("SELECT 0", "OK");
    all
}

/// The command that shows a whole value.
fn reading(key: &str, kind: &str) -> Vec<String> {
    let words: &[&str] = match kind {
        "string" => &["GET", key],
        "list" => &["LRANGE", key, "0", "-1"],
        "set" => &["SMEMBERS", key],
        "hash" => &["HGETALL", key],
        "zset" => &["ZRANGE", key, "0", "-1", "WITHSCORES"],
        "stream" => &["XRANGE", key, "-", "+"],
        _ => &["TYPE", key],
    };
    words.iter().map(|word| word.to_string()).collect()
}

/// The value as text, in an order of its own where the type has none.
fn normal(kind: &str, value: Value) -> String {
    let pairs = |items: Vec<Value>| items.chunks(2).map(|pair| format!("{:?}", pair)).collect::<Vec<_>>();
    match (kind, value) {
        ("set", Value::Array(mut items)) => {
            items.sort();
            format!("{items:?}")
        }
        // The same number may be written in two ways of equal length.
        ("zset", Value::Array(items)) => {
            let scored = items.chunks(2).map(|pair| (pair[0].text(), pair[1].text().parse::<f64>().unwrap()));
            format!("{:?}", scored.collect::<Vec<_>>())
        }
        ("hash", Value::Array(items)) => {
            let mut pairs = pairs(items);
            pairs.sort();
            pairs.join(" ")
        }
        (_, value) => format!("{value:?}"),
    }
}

#[test]
fn a_reader_never_saw_what_a_crash_took() {
    let rounds = rounds();
    let mut rng = Rng::new(seed());
    let dir = directory();
    for round in 0..rounds {
        let server = Server::start(dir.path(), "--cores 2 --appendfsync always");
        let port = server.port;
        let over = AtomicBool::new(false);
        let seen: Vec<(String, i64)> = std::thread::scope(|scope| {
            let over = &over;
            for writer in 0..3 {
                scope.spawn(move || {
                    let Ok(mut client) = Client::try_connect(port) else { return };
                    while client.try_call(&["INCR", &format!("seen:{writer}")]).is_ok() {}
                });
            }
            let readers: Vec<_> = (0..3)
                .map(|at| {
                    scope.spawn(move || {
                        let key = format!("seen:{at}");
                        let mut highest = 0;
                        let Ok(mut client) = Client::try_connect(port) else { return (key, 0) };
                        while !over.load(Ordering::Relaxed) {
                            let Ok(value) = client.try_call(&["GET", &key]) else { break };
                            highest = if value == Value::Nil { 0 } else { value.int() };
                        }
                        (key, highest)
                    })
                })
                .collect();
            std::thread::sleep(Duration::from_millis(50 + rng.below(300)));
            server.kill();
            over.store(true, Ordering::Relaxed);
            readers.into_iter().map(|reader| reader.join().unwrap()).collect()
        });
        let server = Server::start(dir.path(), "--cores 2");
        let mut client = server.client();
        for (key, highest) in seen {
            let value = client.say(&format!("GET {key}"));
            let found = if value == Value::Nil { 0 } else { value.int() };
            assert!(found >= highest, "round {round}: {key} was seen as {highest} and is {found}");
        }
        server.kill();
    }
}

/// The files of the log, for stories that look at them.
pub fn log_files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        std::fs::read_dir(dir.join("appendonlydir")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
