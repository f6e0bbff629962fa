//! Cost of the commonest operations on large collections: hash and set of a million elements, list of a million.

use std::hint::black_box;
use std::time::Duration;

use basalt::object::hash::{self, OnUpdate};
use basalt::object::list::{self, End};
use basalt::object::set;
use basalt::object::{Hash, List, Set};
use criterion::{Criterion, criterion_group, criterion_main};

const COUNT: u64 = 1_000_000;

/// Numbers below [`COUNT`] in an order that the cache can't foresee.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % COUNT
    }
}

/// Sixteen bytes that stand for a number.
fn name(number: u64) -> [u8; 16] {
    let mut name = *b"element:........";
    name[8..].copy_from_slice(&number.to_be_bytes());
    name
}

fn hashes(criterion: &mut Criterion) {
    let thresholds = hash::Thresholds::default();
    let mut hash = Hash::new();
    for number in 0..COUNT {
        hash.set(&name(number), &name(number), OnUpdate::ClearExpire, &thresholds);
    }
    let mut draw = Draw(1);
    criterion.bench_function("hash of 1M: get", |bencher| {
        bencher.iter(|| black_box(hash.get(&name(draw.next()))));
    });
    criterion.bench_function("hash of 1M: set, same length", |bencher| {
        bencher.iter(|| hash.set(&name(draw.next()), &name(7), OnUpdate::ClearExpire, &thresholds));
    });
    criterion.bench_function("hash of 1M: set, other length", |bencher| {
        bencher.iter(|| {
            let number = draw.next();
            hash.set(&name(number), &name(7)[..(number % 16) as usize], OnUpdate::ClearExpire, &thresholds)
        });
    });
    let mut next = COUNT;
    criterion.bench_function("hash of 1M: add a field", |bencher| {
        bencher.iter(|| {
            next += 1;
            hash.set(&name(next), &name(next), OnUpdate::ClearExpire, &thresholds)
        });
    });
}

/// CPU time of this thread: what an insert costs, whoever else runs on the machine.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live timespec, which the call fills.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(failed, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Times every single insert while a set grows and reports the slowest: no bound is asserted.
fn longest_pause() {
    let thresholds = set::Thresholds::default();
    let mut set = Set::for_member(b"x", 1_000, &thresholds);
    let mut slowest = vec![Duration::ZERO; 5];
    let start = cpu_time();
    let mut last = start;
    for number in 0..4 * COUNT {
        set.insert(&name(number), &thresholds);
        let now = cpu_time();
        let pause = now - last;
        last = now;
        if pause > slowest[4] {
            slowest[4] = pause;
            slowest.sort_unstable_by(|a, b| b.cmp(a));
        }
    }
    let mean = (last - start) / (4 * COUNT as u32);
    println!("set growing to 4M: {mean:?} of CPU per insert (and the clock), slowest {slowest:?}");
}

fn sets(criterion: &mut Criterion) {
    longest_pause();
    let thresholds = set::Thresholds::default();
    let mut set = Set::for_member(b"x", 1_000, &thresholds);
    let mut next = 0;
    criterion.bench_function("set growing from nothing: add", |bencher| {
        bencher.iter(|| {
            next += 1;
            set.insert(&name(next), &thresholds)
        });
    });
    let mut draw = Draw(2);
    criterion.bench_function("set: contains", |bencher| {
        bencher.iter(|| black_box(set.contains(&name(draw.next()))));
    });
    criterion.bench_function("set: random member", |bencher| {
        bencher.iter(|| black_box(set.random(|| draw.next() << 44).is_some()));
    });
}

fn lists(criterion: &mut Criterion) {
    let thresholds = list::Thresholds::default();
    let mut list = List::new();
    for number in 0..COUNT {
        list.push(End::Back, [&name(number)[..]], &thresholds);
    }
    let mut draw = Draw(3);
    criterion.bench_function("list of 1M: index", |bencher| {
        bencher.iter(|| black_box(list.get(draw.next() as usize)));
    });
    criterion.bench_function("list of 1M: push front, pop back", |bencher| {
        bencher.iter(|| {
            list.push(End::Front, [&name(1)[..]], &thresholds);
            list.pop(End::Back, &thresholds, |_| ())
        });
    });
    criterion.bench_function("list of 1M: insert, remove", |bencher| {
        bencher.iter(|| {
            let index = draw.next() as usize;
            list.insert(index, &name(2), &thresholds);
            list.remove_range(index, 1, &thresholds)
        });
    });
}

criterion_group! {
    name = objects;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(300));
    targets = hashes, sets, lists
}
criterion_main!(objects);
