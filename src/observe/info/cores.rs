//! The section Cores, which Redis does not have: one line for each core.

use super::Overview;
use super::text::Section;

pub fn cores(info: &Overview, section: &mut Section) {
    for report in &info.reports {
        let keys: u64 = report.databases.iter().map(|db| db.keys).sum();
        let log = report.log.clone().unwrap_or_default();
        section.field(
            format_args!("core{}", report.core),
            format_args!(
                "ops={},ops_per_sec={},forwarded={},spanning={},cpu_user_us={},cpu_sys_us={},keys={keys},memory={},\
                 connections={},last_lsn={},durable_lsn={},lag={},passes={},enters={}",
                report.stats.commands,
                report.rates.commands as u64,
                report.stats.forwarded,
                report.stats.spanning,
                report.cpu.user.as_micros(),
                report.cpu.system.as_micros(),
                report.keyspace_bytes,
                report.clients.connected,
                log.last_lsn,
                log.durable_lsn,
                log.last_lsn - log.durable_lsn,
                report.stats.passes,
                report.enters,
            ),
        );
    }
}
