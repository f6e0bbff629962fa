//! The handlers, joined with their rows by name.

use super::{Command, Exec, spec};
use std::sync::OnceLock;

/// Every command and subcommand, at the index of its id.
pub fn all() -> &'static [Command] {
    static TABLE: OnceLock<Vec<Command>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let rows = spec::COMMANDS.iter().chain(spec::SUBCOMMANDS.iter());
        let mut table: Vec<Command> = rows.map(|spec| Command { spec, exec: Exec::Missing }).collect();
        for (name, exec) in handlers() {
            let spec = spec::find_path(name.as_bytes()).unwrap_or_else(|| panic!("a handler for no command: {name}"));
            table[spec.id.index()].exec = exec;
        }
        table
    })
}

fn handlers() -> impl Iterator<Item = (&'static str, Exec)> {
    let keyed = [
        super::string::handlers(),
        super::generic::handlers(),
        super::bitmap::handlers(),
        super::hash::handlers(),
        super::set::handlers(),
        super::sort::handlers(),
        super::list::handlers(),
        super::zset::handlers(),
        super::geo::handlers(),
        super::hyperloglog::handlers(),
        super::stream::handlers(),
    ];
    let others = [
        super::connection::handlers(),
        super::pubsub::handlers(),
        super::server::handlers(),
        super::transactions::handlers(),
    ];
    keyed.into_iter().flatten().copied().chain(others.concat())
}
