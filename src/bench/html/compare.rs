//! The part of a page that shows a comparison.

use super::super::compare::{ComparisonReport, Figure};
use super::super::report::RunReport;
use super::plot::{Axis, Plot, WIDTH, escape, figure, legend, short_time, svg, table};
use super::{curve_points, remarks, timeline, visible};

/// Facts, figures and charts of a comparison.
pub fn section(report: &ComparisonReport) -> String {
    let servers = report.servers();
    let mut out = String::new();
    if let Some(run) = report.runs.first().and_then(|round| round.first()) {
        let classes: Vec<String> = run
            .classes
            .iter()
            .map(|c| {
                format!(
                    "<b>{}</b>: {}, {} connection{}, <code>{}</code>",
                    escape(&c.name),
                    escape(&c.pace.to_string()),
                    c.connections,
                    if c.connections == 1 { "" } else { "s" },
                    escape(&c.commands.join(" | "))
                )
            })
            .collect();
        out += &format!(
            r#"<p class="soft">{} rounds of {}, each server started or visited once in each round, in an order drawn anew. {}</p>"#,
            report.rounds,
            short_time(run.window_s * 1e9),
            classes.join("; ")
        );
    }
    let mut notes: Vec<String> = report.ended_early.iter().map(|reason| format!("Ended early: {reason}")).collect();
    let limited = report.runs.iter().flatten().flat_map(|run| &run.notes).any(|note| note.contains("may be the limit"));
    if limited {
        notes.push("In some runs the generator, not the server, may have been the limit.".into());
    }
    let total = report.runs.len() * servers.len();
    let mut bad: Vec<(&str, usize)> =
        report.invalid.iter().map(|(server, round, _)| (server.as_str(), *round)).collect();
    bad.sort_unstable();
    bad.dedup();
    let mut invalid: Vec<String> = Vec::new();
    if !bad.is_empty() {
        let first = report
            .invalid
            .first()
            .map_or(String::new(), |(server, round, why)| format!("{server} in round {round}: {why}"));
        invalid.push(format!("{} of {total} runs; the first is {first}", bad.len()));
    }
    out += &remarks(&invalid, &notes);
    let mut classes: Vec<String> = report.merged.iter().map(|merged| merged.class.clone()).collect();
    classes.dedup();
    classes.truncate(report.merged.len() / servers.len().max(1));
    for (index, class) in classes.iter().enumerate() {
        out += &percentiles(report, &servers, class, classes.len() > 1);
        out += &time_lines(report, &servers, index, class);
    }
    out += &ratios(report, &servers, &classes);
    out += &figures(report, &servers);
    out
}

fn percentiles(report: &ComparisonReport, servers: &[String], class: &str, several: bool) -> String {
    let mine = || report.merged.iter().filter(|merged| merged.class == class);
    let last = mine().filter_map(|m| m.response.curve.last()).map(|point| point.0).fold(0.9, f64::max);
    let values: Vec<f64> = mine().flat_map(|m| visible(&m.response.curve)).collect();
    let mut plot = Plot::new(Axis::percentiles(last), Axis::times(values.into_iter()), 12.0, 300.0);
    plot.label_x("share of requests that were at most as slow");
    let mut entries = Vec::new();
    for merged in mine() {
        let color = servers.iter().position(|name| *name == merged.server).unwrap_or(0);
        plot.curve(color, "", curve_points(&merged.response.curve));
        entries.push((color, "", merged.server.clone()));
    }
    let title = if several { format!("Percentiles: {class}") } else { "Percentiles".into() };
    let drawing = svg(360.0, "Response times by percentile, a curve for each server", &plot.into_body());
    figure(&title, "Response times of all rounds together.", &(legend(&entries) + &drawing))
}

/// The round whose p99.9 is in the middle stands for its server.
fn typical(report: &ComparisonReport, server: usize, class: usize) -> Option<&RunReport> {
    let mut runs: Vec<&RunReport> = report.runs.iter().filter_map(|round| round.get(server)).collect();
    let tail = |run: &RunReport| run.classes.get(class).and_then(|c| c.response.quantiles.get("p99.9").copied());
    runs.sort_by_key(|run| tail(run));
    runs.get(runs.len() / 2).copied()
}

fn time_lines(report: &ComparisonReport, servers: &[String], class: usize, name: &str) -> String {
    let runs: Vec<(String, usize, &RunReport)> = servers
        .iter()
        .enumerate()
        .filter_map(|(i, server)| Some((server.clone(), i, typical(report, i, class)?)))
        .filter(|(_, _, run)| run.classes.len() > class)
        .collect();
    if !runs.iter().any(|(_, _, run)| timeline::has_events(run)) {
        return String::new();
    }
    let caption = "Dotted: slowest of each step; solid: p99; dashed: p50. The round with the middle p99.9 of each server. \
        Grey: warm-up. Yellow: what the server was doing.";
    figure(&format!("Over time: {name}"), caption, &timeline::small_multiples(&runs, class))
}

fn ratios(report: &ComparisonReport, servers: &[String], classes: &[String]) -> String {
    let shown: Vec<&Figure> = report
        .figures
        .iter()
        .filter(|figure| figure.ratio.is_some_and(|ratio| ratio.is_finite() && ratio > 0.0))
        .collect();
    let Some(first) = servers.first().filter(|_| !shown.is_empty()) else { return String::new() };
    let ends = shown.iter().flat_map(|f| [f.ratio, f.interval.map(|i| i.0), f.interval.map(|i| i.1)]).flatten();
    let (low, high) = ends.filter(|v| *v > 0.0).fold((0.8f64, 1.25f64), |(l, h), v| (l.min(v), h.max(v)));
    let (low, high) = (low / 1.08, high * 1.08);
    let row = 19.0;
    let groups = shown.chunk_by(|a, b| a.metric == b.metric && a.class == b.class).collect::<Vec<_>>();
    let height = shown.len() as f64 * row + groups.len() as f64 * 9.0;
    let x = Axis::log(low, high, |value| format!("×{}", (value * 100.0).round() / 100.0));
    let y = Axis::linear(0.0, 1.0, 1, |_| String::new());
    let mut plot = Plot::between(x, y, (190.0, WIDTH - 230.0), 8.0, height);
    plot.mark("one", 1.0);
    let mut at = 8.0 + row / 2.0 + 4.0;
    for group in groups {
        let figure = group[0];
        let class =
            if figure.class.is_empty() || classes.len() == 1 { String::new() } else { format!("{}: ", figure.class) };
        let better = if figure.more_is_better { "more is better" } else { "less is better" };
        plot.text(178.0, at + 4.0, "end", "strong", &format!("{class}{}", figure.metric));
        if group.len() > 1 {
            plot.text(178.0, at + row + 3.0, "end", "", better);
        }
        for figure in group {
            let color = servers.iter().position(|name| *name == figure.server).unwrap_or(0);
            let ratio = figure.ratio.unwrap_or(1.0);
            if let Some((from, to)) = figure.interval {
                let (from, to) = (plot.place_x(from), plot.place_x(to));
                plot.interval(color, from, to, at);
            }
            let x = plot.place_x(ratio);
            plot.dot(color, x, at, 4.0, figure.interval.is_none(), 1.0);
            let interval = figure.interval.map_or(String::new(), |(l, h)| format!(" ({l:.2} to {h:.2})"));
            plot.text(WIDTH - 220.0, at + 4.0, "start", "", &format!("{ratio:.2}{interval} {}", figure.verdict()));
            at += row;
        }
        at += 9.0;
    }
    plot.label_x("");
    let entries: Vec<_> = servers.iter().enumerate().skip(1).map(|(i, name)| (i, "", name.clone())).collect();
    let caption = format!(
        "Medians of the ratios within a round, with 95% intervals. An interval that holds 1 is noise. 1 is {first}."
    );
    let drawing = svg(height + 40.0, "Ratios with confidence intervals", &plot.into_body());
    figure(&format!("Compared with {first}"), &caption, &(legend(&entries) + &drawing))
}

fn figures(report: &ComparisonReport, servers: &[String]) -> String {
    let mut rows = vec![vec![String::new()]];
    rows[0].extend(servers.iter().map(|name| escape(name)));
    for group in report.figures.chunk_by(|a, b| a.metric == b.metric && a.class == b.class) {
        let class = if group[0].class.is_empty() { String::new() } else { format!("{}: ", group[0].class) };
        let mut row = vec![escape(&format!("{class}{}", group[0].metric))];
        for server in servers {
            let Some(figure) = group.iter().find(|figure| figure.server == *server) else {
                row.push("–".into());
                continue;
            };
            let spread = figure.spread.map_or(String::new(), |(low, high)| {
                format!("<small>{} to {}</small>", figure.text(low), figure.text(high))
            });
            let verdict = match figure.verdict() {
                "" => String::new(),
                word => format!(r#" <span class="{word}">{word}</span>"#),
            };
            row.push(format!("{}{verdict}{spread}", figure.text(figure.median)));
        }
        rows.push(row);
    }
    let note = "Medians over the rounds; small: their 95% interval.";
    format!(r#"<div class="card"><p class="soft">{note}</p>{}</div>"#, table(&rows))
}
