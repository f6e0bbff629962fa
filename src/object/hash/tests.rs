use std::collections::BTreeMap;

use rand::RngExt;

use super::*;
use crate::object::testing::{seeded, thread_bytes};

const SMALL: Thresholds = Thresholds { listpack_entries_max: 6, listpack_value_bytes_max: 10 };

fn set(hash: &mut Hash, field: &str, value: &str) -> SetOutcome {
    hash.set(field.as_bytes(), value.as_bytes(), OnUpdate::ClearExpire, &SMALL)
}

#[test]
fn encodings_change_where_redis_changes_them() {
    let mut hash = Hash::new();
    for n in 0..6 {
        assert_eq!(set(&mut hash, &n.to_string(), "1234567890"), SetOutcome::Created);
    }
    assert_eq!(set(&mut hash, "0", "x"), SetOutcome::Updated);
    assert_eq!(hash.encoding_name(), "listpack");
    set(&mut hash, "6", "x");
    assert_eq!(hash.encoding_name(), "hashtable");
    for n in 0..7 {
        assert!(hash.delete(n.to_string().as_bytes()));
    }
    assert_eq!((hash.encoding_name(), hash.len()), ("hashtable", 0));
    for (field, value) in [("12345678901", "x"), ("x", "12345678901")] {
        let mut hash = Hash::new();
        set(&mut hash, field, value);
        assert_eq!(hash.encoding_name(), "hashtable");
    }
    let mut hash = Hash::new();
    set(&mut hash, "a", "1");
    assert_eq!(hash.set_expire(b"b", Some(5)), FieldExpire::NoField);
    assert_eq!(hash.encoding_name(), "listpack");
    hash.set_expire(b"a", Some(5));
    assert_eq!(hash.set_expire(b"a", None), FieldExpire::At(5));
    assert_eq!(hash.encoding_name(), "listpackex");
    set(&mut hash, "b", "12345678901");
    assert_eq!(hash.encoding_name(), "hashtable");
}

#[test]
fn times_in_a_listpack_stand_in_redis_order() {
    let mut hash = Hash::new();
    for field in ["a", "b", "c", "d", "e"] {
        set(&mut hash, field, "v");
    }
    for (field, expire_ms) in [("c", 30), ("e", 20), ("a", 30)] {
        hash.set_expire(field.as_bytes(), Some(expire_ms));
    }
    let order = |hash: &Hash| -> Vec<(String, Option<u64>)> {
        let name = |entry: &Entry<'_>| String::from_utf8(entry.field.to_bytes().into_owned()).unwrap();
        hash.iter().map(|entry| (name(&entry), entry.expire_ms)).collect()
    };
    let expected = [("e", Some(20)), ("c", Some(30)), ("a", Some(30)), ("b", None), ("d", None)];
    assert_eq!(order(&hash), expected.map(|(field, expire_ms)| (field.to_owned(), expire_ms)));
    assert_eq!(hash.min_expire(), Some(20));
    // HSET makes a field permanent, HINCRBY does not.
    hash.set(b"c", b"2", OnUpdate::KeepExpire, &SMALL);
    hash.set(b"e", b"2", OnUpdate::ClearExpire, &SMALL);
    let expected = [("c", Some(30)), ("a", Some(30)), ("b", None), ("d", None), ("e", None)];
    assert_eq!(order(&hash), expected.map(|(field, expire_ms)| (field.to_owned(), expire_ms)));
    let Some(Compact::Timed(list)) = hash.compact() else { panic!("not a listpackex") };
    let again = Hash::from_timed_listpack(list.listpack().clone(), &SMALL).unwrap();
    assert_eq!(order(&again), order(&hash));
}

#[test]
fn broken_bytes_from_outside_are_refused() {
    let list = |elements: &[&str]| elements.iter().map(|element| element.as_bytes()).collect::<Listpack>();
    assert!(Hash::from_listpack(list(&["a", "1", "b", "2"]), &SMALL).is_ok());
    assert!(Hash::from_listpack(list(&["a", "1", "b"]), &SMALL).is_err());
    assert!(Hash::from_listpack(list(&["a", "1", "a", "2"]), &SMALL).is_err());
    let many: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let hash = Hash::from_listpack(list(&many.iter().map(String::as_str).collect::<Vec<_>>()), &SMALL).unwrap();
    assert_eq!((hash.encoding_name(), hash.len()), ("hashtable", 100));
    let timed = |elements: &[&str]| Hash::from_timed_listpack(list(elements), &SMALL);
    assert!(timed(&["a", "1", "5", "b", "2", "0"]).is_ok());
    assert!(timed(&["a", "1", "0", "b", "2", "5"]).is_err());
    assert!(timed(&["a", "1", "x"]).is_err());
    assert!(timed(&["a", "1", "-4"]).is_err());
    assert!(timed(&["a", "1", "9999999999999999"]).is_err());
    assert!(timed(&["a", "1", "5", "a", "1", "6"]).is_err());
}

#[test]
fn random_changes_agree_with_a_map() {
    let mut rng = seeded();
    for round in 0..120 {
        let thresholds = if round % 2 == 0 { SMALL } else { Thresholds::default() };
        let range = [8, 100, 3_000][round % 3];
        let long = if rng.random_range(0..3) == 0 { 80 } else { 12 };
        let mut hash = Hash::new();
        let mut model: BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)> = BTreeMap::new();
        for step in 0..rng.random_range(0..3_000) {
            let field = rng.random_range(0..range).to_string().into_bytes();
            match rng.random_range(0..11) {
                10 if round % 4 > 1 => {
                    let expire_ms = rng.random_range(1..10_000);
                    let outcome = hash.set_expiring(&field, b"v", expire_ms, &thresholds);
                    let old = model.insert(field.clone(), (b"v".to_vec(), Some(expire_ms)));
                    assert_eq!(outcome == SetOutcome::Updated, old.is_some());
                }
                0..5 => {
                    let value = vec![b'0' + (step % 10) as u8; rng.random_range(0..long)];
                    let keep = rng.random();
                    let on_update = if keep { OnUpdate::KeepExpire } else { OnUpdate::ClearExpire };
                    let outcome = hash.set(&field, &value, on_update, &thresholds);
                    let kept_ms = model.get(&field).and_then(|&(_, expire_ms)| expire_ms).filter(|_| keep);
                    let old = model.insert(field.clone(), (value, kept_ms));
                    assert_eq!(outcome == SetOutcome::Updated, old.is_some());
                }
                5..7 if round % 4 > 1 => {
                    let expire_ms = rng.random::<bool>().then(|| rng.random_range(1..10_000));
                    let before = hash.set_expire(&field, expire_ms);
                    let expected = match model.get_mut(&field) {
                        None => FieldExpire::NoField,
                        Some((_, old)) => std::mem::replace(old, expire_ms).map_or(FieldExpire::Never, FieldExpire::At),
                    };
                    assert_eq!(before, expected);
                }
                _ => assert_eq!(hash.delete(&field), model.remove(&field).is_some()),
            }
            if rng.random_range(0..200) == 0 {
                let now_ms = rng.random_range(0..3_000);
                let mut due: Vec<_> = model.iter().filter(|(_, (_, at))| at.is_some_and(|at| at < now_ms)).collect();
                let mut taken = Vec::new();
                while hash.expire_due(now_ms, 3, |entry| taken.push(entry.field.to_bytes().into_owned())) == 3 {}
                taken.sort_unstable();
                due.sort_unstable();
                assert!(taken.iter().eq(due.into_iter().map(|(field, _)| field)));
                model.retain(|_, (_, at)| at.is_none_or(|at| at >= now_ms));
            }
            let got = hash.get(&field).map(|(value, expire_ms)| (value.to_bytes().into_owned(), expire_ms));
            assert_eq!(got.as_ref(), model.get(&field));
            assert_eq!(hash.len(), model.len());
            assert_eq!(hash.min_expire(), model.values().filter_map(|&(_, expire_ms)| expire_ms).min());
            let drawn = hash.random(|| rng.random()).map(|entry| entry.field.to_bytes().into_owned());
            assert_eq!(drawn.is_some(), !model.is_empty());
            assert!(drawn.is_none_or(|field| model.contains_key(&field)));
        }
        let mut scanned = BTreeMap::new();
        let mut cursor = 0;
        loop {
            cursor = hash.scan(cursor, 10, |entry| {
                let value = (entry.value.to_bytes().into_owned(), entry.expire_ms);
                assert!(scanned.insert(entry.field.to_bytes().into_owned(), value).is_none());
            });
            if cursor == 0 {
                break;
            }
            assert!(scanned.keys().all(|field| Hash::position(field) < cursor));
        }
        assert_eq!(scanned, model);
        let mut copy = hash.clone();
        assert!(copy == hash);
        copy.set(b"-", b"", OnUpdate::ClearExpire, &thresholds);
        assert!(copy != hash && copy.delete(b"-") && copy == hash);
    }
}

#[test]
fn a_million_fields_take_less_than_44_bytes_each_and_eight_less_than_28() {
    let thresholds = Thresholds::default();
    let before = thread_bytes();
    let mut hash = Hash::new();
    let count = 1_000_000;
    for n in 0..count {
        let (field, value) = (format!("field:{n:010}"), format!("value:{n:010}"));
        hash.set(field.as_bytes(), value.as_bytes(), OnUpdate::ClearExpire, &thresholds);
    }
    let (held, told) = (thread_bytes() - before, hash.memory() as i64);
    let first = told as f64 / f64::from(count);
    assert!((held - told).abs() * 100 < held, "allocator {held}, own account {told}");
    assert!(told < 44 * i64::from(count), "{told}");
    for n in 0..count {
        hash.set_expire(format!("field:{n:010}").as_bytes(), Some(1_700_000_000_000 + n as u64));
    }
    let (held, told) = (thread_bytes() - before, hash.memory() as i64);
    let second = told as f64 / f64::from(count);
    assert!((held - told).abs() * 100 < held, "allocator {held}, own account {told}");
    while !hash.free_some(100) {}
    drop(hash);
    assert_eq!(thread_bytes(), before);

    let mut hash = Hash::new();
    for n in 0..8 {
        hash.set(format!("field:{n}").as_bytes(), format!("value:{n}").as_bytes(), OnUpdate::ClearExpire, &thresholds);
    }
    let third = hash.memory() as f64 / 8.0;
    assert_eq!(thread_bytes() - before, hash.memory() as i64);
    assert!(hash.memory() < 28 * 8);
    // Printed last: the harness keeps the text on this thread's account.
    eprintln!("bytes per field of 16 and value of 16 bytes, of a million: {first}");
    eprintln!("the same with expiry times: {second}");
    eprintln!("bytes per field of 7 and value of 7 bytes, of eight: {third}");
}
