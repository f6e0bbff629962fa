//! The collection types and the algorithms over plain strings: what a key can hold, without any command.

pub mod bits;
pub mod geo;
pub mod hll;
pub mod stream;
pub mod zset;
