//! The section Clients.

use super::Overview;
use super::text::Section;

pub fn clients(info: &Overview, section: &mut Section) {
    section.field("connected_clients", info.everyone.registry.count());
    section.field("cluster_connections", 0);
    section.field("maxclients", info.settings.maxclients);
    section.field("client_recent_max_input_buffer", info.max(|report| report.clients.query_max));
    section.field("client_recent_max_output_buffer", info.max(|report| report.clients.output_max));
    section.field("blocked_clients", info.sum(|report| report.clients.blocked));
    section.field("tracking_clients", 0);
    section.field("pubsub_clients", info.sum(|report| report.clients.subscribed));
    section.field("watching_clients", info.sum(|report| report.clients.watching));
    section.field("clients_in_timeout_table", 0);
    section.field("total_watched_keys", info.sum(|report| report.clients.watched_keys));
    section.field("total_blocking_keys", info.sum(|report| report.clients.blocking_keys));
    section.field("total_blocking_keys_on_nokey", info.sum(|report| report.clients.blocking_keys_on_nokey));
}
