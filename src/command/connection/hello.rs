//! HELLO: the protocol, and who is there.

use super::auth::{WRONG_PASSWORD, log_in};
use super::identity::{NAME_ERROR, is_plain, set_name};
use crate::command::Flow;
use crate::command::answer::{answer, error, integer, shown};
use crate::net::{Conn, Special};
use crate::observe::info::{REDIS_VERSION, mode};
use crate::resp::{Args, Proto};
use crate::server::Core;

/// HELLO [protover [AUTH username password] [SETNAME clientname]]
pub fn hello(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let mut proto = None;
    if let Some(version) = args.get(1) {
        proto = match integer(version) {
            None => return error(core, conn, "ERR Protocol version is not an integer or out of range"),
            Some(2) => Some(Proto::Resp2),
            Some(3) => Some(Proto::Resp3),
            Some(_) => return error(core, conn, "NOPROTO unsupported protocol version"),
        };
    }
    let (mut login, mut name) = (None, None);
    let mut at = 2;
    while at < args.len() {
        if args.is(at, "AUTH") && at + 2 < args.len() {
            login = Some((args.at(at + 1), args.at(at + 2)));
            at += 3;
        } else if args.is(at, "SETNAME") && at + 1 < args.len() {
            if !is_plain(args.at(at + 1)) {
                return error(core, conn, NAME_ERROR);
            }
            name = Some(args.at(at + 1));
            at += 2;
        } else {
            let text = format!("ERR Syntax error in HELLO option '{}'", shown(args.at(at)));
            return error(core, conn, text);
        }
    }
    if let Some((user, password)) = login
        && !log_in(core, conn, user, password)
    {
        return error(core, conn, WRONG_PASSWORD);
    }
    if conn.special.has(Special::UNAUTHENTICATED) {
        return error(
            core,
            conn,
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
             <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the \
             same time",
        );
    }
    if let Some(name) = name {
        set_name(conn, name);
    }
    if let Some(proto) = proto {
        conn.session.proto = proto;
    }
    let (id, mode) = (conn.id, mode(&core.settings));
    answer(core, conn, |reply| {
        reply.map(7);
        reply.bulk(b"server");
        reply.bulk(b"redis");
        reply.bulk(b"version");
        reply.bulk(REDIS_VERSION.as_bytes());
        reply.bulk(b"proto");
        reply.int(if reply.is_resp3() { 3 } else { 2 });
        reply.bulk(b"id");
        reply.int(id as i64);
        reply.bulk(b"mode");
        reply.bulk(mode.as_bytes());
        reply.bulk(b"role");
        reply.bulk(b"master");
        reply.bulk(b"modules");
        reply.array(0);
    })
}
