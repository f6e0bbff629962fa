//! The rows, by group.

mod acl;
mod admin;
pub(super) mod connection;
pub(super) mod generic;
pub(super) mod server;
pub(super) mod string;
pub(super) mod transactions;
