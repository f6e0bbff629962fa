//! One core of the server: its loop, and the way of a request from the socket to the shard and back.

mod accounting;
#[cfg(test)]
mod accounting_tests;
mod admin;
mod backup;
mod blocking;
#[cfg(test)]
mod blocking_tests;
mod clients;
mod core;
mod cron;
mod daemon;
mod digest;
mod dispatch;
mod engine;
mod facts;
mod fanout;
mod gathering;
mod input;
mod instant;
mod keeper;
mod loading;
mod loading_keys;
mod loading_rdb;
mod logging;
mod lookahead;
mod mail;
mod memory;
#[cfg(test)]
mod memory_tests;
mod monitors;
mod move_shard;
mod opening;
mod output;
mod outside;
mod participant;
mod pause;
mod query;
mod reaching;
mod reload;
mod report;
mod rewrite;
mod rounds;
mod safety;
mod snapshot;
mod spanning;
mod start;
mod subscribers;
mod task;
#[cfg(test)]
pub(crate) mod testing;
pub mod transaction;
mod waits;
#[cfg(test)]
mod watch_tests;

pub use accounting::UnderWay;
pub(crate) use backup::{clean_up, seal};
pub(crate) use blocking::{SETTLED, parse_timeout, timeout_of};
pub(crate) use clients::describe_client;
pub use clients::{ClientFilter, ClientType};
pub(crate) use core::random_id;
pub use core::{Core, Everyone};
pub use daemon::detach;
pub use digest::Digest;
pub(crate) use instant::{Whole, at_one_instant, end_server};
pub use keeper::{BackupResult, KeeperClient, NewBase, RewriteCut};
pub use loading::Progress;
pub(crate) use loading::{ensure_effect, try_load};
pub use move_shard::Moved;
pub(crate) use opening::switch_log;
pub use query::{Finding, Query};
pub(crate) use reload::{Reload, reload};
pub use report::{ClientsReport, CoreReport, DatabaseReport, LogReport};
pub(crate) use rewrite::{RewriteRefusal, begin_rewrite};
pub(crate) use rounds::{change_fsync, secure_all};
pub(crate) use safety::Safety;
pub(crate) use snapshot::{SaveRefusal, begin_snapshot, save_and_wait};
pub(crate) use spanning::Outcome;
pub use start::{StartError, block_signals, serve};
pub(crate) use subscribers::subscribed;
pub use subscribers::{ChannelKind, Message};
pub(crate) use task::Handle;
