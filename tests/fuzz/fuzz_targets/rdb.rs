//! RDB files: every item, and what the keyspace makes of the values.
#![no_main]

use basalt::rdb::{Item, Options, Reader, into_stored};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let options = Options { deep: true, checksum: false, ..Options::default() };
    let Ok(mut reader) = Reader::new(bytes, options) else { return };
    while let Ok(Some(item)) = reader.next_item() {
        if let Item::Key(record) = item {
            let _ = into_stored(record.value, &Default::default());
        }
    }
});
