//! The figures of a run, as they are written to JSON and shown in the table.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::annotate::ServerReport;
use super::record::{Longest, Recorder};
use super::units::{bytes, grouped, nanos};
use super::workload::{Class, Pace};

/// The quantiles shown, with their names.
pub const QUANTILES: [(&str, f64); 7] =
    [("p50", 0.5), ("p75", 0.75), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];

/// Quantiles of one kind of time, ns.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Times {
    /// How many were measured.
    pub count: u64,
    /// The mean.
    pub mean_ns: f64,
    /// By the names of [`QUANTILES`].
    #[serde(flatten)]
    pub quantiles: BTreeMap<String, u64>,
    /// The largest.
    pub max: u64,
    /// The whole curve: quantile and time, closer together towards the end.
    pub curve: Vec<(f64, u64)>,
}

/// A curve for a percentile axis that is logarithmic in 1/(1-p): ten points for each factor of two, up to the last that
/// the number of measurements bears.
pub fn curve(histogram: &Histogram<u64>, max: u64) -> Vec<(f64, u64)> {
    let count = histogram.len();
    if count == 0 {
        return Vec::new();
    }
    let steps = ((count as f64).log2() * 10.0).floor() as i32;
    let mut points: Vec<(f64, u64)> = Vec::new();
    for step in 0..=steps.max(0) {
        let quantile = 1.0 - 2f64.powf(-f64::from(step) / 10.0);
        let value = histogram.value_at_quantile(quantile).min(max);
        // A level stretch needs its ends only.
        if let [.., (_, before), (_, last)] = points[..]
            && before == value
            && last == value
        {
            points.pop();
        }
        points.push((quantile, value));
    }
    points.push((1.0 - 1.0 / count as f64, max));
    points
}

impl Times {
    /// Those of `histogram`, whose largest is exactly `max`.
    pub fn new(histogram: &Histogram<u64>, max: u64) -> Self {
        let value = |q| histogram.value_at_quantile(q).min(max);
        let quantiles = QUANTILES.iter().map(|&(name, q)| (name.to_string(), value(q))).collect();
        Times { count: histogram.len(), mean_ns: histogram.mean(), quantiles, max, curve: curve(histogram, max) }
    }

    fn row(&self) -> Vec<String> {
        let values = QUANTILES.iter().map(|(name, _)| nanos(self.quantiles[*name]));
        values.chain([nanos(self.max), nanos(self.mean_ns as u64)]).collect()
    }
}

/// A span worth knowing of.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Span {
    /// Its length, ns.
    pub ns: u64,
    /// When it ended, s since the run's start.
    pub end_s: f64,
}

fn spans(longest: &Longest) -> Vec<Span> {
    longest.spans().iter().map(|&(ns, end)| Span { ns, end_s: end as f64 / 1e9 }).collect()
}

/// One step of the time line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Begin, s since the run's start.
    pub at_s: f64,
    /// Replies per second.
    pub replies_per_s: f64,
    /// Errors in the step.
    pub errors: u64,
    /// Response time quantiles of the replies in it, ns.
    pub p50: u64,
    /// 99th percentile.
    pub p99: u64,
    /// 99.9th percentile.
    pub p999: u64,
    /// Longest.
    pub max: u64,
}

/// One class.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClassReport {
    /// Its name.
    pub name: String,
    /// Its templates.
    pub commands: Vec<String>,
    /// Connections.
    pub connections: usize,
    /// Open or closed loop.
    pub pace: Pace,
    /// Requests intended in the window, per second.
    pub requests_per_s: f64,
    /// Replies that arrived in the window, per second.
    pub replies_per_s: f64,
    /// Requests in the window.
    pub requests: u64,
    /// Missing values among their replies.
    pub misses: u64,
    /// Never answered, counted with the time they had waited.
    pub unanswered: u64,
    /// Errors by kind.
    pub errors: BTreeMap<String, u64>,
    /// From the intended time to the reply.
    pub response: Times,
    /// From the send to the reply.
    pub service: Times,
    /// From the intended time to the send.
    pub lateness: Option<Times>,
    /// Longest times without any reply.
    pub longest_gaps: Vec<Span>,
    /// Slowest requests.
    pub slowest: Vec<Span>,
    /// The time line.
    pub timeline: Vec<Step>,
}

impl ClassReport {
    /// The figures of `class`, measured over `window_s` seconds.
    pub fn new(class: &Class, recorder: &Recorder, window_s: f64, interval_ns: u64) -> Self {
        let open = !matches!(class.pace, Pace::Closed { .. });
        let step_s = interval_ns as f64 / 1e9;
        let steps = recorder.timeline.iter().enumerate().map(|(i, step)| {
            let value = |q| step.response.value_at_quantile(q).min(step.max);
            Step {
                at_s: i as f64 * step_s,
                replies_per_s: step.replies as f64 / step_s,
                errors: step.errors,
                p50: value(0.5),
                p99: value(0.99),
                p999: value(0.999),
                max: step.max,
            }
        });
        ClassReport {
            name: class.name.clone(),
            commands: class.commands(),
            connections: class.connections,
            pace: class.pace.clone(),
            requests_per_s: recorder.requests as f64 / window_s,
            replies_per_s: recorder.replies as f64 / window_s,
            requests: recorder.requests,
            misses: recorder.misses,
            unanswered: recorder.unanswered,
            errors: recorder.errors.clone(),
            response: Times::new(&recorder.response, recorder.max),
            service: Times::new(&recorder.service, recorder.service.max()),
            lateness: open.then(|| Times::new(&recorder.lateness, recorder.lateness.max())),
            longest_gaps: spans(&recorder.gaps),
            slowest: spans(&recorder.slowest),
            timeline: steps.collect(),
        }
    }

    /// Errors of all kinds.
    pub fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// A whole run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunReport {
    /// The harness's version.
    pub version: String,
    /// The address measured.
    pub address: String,
    /// The arguments that repeat the run.
    pub arguments: Vec<String>,
    /// Seed of the request stream.
    pub seed: u64,
    /// Begin, unix milliseconds.
    pub started_unix_ms: u64,
    /// Length of the warm-up, s.
    pub warmup_s: f64,
    /// Length of what was measured, s.
    pub window_s: f64,
    /// Generator threads.
    pub threads: usize,
    /// CPU time / wall-clock time of each generator thread.
    pub generator_busy: Vec<f64>,
    /// Why the figures must not be used; empty for a valid run.
    pub invalid: Vec<String>,
    /// What the reader should know beside the figures.
    pub notes: Vec<String>,
    /// By class, in the order given.
    pub classes: Vec<ClassReport>,
    /// What the server did.
    pub server: Option<ServerReport>,
}

impl RunReport {
    /// Name and version of the server, or its address.
    pub fn server_name(&self) -> String {
        let version = self.server.as_ref().map(|server| server.version.clone()).filter(|version| !version.is_empty());
        version.unwrap_or_else(|| self.address.clone())
    }

    /// The commands of all classes, on one line.
    pub fn classes_in_short(&self) -> String {
        self.classes.iter().map(|class| class.commands.join(" | ")).collect::<Vec<_>>().join("; ")
    }

    /// The table for people.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let version = self.server.as_ref().map(|s| s.version.as_str()).filter(|v| !v.is_empty());
        out += &format!(
            "{}{}: measured {:.1} s after {:.1} s of warm-up, {} generator thread{}, seed {}\n",
            self.address,
            version.map(|v| format!(" ({v})")).unwrap_or_default(),
            self.window_s,
            self.warmup_s,
            self.threads,
            if self.threads == 1 { "" } else { "s" },
            self.seed,
        );
        for class in &self.classes {
            out += &class_table(class);
        }
        out += &self.timeline_table();
        if let Some(server) = &self.server {
            out += &server_table(server);
        }
        let busy: Vec<String> = self.generator_busy.iter().map(|b| format!("{:.0}%", b * 100.0)).collect();
        out += &format!("\ngenerator  busy {} of a core\n", busy.join(", "));
        self.notes.iter().for_each(|note| out += &format!("note: {note}\n"));
        if self.invalid.is_empty() {
            out += "run: valid\n";
        }
        self.invalid.iter().for_each(|reason| out += &format!("run: INVALID: {reason}\n"));
        out
    }

    fn timeline_table(&self) -> String {
        let annotations = self.server.as_ref().map(|s| s.annotations.as_slice()).unwrap_or_default();
        let steps = self.classes.iter().map(|c| c.timeline.len()).max().unwrap_or(0);
        let step_s = self.classes.iter().find_map(|c| c.timeline.get(1)).map_or(1.0, |step| step.at_s);
        let mut rows = vec![vec![]; 1];
        rows[0].push("time".to_string());
        for class in &self.classes {
            let name = if self.classes.len() > 1 { format!("{} ", class.name) } else { String::new() };
            rows[0].extend([format!("{name}replies/s"), "p50".into(), "p99".into(), "max".into()]);
        }
        rows[0].push("what happened".into());
        for i in 0..steps {
            let at = i as f64 * step_s;
            // What comes after is the drain: no whole step, and nothing was sent in it.
            if at + 1e-9 >= self.warmup_s + self.window_s {
                break;
            }
            let mut row = vec![format!("{at:.1} s{}", if at < self.warmup_s { " w" } else { "" })];
            for class in &self.classes {
                match class.timeline.get(i).filter(|step| step.replies_per_s > 0.0) {
                    Some(s) => row.extend([grouped(s.replies_per_s), nanos(s.p50), nanos(s.p99), nanos(s.max)]),
                    None => row.extend(["0".into(), "-".into(), "-".into(), "-".into()]),
                }
            }
            let happened = annotations.iter().filter(|a| a.at_s >= at && a.at_s < at + step_s);
            row.push(happened.map(|a| format!("{:.2} s {}", a.at_s, a.what)).collect::<Vec<_>>().join("; "));
            rows.push(row);
        }
        // A long run in short steps would bury the figures: the files have every step.
        if rows.len() > 62 {
            let every = rows.len().div_ceil(60);
            let last = rows[0].len() - 1;
            let mut kept = 0;
            rows.retain(|row| {
                kept += 1;
                kept == 1 || kept % every == 0 || !row[last].is_empty()
            });
        }
        format!("\ntime line (w: warm-up)\n{}", aligned(&rows, true))
    }
}

fn class_table(class: &ClassReport) -> String {
    let mut out = format!(
        "\n{}: {}, {} connection{}: {}\n",
        class.name,
        class.pace,
        class.connections,
        if class.connections == 1 { "" } else { "s" },
        class.commands.join(" | ")
    );
    out += &format!(
        "  {} requests, {} replies/s, {} errors, {} unanswered, {} misses\n",
        grouped(class.requests as f64),
        grouped(class.replies_per_s),
        grouped(class.error_count() as f64),
        grouped(class.unanswered as f64),
        grouped(class.misses as f64),
    );
    for (kind, count) in &class.errors {
        out += &format!("  error {kind}: {}\n", grouped(*count as f64));
    }
    let mut rows = vec![vec!["".to_string()]];
    rows[0].extend(QUANTILES.iter().map(|(name, _)| (*name).to_string()).chain(["max".into(), "mean".into()]));
    let mut add = |name: &str, times: &Times| rows.push([vec![name.to_string()], times.row()].concat());
    add("  response time", &class.response);
    add("  service time", &class.service);
    if let Some(lateness) = &class.lateness {
        add("  lateness", lateness);
    }
    out += &aligned(&rows, false);
    for (name, spans) in [("longest gaps", &class.longest_gaps), ("slowest requests", &class.slowest)] {
        let list: Vec<String> = spans.iter().take(3).map(|s| format!("{} at {:.3} s", nanos(s.ns), s.end_s)).collect();
        if !list.is_empty() {
            out += &format!("  {name}: {}\n", list.join(", "));
        }
    }
    out
}

fn server_table(server: &ServerReport) -> String {
    let mut parts = Vec::new();
    parts.extend(server.pid.map(|pid| format!("pid {pid}")));
    parts.extend(server.cores_used.map(|cores| format!("CPU {:.0}% of a core", cores * 100.0)));
    parts.extend(server.cpu_per_reply_ns.map(|ns| format!("{} per reply", nanos(ns as u64))));
    if let (Some(start), Some(max), Some(end)) = (server.rss_start_bytes, server.rss_max_bytes, server.rss_end_bytes) {
        parts.push(format!("RSS {} at the start, {} at most, {} at the end", bytes(start), bytes(max), bytes(end)));
    }
    parts.extend(server.deltas.iter().map(|(name, delta)| format!("{name} {delta:+}")));
    if parts.is_empty() { String::new() } else { format!("\nserver  {}\n", parts.join(", ")) }
}

/// Columns aligned to the right, the first (and the last, if asked) to the left.
pub fn aligned(rows: &[Vec<String>], last_left: bool) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| rows.iter().filter_map(|r| r.get(c)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (c, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[c] - cell.chars().count());
            match c {
                0 => line += &format!("{cell}{pad}"),
                _ if last_left && c + 1 == columns => line += &format!("  {cell}"),
                _ => line += &format!("  {pad}{cell}"),
            }
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::super::annotate::{Annotation, Look};
    use super::super::record::{Sample, Window};
    use super::super::workload::tests::defaults;
    use super::*;

    /// A run of two classes through a snapshot.
    pub(in super::super) fn sample_run() -> RunReport {
        let window = Window { from: 1_000_000_000, to: 5_000_000_000 };
        let classes = ["readers:rate=1000,poisson:GET key:{key}", "writers:conns=1:SET key:{key} {value}"];
        let classes = classes.map(|text| {
            let class = Arc::new(defaults().parse_class(text).unwrap());
            let mut recorder = Recorder::new(window, 500_000_000);
            for i in 0..5000u64 {
                let (intended, slow) = (i * 1_000_000, if (2000..2100).contains(&i) { 40 } else { 1 });
                recorder.sent(intended, intended + 5000, true);
                let done = intended + 100_000 * slow + i % 977 * 200;
                recorder.reply(Sample { intended, sent: intended + 5000, done }, None, false);
                recorder.gap(done.saturating_sub(1_000_000), done);
            }
            ClassReport::new(&class, &recorder, 4.0, 500_000_000)
        });
        let note = |at_s, what: &str| Annotation { at_s, what: what.into() };
        let look = |i: u64| Look {
            at_s: i as f64 / 10.0,
            cores: (i > 0).then_some(0.6),
            rss_bytes: Some(100 << 20 | i << 18),
            child_bytes: (i.is_multiple_of(10) && (20..40).contains(&i)).then_some(20 << 20),
            info: BTreeMap::new(),
        };
        RunReport {
            version: "0".into(),
            address: "127.0.0.1:6379".into(),
            arguments: vec!["basalt-bench".into(), "GET {key}".into()],
            seed: 1,
            started_unix_ms: 1_700_000_000_000,
            warmup_s: 1.0,
            window_s: 4.0,
            threads: 1,
            generator_busy: vec![0.5],
            invalid: vec![],
            notes: vec!["a note".into()],
            classes: classes.to_vec(),
            server: Some(ServerReport {
                version: "redis 8".into(),
                cpu_per_reply_ns: Some(5000.0),
                rss_max_bytes: Some(120 << 20),
                annotations: vec![note(2.0, "sent BGSAVE"), note(2.1, "BGSAVE begins"), note(3.5, "BGSAVE ends")],
                looks: (0..50).map(look).collect(),
                ..ServerReport::default()
            }),
        }
    }

    #[test]
    fn a_report_reads_back_as_it_was_written() {
        let run = sample_run();
        let text = serde_json::to_string(&run).unwrap();
        let back: RunReport = serde_json::from_str(&text).unwrap();
        assert!(back.table() == run.table());
        // Quantiles may lose their last bit on the way through decimals, times and counts may not.
        let times = |run: &RunReport| {
            run.classes.iter().map(|c| c.response.curve.iter().map(|p| p.1).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        assert!(times(&back) == times(&run) && back.server.unwrap().looks.len() == 50);
    }

    #[test]
    fn a_curve_rises_and_ends_at_the_maximum() {
        let mut histogram = super::super::record::histogram();
        (1..=10_000u64).for_each(|i| histogram.record(i * 1000).unwrap());
        let points = curve(&histogram, 10_000_000);
        assert!(points.windows(2).all(|w| w[0].0 <= w[1].0 && w[0].1 <= w[1].1));
        let at = |quantile: f64| points.iter().find(|p| p.0 >= quantile).unwrap().1 as f64;
        assert!((at(0.5) / 5e6 - 1.0).abs() < 0.01 && (at(0.99) / 9.9e6 - 1.0).abs() < 0.01);
        assert_eq!(points[points.len() - 1].1, 10_000_000);
        assert!(curve(&super::super::record::histogram(), 0).is_empty());
    }
}
