use super::*;
use crate::listpack::Listpack;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, HashSet};

fn seed() -> u64 {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("SEED={seed}");
    seed
}

/// Ordered list by sorting: slow and plainly right.
#[derive(Default)]
struct Model(BTreeMap<Vec<u8>, f64>);

impl Model {
    fn sorted(&self) -> Vec<(Vec<u8>, f64)> {
        let mut all: Vec<_> = self.0.iter().map(|(name, &score)| (name.clone(), score)).collect();
        all.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap().then_with(|| a.0.cmp(&b.0)));
        all
    }
}

fn owned<'a>(iter: impl Iterator<Item = (Element<'a>, f64)>) -> Vec<(Vec<u8>, f64)> {
    iter.map(|(member, score)| (member.to_bytes().into_owned(), score)).collect()
}

fn check(set: &ZSet) {
    match &set.0 {
        Encoding::Tree(tree) => tree.check(),
        Encoding::Packed(list) if !list.is_empty() => packed::validate(list.view()).unwrap(),
        Encoding::Packed(_) => {}
    }
}

fn name(rng: &mut StdRng, names: u32) -> Vec<u8> {
    match rng.random_range(0..8) {
        0 => (rng.random_range(0..i64::from(names)) - 20).to_string().into_bytes(),
        1 => vec![b'x'; rng.random_range(0..70)],
        _ => format!("member:{:06}", rng.random_range(0..names)).into_bytes(),
    }
}

fn score(rng: &mut StdRng) -> f64 {
    match rng.random_range(0..10) {
        0 => f64::INFINITY,
        1 => f64::NEG_INFINITY,
        2 => -0.0,
        3..6 => f64::from(rng.random_range(-5..5)),
        6 => rng.random_range(-1e300..1e300),
        _ => rng.random_range(-10.0..10.0),
    }
}

fn agree(set: &ZSet, model: &Model, rng: &mut StdRng) {
    check(set);
    let sorted = model.sorted();
    assert_eq!(set.len(), sorted.len());
    assert_eq!(owned(set.iter()), sorted);
    let mut backwards = owned(set.iter().rev());
    backwards.reverse();
    assert_eq!(backwards, sorted);
    let (a, b) = (rng.random_range(0..=sorted.len() + 2), rng.random_range(0..=sorted.len() + 2));
    let end = b.min(sorted.len());
    let expected = sorted.get(a.min(end)..end).unwrap_or(&[]);
    assert_eq!(owned(set.range(a..b)), expected);
    assert_eq!(set.range(a..b).len(), expected.len());
    assert_eq!(owned(set.range(a..b).skip(3)), expected.get(3..).unwrap_or(&[]));
    // Both ends of one iterator meet in the middle.
    let mut iter = set.range(a..b);
    let mut met = Vec::new();
    while let Some(front) = iter.next() {
        met.push(front);
        met.extend(iter.next_back());
    }
    assert_eq!(met.len(), expected.len());
    let (low, high) = (score(rng), score(rng));
    for (min, max) in [
        (ScoreBound::Inclusive(low), ScoreBound::Inclusive(high)),
        (ScoreBound::Exclusive(low), ScoreBound::Inclusive(high)),
        (ScoreBound::Inclusive(low), ScoreBound::Exclusive(high)),
        (ScoreBound::Exclusive(low), ScoreBound::Exclusive(high)),
    ] {
        let expected: Vec<_> =
            sorted.iter().filter(|(_, s)| min.admits_from_below(*s) && max.admits_from_above(*s)).cloned().collect();
        let ranks = set.ranks_by_score(min, max);
        assert_eq!(ranks.len(), expected.len(), "{min:?} {max:?}");
        assert_eq!(owned(set.range(ranks)), expected);
    }
    for (rank, (name, score)) in sorted.iter().enumerate().step_by(7) {
        assert_eq!(set.rank(name), Some((rank, *score)));
        assert_eq!(set.score(name), Some(*score));
        let (member, at) = set.nth(rank).unwrap();
        assert_eq!((member.to_bytes().as_ref(), at), (&name[..], *score));
    }
    assert_eq!((set.rank(b"nobody"), set.score(b"nobody")), (None, None));
}

fn run(names: u32, limits: ZSetLimits, operations: usize) {
    let mut rng = StdRng::seed_from_u64(seed());
    let (mut set, mut model) = (ZSet::new(), Model::default());
    for step in 0..operations {
        match rng.random_range(0..20) {
            0..10 => {
                let (name, score) = (name(&mut rng, names), score(&mut rng));
                let expected = match model.0.insert(name.clone(), score) {
                    None => Upsert::Added,
                    Some(old) if old == score => Upsert::Unchanged,
                    Some(_) => Upsert::Updated,
                };
                assert_eq!(set.insert(&name, score, limits), expected);
            }
            10..13 => {
                // A small step, so that moves within a leaf happen.
                let Some((name, old)) = set.random(&mut rng).map(|(m, s)| (m.to_bytes().into_owned(), s)) else {
                    continue;
                };
                if old.is_finite() {
                    let new = old + 1e-9;
                    set.insert(&name, new, limits);
                    model.0.insert(name, new);
                }
            }
            13..18 => {
                let name = name(&mut rng, names);
                assert_eq!(set.remove(&name), model.0.remove(&name));
            }
            18 => {
                let sorted = model.sorted();
                let low = rng.random_bool(0.5);
                let expected = if low { sorted.first() } else { sorted.last() }.cloned();
                let visit = |name: &[u8], score: f64| (name.to_vec(), score);
                let popped = if low { set.pop_min(visit) } else { set.pop_max(visit) };
                assert_eq!(popped, expected);
                if let Some((name, _)) = popped {
                    model.0.remove(&name);
                }
            }
            _ if step % 50 == 0 => {
                let sorted = model.sorted();
                let start = rng.random_range(0..=sorted.len());
                let end = (start + rng.random_range(0..40)).min(sorted.len());
                assert_eq!(set.remove_range(start..end), end - start);
                for (name, _) in &sorted[start..end] {
                    model.0.remove(name);
                }
            }
            _ => {}
        }
        if step % (operations / 40).max(1) == 0 {
            agree(&set, &model, &mut rng);
        }
    }
    agree(&set, &model, &mut rng);
    assert_eq!(set.clone(), set);
    while set.pop_max(|_, _| ()).is_some() {}
    check(&set);
    assert_eq!(set.len(), 0);
}

#[test]
fn a_listpack_and_a_sorted_list_never_differ() {
    run(60, ZSetLimits { max_listpack_entries: 1000, max_listpack_value: 100 }, 10_000);
}

#[test]
fn a_tree_and_a_sorted_list_never_differ() {
    run(3_000, ZSetLimits::default(), 20_000);
    run(20_000, ZSetLimits { max_listpack_entries: 0, max_listpack_value: 0 }, 60_000);
}

#[test]
fn trees_grow_and_shrink_in_every_order() {
    let limits = ZSetLimits::default();
    let mut rng = StdRng::seed_from_u64(seed());
    for direction in [1.0, -1.0] {
        let mut set = ZSet::new();
        for number in 0..30_000 {
            set.insert(format!("{number:05}").as_bytes(), direction * f64::from(number), limits);
        }
        check(&set);
        if let Encoding::Tree(tree) = &set.0 {
            assert!(tree.memory() < 30_000 * 60, "ordered inserts leave full leaves: {}", tree.memory());
        }
        // Out of the middle, then at random, then from the front.
        assert_eq!(set.remove_range(10_000..20_000), 10_000);
        check(&set);
        for _ in 0..8_000 {
            let name = set.random(&mut rng).unwrap().0.to_bytes().into_owned();
            assert!(set.remove(&name).is_some());
        }
        check(&set);
        while set.pop_min(|_, _| ()).is_some() {
            if set.len().is_multiple_of(1_000) {
                check(&set);
            }
        }
        check(&set);
        assert!(set.memory() < 6_000, "an emptied tree holds {} bytes", set.memory());
    }
}

#[test]
fn names_of_one_score_range_by_their_bytes() {
    let mut rng = StdRng::seed_from_u64(seed());
    for limits in [ZSetLimits::default(), ZSetLimits { max_listpack_entries: 0, max_listpack_value: 0 }] {
        let mut set = ZSet::new();
        let mut names = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let name = name(&mut rng, 100);
            set.insert(&name, 1.0, limits);
            names.insert(name);
        }
        for _ in 0..200 {
            let (low, high) = (name(&mut rng, 100), name(&mut rng, 100));
            for (min, max) in [
                (LexBound::Inclusive(&low), LexBound::Exclusive(&high)),
                (LexBound::Exclusive(&low), LexBound::Inclusive(&high)),
                (LexBound::Min, LexBound::Inclusive(&high)),
                (LexBound::Exclusive(&low), LexBound::Max),
                (LexBound::Min, LexBound::Max),
                (LexBound::Max, LexBound::Min),
            ] {
                let expected: Vec<Vec<u8>> =
                    names.iter().filter(|n| min.admits_from_below(n) && max.admits_from_above(n)).cloned().collect();
                let found = set.range(set.ranks_by_lex(min, max)).map(|(n, _)| n.to_bytes().into_owned());
                assert_eq!(found.collect::<Vec<_>>(), expected, "{min:?} {max:?}");
            }
        }
    }
}

#[test]
fn the_encoding_changes_at_redis_thresholds() {
    let limits = ZSetLimits::default();
    let mut set = ZSet::new();
    for number in 0..128 {
        set.insert(format!("m{number}").as_bytes(), 0.5, limits);
    }
    assert_eq!(set.encoding_name(), "listpack");
    set.insert(b"m5", 7.0, limits);
    assert_eq!(set.encoding_name(), "listpack");
    set.insert(b"one more", 0.0, limits);
    assert_eq!((set.encoding_name(), set.len()), ("skiplist", 129));
    set.remove(b"one more");
    assert_eq!(set.encoding_name(), "skiplist");
    set.pack(limits);
    assert_eq!((set.encoding_name(), set.len()), ("listpack", 128));
    assert_eq!(set.score(b"m5"), Some(7.0));
    set.insert(&[b'x'; 65], 0.0, limits);
    assert_eq!(set.encoding_name(), "skiplist");
    set.pack(limits);
    assert_eq!(set.encoding_name(), "skiplist");
}

#[test]
fn listpacks_have_redis_bytes_and_refuse_nonsense() {
    let limits = ZSetLimits::default();
    let mut set = ZSet::new();
    set.insert(b"b", 1.5, limits);
    set.insert(b"a", 3.0, limits);
    set.insert(b"7", f64::NEG_INFINITY, limits);
    let mut expected = Listpack::new();
    for element in [&b"7"[..], b"-inf", b"b", b"1.5", b"a", b"3"] {
        expected.append(element);
    }
    assert_eq!(set.as_listpack().unwrap().as_bytes(), expected.as_bytes());
    let list = |elements: &[&[u8]]| elements.iter().copied().collect::<Listpack>();
    let load = |elements: &[&[u8]]| ZSet::from_listpack(list(elements), limits).map(|set| set.len());
    assert_eq!(load(&[b"a", b"1", b"b", b"1"]), Ok(2));
    assert_eq!(load(&[]), Err(ZSetError::Pairs(0)));
    assert_eq!(load(&[b"a"]), Err(ZSetError::Pairs(1)));
    assert_eq!(load(&[b"a", b"nan"]), Err(ZSetError::Score(0)));
    assert_eq!(load(&[b"a", b"1", b"b", b"x"]), Err(ZSetError::Score(1)));
    assert_eq!(load(&[b"b", b"1", b"a", b"1"]), Err(ZSetError::Order(1)));
    assert_eq!(load(&[b"a", b"1", b"b", b"2", b"a", b"3"]), Err(ZSetError::Duplicate));
}

#[test]
fn a_scan_visits_all_who_stay_once_through_growth_and_moves() {
    let limits = ZSetLimits::default();
    let mut rng = StdRng::seed_from_u64(seed());
    let mut set = ZSet::new();
    for number in 0..2_000 {
        set.insert(format!("stay{number}").as_bytes(), f64::from(number), limits);
    }
    let (mut cursor, mut seen, mut added) = (0, HashSet::new(), 0);
    loop {
        let next = set.scan(cursor, 10, |name, _| {
            let position = set.scan_position(name);
            assert!(position >= cursor);
            assert!(!name.starts_with(b"stay") || seen.insert((name.to_vec(), position)));
        });
        assert!(next == 0 || seen.iter().all(|(_, position)| *position < next));
        if next == 0 {
            break;
        }
        cursor = next;
        for _ in 0..30 {
            added += 1;
            set.insert(format!("new{added}").as_bytes(), rng.random_range(-1e3..1e3), limits);
            set.insert(format!("stay{}", rng.random_range(0..2_000)).as_bytes(), rng.random_range(-1e3..1e3), limits);
        }
    }
    assert_eq!(seen.len(), 2_000);
    check(&set);
}

#[test]
fn freeing_goes_in_bounded_steps_and_ends() {
    let mut set = ZSet::new();
    for number in 0..5_000 {
        set.insert(format!("m{number}").as_bytes(), f64::from(number % 77), ZSetLimits::default());
    }
    let mut steps = 0;
    let mut memory = set.memory();
    while !set.free_some(100) {
        steps += 1;
        assert!(set.memory() < memory);
        memory = set.memory();
    }
    assert!((40..200).contains(&steps), "{steps} steps");
    assert_eq!(set.len(), 0);
}

#[test]
fn members_take_no_more_memory_than_promised() {
    let mut rng = StdRng::seed_from_u64(seed());
    let mut set = ZSet::new();
    for _ in 0..100_000 {
        let name = format!("{:016x}", rng.random::<u64>());
        set.insert(name.as_bytes(), rng.random_range(0.0..1e6), ZSetLimits::default());
    }
    let per_member = set.memory() as f64 / set.len() as f64;
    eprintln!("{per_member:.1} bytes per member of 100,000 with names of 16 bytes");
    assert!(per_member < 62.0);
    let mut small = ZSet::new();
    for number in 0..8 {
        small.insert(format!("member{number:02}").as_bytes(), f64::from(number) + 0.5, ZSetLimits::default());
    }
    eprintln!("{} bytes for 8 members with names of 8 bytes", small.memory());
    assert!(small.memory() <= 160);
}
