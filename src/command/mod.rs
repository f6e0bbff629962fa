//! Commands: one static table of what is known about them ([`spec`]), and the handlers that run them.
//!
//! A handler runs in one of two places. Most commands are about keys and run on the core that owns them, with a
//! [`Cx`] that is the only way to change the keyspace. The others are about the connection or the server and run on
//! the connection's core.

mod answer;
mod bitmap;
mod connection;
mod errors;
mod expect;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
mod list;
mod long_double;
mod pubsub;
mod sample;
mod server;
mod set;
mod sort;
pub mod spec;
mod stream;
mod string;
mod table;
#[cfg(test)]
pub(crate) mod testing;
mod transactions;
mod typed;
mod walk;
mod zset;

use crate::net::Conn;
use crate::resp::Args;
use crate::server::Core;
use crate::shard::Cx;
use spec::CommandSpec;

pub use sort::reached_keys;
pub use table::all;

/// A command: what is known about it and how it is run.
pub struct Command {
    /// Its row in the table.
    pub spec: &'static CommandSpec,
    /// How it is run.
    pub exec: Exec,
}

/// Runs on the core that owns the keys. Writes the reply; effects and waits go through the context.
pub type KeyedFn = fn(&mut Cx<'_>, Args<'_>);

/// Runs on the connection's core.
pub type ConnFn = fn(&mut Core, &mut Conn, Args<'_>) -> Flow;

/// How a command is run.
#[derive(Clone, Copy)]
pub enum Exec {
    /// Not there yet; unknown to clients.
    Missing,
    /// On the connection's core.
    Conn(ConnFn),
    /// On the core that owns the keys. If they live on several, their values are brought together first.
    Keyed(KeyedFn),
    /// As `Keyed`, but it may read keys that are known only once the values of those that it names are (SORT BY):
    /// [`reached_keys`] tells them.
    Reaching(KeyedFn),
    /// As `Keyed`; where the reply is null it waits for its keys to change, unless it is part of a transaction.
    Blocking(KeyedFn),
    /// As `Keyed`, but each core can do its part by itself; the parts' replies are merged.
    Split(KeyedFn, Merge),
    /// On every core, whatever the arguments.
    Every(KeyedFn, Merge),
    /// On the core that the cursor, the first argument, names (SCAN).
    Cursor(KeyedFn),
}

impl Exec {
    /// The handler, if it runs on a shard.
    #[inline]
    pub fn on_shard(self) -> Option<KeyedFn> {
        match self {
            Exec::Keyed(run)
            | Exec::Reaching(run)
            | Exec::Blocking(run)
            | Exec::Split(run, _)
            | Exec::Every(run, _)
            | Exec::Cursor(run) => Some(run),
            Exec::Conn(_) | Exec::Missing => None,
        }
    }
}

/// How the replies of several cores become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// Arrays with one element per key, put in the order of the request's keys.
    InOrder,
    /// Integers, added up.
    Sum,
    /// `+OK` from all.
    AllOk,
    /// Arrays, one behind the other.
    Concat,
}

/// How a connection goes on behind a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// With the next request.
    Next,
    /// Not before the command under way has ended.
    Blocked,
    /// With the same request, once earlier ones have been answered.
    Retry,
    /// Not at all: it closes when the replies so far are sent.
    Close,
}
