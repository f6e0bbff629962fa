//! How INFO's lines are written.

use std::fmt::{Display, Write};

/// A section being written.
pub struct Section<'a> {
    text: &'a mut String,
}

impl<'a> Section<'a> {
    /// Begins with the section's head.
    pub fn begin(text: &'a mut String, name: &str) -> Section<'a> {
        let _ = write!(text, "# {name}\r\n");
        Section { text }
    }

    /// `name:value`
    pub fn field(&mut self, name: impl Display, value: impl Display) {
        let _ = write!(self.text, "{name}:{value}\r\n");
    }

    /// Several fields that are always 0 here.
    pub fn zeros(&mut self, names: &[&str]) {
        names.iter().for_each(|name| self.field(name, 0));
    }

    /// A number of bytes, and the same for people.
    pub fn bytes(&mut self, name: &str, bytes: u64) {
        self.field(name, bytes);
        self.field(format_args!("{name}_human"), human_bytes(bytes));
    }
}

/// Bytes as Redis shows them to people: `1.50M`.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [char; 5] = ['K', 'M', 'G', 'T', 'P'];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2}{}", UNITS[unit])
}

/// `part / whole`, 0 if there is no whole.
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people_are_spelled_as_redis_spells_them() {
        for (bytes, text) in [(0, "0B"), (1023, "1023B"), (1024, "1.00K"), (1_572_864, "1.50M"), (1 << 40, "1.00T")] {
            assert_eq!(human_bytes(bytes), text);
        }
    }
}
