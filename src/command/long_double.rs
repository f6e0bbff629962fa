//! Numbers as INCRBYFLOAT and HINCRBYFLOAT know them: x86's extended precision, 64 bits of mantissa, read from decimal,
//! added, and spelled with up to 17 decimals. Done in integers, so that every machine gets the same digits, and the
//! same as Redis on x86-64.

/// Longest text that is read, in bytes (Redis's number).
const TEXT_BYTES_MAX: usize = 5 * 1024 - 1;
/// Values from two to this power on are infinite.
const EXPONENT_END: i64 = 16_384;
/// Values below two to this power are zero.
const EXPONENT_MIN: i64 = -16_445;
/// Decimals that are shown.
const DECIMALS: usize = 17;

/// A number of extended precision: `mantissa * 2^exponent`; the mantissa's top bit is set, or the number is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    mantissa: u64,
    /// [`INFINITE`] if there is no such number.
    exponent: i64,
}

const INFINITE: i64 = i64::MAX;

impl LongDouble {
    /// Zero.
    pub const ZERO: LongDouble = LongDouble { negative: false, mantissa: 0, exponent: 0 };

    /// Reads what C's `strtold` reads: decimal or, after `0x`, hexadecimal, with or without an exponent, or `inf`.
    /// `None` for anything else, for `nan`, and for numbers too large or too small.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if text.eq_ignore_ascii_case(b"inf") || text.eq_ignore_ascii_case(b"infinity") {
            return Some(LongDouble { negative, mantissa: 1 << 63, exponent: INFINITE });
        }
        let scaled = match text {
            [b'0', b'x' | b'X', rest @ ..] => Scaled::hexadecimal(rest),
            rest => Scaled::decimal(rest),
        }?;
        let number = scaled.rounded(negative);
        let is_zero = number.mantissa == 0;
        let fits = number.exponent != INFINITE && (is_zero || number.exponent + 63 >= EXPONENT_MIN);
        fits.then_some(number)
    }

    /// The sum; `None` if it is infinite or no number.
    pub fn plus(self, other: LongDouble) -> Option<LongDouble> {
        if self.exponent == INFINITE || other.exponent == INFINITE {
            return None;
        }
        if self.mantissa == 0 || other.mantissa == 0 {
            return Some(if self.mantissa == 0 { other } else { self });
        }
        let (large, small) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        let distance = large.exponent - small.exponent;
        let large_bits = u128::from(large.mantissa) << 63;
        let small_bits = u128::from(small.mantissa) << 63;
        // What of the smaller number lies below the last bit counts only for rounding.
        let (aligned, lost) = match u32::try_from(distance) {
            Ok(distance @ 0..=127) => (small_bits >> distance, small_bits << (127 - distance) << 1 != 0),
            _ => (0, true),
        };
        let bits = match large.negative == small.negative {
            true => large_bits + aligned,
            false if large_bits >= aligned => large_bits - aligned - u128::from(lost),
            false => aligned - large_bits,
        };
        let negative =
            if large.negative != small.negative && large_bits < aligned { small.negative } else { large.negative };
        let sum = Scaled { bits, exponent: large.exponent - 63, lost }.rounded(negative);
        (sum.exponent != INFINITE).then_some(sum)
    }

    /// The number in decimal, without exponent, rounded to 17 decimals, without trailing zeros.
    pub fn spelled(self) -> Vec<u8> {
        let mut digits = self.scaled_digits();
        let decimals = if self.exponent < 0 { DECIMALS } else { 0 };
        if digits.len() <= decimals {
            digits.splice(..0, std::iter::repeat_n(b'0', decimals + 1 - digits.len()));
        }
        let point = digits.len() - decimals;
        let significant = digits.iter().rposition(|&digit| digit != b'0').map_or(0, |last| last + 1);
        let end = significant.max(point);
        let mut text = Vec::with_capacity(end + 2);
        if self.negative && significant > 0 {
            text.push(b'-');
        }
        text.extend_from_slice(&digits[..point]);
        if end > point {
            text.push(b'.');
            text.extend_from_slice(&digits[point..end]);
        }
        text
    }

    /// The digits of the number's amount, in units of the last decimal if it may have a fraction.
    fn scaled_digits(self) -> Vec<u8> {
        if self.exponent >= 0 {
            let mut big = Big::from(self.mantissa);
            big.shift_left(self.exponent as usize);
            return big.digits();
        }
        const ONE: u128 = 10u128.pow(DECIMALS as u32);
        let scaled = u128::from(self.mantissa) * ONE;
        let units = match -self.exponent {
            shift @ 1..=127 => {
                let (units, rest, half) = (scaled >> shift, scaled & ((1 << shift) - 1), 1u128 << (shift - 1));
                units + u128::from(rest > half || rest == half && units & 1 == 1)
            }
            _ => 0,
        };
        units.to_string().into_bytes()
    }
}

/// A number before it is rounded: `bits * 2^exponent`, and perhaps a little more.
struct Scaled {
    bits: u128,
    exponent: i64,
    /// There is more below the last bit. Then `bits` has more than 65 bits.
    lost: bool,
}

impl Scaled {
    fn decimal(text: &[u8]) -> Option<Scaled> {
        let (big, exponent) = scan(text, 10, b'e', 1)?;
        if big.is_zero() {
            return Some(Scaled { bits: 0, exponent: 0, lost: false });
        }
        // Far outside of what can be represented: spare the work.
        if !(-20_000..20_000).contains(&exponent) {
            return None;
        }
        Some(big.times_power_of_ten(exponent))
    }

    fn hexadecimal(text: &[u8]) -> Option<Scaled> {
        let (big, exponent) = scan(text, 16, b'p', 4)?;
        Some(big.scaled(exponent, false))
    }

    /// Rounds to 64 bits, to even in the middle.
    fn rounded(self, negative: bool) -> LongDouble {
        let Scaled { mut bits, mut exponent, lost } = self;
        if bits == 0 {
            return LongDouble { negative, ..LongDouble::ZERO };
        }
        let length = 128 - bits.leading_zeros();
        if length <= 64 {
            bits <<= 64 - length;
            exponent -= i64::from(64 - length);
        } else {
            let shift = length - 64;
            let (rest, half) = (bits & ((1 << shift) - 1), 1u128 << (shift - 1));
            bits >>= shift;
            exponent += i64::from(shift);
            if rest > half || rest == half && (lost || bits & 1 == 1) {
                bits += 1;
            }
            if bits >> 64 != 0 {
                bits >>= 1;
                exponent += 1;
            }
        }
        if exponent + 64 > EXPONENT_END {
            exponent = INFINITE;
        }
        LongDouble { negative, mantissa: bits as u64, exponent }
    }
}

/// Reads digits of base `base` with a point among them and an exponent behind `mark`. Gives the digits as one number and
/// its exponent; a digit behind the point counts as `per_digit` steps of that.
fn scan(text: &[u8], base: u32, mark: u8, per_digit: i64) -> Option<(Big, i64)> {
    let mut big = Big::default();
    let (mut digits, mut exponent, mut behind_point, mut at) = (0, 0i64, false, 0);
    while let Some(&byte) = text.get(at) {
        if byte == b'.' && !behind_point {
            behind_point = true;
        } else if let Some(digit) = (byte as char).to_digit(base) {
            big.multiply_add(base, digit);
            digits += 1;
            exponent -= if behind_point { per_digit } else { 0 };
        } else {
            break;
        }
        at += 1;
    }
    if digits == 0 {
        return None;
    }
    match &text[at..] {
        [] => {}
        [first, rest @ ..] if first.eq_ignore_ascii_case(&mark) => {
            let (minus, number) = match rest {
                [b'-', number @ ..] => (true, number),
                [b'+', number @ ..] => (false, number),
                number => (false, number),
            };
            if number.is_empty() || !number.iter().all(u8::is_ascii_digit) {
                return None;
            }
            let given = number.iter().fold(0i64, |sum, digit| (sum * 10 + i64::from(digit - b'0')).min(1_000_000));
            exponent += if minus { -given } else { given };
        }
        _ => return None,
    }
    Some((big, exponent))
}

/// A natural number of any size: limbs of 32 bits, the lowest first, none of the highest zero.
#[derive(Default)]
struct Big(Vec<u32>);

const TEN_TO_NINE: u32 = 1_000_000_000;

impl From<u64> for Big {
    fn from(number: u64) -> Big {
        let mut big = Big(vec![number as u32, (number >> 32) as u32]);
        big.trim();
        big
    }
}

impl Big {
    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn bits(&self) -> usize {
        self.0.last().map_or(0, |top| 32 * self.0.len() - top.leading_zeros() as usize)
    }

    fn multiply_add(&mut self, factor: u32, addend: u32) {
        let mut carry = u64::from(addend);
        for limb in &mut self.0 {
            carry += u64::from(*limb) * u64::from(factor);
            *limb = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    /// Divides and returns the remainder.
    fn divide(&mut self, divisor: u32) -> u32 {
        let mut rest = 0u64;
        for limb in self.0.iter_mut().rev() {
            let part = rest << 32 | u64::from(*limb);
            *limb = (part / u64::from(divisor)) as u32;
            rest = part % u64::from(divisor);
        }
        self.trim();
        rest as u32
    }

    fn shift_left(&mut self, bits: usize) {
        self.multiply_add(1 << (bits % 32), 0);
        self.0.splice(..0, std::iter::repeat_n(0, bits / 32));
        self.trim();
    }

    fn times_power_of_ten(mut self, power: i64) -> Scaled {
        let steps = power.unsigned_abs() as u32;
        let factors = std::iter::repeat_n(TEN_TO_NINE, (steps / 9) as usize).chain([10u32.pow(steps % 9)]);
        if power >= 0 {
            factors.for_each(|factor| self.multiply_add(factor, 0));
            return self.scaled(0, false);
        }
        // So far that the quotient keeps 128 bits: ten takes less than four.
        let shift = 4 * steps as usize + 128;
        self.shift_left(shift);
        let mut lost = false;
        factors.for_each(|factor| lost |= self.divide(factor) != 0);
        self.scaled(-(shift as i64), lost)
    }

    /// The highest 128 bits.
    fn scaled(&self, exponent: i64, mut lost: bool) -> Scaled {
        let spare = self.bits().saturating_sub(128);
        let limb = |at: usize| self.0.get(at).copied().unwrap_or(0);
        let (skipped, part) = (spare / 32, spare % 32);
        lost |= self.0.iter().take(skipped).any(|&limb| limb != 0);
        lost |= part > 0 && limb(skipped) << (32 - part) != 0;
        let bits = (0..4).fold(0u128, |bits, at| {
            let pair = u64::from(limb(skipped + at + 1)) << 32 | u64::from(limb(skipped + at));
            bits | u128::from((pair >> part) as u32) << (32 * at)
        });
        Scaled { bits, exponent: exponent + spare as i64, lost }
    }

    fn digits(mut self) -> Vec<u8> {
        let mut reversed = Vec::new();
        while !self.is_zero() {
            let mut group = self.divide(TEN_TO_NINE);
            for _ in 0..9 {
                reversed.push(b'0' + (group % 10) as u8);
                group /= 10;
            }
        }
        while reversed.last() == Some(&b'0') {
            reversed.pop();
        }
        if reversed.is_empty() {
            reversed.push(b'0');
        }
        reversed.reverse();
        reversed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a: &str, b: &str) -> Option<String> {
        let sum = LongDouble::parse(a.as_bytes())?.plus(LongDouble::parse(b.as_bytes())?)?;
        Some(String::from_utf8(sum.spelled()).unwrap())
    }

    /// The expected texts are what Redis on x86-64 replied.
    #[test]
    fn sums_have_the_digits_of_extended_precision() {
        for (a, b, expected) in [
            ("10.5", "0.1", "10.6"),
            ("3.0", "0.1", "3.1"),
            ("5.0e3", "2.0e2", "5200"),
            ("0", "-0", "0"),
            ("1", "-1", "0"),
            ("0", "-1e-20", "0"),
            ("0", "1e-17", "0.00000000000000001"),
            ("0", "0x10", "16"),
            ("0", "0x1.8p3", "12"),
            ("0", "+.5", "0.5"),
            ("0", "5.", "5"),
            ("-7", "2.25", "-4.75"),
        ] {
            assert_eq!(sum(a, b).as_deref(), Some(expected), "{a} + {b}");
        }
    }

    #[test]
    fn what_is_no_number_is_not_read() {
        for text in
            ["", " 1", "1 ", "nan", "-nan", "1e", "1e+", "e5", ".", "0x", "1.2.3", "--1", "1e5000", "1e-5000", "1_0"]
        {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(LongDouble::parse(&[b'1'; TEXT_BYTES_MAX + 1]), None);
        assert!(LongDouble::parse(&[b'1'; 4900]).is_some());
    }

    #[test]
    fn infinity_is_read_and_never_added() {
        assert!(LongDouble::parse(b"-Infinity").is_some());
        assert_eq!(sum("inf", "1"), None);
        assert_eq!(sum("1.1e4932", "1.1e4932"), None);
    }

    /// Doubles are exact in extended precision, so their sums must be the exact ones wherever 64 bits suffice.
    #[test]
    fn integers_and_halves_are_exact() {
        for (a, b) in [(1i64 << 60, 3), (-(1i64 << 62), 1), (i64::MAX - 1, 1), (7, -9), (1, i64::MIN + 1)] {
            assert_eq!(sum(&a.to_string(), &b.to_string()), Some((a + b).to_string()));
        }
        assert_eq!(sum("4503599627370496.5", "0.25").as_deref(), Some("4503599627370496.75"));
    }
}
