//! Publish/subscribe.

mod ask;
mod publish;
mod subscribe;

use super::Exec;
use super::answer::help;

/// The family's handlers.
pub(super) fn handlers() -> Vec<(&'static str, Exec)> {
    vec![
        ("subscribe", Exec::Conn(subscribe::subscribe)),
        ("psubscribe", Exec::Conn(subscribe::psubscribe)),
        ("ssubscribe", Exec::Conn(subscribe::ssubscribe)),
        ("unsubscribe", Exec::Conn(subscribe::unsubscribe)),
        ("punsubscribe", Exec::Conn(subscribe::punsubscribe)),
        ("sunsubscribe", Exec::Conn(subscribe::sunsubscribe)),
        ("publish", Exec::Conn(publish::publish)),
        ("spublish", Exec::Conn(publish::spublish)),
        ("pubsub|channels", Exec::Conn(ask::channels)),
        ("pubsub|shardchannels", Exec::Conn(ask::shard_channels)),
        ("pubsub|numsub", Exec::Conn(ask::numsub)),
        ("pubsub|shardnumsub", Exec::Conn(ask::shard_numsub)),
        ("pubsub|numpat", Exec::Conn(ask::numpat)),
        ("pubsub|help", Exec::Conn(help)),
    ]
}

#[cfg(test)]
mod tests;
