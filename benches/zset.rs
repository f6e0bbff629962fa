//! The sorted set at a million members: inserts, scores, ranks, ranges, moves.

use basalt::object::zset::{ScoreBound, ZSet, ZSetLimits};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::hint::black_box;

const MEMBERS: u64 = 1_000_000;

fn name(number: u64) -> [u8; 16] {
    let mut name = *b"member:000000000";
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(number).as_bytes();
    name[16 - digits.len()..].copy_from_slice(digits);
    name
}

fn filled(rng: &mut StdRng) -> ZSet {
    let mut set = ZSet::new();
    for number in 0..MEMBERS {
        set.insert(&name(number), rng.random_range(0.0..1e6), ZSetLimits::default());
    }
    set
}

fn benches(c: &mut Criterion) {
    let mut rng = StdRng::seed_from_u64(7);
    let mut set = filled(&mut rng);
    eprintln!("{:.1} bytes per member", set.memory() as f64 / set.len() as f64);
    let limits = ZSetLimits::default();
    let mut group = c.benchmark_group("zset_1m");
    group.sample_size(20);
    group.bench_function("insert_and_remove", |b| {
        let mut next = MEMBERS;
        b.iter(|| {
            next += 1;
            set.insert(&name(next), rng.random_range(0.0..1e6), limits);
            set.remove(&name(next))
        });
    });
    group.bench_function("move", |b| {
        b.iter(|| set.insert(&name(rng.random_range(0..MEMBERS)), rng.random_range(0.0..1e6), limits));
    });
    group.bench_function("score", |b| b.iter(|| set.score(&name(rng.random_range(0..MEMBERS)))));
    group.bench_function("rank", |b| b.iter(|| set.rank(&name(rng.random_range(0..MEMBERS)))));
    group.bench_function("range_of_10_by_rank", |b| {
        b.iter(|| {
            let start = rng.random_range(0..MEMBERS as usize - 10);
            set.range(start..start + 10)
                .map(|(member, score)| black_box(member.spelled_len()) as f64 + score)
                .sum::<f64>()
        });
    });
    group.bench_function("count_by_score", |b| {
        b.iter(|| {
            let min = rng.random_range(0.0..1e6);
            set.ranks_by_score(ScoreBound::Inclusive(min), ScoreBound::Exclusive(min + 1e4)).len()
        });
    });
    group.bench_function("pop_min_and_put_back_above", |b| {
        b.iter_batched(
            || (),
            |()| {
                let popped = set.pop_min(|member, score| (member.to_vec(), score));
                let (member, score) = popped.expect("the set is not empty");
                set.insert(&member, score + 1e6, limits)
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(zset, benches);
criterion_main!(zset);
