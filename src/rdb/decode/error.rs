//! What can be wrong with a file, and where.

use crate::intset::IntsetError;
use crate::listpack::ListpackError;
use crate::rdb::lzf::LzfError;

/// A file or payload that cannot be read: what, at which offset, in which record.
#[derive(Debug)]
pub struct DecodeError {
    /// What is wrong.
    pub fault: Fault,
    /// Offset in bytes from the file's start of the number or string that was being read.
    pub offset: u64,
    /// The opcode or value type of the record.
    pub record: Option<u8>,
    /// The key, once it was read.
    pub key: Option<Vec<u8>>,
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at offset {}", self.fault, self.offset)?;
        if let Some(record) = self.record {
            write!(f, ", in a record of type {record}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ", key '{}'", key.escape_ascii())?;
        }
        Ok(())
    }
}

impl std::error::Error for DecodeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.fault)
    }
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Reading failed.
    #[error("reading failed: {0}")]
    Io(#[from] std::io::Error),
    /// The input ends inside a record or before the EOF opcode.
    #[error("the file ends too early")]
    UnexpectedEnd,
    /// Neither `REDIS` nor `VALKEY` with a version in digits stands at the start.
    #[error("not an RDB file")]
    Magic,
    /// A version that is not known.
    #[error("RDB version {0} is not known")]
    Version(u16),
    /// The first byte of a length is none that is defined, or a string's encoding stands where a length must be.
    #[error("{0:#04x} does not start a length")]
    Length(u8),
    /// No string encoding has this number.
    #[error("string encoding {0} is not known")]
    StringEncoding(u8),
    /// A string is longer than [`super::Options::string_bytes_max`].
    #[error("a string of {announced} bytes is over the limit of {limit}")]
    StringTooLong {
        /// The announced length.
        announced: u64,
        /// The limit.
        limit: u64,
    },
    /// A compressed string is broken.
    #[error(transparent)]
    Lzf(#[from] LzfError),
    /// A listpack is broken.
    #[error(transparent)]
    Listpack(#[from] ListpackError),
    /// An intset is broken.
    #[error(transparent)]
    Intset(#[from] IntsetError),
    /// A ziplist is broken, at this offset from its start.
    #[error("broken ziplist, {1} bytes into it: {0}")]
    Ziplist(&'static str, usize),
    /// A zipmap is broken, at this offset from its start.
    #[error("broken zipmap, {1} bytes into it: {0}")]
    Zipmap(&'static str, usize),
    /// The elements do not come in whole groups (pairs; triples in a hash with TTLs).
    #[error("{count} elements are not a multiple of {group}")]
    Groups {
        /// Number of elements.
        count: usize,
        /// The size of a group.
        group: usize,
    },
    /// A member or field stands twice in a compact collection.
    #[error("'{0}' stands there twice")]
    Duplicate(String),
    /// A score is not a number.
    #[error("a score is not a number")]
    Score,
    /// A field's expiry is negative, no integer, or later than the format can say.
    #[error("a field's expiry is out of range")]
    FieldExpire,
    /// A list node is neither plain nor packed.
    #[error("list nodes of kind {0} are not known")]
    ListNode(u64),
    /// A stream contradicts itself.
    #[error("broken stream: {0}")]
    Stream(&'static str),
    /// Neither a value's type nor an opcode.
    #[error("type {0} is not known")]
    Type(u8),
    /// A collection without elements. Only for DUMP payloads; in a file such keys are left out and counted.
    #[error("the value is empty")]
    Empty,
    /// A value of a module; there are no modules here.
    #[error("the value belongs to module type '{0}', which cannot be loaded")]
    Module(String),
    /// A module's data in the form before Redis 4.0's release.
    #[error("module data of a pre-release of Redis 4.0 cannot be loaded")]
    ModulePreGa,
    /// A module's data is not made of what module data is made of.
    #[error("module data has an unknown part {0}")]
    ModulePart(u64),
    /// A function in the form before Redis 7.0's release.
    #[error("functions of a pre-release of Redis 7.0 cannot be loaded")]
    FunctionPreGa,
    /// A database number beyond 32 bits.
    #[error("database number {0} is out of range")]
    Database(u64),
    /// The checksum differs.
    #[error("checksum is {actual:016x}, the file says {expected:016x}")]
    Checksum {
        /// What the file says.
        expected: u64,
        /// What its bytes give.
        actual: u64,
    },
}
