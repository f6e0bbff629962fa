//! The reply writer: RESP2 or RESP3, into a byte buffer.

use crate::object::zset::ScoreText;

/// The protocol that a connection speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proto {
    /// RESP2, what every connection starts with.
    #[default]
    Resp2,
    /// RESP3, after `HELLO 3`.
    Resp3,
}

impl Proto {
    /// Whether this is RESP3.
    #[inline]
    pub fn is_resp3(self) -> bool {
        self == Proto::Resp3
    }
}

/// Writes replies behind what `out` already holds. Types that RESP2 lacks are written as Redis downgrades them.
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    proto: Proto,
}

impl<'a> Reply<'a> {
    /// A writer to `out` for a connection that speaks `proto`.
    #[inline]
    pub fn new(out: &'a mut Vec<u8>, proto: Proto) -> Self {
        Reply { out, proto }
    }

    /// The connection's protocol.
    #[inline]
    pub fn proto(&self) -> Proto {
        self.proto
    }

    /// Whether the connection speaks RESP3.
    #[inline]
    pub fn is_resp3(&self) -> bool {
        self.proto == Proto::Resp3
    }

    /// How many bytes the buffer holds; a later [`Reply::truncate`] goes back to here.
    pub fn position(&self) -> usize {
        self.out.len()
    }

    /// Takes back everything written since [`Reply::position`] said `position`.
    pub fn truncate(&mut self, position: usize) {
        self.out.truncate(position);
    }

    /// What has been written since `position`.
    pub fn since(&self, position: usize) -> &[u8] {
        &self.out[position..]
    }

    /// Bytes that are already RESP, such as a reply that another core wrote.
    #[inline]
    pub fn raw(&mut self, resp: &[u8]) {
        self.out.extend_from_slice(resp);
    }

    /// `+OK`
    #[inline]
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// A simple string; must hold neither CR nor LF.
    #[inline]
    pub fn simple(&mut self, text: &str) {
        self.out.push(b'+');
        self.out.extend_from_slice(text.as_bytes());
        self.crlf();
    }

    /// An error, its code first: `"ERR syntax error"`. CR and LF become blanks, since a client's bytes may be in it.
    #[cold]
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        self.out.push(b'-');
        self.out.extend(text.as_ref().iter().map(|&b| if b == b'\r' || b == b'\n' { b' ' } else { b }));
        self.crlf();
    }

    /// An integer.
    #[inline]
    pub fn int(&mut self, value: i64) {
        match value {
            0 => self.out.extend_from_slice(b":0\r\n"),
            1 => self.out.extend_from_slice(b":1\r\n"),
            _ => self.number(b':', value),
        }
    }

    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.out.reserve(bytes.len() + 24);
        self.number(b'$', bytes.len() as i64);
        self.out.extend_from_slice(bytes);
        self.crlf();
    }

    /// A bulk string that spells an integer.
    pub fn bulk_int(&mut self, value: i64) {
        let mut buffer = itoa::Buffer::new();
        self.bulk(buffer.format(value).as_bytes());
    }

    /// The missing value: `$-1` in RESP2, `_` in RESP3.
    #[inline]
    pub fn null(&mut self) {
        match self.proto {
            Proto::Resp2 => self.out.extend_from_slice(b"$-1\r\n"),
            Proto::Resp3 => self.out.extend_from_slice(b"_\r\n"),
        }
    }

    /// The missing array: `*-1` in RESP2, `_` in RESP3.
    #[inline]
    pub fn null_array(&mut self) {
        match self.proto {
            Proto::Resp2 => self.out.extend_from_slice(b"*-1\r\n"),
            Proto::Resp3 => self.out.extend_from_slice(b"_\r\n"),
        }
    }

    /// The head of an array of `len` elements.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.number(b'*', len as i64);
    }

    /// The head of a map of `pairs` pairs; in RESP2 a flat array.
    pub fn map(&mut self, pairs: usize) {
        match self.proto {
            Proto::Resp2 => self.number(b'*', 2 * pairs as i64),
            Proto::Resp3 => self.number(b'%', pairs as i64),
        }
    }

    /// The head of a set of `len` elements; in RESP2 an array.
    pub fn set(&mut self, len: usize) {
        let kind = if self.is_resp3() { b'~' } else { b'*' };
        self.number(kind, len as i64);
    }

    /// The head of a push message of `len` elements; in RESP2 an array.
    pub fn push(&mut self, len: usize) {
        let kind = if self.is_resp3() { b'>' } else { b'*' };
        self.number(kind, len as i64);
    }

    /// A boolean; in RESP2 `:1` or `:0`.
    pub fn boolean(&mut self, value: bool) {
        match (self.proto, value) {
            (Proto::Resp2, _) => self.int(value as i64),
            (Proto::Resp3, true) => self.out.extend_from_slice(b"#t\r\n"),
            (Proto::Resp3, false) => self.out.extend_from_slice(b"#f\r\n"),
        }
    }

    /// A double, in the shortest form that reads back the same; in RESP2 a bulk string.
    pub fn double(&mut self, value: f64) {
        let text = ScoreText::new(value);
        let text = text.as_bytes();
        match self.proto {
            Proto::Resp2 => self.bulk(text),
            Proto::Resp3 => {
                self.out.push(b',');
                self.out.extend_from_slice(text);
                self.crlf();
            }
        }
    }

    /// Text for people, of a three-letter format such as `txt`; in RESP2 a bulk string.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        debug_assert_eq!(format.len(), 3);
        match self.proto {
            Proto::Resp2 => self.bulk(text),
            Proto::Resp3 => {
                self.number(b'=', text.len() as i64 + 4);
                self.out.extend_from_slice(format.as_bytes());
                self.out.push(b':');
                self.out.extend_from_slice(text);
                self.crlf();
            }
        }
    }

    /// An integer too large for 64 bits, in decimal; in RESP2 a bulk string.
    pub fn big_number(&mut self, digits: &str) {
        match self.proto {
            Proto::Resp2 => self.bulk(digits.as_bytes()),
            Proto::Resp3 => {
                self.out.push(b'(');
                self.out.extend_from_slice(digits.as_bytes());
                self.crlf();
            }
        }
    }

    /// The head of an array whose length is known only later: call [`Reply::finish_array`] with what this returns.
    pub fn deferred_array(&mut self) -> usize {
        self.out.len()
    }

    /// Puts the head of an array of `len` elements before what was written since `start`. Moves those bytes once.
    pub fn finish_array(&mut self, start: usize, len: usize) {
        self.finish(start, b'*', len);
    }

    /// As [`Reply::finish_array`] for a map of `pairs` pairs.
    pub fn finish_map(&mut self, start: usize, pairs: usize) {
        match self.proto {
            Proto::Resp2 => self.finish(start, b'*', 2 * pairs),
            Proto::Resp3 => self.finish(start, b'%', pairs),
        }
    }

    /// As [`Reply::finish_array`] for a set of `len` elements.
    pub fn finish_set(&mut self, start: usize, len: usize) {
        let kind = if self.is_resp3() { b'~' } else { b'*' };
        self.finish(start, kind, len);
    }

    /// Exchanges what was written between the positions `first` and `second` with what was written since: for parts that
    /// are known only after those that follow them.
    pub fn put_before(&mut self, first: usize, second: usize) {
        self.out[first..].rotate_left(second - first);
    }

    fn finish(&mut self, start: usize, kind: u8, len: usize) {
        let end = self.out.len();
        self.number(kind, len as i64);
        let head = self.out.len() - end;
        self.out[start..].rotate_right(head);
    }

    #[inline]
    fn number(&mut self, kind: u8, value: i64) {
        self.out.push(kind);
        push_int(self.out, value);
        self.crlf();
    }

    #[inline]
    fn crlf(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Appends `value` in decimal.
#[inline]
fn push_int(out: &mut Vec<u8>, value: i64) {
    if (0..10).contains(&value) {
        out.push(b'0' + value as u8);
    } else {
        let mut buffer = itoa::Buffer::new();
        out.extend_from_slice(buffer.format(value).as_bytes());
    }
}

/// Appends a request (an array of bulk strings), the form of every log record. `words` includes the command's name.
#[inline]
pub fn write_command<'w>(out: &mut Vec<u8>, words: impl ExactSizeIterator<Item = &'w [u8]>) {
    out.push(b'*');
    push_int(out, words.len() as i64);
    out.extend_from_slice(b"\r\n");
    for word in words {
        out.reserve(word.len() + 24);
        out.push(b'$');
        push_int(out, word.len() as i64);
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_with_line_breaks_stays_one_reply() {
        let mut out = Vec::new();
        Reply::new(&mut out, Proto::Resp2).error("ERR a\r\nb");
        assert_eq!(out, b"-ERR a  b\r\n");
    }

    #[test]
    fn a_deferred_array_gets_its_length_in_front() {
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, Proto::Resp3);
        reply.ok();
        let start = reply.deferred_array();
        reply.int(7);
        reply.bulk(b"x");
        reply.finish_array(start, 2);
        assert_eq!(out, b"+OK\r\n*2\r\n:7\r\n$1\r\nx\r\n");
    }

    #[test]
    fn null_and_maps_fall_back_in_resp2() {
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, Proto::Resp2);
        reply.null();
        reply.map(2);
        reply.boolean(true);
        reply.double(2.5);
        assert_eq!(out, b"$-1\r\n*4\r\n:1\r\n$3\r\n2.5\r\n");
    }
}
