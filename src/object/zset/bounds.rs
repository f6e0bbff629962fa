//! The ends of ranges by score and by name.

use super::score::parse_score;

/// One end of a range by score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScoreBound {
    /// The score itself is in the range.
    Inclusive(f64),
    /// The score itself is not.
    Exclusive(f64),
}

impl ScoreBound {
    /// Reads a bound as in ZRANGEBYSCORE: a number or `inf`, behind `(` when exclusive. NaN is none.
    pub fn parse(text: &[u8]) -> Option<Self> {
        match text {
            [b'(', score @ ..] => parse_score(score).map(ScoreBound::Exclusive),
            score => parse_score(score).map(ScoreBound::Inclusive),
        }
    }

    /// Whether a range with this as its lower end goes as far down as `score`.
    #[inline]
    pub fn admits_from_below(self, score: f64) -> bool {
        match self {
            ScoreBound::Inclusive(min) => score >= min,
            ScoreBound::Exclusive(min) => score > min,
        }
    }

    /// Whether a range with this as its upper end goes as far up as `score`.
    #[inline]
    pub fn admits_from_above(self, score: f64) -> bool {
        match self {
            ScoreBound::Inclusive(max) => score <= max,
            ScoreBound::Exclusive(max) => score < max,
        }
    }
}

/// One end of a range by name, for members that all have the same score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LexBound<'a> {
    /// Below every name: `-`.
    Min,
    /// Above every name: `+`.
    Max,
    /// The name itself is in the range: `[name`.
    Inclusive(&'a [u8]),
    /// The name itself is not: `(name`.
    Exclusive(&'a [u8]),
}

impl<'a> LexBound<'a> {
    /// Reads a bound as in ZRANGEBYLEX.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        match text {
            b"-" => Some(LexBound::Min),
            b"+" => Some(LexBound::Max),
            [b'[', name @ ..] => Some(LexBound::Inclusive(name)),
            [b'(', name @ ..] => Some(LexBound::Exclusive(name)),
            _ => None,
        }
    }

    /// Whether a range with this as its lower end goes as far down as `name`.
    #[inline]
    pub fn admits_from_below(self, name: &[u8]) -> bool {
        match self {
            LexBound::Min => true,
            LexBound::Max => false,
            LexBound::Inclusive(min) => name >= min,
            LexBound::Exclusive(min) => name > min,
        }
    }

    /// Whether a range with this as its upper end goes as far up as `name`.
    #[inline]
    pub fn admits_from_above(self, name: &[u8]) -> bool {
        match self {
            LexBound::Min => false,
            LexBound::Max => true,
            LexBound::Inclusive(max) => name <= max,
            LexBound::Exclusive(max) => name < max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_read_what_clients_write() {
        assert_eq!(ScoreBound::parse(b"(1.5"), Some(ScoreBound::Exclusive(1.5)));
        assert_eq!(ScoreBound::parse(b"-inf"), Some(ScoreBound::Inclusive(f64::NEG_INFINITY)));
        assert_eq!(ScoreBound::parse(b"+inf"), Some(ScoreBound::Inclusive(f64::INFINITY)));
        assert_eq!(ScoreBound::parse(b"(nan"), None);
        assert_eq!(ScoreBound::parse(b"x"), None);
        assert_eq!(LexBound::parse(b"-"), Some(LexBound::Min));
        assert_eq!(LexBound::parse(b"[a"), Some(LexBound::Inclusive(b"a")));
        assert_eq!(LexBound::parse(b"("), Some(LexBound::Exclusive(b"")));
        assert_eq!(LexBound::parse(b"a"), None);
        assert_eq!(LexBound::parse(b""), None);
    }
}
