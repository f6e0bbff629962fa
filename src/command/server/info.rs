//! INFO.

use crate::command::Flow;
use crate::net::Conn;
use crate::observe::info::{Overview, Selection, render};
use crate::resp::Args;
use crate::server::{ChannelKind, Core, CoreReport, Handle, Outcome};

/// INFO [section [section ...]]
pub fn info(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let selection = Selection::of(args.tail(1).iter());
    let proto = conn.session.proto;
    core.in_task(conn, move |handle| async move {
        let overview = overview(&handle, selection.needs_latencies()).await;
        let text = render(&overview, &selection);
        Outcome::write(proto, |reply| reply.verbatim("txt", text.as_bytes()))
    })
}

/// Asks all cores for everything that INFO shows.
pub async fn overview(handle: &Handle, latencies: bool) -> Overview {
    let reports = handle.reports(latencies).await;
    let counts: [fn(&CoreReport) -> u64; 3] =
        [|report| report.channels, |report| report.patterns, |report| report.shard_channels];
    let kinds = [ChannelKind::Channel, ChannelKind::Pattern, ChannelKind::Shard];
    let mut channels = [0; 3];
    for ((count, kind), place) in counts.into_iter().zip(kinds).zip(&mut channels) {
        // Only where several cores have some can any be counted twice.
        *place = match reports.iter().filter(|report| count(report) > 0).count() {
            0 | 1 => reports.iter().map(count).sum(),
            _ => handle.channels(kind).await.len() as u64,
        };
    }
    let (everyone, settings) = handle.with(|core| (core.everyone.clone(), core.settings.clone()));
    Overview::new(everyone, settings, reports, channels)
}
