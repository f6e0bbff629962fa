//! What a person should know at the start: versions, limits, and settings of the system that cost speed or safety.

use crate::config::Settings;
use crate::storage::{AlignedBuf, Fs, Open, PAGE_BYTES, RealFs};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

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
    if let Some(disk) = disk(&settings.dir) {
        tracing::info!("disk: {disk}");
    }
    if let Some(free) = free_bytes(&settings.dir).filter(|&free| free < DISK_LOW_BYTES) {
        tracing::warn!("only {} MiB are free on the disk of {}", free >> 20, settings.dir.display());
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_string())
}

/// What the disk writes at once, and how long that takes until it is durable: half the wait of a client that writes alone.
fn disk(dir: &Path) -> Option<String> {
    const PROBE: &str = ".basalt-probe";
    const WRITES: usize = 5;
    let path = dir.join(PROBE);
    let _ = RealFs.unlink(&path);
    let file = RealFs.open(&path, Open::CreateDirect).ok()?;
    let mut page = AlignedBuf::with_capacity(PAGE_BYTES);
    page.extend_from_slice(&[b'#'; PAGE_BYTES]);
    let write = || file.write_at(&page, 0, true).and_then(|_| file.sync_data());
    let mut spans: Vec<_> = (0..=WRITES)
        .filter_map(|_| {
            let begun = Instant::now();
            write().ok().map(|()| begun.elapsed())
        })
        .skip(1)
        .collect();
    let _ = RealFs.unlink(&path);
    spans.sort();
    let median = spans.get(spans.len() / 2)?;
    Some(format!("blocks of {} bytes, a durable write of 4 KiB takes {} us", file.block_bytes(), median.as_micros()))
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

/// The file with the server's process id; removed when dropped.
pub struct PidFile(PathBuf);

impl PidFile {
    /// Writes the file that the settings name; a server in the background has one in any case, as Redis does. A failure is
    /// logged: the server is of use without it.
    pub fn write(settings: &Settings) -> Option<PidFile> {
        let usual = settings.daemonize.then(|| PathBuf::from("/var/run/redis.pid"));
        let path = settings.pidfile.clone().or(usual)?;
        if let Err(error) = fs::write(&path, format!("{}\n", std::process::id())) {
            tracing::warn!("the pidfile {} cannot be written: {error}", path.display());
        }
        Some(PidFile(path))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
