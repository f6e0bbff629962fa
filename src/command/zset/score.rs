//! Scores and bounds as arguments.

use crate::command::errors;
use crate::command::expect::{Refused, refuse};
use crate::object::zset::{LexBound, ScoreBound, parse_score};
use crate::shard::Cx;

/// Demands a number that is not NaN.
#[inline]
pub fn demand(cx: &mut Cx<'_>, text: &[u8]) -> Result<f64, Refused> {
    demand_or(cx, text, errors::NOT_A_FLOAT)
}

/// As [`demand`], with an error text of its own.
#[inline]
pub fn demand_or(cx: &mut Cx<'_>, text: &[u8], error: &str) -> Result<f64, Refused> {
    match parse(text) {
        Some(score) => Ok(score),
        None => refuse(cx, error),
    }
}

/// Reads a number as Redis does: what is too large or too small for 64 bits is none.
#[inline]
pub fn parse(text: &[u8]) -> Option<f64> {
    let score = parse_score(text)?;
    if (score.is_infinite() || score == 0.0) && !is_exact(text, score) {
        return None;
    }
    Some(score)
}

/// Whether the text means infinity or zero itself, not just a number that is rounded to it.
#[cold]
fn is_exact(text: &[u8], score: f64) -> bool {
    if score == 0.0 {
        let mantissa = text.split(|byte| byte.eq_ignore_ascii_case(&b'e')).next().unwrap_or_default();
        return !mantissa.iter().any(|byte| (b'1'..=b'9').contains(byte));
    }
    !text.iter().any(u8::is_ascii_digit)
}

/// Demands the two ends of a range by score.
pub fn score_bounds(cx: &mut Cx<'_>, min: &[u8], max: &[u8]) -> Result<(ScoreBound, ScoreBound), Refused> {
    match (ScoreBound::parse(min), ScoreBound::parse(max)) {
        (Some(min), Some(max)) => Ok((min, max)),
        _ => refuse(cx, "ERR min or max is not a float"),
    }
}

/// Demands the two ends of a range by name.
pub fn lex_bounds<'a>(cx: &mut Cx<'_>, min: &'a [u8], max: &'a [u8]) -> Result<(LexBound<'a>, LexBound<'a>), Refused> {
    match (LexBound::parse(min), LexBound::parse(max)) {
        (Some(min), Some(max)) => Ok((min, max)),
        _ => refuse(cx, "ERR min or max not valid string range item"),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn numbers_beyond_64_bits_are_refused_and_infinity_is_not() {
        for (text, number) in [
            ("inf", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("1e400", None),
            ("-1e400", None),
            ("1e-400", None),
            ("0e5", Some(0.0)),
            ("-0.0", Some(0.0)),
            ("nan", None),
            (" 1", None),
            ("1 ", None),
            ("", None),
            ("+1.5e2", Some(150.0)),
        ] {
            assert_eq!(parse(text.as_bytes()), number, "{text}");
        }
    }
}
