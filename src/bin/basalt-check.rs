//! Checks and repairs what lies on the disk. See [`basalt::check`].

use basalt::check::{Args, run};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    run(&Args::parse())
}
