//! Reads commands back: RESP arrays of bulk strings, as every log holds them.

use crate::resp::Span;

/// Most words that a command in a log may have, as in Redis.
const WORDS_MAX: usize = 1 << 20;

/// Why there is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It goes on behind the end of the buffer.
    Incomplete,
    /// It is no command.
    Malformed,
}

/// Reads the command at the start of `bytes` into `words`; returns its length in bytes.
pub fn read_command(bytes: &[u8], words: &mut Vec<Span>) -> Result<usize, Broken> {
    words.clear();
    let (count, mut at) = read_length(bytes, 0, b'*')?;
    if count == 0 || count > WORDS_MAX {
        return Err(Broken::Malformed);
    }
    for _ in 0..count {
        let (len, start) = read_length(bytes, at, b'$')?;
        let end = start.checked_add(len).filter(|&end| end < u32::MAX as usize - 2).ok_or(Broken::Malformed)?;
        match bytes.get(end..end + 2) {
            Some(b"\r\n") => {}
            Some(_) => return Err(Broken::Malformed),
            None => return Err(Broken::Incomplete),
        }
        words.push(Span { start: start as u32, len: len as u32 });
        at = end + 2;
    }
    Ok(at)
}

/// Reads `<kind><digits>\r\n`; returns the number and where the next byte is.
fn read_length(bytes: &[u8], at: usize, kind: u8) -> Result<(usize, usize), Broken> {
    match bytes.get(at) {
        None => return Err(Broken::Incomplete),
        Some(&first) if first != kind => return Err(Broken::Malformed),
        Some(_) => {}
    }
    let mut value = 0usize;
    let mut index = at + 1;
    loop {
        match bytes.get(index) {
            None => return Err(Broken::Incomplete),
            Some(digit @ b'0'..=b'9') if index - at <= 10 => value = value * 10 + (digit - b'0') as usize,
            Some(b'\r') if index > at + 1 => break,
            Some(_) => return Err(Broken::Malformed),
        }
        index += 1;
    }
    match bytes.get(index + 1) {
        None => Err(Broken::Incomplete),
        Some(b'\n') => Ok((value, index + 2)),
        Some(_) => Err(Broken::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_of_a_command_is_incomplete_and_none_is_malformed() {
        let command = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\nab\r\n*1\r\n$4xx\r\n";
        let mut words = Vec::new();
        assert_eq!(read_command(command, &mut words), Ok(command.len()));
        assert_eq!(words.len(), 3);
        for len in 0..command.len() {
            assert_eq!(read_command(&command[..len], &mut words), Err(Broken::Incomplete), "{len}");
        }
    }

    #[test]
    fn what_is_no_command_is_malformed() {
        for bytes in
            [b"+OK\r\n".as_slice(), b"*0\r\n", b"*-1\r\n", b"*1\r\n$x\r\n", b"*1\r\n$1\r\nabc", b"*\r\n", b"*1\n"]
        {
            assert_eq!(read_command(bytes, &mut Vec::new()), Err(Broken::Malformed), "{bytes:?}");
        }
    }

    #[test]
    fn lengths_at_their_limits() {
        let mut words = Vec::new();
        let many = format!("*{WORDS_MAX}\r\n");
        assert_eq!(read_command(many.as_bytes(), &mut words), Err(Broken::Incomplete));
        let one_more = format!("*{}\r\n", WORDS_MAX + 1);
        assert_eq!(read_command(one_more.as_bytes(), &mut words), Err(Broken::Malformed));
        // A word that would end beyond what a span can tell, and the longest that does not.
        let start = b"*1\r\n$4294967278\r\n".len();
        let longest = u32::MAX as usize - 3 - start;
        for (len, found) in [(longest, Broken::Incomplete), (longest + 1, Broken::Malformed)] {
            let text = format!("*1\r\n${len}\r\n");
            assert_eq!(text.len(), start);
            assert_eq!(read_command(text.as_bytes(), &mut words), Err(found), "{len}");
        }
        assert_eq!(read_command(b"*1\r\n$0000000001\r\na\r\n", &mut words), Ok(20), "ten digits");
        for bad in [&b"*1\r\n$00000000001\r\na\r\n"[..], b"*1\r\n$1x\r\n", b"*1\r\n$\r\n", b"*1\r\r\n", b"*1\rx"] {
            assert_eq!(read_command(bad, &mut words), Err(Broken::Malformed), "{}", bad.escape_ascii());
        }
    }
}
