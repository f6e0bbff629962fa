//! PUBSUB: who subscribes to what, over all cores.

use crate::command::Flow;
use crate::command::answer::{error, subcommand_error};
use crate::glob;
use crate::net::Conn;
use crate::resp::Args;
use crate::server::{ChannelKind, Core, Finding, Outcome, Query};

/// PUBSUB CHANNELS [pattern]
pub fn channels(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    names(core, conn, args, ChannelKind::Channel)
}

/// PUBSUB SHARDCHANNELS [pattern]
pub fn shard_channels(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    names(core, conn, args, ChannelKind::Shard)
}

fn names(core: &mut Core, conn: &mut Conn, args: Args, kind: ChannelKind) -> Flow {
    if args.len() > 3 {
        return error(core, conn, subcommand_error(args));
    }
    let pattern = args.get(2).map(<[u8]>::to_vec);
    core.in_task(conn, move |handle| async move {
        let mut names = handle.channels(kind).await;
        names.retain(|name| pattern.as_ref().is_none_or(|pattern| glob::matches(pattern, name, false)));
        Outcome::write(Default::default(), |reply| {
            reply.array(names.len());
            names.iter().for_each(|name| reply.bulk(name));
        })
    })
}

/// PUBSUB NUMPAT
pub fn numpat(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    core.in_task(conn, |handle| async move {
        let patterns = handle.channels(ChannelKind::Pattern).await.len();
        Outcome::write(Default::default(), |reply| reply.int(patterns as i64))
    })
}

/// PUBSUB NUMSUB [channel [channel ...]]
pub fn numsub(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    counts(core, conn, args, ChannelKind::Channel)
}

/// PUBSUB SHARDNUMSUB [shardchannel [shardchannel ...]]
pub fn shard_numsub(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    counts(core, conn, args, ChannelKind::Shard)
}

fn counts(core: &mut Core, conn: &mut Conn, args: Args, kind: ChannelKind) -> Flow {
    let names: Vec<Box<[u8]>> = args.tail(2).iter().map(Into::into).collect();
    core.in_task(conn, move |handle| async move {
        let mut counts = vec![0; names.len()];
        for found in handle.ask_all(|| Query::Subscribers { kind, names: names.clone() }).await {
            if let Finding::Counts(some) = found {
                counts.iter_mut().zip(some).for_each(|(total, count)| *total += count);
            }
        }
        Outcome::write(Default::default(), |reply| {
            reply.array(names.len() * 2);
            for (name, count) in names.iter().zip(&counts) {
                reply.bulk(name);
                reply.int(*count as i64);
            }
        })
    })
}
