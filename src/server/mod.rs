//! One core of the server: its loop, and the way of a request from the socket to the shard and back.

mod admin;
mod blocking;
mod clients;
mod core;
mod cron;
mod dispatch;
mod engine;
mod facts;
mod fanout;
mod input;
mod instant;
mod keeper;
mod loading;
mod logging;
mod mail;
mod monitors;
mod move_shard;
mod output;
mod outside;
mod participant;
mod pause;
mod query;
mod report;
mod spanning;
mod start;
mod subscribers;
mod task;
#[cfg(test)]
pub(crate) mod testing;
pub mod transaction;

pub(crate) use clients::describe_client;
pub(crate) use blocking::{parse_timeout, timeout_of};
pub use clients::{ClientFilter, ClientType};
pub(crate) use core::random_id;
pub use core::{Core, Everyone};
pub(crate) use instant::{Whole, at_one_instant};
pub use keeper::KeeperClient;
pub use loading::Progress;
pub use move_shard::Moved;
pub use query::{Finding, Query};
pub use report::{ClientsReport, CoreReport, DatabaseReport, LogReport};
pub(crate) use spanning::Outcome;
pub use start::{StartError, block_signals, serve};
pub(crate) use subscribers::subscribed;
pub use subscribers::{ChannelKind, Message};
pub(crate) use task::Handle;
