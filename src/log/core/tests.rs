//! The state machine by itself: space, order of syncs, failures, databases.

use std::io;
use std::sync::Arc;

use super::*;
use crate::log::testing::directory;
use crate::log::{Incarnation, Keeper, KeeperError, Refusal, encoded_bytes};
use crate::recovery::{Options, ReplaySink, plan};
use crate::resp::Args;
use crate::storage::{PowerCut, SimFs};

struct Bench {
    fs: SimFs,
    keeper: Keeper,
    log: CoreLog,
    /// Syncs that end late.
    slow: Vec<LogOp>,
}

fn bench(policy: SyncPolicy, in_flight_max: usize) -> Bench {
    let fs = SimFs::new(1);
    let plan = plan(&directory(&fs), &Options::default()).unwrap();
    let incarnation = Incarnation {
        id: 1,
        cores: 1,
        segment_bytes: SEGMENT_BYTES_MIN,
        entropy: 1,
        relaxed: policy.is_relaxed(),
        boot: 0,
    };
    let (keeper, mut segments) = plan.repair(incarnation, 1).unwrap();
    let config = LogConfig { core: 0, policy, segment_bytes: SEGMENT_BYTES_MIN, in_flight_max };
    let log = CoreLog::new(config, segments.remove(0), Arc::new(DurableCut::new(1)));
    Bench { fs, keeper, log, slow: Vec::new() }
}

fn words<'w>(words: &'w [&'w str]) -> impl ExactSizeIterator<Item = &'w [u8]> {
    words.iter().map(|word| word.as_bytes())
}

impl Bench {
    fn write(&mut self) -> FrameWrite {
        self.log.seal(1);
        loop {
            match self.log.next_op() {
                Some(LogOp::Write(write)) => return write,
                Some(op @ LogOp::NeedSegment { .. }) => self.carry_out(op),
                other => panic!("a write is expected, not {other:?}"),
            }
        }
    }

    fn done(&mut self, write: FrameWrite) -> Completion {
        let result = write.segment.file.write_at(&write.buf, write.offset, write.dsync);
        self.log.on_complete(write.token, result, Some(write.buf))
    }

    fn carry_out(&mut self, op: LogOp) {
        match op {
            LogOp::Write(write) => drop(self.done(write)),
            LogOp::Fdatasync { segment, token } => {
                let result = segment.file.sync_data().map(|()| 0);
                let _ = self.log.on_complete(token, result, None);
            }
            LogOp::NeedSegment { bytes, first_lsn_min } => {
                match self.keeper.prepare_segment(0, bytes, first_lsn_min, 1) {
                    Ok(segment) => self.log.segment_ready(segment),
                    Err(error @ KeeperError::Io { .. }) => {
                        assert!(error.is_out_of_space());
                        self.log.segment_failed(error.to_string());
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            LogOp::Unused(segment) => self.keeper.remove_unused(&segment).unwrap(),
            LogOp::Retired(..) => {}
        }
    }

    /// The writes that are asked for; segments are made meanwhile.
    fn writes(&mut self) -> Vec<FrameWrite> {
        let mut writes = Vec::new();
        while let Some(op) = self.log.next_op() {
            match op {
                LogOp::Write(write) => writes.push(write),
                op => self.carry_out(op),
            }
        }
        writes
    }

    fn settle(&mut self) {
        self.log.seal(1);
        while let Some(op) = self.log.next_op() {
            self.carry_out(op);
            self.log.seal(1);
        }
    }

    fn replay(self) -> Vec<(u16, String)> {
        #[derive(Default)]
        struct Effects(Vec<(u16, String)>);
        impl ReplaySink for Effects {
            fn base_rdb(&mut self, _: &std::path::Path) -> Result<u64, String> {
                Err("none".to_string())
            }
            fn command(&mut self, _: Option<u16>, db: u16, args: Args<'_>) -> Result<(), String> {
                let name = args.get(1).unwrap_or(args.at(0));
                self.0.push((db, String::from_utf8_lossy(name).into_owned()));
                Ok(())
            }
        }
        let Bench { fs, keeper, log, .. } = self;
        drop((keeper, log));
        fs.power_cut(PowerCut::LoseAll);
        let mut effects = Effects::default();
        plan(&directory(&fs), &Options::default()).unwrap().replay(&mut effects).unwrap();
        effects.0
    }
}

fn enospc() -> io::Result<usize> {
    Err(io::Error::from_raw_os_error(libc::ENOSPC))
}

#[test]
fn one_commit_at_a_time_and_the_next_batch_gathers_behind_it() {
    let mut bench = bench(SyncPolicy::Always, 1);
    bench.log.append(0, words(&["SET", "a", "1"]));
    let first = bench.write();
    bench.log.append(0, words(&["SET", "b", "1"]));
    bench.log.append(0, words(&["SET", "c", "1"]));
    assert!(!bench.log.ready_to_seal() && bench.log.durable_lsn() == 0);
    bench.log.seal(1);
    assert!(bench.writes().is_empty(), "a commit is in the way");
    assert_eq!(bench.done(first).advanced, CoreSet::one(0));
    assert_eq!(bench.log.durable_lsn(), 1);
    let second = bench.write();
    assert_eq!((second.offset, second.dsync), (1024, true));
    let _ = bench.done(second);
    assert_eq!(bench.log.durable_lsn(), 3);
    assert!(bench.log.is_drained());
}

#[test]
fn w6_a_sync_covers_what_completed_before_it_was_submitted() {
    let mut bench = bench(SyncPolicy::EverySecond, 2);
    bench.log.append(0, words(&["SET", "a", "1"]));
    let first = bench.write();
    bench.log.append(0, words(&["SET", "b", "1"]));
    let second = bench.write();
    assert!(!first.dsync);
    let _ = bench.done(first);
    assert!(bench.log.request_sync() && !bench.log.request_sync());
    let _ = bench.done(second);
    assert_eq!((bench.log.durable_lsn(), bench.log.secure_lsn()), (2, 0), "acknowledged, and not on the medium");
    let sync = bench.log.next_op().unwrap();
    bench.carry_out(sync);
    assert_eq!(bench.log.secure_lsn(), 1, "the second write ended after the sync was submitted");
    assert!(!bench.log.is_drained() && bench.log.request_sync());
    bench.settle();
    assert!(bench.log.is_drained());
    assert_eq!(bench.log.secure_lsn(), 2);
}

#[test]
fn w6_a_sync_covers_every_segment_that_was_written() {
    let mut bench = bench(SyncPolicy::EverySecond, 1);
    let value = "v".repeat(15_000);
    let mut segments = 0;
    while segments < 3 {
        bench.log.append(0, words(&["SET", "k", &value]));
        bench.log.seal(1);
        let mut syncs = Vec::new();
        while let Some(op) = bench.log.next_op() {
            match op {
                LogOp::Fdatasync { .. } => syncs.push(op),
                LogOp::Retired(..) => segments += 1,
                op => bench.carry_out(op),
            }
            bench.log.seal(1);
        }
        // The disk is slow: the sync at the first segment's end is still under way when others end.
        bench.slow.extend(syncs);
    }
    let last = bench.log.last_lsn();
    for sync in std::mem::take(&mut bench.slow) {
        bench.carry_out(sync);
    }
    bench.log.request_sync();
    let mut syncs = Vec::new();
    while let Some(op) = bench.log.next_op() {
        syncs.push(op);
    }
    assert!(syncs.len() >= 2, "{syncs:?}");
    let newest = syncs.pop().unwrap();
    bench.carry_out(newest);
    assert!(bench.log.secure_lsn() < last, "the older segments' frames are not on the medium yet");
    syncs.into_iter().for_each(|sync| bench.carry_out(sync));
    assert_eq!(bench.log.secure_lsn(), last);
}

#[test]
fn f2_a_failed_sync_poisons_and_is_never_tried_again() {
    let mut bench = bench(SyncPolicy::EverySecond, 1);
    bench.log.append(0, words(&["SET", "a", "1"]));
    bench.settle();
    bench.log.request_sync();
    let Some(LogOp::Fdatasync { token, .. }) = bench.log.next_op() else { panic!("a sync is due") };
    let completion = bench.log.on_complete(token, Err(io::Error::from_raw_os_error(libc::EIO)), None);
    assert_eq!(completion.poisoned, CoreSet::one(0));
    bench.log.append(0, words(&["SET", "b", "1"]));
    bench.log.request_sync();
    bench.log.seal(1);
    assert!(bench.log.next_op().is_none(), "a poisoned segment is not touched");
    assert!(matches!(bench.log.admit(1), Admission::Refuse(Refusal::Poisoned(_))));
    assert_eq!(bench.log.secure_lsn(), 0);
}

#[test]
fn f2_a_short_write_poisons() {
    let mut bench = bench(SyncPolicy::Always, 1);
    bench.log.append(0, words(&["SET", "a", &"v".repeat(2000)]));
    let write = bench.write();
    assert_eq!(bench.log.on_complete(write.token, Ok(512), Some(write.buf)).poisoned, CoreSet::one(0));
    assert_eq!(bench.log.poisoned().unwrap().what, "short write");
}

#[test]
fn w7_writes_are_refused_before_they_run_and_admitted_again_when_there_is_room() {
    let mut bench = bench(SyncPolicy::Always, 1);
    bench.settle();
    bench.fs.set_room(Some(0));
    let value = "v".repeat(20_000);
    let mut logged = 0;
    let refused = loop {
        match bench.log.admit(encoded_bytes(words(&["SET", "k", &value]))) {
            Admission::Ok => {
                bench.log.append(0, words(&["SET", "k", &value]));
                logged += 1;
            }
            Admission::WaitForSpace => {}
            Admission::Refuse(refusal) => break refusal,
        }
        bench.settle();
    };
    assert!(matches!(refused, Refusal::NoSpace(_)) && logged >= 5, "{logged} fit into two segments");
    assert_eq!(bench.log.durable_lsn(), logged, "everything admitted is durable");
    assert!(matches!(bench.log.admit(100), Admission::Ok), "a small one still fits");
    bench.fs.set_room(None);
    bench.log.retry_segment();
    bench.settle();
    assert!(matches!(bench.log.admit(encoded_bytes(words(&["SET", "k", &value]))), Admission::Ok));
}

#[test]
fn w7_what_is_reserved_is_not_admitted_twice() {
    let mut bench = bench(SyncPolicy::Always, 1);
    assert!(matches!(bench.log.reserve(50_000), Admission::Ok));
    assert!(matches!(bench.log.admit(50_000), Admission::WaitForSpace));
    bench.log.unreserve(50_000);
    assert!(matches!(bench.log.admit(50_000), Admission::Ok));
}

#[test]
fn w7_a_frame_that_found_no_space_goes_to_a_new_segment_with_its_database() {
    let mut bench = bench(SyncPolicy::Always, 1);
    bench.log.append(4, words(&["SET", "a", "1"]));
    bench.settle();
    bench.log.append(4, words(&["SET", "b", "1"]));
    bench.log.append(2, words(&["SET", "c", "1"]));
    let write = bench.write();
    // Half of it reached the medium.
    write.segment.file.write_at(&write.buf[..512], write.offset, true).unwrap();
    let dead = write.segment.header.seq;
    let completion = bench.log.on_complete(write.token, enospc(), Some(write.buf));
    assert_eq!(completion, Completion::default());
    bench.log.append(2, words(&["SET", "d", "1"]));
    bench.settle();
    assert!(bench.log.segment().header.seq > dead);
    assert_eq!(bench.log.durable_lsn(), 4);
    let effects = [(4, "a"), (4, "b"), (2, "c"), (2, "d")].map(|(db, key)| (db, key.to_string()));
    assert_eq!(bench.replay(), effects);
}

#[test]
fn a_record_larger_than_a_segment_gets_one_that_holds_it() {
    let mut bench = bench(SyncPolicy::Always, 1);
    let value = "v".repeat(300_000);
    bench.log.append(1, words(&["SET", "small", "1"]));
    while !matches!(bench.log.admit(encoded_bytes(words(&["SET", "large", &value]))), Admission::Ok) {
        bench.settle();
    }
    bench.log.append(1, words(&["SET", "large", &value]));
    bench.log.append(0, words(&["SET", "after", "1"]));
    bench.settle();
    assert!(bench.log.is_drained());
    let effects = [(1, "small"), (1, "large"), (0, "after")].map(|(db, key)| (db, key.to_string()));
    assert_eq!(bench.replay(), effects);
}

#[test]
fn a_transaction_that_is_dropped_leaves_nothing() {
    let mut bench = bench(SyncPolicy::Always, 1);
    bench.log.append(1, words(&["SET", "a", "1"]));
    let mut dropped = bench.log.transaction();
    dropped.effect(2, words(&["SET", "x", "1"]));
    drop(dropped);
    assert_eq!(bench.log.transaction().finish(None), None);
    let mut kept = bench.log.transaction();
    kept.encoded_effect(3, b"*2\r\n$3\r\nDEL\r\n$1\r\nb\r\n");
    kept.effect(1, words(&["SET", "c", "1"]));
    assert_eq!(kept.finish(None), Some(2));
    bench.log.append(1, words(&["SET", "d", "1"]));
    bench.settle();
    assert_eq!(bench.log.durable_lsn(), 3);
    let effects = [(1, "a"), (3, "b"), (1, "c"), (1, "d")].map(|(db, key)| (db, key.to_string()));
    assert_eq!(bench.replay(), effects);
}

#[test]
fn a_log_that_nobody_syncs_still_changes_segments_and_each_begins_with_its_database() {
    let mut bench = bench(SyncPolicy::Never, 1);
    let value = "v".repeat(15_000);
    let mut first_frames = Vec::new();
    for _ in 0..20 {
        bench.log.append(7, words(&["SET", "k", &value]));
        bench.log.seal(1);
        while let Some(op) = bench.log.next_op() {
            if let LogOp::Write(write) = &op
                && write.buf.len() > 1000
                && write.offset == write.segment.header.data_start()
            {
                first_frames.push(write.buf[..crate::log::HEAD_BYTES].ends_with(b"SELECT\r\n$1\r\n7\r\n"));
            }
            bench.carry_out(op);
            bench.log.seal(1);
        }
    }
    assert_eq!(first_frames, [true; 5], "four values fit into a segment");
    assert!(bench.log.secure_lsn() >= 16, "segments that ended were synced");
}

/// A core asks for a segment, and then all stop for a barrier: the keeper makes the segment behind it, in the new generation, and it
/// is delivered before the core hears of that. It was dropped, though the manifest named it; with later segments behind it the next
/// start took it for rot.
#[test]
fn a_segment_that_comes_before_the_news_of_its_generation_is_used() {
    let mut bench = bench(SyncPolicy::Always, 1);
    bench.log.append(0, words(&["SET", "old", "1"]));
    bench.settle();
    let effects = [(0, vec![&b"FLUSHALL"[..]])];
    let mut segments = bench.keeper.barrier(&effects, true, &[bench.log.end()], 1).unwrap();
    let early = bench.keeper.prepare_segment(0, SEGMENT_BYTES_MIN, 2, 1).unwrap();
    bench.log.segment_ready(early);
    bench.log.enter_generation(segments.remove(0));
    let value = "v".repeat(15_000);
    for number in 0..20 {
        bench.log.append(0, words(&["SET", &number.to_string(), &value]));
        bench.settle();
    }
    let replayed = bench.replay();
    let expected = (0..20).map(|number| (0, number.to_string()));
    assert_eq!(
        replayed.into_iter().skip_while(|(_, key)| key.parse::<u32>().is_err()).collect::<Vec<_>>(),
        expected.collect::<Vec<_>>()
    );
}

/// A log whose next segment is on its way, and a record that was admitted with little and became larger than what is left.
fn overflowing() -> (Bench, Vec<LogOp>, String) {
    let mut bench = bench(SyncPolicy::EverySecond, 1);
    let orders: Vec<LogOp> = std::iter::from_fn(|| bench.log.next_op()).collect();
    assert!(matches!(orders[..], [LogOp::NeedSegment { .. }]));
    let long = "v".repeat(bench.log.segment().header.size_bytes as usize);
    bench.log.append(3, words(&["SET", "before", "1"]));
    assert!(!bench.log.gates_writes(), "the kernel has it before the reply leaves");
    assert!(matches!(bench.log.admit(10), Admission::Ok));
    bench.log.append(5, words(&["SREM", "long", &long]));
    assert!(bench.log.gates_writes(), "the kernel will not have it at the end of the pass");
    (bench, orders, long)
}

impl Bench {
    /// The end of a pass while no segment comes. Returns the orders for segments.
    fn end_pass(&mut self) -> Vec<LogOp> {
        let mut orders = Vec::new();
        self.log.seal(1);
        while let Some(op) = self.log.next_op() {
            match op {
                LogOp::NeedSegment { .. } => orders.push(op),
                op => self.carry_out(op),
            }
            self.log.seal(1);
        }
        orders
    }
}

#[test]
fn what_outgrew_its_room_is_not_told_of_before_the_kernel_has_it_and_holds_up_nothing_before_it() {
    let (mut bench, mut orders, _) = overflowing();
    orders.extend(bench.end_pass());
    assert_eq!(bench.log.durable_lsn(), 1, "what was told without a gate is with the kernel");
    // An effect that needs no admission, such as that of a key that expires.
    bench.log.append(5, words(&["DEL", "behind"]));
    orders.extend(bench.end_pass());
    assert!(bench.log.gates_writes() && bench.log.durable_lsn() == 1 && !bench.log.is_drained());
    orders.into_iter().for_each(|order| bench.carry_out(order));
    bench.settle();
    assert!(!bench.log.gates_writes() && bench.log.durable_lsn() == 3);
    bench.log.request_sync();
    bench.settle();
    assert!(bench.log.is_drained());
    bench.log.seal_clean_stop(2);
    bench.settle();
    bench.log.request_sync();
    bench.settle();
    let replayed = bench.replay();
    assert_eq!(replayed, [(3, "before".into()), (5, "long".into()), (5, "behind".into())]);
}

#[test]
fn what_stood_before_a_record_that_outgrew_its_room_survives_the_process() {
    let (mut bench, ..) = overflowing();
    bench.end_pass();
    let Bench { fs, keeper, log, .. } = bench;
    drop((keeper, log));
    fs.kill();
    let plan = plan(&directory(&fs), &Options::default()).unwrap();
    let mut count = 0;
    struct Count<'c>(&'c mut usize);
    impl ReplaySink for Count<'_> {
        fn base_rdb(&mut self, _: &std::path::Path) -> Result<u64, String> {
            Err("none".to_string())
        }
        fn command(&mut self, _: Option<u16>, db: u16, args: Args<'_>) -> Result<(), String> {
            assert_eq!((db, args.at(1)), (3, b"before".as_slice()));
            *self.0 += 1;
            Ok(())
        }
    }
    plan.replay(&mut Count(&mut count)).unwrap();
    assert_eq!(count, 1);
}

#[test]
fn what_is_told_of_a_log_is_what_it_does() {
    let mut bench = bench(SyncPolicy::Always, 1);
    let empty = bench.log.buffer_bytes();
    assert_eq!((bench.log.sealed_bytes(), bench.log.written_lsn(), bench.log.durable_lsn_of(0)), (0, 0, 0));
    assert!(!bench.log.buffer_holds_records());
    bench.log.append(0, words(&["SET", "a", "12345"]));
    let record = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\n12345\r\n".len() as u64;
    assert_eq!(bench.log.buffer_bytes(), empty + record);
    assert!(bench.log.buffer_holds_records());
    for _ in 0..2 {
        bench.settle();
        assert_eq!(bench.log.sealed_bytes(), empty + record, "without padding");
    }
    assert_eq!((bench.log.buffer_bytes(), bench.log.written_lsn(), bench.log.durable_lsn_of(0)), (empty, 1, 1));
    assert!(!bench.log.buffer_holds_records());
    // A round ends for those that do not wait for the disk, and for nobody else.
    bench.log.see_round();
    assert!(!bench.log.ready_to_seal() && !bench.log.sync_pending() && !bench.log.has_unsynced());
}

#[test]
fn what_found_no_room_is_given_up_with_the_log_and_nothing_that_is_being_written() {
    let mut bench = bench(SyncPolicy::Always, 1);
    bench.log.append(0, words(&["SET", "a", "1"]));
    let write = bench.write();
    bench.log.append(0, words(&["SET", "b", "1"]));
    assert_eq!(bench.log.abandon_unwritten(), CoreSet::EMPTY, "a write is under way");
    assert!(bench.log.buffer_holds_records());
    let _ = bench.log.on_complete(write.token, enospc(), Some(write.buf));
    assert!(!bench.log.is_drained() && bench.log.durable_lsn() == 0);
    assert_eq!(bench.log.abandon_unwritten(), CoreSet::one(0), "those who wait are told");
    assert!(bench.log.is_drained() && bench.log.durable_lsn() == 2);

    let mut failed = self::bench(SyncPolicy::Always, 1);
    failed.log.append(0, words(&["SET", "a", "1"]));
    let (what, segment, error) = ("write", String::new(), String::new());
    failed.log.poison(Poisoned { core: 0, what, segment, offset: 0, durable_lsn: 0, error });
    assert_eq!(failed.log.abandon_unwritten(), CoreSet::EMPTY, "what a failed log lost is never acknowledged");
    assert_eq!(failed.log.durable_lsn(), 0);
}

#[test]
fn w7_a_record_is_admitted_up_to_the_last_byte_that_its_segment_can_take() {
    // Without a second segment: it is never made.
    let mut bench = bench(SyncPolicy::Always, 1);
    let header = bench.log.segment().header;
    let close = CoreLog::close_bytes(bench.log.segment());
    let extra = crate::log::batch::RECORD_BYTES_EXTRA + crate::log::frame::HEAD_BYTES as u64;
    let most = (header.size_bytes - header.data_start() - close) / 4096 * 4096 - extra;
    assert!(matches!(bench.log.admit(most + 1), Admission::WaitForSpace));
    assert!(matches!(bench.log.admit(most), Admission::Ok));
    bench.log.append(0, words(&["SET", "a", "1"]));
    let gathered = bench.log.buffer_bytes() - crate::log::frame::HEAD_BYTES as u64;
    assert!(matches!(bench.log.admit(most - gathered + 1), Admission::WaitForSpace));
    assert!(matches!(bench.log.admit(most - gathered), Admission::Ok));
}

#[test]
fn w7_segments_double_up_to_the_usual_size_and_what_is_larger_gets_room_to_spare() {
    let fs = SimFs::new(1);
    let plan = plan(&directory(&fs), &Options::default()).unwrap();
    let usual = 4 * SEGMENT_BYTES_MIN;
    let segment_bytes = SEGMENT_BYTES_MIN;
    let incarnation = Incarnation { id: 1, cores: 1, segment_bytes, entropy: 1, relaxed: false, boot: 0 };
    let (keeper, mut segments) = plan.repair(incarnation, 1).unwrap();
    let first = segments.remove(0);
    let mut expected = first.header.size_bytes;
    let config = LogConfig { core: 0, policy: SyncPolicy::Always, segment_bytes: usual, in_flight_max: 1 };
    let log = CoreLog::new(config, first, Arc::new(DurableCut::new(1)));
    let mut bench = Bench { fs, keeper, log, slow: Vec::new() };
    let mut asked = Vec::new();
    while asked.len() < 5 {
        bench.log.append(0, words(&["SET", "k", &"v".repeat(10_000)]));
        bench.log.seal(1);
        while let Some(op) = bench.log.next_op() {
            if let LogOp::NeedSegment { bytes, .. } = op {
                asked.push(bytes);
            }
            bench.carry_out(op);
            bench.log.seal(1);
        }
    }
    for bytes in asked {
        expected = usual.min(2 * expected);
        assert_eq!(bytes, expected);
    }
    // Beside the frame there is room for header, closing frame and the blocks of any device.
    let frame = 4096 * 200;
    assert!(matches!(bench.log.admit(frame - 4096), Admission::WaitForSpace));
    let Some(LogOp::NeedSegment { bytes, .. }) = bench.log.next_op() else { panic!("a segment is asked for") };
    assert_eq!(bytes, frame + 3 * 4096);
}

#[test]
fn several_commits_are_under_way_at_once_where_that_is_asked_for_and_no_more() {
    let mut bench = bench(SyncPolicy::Always, 2);
    let mut writes = Vec::new();
    for key in ["a", "b", "c"] {
        bench.log.append(0, words(&["SET", key, "1"]));
        bench.log.seal(1);
        writes.extend(bench.writes());
    }
    assert_eq!(writes.iter().map(|write| write.offset).collect::<Vec<_>>(), [512, 1024]);
    // The second ends first: nothing is acknowledged over a gap.
    assert_eq!(bench.done(writes.remove(1)).advanced, CoreSet::EMPTY);
    bench.log.seal(1);
    writes.extend(bench.writes());
    assert_eq!((bench.log.durable_lsn(), writes.len()), (0, 2), "one has ended, so another may begin");
    for write in writes {
        let _ = bench.done(write);
    }
    assert!(bench.log.is_drained() && bench.log.durable_lsn() == 3);
}

#[test]
fn w5_a_frame_without_records_is_written_only_where_nothing_else_waits_or_is_under_way() {
    let empty_frames = |bench: &mut Bench| {
        bench.log.seal_idle(2);
        bench.log.seal_clean_stop(2);
        let writes = bench.writes();
        let headers = writes.iter().map(|write| {
            let seed = write.segment.header.seed;
            let header = crate::log::frame::read_header(&write.buf, seed, write.offset).unwrap();
            (header.flags, header.count, header.durable_lsn)
        });
        let headers: Vec<_> = headers.collect();
        for write in writes {
            let _ = bench.done(write);
        }
        headers
    };
    let mut bench = bench(SyncPolicy::Always, 2);
    bench.log.append(0, words(&["SET", "a", "1"]));
    assert!(empty_frames(&mut bench).is_empty(), "a record waits");
    let write = bench.write();
    assert!(empty_frames(&mut bench).is_empty(), "a write is under way");
    let _ = bench.log.on_complete(write.token, enospc(), Some(write.buf));
    assert!(empty_frames(&mut bench).is_empty(), "a frame looks for another segment");
    bench.settle();
    assert_eq!(bench.log.durable_lsn(), 1);
    bench.log.seal_idle(2);
    assert_eq!(empty_frames(&mut bench), [(0, 0, 1)], "the medium learns how far acknowledgement went, once");
    bench.log.seal_idle(2);
    assert!(bench.log.next_op().is_none());
    assert_eq!(empty_frames(&mut bench), [(crate::log::frame::FLAG_CLEAN_STOP, 0, 1)]);
    bench.log.append(0, words(&["SET", "a", &"v".repeat(5000)]));
    let write = bench.write();
    let _ = bench.log.on_complete(write.token, Ok(512), Some(write.buf));
    assert!(empty_frames(&mut bench).is_empty(), "the log has failed");
}

#[test]
fn a_frame_has_the_time_that_redis_reads_only_where_there_are_commands() {
    let mut bench = bench(SyncPolicy::Always, 1);
    bench.log.set_timestamps(true);
    bench.log.append_mark(Mark { tx_id: 1, participants: CoreSet::one(0) });
    let write = bench.write();
    assert!(!write.buf.windows(4).any(|word| word == b"#TS:"), "there is nothing to be replayed");
    let _ = bench.done(write);
    bench.log.append(0, words(&["SET", "a", "1"]));
    let write = bench.write();
    assert_eq!(write.buf.windows(4).filter(|word| word == b"#TS:").count(), 1);
    let _ = bench.done(write);
    bench.log.set_timestamps(false);
    bench.log.append(0, words(&["SET", "b", "1"]));
    let write = bench.write();
    assert!(!write.buf.windows(4).any(|word| word == b"#TS:"));
    let _ = bench.done(write);
}
