//! Patterns of SORT's BY and GET: `#` for the element itself, `weight_*` for a string, `object_*->field` for a field of
//! a hash.

/// A pattern, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern<'a> {
    /// The whole of it.
    text: &'a [u8],
    /// What stands before and behind the first `*`, if there is one.
    around: Option<(&'a [u8], &'a [u8])>,
    /// The field of a hash.
    field: Option<&'a [u8]>,
}

impl<'a> Pattern<'a> {
    /// Takes a pattern apart. An arrow counts only behind the place of the element, and only with a field behind it.
    pub fn new(text: &'a [u8]) -> Pattern<'a> {
        let Some(place) = memchr::memchr(b'*', text) else { return Pattern { text, around: None, field: None } };
        let (before, behind) = (&text[..place], &text[place + 1..]);
        match memchr::memmem::find(behind, b"->").filter(|arrow| arrow + 2 < behind.len()) {
            Some(arrow) => {
                Pattern { text, around: Some((before, &behind[..arrow])), field: Some(&behind[arrow + 2..]) }
            }
            None => Pattern { text, around: Some((before, behind)), field: None },
        }
    }

    /// Whether there is a place for the element.
    pub fn has_place(&self) -> bool {
        self.around.is_some()
    }

    /// Whether it is the element itself that is meant.
    pub fn is_element(&self) -> bool {
        self.text == b"#"
    }

    /// Whether keys are named by it. A pattern without a place for the element names none, not even its own text.
    pub fn names_keys(&self) -> bool {
        self.has_place()
    }

    /// The key that is named for an element.
    pub fn key(&self, element: &[u8]) -> Option<Vec<u8>> {
        let (before, behind) = self.around?;
        Some([before, element, behind].concat())
    }

    /// The field of a hash that is meant; `None`: a string is.
    pub fn field(&self) -> Option<&'a [u8]> {
        self.field
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_names_a_field_only_behind_the_place_and_only_with_a_field_behind_it() {
        for (text, key, field) in [
            ("w_*", Some("w_7"), None),
            ("w_*_x", Some("w_7_x"), None),
            ("*", Some("7"), None),
            ("o_*->name", Some("o_7"), Some("name")),
            ("o_*_x->a->b", Some("o_7_x"), Some("a->b")),
            ("o_*->", Some("o_7->"), None),
            ("o->*", Some("o->7"), None),
            ("o->f*->g", Some("o->f7"), Some("g")),
            ("*_*", Some("7_*"), None),
            ("#", None, None),
            ("plain", None, None),
        ] {
            let pattern = Pattern::new(text.as_bytes());
            assert_eq!(pattern.key(b"7").as_deref(), key.map(str::as_bytes), "{text}");
            assert_eq!(pattern.field(), field.map(str::as_bytes), "{text}");
        }
    }
}
