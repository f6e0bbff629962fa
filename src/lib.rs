//! Basalt: a Redis-compatible storage server for Linux NVMe. One thread per core, io_uring, durable by default.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

pub mod intset;
pub mod listpack;
pub mod net;
pub mod object;
pub mod resp;
pub mod ring;
pub mod shard;
