//! What the encoder takes: borrowed values, so that nothing is copied on the way from memory to the file.

use super::opcode;
use super::stream::StreamSource;
use crate::listpack::Element;

/// A borrowed value. Compact collections are given as their raw bytes, big ones as iterators whose length must be what
/// `len` (or `nodes`) says.
pub enum ValueView<'a> {
    /// A string.
    String(&'a [u8]),
    /// A string that is an integer.
    Int(i64),
    /// A list of one listpack.
    ListListpack(&'a [u8]),
    /// A list of several nodes.
    List {
        /// How many.
        nodes: usize,
        /// The nodes in order.
        iter: &'a mut dyn Iterator<Item = ListNodeView<'a>>,
    },
    /// A set that is an intset.
    SetIntset(&'a [u8]),
    /// A set that is a listpack.
    SetListpack(&'a [u8]),
    /// A set that is a hash table.
    Set {
        /// How many members.
        len: usize,
        /// The members.
        iter: &'a mut dyn Iterator<Item = Element<'a>>,
    },
    /// A hash that is a listpack of field, value.
    HashListpack(&'a [u8]),
    /// A hash that is a hash table.
    Hash {
        /// How many fields.
        len: usize,
        /// Fields and values.
        iter: &'a mut dyn Iterator<Item = (Element<'a>, Element<'a>)>,
    },
    /// A hash that is a listpack of field, value, expiry (0: none), those with the soonest expiry first.
    HashListpackTtl {
        /// The soonest expiry in Unix ms, 0 if there is none.
        expire_ms_min: u64,
        /// The listpack.
        bytes: &'a [u8],
    },
    /// A hash with field TTLs that is a hash table.
    HashTtl {
        /// How many fields.
        len: usize,
        /// The soonest expiry in Unix ms; no field's may be below.
        expire_ms_min: u64,
        /// Fields, values and when they expire (Unix ms).
        iter: &'a mut dyn Iterator<Item = (Element<'a>, Element<'a>, Option<u64>)>,
    },
    /// A sorted set that is a listpack of member, score, ascending.
    ZSetListpack(&'a [u8]),
    /// A sorted set that is a skip list or tree. Redis loads it fastest in descending order.
    ZSet {
        /// How many members.
        len: usize,
        /// Members and scores.
        iter: &'a mut dyn Iterator<Item = (Element<'a>, f64)>,
    },
    /// A stream.
    Stream(&'a dyn StreamSource),
}

/// A borrowed part of a list.
#[derive(Clone, Copy, Debug)]
pub enum ListNodeView<'a> {
    /// A listpack of elements.
    Packed(&'a [u8]),
    /// One large element.
    Plain(&'a [u8]),
}

impl ValueView<'_> {
    /// The type byte.
    pub fn type_byte(&self) -> u8 {
        match self {
            ValueView::String(_) | ValueView::Int(_) => opcode::STRING,
            ValueView::ListListpack(_) | ValueView::List { .. } => opcode::LIST_QUICKLIST_2,
            ValueView::SetIntset(_) => opcode::SET_INTSET,
            ValueView::SetListpack(_) => opcode::SET_LISTPACK,
            ValueView::Set { .. } => opcode::SET,
            ValueView::HashListpack(_) => opcode::HASH_LISTPACK,
            ValueView::Hash { .. } => opcode::HASH,
            ValueView::HashListpackTtl { .. } => opcode::HASH_LISTPACK_EX,
            ValueView::HashTtl { .. } => opcode::HASH_METADATA,
            ValueView::ZSetListpack(_) => opcode::ZSET_LISTPACK,
            ValueView::ZSet { .. } => opcode::ZSET_2,
            ValueView::Stream(_) => opcode::STREAM_LISTPACKS_3,
        }
    }

    /// The lowest RDB version whose readers know this value's type.
    pub fn version(&self) -> u16 {
        match self {
            ValueView::HashListpackTtl { .. } | ValueView::HashTtl { .. } => super::VERSION_FIELD_TTL,
            _ => super::VERSION,
        }
    }
}
