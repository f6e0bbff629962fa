use super::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn seed() -> u64 {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("SEED={seed}");
    seed
}

fn registers(value: &[u8]) -> Vec<u8> {
    let mut registers = Registers::new();
    registers.merge(value).unwrap();
    registers.as_slice().to_vec()
}

#[test]
fn an_empty_value_has_redis_bytes() {
    assert_eq!(new(), b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x7f\xff");
    assert_eq!(count(&new()), Ok(0));
}

#[test]
fn sparse_and_dense_agree_with_a_plain_array() {
    let mut rng = StdRng::seed_from_u64(seed());
    for max_bytes in [100, 3000, 16_000] {
        let (mut value, mut dense, mut model) = (new(), new(), vec![0u8; REGISTERS]);
        to_dense(&mut dense).unwrap();
        let mut was_sparse = true;
        for step in 0..3_000 {
            let element = rng.random::<u64>().to_le_bytes();
            let (index, count) = pattern(&element);
            let changed = model[index] < count;
            model[index] = model[index].max(count);
            assert_eq!(add(&mut value, &element, max_bytes), Ok(changed));
            assert_eq!(add(&mut dense, &element, max_bytes), Ok(changed));
            assert!(was_sparse || is_dense(&value), "dense stays dense");
            was_sparse = !is_dense(&value);
            assert!(is_dense(&value) || value.len() <= max_bytes);
            if step % 300 == 0 {
                assert_eq!(registers(&value), model);
                assert_eq!(registers(&dense), model);
                assert_eq!(super::count(&value), super::count(&dense));
            }
        }
        assert_eq!(registers(&value), model);
    }
}

#[test]
fn a_merge_is_the_maximum_and_stays_sparse_while_it_fits() {
    let mut rng = StdRng::seed_from_u64(seed());
    for elements in [3, 40, 400, 4_000] {
        let mut values = [new(), new(), new()];
        for value in &mut values {
            for _ in 0..elements {
                add(value, &rng.random::<u64>().to_le_bytes(), 3000).unwrap();
            }
        }
        let mut union = Registers::new();
        values.iter().for_each(|value| union.merge(value).unwrap());
        let dense = values.iter().any(|value| is_dense(value));
        let mut target = values[0].clone();
        // One by one from the front, as the slow way would.
        let mut slow = values[0].clone();
        for (index, &register) in union.as_slice().iter().enumerate().filter(|(_, register)| **register > 0) {
            if is_dense(&slow) {
                super::dense::raise(&mut slow[HEADER_BYTES..], index, register);
            } else {
                super::sparse::raise(&mut slow, &mut super::sparse::Cursor::start(), index, register, 3000).unwrap();
            }
        }
        union.store(&mut target, dense, 3000).unwrap();
        assert_eq!(registers(&target), union.as_slice());
        assert_eq!(count(&target), Ok(union.count()));
        assert_eq!(is_dense(&target), dense || is_dense(&slow));
        if !is_dense(&target) {
            assert_eq!(target[HEADER_BYTES..], slow[HEADER_BYTES..], "going through once changes nothing");
        }
    }
}

#[test]
fn the_cache_is_used_until_something_changes() {
    let mut value = new();
    assert_eq!(cached_count(&value), None);
    assert_eq!(count_and_cache(&mut value), Ok((0, true)));
    assert_eq!(cached_count(&value), Some(0));
    assert_eq!(add(&mut value, b"a", 3000), Ok(true));
    assert_eq!(cached_count(&value), None);
    assert_eq!(count_and_cache(&mut value), Ok((1, true)));
    assert_eq!(count_and_cache(&mut value), Ok((1, false)));
    assert_eq!(add(&mut value, b"a", 3000), Ok(false));
    assert_eq!(cached_count(&value), Some(1));
}

#[test]
fn a_hostile_string_is_an_error_and_nothing_worse() {
    let mut rng = StdRng::seed_from_u64(seed());
    assert_eq!(check(b"HYLL"), Err(HllError::NotHll));
    assert_eq!(check(&[0; 20]), Err(HllError::NotHll));
    let mut dense = new();
    to_dense(&mut dense).unwrap();
    dense.pop();
    assert_eq!(check(&dense), Err(HllError::NotHll));
    let mut short = new();
    short.pop();
    invalidate(&mut short);
    assert_eq!(count(&short), Err(HllError::Corrupt));
    assert_eq!(add(&mut short.clone(), b"a", 3000), Err(HllError::Corrupt));
    for _ in 0..5_000 {
        let mut value = new();
        for _ in 0..rng.random_range(0..30) {
            add(&mut value, &rng.random::<u64>().to_le_bytes(), 3000).unwrap();
        }
        invalidate(&mut value);
        for _ in 0..rng.random_range(1..4) {
            match rng.random_range(0..3) {
                0 => value.push(rng.random()),
                1 if value.len() > HEADER_BYTES => {
                    let at = rng.random_range(HEADER_BYTES..value.len());
                    value[at] = rng.random();
                }
                _ => {
                    value.pop();
                }
            }
        }
        let valid = count(&value).is_ok();
        let _ = add(&mut value.clone(), &rng.random::<u64>().to_le_bytes(), 3000);
        let mut union = Registers::new();
        assert_eq!(union.merge(&value).is_ok(), valid);
        assert_eq!(union.store(&mut value, true, 3000).is_ok(), valid);
    }
}

#[test]
fn estimates_are_near_the_truth() {
    let mut rng = StdRng::seed_from_u64(seed());
    let mut value = new();
    for step in 1..=100_000u64 {
        add(&mut value, &rng.random::<u128>().to_le_bytes(), 3000).unwrap();
        if [10, 1_000, 100_000].contains(&step) {
            let error = count(&value).unwrap().abs_diff(step);
            assert!(error as f64 <= step as f64 * 0.05 + 1.0, "{step}: off by {error}");
        }
    }
}
