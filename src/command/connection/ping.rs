//! PING, ECHO, QUIT and SELECT.

use crate::command::Flow;
use crate::command::answer::{NOT_AN_INTEGER, answer, error, integer, ok};
use crate::command::spec::LookupError;
use crate::net::Conn;
use crate::resp::Args;
use crate::server::Core;

/// PING [message]
pub fn ping(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    if args.len() > 2 {
        return error(core, conn, LookupError::Arity("ping").text(args));
    }
    let message = args.get(1);
    let subscribed = conn.subscriptions() > 0 && !conn.session.proto.is_resp3();
    answer(core, conn, |reply| match message {
        // A RESP2 subscriber must be able to tell this from a message.
        _ if subscribed => {
            reply.array(2);
            reply.bulk(b"pong");
            reply.bulk(message.unwrap_or_default());
        }
        None => reply.simple("PONG"),
        Some(message) => reply.bulk(message),
    })
}

/// ECHO message
pub fn echo(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    answer(core, conn, |reply| reply.bulk(args.at(1)))
}

/// QUIT
pub fn quit(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    ok(core, conn);
    Flow::Close
}

/// SELECT index
pub fn select(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let Some(index) = integer(args.at(1)) else { return error(core, conn, NOT_AN_INTEGER) };
    match u16::try_from(index) {
        Ok(db) if db < core.settings.databases => {
            conn.session.db = db;
            ok(core, conn)
        }
        _ => error(core, conn, "ERR DB index is out of range"),
    }
}
