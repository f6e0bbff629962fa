//! What a person should know at the start: versions, limits, and settings of the system that cost speed or safety.

use crate::config::Settings;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

/// Below this a disk is called nearly full, bytes.
const DISK_LOW_BYTES: u64 = 1 << 30;

/// Logs the facts, one line each.
pub fn report(settings: &Settings) {
    let kernel = read("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".into());
    tracing::info!("Basalt {}, kernel {kernel}, pid {}", env!("CARGO_PKG_VERSION"), std::process::id());
    let durability = match (settings.appendonly, settings.appendfsync) {
        (true, policy) => format!("appendonly yes, appendfsync {policy:?}").to_lowercase(),
        (false, _) => "appendonly no: what is written after the last save is lost when the server ends".into(),
    };
    tracing::info!("data in {}; {durability}", settings.dir.display());
    if let Some(limit) = memory_lock_kib() {
        tracing::info!("locked memory: {limit}");
    }
    if read("/proc/sys/vm/overcommit_memory").as_deref() == Some("2") {
        tracing::warn!("vm.overcommit_memory is 2: Basalt reserves address space that it does not use, which may fail");
    }
    let huge = read("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    if huge.contains("[always]") {
        tracing::warn!(
            "transparent huge pages are always on, which makes memory use and latency worse: \
             echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"
        );
    }
    let somaxconn = read("/proc/sys/net/core/somaxconn").and_then(|text| text.parse::<u32>().ok());
    if let Some(limit) = somaxconn.filter(|&limit| limit < settings.tcp_backlog) {
        tracing::warn!(
            "the TCP backlog setting of {} cannot be enforced: /proc/sys/net/core/somaxconn is {limit}",
            settings.tcp_backlog
        );
    }
    if let Some(free) = free_bytes(&settings.dir).filter(|&free| free < DISK_LOW_BYTES) {
        tracing::warn!("only {} MiB are free on the disk of {}", free >> 20, settings.dir.display());
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_string())
}

fn memory_lock_kib() -> Option<String> {
    let limits = read("/proc/self/limits")?;
    let line = limits.lines().find(|line| line.starts_with("Max locked memory"))?;
    let soft = line.split_whitespace().nth(3)?;
    Some(match soft.parse::<u64>() {
        Ok(bytes) => format!("at most {} KiB", bytes / 1024),
        Err(_) => soft.into(),
    })
}

/// Bytes that an ordinary user may still write to the file system of `path`.
pub fn free_bytes(path: &Path) -> Option<u64> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).ok()?;
    // SAFETY: `path` is a C string, `stat` is plain memory that the call fills.
    unsafe {
        let mut stat: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(path.as_ptr(), &mut stat) == 0).then(|| stat.f_bavail as u64 * stat.f_frsize as u64)
    }
}

/// Tells systemd, if that has started the server, where it stands (the protocol of `sd_notify`).
pub fn notify_supervisor(state: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let sent = UnixDatagram::unbound().and_then(|from| match socket.to_str().and_then(|name| name.strip_prefix('@')) {
        Some(name) => {
            use std::os::linux::net::SocketAddrExt;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            from.send_to_addr(state.as_bytes(), &address)
        }
        None => from.send_to(state.as_bytes(), Path::new(&socket)),
    });
    if let Err(error) = sent {
        tracing::warn!("systemd cannot be told: {error}");
    }
}

/// The file with the server's process id; removed when dropped.
pub struct PidFile(PathBuf);

impl PidFile {
    /// Writes it. A failure is logged: the server is of use without it.
    pub fn write(path: &Path) -> PidFile {
        if let Err(error) = fs::write(path, format!("{}\n", std::process::id())) {
            tracing::warn!("the pidfile {} cannot be written: {error}", path.display());
        }
        PidFile(path.to_path_buf())
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
