//! Commands about keys, whatever they hold.

mod copy;
mod delete;
mod dump;
mod expire;
mod keys;
mod object;
mod payload;
mod rename;
mod restore;
mod scan;
#[cfg(test)]
mod tests;
mod ttl;

use super::{Exec, Merge};

/// The handlers of this family.
pub(super) fn handlers() -> &'static [(&'static str, Exec)] {
    &[
        ("copy", Exec::Keyed(copy::copy)),
        ("dbsize", Exec::Every(keys::dbsize, Merge::Sum)),
        ("del", Exec::Split(delete::delete, Merge::Sum)),
        ("dump", Exec::Keyed(dump::dump)),
        ("exists", Exec::Split(keys::exists, Merge::Sum)),
        ("expire", Exec::Keyed(expire::expire)),
        ("expireat", Exec::Keyed(expire::expireat)),
        ("expiretime", Exec::Keyed(ttl::expiretime)),
        ("keys", Exec::Every(keys::keys, Merge::Concat)),
        ("move", Exec::Keyed(copy::move_key)),
        ("object|encoding", Exec::Keyed(object::encoding)),
        ("object|freq", Exec::Keyed(object::freq)),
        ("object|help", Exec::Keyed(object::help)),
        ("object|idletime", Exec::Keyed(object::idletime)),
        ("object|refcount", Exec::Keyed(object::refcount)),
        ("persist", Exec::Keyed(expire::persist)),
        ("pexpire", Exec::Keyed(expire::pexpire)),
        ("pexpireat", Exec::Keyed(expire::pexpireat)),
        ("pexpiretime", Exec::Keyed(ttl::pexpiretime)),
        ("pttl", Exec::Keyed(ttl::pttl)),
        ("rename", Exec::Keyed(rename::rename)),
        ("renamenx", Exec::Keyed(rename::renamenx)),
        ("restore", Exec::Keyed(restore::restore)),
        ("restore-asking", Exec::Keyed(restore::restore)),
        ("scan", Exec::Cursor(scan::scan)),
        ("touch", Exec::Split(keys::touch, Merge::Sum)),
        ("ttl", Exec::Keyed(ttl::ttl)),
        ("type", Exec::Keyed(keys::type_name)),
        ("unlink", Exec::Split(delete::delete, Merge::Sum)),
    ]
}
