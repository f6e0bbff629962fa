//! AUTH: the default user and its password.

use crate::command::Flow;
use crate::command::answer::{SYNTAX_ERROR, error, ok};
use crate::net::{Conn, Special};
use crate::resp::Args;
use crate::server::Core;

/// What Redis says of a wrong name or password.
pub const WRONG_PASSWORD: &str = "WRONGPASS invalid username-password pair or user is disabled.";

/// AUTH [username] password
pub fn auth(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let (user, password): (&[u8], &[u8]) = match args.len() {
        2 if core.settings.requirepass.is_none() => {
            return error(
                core,
                conn,
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?",
            );
        }
        2 => (b"default", args.at(1)),
        3 => (args.at(1), args.at(2)),
        _ => return error(core, conn, SYNTAX_ERROR),
    };
    if !log_in(core, conn, user, password) {
        return error(core, conn, WRONG_PASSWORD);
    }
    ok(core, conn)
}

/// Logs a connection in; `false` if name or password are wrong.
pub fn log_in(core: &Core, conn: &mut Conn, user: &[u8], password: &[u8]) -> bool {
    let matches = match &core.settings.requirepass {
        _ if user != b"default" => false,
        // Without a password any will do, as in Redis.
        None => true,
        Some(expected) => same(expected, password),
    };
    if matches {
        conn.special.set(Special::UNAUTHENTICATED, false);
    }
    matches
}

/// Compares secrets without telling by its time where they differ.
fn same(expected: &[u8], given: &[u8]) -> bool {
    let differing = expected.iter().zip(given).fold(0, |sum, (a, b)| sum | (a ^ b));
    expected.len() == given.len() && std::hint::black_box(differing) == 0
}
