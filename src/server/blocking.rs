//! Commands that wait until a key has something for them: BLPOP and its kin.
//!
//! Such a command is tried first like any other. If it finds nothing it is told to the cores that own its keys, and
//! waits. When all its keys are on one core, that core runs it the moment a key has changed, before anything else can
//! take what came. If they are on several it is woken and tries again.

use super::core::Core;
use super::dispatch::{Owner, lock_keys};
use super::spanning::{Outcome, by_core, run_gather};
use super::task::Handle;
use crate::command::{Command, Exec, Flow};
use crate::keyspace::hash_key;
use crate::net::{Conn, ConnRef, Session, Special};
use crate::observe::Ticks;
use crate::resp::{Args, OwnedArgs};
use crate::shard::locks::{LockKey, Mode};
use crate::shard::message::{Answer, Envelope, Needs, Request, StepCommand, TxId};

/// A wait under way whose client is on this core.
pub struct Blocked {
    /// The client.
    at: ConnRef,
    /// When it ends at the latest, unix ms.
    deadline_ms: u64,
    /// Whom to tell that it has ended.
    cores: Vec<usize>,
    /// It ends with an error (CLIENT UNBLOCK).
    with_error: bool,
}

/// What waits.
struct Wait {
    command: &'static Command,
    session: Session,
    args: OwnedArgs,
    at: ConnRef,
    seq: u64,
    deadline_ms: u64,
    started: Ticks,
    /// The reply when nothing has come, and what it depends on.
    nothing: Outcome,
}

/// How long a command waits at most, in ms; `None`: for ever. It is given in seconds, as a decimal number.
pub(crate) fn parse_timeout(text: &[u8]) -> Result<Option<u64>, &'static str> {
    const BAD: &str = "ERR timeout is not a float or out of range";
    let seconds: f64 = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(BAD)?;
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

/// The argument that says how long to wait.
pub(crate) fn timeout_of<'a>(name: &str, args: Args<'a>) -> &'a [u8] {
    args.at(if matches!(name, "blmpop" | "bzmpop") { 1 } else { args.len() - 1 })
}

impl Core {
    /// Runs a command that may have to wait.
    pub(super) fn run_blocking(&mut self, conn: &mut Conn, command: &'static Command, args: Args) -> Flow {
        let deadline_ms = match parse_timeout(timeout_of(command.spec.name, args)) {
            Ok(timeout_ms) => timeout_ms.map_or(u64::MAX, |ms| self.now_ms.saturating_add(ms)),
            Err(text) => return self.refuse(conn, Some(command), text.as_bytes()),
        };
        let Some((at, seq)) = self.begin_spanning(conn) else { return Flow::Retry };
        let wait = Wait {
            command,
            session: conn.session,
            args: OwnedArgs::new(args.iter()),
            at,
            seq,
            deadline_ms,
            started: Ticks::now(),
            nothing: Outcome { bytes: Vec::new(), gates: Vec::new() },
        };
        self.tasks.spawn(move |handle| attempt(handle, wait));
        Flow::Blocked
    }

    /// Runs the commands that wait for keys that have changed; says whether there were any.
    pub(super) fn serve_waiting(&mut self) -> bool {
        let mut any = false;
        while !self.shard.waiting.ready.is_empty() && !self.standstill.stopped {
            let mut served = false;
            for key in std::mem::take(&mut self.shard.waiting.ready) {
                while self.serve_one(&key) {
                    served = true;
                }
            }
            any |= served;
            if !served {
                break;
            }
        }
        any
    }

    /// Runs the command of who has waited for a key longest, or wakes them; `false` if that has to wait on.
    fn serve_one(&mut self, key: &LockKey) -> bool {
        let Some((tx, step)) = self.shard.waiting.first(key) else { return false };
        let Some(step) = step else {
            self.shard.waiting.remove(tx);
            self.answer_coordinator(tx, Answer::Done);
            return true;
        };
        let args = step.args.as_args();
        let keys = lock_keys(step.command.spec, args, step.session.db);
        let is_locked = keys.iter().any(|key| self.locks.blocks(key, Mode::Exclusive));
        if is_locked || self.shard.admit(args).is_err() {
            // Looked at again in the next pass.
            self.shard.waiting.ready.push(key.clone());
            return false;
        }
        let Exec::Blocking(run) = step.command.exec else { return false };
        let mut bytes = Vec::new();
        self.shard.run(step.command, run, step.session, args, &mut bytes);
        if is_nothing(&bytes) || bytes.first() == Some(&b'-') {
            return false;
        }
        let gate = self.gate_of_last();
        self.shard.waiting.remove(tx);
        self.answer_coordinator(tx, Answer::Replies { replies: vec![bytes], gate });
        true
    }

    /// Somebody begins to wait for keys of this core.
    pub(super) fn begin_waiting(&mut self, tx: TxId, keys: Vec<LockKey>, command: Option<StepCommand>) {
        for key in &keys {
            // It may have come since the command was tried.
            if self.shard.db(key.db).find(hash_key(&key.key), &key.key).is_some() {
                self.shard.waiting.ready.push(key.clone());
            }
        }
        self.shard.waiting.add(tx, keys, command);
    }

    /// Ends a wait on cores where it has not ended yet; those answer.
    pub(super) fn end_waiting(&mut self, tx: TxId, cores: &[usize]) {
        for &core in cores {
            if core != self.me() {
                self.mesh.send(core, Envelope::Request { tx, request: Request::Forget });
            } else if let Some(answer) = self.participate(tx, Request::Forget) {
                self.tasks.answer(tx.number, core, answer);
            }
        }
    }

    /// Ends the waits that are over.
    pub(super) fn end_waits(&mut self, is_over: impl Fn(&Blocked) -> bool) {
        let me = self.me() as u16;
        let over: Vec<(u64, Vec<usize>)> = self
            .blocked
            .iter()
            .filter(|(_, one)| is_over(one))
            .map(|(&number, one)| (number, one.cores.clone()))
            .collect();
        for (number, cores) in over {
            self.end_waiting(TxId { core: me, number }, &cores);
        }
    }

    /// Ends the waits whose time is over.
    pub(super) fn end_late_waits(&mut self) {
        let now_ms = self.now_ms;
        self.end_waits(|one| one.deadline_ms <= now_ms);
    }

    /// Ends the wait of a client that has gone.
    pub(super) fn end_wait_of(&mut self, at: ConnRef) {
        self.end_waits(|one| one.at == at);
    }

    /// CLIENT UNBLOCK; says whether the client waited.
    pub(super) fn unblock(&mut self, id: u64, with_error: bool) -> bool {
        let waiting = self.conns.iter().find(|conn| conn.id == id && conn.special.has(Special::WAITING));
        let Some(at) = waiting.map(|conn| conn.place) else { return false };
        let Some(blocked) = self.blocked.values_mut().find(|one| one.at == at) else { return false };
        blocked.with_error = with_error;
        self.end_wait_of(at);
        true
    }

    fn end_blocking(&mut self, wait: Wait, outcome: Outcome) {
        if let Some(conn) = self.conns.get(wait.at) {
            conn.special.set(Special::WAITING, false);
        }
        self.finish_command(wait.command, wait.started, wait.at, wait.seq, outcome);
    }
}

/// Tries a command, and has it wait if it finds nothing.
async fn attempt(handle: Handle, mut wait: Wait) {
    let outcome = run_once(&handle, &wait).await;
    handle.with(|core| {
        let is_there = core.conns.get(wait.at).is_some();
        if !is_nothing(&outcome.bytes) || !is_there || core.now_ms >= wait.deadline_ms {
            return core.end_blocking(wait, outcome);
        }
        if let Some(conn) = core.conns.get(wait.at) {
            conn.special.set(Special::WAITING, true);
        }
        wait.nothing = outcome;
        // A wait must not hold off what needs all tasks to end, and locks nothing.
        core.tasks.spawn_conductor(move |handle| sleep(handle, wait));
    });
}

async fn run_once(handle: &Handle, wait: &Wait) -> Outcome {
    let args = wait.args.as_args();
    match handle.with(|core| core.owner(wait.command.spec, args)) {
        Ok(Owner::Several) => run_gather(handle, wait.command, wait.session, &wait.args).await,
        Ok(Owner::Core(core)) => {
            let request = Request::Whole {
                keys: lock_keys(wait.command.spec, args, wait.session.db),
                mode: Mode::Exclusive,
                watched: Vec::new(),
                commands: vec![wait.step()],
                needs: Needs { log: true, ..Needs::of(wait.command.spec.flags) },
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

/// Waits until a key has changed or the time is over.
async fn sleep(handle: Handle, wait: Wait) {
    let keys = wait.keys();
    let (alone, keys) = handle.with(|core| {
        let alone = matches!(core.owner(wait.command.spec, wait.args.as_args()), Ok(Owner::Core(_)));
        let keys = by_core(keys, core.cores());
        let cores = keys.keys().copied().collect();
        let blocked = Blocked { at: wait.at, deadline_ms: wait.deadline_ms, cores, with_error: false };
        core.blocked.insert(handle.tx.number, blocked);
        (alone, keys)
    });
    let command = || alone.then(|| wait.step());
    let requests = keys.into_iter().map(|(core, keys)| (core, Request::Await { keys, command: command() })).collect();
    let answers = handle.ask_any(requests).await;
    handle.with(|core| {
        let with_error = core.blocked.remove(&handle.tx.number).is_some_and(|one| one.with_error);
        match answers.into_iter().find(|answer| !matches!(answer, Answer::Busy)) {
            Some(Answer::Replies { mut replies, gate }) => {
                let bytes = replies.pop().unwrap_or_default();
                core.end_blocking(wait, Outcome { bytes, gates: gate.into_iter().collect() });
            }
            Some(_) => core.tasks.spawn(move |handle| attempt(handle, wait)),
            None if with_error => {
                core.end_blocking(wait, Outcome::error(b"UNBLOCKED client unblocked via CLIENT UNBLOCK"));
            }
            None => {
                let mut wait = wait;
                let nothing = std::mem::replace(&mut wait.nothing, Outcome { bytes: Vec::new(), gates: Vec::new() });
                core.end_blocking(wait, nothing);
            }
        }
    });
}

impl Wait {
    fn step(&self) -> StepCommand {
        StepCommand { command: self.command, session: self.session, args: self.args.clone() }
    }

    /// The keys that something may come to.
    fn keys(&self) -> Vec<LockKey> {
        match self.command.spec.name {
            // The second key is only added to.
            "blmove" | "brpoplpush" => vec![LockKey::new(self.session.db, self.args.as_args().at(1))],
            _ => lock_keys(self.command.spec, self.args.as_args(), self.session.db),
        }
    }
}

/// Whether a reply says that nothing was found.
fn is_nothing(reply: &[u8]) -> bool {
    matches!(reply, b"*-1\r\n" | b"$-1\r\n" | b"_\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::testing::Rig;

    /// A key of each core of a rig with three, and another of the first's.
    fn keys() -> [String; 4] {
        let of_core = |core: usize, skip: usize| {
            let keys = (0..).map(|number| format!("k{number}"));
            keys.filter(|key| crate::shard::slot::core_of_key(key.as_bytes(), 3) == core).nth(skip).unwrap()
        };
        [of_core(0, 0), of_core(1, 0), of_core(2, 0), of_core(0, 1)]
    }

    fn bulk(text: &str) -> String {
        format!("${} {text}", text.len())
    }

    #[test]
    fn who_waits_for_a_key_is_served_before_anyone_else_in_order_of_arrival() {
        let mut rig = Rig::new(3, &[]);
        for key in keys() {
            let (first, second, pusher) = (rig.connect(0), rig.connect(1), rig.connect(0));
            assert_eq!(rig.ask(first, &format!("BLPOP {key} 0")), "");
            assert_eq!(rig.ask(second, &format!("BLPOP {key} 0")), "");
            assert_eq!(rig.ask(pusher, &format!("RPUSH {key} 1")), ":1");
            assert_eq!(rig.ask(pusher, &format!("EXISTS {key}")), ":0");
            assert_eq!(rig.take(first), format!("*2 {} $1 1", bulk(&key)));
            assert_eq!(rig.take(second), "");
            assert_eq!(rig.ask(pusher, &format!("RPUSH {key} 2 3")), ":2");
            assert_eq!(rig.take(second), format!("*2 {} $1 2", bulk(&key)));
            assert_eq!(rig.ask(pusher, &format!("LPOP {key}")), "$1 3");
        }
    }

    #[test]
    fn one_of_several_keys_is_enough_wherever_they_live() {
        let mut rig = Rig::new(3, &[]);
        let all = keys();
        let (waiting, pusher) = (rig.connect(1), rig.connect(0));
        for key in &all {
            assert_eq!(rig.ask(waiting, &format!("BRPOP {} 0", all.join(" "))), "");
            assert_eq!(rig.ask(pusher, &format!("RPUSH {key} 1")), ":1");
            assert_eq!(rig.take(waiting), format!("*2 {} $1 1", bulk(key)));
            assert_eq!(rig.ask(pusher, &format!("EXISTS {}", all.join(" "))), ":0");
            for other in &all {
                if other == key {
                    continue;
                }
                assert_eq!(rig.ask(waiting, &format!("BLMOVE {key} {other} LEFT LEFT 0")), "");
                assert_eq!(rig.ask(pusher, &format!("RPUSH {key} 1")), ":1");
                assert_eq!(rig.take(waiting), "$1 1");
                assert_eq!(rig.ask(pusher, &format!("LPOP {other}")), "$1 1");
            }
        }
        (0..3)
            .for_each(|core| rig.with(core, |core| assert!(core.shard.waiting.is_empty() && core.blocked.is_empty())));
    }

    #[test]
    fn a_wait_ends_with_its_time_its_client_or_an_unblock_and_takes_nothing_then() {
        let mut rig = Rig::new(3, &[]);
        let all = keys();
        for wanted in [all[1].clone(), all.join(" ")] {
            let (waiting, other) = (rig.connect(0), rig.connect(0));
            let id: u64 = rig.ask(waiting, "CLIENT ID").trim_start_matches(':').parse().unwrap();
            assert_eq!(rig.ask(waiting, &format!("BLPOP {wanted} 0")), "");
            assert_eq!(rig.ask(other, &format!("CLIENT UNBLOCK {id}")), ":1");
            assert_eq!(rig.take(waiting), "*-1");
            assert_eq!(rig.ask(other, &format!("CLIENT UNBLOCK {id}")), ":0");
            assert_eq!(rig.ask(waiting, &format!("BLPOP {wanted} 0")), "");
            assert_eq!(rig.ask(other, &format!("CLIENT UNBLOCK {id} ERROR")), ":1");
            assert_eq!(rig.take(waiting), "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
            assert_eq!(rig.ask(waiting, &format!("BLPOP {wanted} 100000")), "");
            rig.with(0, |core| core.cron());
            assert_eq!(rig.take(waiting), "");
            rig.with(0, |core| core.end_waits(|one| one.deadline_ms < u64::MAX));
            assert_eq!(rig.take(waiting), "*-1");
            assert_eq!(rig.ask(waiting, &format!("BLPOP {wanted} 0")), "");
            rig.disconnect(waiting);
            assert_eq!(rig.ask(other, &format!("RPUSH {} 1", all[1])), ":1");
            assert_eq!(rig.ask(other, &format!("LPOP {}", all[1])), "$1 1");
        }
        (0..3)
            .for_each(|core| rig.with(core, |core| assert!(core.shard.waiting.is_empty() && core.blocked.is_empty())));
    }

    #[test]
    fn a_transaction_waits_for_nothing_and_wakes_others_when_it_is_over() {
        let mut rig = Rig::new(3, &[]);
        let all = keys();
        let (waiting, other) = (rig.connect(0), rig.connect(0));
        assert_eq!(rig.ask(waiting, &format!("BLPOP {} 0", all[1])), "");
        for line in
            ["MULTI", &format!("BLPOP {} 0", all[0]), &format!("RPUSH {} 1", all[1]), &format!("LLEN {}", all[1])]
        {
            rig.ask(other, line);
        }
        rig.ask(other, &format!("RPUSH {} 1", all[2]));
        assert_eq!(rig.ask(other, "EXEC"), "*4 *-1 :1 :1 :1");
        assert_eq!(rig.take(waiting), format!("*2 {} $1 1", bulk(&all[1])));
    }

    #[test]
    fn another_type_under_the_key_does_not_end_a_wait() {
        let mut rig = Rig::new(1, &[]);
        let (waiting, other) = (rig.connect(0), rig.connect(0));
        assert_eq!(rig.ask(waiting, "BLPOP k 0"), "");
        assert_eq!(rig.ask(other, "SET k v"), "+OK");
        assert_eq!(rig.take(waiting), "");
        assert_eq!(rig.ask(other, "RPUSH l 1"), ":1");
        assert_eq!(rig.ask(other, "RENAME l k"), "+OK");
        assert_eq!(rig.take(waiting), "*2 $1 k $1 1");
    }

    #[test]
    fn timeouts_are_decimal_seconds() {
        let bad = Err("ERR timeout is not a float or out of range");
        assert_eq!(parse_timeout(b"0"), Ok(None));
        assert_eq!(parse_timeout(b"1.5"), Ok(Some(1500)));
        assert_eq!(parse_timeout(b"0.0001"), Ok(Some(1)));
        assert_eq!(parse_timeout(b"-1"), Err("ERR timeout is negative"));
        assert_eq!(parse_timeout(b"1e300"), Err("ERR timeout is out of range"));
        for text in [&b"x"[..], b"", b"nan", b"inf", b"1 "] {
            assert_eq!(parse_timeout(text), bad);
        }
    }
}
