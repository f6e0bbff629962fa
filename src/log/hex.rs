//! Numbers in fixed-width lower-case hexadecimal, the form they have in every annotation.

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Fills `out` with the low digits of `value`.
#[inline]
pub(crate) fn write(out: &mut [u8], mut value: u128) {
    for digit in out.iter_mut().rev() {
        *digit = DIGITS[(value & 15) as usize];
        value >>= 4;
    }
    assert!(value == 0, "a field is wide enough for every value it may hold");
}

/// As [`write`], for 64 bits: the hot path.
#[inline]
pub(crate) fn write_u64(out: &mut [u8], mut value: u64) {
    for digit in out.iter_mut().rev() {
        *digit = DIGITS[(value & 15) as usize];
        value >>= 4;
    }
    assert!(value == 0, "a field is wide enough for every value it may hold");
}

/// Reads what [`write`] wrote; anything else, upper case included, is `None`.
pub(crate) fn read(digits: &[u8]) -> Option<u128> {
    let mut value = 0;
    for &digit in digits {
        let nibble = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        value = value << 4 | nibble as u128;
    }
    Some(value)
}

/// Reads up to 16 digits.
pub(crate) fn read_u64(digits: &[u8]) -> Option<u64> {
    read(digits).and_then(|value| value.try_into().ok())
}
