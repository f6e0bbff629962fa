//! The log is turned on and off while clients write; what was acknowledged with a log is there after `kill -9`.

use super::client::{Client, Value};
use super::crash::{Keeps, Writer, log_files, rounds};
use super::peers;
use super::rng::{Rng, seed};
use super::server::{Server, directory};
use std::time::Duration;

/// Runs `story` while six writers write; then the server is killed.
fn under_load(server: Server, writers: &mut [Writer], story: impl FnOnce(&mut Client)) {
    let mut client = server.client();
    let port = server.port;
    std::thread::scope(|scope| {
        for writer in writers.iter_mut() {
            scope.spawn(move || writer.run(port));
        }
        story(&mut client);
        server.kill();
    });
}

fn writers() -> Vec<Writer> {
    (0..6).map(|i| Writer::new(format!("w{i}"))).collect()
}

fn persistence(client: &mut Client, field: &str) -> bool {
    client.say("INFO persistence").text().contains(field)
}

/// From an RDB file to a log, as users of Redis do it: from the reply on nothing acknowledged is lost.
fn turned_on(cores: &[usize], policy: &str) {
    let mut rng = Rng::new(seed());
    for &cores in cores {
        let (dir, mut writers) = (directory(), writers());
        for round in 0..rounds().div_ceil(2) {
            let server = Server::start(dir.path(), &format!("--cores {cores} --appendonly no --appendfsync {policy}"));
            let mut client = server.client();
            if round == 0 {
                (0..500).for_each(|i| client.expect(&format!("SET old:{i} {i}"), "OK"));
                client.expect("SAVE", "OK");
            }
            let mut at_start = self::writers();
            std::mem::swap(&mut writers, &mut at_start);
            under_load(server, &mut writers, |client| {
                std::thread::sleep(Duration::from_millis(rng.below(60)));
                assert!(persistence(client, "aof_enabled:0"));
                client.expect("CONFIG SET appendonly yes", "OK");
                assert!(persistence(client, "aof_enabled:1"));
                assert_eq!(client.say("CONFIG GET appendonly").text(), "appendonly yes");
                std::thread::sleep(Duration::from_millis(rng.below(200)));
            });
            let server = Server::start(dir.path(), &format!("--cores {cores} --appendonly yes"));
            let mut client = server.client();
            writers.iter_mut().for_each(|writer| writer.check(&mut client, Keeps::All));
            (0..500).for_each(|i| client.expect(&format!("GET old:{i}"), &i.to_string()));
            // The next round begins with what this one left.
            client.expect("SAVE", "OK");
            server.stop();
            writers = self::writers();
            for writer in &mut writers {
                writer.name.push_str(&format!(":{round}"));
            }
        }
    }
}

#[test]
fn appendonly_turned_on_under_load_on_1_core_loses_nothing() {
    turned_on(&[1], "always");
}

#[test]
fn appendonly_turned_on_under_load_on_2_and_4_cores_loses_nothing() {
    turned_on(&[2, 4], "always");
}

#[test]
fn appendonly_turned_on_with_everysec_and_no_loses_nothing_to_a_kill() {
    turned_on(&[2], "everysec");
    turned_on(&[2], "no");
}

#[test]
fn appendonly_turned_off_and_on_again_and_again_loses_nothing() {
    let mut rng = Rng::new(seed());
    let (dir, mut writers) = (directory(), writers());
    for round in 0..rounds() {
        let cores = [2, 4, 1][round as usize % 3];
        let server = Server::start(dir.path(), &format!("--cores {cores}"));
        let mut client = server.client();
        writers.iter_mut().for_each(|writer| writer.check(&mut client, Keeps::All));
        under_load(server, &mut writers, |client| {
            for _ in 0..3 {
                client.expect("CONFIG SET appendonly no", "OK");
                std::thread::sleep(Duration::from_millis(rng.below(30)));
                client.expect("CONFIG SET appendonly yes appendfsync everysec", "OK");
                client.expect("CONFIG SET appendfsync always", "OK");
                std::thread::sleep(Duration::from_millis(rng.below(30)));
            }
            if round % 2 == 0 {
                client.expect("BGREWRITEAOF", "Background append only file rewriting started");
            }
            std::thread::sleep(Duration::from_millis(rng.below(100)));
        });
    }
    let server = Server::start(dir.path(), "--cores 2");
    let mut client = server.client();
    writers.iter_mut().for_each(|writer| writer.check(&mut client, Keeps::All));
    server.stop();
    for name in peers::servers() {
        let server = peers::start(name, dir.path(), &["--appendonly", "yes"]);
        let mut client = server.client();
        writers.iter_mut().for_each(|writer| writer.check(&mut client, Keeps::All));
        client.expect("CONFIG SET appendonly no", "OK");
    }
}

#[test]
fn a_flushall_while_the_log_s_base_is_written_does_not_keep_the_log_from_it() {
    for appendonly in ["no", "yes"] {
        let dir = directory();
        let options = format!("--cores 2 --snapshot-rate-limit 100kb --rdbcompression no --appendonly {appendonly}");
        let server = Server::start(dir.path(), &options);
        let (mut client, mut other) = (server.client(), server.client());
        // At this rate its base would take 20 seconds.
        (0..200).for_each(|i| client.expect(&format!("SET k:{i} {}", "v".repeat(10_000)), "OK"));
        match appendonly {
            "no" => client.send(&["CONFIG", "SET", "appendonly", "yes"]).unwrap(),
            _ => client.expect("BGREWRITEAOF", "Background append only file rewriting started"),
        }
        while !persistence(&mut other, "aof_rewrite_in_progress:1") {}
        other.expect("SET lost 1", "OK");
        other.expect("FLUSHALL", "OK");
        other.expect("SET kept 1", "OK");
        if appendonly == "no" {
            assert_eq!(client.read().unwrap(), Value::ok());
        }
        while persistence(&mut other, "aof_rewrite_in_progress:1") {}
        let info = other.say("INFO persistence").text();
        assert!(info.contains("aof_last_bgrewrite_status:ok") && info.contains("aof_enabled:1"), "{info}");
        server.kill();
        let server = Server::start(dir.path(), "--cores 1");
        server.client().expect("KEYS *", "kept");
    }
}

#[test]
fn a_kill_while_the_log_is_turned_on_or_off_leaves_what_was_there_before() {
    let mut rng = Rng::new(seed());
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2 --appendonly no");
    (0..200).for_each(|i| server.client().expect(&format!("SET k:{i} {}", "v".repeat(i)), "OK"));
    server.client().expect("SAVE", "OK");
    server.kill();
    for round in 0..2 * rounds() {
        // Now with a log, now without: each time the data is that of the instant, whoever is asked.
        let on = if round % 3 == 0 { "no" } else { "yes" };
        let server = Server::start(dir.path(), &format!("--cores {} --appendonly {on}", 1 + round % 3));
        let mut client = server.client();
        client.expect("DBSIZE", "200");
        client.expect("GET k:150", &"v".repeat(150));
        let to = if on == "no" { "yes" } else { "no" };
        client.send(&["CONFIG", "SET", "appendonly", to]).unwrap();
        client.send(&["CONFIG", "SET", "appendonly", on]).unwrap();
        client.send(&["CONFIG", "SET", "appendonly", to]).unwrap();
        std::thread::sleep(Duration::from_micros(rng.below(80_000)));
        server.kill();
    }
    let server = Server::start(dir.path(), "--cores 2 --appendonly yes");
    server.client().expect("DBSIZE", "200");
}

/// After `no` a start without a log loads the RDB file, and a start with one the log as it was closed; so does Redis.
#[test]
fn what_was_written_without_a_log_is_in_the_rdb_file_only() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 3");
    let mut client = server.client();
    client.expect("SET k 1", "OK");
    client.expect("CONFIG SET appendonly no", "OK");
    client.expect("SET k 2", "OK");
    assert_eq!(
        client.say("WAITAOF 1 0 0").text(),
        "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."
    );
    client.expect("SAVE", "OK");
    server.kill();
    let server = Server::start(dir.path(), "--cores 2 --appendonly no");
    server.client().expect("GET k", "2");
    server.kill();
    for name in peers::servers() {
        peers::start(name, dir.path(), &["--appendonly", "no"]).client().expect("GET k", "2");
        peers::start(name, dir.path(), &["--appendonly", "yes"]).client().expect("GET k", "1");
    }
}

/// Redis 7 and later start empty then, and the next save overwrites the file.
#[test]
fn an_rdb_file_without_a_log_is_what_a_log_begins_with() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2 --appendonly no");
    let mut client = server.client();
    for i in 0..1000 {
        client.expect(&format!("SET k:{i} {i}"), "OK");
    }
    client.expect("SET counter 41 PX 300", "OK");
    client.expect("SAVE", "OK");
    server.kill();
    std::thread::sleep(Duration::from_millis(310));
    let mut rng = Rng::new(seed());
    for cores in 1..12 {
        let server = Server::spawn(dir.path(), &format!("--cores {}", 1 + cores % 3));
        std::thread::sleep(Duration::from_micros(rng.below(40_000)));
        server.kill();
    }
    // What was over when it was loaded must not come back to life under what is logged of its key.
    for cores in [3, 1, 2] {
        let server = Server::start(dir.path(), &format!("--cores {cores}"));
        let mut client = server.client();
        if cores == 3 {
            client.expect("INCR counter", "1");
        }
        client.expect("GET counter", "1");
        client.expect("GET k:999", "999");
        client.expect("DBSIZE", "1001");
        server.kill();
    }
    // From now on the log counts, whatever becomes of the file.
    std::fs::write(dir.path().join("dump.rdb"), "no longer an RDB file").unwrap();
    Server::start(dir.path(), "--cores 2").client().expect("DBSIZE", "1001");
    // Without a log a damaged file is a reason not to start, not to start empty.
    std::fs::remove_dir_all(dir.path().join("appendonlydir")).unwrap();
    let (code, log) = Server::spawn(dir.path(), "--cores 2").fails();
    assert!(code != 0 && log.contains("dump.rdb"), "{log}");
}

#[test]
fn a_log_that_was_not_loaded_is_kept_as_history_when_another_is_opened() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2");
    server.client().expect("SET forgotten here", "OK");
    // A clean stop would leave an RDB file, too.
    server.kill();
    let server = Server::start(dir.path(), "--cores 3 --appendonly no");
    assert!(server.log().contains("is not loaded"), "{}", server.log());
    let mut client = server.client();
    client.expect("GET forgotten", "(nil)");
    client.expect("SET new 1", "OK");
    client.expect("CONFIG SET appendonly yes", "OK");
    server.kill();
    let server = Server::start(dir.path(), "--cores 2");
    server.client().expect("GET new", "1");
    server.client().expect("DBSIZE", "1");
    server.stop();
    let history = dir.path().join("appendonlydir.history");
    let sets: Vec<_> = std::fs::read_dir(&history).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(sets.len(), 1);
    let rescued = directory();
    std::fs::rename(&sets[0], rescued.path().join("appendonlydir")).unwrap();
    Server::start(rescued.path(), "--cores 2").client().expect("GET forgotten", "here");
}

#[test]
fn bgrewriteaof_without_a_log_writes_a_base_that_every_server_loads() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 3 --appendonly no");
    let mut client = server.client();
    for n in 1..3 {
        client.expect(&format!("SET k {n}"), "OK");
        client.expect("BGREWRITEAOF", "Background append only file rewriting started");
        let started = std::time::Instant::now();
        while !persistence(&mut client, &format!("aof_rewrites:{n}\r\n")) {
            assert!(started.elapsed() < Duration::from_secs(60), "{}", server.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    assert!(persistence(&mut client, "aof_enabled:0") && persistence(&mut client, "aof_last_bgrewrite_status:ok"));
    client.expect("SET k 3", "OK");
    let names: Vec<_> = log_files(dir.path()).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["appendonly.aof.2.base.rdb", "appendonly.aof.manifest"]);
    server.kill();
    Server::start(dir.path(), "--cores 2").client().expect("GET k", "2");
    for name in peers::servers() {
        peers::start(name, dir.path(), &["--appendonly", "yes"]).client().expect("GET k", "2");
    }
}

#[test]
fn the_log_is_not_turned_on_or_off_inside_a_transaction_nor_where_it_cannot_be_written() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2 --appendonly no");
    let mut client = server.client();
    for line in ["MULTI", "SET k v", "CONFIG SET appendonly yes"] {
        client.say(line);
    }
    let replies = client.say("EXEC").items();
    assert_eq!(replies[0], Value::ok());
    assert!(replies[1].text().starts_with("ERR CONFIG SET failed (possibly related to argument 'appendonly') - "));
    // A file stands where the directory would be.
    std::fs::write(dir.path().join("appendonlydir"), "in the way").unwrap();
    let refusal = client.say("CONFIG SET maxmemory 100mb appendonly yes").text();
    assert!(refusal.starts_with("ERR CONFIG SET failed (possibly related to argument 'appendonly') - "), "{refusal}");
    assert_eq!(client.say("CONFIG GET maxmemory appendonly").text(), "maxmemory 0 appendonly no");
    client.expect("SET k w", "OK");
    std::fs::remove_file(dir.path().join("appendonlydir")).unwrap();
    client.expect("CONFIG SET maxmemory 100mb appendonly yes", "OK");
    assert_eq!(client.say("CONFIG GET maxmemory").text(), "maxmemory 104857600");
    server.kill();
    Server::start(dir.path(), "--cores 2").client().expect("GET k", "w");
}
