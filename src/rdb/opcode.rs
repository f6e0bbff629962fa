//! The numbers that name types, opcodes and encodings in an RDB file.

#![allow(missing_docs)]

// Value types, in front of a key.
pub const STRING: u8 = 0;
pub const LIST: u8 = 1;
pub const SET: u8 = 2;
pub const ZSET: u8 = 3;
pub const HASH: u8 = 4;
pub const ZSET_2: u8 = 5;
pub const MODULE_PRE_GA: u8 = 6;
pub const MODULE_2: u8 = 7;
pub const HASH_ZIPMAP: u8 = 9;
pub const LIST_ZIPLIST: u8 = 10;
pub const SET_INTSET: u8 = 11;
pub const ZSET_ZIPLIST: u8 = 12;
pub const HASH_ZIPLIST: u8 = 13;
pub const LIST_QUICKLIST: u8 = 14;
pub const STREAM_LISTPACKS: u8 = 15;
pub const HASH_LISTPACK: u8 = 16;
pub const ZSET_LISTPACK: u8 = 17;
pub const LIST_QUICKLIST_2: u8 = 18;
pub const STREAM_LISTPACKS_2: u8 = 19;
pub const SET_LISTPACK: u8 = 20;
pub const STREAM_LISTPACKS_3: u8 = 21;
/// In Redis's dialect; field TTLs are absolute.
pub const HASH_METADATA_PRE_GA: u8 = 22;
/// In Valkey's dialect the same number: hash with an absolute expiry behind every value.
pub const VALKEY_HASH_2: u8 = 22;
pub const HASH_LISTPACK_EX_PRE_GA: u8 = 23;
pub const HASH_METADATA: u8 = 24;
pub const HASH_LISTPACK_EX: u8 = 25;

// Opcodes, in the place of a type.
pub const VALKEY_SLOT_IMPORT: u8 = 243;
pub const SLOT_INFO: u8 = 244;
pub const FUNCTION2: u8 = 245;
pub const FUNCTION_PRE_GA: u8 = 246;
pub const MODULE_AUX: u8 = 247;
pub const IDLE: u8 = 248;
pub const FREQ: u8 = 249;
pub const AUX: u8 = 250;
pub const RESIZEDB: u8 = 251;
pub const EXPIRETIME_MS: u8 = 252;
pub const EXPIRETIME: u8 = 253;
pub const SELECTDB: u8 = 254;
pub const EOF: u8 = 255;

// The first byte of a string that is not "length, bytes".
pub(crate) const ENC_INT8: u8 = 0;
pub(crate) const ENC_INT16: u8 = 1;
pub(crate) const ENC_INT32: u8 = 2;
pub(crate) const ENC_LZF: u8 = 3;

// The first byte of a length beyond 14 bits.
pub(crate) const LEN_32: u8 = 0x80;
pub(crate) const LEN_64: u8 = 0x81;

// What a quicklist node holds.
pub(crate) const NODE_PLAIN: u64 = 1;
pub(crate) const NODE_PACKED: u64 = 2;

// What stands inside a module's data.
pub(crate) const MODULE_EOF: u64 = 0;
pub(crate) const MODULE_SINT: u64 = 1;
pub(crate) const MODULE_UINT: u64 = 2;
pub(crate) const MODULE_FLOAT: u64 = 3;
pub(crate) const MODULE_DOUBLE: u64 = 4;
pub(crate) const MODULE_STRING: u64 = 5;
