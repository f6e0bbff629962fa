//! Requests as the network delivers them, and replies in their order.

use super::client::{Client, Value, encode};
use super::rng::{Rng, seed};
use super::server::{Server, directory};

fn memory_only(cores: usize) -> (tempfile::TempDir, Server) {
    let dir = directory();
    let server = Server::start(dir.path(), &format!("--cores {cores} --appendonly no"));
    (dir, server)
}

#[test]
fn a_pipeline_of_10_000_commands_is_answered_in_order() {
    for (cores, log) in [(1, "--appendonly no"), (2, "--appendfsync always"), (4, "--appendonly no")] {
        let dir = directory();
        let server = Server::start(dir.path(), &format!("--cores {cores} {log}"));
        let mut client = server.client();
        let commands: Vec<Vec<String>> = (0..5_000)
            .flat_map(|i| {
                let key = format!("key:{i}");
                [vec!["SET".into(), key.clone(), format!("value:{i}")], vec!["GET".into(), key]]
            })
            .collect();
        let replies = client.pipeline(&commands);
        for (i, pair) in replies.chunks(2).enumerate() {
            assert_eq!(pair[0].text(), "OK");
            assert_eq!(pair[1].text(), format!("value:{i}"));
        }
        client.expect("DBSIZE", "5000");
    }
}

#[test]
fn replies_keep_their_order_over_cores_and_kinds_of_commands() {
    let seed = seed();
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 4 --appendfsync always");
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let port = server.port;
            scope.spawn(move || {
                let mut rng = Rng::new(seed + writer);
                let mut client = Client::connect(port);
                let (mut commands, mut replies) = (Vec::new(), Vec::new());
                let mut counts = [0i64; 50];
                for n in 0..4_000 {
                    let key = rng.below(50) as usize;
                    let name = |key: usize| format!("w{writer}:{key}");
                    match rng.below(6) {
                        0 => {
                            commands.push(vec!["ECHO".into(), n.to_string()]);
                            replies.push(n.to_string());
                        }
                        1 => {
                            commands.push(vec!["GET".into(), name(key)]);
                            replies.push(if counts[key] == 0 { "(nil)".into() } else { counts[key].to_string() });
                        }
                        2 => {
                            let other = (key + 1) % 50;
                            commands.push(vec!["MGET".into(), name(key), name(other)]);
                            let shown = |n: i64| if n == 0 { "(nil)".into() } else { n.to_string() };
                            replies.push(format!("{} {}", shown(counts[key]), shown(counts[other])));
                        }
                        3 => {
                            let other = (key + 1) % 50;
                            commands.push(vec!["MSET".into(), name(key), "7".into(), name(other), "8".into()]);
                            (counts[key], counts[other]) = (7, 8);
                            replies.push("OK".into());
                        }
                        _ => {
                            counts[key] += 1;
                            commands.push(vec!["INCR".into(), name(key)]);
                            replies.push(counts[key].to_string());
                        }
                    }
                }
                let found = client.pipeline(&commands);
                for (at, (found, wanted)) in found.iter().zip(&replies).enumerate() {
                    assert_eq!(&found.text(), wanted, "reply {at} of writer {writer} to {:?}", commands[at]);
                }
            });
        }
    });
}

#[test]
fn a_request_in_single_bytes_is_understood() {
    let (_dir, server) = memory_only(2);
    let mut client = server.client();
    let mut request = Vec::new();
    encode(&["SET", "a key", "a value\r\nof two lines"], &mut request);
    request.extend(b"GET 'a key'\r\nPING\r\n");
    encode(&["GET", "a key"], &mut request);
    for byte in request {
        client.send_raw(&[byte]).unwrap();
    }
    assert_eq!(client.read().unwrap(), Value::ok());
    assert_eq!(client.read().unwrap(), Value::bulk("a value\r\nof two lines"));
    assert_eq!(client.read().unwrap(), Value::Line("PONG".into()));
    assert_eq!(client.read().unwrap(), Value::bulk("a value\r\nof two lines"));
}

#[test]
fn requests_cut_anywhere_are_understood() {
    let (_dir, server) = memory_only(2);
    let mut rng = Rng::new(seed());
    let mut stream = Vec::new();
    let mut wanted = Vec::new();
    for i in 0..300 {
        let value = vec![b'a' + (i % 26) as u8; rng.below(if i % 20 == 0 { 200_000 } else { 100 }) as usize];
        encode(&[b"SET", format!("k{i}").as_bytes(), &value], &mut stream);
        wanted.push(Value::ok());
        encode(&["GET", &format!("k{i}")], &mut stream);
        wanted.push(Value::Bulk(value));
    }
    let mut client = server.client();
    let mut socket = client.socket().try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut rest = &stream[..];
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(1 + rng.below(70_000) as usize));
                std::io::Write::write_all(&mut socket, now).unwrap();
                rest = later;
            }
        });
        wanted.iter().for_each(|wanted| assert_eq!(&client.read().unwrap(), wanted));
    });
}

#[test]
fn a_value_of_64_mib_comes_back() {
    let (_dir, server) = memory_only(2);
    let mut client = server.client();
    let value: Vec<u8> = (0..64 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    assert_eq!(client.call(&[b"SET", &b"big"[..], &value]), Value::ok());
    assert_eq!(client.say("STRLEN big").int(), 64 << 20);
    assert!(client.say("GET big") == Value::Bulk(value), "another value came back");
}

#[test]
fn broken_requests_get_the_known_error_and_the_connection_closes() {
    let (_dir, server) = memory_only(1);
    for (request, error) in [
        ("*3\r\n$3\r\nSET\r\nx", "Protocol error: expected '$', got 'x'"),
        ("*1\r\n$-5\r\n", "Protocol error: invalid bulk length"),
        ("*1\r\n$abc\r\n", "Protocol error: invalid bulk length"),
        ("*99999999999\r\n", "Protocol error: invalid multibulk length"),
        ("*abc\r\n", "Protocol error: invalid multibulk length"),
        ("SET 'a b\r\n", "Protocol error: unbalanced quotes in request"),
    ] {
        let mut client = server.client();
        client.send_raw(b"PING\r\n").unwrap();
        client.send_raw(request.as_bytes()).unwrap();
        assert_eq!(client.read().unwrap().text(), "PONG");
        assert_eq!(client.read().unwrap(), Value::Error(format!("ERR {error}")), "{request:?}");
        assert!(client.is_closed(), "{request:?}");
    }
    let mut client = server.client();
    let mut endless = vec![b'x'; 70_000];
    endless.push(b'y');
    let _ = client.send_raw(&endless);
    assert_eq!(client.read().unwrap().text(), "ERR Protocol error: too big inline request");
    server.client().expect("PING", "PONG");
}

#[test]
fn resp3_speaks_its_own_types() {
    let (_dir, server) = memory_only(2);
    let mut client = server.client();
    let hello = client.say("HELLO 3").items();
    let at = hello.iter().position(|word| word.text() == "proto").unwrap();
    assert_eq!(hello[at + 1], Value::Int(3));
    assert_eq!(client.say("GET none"), Value::Nil);
    client.send(&["CONFIG", "GET", "maxclients"]).unwrap();
    let mut raw = [0u8; 4];
    std::io::Read::read_exact(&mut client.socket().try_clone().unwrap(), &mut raw).unwrap();
    assert_eq!(&raw, b"%1\r\n", "a map");

    let mut client = server.client();
    assert_eq!(client.say("HELLO 4").text(), "NOPROTO unsupported protocol version");
    assert_eq!(client.say("GET none"), Value::Nil, "the connection goes on");
}

#[test]
fn errors_are_those_that_clients_match_on() {
    let (_dir, server) = memory_only(2);
    let mut client = server.client();
    client.expect("NOSUCH a b", "ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' ");
    client.expect("GET", "ERR wrong number of arguments for 'get' command");
    client.expect("CLIENT NOSUCH", "ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.");
    client.expect("SET k v EX 0", "ERR invalid expire time in 'set' command");
    client.expect("SET k v NX XX", "ERR syntax error");
    client.expect("SET n abc", "OK");
    client.expect("INCR n", "ERR value is not an integer or out of range");
    client.expect("EXEC", "ERR EXEC without MULTI");
    client.expect("DISCARD", "ERR DISCARD without MULTI");
    client.expect("AUTH x", "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?");
    client.expect("SELECT 16", "ERR DB index is out of range");
}

#[test]
fn what_is_protected_says_so() {
    let (_dir, server) = memory_only(2);
    let mut client = server.client();
    let reply = client.say("DEBUG SLEEP 0").text();
    assert!(reply.starts_with("ERR DEBUG command not allowed. If the enable-debug-command option is set"), "{reply}");
    let failed =
        |name: &str, why: &str| format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}");
    client.expect("CONFIG SET dir /tmp", &failed("dir", "can't set protected config"));
    client.expect("CONFIG SET databases 3", &failed("databases", "can't set immutable config"));
    client.expect("CONFIG SET cores 1", &failed("cores", "can't set immutable config"));
    client.expect("CONFIG SET maxclients 200", "OK");
    client.expect("CONFIG GET maxclients", "maxclients 200");
}

#[test]
fn no_password_no_data() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2 --appendonly no --requirepass secret");
    let mut client = server.client();
    client.expect("GET k", "NOAUTH Authentication required.");
    client.expect("AUTH wrong", "WRONGPASS invalid username-password pair or user is disabled.");
    client.expect("AUTH secret", "OK");
    // Strangers are turned away while the data is still being loaded.
    while client.say("PING").text().starts_with("LOADING") {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    client.expect("SET k v", "OK");
    let mut client = server.client();
    let many: Vec<String> = (0..11).map(|i| i.to_string()).collect();
    assert_eq!(client.call(&many).text(), "ERR Protocol error: unauthenticated multibulk length");
    let mut client = server.client();
    client.send_raw(b"*1\r\n$16385\r\n").unwrap();
    assert_eq!(client.read().unwrap().text(), "ERR Protocol error: unauthenticated bulk length");
    let mut client = server.client();
    assert!(!client.say("HELLO 3 AUTH default secret SETNAME me").is_error());
    client.expect("CLIENT GETNAME", "me");
}
