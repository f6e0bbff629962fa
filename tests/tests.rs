//! The server as a whole: a real process on a free port with its files on a real disk, and real clients.
//!
//! | module | what it holds off |
//! |---|---|
//! | [`it::start`] | a start that hangs or lies: port or directory taken, unknown directives, `-LOADING`, clean stops |
//! | [`it::protocol`] | requests cut anywhere, pipelines of 10,000, replies out of order, broken or hostile requests |
//! | [`it::atomic`] | halves of MSET, MULTI and WATCH across cores |
//! | [`it::crash`] | `kill -9`: lost acknowledged writes, half transactions, other core counts |
//! | [`it::saving`] | snapshots and rewrites with half a transfer in them, or lost writes; failures that go unnoticed |
//! | [`it::switching`] | `appendonly` turned on and off under load, then `kill -9`; RDB files that a start with a log leaves aside |
//! | [`it::bases`] | bases of commands that lose what values are, that other servers read otherwise, or that are damaged and served |
//! | [`it::backup`] | backups by hard link that are no instant, that change, or that load nowhere |
//! | [`it::whole`] | FLUSHALL, FLUSHDB and SWAPDB between writes, then `kill -9` |
//! | [`it::interop`] | directories that Redis or Valkey cannot read, or that they wrote and Basalt cannot |
//! | [`it::snapshot`] | snapshots that hold no one instant, or that others cannot load |
//! | [`it::check`] | rot that is served, or that basalt-check does not name |
//! | [`it::fuzz`] | readers that hostile bytes crash, hang or fill with memory |
//! | [`it::refused`] | acknowledgements of what the kernel refused to take |
//! | [`it::reload`] | DEBUG RELOAD and LOADAOF that lose something, or leave log and memory at odds |
//! | [`it::repair`] | repairs that lose what could be kept or load nowhere; a FLUSHALL by mistake; a time that cuts transactions |
//! | [`it::limits`] | too many clients, slow readers, bulks announced and never sent |
//! | [`it::eviction`] | memory beyond `maxmemory`, evictions undone by a restart, stalls while values are freed |
//! | [`it::clients`] | CLIENT across cores; redis-cli, redis-benchmark, redis-py and ioredis as they come |
//! | [`it::differential`] | replies and content other than Redis's, over random commands |
//! | [`it::bench`] | a harness that fails on a real server, or keeps to itself what went wrong |
//! | [`it::compat`] | docs/COMPAT.md out of date |
//!
//! The programs that a story needs besides Basalt (Redis, Valkey, python3 with redis-py, node with ioredis) are found as
//! [`it::peers`] says; a story without them says loudly that it was skipped. `SEED` names the random choices of a run;
//! `BASALT_SERVER` and `BASALT_BENCH` name other binaries than those that cargo has just built.

#![allow(clippy::unwrap_used)] // Failing is what a test is for.

mod it {
    pub mod atomic;
    pub mod backup;
    pub mod bases;
    pub mod bench;
    pub mod check;
    pub mod client;
    pub mod clients;
    pub mod compat;
    pub mod crash;
    pub mod differential;
    pub mod eviction;
    pub mod fuzz;
    pub mod interop;
    pub mod limits;
    pub mod peers;
    pub mod ports;
    pub mod protocol;
    pub mod refused;
    pub mod reload;
    pub mod repair;
    pub mod rng;
    pub mod saving;
    pub mod server;
    pub mod snapshot;
    pub mod start;
    pub mod switching;
    pub mod whole;
}
