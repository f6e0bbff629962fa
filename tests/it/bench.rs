//! basalt-bench against real servers: each workload, each way to connect, and everything that goes wrong in practice.
//! Nothing is asserted of speed.

use super::peers;
use super::ports::{free_port, free_ports};
use super::server::{Server, directory};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn binary() -> PathBuf {
    std::env::var_os("BASALT_BENCH").map_or_else(|| env!("CARGO_BIN_EXE_basalt-bench").into(), PathBuf::from)
}

/// One run of the harness with its files in `dir`. A busy machine must not make it invalid.
fn bench(dir: &Path, words: &str) -> Output {
    start(dir, words).wait_with_output().unwrap()
}

fn start(dir: &Path, words: &str) -> Child {
    let mut command = Command::new(binary());
    // The arguments hold no blanks but in single quotes.
    let mut quoted = false;
    for part in words.split('\'') {
        if quoted {
            command.arg(part);
        } else {
            command.args(part.split_whitespace());
        }
        quoted = !quoted;
    }
    command.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn clean(dir: &Path, words: &str) -> Value {
    let output = bench(dir, &format!("{words} --late-limit 1h --json out.json"));
    assert!(output.status.success(), "{words}: {}", said(&output));
    json(dir)
}

fn json(dir: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(dir.join("out.json")).unwrap()).unwrap()
}

fn errors(report: &Value) -> String {
    report["classes"].as_array().unwrap().iter().map(|class| class["errors"].to_string()).collect()
}

/// Basalt, and Redis and Valkey where they are.
fn servers(dir: &Path) -> Vec<(String, Server)> {
    let made = |name: &str| {
        let own = dir.join(name);
        std::fs::create_dir(&own).unwrap();
        own
    };
    let mut all = vec![("basalt".to_string(), Server::start(&made("basalt"), "--cores 2"))];
    all.extend(peers::servers().into_iter().map(|name| (name.to_string(), peers::start(name, &made(name), &[]))));
    all
}

#[test]
fn every_ycsb_workload_runs_on_every_server_without_an_error() {
    let dir = directory();
    for (name, server) in servers(dir.path()) {
        for workload in ["a", "b", "c", "d", "e", "f"] {
            server.client().say("FLUSHALL");
            let words =
                format!("run -s {} -w ycsb-{workload} --load 500 -k 500 -n 400 -c 4 -d 60s --warmup 0s", server.port);
            let report = clean(dir.path(), &words);
            let class = &report["classes"][0];
            assert_eq!((errors(&report).as_str(), &class["requests"]), ("{}", &400.into()), "{name} {workload}");
            assert_eq!(class["misses"], 0, "{name} {workload}: every key was loaded or inserted");
        }
    }
}

#[test]
fn values_times_to_live_and_databases_arrive_as_asked() {
    let dir = directory();
    for (name, server) in servers(dir.path()) {
        let words = "-n 300 -c 3 -d 60s --warmup 0s --db 3 --resp3 --value 'hist(10=1,3000=1)' -k 1000 --dist sequential \
            -e 'SET key:{key} {value} EX {ttl:100-200}'";
        let report = clean(dir.path(), &format!("run -s {} {words}", server.port));
        assert_eq!(errors(&report), "{}", "{name}");
        let mut client = server.client();
        client.expect("DBSIZE", "0");
        client.say("SELECT 3");
        client.expect("DBSIZE", "300");
        // Each connection has a stretch of the keys of its own.
        let keys: Vec<String> = client.say("KEYS key:*").items().iter().map(|key| key.text()).collect();
        let lengths: Vec<i64> = keys.iter().map(|key| client.say(&format!("STRLEN {key}")).int()).collect();
        assert!(lengths.contains(&10) && lengths.contains(&3000) && lengths.iter().all(|&l| l == 10 || l == 3000));
        assert!((1..=200).contains(&client.say(&format!("TTL {}", keys[7])).int()), "{name}");
    }
}

#[test]
fn a_unix_socket_serves_as_well_as_a_port() {
    let dir = directory();
    let path = dir.path().join("s");
    let socket = path.display().to_string();
    let _server = Server::start(dir.path(), &format!("--unixsocket {socket}"));
    let report = clean(dir.path(), &format!("run -s {socket} -n 100 -c 2 -d 60s --warmup 0s -e PING"));
    assert_eq!(report["classes"][0]["response"]["count"], 100);
}

#[test]
fn keys_go_to_the_core_that_owns_them() {
    let dir = directory();
    let base = free_ports(2);
    let options = format!("--cores 2 --cluster-core-ports yes --core-port-base {base}");
    let server = Server::start(dir.path(), &options);
    let words = format!("run -s {} --cluster --load 300 -k 300 -n 600 -c 3 -d 60s --warmup 0s -w ycsb-a", server.port);
    let report = clean(dir.path(), &words);
    assert_eq!((errors(&report).as_str(), &report["classes"][0]["misses"]), ("{}", &0.into()));
    // Through the cores' own ports: the main port had the connections for questions and the load only.
    let mut client = server.client();
    client.expect("DBSIZE", "300");
    let alone = bench(dir.path(), "run -s 1 --cluster -n 5 -e PING");
    assert!(!alone.status.success());
}

#[test]
fn two_nodes_of_a_cluster_each_get_only_their_own_slots() {
    if peers::servers().is_empty() {
        return;
    }
    let dir = directory();
    let nodes: Vec<Server> = (0..2)
        .map(|i| {
            let own = dir.path().join(i.to_string());
            std::fs::create_dir(&own).unwrap();
            // The cluster's bus takes the port plus 10000 unless it is told another.
            let bus = free_port().to_string();
            peers::start("redis-server", &own, &["--cluster-enabled", "yes", "--cluster-port", &bus])
        })
        .collect();
    nodes[0].client().expect("CLUSTER ADDSLOTSRANGE 0 8191", "OK");
    nodes[1].client().expect("CLUSTER ADDSLOTSRANGE 8192 16383", "OK");
    let bus = nodes[1].client().say("CONFIG GET cluster-port").items()[1].text();
    nodes[0].client().expect(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", nodes[1].port), "OK");
    let begun = Instant::now();
    while !nodes.iter().all(|node| node.client().say("CLUSTER INFO").text().contains("cluster_state:ok")) {
        assert!(begun.elapsed() < Duration::from_secs(60), "the nodes never met");
        std::thread::sleep(Duration::from_millis(50));
    }
    let words = format!("run -s {} --cluster --load 300 -k 300 -n 900 -c 3 -d 60s --warmup 0s", nodes[0].port);
    let report = clean(dir.path(), &format!("{words} -e '50% GET key:{{key}} | 50% SET key:{{key}} x'"));
    assert_eq!(errors(&report), "{}", "a MOVED is a request at the wrong node");
    // Without routing, half of them are; and each is counted.
    let words = format!("run -s {} -k 300 -n 300 -c 1 -d 60s --warmup 0s -e 'GET key:{{key}}'", nodes[0].port);
    let report = clean(dir.path(), &words);
    assert!(report["classes"][0]["errors"]["MOVED"].as_u64().unwrap() > 50, "{report}");
}

#[test]
fn tls_is_spoken_and_a_certificate_that_nobody_signed_is_refused() {
    let (Some(openssl), false) = (peers::on_path("openssl"), peers::servers().is_empty()) else {
        return peers::skipped("no openssl, or neither redis-server nor valkey-server");
    };
    let dir = directory();
    let made = Command::new(openssl)
        .args("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out cert.pem".split(' '))
        .args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", said(&made));
    for name in peers::servers() {
        let port = free_port();
        let (number, [cert, key]) = (port.to_string(), ["cert.pem", "key.pem"].map(|file| dir.path().join(file)));
        let (cert, key) = (cert.display().to_string(), key.display().to_string());
        let files = ["--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-ca-cert-file", &cert];
        let options = [&["--tls-port", &number, "--tls-auth-clients", "no"][..], &files].concat();
        let _server = peers::start(name, dir.path(), &options);
        let words = format!("run -s {port} --load 200 -n 300 -c 3 -P 4 -k 200 -d 60s --warmup 0s --value 30kb --tls");
        let words = format!("{words} -e '50% GET key:{{key}} | 50% SET key:{{key}} {{value}}'");
        let report = clean(dir.path(), &format!("{words} --cacert cert.pem"));
        assert_eq!((errors(&report).as_str(), &report["classes"][0]["misses"]), ("{}", &0.into()), "{name}");
        clean(dir.path(), &format!("{words} --insecure"));
        let stranger = bench(dir.path(), &words);
        assert!(!stranger.status.success() && said(&stranger).contains("TLS"), "{}", said(&stranger));
    }
}

#[test]
fn a_capture_is_sent_again_with_its_clients_and_pauses() {
    let dir = directory();
    let capture = "1700000000.000000 [0 127.0.0.1:1] \"SET\" \"a\" \"1\"\n1700000000.010000 [4 127.0.0.1:2] \"SET\" \"b\" \"2\"\n\
        1700000000.020000 [0 127.0.0.1:1] \"SHUTDOWN\"\n1700000000.500000 [0 127.0.0.1:1] \"INCR\" \"a\"\n";
    std::fs::write(dir.path().join("monitor.txt"), capture).unwrap();
    let server = Server::start(dir.path(), "");
    let report = clean(dir.path(), &format!("replay monitor.txt -s {}", server.port));
    assert!(report["window_s"].as_f64().unwrap() >= 0.5, "it takes as long as the capture");
    assert_eq!((errors(&report).as_str(), &report["classes"][0]["requests"]), ("{}", &4.into()));
    let mut client = server.client();
    client.expect("GET a", "2");
    client.say("SELECT 4");
    client.expect("GET b", "2");
    let report = clean(dir.path(), &format!("replay monitor.txt -s {} --speed max", server.port));
    assert_eq!(report["classes"][0]["response"]["count"], 4);
    client.say("SELECT 0");
    client.expect("GET a", "2");
    // An append-only file without times needs a speed.
    std::fs::write(dir.path().join("aof"), "*3\r\n$3\r\nSET\r\n$1\r\nc\r\n$1\r\n3\r\n").unwrap();
    let refused = bench(dir.path(), &format!("replay aof -s {}", server.port));
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("--speed max"), "{}", said(&refused));
    clean(dir.path(), &format!("replay aof -s {} --speed max", server.port));
    client.expect("GET c", "3");
}

#[test]
fn bad_input_is_named() {
    let dir = directory();
    let server = Server::start(dir.path(), "--requirepass secret");
    let port = server.port;
    for (words, code, says) in [
        ("run -s 1 -e PING".to_string(), 1, "cannot reach the server at 127.0.0.1:1"),
        (format!("run -s {port} -e PING"), 1, "NOAUTH"),
        (format!("run -s {port} -a wrong -e PING"), 1, "WRONGPASS"),
        (format!("run -s {port} -a secret -w ycsb-g"), 2, "ycsb-g"),
        (format!("run -s {port} -a secret -e 'GET key:{{kye}}'"), 2, "kye"),
        (format!("run -s {port} -a secret -e PING -r fast"), 2, "fast"),
        (format!("run -s {port} -a secret -e PING --value 'hist(1k)'"), 2, "hist"),
        (format!("run -s {port} -a secret -e PING --dist zip"), 2, "zip"),
        (format!("run -s {port} -a secret -e PING --tls --insecure"), 1, "TLS"),
        (format!("run -s {port} -a secret --cluster -e PING"), 1, "CLUSTER SLOTS"),
        (
            format!("run -s {port} -a secret --load 10 --load-command 'LPUSH a {{seq}} ; SET a' -e PING"),
            1,
            "wrong number",
        ),
        ("report nothing.json -o x.html".to_string(), 1, "nothing.json"),
    ] {
        let output = bench(dir.path(), &words);
        assert_eq!(output.status.code(), Some(code), "{words}: {}", said(&output));
        assert!(said(&output).contains(says), "{words}: {}", said(&output));
    }
}

#[test]
fn a_server_that_dies_leaves_every_file_written() {
    let dir = directory();
    let server = Server::start(dir.path(), "");
    let words = format!(
        "run -s {} -r 500 -c 4 -d 600s --warmup 0s -e 'INCR n' --late-limit 1h --json out.json --html out.html --hlog out.hlog \
         --csv out.csv --hgrm out.hgrm",
        server.port
    );
    let running = start(dir.path(), &words);
    let mut client = server.client();
    let begun = Instant::now();
    while client.say("GET n").text().parse::<u64>().unwrap_or(0) < 100 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the run never began");
        std::thread::sleep(Duration::from_millis(20));
    }
    server.kill();
    let output = running.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("connections were lost"), "{}", said(&output));
    let report = json(dir.path());
    assert!(report["classes"][0]["requests"].as_u64().unwrap() > 0);
    assert!(report["window_s"].as_f64().unwrap() < 600.0);
    for file in ["out.html", "out.hlog", "out.csv", "out.hgrm"] {
        assert!(std::fs::metadata(dir.path().join(file)).unwrap().len() > 100, "{file}");
    }
    assert!(std::fs::read_to_string(dir.path().join("out.html")).unwrap().contains("INVALID"));
}

#[test]
fn a_server_that_comes_back_is_used_again() {
    let dir = directory();
    let server = Server::start(dir.path(), "");
    let port = server.port;
    let words = format!(
        "run -s {port} -r 500 -c 4 -d 5s --warmup 0s -e 'INCR n' --reconnect 50ms --late-limit 1h --json out.json"
    );
    let running = start(dir.path(), &words);
    let begun = Instant::now();
    while server.client().say("GET n").text().parse::<u64>().unwrap_or(0) < 100 {
        assert!(begun.elapsed() < Duration::from_secs(60), "the run never began");
        std::thread::sleep(Duration::from_millis(20));
    }
    server.kill();
    let mut again = Server::run(super::server::command(dir.path(), port, ""), port, dir.path());
    again.wait_ready();
    let output = running.wait_with_output().unwrap();
    let report = json(dir.path());
    assert!(said(&output).contains("made anew"), "{}", said(&output));
    // Open loop: every request of the 5 s is accounted for, answered or not.
    assert_eq!(report["classes"][0]["requests"], 2500);
    assert_eq!(report["classes"][0]["response"]["count"], 2500);
}

#[test]
fn a_comparison_that_loses_a_server_keeps_its_rounds() {
    let dir = directory();
    let (one, two) = (dir.path().join("1"), dir.path().join("2"));
    std::fs::create_dir(&one).unwrap();
    std::fs::create_dir(&two).unwrap();
    let (stays, dies) = (Server::start(&one, ""), Server::start(&two, ""));
    let words = format!(
        "compare --server a={} --server b={} -R 1000 -c 2 -d 100ms --warmup 0s -e PING --late-limit 1h --json out.json",
        stays.port, dies.port
    );
    let mut running = start(dir.path(), &words);
    // Its word that the third round begins: two are whole by then.
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(running.stderr.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().contains("round 3/")), "it never came to the third round");
    let rest = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>().join("\n"));
    dies.kill();
    let output = running.wait_with_output().unwrap();
    let rest = rest.join().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}{rest}", said(&output));
    let report = json(dir.path());
    assert!(report["rounds"].as_u64().unwrap() >= 2);
    assert!(report["ended_early"].as_str().unwrap().starts_with("b in round"), "{rest}");
}

#[test]
fn pages_are_made_of_files_written_earlier() {
    let dir = directory();
    let server = Server::start(dir.path(), "");
    let port = server.port;
    clean(
        dir.path(),
        &format!("run -s {port} --load 50 -k 50 -r 500/1k -d 1s --warmup 0s --at 500ms:BGSAVE -e 'GET key:{{key}}'"),
    );
    std::fs::rename(dir.path().join("out.json"), dir.path().join("run.json")).unwrap();
    clean(dir.path(), &format!("sweep -s {port} -c 2 -d 200ms --warmup 0s --rates 100,200 -e PING"));
    let output = bench(dir.path(), "report 'Through a snapshot=run.json' out.json -o page.html --title 'Both'");
    assert!(output.status.success(), "{}", said(&output));
    let page = std::fs::read_to_string(dir.path().join("page.html")).unwrap();
    for part in ["<h1>Both</h1>", "Through a snapshot", "BGSAVE", "Saturation curve", "500, then 1,000/s"] {
        assert!(page.contains(part), "{part}");
    }
}
