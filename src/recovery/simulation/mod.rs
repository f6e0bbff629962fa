//! Many cores, one thread, a disk that loses what was not synced: random work, a crash at any operation, recovery, again.
//!
//! Checked after every recovery: nothing acknowledged is lost, every core's log is a prefix of what it logged, no multi-core
//! write is there in part, barriers stand between the generations, and whatever was recovered once stays.
//! `SEED=n` runs one seed; `SEEDS=n` so many.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Options, ReplaySink, plan};
use crate::log::*;
use crate::recovery::commands::tests::base_of;
use crate::resp::Args;
use crate::storage::{Fault, Fs, Open, PowerCut, SimFs, write_all_at};

mod generations;
mod replayed;
mod rng;
mod stories;

pub(crate) use replayed::Recovered;
pub(crate) use rng::Rng;

/// What one record did: its effects (key, database), and the transaction it belongs to.
#[derive(Clone, Debug)]
struct Record {
    effects: Vec<(String, u16)>,
    tx: Option<u64>,
}

/// One start of the server: what each core logged, and what is known to have survived.
#[derive(Clone, Debug, Default)]
struct Life {
    records: Vec<Vec<Record>>,
    /// Barriers: for each, the last record of every core before it.
    barriers: Vec<(String, Vec<usize>)>,
    survived: Option<Vec<usize>>,
    /// Every record, in the order in which they happened: core and LSN.
    order: Vec<(u16, Lsn)>,
    participants: HashMap<u64, CoreSet>,
}

pub(crate) fn directory(fs: &SimFs) -> Directory {
    Directory {
        fs: Arc::new(fs.clone()),
        data_dir: PathBuf::from("/"),
        dirname: "appendonlydir".to_string(),
        filename: "appendonly.aof".to_string(),
    }
}

/// The server under test.
pub(crate) struct World {
    pub(crate) fs: SimFs,
    dir: Directory,
    pub(crate) rng: Rng,
    keeper: Option<Keeper>,
    pub(crate) logs: Vec<CoreLog>,
    ops: Vec<VecDeque<LogOp>>,
    /// Parts of multi-core writes that their cores have not logged yet.
    pending_parts: Vec<(u16, Mark)>,
    acknowledged: Vec<Lsn>,
    /// Where replies do not wait for the disk: the newest record of each core whose reply nothing held back, and whether it has left,
    /// at the end of its pass.
    ungated: Vec<Lsn>,
    told: Vec<Lsn>,
    /// What WAITAOF would have acknowledged.
    secured: Vec<Lsn>,
    /// In the last life replies did not wait for the disk.
    relaxed: bool,
    /// And then the power failed.
    relaxed_cut: bool,
    /// Before that only the process died, so that a start may have decided to keep all that the kernel had.
    killed: bool,
    /// Multi-core writes that are being logged, and how many parts of each are missing.
    spanning: HashMap<u64, usize>,
    boot: u64,
    lives: Vec<Life>,
    rewrite: Option<(Rewrite, Vec<u8>)>,
    /// The log is closed and nothing is logged.
    closed: bool,
    /// The log is being opened: its base.
    opening: Option<(Rewrite, Vec<u8>)>,
    /// While it is closed or being opened, what the log on the disk holds: what was acknowledged of it and what was secured; and whether
    /// replies did not wait for the disk.
    kept: Option<(Vec<Lsn>, Vec<Lsn>, bool)>,
    next_tx: u64,
    now_ms: u64,
    pub(crate) value_bytes_max: usize,
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        let fs = SimFs::new(seed);
        if seed % 5 == 4 {
            fs.set_block_bytes(4096);
        }
        World {
            dir: directory(&fs),
            fs,
            rng: Rng::new(seed),
            keeper: None,
            logs: Vec::new(),
            ops: Vec::new(),
            pending_parts: Vec::new(),
            acknowledged: Vec::new(),
            ungated: Vec::new(),
            told: Vec::new(),
            secured: Vec::new(),
            relaxed: false,
            relaxed_cut: false,
            killed: false,
            spanning: HashMap::new(),
            boot: 1,
            lives: Vec::new(),
            rewrite: None,
            closed: false,
            opening: None,
            kept: None,
            next_tx: 1,
            now_ms: 1_700_000_000_000,
            value_bytes_max: 3000,
        }
    }

    /// Recovers, with power cuts in between, checks what was recovered, and starts a new life on `cores` cores.
    pub(crate) fn start(&mut self, cores: u16, cuts: bool) {
        let policy =
            [SyncPolicy::Always, SyncPolicy::Always, SyncPolicy::EverySecond, SyncPolicy::Never][self.rng.below(4)];
        loop {
            if cuts && self.rng.chance(40) {
                self.fs.fail_nth(1 + self.rng.next() % 40, Fault::PowerOff);
            }
            match self.recover(cores, policy.is_relaxed()) {
                Ok((keeper, segments)) => {
                    self.fs.clear_fault();
                    let cut = Arc::new(DurableCut::new(cores));
                    let in_flight_max = 1 + self.rng.below(2);
                    let config = |core| LogConfig { core, policy, segment_bytes: SEGMENT_BYTES_MIN, in_flight_max };
                    let segments = segments.into_iter();
                    self.logs = segments.map(|s| CoreLog::new(config(s.header.core), s, cut.clone())).collect();
                    self.keeper = Some(keeper);
                    self.ops = vec![(); cores as usize].into_iter().map(|_| VecDeque::new()).collect();
                    self.acknowledged = vec![0; cores as usize];
                    self.ungated = vec![0; cores as usize];
                    self.told = vec![0; cores as usize];
                    self.secured = vec![0; cores as usize];
                    self.relaxed = false;
                    self.relaxed_cut = false;
                    self.killed = false;
                    let records = vec![Vec::new(); cores as usize];
                    self.lives.push(Life { records, ..Life::default() });
                    return;
                }
                Err(_) if self.fs.is_off() => {
                    self.fs.power_cut(PowerCut::Random);
                    self.after_power_cut();
                }
                Err(error) => panic!("recovery refuses: {error}"),
            }
        }
    }

    fn recover(&mut self, cores: u16, relaxed: bool) -> Result<(Keeper, Vec<Segment>), super::RecoveryError> {
        let plan = plan(&self.dir, &Options { boot: self.boot, ..Options::default() })?;
        let mut state = Recovered::default();
        plan.replay(&mut state)?;
        let found = self.check(&state);
        let (id, entropy) = (self.rng.next(), self.rng.next());
        self.now_ms += 1;
        let (segment_bytes, boot) = (SEGMENT_BYTES_MIN, self.boot);
        let result = plan.repair(Incarnation { id, cores, segment_bytes, entropy, relaxed, boot }, self.now_ms);
        if let (Ok(_), Some(found), Some(life)) = (&result, found, self.lives.last_mut()) {
            life.survived = Some(found);
        }
        result
    }

    fn check(&mut self, state: &Recovered) -> Option<Vec<usize>> {
        let lives = self.lives.len();
        let mut found = None;
        for (number, life) in self.lives.iter_mut().enumerate() {
            let cuts: Vec<usize> = (0..life.records.len()).map(|core| state.cut(number, core, life)).collect();
            match &life.survived {
                Some(survived) => assert_eq!(&cuts, survived, "life {number}: what was recovered once stays"),
                None => {
                    assert_eq!(number + 1, lives);
                    // Where replies do not wait for the disk, a loss of power may take acknowledged writes, but only the newest.
                    let promised = if self.relaxed_cut { &self.secured } else { &self.acknowledged };
                    for (core, &promised) in promised.iter().enumerate() {
                        let left = cuts[core];
                        assert!(left as u64 >= promised, "core {core}: {promised} promised, {left} left");
                    }
                    if self.relaxed_cut && !self.killed && life.records.len() > 1 {
                        let there = |&(core, lsn): &(u16, Lsn)| lsn <= cuts[core as usize] as u64;
                        // A mark alone leaves nothing that can be found.
                        let seen = |&(core, lsn): &(u16, Lsn)| {
                            !life.records[core as usize][lsn as usize - 1].effects.is_empty()
                        };
                        let mut order = life.order.iter().filter(|place| seen(place));
                        let gone = order.find(|place| !there(place));
                        let later = order.find(|place| there(place));
                        assert!(
                            later.is_none(),
                            "rule X7: {gone:?} is gone and {later:?}, which came later, is there: {cuts:?}"
                        );
                    }
                }
            }
            for (&tx, participants) in &life.participants {
                let mut parts = participants.iter().filter_map(|core| {
                    let records = &life.records[core as usize];
                    match records.iter().position(|record| record.tx == Some(tx)) {
                        Some(index) if records[index].effects.is_empty() => None,
                        place => Some(place.is_some_and(|index| index < cuts[core as usize])),
                    }
                });
                let first = parts.next();
                assert!(parts.all(|part| Some(part) == first), "life {number}: transaction {tx} is half there");
            }
            for (name, ends) in &life.barriers {
                let Some(position) = state.barriers.get(name) else { continue };
                for (core, &end) in ends.iter().enumerate() {
                    assert!(cuts[core] >= end, "a barrier stands on everything before it");
                    let seen = position.get(&(number, core)).copied().unwrap_or(0);
                    let before: usize = life.records[core][..end].iter().map(|record| record.effects.len()).sum();
                    assert_eq!(seen, before, "life {number} core {core}: barrier {name} stands in its place");
                }
            }
            // Nobody was served from what a start found that did not get to its end.
            if !self.relaxed {
                life.survived = Some(cuts);
            } else if life.survived.is_none() {
                found = Some(cuts);
            }
        }
        found
    }

    fn fill(&mut self) -> Vec<u8> {
        let len = match self.rng.below(60) {
            0 => self.rng.below(self.value_bytes_max * 30),
            _ => self.rng.below(self.value_bytes_max),
        };
        vec![b'#'; len]
    }

    fn life(&mut self) -> &mut Life {
        self.lives.last_mut().expect("a server runs")
    }

    /// Logs one record of random effects on `core`.
    fn log(&mut self, core: u16, mark: Option<Mark>) {
        let count = if mark.is_some() && self.rng.chance(20) { 0 } else { 1 + self.rng.below(40) / 36 * 2 };
        let (life, lsn) = (self.lives.len() - 1, self.logs[core as usize].last_lsn() + 1);
        let effects: Vec<(String, u16, Vec<u8>)> = (0..count)
            .map(|part| (format!("{life}:{core}:{lsn}:{part}"), self.rng.below(12) as u16, self.fill()))
            .collect();
        let log = &mut self.logs[core as usize];
        log.see_round();
        if mark.is_none() {
            let bytes: u64 = effects.iter().map(|(key, _, value)| encoded_bytes(words(key, value))).sum();
            // An effect may turn out longer than what was asked for, as that of SPOP with a count.
            let asked = if self.rng.chance(10) { bytes.min(20) } else { bytes };
            match log.admit(asked) {
                Admission::Ok => {}
                Admission::WaitForSpace | Admission::Refuse(_) => return,
            }
        }
        let logged = match (&effects[..], mark) {
            ([(key, db, value)], None) => log.append(*db, words(key, value)),
            ([(key, db, value)], Some(mark)) => log.append_marked(*db, words(key, value), mark),
            ([], Some(mark)) => log.append_mark(mark),
            _ => {
                let mut transaction = log.transaction();
                effects.iter().for_each(|(key, db, value)| transaction.effect(*db, words(key, value)));
                transaction.finish(mark).expect("it has effects")
            }
        };
        assert_eq!(logged, lsn);
        if log.is_relaxed() && !log.gates_writes() {
            self.ungated[core as usize] = lsn;
        }
        let record =
            Record { effects: effects.into_iter().map(|(key, db, _)| (key, db)).collect(), tx: mark.map(|m| m.tx_id) };
        self.life().records[core as usize].push(record);
        self.life().order.push((core, lsn));
    }

    fn begin_multi_core_write(&mut self) {
        let cores = self.logs.len();
        let participants: CoreSet = (0..2 + self.rng.below(2)).map(|_| self.rng.below(cores) as u16).collect();
        if participants.len() < 2 || self.pending_parts.len() > 20 {
            return;
        }
        let mark = Mark { tx_id: self.next_tx, participants };
        self.next_tx += 1;
        self.life().participants.insert(mark.tx_id, participants);
        self.pending_parts.extend(participants.iter().map(|core| (core, mark)));
    }

    fn log_pending_part(&mut self) {
        if !self.pending_parts.is_empty() {
            let index = self.rng.below(self.pending_parts.len());
            let (core, mark) = self.pending_parts[index];
            let rounds = self.logs[core as usize].rounds();
            if !self.spanning.contains_key(&mark.tx_id) {
                if !rounds.begin_spanning(0) {
                    if rounds.end_spanning(0) {
                        rounds.turn(self.now_ms);
                    }
                    // Others that have begun are logged first, which lets the round end.
                    let begun = self.pending_parts.iter().position(|(_, mark)| self.spanning.contains_key(&mark.tx_id));
                    let Some(begun) = begun else { return };
                    return self.log_part_at(begun);
                }
                self.spanning.insert(mark.tx_id, mark.participants.len());
            }
            self.log_part_at(index);
        }
    }

    fn log_part_at(&mut self, index: usize) {
        let (core, mark) = self.pending_parts.swap_remove(index);
        self.log(core, Some(mark));
        let missing = self.spanning.get_mut(&mark.tx_id).expect("it has begun");
        *missing -= 1;
        if *missing == 0 {
            self.spanning.remove(&mark.tx_id);
            let rounds = self.logs[0].rounds();
            if rounds.end_spanning(0) {
                rounds.turn(self.now_ms);
            }
        }
    }

    fn pump(&mut self, core: usize) {
        self.logs[core].seal(self.now_ms);
        while let Some(op) = self.logs[core].next_op() {
            match op {
                // Where replies do not wait for the disk the kernel gets a frame before anything else happens.
                LogOp::Write(write) if !write.dsync => {
                    self.carry_out(core, LogOp::Write(write));
                    self.logs[core].seal(self.now_ms);
                }
                op => self.ops[core].push_back(op),
            }
        }
        // The end of a pass: replies leave.
        if self.alive() {
            self.told[core] = self.ungated[core];
        }
    }

    /// Carries out one of the operations that wait, writes in any order.
    fn complete(&mut self, core: usize) {
        self.pump(core);
        if self.ops[core].is_empty() {
            return;
        }
        let index = self.rng.below(self.ops[core].len());
        let op = self.ops[core].remove(index).expect("the index is inside");
        self.carry_out(core, op);
    }

    fn carry_out(&mut self, core: usize, op: LogOp) {
        let log = &mut self.logs[core];
        let done = match op {
            LogOp::Write(write) => {
                let result = write.segment.file.write_at(&write.buf, write.offset, write.dsync);
                if self.fs.is_off() {
                    return;
                }
                if !write.dsync && !result.as_ref().is_ok_and(|&written| written == write.buf.len()) {
                    // The connections are closed instead.
                    self.ungated[core] = self.told[core];
                }
                log.on_complete(write.token, result, Some(write.buf))
            }
            LogOp::Fdatasync { segment, token } => {
                let result = segment.file.sync_data();
                if self.fs.is_off() {
                    return;
                }
                log.on_complete(token, result.map(|()| 0), None)
            }
            LogOp::NeedSegment { bytes, first_lsn_min } => {
                let keeper = self.keeper.as_mut().expect("a server runs");
                match keeper.prepare_segment(core as u16, bytes, first_lsn_min, self.now_ms) {
                    Ok(segment) => log.segment_ready(segment),
                    Err(error @ KeeperError::Io { .. }) => log.segment_failed(error.to_string()),
                    Err(error) => self.poison_if_unknown(&error),
                }
                return;
            }
            LogOp::Unused(segment) => {
                let _ = self.keeper.as_mut().expect("a server runs").remove_unused(&segment);
                return;
            }
            LogOp::Retired(..) => return,
        };
        for core in done.poisoned.iter() {
            let reason = self.logs.iter().find_map(|log| log.poisoned().cloned());
            self.logs[core as usize].poison(reason.expect("one core was poisoned first"));
        }
    }

    fn alive(&self) -> bool {
        !self.fs.is_off() && self.logs.iter().all(|log| log.poisoned().is_none())
    }

    /// Brings all cores to a common point with nothing under way; `false` if the server dies on the way.
    fn drain(&mut self) -> bool {
        while !self.pending_parts.is_empty() {
            self.log_pending_part();
        }
        let mut rounds = 0;
        while self.alive() && !self.logs.iter().all(CoreLog::is_drained) {
            rounds += 1;
            assert!(rounds < 100_000, "a drain ends: {:?}", self.logs);
            for core in 0..self.logs.len() {
                self.pump(core);
                self.logs[core].request_sync();
                self.logs[core].retry_segment();
                self.complete(core);
            }
        }
        self.alive()
    }

    fn enter(&mut self, segments: Vec<Segment>) {
        for segment in segments {
            let core = segment.header.core as usize;
            self.logs[core].enter_generation(segment);
            // Segments that were on their way belong to the old generation.
            self.ops[core].clear();
        }
    }

    fn end_round(&mut self) {
        if self.logs[0].is_relaxed() {
            self.logs[0].rounds().turn(self.now_ms);
        }
    }

    fn poison_if_unknown(&mut self, error: &KeeperError) {
        if matches!(error, KeeperError::Unknown { .. } | KeeperError::Poisoned(_)) {
            for log in &mut self.logs {
                let (core, durable_lsn) = (log.core(), log.durable_lsn());
                let (what, segment, error) = ("sync", String::new(), error.to_string());
                log.poison(Poisoned { core, what, segment, offset: 0, durable_lsn, error });
            }
        }
    }

    /// Everything logged so far as commands: plain ones in the place of an RDB file, or as a base of commands.
    fn encode_base(&self, rewrite: Rewrite) -> Vec<u8> {
        let mut base = Vec::new();
        let mut commands = 0;
        for life in &self.lives {
            for (core, records) in life.records.iter().enumerate() {
                let survived = life.survived.as_ref().map_or(records.len(), |survived| survived[core]);
                for (key, db) in records[..survived].iter().flat_map(|record| &record.effects) {
                    let db = db.to_string();
                    crate::resp::write_command(&mut base, [b"SELECT".as_slice(), db.as_bytes()].into_iter());
                    crate::resp::write_command(&mut base, words(key, b""));
                    commands += 1;
                }
            }
        }
        let Some(id) = rewrite.base_id() else { return base };
        let header = BaseHeader { id, seed: !id, cores: self.logs.len() as u16, time_ms: self.now_ms };
        base_of(&header, &[(0, commands, base)], 0)
    }

    fn step(&mut self) {
        self.now_ms += self.rng.next() % 3;
        let core = self.rng.below(self.logs.len());
        if self.closed {
            if self.rng.chance(20) {
                self.open();
            }
            return;
        }
        match self.rng.below(1012) {
            0..400 => self.log(core as u16, None),
            400..500 => self.begin_multi_core_write(),
            500..620 => self.log_pending_part(),
            620..940 => self.complete(core),
            940..950 => drop(self.logs[core].request_sync()),
            950..960 => self.end_round(),
            960..970 => self.logs[core].seal_idle(self.now_ms),
            970..982 => self.logs[core].see_round(),
            982..986 => self.turn_policy(),
            986..990 => self.logs[core].retry_segment(),
            990..994 => self.barrier(),
            994..998 if self.opening.is_none() => self.rewrite(),
            998..1004 if self.opening.is_none() => self.close(),
            994..1004 => self.open(),
            1004..1008 if self.opening.is_some() => self.close(),
            _ => {
                if self.drain() {
                    self.logs.iter_mut().for_each(|log| log.seal_clean_stop(self.now_ms));
                }
            }
        }
    }

    /// Works for `steps` steps or until the server dies.
    pub(crate) fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            if !self.alive() {
                return;
            }
            self.step();
        }
    }

    /// The server dies; what it acknowledged is noted, writes in flight may have begun.
    pub(crate) fn crash(&mut self, how: PowerCut) {
        let told = self.told.iter().map(|&told| if self.logs[0].is_relaxed() { told } else { 0 });
        self.acknowledged =
            self.logs.iter().map(CoreLog::durable_lsn).zip(told).map(|(lsn, told)| lsn.max(told)).collect();
        self.secured = self.logs.iter().map(CoreLog::secure_lsn).collect();
        self.relaxed = self.logs.iter().any(CoreLog::is_relaxed);
        if let Some(kept) = self.kept.take() {
            (self.acknowledged, self.secured, self.relaxed) = kept;
            // In the middle of the switch it may be the new log that is found, which was perhaps written in the other way.
            self.killed |= !self.closed;
        }
        (self.closed, self.opening) = (false, None);
        for op in self.ops.iter_mut().flat_map(|ops| ops.drain(..)) {
            if let LogOp::Write(write) = op
                && self.rng.chance(70)
            {
                let _ = write.segment.file.write_at(&write.buf, write.offset, false);
            }
        }
        self.logs.clear();
        self.keeper = None;
        self.pending_parts.clear();
        self.spanning.clear();
        self.rewrite = None;
        match how {
            // With the power off the process is not all that died.
            PowerCut::KeepAll if !self.fs.is_off() => {
                self.fs.kill();
                self.killed = true;
            }
            _ => {
                self.fs.power_cut(how);
                self.after_power_cut();
            }
        }
    }

    /// The machine starts anew, and what nobody synced may be gone.
    fn after_power_cut(&mut self) {
        self.boot += 1;
        self.relaxed_cut = self.relaxed;
    }
}

fn words<'w>(key: &'w str, value: &'w [u8]) -> impl ExactSizeIterator<Item = &'w [u8]> {
    [b"SET".as_slice(), key.as_bytes(), value].into_iter()
}
