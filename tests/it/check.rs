//! Rot is found and named, by the server and by basalt-check, and a torn tail is no rot.

use super::client::Client;
use super::crash::log_files;
use super::server::{Server, directory};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn check(dir: &Path) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_basalt-check"))
        .arg(dir.join("appendonlydir"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), said)
}

fn fill(client: &mut Client) {
    for i in 0..200 {
        client.expect(&format!("MSET a{i} {i} b{i} {i}"), "OK");
    }
}

/// A place inside the first records of the log.
fn recorded(dir: &Path) -> (PathBuf, usize) {
    for path in log_files(dir) {
        let bytes = std::fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(7).position(|window| window == b"$3\r\nSET" || window == b"\r\nMSET\r") {
            return (path, at + 4);
        }
    }
    panic!("no record in any file of {}", dir.display());
}

#[test]
fn a_flipped_bit_stops_the_start_and_is_named() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2");
    fill(&mut server.client());
    server.stop();
    let (code, said) = check(dir.path());
    assert_eq!(code, 0, "{said}");

    let (path, at) = recorded(dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at] ^= 0x04;
    std::fs::write(&path, &bytes).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let (code, said) = check(dir.path());
    assert!(code == 1 && said.contains(name), "{code}: {said}");
    let (code, said) = Server::spawn(dir.path(), "--cores 2").fails();
    assert!(code == 1 && said.contains(name), "{code}: {said}");

    bytes[at] ^= 0x04;
    std::fs::write(&path, &bytes).unwrap();
    let server = Server::start(dir.path(), "--cores 2");
    server.client().expect("DBSIZE", "400");
}

#[test]
fn a_missing_or_shortened_file_stops_the_start_and_is_named() {
    let dir = directory();
    let server = Server::start(dir.path(), "--cores 2");
    fill(&mut server.client());
    server.stop();
    let (path, _) = recorded(dir.path());
    let bytes = std::fs::read(&path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap().to_string();
    for spoil in [0, 1, 2] {
        match spoil {
            0 => std::fs::remove_file(&path).unwrap(),
            1 => std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap(),
            _ => std::fs::write(&path, b"").unwrap(),
        }
        let (code, said) = Server::spawn(dir.path(), "--cores 2").fails();
        assert!(code == 1 && said.contains(&name), "{spoil}: {code}: {said}");
        assert_eq!(check(dir.path()).0, 1);
        std::fs::write(&path, &bytes).unwrap();
    }
    Server::start(dir.path(), "--cores 2").client().expect("DBSIZE", "400");
}

#[test]
fn what_kill_9_leaves_is_sound() {
    for _ in 0..5 {
        let dir = directory();
        let server = Server::start(dir.path(), "--cores 2");
        let port = server.port;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut client = Client::connect(port);
                while client.try_call(&["MSET", "a", "1", "b", "2", "c", "3"]).is_ok() {}
            });
            std::thread::sleep(std::time::Duration::from_millis(100));
            server.kill();
        });
        let (code, said) = check(dir.path());
        assert_eq!(code, 0, "{said}");
    }
}
