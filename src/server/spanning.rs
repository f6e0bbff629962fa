//! Commands whose keys live on several cores.
//!
//! Reads that each core can do its part of (MGET, EXISTS) lock what they read and keep it locked until the last part
//! is in, so that no write can fall between; if a key is taken they start over, locking in ascending order of cores.
//! Writes lock first, always in that order. A command that needs all its keys in one place has their values fetched to
//! the coordinating core, runs there as if they were its own, and what it changed is sent home.

use super::accounting::Cost;
use super::core::Core;
use super::dispatch::{lock_keys, lock_mode};
use super::task::Handle;
use crate::command::spec::{Flags, wrong_arity};
use crate::command::{Command, Flow, Merge};
use crate::net::{Conn, ConnRef, Gate, Session};
use crate::observe::Ticks;
use crate::resp::{Args, OwnedArgs, Reply};
use crate::shard::locks::{LockKey, Mode};
use crate::shard::message::{Answer, Needs, Request, StepCommand};
use crate::shard::slot;
use std::collections::BTreeMap;

/// Keys by core, ascending.
pub(super) type KeysByCore = BTreeMap<usize, Vec<LockKey>>;

/// Sorts keys to their cores.
pub(super) fn by_core(keys: Vec<LockKey>, cores: usize) -> KeysByCore {
    let mut sorted = KeysByCore::new();
    for key in keys {
        sorted.entry(slot::core_of_key(&key.key, cores)).or_default().push(key);
    }
    sorted
}

/// The reply of a command that spans cores, on its way to the connection.
pub(crate) struct Outcome {
    /// The reply.
    pub bytes: Vec<u8>,
    /// What it waits for.
    pub gates: Vec<Gate>,
}

impl Outcome {
    /// Whether the reply is an error.
    pub(super) fn is_error(&self) -> bool {
        self.bytes.first() == Some(&b'-')
    }

    pub(crate) fn error(text: &[u8]) -> Outcome {
        let mut bytes = Vec::new();
        Reply::new(&mut bytes, Default::default()).error(text);
        Outcome { bytes, gates: Vec::new() }
    }
}

impl Core {
    /// Begins a command that spans cores: keeps its place in the order of replies and blocks the connection until
    /// [`Core::finish_spanning`]. `None`: earlier requests must be answered first.
    pub(super) fn begin_spanning(&mut self, conn: &mut Conn) -> Option<(ConnRef, u64)> {
        if conn.outbox.has_pending() {
            return None;
        }
        self.stats.spanning += 1;
        Some((conn.place, conn.outbox.pending()))
    }

    /// Ends a command that spans cores.
    pub(super) fn finish_spanning(&mut self, at: ConnRef, seq: u64, outcome: Outcome) {
        self.end_accounting(at, outcome.is_error());
        if outcome.is_error() {
            self.stats.count_error(&outcome.bytes);
        }
        let Some(conn) = self.conns.get(at) else { return };
        conn.outbox.answer(seq, &outcome.bytes, &outcome.gates);
        conn.blocked = conn.blocked.saturating_sub(1);
        self.release(at);
        self.resume.push(at);
    }

    /// As [`Core::finish_spanning`], and counts the command.
    pub(super) fn finish_command(&mut self, at: ConnRef, seq: u64, outcome: Outcome, cost: Cost) {
        self.account_cost(at, cost);
        self.finish_spanning(at, seq, outcome);
    }

    /// A command that each core can do its part of.
    pub(super) fn split(&mut self, conn: &mut Conn, command: &'static Command, merge: Merge, args: Args) -> Flow {
        if !is_whole(command, args) {
            return self.refuse(conn, Some(command), wrong_arity(command.spec.name).as_bytes());
        }
        let Some((at, seq)) = self.begin_spanning(conn) else { return Flow::Retry };
        let (session, args) = (conn.session, OwnedArgs::new(args.iter()));
        self.tasks.spawn(move |handle| async move {
            let started = Ticks::now();
            let outcome = run_split(&handle, command, merge, session, &args).await;
            let cost = Cost::since(started, command, &args, &outcome);
            handle.with(|core| core.finish_command(at, seq, outcome, cost));
        });
        Flow::Blocked
    }

    /// A command that needs its keys in one place.
    pub(super) fn gather(&mut self, conn: &mut Conn, command: &'static Command, args: Args) -> Flow {
        let Some((at, seq)) = self.begin_spanning(conn) else { return Flow::Retry };
        let (session, args) = (conn.session, OwnedArgs::new(args.iter()));
        self.tasks.spawn(move |handle| async move {
            let started = Ticks::now();
            let outcome = run_gather(&handle, command, session, &args).await;
            let cost = Cost::since(started, command, &args, &outcome);
            handle.with(|core| core.finish_command(at, seq, outcome, cost));
        });
        Flow::Blocked
    }

    /// A command that concerns every core.
    pub(super) fn every(&mut self, conn: &mut Conn, command: &'static Command, merge: Merge, args: Args) -> Flow {
        let Some((at, seq)) = self.begin_spanning(conn) else { return Flow::Retry };
        let (session, args) = (conn.session, OwnedArgs::new(args.iter()));
        self.tasks.spawn(move |handle| async move {
            let started = Ticks::now();
            let outcome = run_every(&handle, command, merge, session, &args).await;
            let cost = Cost::since(started, command, &args, &outcome);
            handle.with(|core| core.finish_command(at, seq, outcome, cost));
        });
        Flow::Blocked
    }
}

/// Locks keys on their cores, one core after the other in ascending order. On refusal everything is unlocked again and
/// the core's answer is returned.
pub(super) async fn lock_all(
    handle: &Handle,
    keys: &KeysByCore,
    mode: Mode,
    mut watched: BTreeMap<usize, Vec<crate::net::Watched>>,
    needs: Needs,
) -> Result<(), Answer> {
    for (index, (&core, wanted)) in keys.iter().enumerate() {
        let watched = watched.remove(&core).unwrap_or_default();
        let request = Request::Lock { keys: wanted.clone(), mode, wait: true, watched, needs };
        match handle.ask_one(core, request).await {
            Answer::Locked => {}
            other => {
                unlock(handle, keys.iter().take(index), mode);
                return Err(other);
            }
        }
    }
    Ok(())
}

/// Unlocks keys; nothing was written.
pub(super) fn unlock<'k>(handle: &Handle, keys: impl Iterator<Item = (&'k usize, &'k Vec<LockKey>)>, mode: Mode) {
    handle.tell(keys.map(|(&core, keys)| (core, Request::Unlock { keys: keys.clone(), mode })).collect());
}

/// Has every core log its part as one transaction, and unlock. Returns what the reply waits for.
pub(super) async fn finish(handle: &Handle, keys: KeysByCore, mode: Mode) -> Vec<Gate> {
    let participants: Vec<u16> =
        if keys.len() > 1 { keys.keys().map(|&core| core as u16).collect() } else { Vec::new() };
    let spans = !participants.is_empty() && handle.with(|core| core.shard.journal_ref().is_relaxed());
    if spans {
        super::rounds::enter(handle).await;
    }
    let requests = keys
        .into_iter()
        .map(|(core, keys)| (core, Request::Finish { keys, mode, participants: participants.clone() }))
        .collect();
    let answers = handle.ask(requests).await;
    if spans {
        super::rounds::leave(handle);
    }
    let gates =
        answers.into_iter().filter_map(|answer| if let Answer::Finished { gate } = answer { gate } else { None });
    // The parts on other cores may all be written by now.
    handle.with(|core| {
        let log = core.shard.journal_ref().log_ref();
        gates.filter(|gate| log.is_none_or(|log| log.durable_lsn_of(gate.core) < gate.lsn)).collect()
    })
}

/// A refusal as a reply.
pub(super) fn refusal(answer: Answer) -> Outcome {
    match answer {
        Answer::Refused(text) => Outcome::error(&text),
        _ => Outcome::error(b"ERR internal error: a core gave an answer that does not fit"),
    }
}

/// Whether every key of a command has what belongs to it (MSET takes pairs), so that each part is well formed.
fn is_whole(command: &Command, args: Args) -> bool {
    let (first, _, step) = command.spec.simple_range().unwrap_or((1, -1, 1));
    (args.len() - first as usize).is_multiple_of((step as usize).max(1))
}

/// The part of each core: the command with only its keys, and the places of those keys in the request.
struct Part {
    args: OwnedArgs,
    places: Vec<usize>,
}

fn parts(command: &Command, args: Args, cores: usize) -> BTreeMap<usize, Part> {
    let (first, last, step) = command.spec.simple_range().unwrap_or((1, -1, 1));
    let last = if last < 0 { args.len() as i64 + last as i64 } else { last as i64 } as usize;
    let (first, step) = (first as usize, (step as usize).max(1));
    let mut parts: BTreeMap<usize, Part> = BTreeMap::new();
    for (place, at) in (first..=last).step_by(step).enumerate() {
        let part = parts.entry(slot::core_of_key(args.at(at), cores)).or_insert_with(|| Part {
            args: OwnedArgs::new((0..first).map(|index| args.at(index))),
            places: Vec::new(),
        });
        part.places.push(place);
        for index in at..(at + step).min(args.len()) {
            part.args.push(args.at(index));
        }
    }
    parts
}

pub(super) async fn run_split(
    handle: &Handle,
    command: &'static Command,
    merge: Merge,
    session: Session,
    args: &OwnedArgs,
) -> Outcome {
    let cores = handle.with(|core| core.cores());
    let keys = by_core(lock_keys(command.spec, args.as_args(), session.db), cores);
    let parts = parts(command, args.as_args(), cores);
    let places: Vec<Vec<usize>> = parts.values().map(|part| part.places.clone()).collect();
    let writes = command.spec.flags.has(Flags::WRITE);
    let mode = lock_mode(command.spec);
    let step = |part: &Part| StepCommand { command, session, args: part.args.clone(), is_whole: false };
    let mut answers = Vec::new();
    if !writes {
        let requests = parts.iter().map(|(&core, part)| {
            (core, Request::ReadAndHold { keys: keys[&core].clone(), commands: vec![step(part)] })
        });
        answers = handle.ask(requests.collect()).await;
        let held = keys.iter().zip(&answers).filter(|(_, answer)| !matches!(answer, Answer::Busy));
        unlock(handle, held.map(|(keys, _)| keys), mode);
        if answers.iter().any(|answer| matches!(answer, Answer::Busy)) {
            answers.clear();
        }
    }
    let mut gates = Vec::new();
    if answers.is_empty() {
        if let Err(answer) = lock_all(handle, &keys, mode, BTreeMap::new(), Needs::of(command.spec.flags)).await {
            return refusal(answer);
        }
        let requests = parts.iter().map(|(&core, part)| (core, Request::Run { commands: vec![step(part)] }));
        answers = handle.ask(requests.collect()).await;
        if writes {
            gates = finish(handle, keys, mode).await;
        } else {
            unlock(handle, keys.iter(), mode);
        }
    }
    merge_answers(merge, answers, places, gates)
}

/// As [`run_split`], while the keys are locked already.
pub(super) async fn split_locked(
    handle: &Handle,
    command: &'static Command,
    merge: Merge,
    session: Session,
    args: &OwnedArgs,
) -> Outcome {
    let cores = handle.with(|core| core.cores());
    if !is_whole(command, args.as_args()) {
        return Outcome::error(wrong_arity(command.spec.name).as_bytes());
    }
    let parts = parts(command, args.as_args(), cores);
    let places: Vec<Vec<usize>> = parts.values().map(|part| part.places.clone()).collect();
    let requests = parts.into_iter().map(|(core, part)| {
        (core, Request::Run { commands: vec![StepCommand { command, session, args: part.args, is_whole: false }] })
    });
    let answers = handle.ask(requests.collect()).await;
    merge_answers(merge, answers, places, Vec::new())
}

fn merge_answers(merge: Merge, answers: Vec<Answer>, places: Vec<Vec<usize>>, mut gates: Vec<Gate>) -> Outcome {
    let mut replies = Vec::new();
    for answer in answers {
        if let Answer::Replies { replies: mut one, gate } = answer {
            replies.push(one.pop().unwrap_or_default());
            gates.extend(gate);
        }
    }
    let bytes = merge_replies(merge, replies, places.iter().map(Vec::as_slice));
    Outcome { bytes, gates }
}

pub(super) async fn run_gather(
    handle: &Handle,
    command: &'static Command,
    session: Session,
    args: &OwnedArgs,
) -> Outcome {
    let cores = handle.with(|core| core.cores());
    let mode = lock_mode(command.spec);
    let writes = command.spec.flags.has(Flags::WRITE);
    let keys = by_core(lock_keys(command.spec, args.as_args(), session.db), cores);
    if let Err(answer) = lock_all(handle, &keys, mode, BTreeMap::new(), Needs::of(command.spec.flags)).await {
        return refusal(answer);
    }
    let mut outcome = gather_locked(handle, command, session, args).await;
    if writes {
        outcome.gates.extend(finish(handle, keys, mode).await);
    } else {
        unlock(handle, keys.iter(), mode);
    }
    outcome
}

/// Runs a command in one place while its keys are locked; what it changed is with the keys' cores, not logged yet.
pub(super) async fn gather_locked(
    handle: &Handle,
    command: &'static Command,
    session: Session,
    args: &OwnedArgs,
) -> Outcome {
    let cores = handle.with(|core| core.cores());
    let keys = by_core(lock_keys(command.spec, args.as_args(), session.db), cores);
    gather_keys(handle, command, session, args, keys).await
}

/// As [`gather_locked`], for these keys.
pub(super) async fn gather_keys(
    handle: &Handle,
    command: &'static Command,
    session: Session,
    args: &OwnedArgs,
    keys: KeysByCore,
) -> Outcome {
    let cores = handle.with(|core| core.cores());
    let order: Vec<LockKey> = keys.values().flatten().cloned().collect();
    let requests = keys.into_iter().map(|(core, keys)| (core, Request::Fetch { keys })).collect();
    let mut gates = Vec::new();
    let mut values = Vec::new();
    for answer in handle.ask(requests).await {
        if let Answer::Values { values: some, gate } = answer {
            values.extend(some);
            gates.extend(gate);
        }
    }
    let mut bytes = Vec::new();
    let (changed, events) = handle.with(|core| {
        let Some(run) = command.exec.on_shard() else { return Default::default() };
        let values = order.into_iter().zip(values);
        let (changed, mut events) = core.shard.run_elsewhere(run, session, args.as_args(), values, &mut bytes);
        if changed.is_empty() {
            core.shard.tell(&mut events);
        }
        (changed, events)
    });
    let mut homes: BTreeMap<usize, (Vec<_>, Vec<_>)> = BTreeMap::new();
    for (key, value) in changed {
        homes.entry(slot::core_of_key(&key.key, cores)).or_default().0.push((key, value));
    }
    for event in events {
        homes.entry(slot::core_of_key(&event.key, cores)).or_default().1.push(event);
    }
    let stores = homes.into_iter().map(|(core, (values, events))| (core, Request::Store { values, events }));
    handle.ask(stores.collect()).await;
    Outcome { bytes, gates }
}

pub(super) async fn run_every(
    handle: &Handle,
    command: &'static Command,
    merge: Merge,
    session: Session,
    args: &OwnedArgs,
) -> Outcome {
    let cores = handle.with(|core| core.cores());
    let requests = (0..cores)
        .map(|core| {
            (core, Request::Every { command: StepCommand { command, session, args: args.clone(), is_whole: false } })
        })
        .collect();
    let (mut replies, mut gates) = (Vec::new(), Vec::new());
    for answer in handle.ask(requests).await {
        if let Answer::Replies { replies: mut one, gate } = answer {
            replies.push(one.pop().unwrap_or_default());
            gates.extend(gate);
        }
    }
    Outcome { bytes: merge_replies(merge, replies, std::iter::empty()), gates }
}

/// Makes one reply of several. An error in any of them is the reply.
fn merge_replies<'p>(merge: Merge, replies: Vec<Vec<u8>>, places: impl Iterator<Item = &'p [usize]>) -> Vec<u8> {
    if let Some(error) = replies.iter().find(|reply| reply.first() == Some(&b'-')) {
        return error.clone();
    }
    let mut bytes = Vec::new();
    let mut out = Reply::new(&mut bytes, Default::default());
    match merge {
        Merge::AllOk => out.ok(),
        Merge::Sum => out.int(replies.iter().filter_map(|reply| integer(reply)).sum()),
        Merge::Concat => {
            let heads: Vec<_> = replies.iter().filter_map(|reply| array_head(reply)).collect();
            out.array(heads.iter().map(|(len, _)| len).sum());
            heads.iter().for_each(|(_, elements)| out.raw(elements));
        }
        Merge::InOrder => {
            let mut elements: Vec<(usize, &[u8])> = Vec::new();
            for (reply, places) in replies.iter().zip(places) {
                let Some((_, mut rest)) = array_head(reply) else { continue };
                for &place in places {
                    let (element, tail) = rest.split_at(element_len(rest));
                    elements.push((place, element));
                    rest = tail;
                }
            }
            elements.sort_unstable_by_key(|&(place, _)| place);
            out.array(elements.len());
            elements.iter().for_each(|(_, element)| out.raw(element));
        }
    }
    bytes
}

fn line_end(bytes: &[u8]) -> usize {
    memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1)
}

fn header_number(line: &[u8]) -> Option<i64> {
    std::str::from_utf8(line.get(1..)?).ok()?.trim_end().parse().ok()
}

fn integer(reply: &[u8]) -> Option<i64> {
    reply.starts_with(b":").then(|| header_number(reply)).flatten()
}

/// Number of elements of an array, and their bytes.
fn array_head(reply: &[u8]) -> Option<(usize, &[u8])> {
    let (head, elements) = reply.split_at(line_end(reply));
    Some((usize::try_from(header_number(head)?).ok()?, elements))
}

/// Length of the first element, which is a bulk string or of one line.
fn element_len(bytes: &[u8]) -> usize {
    let head = line_end(bytes);
    match (bytes.first(), header_number(&bytes[..head])) {
        (Some(b'$'), Some(len)) if len >= 0 => (head + len as usize + 2).min(bytes.len()),
        _ => head,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_in_the_order_of_the_keys() {
        let replies = vec![b"*2\r\n$1\r\na\r\n$-1\r\n".to_vec(), b"*1\r\n$4\r\nb\r\nb\r\n".to_vec()];
        let places: [&[usize]; 2] = [&[0, 2], &[1]];
        let merged = merge_replies(Merge::InOrder, replies, places.into_iter());
        assert_eq!(merged, b"*3\r\n$1\r\na\r\n$4\r\nb\r\nb\r\n$-1\r\n");
    }

    #[test]
    fn sums_and_arrays_are_merged_and_errors_win() {
        let merged = merge_replies(Merge::Sum, vec![b":2\r\n".to_vec(), b":40\r\n".to_vec()], std::iter::empty());
        assert_eq!(merged, b":42\r\n");
        let lists = vec![b"*1\r\n$1\r\na\r\n".to_vec(), b"*0\r\n".to_vec(), b"*1\r\n$1\r\nb\r\n".to_vec()];
        assert_eq!(merge_replies(Merge::Concat, lists, std::iter::empty()), b"*2\r\n$1\r\na\r\n$1\r\nb\r\n");
        let errors = vec![b"+OK\r\n".to_vec(), b"-ERR x\r\n".to_vec()];
        assert_eq!(merge_replies(Merge::AllOk, errors, std::iter::empty()), b"-ERR x\r\n");
    }
}
