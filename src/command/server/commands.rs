//! COMMAND and its subcommands: what commands there are.

use crate::command::answer::answer;
use crate::command::spec::{self, CommandSpec};
use crate::command::{Exec, Flow};
use crate::net::Conn;
use crate::resp::Args;
use crate::server::Core;

pub(super) fn handlers() -> Vec<(&'static str, Exec)> {
    let names = [
        "command",
        "command|count",
        "command|docs",
        "command|getkeys",
        "command|getkeysandflags",
        "command|help",
        "command|info",
        "command|list",
    ];
    names.into_iter().map(|name| (name, Exec::Conn(command as crate::command::ConnFn))).collect()
}

/// COMMAND [...]
fn command(core: &mut Core, conn: &mut Conn, args: Args) -> Flow {
    let commands = core.commands;
    let has = |spec: &CommandSpec| !matches!(commands[spec.id.index()].exec, Exec::Missing);
    // A container exists if any of its subcommands does.
    let implemented = |spec: &CommandSpec| has(spec) || spec.subcommands.iter().any(has);
    answer(core, conn, |reply| spec::reply::command(args, reply, &implemented))
}
