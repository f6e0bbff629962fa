//! The part of a page that shows a sweep: the saturation curve.

use super::super::sweep::{SweepReport, Verdict};
use super::super::units::{grouped, nanos};
use super::plot::{Axis, Plot, escape, figure, legend, svg, table};

const SHOWN: [(&str, &str); 4] = [("p50", "dash"), ("p99", ""), ("p99.9", ""), ("max", "dot")];

/// Facts, figures and charts of a sweep.
pub fn section(sweep: &SweepReport) -> String {
    let steps = sweep.by_rate();
    let Some(last) = steps.last() else { return "<p>No step was finished.</p>".into() };
    let class = |step: usize| &steps[step].report.classes[sweep.vary];
    let mut out = format!(
        r#"<p class="soft">{}; class {}, {} connections: <code>{}</code></p>"#,
        escape(&last.report.server_name()),
        escape(&class(0).name),
        class(0).connections,
        escape(&class(0).commands.join(" | "))
    );
    if !sweep.conclusion.is_empty() {
        let objective = sweep.objective.as_ref().map_or(String::new(), |(text, _)| format!("{}: ", escape(text)));
        out += &format!("<p><b>{objective}{}</b></p>", escape(&sweep.conclusion));
    }
    let time = |step: usize, name: &str| match name {
        "max" => class(step).response.max as f64,
        name => class(step).response.quantiles.get(name).copied().unwrap_or(0) as f64,
    };
    let rates = || Axis::linear(0.0, last.rate * 1.04, 8, grouped);
    let limit = sweep.objective.as_ref().map(|objective| objective.1 as f64);
    let times: Vec<f64> = (0..steps.len()).flat_map(|i| SHOWN.map(|(name, _)| time(i, name))).chain(limit).collect();
    let mut plot = Plot::new(rates(), Axis::times(times.into_iter()), 12.0, 300.0);
    plot.label_x("requests per second asked for");
    limit.into_iter().for_each(|limit| plot.level("limit", limit));
    let mut entries = Vec::new();
    for (color, (name, style)) in SHOWN.into_iter().enumerate() {
        plot.curve(color, style, steps.iter().enumerate().map(|(i, step)| (step.rate, Some(time(i, name)))));
        for (i, step) in steps.iter().enumerate() {
            let (x, y) = (plot.place_x(step.rate), plot.place_y(time(i, name)));
            plot.dot(color, x, y, 3.5, step.verdict != Verdict::Held, 1.0);
        }
        entries.push((color, style, name.to_string()));
    }
    let caption = "Response time from the intended moment. Hollow: the step did not hold. Red: the objective.";
    let drawing = svg(372.0, "Response times by rate", &plot.into_body());
    out += &figure("Saturation curve", caption, &(legend(&entries) + &drawing));

    let most = (0..steps.len()).map(|i| class(i).replies_per_s).fold(last.rate, f64::max);
    let mut plot = Plot::new(rates(), Axis::linear(0.0, most * 1.05, 5, grouped), 12.0, 200.0);
    plot.label_x("requests per second asked for");
    plot.curve(7, "thin dash", [(0.0, Some(0.0)), (last.rate, Some(last.rate))].into_iter());
    plot.curve(0, "", steps.iter().enumerate().map(|(i, step)| (step.rate, Some(class(i).replies_per_s))));
    let drawing = svg(272.0, "Replies by rate", &plot.into_body());
    out += &figure("Replies per second", "Dashed: as many as were asked for.", &drawing);

    let head = ["rate", "replies/s", "p50", "p99", "p99.9", "max", "lateness p99.9", "CPU per reply", "verdict"];
    let mut rows = vec![head.map(str::to_string).to_vec()];
    for (i, step) in steps.iter().enumerate() {
        let lateness =
            class(i).lateness.as_ref().and_then(|l| l.quantiles.get("p99.9")).map_or("–".into(), |&ns| nanos(ns));
        let cpu = step.report.server.as_ref().and_then(|server| server.cpu_per_reply_ns);
        let mut row = vec![grouped(step.rate), grouped(class(i).replies_per_s)];
        row.extend(["p50", "p99", "p99.9", "max"].map(|name| nanos(time(i, name) as u64)));
        row.extend([lateness, cpu.map_or("–".into(), |ns| nanos(ns as u64)), step.verdict.to_string()]);
        rows.push(row);
    }
    out + &format!(r#"<div class="card">{}</div>"#, table(&rows))
}
