//! Starting and stopping.

use super::client::encode;
use super::ports::free_port;
use super::server::{Server, command, directory};
use std::net::TcpListener;

#[test]
fn a_port_in_use_is_named() {
    let dir = directory();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (code, said) = Server::run(command(dir.path(), port, ""), port, dir.path()).fails();
    assert_eq!(code, 1);
    assert!(said.contains(&port.to_string()) && said.contains("in use"), "{said}");
}

#[test]
fn a_directory_in_use_is_left_alone() {
    let dir = directory();
    let first = Server::start(dir.path(), "--cores 1");
    first.client().expect("SET k v", "OK");
    let (code, said) = Server::spawn(dir.path(), "--cores 1").fails();
    assert_eq!(code, 1);
    assert!(said.contains("another server is using this data directory"), "{said}");
    first.client().expect("GET k", "v");
    first.client().expect("SET k w", "OK");
    first.kill();
    Server::start(dir.path(), "--cores 1").client().expect("GET k", "w");
}

#[test]
fn an_unknown_directive_stops_the_start_and_is_named() {
    let dir = directory();
    let (code, said) = Server::spawn(dir.path(), "--no-such-thing 1").fails();
    assert_eq!(code, 1);
    assert!(said.contains("no-such-thing") && said.contains("Bad directive"), "{said}");

    let file = dir.path().join("bad.conf");
    std::fs::write(&file, "# a comment\nappendonly yes\nappendfsync sometimes\n").unwrap();
    let port = free_port();
    let mut with_file = std::process::Command::new(super::server::binary());
    with_file.arg(&file);
    let (code, said) = Server::run(with_file, port, dir.path()).fails();
    assert_eq!(code, 1);
    assert!(said.contains("at line 3") && said.contains("appendfsync sometimes"), "{said}");
}

#[test]
fn a_refused_directive_says_why() {
    let dir = directory();
    let (code, said) = Server::spawn(dir.path(), "--tls-port 7000").fails();
    assert_eq!(code, 1);
    assert!(said.contains("tls-port") && said.contains("TLS"), "{said}");
}

#[test]
fn a_missing_directory_is_named() {
    let dir = directory();
    let mut missing = command(dir.path(), free_port(), "");
    missing.args(["--dir", "/no/such/place"]);
    let (code, said) = Server::run(missing, 0, dir.path()).fails();
    assert_eq!(code, 1);
    assert!(said.contains("/no/such/place"), "{said}");
}

#[test]
fn a_configuration_file_is_read_like_redis_reads_it() {
    let dir = directory();
    let port = free_port();
    let included = dir.path().join("more.conf");
    std::fs::write(&included, "maxclients 123\n").unwrap();
    let file = dir.path().join("redis.conf");
    let text = format!(
        "bind 127.0.0.1\nport {port}\ndir {}\naof-segment-size 1mb\ncores 2\nappendfsync everysec\ninclude {}\n",
        dir.path().display(),
        included.display()
    );
    std::fs::write(&file, text).unwrap();
    let mut with_file = std::process::Command::new(super::server::binary());
    with_file.arg(&file).args(["--appendfsync", "always"]);
    let mut server = Server::run(with_file, port, dir.path());
    server.wait_ready();
    let mut client = server.client();
    assert_eq!(client.say("CONFIG GET maxclients").text(), "maxclients 123");
    assert_eq!(client.say("CONFIG GET appendfsync").text(), "appendfsync always");
    assert_eq!(client.say("CONFIG GET cores").text(), "cores 2");
    server.stop();
}

#[test]
fn the_port_is_free_right_after_kill_9() {
    let dir = directory();
    let port = free_port();
    for round in 0..5 {
        let mut server = Server::run(command(dir.path(), port, "--cores 2"), port, dir.path());
        server.wait_ready();
        let mut client = server.client();
        assert_eq!(client.say("GET round").text(), if round == 0 { "(nil)".into() } else { (round - 1).to_string() });
        client.expect(&format!("SET round {round}"), "OK");
        server.kill();
    }
}

#[test]
fn clients_are_told_loading_until_the_data_is_there() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2 --aof-segment-size 16mb --appendfsync no");
    let mut client = server.client();
    for batch in 0..60 {
        let commands: Vec<Vec<String>> =
            (0..5_000).map(|i| vec!["SET".into(), format!("key:{batch}:{i}"), "x".repeat(64)]).collect();
        assert!(client.pipeline(&commands).iter().all(|reply| reply.text() == "OK"));
    }
    client.expect("DBSIZE", "300000");
    server.stop();

    let mut server = Server::spawn(dir.path(), "--cores 2 --aof-segment-size 16mb");
    let mut loading = 0;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let keys = loop {
        assert!(std::time::Instant::now() < deadline, "{}", server.log());
        let Ok(mut client) = super::client::Client::try_connect(server.port) else {
            std::thread::sleep(std::time::Duration::from_millis(1));
            continue;
        };
        match client.say("DBSIZE") {
            super::client::Value::Error(error) => {
                assert!(error.starts_with("LOADING "), "{error}");
                let info = client.say("INFO persistence").text();
                // It may have ended between the two.
                if info.contains("loading:1") {
                    assert!(info.contains("loading_start_time:") && info.contains("loading_total_bytes:"), "{info}");
                }
                loading += 1;
            }
            keys => break keys.int(),
        }
    };
    assert_eq!(keys, 300_000);
    assert!(loading > 0, "no reply came while the data was being loaded");
    server.wait_ready();
    server.stop();
}

#[test]
fn a_stop_with_sigterm_keeps_what_everysec_has_not_synced() {
    for (policy, signal) in [("everysec", libc::SIGTERM), ("no", libc::SIGINT)] {
        let dir = directory();
        let mut server = Server::start(dir.path(), &format!("--cores 2 --appendfsync {policy}"));
        let mut client = server.client();
        for i in 0..200 {
            client.expect(&format!("SET k{i} {i}"), "OK");
        }
        server.signal(signal);
        assert!(server.wait().success(), "{}", server.log());
        let server = Server::start(dir.path(), "--cores 2");
        server.client().expect("DBSIZE", "200");
    }
}

#[test]
fn shutdown_ends_with_exit_code_0_and_closes_every_connection() {
    let dir = directory();
    let mut server = Server::start(dir.path(), "--cores 2");
    let mut others: Vec<_> = (0..6).map(|_| server.client()).collect();
    others.iter_mut().for_each(|other| other.expect("PING", "PONG"));
    let mut client = server.client();
    client.expect("SET last word", "OK");
    let mut request = Vec::new();
    encode(&["SHUTDOWN"], &mut request);
    client.send_raw(&request).unwrap();
    assert!(server.wait().success(), "{}", server.log());
    assert!(client.is_closed());
    assert!(others.iter_mut().all(|other| other.is_closed()));
    Server::start(dir.path(), "").client().expect("GET last", "word");
}

#[test]
fn more_cores_than_cpus_serve() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 8 --aof-segment-size 256kb");
    let mut client = server.client();
    let commands: Vec<Vec<String>> = (0..2_000).map(|i| vec!["SET".into(), format!("k{i}"), i.to_string()]).collect();
    assert!(client.pipeline(&commands).iter().all(|reply| reply.text() == "OK"));
    client.expect("DBSIZE", "2000");
    client.expect("FLUSHALL", "OK");
    client.expect("DBSIZE", "0");
    server.stop();
}

#[test]
fn appendonly_no_leaves_no_log_behind() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2 --appendonly no");
    server.client().expect("SET k v", "OK");
    server.stop();
    assert!(!dir.path().join("appendonlydir").exists());
    // The save points in force have the data saved at a clean end, and only then.
    let server = Server::start(dir.path(), "--cores 2 --appendonly no");
    server.client().expect("GET k", "v");
    server.client().expect("SET k w", "OK");
    server.kill();
    Server::start(dir.path(), "--cores 2 --appendonly no").client().expect("GET k", "v");
}
