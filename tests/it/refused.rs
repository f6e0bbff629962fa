//! A kernel that refuses to take the log's frames, where replies do not wait for the disk (`everysec`, `no`).

use super::client::Client;
use super::ports::free_port;
use super::server::{Server, command, directory};
use std::os::unix::process::CommandExt;
use std::path::Path;

/// A server that is told of writes beyond its limit of file sizes by an error, not by a signal that ends it.
fn start(dir: &Path, options: &str) -> Server {
    let port = free_port();
    let mut command = command(dir, port, options);
    // SAFETY: signal(2) may be called between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            Ok(())
        })
    };
    let mut server = Server::run(command, port, dir);
    server.wait_ready();
    server
}

/// Sets pipelines of keys until the connection ends or writes are refused; returns how many were acknowledged.
fn set_until_refused(port: u16, writer: usize, told: impl Fn(usize)) -> usize {
    let mut client = Client::connect(port);
    let mut acknowledged = 0;
    loop {
        let mut request = Vec::new();
        for n in acknowledged..acknowledged + 50 {
            super::client::encode(&["SET", &format!("{writer}:{n}"), &"v".repeat(500)], &mut request);
        }
        if client.send_raw(&request).is_err() {
            return acknowledged;
        }
        for _ in 0..50 {
            match client.read() {
                Ok(reply) if reply.text() == "OK" => acknowledged += 1,
                Ok(reply) => {
                    assert!(reply.text().starts_with("MISCONF"), "{reply:?}");
                    return acknowledged;
                }
                Err(_) => return acknowledged,
            }
        }
        told(acknowledged);
    }
}

fn nothing_acknowledged_is_lost(policy: &str, cores: usize) {
    let dir = directory();
    let options = format!("--appendonly yes --appendfsync {policy} --cores {cores}");
    let server = start(dir.path(), &options);
    let (port, writers) = (server.port, 4);
    let acknowledged: Vec<usize> = std::thread::scope(|scope| {
        let server = &server;
        let limit = |count| {
            // By then each core writes to a segment of full size, and every further frame lies behind the limit.
            if count == 5000 {
                server.limit_file_size(4096);
            }
        };
        let writer = |n| {
            scope.spawn(move || {
                set_until_refused(port, n, |count| {
                    if n == 0 {
                        limit(count)
                    }
                })
            })
        };
        let threads: Vec<_> = (0..writers).map(writer).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut client = server.client();
    assert!(acknowledged[0] >= 5000, "{acknowledged:?}");
    assert_eq!(client.say("GET 0:1").text(), "v".repeat(500), "reads go on");
    let refused = client.say("SET more 1").text();
    assert!(refused.starts_with("MISCONF"), "{refused}");
    drop(client);
    server.kill();

    let server = Server::start(dir.path(), &options);
    let mut client = server.client();
    for (writer, count) in acknowledged.into_iter().enumerate() {
        let mut is_lost = |n: &usize| client.say(&format!("EXISTS {writer}:{n}")).int() == 0;
        let lost: Vec<usize> = (0..count).filter(|n| is_lost(n)).collect();
        assert!(lost.is_empty(), "{policy}, {cores} cores: {lost:?} of {count} acknowledged writes of writer {writer}");
    }
}

#[test]
fn of_a_pass_whose_frame_the_kernel_refuses_nothing_is_acknowledged() {
    for (policy, cores) in [("everysec", 1), ("everysec", 2), ("no", 2), ("always", 2)] {
        nothing_acknowledged_is_lost(policy, cores);
    }
}
