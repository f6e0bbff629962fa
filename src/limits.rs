//! The fixed limits of Basalt and the relations between them, checked when it is compiled.
//!
//! A limit that a user may set is a directive (`config`); these are the bounds of such directives, and the sizes that no
//! setting changes. Units stand in the names.

/// Cores (shards) of one server.
pub const CORES_MAX: usize = 256;

/// Cluster slots: keys are spread over cores by slot, so no more cores than slots can have work.
pub const SLOTS: usize = 16_384;

/// Databases of one server (`databases`): each core keeps a table for each of them.
pub const DATABASES_MAX: usize = 16_384;

/// Bytes of an inline command, and of any one line of the protocol.
pub const INLINE_MAX: usize = 64 * KIB;

/// Arguments of one command.
pub const ARGS_MAX: usize = 1024 * 1024;

/// Arguments of one command of a connection that has not authenticated.
pub const UNAUTHENTICATED_ARGS_MAX: usize = 10;

/// Bytes of one argument of a connection that has not authenticated.
pub const UNAUTHENTICATED_BULK_MAX: usize = 16_384;

/// The least that `proto-max-bulk-len` may be set to, in bytes.
pub const PROTO_MAX_BULK_LEN_MIN: usize = MIB;

/// Commands that one pass of a core's loop runs for one connection before the others get their turn.
pub const PASS_COMMANDS_MAX: usize = 1024;

/// Microseconds after which one pass of a core's loop lets the next connection have its turn.
pub const PASS_US_MAX: u64 = 500;

/// Bytes of the smallest log segment (`aof-segment-size`).
pub const SEGMENT_BYTES_MIN: u64 = 64 * KIB as u64;

/// Bytes of the largest log segment.
pub const SEGMENT_BYTES_MAX: u64 = 4 * GIB;

/// Bytes from which a frame counts as large: commits are cut here so that one frame never delays others for long.
pub const FRAME_BYTES_LARGE: u64 = 8 * MIB as u64;

/// Bytes of the smallest logical sector of a disk.
pub const SECTOR_BYTES_MIN: usize = 512;

/// Bytes of the largest logical sector of a disk; direct I/O is aligned to it where the disk does not say.
pub const SECTOR_BYTES_MAX: usize = 4096;

/// Bytes of an annotation line of filler. Redis skips such lines only below 1024 bytes.
pub const ANNOTATION_LINE_BYTES: usize = 512;

/// Files that `include` may nest.
pub const INCLUDE_DEPTH_MAX: usize = 16;

/// Addresses of one `bind`.
pub const BIND_ADDRESSES_MAX: usize = 16;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
const GIB: u64 = 1024 * MIB as u64;

/// Redis reads annotation lines into a buffer of this size.
const REDIS_ANNOTATION_BYTES: usize = 1024;

const _: () = assert!(CORES_MAX <= SLOTS, "every core owns at least one slot");
const _: () = assert!(CORES_MAX <= u16::MAX as usize, "core numbers are 16 bits wide on disk and in messages");
const _: () = assert!(DATABASES_MAX <= u16::MAX as usize, "database numbers fit 16 bits");
const _: () = assert!(UNAUTHENTICATED_ARGS_MAX <= ARGS_MAX);
const _: () = assert!(UNAUTHENTICATED_BULK_MAX <= INLINE_MAX, "a stranger's bulk is no larger than anyone's line");
const _: () = assert!(UNAUTHENTICATED_BULK_MAX <= PROTO_MAX_BULK_LEN_MIN);
const _: () = assert!(UNAUTHENTICATED_ARGS_MAX * UNAUTHENTICATED_BULK_MAX <= MIB, "a stranger holds at most 1 MiB");
const _: () = assert!(INLINE_MAX <= PROTO_MAX_BULK_LEN_MIN, "a line fits any legal proto-max-bulk-len");
const _: () = assert!(PASS_COMMANDS_MAX <= ARGS_MAX);
const _: () = assert!(SECTOR_BYTES_MIN.is_power_of_two() && SECTOR_BYTES_MAX.is_power_of_two());
const _: () = assert!(SECTOR_BYTES_MIN <= SECTOR_BYTES_MAX);
const _: () = assert!(SECTOR_BYTES_MIN.is_multiple_of(ANNOTATION_LINE_BYTES), "sectors hold whole annotation lines");
const _: () = assert!(ANNOTATION_LINE_BYTES < REDIS_ANNOTATION_BYTES);
const _: () = assert!(SEGMENT_BYTES_MIN < SEGMENT_BYTES_MAX);
const _: () = assert!(SEGMENT_BYTES_MIN.is_multiple_of(SECTOR_BYTES_MAX as u64), "segments are whole sectors");
const _: () =
    assert!(SEGMENT_BYTES_MIN >= 2 * SECTOR_BYTES_MAX as u64, "a header and at least one frame fit a segment");
const _: () = assert!(FRAME_BYTES_LARGE.is_multiple_of(SECTOR_BYTES_MAX as u64));
const _: () = assert!(FRAME_BYTES_LARGE <= SEGMENT_BYTES_MAX);
