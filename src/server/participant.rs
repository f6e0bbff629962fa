//! A core's part in commands that span cores: it locks, runs, logs and unlocks what a coordinator asks for.

use super::core::Core;
use crate::command::Command;
use crate::net::{Gate, ReplyTo, Session, Watched};
use crate::observe::Ticks;
use crate::resp::OwnedArgs;
use crate::shard::Unit;
use crate::shard::locks::{LockKey, Mode};
use crate::shard::message::{Answer, Envelope, Needs, Request, StepCommand, TxId};
use std::collections::VecDeque;

/// Who waits for a lock.
pub enum Waiter {
    /// A command of this core alone.
    Command(Box<Deferred>),
    /// A coordinator's [`Request::Lock`].
    Lock {
        /// Whose.
        tx: TxId,
        /// Keys that must not have changed.
        watched: Vec<Watched>,
        /// What it needs beside the keys.
        needs: Needs,
    },
    /// A coordinator's [`Request::Whole`].
    Whole {
        /// Whose.
        tx: TxId,
        /// Keys that must not have changed.
        watched: Vec<Watched>,
        /// What to run.
        commands: Vec<StepCommand>,
        /// What it needs beside the keys.
        needs: Needs,
    },
}

/// A command of one core that waits for its keys.
pub struct Deferred {
    /// Its row.
    pub command: &'static Command,
    /// The connection's state.
    pub session: Session,
    /// Where the reply goes.
    pub to: ReplyTo,
    /// Its arguments.
    pub args: OwnedArgs,
}

impl Core {
    /// Does what a coordinator asks. `None`: the answer comes later, or none is wanted.
    pub fn participate(&mut self, tx: TxId, request: Request) -> Option<Answer> {
        match request {
            Request::Lock { keys, mode, wait: true, watched, needs } => {
                let waiter = self.locks.acquire(keys.clone(), mode, Waiter::Lock { tx, watched, needs })?;
                let (answer, keep) = self.granted(waiter);
                if !keep {
                    self.unlock(&keys, mode);
                }
                answer
            }
            Request::Lock { keys, mode, wait: false, watched, needs } => {
                if !self.locks.try_acquire(&keys, mode) {
                    return Some(Answer::Busy);
                }
                let (answer, keep) = self.granted(Waiter::Lock { tx, watched, needs });
                if !keep {
                    self.unlock(&keys, mode);
                }
                answer
            }
            Request::Whole { keys, mode, watched, commands, needs } => {
                let waiter = Waiter::Whole { tx, watched, commands, needs };
                let waiter = self.locks.acquire(keys.clone(), mode, waiter)?;
                let (answer, _) = self.granted(waiter);
                self.unlock(&keys, mode);
                answer
            }
            Request::ReadAndHold { keys, commands } => {
                if !self.locks.try_acquire(&keys, Mode::Shared) {
                    return Some(Answer::Busy);
                }
                Some(self.run_steps(tx, &commands))
            }
            Request::Run { commands } => Some(self.run_steps(tx, &commands)),
            Request::Fetch { keys } => {
                let values = self.shard.fetch(&keys);
                Some(Answer::Values { values, gate: self.gate_of_last() })
            }
            Request::Store { values, events } => {
                let mut unit = self.units.remove(&tx).unwrap_or_default();
                unit.events.extend(events);
                self.shard.enter_unit(unit);
                for (key, value) in values {
                    self.shard.store(&key, value);
                }
                self.units.insert(tx, self.shard.leave_unit());
                Some(Answer::Done)
            }
            Request::Finish { keys, mode, participants } => {
                let unit = self.units.remove(&tx).unwrap_or_default();
                let gate = self.finish_unit(tx, unit, &participants);
                self.unlock(&keys, mode);
                Some(Answer::Finished { gate })
            }
            Request::Unlock { keys, mode } => {
                self.units.remove(&tx);
                self.unlock(&keys, mode);
                None
            }
            Request::Check { watched, needs } => Some(self.objection(&watched, needs).unwrap_or(Answer::Done)),
            Request::TakeEffects => {
                let mut unit = self.units.remove(&tx).unwrap_or_default();
                self.standstill.events.append(&mut unit.events);
                let effects = unit.iter().map(|(db, args)| (db, args.iter().map(<[u8]>::to_vec).collect())).collect();
                Some(Answer::Effects(effects))
            }
            Request::Every { command } => Some(self.run_steps(tx, std::slice::from_ref(&command))),
            Request::Watch { keys } => Some(Answer::Watching(self.shard.watch(&keys))),
            Request::Unwatch { keys } => {
                self.shard.unwatch(&keys);
                None
            }
            Request::Query(query) => self.find_out(tx, query),
            Request::Await { keys, wants, command } => {
                self.begin_waiting(tx, keys, wants, command);
                None
            }
            Request::TrialOver => {
                self.end_trial(tx, false);
                None
            }
            Request::Forget => self.end_trial(tx, true).then_some(Answer::Busy),
            Request::Hold | Request::Stop | Request::EndLog | Request::Act(_) | Request::Go => {
                self.stand_still(tx, request)
            }
        }
    }

    /// Runs commands on behalf of a coordinator; what they do is kept for [`Request::Finish`].
    fn run_steps(&mut self, tx: TxId, commands: &[StepCommand]) -> Answer {
        let unit = self.units.remove(&tx).unwrap_or_default();
        let mut gate: Option<Gate> = None;
        let mut replies = Vec::with_capacity(commands.len());
        self.shard.enter_unit(unit);
        for step in commands {
            let mut reply = Vec::new();
            if let Some(run) = step.command.exec.on_shard() {
                self.tick = Ticks::now();
                self.shard.run(step.command, run, step.session, step.args.as_args(), &mut reply);
                if step.is_whole {
                    let failed = reply.first() == Some(&b'-');
                    self.account_of(tx.core, step.command, failed, step.args.as_args(), step.session);
                }
            }
            gate = gate.max_by_lsn(self.gate_of_last());
            replies.push(reply);
        }
        let mut unit = self.shard.leave_unit();
        if !unit.is_empty() {
            self.units.insert(tx, unit);
        } else {
            self.shard.tell(&mut unit.events);
        }
        Answer::Replies { replies, gate }
    }

    /// The gate of what the shard did last, if it is still closed.
    pub(super) fn gate_of_last(&self) -> Option<Gate> {
        let me = self.me();
        self.shard.last_gate().filter(|&lsn| lsn > self.durable[me]).map(|lsn| Gate { core: me as u16, lsn })
    }

    /// Logs what a unit did, with a mark if other cores took part.
    pub(super) fn finish_unit(&mut self, tx: TxId, unit: Unit, participants: &[u16]) -> Option<Gate> {
        let lsn = self.shard.finish_unit(unit, tx, participants)?;
        let me = self.me();
        (self.shard.gates_writes() && lsn > self.durable[me]).then_some(Gate { core: me as u16, lsn })
    }

    /// A waiter holds its keys now. Returns its answer, if it wants one, and whether it keeps the keys.
    fn granted(&mut self, waiter: Waiter) -> (Option<Answer>, bool) {
        match waiter {
            Waiter::Lock { watched, needs, .. } => {
                if let Some(answer) = self.objection(&watched, needs) {
                    return (Some(answer), false);
                }
                (Some(Answer::Locked), true)
            }
            Waiter::Whole { tx, watched, commands, needs } => {
                if let Some(answer) = self.objection(&watched, needs) {
                    return (Some(answer), false);
                }
                let answer = self.run_steps(tx, &commands);
                let unit = self.units.remove(&tx).unwrap_or_default();
                let logged = self.finish_unit(tx, unit, &[]);
                let Answer::Replies { replies, gate } = answer else { return (Some(answer), false) };
                (Some(Answer::Replies { replies, gate: gate.max_by_lsn(logged) }), false)
            }
            Waiter::Command(deferred) => {
                self.run_deferred(*deferred);
                (None, false)
            }
        }
    }

    /// Why a transaction must not run here.
    fn objection(&mut self, watched: &[Watched], needs: Needs) -> Option<Answer> {
        if self.shard.any_changed(watched) {
            return Some(Answer::Changed);
        }
        if needs.memory
            && let Some(text) = self.refuses_memory()
        {
            return Some(Answer::Refused(text.into()));
        }
        if needs.log
            && let Some(text) = self.shard.refuses_writes()
        {
            return Some(Answer::Refused(text.into_bytes()));
        }
        None
    }

    pub(super) fn run_deferred(&mut self, deferred: Deferred) {
        let Deferred { command, session, to, args } = deferred;
        let mut bytes = Vec::new();
        if self.room_for(command.spec.flags) == super::memory::Room::No {
            crate::resp::Reply::new(&mut bytes, session.proto).error(super::memory::OUT_OF_MEMORY);
            return self.deliver(to, bytes, None);
        }
        if let Some(run) = command.exec.on_shard() {
            self.tick = Ticks::now();
            self.shard.run(command, run, session, args.as_args(), &mut bytes);
            let failed = bytes.first() == Some(&b'-');
            if failed {
                self.stats.count_error(&bytes);
            }
            self.account_of(to.core, command, failed, args.as_args(), session);
        }
        let gate = self.gate_of_last();
        self.deliver(to, bytes, gate);
    }

    /// Sends a reply that comes by itself to its connection, wherever that is.
    pub(super) fn deliver(&mut self, to: ReplyTo, bytes: Vec<u8>, gate: Option<Gate>) {
        if to.core as usize == self.me() {
            self.answered(to, &bytes, gate);
        } else {
            self.promise(to.core as usize, gate);
            self.mesh.send(to.core as usize, Envelope::Late { to, bytes, gate });
        }
    }

    /// Remembers that another core holds a reply for this one's log, so that it must be told.
    pub(super) fn promise(&mut self, core: usize, gate: Option<Gate>) {
        if let Some(gate) = gate
            && gate.core as usize == self.me()
        {
            self.promised[core] = self.promised[core].max(gate.lsn);
        }
    }

    /// Lets go of keys and runs whoever's turn it is then.
    pub(super) fn unlock(&mut self, keys: &[LockKey], mode: Mode) {
        let mut turn = VecDeque::from(self.locks.release(keys, mode));
        while let Some((waiter, keys, mode)) = turn.pop_front() {
            let tx = match &waiter {
                Waiter::Lock { tx, .. } | Waiter::Whole { tx, .. } => Some(*tx),
                Waiter::Command(_) => None,
            };
            let (answer, keep) = self.granted(waiter);
            if !keep {
                turn.extend(self.locks.release(&keys, mode));
            }
            if let (Some(tx), Some(answer)) = (tx, answer) {
                self.answer_coordinator(tx, answer);
            }
        }
    }

    /// Sends an answer to the core that coordinates `tx`.
    pub(super) fn answer_coordinator(&mut self, tx: TxId, answer: Answer) {
        let me = self.me();
        if tx.core as usize == me {
            self.tasks.answer(tx.number, me, answer);
        } else {
            if let Answer::Replies { gate, .. } | Answer::Values { gate, .. } | Answer::Finished { gate } = &answer {
                self.promise(tx.core as usize, *gate);
            }
            if let Answer::Finding(finding) = &answer {
                self.promise(tx.core as usize, finding.gate());
            }
            self.mesh.send(tx.core as usize, Envelope::Answer { tx, answer });
        }
    }
}

/// The later of two gates of the same core.
pub(super) trait Later {
    /// The one with the higher LSN.
    fn max_by_lsn(self, other: Option<Gate>) -> Option<Gate>;
}

impl Later for Option<Gate> {
    fn max_by_lsn(self, other: Option<Gate>) -> Option<Gate> {
        match (self, other) {
            (Some(a), Some(b)) => Some(if a.lsn >= b.lsn { a } else { b }),
            (a, b) => a.or(b),
        }
    }
}
