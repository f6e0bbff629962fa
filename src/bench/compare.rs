//! Several servers in interleaved rounds: medians of ratios with confidence intervals.
//!
//! The machine drifts (heat, neighbours, caches), so servers are not measured one after the other: each round runs all
//! of them, in an order drawn anew, and ratios are formed within a round, where the drift is common to both.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::client::{Address, Target};
use super::error::BenchError;
use super::load::Load;
use super::record::histogram;
use super::report::{RunReport, Times, aligned};
use super::rng::Rng;
use super::run::{Measured, Plan, run};
use super::server::{Server, ServerCommand, free_port, remove_dir};
use super::stats::{median, median_interval};
use super::units::{grouped, nanos};

/// A server to compare: one that runs, or a command that starts it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its name in the report.
    pub name: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Runs(Address),
    Starts(ServerCommand),
}

impl std::str::FromStr for Candidate {
    type Err = String;

    /// `NAME=ADDRESS`, or `NAME=COMMAND` with `{port}` in it.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text.split_once('=').ok_or("write NAME=ADDRESS or NAME=COMMAND with {port} in it")?;
        if name.is_empty() || name.contains([' ', '/']) {
            return Err(format!("\"{name}\" is not a name: write NAME=ADDRESS or NAME=COMMAND with {{port}} in it"));
        }
        let kind = if rest.contains(' ') { Kind::Starts(rest.parse()?) } else { Kind::Runs(rest.parse()?) };
        Ok(Candidate { name: name.to_string(), kind })
    }
}

/// What to compare.
pub struct Comparison {
    /// The servers; the first is what the others are compared with.
    pub candidates: Vec<Candidate>,
    /// Rounds.
    pub rounds: usize,
    /// The run of each server and round; its target is replaced.
    pub plan: Plan,
    /// What to load before each run.
    pub load: Option<Load>,
    /// How long a server may take to start.
    pub patience: Duration,
}

/// One figure of one server over all rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figure {
    /// The class it is of; empty for the server's own.
    pub class: String,
    /// What it is.
    pub metric: String,
    /// Whether more is better.
    pub more_is_better: bool,
    /// The server.
    pub server: String,
    /// By round.
    pub values: Vec<f64>,
    /// Their median.
    pub median: f64,
    /// 95% confidence interval of that median.
    pub spread: Option<(f64, f64)>,
    /// Median of the ratios to the first server's value in the same round; none for the first server.
    pub ratio: Option<f64>,
    /// 95% confidence interval of the ratio's median.
    pub interval: Option<(f64, f64)>,
}

/// The outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ComparisonReport {
    /// Rounds finished.
    pub rounds: usize,
    /// All figures.
    pub figures: Vec<Figure>,
    /// Runs that were invalid: server, round, reason.
    pub invalid: Vec<(String, usize, String)>,
    /// Why it ended before its last round.
    pub ended_early: Option<String>,
    /// Response times of each class on each server, all rounds together.
    pub merged: Vec<Merged>,
    /// Every run, by round and server.
    pub runs: Vec<Vec<RunReport>>,
}

/// A class on one server, all rounds together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Merged {
    /// The server.
    pub server: String,
    /// The class.
    pub class: String,
    /// Its response times.
    pub response: Times,
}

/// Adds up the rounds' histograms.
struct Merging {
    server: String,
    class: String,
    response: Histogram<u64>,
    max: u64,
}

/// Runs all rounds. A failure after the first round ends the comparison there, and what was measured is kept.
pub fn compare(comparison: &Comparison) -> Result<ComparisonReport, BenchError> {
    let mut rng = Rng::new(comparison.plan.seed, &[4]);
    let count = comparison.candidates.len();
    let mut runs: Vec<Vec<RunReport>> = Vec::new();
    let mut invalid = Vec::new();
    let mut merging: Vec<Merging> = comparison
        .candidates
        .iter()
        .flat_map(|candidate| {
            comparison.plan.classes.iter().map(|class| Merging {
                server: candidate.name.clone(),
                class: class.name.clone(),
                response: histogram(),
                max: 0,
            })
        })
        .collect();
    let classes = comparison.plan.classes.len();
    let mut ended_early = None;
    'rounds: for round in 0..comparison.rounds {
        let mut order: Vec<usize> = (0..count).collect();
        for i in (1..count).rev() {
            order.swap(i, rng.below(i as u64 + 1) as usize);
        }
        let mut reports: Vec<Option<RunReport>> = vec![None; count];
        for index in order {
            if comparison.plan.stop.load(Ordering::Relaxed) {
                break;
            }
            let candidate = &comparison.candidates[index];
            eprintln!("round {}/{}: {}", round + 1, comparison.rounds, candidate.name);
            let Measured { report, records, .. } = match run_one(comparison, candidate, round) {
                Ok(measured) => measured,
                Err(e) if runs.is_empty() => return Err(e),
                Err(e) => {
                    ended_early = Some(format!("{} in round {}: {e}", candidate.name, round + 1));
                    break 'rounds;
                }
            };
            for (sum, record) in merging[index * classes..].iter_mut().zip(&records) {
                sum.response.add(&record.response).expect("histograms of the same bounds always add up");
                sum.max = sum.max.max(record.max);
            }
            invalid.extend(report.invalid.iter().map(|reason| (candidate.name.clone(), round + 1, reason.clone())));
            reports[index] = Some(report);
        }
        // A round that was interrupted compares nothing.
        let Some(reports) = reports.into_iter().collect::<Option<Vec<_>>>() else { break };
        runs.push(reports);
    }
    let names: Vec<&str> = comparison.candidates.iter().map(|c| c.name.as_str()).collect();
    let merged = merging
        .into_iter()
        .map(|sum| Merged { server: sum.server, class: sum.class, response: Times::new(&sum.response, sum.max) })
        .collect();
    Ok(ComparisonReport { rounds: runs.len(), figures: figures(&names, &runs), invalid, ended_early, merged, runs })
}

fn run_one(comparison: &Comparison, candidate: &Candidate, round: usize) -> Result<Measured, BenchError> {
    let mut plan = comparison.plan.clone();
    let mut started: Option<(Server, PathBuf)> = None;
    match &candidate.kind {
        Kind::Runs(address) => plan.target = Target { address: address.clone(), ..plan.target },
        Kind::Starts(command) => {
            let name = format!("basalt-compare-{}-{}-{round}", std::process::id(), candidate.name);
            let dir = std::env::temp_dir().join(name);
            let mut server = command.start(free_port()?, &dir)?;
            server.wait_ready(comparison.patience)?;
            plan.target = Target { address: server.target.address.clone(), ..plan.target };
            started = Some((server, dir));
        }
    }
    let outcome = (|| {
        if let Some(load) = &comparison.load {
            load.run(&plan.target, plan.seed, &plan.stop)?;
        }
        run(&plan)
    })();
    if let Some((mut server, dir)) = started {
        server.stop(Duration::from_secs(10));
        drop(server);
        remove_dir(&dir);
    }
    outcome
}

fn figures(names: &[&str], runs: &[Vec<RunReport>]) -> Vec<Figure> {
    type Get = fn(&RunReport, usize) -> Option<f64>;
    const OF_CLASS: [(&str, bool, Get); 6] = [
        ("replies/s", true, |r, c| Some(r.classes[c].replies_per_s)),
        ("p50", false, |r, c| Some(r.classes[c].response.quantiles["p50"] as f64)),
        ("p99", false, |r, c| Some(r.classes[c].response.quantiles["p99"] as f64)),
        ("p99.9", false, |r, c| Some(r.classes[c].response.quantiles["p99.9"] as f64)),
        ("max", false, |r, c| Some(r.classes[c].response.max as f64)),
        ("longest gap", false, |r, c| r.classes[c].longest_gaps.first().map(|gap| gap.ns as f64)),
    ];
    const OF_SERVER: [(&str, bool, Get); 2] = [
        ("CPU per reply", false, |r, _| r.server.as_ref()?.cpu_per_reply_ns),
        ("RSS at most", false, |r, _| Some(r.server.as_ref()?.rss_max_bytes? as f64)),
    ];
    let Some(first) = runs.first().and_then(|round| round.first()) else { return Vec::new() };
    let of_class =
        (0..first.classes.len()).flat_map(|c| OF_CLASS.map(|metric| (c, first.classes[c].name.clone(), metric)));
    let of_server = OF_SERVER.map(|metric| (0, String::new(), metric));
    let mut figures = Vec::new();
    for (class, class_name, (metric, more_is_better, get)) in of_class.chain(of_server) {
        for (index, name) in names.iter().enumerate() {
            let values: Option<Vec<f64>> = runs.iter().map(|round| get(&round[index], class)).collect();
            let base: Option<Vec<f64>> = runs.iter().map(|round| get(&round[0], class)).collect();
            let (Some(values), Some(base)) = (values, base) else { continue };
            let ratios: Vec<f64> = values.iter().zip(&base).filter(|(_, b)| **b > 0.0).map(|(v, b)| v / b).collect();
            figures.push(Figure {
                class: class_name.clone(),
                metric: metric.to_string(),
                more_is_better,
                server: (*name).to_string(),
                median: median(&values).unwrap_or(f64::NAN),
                spread: median_interval(&values),
                values,
                ratio: if index > 0 { median(&ratios) } else { None },
                interval: if index > 0 { median_interval(&ratios) } else { None },
            });
        }
    }
    figures
}

impl ComparisonReport {
    /// The servers' names, in the order given.
    pub fn servers(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for merged in &self.merged {
            if !names.contains(&merged.server) {
                names.push(merged.server.clone());
            }
        }
        names
    }

    /// The table for people: the medians of all servers, and the ratios to the first.
    pub fn table(&self) -> String {
        let head = ["class", "figure", "server", "median", "ratio", "95% interval", "verdict"];
        let mut rows: Vec<Vec<String>> = vec![head.map(str::to_string).to_vec()];
        for figure in &self.figures {
            let text = figure.text(figure.median);
            let interval = figure.interval.map_or("-".into(), |(low, high)| format!("{low:.3} to {high:.3}"));
            rows.push(vec![
                figure.class.clone(),
                figure.metric.clone(),
                figure.server.clone(),
                text,
                figure.ratio.map_or("1".into(), |ratio| format!("{ratio:.3}")),
                if figure.ratio.is_some() { interval } else { String::new() },
                figure.verdict().to_string(),
            ]);
        }
        let mut out = format!("{} rounds, ratios to the first server\n{}", self.rounds, aligned(&rows, true));
        if let Some(reason) = &self.ended_early {
            out += &format!("ended early: {reason}\n");
        }
        for (server, round, reason) in &self.invalid {
            out += &format!("INVALID: {server} in round {round}: {reason}\n");
        }
        let limited = self.runs.iter().flatten().flat_map(|run| &run.notes).any(|note| note.contains("generator"));
        if limited {
            out += "note: in some runs the generator, not the server, may have been the limit (--threads)\n";
        }
        out
    }
}

impl Figure {
    /// A value of this figure with its unit.
    pub fn text(&self, value: f64) -> String {
        match self.metric.as_str() {
            "replies/s" => grouped(value),
            "RSS at most" => super::units::bytes(value as u64),
            _ => nanos(value as u64),
        }
    }

    /// What the ratio says, in a word.
    pub fn verdict(&self) -> &'static str {
        match (self.ratio, self.interval) {
            (None, _) => "",
            (_, None) => "too few rounds",
            (_, Some((low, high))) if low <= 1.0 && high >= 1.0 => "noise",
            (_, Some((low, _))) if (low > 1.0) == self.more_is_better => "better",
            _ => "worse",
        }
    }
}

/// At least two servers, each with a name of its own.
pub fn check(candidates: &[Candidate]) -> Result<(), BenchError> {
    if candidates.len() < 2 {
        return Err(BenchError::workload("compare needs at least two servers (--server NAME=...)"));
    }
    for (i, candidate) in candidates.iter().enumerate() {
        if candidates[..i].iter().any(|other| other.name == candidate.name) {
            return Err(BenchError::workload(format!("two servers are called {}", candidate.name)));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::report::tests::sample_run;
    use super::*;

    /// Two servers in seven rounds, the second like the first but for its CPU time.
    pub(in super::super) fn sample_comparison() -> ComparisonReport {
        let names = ["basalt", "redis"];
        let mut other = sample_run();
        if let Some(server) = &mut other.server {
            server.cpu_per_reply_ns = Some(7000.0);
        }
        let runs = vec![vec![sample_run(), other]; 7];
        let merged = names.iter().flat_map(|server| {
            sample_run().classes.into_iter().map(|class| Merged {
                server: (*server).to_string(),
                class: class.name,
                response: class.response,
            })
        });
        let invalid = vec![("redis".to_string(), 2, "late".to_string())];
        let merged = merged.collect();
        ComparisonReport { rounds: 7, figures: figures(&names, &runs), invalid, ended_early: None, merged, runs }
    }

    #[test]
    fn figures_are_medians_with_ratios_to_the_first() {
        let report = sample_comparison();
        let find = |metric: &str| report.figures.iter().find(|f| f.metric == metric && f.server == "redis").unwrap();
        assert_eq!((find("CPU per reply").ratio, find("CPU per reply").verdict()), (Some(1.4), "worse"));
        assert_eq!(find("p99").verdict(), "noise");
        assert!(report.table().contains("INVALID: redis in round 2"));
    }

    fn figure(ratio: f64, interval: Option<(f64, f64)>, more_is_better: bool) -> Figure {
        Figure {
            class: String::new(),
            metric: "x".into(),
            more_is_better,
            server: String::new(),
            values: vec![],
            median: 1.0,
            spread: None,
            ratio: Some(ratio),
            interval,
        }
    }

    #[test]
    fn a_difference_inside_the_interval_is_called_noise() {
        assert_eq!(figure(1.2, Some((0.9, 1.4)), true).verdict(), "noise");
        assert_eq!(figure(1.2, Some((1.1, 1.4)), true).verdict(), "better");
        assert_eq!(figure(1.2, Some((1.1, 1.4)), false).verdict(), "worse");
        assert_eq!(figure(0.8, Some((0.7, 0.9)), false).verdict(), "better");
        assert_eq!(figure(0.8, None, false).verdict(), "too few rounds");
    }

    #[test]
    fn candidates_are_addresses_or_commands() {
        assert!(matches!("a=127.0.0.1:7000".parse::<Candidate>().unwrap().kind, Kind::Runs(_)));
        assert!(matches!("a=redis-server --port {port}".parse::<Candidate>().unwrap().kind, Kind::Starts(_)));
        assert!("a=redis-server --dir x".parse::<Candidate>().unwrap_err().contains("{port}"));
        assert!("redis-server".parse::<Candidate>().is_err());
    }
}
