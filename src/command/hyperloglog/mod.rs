//! HyperLogLogs: strings whose bytes are registers.

mod debug;
mod pf;
#[cfg(test)]
mod tests;

use super::Exec;

/// The handlers of this family.
pub(super) fn handlers() -> &'static [(&'static str, Exec)] {
    &[
        ("pfadd", Exec::Keyed(pf::pfadd)),
        ("pfcount", Exec::Keyed(pf::pfcount)),
        ("pfdebug", Exec::Keyed(debug::pfdebug)),
        ("pfmerge", Exec::Keyed(pf::pfmerge)),
        ("pfselftest", Exec::Conn(debug::pfselftest)),
    ]
}
