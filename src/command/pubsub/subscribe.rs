//! SUBSCRIBE, UNSUBSCRIBE and their kin. Their replies are messages themselves, one for each channel.

use crate::command::Flow;
use crate::net::Conn;
use crate::resp::{Args, Reply};
use crate::server::{ChannelKind, Core, subscribed};

/// SUBSCRIBE channel [channel ...]
pub fn subscribe(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    begin(core, conn, args, ChannelKind::Channel, "subscribe")
}

/// PSUBSCRIBE pattern [pattern ...]
pub fn psubscribe(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    begin(core, conn, args, ChannelKind::Pattern, "psubscribe")
}

/// SSUBSCRIBE shardchannel [shardchannel ...]
pub fn ssubscribe(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    begin(core, conn, args, ChannelKind::Shard, "ssubscribe")
}

/// UNSUBSCRIBE [channel [channel ...]]
pub fn unsubscribe(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    end(core, conn, args, ChannelKind::Channel, "unsubscribe")
}

/// PUNSUBSCRIBE [pattern [pattern ...]]
pub fn punsubscribe(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    end(core, conn, args, ChannelKind::Pattern, "punsubscribe")
}

/// SUNSUBSCRIBE [shardchannel [shardchannel ...]]
pub fn sunsubscribe(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    end(core, conn, args, ChannelKind::Shard, "sunsubscribe")
}

fn begin(core: &mut Core, conn: &mut Conn, args: Args, kind: ChannelKind, word: &str) -> Flow {
    for name in args.tail(1).iter() {
        core.subscribe(conn, kind, name);
        confirm(conn, kind, word, Some(name));
    }
    Flow::Next
}

fn end(core: &mut Core, conn: &mut Conn, args: Args, kind: ChannelKind, word: &str) -> Flow {
    let names: Vec<Box<[u8]>> = match args.len() {
        1 => subscribed(conn, kind).iter().cloned().collect(),
        _ => args.tail(1).iter().map(Into::into).collect(),
    };
    if names.is_empty() {
        confirm(conn, kind, word, None);
    }
    for name in names {
        core.unsubscribe(conn, kind, &name);
        confirm(conn, kind, word, Some(&name));
    }
    Flow::Next
}

/// Says what was done and how many subscriptions there are now.
fn confirm(conn: &mut Conn, kind: ChannelKind, word: &str, name: Option<&[u8]>) {
    let count = match kind {
        ChannelKind::Shard => conn.profile.shard_channels.len(),
        _ => conn.profile.channels.len() + conn.profile.patterns.len(),
    };
    // It is a message like those that follow: CLIENT REPLY OFF does not hold it back.
    let muted = conn.outbox.is_muted();
    conn.outbox.mute(false);
    let (out, start) = conn.outbox.target();
    let mut reply = Reply::new(out, conn.session.proto);
    reply.push(3);
    reply.bulk(word.as_bytes());
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.int(count as i64);
    conn.outbox.commit(start, None);
    conn.outbox.mute(muted);
}
