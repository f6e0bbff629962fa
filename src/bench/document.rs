//! What the harness writes as JSON and reads again to make pages of it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::compare::ComparisonReport;
use super::error::BenchError;
use super::report::RunReport;
use super::sweep::SweepReport;

/// The outcome of one command.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "there are a handful in a process")]
pub enum Document {
    /// A run or a replay.
    Run(RunReport),
    /// A sweep.
    Sweep(SweepReport),
    /// A comparison.
    Compare(ComparisonReport),
}

impl Document {
    /// Reads a file that `--json` wrote.
    pub fn read(path: &Path) -> Result<Self, BenchError> {
        let text = std::fs::read(path).map_err(|e| BenchError::io(format!("cannot read {}", path.display()), e))?;
        serde_json::from_slice(&text)
            .map_err(|e| BenchError::workload(format!("{} is not a report of basalt-bench: {e}", path.display())))
    }

    /// A title for it.
    pub fn title(&self) -> String {
        match self {
            Document::Run(run) => format!("{}, {}", run.server_name(), run.classes_in_short()),
            Document::Sweep(sweep) => match sweep.steps.first() {
                Some(step) => format!("{} at rising rates", step.report.server_name()),
                None => "An empty sweep".into(),
            },
            Document::Compare(comparison) => comparison.servers().join(", "),
        }
    }
}
