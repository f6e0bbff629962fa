//! Rounds through the logs of two cores: what a loss of power leaves where replies do not wait for the disk.

use std::sync::Arc;

use super::*;
use crate::log::testing::directory;
use crate::log::{Incarnation, Keeper, Refusal};
use crate::recovery::{Options, ReplaySink, plan};
use crate::resp::Args;
use crate::storage::{PowerCut, SimFs};

struct Two {
    fs: SimFs,
    keeper: Keeper,
    logs: Vec<CoreLog>,
    /// Syncs asked for in the last [`Two::settle`].
    syncs: usize,
}

fn two() -> Two {
    let fs = SimFs::new(1);
    let incarnation =
        Incarnation { id: 1, cores: 2, segment_bytes: SEGMENT_BYTES_MIN, entropy: 1, relaxed: true, boot: 0 };
    let plan = plan(&directory(&fs), &Options::default()).unwrap();
    let (keeper, segments) = plan.repair(incarnation, 1).unwrap();
    let cut = Arc::new(DurableCut::new(2));
    let config =
        |core| LogConfig { core, policy: SyncPolicy::EverySecond, segment_bytes: SEGMENT_BYTES_MIN, in_flight_max: 1 };
    let logs = segments.into_iter().map(|s| CoreLog::new(config(s.header.core), s, cut.clone())).collect();
    Two { fs, keeper, logs, syncs: 0 }
}

impl Two {
    fn set(&mut self, core: usize, key: &str) {
        assert!(matches!(self.logs[core].admit(100), Admission::Ok));
        self.logs[core].append(0, [b"SET", key.as_bytes(), b"1"].into_iter());
        self.settle();
    }

    /// Does all that the logs ask for. Whether a newer round became durable.
    fn settle(&mut self) -> bool {
        let mut secured = false;
        self.syncs = 0;
        for log in &mut self.logs {
            log.seal(7);
            while let Some(op) = log.next_op() {
                let completion = match op {
                    LogOp::Write(write) => {
                        let result = write.segment.file.write_at(&write.buf, write.offset, write.dsync);
                        log.on_complete(write.token, result, Some(write.buf))
                    }
                    LogOp::Fdatasync { segment, token } => {
                        self.syncs += 1;
                        log.on_complete(token, segment.file.sync_data().map(|()| 0), None)
                    }
                    LogOp::NeedSegment { bytes, first_lsn_min } => {
                        log.segment_ready(self.keeper.prepare_segment(log.core(), bytes, first_lsn_min, 7).unwrap());
                        Completion::default()
                    }
                    LogOp::Unused(_) | LogOp::Retired(..) => Completion::default(),
                };
                assert!(completion.poisoned.is_empty());
                secured |= completion.secured;
                log.seal(7);
            }
        }
        secured
    }

    fn sync(&mut self) -> bool {
        for log in &mut self.logs {
            log.request_sync();
        }
        self.settle()
    }

    fn end_round(&mut self) {
        assert!(self.logs[0].rounds().turn(5));
        self.logs.iter_mut().for_each(CoreLog::see_round);
        self.settle();
    }

    fn after_a_power_cut(self) -> Vec<String> {
        #[derive(Default)]
        struct Keys(Vec<String>);
        impl ReplaySink for Keys {
            fn base_rdb(&mut self, _: &std::path::Path) -> Result<u64, String> {
                Err("none".to_string())
            }
            fn command(&mut self, _: Option<u16>, _: u16, args: Args<'_>) -> Result<(), String> {
                self.0.push(String::from_utf8_lossy(args.at(1)).into_owned());
                Ok(())
            }
        }
        let Two { fs, keeper, logs, .. } = self;
        drop((keeper, logs));
        fs.power_cut(PowerCut::LoseAll);
        let mut keys = Keys::default();
        let options = Options { boot: 1, ..Options::default() };
        plan(&directory(&fs), &options).unwrap().replay(&mut keys).unwrap();
        keys.0.sort();
        keys.0
    }
}

#[test]
fn x7_a_round_is_secure_when_both_cores_have_synced_it_and_what_came_later_falls_with_the_power() {
    let mut two = two();
    two.set(0, "first");
    two.set(1, "second");
    assert_eq!((two.logs[0].durable_lsn(), two.logs[0].secure_lsn()), (1, 0), "told, and not secure");
    assert!(!two.sync(), "no round has ended");
    two.end_round();
    assert!(two.sync(), "the vector is on the medium, and all that it names");
    assert_eq!([two.logs[0].secure_lsn(), two.logs[1].secure_lsn()], [1, 1]);
    assert_eq!(two.logs[0].rounds().durable_round(), 1);
    // The disk has the third, but no round says that nothing before it is missing on the other core.
    two.set(0, "third");
    assert!(!two.sync() && two.logs[0].secure_lsn() == 1);
    assert_eq!(two.after_a_power_cut(), ["first", "second"]);
}

#[test]
fn x7_the_vector_of_a_round_is_logged_by_itself_where_nothing_else_is() {
    let mut two = two();
    two.set(1, "only");
    two.end_round();
    assert!(two.sync());
    assert_eq!(two.logs[1].secure_lsn(), 1);
    assert_eq!(two.after_a_power_cut(), ["only"]);
}

#[test]
fn w6_one_sync_serves_all_frames_of_a_segment() {
    let mut two = two();
    assert!(!two.logs[0].has_unsynced() && !two.logs[0].request_sync(), "nothing to sync");
    for key in ["a", "b", "c"] {
        two.set(0, key);
    }
    assert!(two.logs[0].has_unsynced() && !two.logs[0].sync_pending());
    assert!(two.logs[0].request_sync());
    assert!(!two.logs[0].has_unsynced() && two.logs[0].sync_pending());
    two.settle();
    assert_eq!(two.syncs, 1);
    assert!(!two.logs[0].sync_pending());
}

#[test]
fn writers_that_outrun_the_disk_wait_and_are_refused_where_waiting_would_be_in_vain() {
    let mut two = two();
    two.settle();
    two.logs[0].hold_back(true);
    assert!(two.logs[0].is_held_back() && matches!(two.logs[0].admit(10), Admission::WaitForSpace));
    // Another core finds no room, so that no round can become durable.
    two.logs[1].segment_failed("no room".to_string());
    match two.logs[0].admit(10) {
        Admission::Refuse(Refusal::NoSpace(reason)) => assert_eq!(reason, "core 1: no room"),
        other => panic!("{other:?}"),
    }
    assert_eq!(two.logs[1].no_space(), Some("no room"));
    two.logs[1].retry_segment();
    two.settle();
    assert_eq!(two.logs[1].no_space(), None);
    assert!(matches!(two.logs[0].admit(10), Admission::WaitForSpace));
    two.logs[0].hold_back(false);
    assert!(!two.logs[0].is_held_back() && matches!(two.logs[0].admit(10), Admission::Ok));
}

#[test]
fn everysec_and_no_are_two_ways_of_one_generation() {
    let mut two = two();
    assert_eq!(two.logs[0].policy(), SyncPolicy::EverySecond);
    two.logs[0].set_policy(SyncPolicy::Never);
    assert_eq!(two.logs[0].policy(), SyncPolicy::Never);
}
