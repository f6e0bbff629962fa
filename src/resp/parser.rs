//! The request parser: finds the arguments of one request in a byte buffer, without copying them.

use super::args::Span;
use thiserror::Error;

/// Longest inline request, longest header line of a request; bytes, as in Redis.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Most arguments and longest argument of one request.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Most arguments in one request.
    pub args_max: i64,
    /// Longest argument, bytes (`proto-max-bulk-len`).
    pub bulk_bytes_max: i64,
    /// Whether the connection still has to authenticate, so that errors say so.
    pub unauthenticated: bool,
}

impl RequestLimits {
    /// The limits of a connection that may run commands.
    pub fn authenticated(bulk_bytes_max: i64) -> Self {
        RequestLimits { args_max: i32::MAX as i64, bulk_bytes_max, unauthenticated: false }
    }

    /// The limits before authentication: enough for AUTH and HELLO, too little to be a burden.
    pub fn unauthenticated() -> Self {
        RequestLimits { args_max: 10, bulk_bytes_max: 16 * 1024, unauthenticated: true }
    }
}

/// What a client sent is not RESP. The text is what it is told, behind `-ERR Protocol error: `.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ProtocolError {
    /// An inline request without end.
    #[error("too big inline request")]
    InlineTooBig,
    /// An inline request whose quotes do not match.
    #[error("unbalanced quotes in request")]
    UnbalancedQuotes,
    /// The line with the number of arguments has no end.
    #[error("too big mbulk count string")]
    CountLineTooBig,
    /// The line with an argument's length has no end.
    #[error("too big bulk count string")]
    LengthLineTooBig,
    /// The number of arguments is not a number, or too large.
    #[error("invalid multibulk length")]
    InvalidCount,
    /// More arguments than a connection may send before it authenticates.
    #[error("unauthenticated multibulk length")]
    UnauthenticatedCount,
    /// An argument does not begin with `$`.
    #[error("expected '$', got '{}'", *.0 as char)]
    ExpectedBulk(u8),
    /// An argument's length is not a number, or over the limit.
    #[error("invalid bulk length")]
    InvalidLength,
    /// A longer argument than a connection may send before it authenticates.
    #[error("unauthenticated bulk length")]
    UnauthenticatedLength,
}

/// What [`Parser::parse`] found at the start of the bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A request of this many bytes; its arguments are [`Parser::spans`], relative to its first byte.
    Request(usize),
    /// An empty line or array of this many bytes: nothing to do.
    Empty(usize),
    /// The request goes on behind these bytes. Holds the length in bytes that it must at least have, as far as known.
    Incomplete(usize),
}

/// A resumable parser of one request at a time.
///
/// While a request is incomplete, call [`Parser::parse`] again with the same bytes and more behind them: what was
/// understood is not looked at again, so a request of any size is parsed in linear time.
#[derive(Debug, Default)]
pub struct Parser {
    spans: Vec<Span>,
    /// Arguments still to come; 0 when no array is under way.
    remaining: i64,
    /// Length of the argument under way, or -1 while its length line is awaited.
    bulk: i64,
    /// How far the request has been understood, in bytes from its start.
    position: usize,
    /// How far the line under way has been searched for its end.
    searched: usize,
    /// Unescaped words of an inline request; their spans point in here.
    inline: Vec<u8>,
    is_inline: bool,
}

impl Parser {
    /// A parser at the start of a request.
    pub fn new() -> Self {
        Parser { bulk: -1, ..Parser::default() }
    }

    /// The spans of the request that [`Parser::parse`] returned last.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// The buffer that the spans point into: the request's own bytes, or the parser's copy of an inline request.
    pub fn buffer<'b>(&'b self, request: &'b [u8]) -> &'b [u8] {
        if self.is_inline { &self.inline } else { request }
    }

    /// Whether a request has been begun but not ended.
    pub fn in_request(&self) -> bool {
        self.position > 0 || self.searched > 0
    }

    /// Forgets a request under way.
    pub fn reset(&mut self) {
        self.remaining = 0;
        self.bulk = -1;
        self.position = 0;
        self.searched = 0;
    }

    /// Looks for one request at the start of `bytes`.
    #[inline]
    pub fn parse(&mut self, bytes: &[u8], limits: &RequestLimits) -> Result<Parsed, ProtocolError> {
        if self.position == 0 {
            match bytes.first() {
                None => return Ok(Parsed::Incomplete(1)),
                Some(b'*') => {}
                Some(_) => return self.parse_inline(bytes),
            }
            self.is_inline = false;
            self.spans.clear();
            let Some((count, next)) = self.line_number(bytes, 1, ProtocolError::CountLineTooBig)? else {
                return Ok(Parsed::Incomplete(bytes.len() + 1));
            };
            let count = count.filter(|&n| n <= limits.args_max.max(10));
            let count = match count {
                Some(n) if limits.unauthenticated && n > limits.args_max => {
                    return Err(ProtocolError::UnauthenticatedCount);
                }
                Some(n) => n,
                None if limits.unauthenticated => return Err(ProtocolError::UnauthenticatedCount),
                None => return Err(ProtocolError::InvalidCount),
            };
            if count <= 0 {
                self.reset();
                return Ok(Parsed::Empty(next));
            }
            self.remaining = count;
            self.bulk = -1;
            self.position = next;
        }
        while self.remaining > 0 {
            if self.bulk < 0 {
                match bytes.get(self.position) {
                    None => return Ok(Parsed::Incomplete(bytes.len() + 1)),
                    Some(b'$') => {}
                    Some(&other) => return Err(ProtocolError::ExpectedBulk(other)),
                }
                let line = self.line_number(bytes, self.position + 1, ProtocolError::LengthLineTooBig)?;
                let Some((length, next)) = line else {
                    return Ok(Parsed::Incomplete(bytes.len() + 1));
                };
                match length {
                    Some(n) if (0..=limits.bulk_bytes_max).contains(&n) => self.bulk = n,
                    Some(n) if n >= 0 && limits.unauthenticated => return Err(ProtocolError::UnauthenticatedLength),
                    _ => return Err(ProtocolError::InvalidLength),
                }
                self.position = next;
            }
            let len = self.bulk as usize;
            let end = self.position + len + 2;
            if bytes.len() < end {
                return Ok(Parsed::Incomplete(end));
            }
            self.spans.push(Span { start: self.position as u32, len: len as u32 });
            self.position = end;
            self.bulk = -1;
            self.remaining -= 1;
        }
        let end = self.position;
        self.position = 0;
        self.searched = 0;
        Ok(Parsed::Request(end))
    }

    /// The number on the line that begins at `start`, and where the next line begins. `None`: the line has no end
    /// yet; `Some(None)`: it is no number.
    #[inline]
    fn line_number(
        &mut self,
        bytes: &[u8],
        start: usize,
        too_big: ProtocolError,
    ) -> Result<Option<(Option<i64>, usize)>, ProtocolError> {
        // Nearly every number has one to three digits: look at those before searching for the line's end.
        let mut value = 0i64;
        let mut at = start;
        while let Some(&byte) = bytes.get(at) {
            if byte.is_ascii_digit() && at - start < 18 {
                value = value * 10 + (byte - b'0') as i64;
                at += 1;
            } else if byte == b'\r' && at > start && at + 1 < bytes.len() {
                self.searched = 0;
                return Ok(Some((Some(value), at + 2)));
            } else {
                break;
            }
        }
        let from = self.searched.max(start);
        match memchr::memchr(b'\r', bytes.get(from..).unwrap_or_default()) {
            Some(found) if from + found + 1 < bytes.len() => {
                let end = from + found;
                self.searched = 0;
                let number = std::str::from_utf8(&bytes[start..end]).ok().and_then(|text| text.parse().ok());
                Ok(Some((number, end + 2)))
            }
            found => {
                if bytes.len() - start > LINE_BYTES_MAX {
                    return Err(too_big);
                }
                self.searched = found.map_or(bytes.len(), |found| from + found);
                Ok(None)
            }
        }
    }

    #[cold]
    fn parse_inline(&mut self, bytes: &[u8]) -> Result<Parsed, ProtocolError> {
        let Some(found) = memchr::memchr(b'\n', &bytes[self.searched..]) else {
            if bytes.len() > LINE_BYTES_MAX {
                return Err(ProtocolError::InlineTooBig);
            }
            self.searched = bytes.len();
            return Ok(Parsed::Incomplete(bytes.len() + 1));
        };
        let newline = self.searched + found;
        self.searched = 0;
        let line = &bytes[..newline];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.is_inline = true;
        self.spans.clear();
        self.inline.clear();
        split_words(line, &mut self.inline, &mut self.spans)?;
        Ok(if self.spans.is_empty() { Parsed::Empty(newline + 1) } else { Parsed::Request(newline + 1) })
    }
}

/// Splits a line into words as Redis does: blanks separate, `"…"` takes escapes (`\n`, `\xff`), `'…'` only `\'`.
fn split_words(line: &[u8], words: &mut Vec<u8>, spans: &mut Vec<Span>) -> Result<(), ProtocolError> {
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Ok(());
        }
        let start = words.len();
        rest = match rest[0] {
            quote @ (b'"' | b'\'') => quoted(&rest[1..], quote, words)?,
            _ => bare(rest, words)?,
        };
        spans.push(Span { start: start as u32, len: (words.len() - start) as u32 });
    }
}

/// Copies a word up to a blank; a quote inside it begins a quoted part, which must end the word.
fn bare<'a>(mut rest: &'a [u8], words: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    while let Some((&byte, next)) = rest.split_first() {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | 0 => break,
            quote @ (b'"' | b'\'') => return quoted(next, quote, words),
            _ => words.push(byte),
        }
        rest = next;
    }
    Ok(rest.strip_prefix(b"\0").unwrap_or(rest))
}

/// Copies what stands before the closing `quote`, which a blank or the line's end must follow.
fn quoted<'a>(mut rest: &'a [u8], quote: u8, words: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        match (quote, rest) {
            (b'"', [b'\\', b'x', high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |byte: u8| (byte as char).to_digit(16).unwrap_or(0) as u8;
                words.push(digit(*high) * 16 + digit(*low));
                rest = tail;
            }
            (b'"', [b'\\', escaped, tail @ ..]) => {
                words.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                rest = tail;
            }
            (b'\'', [b'\\', b'\'', tail @ ..]) => {
                words.push(b'\'');
                rest = tail;
            }
            (_, [byte, tail @ ..]) if *byte == quote => {
                return match tail.first() {
                    None => Ok(tail),
                    Some(next) if next.is_ascii_whitespace() || *next == 0 => Ok(tail),
                    Some(_) => Err(ProtocolError::UnbalancedQuotes),
                };
            }
            (_, [byte, tail @ ..]) => {
                words.push(*byte);
                rest = tail;
            }
            (_, []) => return Err(ProtocolError::UnbalancedQuotes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: RequestLimits =
        RequestLimits { args_max: i32::MAX as i64, bulk_bytes_max: 512 << 20, unauthenticated: false };

    fn words(parser: &Parser, request: &[u8]) -> Vec<Vec<u8>> {
        let buffer = parser.buffer(request);
        parser.spans().iter().map(|s| buffer[s.start as usize..][..s.len as usize].to_vec()).collect()
    }

    #[test]
    fn a_request_cut_at_any_byte_is_resumed() {
        let request = b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$12\r\nvalue\r\nvalue\r\n*1\r\n$4\r\nPING\r\n";
        for cut in 0..41 {
            let mut parser = Parser::new();
            match parser.parse(&request[..cut], &OPEN) {
                Ok(Parsed::Incomplete(least)) => assert!(least > cut && least <= 41),
                other => panic!("{other:?} at {cut}"),
            }
            assert_eq!(parser.parse(request, &OPEN), Ok(Parsed::Request(41)));
            assert_eq!(words(&parser, request), [&b"SET"[..], b"key", b"value\r\nvalue"]);
        }
    }

    #[test]
    fn byte_by_byte_equals_all_at_once() {
        let request = b"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n";
        let mut parser = Parser::new();
        for end in 0..request.len() {
            assert!(matches!(parser.parse(&request[..end], &OPEN), Ok(Parsed::Incomplete(_))));
        }
        assert_eq!(parser.parse(request, &OPEN), Ok(Parsed::Request(request.len())));
        assert_eq!(words(&parser, request), [&b"ECHO"[..], b""]);
    }

    #[test]
    fn inline_words_take_quotes_and_escapes() {
        let mut parser = Parser::new();
        let line = b"set 'a\\'b' \"x\\x41\\n\" c\"d\"\r\n";
        assert_eq!(parser.parse(line, &OPEN), Ok(Parsed::Request(line.len())));
        assert_eq!(words(&parser, line), [&b"set"[..], b"a'b", b"xA\n", b"cd"]);
        assert_eq!(parser.parse(b"set \"a\n", &OPEN), Err(ProtocolError::UnbalancedQuotes));
        parser.reset();
        assert_eq!(parser.parse(b"\r\n", &OPEN), Ok(Parsed::Empty(2)));
    }

    #[test]
    fn lies_about_lengths_are_refused_in_redis_words() {
        let mut parser = Parser::new();
        for (request, text) in [
            (&b"*a\r\n"[..], "invalid multibulk length"),
            (b"*99999999999\r\n", "invalid multibulk length"),
            (b"*1\r\n+OK\r\n", "expected '$', got '+'"),
            (b"*1\r\n$-1\r\n", "invalid bulk length"),
            (b"*1\r\n$9999999999\r\n", "invalid bulk length"),
        ] {
            parser.reset();
            assert_eq!(parser.parse(request, &OPEN).unwrap_err().to_string(), text);
        }
        let closed = RequestLimits::unauthenticated();
        parser.reset();
        assert_eq!(parser.parse(b"*11\r\n", &closed), Err(ProtocolError::UnauthenticatedCount));
        parser.reset();
        assert_eq!(parser.parse(b"*1\r\n$16385\r\n", &closed), Err(ProtocolError::UnauthenticatedLength));
    }

    #[test]
    fn empty_arrays_are_skipped() {
        let mut parser = Parser::new();
        assert_eq!(parser.parse(b"*0\r\n", &OPEN), Ok(Parsed::Empty(4)));
        assert_eq!(parser.parse(b"*-1\r\n", &OPEN), Ok(Parsed::Empty(5)));
    }
}
