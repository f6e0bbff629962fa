//! From a request to where it runs: here, on the core that owns its keys, or on several.

use super::core::Core;
use super::participant::{Deferred, Waiter};
use crate::command::spec::{self, CommandSpec, Flags};
use crate::command::{Command, Exec, Flow, KeyedFn};
use crate::net::{Conn, ReplyTo, Special};
use crate::resp::{Args, OwnedArgs, Reply};
use crate::shard::locks::{LockKey, Mode};
use crate::shard::slot;

/// Where a command's keys live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// On one core, or it has no keys.
    Core(usize),
    /// On several.
    Several,
}

impl Core {
    /// Runs one request of a connection, or sees to it that it is run.
    #[inline]
    pub fn execute(&mut self, conn: &mut Conn, args: Args) -> Flow {
        let row = match spec::resolve(args) {
            Ok(row) => row,
            Err(error) => return self.refuse(conn, None, &error.text(args)),
        };
        let command = &self.commands[row.id.index()];
        conn.last_command = row.id.0;
        conn.commands += 1;
        self.stats.commands += 1;
        if !conn.special.is_empty()
            && let Some(flow) = self.gatekeep(conn, command, args)
        {
            return flow;
        }
        if self.attention
            && let Some(flow) = self.attend(conn, command, args)
        {
            return flow;
        }
        self.run(conn, command, args)
    }

    /// Runs a command that may run.
    #[inline]
    pub(super) fn run(&mut self, conn: &mut Conn, command: &'static Command, args: Args) -> Flow {
        match command.exec {
            Exec::Keyed(run) => self.run_keyed(conn, command, run, args),
            Exec::Reaching(_) if self.reaches_out(args) => self.reach(conn, command, args),
            Exec::Reaching(run) => self.run_keyed(conn, command, run, args),
            Exec::Blocking(run) => match self.patience(command, args) {
                Some(patience_ms) => self.run_blocking(conn, command, args, patience_ms),
                None => self.run_keyed(conn, command, run, args),
            },
            Exec::Split(run, merge) => match self.owner(command.spec, args) {
                Ok(Owner::Core(core)) if core == self.me() => self.run_here(conn, command, run, args),
                Ok(Owner::Core(core)) => self.forward(conn, command, args, core),
                Ok(Owner::Several) => match self.refuse_spanning(conn, command, args) {
                    Some(flow) => flow,
                    None => self.split(conn, command, merge, args),
                },
                Err(text) => self.refuse(conn, Some(command), text.as_bytes()),
            },
            Exec::Every(run, _) if self.cores() == 1 => self.run_here(conn, command, run, args),
            Exec::Every(_, merge) => self.every(conn, command, merge, args),
            Exec::Cursor(run) => match crate::shard::cursor_core(args.at(1), self.cores()) {
                core if core == self.me() => self.run_here(conn, command, run, args),
                core => self.forward(conn, command, args, core),
            },
            Exec::Conn(run) => self.run_conn(conn, command, run, args),
            Exec::Missing => {
                let error = match command.spec.container {
                    None => spec::LookupError::UnknownCommand,
                    Some(_) => spec::LookupError::UnknownSubcommand,
                };
                self.refuse(conn, None, &error.text(args))
            }
        }
    }

    /// Runs a command on the core that owns its keys, or brings them together.
    #[inline]
    fn run_keyed(&mut self, conn: &mut Conn, command: &'static Command, run: KeyedFn, args: Args) -> Flow {
        match self.owner(command.spec, args) {
            Ok(Owner::Core(core)) if core == self.me() => self.run_here(conn, command, run, args),
            Ok(Owner::Core(core)) => self.forward(conn, command, args, core),
            Ok(Owner::Several) => match self.refuse_spanning(conn, command, args) {
                Some(flow) => flow,
                None => self.gather(conn, command, args),
            },
            Err(text) => self.refuse(conn, Some(command), text.as_bytes()),
        }
    }

    /// A write that spans cores is held back here, before it locks anything.
    fn refuse_spanning(&mut self, conn: &mut Conn, command: &'static Command, args: Args) -> Option<Flow> {
        if !command.spec.flags.has(Flags::WRITE) {
            return None;
        }
        let refusal = self.shard.admit(args).err()?;
        Some(self.not_admitted(conn, command, refusal))
    }

    fn run_conn(
        &mut self,
        conn: &mut Conn,
        command: &'static Command,
        run: crate::command::ConnFn,
        args: Args,
    ) -> Flow {
        let before = conn.outbox.bytes();
        let flow = run(self, conn, args);
        match flow {
            // It comes again.
            Flow::Retry => {}
            Flow::Blocked => self.begin_accounting(command, args, conn),
            Flow::Next | Flow::Close => {
                self.account(command, conn.outbox.last_reply_is_error(before), args, conn);
            }
        }
        flow
    }

    /// Where the keys of a request live.
    #[inline]
    pub(super) fn owner(&self, spec: &CommandSpec, args: Args) -> Result<Owner, String> {
        let cores = self.cores();
        if cores == 1 {
            return Ok(Owner::Core(0));
        }
        if let Some((first, last, step)) = spec.simple_range() {
            let last = if last < 0 { args.len() as i64 + last as i64 } else { last as i64 } as usize;
            let (mut at, step) = (first as usize, (step as usize).max(1));
            let Some(key) = args.get(at) else { return Ok(Owner::Core(self.me())) };
            let core = slot::core_of_key(key, cores);
            while at + step <= last {
                at += step;
                if args.get(at).is_some_and(|key| slot::core_of_key(key, cores) != core) {
                    return Ok(Owner::Several);
                }
            }
            return Ok(Owner::Core(core));
        }
        let mut owner = None;
        for_each_key(spec, args, |key| {
            let core = slot::core_of_key(key, cores);
            owner = match owner {
                None => Some(Owner::Core(core)),
                Some(Owner::Core(other)) if other == core => owner,
                _ => Some(Owner::Several),
            };
        })?;
        Ok(owner.unwrap_or(Owner::Core(self.me())))
    }

    /// Runs a command whose keys are here.
    #[inline]
    fn run_here(&mut self, conn: &mut Conn, command: &'static Command, run: KeyedFn, args: Args) -> Flow {
        if !self.locks.is_empty() && self.defer_if_locked(conn, command, args) {
            return Flow::Next;
        }
        if command.spec.flags.has(Flags::WRITE)
            && let Err(refusal) = self.admit(command, args)
        {
            return self.not_admitted(conn, command, refusal);
        }
        let (out, start) = conn.outbox.target();
        let gate = self.shard.run(command, run, conn.session, args, out);
        let failed = out.get(start) == Some(&b'-');
        if failed {
            self.stats.count_error(&out[start..]);
        }
        self.commit_here(conn, start, gate);
        self.account(command, failed, args, conn);
        if !self.shard.waiting.ready.is_empty() {
            self.serve_waiting();
        }
        Flow::Next
    }

    /// Sends a command on to the core that owns its keys.
    #[inline]
    fn forward(&mut self, conn: &mut Conn, command: &'static Command, args: Args, core: usize) -> Flow {
        let seq = conn.outbox.pending();
        let to = ReplyTo { core: self.me() as u16, conn: conn.place, seq };
        self.stats.forwarded += 1;
        let batch = match &mut self.filling[core] {
            Some(batch) => batch,
            none => none.insert(self.batch_pool.pop().unwrap_or_default()),
        };
        batch.push(command, conn.session, to, args);
        Flow::Next
    }

    /// Queues a command behind those that hold its keys; `false` if nothing holds them.
    #[cold]
    fn defer_if_locked(&mut self, conn: &mut Conn, command: &'static Command, args: Args) -> bool {
        let keys = lock_keys(command.spec, args, conn.session.db);
        let mode = lock_mode(command.spec);
        if !keys.iter().any(|key| self.locks.blocks(key, mode)) {
            return false;
        }
        let to = ReplyTo { core: self.me() as u16, conn: conn.place, seq: conn.outbox.pending() };
        let deferred = Deferred { command, session: conn.session, to, args: OwnedArgs::new(args.iter()) };
        let granted = self.locks.acquire_alone(keys, mode, Waiter::Command(Box::new(deferred)));
        debug_assert!(granted.is_none(), "a key that blocks cannot be taken at once");
        true
    }

    /// Answers with an error before anything has run. Inside MULTI it also dooms the transaction.
    #[cold]
    pub(super) fn refuse(&mut self, conn: &mut Conn, command: Option<&'static Command>, text: &[u8]) -> Flow {
        if let Some(multi) = &mut conn.multi {
            multi.aborted = true;
        }
        if let Some(command) = command {
            self.stats.by_command[command.spec.id.index()].rejected += 1;
        }
        let (out, start) = conn.outbox.target();
        Reply::new(out, conn.session.proto).error(text);
        self.stats.count_error(&out[start..]);
        conn.outbox.commit(start, None);
        Flow::Next
    }

    /// Decides for a connection that is in some special state; `None`: the command may run.
    #[cold]
    fn gatekeep(&mut self, conn: &mut Conn, command: &'static Command, args: Args) -> Option<Flow> {
        let flags = command.spec.flags;
        if conn.special.has(Special::UNAUTHENTICATED) && !flags.has(Flags::NO_AUTH) {
            return Some(self.refuse(conn, Some(command), b"NOAUTH Authentication required."));
        }
        if conn.special.has(Special::SUBSCRIBED) && !conn.session.proto.is_resp3() {
            const ALLOWED: [&str; 9] = [
                "ping",
                "subscribe",
                "ssubscribe",
                "psubscribe",
                "unsubscribe",
                "sunsubscribe",
                "punsubscribe",
                "quit",
                "reset",
            ];
            if !ALLOWED.contains(&command.spec.name) {
                let text = format!(
                    "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
                    command.spec.name
                );
                return Some(self.refuse(conn, Some(command), text.as_bytes()));
            }
        }
        if conn.special.has(Special::REPLY_SKIP) {
            conn.special.set(Special::REPLY_SKIP, false);
            conn.outbox.mute(true);
            let flow = self.execute(conn, args);
            if flow == Flow::Retry {
                conn.special.set(Special::REPLY_SKIP, true);
            }
            conn.outbox.mute(conn.special.has(Special::REPLY_OFF));
            return Some(flow);
        }
        if conn.special.has(Special::MULTI) && !matches!(command.exec, Exec::Missing) {
            return self.queue_in_multi(conn, command, args);
        }
        None
    }

    /// Between MULTI and EXEC: queues the command, unless it is one of those that run at once.
    fn queue_in_multi(&mut self, conn: &mut Conn, command: &'static Command, args: Args) -> Option<Flow> {
        const AT_ONCE: [&str; 6] = ["exec", "discard", "multi", "watch", "quit", "reset"];
        if AT_ONCE.contains(&command.spec.name) {
            return None;
        }
        if command.spec.flags.has(Flags::NO_MULTI) {
            return Some(self.refuse(conn, Some(command), b"ERR Command not allowed inside a transaction"));
        }
        // What is queued takes memory too, whatever it does.
        if let Some(text) = self.refuses_memory() {
            return Some(self.refuse(conn, Some(command), text.as_bytes()));
        }
        if let Some(text) = self.shard.refuses(command.spec.flags) {
            return Some(self.refuse(conn, Some(command), text.as_bytes()));
        }
        let multi = conn.multi.get_or_insert_default();
        multi.bytes += args.iter().map(|word| word.len() + 8).sum::<usize>();
        multi.queued.push((command.spec.id.0, OwnedArgs::new(args.iter())));
        let (out, start) = conn.outbox.target();
        Reply::new(out, conn.session.proto).simple("QUEUED");
        conn.outbox.commit(start, None);
        Some(Flow::Next)
    }
}

/// Calls `visit` with each key of a request.
pub(super) fn for_each_key(spec: &CommandSpec, args: Args, mut visit: impl FnMut(&[u8])) -> Result<(), String> {
    if let Some((first, last, step)) = spec.simple_range() {
        let last = if last < 0 { args.len() as i64 + last as i64 } else { last as i64 } as usize;
        let mut at = first as usize;
        while at <= last {
            if let Some(key) = args.get(at) {
                visit(key);
            }
            at += (step as usize).max(1);
        }
        return Ok(());
    }
    if spec.has_keys() {
        // A request whose keys cannot be found is malformed: its handler says how.
        let _ = spec::keys::for_each_key(spec, args, |index, _| visit(args.at(index)));
    }
    Ok(())
}

/// The keys of a request, sorted and without repeats.
pub(super) fn lock_keys(spec: &CommandSpec, args: Args, db: u16) -> Vec<LockKey> {
    let mut keys = Vec::new();
    let _ = for_each_key(spec, args, |key| keys.push(LockKey::new(db, key)));
    match spec.name {
        // Their target may be in another database.
        "copy" => {
            if let (Some(target), Some(to)) = (keys.get_mut(1), copy_target(args)) {
                target.db = to;
            }
        }
        "move" => {
            if let (Some(key), Some(to)) = (args.get(1), args.get(2).and_then(parse_db)) {
                keys.push(LockKey::new(to, key));
            }
        }
        _ => {}
    }
    keys.sort_unstable_by(|a, b| (a.db, &a.key).cmp(&(b.db, &b.key)));
    keys.dedup();
    keys
}

/// The database that COPY … DB names, if it does.
fn copy_target(args: Args) -> Option<u16> {
    (3..args.len()).find(|&at| args.is(at, "db")).and_then(|at| parse_db(args.get(at + 1)?))
}

/// The number of a database as a request spells it. One that does not exist matters to the command, not here.
pub(super) fn parse_db(word: &[u8]) -> Option<u16> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

/// Whether a command may change keys. PFCOUNT counts as one that reads, and keeps what it has counted.
pub(super) fn may_write(spec: &CommandSpec) -> bool {
    spec.flags.any(Flags::WRITE.with(Flags::MAY_REPLICATE))
}

/// How a command locks its keys.
pub(super) fn lock_mode(spec: &CommandSpec) -> Mode {
    if may_write(spec) { Mode::Exclusive } else { Mode::Shared }
}
