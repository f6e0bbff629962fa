//! The section Memory.
//!
//! Keys and small values lie in slabs that the allocator does not know of, so their memory is added to its figures.

use super::Overview;
use super::text::{Section, ratio};
use crate::observe::machine_memory;

/// Bytes in use that are not keys and values: the start, connections, tables, expiry indexes.
pub fn overhead_bytes(info: &Overview) -> u64 {
    let indexes = info.sum(|report| report.databases.iter().map(|db| db.table_bytes + db.expiry_bytes).sum());
    info.everyone.memory_peak.startup_bytes() + info.sum(|report| report.clients.memory) + indexes
}

pub fn memory(info: &Overview, section: &mut Section) {
    let (process, settings) = (&info.process, &info.settings);
    let peak = &info.everyone.memory_peak;
    let used = info.used_memory();
    let slab_used = info.sum(|report| report.slab.used_bytes as u64);
    let slab_active = info.sum(|report| report.slab.chunk_bytes as u64);
    let slab_held = info.sum(|report| (report.slab.chunk_bytes + report.slab.empty_bytes) as u64);
    let (allocated, active) = (process.allocated + slab_used, process.active + slab_active);
    let resident = process.resident + slab_held;
    let overhead = overhead_bytes(info).min(used);
    let dataset = used - overhead;
    let since_start = used.saturating_sub(peak.startup_bytes());
    section.bytes("used_memory", used);
    section.bytes("used_memory_rss", process.rss);
    section.bytes("used_memory_peak", peak.bytes());
    section.field("used_memory_peak_perc", format_args!("{:.2}%", ratio(used, peak.bytes()) * 100.0));
    section.field("used_memory_overhead", overhead);
    section.field("used_memory_startup", peak.startup_bytes());
    section.field("used_memory_dataset", dataset);
    section.field("used_memory_dataset_perc", format_args!("{:.2}%", (ratio(dataset, since_start) * 100.0).min(100.0)));
    section.field("allocator_allocated", allocated);
    section.field("allocator_active", active);
    section.field("allocator_resident", resident);
    section.field("allocator_muzzy", 0);
    section.bytes("total_system_memory", machine_memory());
    section.bytes("used_memory_lua", 0);
    section.field("used_memory_vm_eval", 0);
    section.zeros(&[
        "used_memory_scripts_eval",
        "number_of_cached_scripts",
        "number_of_functions",
        "number_of_libraries",
        "used_memory_vm_functions",
    ]);
    section.bytes("used_memory_vm_total", 0);
    section.field("used_memory_functions", 0);
    section.bytes("used_memory_scripts", 0);
    section.bytes("maxmemory", settings.maxmemory_bytes);
    section.field("maxmemory_policy", settings.maxmemory_policy.as_str());
    let difference = |more: u64, less: u64| more as i64 - less as i64;
    section.field("allocator_frag_ratio", format_args!("{:.2}", ratio(active, allocated)));
    section.field("allocator_frag_bytes", difference(active, allocated));
    section.field("allocator_rss_ratio", format_args!("{:.2}", ratio(resident, active)));
    section.field("allocator_rss_bytes", difference(resident, active));
    section.field("rss_overhead_ratio", format_args!("{:.2}", ratio(process.rss, resident)));
    section.field("rss_overhead_bytes", difference(process.rss, resident));
    section.field("mem_fragmentation_ratio", format_args!("{:.2}", ratio(process.rss, used)));
    section.field("mem_fragmentation_bytes", difference(process.rss, used));
    section.field("mem_not_counted_for_evict", info.everyone.memory.uncounted_bytes());
    section.zeros(&["mem_replication_backlog", "mem_total_replication_buffers", "mem_clients_slaves"]);
    section.field("mem_clients_normal", info.sum(|report| report.clients.memory));
    section.field("mem_cluster_links", 0);
    section.field("mem_aof_buffer", info.sum(|report| report.log_buffer_bytes));
    let current = info.everyone.saves.current_counts();
    section.field("mem_snapshot", current.memory_bytes);
    section.field("mem_snapshot_budget", current.budget_bytes);
    section.field("mem_allocator", "jemalloc-5.3.0");
    section.zeros(&["mem_overhead_db_hashtable_rehashing", "active_defrag_running"]);
    section.field("lazyfree_pending_objects", info.sum(|report| report.pending_frees));
    section.field("lazyfreed_objects", info.sum(|report| report.shard.lazyfreed));
}
