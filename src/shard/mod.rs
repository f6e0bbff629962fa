//! One core's shard.

pub mod locks;
pub mod mesh;
