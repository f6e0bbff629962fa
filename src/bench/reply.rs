//! Counts replies in a stream of bytes without keeping them: the generator's parser.
//!
//! RESP2 and RESP3 (<https://redis.io/docs/latest/develop/reference/protocol-spec/>). It takes the bytes as they come,
//! in pieces of any size, and reports each whole reply once. Only error texts are kept, to count errors by kind.

use memchr::memchr;

/// Bytes that are not RESP; the stream cannot be followed any further.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProtocolError {
    /// A reply began with a byte that names no type.
    #[error("unknown reply type {0:?}")]
    UnknownType(char),
    /// A length or count was no number.
    #[error("bad length in a reply: {0:?}")]
    BadLength(String),
    /// A line ran on beyond the limit.
    #[error("a reply line longer than {MAX_LINE} bytes")]
    LineTooLong,
    /// Arrays within arrays beyond the limit.
    #[error("replies nested deeper than {MAX_DEPTH}")]
    TooDeep,
}

/// The longest line of a simple string, number or error, bytes.
const MAX_LINE: usize = 64 << 10;
/// The deepest nesting followed.
const MAX_DEPTH: usize = 32;

/// What one whole reply amounted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// A value, the missing value included.
    Value,
    /// The missing value alone (`$-1`, `*-1`, `_`): a GET that found nothing.
    Missing,
    /// An error, or a value with an error inside it (as EXEC gives); the text of the first one.
    Error(&'a [u8]),
}

/// A level of nesting: how many elements are still to come.
#[derive(Clone, Copy, Debug)]
struct Level {
    left: u64,
    /// An attribute precedes the reply it belongs to and is no reply itself; a push answers nobody.
    counts: bool,
}

/// The parser's place in the stream.
#[derive(Debug, Default)]
pub struct ReplyParser {
    levels: Vec<Level>,
    /// Payload bytes of a bulk, its CR LF included, still to skip.
    skip: u64,
    /// The start of a line whose end has not come yet.
    line: Vec<u8>,
    /// Text of the first error in the current reply.
    error: Vec<u8>,
    in_error: bool,
}

impl ReplyParser {
    /// A parser at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes `bytes` and calls `done` for each reply that ends in them.
    pub fn feed(&mut self, mut bytes: &[u8], mut done: impl FnMut(Outcome<'_>)) -> Result<(), ProtocolError> {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let n = self.skip.min(bytes.len() as u64);
                self.skip -= n;
                bytes = &bytes[n as usize..];
                if self.skip == 0 {
                    self.value(false, &mut done);
                }
                continue;
            }
            let Some(end) = memchr(b'\n', bytes) else {
                if self.line.len() + bytes.len() > MAX_LINE {
                    return Err(ProtocolError::LineTooLong);
                }
                self.line.extend_from_slice(bytes);
                return Ok(());
            };
            if self.line.is_empty() {
                self.head(&bytes[..end], &mut done)?;
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(&bytes[..end]);
                let outcome = self.head(&line, &mut done);
                line.clear();
                self.line = line;
                outcome?;
            }
            bytes = &bytes[end + 1..];
        }
        Ok(())
    }

    /// Takes a line, its LF already off.
    fn head(&mut self, line: &[u8], done: &mut impl FnMut(Outcome<'_>)) -> Result<(), ProtocolError> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some((&kind, rest)) = line.split_first() else { return Err(ProtocolError::UnknownType('\n')) };
        match kind {
            b'+' | b':' | b'#' | b',' | b'(' => self.value(false, done),
            b'_' => self.value(true, done),
            b'-' => {
                self.fault(rest);
                self.value(false, done);
            }
            b'$' | b'=' | b'!' => match length(rest)? {
                None => self.value(true, done),
                Some(len) => {
                    if kind == b'!' {
                        // Rare and never sent in RESP2; the kind is all that is known without keeping the payload.
                        self.fault(b"BLOBERROR");
                    }
                    self.skip = len + 2;
                }
            },
            b'*' | b'~' => match length(rest)? {
                None => self.value(true, done),
                Some(len) => self.open(len, true, done)?,
            },
            b'%' => self.open(2 * length(rest)?.unwrap_or(0), true, done)?,
            b'|' => self.open(2 * length(rest)?.unwrap_or(0), false, done)?,
            b'>' => self.open(length(rest)?.unwrap_or(0), false, done)?,
            other => return Err(ProtocolError::UnknownType(other as char)),
        }
        Ok(())
    }

    fn fault(&mut self, text: &[u8]) {
        if !self.in_error {
            self.in_error = true;
            self.error.clear();
            self.error.extend_from_slice(text);
        }
    }

    fn open(&mut self, left: u64, counts: bool, done: &mut impl FnMut(Outcome<'_>)) -> Result<(), ProtocolError> {
        if self.levels.len() == MAX_DEPTH {
            return Err(ProtocolError::TooDeep);
        }
        if left > 0 {
            self.levels.push(Level { left, counts });
        } else if counts {
            self.value(false, done);
        }
        Ok(())
    }

    /// A value is complete: closes the levels that it completes, and the reply if none is left open.
    fn value(&mut self, missing: bool, done: &mut impl FnMut(Outcome<'_>)) {
        let mut missing = missing && self.levels.is_empty();
        while let Some(level) = self.levels.last_mut() {
            level.left -= 1;
            if level.left > 0 {
                return;
            }
            let counts = level.counts;
            self.levels.pop();
            missing = false;
            if !counts {
                return;
            }
        }
        if std::mem::take(&mut self.in_error) {
            done(Outcome::Error(&self.error));
        } else if missing {
            done(Outcome::Missing);
        } else {
            done(Outcome::Value);
        }
    }
}

/// A length or count; `None` for -1.
fn length(digits: &[u8]) -> Result<Option<u64>, ProtocolError> {
    if digits == b"-1" {
        return Ok(None);
    }
    let bad = || ProtocolError::BadLength(String::from_utf8_lossy(&digits[..digits.len().min(32)]).into_owned());
    if digits.is_empty() || digits.len() > 18 {
        return Err(bad());
    }
    digits
        .iter()
        .try_fold(0u64, |n, &d| d.is_ascii_digit().then(|| n * 10 + u64::from(d - b'0')))
        .map(Some)
        .ok_or_else(bad)
}

/// The kind of an error: its first word, or the whole text if it has no code in capitals.
pub fn error_kind(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let word = text.split(' ').next().unwrap_or("");
    match word {
        // ERR says nothing by itself: keep the text, without what a client's arguments add to it.
        "ERR" => text.split(['\'', '`', ',']).next().unwrap_or("ERR").trim_end().chars().take(80).collect(),
        _ => word.chars().take(40).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(stream: &[u8], piece: usize) -> Vec<String> {
        let mut parser = ReplyParser::new();
        let mut out = Vec::new();
        for bytes in stream.chunks(piece) {
            parser
                .feed(bytes, |outcome| {
                    out.push(match outcome {
                        Outcome::Value => "value".to_string(),
                        Outcome::Missing => "missing".to_string(),
                        Outcome::Error(text) => format!("error {}", String::from_utf8_lossy(text)),
                    });
                })
                .unwrap();
        }
        out
    }

    const STREAM: &[u8] =
        b"+OK\r\n:12\r\n$-1\r\n$5\r\nab\r\nc\r\n*-1\r\n*0\r\n*2\r\n*1\r\n$1\r\nx\r\n$-1\r\n-ERR no\r\n\
        *2\r\n+OK\r\n-WRONGTYPE bad\r\n_\r\n%1\r\n+a\r\n:1\r\n>2\r\n+m\r\n+n\r\n|1\r\n+t\r\n:9\r\n#t\r\n$0\r\n\r\n";

    #[test]
    fn replies_are_counted_however_the_bytes_are_cut() {
        let whole = parse(STREAM, STREAM.len());
        assert_eq!(
            whole,
            [
                "value",
                "value",
                "missing",
                "value",
                "missing",
                "value",
                "value",
                "error ERR no",
                "error WRONGTYPE bad",
                "missing",
                "value",
                "value",
                "value"
            ]
        );
        for piece in 1..STREAM.len() {
            assert_eq!(parse(STREAM, piece), whole, "in pieces of {piece}");
        }
    }

    #[test]
    fn garbage_is_refused_instead_of_waited_for() {
        for bad in [&b"hello\r\n"[..], b"$x\r\n", b"*-2\r\n", b"\r\n", b"$99999999999999999999\r\n"] {
            assert!(ReplyParser::new().feed(bad, |_| {}).is_err(), "{bad:?}");
        }
        assert_eq!(ReplyParser::new().feed(&vec![b'+'; MAX_LINE + 1], |_| {}), Err(ProtocolError::LineTooLong));
        assert_eq!(ReplyParser::new().feed(&b"*1\r\n".repeat(MAX_DEPTH + 1), |_| {}), Err(ProtocolError::TooDeep));
    }

    #[test]
    fn errors_fall_into_kinds() {
        assert_eq!(error_kind(b"WRONGTYPE Operation against"), "WRONGTYPE");
        assert_eq!(error_kind(b"ERR unknown command 'FOO', with args"), "ERR unknown command");
    }
}
