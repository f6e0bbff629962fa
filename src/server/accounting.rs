//! What commands cost: counters, latencies, the slow log.
//!
//! A command is counted once, when its reply is there. Its time is the time that it ran: for one over several cores that from
//! start to end, for one that waited for its keys that of its tries.

use super::core::Core;
use super::spanning::Outcome;
use crate::command::Command;
use crate::command::spec::Flags;
use crate::net::{Conn, ConnRef, Session};
use crate::observe::Ticks;
use crate::resp::{Args, OwnedArgs};
use crate::shard::message::{Envelope, SlowCommand};

/// A command about the connection or the server whose reply comes later.
pub struct UnderWay {
    command: &'static Command,
    args: OwnedArgs,
    started: Ticks,
}

impl UnderWay {
    /// Its arguments.
    pub fn args(&self) -> Args<'_> {
        self.args.as_args()
    }
}

/// What a command cost.
pub(super) struct Cost<'a> {
    /// Its row.
    pub command: &'static Command,
    /// Its arguments.
    pub args: Args<'a>,
    /// Its time, nanoseconds.
    pub nanos: u64,
    /// Whether it answered with an error.
    pub failed: bool,
}

impl<'a> Cost<'a> {
    /// Of a command that began then and has just ended.
    pub(super) fn since(started: Ticks, command: &'static Command, args: &'a OwnedArgs, outcome: &Outcome) -> Cost<'a> {
        let nanos = Ticks::now().nanos_since(started);
        Cost { command, args: args.as_args(), nanos, failed: outcome.is_error() }
    }
}

/// Whose command was slow.
struct SlowClient {
    address: String,
    name: Vec<u8>,
}

impl SlowClient {
    fn of(conn: &Conn) -> SlowClient {
        let name = conn.profile.name.as_deref().unwrap_or_default().to_vec();
        SlowClient { address: conn.peer.remote_text(), name }
    }
}

impl Core {
    /// Counts a command that has run, and looks whether it was slow.
    #[inline]
    pub(super) fn account(&mut self, command: &'static Command, failed: bool, args: Args, conn: &Conn) {
        let nanos = self.count(command, failed);
        if nanos >= self.slow_nanos {
            self.note_slow(command, nanos, args, || SlowClient::of(conn));
        }
    }

    /// As [`Core::account`], for a command that ran for another core's connection. Returns its time in ns if it was slow, for that
    /// core to tell ([`Core::slow_elsewhere`]).
    #[inline]
    pub(super) fn account_remote(&mut self, command: &'static Command, failed: bool) -> Option<u64> {
        let nanos = self.count(command, failed);
        (nanos >= self.slow_nanos).then_some(nanos)
    }

    /// As [`Core::account`], for a command whose connection is not at hand: it is on core `of`, which is told if the command was slow.
    pub(super) fn account_of(
        &mut self,
        of: u16,
        command: &'static Command,
        failed: bool,
        args: Args,
        session: Session,
    ) {
        if let Some(nanos) = self.account_remote(command, failed) {
            let args = OwnedArgs::new(args.iter());
            let slow = Box::new(SlowCommand { client: session.client, command, nanos, args });
            match of as usize {
                me if me == self.me() => self.slow_of_client(&slow),
                other => self.mesh.send(other, Envelope::Slow(slow)),
            }
        }
    }

    /// A command of a client of this core was slow, wherever it ran.
    #[cold]
    pub(super) fn slow_of_client(&mut self, slow: &SlowCommand) {
        let client = self.conns.iter().find(|conn| conn.id == slow.client).map(SlowClient::of);
        // It may have gone meanwhile.
        let client = || client.unwrap_or(SlowClient { address: format!("id={}", slow.client), name: Vec::new() });
        self.note_slow(slow.command, slow.nanos, slow.args.as_args(), client);
    }

    /// The time in ns since the command before it ended, which is counted for the command.
    #[inline]
    fn count(&mut self, command: &'static Command, failed: bool) -> u64 {
        let now = Ticks::now();
        let nanos = now.nanos_since(self.tick);
        self.tick = now;
        self.count_nanos(command, failed, nanos);
        nanos
    }

    #[inline]
    fn count_nanos(&mut self, command: &'static Command, failed: bool, nanos: u64) {
        let stats = &mut self.stats.by_command[command.spec.id.index()];
        stats.record(nanos, self.settings.latency_tracking);
        stats.failed += failed as u64;
    }

    /// Counts a command that ran as a task, or in steps of which some waited.
    pub(super) fn account_cost(&mut self, at: ConnRef, cost: Cost) {
        self.count_nanos(cost.command, cost.failed, cost.nanos);
        if cost.nanos >= self.slow_nanos {
            self.slow_elsewhere(at, cost.command, cost.nanos, cost.args);
        }
    }

    /// A command of this connection was slow, wherever it ran.
    #[cold]
    pub(super) fn slow_elsewhere(&mut self, at: ConnRef, command: &'static Command, nanos: u64, args: Args) {
        let client = self.conns.get(at).map(|conn| SlowClient::of(conn));
        let client = || client.unwrap_or(SlowClient { address: String::new(), name: Vec::new() });
        self.note_slow(command, nanos, args, client);
    }

    /// Remembers a command about the connection or the server whose reply comes later, to be counted then.
    pub(super) fn begin_accounting(&mut self, command: &'static Command, args: Args, conn: &mut Conn) {
        let args = OwnedArgs::new(args.iter());
        conn.under_way = Some(Box::new(UnderWay { command, args, started: self.tick }));
        self.tick = Ticks::now();
    }

    /// Counts what [`Core::begin_accounting`] remembered, if there is such a command.
    pub(super) fn end_accounting(&mut self, at: ConnRef, failed: bool) {
        let Some(UnderWay { command, args, started }) =
            self.conns.get(at).and_then(|conn| conn.under_way.take()).map(|it| *it)
        else {
            return;
        };
        // What may wait does nothing but that: WAIT, WAITAOF.
        let waits = command.spec.flags.has(Flags::BLOCKING);
        let nanos = if waits { 0 } else { Ticks::now().nanos_since(started) };
        self.account_cost(at, Cost { command, args: args.as_args(), nanos, failed });
    }

    /// Keeps a slow command for SLOWLOG and LATENCY.
    #[cold]
    fn note_slow(&mut self, command: &'static Command, nanos: u64, args: Args, client: impl FnOnce() -> SlowClient) {
        let event = if command.spec.flags.has(Flags::FAST) { "fast-command" } else { "command" };
        self.note_delay(event, nanos);
        let is_slow = self.settings.slowlog_slower_than_us.is_some_and(|limit| nanos / 1000 >= limit);
        if !is_slow || command.spec.flags.has(Flags::SKIP_SLOWLOG) {
            return;
        }
        let hidden = crate::observe::without_secrets(command.spec, args);
        let args = hidden.as_ref().map_or(args, |hidden| hidden.as_args());
        let SlowClient { address, name } = client();
        let entry = crate::observe::SlowEntry::new(nanos / 1000, args, address, name);
        self.everyone.slowlog.add(entry, self.settings.slowlog_max_len as usize);
    }
}
