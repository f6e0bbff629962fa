//! Snapshots: one instant of all cores, in a file that others load.

use super::client::{Client, Value};
use super::crash::content;
use super::peers;
use super::rng::{Rng, seed};
use super::server::{Server, directory};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ACCOUNTS: u64 = 40;

fn background_save(client: &mut Client) {
    let before = client.say("INFO persistence").text();
    let count = |info: &str| -> u64 {
        let line = info.lines().find(|line| line.starts_with("rdb_saves:")).unwrap();
        line["rdb_saves:".len()..].trim().parse().unwrap()
    };
    assert!(!client.say("BGSAVE").is_error());
    let started = Instant::now();
    loop {
        let info = client.say("INFO persistence").text();
        if info.contains("rdb_bgsave_in_progress:0") && count(&info) > count(&before) {
            assert!(info.contains("rdb_last_bgsave_status:ok"), "{info}");
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "BGSAVE does not end: {info}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Who loads the file: Basalt, and the peers at hand.
fn loaded(file: &Path, mut look: impl FnMut(&str, &mut Client)) {
    for name in std::iter::once("basalt").chain(peers::servers()) {
        let dir = directory();
        std::fs::copy(file, dir.path().join("dump.rdb")).unwrap();
        let server = if name == "basalt" {
            Server::start(dir.path(), "--cores 3 --appendonly no")
        } else {
            peers::start(name, dir.path(), &["--appendonly", "no"])
        };
        look(name, &mut server.client());
    }
}

#[test]
fn a_snapshot_beside_writers_holds_one_instant_of_all_cores() {
    let seed = seed();
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 4 --appendonly no");
    let port = server.port;
    let mut client = server.client();
    (0..ACCOUNTS).for_each(|n| client.expect(&format!("SET account:{n} 1000"), "OK"));
    // Enough around it that the walk takes a while.
    for chunk in 0..20 {
        let commands: Vec<Vec<String>> =
            (0..2_000).map(|i| vec!["SET".into(), format!("ballast:{chunk}:{i}"), "x".repeat(100)]).collect();
        client.pipeline(&commands);
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let over = &over;
        for teller in 0..3 {
            scope.spawn(move || {
                let mut rng = Rng::new(seed ^ teller);
                let mut client = Client::connect(port);
                let mut n = 0;
                while !over.load(Ordering::Relaxed) {
                    n += 1;
                    let (from, to) = (rng.below(ACCOUNTS), rng.below(ACCOUNTS));
                    let (from, to) = (format!("account:{from}"), format!("account:{to}"));
                    let (sum, n) = (rng.below(50).to_string(), n.to_string());
                    let (one, two) = (format!("pair:{teller}:a"), format!("pair:{teller}:b"));
                    let commands = [
                        vec!["MULTI"],
                        vec!["DECRBY", &from, &sum],
                        vec!["INCRBY", &to, &sum],
                        vec!["EXEC"],
                        vec!["MSET", &one, &n, &two, &n],
                    ];
                    assert!(!client.pipeline(&commands).iter().any(Value::is_error));
                }
            });
        }
        for _ in 0..4 {
            background_save(&mut client);
            loaded(&dir.path().join("dump.rdb"), |name, client| {
                let words: Vec<String> =
                    std::iter::once("MGET".to_string()).chain((0..ACCOUNTS).map(|n| format!("account:{n}"))).collect();
                let sum: i64 = client.call(&words).items().iter().map(Value::int).sum();
                assert_eq!(sum, 1000 * ACCOUNTS as i64, "loaded by {name}");
                for teller in 0..3 {
                    let pair = client.say(&format!("MGET pair:{teller}:a pair:{teller}:b")).items();
                    assert_eq!(pair[0], pair[1], "loaded by {name}");
                }
                assert_eq!(client.say("EXISTS ballast:0:0 ballast:19:1999").int(), 2);
            });
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_saved_file_holds_every_type_in_every_database() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 3 --appendonly no");
    let mut client = server.client();
    super::interop::fill(&mut client, &mut Rng::new(seed()));
    let ours = content(&mut client);
    client.expect("SAVE", "OK");
    server.kill();
    loaded(&dir.path().join("dump.rdb"), |name, client| assert_eq!(content(client), ours, "loaded by {name}"));
}

#[test]
fn kill_9_during_a_snapshot_leaves_the_last_good_one() {
    let mut rng = Rng::new(seed());
    let dir = directory();
    let mut saved = 0;
    for round in 0..6 {
        let server = Server::start(dir.path(), "--cores 2 --appendonly no");
        let mut client = server.client();
        let found = client.say("DBSIZE").int();
        assert!(found == saved || found == saved + 5_000, "round {round}: {found} keys, saved {saved}");
        saved = found;
        let commands: Vec<Vec<String>> =
            (0..5_000).map(|i| vec!["SET".into(), format!("k:{found}:{i}"), "x".repeat(200)]).collect();
        client.pipeline(&commands);
        assert!(!client.say("BGSAVE").is_error());
        std::thread::sleep(Duration::from_micros(rng.below(20_000)));
        server.kill();
    }
}
