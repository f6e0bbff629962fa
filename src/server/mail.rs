//! Messages from other cores.

use super::core::Core;
use super::participant::Deferred;
use crate::command::spec::Flags;
use crate::keyspace::hash_key;
use crate::net::{Gate, ReplyTo};
use crate::resp::OwnedArgs;
use crate::shard::message::{Batch, Envelope};

/// Most batches of one core kept for use again.
const POOL_BATCHES: usize = 16;

/// What became of a command of a batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ran {
    /// Its reply is there.
    Done,
    /// As well, and it took so many nanoseconds.
    Slow(u64),
    /// Its reply comes later.
    Late,
}

impl Core {
    /// Takes in everything the other cores have sent, up to a limit; `true` if there was anything.
    pub fn read_mail(&mut self) -> bool {
        /// Enough to drain what a pass of the others can send, little enough to look at the sockets in between.
        const MESSAGES_MAX: usize = 256;
        let mut turn = self.mail_turn;
        let mut any = false;
        for _ in 0..MESSAGES_MAX {
            let Some((from, message)) = self.mesh.receive(&mut turn) else { break };
            any = true;
            self.take_in(from, message);
        }
        self.mail_turn = turn;
        any
    }

    pub(super) fn take_in(&mut self, from: usize, message: Envelope) {
        // What it depends on happened in this round or before.
        self.see_round();
        match message {
            Envelope::Batch(batch) if self.standstill.stopped => self.standstill.batches.push_back((from, batch)),
            Envelope::Batch(batch) => self.run_batch(from, batch),
            Envelope::BatchDone(batch) => self.batch_done(batch),
            Envelope::Late { to, bytes, gate } => self.answered(to, &bytes, gate),
            Envelope::Durable { lsn } => self.advance_durable(from, lsn),
            Envelope::Request { tx, request } => {
                if let Some(answer) = self.participate(tx, request) {
                    self.answer_coordinator(tx, answer);
                }
                // Nobody overtakes those who wait, also not the next message.
                if !self.shard.waiting.ready.is_empty() {
                    self.serve_waiting();
                }
            }
            Envelope::Answer { tx, answer } => self.tasks.answer(tx.number, from, answer),
            Envelope::Segment(result) => self.segment_made(result),
            Envelope::Round { sync } => self.round_told(sync),
            Envelope::RoundSecured => self.round_secured(),
            Envelope::Slow(slow) => self.slow_of_client(&slow),
            Envelope::LogAdvanced => self.log_advanced(),
            Envelope::Poison(reason) => self.poison(reason),
            Envelope::PeerPoisoned => self.peer_poisoned(from as u16),
            Envelope::Loaded(shard, keeper) => self.loaded(shard.into_inner(), keeper),
            Envelope::Serve => self.serve(),
            Envelope::Look => self.look(),
            Envelope::Adopt(accepted) => self.adopt(*accepted),
        }
    }

    /// Runs another core's commands and sends the replies back.
    pub(super) fn run_batch(&mut self, from: usize, mut batch: Box<Batch>) {
        let mut promise: Option<u64> = None;
        self.tick = crate::observe::Ticks::now();
        for index in 0..batch.commands.len() {
            self.look_ahead(&batch, index);
            let start = batch.replies.len();
            let mut replies = std::mem::take(&mut batch.replies);
            let ran = self.run_for_batch(&batch, index, &mut replies);
            batch.replies = replies;
            let end = batch.replies.len();
            let gate = if ran == Ran::Late { None } else { self.gate_of_last() };
            if !self.shard.waiting.ready.is_empty() {
                self.serve_waiting();
            }
            if let Some(gate) = gate {
                promise = promise.max(Some(gate.lsn));
            }
            let command = &mut batch.commands[index];
            command.reply = start..end;
            command.gate = gate;
            command.late = ran == Ran::Late;
            command.slow_nanos = if let Ran::Slow(nanos) = ran { nanos } else { 0 };
        }
        if let Some(lsn) = promise {
            self.promised[from] = self.promised[from].max(lsn);
        }
        self.mesh.send(from, Envelope::BatchDone(batch));
    }

    /// Asks for the memory that the next commands of a batch will need; see [`super::lookahead`].
    #[inline]
    fn look_ahead(&self, batch: &Batch, index: usize) {
        const AHEAD: usize = 4;
        let key = |index: usize| {
            let session = batch.commands.get(index)?.session;
            Some((self.shard.db(session.db), hash_key(batch.args(index).get(1)?)))
        };
        if let Some((db, hash)) = key(index + AHEAD) {
            db.prefetch(hash);
        }
        if let Some((db, hash)) = key(index + 1) {
            db.prefetch_entry(hash);
        }
    }

    /// Runs one command of a batch.
    fn run_for_batch(&mut self, batch: &Batch, index: usize, replies: &mut Vec<u8>) -> Ran {
        let item = &batch.commands[index];
        let (command, session, to) = (item.command, item.session, item.to);
        let args = batch.args(index);
        if (!self.locks.is_empty() || !self.stalled.is_empty()) && self.defer_remote(command, session, to, args) {
            return Ran::Late;
        }
        if command.spec.flags.has(Flags::WRITE) {
            match self.admit(command, args) {
                Ok(()) => {}
                Err(crate::shard::NotAdmitted::Wait) => {
                    let args = OwnedArgs::new(args.iter());
                    self.stalled.push_back(Deferred { command, session, to, args });
                    return Ran::Late;
                }
                Err(crate::shard::NotAdmitted::Refused(text)) => {
                    crate::resp::Reply::new(replies, session.proto).error(text);
                    return Ran::Done;
                }
            }
        }
        if let Some(run) = command.exec.on_shard() {
            let start = replies.len();
            self.shard.run(command, run, session, args, replies);
            let failed = replies.get(start) == Some(&b'-');
            if failed {
                self.stats.count_error(&replies[start..]);
            }
            if let Some(nanos) = self.account_remote(command, failed) {
                return Ran::Slow(nanos);
            }
        }
        Ran::Done
    }

    /// Queues a command from another core behind the locks on its keys, or behind writes that wait for room in the log.
    #[cold]
    fn defer_remote(
        &mut self,
        command: &'static crate::command::Command,
        session: crate::net::Session,
        to: ReplyTo,
        args: crate::resp::Args,
    ) -> bool {
        let deferred = |args: crate::resp::Args| Deferred { command, session, to, args: OwnedArgs::new(args.iter()) };
        if !self.stalled.is_empty() {
            self.stalled.push_back(deferred(args));
            return true;
        }
        self.queue_for_locks(deferred(args)).is_ok()
    }

    fn batch_done(&mut self, mut batch: Box<Batch>) {
        self.batches_out -= 1;
        for command in &batch.commands {
            if !command.late {
                let bytes = &batch.replies[command.reply.clone()];
                Self::answer_in(&mut self.conns, &self.durable, command.to, bytes, command.gate);
            }
        }
        for (index, command) in batch.commands.iter().enumerate() {
            if command.slow_nanos > 0 {
                self.slow_elsewhere(command.to.conn, command.command, command.slow_nanos, batch.args(index));
            }
        }
        for index in 0..batch.commands.len() {
            let to = batch.commands[index].to;
            // Neighbours are mostly of one connection: settle it once.
            if index + 1 == batch.commands.len() || batch.commands[index + 1].to.conn != to.conn {
                self.settle_answers(to);
            }
        }
        batch.recycle();
        if self.batch_pool.len() < POOL_BATCHES {
            self.batch_pool.push(batch);
        }
    }

    fn answer_in(conns: &mut crate::net::ConnTable, durable: &[u64], to: ReplyTo, bytes: &[u8], gate: Option<Gate>) {
        if let Some(conn) = conns.get(to.conn) {
            let gate = gate.filter(|gate| durable[gate.core as usize] < gate.lsn);
            conn.outbox.answer_now(to.seq, bytes, gate, durable);
        }
    }

    fn settle_answers(&mut self, to: ReplyTo) {
        let Some(conn) = self.conns.get(to.conn) else { return };
        let gates = conn.outbox.next_gates().to_vec();
        for gate in gates {
            self.await_gate(to.conn, gate);
        }
        self.after_output(to.conn);
    }

    /// A reply that was pending has come.
    pub(super) fn answered(&mut self, to: ReplyTo, bytes: &[u8], gate: Option<Gate>) {
        Self::answer_in(&mut self.conns, &self.durable, to, bytes, gate);
        self.settle_answers(to);
    }

    /// Sends on the batches filled in this pass, tells other cores how far this one is durable, and rings whoever
    /// sleeps and has mail.
    pub fn send_mail(&mut self, ring_bell: impl FnMut(std::os::fd::RawFd)) {
        self.publish_events();
        for core in 0..self.filling.len() {
            if let Some(batch) = self.filling[core].take() {
                self.batches_out += 1;
                self.mesh.send(core, Envelope::Batch(batch));
            }
        }
        self.mesh.flush(ring_bell);
    }

    /// Tells the cores that hold replies for this one's log how far it is durable now.
    pub(super) fn tell_durable(&mut self, before: u64, lsn: u64) {
        let me = self.me();
        for core in 0..self.promised.len() {
            if core != me && self.promised[core] > before {
                self.mesh.send(core, Envelope::Durable { lsn });
            }
        }
    }
}
