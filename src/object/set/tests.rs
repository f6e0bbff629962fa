use std::collections::BTreeSet;

use rand::RngExt;

use super::*;
use crate::object::testing::{seeded, thread_bytes};

const SMALL: Thresholds = Thresholds { intset_entries_max: 5, listpack_entries_max: 7, listpack_value_bytes_max: 10 };

fn set_of(members: &[&str], thresholds: &Thresholds) -> Set {
    let mut set = Set::for_member(members[0].as_bytes(), members.len(), thresholds);
    for member in members {
        set.insert(member.as_bytes(), thresholds);
    }
    set
}

#[test]
fn encodings_change_where_redis_changes_them() {
    let cases: &[(&[&str], &str)] = &[
        (&["1", "2", "3", "4", "5"], "intset"),
        (&["1", "a"], "listpack"),
        (&["1", "01"], "listpack"),
        (&["a"], "listpack"),
        (&["a", "1234567890"], "listpack"),
        (&["a", "12345678901"], "hashtable"),
        (&["12345678901", "a"], "hashtable"),
        (&["1", "abcdefghijk"], "hashtable"),
        (&["1", "2", "3", "4", "a", "5", "6"], "listpack"),
        (&["1", "2", "3", "4", "5", "a", "b", "c"], "hashtable"),
    ];
    for (members, encoding) in cases {
        let mut set = Set::for_member(members[0].as_bytes(), 1, &SMALL);
        for member in *members {
            assert!(set.insert(member.as_bytes(), &SMALL));
            assert!(!set.insert(member.as_bytes(), &SMALL));
        }
        assert_eq!(set.encoding_name(), *encoding, "{members:?}");
        assert_eq!(set.len(), members.len());
    }
    // One integer too many goes to a table, also where a listpack would have room.
    assert_eq!(set_of(&["1", "2", "3", "4", "5"], &SMALL).encoding_name(), "intset");
    let mut set = set_of(&["1", "2", "3", "4", "5"], &SMALL);
    set.insert(b"6", &SMALL);
    assert_eq!(set.encoding_name(), "hashtable");
    assert_eq!(Set::for_member(b"1", 6, &SMALL).encoding_name(), "listpack");
    assert_eq!(Set::for_member(b"1", 8, &SMALL).encoding_name(), "hashtable");
    let mut set = set_of(&["a"], &SMALL);
    set.expect(8, &SMALL);
    assert_eq!(set.encoding_name(), "hashtable");
    set.shrink_to_intset(&SMALL);
    assert_eq!(set.encoding_name(), "hashtable");
    set.insert(b"-7", &SMALL);
    set.insert(b"3", &SMALL);
    set.remove(b"a");
    set.shrink_to_intset(&SMALL);
    assert_eq!(set.encoding_name(), "intset");
    assert!(set.contains(b"-7") && set.contains(b"3"));
}

#[test]
fn bytes_from_outside_keep_or_leave_their_encoding_by_the_thresholds() {
    let listpack = |members: &[&str]| members.iter().map(|member| member.as_bytes()).collect::<Listpack>();
    let from = |members: &[&str]| Set::from_listpack(listpack(members), &SMALL);
    assert_eq!(from(&["a", "2"]).unwrap().encoding_name(), "listpack");
    assert_eq!(from(&["1", "2", "3", "4", "5", "6", "7", "8"]).unwrap().encoding_name(), "hashtable");
    assert!(from(&["a", "b", "a"]).is_err());
    assert_eq!(Set::from_intset((0..6).collect(), &SMALL).encoding_name(), "hashtable");
    assert!(Set::from_intset((0..6).collect(), &SMALL).contains(b"5"));
}

#[test]
fn random_changes_agree_with_a_tree() {
    let mut rng = seeded();
    for round in 0..300 {
        let thresholds = if round % 2 == 0 { SMALL } else { Thresholds::default() };
        let range = [10, 100, 3_000][round % 3];
        let mut set: Option<Set> = None;
        let mut model = BTreeSet::new();
        let letters = rng.random_range(0..3) == 0;
        for _ in 0..rng.random_range(0..1_500) {
            let number: i64 = rng.random_range(-range..range);
            let member =
                if letters && number % 7 == 0 { format!("m{number}") } else { number.to_string() }.into_bytes();
            match (rng.random_range(0..10), &mut set) {
                (0..6, set) => {
                    let set = set.get_or_insert_with(|| Set::for_member(&member, 1, &thresholds));
                    assert_eq!(set.insert(&member, &thresholds), model.insert(member.clone()));
                }
                (6, Some(set)) => {
                    let popped = set.pop_random(|| rng.random());
                    assert_eq!(popped.is_some(), !model.is_empty());
                    assert!(popped.is_none_or(|member| model.remove(&member)));
                }
                (_, Some(set)) => assert_eq!(set.remove(&member), model.remove(&member)),
                _ => {}
            }
            let Some(set) = &set else { continue };
            assert_eq!((set.len(), set.contains(&member)), (model.len(), model.contains(&member)));
        }
        let Some(set) = &set else { continue };
        let sorted: BTreeSet<Vec<u8>> = set.iter().map(|member| member.to_bytes().into_owned()).collect();
        assert_eq!(sorted, model);
        let mut scanned = BTreeSet::new();
        let mut cursor = 0;
        loop {
            cursor = set.scan(cursor, 10, |member| assert!(scanned.insert(member.to_bytes().into_owned())));
            if cursor == 0 {
                break;
            }
            assert!(scanned.iter().all(|member| Set::position(member) < cursor));
        }
        assert_eq!(scanned, model);
    }
}

#[test]
fn a_scan_misses_nothing_when_the_encoding_changes_midway() {
    let thresholds = Thresholds::default();
    let mut set = Set::for_member(b"1", 1, &thresholds);
    let mut seen = BTreeSet::new();
    for n in 0..512 {
        set.insert(n.to_string().as_bytes(), &thresholds);
    }
    let cursor = set.scan(0, 10, |member| {
        seen.insert(member.as_int());
    });
    assert_eq!((cursor, seen.len()), (0, 512));
}

#[test]
fn a_million_members_take_less_than_26_bytes_each_and_eight_less_than_17() {
    let thresholds = Thresholds::default();
    let before = thread_bytes();
    let mut set = Set::for_member(b"x", 1, &thresholds);
    let count = 1_000_000;
    for n in 0..count {
        set.insert(format!("member:{n:09}").as_bytes(), &thresholds);
    }
    let (held, told) = (thread_bytes() - before, set.memory() as i64);
    let first = told as f64 / f64::from(count);
    assert!((held - told).abs() * 100 < held, "allocator {held}, own account {told}");
    assert!(told < 26 * i64::from(count), "{told}");
    while !set.free_some(100) {}
    drop(set);
    assert_eq!(thread_bytes(), before);

    let mut set = Set::for_member(b"x", 1, &thresholds);
    for n in 0..8 {
        set.insert(format!("member:{n}").as_bytes(), &thresholds);
    }
    let second = set.memory() as f64 / 8.0;
    assert_eq!(thread_bytes() - before, set.memory() as i64);
    assert!(set.memory() < 17 * 8);
    // Printed last: the harness keeps the text on this thread's account.
    eprintln!("bytes per member of 16 bytes, of a million: {first}");
    eprintln!("bytes per member of 8 bytes, of eight: {second}");
}
