//! The harness against a responder of its own, over real sockets: what is injected must show. Only what must hold on the
//! slowest machine is asserted: counts, and lower bounds of what a pause delays.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use super::client::{Address, Target};
use super::error::BenchError;
use super::run::{Measured, Plan, run, run_from};
use super::workload::tests::defaults;

/// What the responder does beside answering +PONG to every request of 14 bytes (a PING).
#[derive(Clone, Copy, Default)]
struct Behaviour {
    /// All connections stand still for 100 ms when this request arrives.
    pause_at: Option<u64>,
    /// All connections are closed when this request arrives.
    die_at: Option<u64>,
    /// Nothing is ever answered.
    mute: bool,
    /// Every reply is this error.
    error: Option<&'static str>,
    /// Every reply is this value in two pieces, a large one.
    large: bool,
}

struct Responder {
    port: u16,
    requests: Arc<AtomicU64>,
    /// What each connection sent, in order of connecting.
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

fn responder(behaviour: Behaviour) -> Responder {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(AtomicU64::new(0));
    let received: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let (count, log, gate) = (requests.clone(), received.clone(), Arc::new(RwLock::new(())));
    let links: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    thread::spawn(move || {
        for (index, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { return };
            stream.set_nodelay(true).unwrap();
            log.lock().unwrap().push(Vec::new());
            links.lock().unwrap().push(stream.try_clone().unwrap());
            let (count, log, gate, links) = (count.clone(), log.clone(), gate.clone(), links.clone());
            thread::spawn(move || {
                let mut buffer = [0; 65536];
                let mut bytes = 0;
                while let Ok(n @ 1..) = stream.read(&mut buffer) {
                    log.lock().unwrap()[index].extend_from_slice(&buffer[..n]);
                    let whole = (bytes + n) / 14 - bytes / 14;
                    bytes += n;
                    let before = count.fetch_add(whole as u64, Ordering::Relaxed);
                    let hits = |at: Option<u64>| at.is_some_and(|at| before < at && before + whole as u64 >= at);
                    if hits(behaviour.die_at) {
                        links.lock().unwrap().iter().for_each(|link| drop(link.shutdown(Shutdown::Both)));
                        return;
                    }
                    if hits(behaviour.pause_at) {
                        let _closed = gate.write().unwrap();
                        thread::sleep(Duration::from_millis(100));
                    }
                    let _open = gate.read().unwrap();
                    for _ in 0..if behaviour.mute { 0 } else { whole } {
                        let sent = match behaviour.error {
                            Some(text) => stream.write_all(format!("-{text}\r\n").as_bytes()),
                            None if behaviour.large => stream
                                .write_all(b"$100000\r\n")
                                .and_then(|()| stream.write_all(&vec![b'x'; 100_000]))
                                .and_then(|()| stream.write_all(b"\r\n")),
                            None => stream.write_all(b"+PONG\r\n"),
                        };
                        if sent.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    Responder { port, requests, received }
}

fn plan(port: u16, class: &str, duration_ms: u64) -> Plan {
    Plan {
        target: Target::new(Address::Tcp(format!("127.0.0.1:{port}"))),
        classes: vec![Arc::new(defaults().parse_class(class).unwrap())],
        threads: 1,
        cpus: vec![],
        warmup: Duration::ZERO,
        duration: Duration::from_millis(duration_ms),
        drain: Duration::from_secs(20),
        interval: Duration::from_millis(100),
        seed: 7,
        late_limit: Duration::from_secs(60),
        poll: None,
        pid: None,
        at: vec![],
        reconnect: None,
        progress: false,
        stop: Arc::new(AtomicBool::new(false)),
    }
}

fn slower_than(measured: &Measured, limit: Duration) -> u64 {
    let limit = limit.as_nanos() as u64;
    measured.records[0].response.count_between(limit, u64::MAX / 2)
}

#[test]
fn a_pause_delays_every_request_that_was_due_in_it() {
    let server = responder(Behaviour { pause_at: Some(300), ..Behaviour::default() });
    let measured = run(&plan(server.port, "c:rate=1000,conns=8:PING", 1000)).unwrap();
    let class = &measured.report.classes[0];
    assert_eq!((class.requests, class.response.count, class.unanswered), (1000, 1000, 0));
    // Of the requests due in the first half of the pause each waited at least its second half. The schedule puts 50
    // into it, whatever the machine does. A closed loop of 8 connections would have shown 8 at most.
    assert!(slower_than(&measured, Duration::from_millis(50)) >= 48);
    assert!(class.response.max >= 99_000_000);
    assert!(class.longest_gaps[0].ns >= 99_000_000);
    let steps: u64 = measured.records[0].timeline.iter().map(|step| step.replies).sum();
    assert_eq!(steps, 1000);
}

#[test]
fn a_closed_loop_sends_exactly_what_was_asked_for_over_all_threads() {
    let server = responder(Behaviour::default());
    let measured =
        run(&Plan { threads: 3, ..plan(server.port, "c:conns=7,depth=5,requests=1000:PING", 60_000) }).unwrap();
    assert_eq!(measured.report.classes[0].response.count, 1000);
    assert_eq!(server.requests.load(Ordering::Relaxed), 1000);
    assert!(measured.report.window_s < 60.0, "the run ends with its last reply");
}

#[test]
fn replies_larger_than_a_receive_buffer_are_counted_once() {
    let server = responder(Behaviour { large: true, ..Behaviour::default() });
    let measured = run(&plan(server.port, "c:conns=3,depth=20,requests=200:PING", 60_000)).unwrap();
    assert_eq!((measured.report.classes[0].response.count, measured.report.classes[0].error_count()), (200, 0));
}

#[test]
fn a_server_that_dies_leaves_what_was_measured_and_every_request_accounted_for() {
    let server = responder(Behaviour { die_at: Some(200), ..Behaviour::default() });
    let measured = run(&plan(server.port, "c:rate=2000,conns=4:PING", 60_000)).unwrap();
    let class = &measured.report.classes[0];
    assert!(measured.lost.is_some());
    // On a slow machine some were due when the last connection went, and not sent yet.
    let unsent = class.errors.get("no connection left").copied().unwrap_or(0);
    assert!(class.errors["disconnected"] >= 1);
    assert_eq!(class.errors["disconnected"] + unsent, class.unanswered);
    assert_eq!(class.requests, class.response.count);
    assert!(measured.report.window_s < 60.0, "the run ends when no connection is left");
    assert!(measured.report.invalid.iter().any(|reason| reason.contains("lost")));
    assert!(measured.report.table().contains("INVALID"));
}

#[test]
fn a_mute_server_is_reported_as_slow_not_as_absent() {
    let server = responder(Behaviour { mute: true, ..Behaviour::default() });
    let mut plan = plan(server.port, "c:rate=1000,conns=2:PING", 100);
    plan.drain = Duration::from_millis(50);
    let measured = run(&plan).unwrap();
    let class = &measured.report.classes[0];
    assert_eq!((class.requests, class.unanswered, class.response.count), (100, 100, 100));
    assert!(slower_than(&measured, Duration::from_millis(50)) >= 99);
}

#[test]
fn a_late_generator_leaves_no_due_request_out() {
    // The clock began 10 s ago: the whole window of 100 ms is over before the first request can leave.
    let begun = || Instant::now() - Duration::from_secs(10);
    let server = responder(Behaviour::default());
    let measured = run_from(&plan(server.port, "c:rate=1000,conns=2:PING", 100), begun).unwrap();
    let class = &measured.report.classes[0];
    assert_eq!((class.requests, class.response.count, class.unanswered), (100, 100, 0));
    assert!(slower_than(&measured, Duration::from_secs(9)) == 100);
    // With no time left to catch up nothing is sent, and all of it is accounted for.
    let server = responder(Behaviour::default());
    let mut hopeless = plan(server.port, "c:rate=1000,conns=2:PING", 100);
    (hopeless.drain, hopeless.late_limit) = (Duration::ZERO, Duration::from_millis(1));
    let measured = run_from(&hopeless, begun).unwrap();
    let class = &measured.report.classes[0];
    assert_eq!((class.requests, class.response.count), (100, 100));
    assert!(class.errors["not sent in time by the generator"] >= 1);
    assert!(!measured.report.invalid.is_empty());
}

#[test]
fn errors_are_counted_by_kind() {
    let server = responder(Behaviour { error: Some("OOM command not allowed"), ..Behaviour::default() });
    let measured = run(&plan(server.port, "c:conns=2,requests=50:PING", 60_000)).unwrap();
    assert_eq!(measured.report.classes[0].errors["OOM"], 50);
    assert!(measured.report.notes.iter().any(|note| note.contains("errors")));
}

#[test]
fn one_seed_puts_the_same_bytes_on_the_wire() {
    let bytes = |seed| {
        // Requests of 14 bytes, which is what the responder counts; in an open loop connections take exact turns.
        let server = responder(Behaviour::default());
        let mix = "c:rate=50k,poisson,conns=2,requests=400:50% {int:1000-9999} | 50% {value:4}";
        run(&Plan { seed, ..plan(server.port, mix, 60_000) }).unwrap();
        let received = server.received.lock().unwrap().clone();
        assert!(received.iter().all(|bytes| bytes.len() == 14 * 200));
        received
    };
    let first = bytes(1);
    assert_eq!(first, bytes(1));
    assert_ne!(first, bytes(2));
}

#[test]
fn unreachable_and_refusing_servers_are_named() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = run(&plan(port, "c::PING", 100)).err().unwrap();
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
    // AUTH of an 8-byte password is two times 14 bytes and 2 more: one reply, then a second that nobody reads.
    let server = responder(Behaviour { error: Some("WRONGPASS invalid"), ..Behaviour::default() });
    let mut plan = plan(server.port, "c::PING", 100);
    plan.target.password = Some("12345678".into());
    match run(&plan).err().unwrap() {
        BenchError::Refused { command: "AUTH", reply, .. } => assert!(reply.starts_with("WRONGPASS")),
        other => panic!("{other}"),
    }
}
