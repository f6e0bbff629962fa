//! Payloads of RESTORE. The checksum is made right, so that what is behind it is reached; what is taken can be dumped again.
#![no_main]

use basalt::rdb::{crc, into_stored, parse_dump};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let mut bytes = input.to_vec();
    let Some(end) = bytes.len().checked_sub(8) else { return };
    let sum = crc::checksum(&bytes[..end]);
    bytes[end..].copy_from_slice(&sum.to_le_bytes());
    if let Ok(value) = parse_dump(&bytes) {
        let _ = into_stored(value, &Default::default());
    }
});
