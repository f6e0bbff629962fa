//! `maxmemory` on a real process: memory that grows all the same, evictions that a restart undoes, writes that wait for ever,
//! and stalls while something large is freed.

use super::client::{Client, Value};
use super::server::{Server, directory};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn field(client: &mut Client, name: &str) -> u64 {
    let info = client.say("INFO all").text();
    let line = info.lines().find(|line| line.starts_with(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("no {name} in INFO")).split_once(':').unwrap().1.trim().parse().unwrap()
}

/// Sets `keys` of 200 bytes, in pipelines; returns how many were refused.
fn fill(client: &mut Client, prefix: &str, keys: usize) -> usize {
    let value = "v".repeat(200);
    let mut refused = 0;
    for start in (0..keys).step_by(500) {
        let commands: Vec<Vec<String>> =
            (start..start + 500).map(|n| vec!["SET".into(), format!("{prefix}{n}"), value.clone()]).collect();
        refused += client.pipeline(&commands).iter().filter(|reply| reply.is_error()).count();
    }
    refused
}

fn keys(client: &mut Client) -> BTreeSet<String> {
    client.say("KEYS *").items().iter().map(Value::text).collect()
}

fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn memory_stays_within_the_limit_on_any_number_of_cores() {
    for cores in [1, 3] {
        let dir = directory();
        let server =
            Server::start(dir.path(), &format!("--cores {cores} --maxmemory-policy allkeys-lru --appendonly no"));
        let mut client = server.client();
        let limit = field(&mut client, "used_memory") + (8 << 20);
        client.expect(&format!("CONFIG SET maxmemory {limit}"), "OK");
        assert_eq!(fill(&mut client, "key:", 100_000), 0, "a cache refuses nothing");
        eventually("used_memory is within the limit", || {
            let used = field(&mut client, "used_memory");
            used <= limit + limit / 50
        });
        let (keys, evicted) = (client.say("DBSIZE").int() as u64, field(&mut client, "evicted_keys"));
        assert_eq!(keys + evicted, 100_000);
        assert!(keys > 15_000, "only {keys} keys in 8 MiB");
        // A lower limit takes effect by itself.
        let lower = limit - (4 << 20);
        client.expect(&format!("CONFIG SET maxmemory {lower}"), "OK");
        eventually("used_memory is within the lower limit", || field(&mut client, "used_memory") <= lower + lower / 50);
    }
}

#[test]
fn evicted_keys_stay_gone_after_a_kill() {
    let dir = directory();
    let options = "--cores 2 --maxmemory-policy allkeys-lru";
    let server = Server::start(dir.path(), options);
    let mut client = server.client();
    let limit = field(&mut client, "used_memory") + (4 << 20);
    client.expect(&format!("CONFIG SET maxmemory {limit}"), "OK");
    fill(&mut client, "key:", 50_000);
    client.expect("CONFIG SET maxmemory 0", "OK");
    // Its reply waits until all deletions are durable.
    let before = keys(&mut client);
    assert!(before.len() < 45_000, "nothing was evicted");
    server.kill();
    let server = Server::start(dir.path(), options);
    let after = keys(&mut server.client());
    let (lost, back) = (before.difference(&after).count(), after.difference(&before).count());
    assert_eq!((lost, back), (0, 0), "acknowledged keys lost, evicted keys back");
}

#[test]
fn a_full_server_refuses_writes_and_takes_them_again() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2 --appendonly no");
    let mut client = server.client();
    let limit = field(&mut client, "used_memory") + (4 << 20);
    client.expect(&format!("CONFIG SET maxmemory {limit}"), "OK");
    assert!(fill(&mut client, "key:", 50_000) > 10_000);
    client.expect("SET k v", "OOM command not allowed when used memory > 'maxmemory'.");
    client.expect("MSET a 1 b 2 c 3 d 4", "OOM command not allowed when used memory > 'maxmemory'.");
    client.expect("EXISTS a b c d", "0");
    client.expect("FLUSHALL", "OK");
    eventually("writes are taken again", || client.say("SET k v").text() == "OK");
}

#[test]
fn freeing_a_large_value_keeps_nobody_waiting_and_gives_its_memory_back() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 1 --appendonly no");
    let mut client = server.client();
    let empty = field(&mut client, "used_memory");
    for start in (0..200_000).step_by(1000) {
        let mut words = vec!["ZADD".to_string(), "large".into()];
        words.extend((start..start + 1000).flat_map(|n| [n.to_string(), format!("member:{n}")]));
        client.call(&words);
    }
    let full = field(&mut client, "used_memory");
    assert!(full > empty + (8 << 20));
    client.expect("DEL large", "1");
    client.expect("EXISTS large", "0");
    eventually("the memory is free", || {
        let used = field(&mut client, "used_memory");
        used < empty + (full - empty) / 20 && field(&mut client, "lazyfree_pending_objects") == 0
    });
    assert_eq!(field(&mut client, "lazyfreed_objects"), 1);
}
