//! Recovery: from what lies in the log's directory to a server that may serve.
mod error;
mod find;
mod judge;
mod plain;
mod plan;
mod repair;
mod replay;
#[cfg(test)]
mod rot;
#[cfg(test)]
mod simulation;
mod table;

pub use error::{Corruption, RecoveryError};
pub use find::plan;
pub use plain::PlainPart;
pub use plan::{Base, Finding, GenerationPlan, Options, Plan, SegmentPlan};
pub use replay::ReplaySink;
pub use table::{Continued, Facts, Row, Verdict, classify};
