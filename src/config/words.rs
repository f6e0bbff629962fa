//! The words of a configuration line: quoting and escapes as Redis reads and writes them.

/// Splits a line at blanks. `"…"` knows `\n \r \t \b \a \xHH` and `\` before any other byte; `'…'` knows `\'` alone.
/// `None` if a quote is never closed, or is closed right before something other than a blank.
pub fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut at = 0;
    loop {
        while line.get(at).is_some_and(|b| is_blank(*b)) {
            at += 1;
        }
        if at == line.len() {
            return Some(words);
        }
        let mut word = Vec::new();
        at = read_word(line, at, &mut word)?;
        words.push(word);
    }
}

/// Reads one word from `at`, which is not a blank, into `word`; gives where it ends.
fn read_word(line: &[u8], mut at: usize, word: &mut Vec<u8>) -> Option<usize> {
    while let Some(&byte) = line.get(at) {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => break,
            b'"' | b'\'' => {
                // A quote opens also in the middle of a word, and closes the word with itself.
                at = if byte == b'"' { read_double(line, at + 1, word)? } else { read_single(line, at + 1, word)? };
                return line.get(at).is_none_or(|b| is_blank(*b)).then_some(at);
            }
            _ => word.push(byte),
        }
        at += 1;
    }
    Some(at)
}

/// Reads up to the closing `"`; gives the position after it.
fn read_double(line: &[u8], mut at: usize, word: &mut Vec<u8>) -> Option<usize> {
    loop {
        match *line.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => {
                let escaped = *line.get(at + 1)?;
                at += 2;
                word.push(match escaped {
                    b'x' => match (line.get(at).and_then(hex), line.get(at + 1).and_then(hex)) {
                        (Some(high), Some(low)) => {
                            at += 2;
                            high << 4 | low
                        }
                        _ => b'x',
                    },
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => other,
                });
            }
            byte => {
                word.push(byte);
                at += 1;
            }
        }
    }
}

/// Reads up to the closing `'`; gives the position after it.
fn read_single(line: &[u8], mut at: usize, word: &mut Vec<u8>) -> Option<usize> {
    loop {
        match *line.get(at)? {
            b'\'' => return Some(at + 1),
            b'\\' if line.get(at + 1) == Some(&b'\'') => {
                word.push(b'\'');
                at += 2;
            }
            byte => {
                word.push(byte);
                at += 1;
            }
        }
    }
}

/// Appends `word` in double quotes, so that [`split`] gives it back whatever bytes it holds.
pub fn quote_into(word: &[u8], line: &mut Vec<u8>) {
    line.push(b'"');
    for &byte in word {
        match byte {
            b'\\' | b'"' => line.extend([b'\\', byte]),
            b'\n' => line.extend(b"\\n"),
            b'\r' => line.extend(b"\\r"),
            b'\t' => line.extend(b"\\t"),
            7 => line.extend(b"\\a"),
            8 => line.extend(b"\\b"),
            b' '..=b'~' => line.push(byte),
            _ => line.extend(format!("\\x{byte:02x}").into_bytes()),
        }
    }
    line.push(b'"');
}

/// The line without the blanks around it.
pub fn trim(line: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let start = line.iter().position(|b| !blank(b)).unwrap_or(line.len());
    let end = line.iter().rposition(|b| !blank(b)).map_or(start, |last| last + 1);
    &line[start..end]
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn hex(byte: &u8) -> Option<u8> {
    (*byte as char).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(line: &str) -> Option<Vec<String>> {
        split(line.as_bytes()).map(|ws| ws.iter().map(|w| String::from_utf8_lossy(w).into_owned()).collect())
    }

    #[test]
    fn quotes_and_escapes_read_as_redis_reads_them() {
        let ok =
            |line: &str, expected: &[&str]| assert_eq!(words(line).as_deref(), Some(to_strings(expected).as_slice()));
        fn to_strings(words: &[&str]) -> Vec<String> {
            words.iter().map(|w| w.to_string()).collect()
        }
        ok("save 900  1", &["save", "900", "1"]);
        ok(" \t", &[]);
        ok(r#"save """#, &["save", ""]);
        ok("save ''", &["save", ""]);
        ok(r#"a "b c" 'd e'"#, &["a", "b c", "d e"]);
        ok(r#"a "\x41\n\q\"""#, &["a", "A\nq\""]);
        ok(r"a 'it\'s' '\n'", &["a", "it's", "\\n"]);
        ok(r#"ab"cd" e"#, &["abcd", "e"]);
        ok(r#""\x4""#, &["x4"]);
        for bad in [r#"a "b"#, "a 'b", r#"a "b"c"#, "a 'b'c", r#"a "b\"#] {
            assert_eq!(words(bad), None, "{bad}");
        }
    }

    #[test]
    fn trim_takes_the_blanks_on_both_sides() {
        assert_eq!(trim(b" \t port 1\r\n"), b"port 1");
        assert_eq!(trim(b" \r\n"), b"");
    }

    proptest! {
        #![proptest_config(crate::config::tests::seeded())]

        #[test]
        fn quoted_words_come_back(word: Vec<u8>) {
            let mut line = b"name ".to_vec();
            quote_into(&word, &mut line);
            prop_assert_eq!(split(&line), Some(vec![b"name".to_vec(), word]));
        }

        #[test]
        fn any_line_is_taken(line: Vec<u8>) {
            split(&line);
            trim(&line);
        }
    }
}
