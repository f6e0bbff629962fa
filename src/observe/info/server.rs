//! The sections Server, Replication, CPU and Cluster.

use super::text::Section;
use super::{Overview, REDIS_VERSION, mode};
use crate::observe::system_name;
use std::time::Duration;

const DAY_S: u64 = 24 * 60 * 60;

pub fn server(info: &Overview, section: &mut Section) {
    let (everyone, settings) = (&info.everyone, &info.settings);
    let uptime_s = (info.now_us / 1000).saturating_sub(everyone.started_ms) / 1000;
    section.field("redis_version", REDIS_VERSION);
    section.field("redis_git_sha1", "00000000");
    section.field("redis_git_dirty", 0);
    section.field("redis_build_id", "0000000000000000");
    section.field("basalt_version", env!("CARGO_PKG_VERSION"));
    section.field("redis_mode", mode(settings));
    section.field("os", system_name());
    section.field("arch_bits", usize::BITS);
    section.field("monotonic_clock", if cfg!(target_arch = "x86_64") { "X86 TSC" } else { "POSIX clock_gettime" });
    section.field("multiplexing_api", "io_uring");
    section.field("atomicvar_api", "rust");
    section.field("gcc_version", "0.0.0");
    section.field("process_id", std::process::id());
    section.field("process_supervised", "no");
    section.field("run_id", &everyone.run_id);
    section.field("tcp_port", everyone.port);
    section.field("server_time_usec", info.now_us);
    section.field("uptime_in_seconds", uptime_s);
    section.field("uptime_in_days", uptime_s / DAY_S);
    section.field("hz", settings.hz);
    section.field("configured_hz", settings.hz);
    section.field("lru_clock", info.now_s() & 0xff_ffff);
    let executable = std::env::current_exe().map_or_else(|_| String::new(), |path| path.display().to_string());
    section.field("executable", executable);
    section.field("config_file", &info.config_file);
    section.field("io_threads_active", 0);
    section.field("cores", info.reports.len());
    let binds: String = bind_words(info).iter().map(|word| format!(",bind={word}")).collect();
    section.field("listener0", format_args!("name=tcp{binds},port={}", everyone.port));
}

/// The addresses of `bind`, as they were given.
fn bind_words(info: &Overview) -> Vec<String> {
    let config = info.everyone.config.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let found = config.get([&b"bind"[..]]);
    let words = found.first().map_or_else(String::new, |(_, value)| String::from_utf8_lossy(value).into_owned());
    words.split_ascii_whitespace().map(str::to_owned).collect()
}

pub fn replication(info: &Overview, section: &mut Section) {
    let id = info.everyone.replication_id.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
    section.field("role", "master");
    section.field("connected_slaves", 0);
    section.field("master_failover_state", "no-failover");
    section.field("master_replid", id);
    section.field("master_replid2", "0".repeat(40));
    section.field("master_repl_offset", 0);
    section.field("second_repl_offset", -1);
    section.zeros(&[
        "repl_backlog_active",
        "repl_backlog_size",
        "repl_backlog_first_byte_offset",
        "repl_backlog_histlen",
    ]);
}

pub fn cpu(info: &Overview, section: &mut Section) {
    let shown = |time: Duration| format!("{}.{:06}", time.as_secs(), time.subsec_micros());
    section.field("used_cpu_sys", shown(info.cpu.system));
    section.field("used_cpu_user", shown(info.cpu.user));
    section.field("used_cpu_sys_children", "0.000000");
    section.field("used_cpu_user_children", "0.000000");
    // The threads that serve clients are the cores.
    section.field("used_cpu_sys_main_thread", shown(info.reports.iter().map(|report| report.cpu.system).sum()));
    section.field("used_cpu_user_main_thread", shown(info.reports.iter().map(|report| report.cpu.user).sum()));
}

pub fn cluster(info: &Overview, section: &mut Section) {
    section.field("cluster_enabled", info.settings.cluster_core_ports as u8);
}
