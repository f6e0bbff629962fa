//! Clients as they come: the CLIENT commands across cores, Redis's own tools, and two libraries.

use super::client::Value;
use super::peers;
use super::server::{Server, directory};
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn client_commands_reach_every_core() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 4 --appendonly no");
    let mut clients: Vec<_> = (0..8).map(|_| server.client()).collect();
    let mut ids = Vec::new();
    for (i, client) in clients.iter_mut().enumerate() {
        client.expect(&format!("CLIENT SETNAME name{i}"), "OK");
        client.expect("CLIENT GETNAME", &format!("name{i}"));
        client.expect("CLIENT SETINFO LIB-NAME tests", "OK");
        ids.push(client.say("CLIENT ID").int());
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 8, "ids are the connections' own");
    let list = clients[0].say("CLIENT LIST").text();
    assert!((0..8).all(|i| list.contains(&format!(" name=name{i} "))), "{list}");
    assert!(clients[3].say("CLIENT INFO").text().contains(" name=name3 "));

    let victim = clients[5].say("CLIENT ID").int();
    clients[0].expect(&format!("CLIENT KILL ID {victim}"), "1");
    assert!(clients[5].is_closed());
    let list = clients[0].say("CLIENT LIST").text();
    assert!(!list.contains("name=name5"), "{list}");
    clients[0].expect("CLIENT KILL ID 987654321", "0");
    clients[0].expect("CLIENT KILL 1.2.3.4:5", "ERR No such client");

    clients[1].send(&["CLIENT", "REPLY", "OFF"]).unwrap();
    clients[1].send(&["SET", "k", "v"]).unwrap();
    clients[1].expect("CLIENT REPLY ON", "OK");
    clients[1].expect("GET k", "v");

    clients[0].expect("CLIENT PAUSE 100000 WRITE", "OK");
    clients[2].expect("GET k", "v");
    clients[3].send(&["SET", "k", "w"]).unwrap();
    clients[2].expect("GET k", "v");
    clients[0].expect("CLIENT UNPAUSE", "OK");
    assert_eq!(clients[3].read().unwrap(), Value::ok());
    clients[2].expect("GET k", "w");
}

#[test]
fn published_messages_reach_subscribers_on_every_core() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 4 --appendonly no");
    let mut subscribers: Vec<_> = (0..8).map(|_| server.client()).collect();
    for subscriber in &mut subscribers {
        subscriber.expect("SUBSCRIBE news", "subscribe news 1");
    }
    let mut publisher = server.client();
    for i in 0..20 {
        publisher.expect(&format!("PUBLISH news {i}"), "8");
    }
    for subscriber in &mut subscribers {
        for i in 0..20 {
            assert_eq!(subscriber.read().unwrap().text(), format!("message news {i}"));
        }
    }
}

#[test]
fn blocked_pops_are_served_from_any_core_and_nothing_is_popped_twice() {
    if !super::differential::is_there("BLPOP") {
        return peers::skipped("BLPOP: not there yet");
    }
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 4");
    let mut waiting: Vec<_> = (0..8).map(|_| server.client()).collect();
    for (i, client) in waiting.iter_mut().enumerate() {
        client.send(&["BLPOP", &format!("queue:{i}"), "shared", "30"]).unwrap();
    }
    let mut pusher = server.client();
    let started = std::time::Instant::now();
    while !pusher.say("INFO clients").text().contains("blocked_clients:8") {
        assert!(started.elapsed() < std::time::Duration::from_secs(20), "{}", pusher.say("INFO clients").text());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    for (i, waiter) in waiting.iter_mut().take(4).enumerate() {
        assert_eq!(pusher.say(&format!("RPUSH queue:{i} own{i}")).int(), 1);
        assert_eq!(waiter.read().unwrap().text(), format!("queue:{i} own{i}"));
    }
    pusher.say("RPUSH shared a b c d e");
    let mut popped: Vec<String> = waiting[4..].iter_mut().map(|client| client.read().unwrap().text()).collect();
    popped.sort();
    assert_eq!(popped, ["shared a", "shared b", "shared c", "shared d"]);
    pusher.expect("LRANGE shared 0 -1", "e");
    assert_eq!(pusher.say("BLPOP nothing 0.05"), Value::Nil);
    server.kill();
    Server::start(dir.path(), "--cores 2").client().expect("LRANGE shared 0 -1", "e");
}

#[test]
fn expired_keys_are_gone_on_time_and_stay_gone_after_kill_9() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2");
    let mut client = server.client();
    for i in 0..50 {
        client.expect(&format!("SET short:{i} v PX 50"), "OK");
        client.expect(&format!("SET long:{i} v EX 100000"), "OK");
    }
    std::thread::sleep(std::time::Duration::from_millis(60));
    assert!((0..50).all(|i| client.say(&format!("GET short:{i}")) == Value::Nil));
    // Untouched ones are removed by themselves.
    for i in 0..200 {
        client.expect(&format!("SET untouched:{i} v PX 30"), "OK");
    }
    let started = std::time::Instant::now();
    while client.say("DBSIZE").int() != 50 {
        assert!(started.elapsed() < std::time::Duration::from_secs(30), "never removed");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    server.kill();
    let server = Server::start(dir.path(), "--cores 3");
    let mut client = server.client();
    client.expect("DBSIZE", "50");
    let ttl = client.say("TTL long:7").int();
    assert!((90_000..=100_000).contains(&ttl), "{ttl}");
}

#[test]
fn monitors_see_the_commands_of_every_core() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 4 --appendonly no");
    let mut monitor = server.client();
    monitor.expect("MONITOR", "OK");
    let mut clients: Vec<_> = (0..8).map(|_| server.client()).collect();
    for (i, client) in clients.iter_mut().enumerate() {
        client.expect(&format!("SET monitored:{i} v"), "OK");
    }
    let mut seen: Vec<String> = (0..8).map(|_| monitor.read().unwrap().text()).collect();
    seen.sort_by_key(|line| line.split('"').nth(3).unwrap().to_string());
    for (i, line) in seen.iter().enumerate() {
        assert!(line.contains(&format!("\"SET\" \"monitored:{i}\" \"v\"")), "{line}");
    }
}

#[test]
fn a_scan_meets_every_key_that_stays_while_others_come_and_go() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 4 --appendonly no");
    let mut client = server.client();
    let set = |from: usize, to: usize| -> Vec<Vec<String>> {
        (from..to).map(|i| vec!["SET".into(), format!("key:{i}"), "v".into()]).collect()
    };
    client.pipeline(&set(0, 3_000));
    let (mut cursor, mut seen, mut added) = ("0".to_string(), std::collections::BTreeSet::new(), 3_000);
    loop {
        let mut reply = client.say(&format!("SCAN {cursor} COUNT 50")).items();
        let keys = reply.pop().unwrap().items();
        seen.extend(keys.iter().map(Value::text));
        cursor = reply.pop().unwrap().text();
        if cursor == "0" {
            break;
        }
        // Growth while it walks, and then shrinking.
        if added < 30_000 {
            client.pipeline(&set(added, added + 500));
            added += 500;
        } else {
            client.say(&format!("DEL key:{} key:{}", added - 1, added - 2));
            added -= 2;
        }
    }
    let missed: Vec<_> = (0..3_000).filter(|i| !seen.contains(&format!("key:{i}"))).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn exporters_find_every_field_of_info_persistence() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2");
    let info = server.client().say("INFO persistence").text();
    for field in "loading async_loading current_cow_peak current_cow_size current_cow_size_age current_fork_perc \
        current_save_keys_processed current_save_keys_total rdb_changes_since_last_save rdb_bgsave_in_progress \
        rdb_last_save_time rdb_last_bgsave_status rdb_last_bgsave_time_sec rdb_current_bgsave_time_sec rdb_saves \
        rdb_last_cow_size rdb_last_load_keys_expired rdb_last_load_keys_loaded aof_enabled aof_rewrite_in_progress \
        aof_rewrite_scheduled aof_last_rewrite_time_sec aof_current_rewrite_time_sec aof_last_bgrewrite_status aof_rewrites \
        aof_rewrites_consecutive_failures aof_last_write_status aof_last_cow_size module_fork_in_progress \
        module_fork_last_cow_size aof_current_size aof_base_size aof_pending_rewrite aof_buffer_length \
        aof_pending_bio_fsync aof_delayed_fsync"
        .split_whitespace()
    {
        assert!(info.contains(&format!("\r\n{field}:")), "{field} is missing");
    }
}

fn succeeds(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?} ended with {}:\n{said}", output.status);
    said
}

/// `timeout` ends what would hang.
fn timed(mut command: Command) -> Command {
    let mut timed = Command::new("timeout");
    timed.arg("120").arg(command.get_program()).args(command.get_args());
    command.stdin(Stdio::null());
    timed
}

#[test]
fn redis_benchmark_runs_its_list() {
    if peers::program("redis-benchmark").is_none() {
        return peers::skipped("no redis-benchmark");
    }
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2");
    let mut tests = vec!["ping_inline", "ping_mbulk", "set", "get", "incr", "mset"];
    let mut client = server.client();
    for (first, more) in [
        ("LPUSH", &["lpush", "rpush", "lpop", "rpop", "lrange_100"][..]),
        ("SADD", &["sadd", "spop"]),
        ("HSET", &["hset"]),
        ("ZADD", &["zadd", "zpopmin"]),
    ] {
        if client.call(&["COMMAND", "INFO", first]).items()[0] == Value::Nil {
            peers::skipped(&format!("redis-benchmark {more:?}: not there yet"));
        } else {
            tests.extend(more);
        }
    }
    for pipeline in ["1", "16"] {
        let mut command = peers::program("redis-benchmark").unwrap();
        command.args(["-p", &server.port.to_string(), "-n", "3000", "-c", "20", "-r", "1000", "-q", "-P", pipeline]);
        command.args(["-t", &tests.join(",")]);
        let said = succeeds(&mut timed(command));
        assert!(!said.to_lowercase().contains("error"), "{said}");
        assert_eq!(said.matches("requests per second").count(), said.matches("p50=").count(), "{said}");
    }
    server.stop();
}

#[test]
fn redis_cli_works() {
    let Some(_) = peers::program("redis-cli") else { return peers::skipped("no redis-cli") };
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2");
    let cli = |words: &[&str]| {
        let mut command = peers::program("redis-cli").unwrap();
        command.args(["-p", &server.port.to_string()]).args(words);
        succeeds(&mut timed(command))
    };
    assert_eq!(cli(&["SET", "k", "v"]), "OK\n");
    assert_eq!(cli(&["-3", "GET", "k"]), "v\n");
    assert!(cli(&["INFO", "server"]).contains("redis_version:7."));
    assert!(cli(&["--bigkeys"]).contains("Biggest string found"), "--bigkeys");
    assert!(cli(&["--memkeys"]).contains("-------- summary"), "--memkeys");
    assert!(cli(&["-r", "3", "-i", "0.01", "PING"]).contains("PONG\nPONG\nPONG"));
    assert!(cli(&["--scan", "--pattern", "k*"]).contains('k'));
    server.stop();
}

fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

#[test]
fn redis_py_works() {
    let Some(python) = peers::python() else { return };
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2");
    let mut command = Command::new(python);
    command.arg(script("redis_py.py")).arg(server.port.to_string());
    let said = succeeds(&mut timed(command));
    assert!(said.contains("all well"), "{said}");
}

#[test]
fn a_cluster_client_finds_the_cores() {
    let Some(python) = peers::python() else { return };
    let dir = directory();
    // Ports in a row that were free a moment ago; another process may be quicker, so a few are tried.
    for attempt in 0.. {
        let base = 20_000 + (rand::random::<u16>() % 20_000);
        let free = (0..4).all(|i| std::net::TcpListener::bind(("127.0.0.1", base + i)).is_ok());
        if free || attempt > 50 {
            let options = format!("--cores 4 --appendonly no --cluster-core-ports yes --core-port-base {base}");
            let server = Server::start(dir.path(), &options);
            let mut command = Command::new(&python);
            command.arg(script("redis_py_cluster.py")).arg(server.port.to_string());
            let said = succeeds(&mut timed(command));
            assert!(said.contains("all well"), "{said}");
            return;
        }
    }
}

#[test]
fn ioredis_works() {
    let Some(modules) = peers::ioredis() else { return };
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2");
    let mut command = Command::new("node");
    command.arg(script("ioredis.js")).arg(server.port.to_string()).arg(modules.join("ioredis"));
    let said = succeeds(&mut timed(command));
    assert!(said.contains("all well"), "{said}");
}
