//! A segment of the log: its header, its frames, and the commands in them. What is found must lie within the file.
#![no_main]

use basalt::log::{SegmentHeader, SegmentKind, read_command, scan};
use basalt::storage::{Fs, Open, SimFs};
use libfuzzer_sys::fuzz_target;
use std::path::Path;

const BYTES: usize = 8192;

fuzz_target!(|input: &[u8]| {
    let mut words = Vec::new();
    let _ = read_command(input, &mut words);
    let _ = SegmentHeader::decode(input);
    // Behind a right header: otherwise nothing else is ever reached.
    let header = SegmentHeader {
        kind: SegmentKind::Ordinary,
        core: 0,
        cores: 1,
        incarnation: 1,
        generation: 1,
        seq: 1,
        id: 2,
        seed: 3,
        size_bytes: BYTES as u64,
        block_bytes: 512,
        first_lsn_min: 1,
        created_ms: 5,
        relaxed: false,
        boot: 0,
    };
    let mut segment = vec![0; BYTES];
    header.fill(&mut segment, 0);
    segment[..512].copy_from_slice(&header.encode());
    let len = input.len().min(BYTES - 512);
    segment[512..512 + len].copy_from_slice(&input[..len]);
    let fs = SimFs::new(1);
    let file = fs.open(Path::new("/x"), Open::Create).expect("a simulated file");
    file.write_at(&segment, 0, false).expect("room on a simulated disk");
    scan(&*file, &header, None).expect("nothing fails but the content");
});
