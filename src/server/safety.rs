//! Waiting until what was written is durable (WAIT, WAITAOF), for as long as the client wants to.

use super::core::Core;
use super::query::{Finding, Query};
use super::spanning::Outcome;
use super::task::Handle;
use super::waits::Blocked;
use crate::command::Flow;
use crate::net::{Conn, Gate, Special};
use crate::shard::message::Answer;

/// What a client waits for.
#[derive(Clone, Copy)]
pub(crate) struct Safety {
    /// That its writes are durable here.
    pub local: bool,
    /// That some replica has them, which never comes.
    pub replicas: bool,
}

/// A task that wants to know when gates are open.
pub(super) struct Awaited {
    number: u64,
    gates: Vec<Gate>,
}

impl Core {
    /// Answers when a client has what it wants or its time (in ms, 0: for ever) is over. `reply` is told whether
    /// everything that was logged when it asked is durable. In a transaction nothing is waited for.
    pub(crate) fn wait_for_safety(
        &mut self,
        conn: &mut Conn,
        wanted: Safety,
        timeout_ms: u64,
        reply: fn(bool) -> Outcome,
    ) -> Flow {
        let deadline_ms = if timeout_ms == 0 { u64::MAX } else { self.now_ms.saturating_add(timeout_ms) };
        let (at, may_wait) = (conn.place, !conn.outbox.is_captured());
        self.in_task(conn, move |handle| async move {
            let found = handle.ask_all(|| Query::Newest).await;
            let gate = |found| if let Finding::Gate(gate) = found { gate } else { None };
            let gates: Vec<Gate> = found.into_iter().filter_map(gate).collect();
            let is_durable = handle.with(|core| core.are_open(&gates));
            if !may_wait || ((is_durable || !wanted.local) && !wanted.replicas) {
                return reply(is_durable);
            }
            let number = handle.tx.number;
            handle.listen(Vec::new());
            handle.with(|core| {
                core.blocked.insert(number, Blocked::new(at, deadline_ms, Vec::new()));
                if !is_durable {
                    core.awaited.push(Awaited { number, gates: gates.clone() });
                }
                if let Some(conn) = core.conns.get(at) {
                    conn.special.set(Special::WAITING, true);
                }
            });
            let with_error = until_safe(&handle, wanted).await;
            handle.stop_listening();
            handle.with(|core| {
                core.blocked.remove(number);
                core.awaited.retain(|one| one.number != number);
                if let Some(conn) = core.conns.get(at) {
                    conn.special.set(Special::WAITING, false);
                }
                match with_error {
                    true => Outcome::error(b"UNBLOCKED client unblocked via CLIENT UNBLOCK"),
                    false => reply(core.are_open(&gates)),
                }
            })
        })
    }

    fn are_open(&self, gates: &[Gate]) -> bool {
        gates.iter().all(|gate| gate.lsn <= self.durable[gate.core as usize])
    }

    /// Has the log synced as far as somebody waits for. One sync covers only what was written when it began, so this is
    /// called again whenever the log has come further.
    pub(super) fn sync_if_wanted(&mut self) {
        let me = self.me();
        if self.sync_wanted > self.durable[me]
            && let Some(log) = self.shard.journal().log()
        {
            log.request_sync();
        }
    }

    /// Some log has come further: tells who waited for that.
    #[cold]
    pub(super) fn tell_awaited(&mut self) {
        let me = self.me();
        for one in std::mem::take(&mut self.awaited) {
            if self.are_open(&one.gates) {
                self.tasks.answer(one.number, me, Answer::Done);
            } else {
                self.awaited.push(one);
            }
        }
    }

    /// Some log comes no further: nobody waits for it any more.
    pub(super) fn give_up_awaited(&mut self) {
        let me = self.me();
        for one in std::mem::take(&mut self.awaited) {
            self.tasks.answer(one.number, me, Answer::Busy);
        }
    }
}

/// Waits until everything is durable, if that is enough, or the wait is over; says whether that is with an error.
async fn until_safe(handle: &Handle, wanted: Safety) -> bool {
    loop {
        for (_, answer) in handle.told().await {
            match answer {
                Answer::Busy => return handle.with(|core| core.blocked.is_error(handle.tx.number)),
                _ if !wanted.replicas => return false,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::server::testing::Rig;

    #[test]
    fn who_wants_replicas_waits_until_the_time_is_over() {
        let mut rig = Rig::new(2, &[]);
        let (client, other) = (rig.connect(0), rig.connect(1));
        let id = rig.ask(client, "CLIENT ID").trim_start_matches(':').to_string();
        assert_eq!(rig.ask(client, "WAIT 0 0"), ":0");
        for (line, reply) in [("WAIT 1 100000", ":0"), ("WAITAOF 0 1 100000", "*2 :0 :0")] {
            assert_eq!(rig.ask(client, line), "");
            rig.with(0, |core| assert!(core.next_deadline_ms().is_some()));
            rig.with(0, |core| {
                core.now_ms += 1_000_000;
                core.end_late_waits();
            });
            assert_eq!(rig.take(client), reply);
            assert_eq!(rig.ask(client, line), "");
            assert_eq!(rig.ask(other, &format!("CLIENT UNBLOCK {id}")), ":1");
            assert_eq!(rig.take(client), reply);
            rig.ask(client, "MULTI");
            rig.ask(client, line);
            assert_eq!(rig.ask(client, "EXEC"), format!("*1 {reply}"));
        }
        assert_eq!(rig.ask(client, "WAIT 1 0"), "");
        rig.disconnect(client);
        rig.with(0, |core| assert!(core.blocked.is_empty()));
    }
}
