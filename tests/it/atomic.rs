//! Commands over several cores happen at one moment, or not at all.

use super::client::{Client, Value};
use super::rng::{Rng, seed};
use super::server::{Server, directory};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long writers and readers run against each other.
const SPAN: Duration = Duration::from_millis(1_500);

#[test]
fn nobody_sees_half_an_mset() {
    for (cores, log) in [(2, "--appendfsync always"), (4, "--appendonly no")] {
        let dir = directory();
        let server = Server::start(dir.path(), &format!("--cores {cores} {log}"));
        let port = server.port;
        let keys: Vec<String> = (0..8).map(|i| format!("part:{i}")).collect();
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for writer in 0..3 {
                let (keys, over) = (&keys, &over);
                scope.spawn(move || {
                    let mut client = Client::connect(port);
                    let mut n = 0;
                    while !over.load(Ordering::Relaxed) {
                        n += 1;
                        let value = format!("{writer}.{n}");
                        let mut words = vec!["MSET"];
                        keys.iter().for_each(|key| words.extend([key.as_str(), &value]));
                        assert_eq!(client.call(&words).text(), "OK");
                    }
                });
            }
            let readers: Vec<_> = (0..3)
                .map(|_| {
                    let (keys, over) = (&keys, &over);
                    scope.spawn(move || {
                        let mut client = Client::connect(port);
                        let (mut seen, mut changes, mut last) = (0, 0, Value::Nil);
                        while !over.load(Ordering::Relaxed) {
                            let mut words = vec!["MGET"];
                            words.extend(keys.iter().map(String::as_str));
                            let values = client.call(&words).items();
                            assert!(values.iter().all(|value| value == &values[0]), "half an MSET: {values:?}");
                            changes += u32::from(values[0] != last);
                            last = values[0].clone();
                            seen += 1;
                        }
                        (seen, changes)
                    })
                })
                .collect();
            std::thread::sleep(SPAN);
            over.store(true, Ordering::Relaxed);
            for reader in readers {
                let (seen, changes) = reader.join().unwrap();
                assert!(seen > 10 && changes > 5, "{seen} reads saw {changes} values: nothing was shown");
            }
        });
    }
}

#[test]
fn transfers_keep_the_sum() {
    const ACCOUNTS: u64 = 20;
    let seed = seed();
    for (cores, log) in [(1, "--appendonly no"), (2, "--appendfsync always"), (4, "--appendfsync always")] {
        let dir = directory();
        let server = Server::start(dir.path(), &format!("--cores {cores} {log}"));
        let port = server.port;
        let account = |n: u64| format!("account:{n}");
        let mut client = server.client();
        (0..ACCOUNTS).for_each(|n| client.expect(&format!("SET {} 1000", account(n)), "OK"));
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for teller in 0..4 {
                let over = &over;
                scope.spawn(move || {
                    let mut rng = Rng::new(seed ^ teller);
                    let mut client = Client::connect(port);
                    let mut made = 0;
                    while !over.load(Ordering::Relaxed) {
                        let (from, to) = (account(rng.below(ACCOUNTS)), account(rng.below(ACCOUNTS)));
                        if from == to {
                            continue;
                        }
                        let sum = rng.below(50).to_string();
                        if teller % 2 == 0 {
                            let commands =
                                [vec!["MULTI"], vec!["DECRBY", &from, &sum], vec!["INCRBY", &to, &sum], vec!["EXEC"]];
                            assert!(!client.pipeline(&commands)[3].is_error());
                            made += 1;
                        } else {
                            // The careful way: read, compute, and write only if nobody else has.
                            assert_eq!(client.call(&["WATCH", &from, &to]).text(), "OK");
                            let values = client.call(&["MGET", &from, &to]).items();
                            let sum: i64 = sum.parse().unwrap();
                            let (less, more) =
                                ((values[0].int() - sum).to_string(), (values[1].int() + sum).to_string());
                            let commands =
                                [vec!["MULTI"], vec!["SET", &from, &less], vec!["SET", &to, &more], vec!["EXEC"]];
                            made += u32::from(client.pipeline(&commands)[3] != Value::Nil);
                        }
                    }
                    assert!(made > 0, "teller {teller} never came through");
                });
            }
            let started = Instant::now();
            let mut words = vec!["MGET".to_string()];
            words.extend((0..ACCOUNTS).map(account));
            while started.elapsed() < SPAN {
                let values = client.call(&words).items();
                assert_eq!(values.iter().map(Value::int).sum::<i64>(), 1000 * ACCOUNTS as i64, "on {cores} cores");
            }
            over.store(true, Ordering::Relaxed);
        });
        let mut words = vec!["MGET".to_string()];
        words.extend((0..ACCOUNTS).map(account));
        let before = client.call(&words);
        server.kill();
        if log.contains("always") {
            assert_eq!(Server::start(dir.path(), "--cores 2").client().call(&words), before);
        }
    }
}

#[test]
fn a_watched_key_that_changed_on_any_core_stops_exec() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 4 --appendonly no");
    let (mut one, mut two) = (server.client(), server.client());
    for i in 0..20 {
        let key = format!("watched:{i}");
        one.expect(&format!("WATCH {key} other:{i}"), "OK");
        match i % 4 {
            0 => two.expect(&format!("SET {key} x"), "OK"),
            1 => two.expect(&format!("MSET {key} x far:{i} y"), "OK"),
            2 => {
                two.expect("MULTI", "OK");
                two.expect(&format!("SET {key} x"), "QUEUED");
                two.expect("EXEC", "OK");
            }
            _ => {}
        }
        one.expect("MULTI", "OK");
        one.expect(&format!("SET mine:{i} 1"), "QUEUED");
        assert_eq!(one.say("EXEC") == Value::Nil, i % 4 < 3, "round {i}");
        one.expect(&format!("EXISTS mine:{i}"), if i % 4 < 3 { "0" } else { "1" });
    }
    one.expect("SET k 1", "OK");
    one.expect("WATCH k", "OK");
    two.expect("FLUSHALL", "OK");
    one.expect("MULTI", "OK");
    one.expect("PING", "QUEUED");
    assert_eq!(one.say("EXEC"), Value::Nil, "FLUSHALL touches what is watched");
    one.expect("WATCH k", "OK");
    two.expect("SET k 2", "OK");
    one.expect("UNWATCH", "OK");
    one.expect("MULTI", "OK");
    one.expect("GET k", "QUEUED");
    one.expect("EXEC", "2");
}

#[test]
fn transactions_follow_the_error_rules() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 4 --appendonly no");
    let mut client = server.client();
    client.expect("MULTI", "OK");
    client.expect("SET a 1", "QUEUED");
    client.expect("NOSUCH", "ERR unknown command 'NOSUCH', with args beginning with: ");
    client.expect("EXEC", "EXECABORT Transaction discarded because of previous errors.");
    client.expect("EXISTS a", "0");

    client.expect("SET text abc", "OK");
    client.expect("MULTI", "OK");
    client.expect("SET a 1", "QUEUED");
    client.expect("INCR text", "QUEUED");
    client.expect("SET b 2", "QUEUED");
    let replies = client.say("EXEC").items();
    assert_eq!(replies[0].text(), "OK");
    assert!(replies[1].is_error(), "{replies:?}");
    assert_eq!(replies[2].text(), "OK");
    client.expect("MGET a b", "1 2");

    client.expect("MULTI", "OK");
    client.expect("MULTI", "ERR MULTI calls can not be nested");
    client.expect("WATCH a", "ERR WATCH inside MULTI is not allowed");
    client.expect("SET a 9", "QUEUED");
    client.expect("DISCARD", "OK");
    client.expect("GET a", "1");
    client.expect("EXEC", "ERR EXEC without MULTI");
}

#[test]
fn a_rename_across_cores_is_never_seen_half_done() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 4 --appendfsync always");
    let port = server.port;
    server.client().expect("SET here treasure", "OK");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let over = &over;
        scope.spawn(move || {
            let mut client = Client::connect(port);
            let names = ["here", "there", "elsewhere"];
            let mut at = 0;
            while !over.load(Ordering::Relaxed) {
                let next = (at + 1) % names.len();
                client.expect(&format!("RENAME {} {}", names[at], names[next]), "OK");
                at = next;
            }
        });
        let mut client = Client::connect(port);
        let started = Instant::now();
        while started.elapsed() < SPAN {
            let values = client.say("MGET here there elsewhere").items();
            let found = values.iter().filter(|value| value.text() == "treasure").count();
            assert_eq!(found, 1, "{values:?}");
            assert_eq!(client.say("EXISTS here there elsewhere").int(), 1);
        }
        over.store(true, Ordering::Relaxed);
    });
    server.kill();
    let server = Server::start(dir.path(), "--cores 2");
    assert_eq!(server.client().say("EXISTS here there elsewhere").int(), 1);
}

#[test]
fn counters_count_every_increment_from_every_core() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 4 --appendfsync always");
    let port = server.port;
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(move || {
                let mut client = Client::connect(port);
                let commands: Vec<_> =
                    (0..500).flat_map(|i| [vec!["INCR", "all"], vec!["INCR", ["a", "b", "c", "d"][i % 4]]]).collect();
                assert!(client.pipeline(&commands).iter().all(|reply| matches!(reply, Value::Int(_))));
            });
        }
    });
    let mut client = server.client();
    client.expect("MGET all a b c d", "4000 1000 1000 1000 1000");
    server.kill();
    Server::start(dir.path(), "--cores 1").client().expect("MGET all a b c d", "4000 1000 1000 1000 1000");
}
