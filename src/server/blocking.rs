//! Commands that wait until a key has something for them: BLPOP and its kin, XREAD and XREADGROUP with BLOCK.
//!
//! Such a command is tried first like any other. If it finds nothing it is told to the cores that own its keys, and
//! waits. When all its keys are on one core, that core runs it the moment a key has changed, before anything else can
//! take what came. If they are on several, its own core is told and tries it again; it keeps its place in line
//! meanwhile (see [`crate::shard::Waiting`]), and what came is kept from commands of that core alone.

use super::accounting::Cost;
use super::core::Core;
use super::dispatch::{Owner, lock_keys, lock_mode};
use super::participant::Waiter;
use super::spanning::{Outcome, by_core, run_gather};
use super::task::Handle;
use super::waits::Blocked;
use crate::command::spec::Flags;
use crate::command::{Command, Flow};
use crate::keyspace::hash_key;
use crate::net::{Conn, ConnRef, Session, Special};
use crate::observe::Ticks;
use crate::resp::{Args, OwnedArgs, Proto, Reply};
use crate::shard::locks::LockKey;
use crate::shard::message::{Answer, Needs, Request, StepCommand, TxId};
use crate::shard::{Change, Turn, Wants};

/// What waits.
struct Wait {
    command: &'static Command,
    session: Session,
    args: OwnedArgs,
    at: ConnRef,
    seq: u64,
    deadline_ms: u64,
    /// How long it has run so far, nanoseconds; the time that it waited is not in it.
    nanos: u64,
}

/// How long a command waits at most, in ms; `None`: for ever. It is given in seconds, as a decimal number.
pub(crate) fn parse_timeout(text: &[u8]) -> Result<Option<u64>, &'static str> {
    const BAD: &str = "ERR timeout is not a float or out of range";
    let text = std::str::from_utf8(text).map_err(|_| BAD)?;
    // C reads hexadecimal numbers as well.
    let whole = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let seconds: f64 = match whole.map(|digits| u64::from_str_radix(digits, 16)) {
        Some(whole) => whole.map_err(|_| BAD)? as f64,
        None => text.parse().map_err(|_| BAD)?,
    };
    let ms = (seconds * 1000.0).ceil();
    if !ms.is_finite() {
        return Err(BAD);
    }
    if ms < 0.0 {
        return Err("ERR timeout is negative");
    }
    if ms > i64::MAX as f64 / 2.0 {
        return Err("ERR timeout is out of range");
    }
    Ok(Some(ms as u64).filter(|&ms| ms > 0))
}

/// The argument that says how long to wait, of commands that say it in seconds.
pub(crate) fn timeout_of<'a>(name: &str, args: Args<'a>) -> &'a [u8] {
    args.at(if matches!(name, "blmpop" | "bzmpop") { 1 } else { args.len() - 1 })
}

/// How long a request may wait, in ms; inside, `None`: for ever. Outside, `None`: not at all, or it is malformed and
/// its handler says how.
fn patience(name: &str, args: Args) -> Option<Option<u64>> {
    match name {
        "xread" | "xreadgroup" => {
            let mut at = 1;
            loop {
                if args.is(at, "BLOCK") {
                    let ms: u64 = std::str::from_utf8(args.get(at + 1)?).ok()?.parse().ok()?;
                    return Some(Some(ms).filter(|&ms| ms > 0));
                }
                at += match () {
                    _ if args.get(at).is_none() || args.is(at, "STREAMS") => return None,
                    _ if args.is(at, "GROUP") => 3,
                    _ if args.is(at, "COUNT") => 2,
                    _ => 1,
                };
            }
        }
        _ => parse_timeout(timeout_of(name, args)).ok(),
    }
}

/// What a command can use of a key that has changed.
fn wants(name: &str) -> Wants {
    match name {
        "bzpopmin" | "bzpopmax" | "bzmpop" => Wants::Type(3),
        "xread" => Wants::Type(6),
        "xreadgroup" => Wants::Anything,
        _ => Wants::Type(1),
    }
}

impl Core {
    /// How long a request may wait in ms (`None`: for ever), if it may.
    pub(super) fn patience(&self, command: &Command, args: Args) -> Option<Option<u64>> {
        patience(command.spec.name, args)
    }

    /// Runs a command that may have to wait.
    pub(super) fn run_blocking(
        &mut self,
        conn: &mut Conn,
        command: &'static Command,
        args: Args,
        patience_ms: Option<u64>,
    ) -> Flow {
        let deadline_ms = patience_ms.map_or(u64::MAX, |ms| self.now_ms.saturating_add(ms));
        let Some((at, seq)) = self.begin_spanning(conn) else { return Flow::Retry };
        let args = OwnedArgs::new(args.iter());
        let wait = Wait { command, session: conn.session, args, at, seq, deadline_ms, nanos: 0 };
        self.tasks.spawn(move |handle| attempt(handle, wait));
        Flow::Blocked
    }

    /// Runs the commands that wait for keys that have changed; says whether there were any.
    pub(super) fn serve_waiting(&mut self) -> bool {
        let mut any = false;
        while !self.shard.waiting.ready.is_empty() && !self.standstill.stopped {
            let mut served = false;
            for change in std::mem::take(&mut self.shard.waiting.ready) {
                served |= self.serve_line(change);
            }
            any |= served;
            if !served {
                break;
            }
        }
        any
    }

    /// Goes along the line of those who wait for a key that has changed; says whether anybody was served or told.
    fn serve_line(&mut self, change: Change) -> bool {
        let (mut at, mut served) = (0, false);
        loop {
            let type_code = self.type_of(&change.key);
            let Some(tx) = self.shard.waiting.next(&change, &mut at, type_code) else { return served };
            let step = match self.shard.waiting.turn(tx, &change) {
                Turn::Wait => return served,
                Turn::Tell { keep } => {
                    if keep {
                        self.locks.keep(&change.key);
                    }
                    self.answer_coordinator(tx, Answer::Done);
                    return true;
                }
                Turn::Run(step) => step,
            };
            let args = step.args.as_args();
            let spec = step.command.spec;
            let is_locked = !self.locks.is_empty() && {
                let keys = lock_keys(spec, args, step.session.db);
                keys.iter().any(|key| self.locks.blocks(key, lock_mode(spec)))
            };
            if is_locked || (spec.flags.has(Flags::WRITE) && self.shard.admit(args).is_err()) {
                // Whatever ends this brings about a pass, and there it is looked at again.
                self.shard.waiting.ready.push(change);
                return served;
            }
            let Some(run) = step.command.exec.on_shard() else { return served };
            let mut bytes = Vec::new();
            self.shard.run(step.command, run, step.session, args, &mut bytes);
            if is_nothing(&bytes) {
                self.shard.waiting.found_nothing(tx, &change);
                continue;
            }
            let gate = self.gate_of_last();
            self.shard.waiting.remove(tx);
            self.answer_coordinator(tx, Answer::Replies { replies: vec![bytes], gate });
            served = true;
        }
    }

    /// Redis's number of the type of a key of this core; `None`: it is not there.
    fn type_of(&self, key: &LockKey) -> Option<u8> {
        let db = self.shard.db(key.db);
        let entry = db.find(hash_key(&key.key), &key.key)?;
        db.expire_at(entry).is_none_or(|at| at > self.now_ms).then(|| db.type_code(entry))
    }

    /// Somebody begins to wait for keys of this core.
    pub(super) fn begin_waiting(&mut self, tx: TxId, keys: Vec<LockKey>, wants: Wants, command: Option<StepCommand>) {
        let waiting = &mut self.shard.waiting;
        waiting.add(tx, keys.clone(), wants, command);
        // Something may have come since the command was tried.
        keys.iter().for_each(|key| waiting.changed(key.db, &key.key));
    }

    /// The trial of `tx` found nothing, or it waits no more (`leaves`); says whether it waited then.
    pub(super) fn end_trial(&mut self, tx: TxId, leaves: bool) -> bool {
        let kept = self.shard.waiting.take_kept(tx);
        let waited = match leaves {
            true => self.shard.waiting.remove(tx),
            false => {
                self.shard.waiting.end_trial(tx);
                false
            }
        };
        if let Some(key) = kept {
            // Those behind it in the line come before those who came for the key meanwhile.
            self.serve_waiting();
            self.let_go(key);
        }
        waited
    }

    /// What came to a key is kept for nobody any more: those who came for it meanwhile have their turn.
    pub(super) fn let_go(&mut self, key: LockKey) {
        if self.standstill.stopped {
            self.standstill.kept.push(key);
            return;
        }
        for (waiter, ..) in self.locks.let_go(&key) {
            // As if it came now: what it brings may be meant for the next one in the line.
            if let Waiter::Command(deferred) = waiter {
                self.run_stalled(*deferred);
                self.serve_waiting();
            }
        }
    }

    /// CLIENT UNBLOCK; says whether the client waited.
    pub(super) fn unblock(&mut self, id: u64, with_error: bool) -> bool {
        let waiting = self.conns.iter().find(|conn| conn.id == id && conn.special.has(Special::WAITING));
        let Some(at) = waiting.map(|conn| conn.place) else { return false };
        if !self.blocked.mark_unblocked(at, with_error) {
            return false;
        }
        self.end_wait_of(at);
        true
    }

    fn end_blocking(&mut self, wait: Wait, outcome: Outcome) {
        if let Some(conn) = self.conns.get(wait.at) {
            conn.special.set(Special::WAITING, false);
        }
        let (args, failed) = (wait.args.as_args(), outcome.is_error());
        let cost = Cost { command: wait.command, args, nanos: wait.nanos, failed };
        self.finish_command(wait.at, wait.seq, outcome, cost);
    }
}

/// Tries a command, and has it wait if it finds nothing.
async fn attempt(handle: Handle, mut wait: Wait) {
    let started = Ticks::now();
    let outcome = run_once(&handle, wait.command, wait.session, &wait.args).await;
    wait.nanos = Ticks::now().nanos_since(started);
    handle.with(|core| {
        let is_there = core.conns.get(wait.at).is_some();
        if !is_nothing(&outcome.bytes) || !is_there {
            return core.end_blocking(wait, outcome);
        }
        if core.now_ms >= wait.deadline_ms {
            let proto = wait.session.proto;
            return core.end_blocking(wait, nothing(proto));
        }
        if let Some(conn) = core.conns.get(wait.at) {
            conn.special.set(Special::WAITING, true);
        }
        wait.settle(&outcome.bytes);
        // A wait must not hold off what needs all tasks to end, and locks nothing.
        core.tasks.spawn_conductor(move |handle| sleep(handle, wait));
    });
}

async fn run_once(handle: &Handle, command: &'static Command, session: Session, args: &OwnedArgs) -> Outcome {
    match handle.with(|core| core.owner(command.spec, args.as_args())) {
        Ok(Owner::Several) => run_gather(handle, command, session, args).await,
        Ok(Owner::Core(core)) => {
            let request = Request::Whole {
                keys: lock_keys(command.spec, args.as_args(), session.db),
                mode: lock_mode(command.spec),
                watched: Vec::new(),
                commands: vec![StepCommand { command, session, args: args.clone(), is_whole: false }],
                needs: Needs { log: true, ..Needs::of(command.spec.flags) },
            };
            match handle.ask_one(core, request).await {
                Answer::Replies { mut replies, gate } => {
                    Outcome { bytes: replies.pop().unwrap_or_default(), gates: gate.into_iter().collect() }
                }
                answer => super::spanning::refusal(answer),
            }
        }
        Err(text) => Outcome::error(text.as_bytes()),
    }
}

/// Waits until a key has something or the time is over.
async fn sleep(handle: Handle, mut wait: Wait) {
    let (alone, keys) = handle.with(|core| {
        let alone = matches!(core.owner(wait.command.spec, wait.args.as_args()), Ok(Owner::Core(_)));
        let keys = by_core(wait.keys(), core.cores());
        let cores: Vec<usize> = keys.keys().copied().collect();
        core.blocked.insert(handle.tx.number, Blocked::new(wait.at, wait.deadline_ms, cores));
        (alone, keys)
    });
    let cores: Vec<usize> = keys.keys().copied().collect();
    let wants = wants(wait.command.spec.name);
    let request = |keys| Request::Await { keys, wants, command: alone.then(|| wait.step()) };
    handle.listen(keys.into_iter().map(|(core, keys)| (core, request(keys))).collect());
    let outcome = loop {
        let mut told = handle.told().await;
        if let Some(at) = told.iter().position(|(_, answer)| matches!(answer, Answer::Replies { .. })) {
            let (_, Answer::Replies { mut replies, gate }) = told.swap_remove(at) else { continue };
            break Outcome { bytes: replies.pop().unwrap_or_default(), gates: gate.into_iter().collect() };
        }
        if told.iter().any(|(_, answer)| matches!(answer, Answer::Busy)) {
            break handle.with(|core| match core.blocked.is_error(handle.tx.number) {
                true => Outcome::error(b"UNBLOCKED client unblocked via CLIENT UNBLOCK"),
                false => nothing(wait.session.proto),
            });
        }
        let (command, session, args) = (wait.command, wait.session, wait.args.clone());
        let started = Ticks::now();
        let outcome = handle.aside(move |handle| async move { run_once(&handle, command, session, &args).await }).await;
        wait.nanos += Ticks::now().nanos_since(started);
        if !is_nothing(&outcome.bytes) {
            break outcome;
        }
        handle.tell(told.into_iter().map(|(core, _)| (core, Request::TrialOver)).collect());
    };
    handle.stop_listening();
    if !alone {
        handle.tell(cores.into_iter().map(|core| (core, Request::Forget)).collect());
    }
    handle.with(|core| {
        core.blocked.remove(handle.tx.number);
        core.end_blocking(wait, outcome);
    });
}

impl Wait {
    fn step(&self) -> StepCommand {
        StepCommand { command: self.command, session: self.session, args: self.args.clone(), is_whole: false }
    }

    /// The keys that something may come to.
    fn keys(&self) -> Vec<LockKey> {
        match self.command.spec.name {
            // The second key is only added to.
            "blmove" | "brpoplpush" => vec![LockKey::new(self.session.db, self.args.as_args().at(1))],
            _ => lock_keys(self.command.spec, self.args.as_args(), self.session.db),
        }
    }

    /// Takes over what the first try found out: XREAD waits for what comes behind the ends that it saw then.
    fn settle(&mut self, nothing: &[u8]) {
        let Some(words) = nothing.strip_prefix(&[SETTLED]) else { return };
        let ids: Vec<&[u8]> = words.split(|&byte| byte == b' ').collect();
        let args = self.args.as_args();
        let kept = args.len() - ids.len();
        self.args = OwnedArgs::new(args.iter().take(kept).chain(ids));
    }
}

/// What a handler's reply begins with that found nothing and tells, behind it and between blanks, what its last
/// arguments are to be while it waits. No reply begins like that.
pub(crate) const SETTLED: u8 = 0;

/// The reply of one that has waited for nothing.
fn nothing(proto: Proto) -> Outcome {
    let mut bytes = Vec::new();
    Reply::new(&mut bytes, proto).null_array();
    Outcome { bytes, gates: Vec::new() }
}

/// Whether a reply says that nothing was found.
fn is_nothing(reply: &[u8]) -> bool {
    matches!(reply, b"*-1\r\n" | b"$-1\r\n" | b"_\r\n" | [SETTLED, ..])
}
