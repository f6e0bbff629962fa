//! Bases of commands (`aof-use-rdb-preamble no`): values that lose something in them, servers that read them otherwise, and damage
//! that is served.

use super::client::{Client, Value};
use super::crash::{Keeps, Writer, content, log_files, rounds};
use super::interop::{check_aof, copy_dir, fill};
use super::peers;
use super::rng::{Rng, seed};
use super::server::{Server, binary, directory};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const COMMANDS: &str = "--aof-use-rdb-preamble no --aof-segment-size 256kb --enable-debug-command yes";

fn rewrite(client: &mut Client) {
    while client.say("BGREWRITEAOF").is_error() {
        std::thread::sleep(Duration::from_millis(2));
    }
    rewritten(client);
}

fn rewritten(client: &mut Client) {
    while client.say("INFO persistence").text().contains("aof_rewrite_in_progress:1") {
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(client.say("INFO persistence").text().contains("aof_last_bgrewrite_status:ok"));
}

/// The bases in a directory, by their endings.
fn bases(dir: &Path) -> Vec<PathBuf> {
    let is_base = |path: &PathBuf| path.to_string_lossy().contains(".base.");
    log_files(dir).into_iter().filter(is_base).collect()
}

fn has_base(dir: &Path, ending: &str) {
    let bases = bases(dir);
    assert!(matches!(&bases[..], [only] if only.extension().unwrap() == ending), "{bases:?} is not one of {ending}");
}

fn number(client: &mut Client, field: &str) -> u64 {
    let info = client.say("INFO persistence").text();
    let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap().trim().parse().unwrap()
}

/// Values in both sizes, and everything that belongs to them beside their elements.
fn fill_all(client: &mut Client, rng: &mut Rng) {
    fill(client, rng);
    let mut pipe = |line: fn(u64) -> String, count| {
        let commands: Vec<Vec<String>> = (0..count).map(|n| line(n).split(' ').map(String::from).collect()).collect();
        assert!(!client.pipeline(&commands).iter().any(Value::is_error), "{}", line(1));
    };
    pipe(|n| format!("RPUSH large:list {n} element:{n}"), 3000);
    pipe(|n| format!("SADD large:set member:{n}"), 6000);
    pipe(|n| format!("ZADD large:zset {}.{n} member:{n} {n}e-290 small:{n}", n % 97), 3000);
    pipe(|n| format!("HSET large:hash field:{n} {n}"), 6000);
    pipe(|n| format!("HPEXPIREAT large:hash {} FIELDS 1 field:{}", 5_000_000_000_000 + n, n * 5), 1000);
    pipe(|n| format!("XADD large:stream {}-{n} f {n} g {n}", n / 3 + 1), 6000);
    for line in [
        "ZADD scores inf a -inf b -0 c 5e-324 d 0.1 e 1.7976931348623157e308 f",
        "HSET hash a 1 b 2",
        "HPEXPIREAT hash 5000000000001 FIELDS 1 a",
        "PEXPIREAT large:hash 5000000000002",
        "XGROUP CREATE large:stream readers 0",
        "XREADGROUP GROUP readers alice COUNT 700 STREAMS large:stream >",
        "XREADGROUP GROUP readers bob COUNT 30 STREAMS large:stream >",
        "XCLAIM large:stream readers bob 0 3-6 3-7 3-8 TIME 1600000000000 RETRYCOUNT 9",
        "XGROUP CREATECONSUMER large:stream readers nobody",
        "XGROUP CREATE large:stream others 9-9 ENTRIESREAD 3",
        "XDEL large:stream 5-12 7-18 7-19",
        "XTRIM large:stream MINID 2-5",
        "XGROUP CREATE empty group $ MKSTREAM",
        "XADD gone 1-1 a b",
        "XADD gone 1-2 a b",
        "XADD gone 2-1 a b",
        "XGROUP CREATE gone group 0",
        "XREADGROUP GROUP group alice STREAMS gone >",
        "XDEL gone 1-2",
        "XTRIM gone MAXLEN 0",
        "XADD counted 1-1 a b",
        "XDEL counted 1-1",
        "XSETID counted 7-7 ENTRIESADDED 9 MAXDELETEDID 2-2",
    ] {
        assert!(!client.say(line).is_error(), "{line}");
    }
}

/// What is told of a stream, but for what commands can't tell and what each server reckons in its own way.
fn told(value: Value, out: &mut String) {
    const SKIPPED: [&str; 6] = ["seen-time", "active-time", "radix-tree-keys", "radix-tree-nodes", "lag", "entries"];
    let Value::Array(items) = value else { return *out += &format!("{value:?} ") };
    *out += "[";
    let mut items = items.into_iter();
    while let Some(item) = items.next() {
        let name = if matches!(item, Value::Array(_)) { String::new() } else { item.text() };
        // Redis 8.2 and later tell of idempotent producers too.
        if SKIPPED.contains(&&name[..]) || ["idmp", "iids", "pid"].iter().any(|begin| name.starts_with(begin)) {
            items.next();
            continue;
        }
        told(item, out);
    }
    *out += "]";
}

/// All that there is, as text.
fn everything(client: &mut Client) -> Vec<String> {
    let mut all: Vec<String> = content(client).into_iter().map(|key| format!("{key:?}")).collect();
    for stream in ["large:stream", "empty", "gone", "counted"] {
        let mut text = format!("{stream} ");
        told(client.call(&["XINFO", "STREAM", stream, "FULL", "COUNT", "0"]), &mut text);
        all.push(text);
    }
    for line in
        ["HPEXPIRETIME hash FIELDS 2 a b", "HPEXPIRETIME large:hash FIELDS 4 field:5 field:6 field:4995 field:7"]
    {
        all.push(format!("{line} {:?}", client.say(line)));
    }
    all
}

#[track_caller]
fn same(found: &[String], expected: &[String], who: &str) {
    for (found, expected) in found.iter().zip(expected) {
        assert!(found == expected, "{who} has {found:.900}\ninstead of {expected:.900}");
    }
    assert_eq!(found.len(), expected.len(), "{who} has another number of keys");
}

#[test]
fn a_base_of_commands_holds_all_of_every_value_and_every_server_reads_it() {
    let seed = seed();
    for cores in [4, 1] {
        let dir = directory();
        let server = Server::start(dir.path(), &format!("--cores {cores} {COMMANDS}"));
        let mut client = server.client();
        fill_all(&mut client, &mut Rng::new(seed));
        rewrite(&mut client);
        has_base(dir.path(), "aof");
        let bytes = std::fs::metadata(&bases(dir.path())[0]).unwrap().len();
        assert_eq!(number(&mut client, "aof_base_size"), bytes);
        assert_eq!(number(&mut client, "aof_current_size"), bytes);
        let ours = everything(&mut client);
        server.stop();
        for cores in [1, 2, 4] {
            let server = Server::start(dir.path(), &format!("--cores {cores} {COMMANDS}"));
            same(&everything(&mut server.client()), &ours, &format!("Basalt on {cores} cores"));
            assert!(
                number(&mut server.client(), "aof_base_size") >= bytes,
                "what was loaded is what growth is reckoned from"
            );
            if cores == 2 { server.kill() } else { server.stop() }
        }
        let check = binary().with_file_name("basalt-check");
        for path in [dir.path().to_path_buf(), bases(dir.path()).remove(0)] {
            let output = Command::new(&check).arg(path).stdin(Stdio::null()).output().unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("sound"), "{said}");
        }
        for name in peers::servers() {
            let copy = directory();
            copy_dir(dir.path(), copy.path());
            check_aof(name, copy.path());
            let peer = peers::start(name, copy.path(), &["--appendonly", "yes"]);
            same(&everything(&mut peer.client()), &ours, name);
            peer.client().expect("SET from the-peer", "OK");
            peer.stop();
            let back = Server::start(copy.path(), &format!("--cores 3 {COMMANDS}"));
            back.client().expect("GET from", "the-peer");
            back.client().expect("DEL from", "1");
            same(&everything(&mut back.client()), &ours, &format!("Basalt after {name}"));
        }
    }
}

#[test]
fn either_kind_of_base_takes_the_others_place_under_load_and_nothing_is_lost() {
    let mut rng = Rng::new(seed());
    let dir = directory();
    let mut writers: Vec<Writer> = (0..6).map(|i| Writer::new(format!("w{i}"))).collect();
    for round in 0..rounds().div_ceil(2) {
        let first = ["yes", "no"][rng.below(2) as usize];
        let options = format!("--cores {} --aof-use-rdb-preamble {first}", [2, 4, 1][round as usize % 3]);
        let server = Server::start(dir.path(), &options);
        let (mut client, port) = (server.client(), server.port);
        writers.iter_mut().for_each(|writer| writer.check(&mut client, Keeps::All));
        std::thread::scope(|scope| {
            for writer in &mut writers {
                scope.spawn(move || writer.run(port));
            }
            for _ in 0..3 {
                let (setting, ending) = [("yes", "rdb"), ("no", "aof")][rng.below(2) as usize];
                client.expect(&format!("CONFIG SET aof-use-rdb-preamble {setting}"), "OK");
                rewrite(&mut client);
                has_base(dir.path(), ending);
            }
            // Perhaps inside of another.
            let setting = ["yes", "no"][rng.below(2) as usize];
            client.expect(&format!("CONFIG SET aof-use-rdb-preamble {setting}"), "OK");
            client.say("BGREWRITEAOF");
            std::thread::sleep(Duration::from_millis(rng.below(20)));
            server.kill();
        });
    }
    let server = Server::start(dir.path(), "--cores 3");
    let mut client = server.client();
    writers.iter_mut().for_each(|writer| writer.check(&mut client, Keeps::All));
}

#[test]
fn whoever_makes_a_base_goes_by_the_setting() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2 --appendonly no");
    let mut client = server.client();
    client.expect("MSET a 1 b 2", "OK");
    client.expect("SAVE", "OK");
    server.stop();
    // The first start with a log begins it with the RDB file, and then makes a base of its own kind.
    let server = Server::start(dir.path(), &format!("--cores 2 {COMMANDS}"));
    let mut client = server.client();
    client.expect("MGET a b", "1 2");
    while bases(dir.path()).iter().any(|base| base.extension().unwrap() != "aof") {
        std::thread::sleep(Duration::from_millis(20));
    }
    rewritten(&mut client);
    // Turned off and on again.
    client.expect("CONFIG SET appendonly no", "OK");
    client.expect("SET c 3", "OK");
    client.expect("CONFIG SET appendonly yes", "OK");
    has_base(dir.path(), "aof");
    // Another content than the log's.
    client.expect("SET c 4", "OK");
    client.expect("DEBUG RELOAD NOSAVE", "OK");
    client.expect("MGET a b c", "1 2 (nil)");
    has_base(dir.path(), "aof");
    // By itself.
    client.expect("CONFIG SET auto-aof-rewrite-min-size 1mb", "OK");
    let before = bases(dir.path());
    for n in 0..20_000 {
        client.send(&["SET", "grows", &format!("{n:0100}")]).unwrap();
    }
    (0..20_000).for_each(|_| drop(client.read().unwrap()));
    while bases(dir.path()) == before {
        std::thread::sleep(Duration::from_millis(20));
    }
    rewritten(&mut client);
    has_base(dir.path(), "aof");
    server.kill();
    let server = Server::start(dir.path(), "--cores 1");
    server.client().expect("MGET a b c", "1 2 (nil)");
    assert!(server.client().say("GET grows").text().ends_with("19999"));
}

#[test]
fn a_damaged_base_stops_the_start_by_name_and_offset() {
    let mut rng = Rng::new(seed());
    let dir = directory();
    let server = Server::start(dir.path(), &format!("--cores 2 {COMMANDS}"));
    let mut client = server.client();
    fill(&mut client, &mut rng);
    rewrite(&mut client);
    let ours = content(&mut client);
    server.stop();
    let base = bases(dir.path()).remove(0);
    let whole = std::fs::read(&base).unwrap();
    let check = binary().with_file_name("basalt-check");
    for round in 0..6 {
        let mut bytes = whole.clone();
        let at = rng.below(whole.len() as u64) as usize;
        match round % 3 {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes.truncate(at),
            _ => bytes[at / 4096 * 4096..].iter_mut().take(4096).for_each(|byte| *byte = 0),
        }
        std::fs::write(&base, &bytes).unwrap();
        let server = Server::spawn(dir.path(), "--cores 2 --aof-load-corrupt-tail-max-size 1gb");
        let (status, said) = server.fails();
        let name = base.file_name().unwrap().to_str().unwrap();
        assert!(status != 0 && said.contains(name) && said.contains("offset "), "round {round} at {at}: {said}");
        let output = Command::new(&check).arg(dir.path()).stdin(Stdio::null()).output().unwrap();
        assert!(!output.status.success(), "basalt-check takes it for sound, round {round} at {at}");
    }
    std::fs::write(&base, &whole).unwrap();
    let server = Server::start(dir.path(), "--cores 4");
    assert_eq!(content(&mut server.client()), ours);
}
