//! Rot, truncation and meddling: a small directory, changed in every place, is refused or serves exactly what it held (R3).

use std::path::PathBuf;
use std::sync::Arc;

use super::simulation::{Rng, directory};
use super::{Finding, Options, RecoveryError, ReplaySink, Row, plan};
use crate::check;
use crate::config::Settings;
use crate::log::*;
use crate::resp::Args;
use crate::storage::{Fs, PowerCut, SimFs, read_file};

/// Everything that is replayed, as text.
#[derive(Default)]
struct Text(Vec<String>);

impl ReplaySink for Text {
    fn base_rdb(&mut self, _path: &std::path::Path) -> Result<u64, String> {
        Ok(9)
    }

    fn command(&mut self, core: Option<u16>, db: u16, args: Args<'_>) -> Result<(), String> {
        let words: Vec<_> = args.iter().map(String::from_utf8_lossy).collect();
        self.0.push(format!("{core:?} {db} {}", words.join(" ")));
        Ok(())
    }
}

pub(crate) fn read(fs: &SimFs) -> Result<(Vec<String>, Vec<Finding>), RecoveryError> {
    let plan = plan(&directory(fs), &Options::default())?;
    let mut text = Text::default();
    plan.replay(&mut text)?;
    Ok((text.0, plan.findings))
}

/// What a start says of a disk; basalt-check must say the same.
fn read_and_compare(fs: &SimFs, settings: &Settings) -> Result<(Vec<String>, Vec<Finding>), RecoveryError> {
    let checked = check::verdict(&directory(fs), settings);
    let found = read(fs);
    match (&checked, &found) {
        (Ok(()), Ok(_)) => {}
        (Err(checked), Err(refused)) => assert_eq!(checked.to_string(), refused.to_string()),
        _ => panic!("basalt-check says {checked:?}, a start {found:?}"),
    }
    found
}

/// Whether `part` is `whole` with some lines left out.
fn is_part_of(part: &[String], whole: &[String]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|line| rest.any(|other| other == line))
}

/// A repair of a damaged disk gives a log that starts, with nothing in it that was not there.
fn repair(fs: &SimFs, error: &RecoveryError, settings: &Settings, whole: &[String], place: &str) -> usize {
    let target = match check::repaired(&directory(fs), error, settings) {
        Ok(target) => target,
        Err(error) => panic!("{place}: no repair: {error}"),
    };
    let options = Options { lock_held: true, ..Options::default() };
    let plan = plan(&target, &options).unwrap_or_else(|error| panic!("{place}: {error}"));
    assert!(plan.is_settled(), "{place}");
    let mut text = Text::default();
    plan.replay(&mut text).unwrap();
    assert!(is_part_of(&text.0, whole), "{place}: {:?}", text.0);
    // Both parts of a multi-core write, or none.
    for id in ["1 SET a 1", "2 SET b 2"] {
        let parts = text.0.iter().filter(|line| line.ends_with(id)).count();
        assert!(parts.is_multiple_of(2), "{place}: {:?}", text.0);
    }
    text.0.len()
}

fn start(fs: &SimFs, cores: u16, id: u64) -> (Keeper, Vec<CoreLog>) {
    let plan = plan(&directory(fs), &Options::default()).unwrap();
    let incarnation = Incarnation { id, cores, segment_bytes: SEGMENT_BYTES_MIN, entropy: id, relaxed: false, boot: 0 };
    let (keeper, segments) = plan.repair(incarnation, 1_000).unwrap();
    let cut = Arc::new(DurableCut::new(cores));
    let config =
        |core| LogConfig { core, policy: SyncPolicy::Always, segment_bytes: SEGMENT_BYTES_MIN, in_flight_max: 1 };
    let logs = segments.into_iter().map(|s| CoreLog::new(config(s.header.core), s, cut.clone())).collect();
    (keeper, logs)
}

/// Does everything that a log asks for.
fn settle(keeper: &mut Keeper, log: &mut CoreLog) {
    log.seal(2_000);
    while let Some(op) = log.next_op() {
        let completion = match op {
            LogOp::Write(write) => {
                let result = write.segment.file.write_at(&write.buf, write.offset, write.dsync);
                log.on_complete(write.token, result, Some(write.buf))
            }
            LogOp::Fdatasync { segment, token } => log.on_complete(token, segment.file.sync_data().map(|()| 0), None),
            LogOp::NeedSegment { bytes, first_lsn_min } => {
                match keeper.prepare_segment(log.core(), bytes, first_lsn_min, 2_000) {
                    Ok(segment) => log.segment_ready(segment),
                    Err(error) => log.segment_failed(error.to_string()),
                }
                Completion::default()
            }
            LogOp::Unused(_) | LogOp::Retired(..) => Completion::default(),
        };
        assert!(completion.poisoned.is_empty());
        log.seal(2_000);
    }
}

fn set<'w>(key: &'w str, value: &'w [u8]) -> impl ExactSizeIterator<Item = &'w [u8]> {
    [b"SET".as_slice(), key.as_bytes(), value].into_iter()
}

/// Two cores, two incarnations, a barrier, marks, transactions, a rotation; cleanly stopped.
fn sample() -> SimFs {
    let fs = SimFs::new(7);
    for id in [11, 22] {
        let (mut keeper, mut logs) = start(&fs, 2, id);
        let mark = Mark { tx_id: 5, participants: [0u16, 1].into_iter().collect() };
        for log in &mut logs {
            let mut transaction = log.transaction();
            transaction.effect(1, set("a", b"1"));
            transaction.effect(2, set("b", b"2"));
            transaction.finish(Some(mark)).unwrap();
            settle(&mut keeper, log);
            log.append(3, set("c", b"3"));
            settle(&mut keeper, log);
        }
        logs[1].append_mark(Mark { tx_id: 6, participants: CoreSet::one(1) });
        settle(&mut keeper, &mut logs[1]);
        let ends: Vec<_> = logs.iter().map(CoreLog::end).collect();
        let segments =
            keeper.barrier(&[(0, vec![b"FLUSHALL"]), (1, vec![b"SET", b"z", b"9"])], false, &ends, 3).unwrap();
        for segment in segments {
            logs[segment.header.core as usize].enter_generation(segment);
        }
        for log in &mut logs {
            log.append(1, set("d", b"4"));
            settle(&mut keeper, log);
            if id == 22 && log.core() == 0 {
                log.append(1, set("filler", &vec![b'x'; 62_000]));
                settle(&mut keeper, log);
                log.append(1, set("after", b"turn"));
                settle(&mut keeper, log);
            }
            log.seal_clean_stop(4_000);
            settle(&mut keeper, log);
        }
        drop((keeper, logs));
        fs.power_cut(PowerCut::LoseAll);
    }
    fs
}

fn files(fs: &SimFs) -> Vec<(PathBuf, Vec<u8>)> {
    let dir = directory(fs);
    let names = fs.list(&dir.path()).unwrap();
    let paths = names.iter().map(|name| dir.file(name));
    paths.map(|path| (path.clone(), read_file(fs, &path, 1 << 30).unwrap())).collect()
}

fn is_filler(line: &[u8]) -> bool {
    line.starts_with(b"#BL1 ")
}

#[test]
fn r3_a_flipped_bit_is_found_wherever_it_is() {
    let fs = sample();
    let (text, findings) = read(&fs).unwrap();
    assert!(findings.is_empty(), "{findings:?}");
    assert!(text.len() > 10 && text.contains(&"Some(0) 1 SET after turn".to_string()));
    let mut rng = Rng::new(std::env::var("SEED").map_or(1, |seed| seed.parse().unwrap()));
    let every_byte = std::env::var("EVERY_BYTE").is_ok();
    let settings = Settings::default();
    let (mut repairs, mut kept_most) = (0, 0);
    for (path, bytes) in files(&fs) {
        for (index, line) in bytes.chunks(512).enumerate() {
            let filler = is_filler(line);
            let large = line.starts_with(b"xxxxxxxx");
            for at in 0..line.len() {
                // The value of 62 kB and the filler are sampled; the rest is flipped byte by byte with EVERY_BYTE=1, else about every twelfth.
                if (filler || large) && rng.below(3000) != 0 || !every_byte && rng.below(12) != 0 {
                    continue;
                }
                let rotten = fs.snapshot();
                let bit = rng.below(8);
                rotten.edit(&path, |bytes| bytes[index * 512 + at] ^= 1 << bit);
                let place = format!("{} line {index} byte {at} bit {bit}", path.display());
                match read_and_compare(&rotten, &settings) {
                    Err(error) => {
                        assert!(!filler, "{place}: rotten filler is repaired");
                        if rng.below(8) == 0 {
                            kept_most = kept_most.max(repair(&rotten, &error, &settings, &text, &place));
                            repairs += 1;
                        }
                    }
                    Ok((found, findings)) => {
                        assert!(filler, "{place} is not found");
                        assert_eq!(found, text, "{place}");
                        assert!(
                            matches!(findings[..], [Finding::DamagedFiller { bytes: 512, .. }]),
                            "{place}: {findings:?}"
                        );
                    }
                }
            }
        }
    }
    assert!(repairs > 20 && kept_most == text.len(), "{repairs} repairs, {kept_most} of {} kept", text.len());
}

#[test]
fn r3_a_truncated_file_is_found() {
    let fs = sample();
    let (settings, text) = (Settings::default(), read(&fs).unwrap().0);
    let mut rng = Rng::new(3);
    for (path, bytes) in files(&fs) {
        let ends = (0..bytes.len()).step_by(512).filter(|end| end % 8192 == 0 || !is_filler(&bytes[*end..]));
        let lens: Vec<_> = ends.chain((0..20).map(|_| rng.below(bytes.len()))).chain([bytes.len() - 1]).collect();
        for len in lens {
            let cut = fs.snapshot();
            cut.edit(&path, |bytes| bytes.truncate(len));
            let place = format!("{} cut to {len} bytes", path.display());
            let error = read_and_compare(&cut, &settings).expect_err(&place);
            if rng.below(10) == 0 {
                repair(&cut, &error, &settings, &text, &place);
            }
        }
    }
}

#[test]
fn s2_a_missing_foreign_or_unnamed_file_is_found() {
    let fs = sample();
    let dir = directory(&fs);
    let all = files(&fs);
    for (path, _) in &all {
        let without = fs.snapshot();
        without.unlink(path).unwrap();
        assert!(read(&without).is_err(), "without {}", path.display());
    }
    let segments: Vec<_> = all.iter().filter(|(path, _)| path.extension().is_some_and(|e| e == "aof")).collect();
    for (one, other) in segments.iter().zip(segments.iter().skip(1)) {
        let swapped = fs.snapshot();
        swapped.edit(&one.0, |bytes| *bytes = other.1.clone());
        assert!(matches!(read(&swapped), Err(RecoveryError::Disagrees { .. })), "{}", one.0.display());
    }
    // An older manifest, right in itself: what came later is not named.
    let manifest = Manifest::decode(&read_file(&fs, &dir.manifest(), 1 << 20).unwrap()).unwrap();
    let text = read(&fs).unwrap().0;
    let mut unnamed = 0;
    for len in 0..manifest.entries.len() {
        let stale = fs.snapshot();
        let mut older = manifest.clone();
        older.entries.truncate(len);
        stale.edit(&dir.manifest(), |bytes| *bytes = older.encode());
        match read(&stale) {
            // Segments that were prepared and never used.
            Ok((found, _)) => assert!(found == text, "{len} of {} entries", manifest.entries.len()),
            Err(error) => unnamed += matches!(error, RecoveryError::Unnamed(_)) as usize,
        }
    }
    assert!(unnamed > 5);
    // The manifest as Redis would write it anew, without our additions.
    let redis = fs.snapshot();
    redis.edit(&dir.manifest(), |bytes| {
        let mut text = String::new();
        for entry in &manifest.entries {
            text.push_str(&format!("file {} seq {} type i\n", entry.name, entry.seq));
        }
        *bytes = text.into_bytes();
    });
    assert_eq!(read(&redis).unwrap().0, read(&fs).unwrap().0);
}

#[test]
fn w3_commands_that_another_server_appended_come_after_all_cores() {
    let fs = sample();
    let dir = directory(&fs);
    let manifest = Manifest::decode(&read_file(&fs, &dir.manifest(), 1 << 20).unwrap()).unwrap();
    let last = dir.file(&manifest.incrs().last().unwrap().name);
    let text = read(&fs).unwrap().0;
    fs.edit(&last, |bytes| {
        bytes.extend_from_slice(b"*2\r\n$6\r\nSELECT\r\n$1\r\n7\r\n*2\r\n$3\r\nDEL\r\n$1\r\nd\r\n*1\r\n$4\r\nMU")
    });
    let (found, findings) = read(&fs).unwrap();
    assert_eq!(found[..text.len()], text[..]);
    assert_eq!(found[text.len()..], ["None 7 DEL d".to_string()]);
    assert!(matches!(findings[..], [Finding::Appended { .. }, Finding::PlainCut { bytes: 10, .. }]), "{findings:?}");
    // And stay in their place over the next start.
    drop(start(&fs, 1, 33));
    fs.power_cut(PowerCut::LoseAll);
    assert_eq!(read(&fs).unwrap().0, found);
}

#[test]
fn a_log_of_redis_with_an_unfinished_transaction_is_cut_before_it() {
    let fs = SimFs::new(1);
    let dir = directory(&fs);
    fs.create_dir(&dir.path()).unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let file = fs.open(&dir.file(name), crate::storage::Open::Create).unwrap();
        file.write_at(bytes, 0, false).unwrap();
    };
    put("appendonly.aof.1.base.rdb", b"REDIS0011");
    put(
        "appendonly.aof.1.incr.aof",
        b"#TS:1700000000\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nPING\r\n",
    );
    put(
        "appendonly.aof.manifest",
        b"file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n",
    );
    let (found, findings) = read(&fs).unwrap();
    assert_eq!(found, ["None 0 SET a 1".to_string()]);
    assert!(matches!(findings[..], [Finding::PlainCut { offset: 43, .. }]), "{findings:?}");
    let strict = Options { load_truncated: false, ..Options::default() };
    fs.power_cut(PowerCut::KeepAll);
    assert!(matches!(plan(&dir, &strict), Err(RecoveryError::Plain { .. })));
    fs.power_cut(PowerCut::KeepAll);
    drop(start(&fs, 2, 1));
    fs.power_cut(PowerCut::LoseAll);
    assert_eq!(read(&fs).unwrap().1, []);
}

#[test]
fn a_single_file_log_moves_into_its_directory_whenever_power_goes_off() {
    for nth in 1.. {
        let fs = SimFs::new(nth);
        let dir = directory(&fs);
        let old = dir.data_dir.join(&dir.filename);
        let file = fs.open(&old, crate::storage::Open::Create).unwrap();
        file.write_at(b"*2\r\n$3\r\nDEL\r\n$1\r\na\r\n", 0, false).unwrap();
        file.sync_all().unwrap();
        fs.sync_dir(&dir.data_dir).unwrap();
        drop(file);
        fs.fail_nth(nth, crate::storage::Fault::PowerOff);
        let result = plan(&dir, &Options::default()).and_then(|plan| {
            plan.repair(
                Incarnation { id: 1, cores: 1, segment_bytes: SEGMENT_BYTES_MIN, entropy: 1, relaxed: false, boot: 0 },
                5,
            )
        });
        let reached = !fs.clear_fault();
        drop(result);
        fs.power_cut(PowerCut::Random);
        assert_eq!(read(&fs).unwrap().0, ["None 0 DEL a".to_string()], "operation {nth}");
        if !reached {
            assert!(!fs.exists(&old).unwrap());
            return;
        }
    }
}

#[test]
fn x2_a_missing_part_below_what_was_acknowledged_is_corruption() {
    let fs = SimFs::new(1);
    let (mut keeper, mut logs) = start(&fs, 2, 5);
    let mark = Mark { tx_id: 1, participants: [0u16, 1].into_iter().collect() };
    for log in &mut logs {
        log.append_marked(0, set("k", b"v"), mark);
        settle(&mut keeper, log);
    }
    assert_eq!(logs[0].durable_lsn(), 1);
    logs[0].seal_idle(9);
    settle(&mut keeper, &mut logs[0]);
    let lost = logs[1].segment().clone();
    drop((keeper, logs));
    fs.power_cut(PowerCut::LoseAll);
    // Core 1's only frame vanishes without a trace, as a device does that lies about its cache.
    let (header, start) = (lost.header, lost.header.data_start() as usize);
    fs.edit(&directory(&fs).file(&lost.name), |bytes| header.fill(&mut bytes[start..start + 512], start as u64));
    assert!(matches!(read(&fs), Err(RecoveryError::PartMissing { core: 0, durable_lsn: 1, cut: 0 })));
}

#[test]
fn w5_rot_in_the_last_frame_is_told_from_a_torn_one() {
    let fs = SimFs::new(1);
    let (mut keeper, mut logs) = start(&fs, 1, 5);
    logs[0].append(0, set("first", b"v"));
    settle(&mut keeper, &mut logs[0]);
    logs[0].append(0, set("second", &[b'v'; 2000]));
    settle(&mut keeper, &mut logs[0]);
    let segment = logs[0].segment().clone();
    drop((keeper, logs));
    fs.power_cut(PowerCut::LoseAll);
    let (path, header) = (directory(&fs).file(&segment.name), segment.header);
    let frame = header.data_start() as usize + 512;
    let torn = fs.snapshot();
    torn.edit(&path, |bytes| header.fill(&mut bytes[frame + 1024..frame + 1536], frame as u64 + 1024));
    let (text, findings) = read(&torn).unwrap();
    assert_eq!(text.len(), 1);
    assert!(matches!(findings[..], [Finding::TornTail { row: Row::FrameTorn, first_lsn: 2, .. }]), "{findings:?}");
    let hole = fs.snapshot();
    hole.edit(&path, |bytes| header.fill(&mut bytes[frame..frame + 512], frame as u64));
    assert!(matches!(read(&hole).unwrap().1[..], [Finding::TornTail { row: Row::HoleTorn, .. }]));
    fs.edit(&path, |bytes| bytes[frame + 1024] ^= 1);
    match read(&fs) {
        Err(RecoveryError::Corrupt(corruption)) => assert_eq!(corruption.row, Row::FrameRotten),
        other => panic!("{other:?}"),
    }
}

#[test]
fn v1_what_lies_beyond_the_cut_is_overwritten_and_the_manifest_says_where_the_log_ends() {
    let fs = SimFs::new(3);
    let (mut keeper, mut logs) = start(&fs, 1, 1);
    logs[0].append(0, set("kept", b"1"));
    settle(&mut keeper, &mut logs[0]);
    let end = logs[0].end();
    logs[0].append(0, set("torn", &[b'x'; 3000]));
    logs[0].seal(1);
    while let Some(op) = logs[0].next_op() {
        if let LogOp::Write(write) = op {
            // All but the frame's last sector reached the medium.
            let torn = &write.buf[..write.buf.len() - 512];
            write.segment.file.write_at(torn, write.offset, true).unwrap();
        }
    }
    let (path, header) = (keeper.directory().file(&logs[0].segment().name), logs[0].segment().header);
    drop((keeper, logs));
    fs.power_cut(PowerCut::LoseAll);
    let (keeper, mut logs) = start(&fs, 1, 2);
    let manifest = keeper.manifest().clone();
    let entry = manifest.incrs().next().unwrap();
    assert_eq!(entry.segment.unwrap().end, Some((end.offset, end.last_lsn)));
    let bytes = read_file(&fs, &path, 1 << 20).unwrap();
    for offset in (end.offset..header.size_bytes).step_by(LINE_BYTES) {
        let line = &bytes[offset as usize..][..LINE_BYTES];
        assert_eq!(header.judge_line(line, offset), Line::Filler, "a Redis that loads this would run it: {offset}");
    }

    // A generation that ends says so as well.
    let mut keeper = keeper;
    logs[0].append(0, set("more", b"2"));
    settle(&mut keeper, &mut logs[0]);
    let end = logs[0].end();
    keeper.rewrite_begin(&[end], 5).unwrap();
    let entry = keeper.manifest().incrs().find(|entry| entry.seq == end.seq).unwrap();
    assert_eq!(entry.segment.unwrap().end, Some((end.offset, end.last_lsn)));
}

#[test]
fn v3_a_time_cuts_all_cores_and_no_transaction() {
    let fs = SimFs::new(1);
    let (mut keeper, mut logs) = start(&fs, 2, 5);
    let mut at = 2_000;
    let mut commit = |keeper: &mut Keeper, log: &mut CoreLog| {
        at += 10;
        log.seal(at);
        settle(keeper, log);
        at
    };
    logs[0].append(0, set("one", b"1"));
    let first = commit(&mut keeper, &mut logs[0]);
    let mark = Mark { tx_id: 9, participants: [0u16, 1].into_iter().collect() };
    let mut times = vec![first];
    for log in &mut logs {
        log.append_marked(0, set("both", b"2"), mark);
        times.push(commit(&mut keeper, log));
    }
    logs[1].append(0, set("last", b"3"));
    times.push(commit(&mut keeper, &mut logs[1]));
    drop((keeper, logs));
    fs.power_cut(PowerCut::LoseAll);
    let whole = read(&fs).unwrap().0.len();
    assert_eq!(whole, 4);
    // Between the two parts of the transaction neither is kept.
    for (time_ms, expected) in [(first - 1, 0), (times[0], 1), (times[1], 1), (times[2], 3), (times[3], 4)] {
        let manifest = Manifest::decode(&read_file(&fs, &directory(&fs).manifest(), 1 << 20).unwrap()).unwrap();
        let limit = super::Limit { time_ms: Some(time_ms), generation: None };
        let options = Options { inspect: true, ..Options::default() };
        let salvaged = super::salvage(&directory(&fs), &options, manifest, limit).unwrap();
        let mut text = Text::default();
        salvaged.plan.replay(&mut text).unwrap();
        assert_eq!(text.0.len(), expected, "{time_ms}: {:?}", text.0);
    }
}

#[test]
fn v3_timestamps_are_skipped_by_recovery_and_stand_before_the_commands() {
    let fs = SimFs::new(1);
    let (mut keeper, mut logs) = start(&fs, 1, 5);
    logs[0].set_timestamps(true);
    for (db, key) in [(0, "a"), (3, "b"), (3, "c")] {
        logs[0].append(db, set(key, b"1"));
        logs[0].seal(1_700_000_000_123);
        settle(&mut keeper, &mut logs[0]);
    }
    let name = logs[0].segment().name.clone();
    drop((keeper, logs));
    fs.power_cut(PowerCut::LoseAll);
    let bytes = read_file(&fs, &directory(&fs).file(&name), 1 << 20).unwrap();
    let line = b"\r\n#TS:1700000000\r\n*3\r\n$3\r\nSET";
    assert_eq!(bytes.windows(line.len()).filter(|window| window == line).count(), 3);
    assert_eq!(read(&fs).unwrap().0, ["Some(0) 0 SET a 1", "Some(0) 3 SET b 1", "Some(0) 3 SET c 1"]);
}
