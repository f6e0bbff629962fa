//! The sections Commandstats, Errorstats and Latencystats.

use super::Overview;
use super::text::Section;
use crate::command;
use crate::observe::CommandStats;

/// The commands that were ever asked for, with what they cost.
fn used(info: &Overview) -> impl Iterator<Item = (&'static str, &CommandStats)> {
    let named = command::all().iter().map(|command| command.spec.name).zip(&info.total.by_command);
    named.filter(|(_, stats)| stats.calls + stats.rejected + stats.failed > 0)
}

pub fn command_stats(info: &Overview, section: &mut Section) {
    for (name, stats) in used(info) {
        let us = stats.nanos / 1000;
        let per_call = if stats.calls == 0 { 0.0 } else { stats.nanos as f64 / 1000.0 / stats.calls as f64 };
        section.field(
            format_args!("cmdstat_{name}"),
            format_args!(
                "calls={},usec={us},usec_per_call={per_call:.2},rejected_calls={},failed_calls={}",
                stats.calls, stats.rejected, stats.failed
            ),
        );
    }
}

pub fn error_stats(info: &Overview, section: &mut Section) {
    for (code, count) in &info.total.errors_by_code {
        section.field(format_args!("errorstat_{code}"), format_args!("count={count}"));
    }
}

pub fn latency_stats(info: &Overview, section: &mut Section) {
    for (name, stats) in used(info) {
        let Some(latency) = &stats.latency else { continue };
        let percentiles =
            info.settings.latency_tracking_percentiles.iter().map(|&percentile| {
                format!("p{percentile}={:.3}", latency.value_at_percentile(percentile) as f64 / 1000.0)
            });
        let text = percentiles.collect::<Vec<_>>().join(",");
        section.field(format_args!("latency_percentiles_usec_{name}"), text);
    }
}
