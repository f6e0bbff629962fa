//! Clients that take too much.

use super::client::{Client, Value};
use super::server::{Server, directory};
use std::io::Write;
use std::time::{Duration, Instant};

/// Tries again until `done` or the time is up.
fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn maxclients_turns_the_next_one_away_and_lets_it_in_when_one_leaves() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 4 --appendonly no --maxclients 10");
    let mut clients = Vec::new();
    eventually("ten clients", || {
        let mut client = server.client();
        if client.try_call(&["PING"]).is_ok_and(|reply| reply.text() == "PONG") {
            clients.push(client);
        }
        clients.len() == 10
    });
    let mut one_more = server.client();
    assert_eq!(one_more.read().unwrap().text(), "ERR max number of clients reached");
    assert!(one_more.is_closed());
    clients.pop();
    eventually("a place is free again", || {
        server.client().try_call(&["PING"]).is_ok_and(|reply| reply.text() == "PONG")
    });
}

#[test]
fn connections_are_spread_evenly_over_cores() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 4 --appendonly no");
    let mut clients: Vec<_> = (0..50).map(|_| server.client()).collect();
    clients.iter_mut().for_each(|client| client.expect("PING", "PONG"));
    let list = clients[0].say("CLIENT LIST").text();
    assert_eq!(list.lines().count(), 50, "{list}");
}

#[test]
fn a_slow_reader_is_cut_off_by_the_output_limit() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2 --appendonly no");
    let mut client = server.client();
    assert_eq!(client.call(&["CONFIG", "SET", "client-output-buffer-limit", "normal 4mb 0 0"]).text(), "OK");
    client.call(&["SET", "big", &"x".repeat(1 << 20)]);
    let mut slow = server.client();
    let request = b"*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n".repeat(200);
    slow.send_raw(&request).unwrap();
    eventually("the slow reader is gone", || {
        client.say("INFO stats").text().contains("client_output_buffer_limit_disconnections:1")
    });
    assert_eq!(client.say("CLIENT LIST").text().lines().count(), 1);
    client.expect("STRLEN big", "1048576");
    assert!(slow.is_closed());
}

#[test]
fn a_slow_reader_does_not_stop_others() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 1 --appendonly no");
    let mut client = server.client();
    client.call(&["SET", "big", &"x".repeat(1 << 20)]);
    let mut slow: Vec<_> = (0..4).map(|_| server.client()).collect();
    let request = b"*2\r\n$3\r\nGET\r\n$3\r\nbig\r\n".repeat(20);
    slow.iter_mut().for_each(|slow| slow.send_raw(&request).unwrap());
    for i in 0..100 {
        client.expect(&format!("SET k{i} {i}"), "OK");
    }
    // They get everything once they read.
    for slow in &mut slow {
        for _ in 0..20 {
            assert!(matches!(slow.read().unwrap(), Value::Bulk(value) if value.len() == 1 << 20));
        }
    }
}

#[test]
fn a_thousand_connections_that_announce_huge_bulks_stay_small() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2 --appendonly no");
    let mut client = server.client();
    client.expect("PING", "PONG");
    let before = server.resident();
    let mut hostile = Vec::new();
    for i in 0..1_000 {
        let stranger = match Client::try_connect(server.port) {
            Ok(stranger) => stranger,
            Err(error) => panic!("connection {i}: {error}"),
        };
        let request: &[u8] = match i % 3 {
            0 => b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$536870912\r\n",
            1 => b"*1048576\r\n$3\r\nDEL\r\n$536870000\r\n",
            _ => b"*3\r\n$3\r\nSET\r\n$536870912\r\nx",
        };
        stranger.socket().write_all(request).unwrap();
        hostile.push(stranger);
    }
    eventually("all are there", || client.say("CLIENT LIST").text().lines().count() == 1_001);
    client.expect("SET still serving", "OK");
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 64 << 20, "grew by {} MiB", grown >> 20);
    drop(hostile);
    eventually("all are gone", || client.say("CLIENT LIST").text().lines().count() == 1);
}

#[test]
fn a_query_buffer_over_its_limit_closes_the_connection() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 1 --appendonly no --client-query-buffer-limit 1mb");
    let mut client = server.client();
    let _ = client.send_raw(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10000000\r\n");
    // Written until the server has had enough; the write or a later one fails.
    let chunk = [b'x'; 100_000];
    let closed = (0..50).any(|_| client.send_raw(&chunk).is_err()) || client.is_closed();
    assert!(closed);
    let mut client = server.client();
    client.expect("EXISTS k", "0");
    let stats = client.say("INFO stats").text();
    assert!(stats.contains("client_query_buffer_limit_disconnections:1"), "{stats}");
}

#[test]
fn an_idle_client_is_closed_after_timeout() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2 --appendonly no --timeout 1");
    let mut idle = server.client();
    idle.expect("PING", "PONG");
    assert!(idle.is_closed());
    server.client().expect("PING", "PONG");
}
