//! One core of the server: its loop, and the way of a request from the socket to the shard and back.

mod core;
mod dispatch;
mod input;
mod mail;
mod output;
mod participant;
mod spanning;
mod task;

pub use core::{Core, Everyone};
