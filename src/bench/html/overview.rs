//! The figures of several comparisons side by side, before each has its own part.

use super::super::compare::{ComparisonReport, Figure};
use super::super::document::Document;
use super::super::units::grouped;
use super::plot::{Axis, Plot, WIDTH, figure, legend, short_time, svg};

const METRICS: [&str; 5] = ["replies/s", "p50", "p99", "p99.9", "CPU per reply"];

/// Charts over all comparisons that have the same servers; nothing for fewer than two.
pub fn section(parts: &[(String, &Document)]) -> String {
    let all: Vec<(&str, &ComparisonReport)> = parts
        .iter()
        .filter_map(|(name, part)| match part {
            Document::Compare(report) => Some((name.as_str(), report)),
            _ => None,
        })
        .collect();
    let Some(servers) = all.first().map(|(_, report)| report.servers()).filter(|_| all.len() > 1) else {
        return String::new();
    };
    let same: Vec<(&str, &ComparisonReport)> =
        all.into_iter().filter(|(_, report)| report.servers() == servers).collect();
    if same.len() < 2 {
        return String::new();
    }
    let entries: Vec<_> = servers.iter().enumerate().map(|(i, name)| (i, "", name.clone())).collect();
    let charts: String = METRICS.iter().filter_map(|metric| chart(metric, &servers, &same)).collect();
    let caption = "Medians over the rounds with their 95% intervals; of several classes of clients the first.";
    format!("<h2>Overview</h2>\n{}", figure("All comparisons", caption, &(legend(&entries) + &charts)))
}

fn chart(metric: &str, servers: &[String], parts: &[(&str, &ComparisonReport)]) -> Option<String> {
    let of = |report: &ComparisonReport| -> Vec<Figure> {
        let Some(first) = report.figures.iter().find(|f| f.metric == metric) else { return Vec::new() };
        let class = first.class.clone();
        report.figures.iter().filter(|f| f.metric == metric && f.class == class).cloned().collect()
    };
    let all: Vec<(&str, Vec<Figure>)> = parts.iter().map(|(name, report)| (*name, of(report))).collect();
    let values = all.iter().flat_map(|(_, figures)| figures.iter()).flat_map(|f| {
        let (low, high) = f.spread.unwrap_or((f.median, f.median));
        [f.median, low, high]
    });
    let (low, high) = values.filter(|v| *v > 0.0).fold((f64::INFINITY, 0.0f64), |(l, h), v| (l.min(v), h.max(v)));
    if !low.is_finite() {
        return None;
    }
    let label = |value: f64| if metric == "replies/s" { grouped(value) } else { short_time(value) };
    let row = 30.0;
    let height = all.len() as f64 * row;
    let y = Axis::linear(0.0, 1.0, 1, |_| String::new());
    let mut plot = Plot::between(Axis::log(low / 1.15, high * 1.15, label), y, (250.0, WIDTH - 30.0), 26.0, height);
    let better = if metric == "replies/s" { "more is better" } else { "less is better" };
    plot.title(&format!("{metric} ({better})"));
    for (i, (name, figures)) in all.iter().enumerate() {
        let middle = 26.0 + (i as f64 + 0.5) * row;
        plot.text(240.0, middle + 4.0, "end", "", name);
        for figure in figures {
            let color = servers.iter().position(|server| *server == figure.server).unwrap_or(0);
            let at = middle + (color as f64 - (servers.len() as f64 - 1.0) / 2.0) * 8.0;
            if let Some((from, to)) = figure.spread {
                let (from, to) = (plot.place_x(from), plot.place_x(to));
                plot.interval(color, from, to, at);
            }
            let x = plot.place_x(figure.median);
            plot.dot(color, x, at, 4.0, false, 1.0);
        }
    }
    plot.label_x("");
    Some(svg(height + 54.0, &format!("{metric} of all comparisons"), &plot.into_body()))
}
