//! DEBUG RELOAD and DEBUG LOADAOF: everything is replaced by what the files say, under load, and then `kill -9`.

use super::client::Client;
use super::crash::{Keeps, Writer, content, rounds};
use super::rng::{Rng, seed};
use super::server::{Server, directory};
use std::time::Duration;

const DEBUG: &str = "--enable-debug-command yes";

/// Values of every type, with and without times, in several databases.
fn fill(client: &mut Client) {
    for db in [0, 3] {
        client.expect(&format!("SELECT {db}"), "OK");
        for i in 0..300 {
            client.expect(&format!("SET s:{i} {}", "v".repeat(i)), "OK");
            client.expect(&format!("SET t:{i} {i} EX 100000"), "OK");
        }
        for i in 0..400 {
            for line in ["RPUSH list", "SADD set", "SADD numbers", "PFADD hll"] {
                client.say(&format!("{line} {i}"));
            }
            client.say(&format!("HSET hash f{i} {i}"));
            client.say(&format!("ZADD zset {i} m{i}"));
            client.say(&format!("XADD stream {}-1 f {i}", i + 1));
        }
        client.say("XGROUP CREATE stream group 0");
        client.say("XREADGROUP GROUP group consumer COUNT 5 STREAMS stream >");
        client.say("HPEXPIRE hash 10000000 FIELDS 1 f7");
    }
    client.expect("SELECT 0", "OK");
}

#[test]
fn what_is_loaded_anew_is_what_was_there_also_after_a_kill() {
    for (cores, log) in [(1, "yes"), (2, "yes"), (4, "yes"), (3, "no")] {
        let dir = directory();
        let server = Server::start(dir.path(), &format!("--cores {cores} --appendonly {log} {DEBUG}"));
        let mut client = server.client();
        fill(&mut client);
        let before = content(&mut client);
        let digest = client.say("DEBUG DIGEST").text();
        for line in ["DEBUG RELOAD", "DEBUG LOADAOF", "DEBUG RELOAD", "DEBUG LOADAOF", "DEBUG RELOAD"] {
            match log == "no" && line == "DEBUG LOADAOF" {
                true => client.expect(line, "ERR DEBUG LOADAOF needs a log: appendonly is no"),
                false => client.expect(line, "OK"),
            }
            assert_eq!(client.say("DEBUG DIGEST").text(), digest, "{line} on {cores} cores");
        }
        assert_eq!(content(&mut client), before);
        // A snapshot tells by the entries' stamps what it has written: of what was loaded it must miss nothing.
        for _ in 0..5 {
            client.expect("SAVE", "OK");
            client.expect("SET s:0 changed", "OK");
            client.expect("DEBUG RELOAD", "OK");
        }
        let after = content(&mut client);
        server.kill();
        let server = Server::start(dir.path(), &format!("--cores 2 --appendonly {log}"));
        assert_eq!(content(&mut server.client()), after);
    }
}

#[test]
fn loading_anew_under_load_loses_nothing_that_was_acknowledged() {
    let mut rng = Rng::new(seed());
    let dir = directory();
    let mut writers: Vec<Writer> = (0..6).map(|i| Writer::new(format!("w{i}"))).collect();
    for round in 0..rounds().div_ceil(2) {
        let server = Server::start(dir.path(), &format!("--cores {} {DEBUG}", [2, 4, 1][round as usize % 3]));
        let (mut client, port) = (server.client(), server.port);
        writers.iter_mut().for_each(|writer| writer.check(&mut client, Keeps::All));
        std::thread::scope(|scope| {
            for writer in &mut writers {
                scope.spawn(move || writer.run(port));
            }
            for line in ["DEBUG RELOAD", "DEBUG LOADAOF", "DEBUG RELOAD", "DEBUG LOADAOF"] {
                client.expect(line, "OK");
                std::thread::sleep(Duration::from_millis(rng.below(40)));
            }
            server.kill();
        });
    }
    let server = Server::start(dir.path(), "--cores 2");
    let mut client = server.client();
    writers.iter_mut().for_each(|writer| writer.check(&mut client, Keeps::All));
}

#[test]
fn what_is_loaded_without_saving_takes_the_place_of_everything_in_the_log_too() {
    for cores in [1, 3] {
        let dir = directory();
        let server = Server::start(dir.path(), &format!("--cores {cores} {DEBUG}"));
        let (mut client, mut other) = (server.client(), server.client());
        client.expect("SET kept 1", "OK");
        client.expect("SET gone 1 PX 200", "OK");
        client.expect("SAVE", "OK");
        client.expect("SET kept 2", "OK");
        client.expect("SET later 1", "OK");
        for line in ["WATCH kept", "MULTI", "SET kept 3"] {
            other.say(line);
        }
        std::thread::sleep(Duration::from_millis(210));
        client.expect("DEBUG RELOAD NOSAVE", "OK");
        other.expect("EXEC", "(nil)");
        client.expect("MGET kept later gone", "1 (nil) (nil)");
        // It is over, here and in the log: what is counted begins anew in both.
        client.expect("INCR gone", "1");
        client.expect("DEBUG LOADAOF", "OK");
        client.expect("MGET kept later gone", "1 (nil) 1");
        server.kill();
        let server = Server::start(dir.path(), "--cores 2");
        server.client().expect("MGET kept later gone", "1 (nil) 1");
    }
}

#[test]
fn what_cannot_be_loaded_changes_nothing() {
    let dir = directory();
    let server = Server::start(dir.path(), &format!("--cores 2 {DEBUG}"));
    let mut client = server.client();
    client.expect("SET k v", "OK");
    let refusal = "ERR Error trying to load the RDB dump, check server logs.";
    client.expect("DEBUG RELOAD NOSAVE", refusal);
    std::fs::write(dir.path().join("dump.rdb"), "REDIS0011 and then nothing of the kind").unwrap();
    client.expect("DEBUG RELOAD NOSAVE", refusal);
    client.expect("DEBUG RELOAD MERGE", "ERR DEBUG RELOAD only supports the NOSAVE option here.");
    client.expect("GET k", "v");
    for line in ["MULTI", "DEBUG RELOAD", "SET k w"] {
        client.say(line);
    }
    client.expect("EXEC", "ERR DEBUG RELOAD and LOADAOF cannot run inside a transaction OK");
    server.kill();
    let server = Server::start(dir.path(), "--cores 2");
    server.client().expect("GET k", "w");
    assert!(server.client().say("DEBUG RELOAD").text().starts_with("ERR DEBUG command not allowed."));
}
