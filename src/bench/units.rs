//! Numbers as people write and read them: `20k`, `1M`, `4kb`, `500ms`; and durations printed with a fitting unit.

use std::time::Duration;

/// Reads a count or rate: digits with an optional fraction and `k`, `M` or `G` (thousands).
pub fn parse_count(text: &str) -> Result<f64, String> {
    let (number, unit) = split(text);
    let factor = match unit {
        "" => 1.0,
        "k" | "K" => 1e3,
        "m" | "M" => 1e6,
        "g" | "G" => 1e9,
        _ => return Err(format!("\"{text}\" is not a number (write 5000, 20k, 1.5M)")),
    };
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value * factor),
        _ => Err(format!("\"{text}\" is not a number (write 5000, 20k, 1.5M)")),
    }
}

/// A count that must be whole.
pub fn parse_whole(text: &str) -> Result<u64, String> {
    let value = parse_count(text)?;
    if value.fract() != 0.0 || value < 0.0 {
        return Err(format!("\"{text}\" is not a whole number"));
    }
    Ok(value as u64)
}

/// Reads a size in bytes: `64`, `4kb`, `1mb` (powers of 1024).
pub fn parse_size(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        _ => return Err(format!("\"{text}\" is not a size (write 64, 4kb, 1mb)")),
    };
    let value: usize = number.parse().map_err(|_| format!("\"{text}\" is not a size (write 64, 4kb, 1mb)"))?;
    value.checked_mul(factor).ok_or_else(|| format!("\"{text}\" is too large"))
}

/// Reads a duration: `10s`, `500ms`, `50us`, `2m`; a bare number is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let seconds = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("\"{text}\" is not a duration (write 10s, 500ms, 50us)")),
    };
    match number.parse::<f64>().ok().map(|n| Duration::try_from_secs_f64(n * seconds)) {
        Some(Ok(duration)) => Ok(duration),
        _ => Err(format!("\"{text}\" is not a duration (write 10s, 500ms, 50us)")),
    }
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    text.split_at(end)
}

/// A duration given in nanoseconds, to three or four digits with its unit.
pub fn nanos(value: u64) -> String {
    let value = value as f64;
    let (number, unit) = match value {
        v if v < 1e3 => return format!("{v:.0} ns"),
        v if v < 1e6 => (v / 1e3, "µs"),
        v if v < 1e9 => (v / 1e6, "ms"),
        v => (v / 1e9, "s"),
    };
    format!("{} {unit}", digits(number))
}

fn digits(value: f64) -> String {
    match value {
        v if v < 10.0 => format!("{v:.2}"),
        v if v < 100.0 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

/// A rate or count with thousands grouped: `1,234,567`.
pub fn grouped(value: f64) -> String {
    let whole = format!("{:.0}", value.abs());
    let mut out = String::with_capacity(whole.len() * 4 / 3 + 1);
    if value <= -0.5 {
        out.push('-');
    }
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes in MiB or GiB.
pub fn bytes(value: u64) -> String {
    match value as f64 / (1u64 << 20) as f64 {
        mib if mib < 1024.0 => format!("{mib:.1} MiB"),
        mib => format!("{:.2} GiB", mib / 1024.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_people_write_are_read() {
        assert_eq!(parse_count("20k"), Ok(20_000.0));
        assert_eq!(parse_whole("1.5M"), Ok(1_500_000));
        assert_eq!(parse_size("4kb"), Ok(4096));
        assert_eq!(parse_duration("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(parse_duration("2"), Ok(Duration::from_secs(2)));
    }

    #[test]
    fn typos_are_refused_and_named() {
        for bad in ["", "k", "10x", "-5", "1..2", "1e400"] {
            assert!(parse_count(bad).is_err(), "{bad}");
        }
        assert!(parse_whole("0.5").is_err());
        assert!(parse_duration("10 parsecs").unwrap_err().contains("parsecs"));
        assert!(parse_duration("99999999999999999999h").is_err());
    }

    #[test]
    fn figures_carry_their_unit() {
        assert_eq!(nanos(950), "950 ns");
        assert_eq!(nanos(118_400), "118 µs");
        assert_eq!(nanos(25_340_000), "25.3 ms");
        assert_eq!(grouped(1234567.0), "1,234,567");
        assert_eq!(grouped(12.0), "12");
    }
}
