//! Commands that read keys which are known only once others have been read: SORT with BY or GET, over several cores.
//!
//! The named keys are locked first, as for any command that spans cores, and tell which others are reached. Those are
//! locked too if they are free at once. If one is not, nothing may wait for it while other keys are held: it could
//! belong to an earlier core, and two such commands could then wait for each other. So all keys are let go of, and locked
//! again together in ascending order of cores; then it is looked whether the same keys are still reached.

use super::accounting::Cost;
use super::core::Core;
use super::dispatch::{lock_keys, lock_mode};
use super::spanning::{self, KeysByCore, Outcome, by_core, gather_keys};
use super::task::Handle;
use crate::command::{Command, Flow, reached_keys};
use crate::net::{Conn, Session};
use crate::observe::Ticks;
use crate::resp::{Args, OwnedArgs};
use crate::shard::locks::{LockKey, Mode};
use crate::shard::message::{Answer, Needs, Request};
use crate::shard::slot;
use std::collections::BTreeMap;

impl Core {
    /// Whether a command may read keys that it does not name and that may be elsewhere, or locked.
    pub(super) fn reaches_out(&self, args: Args) -> bool {
        (self.cores() > 1 || !self.locks.is_empty()) && reached_keys(args, None).is_some()
    }

    /// Runs a command that reads keys which it does not name.
    pub(super) fn reach(&mut self, conn: &mut Conn, command: &'static Command, args: Args) -> Flow {
        let Some((at, seq)) = self.begin_spanning(conn) else { return Flow::Retry };
        let (session, args) = (conn.session, OwnedArgs::new(args.iter()));
        self.tasks.spawn(move |handle| async move {
            let started = Ticks::now();
            let outcome = run(&handle, command, session, &args).await;
            let cost = Cost::since(started, command, &args, &outcome);
            handle.with(|core| core.finish_command(at, seq, outcome, cost));
        });
        Flow::Blocked
    }
}

async fn run(handle: &Handle, command: &'static Command, session: Session, args: &OwnedArgs) -> Outcome {
    let cores = handle.with(|core| core.cores());
    let mode = lock_mode(command.spec);
    let needs = Needs::of(command.spec.flags);
    let named = lock_keys(command.spec, args.as_args(), session.db);
    let mut reached = Vec::new();
    loop {
        let mut keys = by_core(union(&named, &reached), cores);
        if let Err(answer) = spanning::lock_all(handle, &keys, mode, BTreeMap::new(), needs).await {
            return spanning::refusal(answer);
        }
        reached = reached_now(handle, session, args).await;
        let held: std::collections::HashSet<&LockKey> = keys.values().flatten().collect();
        let missing: Vec<LockKey> = reached.iter().filter(|key| !held.contains(key)).cloned().collect();
        match lock_free(handle, by_core(missing, cores), mode, needs).await {
            Ok(more) => more.into_iter().for_each(|(core, some)| keys.entry(core).or_default().extend(some)),
            Err(answer) => {
                spanning::unlock(handle, keys.iter(), mode);
                if !matches!(answer, Answer::Busy) {
                    return spanning::refusal(answer);
                }
                continue;
            }
        }
        let mut outcome = gather_keys(handle, command, session, args, keys.clone()).await;
        if needs.log {
            outcome.gates.extend(spanning::finish(handle, keys, mode).await);
        } else {
            spanning::unlock(handle, keys.iter(), mode);
        }
        return outcome;
    }
}

/// As [`Core::reach`] in a transaction, while all cores stand still.
pub(super) async fn reach_at_standstill(
    handle: &Handle,
    command: &'static Command,
    session: Session,
    args: &OwnedArgs,
) -> Outcome {
    let cores = handle.with(|core| core.cores());
    let named = lock_keys(command.spec, args.as_args(), session.db);
    let reached = reached_now(handle, session, args).await;
    gather_keys(handle, command, session, args, by_core(union(&named, &reached), cores)).await
}

/// The keys that a command reaches as its named keys are now.
async fn reached_now(handle: &Handle, session: Session, args: &OwnedArgs) -> Vec<LockKey> {
    let source = LockKey::new(session.db, args.as_args().at(1));
    let core = handle.with(|core| slot::core_of_key(&source.key, core.cores()));
    let value = match handle.ask_one(core, Request::Fetch { keys: vec![source] }).await {
        Answer::Values { mut values, .. } => values.pop().flatten(),
        _ => None,
    };
    let keys = reached_keys(args.as_args(), value.as_ref().map(|fetched| &fetched.value)).unwrap_or_default();
    keys.into_iter().map(|key| LockKey { db: session.db, key: key.into() }).collect()
}

/// Locks keys if all of them are free; else none, and says why.
async fn lock_free(handle: &Handle, keys: KeysByCore, mode: Mode, needs: Needs) -> Result<KeysByCore, Answer> {
    for (index, (&core, wanted)) in keys.iter().enumerate() {
        let request = Request::Lock { keys: wanted.clone(), mode, wait: false, watched: Vec::new(), needs };
        match handle.ask_one(core, request).await {
            Answer::Locked => {}
            other => {
                spanning::unlock(handle, keys.iter().take(index), mode);
                return Err(other);
            }
        }
    }
    Ok(keys)
}

/// Both, sorted and without repeats.
fn union(some: &[LockKey], others: &[LockKey]) -> Vec<LockKey> {
    let mut all = [some, others].concat();
    all.sort_unstable_by(|a, b| (a.db, &a.key).cmp(&(b.db, &b.key)));
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use crate::server::testing::Rig;

    /// Weights and names of elements on all cores, by whatever core their names hash to.
    fn fill(rig: &mut Rig) -> crate::server::testing::Client {
        let client = rig.connect(0);
        rig.ask(client, "RPUSH l 1 2 3 4 5");
        for (element, weight) in [(1, 50), (2, 40), (3, 30), (4, 20), (5, 10)] {
            rig.ask(client, &format!("SET weight_{element} {weight}"));
            rig.ask(client, &format!("HSET name_{element} f n{element}"));
        }
        client
    }

    const SORTED: &str = "*10 $1 5 $2 n5 $1 4 $2 n4 $1 3 $2 n3 $1 2 $2 n2 $1 1 $2 n1";

    #[test]
    fn weights_on_any_core_are_found() {
        let mut rig = Rig::new(3, &[]);
        let client = fill(&mut rig);
        assert_eq!(rig.ask(client, "SORT l BY weight_* GET # GET name_*->f"), SORTED);
        assert_eq!(rig.ask(client, "SORT_RO l BY weight_* GET # GET name_*->f"), SORTED);
        for target in ["d1", "d2", "d3", "d4", "l"] {
            assert_eq!(rig.ask(client, &format!("SORT l BY weight_* GET # GET name_*->f STORE {target}")), ":10");
            assert_eq!(rig.ask(client, &format!("LRANGE {target} 0 -1")), SORTED);
        }
        assert_eq!(rig.ask(client, "SORT none BY weight_* STORE d1"), ":0");
        assert_eq!(rig.ask(client, "EXISTS d1 d2 d3"), ":2");
        (0..3).for_each(|core| rig.with(core, |core| assert!(core.locks.is_empty() && core.units.is_empty())));
    }

    #[test]
    fn in_a_transaction_it_sees_what_the_transaction_did_before() {
        let mut rig = Rig::new(3, &[]);
        let client = fill(&mut rig);
        for line in
            ["MULTI", "RPUSH l 6", "SET weight_6 5", "SORT l BY weight_* LIMIT 0 2", "SORT l BY weight_* STORE d"]
        {
            rig.ask(client, line);
        }
        assert_eq!(rig.ask(client, "EXEC"), "*4 :6 +OK *2 $1 6 $1 5 :6");
        assert_eq!(rig.ask(client, "LRANGE d 0 1"), "*2 $1 6 $1 5");
    }
}
