//! Command templates: `SET key:{key} {value:64}` becomes a RESP request with the placeholders filled in.
//!
//! Several commands with ` ; ` between them are one operation: each is sent when the one before was answered, and the
//! operation is answered with the last. A read-modify-write is `GET key:{key} ; SET key:{same} {value}`.
//!
//! | placeholder | filled with |
//! |---|---|
//! | `{key}`, `{key:12}` | a key number from the class's distribution; zero-padded to 12 digits |
//! | `{newkey}` | a key number never used before, above the class's keys |
//! | `{same}` | the number that the last `{key}`, `{newkey}` or `{seq}` gave |
//! | `{value}`, `{value:64}`, `{value:10-4kb}` | random letters and digits: the class's size, or any law of [`Sizes`] |
//! | `{int:1-100}` | a random integer, ends included |
//! | `{range}` | the argument repeated: key numbers from `{same}` on, as many as the last `{int}` gave |
//! | `{seq}` | 0, 1, 2, … over all connections of the class |
//! | `{field:10}` | `field0` … `field9` |
//! | `{ttl:10-60}`, `{ttl:exp(30)}` | a time to live: uniform, or exponential with this mean and at least 1 |
//! | `{{`, `}}` | a literal brace, as in a hash tag: `{{user:{key}}}` |

use std::ops::Range;

use super::keys::Keys;
use super::rng::Rng;
use super::sizes::Sizes;
use super::units::{parse_count, parse_whole};
use crate::command::spec::{find, keys::for_each_key};
use crate::resp::OwnedArgs;

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(Vec<u8>),
    Key { width: usize },
    NewKey,
    Same,
    Range,
    Value(Option<Sizes>),
    Int { min: u64, max: u64 },
    TtlAround { mean: f64 },
    Seq,
    Field { count: u64 },
}

/// One operation: a command with placeholders, or several that wait for each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    source: String,
    stages: Vec<Stage>,
}

/// One command of an operation.
#[derive(Clone, Debug, PartialEq)]
struct Stage {
    arguments: Vec<Vec<Part>>,
    /// The argument that holds `{range}`.
    range: Option<usize>,
    /// The argument that holds the first key, which tells the slot.
    key: Option<usize>,
}

/// What placeholders draw from: one connection's state. The same seed and path give the same draws.
#[derive(Clone, Debug)]
pub struct Source {
    rng: Rng,
    keys: Keys,
    seq: u64,
    stride: u64,
    value: Sizes,
    /// The number that was drawn last, and the last integer.
    same: u64,
    int: u64,
}

impl Source {
    /// The source of connection `index` of `connections`.
    pub fn new(rng: Rng, keys: Keys, value: Sizes, index: u64, connections: u64) -> Self {
        Source { rng, keys, seq: index, stride: connections.max(1), value, same: 0, int: 0 }
    }

    /// The generator, for choices made beside placeholders.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }
}

impl Template {
    /// Reads a template; arguments are separated by blanks, and `"…"` or `'…'` keeps blanks together.
    pub fn parse(source: &str) -> Result<Self, String> {
        let named = |e: String| format!("in \"{}\": {e}", source.trim());
        let words = words(source)?;
        let stages = words.split(|word| word == ";").map(Stage::parse);
        let stages = stages.collect::<Result<Vec<_>, _>>().map_err(named)?;
        Ok(Template { source: source.trim().to_string(), stages })
    }

    /// The template as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// How many commands the operation has.
    pub fn stages(&self) -> usize {
        self.stages.len()
    }

    /// Appends command `stage` of the operation, encoded as an array of bulk strings; commands of one operation must be
    /// encoded in order. `pool` is random text that values are cut from. Gives the place of the first key in `out`.
    pub fn encode(&self, stage: usize, source: &mut Source, pool: &Pool, out: &mut Vec<u8>) -> Option<Range<usize>> {
        self.stages[stage].encode(source, pool, out)
    }
}

impl Stage {
    fn parse(words: &[String]) -> Result<Self, String> {
        if words.is_empty() {
            return Err("an empty command".to_string());
        }
        let arguments = words.iter().map(|word| parts(word)).collect::<Result<Vec<_>, _>>()?;
        let ranges = |parts: &Vec<Part>| parts.contains(&Part::Range);
        let range = arguments.iter().position(ranges);
        if arguments.iter().filter(|parts| ranges(parts)).count() > 1 {
            return Err("{range} can stand in one argument of a command only".to_string());
        }
        let key = first_key(words);
        Ok(Stage { arguments, range, key })
    }

    fn encode(&self, source: &mut Source, pool: &Pool, out: &mut Vec<u8>) -> Option<Range<usize>> {
        let repeats = self.range.map_or(1, |_| source.int.max(1));
        head(b'*', self.arguments.len() as u64 + repeats - 1, out);
        let mut key = None;
        for (index, parts) in self.arguments.iter().enumerate() {
            let times = if self.range == Some(index) { repeats } else { 1 };
            for offset in 0..times {
                let place = argument(parts, offset, source, pool, out);
                if self.key == Some(index) && offset == 0 {
                    key = Some(place);
                }
            }
        }
        key
    }
}

/// The position of a command's first key, by the server's own command table. An unknown command is taken to have its key
/// in the first place after its name, as most have.
fn first_key(words: &[String]) -> Option<usize> {
    let Some(spec) = find(words[0].as_bytes()) else { return (words.len() > 1).then_some(1) };
    if let Some((first, ..)) = spec.simple_range() {
        return usize::try_from(first).ok().filter(|&at| at > 0 && at < words.len());
    }
    let (args, mut key) = (OwnedArgs::new(words), None);
    // Arguments of the wrong form have no key; the server will say so.
    let _ = for_each_key(spec, args.as_args(), |at, _| key = key.or(Some(at)));
    key
}

/// Appends one argument; `offset` counts repetitions for `{range}`. Gives the place of its content.
fn argument(parts: &[Part], offset: u64, source: &mut Source, pool: &Pool, out: &mut Vec<u8>) -> Range<usize> {
    let mut digits = itoa::Buffer::new();
    if let [Part::Value(sizes)] = parts {
        // The common large argument: its length is known before it is copied.
        let len = sizes.as_ref().unwrap_or(&source.value).draw(&mut source.rng);
        head(b'$', len as u64, out);
        let begin = out.len();
        pool.cut(len, &mut source.rng, out);
        out.extend_from_slice(b"\r\n");
        return begin..begin + len;
    }
    // The length stands before the argument: leave room for it, then close the gap.
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    for part in parts {
        let number = match part {
            Part::Text(text) => {
                out.extend_from_slice(text);
                continue;
            }
            Part::Value(sizes) => {
                let len = sizes.as_ref().unwrap_or(&source.value).draw(&mut source.rng);
                pool.cut(len, &mut source.rng, out);
                continue;
            }
            Part::Key { width } => {
                source.same = source.keys.draw(&mut source.rng);
                let text = digits.format(source.same);
                out.resize(out.len() + width.saturating_sub(text.len()), b'0');
                out.extend_from_slice(text.as_bytes());
                continue;
            }
            Part::Field { count } => {
                out.extend_from_slice(b"field");
                source.rng.below(*count)
            }
            Part::NewKey => {
                source.same = source.keys.add();
                source.same
            }
            Part::Same => source.same,
            Part::Range => {
                // Beyond the last loaded key there is nothing to find; a scan there starts over.
                let number = source.same + offset;
                if number >= source.keys.count() && source.same < source.keys.count() {
                    number % source.keys.count()
                } else {
                    number
                }
            }
            Part::Int { min, max } => {
                source.int = min + source.rng.below(max - min + 1);
                source.int
            }
            Part::TtlAround { mean } => (mean * source.rng.exponential()).round().max(1.0) as u64,
            Part::Seq => {
                source.same = source.seq;
                source.seq += source.stride;
                source.same
            }
        };
        out.extend_from_slice(digits.format(number).as_bytes());
    }
    let len = out.len() - start - HEAD;
    let text = digits.format(len);
    let used = text.len() + 3;
    out[start] = b'$';
    out[start + 1..][..text.len()].copy_from_slice(text.as_bytes());
    out[start + 1 + text.len()..][..2].copy_from_slice(b"\r\n");
    if used < HEAD {
        out.copy_within(start + HEAD.., start + used);
        out.truncate(start + used + len);
    }
    out.extend_from_slice(b"\r\n");
    start + used..start + used + len
}

/// Room for `$`, up to ten digits (an argument may hold several values), CR LF.
const HEAD: usize = 13;

fn head(kind: u8, n: u64, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Random letters and digits that values are cut from, so that making a value is a copy.
#[derive(Debug)]
pub struct Pool {
    text: Vec<u8>,
}

impl Pool {
    /// Half a mebibyte, the same for the same seed.
    pub fn new(seed: u64) -> Self {
        const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut rng = Rng::new(seed, &[u64::MAX]);
        let text = (0..512 << 10).map(|_| LETTERS[(rng.next_u64() >> 58) as usize]).collect();
        Pool { text }
    }

    fn cut(&self, len: usize, rng: &mut Rng, out: &mut Vec<u8>) {
        let mut at = rng.below(self.text.len() as u64) as usize;
        let mut left = len;
        while left > 0 {
            let n = left.min(self.text.len() - at);
            out.extend_from_slice(&self.text[at..at + n]);
            left -= n;
            at = 0;
        }
    }
}

/// Splits at blanks, outside quotes.
pub fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    if let Some(q) = quote {
        return Err(format!("{q} is never closed in \"{text}\""));
    }
    words.extend(word);
    Ok(words)
}

fn parts(word: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut text = Vec::new();
    let mut rest = word;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("{{") || rest.starts_with("}}") {
            text.push(c as u8);
            rest = &rest[2..];
        } else if c == '{' {
            let end = rest.find('}').ok_or_else(|| format!("{{ is never closed in {word} (write {{{{ for a brace)"))?;
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text)));
            }
            parts.push(placeholder(&rest[1..end])?);
            rest = &rest[end + 1..];
        } else if c == '}' {
            return Err(format!("}} without {{ in {word} (write }}}} for a brace)"));
        } else {
            let len = c.len_utf8();
            text.extend_from_slice(&rest.as_bytes()[..len]);
            rest = &rest[len..];
        }
    }
    if !text.is_empty() || parts.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(parts)
}

fn placeholder(inside: &str) -> Result<Part, String> {
    let (name, argument) = match inside.split_once(':') {
        Some((name, argument)) => (name, Some(argument)),
        None => (inside, None),
    };
    let need = || argument.ok_or_else(|| format!("{{{name}}} needs an argument, such as {{{name}:10}}"));
    Ok(match name {
        "key" => Part::Key {
            width: match argument.map(parse_whole).transpose()?.unwrap_or(0) {
                width @ 0..=32 => width as usize,
                width => return Err(format!("{{key:{width}}}: at most 32 digits")),
            },
        },
        "newkey" => Part::NewKey,
        "same" => Part::Same,
        "range" => Part::Range,
        "ttl" => ttl(need()?)?,
        "value" => Part::Value(argument.map(str::parse).transpose()?),
        "seq" => Part::Seq,
        "int" => integers(need()?)?,
        "field" => match parse_whole(need()?)? {
            0 => return Err("{field:0}: at least one field".to_string()),
            count => Part::Field { count },
        },
        _ => {
            return Err(format!(
                "unknown placeholder {{{inside}}} (key, newkey, same, value, int, range, seq, field, ttl; \
                 write {{{{ for a brace)"
            ));
        }
    })
}

fn integers(range: &str) -> Result<Part, String> {
    let (min, max) = range.split_once('-').ok_or_else(|| format!("\"{range}\" is no range: write {{int:1-100}}"))?;
    let (min, max) = (parse_whole(min)?, parse_whole(max)?);
    if min > max || max - min == u64::MAX {
        return Err(format!("{{int:{range}}} is an empty range"));
    }
    Ok(Part::Int { min, max })
}

fn ttl(text: &str) -> Result<Part, String> {
    let Some(mean) = text.strip_prefix("exp(").and_then(|rest| rest.strip_suffix(')')) else { return integers(text) };
    match parse_count(mean)? {
        mean if mean > 0.0 => Ok(Part::TtlAround { mean }),
        _ => Err(format!("{{ttl:{text}}}: a mean above 0")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::Law;
    use super::*;

    fn source(seed: u64) -> Source {
        let keys = Keys::new(Law::Uniform, 1000, 0, 1);
        Source::new(Rng::new(seed, &[0]), keys, Sizes::fixed(3), 0, 1)
    }

    fn encode(template: &str, seed: u64, n: usize) -> Vec<u8> {
        let (template, mut source, pool) = (Template::parse(template).unwrap(), source(seed), Pool::new(seed));
        let mut out = Vec::new();
        for _ in 0..n {
            for stage in 0..template.stages() {
                template.encode(stage, &mut source, &pool, &mut out);
            }
        }
        out
    }

    fn text(template: &str, n: usize) -> String {
        String::from_utf8(encode(template, 1, n)).unwrap()
    }

    #[test]
    fn an_operation_writes_to_the_key_that_it_read() {
        let stages = text("GET key:{key} ; SET key:{same} {value}", 1);
        let words: Vec<&str> = stages.split("\r\n").collect();
        assert_eq!((words[2], words[7]), ("GET", "SET"));
        assert_eq!(words[4], words[9], "{stages}");
    }

    #[test]
    fn a_range_asks_for_as_many_keys_as_the_scan_is_long() {
        let stages = text("ZRANGE i {key} 9 LIMIT 0 {int:3-3} ; MGET k:{range}", 1);
        let words: Vec<&str> = stages.split("\r\n").filter(|word| !word.starts_with(['$', '*'])).collect();
        let first: u64 = words[2].parse().unwrap();
        let keys = (0..3).map(|i| format!("k:{}", (first + i) % 1000)).collect::<Vec<_>>();
        assert_eq!(words[8..11], keys);
        assert!(stages.contains("*4\r\n$4\r\nMGET"));
    }

    #[test]
    fn times_to_live_follow_their_law() {
        let seconds = |template: &str| -> Vec<f64> {
            let out = text(template, 20_000);
            out.split("\r\n").skip(4).step_by(5).map(|word| word.parse().unwrap()).collect()
        };
        assert!(seconds("E {ttl:10-60}").iter().all(|ttl| (10.0..=60.0).contains(ttl)));
        let around = seconds("E {ttl:exp(300)}");
        let mean = around.iter().sum::<f64>() / around.len() as f64;
        assert!((mean - 300.0).abs() < 3.3 * 300.0 / (around.len() as f64).sqrt(), "{mean}");
    }

    #[test]
    fn the_key_that_tells_the_slot_is_found() {
        for (template, key) in [
            ("GET k", Some("k")),
            ("PING", None),
            ("EVAL s 2 a b", Some("a")),
            ("XREAD COUNT 1 STREAMS s 0", Some("s")),
            ("SET {{t}}:{seq} v", Some("{t}:0")),
            ("SOMETHING.NEW x", Some("x")),
        ] {
            let (template, mut source, mut out) = (Template::parse(template).unwrap(), source(1), Vec::new());
            let place = template.encode(0, &mut source, &Pool::new(1), &mut out);
            assert_eq!(place.map(|place| String::from_utf8_lossy(&out[place]).into_owned()).as_deref(), key);
        }
    }

    #[test]
    fn a_template_becomes_exactly_one_request() {
        assert_eq!(encode("GET \"a b\" ''", 1, 1), b"*3\r\n$3\r\nGET\r\n$3\r\na b\r\n$0\r\n\r\n");
        assert_eq!(encode("X {{t}}:{seq}", 1, 2), b"*2\r\n$1\r\nX\r\n$5\r\n{t}:0\r\n*2\r\n$1\r\nX\r\n$5\r\n{t}:1\r\n");
        assert_eq!(encode("SET k{key:6} {value:64}", 1, 1).len(), 4 + 9 + 4 + 7 + 2 + 5 + 64 + 2);
        assert_eq!(encode("SET k v{value:100}", 1, 1).len(), 4 + 9 + 7 + 6 + 101 + 2);
    }

    #[test]
    fn one_seed_gives_one_stream_to_the_bit() {
        let template = "SET key:{key} {value:1-4kb} PX {int:1-100000} {field:7}";
        assert_eq!(encode(template, 5, 1000), encode(template, 5, 1000));
        assert_ne!(encode(template, 5, 1000), encode(template, 6, 1000));
    }

    #[test]
    fn typos_in_a_template_are_named() {
        for (bad, says) in [
            ("", "empty"),
            ("GET {kye}", "kye"),
            ("GET {key", "never closed"),
            ("GET key}", "without"),
            ("GET 'a", "never closed"),
            ("GET {int}", "argument"),
            ("GET {int:9-1}", "empty range"),
            ("SET k {value:1tb}", "size"),
            ("GET a ; ; GET b", "empty"),
            ("MGET {range} {range}", "one argument"),
            ("EXPIRE k {ttl:exp(0)}", "above 0"),
        ] {
            let error = Template::parse(bad).unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }
}
