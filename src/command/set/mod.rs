//! Sets.

mod access;
mod algebra;
mod combine;
mod members;
mod pop;
mod random;
mod read;
mod scan;
#[cfg(test)]
mod tests;

use super::Exec;

/// The handlers of this family.
pub(super) fn handlers() -> &'static [(&'static str, Exec)] {
    &[
        ("sadd", Exec::Keyed(members::sadd)),
        ("scard", Exec::Keyed(read::scard)),
        ("sdiff", Exec::Keyed(combine::sdiff)),
        ("sdiffstore", Exec::Keyed(combine::sdiffstore)),
        ("sinter", Exec::Keyed(combine::sinter)),
        ("sintercard", Exec::Keyed(combine::sintercard)),
        ("sinterstore", Exec::Keyed(combine::sinterstore)),
        ("sismember", Exec::Keyed(read::sismember)),
        ("smembers", Exec::Keyed(read::smembers)),
        ("smismember", Exec::Keyed(read::smismember)),
        ("smove", Exec::Keyed(members::smove)),
        ("spop", Exec::Keyed(pop::spop)),
        ("srandmember", Exec::Keyed(random::srandmember)),
        ("srem", Exec::Keyed(members::srem)),
        ("sscan", Exec::Keyed(scan::sscan)),
        ("sunion", Exec::Keyed(combine::sunion)),
        ("sunionstore", Exec::Keyed(combine::sunionstore)),
    ]
}
