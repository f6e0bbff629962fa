//! DEBUG PROTOCOL: one reply of each kind that there is, for those who test clients.

use crate::command::Flow;
use crate::command::answer::{answer, error, is};
use crate::net::Conn;
use crate::resp::Reply;
use crate::server::Core;

const KINDS: &str = "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false";

type Writer = fn(&mut Reply);

/// DEBUG PROTOCOL kind. The values are those that Redis answers with.
pub(super) fn protocol(core: &mut Core, conn: &mut Conn, kind: &[u8]) -> Flow {
    #[allow(clippy::approx_constant, reason = "it is what Redis answers with, and no attempt at pi")]
    const WRITERS: [(&str, Writer); 12] = [
        ("string", |reply| reply.bulk(b"Hello World")),
        ("integer", |reply| reply.int(12345)),
        ("double", |reply| reply.double(3.141)),
        ("bignum", |reply| reply.big_number("1234567999999999999999999999999999999")),
        ("null", |reply| reply.null()),
        ("array", |reply| {
            reply.array(3);
            (0..3).for_each(|number| reply.int(number));
        }),
        ("set", |reply| {
            reply.set(3);
            (0..3).for_each(|number| reply.int(number));
        }),
        ("map", |reply| {
            reply.map(3);
            (0..3).for_each(|number| {
                reply.int(number);
                reply.boolean(number == 1);
            });
        }),
        ("attrib", attribute),
        ("verbatim", |reply| reply.verbatim("txt", b"This is a verbatim\nstring")),
        ("true", |reply| reply.boolean(true)),
        ("false", |reply| reply.boolean(false)),
    ];
    if is(kind, "push") {
        if !conn.session.proto.is_resp3() {
            return error(core, conn, "ERR RESP2 is not supported by this command");
        }
        return answer(core, conn, |reply| {
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.int(42);
            // A push is no reply, so one follows.
            reply.bulk(b"Some real reply following the push reply");
        });
    }
    match WRITERS.iter().find(|(name, _)| is(kind, name)) {
        Some((_, write)) => answer(core, conn, write),
        None => {
            let text = format!("ERR Wrong protocol type name. Please use one of the following: {KINDS}");
            error(core, conn, text)
        }
    }
}

/// An attribute, which RESP2 has not, and the reply that it belongs to.
fn attribute(reply: &mut Reply) {
    if reply.is_resp3() {
        reply.raw(b"|1\r\n");
        reply.bulk(b"key-popularity");
        reply.array(2);
        reply.bulk(b"key:123");
        reply.int(90);
    }
    reply.bulk(b"Some real reply following the attribute");
}
