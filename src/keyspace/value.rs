//! Values as they go into the keyspace and as they are read there.

use crate::object::Object;

/// A value on its way into the keyspace, or out of it.
#[derive(Debug, PartialEq)]
pub enum Value<'a> {
    /// A string that is the decimal text of this number.
    Int(i64),
    /// A string, to be copied in.
    Str(&'a [u8]),
    /// A string that is moved in (if it is too long for the slab) or was moved out.
    Owned(Vec<u8>),
    /// A collection.
    Object(Box<Object>),
}

impl<'a> Value<'a> {
    /// A string value as SET stores it: a number if the text is exactly how a 64-bit number is written, else the bytes.
    #[inline]
    pub fn from_bytes(bytes: &'a [u8]) -> Value<'a> {
        match parse_canonical_i64(bytes) {
            Some(number) => Value::Int(number),
            None => Value::Str(bytes),
        }
    }

    /// The value without the borrow.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Int(number) => Value::Int(number),
            Value::Str(bytes) => Value::Owned(bytes.to_vec()),
            Value::Owned(bytes) => Value::Owned(bytes),
            Value::Object(object) => Value::Object(object),
        }
    }
}

/// A value in the keyspace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRef<'a> {
    /// A string that is the decimal text of this number.
    Int(i64),
    /// A string.
    Str(&'a [u8]),
    /// A collection.
    Object(&'a Object),
}

/// The number that `bytes` is the one decimal text of: no plus sign, no leading zero, no `-0`, no blanks.
#[inline]
pub fn parse_canonical_i64(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut number = 0u64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // At most 19 digits: below 10^19, which fits.
        number = number * 10 + u64::from(digit);
    }
    if negative { 0i64.checked_sub_unsigned(number) } else { i64::try_from(number).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_text_of_a_number_becomes_a_number() {
        for number in [0, 1, -1, 9, 10, -10, 1234567890123456789, i64::MAX, i64::MIN, i64::MIN + 1] {
            assert_eq!(parse_canonical_i64(number.to_string().as_bytes()), Some(number));
        }
        for text in [
            "",
            "-",
            "+1",
            "-0",
            "00",
            "01",
            " 1",
            "1 ",
            "1a",
            "a",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
            "10000000000000000000",
            "0x10",
            "1.0",
        ] {
            assert_eq!(parse_canonical_i64(text.as_bytes()), None, "{text:?}");
        }
    }
}
