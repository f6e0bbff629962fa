//! The command table's metadata: what COMMAND, ACL, the router and the arity check know about each command.
//!
//! One row per command ([`CommandSpec`]), one file per group under `groups/`. Rows are pure data; handlers live elsewhere
//! and are joined by [`CommandId`]. Names, arities, flags, key specifications, ACL categories, tips and argument lists are
//! those of Redis 7.4, with the commands that Redis 8.0 and Valkey 8.0 added
//! (<https://redis.io/docs/latest/commands/command/>). `tests/command_table.rs` compares them with running servers.
//!
//! - [`find`] looks a name up, [`resolve`] also takes the subcommand and checks the arity;
//! - [`keys`] finds the keys among a request's arguments;
//! - [`reply`] answers COMMAND and its subcommands, and HELP of every container.

mod arg;
mod categories;
mod command;
mod docs;
mod errors;
mod flags;
mod glob;
mod groups;
mod key_spec;
pub mod keys;
mod lookup;
pub mod reply;
mod row;
mod table;

pub use arg::{Arg, ArgFlags, ArgKind};
pub use categories::AclCategories;
pub use command::{CommandId, CommandSpec, DocFlags, Group, KeyFinder, KeyRange};
pub use errors::{LookupError, resolve, wrong_arity};
pub use flags::Flags;
pub use key_spec::{BeginSearch, FindKeys, KeyFlags, KeySpec};
pub use lookup::{find, find_id, find_path};
pub use table::{COMMANDS, SUBCOMMANDS, TOTAL};
