//! The append-only log: one per core, one frame per group commit, in files that Redis and Valkey load as they are.
//!
//! The format is in `docs/FORMATS.md`, the contract in `docs/DURABILITY.md`. The parts, in the order of a write:
//!
//! - [`CoreLog`], one core's log, a state machine without I/O: effects are encoded straight into the buffer that will be written
//!   ([`CoreLog::append`], [`CoreLog::transaction`], [`CoreLog::append_mark`]), a batch is sealed into a frame when the commit before it
//!   has ended, and what is to be done comes out as [`LogOp`]s.
//! - [`DurableCut`], shared by all cores: how far each may acknowledge. A core without unresolved marks takes no lock.
//! - [`Keeper`], in a thread of its own: prepares segments, switches the manifest, makes barriers and the cuts of rewrites.
//! - [`scan`], the reader, and [`Manifest`], which recovery uses.
//!
//! # How a core's loop drives it
//!
//! ```
//! # use std::sync::Arc;
//! # use basalt::log::*;
//! # use basalt::recovery::{Options, plan};
//! # use basalt::storage::SimFs;
//! # let dir = Directory { fs: Arc::new(SimFs::new(1)), data_dir: "/".into(), dirname: "appendonlydir".into(), filename: "appendonly.aof".into() };
//! // At start, once: recover, then begin a new incarnation.
//! let plan = plan(&dir, &Options::default())?;
//! // … plan.replay(&mut sink)?, or generation by generation on all cores …
//! let incarnation = Incarnation { id: 0x5eed, cores: 1, segment_bytes: 64 << 10, entropy: 0xbeef, relaxed: false, boot: 0 };
//! let (mut keeper, segments) = plan.repair(incarnation, 1_700_000_000_000)?;
//! let cut = Arc::new(DurableCut::new(incarnation.cores));
//! let segment = segments.into_iter().next().expect("one for each core");
//! let config = LogConfig { core: 0, policy: SyncPolicy::Always, segment_bytes: 64 << 10, in_flight_max: 1 };
//! let mut log = CoreLog::new(config, segment, cut);
//!
//! // A command: admission before it runs, its effect after; the reply waits for the LSN.
//! let words = [b"SET".as_slice(), b"key", b"value"];
//! assert!(matches!(log.admit(encoded_bytes(words.into_iter())), Admission::Ok));
//! let lsn = log.append(0, words.into_iter());
//!
//! // The end of a pass: seal what has gathered, carry out what is asked for.
//! log.seal(1_700_000_000_001);
//! while let Some(op) = log.next_op() {
//!     match op {
//!         // One entry on the ring: write all of `buf` at `offset` to `segment.file.raw_fd()`, with RWF_DSYNC if `dsync`.
//!         LogOp::Write(write) => {
//!             let result = write.segment.file.write_at(&write.buf, write.offset, write.dsync);
//!             // At its completion:
//!             let completion = log.on_complete(write.token, result, Some(write.buf));
//!             // `completion.advanced`: release this core's replies, ring the others. `completion.poisoned`: poison them.
//!             assert!(completion.advanced.contains(0) && completion.poisoned.is_empty());
//!         }
//!         // One FSYNC entry with the datasync flag.
//!         LogOp::Fdatasync { segment, token } => {
//!             let result = segment.file.sync_data().map(|()| 0);
//!             let _ = log.on_complete(token, result, None);
//!         }
//!         // To the keeper's thread; its answer comes back as a message.
//!         LogOp::NeedSegment { bytes, first_lsn_min } => {
//!             match keeper.prepare_segment(log.core(), bytes, first_lsn_min, 1_700_000_000_002) {
//!                 Ok(segment) => log.segment_ready(segment),
//!                 Err(error @ KeeperError::Io { .. }) => log.segment_failed(error.to_string()),
//!                 Err(error) => panic!("poison all logs: {error}"),
//!             }
//!         }
//!         LogOp::Unused(segment) => keeper.remove_unused(&segment)?,
//!         LogOp::Retired(_segment, _end) => {}
//!     }
//!     log.seal(1_700_000_000_003);
//! }
//! assert!(log.durable_lsn() >= lsn);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Under `everysec` and `no` frames are written at once, before any reply leaves; [`CoreLog::see_round`] looks for rounds that ended,
//! [`CoreLog::request_sync`] makes them durable. Now and then: [`CoreLog::seal_idle`] when idle, [`CoreLog::retry_segment`] while
//! [`CoreLog::no_space`] says that the disk is full. A whole-database effect: stop and drain all cores ([`CoreLog::is_drained`]),
//! [`Keeper::barrier`] with every core's [`CoreLog::end`], [`CoreLog::enter_generation`] on each; the same for a rewrite's cut. A clean
//! stop: drain, [`CoreLog::seal_clean_stop`], carry out its write.

mod backup;
mod base;
mod batch;
mod core;
mod cut;
mod directory;
mod error;
mod frame;
mod hex;
mod history;
mod keeper;
#[cfg(test)]
mod keeper_tests;
mod manifest;
mod opening;
mod parse;
mod rounds;
mod scan;
mod segment;
#[cfg(test)]
mod testing;
mod types;

pub use self::core::{Admission, Completion, CoreLog, FrameWrite, LogConfig, LogOp, SegmentEnd, Token, Transaction};
pub use backup::Sealed;
pub(crate) use base::BASE_MAGIC;
pub use base::{
    BASE_ALIGN, BASE_END_BYTES, BASE_HEAD_BYTES, BLOCK_LINE_BYTES, BaseEnd, BaseFault, BaseHeader, BlockLine,
    pad_base_block,
};
pub(crate) use batch::Batch;
pub use batch::encoded_bytes;
pub use cut::{Advance, DurableCut};
pub(crate) use cut::{CoreMarks, greatest_cut};
pub use directory::{Directory, Incarnation};
pub use error::{KeeperError, Poisoned, Refusal};
pub(crate) use frame::write_mark;
pub use frame::{
    FLAG_CLEAN_STOP, FLAG_CLOSES, FLAG_SUPERSEDES, FrameHeader, HEAD_BYTES, is_whole, padded_bytes, read_header,
    read_marks, read_trailer, seal,
};
pub use history::{HISTORY_SUFFIX, Retention, barrier_commands};
pub use keeper::{BarrierEffects, Keeper, Rewrite};
pub(crate) use keeper::{SwitchError, switch_manifest, switch_manifest_at};
pub use manifest::{Entry, MANIFEST_BYTES_MAX, Manifest, ManifestFault, Role, SegmentEntry};
pub use parse::{Broken, read_command};
pub use rounds::Rounds;
pub use scan::{FrameSpan, Scan, Stop, scan};
pub(crate) use scan::{Window, reread};
pub use segment::{FORMAT_VERSION, HeaderFault, LINE_BYTES, Line, Segment, SegmentHeader, SegmentKind};
pub use types::{
    CORES_MAX, CoreSet, FRAME_BYTES_LARGE, Lsn, Mark, PlacedMark, RoundVector, SEGMENT_BYTES_MIN, SyncPolicy,
};
