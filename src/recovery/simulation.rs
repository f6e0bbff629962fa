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
use crate::resp::Args;
use crate::storage::{Fault, Fs, Open, PowerCut, SimFs, write_all_at};

/// The test's own generator.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x1357_9bdf)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

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
            let bytes = effects.iter().map(|(key, _, value)| encoded_bytes(words(key, value))).sum();
            match log.admit(bytes) {
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

    fn barrier(&mut self) {
        if !self.drain() {
            return;
        }
        let ends: Vec<_> = self.logs.iter().map(CoreLog::end).collect();
        let name = format!("b{}-{}", self.lives.len(), self.life().barriers.len());
        let effect = vec![b"SWAPDB".as_slice(), name.as_bytes()];
        let lsns = ends.iter().map(|end| end.last_lsn as usize).collect();
        self.life().barriers.push((name.clone(), lsns));
        let discards = self.rng.chance(30);
        let keeper = self.keeper.as_mut().expect("a server runs");
        match keeper.barrier(&[(3, effect)], discards, &ends, self.now_ms) {
            Ok(segments) => self.enter(segments),
            Err(error) => self.poison_if_unknown(&error),
        }
        if discards {
            self.rewrite = None;
        }
    }

    fn rewrite(&mut self) {
        if let Some((rewrite, base)) = self.rewrite.take() {
            let keeper = self.keeper.as_mut().expect("a server runs");
            let path = self.dir.file(&keeper.rewrite_base_name(rewrite));
            let write = || {
                let file = self.dir.fs.open(&path, Open::Create)?;
                write_all_at(&*file, &base, 0)?;
                file.sync_all()
            };
            match write() {
                // Aborted by a flush, or failed: the log goes on as it is.
                Ok(()) => drop(keeper.rewrite_end(rewrite)),
                Err(_) => keeper.rewrite_abort(rewrite),
            }
            return;
        }
        if !self.drain() {
            return;
        }
        let ends: Vec<_> = self.logs.iter().map(CoreLog::end).collect();
        let keeper = self.keeper.as_mut().expect("a server runs");
        match keeper.rewrite_begin(&ends, self.now_ms) {
            Ok((rewrite, segments)) => {
                self.enter(segments);
                self.rewrite = Some((rewrite, self.encode_base()));
            }
            Err(error) => self.poison_if_unknown(&error),
        }
    }

    /// `appendonly no`.
    fn close(&mut self) {
        if !self.drain() {
            return;
        }
        let ends: Vec<_> = self.logs.iter().map(CoreLog::end).collect();
        let of_logs = |place: fn(&CoreLog) -> Lsn| self.logs.iter().map(place).collect();
        let (mut acknowledged, mut secured) = (of_logs(CoreLog::durable_lsn), of_logs(CoreLog::secure_lsn));
        if self.keeper.as_mut().expect("a server runs").close(Some(&ends)).is_ok() {
            (acknowledged, secured) = (of_logs(CoreLog::last_lsn), of_logs(CoreLog::last_lsn));
        }
        // If it failed the log is closed all the same, and its end is found as after a crash.
        let relaxed = self.logs.iter().any(CoreLog::is_relaxed);
        self.kept.get_or_insert((acknowledged, secured, relaxed));
        self.ops.iter_mut().for_each(VecDeque::clear);
        (self.closed, self.opening, self.rewrite) = (true, None, None);
    }

    /// `appendonly yes`: begins it, or ends it.
    fn open(&mut self) {
        let keeper = self.keeper.as_mut().expect("a server runs");
        let Some((rewrite, base)) = self.opening.take() else {
            let relaxed = self.rng.chance(50);
            if let Ok((rewrite, segments)) = keeper.open_begin(relaxed, true, self.now_ms) {
                self.enter(segments);
                self.opening = Some((rewrite, self.encode_base()));
                self.closed = false;
            }
            return;
        };
        let path = self.dir.file(&keeper.rewrite_base_name(rewrite));
        let write = || {
            let file = self.dir.fs.open(&path, Open::Create)?;
            write_all_at(&*file, &base, 0)?;
            file.sync_all()
        };
        match write().map_err(drop).and_then(|()| keeper.open_end(rewrite, self.now_ms).map_err(drop)) {
            Ok(()) => self.kept = None,
            Err(()) => self.close(),
        }
    }

    /// Another setting of `appendfsync`.
    fn turn_policy(&mut self) {
        if !self.drain() {
            return;
        }
        let relaxed = !self.logs[0].is_relaxed();
        let ends: Vec<_> = self.logs.iter().map(CoreLog::end).collect();
        let keeper = self.keeper.as_mut().expect("a server runs");
        match keeper.turn(relaxed, &ends, self.now_ms) {
            Ok(segments) => self.enter(segments),
            Err(error) => self.poison_if_unknown(&error),
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

    /// Everything logged so far as plain commands: a stand-in for an RDB file.
    fn encode_base(&self) -> Vec<u8> {
        let mut base = Vec::new();
        for life in &self.lives {
            for (core, records) in life.records.iter().enumerate() {
                let survived = life.survived.as_ref().map_or(records.len(), |survived| survived[core]);
                for (key, db) in records[..survived].iter().flat_map(|record| &record.effects) {
                    let db = db.to_string();
                    crate::resp::write_command(&mut base, [b"SELECT".as_slice(), db.as_bytes()].into_iter());
                    crate::resp::write_command(&mut base, words(key, b""));
                }
            }
        }
        base
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
        self.acknowledged = self.logs.iter().map(CoreLog::durable_lsn).collect();
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

/// What a replay gave.
#[derive(Default)]
pub(crate) struct Recovered {
    effects: BTreeMap<(usize, usize), Vec<(String, u16)>>,
    /// For each barrier, how many effects of each life and core came before it.
    barriers: HashMap<String, BTreeMap<(usize, usize), usize>>,
}

impl Recovered {
    /// How many records of `core` are there; fails unless they are a prefix of what it logged.
    fn cut(&self, number: usize, core: usize, life: &Life) -> usize {
        let found = self.effects.get(&(number, core)).map_or(&[][..], |found| found);
        let mut found = found.iter();
        let mut cut = 0;
        for (index, record) in life.records[core].iter().enumerate().filter(|(_, record)| !record.effects.is_empty()) {
            if found.len() == 0 {
                break;
            }
            for effect in &record.effects {
                assert_eq!(found.next(), Some(effect), "life {number} core {core} record {}", index + 1);
            }
            cut = index + 1;
        }
        assert_eq!(found.next(), None, "life {number} core {core}: more than was logged");
        // A record without effect leaves no trace in what is replayed.
        cut + life.records[core][cut..].iter().take_while(|record| record.effects.is_empty()).count()
    }
}

impl ReplaySink for Recovered {
    fn base_rdb(&mut self, _path: &Path) -> Result<u64, String> {
        Err("the simulation has none".to_string())
    }

    fn command(&mut self, core: Option<u16>, db: u16, args: Args<'_>) -> Result<(), String> {
        let key = String::from_utf8_lossy(args.at(1)).into_owned();
        if args.is(0, "SWAPDB") {
            assert_eq!(db, 3);
            let positions = self.effects.iter().map(|(place, effects)| (*place, effects.len())).collect();
            self.barriers.insert(key, positions);
            return Ok(());
        }
        let mut numbers = key.split(':').map(|number| number.parse::<usize>().expect("keys are made here"));
        let place = (numbers.next().unwrap(), numbers.next().unwrap());
        assert!(core.is_none_or(|core| core as usize == place.1));
        self.effects.entry(place).or_default().push((key, db));
        Ok(())
    }
}

/// For every N, the Nth operation fails in a way of its own; then power goes off.
fn fail_every_nth(seed: u64, fault: Fault) {
    for nth in 1.. {
        let mut world = World::new(seed);
        world.start(1 + seed as u16 % 3, false);
        world.fs.fail_nth(nth, fault);
        world.run(150);
        let reached = !world.fs.clear_fault();
        let how = if nth % 2 == 0 { PowerCut::Random } else { PowerCut::LoseAll };
        world.crash(how);
        world.start(2, false);
        if !reached {
            assert!(nth > 20, "there is something to fail");
            return;
        }
    }
}

#[test]
fn r4_every_nth_operation_may_fail() {
    for seed in 0..4 {
        for fault in [Fault::Eio, Fault::Enospc, Fault::Short] {
            if std::panic::catch_unwind(|| fail_every_nth(seed, fault)).is_err() {
                panic!("seed {seed}, {fault:?} fails");
            }
        }
    }
}

#[test]
fn r4_every_nth_operation_of_recovery_may_fail() {
    for seed in 0..4 {
        for nth in 1.. {
            let mut world = World::new(seed);
            world.start(2, false);
            world.run(100);
            world.crash(PowerCut::Random);
            let fault = [Fault::Eio, Fault::Enospc, Fault::Short][nth as usize % 3];
            world.fs.fail_nth(nth, fault);
            let result = world.recover(2, false);
            let reached = !world.fs.clear_fault();
            // A failed unlink of a leftover or the like is no reason to refuse.
            drop(result);
            world.fs.power_cut(PowerCut::Random);
            world.after_power_cut();
            world.start(2, false);
            if !reached {
                break;
            }
        }
    }
}

/// Power goes off at every step of `work`, which begins on a log that has something in it.
fn cut_every_step(seed: u64, work: fn(&mut World)) {
    for nth in 1.. {
        let mut world = World::new(seed);
        world.start(1 + seed as u16 % 3, false);
        world.run(80);
        if !world.alive() || world.closed || world.opening.is_some() || world.rewrite.is_some() {
            return;
        }
        world.fs.fail_nth(nth, Fault::PowerOff);
        work(&mut world);
        let reached = world.fs.is_off();
        world.fs.clear_fault();
        world.crash([PowerCut::Random, PowerCut::LoseAll, PowerCut::KeepAll][nth as usize % 3]);
        world.start(2, false);
        if !reached {
            assert!(nth > 5, "there is something to cut short");
            return;
        }
    }
}

/// Logs something on every core, with the disk keeping up.
fn log_more(world: &mut World) {
    for core in 0..world.logs.len() {
        for _ in 0..3 {
            if world.alive() {
                world.log(core as u16, None);
                world.complete(core);
            }
        }
    }
}

#[test]
fn s1_power_goes_off_at_every_step_of_a_rewrite() {
    for seed in 0..12 {
        cut_every_step(seed, |world| {
            world.rewrite();
            log_more(world);
            if world.alive() {
                world.rewrite();
            }
        });
    }
}

#[test]
fn s6_power_goes_off_at_every_step_of_closing_and_opening_the_log() {
    for seed in 0..12 {
        cut_every_step(seed, |world| {
            world.close();
            for _ in 0..2 {
                if world.alive() && (world.closed || world.opening.is_some()) {
                    world.open();
                    log_more(world);
                }
            }
            log_more(world);
        });
    }
}

#[test]
fn x6_power_goes_off_at_every_step_of_a_barrier_and_of_another_policy() {
    for seed in 0..12 {
        cut_every_step(seed, |world| {
            world.barrier();
            log_more(world);
            if world.alive() {
                world.turn_policy();
            }
            log_more(world);
        });
    }
}

/// Content of every file in a directory.
fn files_of(dir: &Directory) -> Vec<(String, Vec<u8>)> {
    let names = dir.fs.list(&dir.path()).unwrap();
    let read = |name: &String| crate::storage::read_file(&*dir.fs, &dir.file(name), u64::MAX).unwrap();
    names.iter().map(|name| (name.clone(), read(name))).collect()
}

/// Whatever happens to the log afterwards, power cuts and repairs included.
#[test]
fn s7_a_backup_by_hard_link_holds_one_instant_and_never_changes() {
    for seed in 0..60 {
        let mut world = World::new(seed);
        world.start(1 + seed as u16 % 3, false);
        world.run(120);
        if world.closed || world.opening.is_some() || !world.drain() {
            continue;
        }
        let ends: Vec<_> = world.logs.iter().map(CoreLog::end).collect();
        let (segments, files) =
            world.keeper.as_mut().unwrap().seal_backup("backup", &ends, world.now_ms).expect("the disk is sound");
        world.enter(segments);
        let set = Directory { dirname: "backup".into(), ..world.dir.clone() };
        let before = files_of(&set);
        assert_eq!(files.unwrap().len(), before.len());
        let ends_again: Vec<_> = world.logs.iter().map(CoreLog::end).collect();
        let again = world.keeper.as_mut().unwrap().seal_backup("backup", &ends_again, world.now_ms);
        let (segments, files) = again.expect("the log goes on");
        world.enter(segments);
        assert!(files.is_err(), "a directory that holds something is left alone");
        for round in 0..3 {
            world.run(80);
            world.crash([PowerCut::Random, PowerCut::LoseAll, PowerCut::KeepAll][round]);
            world.start(2, false);
        }
        assert!(files_of(&set) == before, "seed {seed}: the backup has changed");
        let options = Options { lock_held: true, ..Options::default() };
        let mut state = Recovered::default();
        super::plan(&set, &options).unwrap().replay(&mut state).unwrap();
        for (core, end) in ends.iter().enumerate() {
            let records = &world.lives[0].records[core][..end.last_lsn as usize];
            let effects: usize = records.iter().map(|record| record.effects.len()).sum();
            assert_eq!(state.effects.get(&(0, core)).map_or(0, Vec::len), effects, "seed {seed} core {core}");
        }
    }
}

/// A first start with an RDB file may end at any step, and the next one does not refuse.
#[test]
fn s4_power_goes_off_at_every_step_of_beginning_with_an_rdb_file() {
    for nth in 1.. {
        let mut world = World::new(nth);
        let rdb = PathBuf::from("/dump.rdb");
        let mut content = Vec::new();
        crate::resp::write_command(&mut content, words("0:0:1:0", b""));
        let file = world.fs.open(&rdb, Open::Create).unwrap();
        write_all_at(&*file, &content, 0).unwrap();
        file.sync_all().unwrap();
        world.fs.sync_dir(Path::new("/")).unwrap();
        let begin = |world: &mut World| {
            let mut plan = plan(&world.dir, &Options::default())?;
            if plan.fresh {
                plan.begin_with(&rdb)?;
            }
            let (id, entropy, segment_bytes) = (world.rng.next(), world.rng.next(), SEGMENT_BYTES_MIN);
            plan.repair(Incarnation { id, cores: 2, segment_bytes, entropy, relaxed: false, boot: 0 }, world.now_ms)
        };
        world.fs.fail_nth(nth, Fault::PowerOff);
        let begun = begin(&mut world).is_ok();
        let reached = world.fs.is_off();
        world.fs.clear_fault();
        for how in [PowerCut::Random, PowerCut::LoseAll] {
            world.fs.power_cut(how);
            drop(begin(&mut world).unwrap());
        }
        let found = plan(&world.dir, &Options::default()).unwrap();
        let mut state = Recovered::default();
        found.replay(&mut state).unwrap();
        assert!(state.effects.contains_key(&(0, 0)) && found.opening.is_none(), "operation {nth}");
        if !reached {
            assert!(begun && nth > 20);
            return;
        }
    }
}

/// A log that was found and not loaded is replaced by one that is opened: at any moment a start finds one of them whole.
#[test]
fn s6_a_log_that_was_found_is_there_until_the_new_one_is_and_then_as_history() {
    for nth in 1.. {
        let mut world = World::new(nth);
        world.start(2, false);
        log_more(&mut world);
        assert!(world.drain());
        world.crash(PowerCut::KeepAll);
        let options = Options { boot: world.boot, ..Options::default() };
        let plan = plan(&world.dir, &options).unwrap();
        let incarnation =
            Incarnation { id: 7, cores: 2, segment_bytes: SEGMENT_BYTES_MIN, entropy: 9, relaxed: false, boot: 1 };
        let fs = world.fs.clone();
        fs.fail_nth(nth, Fault::PowerOff);
        let open = || -> Option<()> {
            let mut keeper = plan.stand_by(incarnation).ok()?;
            keeper.set_retention(Retention { since_ms: 0, bytes_max: 0 });
            let (rewrite, segments) = keeper.open_begin(false, true, world.now_ms).ok()?;
            let file = fs.open(&world.dir.file(&keeper.rewrite_base_name(rewrite)), Open::Create).ok()?;
            let mut base = Vec::new();
            crate::resp::write_command(&mut base, words("1:0:1:0", b""));
            write_all_at(&*file, &base, 0).ok()?;
            file.sync_all().ok()?;
            assert_eq!(segments.len(), 2);
            keeper.open_end(rewrite, world.now_ms).ok()
        };
        let opened = open().is_some();
        let reached = fs.is_off();
        fs.clear_fault();
        fs.power_cut([PowerCut::Random, PowerCut::LoseAll][nth as usize % 2]);
        let plan = super::plan(&world.dir, &options).unwrap();
        let mut state = Recovered::default();
        plan.replay(&mut state).unwrap();
        let (old, new) = (state.effects.contains_key(&(0, 0)), state.effects.contains_key(&(1, 0)));
        assert!(old != new && (new || !opened), "operation {nth}: old {old}, new {new}");
        if opened {
            let sets = fs.list(&world.dir.data_dir.join("appendonlydir.history")).unwrap_or_default();
            // The simulated disk lists files, and a set is a directory.
            assert!(sets.is_empty());
            let set = Directory {
                data_dir: world.dir.data_dir.join("appendonlydir.history"),
                dirname: format!("{:013}-1", world.now_ms),
                ..world.dir.clone()
            };
            let kept = super::plan(&set, &Options { lock_held: true, ..options }).unwrap();
            let mut state = Recovered::default();
            kept.replay(&mut state).unwrap();
            assert!(state.effects.contains_key(&(0, 0)), "what was replaced can be brought back");
        }
        if !reached {
            assert!(opened && nth > 20);
            return;
        }
    }
}

fn run_seed(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..2 + seed % 3 {
        let cores = 1 + world.rng.below(4) as u16;
        world.start(cores, true);
        let steps = 20 + world.rng.below(250);
        if world.rng.chance(50) {
            world.fs.fail_nth(1 + world.rng.next() % 120, Fault::PowerOff);
        }
        world.run(steps);
        let how = [PowerCut::Random, PowerCut::Random, PowerCut::LoseAll, PowerCut::KeepAll][world.rng.below(4)];
        world.crash(how);
    }
    world.start(1, false);
}

#[test]
fn r2_no_power_cut_loses_what_was_acknowledged() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("SEED") {
        return run_seed(seed);
    }
    for seed in 0..number("SEEDS").unwrap_or(1000) {
        if std::panic::catch_unwind(|| run_seed(seed)).is_err() {
            panic!("SEED={seed} fails");
        }
    }
}
