//! Basalt: a Redis-compatible storage server for Linux NVMe. One thread per core, io_uring, durable by default.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

pub mod bench;
pub mod command;
pub mod config;
pub mod glob;
pub mod intset;
pub mod keyspace;
pub mod limits;
pub mod listpack;
pub mod log;
pub mod net;
pub mod object;
pub mod observe;
pub mod rdb;
pub mod recovery;
pub mod resp;
pub mod ring;
pub mod server;
pub mod shard;
pub mod snapshot;
pub mod storage;
