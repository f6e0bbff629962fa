//! The log's directory loads in Redis and Valkey, passes their checkers, and theirs loads here.
//!
//! Needs the peers' binaries: `BASALT_PEERS` names a runner that takes a binary's name and its arguments (default
//! `~/.cache/basalt-peers/run`). Without it the tests say so and pass.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use basalt::log::*;
use basalt::recovery::{Finding, Options, ReplaySink, plan};
use basalt::resp::Args;
use basalt::storage::RealFs;

#[path = "it/ports.rs"]
mod ports;

fn runner() -> Option<PathBuf> {
    let default = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/basalt-peers/run"));
    let runner = std::env::var_os("BASALT_PEERS").map(PathBuf::from).or_else(default)?;
    if runner.exists() {
        return Some(runner);
    }
    eprintln!(
        "SKIPPED: no Redis and Valkey at {} (set BASALT_PEERS): interoperability is NOT tested",
        runner.display()
    );
    None
}

fn directory(dir: &Path) -> Directory {
    Directory {
        fs: Arc::new(RealFs),
        data_dir: dir.to_path_buf(),
        dirname: "appendonlydir".to_string(),
        filename: "appendonly.aof".to_string(),
    }
}

/// Core, database, words.
type Effect = (Option<u16>, u16, Vec<String>);

#[derive(Default)]
struct Effects(Vec<Effect>);

impl ReplaySink for Effects {
    fn base_rdb(&mut self, path: &Path) -> Result<u64, String> {
        self.0.push((None, 0, vec!["RDB".to_string()]));
        std::fs::metadata(path).map(|metadata| metadata.len()).map_err(|error| error.to_string())
    }

    fn command(&mut self, core: Option<u16>, db: u16, args: Args<'_>) -> Result<(), String> {
        self.0.push((core, db, args.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()));
        Ok(())
    }
}

fn recover(dir: &Path) -> (Vec<Effect>, Vec<Finding>) {
    let plan = plan(&directory(dir), &Options::default()).unwrap();
    let mut effects = Effects::default();
    plan.replay(&mut effects).unwrap();
    (effects.0, plan.findings)
}

struct Server {
    keeper: Keeper,
    logs: Vec<CoreLog>,
}

impl Server {
    fn start(dir: &Path, cores: u16, id: u64) -> Server {
        let plan = plan(&directory(dir), &Options::default()).unwrap();
        let incarnation =
            Incarnation { id, cores, segment_bytes: SEGMENT_BYTES_MIN, entropy: id, relaxed: false, boot: 0 };
        let (keeper, segments) = plan.repair(incarnation, 1_700_000_000_000).unwrap();
        let cut = Arc::new(DurableCut::new(cores));
        let config =
            |core| LogConfig { core, policy: SyncPolicy::Always, segment_bytes: SEGMENT_BYTES_MIN, in_flight_max: 1 };
        let logs = segments.into_iter().map(|s| CoreLog::new(config(s.header.core), s, cut.clone())).collect();
        Server { keeper, logs }
    }

    fn settle(&mut self) {
        for log in &mut self.logs {
            log.seal(1_700_000_000_001);
            while let Some(op) = log.next_op() {
                match op {
                    LogOp::Write(write) => {
                        let result = write.segment.file.write_at(&write.buf, write.offset, write.dsync);
                        let _ = log.on_complete(write.token, result, Some(write.buf));
                    }
                    LogOp::Fdatasync { segment, token } => {
                        let _ = log.on_complete(token, segment.file.sync_data().map(|()| 0), None);
                    }
                    LogOp::NeedSegment { bytes, first_lsn_min } => {
                        let segment = self.keeper.prepare_segment(log.core(), bytes, first_lsn_min, 1).unwrap();
                        log.segment_ready(segment);
                    }
                    LogOp::Unused(_) | LogOp::Retired(..) => {}
                }
                log.seal(1_700_000_000_001);
            }
        }
    }
}

/// A server of Redis or Valkey on a directory.
struct Peer {
    child: Child,
    runner: PathBuf,
    port: u16,
}

impl Peer {
    fn start(runner: &Path, name: &str, dir: &Path, more: &[&str]) -> Peer {
        let port = ports::free_port();
        let child = Command::new(runner)
            .args([&format!("{name}-server"), "--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "yes", "--logfile", "server.log", "--dir"])
            .arg(dir)
            .args(more)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut peer = Peer { child, runner: runner.to_path_buf(), port };
        for _ in 0..200 {
            std::thread::sleep(Duration::from_millis(50));
            if peer.cli(&["PING"]).trim() == "PONG" {
                return peer;
            }
            assert!(peer.child.try_wait().unwrap().is_none(), "{name} ends: {}", peer.log(dir));
        }
        panic!("{name} does not answer: {}", peer.log(dir));
    }

    fn log(&self, dir: &Path) -> String {
        std::fs::read_to_string(dir.join("server.log")).unwrap_or_default()
    }

    fn cli(&self, words: &[&str]) -> String {
        let output = Command::new(&self.runner).args(["redis-cli", "-p", &self.port.to_string()]).args(words).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    }

    fn stop(mut self) {
        self.cli(&["SHUTDOWN", "NOSAVE"]);
        self.child.wait().unwrap();
    }
}

fn words<'w>(words: &'w [&'w str]) -> impl ExactSizeIterator<Item = &'w [u8]> {
    words.iter().map(|word| word.as_bytes())
}

/// Three cores, two databases, transactions, a flush, a rotation, a value that looks like a frame; cleanly stopped.
fn write_log(dir: &Path) {
    let mut server = Server::start(dir, 3, 77);
    for log in &mut server.logs {
        log.append(0, words(&["SET", "gone", "before the flush"]));
    }
    server.settle();
    let ends: Vec<_> = server.logs.iter().map(CoreLog::end).collect();
    for segment in server.keeper.barrier(&[(0, vec![b"FLUSHALL"])], false, &ends, 1).unwrap() {
        server.logs[segment.header.core as usize].enter_generation(segment);
    }
    let mark = Mark { tx_id: 1, participants: (0..3).collect() };
    for core in 0..3 {
        let log = &mut server.logs[core];
        let mut transaction = log.transaction();
        transaction.effect(0, words(&["SET", &format!("tx{core}"), "1"]));
        transaction.effect(5, words(&["SET", &format!("tx{core}"), "2"]));
        transaction.finish(Some(mark));
        log.append_mark(Mark { tx_id: 10 + core as u64, participants: CoreSet::one(core as u16) });
        for index in 0..300 {
            let (key, value) = (format!("key:{core}:{index}"), "v".repeat(index));
            server.logs[core].append(0, words(&["SET", &key, &value]));
            if index % 7 == 0 {
                server.settle();
            }
        }
    }
    server.logs[0].append(5, words(&["SET", "tricky", "x\r\n#BF1 f=0000\r\n*1\r\n$8\r\nFLUSHALL\r\n"]));
    server.settle();
    assert!(server.logs.iter().all(CoreLog::is_drained));
    server.logs.iter_mut().for_each(|log| log.seal_clean_stop(1_700_000_000_002));
    server.settle();
}

#[test]
fn v4_a_log_loads_in_redis_and_valkey_and_what_they_append_loads_here() {
    let Some(runner) = runner() else { return };
    for name in ["redis", "valkey"] {
        let dir = tempfile::tempdir().unwrap();
        write_log(dir.path());
        let (ours, findings) = recover(dir.path());
        assert!(findings.is_empty(), "{findings:?}");
        let manifest = directory(dir.path()).manifest();
        let check = Command::new(&runner).arg(format!("{name}-check-aof")).arg(&manifest).output().unwrap();
        let report = String::from_utf8_lossy(&check.stdout).into_owned();
        assert!(check.status.success() && report.contains("are valid"), "{name}: {report}");

        let peer = Peer::start(&runner, name, dir.path(), &[]);
        assert_eq!(peer.cli(&["DBSIZE"]).trim(), "903", "{}", peer.log(dir.path()));
        assert_eq!(peer.cli(&["-n", "5", "DBSIZE"]).trim(), "4");
        assert_eq!(peer.cli(&["GET", "key:2:299"]).trim().len(), 299);
        assert!(peer.cli(&["-n", "5", "GET", "tricky"]).contains("FLUSHALL"));
        peer.cli(&["-n", "5", "SET", "appended", name]);
        peer.stop();

        let (theirs, findings) = recover(dir.path());
        assert!(matches!(findings[..], [Finding::Appended { .. }]), "{findings:?}");
        assert_eq!(theirs[..ours.len()], ours[..]);
        let appended = [(None, 5, ["SET", "appended", name].map(String::from).to_vec())];
        assert_eq!(theirs[ours.len()..], appended);

        // A new life on other cores, and back: everything is still there, in its place.
        let mut server = Server::start(dir.path(), 1, 78);
        server.logs[0].append(5, words(&["SET", "appended", "again"]));
        server.settle();
        drop(server);
        let peer = Peer::start(&runner, name, dir.path(), &[]);
        assert_eq!(peer.cli(&["-n", "5", "GET", "appended"]).trim(), "again");
        assert_eq!(peer.cli(&["DBSIZE"]).trim(), "903");
        peer.stop();
    }
}

#[test]
fn v4_a_directory_of_redis_and_valkey_loads_here() {
    let Some(runner) = runner() else { return };
    for name in ["redis", "valkey"] {
        for preamble in ["yes", "no"] {
            let dir = tempfile::tempdir().unwrap();
            let peer = Peer::start(&runner, name, dir.path(), &["--aof-use-rdb-preamble", preamble]);
            peer.cli(&["SET", "old", "1"]);
            peer.cli(&["BGREWRITEAOF"]);
            for _ in 0..200 {
                std::thread::sleep(Duration::from_millis(20));
                if peer.cli(&["INFO", "persistence"]).contains("aof_rewrite_in_progress:0") {
                    break;
                }
            }
            peer.cli(&["-n", "3", "SET", "new", "2"]);
            peer.stop();
            let (effects, findings) = recover(dir.path());
            assert!(findings.is_empty(), "{findings:?}");
            let base = if preamble == "yes" { vec!["RDB"] } else { vec!["SET", "old", "1"] };
            let base = base.into_iter().map(String::from).collect();
            let new = ["SET", "new", "2"].map(String::from).to_vec();
            assert_eq!(effects, [(None, 0, base), (None, 3, new)], "{name}, preamble {preamble}");
        }
    }
}
