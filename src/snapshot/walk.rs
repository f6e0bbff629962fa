//! One core's part of a snapshot.

use super::BLOCK_BYTES;
use crate::keyspace::{Db, EntryRef, Garbage, KeyHash, Keyspace};
use crate::rdb::{self, Access, Encoder};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};

/// What visiting a key costs beside the bytes it puts out, in bytes: for the budget of a slice.
const VISIT_COST: usize = 64;

/// What all cores and the writer of one snapshot share.
#[derive(Debug)]
pub struct Shared {
    abandoned: AtomicBool,
    version: AtomicU16,
    /// Changes counted up to the instant.
    pub dirty: AtomicU64,
    /// Keys there at the instant.
    pub keys_total: AtomicU64,
    /// Keys written so far.
    pub keys_done: AtomicU64,
    /// Bytes encoded and not yet with the writer.
    pub pending_bytes: AtomicU64,
}

impl Default for Shared {
    fn default() -> Shared {
        Shared {
            abandoned: AtomicBool::new(false),
            version: AtomicU16::new(rdb::VERSION),
            dirty: AtomicU64::new(0),
            keys_total: AtomicU64::new(0),
            keys_done: AtomicU64::new(0),
            pending_bytes: AtomicU64::new(0),
        }
    }
}

impl Shared {
    /// Calls the snapshot off.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    /// Whether it was called off.
    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// The RDB version that its values need.
    pub fn version(&self) -> u16 {
        self.version.load(Ordering::Relaxed)
    }
}

/// What a core sends to the writer.
#[derive(Debug)]
pub enum Piece {
    /// Records, beginning with the number of their database.
    Block(Vec<u8>),
    /// The core has sent all its keys.
    Whole,
}

/// What is told of a key's use, by the eviction policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uses {
    /// Nothing.
    Untold,
    /// Seconds since the last use.
    Idle,
    /// The LFU counter.
    Frequency,
}

/// What a walk is to do. A copy for each core.
#[derive(Clone)]
pub struct Order {
    /// What it shares with the others.
    pub shared: Arc<Shared>,
    /// The way to the writer.
    pub out: SyncSender<Piece>,
    /// Whether strings are compressed.
    pub compress: bool,
    /// What is told of uses.
    pub uses: Uses,
}

/// How far a slice got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to do.
    More,
    /// The writer has to catch up first.
    Waiting,
    /// All is sent, or called off.
    Done,
}

/// Where the walk is in one database.
struct Stage {
    /// Its number at the instant.
    number: u16,
    cursor: u64,
    done: bool,
}

/// One core's part of a snapshot that is under way.
pub struct Walk {
    order: Order,
    encoder: Encoder,
    epoch: u8,
    now_s: u64,
    /// By a database's number now.
    stages: Vec<Stage>,
    /// Databases that were emptied since.
    detached: Vec<(Db, Stage)>,
    block: Vec<u8>,
    block_db: Option<u16>,
    queue: VecDeque<Piece>,
    queued_bytes: u64,
    is_whole: bool,
    found: Vec<EntryRef>,
}

impl Walk {
    /// Begins at this instant: entries of any other epoch than `epoch` are written, and what comes in from here on must
    /// get it.
    pub fn new(order: Order, epoch: u8, now_ms: u64, keyspace: &Keyspace) -> Walk {
        let keys: usize = keyspace.dbs().iter().map(Db::len).sum();
        order.shared.keys_total.fetch_add(keys as u64, Ordering::Relaxed);
        let stages = (0..keyspace.dbs().len() as u16).map(|number| Stage { number, cursor: 0, done: false });
        Walk {
            encoder: Encoder::new(order.compress),
            order,
            epoch,
            now_s: now_ms / 1000,
            stages: stages.collect(),
            detached: Vec::new(),
            block: Vec::new(),
            block_db: None,
            queue: VecDeque::new(),
            queued_bytes: 0,
            is_whole: false,
            found: Vec::new(),
        }
    }

    /// What is shared with the others.
    pub fn shared(&self) -> &Shared {
        &self.order.shared
    }

    /// The epoch of entries that are written already or came later.
    pub fn epoch(&self) -> u8 {
        self.epoch
    }

    /// A key of database `db` is about to change: writes it as it is, unless that is done.
    pub fn keep(&mut self, keyspace: &mut Keyspace, db: u16, hash: KeyHash, key: &[u8]) {
        let stage = &self.stages[db as usize];
        if stage.done || self.order.shared.is_abandoned() {
            return;
        }
        let number = stage.number;
        let keys = keyspace.db_mut(db as usize);
        if let Some(entry) = keys.find(hash, key)
            && keys.epoch(entry) != self.epoch
        {
            self.record(keys, number, entry);
            keys.set_epoch(entry, self.epoch);
        }
    }

    /// Two databases change their numbers.
    pub fn swap(&mut self, a: u16, b: u16) {
        self.stages.swap(a as usize, b as usize);
    }

    /// A database is about to be emptied: whether it has to be handed over instead ([`Walk::detach`]).
    pub fn wants(&self, db: u16) -> bool {
        !self.stages[db as usize].done && !self.order.shared.is_abandoned()
    }

    /// Takes over the contents of a database that is emptied, to write the rest.
    pub fn detach(&mut self, db: u16, contents: Db) {
        let stage = &mut self.stages[db as usize];
        let rest = Stage { number: stage.number, cursor: stage.cursor, done: false };
        stage.done = true;
        self.detached.push((contents, rest));
    }

    /// Does work of about `budget` bytes: visits entries and sends what is ready.
    pub fn step(&mut self, keyspace: &mut Keyspace, garbage: &mut VecDeque<Garbage>, budget: usize) -> Progress {
        let abandoned = self.order.shared.is_abandoned();
        if abandoned {
            self.drop_pending();
        } else if !self.flush() {
            return Progress::Waiting;
        }
        let mut spent = 0;
        while spent < budget && !self.is_whole {
            if let Some(index) = self.stages.iter().position(|stage| !stage.done) {
                let mut stage = std::mem::replace(&mut self.stages[index], Stage { number: 0, cursor: 0, done: true });
                spent += self.visit(keyspace.db_mut(index), &mut stage, !abandoned);
                self.stages[index] = stage;
            } else if let Some((mut db, mut stage)) = self.detached.pop() {
                spent += self.visit(&mut db, &mut stage, !abandoned);
                if stage.done || abandoned {
                    garbage.push_back(db.clear());
                } else {
                    self.detached.push((db, stage));
                }
            } else {
                self.is_whole = true;
                if !abandoned {
                    self.seal();
                    self.queue.push_back(Piece::Whole);
                }
            }
            if !self.queue.is_empty() && !self.flush() {
                return Progress::Waiting;
            }
        }
        if self.is_whole { Progress::Done } else { Progress::More }
    }

    /// Does all that is left, waiting for the writer.
    pub fn finish(&mut self, keyspace: &mut Keyspace, garbage: &mut VecDeque<Garbage>) {
        while self.step(keyspace, garbage, BLOCK_BYTES) != Progress::Done {
            if let Some(piece) = self.queue.pop_front() {
                self.unqueued(&piece);
                if self.order.out.send(piece).is_err() {
                    self.order.shared.abandon();
                }
            }
        }
    }

    /// Visits the keys of one bucket, writing those that are not written. Returns what that cost.
    fn visit(&mut self, db: &mut Db, stage: &mut Stage, writes: bool) -> usize {
        let mut found = std::mem::take(&mut self.found);
        stage.cursor = db.scan(stage.cursor, &mut |entry| found.push(entry));
        stage.done = stage.cursor == 0;
        let mut cost = VISIT_COST;
        for entry in found.drain(..) {
            cost += VISIT_COST;
            if db.epoch(entry) != self.epoch {
                if writes {
                    cost += self.record(db, stage.number, entry);
                }
                db.set_epoch(entry, self.epoch);
            }
        }
        self.found = found;
        cost
    }

    /// Adds a key to the block. Returns its bytes.
    fn record(&mut self, db: &Db, number: u16, entry: EntryRef) -> usize {
        if self.block.capacity() == 0 {
            self.block.reserve(BLOCK_BYTES + BLOCK_BYTES / 16);
        }
        let before = self.block.len();
        if self.block_db != Some(number) {
            self.encoder.select_db(&mut self.block, u32::from(number));
            self.block_db = Some(number);
        }
        let access = match self.order.uses {
            Uses::Untold => Access::Unknown,
            Uses::Idle => Access::Idle(u64::from((self.now_s as u32).wrapping_sub(db.access(entry)) & 0xff_ffff)),
            Uses::Frequency => Access::Frequency(db.access(entry) as u8),
        };
        let expire_ms = db.expire_at(entry).map(|at| at.min(i64::MAX as u64) as i64);
        let (encoder, block, shared) = (&mut self.encoder, &mut self.block, &self.order.shared);
        rdb::with_stored(db.value(entry), |view| {
            if view.version() > rdb::VERSION {
                shared.version.fetch_max(view.version(), Ordering::Relaxed);
            }
            encoder.encode_key(block, db.key(entry), view, expire_ms, access);
        });
        shared.keys_done.fetch_add(1, Ordering::Relaxed);
        let bytes = self.block.len() - before;
        if self.block.len() >= BLOCK_BYTES {
            self.seal();
        }
        bytes
    }

    /// Queues the block as it is.
    fn seal(&mut self) {
        if self.block.is_empty() {
            return;
        }
        self.block_db = None;
        let block = std::mem::take(&mut self.block);
        self.queued_bytes += block.len() as u64;
        self.order.shared.pending_bytes.fetch_add(block.len() as u64, Ordering::Relaxed);
        self.queue.push_back(Piece::Block(block));
    }

    /// Hands over what the writer has room for; `true` if that was all.
    fn flush(&mut self) -> bool {
        while let Some(piece) = self.queue.pop_front() {
            self.unqueued(&piece);
            match self.order.out.try_send(piece) {
                Ok(()) => {}
                Err(TrySendError::Full(piece)) => {
                    self.queued(&piece);
                    self.queue.push_front(piece);
                    return false;
                }
                Err(TrySendError::Disconnected(_)) => {
                    self.order.shared.abandon();
                    self.drop_pending();
                }
            }
        }
        true
    }

    fn queued(&mut self, piece: &Piece) {
        if let Piece::Block(block) = piece {
            self.queued_bytes += block.len() as u64;
            self.order.shared.pending_bytes.fetch_add(block.len() as u64, Ordering::Relaxed);
        }
    }

    fn unqueued(&mut self, piece: &Piece) {
        if let Piece::Block(block) = piece {
            self.queued_bytes -= block.len() as u64;
            self.order.shared.pending_bytes.fetch_sub(block.len() as u64, Ordering::Relaxed);
        }
    }

    fn drop_pending(&mut self) {
        self.order.shared.pending_bytes.fetch_sub(self.queued_bytes, Ordering::Relaxed);
        self.queued_bytes = 0;
        self.queue.clear();
        self.block = Vec::new();
        self.block_db = None;
    }
}
