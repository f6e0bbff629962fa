//! The section Persistence.

use super::Overview;
use super::text::Section;
use crate::observe::{BackupState, CommitStats};
use crate::server::CoreReport;
use std::sync::atomic::Ordering;

pub fn persistence(info: &Overview, section: &mut Section) {
    let now_s = info.now_s();
    let saves = &info.everyone.saves;
    let (snapshots, rewrites) = (&saves.snapshots, &saves.rewrites);
    let progress = &info.everyone.progress;
    let loading = progress.loading.load(Ordering::Acquire);
    let dirty = info.sum(|report| report.shard.dirty).saturating_sub(saves.dirty_saved.load(Ordering::Relaxed));
    let mut logs = info.reports.iter().filter_map(|report| report.log.as_ref());
    let failed = logs.any(|log| log.failure.is_some() || log.no_space.is_some());
    section.field("loading", loading as u8);
    let current = saves.current_counts();
    let [save_peak, rewrite_peak] = [0, 1].map(|which| saves.last_peak_bytes[which].load(Ordering::Relaxed));
    section.zeros(&["async_loading"]);
    section.field("current_cow_peak", current.peak_bytes);
    section.field("current_cow_size", current.memory_bytes);
    section.zeros(&["current_cow_size_age"]);
    section.field("current_fork_perc", "0.00");
    section.field("current_save_keys_processed", current.keys_done);
    section.field("current_save_keys_total", current.keys_total);
    section.field("rdb_changes_since_last_save", dirty);
    section.field("rdb_bgsave_in_progress", snapshots.is_running() as u8);
    section.field("rdb_last_save_time", saves.last_save_s.load(Ordering::Relaxed));
    section.field("rdb_last_bgsave_status", snapshots.last_status());
    section.field("rdb_last_bgsave_time_sec", snapshots.last_seconds());
    section.field("rdb_current_bgsave_time_sec", snapshots.current_seconds(now_s));
    section.field("rdb_saves", snapshots.succeeded());
    section.field("rdb_last_cow_size", save_peak);
    section.field("rdb_last_load_keys_expired", progress.keys_expired.load(Ordering::Relaxed));
    section.field("rdb_last_load_keys_loaded", progress.keys_loaded.load(Ordering::Relaxed));
    section.field("aof_enabled", info.settings.appendonly as u8);
    section.field("aof_rewrite_in_progress", rewrites.is_running() as u8);
    section.field("aof_rewrite_scheduled", rewrites.is_scheduled() as u8);
    section.field("aof_last_rewrite_time_sec", rewrites.last_seconds());
    section.field("aof_current_rewrite_time_sec", rewrites.current_seconds(now_s));
    section.field("aof_last_bgrewrite_status", rewrites.last_status());
    section.field("aof_rewrites", rewrites.succeeded());
    section.field("aof_rewrites_consecutive_failures", rewrites.failed_in_a_row());
    section.field("aof_last_write_status", if failed { "err" } else { "ok" });
    section.field("aof_last_cow_size", rewrite_peak);
    section.zeros(&["module_fork_in_progress", "module_fork_last_cow_size"]);
    section.field("backup_in_progress", (info.everyone.backup().state == BackupState::Incrementing) as u8);
    if info.settings.appendonly {
        let base_bytes = saves.log_base_bytes.load(Ordering::Relaxed);
        let written = info.sum(|report| report.log.as_ref().map_or(0, |log| log.bytes_written));
        section.field("aof_current_size", base_bytes + written);
        section.field("aof_base_size", base_bytes);
        section.field("aof_pending_rewrite", 0);
        section.zeros(&["aof_buffer_length"]);
        let pending = info.sum(|report| report.log.as_ref().map_or(0, |log| log.sync_pending as u64));
        section.field("aof_pending_bio_fsync", pending);
        section.field("aof_delayed_fsync", info.sum(|report| report.stats.delayed_syncs));
        info.reports.iter().for_each(|report| core_log(report, section));
    }
    if loading {
        self::loading(info, section);
    }
}

/// What only Basalt has: the log of each core.
fn core_log(report: &CoreReport, section: &mut Section) {
    let (core, Some(log)) = (report.core, &report.log) else { return };
    let lag = log.last_lsn.saturating_sub(log.durable_lsn);
    section.field(
        format_args!("aof_core_{core}"),
        format_args!("last_lsn={},durable_lsn={},lag={lag}", log.last_lsn, log.durable_lsn),
    );
    section.field(format_args!("aof_core_{core}_commit_bytes"), CommitStats::percentiles(&log.commits.bytes));
    section.field(format_args!("aof_core_{core}_commit_usec"), CommitStats::percentiles(&log.commits.micros));
    let status = log.failure.as_ref().or(log.no_space.as_ref()).map_or("ok", String::as_str);
    section.field(format_args!("aof_core_{core}_status"), status.replace(['\r', '\n'], " "));
}

fn loading(info: &Overview, section: &mut Section) {
    let progress = &info.everyone.progress;
    let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let (started_ms, total, loaded) =
        (read(&progress.started_ms), read(&progress.total_bytes), read(&progress.loaded_bytes));
    let share = super::text::ratio(loaded, total);
    let elapsed_s = (info.now_us / 1000).saturating_sub(started_ms) as f64 / 1000.0;
    let eta_s = if share > 0.0 { elapsed_s * (1.0 - share) / share } else { 1.0 };
    section.field("loading_start_time", started_ms / 1000);
    section.field("loading_total_bytes", total);
    section.field("loading_rdb_used_mem", 0);
    section.field("loading_loaded_bytes", loaded);
    section.field("loading_loaded_perc", format_args!("{:.2}", share * 100.0));
    section.field("loading_eta_seconds", eta_s as u64);
}
