//! One workload at several rates: the saturation curve, and the highest rate that holds an objective.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::error::BenchError;
use super::report::{QUANTILES, RunReport, aligned};
use super::run::{Plan, run};
use super::schedule::{Arrivals, Rate};
use super::units::{grouped, nanos, parse_duration};
use super::workload::{Class, Pace};

/// A response time that a share of the requests must stay below, such as `p99.9<1ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Objective {
    quantile: &'static str,
    limit_ns: u64,
}

impl std::str::FromStr for Objective {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, limit) = text.split_once('<').ok_or_else(|| format!("\"{text}\": write p99.9<1ms"))?;
        let known = QUANTILES.iter().map(|(known, _)| *known);
        let quantile = known
            .clone()
            .find(|known| *known == name.trim())
            .ok_or_else(|| format!("\"{}\" is not one of {}", name.trim(), known.collect::<Vec<_>>().join(", ")))?;
        Ok(Objective { quantile, limit_ns: parse_duration(limit.trim_start_matches('='))?.as_nanos() as u64 })
    }
}

impl std::fmt::Display for Objective {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} < {}", self.quantile, nanos(self.limit_ns))
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The server kept up and the objective, if any, was held.
    Held,
    /// Response times above the objective.
    Missed,
    /// Fewer replies than asked for: above saturation.
    Behind,
    /// The run is invalid: it says nothing of the server.
    Invalid,
}

/// The server keeps up if it answers at least this share of the rate within the window.
const KEPT_UP: f64 = 0.98;

/// A judged run at one rate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Requests per second asked for.
    pub rate: f64,
    /// How it ended.
    pub verdict: Verdict,
    /// What was measured.
    pub report: RunReport,
}

/// All steps of a sweep.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SweepReport {
    /// The index of the class whose rate was varied.
    pub vary: usize,
    /// The objective, for people, and its limit in ns.
    pub objective: Option<(String, u64)>,
    /// The steps, in the order they were run.
    pub steps: Vec<Step>,
    /// Where a search ended.
    pub conclusion: String,
}

/// A sweep under way.
pub struct Sweep {
    plan: Plan,
    vary: usize,
    arrivals: Arrivals,
    objective: Option<Objective>,
    steps: Vec<Step>,
    conclusion: String,
}

impl Sweep {
    /// Varies the rate of the class at `vary` in `plan`; a class of a closed loop becomes an open one with `arrivals`.
    pub fn new(plan: Plan, vary: usize, arrivals: Arrivals, objective: Option<Objective>) -> Self {
        Sweep { plan, vary, arrivals, objective, steps: Vec::new(), conclusion: String::new() }
    }

    /// Runs at each of `rates`.
    pub fn rates(&mut self, rates: &[f64]) -> Result<(), BenchError> {
        for &rate in rates {
            if self.plan.stop.load(Ordering::Relaxed) {
                break;
            }
            self.step(rate)?;
        }
        Ok(())
    }

    /// Searches the highest rate between `from` and `to` that holds.
    pub fn search(&mut self, from: f64, to: f64) -> Result<(), BenchError> {
        let outcome = search(from, to, |rate| {
            if self.plan.stop.load(Ordering::Relaxed) {
                return Err(BenchError::workload("interrupted before the search ended"));
            }
            self.step(rate)
        })?;
        self.conclusion = match outcome {
            Found { held: None, first_failed } => {
                format!("not even {}/s held ({})", grouped(from), reason(first_failed.map(|f| f.1)))
            }
            Found { held: Some(held), first_failed: None } => {
                format!("{}/s held, the end of the search", grouped(held))
            }
            Found { held: Some(held), first_failed: Some((failed, verdict)) } => format!(
                "highest rate that held: {}/s; {}/s did not ({})",
                grouped(held),
                grouped(failed),
                reason(Some(verdict))
            ),
        };
        Ok(())
    }

    fn step(&mut self, rate: f64) -> Result<Verdict, BenchError> {
        let mut plan = self.plan.clone();
        let arrivals = match plan.classes[self.vary].pace {
            Pace::Open { arrivals, .. } => arrivals,
            _ => self.arrivals,
        };
        let class =
            Class { pace: Pace::Open { rate: Rate::Constant(rate), arrivals }, ..(*plan.classes[self.vary]).clone() };
        plan.classes[self.vary] = Arc::new(class);
        let measured = run(&plan)?;
        let verdict = self.judge(&measured.report, rate);
        self.steps.push(Step { rate, verdict, report: measured.report });
        match measured.lost {
            None => Ok(verdict),
            Some((_, reason)) => Err(BenchError::NotReady(format!("connections were lost at {rate}/s: {reason}"))),
        }
    }

    fn judge(&self, report: &RunReport, rate: f64) -> Verdict {
        let class = &report.classes[self.vary];
        let missed = |o: Objective| class.response.quantiles[o.quantile] >= o.limit_ns;
        if !report.invalid.is_empty() {
            Verdict::Invalid
        } else if class.replies_per_s < KEPT_UP * rate {
            Verdict::Behind
        } else if self.objective.is_some_and(missed) {
            Verdict::Missed
        } else {
            Verdict::Held
        }
    }

    /// What was measured.
    pub fn into_report(self) -> SweepReport {
        let objective = self.objective.map(|objective| (objective.to_string(), objective.limit_ns));
        SweepReport { vary: self.vary, objective, steps: self.steps, conclusion: self.conclusion }
    }
}

impl SweepReport {
    /// The steps by rate.
    pub fn by_rate(&self) -> Vec<&Step> {
        let mut steps: Vec<&Step> = self.steps.iter().collect();
        steps.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        steps
    }

    /// The table for people, by rate.
    pub fn table(&self) -> String {
        let head = ["rate", "replies/s", "p50", "p99", "p99.9", "max", "lateness p99.9", "verdict"];
        let mut rows = vec![head.map(str::to_string).to_vec()];
        for step in self.by_rate() {
            let class = &step.report.classes[self.vary];
            let time = |name: &str| nanos(class.response.quantiles[name]);
            rows.push(vec![
                grouped(step.rate),
                grouped(class.replies_per_s),
                time("p50"),
                time("p99"),
                time("p99.9"),
                nanos(class.response.max),
                class.lateness.as_ref().map_or("-".into(), |l| nanos(l.quantiles["p99.9"])),
                step.verdict.to_string(),
            ]);
        }
        let mut out = aligned(&rows, true);
        if !self.conclusion.is_empty() {
            out += &format!("{}\n", self.conclusion);
        }
        out
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(reason(Some(*self)))
    }
}

fn reason(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        None | Some(Verdict::Held) => "held",
        Some(Verdict::Missed) => "objective missed",
        Some(Verdict::Behind) => "the server did not keep up",
        Some(Verdict::Invalid) => "INVALID run: the generator, not the server, gave out",
    }
}

/// Where a search ended.
#[derive(Debug, PartialEq)]
struct Found {
    held: Option<f64>,
    /// The lowest rate above it that did not hold, and why.
    first_failed: Option<(f64, Verdict)>,
}

/// Doubles from `from` until a step fails, then halves the interval down to 5%. A step that fails is tried once more: one
/// disturbance must not end the search far below the truth.
fn search(from: f64, to: f64, mut step: impl FnMut(f64) -> Result<Verdict, BenchError>) -> Result<Found, BenchError> {
    if !(from > 0.0 && from <= to) {
        return Err(BenchError::workload("the search needs --from above 0 and not above --to"));
    }
    let mut twice = |rate| match step(rate)? {
        Verdict::Held => Ok(Verdict::Held),
        _ => step(rate),
    };
    let mut found = Found { held: None, first_failed: None };
    let mut rate = from;
    loop {
        match twice(rate)? {
            Verdict::Held => found.held = Some(rate),
            failed => found.first_failed = Some((rate, failed)),
        }
        rate = match (found.held, found.first_failed) {
            (None, _) => return Ok(found),
            (Some(held), None) if held >= to => return Ok(found),
            (Some(held), None) => (2.0 * held).min(to),
            (Some(held), Some((failed, _))) if failed <= 1.05 * held => return Ok(found),
            (Some(held), Some((failed, _))) => (held + failed) / 2.0,
        };
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::report::tests::sample_run;
    use super::*;

    /// A sweep of three steps.
    pub(in super::super) fn sample_sweep() -> SweepReport {
        let step = |rate, verdict| Step { rate, verdict, report: sample_run() };
        let steps = vec![step(1e3, Verdict::Held), step(4e3, Verdict::Behind), step(2e3, Verdict::Held)];
        SweepReport { vary: 0, objective: Some(("p99 < 1 ms".into(), 1_000_000)), steps, conclusion: "done".into() }
    }

    fn limit(at: f64) -> impl FnMut(f64) -> Result<Verdict, BenchError> {
        move |rate| Ok(if rate <= at { Verdict::Held } else { Verdict::Missed })
    }

    #[test]
    fn the_search_ends_within_5_percent_below_the_limit() {
        for at in [1000.0, 1001.0, 33_333.0, 250_000.0, 999_000.0] {
            let found = search(1000.0, 1e6, limit(at)).unwrap();
            let (held, (failed, _)) = (found.held.unwrap(), found.first_failed.unwrap());
            assert!(held <= at && at < failed && failed <= 1.05 * held, "{at}: {held} to {failed}");
        }
    }

    #[test]
    fn the_search_says_when_nothing_or_everything_held() {
        let found = search(1000.0, 1e6, limit(10.0)).unwrap();
        assert_eq!(found, Found { held: None, first_failed: Some((1000.0, Verdict::Missed)) });
        assert_eq!(search(1000.0, 5000.0, limit(1e9)).unwrap(), Found { held: Some(5000.0), first_failed: None });
        assert!(search(5.0, 1.0, limit(1.0)).is_err());
    }

    #[test]
    fn one_disturbance_does_not_end_the_search() {
        let mut steps = 0;
        let mut clean = limit(100_000.0);
        let found = search(1000.0, 1e6, |rate| {
            steps += 1;
            if steps == 2 { Ok(Verdict::Invalid) } else { clean(rate) }
        });
        assert!(found.unwrap().held.unwrap() > 95_000.0);
    }

    #[test]
    fn objectives_are_read_and_typos_named() {
        assert_eq!("p99.9<1ms".parse(), Ok(Objective { quantile: "p99.9", limit_ns: 1_000_000 }));
        assert!("p98<1ms".parse::<Objective>().unwrap_err().contains("p99.9"));
        assert!("p99>1ms".parse::<Objective>().is_err());
        assert!("p99<fast".parse::<Objective>().is_err());
    }
}
