//! Basalt: a Redis-compatible storage server for Linux NVMe. One thread per core, io_uring, durable by default.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

pub mod bench;
pub mod resp;
