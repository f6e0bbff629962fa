//! One core's part of a snapshot.

use super::BLOCK_BYTES;
use super::commands;
use super::large::{Home, Large};
use super::shared::{Order, Piece, Progress, Shared, Uses};
use crate::keyspace::{Db, EntryRef, Garbage, KeyHash, Keyspace, Stray, ValueRef};
use crate::log::{BLOCK_LINE_BYTES, BlockLine, pad_base_block};
use crate::object::Object;
use crate::rdb::index::pad_to_block;
use crate::rdb::{self, Access, Encoder};
use std::collections::VecDeque;
use std::sync::mpsc::TrySendError;

/// What visiting a key costs beside the bytes it puts out, in bytes: for the budget of a slice.
pub(super) const VISIT_COST: usize = 64;
/// What freeing an allocation costs, likewise.
const FREE_COST: usize = 32;

/// Where the walk is in one database.
struct Stage {
    /// Its number at the instant.
    number: u16,
    cursor: u64,
    done: bool,
}

/// A database that was emptied since, with what is left to write of it.
struct Detached {
    number: u32,
    db: Db,
    stage: Stage,
}

/// Which of the databases at hand.
#[derive(Clone, Copy)]
enum At {
    /// By its number now.
    Numbered(u16),
    /// By [`Detached::number`].
    Detached(u32),
}

/// One core's part of a snapshot that is under way.
pub struct Walk {
    order: Order,
    core: u16,
    encoder: Encoder,
    epoch: u8,
    now_s: u64,
    /// By a database's number now.
    stages: Vec<Stage>,
    detached: Vec<Detached>,
    /// Collections that are being written in pieces, the first ones first.
    larges: VecDeque<Large>,
    next_id: u64,
    /// Collections that are written and belong to nobody.
    freeing: Vec<Object>,
    block: Vec<u8>,
    block_db: Option<u16>,
    /// Commands in the block.
    block_commands: u32,
    queue: VecDeque<Piece>,
    is_whole: bool,
    found: Vec<EntryRef>,
}

impl Walk {
    /// Begins at this instant on core number `core`: entries of any other epoch than `epoch` are written, and what comes in
    /// from here on must get it.
    pub fn new(order: Order, core: u16, epoch: u8, now_ms: u64, keyspace: &Keyspace) -> Walk {
        let keys: usize = keyspace.dbs().iter().map(Db::len).sum();
        order.shared.keys_total.fetch_add(keys as u64, std::sync::atomic::Ordering::Relaxed);
        let stages = (0..keyspace.dbs().len() as u16).map(|number| Stage { number, cursor: 0, done: false });
        Walk {
            encoder: Encoder::new(order.compress),
            order,
            core,
            epoch,
            now_s: now_ms / 1000,
            stages: stages.collect(),
            detached: Vec::new(),
            larges: VecDeque::new(),
            next_id: 1,
            freeing: Vec::new(),
            block: Vec::new(),
            block_db: None,
            block_commands: 0,
            queue: VecDeque::new(),
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

    /// A key of database `db` is about to change: writes it as it is, unless that is done. A large collection is from here on
    /// being saved: it keeps by itself what changes in it.
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
            self.record(keys, At::Numbered(db), number, entry);
            keys.set_epoch(entry, self.epoch);
        }
    }

    /// Two databases change their numbers.
    pub fn swap(&mut self, keyspace: &mut Keyspace, a: u16, b: u16) {
        self.gather(keyspace);
        self.stages.swap(a as usize, b as usize);
        for large in &mut self.larges {
            if let Home::Key { db, .. } = &mut large.home {
                *db = match *db {
                    db if db == a => b,
                    db if db == b => a,
                    db => db,
                };
            }
        }
    }

    /// A database is about to be emptied: whether it has to be handed over instead ([`Walk::detach`]).
    pub fn wants(&mut self, keyspace: &mut Keyspace, db: u16) -> bool {
        if self.order.shared.is_abandoned() {
            return false;
        }
        self.gather(keyspace);
        let is_in = |large: &Large| matches!(large.home, Home::Key { db: home, .. } if home == db);
        !self.stages[db as usize].done || self.larges.iter().any(is_in)
    }

    /// Takes over the contents of a database that is emptied, to write the rest.
    pub fn detach(&mut self, db: u16, contents: Db) {
        let stage = &mut self.stages[db as usize];
        let rest = Stage { number: stage.number, cursor: stage.cursor, done: stage.done };
        stage.done = true;
        let number = self.detached.last().map_or(0, |last| last.number + 1);
        for large in &mut self.larges {
            large.home = match std::mem::replace(&mut large.home, Home::Nowhere) {
                Home::Key { db: home, hash, key } if home == db => Home::Detached { number, hash, key },
                other => other,
            };
        }
        self.detached.push(Detached { number, db: contents, stage: rest });
    }

    /// Does work of about `budget` bytes: visits entries and sends what is ready.
    pub fn step(&mut self, keyspace: &mut Keyspace, garbage: &mut VecDeque<Garbage>, budget: usize) -> Progress {
        let abandoned = self.order.shared.is_abandoned();
        self.gather(keyspace);
        if abandoned {
            self.drop_pending(keyspace);
        } else if !self.flush() || self.order.shared.is_ahead_of_limit() && !self.order.shared.is_over_budget() {
            return Progress::Waiting;
        }
        let mut spent = 0;
        while spent < budget && !self.is_whole {
            if let Some(object) = self.freeing.last_mut() {
                spent += budget;
                if object.free_some(budget / FREE_COST) {
                    self.freeing.pop();
                }
            } else if !self.larges.is_empty() && !abandoned {
                spent += self.advance_large(keyspace, budget - spent);
                if self.order.shared.is_abandoned() {
                    return Progress::More;
                }
            } else if let Some(index) = self.stages.iter().position(|stage| !stage.done) {
                let mut stage = std::mem::replace(&mut self.stages[index], Stage { number: 0, cursor: 0, done: true });
                spent += self.visit(keyspace.db_mut(index), At::Numbered(index as u16), &mut stage, !abandoned);
                self.stages[index] = stage;
            } else if let Some(mut rest) = self.detached.pop() {
                if !rest.stage.done {
                    spent += self.visit(&mut rest.db, At::Detached(rest.number), &mut rest.stage, !abandoned);
                }
                let is_home = self
                    .larges
                    .iter()
                    .any(|l| matches!(l.home, Home::Detached { number, .. } if number == rest.number));
                if rest.stage.done && !is_home || abandoned {
                    garbage.push_back(rest.db.clear());
                } else {
                    self.detached.push(rest);
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
        if self.is_whole && self.queue.is_empty() { Progress::Done } else { Progress::More }
    }

    /// Does all that is left, waiting for the writer.
    pub fn finish(&mut self, keyspace: &mut Keyspace, garbage: &mut VecDeque<Garbage>) {
        self.order.shared.limit_rate(0);
        while self.step(keyspace, garbage, BLOCK_BYTES) != Progress::Done {
            if let Some(piece) = self.queue.pop_front()
                && let Err(unsent) = self.order.out.send(piece)
            {
                self.forget(&unsent.0);
                self.order.shared.abandon();
            }
        }
    }

    /// Visits the keys of one bucket, writing those that are not written. Returns what that cost.
    fn visit(&mut self, db: &mut Db, at: At, stage: &mut Stage, writes: bool) -> usize {
        let mut found = std::mem::take(&mut self.found);
        stage.cursor = db.scan(stage.cursor, &mut |entry| found.push(entry));
        stage.done = stage.cursor == 0;
        let mut cost = VISIT_COST;
        for entry in found.drain(..) {
            cost += VISIT_COST;
            if db.epoch(entry) != self.epoch {
                if writes {
                    cost += self.record(db, at, stage.number, entry);
                }
                db.set_epoch(entry, self.epoch);
            }
        }
        self.found = found;
        cost
    }

    /// Adds a key to the block, or begins its record if it is large. Returns its bytes.
    fn record(&mut self, db: &mut Db, at: At, number: u16, entry: EntryRef) -> usize {
        if let ValueRef::Object(object) = db.value(entry)
            && object.is_saved_in_pieces()
        {
            self.begin_large(db, at, number, entry);
            return VISIT_COST;
        }
        let before = self.block.len();
        self.go_on_in(number);
        if self.order.as_commands {
            self.block_commands += commands::key(&mut self.block, db.key(entry), db.value(entry), db.expire_at(entry));
        } else {
            let (expire_ms, access) = self.told(db, entry);
            let (encoder, block, shared) = (&mut self.encoder, &mut self.block, &self.order.shared);
            rdb::with_stored(db.value(entry), |view| {
                shared.needs_version(view.version());
                encoder.encode_key(block, db.key(entry), view, expire_ms, access);
            });
        }
        self.order.shared.keys_done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let bytes = self.block.len() - before;
        if self.block.len() >= BLOCK_BYTES {
            self.seal();
        }
        bytes
    }

    /// What comes next in the block is of database `number`.
    fn go_on_in(&mut self, number: u16) {
        if self.block.capacity() == 0 {
            self.block.reserve(BLOCK_BYTES + BLOCK_BYTES / 16);
        }
        if self.order.as_commands && self.block.is_empty() {
            self.block.resize(BLOCK_LINE_BYTES, 0);
        }
        if self.block_db != Some(number) {
            match self.order.as_commands {
                true => commands::select(&mut self.block, number),
                false => self.encoder.select_db(&mut self.block, u32::from(number)),
            }
            self.block_db = Some(number);
        }
    }

    /// What is told of a key beside its value.
    fn told(&self, db: &Db, entry: EntryRef) -> (Option<i64>, Access) {
        let access = match self.order.uses {
            Uses::Untold => Access::Unknown,
            Uses::Idle => Access::Idle(u64::from((self.now_s as u32).wrapping_sub(db.access(entry)) & 0xff_ffff)),
            Uses::Frequency => Access::Frequency(db.access(entry) as u8),
        };
        (db.expire_at(entry).map(|at| at.min(i64::MAX as u64) as i64), access)
    }

    /// Begins the record of a large collection.
    fn begin_large(&mut self, db: &mut Db, at: At, number: u16, entry: EntryRef) {
        let told = self.told(db, entry);
        let key: Box<[u8]> = db.key(entry).into();
        let hash = db.hash(entry);
        let id = self.next_id;
        self.next_id += 1;
        let home = match at {
            At::Numbered(db) => Home::Key { db, hash, key: key.clone() },
            At::Detached(number) => Home::Detached { number, hash, key: key.clone() },
        };
        let held = self.order.shared.held.clone();
        let mut object = db.object_mut(entry);
        object.begin_saving(id, held);
        let place = (self.core, &*self.order.shared);
        let large = if self.order.as_commands {
            let expire_ms = told.0.map(|at| at as u64);
            Large::begin_commands(id, home, place.1, (number, &key), &object, expire_ms)
        } else {
            Large::begin(id, home, place, &mut self.encoder, (number, &key), &object, told, self.order.aligned)
        };
        self.larges.push_back(large);
    }

    /// Writes some of the first of the large collections. Returns what that cost.
    fn advance_large(&mut self, keyspace: &mut Keyspace, budget: usize) -> usize {
        let Some(mut large) = self.larges.pop_front() else { return 0 };
        let (mut cost, mut is_sent) = (0, false);
        if matches!(large.home, Home::Nowhere) {
            cost = budget;
            is_sent = large.fill_some();
        } else {
            let encoder = &mut self.encoder;
            let mut add = |large: &mut Large, object: &mut Object| {
                if object.saving() != Some(large.id) {
                    return None;
                }
                let (spent, is_over) = large.add_some(object, encoder, budget);
                if is_over {
                    object.end_saving();
                }
                Some((spent, is_over))
            };
            let under = |db: &mut Db,
                         hash,
                         key: &[u8],
                         large: &mut Large,
                         add: &mut dyn FnMut(&mut Large, &mut Object) -> _| {
                let entry = db.find(hash, key)?;
                if !matches!(db.value(entry), ValueRef::Object(_)) {
                    return None;
                }
                add(large, &mut db.object_mut(entry))
            };
            let mut home = std::mem::replace(&mut large.home, Home::Nowhere);
            let added = match &mut home {
                Home::Key { db, hash, key } => under(keyspace.db_mut(*db as usize), *hash, key, &mut large, &mut add),
                Home::Detached { number, hash, key } => self
                    .detached
                    .iter_mut()
                    .find(|rest| rest.number == *number)
                    .and_then(|rest| under(&mut rest.db, *hash, key, &mut large, &mut add)),
                Home::Owned(object) => add(&mut large, object),
                Home::Nowhere => None,
            };
            let is_good = match added {
                Some((spent, false)) => {
                    cost = spent;
                    large.home = home;
                    true
                }
                Some((spent, true)) => {
                    cost = spent;
                    if let Home::Owned(object) = home {
                        self.freeing.push(*object);
                    }
                    large.finish_elements(&self.order.shared)
                }
                None => false,
            };
            if !is_good {
                tracing::error!("a large collection can't be written as it was: the snapshot is called off");
                self.order.shared.abandon();
                return cost;
            }
        }
        if let Some((number, commands, bytes)) = large.take_commands() {
            if !bytes.is_empty() {
                self.go_on_in(number);
                self.block.extend_from_slice(&bytes);
                self.block_commands += commands;
            }
            if self.block.len() >= BLOCK_BYTES {
                self.seal();
            }
            is_sent = matches!(large.home, Home::Nowhere);
        } else {
            while let Some(piece) = large.take(is_sent) {
                self.enqueue(piece);
            }
        }
        if is_sent {
            self.order.shared.keys_done.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        } else {
            self.larges.push_front(large);
        }
        cost + VISIT_COST
    }

    /// Finds out what became of large collections whose keys went.
    fn gather(&mut self, keyspace: &mut Keyspace) {
        for number in 0..keyspace.dbs().len() {
            let strays: Vec<Stray> = keyspace.db_mut(number).strays().collect();
            for stray in strays {
                let (id, home) = match stray {
                    Stray::Removed(object) => (object.saving(), Home::Owned(object)),
                    Stray::Moved { id, hash, key } => {
                        // It may have gone on from there: then another stray tells.
                        let db = keyspace.db(number);
                        let is_there = db.find(hash, &key).is_some_and(
                            |entry| matches!(db.value(entry), ValueRef::Object(object) if object.saving() == Some(id)),
                        );
                        if !is_there {
                            continue;
                        }
                        (Some(id), Home::Key { db: number as u16, hash, key })
                    }
                };
                match self.larges.iter_mut().find(|large| Some(large.id) == id) {
                    Some(large) => large.home = home,
                    None => {
                        if let Home::Owned(object) = home {
                            self.freeing.push(*object);
                        }
                    }
                }
            }
        }
    }

    /// Queues the block as it is.
    fn seal(&mut self) {
        if self.block.is_empty() {
            return;
        }
        self.block_db = None;
        let mut bytes = std::mem::take(&mut self.block);
        let line = self.order.as_commands.then(|| BlockLine {
            core: self.core,
            commands: std::mem::take(&mut self.block_commands),
            payload_bytes: (bytes.len() - BLOCK_LINE_BYTES) as u64,
        });
        if line.is_some() {
            pad_base_block(&mut bytes);
        } else if self.order.aligned {
            pad_to_block(&mut bytes);
        }
        let offset = self.order.shared.place(self.core, bytes.len() as u64);
        self.enqueue(Piece::Part { offset, bytes, line });
    }

    fn enqueue(&mut self, piece: Piece) {
        if let Piece::Part { bytes, .. } = &piece {
            self.order.shared.add_pending(bytes.len());
        }
        self.queue.push_back(piece);
    }

    /// Hands over what the writer has room for; `true` if that was all.
    fn flush(&mut self) -> bool {
        while let Some(piece) = self.queue.pop_front() {
            match self.order.out.try_send(piece) {
                Ok(()) => {}
                Err(TrySendError::Full(piece)) => {
                    self.queue.push_front(piece);
                    return false;
                }
                Err(TrySendError::Disconnected(piece)) => {
                    self.forget(&piece);
                    self.order.shared.abandon();
                    self.queue.drain(..).collect::<Vec<_>>().iter().for_each(|piece| self.forget(piece));
                }
            }
        }
        true
    }

    fn forget(&self, piece: &Piece) {
        if let Piece::Part { bytes, .. } = piece {
            self.order.shared.sub_pending(bytes.len());
        }
    }

    /// Lets go of everything that is not written, and has collections keep nothing any more.
    fn drop_pending(&mut self, keyspace: &mut Keyspace) {
        for piece in std::mem::take(&mut self.queue) {
            self.forget(&piece);
        }
        self.block = Vec::new();
        self.block_db = None;
        self.block_commands = 0;
        for large in std::mem::take(&mut self.larges) {
            let end = |db: &mut Db, hash, key: &[u8]| {
                if let Some(entry) = db.find(hash, key)
                    && matches!(db.value(entry), ValueRef::Object(object) if object.saving() == Some(large.id))
                {
                    db.object_mut(entry).end_saving();
                }
            };
            match large.home {
                Home::Key { db, hash, key } => end(keyspace.db_mut(db as usize), hash, &key),
                Home::Detached { number, hash, key } => {
                    if let Some(rest) = self.detached.iter_mut().find(|rest| rest.number == number) {
                        end(&mut rest.db, hash, &key);
                    }
                }
                Home::Owned(object) => self.freeing.push(*object),
                Home::Nowhere => {}
            }
        }
    }
}
