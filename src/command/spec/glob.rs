//! Glob patterns for COMMAND LIST FILTERBY PATTERN.

/// Whether `text` matches the glob `pattern` (`*`, `?`, `[a-z]`, `[^a]`, `\x`), ignoring ASCII case.
///
/// Backtracks to the last `*` only, so that time is at most pattern length times text length.
pub(super) fn command_name_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p + 1, t));
            p += 1;
            continue;
        }
        if let Some(next) = match_one(pattern, p, text[t]) {
            p = next;
            t += 1;
            continue;
        }
        let Some((after, from)) = star else { return false };
        star = Some((after, from + 1));
        (p, t) = (after, from + 1);
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

/// The position behind the pattern's element at `p` if that matches `byte`.
fn match_one(pattern: &[u8], p: usize, byte: u8) -> Option<usize> {
    let byte = byte.to_ascii_lowercase();
    match *pattern.get(p)? {
        b'?' => Some(p + 1),
        b'[' => {
            let (matched, next) = match_class(pattern, p + 1, byte);
            matched.then_some(next)
        }
        b'\\' if p + 1 < pattern.len() => (pattern[p + 1].to_ascii_lowercase() == byte).then_some(p + 2),
        literal => (literal.to_ascii_lowercase() == byte).then_some(p + 1),
    }
}

/// Whether the class that begins at `p`, behind its bracket, holds `byte`, and the position behind the class.
fn match_class(pattern: &[u8], mut p: usize, byte: u8) -> (bool, usize) {
    let negated = pattern.get(p) == Some(&b'^');
    p += negated as usize;
    let mut matched = false;
    loop {
        match pattern.get(p) {
            None => return (matched != negated, p),
            Some(b']') => return (matched != negated, p + 1),
            Some(b'\\') if p + 1 < pattern.len() => {
                matched |= pattern[p + 1].to_ascii_lowercase() == byte;
                p += 2;
            }
            Some(&low) if pattern.get(p + 1) == Some(&b'-') && p + 2 < pattern.len() => {
                let (low, high) = (low.to_ascii_lowercase(), pattern[p + 2].to_ascii_lowercase());
                matched |= (low.min(high)..=low.max(high)).contains(&byte);
                p += 3;
            }
            Some(&single) => {
                matched |= single.to_ascii_lowercase() == byte;
                p += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::command_name_matches as matches;

    #[test]
    fn patterns_select_the_names_they_should() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("config*", "config|get", true),
            ("CONFIG|?et", "config|get", true),
            ("*|*t", "config|get", true),
            ("h[sg]et", "hget", true),
            ("h[^g]et", "hget", false),
            ("h[a-h]et", "hget", true),
            ("h[", "hg", false),
            ("get", "getex", false),
            ("g\\*t", "get", false),
            ("***a***", "bab", true),
            ("", "x", false),
            ("a\\", "a\\", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        assert!(!matches("*a".repeat(1000).as_bytes(), "a".repeat(999).as_bytes()));
    }
}
