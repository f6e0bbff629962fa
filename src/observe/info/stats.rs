//! The section Stats.

use super::Overview;
use super::text::Section;
use crate::observe::Rates;

pub fn stats(info: &Overview, section: &mut Section) {
    let total = &info.total;
    let rate = |of: fn(&Rates) -> f64| info.reports.iter().map(|report| of(&report.rates)).sum::<f64>();
    let kib = |of: fn(&Rates) -> f64| format!("{:.2}", rate(of) / 1024.0);
    section.field("total_connections_received", total.connections);
    section.field("total_commands_processed", total.commands);
    section.field("instantaneous_ops_per_sec", rate(|rates| rates.commands) as u64);
    section.field("total_net_input_bytes", total.bytes_in);
    section.field("total_net_output_bytes", total.bytes_out);
    section.zeros(&["total_net_repl_input_bytes", "total_net_repl_output_bytes"]);
    section.field("instantaneous_input_kbps", kib(|rates| rates.bytes_in));
    section.field("instantaneous_output_kbps", kib(|rates| rates.bytes_out));
    section.field("instantaneous_input_repl_kbps", "0.00");
    section.field("instantaneous_output_repl_kbps", "0.00");
    section.field("rejected_connections", total.rejected_connections);
    section.zeros(&["sync_full", "sync_partial_ok", "sync_partial_err"]);
    section.field("expired_subkeys", info.sum(|report| report.shard.expired_fields));
    section.field("expired_keys", info.sum(|report| report.shard.expired));
    section.field("expired_stale_perc", "0.00");
    section.zeros(&["expired_time_cap_reached_count", "expire_cycle_cpu_milliseconds"]);
    section.field("evicted_keys", info.sum(|report| report.shard.evicted));
    section.field("evicted_clients", total.evicted_clients);
    section.field("evicted_scripts", 0);
    section.field("total_eviction_exceeded_time", info.max(|report| report.memory_exceeded_ms.0));
    section.field("current_eviction_exceeded_time", info.max(|report| report.memory_exceeded_ms.1));
    section.field("keyspace_hits", info.sum(|report| report.shard.hits));
    section.field("keyspace_misses", info.sum(|report| report.shard.misses));
    section.field("pubsub_channels", info.channels[0]);
    section.field("pubsub_patterns", info.channels[1]);
    section.field("pubsubshard_channels", info.channels[2]);
    section.zeros(&[
        "latest_fork_usec",
        "total_forks",
        "migrate_cached_sockets",
        "slave_expires_tracked_keys",
        "active_defrag_hits",
        "active_defrag_misses",
        "active_defrag_key_hits",
        "active_defrag_key_misses",
        "total_active_defrag_time",
        "current_active_defrag_time",
        "tracking_total_keys",
        "tracking_total_items",
        "tracking_total_prefixes",
        "unexpected_error_replies",
    ]);
    section.field("total_error_replies", total.errors);
    section.zeros(&[
        "dump_payload_sanitizations",
        "total_reads_processed",
        "total_writes_processed",
        "io_threaded_reads_processed",
        "io_threaded_writes_processed",
    ]);
    section.field("client_query_buffer_limit_disconnections", total.query_limit_disconnections);
    section.field("client_output_buffer_limit_disconnections", total.output_limit_disconnections);
    section.zeros(&["reply_buffer_shrinks", "reply_buffer_expands"]);
    section.field("eventloop_cycles", total.passes);
    section.field("eventloop_duration_sum", (info.cpu.user + info.cpu.system).as_micros());
    section
        .field("eventloop_duration_cmd_sum", total.by_command.iter().map(|command| command.nanos).sum::<u64>() / 1000);
    section.field("instantaneous_eventloop_cycles_per_sec", rate(|rates| rates.passes) as u64);
    section.field("instantaneous_eventloop_duration_usec", 0);
    section.zeros(&[
        "acl_access_denied_auth",
        "acl_access_denied_cmd",
        "acl_access_denied_key",
        "acl_access_denied_channel",
    ]);
}
