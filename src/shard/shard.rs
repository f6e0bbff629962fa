//! The shard itself: databases, journal, and what the last command left to be seen to.

use super::access::AccessClock;
use super::cx::Cx;
use super::eviction::Candidates;
use super::journal::{Journal, NotAdmitted};
use super::locks::LockKey;
use super::message::TxId;
use super::undurable::Undurable;
use super::unit::Unit;
use super::waiting::Waiting;
use super::watch::{Presence, Watches};
use crate::command::spec::Flags;
use crate::command::{Command, KeyedFn};
use crate::config::Settings;
use crate::keyspace::{Db, Garbage, Keyspace, hash_key};
use crate::log::Lsn;
use crate::net::{Session, Watched};
use crate::resp::Args;
use crate::snapshot::Walk;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::collections::VecDeque;
use std::sync::Arc;

/// What a command did that ran on copies.
#[derive(Default)]
pub(super) struct Copies {
    /// The keys that it changed, with repeats.
    pub changed: Vec<LockKey>,
    /// Those among them whose change is one to who watches them.
    pub seen: Vec<LockKey>,
    /// What happened to keys.
    pub events: Vec<Event>,
}

/// Where effects go.
pub(super) enum Sink {
    /// To the log, each as a record of its own.
    Journal,
    /// To a unit that is logged later as a whole.
    Unit(Unit),
    /// Nowhere: the command runs on copies, and what it changed is looked up afterwards.
    Copies(Copies),
    /// Nowhere: the log is being replayed.
    Replay,
}

/// Something that happened to a key, for those who listen.
#[derive(Debug, Clone)]
pub struct Event {
    /// The class, one of [`crate::config::events`].
    pub class: u32,
    /// Its name.
    pub name: &'static str,
    /// The database.
    pub db: u16,
    /// The key.
    pub key: Box<[u8]>,
}

/// What a shard counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShardStats {
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Keys removed since their time was over.
    pub expired: u64,
    /// Fields of hashes removed since their time was over, by themselves.
    pub expired_fields: u64,
    /// Keys removed for want of memory.
    pub evicted: u64,
    /// Keys and collections freed in steps.
    pub lazyfreed: u64,
    /// Changes since the last save.
    pub dirty: u64,
}

/// What writes are answered with after a snapshot failed, if the settings want that.
const SAVE_FAILED: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to \
disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during \
writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about \
the RDB error.";

/// One core's keys and log.
pub struct Shard {
    pub(super) core: usize,
    pub(super) cores: usize,
    pub(super) keyspace: Keyspace,
    pub(super) journal: Journal,
    pub(super) undurable: Undurable,
    pub(super) watches: Watches,
    pub(super) settings: Arc<Settings>,
    pub(super) sink: Sink,
    /// Hashes of keys changed by the command under way.
    pub(super) touched: Vec<u64>,
    /// Newest LSN that the command under way logged.
    pub(super) logged: Lsn,
    /// Newest LSN that its reply depends on.
    pub(super) gate: Lsn,
    pub(super) now_ms: u64,
    /// The time as keys' access bits have it.
    pub(super) clock: AccessClock,
    /// Keys that might be evicted next.
    pub(super) candidates: Candidates,
    /// Counters.
    pub stats: ShardStats,
    /// Events not delivered yet; empty unless somebody listens.
    pub events: Vec<Event>,
    /// Clients that wait for keys.
    pub waiting: Waiting,
    /// Emptied databases that are being freed.
    pub(super) garbage: VecDeque<Garbage>,
    /// The snapshot under way.
    pub(super) snapshot: Option<Box<Walk>>,
    /// The snapshot epoch of what comes in, 2 bits.
    pub(super) epoch: u8,
    /// The last snapshot failed, and the settings want writes refused then.
    pub save_failed: bool,
    /// Whether the active expiry runs (`DEBUG SET-ACTIVE-EXPIRE`).
    pub active_expire: bool,
    /// Randomness for RANDOMKEY, SPOP and the like.
    pub random: SmallRng,
}

impl Shard {
    /// The shard of core `core` of `cores`.
    pub fn new(core: usize, cores: usize, mut keyspace: Keyspace, settings: Arc<Settings>, now_ms: u64) -> Shard {
        let clock = AccessClock::new(&settings, now_ms);
        keyspace.set_access_stamp(clock.initial());
        Shard {
            clock,
            candidates: Candidates::default(),
            core,
            cores,
            keyspace,
            journal: Journal::default(),
            undurable: Undurable::default(),
            watches: Watches::default(),
            settings,
            sink: Sink::Journal,
            touched: Vec::new(),
            logged: 0,
            gate: 0,
            now_ms,
            stats: ShardStats::default(),
            events: Vec::new(),
            waiting: Waiting::default(),
            garbage: VecDeque::new(),
            snapshot: None,
            epoch: 0,
            save_failed: false,
            active_expire: true,
            random: SmallRng::seed_from_u64(rand::random()),
        }
    }

    /// This core's number.
    pub fn core(&self) -> usize {
        self.core
    }

    /// How many cores there are.
    pub fn cores(&self) -> usize {
        self.cores
    }

    /// The settings in force here.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Puts other settings in force.
    pub fn set_settings(&mut self, settings: Arc<Settings>) {
        if self.settings.maxmemory_policy != settings.maxmemory_policy {
            self.forget_candidates();
        }
        self.settings = settings;
        self.clock = AccessClock::new(&self.settings, self.now_ms);
        self.keyspace.set_access_stamp(self.clock.initial());
    }

    /// Gives the shard its log.
    pub fn set_journal(&mut self, journal: Journal) {
        self.journal = journal;
    }

    /// The log, for whoever drives it.
    pub fn journal(&mut self) -> &mut Journal {
        &mut self.journal
    }

    /// The log, to look at.
    pub fn journal_ref(&self) -> &Journal {
        &self.journal
    }

    /// Sets the time, unix ms. Never goes back.
    pub fn set_now(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        let before = self.clock.initial();
        self.clock.set_now(self.now_ms);
        if self.clock.initial() != before {
            self.keyspace.set_access_stamp(self.clock.initial());
        }
    }

    /// Unix ms of this pass.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// One database.
    #[inline]
    pub fn db(&self, index: u16) -> &Db {
        self.keyspace.db(index as usize)
    }

    /// All databases, and their memory.
    pub fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    /// The databases, for loading.
    pub fn keyspace_mut(&mut self) -> &mut Keyspace {
        &mut self.keyspace
    }

    /// Whether a write with these arguments may run now.
    #[inline]
    pub fn admit(&mut self, args: Args) -> Result<(), NotAdmitted> {
        if self.save_failed {
            return Err(NotAdmitted::Refused(SAVE_FAILED.into()));
        }
        if self.awaits_snapshot() {
            return Err(NotAdmitted::Wait);
        }
        self.journal.admit(args)
    }

    /// Whether a write that logs about so many bytes may run now.
    pub fn admit_bytes(&mut self, bytes: u64) -> Result<(), NotAdmitted> {
        if self.save_failed {
            return Err(NotAdmitted::Refused(SAVE_FAILED.into()));
        }
        if self.awaits_snapshot() {
            return Err(NotAdmitted::Wait);
        }
        self.journal.admit_bytes(bytes)
    }

    /// Why writes are refused altogether, if they are.
    pub fn refuses_writes(&mut self) -> Option<String> {
        match self.journal.admit(Args::new(&[], &[])) {
            Err(NotAdmitted::Refused(text)) => Some(text),
            _ => None,
        }
    }

    /// Why a command with these flags is refused, if it is.
    pub fn refuses(&mut self, flags: Flags) -> Option<String> {
        if flags.has(Flags::WRITE) && self.save_failed {
            return Some(SAVE_FAILED.into());
        }
        if flags.has(Flags::WRITE) { self.refuses_writes() } else { None }
    }

    /// Runs a command on this shard. Returns the LSN that its reply depends on, if any.
    #[inline]
    pub fn run(
        &mut self,
        command: &'static Command,
        run: KeyedFn,
        session: Session,
        args: Args,
        out: &mut Vec<u8>,
    ) -> Option<Lsn> {
        self.gate = 0;
        self.logged = 0;
        run(&mut Cx::new(self, session, out, args), args);
        debug_assert!(
            self.touched.is_empty()
                || command.spec.flags.has(Flags::WRITE)
                || command.spec.flags.has(Flags::MAY_REPLICATE),
            "{} changed keys without being admitted as a write",
            command.spec.name
        );
        if !self.touched.is_empty() {
            self.settle_touched();
        }
        self.last_gate()
    }

    /// Books the keys that the command changed.
    #[inline]
    pub(super) fn settle_touched(&mut self) {
        match &mut self.sink {
            Sink::Journal => {
                debug_assert!(self.logged > 0 || !self.journal.is_on(), "a change without an effect for the log");
                if self.journal.gates_writes() {
                    for hash in self.touched.drain(..) {
                        self.undurable.insert(hash, self.logged);
                    }
                    self.gate = self.gate.max(self.logged);
                } else {
                    self.touched.clear();
                }
            }
            Sink::Unit(unit) => unit.touched.append(&mut self.touched),
            Sink::Copies(_) | Sink::Replay => self.touched.clear(),
        }
    }

    /// The LSN that the last command's reply depends on.
    #[inline]
    pub fn last_gate(&self) -> Option<Lsn> {
        (self.gate > 0).then_some(self.gate)
    }

    /// Whether a write's reply waits until it is durable.
    pub fn gates_writes(&self) -> bool {
        self.journal.gates_writes()
    }

    /// The last LSN on its way to the medium.
    #[inline]
    pub fn sealed_lsn(&self) -> Lsn {
        self.journal.sealed_lsn()
    }

    /// The batch was sealed up to `last_lsn`.
    pub fn sealed(&mut self, last_lsn: Lsn) {
        self.undurable.seal(last_lsn);
    }

    /// The log is durable up to `lsn`.
    pub fn durable(&mut self, lsn: Lsn) {
        self.undurable.advance(lsn);
    }

    /// From here to [`Shard::leave_unit`], effects are kept in `unit`.
    pub fn enter_unit(&mut self, unit: Unit) {
        debug_assert!(matches!(self.sink, Sink::Journal), "units do not nest");
        self.sink = Sink::Unit(unit);
    }

    /// Ends [`Shard::enter_unit`].
    pub fn leave_unit(&mut self) -> Unit {
        match std::mem::replace(&mut self.sink, Sink::Journal) {
            Sink::Unit(unit) => unit,
            other => {
                self.sink = other;
                Unit::default()
            }
        }
    }

    /// Logs a unit as one record, with a mark if others took part. Returns its LSN, if anything was logged.
    pub fn finish_unit(&mut self, mut unit: Unit, tx: TxId, participants: &[u16]) -> Option<Lsn> {
        let lsn = self.journal.append_unit(&unit, tx, participants);
        self.events.append(&mut unit.events);
        if lsn == 0 {
            return None;
        }
        if self.journal.gates_writes() {
            for hash in unit.touched {
                self.undurable.insert(hash, lsn);
            }
        }
        Some(lsn)
    }

    /// Tells listeners what happened to keys.
    pub fn tell(&mut self, events: &mut Vec<Event>) {
        self.events.append(events);
    }

    /// Watches keys for a client.
    pub fn watch(&mut self, keys: &[LockKey]) -> Vec<Watched> {
        keys.iter()
            .map(|key| {
                let absent = presence(self.keyspace.db(key.db as usize), &key.key, self.now_ms) != Presence::Lives;
                self.watches.watch(key, absent)
            })
            .collect()
    }

    /// Ends what [`Shard::watch`] began.
    pub fn unwatch(&mut self, keys: &[LockKey]) {
        for key in keys {
            self.watches.unwatch(key);
        }
    }

    /// Whether any of the keys has changed since it was watched, or has expired since.
    pub fn any_changed(&self, watched: &[Watched]) -> bool {
        watched.iter().any(|watched| {
            let now = presence(self.keyspace.db(watched.db as usize), &watched.key, self.now_ms);
            self.watches.has_changed(watched) || (now == Presence::Stale && !watched.absent)
        })
    }

    /// Runs a command of the log again.
    pub fn replay(&mut self, command: &'static Command, run: KeyedFn, db: u16, args: Args, out: &mut Vec<u8>) {
        self.sink = Sink::Replay;
        let session = Session { db, in_transaction: true, ..Session::default() };
        self.run(command, run, session, args, out);
        self.sink = Sink::Journal;
    }
}

/// Whether a key is there, and lives.
pub(super) fn presence(db: &Db, key: &[u8], now_ms: u64) -> Presence {
    match db.find(hash_key(key), key) {
        None => Presence::Absent,
        Some(entry) if db.expire_at(entry).is_some_and(|at| at <= now_ms) => Presence::Stale,
        Some(_) => Presence::Lives,
    }
}
