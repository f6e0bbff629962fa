//! Error texts that several commands share. Clients match on them, so they are Redis's to the letter.

/// The key holds another type than the command is for.
pub const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
/// Options that do not make sense.
pub const SYNTAX: &str = "ERR syntax error";
/// Neither an argument nor a value that should be an integer of 64 bits is one.
pub const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
/// Neither an argument nor a value that should be a number is one.
pub const NOT_A_FLOAT: &str = "ERR value is not a valid float";
/// The key must be there and is not.
pub const NO_SUCH_KEY: &str = "ERR no such key";
/// Source and destination are one.
pub const SAME_OBJECT: &str = "ERR source and destination objects are the same";
/// There is no database of that number.
pub const DB_OUT_OF_RANGE: &str = "ERR DB index is out of range";
/// The string would outgrow `proto-max-bulk-len`.
pub const STRING_TOO_LONG: &str = "ERR string exceeds maximum allowed size (proto-max-bulk-len)";
/// A payload for RESTORE that is none.
pub const BAD_DATA: &str = "ERR Bad data format";
