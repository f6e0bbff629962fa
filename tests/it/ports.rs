//! Ports that no other test has: tests run side by side in processes of their own, and one that connected to another's server
//! would fail for no reason that its story tells.
//!
//! A port of the kernel's own choosing is free only for a moment; it may be given to somebody's outgoing connection before the
//! server binds it. So ports come from below the range of those, and a locked file keeps each for the life of the process.

#![allow(clippy::unwrap_used, reason = "failing is what a test is for")]

use std::fs::File;
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports of outgoing connections (`net.ipv4.ip_local_port_range`), above those of well-known services.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// Ports of this process, each behind its lock.
static TAKEN: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A port of this process's own, which nothing listens on.
pub fn free_port() -> u16 {
    free_ports(1)
}

/// The first of so many neighbouring ports of this process's own.
pub fn free_ports(count: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes begin at different places, so that they seldom meet.
    let start = std::process::id().wrapping_mul(7919);
    for _ in PORTS {
        let step = NEXT.fetch_add(count, Ordering::Relaxed);
        let first = PORTS.start + ((start + u32::from(step)) % PORTS.len() as u32) as u16;
        let taken: Option<Vec<File>> = (first..first + count).map(take).collect();
        if let Some(locks) = taken {
            TAKEN.lock().unwrap().extend(locks);
            return first;
        }
    }
    panic!("no port is free between {} and {}", PORTS.start, PORTS.end);
}

/// The lock of a port, unless it is in use.
fn take(port: u16) -> Option<File> {
    let dir = std::env::temp_dir().join("basalt-test-ports");
    std::fs::create_dir_all(&dir).unwrap();
    let file = File::options().create(true).append(true).open(dir.join(port.to_string())).unwrap();
    (file.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok()).then_some(file)
}
