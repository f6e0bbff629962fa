//! The log's own cost: append and seal of 64-byte SETs, without the disk.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use basalt::log::*;
use basalt::recovery::{Options, plan};
use basalt::storage::SimFs;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn log() -> CoreLog {
    let fs = SimFs::new(1);
    let dir = Directory {
        fs: Arc::new(fs),
        data_dir: "/".into(),
        dirname: "appendonlydir".into(),
        filename: "appendonly.aof".into(),
    };
    let incarnation = Incarnation { id: 1, cores: 1, segment_bytes: 1 << 20, entropy: 1, relaxed: false, boot: 0 };
    let (_, segments) = plan(&dir, &Options::default()).expect("an empty disk").repair(incarnation, 1).expect("room");
    let segment = segments.into_iter().next().expect("one core, one segment");
    let config = LogConfig { core: 0, policy: SyncPolicy::Always, segment_bytes: 1 << 20, in_flight_max: 1 };
    CoreLog::new(config, segment, Arc::new(DurableCut::new(1)))
}

/// One group commit; `false` once the segment is full.
fn commit(core: &mut CoreLog, batch: u64, value: &[u8]) -> bool {
    for _ in 0..batch {
        let words = [b"SET".as_slice(), black_box(b"key:000000000001"), value];
        core.append(0, words.into_iter());
    }
    core.seal(1);
    let mut sealed = false;
    while let Some(op) = core.next_op() {
        if let LogOp::Write(write) = op {
            sealed = true;
            let len = write.buf.len();
            let _ = core.on_complete(write.token, Ok(len), Some(write.buf));
        }
    }
    sealed
}

fn frames(criterion: &mut Criterion) {
    let value = [b'v'; 64];
    for batch in [1u64, 8, 50, 800] {
        let mut group = criterion.benchmark_group("frame");
        group.throughput(Throughput::Elements(batch));
        group.bench_function(format!("append and seal {batch} SETs of 64 bytes"), |bencher| {
            // Making a new log when the segment is full costs far more than what is measured: it is left out.
            bencher.iter_custom(|iterations| {
                let mut spent = Duration::ZERO;
                let mut left = iterations;
                while left > 0 {
                    let mut core = log();
                    let start = Instant::now();
                    while left > 0 && commit(&mut core, batch, &value) {
                        left -= 1;
                    }
                    spent += start.elapsed();
                }
                spent
            });
        });
        group.finish();
    }
}

criterion_group!(benches, frames);
criterion_main!(benches);
