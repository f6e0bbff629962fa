//! basalt-check as an operator uses it: after a crash, rot, an edit by hand, a FLUSHALL by mistake.

use super::client::Client;
use super::crash::log_files;
use super::peers;
use super::server::{Server, directory};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn basalt_check(args: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_basalt-check")).args(args).stdin(Stdio::null()).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), said)
}

fn done(args: &[&str]) -> String {
    let (code, said) = basalt_check(args);
    assert_eq!(code, 0, "{args:?}: {said}");
    said
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// Waits until the clock shows a later millisecond, and a little more.
fn a_moment() -> u64 {
    std::thread::sleep(Duration::from_millis(30));
    let now = now_ms();
    std::thread::sleep(Duration::from_millis(30));
    now
}

/// Names in the data directory that tell of backups.
fn backups(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| text(path).contains(".before-")).collect()
}

fn fill(client: &mut Client, from: u32, to: u32) {
    for i in from..to {
        client.expect(&format!("MSET a{i} {i} b{i} {i} c{i} {i}"), "OK");
    }
}

/// A byte of a command that sets `key`.
fn place_of(dir: &Path, key: &str) -> (PathBuf, usize) {
    let needle = format!("${}\r\n{key}\r\n", key.len());
    for path in log_files(dir) {
        let bytes = std::fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(needle.len()).position(|window| window == needle.as_bytes()) {
            return (path, at + needle.len() - 3);
        }
    }
    panic!("{key} is in no file of {}", dir.display());
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 4;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn v4_after_a_crash_fix_makes_a_directory_that_other_servers_load() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2 --aof-timestamp-enabled yes");
    fill(&mut server.client(), 0, 50);
    let port = server.port;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move || {
                let mut client = Client::connect(port);
                while client.try_call(&["MSET", "x1", "1", "x2", "2", "x3", "3"]).is_ok() {}
            });
        }
        std::thread::sleep(Duration::from_millis(200));
        server.kill();
    });
    done(&["--fix", "--yes", text(dir.path())]);
    done(&[text(dir.path())]);
    for name in peers::servers() {
        let peer = peers::start(name, dir.path(), &["--appendonly", "yes"]);
        let mut client = peer.client();
        client.expect("DBSIZE", "153");
        client.expect("GET c49", "49");
        drop(client);
        peer.stop();
    }
    let server = Server::start(dir.path(), "--cores 3");
    server.client().expect("DBSIZE", "153");
}

#[test]
fn rot_is_cut_with_a_backup_and_the_loss_is_told() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2");
    fill(&mut server.client(), 0, 100);
    server.stop();
    let (path, at) = place_of(dir.path(), "a70");
    flip(&path, at);
    let (code, said) = Server::spawn(dir.path(), "--cores 2").fails();
    assert!(code == 1 && said.contains("--fix") && said.contains("--reseal"), "{said}");
    // Without a yes nothing happens.
    let (code, said) = basalt_check(&["--fix", text(dir.path())]);
    assert!(code == 1 && said.contains("nothing was changed") && said.contains("records"), "{said}");
    assert!(backups(dir.path()).is_empty());
    let said = done(&["--fix", "--yes", text(dir.path())]);
    assert!(said.contains("This is lost") && said.contains("can still be read; their keys"), "{said}");
    let backup = backups(dir.path()).pop().expect("the damaged log is kept");
    assert!(backup.join(path.file_name().unwrap()).exists());
    let server = Server::start(dir.path(), "--cores 2");
    let mut client = server.client();
    client.expect("MGET a69 b69 c69", "69 69 69");
    // What stays is whole transactions.
    for i in 0..100 {
        let reply = client.call(&["MGET", &format!("a{i}"), &format!("b{i}"), &format!("c{i}")]).text();
        assert!(reply == format!("{i} {i} {i}") || (i >= 70 && reply == "(nil) (nil) (nil)"), "{i}: {reply}");
    }
}

#[test]
fn a_damaged_or_lost_manifest_is_written_anew_from_the_segments() {
    for spoil in 0..3 {
        let dir = directory();
        let server = Server::start(dir.path(), "--cores 2");
        fill(&mut server.client(), 0, 20);
        server.stop();
        Server::start(dir.path(), "--cores 3").stop();
        let manifest = dir.path().join("appendonlydir/appendonly.aof.manifest");
        let bytes = std::fs::read(&manifest).unwrap();
        match spoil {
            0 => std::fs::remove_file(&manifest).unwrap(),
            1 => std::fs::write(&manifest, &bytes[..bytes.len() / 2]).unwrap(),
            _ => flip(&manifest, bytes.len() / 3),
        }
        assert_eq!(Server::spawn(dir.path(), "--cores 2").fails().0, 1);
        let said = done(&["--fix", "--yes", text(dir.path())]);
        assert!(said.contains("written anew"), "{said}");
        Server::start(dir.path(), "--cores 2").client().expect("DBSIZE", "60");
    }
}

#[test]
fn an_edit_by_hand_is_sealed_anew_or_refused_with_its_place() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2");
    let mut client = server.client();
    client.expect("SET greeting hello", "OK");
    client.expect("MULTI", "OK");
    client.expect("SET a 1", "QUEUED");
    client.expect("SET b 2", "QUEUED");
    client.call(&["EXEC"]);
    client.expect("FLUSHALL", "OK");
    client.expect("SET after 1", "OK");
    drop(client);
    server.stop();
    let edit = |old: &[u8], new: &[u8]| {
        for path in log_files(dir.path()) {
            let bytes = std::fs::read(&path).unwrap();
            if let Some(at) = bytes.windows(old.len()).position(|window| window == old) {
                std::fs::write(&path, [&bytes[..at], new, &bytes[at + old.len()..]].concat()).unwrap();
                return;
            }
        }
        panic!("{:?} is in no file", String::from_utf8_lossy(old));
    };
    // As Redis's users do: the FLUSHALL goes, and a value changes its length.
    edit(b"*1\r\n$8\r\nFLUSHALL\r\n", b"");
    edit(b"$5\r\nhello\r\n", b"$11\r\nhello world\r\n");
    let (code, said) = Server::spawn(dir.path(), "--cores 2").fails();
    assert!(code == 1 && said.contains("--reseal"), "{said}");
    // A slip of the pen is refused with its place, and nothing is changed.
    edit(b"*3\r\n$3\r\nSET\r\n$5\r\nafter", b"*3\r\n$4\r\nSET\r\n$5\r\nafter");
    let (code, said) = basalt_check(&["--reseal", "--yes", text(dir.path())]);
    assert!(code == 1 && said.contains("at offset"), "{said}");
    assert!(backups(dir.path()).is_empty());
    edit(b"*3\r\n$4\r\nSET\r\n$5\r\nafter", b"*3\r\n$3\r\nSET\r\n$5\r\nafter");
    done(&["--reseal", "--yes", text(dir.path())]);
    assert_eq!(backups(dir.path()).len(), 1);
    let server = Server::start(dir.path(), "--cores 2");
    let mut client = server.client();
    client.expect("GET greeting", "hello world");
    client.expect("MGET a b after", "1 2 1");
    drop(client);
    server.stop();
    for name in peers::servers() {
        let peer = peers::start(name, dir.path(), &["--appendonly", "yes"]);
        peer.client().expect("GET greeting", "hello world");
        peer.stop();
    }
}

#[test]
fn v3_all_cores_go_back_to_one_time_and_transactions_stay_whole() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2 --aof-timestamp-enabled yes");
    let mut client = server.client();
    fill(&mut client, 0, 50);
    let time = a_moment();
    fill(&mut client, 50, 100);
    client.expect("FLUSHALL", "OK");
    fill(&mut client, 200, 210);
    drop(client);
    server.kill();
    assert!(
        log_files(dir.path())
            .iter()
            .any(|path| { std::fs::read(path).unwrap().windows(6).any(|window| window == b"\r\n#TS:") })
    );
    let place = directory();
    let to = place.path().join("restored");
    done(&["--truncate-to-timestamp", &time.to_string(), "--to", text(&to), "--yes", text(dir.path())]);
    for cores in ["--cores 1", "--cores 2"] {
        let server = Server::start(&to, cores);
        server.client().expect("DBSIZE", "150");
        server.client().expect("MGET a49 b49 c49", "49 49 49");
        server.stop();
    }
    // By the server itself, into a new directory; the old one stays as it was.
    let before: Vec<_> = log_files(dir.path()).iter().map(|path| std::fs::read(path).unwrap()).collect();
    let new = place.path().join("new");
    std::fs::create_dir(&new).unwrap();
    let options = format!("--cores 3 --restore-from {} --restore-to-timestamp {time}", dir.path().display());
    let server = Server::start(&new, &options);
    server.client().expect("DBSIZE", "150");
    server.client().expect("SET more 1", "OK");
    server.stop();
    let server = Server::start(&new, &options);
    server.client().expect("DBSIZE", "151");
    server.stop();
    let after: Vec<_> = log_files(dir.path()).iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(before == after, "the old log is only read");
    // In place; then other servers load it too.
    done(&["--truncate-to-timestamp", &time.to_string(), "--yes", text(dir.path())]);
    for name in peers::servers() {
        let peer = peers::start(name, dir.path(), &["--appendonly", "yes"]);
        peer.client().expect("DBSIZE", "150");
        peer.stop();
    }
    Server::start(dir.path(), "--cores 2").client().expect("DBSIZE", "150");
}

#[test]
fn the_classic_rescue_brings_back_what_a_flushall_took() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2");
    let mut client = server.client();
    fill(&mut client, 0, 50);
    client.expect("FLUSHALL", "OK");
    client.expect("SET since 1", "OK");
    // Still in the log.
    let name = |dir: &Path| {
        let said = done(&["--list-history", text(dir)]);
        let line = said.lines().find(|line| line.contains("FLUSHALL")).unwrap_or_else(|| panic!("{said}"));
        line.split(':').next().unwrap().to_string()
    };
    assert!(name(dir.path()).starts_with("generation-"));
    // A rewrite drops what the flush made needless; history keeps it.
    client.expect("BGREWRITEAOF", "Background append only file rewriting started");
    let kept = dir.path().join("appendonlydir.history");
    for _ in 0..3000 {
        let info = client.call(&["INFO", "persistence"]).text();
        if info.contains("aof_rewrite_in_progress:0") && kept.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(client);
    server.stop();
    let history = name(dir.path());
    assert!(!history.starts_with("generation-"), "{history}");
    // The log itself loads without it, also elsewhere.
    Server::start(dir.path(), "--cores 2").stop();
    let place = directory();
    let to = place.path().join("rescued");
    done(&["--restore-history", &history, "--to", text(&to), "--yes", text(dir.path())]);
    let server = Server::start(&to, "--cores 2");
    server.client().expect("DBSIZE", "150");
    server.client().expect("GET since", "(nil)");
    server.stop();
    done(&["--restore-history", &history, "--yes", text(dir.path())]);
    let server = Server::start(dir.path(), "--cores 2 --aof-history-retention-time 0");
    server.client().expect("GET b49", "49");
    server.stop();
    // Switched off, history goes away.
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 0);
}

#[test]
fn files_of_redis_are_checked_and_cut_as_redis_check_aof_does_it() {
    let dir = directory();
    let path = dir.path().join("appendonly.aof.1.incr.aof");
    let whole = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n#TS:1700000000\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
    let torn = b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1";
    std::fs::write(&path, [&whole[..], torn].concat()).unwrap();
    let (code, said) = basalt_check(&[text(&path)]);
    assert!(code == 1 && said.contains(&format!("ok_up_to={}", whole.len())), "{said}");
    done(&["--fix", "--yes", text(&path)]);
    assert_eq!(std::fs::read(&path).unwrap(), whole);
    assert_eq!(backups(dir.path()).len(), 1);
    done(&[text(&path)]);
    done(&["--truncate-to-timestamp", "1699999999", "--yes", text(&path)]);
    assert_eq!(std::fs::read(&path).unwrap().len(), 23);
}

#[test]
fn aof_load_truncated_and_corrupt_tail_max_size_do_what_redis_does() {
    let dir = directory();
    let log = dir.path().join("appendonlydir");
    std::fs::create_dir(&log).unwrap();
    let incr = log.join("appendonly.aof.1.incr.aof");
    let write = |tail: &[u8]| {
        let _ = std::fs::remove_dir_all(&log);
        std::fs::create_dir(&log).unwrap();
        std::fs::write(log.join("appendonly.aof.manifest"), "file appendonly.aof.1.incr.aof seq 1 type i\n").unwrap();
        std::fs::write(&incr, [b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n", tail].concat()).unwrap();
    };
    let starts = |options: &str| {
        let args = options.split_whitespace();
        let code = basalt_check(&args.chain([text(dir.path())]).collect::<Vec<_>>()).0;
        if code == 0 {
            let server = Server::start(dir.path(), options);
            server.client().expect("GET a", "1");
            server.stop();
        } else {
            assert_eq!(Server::spawn(dir.path(), options).fails().0, 1, "{options}");
        }
        code == 0
    };
    write(b"*3\r\n$3\r\nSET");
    assert!(!starts("--aof-load-truncated no"));
    assert!(starts("--aof-load-truncated yes"));
    let rot = [0u8; 100];
    write(&rot);
    assert!(!starts(""));
    assert!(!starts("--aof-load-corrupt-tail-max-size 99"));
    assert!(starts("--aof-load-corrupt-tail-max-size 100"));
}

#[test]
fn an_rdb_file_is_told_by_type_prefix_and_size() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2");
    let mut client = server.client();
    for i in 0..20 {
        client.expect(&format!("SET user:{i} {i}"), "OK");
    }
    client.call(&["RPUSH", "queue:a", "1", "2", "3"]);
    client.call(&["SET", "large", &"x".repeat(5000)]);
    client.expect("SAVE", "OK");
    drop(client);
    server.stop();
    let rdb = dir.path().join("dump.rdb");
    let table = done(&[text(&rdb)]);
    assert!(table.contains("user:") && table.contains("checksum: right") && table.contains("sound"), "{table}");
    let json = done(&["--json", text(&rdb)]);
    assert!(json.contains("\"keys\": 22") && json.contains("\"checksum\": \"right\""), "{json}");
    let csv = done(&["--csv", "--top", "1", text(&rdb)]);
    assert!(csv.contains("key,large,1,1,,5005") && csv.contains("type,list,1,3,0,"), "{csv}");
    let len = std::fs::metadata(&rdb).unwrap().len();
    for at in [0, 5, 9, len / 2, len - 1] {
        flip(&rdb, at as usize);
        assert_eq!(basalt_check(&[text(&rdb)]).0, 1, "a flipped bit at {at}");
        flip(&rdb, at as usize);
    }
    let file = std::fs::File::options().write(true).open(&rdb).unwrap();
    file.set_len(len - 3).unwrap();
    assert_eq!(basalt_check(&[text(&rdb)]).0, 1);
}
