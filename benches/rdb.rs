//! What a snapshot costs per byte and per key: checksum, compression, and small strings both ways.

use std::hint::black_box;

use basalt::listpack::Listpack;
use basalt::rdb::{Access, Encoder, Item, Options, Reader, VERSION, ValueView, crc, lzf};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const KEYS: usize = 10_000;

/// Bytes that neither repeat nor compress.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

fn checksum(c: &mut Criterion) {
    let mut group = c.benchmark_group("crc");
    for len in [64, 4096, 262_144] {
        let bytes = noise(len);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(format!("checksum/{len}"), |b| b.iter(|| crc::checksum(black_box(&bytes))));
    }
    group.finish();
    let operator = crc::CombineOperator::for_len(4096);
    c.bench_function("crc/combine", |b| b.iter(|| operator.combine(black_box(123), black_box(456))));
    c.bench_function("crc/combine_once", |b| {
        b.iter(|| crc::combine(black_box(123), black_box(456), black_box(40_960)))
    });
    c.bench_function("crc/operator_for_len", |b| b.iter(|| crc::CombineOperator::for_len(black_box(40_960))));
}

fn compression(c: &mut Criterion) {
    let text = br#"{"id":12345,"name":"someone","email":"someone@example.org","tags":["a","b","c"],"active":true}"#;
    let long = text.repeat(20);
    let mut group = c.benchmark_group("lzf");
    for (name, input) in
        [("json_95", &text[..]), ("json_1900", &long), ("noise_64", &noise(64)), ("noise_4096", &noise(4096))]
    {
        let mut compressor = lzf::Compressor::new();
        group.throughput(Throughput::Bytes(input.len() as u64));
        group
            .bench_function(format!("compress/{name}"), |b| b.iter(|| compressor.compress(black_box(input)).is_some()));
    }
    let compressed = lzf::Compressor::new().compress(&long).expect("repeats compress").to_vec();
    group.throughput(Throughput::Bytes(long.len() as u64));
    group.bench_function("decompress/json_1900", |b| {
        b.iter(|| lzf::decompress(black_box(&compressed), long.len() as u64))
    });
    group.finish();
}

/// Keys of 16 bytes with `value` bytes each, as one block.
fn block(value_len: usize, compress: bool) -> Vec<u8> {
    let values = noise(value_len * KEYS + 1);
    let mut encoder = Encoder::new(compress);
    let mut out = Vec::new();
    for index in 0..KEYS {
        let key = format!("key:{index:012}");
        let value = ValueView::String(&values[index * value_len..][..value_len]);
        encoder.encode_key(&mut out, key.as_bytes(), value, None, Access::Unknown);
    }
    out
}

fn strings(c: &mut Criterion) {
    let mut group = c.benchmark_group("strings");
    group.throughput(Throughput::Elements(KEYS as u64));
    for (name, len, compress) in [("16", 16, false), ("64", 64, false), ("64_rdbcompression", 64, true)] {
        let keys: Vec<String> = (0..KEYS).map(|index| format!("key:{index:012}")).collect();
        let values = noise(len * KEYS);
        let mut encoder = Encoder::new(compress);
        let mut out = Vec::with_capacity(KEYS * (len + 32));
        group.bench_function(format!("encode/{name}"), |b| {
            b.iter(|| {
                out.clear();
                for (key, value) in keys.iter().zip(values.chunks_exact(len)) {
                    let value = ValueView::String(value);
                    encoder.encode_key(&mut out, key.as_bytes(), value, None, Access::Unknown);
                }
                black_box(out.len())
            });
        });
        let bytes = block(len, compress);
        group.bench_function(format!("decode/{name}"), |b| {
            b.iter(|| {
                let mut reader = Reader::block(&bytes[..], VERSION, 0, Options::default());
                let mut keys = 0;
                while let Some(item) = reader.next_item().expect("a block that we wrote reads back") {
                    keys += usize::from(matches!(item, Item::Key(_)));
                }
                assert_eq!(keys, KEYS);
            });
        });
    }
    group.finish();
}

fn listpacks(c: &mut Criterion) {
    let fields: Vec<String> = (0..64).map(|index| format!("field:{index}")).collect();
    let list: Listpack = fields.iter().flat_map(|f| [f.as_bytes(), b"value"]).collect();
    c.bench_function("listpack/find_64th_field", |b| b.iter(|| list.view().find(black_box(b"field:63"), 1)));
    c.bench_function("listpack/validate_64_fields", |b| b.iter(|| Listpack::from_bytes(black_box(list.as_bytes()))));
    c.bench_function("listpack/append_128", |b| {
        b.iter_batched(
            || (),
            |()| fields.iter().flat_map(|f| [f.as_bytes(), b"value"]).collect::<Listpack>(),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, checksum, compression, strings, listpacks);
criterion_main!(benches);
