//! ROLE, REPLICAOF, READONLY and the like. There is no replication yet: this server is always a master without replicas.

use crate::command::answer::{answer, error, is, ok};
use crate::command::{Exec, Flow};
use crate::net::Conn;
use crate::resp::Args;
use crate::server::Core;

pub(super) fn handlers() -> Vec<(&'static str, Exec)> {
    vec![
        ("role", Exec::Conn(role)),
        ("replicaof", Exec::Conn(replica_of)),
        ("slaveof", Exec::Conn(replica_of)),
        ("readonly", Exec::Conn(in_cluster)),
        ("readwrite", Exec::Conn(in_cluster)),
        ("asking", Exec::Conn(in_cluster)),
    ]
}

/// ROLE
fn role(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    answer(core, conn, |reply| {
        reply.array(3);
        reply.bulk(b"master");
        reply.int(0);
        reply.array(0);
    })
}

/// REPLICAOF (host port | NO ONE)
fn replica_of(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    if is(args.at(1), "no") && is(args.at(2), "one") {
        return ok(core, conn);
    }
    error(core, conn, "ERR Replication is not supported by this server")
}

/// READONLY, READWRITE and ASKING: every core serves every key, so there is nothing to allow.
fn in_cluster(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    if !core.settings.cluster_core_ports {
        return error(core, conn, super::cluster::DISABLED);
    }
    ok(core, conn)
}
