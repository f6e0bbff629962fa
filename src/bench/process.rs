//! What the kernel knows of a local process: CPU time and resident memory.

use std::fs;

/// CPU time that process `pid` has used so far in all its threads, user and system, ns. None if it is gone.
pub fn cpu_ns(pid: i32) -> Option<u64> {
    let mut clock: libc::clockid_t = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one clock id and one timespec, both on this stack; a wrong pid gives an error.
    let failed =
        unsafe { libc::clock_getcpuclockid(pid, &mut clock) != 0 || libc::clock_gettime(clock, &mut time) != 0 };
    (!failed).then(|| time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Resident memory of process `pid`, bytes. A forked child's copies are not in it.
pub fn rss_bytes(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// Memory of process `pid` that no other process shares, bytes. The kernel walks its page tables for it.
pub fn private_bytes(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let kib = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    Some((kib("Private_Dirty:")? + kib("Private_Clean:")?) << 10)
}

/// How often the threads of process `pid` have gone to sleep of themselves, and how often they were made to wait for a
/// CPU that another took.
pub fn context_switches(pid: i32) -> Option<(u64, u64)> {
    let (mut own, mut forced) = (0, 0);
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        // A thread may end between the two calls.
        let Ok(text) = fs::read_to_string(task.path().join("status")) else { continue };
        let count = |name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().parse().ok()).unwrap_or(0)
        };
        own += count("voluntary_ctxt_switches:");
        forced += count("nonvoluntary_ctxt_switches:");
    }
    Some((own, forced))
}

/// Processes that the main thread of `pid` has forked and that still run.
pub fn children(pid: i32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// Binds the calling thread to one CPU. False if the CPU does not exist or is not allowed.
pub fn pin(cpu: usize) -> bool {
    if cpu >= libc::CPU_SETSIZE as usize {
        return false;
    }
    // SAFETY: a cpu_set_t is plain bits for which zeroes are valid, and `cpu` is below its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_gone_has_no_figures() {
        let own = std::process::id() as i32;
        assert!(cpu_ns(own).is_some() && rss_bytes(own).is_some_and(|rss| rss > 1 << 20));
        let before = context_switches(own).unwrap().0;
        std::thread::sleep(std::time::Duration::from_millis(1));
        assert!(context_switches(own).unwrap().0 > before);
        // One above the largest pid that Linux gives.
        let gone = (1 << 22) + 1;
        assert!(cpu_ns(gone).is_none() && rss_bytes(gone).is_none() && context_switches(gone).is_none());
    }
}
