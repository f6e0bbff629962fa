//! XREAD, and the arguments that it shares with XREADGROUP.

use super::id_text::IdText;
use super::{arguments, value};
use crate::command::answer::timeout_ms;
use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse};
use crate::object::stream::{EntryLog, StreamId};
use crate::resp::Args;
use crate::server::SETTLED;
use crate::shard::Cx;
use std::borrow::Cow;

/// The words before the keys, understood.
pub(super) struct Request<'a> {
    /// Entries per stream at most.
    pub count: usize,
    /// Whether to wait if there is nothing.
    pub block: bool,
    /// XREADGROUP: the group and the consumer.
    pub group: Option<(&'a [u8], &'a [u8])>,
    /// XREADGROUP: what is given needs no acknowledgement.
    pub no_ack: bool,
    /// Keys, then as many IDs.
    keys_and_ids: Args<'a>,
}

impl<'a> Request<'a> {
    pub(super) fn parse(cx: &mut Cx<'_>, args: Args<'a>, for_group: bool) -> Result<Request<'a>, Refused> {
        let mut request = Request {
            count: usize::MAX,
            block: false,
            group: None,
            no_ack: false,
            keys_and_ids: args.tail(args.len()),
        };
        let mut at = 1;
        while at < args.len() {
            let value = args.get(at + 1);
            match value {
                Some(timeout) if args.is(at, "BLOCK") => {
                    timeout_ms(timeout).or_else(|error| refuse(cx, error))?;
                    request.block = true;
                    at += 1;
                }
                Some(count) if args.is(at, "COUNT") => {
                    request.count = match integer(cx, count)? {
                        count @ 1.. => count as usize,
                        _ => usize::MAX,
                    };
                    at += 1;
                }
                Some(_) if args.is(at, "STREAMS") => {
                    request.keys_and_ids = args.tail(at + 1);
                    break;
                }
                Some(group) if args.is(at, "GROUP") && at + 2 < args.len() => {
                    if !for_group {
                        return refuse(
                            cx,
                            "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
                        );
                    }
                    request.group = Some((group, args.at(at + 2)));
                    at += 2;
                }
                _ if args.is(at, "NOACK") => {
                    if !for_group {
                        return refuse(
                            cx,
                            "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
                        );
                    }
                    request.no_ack = true;
                }
                _ => return refuse(cx, errors::SYNTAX),
            }
            at += 1;
        }
        let words = request.keys_and_ids.len();
        if words % 2 == 1 {
            let (command, sign) =
                if for_group { ("xreadgroup", "an ID or '>'") } else { ("xread", "an ID, '+', or '$'") };
            return refuse(
                cx,
                format!("ERR Unbalanced '{command}' list of streams: for each stream key {sign} must be specified."),
            );
        }
        if words == 0 {
            return refuse(cx, errors::SYNTAX);
        }
        if for_group && request.group.is_none() {
            return refuse(cx, "ERR Missing GROUP option for XREADGROUP");
        }
        Ok(request)
    }

    /// Each key with its ID's text.
    pub(super) fn streams(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let half = self.keys_and_ids.len() / 2;
        let words = self.keys_and_ids;
        (0..half).map(move |index| (words.at(index), words.at(half + index)))
    }
}

/// `XREAD [COUNT count] [BLOCK ms] STREAMS key [key …] id [id …]`
pub fn xread(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_xread(cx, args);
}

fn try_xread(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let request = Request::parse(cx, args, false)?;
    let mut streams = Vec::with_capacity(request.streams().size_hint().0);
    let mut ends: Vec<Cow<'_, [u8]>> = Vec::new();
    for (key, text) in request.streams() {
        let found = value::to_read(cx, key)?;
        let after = match text {
            b"$" => found.map_or(StreamId::MIN, |found| value::of(cx.value(found)).log().last_id()),
            b"+" => found.map_or(StreamId::MIN, |found| before_last(value::of(cx.value(found)).log())),
            b">" => {
                return refuse(
                    cx,
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
                );
            }
            text => arguments::id(cx, text)?,
        };
        ends.push(if text == b"$" { Cow::Owned(IdText::new(after).as_bytes().to_vec()) } else { Cow::Borrowed(text) });
        streams.push((key, found, after));
    }
    let (db, reply) = cx.reading();
    let start = reply.deferred_array();
    let mut shown = 0;
    for (key, found, after) in streams {
        let (Some(found), Some(from)) = (found, after.next()) else { continue };
        let log = value::of(db.value(found.entry)).log();
        let mut entries = log.range(from, StreamId::MAX).peekable();
        if log.last_id() <= after || entries.peek().is_none() {
            continue;
        }
        if !reply.is_resp3() {
            reply.array(2);
        }
        reply.bulk(key);
        value::reply_entries(reply, entries, request.count);
        shown += 1;
    }
    if shown > 0 {
        finish_streams(&mut cx.reply, start, shown);
    } else if request.block && !cx.session.in_transaction {
        cx.reply.raw(&settled(&ends));
    } else {
        cx.reply.null_array();
    }
    Ok(())
}

/// Says that nothing is there, and what the IDs are to be while the client waits: `$` is the end as it was when the
/// command came.
fn settled(ends: &[Cow<'_, [u8]>]) -> Vec<u8> {
    let mut reply = vec![SETTLED];
    reply.extend(ends.join(&b' '));
    reply
}

/// Puts the head before the streams that were written since `start`: a map in RESP3, an array of pairs in RESP2.
pub(super) fn finish_streams(reply: &mut crate::resp::Reply<'_>, start: usize, shown: usize) {
    if reply.is_resp3() {
        reply.finish_map(start, shown);
    } else {
        reply.finish_array(start, shown);
    }
}

/// The ID behind which only the last entry lies.
fn before_last(log: &EntryLog) -> StreamId {
    log.last_entry_id().and_then(StreamId::previous).unwrap_or(log.last_id())
}
