//! Integers of a bit field: their types, and what happens to numbers that do not fit.

use crate::keyspace::parse_canonical_i64;

/// The type of a field: 1 to 64 bits signed, 1 to 63 unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldType {
    /// Two's complement.
    pub signed: bool,
    /// Width.
    pub bits: u32,
}

/// What becomes of numbers that do not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The lower bits stay.
    Wrap,
    /// The nearest that fits.
    Saturate,
    /// Nothing is written.
    Fail,
}

impl FieldType {
    /// Reads `i8`, `u63` and the like.
    pub fn parse(text: &[u8]) -> Option<FieldType> {
        let (&sign, bits) = text.split_first()?;
        let signed = match sign {
            b'i' => true,
            b'u' => false,
            _ => return None,
        };
        let bits = parse_canonical_i64(bits).and_then(|bits| u32::try_from(bits).ok())?;
        let bits_max = if signed { 64 } else { 63 };
        (1..=bits_max).contains(&bits).then_some(FieldType { signed, bits })
    }

    /// The number that the field's bits mean.
    pub fn decode(self, bits: u64) -> i64 {
        let unused = 64 - self.bits;
        if self.signed { ((bits << unused) as i64) >> unused } else { bits as i64 }
    }

    /// A number as clients give it: an unsigned field takes a negative one for the large number of the same bits.
    pub fn given(self, number: i64) -> i128 {
        if self.signed { i128::from(number) } else { i128::from(number as u64) }
    }

    /// The number that is stored for `number`; `None` if nothing is.
    pub fn fit(self, number: i128, overflow: Overflow) -> Option<i64> {
        let (min, max) = match self.signed {
            true => (-(1i128 << (self.bits - 1)), (1i128 << (self.bits - 1)) - 1),
            false => (0, (1i128 << self.bits) - 1),
        };
        if (min..=max).contains(&number) {
            return Some(number as i64);
        }
        match overflow {
            Overflow::Wrap => Some(self.decode(number as u64 & (u64::MAX >> (64 - self.bits)))),
            Overflow::Saturate => Some(number.clamp(min, max) as i64),
            Overflow::Fail => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_as_wide_as_replies_can_show() {
        for text in ["i1", "i64", "u1", "u63"] {
            assert!(FieldType::parse(text.as_bytes()).is_some(), "{text}");
        }
        for text in ["", "i", "i0", "i65", "u64", "u0", "x8", "I8", "i08", "i-1", "8"] {
            assert_eq!(FieldType::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn numbers_that_do_not_fit_wrap_saturate_or_fail() {
        let (i8, u8, i64) =
            (FieldType::parse(b"i8").unwrap(), FieldType::parse(b"u8").unwrap(), FieldType::parse(b"i64").unwrap());
        for (kind, number, wrapped, saturated) in [
            (i8, 128, -128, 127),
            (i8, -129, 127, -128),
            (u8, 256, 0, 255),
            (u8, -1, 255, 0),
            (i64, i128::from(i64::MAX) + 1, i64::MIN, i64::MAX),
            (u8, u8.given(-1), 255, 255),
        ] {
            assert_eq!(kind.fit(number, Overflow::Wrap), Some(wrapped));
            assert_eq!(kind.fit(number, Overflow::Saturate), Some(saturated));
            assert_eq!(kind.fit(number, Overflow::Fail), None);
        }
        assert_eq!(i8.fit(-128, Overflow::Fail), Some(-128));
    }
}
