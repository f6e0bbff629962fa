//! MODULE: there are none, and none can be loaded.

use crate::command::answer::{answer, error, help};
use crate::command::{Exec, Flow};
use crate::net::Conn;
use crate::resp::Args;
use crate::server::Core;

pub(super) fn handlers() -> Vec<(&'static str, Exec)> {
    vec![
        ("module|list", Exec::Conn(list)),
        ("module|help", Exec::Conn(help)),
        ("module|load", Exec::Conn(refuse)),
        ("module|loadex", Exec::Conn(refuse)),
        ("module|unload", Exec::Conn(refuse)),
    ]
}

/// MODULE LIST
fn list(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    answer(core, conn, |reply| reply.array(0))
}

/// MODULE LOAD, LOADEX and UNLOAD
fn refuse(core: &mut Core, conn: &mut Conn, _: Args) -> Flow {
    error(core, conn, "ERR Modules are not supported by this server")
}
