//! The wire: what parsing a request and writing a reply cost, whole and in the pieces that a slow network makes.

use std::hint::black_box;

use basalt::resp::{Parsed, Parser, Proto, Reply, RequestLimits, write_command};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Commands of one pipelined batch.
const BATCH: usize = 16;

fn requests(words: &[&[u8]], count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    (0..count).for_each(|_| write_command(&mut out, words.iter().copied()));
    out
}

/// Parses all of `bytes`; gives the number of arguments seen.
fn parse(parser: &mut Parser, limits: &RequestLimits, mut bytes: &[u8]) -> usize {
    let mut words = 0;
    while let Ok(Parsed::Request(len)) = parser.parse(bytes, limits) {
        words += parser.spans().len();
        bytes = &bytes[len..];
    }
    words
}

fn parser(criterion: &mut Criterion) {
    let limits = RequestLimits::authenticated(512 << 20);
    let (small, large) = ([b'v'; 64], vec![b'v'; 4096]);
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(BATCH as u64));
    let members: Vec<&[u8]> =
        std::iter::once(b"MGET".as_slice()).chain(std::iter::repeat_n(b"key:000000001".as_slice(), 100)).collect();
    let kinds: [(&str, Vec<&[u8]>); 4] = [
        ("GETs", vec![b"GET", b"key:000000000001"]),
        ("SETs of 64 bytes", vec![b"SET", b"key:000000000001", &small]),
        ("SETs of 4 KiB", vec![b"SET", b"key:000000000001", &large]),
        ("MGETs of 100 keys", members),
    ];
    for (name, words) in kinds {
        let bytes = requests(&words, BATCH);
        let mut parser = Parser::new();
        group.bench_function(format!("{BATCH} {name}"), |bencher| {
            bencher.iter(|| parse(&mut parser, &limits, black_box(&bytes)));
        });
    }
    group.throughput(Throughput::Elements(1));
    let bytes = requests(&[b"SET", b"key:000000000001", &large], 1);
    let mut parser = Parser::new();
    group.bench_function("a SET of 4 KiB that comes in pieces of 64 bytes", |bencher| {
        bencher.iter(|| {
            let ends = (64..bytes.len()).step_by(64).chain([bytes.len()]);
            ends.map(|end| {
                usize::from(matches!(parser.parse(black_box(&bytes[..end]), &limits), Ok(Parsed::Request(_))))
            })
            .sum::<usize>()
        });
    });
    group.finish();
}

fn writer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("reply");
    group.throughput(Throughput::Elements(BATCH as u64));
    let value = [b'v'; 64];
    let mut out = Vec::with_capacity(1 << 16);
    type Write = fn(&mut Reply, &[u8]);
    let kinds: [(&str, Write); 4] = [
        ("OKs", |reply, _| reply.ok()),
        ("integers", |reply, _| reply.int(black_box(1_234_567))),
        ("bulks of 64 bytes", |reply, value| reply.bulk(value)),
        ("arrays of 10 bulks", |reply, value| {
            reply.array(10);
            (0..10).for_each(|_| reply.bulk(value));
        }),
    ];
    for (name, write) in kinds {
        group.bench_function(format!("{BATCH} {name}"), |bencher| {
            bencher.iter(|| {
                out.clear();
                let mut reply = Reply::new(&mut out, Proto::Resp2);
                (0..BATCH).for_each(|_| write(&mut reply, black_box(&value)));
                out.len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parser, writer);
criterion_main!(benches);
