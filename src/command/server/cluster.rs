//! CLUSTER: the server as a cluster of its cores (`cluster-core-ports`), so that clients reach the core of a key
//! directly. Slots never move, and every core serves every key.

use crate::command::answer::{NOT_AN_INTEGER, answer, error, help, integer};
use crate::command::{Exec, Flow, spec};
use crate::net::{Conn, Peer};
use crate::resp::{Args, Reply};
use crate::server::{Core, Finding, Outcome, Query};
use crate::shard::slot::{SLOTS, core_of_slot, slot_of, slots_of_core};

/// What Redis says while it is no cluster.
pub const DISABLED: &str = "ERR This instance has cluster support disabled";

/// The port of a node's bus is so much above its own; there is no bus, but the format wants one.
const BUS_PORT_OFFSET: u32 = 10_000;

pub(super) fn handlers() -> Vec<(&'static str, Exec)> {
    let implemented: [(&'static str, crate::command::ConnFn); 12] = [
        ("cluster|keyslot", key_slot),
        ("cluster|countkeysinslot", count_keys_in_slot),
        ("cluster|getkeysinslot", get_keys_in_slot),
        ("cluster|info", info),
        ("cluster|myid", my_id),
        ("cluster|myshardid", my_id),
        ("cluster|slots", slots),
        ("cluster|shards", shards),
        ("cluster|nodes", nodes),
        ("cluster|links", none),
        ("cluster|replicas", none),
        ("cluster|slaves", none),
    ];
    let names = spec::find(b"cluster").map_or(&[][..], |cluster| cluster.subcommands).iter().map(|sub| sub.name);
    let mut handlers: Vec<(&'static str, Exec)> = names.map(|name| (name, Exec::Conn(fixed))).collect();
    handlers.push(("cluster|help", Exec::Conn(help)));
    handlers.extend(implemented.map(|(name, run)| (name, Exec::Conn(run))));
    handlers
}

/// Every subcommand that would change the cluster.
fn fixed(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    if_enabled(core, conn, |core, conn| {
        error(core, conn, "ERR The slots of this server belong to its cores and never move")
    })
}

fn if_enabled(core: &mut Core, conn: &mut Conn, run: impl FnOnce(&mut Core, &mut Conn) -> Flow) -> Flow {
    if core.settings.cluster_core_ports { run(core, conn) } else { error(core, conn, DISABLED) }
}

/// CLUSTER LINKS, REPLICAS and SLAVES
fn none(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    if_enabled(core, conn, |core, conn| answer(core, conn, |reply| reply.array(0)))
}

/// CLUSTER KEYSLOT key
fn key_slot(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    if_enabled(core, conn, |core, conn| answer(core, conn, |reply| reply.int(slot_of(args.at(2)) as i64)))
}

fn parse_slot(word: &[u8]) -> Option<u16> {
    integer(word).and_then(|slot| u16::try_from(slot).ok()).filter(|&slot| (slot as usize) < SLOTS)
}

/// CLUSTER COUNTKEYSINSLOT slot
fn count_keys_in_slot(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    if_enabled(core, conn, |core, conn| {
        let Some(slot) = parse_slot(args.at(2)) else {
            let text = if integer(args.at(2)).is_none() { NOT_AN_INTEGER } else { "ERR Invalid slot" };
            return error(core, conn, text);
        };
        core.in_task(conn, move |handle| async move {
            let owner = handle.with(|core| core_of_slot(slot, core.cores()));
            let found = handle.find_out(owner, Query::SlotKeys { slot, count: 0 }).await;
            Outcome::write(Default::default(), |reply| reply.int(found.count() as i64))
        })
    })
}

/// CLUSTER GETKEYSINSLOT slot count
fn get_keys_in_slot(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    if_enabled(core, conn, |core, conn| {
        if integer(args.at(2)).is_none() || integer(args.at(3)).is_none() {
            return error(core, conn, NOT_AN_INTEGER);
        }
        let count = integer(args.at(3)).and_then(|count| usize::try_from(count).ok());
        let (Some(slot), Some(count)) = (parse_slot(args.at(2)), count) else {
            return error(core, conn, "ERR Invalid slot or number of keys");
        };
        if count == 0 {
            return answer(core, conn, |reply| reply.array(0));
        }
        core.in_task(conn, move |handle| async move {
            let owner = handle.with(|core| core_of_slot(slot, core.cores()));
            let found = handle.find_out(owner, Query::SlotKeys { slot, count }).await;
            let names = if let Finding::Names(names) = found { names } else { Vec::new() };
            Outcome::write(Default::default(), |reply| {
                reply.array(names.len());
                names.iter().for_each(|name| reply.bulk(name));
            })
        })
    })
}

/// CLUSTER MYID and MYSHARDID
fn my_id(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    if_enabled(core, conn, |core, conn| {
        let id = node_id(core, core.me());
        answer(core, conn, |reply| reply.bulk(id.as_bytes()))
    })
}

/// CLUSTER INFO
fn info(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    if_enabled(core, conn, |core, conn| {
        let (nodes, epoch) = (core.cores(), core.me() + 1);
        let text = format!(
            "cluster_state:ok\r\ncluster_slots_assigned:{SLOTS}\r\ncluster_slots_ok:{SLOTS}\r\ncluster_slots_pfail:0\r\n\
             cluster_slots_fail:0\r\ncluster_known_nodes:{nodes}\r\ncluster_size:{nodes}\r\n\
             cluster_current_epoch:{nodes}\r\ncluster_my_epoch:{epoch}\r\ncluster_stats_messages_sent:0\r\n\
             cluster_stats_messages_received:0\r\ntotal_cluster_links_buffer_limit_exceeded:0\r\n"
        );
        answer(core, conn, |reply| reply.verbatim("txt", text.as_bytes()))
    })
}

/// A core as a node of the cluster.
struct Node {
    id: String,
    ip: String,
    port: u16,
    slots: (u16, u16),
    is_me: bool,
}

/// The nodes as this connection reaches them: by the address that it came to.
fn all_nodes(core: &Core, conn: &Conn) -> Vec<Node> {
    let ip = match &conn.peer {
        Peer::Tcp { local, .. } => local.ip().to_canonical().to_string(),
        Peer::Unix(_) => "127.0.0.1".into(),
    };
    let nodes = (0..core.cores()).map(|index| Node {
        id: node_id(core, index),
        ip: ip.clone(),
        port: core.everyone.core_port(index),
        slots: slots_of_core(index, core.cores()),
        is_me: index == core.me(),
    });
    nodes.collect()
}

/// 40 hex digits: those of the run, with the core's number in front.
fn node_id(core: &Core, index: usize) -> String {
    format!("{index:04x}{}", &core.everyone.run_id[4..])
}

/// CLUSTER SLOTS
fn slots(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    if_enabled(core, conn, |core, conn| {
        let nodes = all_nodes(core, conn);
        answer(core, conn, |reply| {
            reply.array(nodes.len());
            for node in &nodes {
                reply.array(3);
                reply.int(node.slots.0 as i64);
                reply.int(node.slots.1 as i64);
                reply.array(4);
                reply.bulk(node.ip.as_bytes());
                reply.int(node.port as i64);
                reply.bulk(node.id.as_bytes());
                reply.array(0);
            }
        })
    })
}

/// CLUSTER SHARDS
fn shards(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    if_enabled(core, conn, |core, conn| {
        let nodes = all_nodes(core, conn);
        answer(core, conn, |reply| {
            reply.array(nodes.len());
            nodes.iter().for_each(|node| write_shard(reply, node));
        })
    })
}

fn write_shard(reply: &mut Reply, node: &Node) {
    reply.map(2);
    reply.bulk(b"slots");
    reply.array(2);
    reply.int(node.slots.0 as i64);
    reply.int(node.slots.1 as i64);
    reply.bulk(b"nodes");
    reply.array(1);
    reply.map(7);
    let words: [(&[u8], &[u8]); 4] =
        [(b"ip", node.ip.as_bytes()), (b"endpoint", node.ip.as_bytes()), (b"role", b"master"), (b"health", b"online")];
    reply.bulk(b"id");
    reply.bulk(node.id.as_bytes());
    reply.bulk(b"port");
    reply.int(node.port as i64);
    for (name, value) in &words[..3] {
        reply.bulk(name);
        reply.bulk(value);
    }
    reply.bulk(b"replication-offset");
    reply.int(0);
    reply.bulk(words[3].0);
    reply.bulk(words[3].1);
}

/// CLUSTER NODES
fn nodes(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    if_enabled(core, conn, |core, conn| {
        let lines = all_nodes(core, conn).into_iter().enumerate().map(|(index, node)| {
            format!(
                "{} {}:{}@{} {}master - 0 0 {} connected {}-{}\n",
                node.id,
                node.ip,
                node.port,
                node.port as u32 + BUS_PORT_OFFSET,
                if node.is_me { "myself," } else { "" },
                index + 1,
                node.slots.0,
                node.slots.1
            )
        });
        let text: String = lines.collect();
        answer(core, conn, |reply| reply.verbatim("txt", text.as_bytes()))
    })
}
