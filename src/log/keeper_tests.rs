//! The keeper by itself: what the manifest and the directory hold after each of its acts, and what it refuses.

use std::path::{Path, PathBuf};

use super::testing::directory;
use super::*;
use crate::recovery::{Options, plan};
use crate::storage::{Fault, Fs, Open, SimFs, read_file, write_all_at};

struct Bench {
    fs: SimFs,
    keeper: Keeper,
    segments: Vec<Segment>,
}

fn bench(cores: u16) -> Bench {
    let fs = SimFs::new(1);
    let incarnation =
        Incarnation { id: 1, cores, segment_bytes: SEGMENT_BYTES_MIN, entropy: 1, relaxed: false, boot: 0 };
    let (keeper, segments) = plan(&directory(&fs), &Options::default()).unwrap().repair(incarnation, 1).unwrap();
    Bench { fs, keeper, segments }
}

impl Bench {
    /// Where the logs end, in which nothing was written.
    fn ends(&self) -> Vec<SegmentEnd> {
        let end = |segment: &Segment| SegmentEnd {
            seq: segment.header.seq,
            offset: segment.header.data_start(),
            last_lsn: segment.header.first_lsn_min - 1,
        };
        self.segments.iter().map(end).collect()
    }

    fn flush(&mut self, discards_history: bool, now_ms: u64) {
        let effects: [(u16, Vec<&[u8]>); 1] = [(0, vec![b"FLUSHALL"])];
        self.segments = self.keeper.barrier(&effects, discards_history, &self.ends(), now_ms).unwrap();
    }

    fn begin_rewrite(&mut self) -> Rewrite {
        let (rewrite, segments) = self.keeper.rewrite_begin(&self.ends(), 5).unwrap();
        assert_eq!(segments.len(), self.segments.len());
        self.segments = segments;
        rewrite
    }

    fn write_base(&mut self, rewrite: Rewrite) {
        let path = self.keeper.directory().file(&self.keeper.rewrite_base_name(rewrite));
        let file = self.fs.open(&path, Open::Create).unwrap();
        write_all_at(&*file, b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n", 0).unwrap();
        file.sync_all().unwrap();
    }

    fn rewrite(&mut self) {
        let rewrite = self.begin_rewrite();
        self.write_base(rewrite);
        self.keeper.rewrite_end(rewrite).unwrap();
    }

    fn files(&self) -> Vec<String> {
        self.fs.list(&self.keeper.directory().path()).unwrap()
    }

    /// The directory holds the manifest and what it names, nothing else, and the manifest on the disk is the one in force.
    fn assert_in_order(&self) {
        let manifest = self.keeper.manifest();
        let mut named: Vec<String> = manifest.entries.iter().map(|entry| entry.name.clone()).collect();
        named.push("a.manifest".to_string());
        named.sort();
        assert_eq!(self.files(), named);
        let bytes = read_file(&self.fs, &self.keeper.directory().manifest(), 1 << 20).unwrap();
        assert_eq!(Manifest::decode(&bytes).unwrap(), *manifest);
    }

    fn history_set(&self, name: &str) -> Directory {
        Directory { data_dir: PathBuf::from("/d.history"), dirname: name.to_string(), ..directory(&self.fs) }
    }

    fn history_bytes(&self, name: &str) -> u64 {
        let set = self.history_set(name);
        let files = self.fs.list(&set.path()).unwrap();
        files.iter().map(|file| read_file(&self.fs, &set.file(file), 1 << 20).unwrap().len() as u64).sum()
    }

    fn history(&self) -> Vec<String> {
        let mut names = self.fs.list(Path::new("/d.history")).unwrap_or_default();
        names.sort();
        names
    }
}

#[test]
fn w1_a_segment_is_named_before_it_is_handed_out_and_none_is_like_another() {
    let mut bench = bench(2);
    let first = bench.keeper.generation();
    let made: Vec<Segment> =
        (0..4).map(|core| bench.keeper.prepare_segment(core % 2, 100_000, 1, 9).unwrap()).collect();
    bench.assert_in_order();
    let mut ids: Vec<u64> =
        bench.segments.iter().chain(&made).flat_map(|made| [made.header.id, made.header.seed]).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 12);
    assert!(ids.windows(2).all(|pair| (pair[0] ^ pair[1]).count_ones() > 8), "{ids:x?}");
    assert!(made.iter().all(|made| made.header.generation == first && made.header.size_bytes == 102_400));
    bench.keeper.remove_unused(&made[1]).unwrap();
    bench.assert_in_order();
    assert!(!bench.files().contains(&made[1].name) && bench.files().contains(&made[0].name));
    let edit = bench.keeper.manifest().edit;
    bench.keeper.remove_unused(&made[1]).unwrap();
    assert_eq!(bench.keeper.manifest().edit, edit, "nothing is left to be taken out");
    bench.flush(true, 10);
    assert_eq!(bench.keeper.generation(), first + 2, "one for the barrier, one for what follows");
    bench.assert_in_order();
    assert!(!bench.files().contains(&made[0].name), "prepared in vain");
}

#[test]
fn w1_a_segment_that_could_not_be_made_leaves_nothing_or_nobody_goes_on() {
    let mut poisonings = 0;
    for nth in 1.. {
        let mut bench = bench(1);
        bench.fs.fail_nth(nth, Fault::Eio);
        let result = bench.keeper.prepare_segment(0, SEGMENT_BYTES_MIN, 1, 9);
        if bench.fs.clear_fault() {
            assert!(nth > 5 && result.is_ok());
            break;
        }
        match result {
            Err(KeeperError::Unknown { .. }) => {
                poisonings += 1;
                assert!(matches!(
                    bench.keeper.prepare_segment(0, SEGMENT_BYTES_MIN, 1, 9),
                    Err(KeeperError::Poisoned(_))
                ));
                assert!(matches!(bench.keeper.turn(true, &bench.ends(), 9), Err(KeeperError::Poisoned(_))));
                assert!(matches!(bench.keeper.open_begin(true, true, 9), Err(KeeperError::Poisoned(_))));
            }
            Err(error) => {
                assert!(!error.is_out_of_space(), "{error}");
                let left = bench.files().len();
                assert!(bench.keeper.prepare_segment(0, SEGMENT_BYTES_MIN, 1, 9).is_ok(), "{nth}: {error}");
                assert!(bench.files().len() <= left + 1);
            }
            Ok(_) => {}
        }
    }
    assert!(poisonings >= 2, "the rename, and the sync of the directory behind it");
}

#[test]
fn x6_another_policy_begins_a_generation_that_is_written_so() {
    let mut bench = bench(2);
    let before = bench.keeper.generation();
    let segments = bench.keeper.turn(true, &bench.ends(), 7).unwrap();
    assert_eq!(segments.len(), 2);
    assert!(segments.iter().all(|made| made.header.relaxed && made.header.generation == before + 1));
    bench.segments = segments;
    bench.assert_in_order();
    // Where it fails, the next segment is written as before.
    bench.fs.fail_nth(1, Fault::Eio);
    assert!(bench.keeper.turn(false, &bench.ends(), 8).is_err());
    assert!(bench.keeper.prepare_segment(0, SEGMENT_BYTES_MIN, 1, 8).unwrap().header.relaxed);
}

#[test]
fn s1_a_rewrite_takes_what_was_before_its_cut_and_nothing_else() {
    let mut bench = bench(2);
    let old: Vec<String> = bench.segments.iter().map(|segment| segment.name.clone()).collect();
    let rewrite = bench.begin_rewrite();
    assert_eq!(bench.keeper.rewrite_base_name(rewrite), "a.1.base.rdb");
    assert!(matches!(bench.keeper.rewrite_begin(&bench.ends(), 5), Err(KeeperError::RewriteRunning)));
    let since = bench.keeper.prepare_segment(1, SEGMENT_BYTES_MIN, 1, 6).unwrap();
    bench.write_base(rewrite);
    bench.keeper.rewrite_end(rewrite).unwrap();
    bench.assert_in_order();
    let files = bench.files();
    assert!(old.iter().all(|name| !files.contains(name)) && files.contains(&since.name));
    assert!(files.contains(&bench.segments[0].name) && files.contains(&"a.1.base.rdb".to_string()));
    assert!(matches!(bench.keeper.rewrite_end(rewrite), Err(KeeperError::RewriteAborted)), "it has ended");
    let again = bench.begin_rewrite();
    assert_eq!(bench.keeper.rewrite_base_name(again), "a.2.base.rdb");
    bench.keeper.rewrite_abort(rewrite);
    bench.write_base(again);
    bench.keeper.rewrite_end(again).expect("another one was given up");
    bench.assert_in_order();
    let last = bench.begin_rewrite();
    bench.keeper.rewrite_abort(last);
    assert!(matches!(bench.keeper.rewrite_end(last), Err(KeeperError::RewriteAborted)));
    bench.begin_rewrite();
}

#[test]
fn a_flush_of_everything_takes_a_rewrite_with_it_and_other_barriers_do_not() {
    let mut bench = bench(1);
    let rewrite = bench.begin_rewrite();
    bench.flush(false, 8);
    bench.write_base(rewrite);
    bench.keeper.rewrite_end(rewrite).unwrap();
    let rewrite = bench.begin_rewrite();
    bench.flush(true, 9);
    assert!(matches!(bench.keeper.rewrite_end(rewrite), Err(KeeperError::RewriteAborted)));
}

#[test]
fn s6_a_closed_log_takes_nothing_until_it_is_opened_and_a_flush_meanwhile_is_part_of_it() {
    let mut bench = bench(1);
    bench.keeper.close(Some(&bench.ends())).unwrap();
    assert!(bench.keeper.is_closed());
    assert!(matches!(bench.keeper.prepare_segment(0, SEGMENT_BYTES_MIN, 1, 9), Err(KeeperError::Closed)));
    assert!(matches!(bench.keeper.turn(true, &bench.ends(), 9), Err(KeeperError::Closed)));
    assert!(matches!(bench.keeper.rewrite_begin(&bench.ends(), 9), Err(KeeperError::Closed)));
    let (opening, segments) = bench.keeper.open_begin(false, true, 10).unwrap();
    assert!(!bench.keeper.is_closed() && segments.len() == 1);
    assert!(matches!(bench.keeper.open_begin(false, true, 10), Err(KeeperError::RewriteRunning)));
    bench.segments = segments;
    // Its base is from before the flush, which stands behind it.
    bench.flush(true, 11);
    bench.write_base(opening);
    bench.keeper.open_end(opening, 12).unwrap();
    bench.assert_in_order();
    assert!(bench.keeper.prepare_segment(0, SEGMENT_BYTES_MIN, 1, 13).is_ok());
}

#[test]
fn s6_an_opening_that_comes_to_nothing_leaves_nothing() {
    let mut bench = bench(1);
    bench.keeper.close(Some(&bench.ends())).unwrap();
    let before = bench.files();
    let (opening, segments) = bench.keeper.open_begin(false, false, 10).unwrap();
    assert!(segments.is_empty() && bench.files().contains(&"temp-a.opening".to_string()));
    bench.write_base(opening);
    bench.keeper.open_abort();
    assert!(bench.keeper.is_closed());
    assert_eq!(bench.files(), before);
    assert!(matches!(bench.keeper.open_end(opening, 11), Err(KeeperError::RewriteAborted)));
    // Where a file can't be removed, a start has to know that it is none of the log's.
    let (opening, _) = bench.keeper.open_begin(false, true, 12).unwrap();
    bench.write_base(opening);
    bench.fs.fail_nth(1, Fault::Eio);
    bench.keeper.open_abort();
    assert!(bench.files().len() > before.len() && bench.files().contains(&"temp-a.opening".to_string()));
    let Bench { fs, keeper, segments } = bench;
    drop((keeper, segments));
    let plan = plan(&directory(&fs), &Options::default()).unwrap();
    assert!(!plan.leftovers.is_empty());
}

#[test]
fn s6_a_log_that_is_opened_elsewhere_goes_on_with_the_numbers_of_the_one_closed() {
    let mut first = bench(1);
    let mut end = first.ends();
    end[0].last_lsn = 41;
    first.keeper.close(Some(&end)).unwrap();
    let mut other = bench(1);
    other.keeper.close(Some(&other.ends())).unwrap();
    other.keeper.continue_from(&first.keeper);
    let (_, segments) = other.keeper.open_begin(false, true, 10).unwrap();
    assert_eq!(segments[0].header.first_lsn_min, 42);
}

#[test]
fn what_a_flush_took_is_kept_as_long_and_as_much_as_is_asked_for() {
    let mut bench = bench(1);
    bench.keeper.set_retention(Retention { since_ms: 1000, bytes_max: 0 });
    for now_ms in [999, 1000, 2000, 3000] {
        bench.flush(true, now_ms);
        bench.rewrite();
    }
    let kept = bench.history();
    assert_eq!(kept.len(), 3, "{kept:?}");
    assert!(kept[0].starts_with("0000000001000-") && kept[2].starts_with("0000000003000-"), "{kept:?}");
    for name in &kept {
        let set = bench.history_set(name);
        assert_eq!(read_file(&bench.fs, &set.file("why"), 100).unwrap(), b"FLUSHALL");
        let options = Options { lock_held: true, inspect: true, ..Options::default() };
        assert!(plan(&set, &options).is_ok_and(|plan| !plan.fresh), "it is a log by itself");
    }
    let all: u64 = kept.iter().map(|name| bench.history_bytes(name)).sum();
    assert!(all > 0);
    bench.keeper.set_retention(Retention { since_ms: 1000, bytes_max: all });
    assert_eq!(bench.history(), kept, "no more than is allowed");
    bench.keeper.set_retention(Retention { since_ms: 1000, bytes_max: all - 1 });
    assert_eq!(bench.history(), kept[1..], "the oldest goes");
    bench.keeper.set_retention(Retention { since_ms: 2001, bytes_max: 0 });
    assert_eq!(bench.history(), kept[2..]);
    // One that was not finished.
    let set = bench.history_set(&kept[2]);
    bench.fs.unlink(&set.manifest()).unwrap();
    bench.keeper.prune_history();
    assert!(bench.history().is_empty());
    assert!(bench.fs.list(&set.path()).is_err(), "and all that was left of it");
    // And with none asked for.
    bench.keeper.set_retention(Retention { since_ms: u64::MAX, bytes_max: 0 });
    bench.flush(true, 5000);
    bench.rewrite();
    assert!(bench.history().is_empty());
    bench.assert_in_order();
}

#[test]
fn where_the_disk_is_full_what_was_flushed_makes_room_for_what_is_written() {
    let mut bench = bench(1);
    bench.keeper.set_retention(Retention { since_ms: 0, bytes_max: 0 });
    for now_ms in [1000, 2000] {
        bench.flush(true, now_ms);
        bench.rewrite();
    }
    let kept = bench.history();
    assert_eq!(kept.len(), 2);
    let spare = 3 * SEGMENT_BYTES_MIN;
    bench.fs.set_room(Some(bench.fs.used_bytes() + SEGMENT_BYTES_MIN / 2));
    bench.keeper.prepare_segment(0, SEGMENT_BYTES_MIN, 1, 3000).unwrap();
    assert_eq!(bench.history(), kept[1..], "the oldest goes first, and no more than is needed");
    let error = bench.keeper.prepare_segment(0, 100 * spare, 1, 3000).unwrap_err();
    assert!(error.is_out_of_space() && bench.history().is_empty());
    // Another failure is no reason to give anything up.
    bench.fs.set_room(None);
    bench.flush(true, 4000);
    bench.rewrite();
    bench.fs.fail_nth(1, Fault::Eio);
    assert!(!bench.keeper.prepare_segment(0, SEGMENT_BYTES_MIN, 1, 3000).unwrap_err().is_out_of_space());
    assert_eq!(bench.history().len(), 1);
}
