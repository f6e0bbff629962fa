//! Streams and their consumer groups. What a command did goes to the log as what it did to each entry: IDs are spelled
//! out, trims say how many entries are left, and what consumers were given is written as XCLAIM.

mod ack;
mod add;
mod arguments;
mod claim;
mod effects;
mod group;
mod id_text;
mod info;
mod info_full;
mod pending;
mod range;
mod read;
mod read_group;
mod setid;
#[cfg(test)]
mod tests;
mod trim;
mod value;

use super::Exec;
use super::answer::help;

/// The handlers of this family.
pub(super) fn handlers() -> &'static [(&'static str, Exec)] {
    &[
        ("xack", Exec::Keyed(ack::xack)),
        ("xadd", Exec::Keyed(add::xadd)),
        ("xautoclaim", Exec::Keyed(claim::xautoclaim)),
        ("xclaim", Exec::Keyed(claim::xclaim)),
        ("xdel", Exec::Keyed(trim::xdel)),
        ("xgroup|create", Exec::Keyed(group::create)),
        ("xgroup|createconsumer", Exec::Keyed(group::create_consumer)),
        ("xgroup|delconsumer", Exec::Keyed(group::delete_consumer)),
        ("xgroup|destroy", Exec::Keyed(group::destroy)),
        ("xgroup|help", Exec::Conn(help)),
        ("xgroup|setid", Exec::Keyed(group::set_id)),
        ("xinfo|consumers", Exec::Keyed(info::consumers)),
        ("xinfo|groups", Exec::Keyed(info::groups)),
        ("xinfo|help", Exec::Conn(help)),
        ("xinfo|stream", Exec::Keyed(info::stream)),
        ("xlen", Exec::Keyed(range::xlen)),
        ("xpending", Exec::Keyed(pending::xpending)),
        ("xrange", Exec::Keyed(range::xrange)),
        ("xread", Exec::Blocking(read::xread)),
        ("xreadgroup", Exec::Blocking(read_group::xreadgroup)),
        ("xrevrange", Exec::Keyed(range::xrevrange)),
        ("xsetid", Exec::Keyed(setid::xsetid)),
        ("xtrim", Exec::Keyed(trim::xtrim)),
    ]
}
