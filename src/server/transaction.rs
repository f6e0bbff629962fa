//! MULTI, EXEC, DISCARD, WATCH and UNWATCH.
//!
//! A transaction whose keys all live on one core runs there in one go. Over several cores its keys are locked first;
//! commands of different cores then run side by side, since their keys are disjoint and nobody else sees them. What
//! each core did is logged as one record with a mark, so that after a crash all of it is there, or nothing.

use super::accounting::Cost;
use super::core::Core;
use super::dispatch::{Owner, for_each_key, may_write, parse_db};
use super::instant::{self, Whole};
use super::reaching::reach_at_standstill;
use super::spanning::{self, KeysByCore, Outcome, by_core};
use super::task::Handle;
use crate::command::spec::Flags;
use crate::command::{Command, Exec, Flow};
use crate::net::{Conn, ConnRef, Gate, Multi, Outbox, Session, Special, Watched};
use crate::observe::Ticks;
use crate::resp::{Args, OwnedArgs, Proto, Reply};
use crate::shard::locks::{LockKey, Mode};
use crate::shard::message::{Answer, Needs, Request, StepCommand, TxId};
use crate::shard::slot;
use std::collections::BTreeMap;

/// Commands about the connection that can run in the middle of a transaction without waiting for anything.
const IMMEDIATE: [&str; 9] =
    ["ping", "echo", "select", "time", "client|id", "client|getname", "client|setname", "client|setinfo", "command"];

/// Where a queued command runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// On one core.
    Core(usize),
    /// Its keys are on several.
    Several,
    /// On every core.
    Every,
    /// With the connection.
    Conn,
    /// It empties or exchanges databases.
    Whole,
    /// It reads keys that it does not name: all cores stand still for it.
    Reaching,
}

/// A queued command, ready to run.
struct Step {
    command: &'static Command,
    session: Session,
    args: OwnedArgs,
    place: Place,
}

/// MULTI
pub fn multi(_: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let (out, start) = conn.outbox.target();
    let mut reply = Reply::new(out, conn.session.proto);
    if conn.special.has(Special::MULTI) {
        reply.error("ERR MULTI calls can not be nested");
    } else {
        reply.ok();
        conn.multi = Some(Box::new(Multi::default()));
        conn.special.set(Special::MULTI, true);
    }
    conn.outbox.commit(start, None);
    Flow::Next
}

/// DISCARD
pub fn discard(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let in_multi = conn.special.has(Special::MULTI);
    if in_multi {
        core.leave_multi(conn);
    }
    let (out, start) = conn.outbox.target();
    let mut reply = Reply::new(out, conn.session.proto);
    if in_multi {
        reply.ok()
    } else {
        reply.error("ERR DISCARD without MULTI")
    }
    conn.outbox.commit(start, None);
    Flow::Next
}

/// WATCH key [key ...]
pub fn watch(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    if conn.special.has(Special::MULTI) {
        let (out, start) = conn.outbox.target();
        Reply::new(out, conn.session.proto).error("ERR WATCH inside MULTI is not allowed");
        conn.outbox.commit(start, None);
        return Flow::Next;
    }
    let db = conn.session.db;
    let mut keys: Vec<LockKey> = args.iter().skip(1).map(|key| LockKey::new(db, key)).collect();
    keys.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    keys.dedup();
    keys.retain(|key| !conn.profile.watched.iter().any(|watched| watched.db == key.db && watched.key == key.key));
    if core.cores() == 1 {
        conn.profile.watched.extend(core.shard.watch(&keys));
        let (out, start) = conn.outbox.target();
        Reply::new(out, conn.session.proto).ok();
        conn.outbox.commit(start, None);
        return Flow::Next;
    }
    let Some((at, seq)) = core.begin_spanning(conn) else { return Flow::Retry };
    core.tasks.spawn(move |handle| async move {
        let cores = handle.with(|core| core.cores());
        let requests = by_core(keys, cores).into_iter().map(|(core, keys)| (core, Request::Watch { keys })).collect();
        let answers = handle.ask(requests).await;
        handle.with(|core| {
            let watched = answers.into_iter().flat_map(|answer| match answer {
                Answer::Watching(watched) => watched,
                _ => Vec::new(),
            });
            match core.conns.get(at) {
                Some(conn) => conn.profile.watched.extend(watched),
                None => core.unwatch(watched.collect()),
            }
            core.finish_spanning(at, seq, Outcome { bytes: b"+OK\r\n".to_vec(), gates: Vec::new() });
        });
    });
    Flow::Blocked
}

/// UNWATCH
pub fn unwatch(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    core.unwatch_all(conn);
    let (out, start) = conn.outbox.target();
    Reply::new(out, conn.session.proto).ok();
    conn.outbox.commit(start, None);
    Flow::Next
}

/// EXEC
pub fn exec(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    let refusal = match &conn.multi {
        _ if !conn.special.has(Special::MULTI) => Some("ERR EXEC without MULTI".to_string()),
        Some(multi) if multi.aborted => Some("EXECABORT Transaction discarded because of previous errors.".to_string()),
        _ => None,
    };
    if let Some(text) = refusal {
        if conn.special.has(Special::MULTI) {
            core.leave_multi(conn);
        }
        let (out, start) = conn.outbox.target();
        Reply::new(out, conn.session.proto).error(text);
        conn.outbox.commit(start, None);
        return Flow::Next;
    }
    if conn.outbox.has_pending() {
        return Flow::Retry;
    }
    let multi = conn.multi.as_deref().map_or(&[][..], |multi| &multi.queued);
    let steps = core.plan(conn.session, multi);
    if core.can_run_at_once(&steps) {
        return core.exec_here(conn, steps);
    }
    let watched = std::mem::take(&mut conn.profile.watched);
    core.leave_multi(conn);
    let Some((at, seq)) = core.begin_spanning(conn) else { return Flow::Retry };
    let proto = conn.session.proto;
    if steps.iter().any(|step| matches!(step.place, Place::Whole | Place::Reaching)) {
        core.tasks.spawn_conductor(move |handle| async move {
            let outcome = exec_whole(&handle, at, steps, &watched, proto).await;
            handle.with(|core| {
                core.unwatch(watched);
                core.finish_spanning(at, seq, outcome);
            });
        });
    } else {
        core.tasks.spawn(move |handle| async move {
            let outcome = exec_spanning(&handle, at, steps, &watched, proto).await;
            handle.with(|core| {
                core.unwatch(watched);
                core.finish_spanning(at, seq, outcome);
            });
        });
    }
    Flow::Blocked
}

impl Core {
    /// Forgets the queued commands and the watched keys.
    pub(crate) fn leave_multi(&mut self, conn: &mut Conn) {
        conn.multi = None;
        conn.special.set(Special::MULTI, false);
        self.unwatch_all(conn);
    }

    pub(super) fn unwatch(&mut self, watched: Vec<Watched>) {
        let cores = self.cores();
        for watched in watched {
            let key = LockKey { db: watched.db, key: watched.key };
            let core = slot::core_of_key(&key.key, cores);
            self.tell(core, Request::Unwatch { keys: vec![key] });
        }
    }

    /// Where each command runs, with the database that it runs in.
    fn plan(&self, session: Session, queued: &[(u16, OwnedArgs)]) -> Vec<Step> {
        let mut session = Session { in_transaction: true, ..session };
        queued
            .iter()
            .map(|(row, args)| {
                let command = &self.commands[*row as usize];
                let step = Step { command, session, args: args.clone(), place: self.place(command, args.as_args()) };
                if command.spec.name == "select"
                    && let Some(db) = args.as_args().get(1).and_then(parse_db)
                    && db < self.settings.databases
                {
                    session.db = db;
                }
                step
            })
            .collect()
    }

    fn place(&self, command: &Command, args: Args) -> Place {
        match command.exec {
            Exec::Reaching(_) if self.reaches_out(args) => Place::Reaching,
            Exec::Keyed(_) | Exec::Reaching(_) | Exec::Blocking(_) | Exec::Split(..) => {
                match self.owner(command.spec, args) {
                    Ok(Owner::Core(core)) => Place::Core(core),
                    _ => Place::Several,
                }
            }
            Exec::Every(..) if self.cores() == 1 => Place::Core(0),
            Exec::Every(..) => Place::Every,
            Exec::Cursor(_) => Place::Core(crate::shard::cursor_core(args.at(1), self.cores())),
            Exec::Conn(_) | Exec::Missing => match command.spec.name {
                "flushall" | "flushdb" | "swapdb" => Place::Whole,
                _ => Place::Conn,
            },
        }
    }

    /// Whether a transaction needs neither another core nor a lock.
    fn can_run_at_once(&self, steps: &[Step]) -> bool {
        let me = self.me();
        self.locks.is_empty()
            && steps.iter().all(|step| match step.place {
                Place::Core(core) => core == me,
                Place::Conn => IMMEDIATE.contains(&step.command.spec.name),
                _ => false,
            })
    }

    /// Runs a transaction of this core alone.
    fn exec_here(&mut self, conn: &mut Conn, steps: Vec<Step>) -> Flow {
        let writes = steps.iter().any(|step| step.command.spec.flags.has(Flags::WRITE));
        // What is watched on other cores is known only there.
        if !conn.profile.watched.iter().all(|watched| self.is_mine(&watched.key)) {
            return self.exec_by_task(conn, steps);
        }
        if self.shard.any_changed(&conn.profile.watched) {
            self.leave_multi(conn);
            let (out, start) = conn.outbox.target();
            Reply::new(out, conn.session.proto).null_array();
            conn.outbox.commit(start, None);
            return Flow::Next;
        }
        if needs_of(&steps).memory
            && let Some(text) = self.refuses_memory()
        {
            self.leave_multi(conn);
            let text = format!("EXECABORT Transaction discarded because of: {text}");
            return self.refuse(conn, None, text.as_bytes());
        }
        if writes {
            let bytes = steps.iter().flat_map(|step| step.args.as_args().iter().map(|word| word.len() as u64 + 16));
            match self.shard.admit_bytes(bytes.sum::<u64>() + 64 * steps.len() as u64) {
                Ok(()) => {}
                Err(crate::shard::NotAdmitted::Wait) => {
                    conn.awaits_space = true;
                    self.awaiting_space.push(conn.place);
                    return Flow::Retry;
                }
                Err(crate::shard::NotAdmitted::Refused(text)) => {
                    self.leave_multi(conn);
                    let text = format!("EXECABORT Transaction discarded because of: {text}");
                    return self.refuse(conn, None, text.as_bytes());
                }
            }
        }
        self.leave_multi(conn);
        // Commands about the connection write to its outbox themselves: they get one that gathers the elements.
        let outbox = std::mem::take(&mut conn.outbox);
        let mut gate = None;
        self.shard.enter_unit(Default::default());
        for step in &steps {
            let (out, start) = conn.outbox.target();
            if let Some(run) = step.command.exec.on_shard() {
                self.shard.run(step.command, run, step.session, step.args.as_args(), out);
                let failed = out.get(start) == Some(&b'-');
                conn.outbox.commit(start, None);
                gate = gate.max(self.shard.last_gate());
                self.account(step.command, failed, step.args.as_args(), conn);
            } else if let Exec::Conn(run) = step.command.exec {
                let before = conn.outbox.bytes();
                run(self, conn, step.args.as_args());
                self.account(step.command, conn.outbox.last_reply_is_error(before), step.args.as_args(), conn);
            }
        }
        let unit = self.shard.leave_unit();
        let tx = TxId { core: self.me() as u16, number: 0 };
        let logged = self.shard.finish_unit(unit, tx, &[]).filter(|_| self.shard.gates_writes());
        let gate = gate.max(logged);
        let mut elements = std::mem::replace(&mut conn.outbox, outbox);
        let mut bytes = Vec::new();
        elements.take_ready(&mut bytes);
        let (out, start) = conn.outbox.target();
        let mut reply = Reply::new(out, conn.session.proto);
        reply.array(steps.len());
        reply.raw(&bytes);
        self.commit_here(conn, start, gate);
        if !self.shard.waiting.ready.is_empty() {
            self.serve_waiting();
        }
        Flow::Next
    }

    /// Closes a reply that waits for this core's log.
    pub(super) fn commit_here(&mut self, conn: &mut Conn, start: usize, gate: Option<u64>) {
        let me = self.me();
        match gate.filter(|&lsn| lsn > self.durable[me]) {
            Some(lsn) => {
                let gate = Gate { core: me as u16, lsn };
                if conn.outbox.commit_in_batch(start, gate, self.shard.sealed_lsn()) {
                    self.await_gate(conn.place, gate);
                }
            }
            None => {
                conn.outbox.commit(start, None);
            }
        }
    }

    fn is_mine(&self, key: &[u8]) -> bool {
        slot::core_of_key(key, self.cores()) == self.me()
    }

    fn exec_by_task(&mut self, conn: &mut Conn, steps: Vec<Step>) -> Flow {
        let watched = std::mem::take(&mut conn.profile.watched);
        self.leave_multi(conn);
        let Some((at, seq)) = self.begin_spanning(conn) else { return Flow::Retry };
        let proto = conn.session.proto;
        self.tasks.spawn(move |handle| async move {
            let outcome = exec_spanning(&handle, at, steps, &watched, proto).await;
            handle.with(|core| {
                core.unwatch(watched);
                core.finish_spanning(at, seq, outcome);
            });
        });
        Flow::Blocked
    }
}

/// Runs a transaction over several cores, or one that others keep locked.
async fn exec_spanning(handle: &Handle, at: ConnRef, steps: Vec<Step>, watched: &[Watched], proto: Proto) -> Outcome {
    let cores = handle.with(|core| core.cores());
    let needs = needs_of(&steps);
    let writes = steps.iter().any(|step| may_write(step.command.spec));
    let mode = if writes { Mode::Exclusive } else { Mode::Shared };
    let keys = keys_of(&steps, watched, cores);
    let mut watched_by_core: BTreeMap<usize, Vec<Watched>> = BTreeMap::new();
    for one in watched {
        watched_by_core.entry(slot::core_of_key(&one.key, cores)).or_default().push(one.clone());
    }
    if keys.len() == 1
        && steps.iter().all(|step| matches!(step.place, Place::Core(core) if keys.contains_key(&core)))
        && let Some((core, keys)) = keys.clone().pop_first()
    {
        let commands = steps.iter().map(Step::command).collect();
        let watched = watched_by_core.remove(&core).unwrap_or_default();
        return match handle.ask_one(core, Request::Whole { keys, mode, watched, commands, needs }).await {
            Answer::Replies { replies, gate } => {
                Outcome { bytes: array_of(&replies), gates: gate.into_iter().collect() }
            }
            other => aborted(other, proto),
        };
    }
    if let Err(answer) = spanning::lock_all(handle, &keys, mode, watched_by_core, needs).await {
        return aborted(answer, proto);
    }
    let (replies, mut gates) = run_steps(handle, at, &steps).await;
    if writes {
        gates.extend(spanning::finish(handle, keys, mode).await);
    } else {
        spanning::unlock(handle, keys.iter(), mode);
    }
    Outcome { bytes: array_of(&replies), gates }
}

/// Runs a transaction that empties or exchanges databases: all cores stand still meanwhile, and everything that it did
/// is logged in a barrier.
async fn exec_whole(handle: &Handle, at: ConnRef, steps: Vec<Step>, watched: &[Watched], proto: Proto) -> Outcome {
    let needs = Needs { log: true, ..needs_of(&steps) };
    let ends = instant::stop_all(handle).await;
    let cores = handle.with(|core| core.cores());
    let requests = (0..cores).map(|core| {
        let mine = |one: &&Watched| slot::core_of_key(&one.key, cores) == core;
        (core, Request::Check { needs, watched: watched.iter().filter(mine).cloned().collect() })
    });
    let answers = handle.ask(requests.collect()).await;
    if let Some(answer) = answers.into_iter().find(|answer| !matches!(answer, Answer::Done)) {
        instant::go(handle).await;
        return aborted(answer, proto);
    }
    // What the steps do is gathered in their order, core after core within a step.
    let (mut replies, mut effects) = (Vec::new(), Vec::new());
    for step in &steps {
        let (mut reply, _) = run_steps(handle, at, std::slice::from_ref(step)).await;
        replies.append(&mut reply);
        let all = (0..cores).map(|core| (core, Request::TakeEffects)).collect();
        for answer in handle.ask(all).await {
            if let Answer::Effects(mut some) = answer {
                effects.append(&mut some);
            }
        }
        if let Some(whole) = whole_of(step) {
            effects.push(whole.effect());
        }
    }
    let result = instant::log_barrier(handle, effects, false, ends).await;
    instant::go(handle).await;
    match result {
        Ok(()) => Outcome { bytes: array_of(&replies), gates: Vec::new() },
        Err(text) => {
            // It ran and cannot be kept: no core may acknowledge anything that could have seen it.
            handle.with(|core| core.poison_all(&text));
            Outcome::error(text.as_bytes())
        }
    }
}

/// What the steps need before the first of them runs.
fn needs_of(steps: &[Step]) -> Needs {
    steps.iter().map(|step| Needs::of(step.command.spec.flags)).fold(Needs::default(), Needs::and)
}

/// What a step does to whole databases, if it does and is well formed.
fn whole_of(step: &Step) -> Option<Whole> {
    let args = step.args.as_args();
    match step.command.spec.name {
        "flushall" => Some(Whole::Flush { db: None }),
        "flushdb" => Some(Whole::Flush { db: Some(step.session.db) }),
        "swapdb" => Some(Whole::Swap { a: parse_db(args.get(1)?)?, b: parse_db(args.get(2)?)? }),
        _ => None,
    }
}

/// Runs steps whose keys are locked. Returns their replies in order, and what these wait for.
async fn run_steps(handle: &Handle, at: ConnRef, steps: &[Step]) -> (Vec<Vec<u8>>, Vec<Gate>) {
    let mut replies: Vec<Vec<u8>> = vec![Vec::new(); steps.len()];
    let mut gates = Vec::new();
    let independent = steps.iter().all(|step| matches!(step.place, Place::Core(_) | Place::Conn));
    if independent {
        let mut by_core: BTreeMap<usize, (Vec<usize>, Vec<StepCommand>)> = BTreeMap::new();
        for (index, step) in steps.iter().enumerate() {
            if let Place::Core(core) = step.place {
                let part = by_core.entry(core).or_default();
                part.0.push(index);
                part.1.push(step.command());
            }
        }
        let (places, commands): (Vec<_>, Vec<_>) =
            by_core.into_iter().map(|(core, (places, commands))| (places, (core, Request::Run { commands }))).unzip();
        for (places, answer) in places.into_iter().zip(handle.ask(commands).await) {
            if let Answer::Replies { replies: some, gate } = answer {
                places.into_iter().zip(some).for_each(|(place, reply)| replies[place] = reply);
                gates.extend(gate);
            }
        }
    }
    for (step, reply) in steps.iter().zip(&mut replies) {
        let started = Ticks::now();
        let outcome = match step.place {
            Place::Core(_) if independent => continue,
            Place::Core(core) => match handle.ask_one(core, Request::Run { commands: vec![step.command()] }).await {
                Answer::Replies { mut replies, gate } => {
                    Outcome { bytes: replies.pop().unwrap_or_default(), gates: gate.into_iter().collect() }
                }
                _ => continue,
            },
            Place::Several => match step.command.exec {
                Exec::Split(_, merge) => {
                    spanning::split_locked(handle, step.command, merge, step.session, &step.args).await
                }
                _ => spanning::gather_locked(handle, step.command, step.session, &step.args).await,
            },
            Place::Every => match step.command.exec {
                Exec::Every(_, merge) => {
                    spanning::run_every(handle, step.command, merge, step.session, &step.args).await
                }
                _ => continue,
            },
            Place::Conn => run_with_conn(handle, at, step).await,
            Place::Reaching => reach_at_standstill(handle, step.command, step.session, &step.args).await,
            Place::Whole => match whole_of(step) {
                Some(whole) => {
                    instant::act_all(handle, &whole).await;
                    Outcome { bytes: b"+OK\r\n".to_vec(), gates: Vec::new() }
                }
                None => Outcome::error(b"ERR invalid DB index"),
            },
        };
        if !matches!(step.place, Place::Core(_)) {
            let cost = Cost::since(started, step.command, &step.args, &outcome);
            handle.with(|core| core.account_cost(at, cost));
        }
        *reply = outcome.bytes;
        gates.extend(outcome.gates);
    }
    (replies, gates)
}

/// Runs a command about the connection and catches its reply.
async fn run_with_conn(handle: &Handle, at: ConnRef, step: &Step) -> Outcome {
    let started = handle.with(|core| {
        let mut conn = core.conns.take(at)?;
        let aside = (std::mem::replace(&mut conn.outbox, Outbox::captured()), conn.under_way.take());
        let flow = match step.command.exec {
            Exec::Conn(run) => run(core, &mut conn, step.args.as_args()),
            _ => Flow::Next,
        };
        if flow == Flow::Blocked {
            conn.blocked += 1;
        }
        core.conns.restore(conn);
        Some((aside, flow))
    });
    // Without the connection nobody sees the reply.
    let Some((aside, _)) = started else { return Outcome { bytes: Vec::new(), gates: Vec::new() } };
    while handle.with(|core| core.conns.get(at).is_some_and(|conn| conn.blocked > 1 || conn.outbox.held_slots() > 0)) {
        handle.next_pass().await;
    }
    let mut bytes = Vec::new();
    handle.with(|core| {
        if let Some(conn) = core.conns.get(at) {
            conn.outbox.take_ready(&mut bytes);
            conn.outbox.restore(aside.0);
            conn.under_way = aside.1;
        }
    });
    Outcome { bytes, gates: Vec::new() }
}

impl Step {
    fn command(&self) -> StepCommand {
        StepCommand { command: self.command, session: self.session, args: self.args.clone(), is_whole: true }
    }
}

/// The keys of all steps and all watched keys, by core and without repeats. A step for every core brings in all cores.
fn keys_of(steps: &[Step], watched: &[Watched], cores: usize) -> KeysByCore {
    let mut all: Vec<LockKey> = watched.iter().map(|one| LockKey::new(one.db, &one.key)).collect();
    for step in steps {
        let _ =
            for_each_key(step.command.spec, step.args.as_args(), |key| all.push(LockKey::new(step.session.db, key)));
    }
    all.sort_unstable_by(|a, b| (a.db, &a.key).cmp(&(b.db, &b.key)));
    all.dedup();
    let mut keys = by_core(all, cores);
    for step in steps {
        match step.place {
            Place::Every => (0..cores).for_each(|core| {
                keys.entry(core).or_default();
            }),
            Place::Core(core) => {
                keys.entry(core).or_default();
            }
            _ => {}
        }
    }
    keys
}

fn array_of(replies: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut reply = Reply::new(&mut bytes, Proto::Resp2);
    reply.array(replies.len());
    replies.iter().for_each(|one| reply.raw(one));
    bytes
}

/// The reply of a transaction that did not run.
fn aborted(answer: Answer, proto: Proto) -> Outcome {
    match answer {
        Answer::Changed => {
            let mut bytes = Vec::new();
            Reply::new(&mut bytes, proto).null_array();
            Outcome { bytes, gates: Vec::new() }
        }
        Answer::Refused(text) => {
            Outcome::error(&[b"EXECABORT Transaction discarded because of: ", text.as_slice()].concat())
        }
        other => spanning::refusal(other),
    }
}
