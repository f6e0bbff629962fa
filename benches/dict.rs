//! The keyspace by itself: what one lookup, insert, overwrite and delete cost with a million keys of 16 bytes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use basalt::keyspace::{Db, KeyHash, Keyspace, SlabOptions, Value, ValueRef, hash_key};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const KEYS: u64 = 1_000_000;
const VALUE: &[u8] = b"value-0123456789";
/// Commands of one pipelined batch.
const BATCH: usize = 16;

type Key = [u8; 16];

fn key(n: u64) -> Key {
    let mut key = *b"key:000000000000";
    let (mut rest, mut at) = (n, key.len());
    while rest > 0 {
        at -= 1;
        key[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    key
}

/// Numbers below `KEYS`, each once, in an order without pattern (the multiplier shares no factor with `KEYS`).
fn scattered(n: u64) -> u64 {
    n.wrapping_mul(618_033_989) % KEYS
}

fn keyspace() -> Keyspace {
    Keyspace::new(1, 0, SlabOptions::default()).expect("address space for the bench")
}

fn filled() -> Keyspace {
    let mut keyspace = keyspace();
    (0..KEYS).for_each(|n| insert(keyspace.db_mut(0), n));
    keyspace
}

fn insert(db: &mut Db, n: u64) {
    let key = key(n);
    db.insert(hash_key(&key), &key, Value::from_bytes(VALUE), None);
}

fn get(db: &Db, hash: KeyHash, key: &Key) -> usize {
    match db.find(hash, key).map(|entry| db.value(entry)) {
        Some(ValueRef::Str(value)) => value[0] as usize,
        _ => 0,
    }
}

fn lookups(c: &mut Criterion) {
    let keyspace = filled();
    let db = keyspace.db(0);
    let mut group = c.benchmark_group("dict");
    group.throughput(Throughput::Elements(1));
    let mut n = 0;
    for (name, first) in [("get_hit", 0), ("get_miss", KEYS)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                n += 1;
                let key = key(first + scattered(n));
                get(db, hash_key(&key), &key)
            });
        });
    }
    group.bench_function("get_hit_of_1000_keys", |b| {
        b.iter(|| {
            n += 1;
            let key = key(scattered(n) % 1000);
            get(db, hash_key(&key), &key)
        });
    });
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("get_hit_batch_prefetched", |b| {
        b.iter(|| {
            let batch: [(Key, KeyHash); BATCH] = std::array::from_fn(|_| {
                n += 1;
                let key = key(scattered(n));
                let hash = hash_key(&key);
                db.prefetch(hash);
                (key, hash)
            });
            batch.iter().for_each(|&(_, hash)| db.prefetch_entry(hash));
            batch.iter().map(|(key, hash)| get(db, *hash, key)).sum::<usize>()
        });
    });
    group.finish();
}

fn changes(c: &mut Criterion) {
    let mut group = c.benchmark_group("dict");
    group.throughput(Throughput::Elements(1));
    let mut n = 0;
    let mut full = filled();
    for (name, value) in [("overwrite_same_length", VALUE), ("overwrite_other_length", &[b'v'; 40][..])] {
        group.bench_function(name, |b| {
            let db = full.db_mut(0);
            b.iter(|| {
                n += 1;
                let key = key(scattered(n));
                let hash = hash_key(&key);
                let entry = db.find(hash, &key).expect("every key is there");
                db.replace(entry, hash, Value::from_bytes(black_box(value)), None)
            });
        });
    }
    // Every measured operation needs a key that is not there yet, or still is: count in whole fills of one table.
    group.bench_function("insert", |b| {
        b.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            let mut left = iterations;
            while left > 0 {
                let mut fresh = keyspace();
                let count = left.min(KEYS);
                let start = Instant::now();
                (0..count).for_each(|n| insert(fresh.db_mut(0), scattered(n)));
                spent += start.elapsed();
                left -= count;
            }
            spent
        });
    });
    group.bench_function("delete", |b| {
        let db = full.db_mut(0);
        b.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            let mut left = iterations;
            while left > 0 {
                let count = left.min(KEYS / 10);
                let start = Instant::now();
                for n in 0..count {
                    let key = key(scattered(n));
                    let hash = hash_key(&key);
                    let entry = db.find(hash, &key).expect("not deleted yet");
                    db.delete(entry, hash);
                }
                spent += start.elapsed();
                (0..count).for_each(|n| insert(db, scattered(n)));
                left -= count;
            }
            spent
        });
    });
    group.finish();
}

criterion_group!(benches, lookups, changes);
criterion_main!(benches);
