//! Recovery: from what lies in the log's directory to a server that may serve.
//!
//! [`plan`] locks the directory, reads every file in it to its last byte and decides by the table of cases ([`classify`]) what is
//! kept; it changes nothing. [`Plan::replay`] gives the records to a [`ReplaySink`]: the base, then generation after generation. Within a
//! generation every core's segments may be replayed in parallel with the others' ([`SegmentPlan::replay`]); what other servers
//! appended comes after them. [`Plan::repair`] cuts what is torn, begins a new incarnation and gives the keeper of its
//! segments. Every step may crash and run again.

pub(crate) mod commands;
mod error;
mod find;
mod judge;
mod plain;
mod plan;
mod repair;
mod replay;
#[cfg(test)]
mod rot;
mod rounds;
mod salvage;
#[cfg(test)]
mod simulation;
mod table;

pub use commands::{BlockSink, CommandsBase, base_key};
pub use error::{Corruption, RecoveryError};
pub(crate) use find::lock_directory;
pub use find::plan;
pub use plain::PlainPart;
pub(crate) use plain::Tolerance;
pub use plan::{Base, Finding, GenerationPlan, Options, Plan, SegmentPlan};
pub use replay::{EffectSink, ReplaySink};
pub(crate) use salvage::Hollow;
pub use salvage::{Limit, Loss, Salvage, salvage};
pub use table::{Continued, Facts, Row, Verdict, classify};
