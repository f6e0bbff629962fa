//! The table alone: references stand for entries, and their hash is computed from the number.

use std::collections::{HashMap, HashSet};

use super::segment::SEGMENT_SLOTS;
use super::*;
use crate::keyspace::slab::SlabOptions;
use crate::keyspace::testing::Rng64;

fn good(reference: u32) -> u64 {
    Rng64(u64::from(reference)).next()
}

struct Fixture<F: Fn(u32) -> u64> {
    slab: Slab,
    table: Table,
    hash: F,
}

impl<F: Fn(u32) -> u64> Fixture<F> {
    fn new(hash: F) -> Self {
        Fixture { slab: Slab::new(SlabOptions::default()).unwrap(), table: Table::new(), hash }
    }

    /// Adds an entry and returns how many others it moved.
    fn insert(&mut self, reference: u32) -> u64 {
        let before = self.table.moved();
        self.table.insert(&self.slab, (self.hash)(reference), reference, &self.hash);
        self.table.moved() - before
    }

    fn remove(&mut self, reference: u32) -> u64 {
        let before = self.table.moved();
        self.table.remove(&self.slab, (self.hash)(reference), reference, &self.hash);
        self.table.moved() - before
    }

    fn has(&self, reference: u32) -> bool {
        self.table.find(&self.slab, (self.hash)(reference), |r| r == reference).is_some()
    }

    fn scan(&self, cursor: u64, visit: impl FnMut(u32)) -> u64 {
        let next = self.table.scan(&self.slab, cursor, &self.hash, visit);
        assert!(next >> Cursor::BITS == 0);
        next
    }

    fn scan_all(&self) -> HashMap<u32, usize> {
        let (mut met, mut cursor) = (HashMap::new(), 0);
        loop {
            cursor = self.scan(cursor, |reference| *met.entry(reference).or_default() += 1);
            if cursor == 0 {
                return met;
            }
        }
    }

    fn drain(mut self) {
        let (mut next, mut met) = ((0, 0), 0);
        let len = self.table.len();
        while self.table.drain_bucket(&self.slab, &mut next, |_| met += 1) {}
        assert_eq!(met, len);
        assert_eq!(self.slab.stats().used_bytes, 0, "segments leaked");
    }
}

fn agrees_with_a_set(hash: impl Fn(u32) -> u64, entries: u64, rounds: usize) {
    let mut rng = Rng64::from_env();
    let mut fixture = Fixture::new(hash);
    let mut model = HashSet::new();
    for deletes in [20, 70, 30, 90] {
        for _ in 0..rounds {
            let reference = 1 + rng.below(entries) as u32;
            assert_eq!(fixture.has(reference), model.contains(&reference));
            if rng.below(100) < deletes {
                if model.remove(&reference) {
                    fixture.remove(reference);
                }
            } else if model.insert(reference) {
                fixture.insert(reference);
            } else {
                // Moves: entries get a new place under the same hash. Here, away and back.
                let hash = (fixture.hash)(reference);
                fixture.table.replace(&fixture.slab, hash, reference, u32::MAX);
                fixture.table.replace(&fixture.slab, hash, u32::MAX, reference);
            }
            assert_eq!(fixture.table.len(), model.len());
        }
        let met = fixture.scan_all();
        assert!(met.values().all(|&times| times == 1), "met twice although nothing changed");
        assert_eq!(met.keys().copied().collect::<HashSet<_>>(), model);
        let mut all = HashSet::new();
        fixture.table.for_each(&fixture.slab, |reference| assert!(all.insert(reference)));
        assert_eq!(all, model);
        for _ in 0..20 {
            let random = fixture.table.random(&fixture.slab, &mut rng);
            assert_eq!(random.is_some(), !model.is_empty());
            assert!(random.is_none_or(|reference| model.contains(&reference)));
        }
    }
    fixture.drain();
}

#[test]
fn the_table_agrees_with_a_set() {
    let (entries, rounds) = if cfg!(miri) { (2_000, 1_000) } else { (300_000, 200_000) };
    agrees_with_a_set(good, entries, rounds);
}

#[test]
fn broken_hashes_cost_speed_and_nothing_else() {
    let (entries, rounds) = if cfg!(miri) { (300, 150) } else { (3_000, 4_000) };
    agrees_with_a_set(|_| 0, entries, rounds);
    agrees_with_a_set(|_| u64::MAX, entries, rounds);
    agrees_with_a_set(|reference| u64::from(reference % 3) << 62, entries, rounds);
    agrees_with_a_set(|reference| u64::from(reference) << 32, entries, rounds);
    agrees_with_a_set(|reference| u64::from(reference) << 40, entries, rounds);
    agrees_with_a_set(u64::from, entries, rounds);
}

#[test]
fn a_broken_hash_does_not_explode_the_directory() {
    let mut fixture = Fixture::new(|_| 1 << 63);
    let entries = if cfg!(miri) { 780 } else { 2_000 };
    (1..=entries).for_each(|reference| {
        assert!(fixture.insert(reference) <= 8 * SEGMENT_SLOTS as u64);
    });
    assert!(fixture.table.directory.len() <= 512);
    assert!(!fixture.table.spill.is_empty());
    assert!((1..=entries).all(|reference| fixture.has(reference)));
    fixture.drain();
}

#[test]
fn one_insert_or_removal_moves_at_most_one_segment() {
    let entries = if cfg!(miri) { 3_000 } else { 1_000_000 };
    let mut fixture = Fixture::new(good);
    let most = (1..=entries).map(|reference| fixture.insert(reference)).max().unwrap();
    assert_eq!(most, SPLIT_AT as u64);
    assert!(fixture.table.directory.copied_at_once_max <= 512, "{}", fixture.table.directory.copied_at_once_max);
    let most = (1..=entries).map(|reference| fixture.remove(reference)).max().unwrap();
    assert!(most <= JOINED_MAX as u64 && most > 0, "{most}");
    assert!(fixture.table.segments == 1 && fixture.table.directory.len() <= 2, "the table did not shrink back");
    fixture.drain();
}

/// SCAN's promise, with the table growing and shrinking by a factor of hundreds between two steps.
#[test]
fn a_scan_meets_every_key_that_stays_whatever_else_comes_and_goes() {
    if cfg!(miri) {
        return;
    }
    let (rounds, others) = (40, 60_000);
    let mut rng = Rng64::from_env();
    for _ in 0..rounds {
        let mut fixture = Fixture::new(good);
        let stay = 1 + rng.below(3_000) as u32;
        (1..=stay).for_each(|reference| {
            fixture.insert(reference);
        });
        let mut coming = HashSet::new();
        let (mut met, mut cursor, mut steps) = (HashSet::new(), 0, 0);
        // Changes thin out, so that the walk sees several sizes and still ends.
        let mut change_in = 0;
        loop {
            if change_in == 0 {
                change_in = 1 + rng.below(1 + steps / 4);
                let grow = rng.below(2) == 0;
                let target = if grow { rng.below(others) } else { rng.below(50) } as u32;
                for reference in stay + 1..=stay + target {
                    if coming.insert(reference) {
                        fixture.insert(reference);
                    }
                }
                for reference in stay + target + 1..=stay + others as u32 {
                    if coming.remove(&reference) {
                        fixture.remove(reference);
                    }
                }
            }
            change_in -= 1;
            steps += 1;
            cursor = fixture.scan(cursor, |reference| {
                met.insert(reference);
            });
            if cursor == 0 {
                break;
            }
        }
        let missed: Vec<u32> = (1..=stay).filter(|reference| !met.contains(reference)).collect();
        assert!(missed.is_empty(), "{} of {stay} keys missed in {steps} steps", missed.len());
        fixture.drain();
    }
}

#[test]
fn removing_what_a_scan_shows_ends_with_an_empty_table() {
    let mut fixture = Fixture::new(good);
    let entries = if cfg!(miri) { 2_000 } else { 50_000 };
    (1..=entries).for_each(|reference| {
        fixture.insert(reference);
    });
    let mut cursor = 0;
    loop {
        let mut met = Vec::new();
        cursor = fixture.scan(cursor, |reference| met.push(reference));
        for reference in met {
            fixture.remove(reference);
        }
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(fixture.table.len(), 0);
    fixture.drain();
}

#[test]
fn any_number_is_a_cursor() {
    let mut rng = Rng64::from_env();
    let mut fixture = Fixture::new(good);
    let (entries, cursors) = if cfg!(miri) { (1_000, 10) } else { (5_000, 1_000) };
    (1..=entries).for_each(|reference| {
        fixture.insert(reference);
    });
    for cursor in (0..64).map(|bit| 1u64 << bit).chain([u64::MAX]).chain((0..cursors).map(|_| rng.next())) {
        fixture.scan(cursor, |_| ());
    }
}

#[test]
fn random_entries_are_nearly_fair() {
    if cfg!(miri) {
        return;
    }
    let mut rng = Rng64::from_env();
    let mut fixture = Fixture::new(good);
    (1..=5_000).for_each(|reference| {
        fixture.insert(reference);
    });
    let mut counts = vec![0u32; 5_001];
    for _ in 0..1_000_000 {
        counts[fixture.table.random(&fixture.slab, &mut rng).unwrap() as usize] += 1;
    }
    // 200 expected; 14 is one standard deviation, and segments differ by some 10%.
    let (least, most) = (counts[1..].iter().min().unwrap(), counts[1..].iter().max().unwrap());
    assert!(*least > 100 && *most < 320, "{least} to {most}");
    let mut sampled = HashSet::new();
    for _ in 0..20_000 {
        fixture.table.sample(&fixture.slab, &mut rng, 5, |reference| {
            sampled.insert(reference);
        });
    }
    assert!(sampled.len() > 4_990);
}
