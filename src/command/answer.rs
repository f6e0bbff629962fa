//! How commands about the connection and the server answer, and what they make of their arguments.

use super::Flow;
use super::spec;
use crate::keyspace::parse_canonical_i64;
use crate::net::Conn;
use crate::resp::{Args, Reply};
use crate::server::Core;

/// What Redis says of a word that should be a number.
pub const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";

/// What Redis says of words that do not fit.
pub const SYNTAX_ERROR: &str = "ERR syntax error";

/// Writes one reply; what it says depends on nothing that is not durable.
pub fn answer(core: &mut Core, conn: &mut Conn, write: impl FnOnce(&mut Reply)) -> Flow {
    let (out, start) = conn.outbox.target();
    write(&mut Reply::new(out, conn.session.proto));
    if out.get(start) == Some(&b'-') {
        core.stats.count_error(&out[start..]);
    }
    conn.outbox.commit(start, None);
    Flow::Next
}

/// Answers with an error.
pub fn error(core: &mut Core, conn: &mut Conn, text: impl AsRef<[u8]>) -> Flow {
    answer(core, conn, |reply| reply.error(text))
}

/// Answers `+OK`.
pub fn ok(core: &mut Core, conn: &mut Conn) -> Flow {
    answer(core, conn, |reply| reply.ok())
}

/// Answers `+OK`, or with the error.
pub fn result(core: &mut Core, conn: &mut Conn, result: Result<(), String>) -> Flow {
    match result {
        Ok(()) => ok(core, conn),
        Err(text) => error(core, conn, text),
    }
}

/// The HELP of any container.
pub fn help(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    answer(core, conn, |reply| spec::reply::help(args.at(0), reply))
}

/// What Redis says when a subcommand is there and its arguments make no sense.
pub fn subcommand_error(args: Args) -> Vec<u8> {
    /// Bytes that the error repeats.
    const ECHO_BYTES_MAX: usize = 128;
    let sub = args.get(1).unwrap_or_default();
    let container = args.at(0).to_ascii_uppercase();
    let sub = &sub[..sub.len().min(ECHO_BYTES_MAX)];
    [b"ERR unknown subcommand or wrong number of arguments for '", sub, b"'. Try ", &container, b" HELP."].concat()
}

/// A number as Redis reads it: decimal, no blanks, no leading zeros.
pub fn integer(word: &[u8]) -> Option<i64> {
    parse_canonical_i64(word)
}

/// A span of time in milliseconds, or Redis's error.
pub fn timeout_ms(word: &[u8]) -> Result<u64, &'static str> {
    let ms = integer(word).ok_or("ERR timeout is not an integer or out of range")?;
    u64::try_from(ms).map_err(|_| "ERR timeout is negative")
}

/// A word as text for an error.
pub fn shown(word: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(word)
}

/// Whether `word` is `keyword`, in any case.
pub fn is(word: &[u8], keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword.as_bytes())
}
