//! Redis and Valkey read what Basalt leaves behind, and Basalt what they do.

use super::client::{Client, Value};
use super::crash::{content, log_files};
use super::peers;
use super::rng::{Rng, seed};
use super::server::{Server, directory};
use std::path::Path;
use std::process::Stdio;

/// The value of each type that the server knows, many times.
pub fn fill(client: &mut Client, rng: &mut Rng) {
    let families: &[&[&str]] = &[
        &[
            "SET k{} v{}",
            "APPEND a{} {}",
            "INCRBY n{} {}",
            "SETRANGE r{} 5 {}",
            "SETBIT b{} {} 1",
            "SET t{} {} PX 100000000",
            "INCRBYFLOAT f{} 0.{}",
            "GETDEL k{}",
            "MSET k{} {} k{} {}",
            "RENAME k1{} k2{}",
            "COPY k{} k{} REPLACE",
            "EXPIRE k{} 50000",
            "PERSIST t{}",
            "DEL k{}",
        ],
        &["RPUSH l{} {} {} {}", "LPUSH l{} x{}", "LPOP l{}", "LSET l{} 0 {}", "LTRIM l{} 0 100"],
        &["SADD s{} {} {} m{}", "SADD i{} {} {}", "SREM s{} {}", "SPOP s{}", "SMOVE s{} s{} {}"],
        &["HSET h{} f{} {} g{} {}", "HINCRBY h{} n{} 1", "HDEL h{} f{}"],
        &["ZADD z{} {} m{} 1.5 n{}", "ZINCRBY z{} 0.25 m{}", "ZREM z{} n{}", "ZPOPMIN z{}"],
        &["XADD x{} * f {} g {}", "XTRIM x{} MAXLEN 50"],
        &["PFADD p{} {} {}", "GEOADD g{} 13.3 38.1 p{}"],
    ];
    for family in families {
        let first = family[0].split(' ').next().unwrap();
        if client.call(&["COMMAND", "INFO", first]).items()[0] == Value::Nil {
            peers::skipped(&format!("{first} and its family: not there yet"));
            continue;
        }
        for db in [0, 0, 0, 3] {
            client.expect(&format!("SELECT {db}"), "OK");
            let commands: Vec<Vec<String>> = (0..600)
                .map(|_| {
                    let mut words = Vec::new();
                    for word in rng.pick(family).split(' ') {
                        // Big values now and then, to leave the small encodings.
                        let number = if rng.below(200) == 0 {
                            "9".repeat(1 + rng.below(17) as usize)
                        } else {
                            rng.below(60).to_string()
                        };
                        words.push(word.replace("{}", &number));
                    }
                    words
                })
                // Bits far away would only make the files large.
                .filter(|words: &Vec<String>| words[0] != "SETBIT" || words[2].len() < 4)
                .collect();
            client.pipeline(&commands);
        }
        client.expect("SELECT 0", "OK");
        let big = "long ".repeat(20_000);
        client.call(&["SET", "long", &big]);
        client.call(&["SET", "", "a key without a name"]);
        client.call(&[&b"SET"[..], b"bytes\x00\xff\r\n", b"\x00\x80\xfe\r\n#\r\n"]);
        client.call(&["SET", "comment", "#BASALT looks like a frame\r\n"]);
    }
}

pub fn check_aof(name: &str, dir: &Path) {
    let check = name.replace("-server", "-check-aof");
    let Some(mut command) = peers::program(&check) else { return peers::skipped(&check) };
    let manifest =
        log_files(dir).into_iter().find(|path| path.extension().is_some_and(|ext| ext == "manifest")).unwrap();
    let output = command.arg(manifest).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{check}: {said}{}", String::from_utf8_lossy(&output.stderr));
}

pub fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn a_cleanly_stopped_directory_loads_in_redis_and_valkey() {
    let names = peers::servers();
    let seed = seed();
    for cores in [1, 2, 4] {
        let dir = directory();
        let server = Server::start(dir.path(), &format!("--cores {cores} --aof-segment-size 256kb"));
        let mut client = server.client();
        fill(&mut client, &mut Rng::new(seed));
        client.expect("SWAPDB 0 5", "OK");
        client.expect("SET behind the-swap", "OK");
        client.expect("SELECT 7", "OK");
        client.expect("SET gone 1", "OK");
        client.expect("FLUSHDB", "OK");
        client.expect("SET behind the-flush", "OK");
        let ours = content(&mut client);
        server.stop();
        for name in &names {
            let copy = directory();
            copy_dir(dir.path(), copy.path());
            check_aof(name, copy.path());
            let peer = peers::start(name, copy.path(), &["--appendonly", "yes"]);
            assert_eq!(content(&mut peer.client()), ours, "{name} found something else ({cores} cores)");
            // It writes on, stops, and Basalt takes the directory back.
            let mut client = peer.client();
            client.expect("SET from the-peer", "OK");
            client.expect("DEL behind", "1");
            let theirs = content(&mut client);
            peer.stop();
            let back = Server::start(copy.path(), "--cores 2 --aof-segment-size 256kb");
            assert_eq!(content(&mut back.client()), theirs, "back from {name}");
            back.kill();
            let back = Server::start(copy.path(), "--cores 3 --aof-segment-size 256kb");
            assert_eq!(content(&mut back.client()), theirs, "back from {name}, once more");
            back.stop();
            check_aof(name, copy.path());
        }
    }
}

#[test]
fn a_directory_after_kill_9_loads_elsewhere_once_basalt_has_started() {
    let seed = seed();
    for name in peers::servers() {
        let dir = directory();
        let server = Server::start(dir.path(), "--cores 3 --aof-segment-size 256kb");
        fill(&mut server.client(), &mut Rng::new(seed));
        let ours = content(&mut server.client());
        server.kill();
        let server = Server::start(dir.path(), "--cores 2 --aof-segment-size 256kb");
        assert_eq!(content(&mut server.client()), ours);
        server.stop();
        check_aof(name, dir.path());
        let peer = peers::start(name, dir.path(), &["--appendonly", "yes"]);
        assert_eq!(content(&mut peer.client()), ours, "{name} found something else");
    }
}

#[test]
fn directories_of_redis_and_valkey_load() {
    let seed = seed();
    for name in peers::servers() {
        for (base, rewrite) in [("yes", true), ("no", true), ("yes", false)] {
            let dir = directory();
            let options = ["--appendonly", "yes", "--aof-use-rdb-preamble", base];
            let peer = peers::start(name, dir.path(), &options);
            let mut client = peer.client();
            fill_known(&mut client, &mut Rng::new(seed));
            if rewrite {
                client.say("BGREWRITEAOF");
                while client.say("INFO persistence").text().contains("aof_rewrite_in_progress:1") {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                client.expect("SET behind the-rewrite", "OK");
                client.expect("INCRBY n1 5", &(client_number(&mut peer.client(), "n1") + 5).to_string());
            }
            let theirs = content(&mut client);
            peer.stop();
            if rewrite {
                split_incr(dir.path());
            }
            for cores in [2, 4, 1] {
                let server = Server::start(dir.path(), &format!("--cores {cores} --aof-segment-size 256kb"));
                let ours = content(&mut server.client());
                assert_eq!(ours, theirs, "{name}, base as RDB: {base}, rewrite: {rewrite}, {cores} cores");
                if cores == 4 { server.kill() } else { server.stop() }
            }
        }
    }
}

fn client_number(client: &mut Client, key: &str) -> i64 {
    let value = client.call(&["GET", key]);
    if value == Value::Nil { 0 } else { value.int() }
}

/// As `fill`, but only of types whose commands this Basalt has.
fn fill_known(peer: &mut Client, rng: &mut Rng) {
    let known = |name: &str| {
        basalt::command::all()
            .iter()
            .any(|command| command.spec.name == name && !matches!(command.exec, basalt::command::Exec::Missing))
    };
    if ["rpush", "sadd", "hset", "zadd", "xadd"].iter().all(|name| known(name)) {
        return fill(peer, rng);
    }
    peers::skipped("types other than strings in directories of Redis and Valkey: not there yet");
    for i in 0..3_000 {
        let (a, b) = (rng.below(200), rng.below(1_000));
        match i % 6 {
            0 => peer.say(&format!("SET t{a} {b} PX 90000000")),
            1 => peer.say(&format!("INCRBY n{a} {b}")),
            2 => peer.say(&format!("APPEND a{a} {b}")),
            3 => peer.say(&format!("MSET k{a} {b} k{b} {a}")),
            4 => peer.say(&format!("RENAME k{a} k{b}")),
            _ => peer.say(&format!("SET k{a} {}", "x".repeat(b as usize + 1))),
        };
    }
}

/// Makes two incremental files of the last one, as an interrupted rewrite leaves them.
fn split_incr(dir: &Path) {
    let files = log_files(dir);
    let manifest = files.iter().find(|path| path.extension().is_some_and(|ext| ext == "manifest")).unwrap();
    let text = std::fs::read_to_string(manifest).unwrap();
    let line = text.lines().rfind(|line| line.contains(" type i")).unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let (name, seq) = (words[1], words[3].parse::<u64>().unwrap());
    let path = manifest.with_file_name(name);
    let bytes = std::fs::read(&path).unwrap();
    // Commands begin with `*`; cut at the last one, and name the database again.
    let at = bytes.windows(3).rposition(|three| three == b"\n*3" || three == b"\n*2").unwrap() + 1;
    let next = name.replace(&format!(".{seq}."), &format!(".{}.", seq + 1));
    std::fs::write(&path, &bytes[..at]).unwrap();
    let rest = [b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n", &bytes[at..]].concat();
    std::fs::write(manifest.with_file_name(&next), rest).unwrap();
    std::fs::write(manifest, format!("{text}file {next} seq {} type i\n", seq + 1)).unwrap();
}

#[test]
fn an_rdb_file_loads_without_a_log() {
    let seed = seed();
    for name in peers::servers() {
        let dir = directory();
        let peer = peers::start(name, dir.path(), &["--appendonly", "no"]);
        let mut client = peer.client();
        fill_known(&mut client, &mut Rng::new(seed));
        client.expect("SAVE", "OK");
        let theirs = content(&mut client);
        peer.stop();
        let server = Server::start(dir.path(), "--cores 2 --appendonly no");
        assert_eq!(content(&mut server.client()), theirs, "{name}");
    }
}
