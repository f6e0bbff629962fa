//! BACKUP: a set of hard links that is one instant of all cores, that nothing changes afterwards, and that every server loads.

use super::client::Client;
use super::peers;
use super::rng::{Rng, seed};
use super::server::{Server, directory};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ACCOUNTS: u64 = 50;

fn state(client: &mut Client, state: &str) {
    let status = client.say("BACKUP STATUS").text();
    assert!(status.starts_with(&format!("state {state} ")), "{status}");
}

/// Moves money about until told to stop.
fn transfer(port: u16, seed: u64, over: &AtomicBool) {
    let (mut client, mut rng) = (Client::connect(port), Rng::new(seed));
    while !over.load(Ordering::Relaxed) {
        let (from, to, sum) = (rng.below(ACCOUNTS), rng.below(ACCOUNTS), rng.below(50));
        let lines = ["MULTI".into(), format!("DECRBY acc{from} {sum}"), format!("INCRBY acc{to} {sum}"), "EXEC".into()];
        let commands: Vec<Vec<&str>> = lines.iter().map(|line: &String| line.split(' ').collect()).collect();
        assert!(client.pipeline(&commands).iter().all(|reply| !reply.is_error()));
    }
}

/// Tells the transfers to stop, also when the story fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[track_caller]
fn check(mut client: Client, n: u64) {
    let total: i64 = (0..ACCOUNTS).map(|n| client.say(&format!("GET acc{n}")).text().parse::<i64>().unwrap()).sum();
    assert_eq!(total, ACCOUNTS as i64 * 1000);
    client.expect("GET before", &n.to_string());
    client.expect("GET after", &(n - 1).to_string());
}

fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect()
}

/// Copies a sealed backup into a data directory of its own.
fn restored(backup: &Path) -> tempfile::TempDir {
    let dir = directory();
    let log = dir.path().join("appendonlydir");
    std::fs::create_dir(&log).unwrap();
    for (path, bytes) in contents(backup) {
        std::fs::write(log.join(path.file_name().unwrap()), bytes).unwrap();
    }
    dir
}

#[test]
fn a_backup_under_transfers_holds_all_of_each_or_nothing_and_never_changes() {
    let (seed, dir) = (seed(), directory());
    let backup = dir.path().join("backupdir");
    let server = Server::start(dir.path(), "--cores 3");
    let mut client = server.client();
    (0..ACCOUNTS).for_each(|n| client.expect(&format!("SET acc{n} 1000"), "OK"));
    client.expect("SET after 0", "OK");
    let (over, port) = (AtomicBool::new(false), server.port);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let over = &over;
            scope.spawn(move || transfer(port, seed ^ writer, over));
        }
        let _over = Over(&over);
        for n in 1..4 {
            state(&mut client, "idle");
            client.expect("BACKUP START", "OK");
            state(&mut client, "incrementing");
            client.expect(&format!("SET before {n}"), "OK");
            client.expect("BACKUP SEAL", "OK");
            state(&mut client, "sealed");
            client.expect(&format!("SET after {n}"), "OK");
            let sealed = contents(&backup);
            let mut listed: Vec<_> =
                client.say("BACKUP LIST").items().iter().map(|file| PathBuf::from(file.text())).collect();
            listed.sort();
            assert_eq!(listed, sealed.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>());
            // A rewrite drops the log's own names of these files.
            client.expect("BGREWRITEAOF", "Background append only file rewriting started");
            let started = Instant::now();
            while !client.say("INFO persistence").text().contains("aof_rewrite_in_progress:0") {
                assert!(started.elapsed() < Duration::from_secs(60));
                std::thread::sleep(Duration::from_millis(5));
            }
            for (line, reply) in [("SELECT 5", "OK"), ("SET gone 1", "OK"), ("FLUSHDB", "OK"), ("SELECT 0", "OK")] {
                client.expect(line, reply);
            }
            assert!(contents(&backup) == sealed);
            let copy = restored(&backup);
            check(Server::start(copy.path(), "--cores 2").client(), n);
            for name in peers::servers() {
                let copy = restored(&backup);
                check(peers::start(name, copy.path(), &["--appendonly", "yes"]).client(), n);
            }
            client.expect("BACKUP CLEANUP", "OK");
            assert!(!backup.exists());
        }
    });
}

/// After a crash a start repairs what the log's own files have in common with a backup: never in the backup.
#[test]
fn a_backup_outlives_a_crash_and_the_repair_after_it() {
    let dir = directory();
    let backup = dir.path().join("backupdir");
    let server = Server::start(dir.path(), "--cores 2 --backup-sealed-ttl 0");
    let mut client = server.client();
    client.expect("SET k 1", "OK");
    client.expect("BACKUP START", "OK");
    client.expect("BACKUP SEAL", "OK");
    client.expect("SET k 2", "OK");
    let sealed = contents(&backup);
    server.kill();
    for cores in [1, 3] {
        let server = Server::start(dir.path(), &format!("--cores {cores}"));
        let mut client = server.client();
        client.expect("GET k", "2");
        // Who made it is gone, so it is not this server's to remove.
        state(&mut client, "idle");
        client.expect("BACKUP START", "ERR Backup directory is not empty");
        client.expect("BACKUP CLEANUP", "OK");
        assert!(contents(&backup) == sealed);
        server.kill();
    }
    let copy = restored(&backup);
    Server::start(copy.path(), "--cores 2").client().expect("GET k", "1");
}

#[test]
fn a_backup_goes_through_its_states_and_no_others() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2");
    let mut client = server.client();
    assert_eq!(client.say("BACKUP STATUS").text(), "state idle error  start_time 0 end_time 0");
    client.expect("BACKUP ABORT", "ERR No backup in progress");
    client.expect("BACKUP SEAL", "ERR No backup ready to seal");
    client.expect("BACKUP START", "OK");
    client.expect("BACKUP START", "ERR Backup already in progress");
    client.expect("BACKUP CLEANUP", "ERR Backup in progress, use BACKUP ABORT first");
    assert!(client.say("INFO persistence").text().contains("backup_in_progress:1"));
    client.expect("BACKUP ABORT", "OK");
    assert!(client.say("BACKUP STATUS").text().starts_with("state failed error aborted by user start_time"));
    client.expect("BACKUP START", "OK");
    for line in ["MULTI", "BACKUP SEAL"] {
        client.say(line);
    }
    client.expect("EXEC", "ERR BACKUP SEAL cannot run inside a transaction");
    client.expect("BACKUP SEAL", "OK");
    client.expect("CONFIG SET backup-sealed-ttl 1", "OK");
    let started = Instant::now();
    while client.say("BACKUP STATUS").text().starts_with("state sealed") || dir.path().join("backupdir").exists() {
        assert!(started.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    client.expect("CONFIG SET appendonly no", "OK");
    client.expect("BACKUP START", "ERR BACKUP needs a log: appendonly is no");
}
