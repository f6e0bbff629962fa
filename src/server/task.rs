//! Commands that span cores, as futures: each step asks cores for something and awaits their answers.
//!
//! There is no general executor here: a task only ever waits for the answers to its own requests, so it is polled
//! when the last of them is in.

use super::core::Core;
use super::keeper::Order;
use crate::log::{Segment, SegmentEnd};
use crate::shard::message::{Answer, Envelope, Request, TxId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

type TaskFuture = Pin<Box<dyn Future<Output = ()>>>;
type Start = Box<dyn FnOnce(Handle) -> TaskFuture>;

/// Answers that a task waits for, by core.
struct Inbox {
    missing: usize,
    answers: Vec<(usize, Option<Answer>)>,
}

struct Spawned {
    number: u64,
    start: Start,
    /// Brings cores to one instant, and so is neither held off nor waited for by that.
    is_conductor: bool,
}

/// What a core knows of its tasks.
pub struct Tasks {
    core: u16,
    next: u64,
    inboxes: HashMap<u64, Inbox>,
    ready: Vec<u64>,
    /// To go on in the next pass.
    later: Vec<u64>,
    spawned: Vec<Spawned>,
    /// Started and not ended.
    running: std::collections::HashSet<u64>,
    /// New tasks have to wait.
    held: bool,
    /// What tasks that wait for keys to change were told and have not looked at.
    told: HashMap<u64, Vec<(usize, Answer)>>,
}

impl Tasks {
    /// No tasks on core `core`.
    pub fn new(core: u16) -> Tasks {
        Tasks {
            core,
            next: 1,
            inboxes: HashMap::new(),
            ready: Vec::new(),
            later: Vec::new(),
            spawned: Vec::new(),
            running: Default::default(),
            held: false,
            told: HashMap::new(),
        }
    }

    /// Starts a task at the end of the pass, or when tasks are no longer held off.
    pub fn spawn<F, T>(&mut self, start: F)
    where
        F: FnOnce(Handle) -> T + 'static,
        T: Future<Output = ()> + 'static,
    {
        self.push(start, false);
    }

    /// Starts a task that may bring all cores to one instant. It must lock no keys.
    pub fn spawn_conductor<F, T>(&mut self, start: F)
    where
        F: FnOnce(Handle) -> T + 'static,
        T: Future<Output = ()> + 'static,
    {
        self.push(start, true);
    }

    fn push<F, T>(&mut self, start: F, is_conductor: bool)
    where
        F: FnOnce(Handle) -> T + 'static,
        T: Future<Output = ()> + 'static,
    {
        let number = self.next;
        self.next += 1;
        self.spawned.push(Spawned { number, start: Box::new(|handle| Box::pin(start(handle))), is_conductor });
    }

    /// Takes the tasks that may start.
    fn take_startable(&mut self) -> Vec<Spawned> {
        let startable: Vec<Spawned> = if self.held {
            self.spawned.extract_if(.., |spawned| spawned.is_conductor).collect()
        } else {
            std::mem::take(&mut self.spawned)
        };
        self.running.extend(startable.iter().filter(|task| !task.is_conductor).map(|task| task.number));
        startable
    }

    /// Takes in an answer.
    pub fn answer(&mut self, number: u64, from: usize, answer: Answer) {
        let Some(inbox) = self.inboxes.get_mut(&number) else {
            if let Some(told) = self.told.get_mut(&number) {
                told.push((from, answer));
                self.ready.push(number);
            }
            return;
        };
        if let Some((_, place)) = inbox.answers.iter_mut().find(|(core, place)| *core == from && place.is_none()) {
            *place = Some(answer);
            inbox.missing -= 1;
            if inbox.missing == 0 {
                self.ready.push(number);
            }
        }
    }

    /// Holds off new tasks, or lets them start.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Whether no task is under way.
    pub fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// Begins a pass: what was put off to it can go on.
    pub fn begin_pass(&mut self) {
        self.ready.append(&mut self.later);
    }

    /// Whether a task waits for answers that are on their way.
    pub fn is_waiting(&self) -> bool {
        !self.inboxes.is_empty()
    }

    /// Whether a task goes on in the next pass.
    pub fn has_later(&self) -> bool {
        !self.later.is_empty()
    }

    /// Whether a task can go on.
    pub fn has_work(&self) -> bool {
        !self.ready.is_empty() || self.spawned.iter().any(|task| !self.held || task.is_conductor)
    }
}

/// A task's access to its core and to the others.
#[derive(Clone)]
pub struct Handle {
    core: Rc<RefCell<Core>>,
    /// The task's name among all tasks of all cores.
    pub tx: TxId,
}

impl Handle {
    /// Does something with the core; must not be held over an `await`.
    pub fn with<T>(&self, run: impl FnOnce(&mut Core) -> T) -> T {
        run(&mut self.core.borrow_mut())
    }

    /// Asks each core for something and returns the answers in the same order. No core twice.
    pub async fn ask(&self, requests: Vec<(usize, Request)>) -> Vec<Answer> {
        if requests.is_empty() {
            return Vec::new();
        }
        self.post(requests);
        self.answers().await
    }

    /// From here on the task is told whenever a core answers it, as often as that happens; see [`Handle::told`].
    pub(super) fn listen(&self, requests: Vec<(usize, Request)>) {
        self.core.borrow_mut().tasks.told.insert(self.tx.number, Vec::new());
        self.tell(requests);
    }

    /// Waits until cores have answered after [`Handle::listen`], and returns what they said so far.
    pub(super) async fn told(&self) -> Vec<(usize, Answer)> {
        std::future::poll_fn(|_| {
            let mut core = self.core.borrow_mut();
            match core.tasks.told.get_mut(&self.tx.number) {
                Some(told) if told.is_empty() => Poll::Pending,
                told => Poll::Ready(told.map(std::mem::take).unwrap_or_default()),
            }
        })
        .await
    }

    /// Ends [`Handle::listen`]: what comes now is for nobody.
    pub(super) fn stop_listening(&self) {
        self.core.borrow_mut().tasks.told.remove(&self.tx.number);
    }

    /// Runs something as a task of its own, which may lock keys, and waits for what comes of it.
    pub(super) async fn aside<F, T, R>(&self, run: F) -> R
    where
        F: FnOnce(Handle) -> T + 'static,
        T: Future<Output = R> + 'static,
        R: 'static,
    {
        let result = Rc::new(RefCell::new(None));
        let (into, parent) = (result.clone(), self.tx.number);
        self.with(|core| {
            core.tasks.spawn(move |handle| async move {
                let found = run(handle.clone()).await;
                *into.borrow_mut() = Some(found);
                handle.with(|core| core.tasks.ready.push(parent));
            });
        });
        std::future::poll_fn(|_| result.borrow_mut().take().map_or(Poll::Pending, Poll::Ready)).await
    }

    /// Sends requests, and makes room for their answers.
    fn post(&self, requests: Vec<(usize, Request)>) {
        let mut core = self.core.borrow_mut();
        let answers = requests.iter().map(|(to, _)| (*to, None)).collect();
        core.tasks.inboxes.insert(self.tx.number, Inbox { missing: requests.len(), answers });
        let me = core.me();
        for (to, request) in requests {
            if to != me {
                core.mesh.send(to, Envelope::Request { tx: self.tx, request });
            } else if let Some(answer) = core.participate(self.tx, request) {
                core.tasks.answer(self.tx.number, me, answer);
            }
        }
    }

    /// Waits for one answer that a thread posts to this task.
    pub(super) async fn answer_from_outside(&self) -> Answer {
        {
            let mut core = self.core.borrow_mut();
            let me = core.me();
            core.tasks.inboxes.insert(self.tx.number, Inbox { missing: 1, answers: vec![(me, None)] });
        }
        self.answers().await.pop().unwrap_or(Answer::Done)
    }

    /// Waits until the inbox is full.
    async fn answers(&self) -> Vec<Answer> {
        std::future::poll_fn(|_| {
            let mut core = self.core.borrow_mut();
            let inbox = core.tasks.inboxes.get(&self.tx.number);
            if inbox.is_some_and(|inbox| inbox.missing > 0) {
                return Poll::Pending;
            }
            let inbox = core.tasks.inboxes.remove(&self.tx.number);
            Poll::Ready(inbox.into_iter().flat_map(|inbox| inbox.answers).filter_map(|(_, answer)| answer).collect())
        })
        .await
    }

    /// Asks one core.
    pub async fn ask_one(&self, to: usize, request: Request) -> Answer {
        self.ask(vec![(to, request)]).await.pop().unwrap_or(Answer::Done)
    }

    /// Goes on in a later pass of the core.
    pub async fn next_pass(&self) {
        let mut asked = false;
        std::future::poll_fn(|_| {
            if asked {
                return Poll::Ready(());
            }
            asked = true;
            self.core.borrow_mut().tasks.later.push(self.tx.number);
            Poll::Pending
        })
        .await;
    }

    /// Has the keeper put effects on whole databases between two generations of the log.
    pub async fn barrier(
        &self,
        effects: Vec<(u16, Vec<Vec<u8>>)>,
        discards_history: bool,
        ends: Vec<SegmentEnd>,
    ) -> Result<Vec<Segment>, String> {
        let me = {
            let mut core = self.core.borrow_mut();
            let me = core.me();
            core.tasks.inboxes.insert(self.tx.number, Inbox { missing: 1, answers: vec![(me, None)] });
            core.order(Order::Barrier { tx: self.tx, effects, discards_history, ends });
            me
        };
        match self.answers().await.pop() {
            Some(Answer::Segments(Ok(segments))) => Ok(segments),
            Some(Answer::Segments(Err((text, is_unknown)))) => {
                if is_unknown {
                    self.with(|core| core.poison_all(&text));
                }
                Err(format!("MISCONF Errors writing to the AOF file: {text}"))
            }
            _ => Err(format!("ERR internal error: core {me} got no answer from the keeper of segments")),
        }
    }

    /// Tells cores something that has no answer.
    pub fn tell(&self, requests: Vec<(usize, Request)>) {
        let mut core = self.core.borrow_mut();
        let me = core.me();
        for (to, request) in requests {
            if to == me {
                if let Some(answer) = core.participate(self.tx, request) {
                    core.tasks.answer(self.tx.number, me, answer);
                }
            } else {
                core.mesh.send(to, Envelope::Request { tx: self.tx, request });
            }
        }
    }
}

/// Polls a core's tasks.
pub struct Runner {
    core: Rc<RefCell<Core>>,
    futures: HashMap<u64, TaskFuture>,
}

impl Runner {
    /// For the tasks of `core`.
    pub fn new(core: Rc<RefCell<Core>>) -> Runner {
        Runner { core, futures: HashMap::new() }
    }

    /// Starts and continues every task that can go on.
    pub fn run(&mut self) {
        loop {
            let (started, ready) = {
                let mut core = self.core.borrow_mut();
                let tasks = &mut core.tasks;
                (tasks.take_startable(), std::mem::take(&mut tasks.ready))
            };
            if started.is_empty() && ready.is_empty() {
                return;
            }
            for Spawned { number, start, .. } in started {
                let core = self.core.clone();
                let tx = TxId { core: core.borrow().tasks.core, number };
                self.futures.insert(number, start(Handle { core, tx }));
                self.poll(number);
            }
            for number in ready {
                self.poll(number);
            }
        }
    }

    fn poll(&mut self, number: u64) {
        let Some(future) = self.futures.get_mut(&number) else { return };
        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            self.futures.remove(&number);
            let mut core = self.core.borrow_mut();
            if core.tasks.running.remove(&number) {
                core.task_ended();
            }
        }
    }
}
