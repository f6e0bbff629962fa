//! Basalt: a Redis-compatible storage server for Linux NVMe. One thread per core, io_uring, durable by default.
//!
//! # The life of a SET
//!
//! 1. [`ring`]: the core's io_uring completes a receive into one of its buffers; [`server`] (`engine`, one pass of the core's loop)
//!    takes it.
//! 2. [`resp`]: the parser finds the arguments in place; nothing is copied.
//! 3. [`command`]: the name leads to a row of the one static table, and the row to its handler.
//! 4. [`server`] (`dispatch`): the key's slot names the core that owns it ([`shard::slot`]). Here: go on. Elsewhere: into this pass's
//!    message to that core ([`shard::mesh`]). Keys on several cores: a coordinator locks them (`spanning`, `transaction`).
//! 5. [`shard`]: the handler runs with a `Cx`, the only way to change a key. The [`keyspace`] changes; from the change come the
//!    effect for the log, the note that the key is not durable yet, the versions that WATCH compares, and events.
//! 6. [`log`]: the effect is encoded into the batch that gathers while the commit before it is under way. Its number is the LSN that the
//!    reply waits for.
//! 7. [`net`]: the reply stands in the connection's outbox, in order, behind its gate (core, LSN).
//! 8. End of the pass: the batch is sealed into a frame, one O_DIRECT | O_DSYNC write goes into the [`ring`] ([`storage`] opened the
//!    file), and what may leave is sent: one entry into the kernel for all of it. (Under `everysec` and `no` the frame goes to the page
//!    cache with a write of its own before anything leaves.)
//! 9. The write completes: the durable cut moves ([`log::DurableCut`]), gates open, the reply leaves.
//! 10. Ever after, [`recovery`] finds the frame, judges it, and replays the effect.
//!
//! # The map, in the order data flows
//!
//! | module | what it is |
//! |---|---|
//! | [`config`], [`limits`] | directives and settings; bounds that no setting changes |
//! | [`ring`] | a core's io_uring: sockets, log writes, bells between cores |
//! | [`net`] | listeners, connections, outboxes, the registry of clients |
//! | [`resp`] | the request parser and the reply writer |
//! | [`server`] | a core's loop; where a command runs; commands over several cores; start and end |
//! | [`command`] | the table of commands, and their handlers by family |
//! | [`shard`] | what a core owns; slots, mesh, locks, undurable keys |
//! | [`keyspace`] | databases: table, entries, slab, expiry |
//! | [`object`], [`listpack`], [`intset`] | the collection types, and their small encodings in Redis's own bytes |
//! | [`log`] | frames, segments, group commit, the durable cut, the manifest |
//! | [`storage`] | the one door to the disk, real or simulated |
//! | [`snapshot`] | one instant of all cores, written to an RDB file while they go on |
//! | [`recovery`] | from the files found to a server that may serve |
//! | [`check`] | basalt-check: verdicts, repairs, restoring to a time, from history |
//! | [`rdb`] | Redis's snapshot format and DUMP payloads |
//! | [`observe`] | clocks, counters, slow commands, INFO |
//! | [`glob`] | patterns of KEYS, SCAN and PSUBSCRIBE |
//! | [`bench`](mod@bench) | the latency harness behind `basalt-bench` |
//!
//! docs/ARCHITECTURE.md has the reasons and the figures behind them.

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

pub mod bench;
pub mod check;
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
