//! What the system knows of this process: CPU time and memory.

use std::sync::OnceLock;
use std::time::Duration;

/// CPU time spent.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThreadTime {
    /// In the server's own code.
    pub user: Duration,
    /// In the kernel.
    pub system: Duration,
}

impl ThreadTime {
    /// Of the calling thread.
    pub fn now() -> ThreadTime {
        Self::of(libc::RUSAGE_THREAD)
    }

    /// Of the whole process.
    pub fn of_process() -> ThreadTime {
        Self::of(libc::RUSAGE_SELF)
    }

    fn of(who: libc::c_int) -> ThreadTime {
        // SAFETY: all zeros is a valid `rusage`, and the call fills it in.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            libc::getrusage(who, &mut usage);
            usage
        };
        let span = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
        ThreadTime { user: span(usage.ru_utime), system: span(usage.ru_stime) }
    }
}

/// Memory of the process, bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessMemory {
    /// Handed out by the allocator.
    pub allocated: u64,
    /// In pages that hold something handed out.
    pub active: u64,
    /// Held by the allocator in main memory.
    pub resident: u64,
    /// Of the whole process in main memory.
    pub rss: u64,
}

impl ProcessMemory {
    /// Asks the allocator and the system.
    pub fn now() -> ProcessMemory {
        use tikv_jemalloc_ctl::{epoch, stats};
        // The figures are those of the last epoch.
        let _ = epoch::advance();
        ProcessMemory {
            allocated: stats::allocated::read().unwrap_or(0) as u64,
            active: stats::active::read().unwrap_or(0) as u64,
            resident: stats::resident::read().unwrap_or(0) as u64,
            rss: rss(),
        }
    }
}

/// Main memory that the process takes, bytes.
fn rss() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|field| field.parse().ok()).unwrap_or(0);
    pages * page_bytes()
}

fn page_bytes() -> u64 {
    // SAFETY: a plain call without pointers.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as u64 }
}

/// Main memory of the machine, bytes.
pub fn machine_memory() -> u64 {
    // SAFETY: a plain call without pointers.
    unsafe { libc::sysconf(libc::_SC_PHYS_PAGES) as u64 * page_bytes() }
}

/// The operating system as INFO names it: name, release, machine.
pub fn system_name() -> &'static str {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| {
        // SAFETY: all zeros is a valid `utsname`; the call fills in strings that end with a zero byte.
        let name = unsafe {
            let mut name: libc::utsname = std::mem::zeroed();
            libc::uname(&mut name);
            name
        };
        let text = |field: &[libc::c_char]| {
            let bytes: Vec<u8> = field.iter().take_while(|&&c| c != 0).map(|&c| c as u8).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        format!("{} {} {}", text(&name.sysname), text(&name.release), text(&name.machine))
    })
}

/// Has the allocator give unused memory back to the system in a thread of its own, or in whichever thread frees some.
///
/// In a core's own thread that takes several milliseconds at a time while large collections grow.
pub fn set_background_purge(on: bool) {
    use tikv_jemalloc_ctl::background_thread;
    if background_thread::read().is_ok_and(|is_on| is_on != on)
        && let Err(error) = background_thread::write(on)
    {
        tracing::warn!("the allocator's background thread stays as it is: {error}");
    }
}

/// Gives memory that the allocator keeps for later back to the system.
pub fn purge() {
    use std::ptr::null_mut;
    // 4096 names every arena at once.
    const PURGE: &std::ffi::CStr = c"arena.4096.purge";
    // SAFETY: the name ends with a zero byte, and this control takes and gives no value.
    unsafe { tikv_jemalloc_sys::mallctl(PURGE.as_ptr(), null_mut(), null_mut(), null_mut(), 0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_figures_are_not_zero() {
        let memory = ProcessMemory::now();
        assert!(memory.allocated > 0 && memory.active >= memory.allocated && memory.rss > 0, "{memory:?}");
        assert!(machine_memory() > memory.rss);
        assert!(system_name().starts_with("Linux "));
        set_background_purge(true);
        set_background_purge(false);
        purge();
    }
}
