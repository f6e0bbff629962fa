//! Publish/subscribe: each core knows the subscribers among its own connections, and delivers messages to them.

use super::core::Core;
use super::query::Query;
use crate::config::events;
use crate::glob;
use crate::net::{Conn, ConnRef, Gate, Outbox, Special};
use crate::resp::{Proto, Reply};
use crate::shard::message::Request;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What can be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelKind {
    /// A channel.
    Channel,
    /// All channels that match a pattern.
    Pattern,
    /// A shard channel.
    Shard,
}

/// A message on its way to subscribers.
#[derive(Debug)]
pub struct Message {
    /// Published by SPUBLISH.
    pub sharded: bool,
    /// Its channel.
    pub channel: Box<[u8]>,
    /// What it says.
    pub payload: Box<[u8]>,
    /// It must not arrive before these open: what its sender wrote before may be read by whoever gets it.
    pub gates: Vec<Gate>,
}

type Table = HashMap<Box<[u8]>, Vec<ConnRef>>;

/// The subscribers of one core.
#[derive(Default)]
pub struct Subscribers {
    channels: Table,
    patterns: Table,
    shard_channels: Table,
}

impl Subscribers {
    fn table(&self, kind: ChannelKind) -> &Table {
        match kind {
            ChannelKind::Channel => &self.channels,
            ChannelKind::Pattern => &self.patterns,
            ChannelKind::Shard => &self.shard_channels,
        }
    }

    fn table_mut(&mut self, kind: ChannelKind) -> &mut Table {
        match kind {
            ChannelKind::Channel => &mut self.channels,
            ChannelKind::Pattern => &mut self.patterns,
            ChannelKind::Shard => &mut self.shard_channels,
        }
    }

    /// What has subscribers here.
    pub fn names(&self, kind: ChannelKind) -> Vec<Box<[u8]>> {
        self.table(kind).keys().cloned().collect()
    }

    /// How many names have subscribers here.
    pub fn len(&self, kind: ChannelKind) -> usize {
        self.table(kind).len()
    }

    /// How many subscribers a name has here.
    pub fn count(&self, kind: ChannelKind, name: &[u8]) -> usize {
        self.table(kind).get(name).map_or(0, Vec::len)
    }

    /// Whether nobody subscribes to anything here.
    fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shard_channels.is_empty()
    }

    fn add(&mut self, kind: ChannelKind, name: &[u8], conn: ConnRef) {
        self.table_mut(kind).entry(name.into()).or_default().push(conn);
    }

    fn remove(&mut self, kind: ChannelKind, name: &[u8], conn: ConnRef) {
        let table = self.table_mut(kind);
        if let Some(subscribers) = table.get_mut(name) {
            subscribers.retain(|&at| at != conn);
            if subscribers.is_empty() {
                table.remove(name);
            }
        }
    }
}

/// The names that a connection subscribes to.
pub(crate) fn subscribed(conn: &mut Conn, kind: ChannelKind) -> &mut HashSet<Box<[u8]>> {
    match kind {
        ChannelKind::Channel => &mut conn.profile.channels,
        ChannelKind::Pattern => &mut conn.profile.patterns,
        ChannelKind::Shard => &mut conn.profile.shard_channels,
    }
}

impl Core {
    /// Subscribes a connection to something.
    pub(crate) fn subscribe(&mut self, conn: &mut Conn, kind: ChannelKind, name: &[u8]) {
        if subscribed(conn, kind).insert(name.into()) {
            self.subscribers.add(kind, name, conn.place);
            self.everyone.subscriptions[self.me()].fetch_add(1, Ordering::SeqCst);
        }
        conn.special.set(Special::SUBSCRIBED, true);
    }

    /// Ends a subscription.
    pub(crate) fn unsubscribe(&mut self, conn: &mut Conn, kind: ChannelKind, name: &[u8]) {
        if subscribed(conn, kind).remove(name) {
            self.subscribers.remove(kind, name, conn.place);
            self.everyone.subscriptions[self.me()].fetch_sub(1, Ordering::SeqCst);
        }
        conn.special.set(Special::SUBSCRIBED, conn.subscriptions() > 0);
    }

    /// Ends all subscriptions of a connection.
    pub(crate) fn unsubscribe_all(&mut self, conn: &mut Conn) {
        for kind in [ChannelKind::Channel, ChannelKind::Pattern, ChannelKind::Shard] {
            for name in std::mem::take(subscribed(conn, kind)) {
                self.subscribers.remove(kind, &name, conn.place);
                self.everyone.subscriptions[self.me()].fetch_sub(1, Ordering::SeqCst);
            }
        }
        conn.special.set(Special::SUBSCRIBED, false);
    }

    /// The other cores that have subscribers.
    pub(crate) fn cores_with_subscribers(&self) -> Vec<usize> {
        let counts = self.everyone.subscriptions.iter().enumerate();
        counts
            .filter(|&(core, count)| core != self.me() && count.load(Ordering::SeqCst) > 0)
            .map(|(core, _)| core)
            .collect()
    }

    /// Delivers a message to its subscribers here; returns how many there are. One that is in hand (taken out of the
    /// table) is counted and gets nothing: see to it with [`Core::deliver_to`].
    pub(crate) fn deliver_message(&mut self, message: &Message) -> u64 {
        if self.subscribers.is_empty() {
            return 0;
        }
        let kind = if message.sharded { ChannelKind::Shard } else { ChannelKind::Channel };
        let mut receivers: Vec<(ConnRef, Option<Box<[u8]>>)> = Vec::new();
        if let Some(direct) = self.subscribers.table(kind).get(&message.channel) {
            receivers.extend(direct.iter().map(|&at| (at, None)));
        }
        if !message.sharded {
            for (pattern, subscribers) in &self.subscribers.patterns {
                if glob::matches(pattern, &message.channel, false) {
                    receivers.extend(subscribers.iter().map(|&at| (at, Some(pattern.clone()))));
                }
            }
        }
        for (at, pattern) in &receivers {
            let Some(conn) = self.conns.get(*at) else { continue };
            write_message(conn, message, pattern.as_deref());
            self.release(*at);
        }
        receivers.len() as u64
    }

    /// Delivers a message to a connection in hand, if it subscribes to it.
    pub(crate) fn deliver_to(&mut self, conn: &mut Conn, message: &Message) {
        let direct = if message.sharded { &conn.profile.shard_channels } else { &conn.profile.channels };
        if direct.contains(&message.channel) {
            write_message(conn, message, None);
        }
        if !message.sharded {
            let matching: Vec<_> =
                conn.profile.patterns.iter().filter(|p| glob::matches(p, &message.channel, false)).cloned().collect();
            matching.iter().for_each(|pattern| write_message(conn, message, Some(pattern)));
        }
        let gates = conn.outbox.next_gates().to_vec();
        gates.into_iter().for_each(|gate| self.await_gate(conn.place, gate));
    }

    /// Publishes what happened to keys of this core since it was last asked. Called once a pass.
    #[inline]
    pub(super) fn publish_events(&mut self) {
        if !self.shard.events.is_empty() {
            self.publish_all_events();
        }
    }

    #[cold]
    fn publish_all_events(&mut self) {
        let wanted = self.settings.notify_keyspace_events;
        let others = self.cores_with_subscribers();
        let gate = self.gate_of_reads();
        for event in std::mem::take(&mut self.shard.events) {
            if others.is_empty() && self.subscribers.is_empty() {
                continue;
            }
            let gates = gate.into_iter().collect::<Vec<_>>();
            if wanted & events::KEYSPACE != 0 {
                let channel = [format!("__keyspace@{}__:", event.db).as_bytes(), &event.key].concat();
                let message = Message {
                    sharded: false,
                    channel: channel.into(),
                    payload: event.name.as_bytes().into(),
                    gates: gates.clone(),
                };
                self.announce(Arc::new(message), &others);
            }
            if wanted & events::KEYEVENT != 0 {
                let channel = format!("__keyevent@{}__:{}", event.db, event.name).into_bytes();
                let message = Message { sharded: false, channel: channel.into(), payload: event.key, gates };
                self.announce(Arc::new(message), &others);
            }
        }
    }

    /// Delivers a message everywhere without asking who got it.
    fn announce(&mut self, message: Arc<Message>, others: &[usize]) {
        self.deliver_message(&message);
        for &core in others {
            for &gate in &message.gates {
                self.promise(core, Some(gate));
            }
            self.tell(core, Request::Query(Query::Announce(message.clone())));
        }
    }
}

/// Writes a message for one subscriber.
fn write_message(conn: &mut Conn, message: &Message, pattern: Option<&[u8]>) {
    let mut bytes = Vec::with_capacity(message.channel.len() + message.payload.len() + 64);
    encode(&mut bytes, conn.session.proto, message, pattern);
    // Messages are no replies: CLIENT REPLY OFF does not hold them back.
    conn.outbox.mute(false);
    conn.outbox.push_aside_or(&bytes, &message.gates, |outbox| push(outbox, &bytes, &message.gates));
    conn.outbox.mute(conn.special.has(Special::REPLY_OFF));
}

fn push(outbox: &mut Outbox, bytes: &[u8], gates: &[Gate]) {
    if gates.is_empty() {
        let (out, start) = outbox.target();
        out.extend_from_slice(bytes);
        outbox.commit(start, None);
    } else {
        let seq = outbox.pending();
        outbox.answer(seq, bytes, gates);
    }
}
fn encode(out: &mut Vec<u8>, proto: Proto, message: &Message, pattern: Option<&[u8]>) {
    let mut reply = Reply::new(out, proto);
    match pattern {
        None => {
            reply.push(3);
            reply.bulk(if message.sharded { b"smessage" } else { b"message" });
        }
        Some(pattern) => {
            reply.push(4);
            reply.bulk(b"pmessage");
            reply.bulk(pattern);
        }
    }
    reply.bulk(&message.channel);
    reply.bulk(&message.payload);
}

#[cfg(test)]
mod tests {
    use crate::server::testing::Rig;

    #[test]
    fn a_message_in_the_middle_of_exec_comes_behind_its_reply() {
        let mut rig = Rig::new(3, &[]);
        let (client, publisher) = (rig.connect(0), rig.connect(0));
        assert!(rig.ask(client, "HELLO 3").starts_with('%'));
        assert_eq!(rig.ask(client, "SUBSCRIBE c"), ">3 $9 subscribe $1 c :1");
        // CLIENT LIST asks all cores, so that EXEC takes several passes.
        for line in ["MULTI", "PING", "CLIENT LIST ID 999999", "PUBLISH c own"] {
            rig.ask(client, line);
        }
        rig.send(client, &["EXEC"]);
        rig.send(publisher, &["PUBLISH", "c", "first"]);
        for _ in 0..8 {
            rig.pass();
            rig.send(publisher, &["PUBLISH", "c", "more"]);
        }
        let reply = rig.take(client);
        let exec = reply.find("*3 +PONG").expect("the transaction ran");
        let array = &reply[exec..];
        assert!(array.starts_with("*3 +PONG =4 txt: :1 "), "{reply}");
        assert_eq!(reply.matches("$3 own").count(), 1, "{reply}");
        assert_eq!(reply.matches("$5 first").count() + reply.matches("$4 more").count(), 9, "{reply}");
    }
}
