//! Snapshots and rewrites of the log while transfers between cores go on: whoever reads the file finds the sum exact.

use super::client::Client;
use super::peers;
use super::rng::{Rng, seed};
use super::server::{Server, directory};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ACCOUNTS: u64 = 60;
const START: i64 = 1000;
const PATIENCE: Duration = Duration::from_secs(60);

fn fill(client: &mut Client) {
    for account in 0..ACCOUNTS {
        client.expect(&format!("SET acc{account} {START}"), "OK");
    }
    for key in 0..3000 {
        client.expect(&format!("SET k{key} {}", "v".repeat(key % 300)), "OK");
    }
}

/// Moves money about until told to stop.
fn transfer(port: u16, seed: u64, over: &AtomicBool) {
    let (mut client, mut rng) = (Client::connect(port), Rng::new(seed));
    while !over.load(Ordering::Relaxed) {
        let (from, to, sum) = (rng.below(ACCOUNTS), rng.below(ACCOUNTS), rng.below(50));
        let commands = [
            "MULTI".to_string(),
            format!("DECRBY acc{from} {sum}"),
            format!("INCRBY acc{to} {sum}"),
            format!("HSET h{from} f{} {sum}", rng.below(300)),
            format!("SET k{} {}", rng.below(3000), rng.next()),
            "EXEC".to_string(),
        ];
        let commands: Vec<Vec<&str>> = commands.iter().map(|line| line.split(' ').collect()).collect();
        assert!(client.pipeline(&commands).iter().all(|reply| !reply.is_error()));
    }
}

#[track_caller]
fn check_sum(mut client: Client) {
    let total: i64 = (0..ACCOUNTS).map(|n| client.say(&format!("GET acc{n}")).text().parse::<i64>().unwrap()).sum();
    assert_eq!(total, ACCOUNTS as i64 * START);
    assert!(client.say("DBSIZE").int() >= 3000 + ACCOUNTS as i64);
}

/// Waits until INFO says so.
fn wait_for(client: &mut Client, field: &str) {
    let started = Instant::now();
    while !client.say("INFO persistence").text().contains(field) {
        assert!(started.elapsed() < PATIENCE, "{field}: {}", client.say("INFO persistence").text());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Runs `story` while transfers go on.
fn under_transfers(server: &Server, seed: u64, story: impl FnOnce(&mut Client)) {
    let (over, port) = (AtomicBool::new(false), server.port);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let over = &over;
            scope.spawn(move || transfer(port, seed ^ writer, over));
        }
        story(&mut server.client());
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_snapshot_under_transfers_holds_all_of_each_or_nothing() {
    let (seed, dir, kept) = (seed(), directory(), directory());
    let server = Server::start(dir.path(), "--cores 3");
    fill(&mut server.client());
    let copy = |n: usize| kept.path().join(format!("{n}.rdb"));
    under_transfers(&server, seed, |client| {
        for n in 0..6 {
            if n % 2 == 0 {
                client.expect("SAVE", "OK");
            } else {
                client.expect("BGSAVE", "Background saving started");
                wait_for(client, "rdb_bgsave_in_progress:0");
            }
            std::fs::copy(dir.path().join("dump.rdb"), copy(n)).unwrap();
        }
        assert!(client.say("INFO persistence").text().contains("rdb_last_bgsave_status:ok"));
    });
    server.stop();
    for n in 0..6 {
        let load = directory();
        std::fs::copy(copy(n), load.path().join("dump.rdb")).unwrap();
        check_sum(Server::start(load.path(), "--cores 2 --appendonly no").client());
        for name in peers::servers() {
            check_sum(peers::start(name, load.path(), &[]).client());
        }
    }
}

#[test]
fn a_rewrite_under_transfers_and_a_kill_lose_nothing() {
    let (seed, dir) = (seed(), directory());
    let server = Server::start(dir.path(), "--cores 3");
    fill(&mut server.client());
    under_transfers(&server, seed, |client| {
        for n in 1..4 {
            client.expect("BGREWRITEAOF", "Background append only file rewriting started");
            wait_for(client, &format!("aof_rewrites:{n}\r\n"));
        }
        client.expect("BGREWRITEAOF", "Background append only file rewriting started");
    });
    server.kill();
    let server = Server::start(dir.path(), "--cores 2");
    check_sum(server.client());
    server.client().expect("SET after kill", "OK");
    server.stop();
    for name in peers::servers() {
        let copied = directory();
        copy_all(dir.path(), copied.path());
        let server = peers::start(name, copied.path(), &["--appendonly", "yes"]);
        server.client().expect("GET after", "kill");
        check_sum(server.client());
    }
}

fn copy_all(source: &Path, target: &Path) {
    for entry in std::fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        let to = target.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy_all(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn a_snapshot_that_fails_stops_writes_until_one_succeeds() {
    let dir = directory();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let server = Server::start(&data, "--appendonly no --cores 2");
    let mut client = server.client();
    client.expect("SET k v", "OK");
    let aside = dir.path().join("aside");
    std::fs::rename(&data, &aside).unwrap();
    assert!(client.say("SAVE").is_error());
    let started = Instant::now();
    while !client.say("SET k w").text().contains("MISCONF Redis is configured to save RDB snapshots") {
        assert!(started.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(5));
    }
    client.expect("GET k", "v");
    assert!(client.say("SHUTDOWN").text().contains("Errors trying to SHUTDOWN"));
    std::fs::rename(&aside, &data).unwrap();
    client.expect("SAVE", "OK");
    while client.say("SET k w").is_error() {
        assert!(started.elapsed() < PATIENCE);
    }
    // The end writes one more.
    server.stop();
    Server::start(&data, "--appendonly no").client().expect("GET k", "w");
}
