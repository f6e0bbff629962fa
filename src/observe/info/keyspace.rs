//! The section Keyspace.

use super::Overview;
use super::text::Section;
use crate::server::DatabaseReport;

pub fn keyspace(info: &Overview, section: &mut Section) {
    let databases = info.reports.iter().map(|report| report.databases.len()).max().unwrap_or(0);
    for index in 0..databases {
        let parts = info.reports.iter().filter_map(|report| report.databases.get(index));
        let mut total = DatabaseReport::default();
        let mut ttl_sum = 0u128;
        for part in parts {
            total.keys += part.keys;
            total.expires += part.expires;
            total.hashes_with_times += part.hashes_with_times;
            ttl_sum += part.avg_ttl_ms as u128 * part.expires as u128;
        }
        if total.keys > 0 {
            let avg_ttl = ttl_sum.checked_div(total.expires as u128).unwrap_or(0);
            section.field(
                format_args!("db{index}"),
                format_args!(
                    "keys={},expires={},avg_ttl={avg_ttl},subexpiry={}",
                    total.keys, total.expires, total.hashes_with_times
                ),
            );
        }
    }
}
