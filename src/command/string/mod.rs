//! Strings. [`set`] is the example of how a command is written.

mod append;
mod counter;
mod get;
mod getex;
mod lcs;
mod many;
mod range;
mod set;
#[cfg(test)]
mod tests;
pub(super) mod text;
mod time;

use super::{Exec, Merge};

/// The handlers of this family.
pub(super) fn handlers() -> &'static [(&'static str, Exec)] {
    &[
        ("append", Exec::Keyed(append::append)),
        ("decr", Exec::Keyed(counter::decr)),
        ("decrby", Exec::Keyed(counter::decrby)),
        ("get", Exec::Keyed(get::get)),
        ("getdel", Exec::Keyed(get::getdel)),
        ("getex", Exec::Keyed(getex::getex)),
        ("getrange", Exec::Keyed(range::getrange)),
        ("getset", Exec::Keyed(set::getset)),
        ("incr", Exec::Keyed(counter::incr)),
        ("incrby", Exec::Keyed(counter::incrby)),
        ("incrbyfloat", Exec::Keyed(counter::incrbyfloat)),
        ("lcs", Exec::Keyed(lcs::lcs)),
        ("mget", Exec::Split(many::mget, Merge::InOrder)),
        ("mset", Exec::Split(many::mset, Merge::AllOk)),
        ("msetnx", Exec::Keyed(many::msetnx)),
        ("psetex", Exec::Keyed(set::psetex)),
        ("set", Exec::Keyed(set::set)),
        ("setex", Exec::Keyed(set::setex)),
        ("setnx", Exec::Keyed(set::setnx)),
        ("setrange", Exec::Keyed(range::setrange)),
        ("strlen", Exec::Keyed(range::strlen)),
        ("substr", Exec::Keyed(range::getrange)),
    ]
}
