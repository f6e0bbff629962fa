//! One measured run: connects, starts the generator threads and the annotator, merges what they measured.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use indicatif::{ProgressBar, ProgressStyle};

use super::annotate::Annotator;
use super::client::Target;
use super::cluster::Routes;
use super::error::BenchError;
use super::generator::{self, Clock, Limits, Outcome, Part, Shared, Timing};
use super::link::Link;
use super::process;
use super::record::{Recorder, Window};
use super::recording::Entry;
use super::report::{ClassReport, RunReport};
use super::rng::Rng;
use super::schedule::Schedule;
use super::template::Pool;
use super::units::{grouped, nanos};
use super::workload::{Class, Pace};

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server.
    pub target: Target,
    /// Who sends what.
    pub classes: Vec<Arc<Class>>,
    /// Generator threads.
    pub threads: usize,
    /// CPUs to bind them to, in order; empty leaves them free.
    pub cpus: Vec<usize>,
    /// Not counted at the start.
    pub warmup: Duration,
    /// Counted.
    pub duration: Duration,
    /// How long replies are waited for at the end.
    pub drain: Duration,
    /// The time line's step.
    pub interval: Duration,
    /// Names the request stream.
    pub seed: u64,
    /// A run whose p99.9 of lateness is above this is invalid.
    pub late_limit: Duration,
    /// Whether to watch the server with INFO, and how often to ask; zero asks only for its version.
    pub poll: Option<Duration>,
    /// The server's process, if known.
    pub pid: Option<i32>,
    /// Commands to send at times since the run's start.
    pub at: Vec<(Duration, String)>,
    /// Whether to show progress on the terminal.
    pub progress: bool,
    /// After which pause a broken connection is made anew; none leaves it broken.
    pub reconnect: Option<Duration>,
    /// Raised from outside to end early.
    pub stop: Arc<AtomicBool>,
}

/// A finished run with its full histograms.
pub struct Measured {
    /// The figures.
    pub report: RunReport,
    /// The records of the classes, in the plan's order.
    pub records: Vec<Recorder>,
    /// Why connections were lost, if any were: how many and the first reason.
    pub lost: Option<(usize, String)>,
}

/// Time between the last preparation and the first request, so that all threads are ready.
const RUN_UP: Duration = Duration::from_millis(20);

/// Runs `plan`. A server that dies on the way is no error here: what was measured comes back, with [`Measured::lost`].
pub fn run(plan: &Plan) -> Result<Measured, BenchError> {
    run_from(plan, || Instant::now() + RUN_UP)
}

/// Runs `plan` on a clock that reads 0 at the moment `start` gives, which is asked when everything is connected.
pub(super) fn run_from(plan: &Plan, start: impl FnOnce() -> Instant) -> Result<Measured, BenchError> {
    let threads = plan.threads.max(1);
    let pool = Arc::new(Pool::new(plan.seed));
    let routes = if plan.target.cluster { Routes::ask(&plan.target)? } else { Routes::single(&plan.target) };
    let window = Window { from: plan.warmup.as_nanos() as u64, to: (plan.warmup + plan.duration).as_nanos() as u64 };
    let shared: Vec<Arc<Shared>> = plan.classes.iter().map(|_| Arc::default()).collect();
    let mut parts: Vec<Vec<Part>> = (0..threads).map(|_| Vec::new()).collect();
    for (index, class) in plan.classes.iter().enumerate() {
        Split { plan, index, class, pool: &pool, shared: &shared[index], routes: &routes, window }.over(&mut parts)?;
    }
    let limits = Limits {
        window,
        interval_ns: plan.interval.as_nanos().max(1_000_000) as u64,
        drain_ns: plan.drain.as_nanos() as u64,
        reconnect: plan.reconnect,
        stop: plan.stop.clone(),
    };
    let done = AtomicBool::new(false);
    let started_unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
    // The annotator connects before the clock starts: its connection must not steal time from the run-up.
    let annotator = plan.poll.map(|poll| Annotator::new(&plan.target, plan.pid, poll, &plan.at)).transpose()?;
    let clock = Clock::new(start());
    let (outcomes, server) = thread::scope(|scope| {
        let watching = annotator.map(|annotator| scope.spawn(|| annotator.watch(clock, window, &done)));
        let workers: Vec<_> = parts
            .into_iter()
            .enumerate()
            .map(|(i, parts)| {
                let (limits, cpu) = (limits.clone(), plan.cpus.get(i).copied());
                scope.spawn(move || {
                    if let Some(cpu) = cpu.filter(|&cpu| !process::pin(cpu)) {
                        return Err(BenchError::workload(format!("CPU {cpu} does not exist or is not allowed")));
                    }
                    generator::run(parts, clock, limits)
                })
            })
            .collect();
        if plan.progress && std::io::stderr().is_terminal() {
            show_progress(plan, &shared, clock, window, || workers.iter().all(|w| w.is_finished()));
        }
        let outcomes: Vec<Result<Outcome, BenchError>> =
            workers.into_iter().map(|w| w.join().expect("a generator thread does not panic")).collect();
        done.store(true, Ordering::Release);
        (outcomes, watching.map(|w| w.join().expect("the annotator does not panic")))
    });
    let outcomes = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut measured = merge(plan, &outcomes, &limits, started_unix_ms);
    measured.report.server = server.map(|mut server| {
        let replies: u64 = measured.records.iter().map(|r| r.replies).sum();
        server.cpu_per_reply_ns = server.cpu_ns.filter(|_| replies > 0).map(|cpu| cpu as f64 / replies as f64);
        server
    });
    Ok(measured)
}

/// A class that is connected and spread over the threads: its connections, requests and arrivals.
struct Split<'a> {
    plan: &'a Plan,
    index: usize,
    class: &'a Arc<Class>,
    pool: &'a Arc<Pool>,
    shared: &'a Arc<Shared>,
    routes: &'a Routes,
    window: Window,
}

impl Split<'_> {
    fn over(&self, parts: &mut [Vec<Part>]) -> Result<(), BenchError> {
        let Split { plan, index, class, .. } = *self;
        // Threads without a connection of this class take no part in it.
        let takers = parts.len().min(class.connections);
        let total = class.requests.unwrap_or(u64::MAX);
        for (t, parts) in parts.iter_mut().enumerate().take(takers) {
            let timing = self.timing(t, takers);
            let left = match (class.requests, &timing) {
                (None, _) => u64::MAX,
                (Some(_), Timing::Replay(times)) => times.len() as u64,
                (Some(_), Timing::Closed(_)) if class.recording.is_some() => self.captured(t, takers).count() as u64,
                (Some(_), _) => total / takers as u64 + u64::from((t as u64) < total % takers as u64),
            };
            let (routes, shared) = (self.routes.clone(), self.shared.clone());
            parts.push(Part { class: index, timing, left, streams: Vec::new(), links: Vec::new(), routes, shared });
        }
        for connection in 0..class.connections {
            let parts = &mut parts[connection % takers];
            let place = parts.len() - 1;
            let part = &mut parts[place];
            let client = part.streams.len();
            part.streams.push(class.stream(plan.seed, index, connection, self.pool));
            let open = !matches!(part.timing, Timing::Closed(_));
            for node in self.routes.nodes() {
                part.links.push(Link::connect(node, place, client, open)?);
            }
        }
        Ok(())
    }

    /// A capture's requests of `thread` out of `takers`.
    fn captured(&self, thread: usize, takers: usize) -> impl Iterator<Item = &Entry> {
        let entries = self.class.recording.iter().flat_map(|recording| recording.entries());
        entries.filter(move |entry| entry.connection as usize % takers == thread)
    }

    /// When the share of `thread` out of `takers` leaves.
    fn timing(&self, thread: usize, takers: usize) -> Timing {
        match &self.class.pace {
            Pace::Closed { depth } => Timing::Closed(*depth),
            Pace::Open { rate, arrivals } => {
                let rng = Rng::new(self.plan.seed, &[u64::MAX - 1, self.index as u64, thread as u64]);
                Timing::Open(Schedule::new(*arrivals, rate, self.window, thread, takers, rng))
            }
            Pace::Replay { speed } => {
                let times: Vec<(u64, usize)> = self
                    .captured(thread, takers)
                    .map(|e| (self.window.from + (e.at_ns as f64 / speed) as u64, e.connection as usize / takers))
                    .collect();
                Timing::Replay(times.into_iter())
            }
        }
    }
}

fn merge(plan: &Plan, outcomes: &[Outcome], limits: &Limits, started_unix_ms: u64) -> Measured {
    let Limits { window, interval_ns, .. } = *limits;
    let mut records: Vec<Recorder> = plan.classes.iter().map(|_| Recorder::new(window, interval_ns)).collect();
    let mut lost: Option<(usize, String)> = None;
    for outcome in outcomes {
        outcome.records.iter().for_each(|(class, record)| records[*class].merge(record));
        if let Some((count, reason)) = &outcome.lost {
            lost.get_or_insert_with(|| (0, reason.clone())).0 += count;
        }
    }
    let restored: usize = outcomes.iter().map(|outcome| outcome.restored).sum();
    // A run that ended early (all requests sent, Ctrl-C, a dead server) is measured up to its end.
    let ended = outcomes.iter().map(|o| o.ended).max().unwrap_or(window.to);
    let last = records.iter().map(|r| r.last_reply).max().unwrap_or(0);
    let end = if ended < window.to { ended.max(last).min(window.to) } else { window.to };
    for record in &mut records {
        let last = record.last_reply;
        record.gap(last, end);
    }
    let window_s = end.saturating_sub(window.from).max(1) as f64 / 1e9;
    let classes: Vec<ClassReport> = plan
        .classes
        .iter()
        .zip(&records)
        .map(|(class, record)| ClassReport::new(class, record, window_s, interval_ns))
        .collect();
    let busy: Vec<f64> = outcomes.iter().map(|o| o.busy).collect();
    let (invalid, notes) = judge(plan, &classes, &busy, lost.as_ref(), restored, end < window.to);
    let report = RunReport {
        version: env!("CARGO_PKG_VERSION").to_string(),
        address: plan.target.address.to_string(),
        arguments: std::env::args().collect(),
        seed: plan.seed,
        started_unix_ms,
        warmup_s: plan.warmup.as_secs_f64(),
        window_s,
        threads: plan.threads,
        generator_busy: busy,
        invalid,
        notes,
        classes,
        server: None,
    };
    Measured { report, records, lost }
}

/// Whether the figures may be used, and what to know about them.
fn judge(
    plan: &Plan,
    classes: &[ClassReport],
    busy: &[f64],
    lost: Option<&(usize, String)>,
    restored: usize,
    early: bool,
) -> (Vec<String>, Vec<String>) {
    let (mut invalid, mut notes) = (Vec::new(), Vec::new());
    let limit = plan.late_limit.as_nanos() as u64;
    for class in classes {
        let name = &class.name;
        if class.requests == 0 {
            invalid.push(format!("class {name} sent nothing in the measured window"));
        }
        if let Some(late) = class.lateness.as_ref().map(|l| l.quantiles["p99.9"]).filter(|&late| late > limit) {
            invalid.push(format!(
                "the generator was late in class {name}: lateness p99.9 is {}, the limit {} (lower the rate, give the \
                 generator more CPU, or raise --late-limit knowingly)",
                nanos(late),
                nanos(limit)
            ));
        }
        if class.error_count() > class.unanswered {
            notes.push(format!("{} of class {name}'s replies are errors", grouped(class.error_count() as f64)));
        }
        if let Pace::Open { rate, .. } = &class.pace
            && class.replies_per_s < 0.98 * rate.mean()
            && !early
        {
            notes.push(format!(
                "the server did not keep up in class {name}: {} replies/s of {} asked for; response times grow with \
                 the length of the run",
                grouped(class.replies_per_s),
                grouped(rate.mean())
            ));
        }
    }
    let open = classes.iter().all(|c| !matches!(c.pace, Pace::Closed { .. }));
    if !open && busy.iter().any(|&b| b > 0.9) {
        notes.push("a generator thread was busy all the time: the generator may be the limit (--threads)".into());
    }
    match lost {
        // With a policy for it, a connection that breaks is part of what is measured.
        Some((count, reason)) if plan.reconnect.is_some() => {
            notes.push(format!("connections broke {count} times ({reason}), and were made anew {restored} times"));
        }
        Some((count, reason)) => invalid.push(format!("{count} connections were lost: {reason}")),
        None => {}
    }
    (invalid, notes)
}

fn show_progress(plan: &Plan, shared: &[Arc<Shared>], clock: Clock, window: Window, over: impl Fn() -> bool) {
    let bar = ProgressBar::new(window.to / 1_000_000);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {elapsed} {msg}") {
        bar.set_style(style);
    }
    let counts = || shared.iter().map(|s| s.replies.load(Ordering::Relaxed)).collect::<Vec<_>>();
    let (mut before, mut then) = (counts(), clock.now());
    while !over() {
        thread::sleep(Duration::from_millis(100));
        let now = clock.now();
        bar.set_position(now / 1_000_000);
        if now - then >= 1_000_000_000 {
            let counts = counts();
            let text: Vec<String> = plan
                .classes
                .iter()
                .enumerate()
                .map(|(i, class)| {
                    let rate = (counts[i] - before[i]) as f64 * 1e9 / (now - then) as f64;
                    let errors = shared[i].errors.load(Ordering::Relaxed);
                    let errors = if errors > 0 { format!(" {errors} errors") } else { String::new() };
                    format!("{} {}/s{errors}", class.name, grouped(rate))
                })
                .collect();
            bar.set_message(text.join(", "));
            (before, then) = (counts, now);
        }
    }
    bar.finish_and_clear();
}
