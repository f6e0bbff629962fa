//! The manifest: what is read can be written and read again, and a damaged one is read without a crash.
#![no_main]

use basalt::log::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (damaged, _) = Manifest::read_damaged(bytes);
    let _ = damaged.encode();
    if let Ok(manifest) = Manifest::decode(bytes) {
        assert_eq!(Manifest::decode(&manifest.encode()).map(|again| again.entries), Ok(manifest.entries));
    }
});
