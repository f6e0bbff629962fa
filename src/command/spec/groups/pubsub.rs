//! Publish/subscribe.

use crate::command::spec::row::*;

const SUBSCRIBES: u32 = PUBSUB | NOSCRIPT | LOADING | STALE;
const PUBLISHES: u32 = PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE;
const ASKS: u32 = PUBSUB | LOADING | STALE;
const CHANNELS: &str = "O(N) in the channels";

const SUBCOMMANDS: &[CommandSpec] = &[
    cmd("pubsub|channels", -2, ASKS, PLAIN)
        .doc("2.8.0", "The channels that have subscribers.", CHANNELS)
        .args(&[pattern("pattern").opt()]),
    help("pubsub|help", 0, PLAIN, "6.2.0"),
    cmd("pubsub|numpat", 2, ASKS, PLAIN).doc("2.8.0", "How many patterns are subscribed to.", "O(1)"),
    cmd("pubsub|numsub", -2, ASKS, PLAIN)
        .doc("2.8.0", "How many subscribers channels have.", CHANNELS)
        .args(&[string("channel").opt().many()]),
    cmd("pubsub|shardchannels", -2, ASKS, PLAIN)
        .doc("7.0.0", "The shard channels that have subscribers.", CHANNELS)
        .args(&[pattern("pattern").opt()]),
    cmd("pubsub|shardnumsub", -2, ASKS, PLAIN)
        .doc("7.0.0", "How many subscribers shard channels have.", CHANNELS)
        .args(&[string("shardchannel").opt().many()]),
];

pub(in crate::command::spec) const COMMANDS: &[CommandSpec] = &[
    cmd("psubscribe", -2, SUBSCRIBES | SENTINEL, PLAIN)
        .doc("2.0.0", "Subscribes to the channels that match patterns.", "O(N) in the patterns")
        .args(&[pattern("pattern").many()]),
    cmd("publish", 3, PUBLISHES | SENTINEL, PLAIN)
        .doc("2.0.0", "Sends a message to a channel.", "O(N+M): N subscribers of the channel, M patterns")
        .args(&[string("channel"), string("message")]),
    container("pubsub", 0, "2.8.0", "Commands about publish/subscribe.", SUBCOMMANDS).help(&[
        "CHANNELS [<pattern>]",
        "    List the channels that have subscribers, or those of them that match the pattern.",
        "NUMPAT",
        "    Show the number of patterns that are subscribed to.",
        "NUMSUB [<channel> ...]",
        "    Show the number of subscribers of each channel, without pattern subscribers.",
        "SHARDCHANNELS [<pattern>]",
        "    List the shard channels that have subscribers, or those of them that match the pattern.",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    Show the number of subscribers of each shard channel.",
    ]),
    cmd("punsubscribe", -1, SUBSCRIBES | SENTINEL, PLAIN)
        .doc("2.0.0", "Ends subscriptions to patterns, or all of them.", "O(N) in the patterns")
        .args(&[pattern("pattern").opt().many()]),
    cmd("spublish", 3, PUBLISHES, PLAIN)
        .keys(&[at(1, NOT_KEY)])
        .doc("7.0.0", "Sends a message to a shard channel.", "O(N) in its subscribers")
        .args(&[string("shardchannel"), string("message")]),
    cmd("ssubscribe", -2, SUBSCRIBES, PLAIN)
        .keys(&[span(1, -1, 1, NOT_KEY)])
        .doc("7.0.0", "Subscribes to shard channels.", CHANNELS)
        .args(&[string("shardchannel").many()]),
    cmd("subscribe", -2, SUBSCRIBES | SENTINEL, PLAIN)
        .doc("2.0.0", "Subscribes to channels.", CHANNELS)
        .args(&[string("channel").many()]),
    cmd("sunsubscribe", -1, SUBSCRIBES, PLAIN)
        .keys(&[span(1, -1, 1, NOT_KEY)])
        .doc("7.0.0", "Ends subscriptions to shard channels, or all of them.", CHANNELS)
        .args(&[string("shardchannel").opt().many()]),
    cmd("unsubscribe", -1, SUBSCRIBES | SENTINEL, PLAIN)
        .doc("2.0.0", "Ends subscriptions to channels, or all of them.", CHANNELS)
        .args(&[string("channel").opt().many()]),
];
