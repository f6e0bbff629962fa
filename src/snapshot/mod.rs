//! The snapshot: all keys as they were at one instant, written to an RDB file while commands go on. No fork, no copy of
//! the data.
//!
//! At the instant every core bumps its epoch and begins a [`Walk`]: in slices it writes the entries of an older epoch
//! into blocks. A command that is about to change such an entry has its old value written first
//! (`Shard::will_change` calls [`Walk::keep`]), so every key is written once, as it was at the instant. New keys carry
//! the new epoch and are passed over. Blocks begin with the number of their database, so they may stand in any order;
//! each takes its place in the file by one atomic addition. Threads write them there, past the page cache, and put the
//! temporary file in place when it is whole and durable ([`write`]).
//!
//! A large collection is written in pieces. It has a place of its own, long enough for whatever its encoding may take, and knows
//! by itself what of it is saved ([`crate::object::Object::begin_saving`]): before a change it keeps a chunk of some ten
//! kilobytes as it was. So neither a slice of the walk nor a command takes longer for it than for a small one.
//!
//! The base of a log may be a file of commands instead (`aof-use-rdb-preamble no`): the blocks hold commands, and a large collection's
//! stand among the others of its core.
//!
//! A walk that is called off still visits every entry, without writing: afterwards all are of one epoch, which is what
//! lets two bits tell old from new.

mod commands;
mod large;
mod shared;
mod walk;
mod writer;

pub use shared::{Order, Piece, Progress, Shared, Uses};
pub use walk::Walk;
pub use writer::{Target, WriteError, write};

/// Bytes at which a block is full. One with a large value is larger.
pub const BLOCK_BYTES: usize = 1 << 20;

/// Blocks that may wait for the writer before the walk pauses, per core.
pub const BLOCKS_WAITING_PER_CORE: usize = 4;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod large_tests;
#[cfg(test)]
mod tests;
