//! Strings as arrays of bits, numbered from the highest bit of the first byte.

mod bit;
mod bits;
mod count;
mod field;
mod offset;
mod operation;
mod overflow;
mod range;
#[cfg(test)]
mod tests;

use super::Exec;

/// The handlers of this family.
pub(super) fn handlers() -> &'static [(&'static str, Exec)] {
    &[
        ("bitcount", Exec::Keyed(count::bitcount)),
        ("bitfield", Exec::Keyed(field::bitfield)),
        ("bitfield_ro", Exec::Keyed(field::bitfield_ro)),
        ("bitop", Exec::Keyed(operation::bitop)),
        ("bitpos", Exec::Keyed(count::bitpos)),
        ("getbit", Exec::Keyed(bit::getbit)),
        ("setbit", Exec::Keyed(bit::setbit)),
    ]
}
