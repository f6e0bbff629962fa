//! XREADGROUP.

use super::read::{Request, finish_streams};
use super::{arguments, effects, value};
use crate::command::expect::{Refused, refuse};
use crate::config::events;
use crate::object::stream::{ConsumerKey, EntryLog, Group, Pending, StreamId};
use crate::resp::Args;
use crate::shard::{Cx, Found};

/// `XREADGROUP GROUP group consumer [COUNT count] [BLOCK ms] [NOACK] STREAMS key [key …] id [id …]`
pub fn xreadgroup(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_xreadgroup(cx, args);
}

/// What is wanted of a stream.
#[derive(Clone, Copy)]
enum From {
    /// Entries that nobody was given yet.
    New,
    /// The consumer's own pending entries behind this ID.
    Behind(StreamId),
}

fn try_xreadgroup(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let request = Request::parse(cx, args, true)?;
    let Some((group, consumer)) = request.group else { return Ok(()) };
    let mut reads = Vec::with_capacity(request.streams().size_hint().0);
    for (key, text) in request.streams() {
        let found = match value::to_write(cx, key)? {
            Some(found) if value::of(cx.value(found)).group(group).is_some() => found,
            _ => return refuse(cx, no_key_or_group(key, group)),
        };
        let from = match text {
            b"$" | b"+" => return refuse(cx, meaningless(text[0] as char)),
            b">" => From::New,
            text => From::Behind(arguments::id(cx, text)?),
        };
        reads.push(Read { key, group, consumer, found, from });
    }
    let start = cx.reply.deferred_array();
    let mut shown = 0;
    for read in &reads {
        shown += usize::from(cx.atomically(|cx| read.run(cx, &request)));
    }
    if shown == 0 {
        cx.reply.null_array();
    } else {
        finish_streams(&mut cx.reply, start, shown);
    }
    Ok(())
}

fn no_key_or_group(key: &[u8], group: &[u8]) -> Vec<u8> {
    let texts = [b"NOGROUP No such key '", key, b"' or consumer group '", group, b"' in XREADGROUP with GROUP option"];
    texts.concat()
}

fn meaningless(sign: char) -> String {
    format!(
        "ERR The {sign} ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
         specifying a proper ID, or use the > ID to get new messages. The {sign} ID would just return an empty result set."
    )
}

/// One stream to be read.
struct Read<'a> {
    key: &'a [u8],
    group: &'a [u8],
    consumer: &'a [u8],
    found: Found,
    from: From,
}

impl Read<'_> {
    /// Reads, with all that follows from it; says whether there was something to show.
    fn run(&self, cx: &mut Cx<'_>, request: &Request<'_>) -> bool {
        let now_ms = cx.now_ms() as i64;
        self.meet_consumer(cx, now_ms);
        match self.from {
            From::New => self.take_new(cx, request, now_ms),
            From::Behind(id) => {
                self.show_own(cx, id, request.count, now_ms);
                true
            }
        }
    }

    /// Makes the consumer if need be, and notes that it was here.
    fn meet_consumer(&self, cx: &mut Cx<'_>, now_ms: i64) {
        if self.group(cx).find(self.consumer).is_some() {
            value::note_seen(cx, self.found, self.group, self.consumer, now_ms);
            return;
        }
        let mut object = cx.object_mut_unwatched(self.key, self.found);
        value::group_mut(&mut object, self.group).find_or_create(self.consumer, now_ms);
        drop(object);
        cx.notify(events::STREAM, "xgroup-createconsumer", self.key);
        effects::consumer(cx, self.key, self.group, self.consumer);
    }

    fn group<'c>(&self, cx: &'c Cx<'_>) -> &'c Group {
        value::of(cx.value(self.found)).group(self.group).expect("the group was looked up before")
    }

    /// Gives the consumer entries that are new to the group.
    fn take_new(&self, cx: &mut Cx<'_>, request: &Request<'_>, now_ms: i64) -> bool {
        let (db, reply) = cx.reading();
        let stream = value::of(db.value(self.found.entry));
        let group = stream.group(self.group).expect("the group was looked up before");
        let Some(from) = group.last_id.next() else { return false };
        let mut entries = stream.log().range(from, StreamId::MAX).peekable();
        if entries.peek().is_none() {
            return false;
        }
        if !reply.is_resp3() {
            reply.array(2);
        }
        reply.bulk(self.key);
        let start = reply.deferred_array();
        let mut ids = Vec::new();
        for entry in entries.take(request.count) {
            value::reply_entry(reply, &entry);
            ids.push(entry.id);
        }
        reply.finish_array(start, ids.len());
        let (last_id, entries_read) = self.change(cx, |log, group, consumer| {
            for &id in &ids {
                group.advance(log, id);
                if !request.no_ack {
                    group.deliver(id, consumer, now_ms);
                }
            }
            // A consumer is active, too, if it acknowledges nothing.
            group.consumer_mut(consumer).active_time_ms = now_ms;
            effects::position_of(group)
        });
        if !request.no_ack {
            let pending = self.group(cx).pending(ids[0]).copied();
            if let Some(pending) = pending {
                effects::given(cx, self.key, self.group, self.consumer, &ids, pending, last_id);
            }
        }
        effects::position(cx, self.key, self.group, last_id, entries_read);
        true
    }

    /// Shows the consumer what is pending for it behind an ID: each of these is a delivery as well.
    fn show_own(&self, cx: &mut Cx<'_>, after: StreamId, count: usize, now_ms: i64) {
        let (db, reply) = cx.reading();
        let stream = value::of(db.value(self.found.entry));
        let group = stream.group(self.group).expect("the group was looked up before");
        if !reply.is_resp3() {
            reply.array(2);
        }
        reply.bulk(self.key);
        let start = reply.deferred_array();
        let (mut shown, mut ids) = (0, Vec::new());
        if let (Some(from), Some(consumer)) = (after.next(), group.find(self.consumer)) {
            for (id, _) in group.pending_of(consumer, from..=StreamId::MAX).take(count) {
                match stream.log().get(id) {
                    Some(entry) => {
                        value::reply_entry(reply, &entry);
                        ids.push(id);
                    }
                    None => {
                        reply.array(2);
                        value::reply_id(reply, id);
                        reply.null_array();
                    }
                }
                shown += 1;
            }
        }
        reply.finish_array(start, shown);
        if ids.is_empty() {
            return;
        }
        let (last_id, given) = self.change(cx, |_, group, _| {
            ids.iter().for_each(|&id| group.deliver_again(id, now_ms));
            let given: Vec<(StreamId, Pending)> =
                ids.iter().filter_map(|&id| Some((id, *group.pending(id)?))).collect();
            (group.last_id, given)
        });
        for run in given.chunk_by(|(_, one), (_, other)| one == other) {
            let ids: Vec<_> = run.iter().map(|&(id, _)| id).collect();
            effects::given(cx, self.key, self.group, self.consumer, &ids, run[0].1, last_id);
        }
    }

    /// Has `change` alter the group.
    fn change<T>(&self, cx: &mut Cx<'_>, change: impl FnOnce(&EntryLog, &mut Group, ConsumerKey) -> T) -> T {
        let mut object = cx.object_mut_unwatched(self.key, self.found);
        let (log, groups) = value::of_mut(&mut object).parts_mut();
        let group = groups.get_mut(self.group).expect("the group was looked up before");
        let consumer = group.find(self.consumer).expect("the consumer was made before");
        change(log, group, consumer)
    }
}
