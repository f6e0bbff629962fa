//! LATENCY: delays of the server, and how long commands take.

use crate::command::answer::{answer, error, help, shown};
use crate::command::spec::{self, CommandSpec};
use crate::command::{self, Exec, Flow};
use crate::net::Conn;
use crate::observe::{LatencyEvent, Stats};
use crate::resp::{Args, OwnedArgs, Reply};
use crate::server::{Core, Outcome};

/// Where histograms begin, nanoseconds, and by what each step multiplies: as in Redis.
const HISTOGRAM_FROM_NS: u64 = 1024;
const HISTOGRAM_STEP: f64 = 2.0;

pub(super) fn handlers() -> Vec<(&'static str, Exec)> {
    vec![
        ("latency|latest", Exec::Conn(latest)),
        ("latency|history", Exec::Conn(history)),
        ("latency|reset", Exec::Conn(reset)),
        ("latency|graph", Exec::Conn(graph)),
        ("latency|doctor", Exec::Conn(doctor)),
        ("latency|histogram", Exec::Conn(histogram)),
        ("latency|help", Exec::Conn(help)),
    ]
}

/// LATENCY LATEST
fn latest(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let events = core.everyone.latency.all();
    answer(core, conn, |reply| {
        reply.array(events.len());
        for (name, event) in &events {
            let last = event.samples.back().copied().unwrap_or_default();
            reply.array(4);
            reply.bulk(name.as_bytes());
            reply.int(last.time_s as i64);
            reply.int(last.ms as i64);
            reply.int(event.max_ms as i64);
        }
    })
}

/// LATENCY HISTORY event
fn history(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let event = core.everyone.latency.find(args.at(2)).map_or_else(LatencyEvent::default, |(_, event)| event);
    answer(core, conn, |reply| {
        reply.array(event.samples.len());
        for sample in &event.samples {
            reply.array(2);
            reply.int(sample.time_s as i64);
            reply.int(sample.ms as i64);
        }
    })
}

/// LATENCY RESET [event [event ...]]
fn reset(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let events = &core.everyone.latency;
    let count = match args.len() {
        2 => events.reset(),
        _ => args.tail(2).iter().filter(|name| events.reset_one(name)).count(),
    };
    answer(core, conn, |reply| reply.int(count as i64))
}

/// LATENCY GRAPH event
fn graph(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    match core.everyone.latency.find(args.at(2)) {
        None => error(core, conn, format!("ERR No samples available for event '{}'", shown(args.at(2)))),
        Some((name, event)) => {
            let now_s = core.now_ms / 1000;
            answer(core, conn, |reply| reply.verbatim("txt", draw(name, &event, now_s).as_bytes()))
        }
    }
}

/// Delays as columns, oldest left.
fn draw(name: &str, event: &LatencyEvent, now_s: u64) -> String {
    const WIDTH: usize = 80;
    const HEIGHT: u64 = 5;
    let shown: Vec<_> = event.samples.iter().skip(event.samples.len().saturating_sub(WIDTH)).collect();
    let high = shown.iter().map(|sample| sample.ms).max().unwrap_or(0);
    let low = shown.iter().map(|sample| sample.ms).min().unwrap_or(0);
    let mut text = format!("{name} - high {high} ms, low {low} ms (all time high {} ms)\n", event.max_ms);
    text.push_str(&"-".repeat(WIDTH));
    text.push('\n');
    for row in (1..=HEIGHT).rev() {
        let line = shown.iter().map(|sample| if sample.ms * HEIGHT >= row * high.max(1) { '#' } else { ' ' });
        text.push_str(line.collect::<String>().trim_end());
        text.push('\n');
    }
    let oldest = shown.first().map_or(0, |sample| now_s.saturating_sub(sample.time_s));
    text.push_str(&format!("from {oldest} s ago until now\n"));
    text
}

/// LATENCY DOCTOR
fn doctor(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let events = core.everyone.latency.all();
    let threshold = core.settings.latency_monitor_threshold_ms;
    let mut text = String::new();
    if threshold == 0 && events.is_empty() {
        text.push_str(
            "Delays are not recorded: set latency-monitor-threshold to the milliseconds from which on one counts.\n",
        );
    } else if events.is_empty() {
        text.push_str(&format!("No delay of {threshold} ms or more has been seen.\n"));
    }
    for (name, event) in &events {
        let count = event.samples.len() as u64;
        let mean = event.samples.iter().map(|sample| sample.ms).sum::<u64>() / count.max(1);
        text.push_str(&format!("{name}: {count} delays, mean {mean} ms, worst ever {} ms.\n", event.max_ms));
    }
    if events.iter().any(|(name, _)| *name == "command") {
        text.push_str("Commands that take long hold up all clients of their core: SLOWLOG GET shows them.\n");
    }
    if events.iter().any(|(name, _)| *name == "fast-command") {
        text.push_str("Even commands that take little work were slow: the machine may be short of CPU or memory.\n");
    }
    answer(core, conn, |reply| reply.verbatim("txt", text.as_bytes()))
}

/// LATENCY HISTOGRAM [command [command ...]]
fn histogram(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let (names, proto) = (OwnedArgs::new(args.tail(2).iter()), conn.session.proto);
    core.in_task(conn, move |handle| async move {
        let mut total = Stats::default();
        handle.reports(true).await.iter().for_each(|report| total.add(&report.stats));
        Outcome::write(proto, |reply| write_histograms(reply, &total, names.as_args()))
    })
}

fn write_histograms(reply: &mut Reply, total: &Stats, names: Args) {
    let start = reply.deferred_array();
    let mut count = 0;
    let mut write = |spec: &CommandSpec| {
        let Some(stats) = total.by_command.get(spec.id.index()) else { return };
        let Some(latency) = &stats.latency else { return };
        count += 1;
        reply.bulk(spec.name.as_bytes());
        reply.map(2);
        reply.bulk(b"calls");
        reply.int(stats.calls as i64);
        reply.bulk(b"histogram_usec");
        let buckets_start = reply.deferred_array();
        let (mut buckets, mut seen) = (0, 0);
        for step in latency.iter_log(HISTOGRAM_FROM_NS, HISTOGRAM_STEP) {
            if step.count_since_last_iteration() > 0 {
                seen += step.count_since_last_iteration();
                reply.int((step.value_iterated_to() / 1000) as i64);
                reply.int(seen as i64);
                buckets += 1;
            }
        }
        reply.finish_map(buckets_start, buckets);
    };
    if names.is_empty() {
        command::all().iter().for_each(|command| write(command.spec));
    }
    for spec in names.iter().filter_map(spec::find_path) {
        write(spec);
        spec.subcommands.iter().for_each(&mut write);
    }
    reply.finish_map(start, count);
}
