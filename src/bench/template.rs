//! Command templates: `SET key:{key} {value:64}` becomes a RESP request with the placeholders filled in.
//!
//! | placeholder | filled with |
//! |---|---|
//! | `{key}`, `{key:12}` | a key number from the class's distribution; zero-padded to 12 digits |
//! | `{newkey}` | a key number never used before, above the class's keys |
//! | `{value}`, `{value:64}`, `{value:10-4kb}` | random letters and digits: the class's size, a fixed size, a uniform range |
//! | `{int:1-100}` | a random integer, ends included |
//! | `{seq}` | 0, 1, 2, … over all connections of the class |
//! | `{field:10}` | `field0` … `field9` |
//! | `{{`, `}}` | a literal brace, as in a hash tag: `{{user:{key}}}` |

use super::keys::Keys;
use super::rng::Rng;
use super::units::{parse_size, parse_whole};

/// A range of sizes in bytes, ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Smallest.
    pub min: usize,
    /// Largest, at most [`MAX_VALUE`].
    pub max: usize,
}

/// The largest value made, bytes: Redis's own limit on a string.
pub const MAX_VALUE: usize = 512 << 20;

impl std::str::FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (min, max) = text.split_once('-').unwrap_or((text, text));
        let sizes = Sizes { min: parse_size(min)?, max: parse_size(max)? };
        if sizes.min > sizes.max || sizes.max > MAX_VALUE {
            return Err(format!("\"{text}\" is not a range of sizes up to 512mb"));
        }
        Ok(sizes)
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(Vec<u8>),
    Key { width: usize },
    NewKey,
    Value(Option<Sizes>),
    Int { min: u64, max: u64 },
    Seq,
    Field { count: u64 },
}

/// One command with placeholders.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    source: String,
    arguments: Vec<Vec<Part>>,
}

/// What placeholders draw from: one connection's state. The same seed and path give the same draws.
#[derive(Clone, Debug)]
pub struct Source {
    rng: Rng,
    keys: Keys,
    seq: u64,
    stride: u64,
    value: Sizes,
}

impl Source {
    /// The source of connection `index` of `connections`.
    pub fn new(rng: Rng, keys: Keys, value: Sizes, index: u64, connections: u64) -> Self {
        Source { rng, keys, seq: index, stride: connections.max(1), value }
    }

    /// The generator, for choices made beside placeholders.
    pub fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }
}

impl Template {
    /// Reads a template; arguments are separated by blanks, and `"…"` or `'…'` keeps blanks together.
    pub fn parse(source: &str) -> Result<Self, String> {
        let mut arguments = Vec::new();
        for word in words(source)? {
            arguments.push(parts(&word).map_err(|e| format!("in \"{source}\": {e}"))?);
        }
        if arguments.is_empty() {
            return Err("an empty command".to_string());
        }
        Ok(Template { source: source.trim().to_string(), arguments })
    }

    /// The template as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Appends one request, encoded as an array of bulk strings. `pool` is random text that values are cut from.
    pub fn encode(&self, source: &mut Source, pool: &Pool, out: &mut Vec<u8>) {
        head(b'*', self.arguments.len() as u64, out);
        let mut digits = itoa::Buffer::new();
        for parts in &self.arguments {
            if let [Part::Value(sizes)] = parts[..] {
                // The common large argument: its length is known before it is copied.
                let len = draw_size(sizes.unwrap_or(source.value), &mut source.rng);
                head(b'$', len as u64, out);
                pool.cut(len, &mut source.rng, out);
                out.extend_from_slice(b"\r\n");
                continue;
            }
            // The length stands before the argument: leave room for it, then close the gap.
            let start = out.len();
            out.extend_from_slice(&[0; HEAD]);
            for part in parts {
                match *part {
                    Part::Text(ref text) => out.extend_from_slice(text),
                    Part::Key { width } => {
                        let text = digits.format(source.keys.draw(&mut source.rng));
                        out.resize(out.len() + width.saturating_sub(text.len()), b'0');
                        out.extend_from_slice(text.as_bytes());
                    }
                    Part::NewKey => out.extend_from_slice(digits.format(source.keys.add()).as_bytes()),
                    Part::Value(sizes) => {
                        let len = draw_size(sizes.unwrap_or(source.value), &mut source.rng);
                        pool.cut(len, &mut source.rng, out);
                    }
                    Part::Int { min, max } => {
                        let value = min + source.rng.below(max - min + 1);
                        out.extend_from_slice(digits.format(value).as_bytes());
                    }
                    Part::Seq => {
                        out.extend_from_slice(digits.format(source.seq).as_bytes());
                        source.seq += source.stride;
                    }
                    Part::Field { count } => {
                        out.extend_from_slice(b"field");
                        out.extend_from_slice(digits.format(source.rng.below(count)).as_bytes());
                    }
                }
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
        }
    }
}

/// Room for `$`, up to ten digits (an argument may hold several values), CR LF.
const HEAD: usize = 13;

fn head(kind: u8, n: u64, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn draw_size(sizes: Sizes, rng: &mut Rng) -> usize {
    if sizes.min == sizes.max { sizes.min } else { sizes.min + rng.below((sizes.max - sizes.min + 1) as u64) as usize }
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
        "value" => Part::Value(argument.map(str::parse).transpose()?),
        "seq" => Part::Seq,
        "int" => {
            let range = need()?;
            let (min, max) = range.split_once('-').ok_or_else(|| format!("{{int:{range}}}: write {{int:1-100}}"))?;
            let (min, max) = (parse_whole(min)?, parse_whole(max)?);
            if min > max || max - min == u64::MAX {
                return Err(format!("{{int:{range}}} is an empty range"));
            }
            Part::Int { min, max }
        }
        "field" => match parse_whole(need()?)? {
            0 => return Err("{field:0}: at least one field".to_string()),
            count => Part::Field { count },
        },
        _ => {
            return Err(format!(
                "unknown placeholder {{{inside}}} (key, newkey, value, int, seq, field; write {{{{ for a brace)"
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::keys::Law;
    use super::*;

    fn source(seed: u64) -> Source {
        let keys = Keys::new(Law::Uniform, 1000, 0, 1);
        Source::new(Rng::new(seed, &[0]), keys, Sizes { min: 3, max: 3 }, 0, 1)
    }

    fn encode(template: &str, seed: u64, n: usize) -> Vec<u8> {
        let (template, mut source, pool) = (Template::parse(template).unwrap(), source(seed), Pool::new(seed));
        let mut out = Vec::new();
        for _ in 0..n {
            template.encode(&mut source, &pool, &mut out);
        }
        out
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
        ] {
            let error = Template::parse(bad).unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }
}
