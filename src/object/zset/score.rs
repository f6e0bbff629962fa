//! Scores as text, the way Redis writes them into listpacks and RDB files.

/// Longest text: 17 digits, sign, point, and `e-308`, or zeros in place of an exponent.
const MAX_BYTES: usize = 32;

/// A score's text, on the stack.
#[derive(Clone, Copy)]
pub struct ScoreText {
    bytes: [u8; MAX_BYTES],
    len: usize,
}

impl ScoreText {
    /// The shortest text that reads back as `score`, spelled as Redis 7's d2string spells it: whole numbers below
    /// 2^62 in full, `inf`, `-inf`, `-0`, exponents as `1e+20` and `1.5e-9`.
    pub fn new(score: f64) -> Self {
        let mut text = ScoreText { bytes: [0; MAX_BYTES], len: 0 };
        if score.is_nan() {
            text.push(b"nan");
        } else if score.is_infinite() {
            text.push(if score > 0.0 { b"inf" } else { b"-inf" });
        } else if score == 0.0 {
            text.push(if score.is_sign_negative() { b"-0" } else { b"0" });
        } else if let Some(integer) = as_integer(score) {
            text.push(itoa::Buffer::new().format(integer).as_bytes());
        } else {
            text.push_fraction(score);
        }
        text
    }

    /// The text.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn push_zeros(&mut self, count: usize) {
        self.bytes[self.len..][..count].fill(b'0');
        self.len += count;
    }

    fn push_fraction(&mut self, score: f64) {
        let mut ryu = ryu::Buffer::new();
        let shortest = ryu.format_finite(score).as_bytes();
        let mut digits = [0u8; MAX_BYTES];
        let (mut count, mut exponent, mut fraction) = (0usize, 0i32, false);
        for (index, &byte) in shortest.iter().enumerate() {
            match byte {
                b'-' => self.push(b"-"),
                b'.' => fraction = true,
                b'e' => {
                    let written =
                        std::str::from_utf8(&shortest[index + 1..]).ok().and_then(|text| text.parse::<i32>().ok());
                    exponent += written.expect("the shortest form's exponent is a number");
                    break;
                }
                digit => {
                    exponent -= i32::from(fraction);
                    if count > 0 || digit != b'0' {
                        digits[count] = digit;
                        count += 1;
                    }
                }
            }
        }
        while count > 1 && digits[count - 1] == b'0' {
            count -= 1;
            exponent += 1;
        }
        let digits = &digits[..count];
        // The value is `digits` × 10^`exponent`; `scientific` is the exponent with the point behind the first digit.
        let scientific = exponent + count as i32 - 1;
        let magnitude = scientific.unsigned_abs();
        if exponent >= 0 && (magnitude as usize) < count + 7 {
            self.push(digits);
            self.push_zeros(exponent as usize);
        } else if exponent < 0 && (exponent > -7 || magnitude < 4) {
            let behind_point = exponent.unsigned_abs() as usize;
            if behind_point >= count {
                self.push(b"0.");
                self.push_zeros(behind_point - count);
                self.push(digits);
            } else {
                let (whole, rest) = digits.split_at(count - behind_point);
                self.push(whole);
                self.push(b".");
                self.push(rest);
            }
        } else {
            self.push(&digits[..1]);
            if count > 1 {
                self.push(b".");
                self.push(&digits[1..]);
            }
            self.push(if scientific < 0 { b"e-" } else { b"e+" });
            self.push(itoa::Buffer::new().format(magnitude).as_bytes());
        }
    }
}

/// The integer that a listpack stores for `score`. `-0` becomes 0, as in Redis.
#[inline]
pub(super) fn as_integer(score: f64) -> Option<i64> {
    const LIMIT: f64 = (i64::MAX / 2) as f64;
    if !(-LIMIT..=LIMIT).contains(&score) {
        return None;
    }
    let integer = score as i64;
    (integer as f64 == score).then_some(integer)
}

/// Reads a score's text: decimal, with or without exponent, `inf`, `+inf`, `-inf`, `infinity` in any case. NaN is none.
pub fn parse_score(text: &[u8]) -> Option<f64> {
    let score: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!score.is_nan()).then_some(score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_spelled_as_redis_spells_them() {
        for (score, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-17.0, "-17"),
            (1e17, "100000000000000000"),
            (1e20, "1e+20"),
            (1.5, "1.5"),
            (0.1, "0.1"),
            (-123.456, "-123.456"),
            (0.000001, "0.000001"),
            (1e-7, "1e-7"),
            (1.234e-5, "1.234e-5"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(std::str::from_utf8(ScoreText::new(score).as_bytes()).unwrap(), text);
            assert_eq!(parse_score(text.as_bytes()), Some(score));
        }
        assert_eq!(parse_score(b"nan"), None);
        assert_eq!(parse_score(b""), None);
    }

    #[test]
    fn the_longest_text_fits() {
        for score in [-1.2345678901234567e-300, -0.000012345678901234567, -1.2345678901234567e18, -4.611686018427387e18]
        {
            assert_eq!(parse_score(ScoreText::new(score).as_bytes()), Some(score));
        }
    }
}
