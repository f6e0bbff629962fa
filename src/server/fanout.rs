//! How a command about the server asks all cores and answers its client.

use super::core::Core;
use super::query::{Finding, Query};
use super::report::CoreReport;
use super::spanning::Outcome;
use super::subscribers::ChannelKind;
use super::task::Handle;
use crate::command::Flow;
use crate::net::{Conn, ConnRef, Gate};
use crate::resp::{Proto, Reply};
use crate::shard::message::{Answer, Envelope, Request};
use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

impl Outcome {
    /// A reply that waits for nothing.
    pub(crate) fn write(proto: Proto, write: impl FnOnce(&mut Reply)) -> Outcome {
        let mut bytes = Vec::new();
        write(&mut Reply::new(&mut bytes, proto));
        Outcome { bytes, gates: Vec::new() }
    }

    /// The same reply, held back until these gates open.
    pub(crate) fn behind(self, gates: Vec<Gate>) -> Outcome {
        Outcome { gates, ..self }
    }
}

impl Core {
    /// Runs a command as a task: the connection goes on when it has its reply. The task must lock no keys; it runs even
    /// while all cores are being brought to one instant, and may do that itself.
    pub(crate) fn in_task<F, T>(&mut self, conn: &mut Conn, run: F) -> Flow
    where
        F: FnOnce(Handle) -> T + 'static,
        T: Future<Output = Outcome> + 'static,
    {
        let Some((at, seq)) = self.begin_spanning(conn) else { return Flow::Retry };
        self.tasks.spawn_conductor(move |handle| async move {
            let outcome = run(handle.clone()).await;
            handle.with(|core| core.finish_spanning(at, seq, outcome));
        });
        Flow::Blocked
    }

    /// Whether the data is not there yet.
    pub(crate) fn is_loading(&self) -> bool {
        self.loading
    }

    /// Closes a connection once it has its replies.
    pub(crate) fn close_after_replies(&mut self, at: ConnRef) {
        if let Some(conn) = self.conns.get(at) {
            conn.closing = conn.closing.max(crate::net::Closing::AfterReplies);
            if !conn.dirty {
                conn.dirty = true;
                self.dirty.push(at);
            }
        }
    }
}

impl Handle {
    /// Asks every core; the answers are in the cores' order.
    pub(crate) async fn ask_all(&self, make: impl Fn() -> Query) -> Vec<Finding> {
        let cores = self.with(|core| core.cores());
        let requests = (0..cores).map(|core| (core, Request::Query(make()))).collect();
        self.ask(requests).await.into_iter().map(finding).collect()
    }

    /// Asks some cores.
    pub(crate) async fn ask_some(&self, cores: &[usize], make: impl Fn() -> Query) -> Vec<Finding> {
        let requests = cores.iter().map(|&core| (core, Request::Query(make()))).collect();
        self.ask(requests).await.into_iter().map(finding).collect()
    }

    /// Asks one core.
    pub(crate) async fn find_out(&self, core: usize, query: Query) -> Finding {
        finding(self.ask_one(core, Request::Query(query)).await)
    }

    /// Keeps all cores busy at the same time (DEBUG SLEEP): this one only when the others have been told.
    pub(crate) async fn sleep_everywhere(&self, span: Duration) {
        let (me, cores) = self.with(|core| (core.me(), core.cores()));
        let others = (0..cores).filter(|&core| core != me);
        self.listen(others.map(|core| (core, Request::Query(Query::Sleep(span)))).collect());
        self.next_pass().await;
        std::thread::sleep(span);
        let mut missing = cores - 1;
        while missing > 0 {
            missing -= self.told().await.len();
        }
        self.stop_listening();
    }

    /// The reports of all cores.
    pub(crate) async fn reports(&self, latencies: bool) -> Vec<CoreReport> {
        let findings = self.ask_all(|| Query::Report { latencies }).await;
        findings
            .into_iter()
            .filter_map(|found| if let Finding::Report(report) = found { Some(*report) } else { None })
            .collect()
    }

    /// The names of all cores that have subscribers, each once.
    pub(crate) async fn channels(&self, kind: ChannelKind) -> BTreeSet<Box<[u8]>> {
        let mut names = BTreeSet::new();
        for found in self.ask_all(|| Query::Channels(kind)).await {
            if let Finding::Names(some) = found {
                names.extend(some);
            }
        }
        names
    }

    /// Runs something that blocks on a thread of its own.
    pub(crate) async fn on_thread(
        &self,
        name: &str,
        run: impl FnOnce() -> Result<(), String> + Send + 'static,
    ) -> Result<(), String> {
        let outside = self.with(|core| core.everyone.outsides[core.me()].clone());
        let tx = self.tx;
        let work = move || {
            let answer = Answer::Finding(Finding::Outcome(run()));
            outside.post(Envelope::Answer { tx, answer });
        };
        let started = std::thread::Builder::new().name(name.into()).spawn(work);
        if let Err(error) = started {
            return Err(format!("ERR no thread to run this on: {error}"));
        }
        match finding(self.answer_from_outside().await) {
            Finding::Outcome(result) => result,
            _ => Err("ERR internal error: a thread gave an answer that does not fit".into()),
        }
    }
}

/// The finding in an answer.
fn finding(answer: Answer) -> Finding {
    if let Answer::Finding(finding) = answer { finding } else { Finding::Done }
}
