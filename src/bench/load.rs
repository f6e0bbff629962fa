//! The load phase: fills keys through pipelines, with a progress bar, checks that every write was acknowledged, and reads
//! a sample of them back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use super::client::{Client, Target, Value};
use super::cluster::Routes;
use super::error::BenchError;
use super::keys::Law;
use super::schedule::Arrivals;
use super::sizes::Sizes;
use super::template::Pool;
use super::units::grouped;
use super::workload::{Class, Defaults, Stream};
use crate::log::read_command;

/// Connections of the load phase.
const CONNECTIONS: usize = 8;
/// Operations per round trip.
const DEPTH: u64 = 64;
/// Keys read back on each connection.
const SAMPLED: u64 = 128;

/// What to fill a server with.
#[derive(Clone, Debug)]
pub struct Load {
    /// How many times the command is sent.
    pub keys: u64,
    /// What is sent; `{seq}` counts from 0.
    pub command: String,
    /// Size of its `{value}`.
    pub value: Sizes,
}

impl Load {
    /// Fills the server at `target` and reads a sample back.
    pub fn run(&self, target: &Target, seed: u64, stop: &Arc<AtomicBool>) -> Result<(), BenchError> {
        let defaults = Defaults {
            connections: CONNECTIONS,
            rate: None,
            arrivals: Arrivals::Constant,
            depth: 1,
            keys: self.keys,
            law: Law::Sequential,
            value: self.value.clone(),
            requests: None,
        };
        let class = Arc::new(defaults.class("load", &self.command)?);
        let routes = if target.cluster { Routes::ask(target)? } else { Routes::single(target) };
        let bar = ProgressBar::new(self.keys);
        if let Ok(style) = ProgressStyle::with_template("load {wide_bar} {human_pos}/{human_len} {per_sec} {eta}") {
            bar.set_style(style);
        }
        let begun = Instant::now();
        let (failure, pool) = (Mutex::new(None), Arc::new(Pool::new(seed)));
        let read_back: u64 = thread::scope(|scope| {
            let workers: Vec<_> = (0..CONNECTIONS)
                .map(|connection| {
                    let filler = Filler {
                        class: &class,
                        pool: &pool,
                        seed,
                        connection,
                        share: self.keys / CONNECTIONS as u64
                            + u64::from((connection as u64) < self.keys % CONNECTIONS as u64),
                        routes: &routes,
                        clients: Vec::new(),
                    };
                    let (bar, failure) = (&bar, &failure);
                    scope.spawn(move || match filler.work(bar, stop, failure) {
                        Ok(read_back) => read_back,
                        Err(e) => {
                            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e);
                            0
                        }
                    })
                })
                .collect();
            workers.into_iter().map(|worker| worker.join().expect("a loading thread does not panic")).sum()
        });
        bar.finish_and_clear();
        if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let seconds = begun.elapsed().as_secs_f64();
        eprintln!(
            "loaded {} in {seconds:.1} s ({}/s); {} of them read back and found right",
            grouped(bar.position() as f64),
            grouped(bar.position() as f64 / seconds),
            grouped(read_back as f64)
        );
        Ok(())
    }
}

/// One connection of the load (to each node of a cluster).
struct Filler<'a> {
    class: &'a Arc<Class>,
    pool: &'a Arc<Pool>,
    seed: u64,
    connection: usize,
    share: u64,
    routes: &'a Routes,
    clients: Vec<Client>,
}

impl Filler<'_> {
    /// The load's stream differs from every class's of the run.
    fn stream(&self) -> Stream {
        self.class.stream(self.seed, usize::MAX, self.connection, self.pool)
    }

    fn work(
        mut self,
        bar: &ProgressBar,
        stop: &AtomicBool,
        failure: &Mutex<Option<BenchError>>,
    ) -> Result<u64, BenchError> {
        self.clients = self.routes.nodes().iter().map(Client::connect).collect::<Result<_, _>>()?;
        let mut stream = self.stream();
        let mut left = self.share;
        while left > 0 {
            if stop.load(Ordering::Relaxed) || failure.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
                return Ok(0);
            }
            let batch = left.min(DEPTH);
            self.fill(&mut stream, batch)?;
            left -= batch;
            bar.inc(batch);
        }
        self.read_back()
    }

    /// Sends `batch` operations and takes their replies.
    fn fill(&mut self, stream: &mut Stream, batch: u64) -> Result<(), BenchError> {
        let mut requests: Vec<(Vec<u8>, u64)> = vec![(Vec::new(), 0); self.clients.len()];
        let mut bytes = Vec::new();
        for _ in 0..batch {
            bytes.clear();
            let (key, later) = stream.next_with_key(&mut bytes);
            let node = self.node(key.map(|place| &bytes[place]))?;
            requests[node].0.extend_from_slice(&bytes);
            requests[node].1 += 1;
            for command in later.into_iter().flat_map(|later| *later) {
                requests[node].0.extend(command);
                requests[node].1 += 1;
            }
        }
        for (client, (bytes, _)) in self.clients.iter_mut().zip(&requests) {
            client.send(bytes).map_err(|source| self.routes.lost(source))?;
        }
        for (client, (_, replies)) in self.clients.iter_mut().zip(&requests) {
            for _ in 0..*replies {
                if let Value::Error(reply) = client.receive().map_err(|source| self.routes.lost(source))? {
                    return Err(BenchError::Unexpected { command: "the load".into(), reply });
                }
            }
        }
        Ok(())
    }

    fn node(&self, key: Option<&[u8]>) -> Result<usize, BenchError> {
        self.routes.route(key, 0).ok_or_else(|| BenchError::Unexpected {
            command: "the load".into(),
            reply: "no node of the cluster has the slot of a key".into(),
        })
    }

    /// Makes the stream anew and asks for some of its keys: a SET's must hold its value, of any other command's the key
    /// must exist. Gives how many were asked for.
    fn read_back(&mut self) -> Result<u64, BenchError> {
        let mut stream = self.stream();
        let (mut bytes, mut spans, mut asked) = (Vec::new(), Vec::new(), 0);
        let every = (self.share / SAMPLED).max(1);
        for number in 0..self.share {
            bytes.clear();
            let (key, _) = stream.next_with_key(&mut bytes);
            let Some(place) = key.filter(|_| number % every == 0) else { continue };
            let node = self.node(Some(&bytes[place.clone()]))?;
            if read_command(&bytes, &mut spans).is_err() {
                continue;
            }
            let word = |index: usize| spans.get(index).map(|s| &bytes[s.start as usize..][..s.len as usize]);
            let wrong = |key: &[u8], found: String| BenchError::Unexpected {
                command: format!("the read of {}, which was loaded", String::from_utf8_lossy(key)),
                reply: found,
            };
            let name = &bytes[place];
            match (word(0), word(2), spans.len()) {
                (Some(b"SET" | b"set"), Some(value), 3) => match self.clients[node].call(&[b"GET", name])? {
                    Value::Text(found) if found == value => {}
                    Value::Text(found) => return Err(wrong(name, format!("another value of {} bytes", found.len()))),
                    other => return Err(wrong(name, format!("{other:?}"))),
                },
                _ => match self.clients[node].call(&[b"EXISTS", name])? {
                    Value::Int(1) => {}
                    other => return Err(wrong(name, format!("EXISTS gives {other:?}"))),
                },
            }
            asked += 1;
        }
        Ok(asked)
    }
}

impl Routes {
    fn lost(&self, source: std::io::Error) -> BenchError {
        let address = self.nodes()[0].address.to_string();
        BenchError::Lost { address, command: "the load".into(), source }
    }
}
