//! Sizes in bytes, as a configuration file writes them: `1k` is 1000, `1kb` is 1024, in any case.

const UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("b", 1),
    ("k", 1000),
    ("kb", 1 << 10),
    ("m", 1_000_000),
    ("mb", 1 << 20),
    ("g", 1_000_000_000),
    ("gb", 1 << 30),
];

/// The bytes that `text` stands for. No digits at all count as 0, as in Redis; what does not fit in 64 bits is refused.
pub fn parse(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = text[..digits]
        .iter()
        .try_fold(0u64, |number, digit| number.checked_mul(10)?.checked_add((digit - b'0') as u64))?;
    let (_, bytes) = UNITS.iter().find(|(unit, _)| text[digits..].eq_ignore_ascii_case(unit.as_bytes()))?;
    number.checked_mul(*bytes)
}

/// `bytes` with the largest unit that divides them.
pub fn format(bytes: u64) -> String {
    for (unit, size) in [("gb", 1u64 << 30), ("mb", 1 << 20), ("kb", 1 << 10)] {
        if bytes != 0 && bytes.is_multiple_of(size) {
            return format!("{}{unit}", bytes / size);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_are_those_of_redis() {
        for (text, bytes) in [
            ("1", 1),
            ("1b", 1),
            ("1k", 1000),
            ("1kb", 1024),
            ("1KB", 1024),
            ("2m", 2_000_000),
            ("2Mb", 2 << 20),
            ("3g", 3_000_000_000),
            ("3gB", 3 << 30),
            ("", 0),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(bytes), "{text}");
        }
        for text in ["-1", "1.5gb", "1tb", "x", "1 k", "18446744073709551616", "99999999999gb", "+1"] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(crate::config::tests::seeded())]

        #[test]
        fn written_sizes_come_back(bytes: u64, shift in 0u32..40) {
            let bytes = bytes << shift;
            prop_assert_eq!(parse(format(bytes).as_bytes()), Some(bytes));
        }
    }
}
