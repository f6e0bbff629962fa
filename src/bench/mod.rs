//! The latency harness behind `basalt-bench`: a load generator for any RESP server that does not flatter it.
//!
//! In the order a request goes: [`workload`] says who sends what, [`keys`] and [`template`] make it, [`schedule`] says
//! when, [`generator`] sends it over a [`conn`] and waits in its [`ring`], [`reply`] counts the answer, [`record`] keeps
//! the times, [`run`] puts threads together, [`report`] and [`export`] show the figures. Beside it, [`annotate`] watches
//! the server, [`verify`] kills it and looks for losses, [`sweep`] varies the rate,
//! [`compare`] runs several servers in turns.
//!
//! Two times are measured for each request. **Response time** runs from the moment the request was meant to leave,
//! **service time** from the moment it left. In an open loop requests leave on schedule whatever the server does, so a
//! pause of the server shows in every request that users would have sent meanwhile; a tool that times from the send,
//! or sends only after an answer, hides exactly those (coordinated omission). The generator's own **lateness**, send
//! minus intention, is always measured, and too much of it makes the run invalid.

pub mod annotate;
pub mod args;
pub mod cli;
pub mod client;
pub mod cluster;
pub mod compare;
pub mod conn;
pub mod document;
pub mod error;
pub mod export;
pub mod generator;
pub mod html;
pub mod keys;
pub mod link;
pub mod load;
pub mod process;
pub mod record;
pub mod recording;
pub mod reply;
pub mod report;
pub mod ring;
pub mod rng;
pub mod run;
pub mod schedule;
#[cfg(test)]
mod selftest;
pub mod server;
pub mod sizes;
pub mod stats;
pub mod sweep;
pub mod template;
pub mod tls;
pub mod units;
pub mod verify;
pub mod workload;

pub use cli::main;
