//! The part of a page that shows one run.

use super::super::report::{ClassReport, QUANTILES, RunReport, Times};
use super::super::units::{bytes, grouped, nanos};
use super::plot::{Axis, Plot, escape, figure, legend, svg, table};
use super::{curve_points, remarks, timeline, visible};

/// Facts, figures and charts of a run.
pub fn section(run: &RunReport) -> String {
    let badge = match run.invalid.is_empty() {
        true => r#"<span class="badge valid">valid</span>"#,
        false => r#"<span class="badge invalid">INVALID</span>"#,
    };
    let mut out = format!(
        r#"<p>{badge} <span class="soft">{} at {}; {:.1} s measured after {:.1} s of warm-up; {} generator thread{}; seed {}</span></p>"#,
        escape(&run.server_name()),
        escape(&run.address),
        run.window_s,
        run.warmup_s,
        run.threads,
        if run.threads == 1 { "" } else { "s" },
        run.seed
    );
    out += &remarks(&run.invalid, &run.notes);
    for class in &run.classes {
        out += &format!(
            r#"<p><b>{}</b> <span class="soft">{}, {} connection{}:</span> <code>{}</code></p>"#,
            escape(&class.name),
            escape(&class.pace.to_string()),
            class.connections,
            if class.connections == 1 { "" } else { "s" },
            escape(&class.commands.join(" | "))
        );
        out += &tiles(class, run);
    }
    out += &percentiles(run);
    out += &timeline::figure_of(run);
    out += &figures(run);
    out += &server(run);
    let words = run
        .arguments
        .iter()
        .map(|word| if word.contains([' ', '{', '|']) { format!("'{word}'") } else { word.clone() });
    out += &format!(
        "<details><summary>The command that repeats it</summary><p><code>{}</code></p></details>\n",
        escape(&words.collect::<Vec<_>>().join(" "))
    );
    out
}

fn tiles(class: &ClassReport, run: &RunReport) -> String {
    let time = |name: &str| nanos(class.response.quantiles.get(name).copied().unwrap_or(0));
    let gap = class.longest_gaps.first().map_or(0, |gap| gap.ns);
    let mut tiles = vec![
        (format!("{}/s", grouped(class.replies_per_s)), "replies"),
        (time("p50"), "p50"),
        (time("p99"), "p99"),
        (time("p99.9"), "p99.9"),
        (nanos(class.response.max), "longest"),
        (nanos(gap), "longest gap"),
        (grouped(class.error_count() as f64), "errors"),
    ];
    if let Some(cpu) = run.server.as_ref().and_then(|server| server.cpu_per_reply_ns).filter(|_| run.classes.len() == 1)
    {
        tiles.push((nanos(cpu as u64), "server CPU per reply"));
    }
    let tile = |(value, name): (String, &str)| format!(r#"<div class="tile"><b>{value}</b><span>{name}</span></div>"#);
    format!(r#"<div class="tiles">{}</div>"#, tiles.into_iter().map(tile).collect::<String>()) + "\n"
}

fn percentiles(run: &RunReport) -> String {
    let kinds = |class: &ClassReport| -> Vec<(&'static str, &'static str, Times)> {
        let mut kinds = vec![("response", "", class.response.clone()), ("service", "dash", class.service.clone())];
        kinds.extend(class.lateness.clone().map(|lateness| ("lateness", "dot", lateness)));
        kinds
    };
    let all: Vec<_> = run.classes.iter().flat_map(kinds).collect();
    let last = all.iter().filter_map(|(_, _, times)| times.curve.last()).map(|p| p.0).fold(0.9, f64::max);
    let values = all.iter().flat_map(|(_, _, times)| visible(&times.curve)).collect::<Vec<_>>();
    let mut plot = Plot::new(Axis::percentiles(last), Axis::times(values.into_iter()), 12.0, 330.0);
    plot.label_x("share of requests that were at most as slow");
    let mut entries = Vec::new();
    for (color, class) in run.classes.iter().enumerate() {
        for (name, style, times) in kinds(class) {
            let thin = if style.is_empty() { "" } else { "thin " };
            plot.curve(color, &format!("{thin}{style}"), curve_points(&times.curve));
            let of = if run.classes.len() > 1 { format!("{} ", class.name) } else { String::new() };
            entries.push((color, style, format!("{of}{name} time").replace("lateness time", "generator's lateness")));
        }
    }
    figure(
        "Percentiles",
        "Each factor of ten in the distance from 100% has the same width.",
        &(legend(&entries) + &svg(390.0, "Response times by percentile", &plot.into_body())),
    )
}

fn figures(run: &RunReport) -> String {
    let mut rows = vec![vec!["".to_string()]];
    rows[0].extend(QUANTILES.iter().map(|(name, _)| (*name).to_string()).chain(["max".into(), "mean".into()]));
    for class in &run.classes {
        let mut add = |name: &str, times: &Times| {
            let mut row = vec![format!("{} {name}", escape(&class.name))];
            row.extend(QUANTILES.iter().map(|(name, _)| nanos(times.quantiles.get(*name).copied().unwrap_or(0))));
            row.extend([nanos(times.max), nanos(times.mean_ns as u64)]);
            rows.push(row);
        };
        add("response time", &class.response);
        add("service time", &class.service);
        if let Some(lateness) = &class.lateness {
            add("lateness", lateness);
        }
    }
    let mut out = table(&rows);
    let mut counts = vec![
        ["", "requests", "replies/s", "errors", "unanswered", "misses", "longest gaps"].map(str::to_string).to_vec(),
    ];
    for class in &run.classes {
        let gaps: Vec<String> =
            class.longest_gaps.iter().take(3).map(|gap| format!("{} at {:.2} s", nanos(gap.ns), gap.end_s)).collect();
        counts.push(vec![
            escape(&class.name),
            grouped(class.requests as f64),
            grouped(class.replies_per_s),
            grouped(class.error_count() as f64),
            grouped(class.unanswered as f64),
            grouped(class.misses as f64),
            gaps.join(", "),
        ]);
    }
    out += &table(&counts);
    let errors: Vec<String> = run
        .classes
        .iter()
        .flat_map(|class| class.errors.iter().map(|(kind, n)| format!("{}: {n} × {kind}", class.name)))
        .collect();
    if !errors.is_empty() {
        let item = |text: &String| format!("<li>{}</li>", escape(text));
        out +=
            &format!(r#"<p>Errors by kind</p><ul class="notes">{}</ul>"#, errors.iter().map(item).collect::<String>());
    }
    format!(r#"<div class="card">{out}</div>"#)
}

fn server(run: &RunReport) -> String {
    let Some(server) = &run.server else { return String::new() };
    let mut facts: Vec<(String, String)> = Vec::new();
    facts.extend(server.cores_used.map(|cores| ("CPU".into(), format!("{:.0}% of a core", cores * 100.0))));
    facts.extend(server.cpu_per_reply_ns.map(|ns| ("CPU per reply".into(), nanos(ns as u64))));
    facts.extend(server.rss_start_bytes.map(|rss| ("resident memory at the start".into(), bytes(rss))));
    facts.extend(server.rss_max_bytes.map(|rss| ("at most".into(), bytes(rss))));
    facts.extend(server.rss_end_bytes.map(|rss| ("at the end".into(), bytes(rss))));
    facts.extend(server.deltas.iter().map(|(name, delta)| (name.clone(), format!("{delta:+}"))));
    if facts.is_empty() {
        return String::new();
    }
    let mut rows = vec![vec!["the server meanwhile".to_string(), String::new()]];
    rows.extend(facts.into_iter().map(|(name, value)| vec![escape(&name), value]));
    format!(r#"<div class="card">{}</div>"#, table(&rows))
}
