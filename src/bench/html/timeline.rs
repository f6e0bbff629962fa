//! The time line: response times, throughput, and what the server did, above one another over the same seconds.

use super::super::report::RunReport;
use super::super::units::{bytes, grouped, nanos};
use super::plot::escape;
use super::plot::{Axis, Plot, WIDTH, figure, legend, svg, table};

/// Something that lasted: name, begin and end in seconds.
type Band = (String, f64, f64);

/// What the server did: spans that have a begin and an end, and moments.
fn happenings(run: &RunReport, end_s: f64) -> (Vec<Band>, Vec<(f64, String)>) {
    let (mut bands, mut moments): (Vec<Band>, Vec<(f64, String)>) = (Vec::new(), Vec::new());
    let mut open: Vec<(String, f64)> = Vec::new();
    for annotation in run.server.iter().flat_map(|server| &server.annotations) {
        if let Some(name) = annotation.what.strip_suffix(" begins") {
            open.push((name.to_string(), annotation.at_s));
        } else if let Some(name) = annotation.what.strip_suffix(" ends") {
            let at = open.iter().rposition(|(begun, _)| begun == name);
            let begin = at.map_or(0.0, |at| open.remove(at).1);
            bands.push((name.to_string(), begin, annotation.at_s));
        } else {
            moments.push((annotation.at_s, annotation.what.clone()));
        }
    }
    bands.extend(open.into_iter().map(|(name, begin)| (name, begin, end_s)));
    (bands, moments)
}

fn end_of(run: &RunReport) -> f64 {
    run.warmup_s + run.window_s
}

/// Whether anything is known of what happened in the server.
pub fn has_events(run: &RunReport) -> bool {
    run.server.as_ref().is_some_and(|server| !server.annotations.is_empty())
}

struct Panels {
    x: Axis,
    top: f64,
    warmup_s: f64,
    bands: Vec<Band>,
    moments: Vec<(f64, String)>,
    body: String,
}

impl Panels {
    fn new(run: &RunReport) -> Self {
        let end = end_of(run);
        let (bands, moments) = happenings(run, end);
        let x =
            Axis::linear(0.0, end, 12, |s| if s.fract() == 0.0 { format!("{s:.0} s") } else { format!("{s:.1} s") });
        Panels { x, top: 30.0, warmup_s: run.warmup_s, bands, moments, body: String::new() }
    }

    /// A panel with its title; `last` carries the seconds.
    fn add(&mut self, title: &str, y: Axis, height: f64, last: bool, draw: impl FnOnce(&mut Plot)) {
        let mut plot = Plot::new(self.x.clone(), y, self.top, height);
        if self.warmup_s > 0.0 {
            plot.shade("warm", 0.0, self.warmup_s);
        }
        for (_, begin, end) in &self.bands {
            plot.shade("band", *begin, *end);
        }
        for (at, _) in &self.moments {
            plot.mark("mark", *at);
        }
        plot.title(title);
        draw(&mut plot);
        if last {
            plot.label_x("");
        }
        self.body += &plot.into_body();
        self.top += height + if last { 28.0 } else { 36.0 };
    }

    fn happened(&self) -> String {
        let mut all: Vec<(f64, String)> = self.moments.clone();
        all.extend(self.bands.iter().map(|(name, begin, end)| {
            (*begin, format!("{name}, {} long (shaded)", nanos(((end - begin).max(0.0) * 1e9) as u64)))
        }));
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        if all.is_empty() {
            return String::new();
        }
        let shown = all.len().min(20);
        let mut rows = vec![vec!["at".to_string(), "what happened in the server".to_string()]];
        rows.extend(all[..shown].iter().map(|(at, what)| vec![format!("{at:.2} s"), escape(what)]));
        if shown < all.len() {
            rows.push(vec![String::new(), format!("and {} more", all.len() - shown)]);
        }
        table(&rows).replace("<td>", r#"<td class="text">"#).replace("<th>", r#"<th style="text-align:left">"#)
    }
}

/// The time line of one run.
pub fn figure_of(run: &RunReport) -> String {
    if run.classes.iter().all(|class| class.timeline.is_empty()) {
        return String::new();
    }
    let mut panels = Panels::new(run);
    let end = end_of(run);
    let steps = |class: usize| run.classes[class].timeline.iter().filter(move |step| step.at_s < end - 1e-9);
    let half = run.classes.iter().find_map(|class| class.timeline.get(1)).map_or(0.5, |step| step.at_s / 2.0);
    let times = (0..run.classes.len()).flat_map(|c| steps(c).flat_map(|s| [s.p50, s.p99, s.max])).map(|ns| ns as f64);
    panels.add("Response time", Axis::times(times.collect::<Vec<_>>().into_iter()), 210.0, false, |plot| {
        for class in 0..run.classes.len() {
            let points = |get: fn(&super::super::report::Step) -> u64| {
                steps(class).map(move |s| (s.at_s + half, (s.replies_per_s > 0.0).then(|| get(s) as f64)))
            };
            plot.curve(class, "thin dot", points(|s| s.max));
            plot.curve(class, "", points(|s| s.p99));
            plot.curve(class, "thin dash", points(|s| s.p50));
        }
    });
    let most = (0..run.classes.len()).flat_map(steps).map(|s| s.replies_per_s).fold(1.0, f64::max);
    let looks = run.server.iter().flat_map(|server| &server.looks).filter(|look| look.at_s < end).collect::<Vec<_>>();
    let rss = looks.iter().filter_map(|look| look.rss_bytes).max();
    panels.add("Replies per second", Axis::linear(0.0, most * 1.08, 4, grouped), 110.0, rss.is_none(), |plot| {
        for class in 0..run.classes.len() {
            plot.curve(class, "", steps(class).map(|s| (s.at_s + half, Some(s.replies_per_s))));
        }
    });
    let server_color = run.classes.len();
    if let Some(rss) = rss {
        let cores = looks.iter().filter_map(|look| look.cores).fold(0.5, f64::max);
        let percent = |cores: f64| format!("{:.0}%", cores * 100.0);
        panels.add(
            "Server CPU, forked children included",
            Axis::linear(0.0, cores * 1.1, 3, percent),
            84.0,
            false,
            |plot| {
                plot.curve(server_color, "", looks.iter().map(|look| (look.at_s, look.cores)));
            },
        );
        let child = looks.iter().filter_map(|look| look.child_bytes).max().unwrap_or(0);
        // In MiB, so that the steps are round.
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let label = |value: f64| bytes((value * f64::from(1 << 20)) as u64).replace(".0 MiB", " MiB");
        let axis = Axis::linear(0.0, mib(rss.max(child)) * 1.15, 3, label);
        panels.add("Server memory: resident, and what a forked child holds alone (dashed)", axis, 84.0, true, |plot| {
            plot.curve(server_color, "", looks.iter().map(|look| (look.at_s, look.rss_bytes.map(mib))));
            let children = looks.iter().filter(|look| look.child_bytes.is_some());
            plot.curve(server_color, "dash", children.map(|look| (look.at_s, look.child_bytes.map(mib))));
        });
    }
    let mut entries = Vec::new();
    for (color, class) in run.classes.iter().enumerate() {
        for (style, name) in [("dot", "max"), ("", "p99"), ("dash", "p50")] {
            entries.push((color, style, format!("{} {name}", class.name)));
        }
    }
    let drawing = svg(panels.top, "Response times, throughput and the server over time", &panels.body);
    let caption = "Grey: warm-up, not counted. Yellow: what the server was doing.";
    figure("Time line", caption, &(legend(&entries) + &drawing + &panels.happened()))
}

/// Response times of several runs above one another, with the same axes: name, colour and run.
pub fn small_multiples(runs: &[(String, usize, &RunReport)], class: usize) -> String {
    let Some(longest) = runs.iter().map(|(_, _, run)| *run).max_by(|a, b| end_of(a).total_cmp(&end_of(b))) else {
        return String::new();
    };
    fn steps(run: &RunReport, class: usize) -> impl Iterator<Item = &super::super::report::Step> {
        let end = end_of(run);
        run.classes[class].timeline.iter().filter(move |step| step.at_s < end - 1e-9)
    }
    let values: Vec<f64> =
        runs.iter().flat_map(|(_, _, run)| steps(run, class).flat_map(|s| [s.p50 as f64, s.max as f64])).collect();
    let y = Axis::times(values.into_iter());
    let (mut body, mut top) = (String::new(), 0.0);
    for (i, (name, color, run)) in runs.iter().enumerate() {
        let last = i + 1 == runs.len();
        let mut panels = Panels::new(run);
        panels.x = Panels::new(longest).x;
        panels.top = top + 30.0;
        let half = run.classes[class].timeline.get(1).map_or(0.5, |step| step.at_s / 2.0);
        panels.add(name, y.clone(), 130.0, last, |plot| {
            let points = |get: fn(&super::super::report::Step) -> u64| {
                steps(run, class).map(move |s| (s.at_s + half, (s.replies_per_s > 0.0).then(|| get(s) as f64)))
            };
            plot.curve(*color, "thin dot", points(|s| s.max));
            plot.curve(*color, "", points(|s| s.p99));
            plot.curve(*color, "thin dash", points(|s| s.p50));
            let bands: Vec<Band> = happenings(run, end_of(run)).0;
            for (name, begin, _) in bands {
                let x = plot.place_x(begin);
                let (x, anchor) = if x > WIDTH * 0.8 { (x - 4.0, "end") } else { (x + 5.0, "start") };
                plot.text(x, panels_text(top), anchor, "", &name);
            }
        });
        body += &panels.body;
        top = panels.top - 30.0;
    }
    svg(top + 30.0, "Response times over time, a panel for each server", &body)
}

/// Inside a panel, under its upper edge.
fn panels_text(top: f64) -> f64 {
    top + 30.0 + 14.0
}
