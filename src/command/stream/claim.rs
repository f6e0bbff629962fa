//! XCLAIM and XAUTOCLAIM.

use super::pending::no_key_or_group;
use super::{arguments, effects, value};
use crate::command::errors;
use crate::command::expect::{Refused, integer_or, refuse};
use crate::config::events;
use crate::object::stream::{Claim, ClaimOptions, ConsumerKey, EntryLog, Group, StreamId};
use crate::resp::Args;
use crate::shard::{Cx, Found};

/// Entries that XAUTOCLAIM claims unless told otherwise.
const COUNT: usize = 100;
/// Pending entries that XAUTOCLAIM looks at for each that it may claim.
const LOOKS_PER_CLAIM: usize = 10;

/// `XCLAIM key group consumer min-idle-ms id [id …] [IDLE ms] [TIME unix-ms] [RETRYCOUNT count] [FORCE] [JUSTID]
/// [LASTID id]`
pub fn xclaim(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_xclaim(cx, args);
}

fn try_xclaim(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let found = with_group(cx, args)?;
    let request = Request::parse(cx, args)?;
    let target = Target { key: args.at(1), group: args.at(2), consumer: args.at(3), found };
    let now_ms = request.now_ms(cx);
    let stream = value::of(cx.value(found));
    let group = stream.group(target.group).expect("the group was looked up before");
    let will_claim = request.ids.iter().any(|&id| would_change(stream.log(), group, id, request.options, now_ms));
    let advances = request.last_id > group.last_id;
    let mut done = Done::default();
    if will_claim || advances || group.find(target.consumer).is_none() {
        cx.atomically(|cx| {
            done = target.change(cx, now_ms, |log, group, consumer, done| {
                group.last_id = group.last_id.max(request.last_id);
                for &id in &request.ids {
                    match group.claim(log, id, consumer, request.options, now_ms) {
                        Claim::Claimed => done.claimed.push(id),
                        Claim::Deleted(_) => done.deleted.push(id),
                        Claim::Left => {}
                    }
                }
            });
            target.log(cx, &done, advances);
        });
    } else {
        target.seen(cx, now_ms);
    }
    reply_claimed(cx, &target, &done.claimed, request.options.just_id);
    Ok(())
}

/// `XAUTOCLAIM key group consumer min-idle-ms start [COUNT count] [JUSTID]`
pub fn xautoclaim(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_xautoclaim(cx, args);
}

fn try_xautoclaim(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    const COUNT_ERROR: &str = "ERR COUNT must be > 0";
    let min_idle_ms = integer_or(cx, args.at(4), "ERR Invalid min-idle-time argument for XAUTOCLAIM")?.max(0);
    let start = arguments::start(cx, args.at(5))?;
    let (mut count, mut just_id, mut at) = (COUNT, false, 6);
    while at < args.len() {
        if args.is(at, "COUNT") && at + 1 < args.len() {
            count = match integer_or(cx, args.at(at + 1), COUNT_ERROR)? {
                count if (1..=i64::MAX / 16).contains(&count) => count as usize,
                _ => return refuse(cx, COUNT_ERROR),
            };
            at += 1;
        } else if args.is(at, "JUSTID") {
            just_id = true;
        } else {
            return refuse(cx, errors::SYNTAX);
        }
        at += 1;
    }
    let found = with_group(cx, args)?;
    let target = Target { key: args.at(1), group: args.at(2), consumer: args.at(3), found };
    let options = ClaimOptions { min_idle_ms, just_id, ..NO_OPTIONS };
    let now_ms = cx.now_ms() as i64;
    let stream = value::of(cx.value(found));
    let group = stream.group(target.group).expect("the group was looked up before");
    let looks = group.pending_range(start..=StreamId::MAX).take(count.saturating_mul(LOOKS_PER_CLAIM));
    let (mut will_claim, mut looked) = (false, 0);
    for (id, _) in looks {
        looked += 1;
        will_claim |= would_change(stream.log(), group, id, options, now_ms);
        if will_claim {
            break;
        }
    }
    let mut done = Done::default();
    if will_claim || group.find(target.consumer).is_none() {
        cx.atomically(|cx| {
            done = target.change(cx, now_ms, |log, group, consumer, done| {
                let result = group.auto_claim(log, consumer, start, count, options, now_ms);
                done.claimed = result.claimed;
                done.deleted = result.deleted.into_iter().map(|(id, _)| id).collect();
                done.next = result.next;
            });
            target.log(cx, &done, false);
        });
    } else {
        let rest = group.pending_range(start..=StreamId::MAX).nth(looked);
        done.next = rest.map_or(StreamId::MIN, |(id, _)| id);
        target.seen(cx, now_ms);
    }
    cx.reply.array(3);
    value::reply_id(&mut cx.reply, done.next);
    reply_claimed(cx, &target, &done.claimed, just_id);
    cx.reply.array(done.deleted.len());
    done.deleted.iter().for_each(|&id| value::reply_id(&mut cx.reply, id));
    Ok(())
}

/// Finds the key of a claim, which must be there and have the group.
fn with_group(cx: &mut Cx<'_>, args: Args<'_>) -> Result<Found, Refused> {
    let (key, name) = (args.at(1), args.at(2));
    match value::to_write(cx, key)? {
        Some(found) if value::of(cx.value(found)).group(name).is_some() => Ok(found),
        _ => refuse(cx, no_key_or_group(key, name)),
    }
}

const NO_OPTIONS: ClaimOptions =
    ClaimOptions { min_idle_ms: 0, delivery_time_ms: None, delivery_count: None, force: false, just_id: false };

/// XCLAIM's arguments, understood.
struct Request {
    ids: Vec<StreamId>,
    options: ClaimOptions,
    last_id: StreamId,
}

impl Request {
    fn parse(cx: &mut Cx<'_>, args: Args<'_>) -> Result<Request, Refused> {
        let min_idle_ms = integer_or(cx, args.at(4), "ERR Invalid min-idle-time argument for XCLAIM")?.max(0);
        let words = args.tail(5);
        let ids: Vec<StreamId> = words.iter().map_while(|word| StreamId::parse(word, 0)).collect();
        let mut options = ClaimOptions { min_idle_ms, ..NO_OPTIONS };
        let (mut last_id, mut at) = (StreamId::MIN, ids.len());
        while at < words.len() {
            let number = words.get(at + 1);
            match number {
                _ if words.is(at, "FORCE") => options.force = true,
                _ if words.is(at, "JUSTID") => options.just_id = true,
                Some(idle) if words.is(at, "IDLE") => {
                    let idle_ms = integer_or(cx, idle, "ERR Invalid IDLE option argument for XCLAIM")?;
                    options.delivery_time_ms = Some((cx.now_ms() as i64).saturating_sub(idle_ms));
                    at += 1;
                }
                Some(time) if words.is(at, "TIME") => {
                    options.delivery_time_ms =
                        Some(integer_or(cx, time, "ERR Invalid TIME option argument for XCLAIM")?);
                    at += 1;
                }
                Some(count) if words.is(at, "RETRYCOUNT") => {
                    let count = integer_or(cx, count, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                    options.delivery_count = u64::try_from(count).ok();
                    at += 1;
                }
                Some(id) if words.is(at, "LASTID") => {
                    last_id = arguments::id(cx, id)?;
                    at += 1;
                }
                _ => return refuse(cx, [b"ERR Unrecognized XCLAIM option '", words.at(at), b"'"].concat()),
            }
            at += 1;
        }
        Ok(Request { ids, options, last_id })
    }

    /// The time now, or when the command ran first if the log is replayed.
    fn now_ms(&self, cx: &Cx<'_>) -> i64 {
        match self.options.delivery_time_ms {
            Some(time_ms) if cx.is_replay() => time_ms,
            _ => cx.now_ms() as i64,
        }
    }
}

/// Whether claiming an ID would change anything.
fn would_change(log: &EntryLog, group: &Group, id: StreamId, options: ClaimOptions, now_ms: i64) -> bool {
    match group.pending(id) {
        None => options.force && log.get(id).is_some(),
        Some(pending) => {
            options.min_idle_ms == 0
                || now_ms.saturating_sub(pending.delivery_time_ms) >= options.min_idle_ms
                || log.get(id).is_none()
        }
    }
}

/// What claims did.
#[derive(Default)]
struct Done {
    claimed: Vec<StreamId>,
    deleted: Vec<StreamId>,
    next: StreamId,
}

/// Who claims, and where.
struct Target<'a> {
    key: &'a [u8],
    group: &'a [u8],
    consumer: &'a [u8],
    found: Found,
}

impl Target<'_> {
    /// Has `claim` change the group; the consumer is made if need be.
    fn change(
        &self,
        cx: &mut Cx<'_>,
        now_ms: i64,
        claim: impl FnOnce(&EntryLog, &mut Group, ConsumerKey, &mut Done),
    ) -> Done {
        let mut done = Done::default();
        let mut object = cx.object_mut_unwatched(self.key, self.found);
        let (log, groups) = value::of_mut(&mut object).parts_mut();
        let group = groups.get_mut(self.group).expect("the group was looked up before");
        let (consumer, created) = group.find_or_create(self.consumer, now_ms);
        group.consumer_mut(consumer).seen_time_ms = now_ms;
        claim(log, group, consumer, &mut done);
        drop(object);
        if created {
            cx.notify(events::STREAM, "xgroup-createconsumer", self.key);
            effects::consumer(cx, self.key, self.group, self.consumer);
        }
        done
    }

    /// Logs what was done. All entries were claimed at the same time, not all for the same number of times.
    fn log(&self, cx: &mut Cx<'_>, done: &Done, advanced: bool) {
        let group = value::of(cx.value(self.found)).group(self.group).expect("the group was looked up before");
        let (last_id, entries_read) = effects::position_of(group);
        let claimed: Vec<_> = done.claimed.iter().filter_map(|&id| Some((id, *group.pending(id)?))).collect();
        for run in claimed.chunk_by(|(_, one), (_, other)| one == other) {
            let ids: Vec<_> = run.iter().map(|&(id, _)| id).collect();
            effects::given(cx, self.key, self.group, self.consumer, &ids, run[0].1, last_id);
        }
        if !done.deleted.is_empty() {
            effects::dropped(cx, self.key, self.group, &done.deleted);
        }
        if advanced {
            effects::position(cx, self.key, self.group, last_id, entries_read);
        }
    }

    /// Notes that the consumer was here, which is not logged.
    fn seen(&self, cx: &mut Cx<'_>, now_ms: i64) {
        value::note_seen(cx, self.found, self.group, self.consumer, now_ms);
    }
}

fn reply_claimed(cx: &mut Cx<'_>, target: &Target<'_>, ids: &[StreamId], just_id: bool) {
    let (db, reply) = cx.reading();
    let log = value::of(db.value(target.found.entry)).log();
    reply.array(ids.len());
    for &id in ids {
        match log.get(id) {
            Some(entry) if !just_id => value::reply_entry(reply, &entry),
            _ => value::reply_id(reply, id),
        }
    }
}
