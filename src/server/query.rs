//! What commands about the server ask of each core: to look at its own connections, counters, channels and keys.

use super::clients::ClientFilter;
use super::core::Core;
use super::report::CoreReport;
use super::subscribers::{ChannelKind, Message};
use crate::keyspace::ValueRef;
use crate::net::Gate;
use crate::object::Object;
use crate::object::list::NodeRef;
use crate::shard::message::{Answer, TxId};
use rand::{RngExt, SeedableRng};
use std::sync::Arc;
use std::time::Duration;

/// A question, or something small to do, for one core.
pub enum Query {
    /// Counters and sizes; with the latencies of commands if asked for.
    Report {
        /// Whether to copy the latencies too.
        latencies: bool,
    },
    /// Set the counters to zero.
    ResetStats,
    /// Lines about clients.
    Clients(ClientFilter),
    /// Close clients; answered with their number.
    Kill(ClientFilter),
    /// End the wait of a client for keys; answered with 1 if it waited.
    Unblock {
        /// The client's id.
        id: u64,
        /// Whether it gets an error, or what it gets when its time is over.
        with_error: bool,
    },
    /// Hold back commands until then, unix ms.
    Pause {
        /// Until when.
        until_ms: u64,
        /// Only those that write.
        writes_only: bool,
    },
    /// End the pause.
    Unpause,
    /// Deliver a message; answered with the number of receivers.
    Publish(Arc<Message>),
    /// The channels that have subscribers here.
    Channels(ChannelKind),
    /// The number of subscribers here of each channel.
    Subscribers {
        /// Which kind.
        kind: ChannelKind,
        /// The channels.
        names: Vec<Box<[u8]>>,
    },
    /// Look whether somebody monitors.
    Attend,
    /// Look at what all cores share, such as settings.
    Look,
    /// Show a line to those who monitor here. Has no answer.
    Show(Arc<[u8]>),
    /// Deliver without an answer: events about keys.
    Announce(Arc<Message>),
    /// Make everything logged so far durable; answered with the gate.
    Newest,
    /// The newest record of the core's log.
    LogPosition,
    /// Number of keys in a database.
    Size {
        /// The database.
        db: u16,
    },
    /// A key at random.
    RandomKey {
        /// The database.
        db: u16,
    },
    /// DEBUG OBJECT.
    DescribeKey {
        /// The database.
        db: u16,
        /// The key.
        key: Box<[u8]>,
    },
    /// DEBUG DIGEST-VALUE; without a key DEBUG DIGEST.
    Digest {
        /// The database.
        db: u16,
        /// The key.
        key: Option<Box<[u8]>>,
    },
    /// Keys in a slot of database 0, at most so many.
    SlotKeys {
        /// The slot.
        slot: u16,
        /// At most so many names; the number is counted in full if this is 0.
        count: usize,
    },
    /// Keep the core busy (DEBUG SLEEP).
    Sleep(Duration),
    /// Let expired keys be removed by themselves, or not.
    ActiveExpire(bool),
}

/// What a core found.
pub enum Finding {
    /// Counters and sizes.
    Report(Box<CoreReport>),
    /// Clients by id, one line each.
    Clients(Vec<(u64, String)>),
    /// A number.
    Count(u64),
    /// Numbers, in the order asked for.
    Counts(Vec<u64>),
    /// Names.
    Names(Vec<Box<[u8]>>),
    /// A name, if there is one, and what the reply waits for.
    Name(Option<Box<[u8]>>, Option<Gate>),
    /// A digest.
    Digest(super::Digest),
    /// What the reply waits for.
    Gate(Option<Gate>),
    /// The end of something that ran on another thread.
    Outcome(Result<(), String>),
    /// Done.
    Done,
}

impl Finding {
    /// The gate in it, whose core must remember that another one waits for it.
    pub fn gate(&self) -> Option<Gate> {
        match self {
            Finding::Name(_, gate) | Finding::Gate(gate) => *gate,
            _ => None,
        }
    }

    /// The number in it; 0 for anything else.
    pub fn count(&self) -> u64 {
        if let Finding::Count(count) = self { *count } else { 0 }
    }
}

impl Core {
    /// Answers a question about this core. `None`: there is no answer.
    pub(super) fn find_out(&mut self, tx: TxId, query: Query) -> Option<Answer> {
        let finding = match query {
            Query::Report { latencies } => Finding::Report(Box::new(self.report(latencies))),
            Query::ResetStats => {
                self.reset_stats();
                Finding::Done
            }
            Query::Clients(filter) => Finding::Clients(self.describe_clients(&filter)),
            Query::Kill(filter) => Finding::Count(self.kill_clients(&filter)),
            Query::Unblock { id, with_error } => Finding::Count(self.unblock(id, with_error) as u64),
            Query::Pause { until_ms, writes_only } => {
                let now_ms = self.now_ms;
                self.pause.begin(until_ms, writes_only, now_ms);
                self.set_attention();
                Finding::Done
            }
            Query::Unpause => {
                self.pause.end();
                self.end_pause();
                Finding::Done
            }
            Query::Publish(message) => Finding::Count(self.deliver_message(&message)),
            Query::Announce(message) => {
                self.deliver_message(&message);
                return None;
            }
            Query::Channels(kind) => Finding::Names(self.subscribers.names(kind)),
            Query::Subscribers { kind, names } => {
                Finding::Counts(names.iter().map(|name| self.subscribers.count(kind, name) as u64).collect())
            }
            Query::Attend => {
                self.set_attention();
                Finding::Done
            }
            Query::Look => {
                self.look();
                Finding::Done
            }
            Query::Show(line) => {
                self.show_line(&line);
                return None;
            }
            Query::Newest => Finding::Gate(self.newest_gate()),
            Query::LogPosition => Finding::Count(self.shard.journal_ref().log_ref().map_or(0, |log| log.last_lsn())),
            Query::Digest { db, key: Some(key) } => Finding::Digest(self.digest_value(db, &key)),
            Query::Digest { key: None, .. } => Finding::Digest(self.digest_all()),
            Query::Size { db } => Finding::Count(self.shard.db(db).len() as u64),
            Query::RandomKey { db } => Finding::Name(self.random_key(db), self.gate_of_reads()),
            Query::DescribeKey { db, key } => Finding::Name(self.describe_key(db, &key), self.gate_of_reads()),
            Query::SlotKeys { slot, count } => self.slot_keys(slot, count),
            Query::Sleep(span) => {
                std::thread::sleep(span);
                Finding::Done
            }
            Query::ActiveExpire(on) => {
                self.shard.active_expire = on;
                Finding::Done
            }
        };
        debug_assert!(tx.number > 0, "only tasks ask for answers");
        Some(Answer::Finding(finding))
    }

    /// What is open until everything logged here is durable; `None` if it is, or nothing is logged.
    /// What a look at any key waits for: nothing where writes do not wait for the disk either.
    pub(super) fn gate_of_reads(&self) -> Option<Gate> {
        if self.shard.gates_writes() { self.newest_gate() } else { None }
    }

    /// The end of the log, if it is not durable yet.
    pub(super) fn newest_gate(&self) -> Option<Gate> {
        let me = self.me();
        let lsn = self.shard.journal_ref().log_ref().filter(|log| log.poisoned().is_none())?.last_lsn();
        (lsn > self.durable[me]).then_some(Gate { core: me as u16, lsn })
    }

    /// A key whose time is not over. With very many expired keys around, one of them may be all that is found.
    fn random_key(&mut self, db: u16) -> Option<Box<[u8]>> {
        const TRIES: usize = 100;
        let mut rng = rand::rngs::SmallRng::seed_from_u64(self.shard.random.random());
        let (db, now_ms) = (self.shard.db(db), self.shard.now_ms());
        (0..TRIES).find_map(|_| {
            let entry = db.random(&mut rng)?;
            let over = db.expire_at(entry).is_some_and(|at| at <= now_ms);
            (!over).then(|| db.key(entry).into())
        })
    }

    /// Keys of a slot of database 0. Walks the database: slots have no index of their own.
    fn slot_keys(&self, slot: u16, count: usize) -> Finding {
        let (db, now_ms) = (self.shard.db(0), self.shard.now_ms());
        let (mut names, mut number) = (Vec::new(), 0);
        db.for_each(|entry| {
            let key = db.key(entry);
            let over = db.expire_at(entry).is_some_and(|at| at <= now_ms);
            if !over && crate::shard::slot::slot_of(key) == slot {
                number += 1;
                if names.len() < count {
                    names.push(key.into());
                }
            }
        });
        if count == 0 { Finding::Count(number) } else { Finding::Names(names) }
    }

    /// What DEBUG OBJECT says of the nodes of a long list.
    fn describe_nodes(&self, value: ValueRef) -> String {
        let ValueRef::Object(Object::List(list)) = value else { return String::new() };
        if list.encoding_name() != "quicklist" {
            return String::new();
        }
        let (mut nodes, mut bytes) = (0, 0);
        for node in list.nodes_from(0).0 {
            nodes += 1;
            bytes += match node {
                NodeRef::Packed(packed) => packed.as_bytes().len(),
                NodeRef::Plain(element) => element.len(),
            };
        }
        format!(
            " ql_nodes:{nodes} ql_avg_node:{:.2} ql_listpack_max:{} ql_compressed:0 ql_uncompressed_size:{bytes}",
            list.len() as f64 / f64::from(nodes),
            self.settings.list_max_listpack_size,
        )
    }

    /// What DEBUG OBJECT says of a key.
    fn describe_key(&self, db: u16, key: &[u8]) -> Option<Box<[u8]>> {
        let db = self.shard.db(db);
        let entry = db.find(crate::keyspace::hash_key(key), key)?;
        let stamp = (self.now_ms / 1000) as u32 & 0xff_ffff;
        let (access, encoding) = (db.access(entry), db.encoding_name(entry));
        let idle = stamp.wrapping_sub(access) & 0xff_ffff;
        let text = format!(
            "Value at:0x{:x} refcount:1 encoding:{encoding} serializedlength:{} lru:{access} lru_seconds_idle:{idle}{}",
            db.hash(entry).0,
            db.memory_of(entry),
            self.describe_nodes(db.value(entry)),
        );
        Some(text.into_bytes().into())
    }
}
