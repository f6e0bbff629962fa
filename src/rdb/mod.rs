//! RDB: Redis's snapshot format, written as version 11 (12 where hash fields have TTLs) and read in every version up
//! to 12 and in Valkey 9's dialect; and the DUMP payload made of the same values.
//!
//! - [`Encoder`] appends records to a byte buffer: file header, AUX fields, keys with their values, EOF. It holds the
//!   compression table, so there is one per core. Records are self-contained: a file may be put together of blocks
//!   that were filled by different cores, each starting with SELECTDB.
//! - [`Reader`] yields the [`Item`]s of a file or of one block.
//! - [`dump`] and [`parse_dump`] make and read what DUMP and RESTORE carry.
//!
//! What is written is drawn byte by byte in `docs/FORMATS.md`.

pub mod crc;
mod decode;
mod dump;
mod encode;
pub mod index;
pub mod lzf;
pub mod opcode;
mod stored;
mod stream;
mod value;
mod view;

pub use decode::{Checksum, DecodeError, Fault, Item, KeyRecord, Options, Reader};
pub use dump::{DumpError, dump, parse_dump};
pub use encode::{Access, Encoder, write_len};
pub use stored::{StoreError, into_stored, stream_node, stream_tail, with_stored};
pub use stream::{Consumer, Group, Pending, StreamData, StreamEncoder, StreamId, StreamMeta, StreamNode, StreamSource};
pub use value::{HashField, HashValue, ListNode, SetValue, Value, ZSetValue};
pub use view::{ListNodeView, ValueView};

/// The version written unless hash-field TTLs need [`VERSION_FIELD_TTL`]. Redis ≥ 7.2 and every Valkey read it.
pub const VERSION: u16 = 11;
/// The version written when a hash has field TTLs. Redis ≥ 7.4 reads it.
pub const VERSION_FIELD_TTL: u16 = 12;
/// The version of Valkey 9's own dialect: magic `VALKEY080`, and type 22 with another meaning than Redis's.
pub const VERSION_VALKEY: u16 = 80;

#[cfg(test)]
mod tests;
