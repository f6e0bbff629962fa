//! Listpack: Redis's compact sequence of strings and integers in one allocation, byte for byte.
//!
//! ```text
//! total bytes u32 LE │ count u16 LE (65535: more than fit, walk) │ entry … entry │ 0xFF
//! entry = encoding and data │ backlen (1–5 bytes: the length of "encoding and data", readable from its right end)
//!
//! 0xxxxxxx                     unsigned 7 bits          1111_0000 len u32 LE, data   string of up to 4 GiB
//! 10llllll data                string of ≤ 63 bytes     1111_0001 i16 LE
//! 110xxxxx xxxxxxxx            signed 13 bits           1111_0010 i24 LE
//! 1110llll llllllll data       string of ≤ 4095 bytes   1111_0011 i32 LE, 1111_0100 i64 LE
//! ```
//!
//! A string that is the canonical decimal of an `i64` is stored as the integer. [`Listpack`] owns its bytes,
//! [`ListpackRef`] borrows them, and [`Listpack::from_bytes`] is the only door for bytes that came from outside: it
//! checks every bound. Elements are addressed by their byte offset (a "position"); any change of the listpack makes
//! positions behind the change stale.

mod entry;
mod owner;
mod thin;
mod validate;
mod view;

pub use entry::{Element, parse_i64};
pub use owner::Listpack;
#[cfg(test)]
pub(crate) use owner::size_class;
pub(crate) use thin::{SelfSized, ThinVec};
pub use validate::ListpackError;
pub use view::{Iter, ListpackRef};

/// Bytes before the first entry.
pub(crate) const HEADER_BYTES: usize = 6;
/// The byte behind the last entry.
pub(crate) const END: u8 = 0xFF;
/// In the header's count: the number of entries is not known without walking.
pub(crate) const COUNT_UNKNOWN: usize = u16::MAX as usize;
/// A listpack is never grown beyond this, as in Redis; converting to a bigger encoding comes long before.
pub const MAX_BYTES: usize = 1 << 30;

#[cfg(test)]
mod tests;
