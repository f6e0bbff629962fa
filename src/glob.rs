//! Glob matching in Redis's dialect, as KEYS, SCAN, PSUBSCRIBE and CONFIG GET know it.
//!
//! `*` any run of bytes, `?` any one byte, `[abc]`, `[a-z]`, `[^a-z]` one byte of (or not of) a class, `\x` the byte `x`
//! itself. A class that is never closed reaches to the pattern's end. Patterns and texts are bytes, not characters.

/// Most stars of a pattern, neighbours counted once and one at the end not at all, that a text may need.
const STARS_MAX: u32 = 1000;

/// Whether `text` as a whole matches `pattern`. With `nocase`, ASCII letters match in either case.
///
/// Takes at most `pattern.len() * text.len()` steps and no memory: only the latest `*` is ever retried, because whatever
/// an earlier one could swallow, the latest can swallow too. So `a*a*a*a*b` is no attack. Like Redis it takes a text that goes
/// past more than [`STARS_MAX`] stars for one that does not match.
pub fn matches(pattern: &[u8], text: &[u8], nocase: bool) -> bool {
    let (mut p, mut t, mut stars) = (0, 0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            while pattern.get(p) == Some(&b'*') {
                p += 1;
            }
            if p == pattern.len() {
                return true;
            }
            stars += 1;
            if stars > STARS_MAX {
                return false;
            }
            retry = Some((p, t));
            continue;
        }
        let step = match text.get(t) {
            Some(&byte) => match_one(pattern, p, byte, nocase),
            None if p == pattern.len() => return true,
            // The text is used up and the pattern wants more: giving a star more of the text cannot help.
            None => return false,
        };
        if let Some(after) = step {
            p = after;
            t += 1;
        } else if let Some((after_star, swallowed_to)) = retry {
            retry = Some((after_star, swallowed_to + 1));
            p = after_star;
            t = swallowed_to + 1;
        } else {
            return false;
        }
    }
}

/// Whether `pattern` holds a byte with a meaning other than itself. Without one a plain look-up is enough.
pub fn is_pattern(pattern: &[u8]) -> bool {
    memchr::memchr3(b'*', b'?', b'[', pattern).is_some() || memchr::memchr(b'\\', pattern).is_some()
}

/// The bytes every match begins with: the pattern up to its first special byte.
pub fn literal_prefix(pattern: &[u8]) -> &[u8] {
    let end = pattern.iter().position(|byte| b"*?[\\".contains(byte)).unwrap_or(pattern.len());
    &pattern[..end]
}

/// Matches `byte` against the one-byte element at `pattern[p]`; gives where the next element begins.
#[inline]
fn match_one(pattern: &[u8], p: usize, byte: u8, nocase: bool) -> Option<usize> {
    match *pattern.get(p)? {
        b'?' => Some(p + 1),
        b'[' => {
            let (inside, next) = match_class(pattern, p + 1, byte, nocase);
            inside.then_some(next)
        }
        // A backslash at the very end stands for itself.
        b'\\' if p + 1 < pattern.len() => same(pattern[p + 1], byte, nocase).then_some(p + 2),
        literal => same(literal, byte, nocase).then_some(p + 1),
    }
}

/// Reads the class whose first byte after `[` is at `p`; says whether `byte` is in it and where the class ends.
fn match_class(pattern: &[u8], mut p: usize, byte: u8, nocase: bool) -> (bool, usize) {
    let fold = |b: u8| if nocase { b.to_ascii_lowercase() } else { b };
    let negated = pattern.get(p) == Some(&b'^');
    if negated {
        p += 1;
    }
    let mut found = false;
    loop {
        match pattern.get(p) {
            None => break,
            Some(b']') => {
                p += 1;
                break;
            }
            Some(b'\\') if p + 1 < pattern.len() => {
                found |= same(pattern[p + 1], byte, nocase);
                p += 2;
            }
            Some(&first) if pattern.get(p + 1) == Some(&b'-') && p + 2 < pattern.len() => {
                // Redis takes the bounds in either order, and folds them one by one.
                let (a, b) = (fold(first), fold(pattern[p + 2]));
                found |= (a.min(b)..=a.max(b)).contains(&fold(byte));
                p += 3;
            }
            Some(&literal) => {
                found |= same(literal, byte, nocase);
                p += 1;
            }
        }
    }
    (found != negated, p)
}

#[inline]
fn same(a: u8, b: u8, nocase: bool) -> bool {
    a == b || (nocase && a.eq_ignore_ascii_case(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn is(pattern: &str, text: &str) -> bool {
        matches(pattern.as_bytes(), text.as_bytes(), false)
    }

    #[test]
    fn every_element_of_the_dialect() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("*", "anything"),
            ("h?llo", "hello"),
            ("h*llo", "heeeello"),
            ("h*llo", "hllo"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hallo"),
            ("h[a-b]llo", "hbllo"),
            ("h[b-a]llo", "hallo"),
            ("h[\\]a]llo", "h]llo"),
            ("h\\*llo", "h*llo"),
            ("a\\", "a\\"),
            ("[abc", "c"),
            ("*a*b*c*", "xxaxxbxxcxx"),
            ("**", "x"),
            ("a**b", "ab"),
            ("user:*:name", "user:1:2:name"),
        ] {
            assert!(is(pattern, text), "{pattern} should match {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("?", ""),
            ("a", ""),
            ("h?llo", "hllo"),
            ("h[^e]llo", "hello"),
            ("h[]llo", "hello"),
            ("h\\*llo", "hello"),
            ("*a", "b"),
            ("a*", "b"),
            ("*a*b", "xaxbx"),
            ("[a-c]", "d"),
            ("Hello", "hello"),
        ] {
            assert!(!is(pattern, text), "{pattern} should not match {text}");
        }
    }

    #[test]
    fn case_is_ignored_only_on_request() {
        assert!(matches(b"MAX*", b"maxmemory", true));
        assert!(matches(b"[M-N]ax", b"max", true));
        assert!(matches(b"\\MAX", b"max", true));
        assert!(!matches(b"MAX*", b"maxmemory", false));
    }

    #[test]
    fn bytes_beyond_ascii_match_themselves() {
        assert!(matches(b"\xff?\x00*", b"\xff\xfe\x00\x01", false));
        assert!(matches(b"[\xf0-\xff]", b"\xf5", false));
    }

    #[test]
    fn stars_in_a_row_do_not_blow_up() {
        // Backtracking over every star would take more steps here than the machine has time for.
        let pattern = "a*".repeat(200) + "b";
        let text = "a".repeat(20_000);
        assert!(!is(&pattern, &text));
        assert!(is(&pattern, &(text + "b")));
    }

    #[test]
    fn a_pattern_of_too_many_stars_matches_nothing() {
        let stars = |count: usize| "*a".repeat(count);
        assert!(is(&stars(1000), &"a".repeat(1000)));
        assert!(is(&(stars(1000) + "*"), &"a".repeat(1001)));
        assert!(!is(&stars(1001), &"a".repeat(1001)));
        assert!(is(&"**a".repeat(1000), &"a".repeat(1000)));
        assert!(!is(&"*?".repeat(50_000), &"a".repeat(50_000)));
    }

    #[test]
    fn literal_prefix_stops_at_the_first_special_byte() {
        assert_eq!(literal_prefix(b"user:[0-9]*"), b"user:");
        assert_eq!(literal_prefix(b"plain"), b"plain");
        assert_eq!(literal_prefix(b"a\\*"), b"a");
        assert!(is_pattern(b"a\\*") && is_pattern(b"a?") && !is_pattern(b"plain"));
    }

    /// The definition itself, exponential and obviously right.
    fn reference(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.first() {
            None => text.is_empty(),
            Some(b'*') => (0..=text.len()).any(|skip| reference(&pattern[1..], &text[skip..])),
            Some(_) => match text.first() {
                Some(&byte) => {
                    match_one(pattern, 0, byte, false).is_some_and(|next| reference(&pattern[next..], &text[1..]))
                }
                None => false,
            },
        }
    }

    proptest! {
        #![proptest_config(crate::config::tests::seeded())]

        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?\\[\\]^\\\\-]{0,9}", text in "[ab*\\]\\\\]{0,9}") {
            prop_assert_eq!(is(&pattern, &text), reference(pattern.as_bytes(), text.as_bytes()));
        }

        #[test]
        fn any_bytes_are_taken(pattern: Vec<u8>, text: Vec<u8>, nocase: bool) {
            matches(&pattern, &text, nocase);
            prop_assert!(!is_pattern(literal_prefix(&pattern)));
        }
    }
}
