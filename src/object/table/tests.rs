use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;
use rand::rngs::StdRng;

use super::*;
use crate::object::testing::{seeded, thread_bytes};

/// Key length, payload length, time; key, payload.
struct Plain;

impl Shape for Plain {
    const TIMED: bool = true;
    fn record_len(tail: &[u8]) -> usize {
        let (key_len, a) = read_varint(tail);
        let (rest_len, b) = read_varint(&tail[a..]);
        a + b + 6 + (key_len + rest_len) as usize
    }
    fn key(tail: &[u8]) -> &[u8] {
        let (key_len, a) = read_varint(tail);
        let (_, b) = read_varint(&tail[a..]);
        &tail[a + b + 6..][..key_len as usize]
    }
    fn expire_ms(tail: &[u8]) -> u64 {
        let (_, a) = read_varint(tail);
        let (_, b) = read_varint(&tail[a..]);
        let mut wide = [0; 8];
        wide[..6].copy_from_slice(&tail[a + b..][..6]);
        match u64::from_le_bytes(wide) {
            0 => NEVER,
            expire_ms => expire_ms,
        }
    }
}

fn put(table: &mut Table<Plain>, key: &[u8], payload: &[u8], expire_ms: u64) -> bool {
    let header = Header::new().varint(key.len() as u64).varint(payload.len() as u64).u48(expire_ms);
    table.upsert(key, &[header.as_bytes(), key, payload])
}

fn payload(record: &[u8]) -> &[u8] {
    &record[record.len() - read_varint(&record[read_varint(record).1..]).0 as usize..]
}

impl<S: Shape> Table<S> {
    pub(crate) fn check(&self) {
        let mut bytes = 0;
        let mut len = 0;
        let mut deepest = 0;
        let mut earliest = NEVER;
        for number in 0..self.segments.len() {
            let segment = &self.segments[number];
            segment.check::<S>();
            bytes += segment.memory();
            len += segment.len();
            deepest += usize::from(segment.depth == self.depth);
            earliest = earliest.min(segment.next_expire_ms);
            for place in self.places(segment.prefix, segment.depth) {
                assert_eq!(self.directory[place] as usize, number);
            }
        }
        assert_eq!(
            (bytes, len, deepest, earliest),
            (self.segment_bytes, self.len, self.deepest, self.earliest_expire_ms())
        );
        assert!(self.directory.is_empty() || self.directory.len() == 1 << self.depth);
    }
}

#[test]
fn random_changes_agree_with_a_map() {
    let mut rng = seeded();
    let mut table = Table::<Plain>::new();
    let mut model: BTreeMap<Vec<u8>, (Vec<u8>, u64)> = BTreeMap::new();
    for round in 0..60_000 {
        // Grow, shrink, grow, …: the share of deletes swings.
        let deletes = if round / 12_000 % 2 == 0 { 2 } else { 8 };
        let key = rng.random_range(0..8_000u32).to_string().into_bytes();
        if rng.random_range(0..10) < deletes {
            let removed = table.remove(&key, |record| payload(record).to_vec());
            assert_eq!(removed, model.remove(&key).map(|(payload, _)| payload));
        } else {
            let len = match rng.random_range(0..20) {
                0 => rng.random_range(0..2_000),
                1..=4 => rng.random_range(0..300),
                _ => rng.random_range(0..20),
            };
            let bytes: Vec<u8> = (0..len).map(|_| rng.random()).collect();
            let expire_ms = if rng.random_range(0..4) == 0 { rng.random_range(1..1_000) } else { 0 };
            let updated = put(&mut table, &key, &bytes, expire_ms);
            assert_eq!(updated, model.insert(key.clone(), (bytes, expire_ms)).is_some());
        }
        assert_eq!(table.get(&key).map(payload), model.get(&key).map(|(payload, _)| payload.as_slice()));
        if round % 3_000 == 0 {
            table.check();
            let mut all: Vec<&[u8]> = table.iter().map(Plain::key).collect();
            assert!(all.is_sorted_by_key(|key| position(key) >> 32));
            all.sort_unstable();
            assert!(all.into_iter().eq(model.keys().map(Vec::as_slice)));
        }
        if round % 10_000 == 0 {
            let now_ms = rng.random_range(0..300);
            let mut taken = BTreeSet::new();
            while table.take_expired(now_ms, 7, |record| assert!(taken.insert(Plain::key(record).to_vec()))) == 7 {}
            let due = |&(_, expire_ms): &(Vec<u8>, u64)| expire_ms != 0 && expire_ms < now_ms;
            assert!(taken.iter().eq(model.iter().filter(|(_, value)| due(value)).map(|(key, _)| key)));
            model.retain(|_, value| !due(value));
            table.check();
        }
        assert_eq!(table.len(), model.len());
    }
    for key in model.keys() {
        assert!(table.remove(key, |_| ()).is_some());
    }
    table.check();
    assert_eq!((table.segments.len(), table.depth), (1, 0));
}

#[test]
fn a_walk_gives_every_element_exactly_once_while_the_table_grows_and_shrinks() {
    let mut rng = seeded();
    for round in 0..8 {
        let mut table = Table::<Plain>::new();
        let stay: BTreeSet<Vec<u8>> = (0..3_000).map(|n| format!("stay{round}:{n}").into_bytes()).collect();
        let mut churn: Vec<Vec<u8>> = Vec::new();
        for key in &stay {
            put(&mut table, key, b"x", 0);
        }
        let mut seen = BTreeSet::new();
        let mut cursor = 0;
        let mut next_key = 0;
        loop {
            let count = rng.random_range(1..50);
            let mut given = 0;
            let next = table.scan(cursor, count, |record| {
                let key = Plain::key(record);
                assert!(position(key) >= cursor);
                assert!(seen.insert(key.to_vec()), "given twice");
                given += 1;
            });
            assert!(given <= count + 8, "{given} given, {count} asked for");
            assert!(next == 0 || next > cursor && next < 1 << 48);
            cursor = next;
            if cursor == 0 {
                break;
            }
            seen.retain(|key| stay.contains(key));
            // Waves of growth and shrinkage, hard enough to split and merge every segment.
            if rng.random_range(0..3) == 0 {
                for _ in 0..4_000 {
                    next_key += 1;
                    churn.push(format!("churn{next_key}").into_bytes());
                    put(&mut table, churn.last().unwrap(), &[7; 30], 0);
                }
            } else if rng.random() {
                for key in churn.drain(..) {
                    assert!(table.remove(&key, |_| ()).is_some());
                }
            }
        }
        seen.retain(|key| stay.contains(key));
        assert_eq!(seen, stay);
        table.check();
    }
}

fn fill(count: u32) -> Table<Plain> {
    let mut table = Table::new();
    for n in 0..count {
        put(&mut table, &n.to_le_bytes(), b"", 0);
    }
    table
}

#[test]
fn drawing_favours_nobody() {
    fn check(table: &Table<Plain>, rng: &mut StdRng) {
        let draws = 200 * table.len();
        let mut counts: BTreeMap<Vec<u8>, f64> = BTreeMap::new();
        let mut bits = 0;
        for _ in 0..draws {
            let record = table.random(|| {
                bits += 1;
                rng.random()
            });
            *counts.entry(record.unwrap().to_vec()).or_default() += 1.0;
        }
        assert_eq!(counts.len(), table.len());
        // Chi-square: mean n - 1, standard deviation √2n. Seven of them is no accident.
        let chi: f64 = counts.values().map(|count| (count - 200.0).powi(2) / 200.0).sum();
        let free = table.len() as f64 - 1.0;
        assert!((chi - free).abs() < 7.0 * (2.0 * free).sqrt(), "chi-square {chi} for {free}");
        assert!(bits < 40 * draws, "{bits} random numbers for {draws} draws");
    }
    let mut rng = seeded();
    let mut table = fill(5_000);
    check(&table, &mut rng);
    // A client that scans and deletes empties one end of the positions.
    let gone: Vec<Vec<u8>> = table.iter().take(4_700).map(|record| Plain::key(record).to_vec()).collect();
    for key in gone {
        table.remove(&key, |_| ());
    }
    check(&table, &mut rng);
}

#[test]
fn memory_is_what_the_allocator_says_and_comes_back() {
    let before = thread_bytes();
    let mut table = fill(300_000);
    let held = thread_bytes() - before;
    let told = table.memory() as i64;
    assert!((held - told).abs() * 100 < held, "allocator {held}, own account {told}");
    let copied_from = thread_bytes();
    let copy = table.clone();
    assert!(((thread_bytes() - copied_from) - copy.memory() as i64).abs() * 100 < held);
    assert!(copy.iter().eq(table.iter()));
    copy.check();
    drop(copy);
    for n in 0..299_000u32 {
        table.remove(&n.to_le_bytes(), |_| ());
    }
    table.check();
    assert!(table.memory() < 40_000, "{} bytes for 1000 elements", table.memory());
    assert!(((thread_bytes() - before) - table.memory() as i64).abs() < 1_000);
    drop(table);
    assert_eq!(thread_bytes(), before);
}

#[test]
fn freeing_in_steps_frees_all_and_leaves_a_usable_table() {
    let mut table = fill(100_000);
    let mut steps = 0;
    while !table.free_some(50) {
        assert!(table.is_empty() && table.get(&1u32.to_le_bytes()).is_none() && table.iter().next().is_none());
        steps += 1;
    }
    assert!(steps > 5);
    assert_eq!(table.memory(), 0);
    let mut table = fill(100_000);
    assert!(!table.free_some(50));
    put(&mut table, b"key", b"", 0);
    table.check();
    assert_eq!(table.len(), 1);
}
