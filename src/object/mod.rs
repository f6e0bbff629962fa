//! The collection types and the algorithms over plain strings: what a key can hold, without any command.

pub mod hll;
pub mod zset;
