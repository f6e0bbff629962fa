//! What cores send each other: batches of commands, steps of commands that span cores, and control.

use super::locks::{LockKey, Mode};
use super::shard::Event;
use crate::command::Command;
use crate::command::spec::Flags;
use crate::keyspace::Value;
use crate::net::{Gate, ReplyTo, Session, Watched};
use crate::resp::{Args, OwnedArgs, Span};
use std::ops::Range;

/// A command that was slow on another core than its client's.
pub struct SlowCommand {
    /// The client's id.
    pub client: u64,
    /// Its row.
    pub command: &'static Command,
    /// How long it took, nanoseconds.
    pub nanos: u64,
    /// Its arguments.
    pub args: OwnedArgs,
}

/// A message between two cores.
pub enum Envelope {
    /// Commands for keys that the receiver owns. Comes back as [`Envelope::BatchDone`] with the replies in it.
    Batch(Box<Batch>),
    /// The replies of a batch that the receiver sent.
    BatchDone(Box<Batch>),
    /// The reply of one command that could not be answered with its batch.
    Late {
        /// Where it goes.
        to: ReplyTo,
        /// The reply.
        bytes: Vec<u8>,
        /// What it waits for.
        gate: Option<Gate>,
    },
    /// The sender's log is durable up to here; sent to cores that hold replies for it.
    Durable {
        /// Up to where, inclusive.
        lsn: u64,
    },
    /// A step of a command that spans cores.
    Request {
        /// Which command, unique among those of its core.
        tx: TxId,
        /// What to do.
        request: Request,
    },
    /// What came of a step.
    Answer {
        /// Which command.
        tx: TxId,
        /// What came of it.
        answer: Answer,
    },
    /// From the keeper of segments: one is ready, or why it is not.
    /// With whether it is unknown what is on the disk.
    Segment(Result<Box<crate::log::Segment>, (String, bool)>),
    /// A round may have ended, and perhaps is to be synced.
    Round {
        /// Sync what the kernel has.
        sync: bool,
    },
    /// A newer round is durable.
    RoundSecured,
    /// A command of one of the receiver's clients was slow here.
    Slow(Box<SlowCommand>),
    /// A core whose log moved this one's durable LSN (they share a transaction) says so.
    LogAdvanced,
    /// A partner's log failed, so this core's can no longer be acknowledged.
    Poison(crate::log::Poisoned),
    /// The sender's log failed: replies that wait for it never come.
    PeerPoisoned,
    /// The data is loaded: the core's shard, with its log.
    Loaded(Box<crate::server::Moved<crate::shard::Shard>>, Option<crate::server::KeeperClient>),
    /// Every core has its shard: serve.
    Serve,
    /// Look at what all cores share: settings have changed, or the server is to end.
    Look,
    /// Take over a connection that another core has accepted.
    Adopt(Box<crate::net::Accepted>),
}

/// A command that spans cores: the core that coordinates it and a number that rises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TxId {
    /// The coordinating core.
    pub core: u16,
    /// Rises on that core from the server's start on.
    pub number: u64,
}

/// Commands of one pass for one core, with their arguments in one buffer.
#[derive(Default)]
pub struct Batch {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    /// The commands, in the order they were sent.
    pub commands: Vec<BatchCommand>,
    /// Replies, one behind the other.
    pub replies: Vec<u8>,
}

/// One command of a batch.
pub struct BatchCommand {
    /// Its row.
    pub command: &'static Command,
    /// The connection's state.
    pub session: Session,
    /// Where the reply goes.
    pub to: ReplyTo,
    spans: Range<usize>,
    base: usize,
    /// Its part of the batch's replies.
    pub reply: Range<usize>,
    /// What the reply waits for.
    pub gate: Option<Gate>,
    /// The reply comes later, by [`Envelope::Late`].
    pub late: bool,
    /// How long it took if that is slow, nanoseconds; else 0.
    pub slow_nanos: u64,
}

impl Batch {
    /// Adds a command; its arguments are copied.
    pub fn push(&mut self, command: &'static Command, session: Session, to: ReplyTo, args: Args) {
        let base = self.bytes.len();
        let first = self.spans.len();
        for word in args.iter() {
            self.spans.push(Span { start: (self.bytes.len() - base) as u32, len: word.len() as u32 });
            self.bytes.extend_from_slice(word);
        }
        let spans = first..self.spans.len();
        self.commands.push(BatchCommand {
            command,
            session,
            to,
            spans,
            base,
            reply: 0..0,
            gate: None,
            late: false,
            slow_nanos: 0,
        });
    }

    /// The arguments of the command at `index`.
    pub fn args(&self, index: usize) -> Args<'_> {
        let command = &self.commands[index];
        Args::new(&self.bytes[command.base..], &self.spans[command.spans.clone()])
    }

    /// Empties the batch and keeps its memory, up to a limit.
    pub fn recycle(&mut self) {
        const KEEP_BYTES: usize = 256 * 1024;
        self.bytes.clear();
        self.spans.clear();
        self.commands.clear();
        self.replies.clear();
        self.bytes.shrink_to(KEEP_BYTES);
        self.replies.shrink_to(KEEP_BYTES);
    }
}

/// A command as a step of one that spans cores.
pub struct StepCommand {
    /// Its row.
    pub command: &'static Command,
    /// The connection's state.
    pub session: Session,
    /// Its arguments.
    pub args: OwnedArgs,
    /// It is a command of its own, to be counted where it runs, and not a part of one.
    pub is_whole: bool,
}

/// The value of a key on its way to another core.
pub struct FetchedValue {
    /// The value, a copy.
    pub value: Value<'static>,
    /// When it expires, unix ms.
    pub expire_ms: Option<u64>,
    /// Back at home it is no change to those who WATCH the key.
    pub unwatched: bool,
}

/// What commands need before their first effect, on every core that takes part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Room in the log: they may write.
    pub log: bool,
    /// Memory: they may add to it.
    pub memory: bool,
}

impl Needs {
    /// Of a command with these flags.
    pub fn of(flags: Flags) -> Needs {
        Needs { log: flags.has(Flags::WRITE), memory: flags.has(Flags::DENYOOM) }
    }

    /// Of these and those.
    pub fn and(self, other: Needs) -> Needs {
        Needs { log: self.log || other.log, memory: self.memory || other.memory }
    }
}

/// A step that a coordinator asks of a core.
pub enum Request {
    /// Lock keys, and look whether watched keys have changed.
    Lock {
        /// The keys, without repeats.
        keys: Vec<LockKey>,
        /// How.
        mode: Mode,
        /// Queue for them; otherwise answer [`Answer::Busy`] if they are not free.
        wait: bool,
        /// Keys that must not have changed.
        watched: Vec<Watched>,
        /// What the command needs beside the keys.
        needs: Needs,
    },
    /// Run commands on keys that are locked.
    Run {
        /// The commands, in order.
        commands: Vec<StepCommand>,
    },
    /// Lock keys for reading if they are free, run commands that only read, and keep the keys locked.
    ReadAndHold {
        /// The keys, without repeats.
        keys: Vec<LockKey>,
        /// The commands, in order.
        commands: Vec<StepCommand>,
    },
    /// Read the values of keys that are locked.
    Fetch {
        /// The keys.
        keys: Vec<LockKey>,
    },
    /// Replace the values of keys that are locked.
    Store {
        /// The keys and their values; `None` deletes the key.
        values: Vec<(LockKey, Option<FetchedValue>)>,
        /// What happened to keys of this core, to be told once it is logged.
        events: Vec<Event>,
    },
    /// Log what the steps did as one unit, and unlock.
    Finish {
        /// The keys locked here.
        keys: Vec<LockKey>,
        /// How they were locked.
        mode: Mode,
        /// Cores that take part, for the mark; empty when this one alone has written.
        participants: Vec<u16>,
    },
    /// Unlock; nothing was written. Has no answer.
    Unlock {
        /// The keys locked here.
        keys: Vec<LockKey>,
        /// How they were locked.
        mode: Mode,
    },
    /// Lock (waiting), check, run, log and unlock in one step, for a command whose keys all live here.
    Whole {
        /// The keys, without repeats.
        keys: Vec<LockKey>,
        /// How to lock them.
        mode: Mode,
        /// Keys that must not have changed.
        watched: Vec<Watched>,
        /// The commands, in order.
        commands: Vec<StepCommand>,
        /// What they need beside the keys.
        needs: Needs,
    },
    /// Run a command that concerns every core, without locks.
    Every {
        /// The command.
        command: StepCommand,
    },
    /// Begin to watch keys: answer with their versions.
    Watch {
        /// The keys.
        keys: Vec<LockKey>,
    },
    /// Stop watching keys.
    Unwatch {
        /// The keys.
        keys: Vec<LockKey>,
    },
    /// Compare watched keys, and look whether writes are refused.
    Check {
        /// What is needed beside the keys.
        needs: Needs,
        /// Keys that must not have changed.
        watched: Vec<Watched>,
    },
    /// Wait for keys to change.
    Await {
        /// The keys, without repeats.
        keys: Vec<LockKey>,
        /// What can be used.
        wants: super::waiting::Wants,
        /// What to run then, if all its keys are here; its replies are the answer, and the end. Otherwise every change
        /// is answered with [`Answer::Done`], and the next one only after [`Request::TrialOver`].
        command: Option<StepCommand>,
    },
    /// Who was told of a change has tried its command and waits on. Has no answer.
    TrialOver,
    /// End [`Request::Await`], which is answered with [`Answer::Busy`] unless it has been answered before.
    Forget,
    /// Hand over the effects kept for this command so far, to be logged in a barrier.
    TakeEffects,
    /// Look at the core's own connections, counters and channels, or do something small to them.
    Query(crate::server::Query),
    /// Hold off new commands that span cores (the first step of bringing all cores to one instant).
    Hold,
    /// Stop running commands, and finish what was run.
    Stop,
    /// The log is to be closed, all cores stand still: say where it ends ([`Answer::Ended`]), giving up what there is no room for. To be
    /// asked again after [`Answer::Busy`].
    EndLog,
    /// Do something while all cores stand still.
    Act(Act),
    /// Go on.
    Go,
}

/// What cores do at one instant.
pub enum Act {
    /// Empty one database, or all.
    Flush {
        /// Which one; `None`: all.
        db: Option<u16>,
    },
    /// Exchange two databases.
    Swap {
        /// One.
        a: u16,
        /// The other.
        b: u16,
    },
    /// Begin a snapshot of what is there now; for the server's end, all of it at once.
    Snapshot {
        /// What to write, and where to.
        order: Box<crate::snapshot::Order>,
        /// Do not go on before all is handed over.
        at_once: bool,
    },
    /// Call off the snapshot under way.
    AbandonSnapshot,
    /// The log was cut for a rewrite: remember its size.
    LogCut,
    /// What was logged before the cut is in a new base.
    LogRewritten,
    /// End: close the log.
    End,
    /// Write to this segment from here on.
    Segment(Box<crate::log::Segment>),
    /// Open the log: write to this segment from here on.
    OpenLog {
        /// The core's first segment.
        segment: Box<crate::log::Segment>,
        /// What the cores' logs share, if there was none before.
        cut: std::sync::Arc<crate::log::DurableCut>,
    },
    /// Close the log: log nothing from here on.
    CloseLog,
    /// Have these keys in the place of all others, which are put aside.
    Replace(Box<crate::server::Moved<crate::shard::Shard>>),
    /// After [`Act::Replace`]: forget what was put aside, or have it back.
    Settle {
        /// Have it back.
        restore: bool,
    },
}

/// What came of a [`Request`].
pub enum Answer {
    /// Locked.
    Locked,
    /// Some key was not free, and waiting was not asked for.
    Busy,
    /// A watched key has changed; nothing is locked.
    Changed,
    /// Writes are refused here; the error to tell the client. Nothing is locked.
    Refused(Vec<u8>),
    /// Replies of the commands, in order, and what they wait for.
    Replies {
        /// One per command.
        replies: Vec<Vec<u8>>,
        /// What any of them waits for.
        gate: Option<Gate>,
    },
    /// Values, in the order asked for, and what they wait for.
    Values {
        /// One per key; `None` where there is none.
        values: Vec<Option<FetchedValue>>,
        /// What they wait for.
        gate: Option<Gate>,
    },
    /// Logged up to here, and unlocked.
    Finished {
        /// What the client's reply must wait for.
        gate: Option<Gate>,
    },
    /// Effects: database and words.
    Effects(Vec<(u16, Vec<Vec<u8>>)>),
    /// Stopped; where the log ended, if there is one.
    Ended(Option<crate::log::SegmentEnd>),
    /// New segments, one for each core; or why there are none, and whether it is unknown what is on the disk.
    Segments(Result<Vec<crate::log::Segment>, (String, bool)>),
    /// The log is cut for a rewrite; or why not, and whether it is unknown what is on the disk.
    RewriteCut(Result<Box<crate::server::RewriteCut>, (String, bool)>),
    /// The log begins with its new base; or why not, as above.
    Rewritten(Result<(), (String, bool)>),
    /// A backup is sealed.
    Backup(crate::server::BackupResult),
    /// What a [`Request::Query`] found.
    Finding(crate::server::Finding),
    /// Versions of watched keys.
    Watching(Vec<Watched>),
    /// Done.
    Done,
}
