//! Classes of clients: who sends what, how often, over how many connections.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::BenchError;
use super::keys::{Keys, Law};
use super::recording::{Recording, Replay};
use super::rng::Rng;
use super::schedule::{Arrivals, Rate};
use super::sizes::Sizes;
use super::template::{Pool, Source, Template};
use super::units::{parse_count, parse_whole};
use crate::command::spec::find;
use crate::log::read_command;

/// How a class paces its requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Requests leave at their intended times, whether or not earlier ones were answered.
    Open {
        /// Requests per second over all connections of the class.
        rate: Rate,
        /// The law of the gaps.
        arrivals: Arrivals,
    },
    /// The times of a capture, this many times as fast.
    Replay {
        /// 2 halves all gaps.
        speed: f64,
    },
    /// Each connection keeps this many requests under way and sends the next when one is answered.
    Closed {
        /// Requests under way per connection.
        depth: usize,
    },
}

impl std::fmt::Display for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Pace::Open { rate, arrivals: Arrivals::Constant } => write!(f, "open loop, {rate} evenly"),
            Pace::Open { rate, arrivals: Arrivals::Poisson } => write!(f, "open loop, {rate} at random (Poisson)"),
            Pace::Replay { speed: 1.0 } => f.write_str("with the capture's timing"),
            Pace::Replay { speed } => write!(f, "with the capture's timing, {speed} times as fast"),
            Pace::Closed { depth } => write!(f, "closed loop, depth {depth}"),
        }
    }
}

/// A class of clients, reported by itself.
#[derive(Clone, Debug)]
pub struct Class {
    /// Its name in the report.
    pub name: String,
    /// Connections.
    pub connections: usize,
    /// Open or closed loop.
    pub pace: Pace,
    /// Keys `0..keys`.
    pub keys: u64,
    /// The law over them.
    pub law: Law,
    /// Size of `{value}`.
    pub value: Sizes,
    /// Stop after this many requests, if set.
    pub requests: Option<u64>,
    /// Templates with their relative weights.
    pub mix: Vec<(f64, Template)>,
    /// Sent instead of the mix.
    pub recording: Option<Arc<Recording>>,
}

/// What a class takes where its own settings say nothing.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// Connections.
    pub connections: usize,
    /// Requests per second; none means a closed loop.
    pub rate: Option<Rate>,
    /// Arrivals of an open loop.
    pub arrivals: Arrivals,
    /// Depth of a closed loop.
    pub depth: usize,
    /// Key count.
    pub keys: u64,
    /// Law over the keys.
    pub law: Law,
    /// Size of `{value}`.
    pub value: Sizes,
    /// Requests in all.
    pub requests: Option<u64>,
}

impl Defaults {
    /// The class `name` with the commands of `mix` (`90% GET key:{key} | 10% SET key:{key} {value}`).
    pub fn class(&self, name: &str, mix: &str) -> Result<Class, BenchError> {
        let name = name.trim();
        let named = |e: String| BenchError::workload(format!("class {name}: {e}"));
        if name.is_empty() || name.contains(['"', '/', '\n']) {
            return Err(BenchError::workload(format!("\"{name}\" is not a name for a class")));
        }
        let class = Class {
            name: name.to_string(),
            connections: self.connections,
            pace: match &self.rate {
                Some(rate) => Pace::Open { rate: rate.clone(), arrivals: self.arrivals },
                None => Pace::Closed { depth: self.depth },
            },
            keys: self.keys,
            law: self.law,
            value: self.value.clone(),
            requests: self.requests,
            mix: parse_mix(mix).map_err(named)?,
            recording: None,
        };
        class.check().map_err(named)?;
        Ok(class)
    }

    /// A class as written on the command line, `NAME:SETTINGS:COMMANDS`.
    pub fn parse_class(&self, text: &str) -> Result<Class, BenchError> {
        let mut fields = text.splitn(3, ':');
        let (Some(name), Some(settings), Some(mix)) = (fields.next(), fields.next(), fields.next()) else {
            return Err(BenchError::workload(format!(
                "\"{text}\" is not a class: write NAME:SETTINGS:COMMANDS, such as \
                 'readers:rate=20k,conns=50:GET key:{{key}}'"
            )));
        };
        let named = |e: String| BenchError::workload(format!("class {name}: {e}"));
        let mut defaults = self.clone();
        for setting in split_outside_parentheses(settings) {
            let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
            defaults.set(key.trim(), value.trim()).map_err(named)?;
        }
        defaults.class(name, mix)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "conns" | "c" => self.connections = parse_whole(value)? as usize,
            "rate" => self.rate = Some(value.parse()?),
            "closed" if value.is_empty() => self.rate = None,
            "depth" | "P" => {
                self.depth = parse_whole(value)? as usize;
                self.rate = None;
            }
            "arrivals" => self.arrivals = value.parse()?,
            "constant" | "poisson" if value.is_empty() => self.arrivals = key.parse()?,
            "keys" => self.keys = parse_whole(value)?,
            "dist" => self.law = value.parse()?,
            "value" => self.value = value.parse()?,
            "requests" | "n" => self.requests = Some(parse_whole(value)?),
            _ => {
                return Err(format!(
                    "unknown setting \"{key}\" (conns, rate, arrivals, poisson, constant, closed, depth, keys, dist, \
                     value, requests)"
                ));
            }
        }
        Ok(())
    }

    /// A workload by name, with the commands that load its keys: the core workloads of YCSB
    /// (<https://github.com/brianfrankcooper/YCSB/wiki/Core-Workloads>), a record being a string. E keeps the order of its
    /// keys in a sorted set, as YCSB's own binding does: a scan asks the index, then for the records.
    pub fn named(&self, name: &str) -> Result<(Class, &'static str), BenchError> {
        let (zipf, latest) = (Law::Zipf { theta: 0.99 }, Law::Latest { theta: 0.99 });
        const LOAD: &str = "SET key:{seq} {value}";
        let (law, mix, load) = match name {
            "ycsb-a" => (zipf, "50% GET key:{key} | 50% SET key:{key} {value}", LOAD),
            "ycsb-b" => (zipf, "95% GET key:{key} | 5% SET key:{key} {value}", LOAD),
            "ycsb-c" => (zipf, "GET key:{key}", LOAD),
            "ycsb-d" => (latest, "95% GET key:{key} | 5% SET key:{newkey} {value}", LOAD),
            "ycsb-e" => (
                zipf,
                "95% ZRANGE key:index {key} +inf BYSCORE LIMIT 0 {int:1-100} ; MGET key:{range} \
                 | 5% SET key:{newkey} {value} ; ZADD key:index {same} key:{same}",
                "SET key:{seq} {value} ; ZADD key:index {same} key:{same}",
            ),
            "ycsb-f" => (zipf, "50% GET key:{key} | 50% GET key:{key} ; SET key:{same} {value}", LOAD),
            _ => {
                return Err(BenchError::workload(format!(
                    "unknown workload \"{name}\" (ycsb-a to ycsb-f; or give commands with -e)"
                )));
            }
        };
        Ok((Defaults { law, ..self.clone() }.class(name, mix)?, load))
    }
}

impl Class {
    /// A class that sends a capture, at `speed` times its pace; without one as fast as its connections are answered, with
    /// `depth` requests under way on each.
    pub fn replay(recording: Arc<Recording>, speed: Option<f64>, depth: usize) -> Class {
        Class {
            name: "replay".into(),
            connections: recording.connections,
            pace: speed.map_or(Pace::Closed { depth }, |speed| Pace::Replay { speed }),
            keys: 1,
            law: Law::Uniform,
            value: Sizes::fixed(0),
            requests: Some(recording.entries().len() as u64),
            mix: Vec::new(),
            recording: Some(recording),
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.connections == 0 || self.connections > 60_000 {
            return Err(format!("{} connections: between 1 and 60000", self.connections));
        }
        match self.pace {
            Pace::Closed { depth } if depth == 0 || depth > 100_000 => {
                Err(format!("depth {depth}: between 1 and 100000"))
            }
            _ if self.keys == 0 => Err("keys=0: at least one".to_string()),
            _ if self.requests == Some(0) => Err("requests=0: at least one".to_string()),
            _ => Ok(()),
        }
    }

    /// What the class sends, as people should see it.
    pub fn commands(&self) -> Vec<String> {
        match &self.recording {
            Some(recording) => vec![format!("{} captured requests", recording.entries().len())],
            None => {
                let total: f64 = self.mix.iter().map(|(weight, _)| weight).sum();
                let share = |weight: f64| match self.mix.len() {
                    1 => String::new(),
                    _ => format!("{}% ", (weight / total * 1000.0).round() / 10.0),
                };
                self.mix.iter().map(|(weight, template)| share(*weight) + template.source()).collect()
            }
        }
    }

    /// The request stream of one connection of this class, which stands at `class` among the classes.
    pub fn stream(self: &Arc<Self>, seed: u64, class: usize, connection: usize, pool: &Arc<Pool>) -> Stream {
        let (index, connections) = (connection as u64, self.connections as u64);
        let keys = Keys::new(self.law, self.keys, index, connections);
        let rng = Rng::new(seed, &[class as u64, index]);
        Stream {
            class: self.clone(),
            total: self.mix.iter().map(|(weight, _)| weight).sum(),
            source: Source::new(rng, keys, self.value.clone(), index, connections),
            pool: pool.clone(),
            replay: self.recording.as_ref().map(|recording| Replay::new(recording, connection)),
        }
    }
}

/// The commands of an operation that wait for the first one's reply, in order.
pub type Later = Option<Box<VecDeque<Vec<u8>>>>;

/// The endless requests of one connection, fixed by the seed; or those of a capture, which end.
#[derive(Debug)]
pub struct Stream {
    class: Arc<Class>,
    total: f64,
    source: Source,
    pool: Arc<Pool>,
    replay: Option<Replay>,
}

impl Stream {
    /// Requests of a capture that are left; none of an endless stream.
    pub fn left(&self) -> Option<usize> {
        self.replay.as_ref().map(Replay::left)
    }

    /// Appends the next request to `out`; gives what follows its reply. The whole operation is drawn now, so that the
    /// stream does not depend on what the server answers.
    #[inline]
    pub fn next(&mut self, out: &mut Vec<u8>) -> Later {
        self.next_with_key(out).1
    }

    /// The same, with the place of the request's first key in `out`.
    #[inline]
    pub fn next_with_key(&mut self, out: &mut Vec<u8>) -> (Option<Range<usize>>, Later) {
        if let (Some(replay), Some(recording)) = (&mut self.replay, &self.class.recording) {
            let start = out.len();
            replay.next(recording, out);
            return (key_of(&out[start..]).map(|key| key.start + start..key.end + start), None);
        }
        let mix = &self.class.mix;
        let mut chosen = &mix[mix.len() - 1].1;
        if mix.len() > 1 {
            let mut at = self.source.rng().unit() * self.total;
            for (weight, template) in mix {
                if at < *weight {
                    chosen = template;
                    break;
                }
                at -= weight;
            }
        }
        let key = chosen.encode(0, &mut self.source, &self.pool, out);
        if chosen.stages() == 1 {
            return (key, None);
        }
        let later = (1..chosen.stages()).map(|stage| {
            let mut bytes = Vec::new();
            chosen.encode(stage, &mut self.source, &self.pool, &mut bytes);
            bytes
        });
        (key, Some(Box::new(later.collect())))
    }
}

/// The first key of a captured request: its first argument, as for most commands.
fn key_of(request: &[u8]) -> Option<Range<usize>> {
    let mut spans = Vec::new();
    read_command(request, &mut spans).ok()?;
    let words: Vec<&[u8]> = spans.iter().map(|s| &request[s.start as usize..][..s.len as usize]).collect();
    let spec = find(words[0])?;
    let first = match spec.simple_range() {
        Some((first, ..)) => usize::try_from(first).ok()?,
        None if spec.has_keys() => 1,
        None => return None,
    };
    spans.get(first).map(|span| span.start as usize..(span.start + span.len) as usize)
}

fn parse_mix(text: &str) -> Result<Vec<(f64, Template)>, String> {
    let mut mix = Vec::new();
    for command in split_outside_quotes(text) {
        let command = command.trim();
        let (weight, command) = match command.split_once(char::is_whitespace) {
            Some((first, rest)) if first.ends_with('%') => {
                let weight = parse_count(&first[..first.len() - 1])?;
                if weight <= 0.0 {
                    return Err(format!("{first}: a share above 0"));
                }
                (Some(weight), rest)
            }
            _ => (None, command),
        };
        mix.push((weight, Template::parse(command)?));
    }
    if mix.len() > 1 && mix.iter().any(|(w, _)| w.is_some()) && mix.iter().any(|(w, _)| w.is_none()) {
        return Err(format!("\"{text}\": give every command a share (90% GET … | 10% SET …) or none"));
    }
    Ok(mix.into_iter().map(|(weight, template)| (weight.unwrap_or(1.0), template)).collect())
}

/// Splits at bars, but for those in quotes: scripts may hold them.
fn split_outside_quotes(text: &str) -> Vec<&str> {
    let (mut parts, mut quote, mut start) = (Vec::new(), None, 0);
    for (i, c) in text.char_indices() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '|' => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            None => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0i32, 0);
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Defaults as the command line has them.
    pub(crate) fn defaults() -> Defaults {
        Defaults {
            connections: 50,
            rate: None,
            arrivals: Arrivals::Constant,
            depth: 1,
            keys: 1000,
            law: Law::Uniform,
            value: Sizes::fixed(64),
            requests: None,
        }
    }

    #[test]
    fn a_class_is_read_as_written() {
        let class = defaults()
            .parse_class("readers:rate=20k,poisson,conns=8,keys=1M,dist=hotspot(0.1,0.9):90% GET key:{key} | 10% PING")
            .unwrap();
        assert_eq!((class.name.as_str(), class.connections, class.keys), ("readers", 8, 1_000_000));
        assert_eq!(class.pace, Pace::Open { rate: Rate::Constant(20_000.0), arrivals: Arrivals::Poisson });
        assert_eq!(class.law, Law::Hotspot { keys: 0.1, requests: 0.9 });
        assert_eq!(class.mix.iter().map(|m| m.0).collect::<Vec<_>>(), [90.0, 10.0]);
        assert_eq!(class.mix[0].1.source(), "GET key:{key}");
    }

    #[test]
    fn typos_in_a_class_are_named() {
        for (bad, says) in [
            ("readers", "NAME:SETTINGS:COMMANDS"),
            ("r:rate=fast:PING", "fast"),
            ("r:cons=5:PING", "cons"),
            ("r::50% GET a | GET b", "share"),
            ("r:conns=0:PING", "connections"),
            ("r:rate=0:PING", "rate"),
            ("r::GET {nokey}", "nokey"),
        ] {
            let error = defaults().parse_class(bad).unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
        assert!(defaults().named("ycsb-z").is_err());
    }

    #[test]
    fn a_bar_in_a_script_does_not_split_the_mix() {
        let class = defaults().class("c", "50% EVAL 'return \"a|b\"' 0 | 50% PING").unwrap();
        assert_eq!(class.commands(), ["50% EVAL 'return \"a|b\"' 0", "50% PING"]);
    }

    #[test]
    fn every_ycsb_workload_asks_only_for_keys_that_are_loaded_or_inserted() {
        for name in ["ycsb-a", "ycsb-b", "ycsb-c", "ycsb-d", "ycsb-e", "ycsb-f"] {
            let (class, load) = defaults().named(name).unwrap();
            assert!(load.starts_with("SET key:{seq}"));
            let (class, pool) = (Arc::new(class), Arc::new(Pool::new(1)));
            let mut stream = class.stream(1, 0, 3, &pool);
            let mut known: std::collections::HashSet<String> = (0..1000).map(|i| format!("key:{i}")).collect();
            known.insert("key:index".into());
            for _ in 0..2000 {
                let mut out = Vec::new();
                let later = stream.next(&mut out);
                later.into_iter().flat_map(|later| *later).for_each(|more| out.extend(more));
                let text = String::from_utf8(out).unwrap();
                let words: Vec<&str> = text.split("\r\n").collect();
                for (i, word) in words.iter().enumerate().filter(|(_, word)| word.starts_with("key:")) {
                    if words[i - 2] == "SET" {
                        known.insert((*word).to_string());
                    }
                    assert!(known.contains(*word), "{name} asks for {word}");
                }
            }
        }
    }

    #[test]
    fn a_mix_keeps_its_shares_and_its_stream() {
        let class = Arc::new(defaults().parse_class("m::75% A | 25% BB").unwrap());
        let pool = Arc::new(Pool::new(1));
        let make = |seed, connection| {
            let mut out = Vec::new();
            let mut stream = class.stream(seed, 0, connection, &pool);
            (0..10_000).for_each(|_| drop(stream.next(&mut out)));
            out
        };
        let bytes = make(1, 0);
        let second = (bytes.len() - 10_000 * 11) as f64;
        assert!((second - 2500.0).abs() < 3.3 * (10_000.0f64 * 0.75 * 0.25).sqrt(), "{second} of 10000 were BB");
        assert_eq!(bytes, make(1, 0));
        assert_ne!(bytes, make(1, 1));
        assert_ne!(bytes, make(2, 0));
    }
}
