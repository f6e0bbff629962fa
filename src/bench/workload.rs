//! Classes of clients: who sends what, how often, over how many connections.

use std::sync::Arc;

use serde::Serialize;

use super::error::BenchError;
use super::keys::{Keys, Law};
use super::rng::Rng;
use super::schedule::Arrivals;
use super::template::{Pool, Sizes, Source, Template};
use super::units::{parse_count, parse_whole};

/// How a class paces its requests.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// Requests leave at their intended times, whether or not earlier ones were answered.
    Open {
        /// Requests per second over all connections of the class.
        rate: f64,
        /// The law of the gaps.
        #[serde(skip)]
        arrivals: Arrivals,
    },
    /// Each connection keeps this many requests under way and sends the next when one is answered.
    Closed {
        /// Requests under way per connection.
        depth: usize,
    },
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
}

/// What a class takes where its own settings say nothing.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// Connections.
    pub connections: usize,
    /// Requests per second; none means a closed loop.
    pub rate: Option<f64>,
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
            pace: match self.rate {
                Some(rate) => Pace::Open { rate, arrivals: self.arrivals },
                None => Pace::Closed { depth: self.depth },
            },
            keys: self.keys,
            law: self.law,
            value: self.value,
            requests: self.requests,
            mix: parse_mix(mix).map_err(named)?,
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
            "rate" => self.rate = Some(parse_count(value)?),
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

    /// A workload by name: the YCSB core workloads that single commands on strings can express.
    pub fn named(&self, name: &str) -> Result<Class, BenchError> {
        let zipf = Law::Zipf { theta: 0.99 };
        let (law, mix) = match name {
            "ycsb-a" => (zipf, "50% GET key:{key} | 50% SET key:{key} {value}"),
            "ycsb-b" => (zipf, "95% GET key:{key} | 5% SET key:{key} {value}"),
            "ycsb-c" => (zipf, "GET key:{key}"),
            "ycsb-d" => (Law::Latest { theta: 0.99 }, "95% GET key:{key} | 5% SET key:{newkey} {value}"),
            _ => {
                return Err(BenchError::workload(format!(
                    "unknown workload \"{name}\" (ycsb-a, ycsb-b, ycsb-c or ycsb-d; or give commands with -e)"
                )));
            }
        };
        Defaults { law, ..self.clone() }.class(name, mix)
    }
}

impl Class {
    fn check(&self) -> Result<(), String> {
        if self.connections == 0 || self.connections > 60_000 {
            return Err(format!("{} connections: between 1 and 60000", self.connections));
        }
        match self.pace {
            Pace::Open { rate, .. } if !(rate > 0.0 && rate <= 1e9) => Err(format!("rate {rate}: above 0")),
            Pace::Closed { depth } if depth == 0 || depth > 100_000 => {
                Err(format!("depth {depth}: between 1 and 100000"))
            }
            _ if self.keys == 0 => Err("keys=0: at least one".to_string()),
            _ if self.requests == Some(0) => Err("requests=0: at least one".to_string()),
            _ => Ok(()),
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
            source: Source::new(rng, keys, self.value, index, connections),
            pool: pool.clone(),
        }
    }
}

/// The endless requests of one connection, fixed by the seed.
#[derive(Debug)]
pub struct Stream {
    class: Arc<Class>,
    total: f64,
    source: Source,
    pool: Arc<Pool>,
}

impl Stream {
    /// Appends the next request to `out`.
    #[inline]
    pub fn next(&mut self, out: &mut Vec<u8>) {
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
        chosen.encode(&mut self.source, &self.pool, out);
    }
}

fn parse_mix(text: &str) -> Result<Vec<(f64, Template)>, String> {
    let mut mix = Vec::new();
    for command in text.split('|') {
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
            value: Sizes { min: 64, max: 64 },
            requests: None,
        }
    }

    #[test]
    fn a_class_is_read_as_written() {
        let class = defaults()
            .parse_class("readers:rate=20k,poisson,conns=8,keys=1M,dist=hotspot(0.1,0.9):90% GET key:{key} | 10% PING")
            .unwrap();
        assert_eq!((class.name.as_str(), class.connections, class.keys), ("readers", 8, 1_000_000));
        assert_eq!(class.pace, Pace::Open { rate: 20_000.0, arrivals: Arrivals::Poisson });
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
    fn a_mix_keeps_its_shares_and_its_stream() {
        let class = Arc::new(defaults().parse_class("m::75% A | 25% BB").unwrap());
        let pool = Arc::new(Pool::new(1));
        let make = |seed, connection| {
            let mut out = Vec::new();
            let mut stream = class.stream(seed, 0, connection, &pool);
            (0..10_000).for_each(|_| stream.next(&mut out));
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
