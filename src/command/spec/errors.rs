//! From a request's first words to its command, and the errors on that way, in the words of Redis.

use super::command::CommandSpec;
use super::lookup::find;
use crate::resp::Args;

/// How much of a client's words an error repeats, in bytes.
const ECHO_BYTES_MAX: usize = 128;

/// Why a request names no command that could run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// There is no such command.
    #[error("unknown command")]
    UnknownCommand,
    /// The command has no such subcommand.
    #[error("unknown subcommand")]
    UnknownSubcommand,
    /// Too few or too many arguments for the command of this name.
    #[error("wrong number of arguments for '{0}' command")]
    Arity(&'static str),
}

/// The command, or subcommand, that a request is for, if the number of arguments suits it. `args` holds the names first.
#[inline]
pub fn resolve(args: Args) -> Result<&'static CommandSpec, LookupError> {
    let spec = find(args.get(0).unwrap_or_default()).ok_or(LookupError::UnknownCommand)?;
    let spec = match args.get(1) {
        Some(name) if spec.is_container() => spec.subcommand(name).ok_or(LookupError::UnknownSubcommand)?,
        _ => spec,
    };
    if spec.accepts(args.len()) { Ok(spec) } else { Err(LookupError::Arity(spec.name)) }
}

impl LookupError {
    /// The error as it is sent, without CRLF and possibly with line breaks from the client's words, which
    /// [`crate::resp::Reply::error`] turns into blanks. `args` is the request.
    #[cold]
    pub fn text(self, args: Args) -> Vec<u8> {
        match self {
            LookupError::UnknownCommand => unknown_command(args),
            LookupError::UnknownSubcommand => unknown_subcommand(args),
            LookupError::Arity(name) => wrong_arity(name).into_bytes(),
        }
    }
}

/// `ERR wrong number of arguments for 'get' command`; `name` is the full one.
#[cold]
pub fn wrong_arity(name: &str) -> String {
    format!("ERR wrong number of arguments for '{name}' command")
}

fn unknown_command(args: Args) -> Vec<u8> {
    let mut shown = Vec::new();
    for arg in args.tail(1).iter() {
        if shown.len() >= ECHO_BYTES_MAX {
            break;
        }
        let room = ECHO_BYTES_MAX - shown.len();
        shown.push(b'\'');
        shown.extend_from_slice(clip(arg, room));
        shown.extend_from_slice(b"' ");
    }
    let name = clip(args.get(0).unwrap_or_default(), ECHO_BYTES_MAX);
    [b"ERR unknown command '", name, b"', with args beginning with: ", &shown].concat()
}

fn unknown_subcommand(args: Args) -> Vec<u8> {
    let name = clip(args.get(1).unwrap_or_default(), ECHO_BYTES_MAX);
    let container = args.get(0).unwrap_or_default().to_ascii_uppercase();
    [b"ERR unknown subcommand '", name, b"'. Try ", &container, b" HELP."].concat()
}

/// At most `room` bytes of `word`, and none from a zero byte on: Redis prints them as C strings.
fn clip(word: &[u8], room: usize) -> &[u8] {
    let word = &word[..word.len().min(room)];
    &word[..word.iter().position(|&b| b == 0).unwrap_or(word.len())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::OwnedArgs;

    fn error(words: &[&[u8]]) -> String {
        let owned = OwnedArgs::new(words);
        let args = owned.as_args();
        String::from_utf8(resolve(args).unwrap_err().text(args)).unwrap()
    }

    #[test]
    fn clients_that_match_on_error_texts_find_them() {
        assert_eq!(error(&[b"FOO", b"a", b"b"]), "ERR unknown command 'FOO', with args beginning with: 'a' 'b' ");
        assert_eq!(error(&[b"foo"]), "ERR unknown command 'foo', with args beginning with: ");
        assert_eq!(error(&[b"config", b"Foo"]), "ERR unknown subcommand 'Foo'. Try CONFIG HELP.");
        assert_eq!(error(&[b"GET"]), "ERR wrong number of arguments for 'get' command");
        assert_eq!(error(&[b"config", b"GET"]), "ERR wrong number of arguments for 'config|get' command");
        assert_eq!(error(&[b"config"]), "ERR wrong number of arguments for 'config' command");
    }

    #[test]
    fn long_words_are_cut_and_zero_bytes_end_them() {
        let long = [b'x'; 300];
        let expected = format!(
            "ERR unknown command '{0}', with args beginning with: '{1}' '{2}",
            "x".repeat(128),
            "x".repeat(100),
            "x".repeat(25)
        );
        assert_eq!(error(&[&long, &long[..100], &long, b"y"]), expected + "' ");
        assert_eq!(error(&[b"a\0b"]), "ERR unknown command 'a', with args beginning with: ");
    }

    #[test]
    fn a_container_is_resolved_to_its_subcommand() {
        assert_eq!(resolve(OwnedArgs::new(["Config", "get", "x"]).as_args()).unwrap().name, "config|get");
        assert_eq!(resolve(OwnedArgs::new(["COMMAND"]).as_args()).unwrap().name, "command");
        assert_eq!(resolve(OwnedArgs::new(["get", "x"]).as_args()).unwrap().name, "get");
    }
}
