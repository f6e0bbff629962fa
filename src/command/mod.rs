//! Commands.

pub mod spec;
