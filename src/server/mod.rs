//! One core of the server: its loop, and the way of a request from the socket to the shard and back.

mod admin;
mod core;
mod cron;
mod dispatch;
mod engine;
mod input;
mod instant;
mod keeper;
mod loading;
mod logging;
mod mail;
mod move_shard;
mod output;
mod outside;
mod participant;
mod pause;
mod spanning;
mod start;
mod task;
pub mod transaction;

pub use keeper::KeeperClient;
pub use loading::Progress;
pub use move_shard::Moved;
pub use core::{Core, Everyone};
pub use start::{StartError, block_signals, serve};
