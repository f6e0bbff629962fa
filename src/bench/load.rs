//! The load phase: fills keys through pipelines, with a progress bar, and checks that every write was acknowledged.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use super::client::{Client, Target, Value};
use super::error::BenchError;
use super::keys::Law;
use super::schedule::Arrivals;
use super::template::{Pool, Sizes};
use super::units::grouped;
use super::workload::Defaults;

/// Connections of the load phase.
const CONNECTIONS: usize = 8;
/// Requests per round trip.
const DEPTH: u64 = 64;

/// Sends `command` once for each of `keys` values of `{seq}`.
pub fn load(
    target: &Target,
    keys: u64,
    command: &str,
    value: Sizes,
    seed: u64,
    stop: &Arc<AtomicBool>,
) -> Result<(), BenchError> {
    let defaults = Defaults {
        connections: CONNECTIONS,
        rate: None,
        arrivals: Arrivals::Constant,
        depth: 1,
        keys,
        law: Law::Sequential,
        value,
        requests: None,
    };
    let class = Arc::new(defaults.class("load", command)?);
    // The load's stream differs from every class's of the run.
    let (pool, stream_class) = (Arc::new(Pool::new(seed)), usize::MAX);
    let bar = ProgressBar::new(keys);
    if let Ok(style) = ProgressStyle::with_template("load {wide_bar} {human_pos}/{human_len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    let begun = Instant::now();
    let failure: Mutex<Option<BenchError>> = Mutex::new(None);
    thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            let (class, pool, bar, failure) = (&class, &pool, &bar, &failure);
            scope.spawn(move || {
                let mut stream = class.stream(seed, stream_class, connection, pool);
                let share = keys / CONNECTIONS as u64 + u64::from((connection as u64) < keys % CONNECTIONS as u64);
                let work = || -> Result<(), BenchError> {
                    let mut client = Client::connect(target)?;
                    let mut left = share;
                    let mut requests = Vec::new();
                    while left > 0 && !stop.load(Ordering::Relaxed) {
                        let batch = left.min(DEPTH);
                        requests.clear();
                        (0..batch).for_each(|_| stream.next(&mut requests));
                        exchange(&mut client, target, &requests, batch)?;
                        left -= batch;
                        bar.inc(batch);
                        if failure.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                            break;
                        }
                    }
                    Ok(())
                };
                let mut work = work;
                if let Err(e) = work() {
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e);
                }
            });
        }
    });
    bar.finish_and_clear();
    if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!(
        "loaded {} in {seconds:.1} s ({}/s)",
        grouped(bar.position() as f64),
        grouped(bar.position() as f64 / seconds)
    );
    Ok(())
}

fn exchange(client: &mut Client, target: &Target, requests: &[u8], replies: u64) -> Result<(), BenchError> {
    let lost = |source| BenchError::Lost { address: target.address.to_string(), command: "the load".into(), source };
    client.send(requests).map_err(lost)?;
    for _ in 0..replies {
        if let Value::Error(reply) = client.receive().map_err(lost)? {
            return Err(BenchError::Unexpected { command: "the load".into(), reply });
        }
    }
    Ok(())
}
