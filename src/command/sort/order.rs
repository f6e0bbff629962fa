//! What elements are compared by.

use crate::command::zset::score;
use std::cmp::Ordering;

/// The weight of an element.
pub enum Weight {
    /// A number.
    Number(f64),
    /// Text; `None`: the key that should hold it is not there, which comes before all text.
    Text(Option<Vec<u8>>),
    /// The element itself, as text.
    Itself,
}

/// One element with its weight.
pub struct Weighed {
    /// The element.
    pub element: Vec<u8>,
    /// What it is compared by.
    pub weight: Weight,
}

impl Weighed {
    /// The ascending order. Equal numbers go by the elements' text; equal texts stay as they were.
    pub fn compare(&self, other: &Weighed) -> Ordering {
        match (&self.weight, &other.weight) {
            (Weight::Number(a), Weight::Number(b)) => {
                a.partial_cmp(b).unwrap_or(Ordering::Equal).then_with(|| self.element.cmp(&other.element))
            }
            (Weight::Text(a), Weight::Text(b)) => a.cmp(b),
            _ => self.element.cmp(&other.element),
        }
    }
}

/// The number that a text is for SORT: as C reads it, blanks before it allowed, up to a zero byte; nothing at all is 0.
pub fn number(text: &[u8]) -> Option<f64> {
    let text = memchr::memchr(0, text).map_or(text, |end| &text[..end]);
    if text.is_empty() {
        return Some(0.0);
    }
    let blanks = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    score::parse(&text[blanks..])
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, expected) in [
            ("", Some(0.0)),
            ("12", Some(12.0)),
            (" -1.5", Some(-1.5)),
            ("1e3", Some(1000.0)),
            ("inf", Some(f64::INFINITY)),
            ("nan", None),
            ("1 ", None),
            (" ", None),
            ("2.5\0x", Some(2.5)),
            ("x", None),
            ("1e999", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text:?}");
        }
    }
}
