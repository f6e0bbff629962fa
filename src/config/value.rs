//! A directive's value: read from words, shown, and written back into a file.

use super::directive::{Check, Kind, Words};
use super::{events, memory, words};
use crate::limits;

/// One directive's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `yes` or `no`.
    Bool(bool),
    /// A number.
    Integer(i64),
    /// Bytes.
    Memory(u64),
    /// Percent of `maxmemory`.
    Percent(u64),
    /// The number of a choice, or its bits.
    Word(u32),
    /// Bytes.
    Text(Vec<u8>),
    /// When to save.
    Save(Vec<SavePoint>),
    /// By class of connection: normal, replica, pubsub.
    Limits([OutputBufferLimit; 3]),
    /// For a master, a replica, a helper process.
    OomScoreAdj([i32; 3]),
    /// Percentiles.
    Percentiles(Vec<f64>),
    /// Addresses as given.
    Addresses(Vec<Vec<u8>>),
    /// The master's host and port.
    ReplicaOf(Option<(Vec<u8>, u16)>),
}

/// "Save if this many changes were made in this many seconds."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint {
    /// Seconds since the last save, at least 1.
    pub seconds: u64,
    /// Changes since the last save.
    pub changes: u64,
}

/// When a connection that doesn't read its replies is closed. 0 means no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputBufferLimit {
    /// At once from this many bytes on.
    pub hard_bytes: u64,
    /// From this many bytes on …
    pub soft_bytes: u64,
    /// … if it stays so for this many seconds.
    pub soft_seconds: u64,
}

/// Names of the classes of connections, as shown and as written, with a second name that is taken as well.
const CLASSES: [(&str, &str); 3] = [("normal", "normal"), ("slave", "replica"), ("pubsub", "pubsub")];

/// Reads the value of a directive called `name` from the words behind it. `previous` is its value so far: some
/// directives change only a part of theirs. The error is the text that Redis gives.
pub(super) fn parse(name: &str, kind: &Kind, args: &[Vec<u8>], previous: &Value) -> Result<Value, String> {
    let one = || match args {
        [word] => Ok(word.as_slice()),
        _ => Err("wrong number of arguments".to_owned()),
    };
    match *kind {
        Kind::Bool => match one()? {
            word if word.eq_ignore_ascii_case(b"yes") => Ok(Value::Bool(true)),
            word if word.eq_ignore_ascii_case(b"no") => Ok(Value::Bool(false)),
            _ => Err("argument must be 'yes' or 'no'".into()),
        },
        Kind::Integer { min, max } => integer(one()?, min, max).map(Value::Integer),
        Kind::Hertz => integer(one()?, 0, i32::MAX as i64).map(|hz| Value::Integer(hz.clamp(1, 500))),
        Kind::Octal { max } => {
            let mode = c_number(one()?, 8).ok_or("argument couldn't be parsed as an octal number")?;
            match u32::try_from(mode) {
                Ok(mode) if mode <= max => Ok(Value::Integer(mode.into())),
                _ => Err(format!("argument must be between 0 and {max:o} inclusive")),
            }
        }
        Kind::Memory { min, max } => match memory::parse(one()?) {
            None => Err("argument must be a memory value".into()),
            Some(bytes) if !(min..=max).contains(&bytes) => Err(between(min, max)),
            Some(bytes) => Ok(Value::Memory(bytes)),
        },
        Kind::MemoryOrPercent => memory_or_percent(one()?),
        Kind::Choice(choices) => {
            word_value(choices, one().map_err(|_| one_of(choices))?).map(Value::Word).ok_or_else(|| one_of(choices))
        }
        Kind::Bits(choices) => bits(choices, args),
        Kind::Text(check) | Kind::Optional(check) => {
            let text = one()?;
            check_text(name, check, text)?;
            Ok(Value::Text(text.to_vec()))
        }
        Kind::Directory => match one()? {
            b"" => Err("No such file or directory".into()),
            path => Ok(Value::Text(path.to_vec())),
        },
        Kind::Save => save_points(args),
        Kind::OutputBufferLimits => output_buffer_limits(args, previous),
        Kind::OomScoreAdjValues => oom_score_adj_values(args),
        Kind::KeyspaceEvents => events::parse(one()?)
            .map(Value::Word)
            .ok_or_else(|| "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into()),
        Kind::Percentiles => percentiles(args),
        Kind::Bind => match args {
            [word] if word.is_empty() => Ok(Value::Addresses(Vec::new())),
            _ if args.len() > limits::BIND_ADDRESSES_MAX => Err("Too many bind addresses specified.".into()),
            _ => Ok(Value::Addresses(args.to_vec())),
        },
        Kind::ReplicaOf => match args {
            [no, one] if no.eq_ignore_ascii_case(b"no") && one.eq_ignore_ascii_case(b"one") => {
                Ok(Value::ReplicaOf(None))
            }
            [host, port] => match c_number(port, 10).map(u16::try_from) {
                Some(Ok(port)) => Ok(Value::ReplicaOf(Some((host.clone(), port)))),
                _ => Err("Invalid master port".into()),
            },
            _ => Err("wrong number of arguments".into()),
        },
    }
}

/// The value as `CONFIG GET` shows it.
pub(super) fn show(kind: &Kind, value: &Value) -> Vec<u8> {
    match value {
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.into(),
        Value::Integer(number) if matches!(kind, Kind::Octal { .. }) => format!("{number:o}").into(),
        Value::Integer(number) => number.to_string().into(),
        Value::Memory(bytes) => bytes.to_string().into(),
        Value::Percent(percent) => format!("{percent}%").into(),
        Value::Word(number) => match kind {
            Kind::Choice(choices) | Kind::Bits(choices) => names(choices, *number).into(),
            _ => events::shown(*number),
        },
        Value::Text(text) => text.clone(),
        Value::Save(points) => join(points.iter().map(|p| format!("{} {}", p.seconds, p.changes))),
        Value::Limits(limits) => join(limits.iter().zip(CLASSES).map(|(limit, (class, _))| {
            format!("{class} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_seconds)
        })),
        Value::OomScoreAdj(values) => join(values.iter().map(i32::to_string)),
        Value::Percentiles(values) => join(values.iter().map(|value| show_float(*value))),
        Value::Addresses(addresses) => addresses.join(&b' '),
        Value::ReplicaOf(None) => Vec::new(),
        Value::ReplicaOf(Some((host, port))) => [host, format!(" {port}").as_bytes()].concat(),
    }
}

/// What follows the directive's name in a file: one entry per line. None at all means that the line is left out.
pub(super) fn lines(kind: &Kind, value: &Value) -> Vec<Vec<u8>> {
    let quoted = |text: &[u8]| {
        let mut line = Vec::new();
        words::quote_into(text, &mut line);
        line
    };
    match value {
        Value::Memory(bytes) => vec![memory::format(*bytes).into()],
        Value::Text(text) if text.is_empty() && matches!(kind, Kind::Optional(_)) => vec![],
        Value::Text(text) => vec![quoted(text)],
        Value::Word(bits) if matches!(kind, Kind::KeyspaceEvents) => vec![quoted(&events::complete(*bits))],
        Value::Save(points) if !points.is_empty() => {
            points.iter().map(|p| format!("{} {}", p.seconds, p.changes).into()).collect()
        }
        Value::Limits(limits) => limits
            .iter()
            .zip(CLASSES)
            .map(|(limit, (_, class))| {
                let (hard, soft) = (memory::format(limit.hard_bytes), memory::format(limit.soft_bytes));
                format!("{class} {hard} {soft} {}", limit.soft_seconds).into()
            })
            .collect(),
        // Addresses may come from quoted words, with any byte in them.
        Value::Addresses(addresses) if !addresses.is_empty() => {
            let plain = |a: &Vec<u8>| !a.is_empty() && a.iter().all(|b| b.is_ascii_graphic() && !b"\"'\\".contains(b));
            vec![addresses.iter().map(|a| if plain(a) { a.clone() } else { quoted(a) }).collect::<Vec<_>>().join(&b' ')]
        }
        Value::ReplicaOf(None) => vec![],
        _ => match show(kind, value) {
            empty if empty.is_empty() => vec![b"\"\"".to_vec()],
            shown => vec![shown],
        },
    }
}

/// The same with the value spelled out even where leaving the line out would do, to overrule earlier lines.
pub(super) fn lines_in_full(kind: &Kind, value: &Value) -> Vec<Vec<u8>> {
    let empty = || b"\"\"".to_vec();
    let mut lines = lines(kind, value);
    match value {
        Value::ReplicaOf(None) => lines.push(b"no one".to_vec()),
        // Save points add up; this starts anew.
        Value::Save(points) if !points.is_empty() => lines.insert(0, empty()),
        _ if lines.is_empty() => lines.push(empty()),
        _ => {}
    }
    lines
}

fn between(min: impl std::fmt::Display, max: impl std::fmt::Display) -> String {
    format!("argument must be between {min} and {max} inclusive")
}

fn integer(word: &[u8], min: i64, max: i64) -> Result<i64, String> {
    let number = strict_number(word).ok_or("argument couldn't be parsed into an integer")?;
    if (min..=max).contains(&number) { Ok(number) } else { Err(between(min, max)) }
}

/// A number in the one way to write it: no plus sign, no leading zeros, no blanks.
fn strict_number(word: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(word).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == word).then_some(number)
}

/// A number as C's `strtoll` takes it: blanks before it, a sign, leading zeros.
fn c_number(word: &[u8], radix: u32) -> Option<i64> {
    let word = word.trim_ascii_start();
    match word {
        // No digits at all are 0 there, and some files have an empty word.
        b"" => Some(0),
        _ => i64::from_str_radix(std::str::from_utf8(word).ok()?, radix).ok(),
    }
}

fn memory_or_percent(word: &[u8]) -> Result<Value, String> {
    if let Some(bytes) = memory::parse(word) {
        return if bytes <= i64::MAX as u64 { Ok(Value::Memory(bytes)) } else { Err(between(-100, i64::MAX)) };
    }
    match word.strip_suffix(b"%").and_then(strict_number) {
        Some(0) => Ok(Value::Memory(0)),
        Some(percent @ 1..=100) => Ok(Value::Percent(percent as u64)),
        Some(101..) => Err("percentage argument must be less or equal to 100".into()),
        _ => Err("argument must be a memory or percent value".into()),
    }
}

fn word_value(choices: Words, word: &[u8]) -> Option<u32> {
    choices.iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| *value)
}

fn one_of(choices: Words) -> String {
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    format!("argument(s) must be one of the following: {}", names.join(", "))
}

fn bits(choices: Words, args: &[Vec<u8>]) -> Result<Value, String> {
    if args.is_empty() {
        return Err(one_of(choices));
    }
    let mut bits = 0;
    for word in args {
        bits |= word_value(choices, word).ok_or_else(|| one_of(choices))?;
    }
    let has = |name: &str| choices.iter().any(|(word, bit)| *word == name && bits & bit != 0);
    if has("save") && has("nosave") {
        return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
    }
    Ok(Value::Word(bits))
}

/// The words of a value: the one that equals it, or else all whose bits it has.
fn names(choices: Words, value: u32) -> String {
    match choices.iter().find(|(_, number)| *number == value) {
        Some((name, _)) => (*name).to_owned(),
        None => {
            let set = choices.iter().filter(|(_, bit)| *bit != 0 && value & bit == *bit);
            set.map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
        }
    }
}

fn check_text(name: &str, check: Check, text: &[u8]) -> Result<(), String> {
    let file = |what: &str, may_be_empty: bool| match text {
        b"" if !may_be_empty => Err(format!("{name} can't be empty")),
        _ if text.contains(&b'/') => Err(format!("{name} can't be a path, just a {what}")),
        _ => Ok(()),
    };
    match check {
        Check::Any => Ok(()),
        Check::FileName => file("filename", true),
        Check::FileNameNotEmpty => file("filename", false),
        Check::DirNameNotEmpty => file("dirname", false),
        Check::HostName if text.len() >= 256 => Err("Hostnames must be less than 256 characters".into()),
        Check::HostName if text.iter().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(b)) => Ok(()),
        Check::HostName => Err("Hostnames may only contain alphanumeric characters, hyphens or dots".into()),
        Check::NodeName if !text.iter().any(|b| b"!#$%&()*+:;<>?@[]^{|}~".contains(b)) => Ok(()),
        Check::NodeName => Err("Announced human node name contained invalid character".into()),
        Check::TitleTemplate if is_title_template(text) => Ok(()),
        Check::TitleTemplate => Err("template format is invalid or contains unknown variables".into()),
    }
}

/// Whether every `{…}` is a known variable; `{{` stands for a brace.
fn is_title_template(mut text: &[u8]) -> bool {
    const VARIABLES: [&[u8]; 7] =
        [b"title", b"listen-addr", b"server-mode", b"port", b"tls-port", b"unixsocket", b"config-file"];
    while let Some(open) = memchr::memchr(b'{', text) {
        text = &text[open + 1..];
        if let [b'{', rest @ ..] = text {
            text = rest;
            continue;
        }
        match memchr::memchr(b'}', text) {
            Some(close) if VARIABLES.contains(&&text[..close]) => text = &text[close + 1..],
            _ => return false,
        }
    }
    true
}

fn save_points(args: &[Vec<u8>]) -> Result<Value, String> {
    let invalid = || "Invalid save parameters".to_owned();
    if let [word] = args
        && word.is_empty()
    {
        return Ok(Value::Save(Vec::new()));
    }
    if !args.len().is_multiple_of(2) {
        return Err(invalid());
    }
    let number = |word: &[u8], min: i64| c_number(word, 10).filter(|n| *n >= min).map(|n| n as u64);
    args.chunks_exact(2)
        .map(|pair| {
            let (seconds, changes) = (number(&pair[0], 1), number(&pair[1], 0));
            Ok(SavePoint { seconds: seconds.ok_or_else(invalid)?, changes: changes.ok_or_else(invalid)? })
        })
        .collect::<Result<_, _>>()
        .map(Value::Save)
}

fn output_buffer_limits(args: &[Vec<u8>], previous: &Value) -> Result<Value, String> {
    if !args.len().is_multiple_of(4) {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    let mut limits = match previous {
        Value::Limits(limits) => *limits,
        _ => Default::default(),
    };
    for group in args.chunks_exact(4) {
        let is = |name: &str| group[0].eq_ignore_ascii_case(name.as_bytes());
        let class = CLASSES
            .iter()
            .position(|(shown, written)| is(shown) || is(written))
            .ok_or("Invalid client class specified in buffer limit configuration.")?;
        let seconds = c_number(&group[3], 10).and_then(|n| u64::try_from(n).ok());
        match (memory::parse(&group[1]), memory::parse(&group[2]), seconds) {
            (Some(hard_bytes), Some(soft_bytes), Some(soft_seconds)) => {
                limits[class] = OutputBufferLimit { hard_bytes, soft_bytes, soft_seconds };
            }
            _ => return Err("Error in hard, soft or soft_seconds setting in buffer limit configuration.".into()),
        }
    }
    Ok(Value::Limits(limits))
}

fn oom_score_adj_values(args: &[Vec<u8>]) -> Result<Value, String> {
    let args: &[Vec<u8>; 3] = args.try_into().map_err(|_| "wrong number of arguments")?;
    let mut values = [0; 3];
    for (value, word) in values.iter_mut().zip(args) {
        match c_number(word, 10) {
            Some(number @ -2000..=2000) => *value = number as i32,
            _ => return Err("Invalid oom-score-adj-values, elements must be between -2000 and 2000.".into()),
        }
    }
    Ok(Value::OomScoreAdj(values))
}

fn percentiles(args: &[Vec<u8>]) -> Result<Value, String> {
    if let [word] = args
        && word.is_empty()
    {
        return Ok(Value::Percentiles(Vec::new()));
    }
    args.iter()
        .map(|word| {
            let number = std::str::from_utf8(word).ok().and_then(|text| text.parse::<f64>().ok());
            match number {
                Some(number) if (0.0..=100.0).contains(&number) => Ok(number),
                Some(number) if !number.is_nan() => {
                    Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".to_owned())
                }
                _ => Err("Invalid latency-tracking-info-percentiles parameters".to_owned()),
            }
        })
        .collect::<Result<_, _>>()
        .map(Value::Percentiles)
}

/// Six digits behind the point at most, no trailing zeros.
fn show_float(value: f64) -> String {
    let digits = format!("{value:.6}");
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn join(parts: impl Iterator<Item = String>) -> Vec<u8> {
    parts.collect::<Vec<_>>().join(" ").into_bytes()
}
