//! Entry IDs.

/// An entry's ID: milliseconds and a sequence number, written `ms-seq`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// Unix time in milliseconds, or whatever the client chose.
    pub ms: u64,
    /// Counts entries of one millisecond from 0.
    pub seq: u64,
}

impl StreamId {
    /// `0-0`, which no entry has.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The last one there is.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// The ID `ms-seq`.
    pub fn new(ms: u64, seq: u64) -> Self {
        StreamId { ms, seq }
    }

    /// The next one, if there is one.
    pub fn next(self) -> Option<Self> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The one before, if there is one.
    pub fn previous(self) -> Option<Self> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }

    /// Reads `ms-seq`, or `ms` with `missing_seq` for the rest.
    pub fn parse(text: &[u8], missing_seq: u64) -> Option<Self> {
        match text.iter().position(|&byte| byte == b'-') {
            Some(at) => Some(StreamId { ms: number(&text[..at])?, seq: number(&text[at + 1..])? }),
            None => Some(StreamId { ms: number(text)?, seq: missing_seq }),
        }
    }

    /// Reads the start of a range: as [`StreamId::parse`], or `-`, `+`, or with `(` before an ID that is left out.
    pub fn parse_start(text: &[u8]) -> Result<Self, RangeError> {
        match text {
            [b'(', id @ ..] => Self::parse_start_of(id)?.next().ok_or(RangeError::Start),
            id => Self::parse_bound(id, 0).ok_or(RangeError::Syntax),
        }
    }

    /// Reads the end of a range: as [`StreamId::parse_start`], but a missing sequence number means the last one.
    pub fn parse_end(text: &[u8]) -> Result<Self, RangeError> {
        match text {
            [b'(', id @ ..] => Self::parse(id, u64::MAX).ok_or(RangeError::Syntax)?.previous().ok_or(RangeError::End),
            id => Self::parse_bound(id, u64::MAX).ok_or(RangeError::Syntax),
        }
    }

    fn parse_start_of(id: &[u8]) -> Result<Self, RangeError> {
        Self::parse(id, 0).ok_or(RangeError::Syntax)
    }

    fn parse_bound(text: &[u8], missing_seq: u64) -> Option<Self> {
        match text {
            b"-" => Some(Self::MIN),
            b"+" => Some(Self::MAX),
            id => Self::parse(id, missing_seq),
        }
    }

    /// The 16 bytes, big-endian, that stand for it in RDB files.
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    /// The way back from [`StreamId::to_bytes`].
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let number = u128::from_be_bytes(bytes);
        StreamId { ms: (number >> 64) as u64, seq: number as u64 }
    }

    /// Appends `ms-seq`.
    pub fn write_to(self, out: &mut Vec<u8>) {
        out.extend_from_slice(itoa::Buffer::new().format(self.ms).as_bytes());
        out.push(b'-');
        out.extend_from_slice(itoa::Buffer::new().format(self.seq).as_bytes());
    }
}

impl std::fmt::Display for StreamId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// Digits only, within u64.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Why a range's bound can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Not an ID.
    #[error("ERR Invalid stream ID specified as stream command argument")]
    Syntax,
    /// Nothing comes behind the excluded start.
    #[error("ERR invalid start ID for the interval")]
    Start,
    /// Nothing comes before the excluded end.
    #[error("ERR invalid end ID for the interval")]
    End,
}

/// The ID that XADD is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdRequest {
    /// `*`: the time now, or just behind the last one.
    Auto,
    /// `ms-*`: the next sequence number of this millisecond.
    AutoSeq(u64),
    /// `ms-seq`, or `ms` for `ms-0`.
    Exact(StreamId),
}

impl IdRequest {
    /// Reads XADD's ID argument.
    pub fn parse(text: &[u8]) -> Option<Self> {
        match text {
            b"*" => Some(IdRequest::Auto),
            [ms @ .., b'-', b'*'] => number(ms).map(IdRequest::AutoSeq),
            id => StreamId::parse(id, 0).map(IdRequest::Exact),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_clients_write_them() {
        assert_eq!(StreamId::parse(b"5-7", 9), Some(StreamId::new(5, 7)));
        assert_eq!(StreamId::parse(b"5", 9), Some(StreamId::new(5, 9)));
        assert_eq!(StreamId::parse(b"18446744073709551615-18446744073709551615", 0), Some(StreamId::MAX));
        for wrong in [&b""[..], b"-", b"5-", b"-5", b"+5", b"5-6-7", b"18446744073709551616", b"a", b"*"] {
            assert_eq!(StreamId::parse(wrong, 0), None);
        }
        assert_eq!(IdRequest::parse(b"*"), Some(IdRequest::Auto));
        assert_eq!(IdRequest::parse(b"5-*"), Some(IdRequest::AutoSeq(5)));
        assert_eq!(IdRequest::parse(b"5"), Some(IdRequest::Exact(StreamId::new(5, 0))));
        assert_eq!(IdRequest::parse(b"-*"), None);
    }

    #[test]
    fn excluded_bounds_step_over_milliseconds() {
        assert_eq!(StreamId::parse_start(b"(5-18446744073709551615"), Ok(StreamId::new(6, 0)));
        assert_eq!(StreamId::parse_end(b"(5-0"), Ok(StreamId::new(4, u64::MAX)));
        assert_eq!(StreamId::parse_end(b"5"), Ok(StreamId::new(5, u64::MAX)));
        assert_eq!(StreamId::parse_start(b"-"), Ok(StreamId::MIN));
        assert_eq!(StreamId::parse_end(b"(0-0"), Err(RangeError::End));
        assert_eq!(StreamId::parse_start(b"(18446744073709551615-18446744073709551615"), Err(RangeError::Start));
        assert_eq!(StreamId::parse_start(b"(-"), Err(RangeError::Syntax));
    }

    #[test]
    fn bytes_sort_as_ids_do() {
        let ids = [StreamId::MIN, StreamId::new(0, 5), StreamId::new(1, 0), StreamId::MAX];
        for pair in ids.windows(2) {
            assert!(pair[0] < pair[1] && pair[0].to_bytes() < pair[1].to_bytes());
            assert_eq!(StreamId::from_bytes(pair[0].to_bytes()), pair[0]);
        }
    }
}
