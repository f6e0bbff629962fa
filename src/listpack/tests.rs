use super::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

fn seed() -> u64 {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("SEED={seed}");
    seed
}

fn packed(elements: &[&[u8]]) -> Listpack {
    elements.iter().copied().collect()
}

fn contents(list: &Listpack) -> Vec<Vec<u8>> {
    list.iter().map(|e| e.to_bytes().into_owned()).collect()
}

#[test]
fn each_encoding_has_redis_bytes() {
    let entry = |element: Element<'_>| {
        let mut list = Listpack::new();
        list.append(element);
        assert_eq!(list.as_bytes()[4..6], [1, 0]);
        list.as_bytes()[HEADER_BYTES..list.as_bytes().len() - 1].to_vec()
    };
    for (value, bytes) in [
        (0, &[0x00, 1][..]),
        (127, &[0x7F, 1]),
        (128, &[0xC0, 0x80, 2]),
        (-1, &[0xDF, 0xFF, 2]),
        (4095, &[0xCF, 0xFF, 2]),
        (-4096, &[0xD0, 0x00, 2]),
        (4096, &[0xF1, 0x00, 0x10, 3]),
        (-32768, &[0xF1, 0x00, 0x80, 3]),
        (32768, &[0xF2, 0x00, 0x80, 0x00, 4]),
        (-8388608, &[0xF2, 0x00, 0x00, 0x80, 4]),
        (8388608, &[0xF3, 0x00, 0x00, 0x80, 0x00, 5]),
        (-2147483648, &[0xF3, 0x00, 0x00, 0x00, 0x80, 5]),
        (2147483648, &[0xF4, 0, 0, 0, 0x80, 0, 0, 0, 0, 9]),
        (i64::MIN, &[0xF4, 0, 0, 0, 0, 0, 0, 0, 0x80, 9]),
    ] {
        assert_eq!(entry(Element::Int(value)), bytes, "{value}");
        assert_eq!(entry(Element::Str(value.to_string().as_bytes())), bytes, "{value} as a string");
    }
    assert_eq!(entry(Element::Str(b"")), [0x80, 1]);
    assert_eq!(entry(Element::Str(b"ab")), [0x82, b'a', b'b', 3]);
    let long = vec![b'x'; 64];
    let bytes = entry(Element::Str(&long));
    assert_eq!((&bytes[..2], &bytes[66..]), (&[0xE0, 64][..], &[66][..]));
    let longer = vec![b'x'; 4095];
    let bytes = entry(Element::Str(&longer));
    assert_eq!((&bytes[..2], &bytes[4097..]), (&[0xEF, 0xFF][..], &[0x20, 0x81][..]));
    let longest = vec![b'x'; 4096];
    let bytes = entry(Element::Str(&longest));
    assert_eq!((&bytes[..5], &bytes[4101..]), (&[0xF0, 0, 0x10, 0, 0][..], &[0x20, 0x85][..]));
    // The two-byte backlen stops one short of what would fit.
    let odd = vec![b'x'; 16_383 - 5];
    assert_eq!(entry(Element::Str(&odd))[16_383..], [0, 0xFF, 0xFF]);
}

#[test]
fn only_canonical_decimals_become_integers() {
    for (bytes, value) in [
        (&b"0"[..], Some(0)),
        (b"-1", Some(-1)),
        (b"9223372036854775807", Some(i64::MAX)),
        (b"-9223372036854775808", Some(i64::MIN)),
        (b"9223372036854775808", None),
        (b"-9223372036854775809", None),
        (b"99999999999999999999", None),
        (b"9999999999999999999", None),
        (b"", None),
        (b"-", None),
        (b"-0", None),
        (b"+1", None),
        (b"01", None),
        (b"-01", None),
        (b" 1", None),
        (b"1 ", None),
        (b"1a", None),
        (b"a", None),
        (b"/", None),
        (b":", None),
    ] {
        assert_eq!(parse_i64(bytes), value, "{}", String::from_utf8_lossy(bytes));
    }
}

/// Random elements: integers around every encoding's limit, strings of every length class, digits that are no number.
fn random_element(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..10) {
        0..4 => {
            let bits = rng.random_range(1..64);
            let value = (rng.random::<i64>() >> (63 - bits)).wrapping_add(rng.random_range(-1..=1));
            value.to_string().into_bytes()
        }
        4 => format!("0{}", rng.random::<u8>()).into_bytes(),
        5..9 => (0..rng.random_range(0..80)).map(|_| rng.random_range(b'0'..b'z')).collect(),
        _ => vec![b'v'; [63, 64, 127, 4095, 4096, 16_377, 16_378, 16_379][rng.random_range(0..8)]],
    }
}

#[test]
fn random_changes_agree_with_a_vector() {
    let mut rng = StdRng::seed_from_u64(seed());
    for _ in 0..30 {
        let mut list = Listpack::new();
        let mut model: Vec<Vec<u8>> = Vec::new();
        for _ in 0..200 {
            let element = random_element(&mut rng);
            let index = rng.random_range(0..=model.len());
            let at = list.view().seek(index as i64);
            assert_eq!(at.is_some(), index < model.len());
            match (rng.random_range(0..12), at) {
                (0..3, _) => {
                    list.append(&element);
                    model.push(element);
                }
                (3, _) => {
                    list.prepend(&element);
                    model.insert(0, element);
                }
                (4..6, Some(at)) => {
                    list.insert_before(at, &element);
                    model.insert(index, element);
                }
                (6, Some(at)) => {
                    let new = list.insert_after(at, &element);
                    assert_eq!(list.view().at(new), Element::Str(&element));
                    model.insert(index + 1, element);
                }
                (7, Some(at)) => {
                    list.replace(at, &element);
                    model[index] = element;
                }
                (8, Some(at)) => {
                    list.delete(at);
                    model.remove(index);
                }
                (9, _) => {
                    let count = rng.random_range(0..4);
                    let negative = index as i64 - model.len() as i64;
                    let deleted = list.delete_range(if index == model.len() { index as i64 } else { negative }, count);
                    assert_eq!(deleted, count.min(model.len() - index));
                    model.drain(index..index + deleted);
                }
                (10, Some(at)) => {
                    let tail = list.split_off(at);
                    let model_tail = model.split_off(index);
                    assert_eq!(contents(&tail), model_tail);
                    if rng.random() {
                        list.merge(tail.view());
                        model.extend(model_tail);
                    }
                }
                (11, _) => {
                    let mut drop = (0..model.len()).map(|_| rng.random_ratio(1, 8)).collect::<Vec<_>>().into_iter();
                    let mut drop_model = drop.clone();
                    let len = model.len();
                    model.retain(|_| !drop_model.next().unwrap());
                    assert_eq!(list.retain_groups(1, |_, _| !drop.next().unwrap()), len - model.len());
                }
                _ => {}
            }
            assert_eq!(Listpack::from_bytes(list.as_bytes()).as_ref(), Ok(&list));
            assert_eq!(list.len(), model.len());
        }
        assert_eq!(contents(&list), model);
        let backwards: Vec<_> = list.iter().rev().map(|e| e.to_bytes().into_owned()).collect();
        assert!(backwards.iter().eq(model.iter().rev()));
        for (index, element) in model.iter().enumerate() {
            assert_eq!(list.get(index as i64), Some(Element::Str(element)));
            assert_eq!(list.get(index as i64 - model.len() as i64), Some(Element::Str(element)));
            let first = model.iter().position(|e| e == element);
            assert_eq!(list.view().find(element, 0), list.view().seek(first.unwrap() as i64));
        }
    }
}

#[test]
fn a_field_is_not_found_among_values() {
    let list = packed(&[b"a", b"b", b"b", b"7", b"7", b"c"]);
    let view = list.view();
    assert_eq!(view.find(b"b", 1), view.seek(2));
    assert_eq!(view.find(b"7", 1), view.seek(4));
    assert_eq!(view.find(b"c", 1), None);
    assert_eq!(view.find(b"07", 0), None);
    assert_eq!(view.pairs().count(), 3);
}

#[test]
fn pairs_are_deleted_whole() {
    let mut list = packed(&[b"a", b"1", b"b", b"2", b"c", b"3"]);
    assert_eq!(list.retain_groups(2, |view, at| view.at(at) != Element::Str(b"b")), 2);
    assert_eq!(list, packed(&[b"a", b"1", b"c", b"3"]));
}

#[test]
fn a_count_beyond_the_header_is_walked() {
    let mut list = Listpack::new();
    for value in 0..65_534 {
        list.append(value);
    }
    assert_eq!(list.as_bytes()[4..6], [0xFE, 0xFF]);
    list.append(b"x");
    list.append(b"y");
    assert_eq!(list.as_bytes()[4..6], [0xFF, 0xFF]);
    assert_eq!(list.len(), 65_536);
    assert_eq!(list.get(65_535), Some(Element::Str(b"y")));
    assert_eq!(list.get(65_536), None);
    assert_eq!(list.get(-65_536), Some(Element::Int(0)));
    assert_eq!(list.delete_range(10, 10), 10);
    assert_eq!(list.len(), 65_526);
    assert!(Listpack::from_bytes(list.as_bytes()).is_ok());
}

#[test]
fn broken_bytes_are_refused_by_name() {
    let good = packed(&[b"hello", b"12345", b"x"]).into_vec();
    let broken = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        Listpack::from_vec(bytes).unwrap_err()
    };
    assert_eq!(Listpack::from_bytes(&good[..5]), Err(ListpackError::TooShort(5)));
    assert_eq!(broken(0, 9), ListpackError::TotalBytes { header: 9, actual: good.len() });
    assert_eq!(broken(4, 2), ListpackError::Count { header: 2, actual: 3 });
    assert_eq!(broken(good.len() - 1, 0), ListpackError::NoEnd);
    assert_eq!(broken(6, 0xFF), ListpackError::Encoding(6));
    assert_eq!(broken(6, 0xF5), ListpackError::Encoding(6));
    assert_eq!(broken(6, 0xBF), ListpackError::EntryBounds(6));
    assert_eq!(broken(6, 0xF0), ListpackError::EntryBounds(6));
    assert_eq!(broken(12, 7), ListpackError::Backlen(6));
    assert_eq!(broken(12, 0x86), ListpackError::Backlen(6));
}

#[test]
fn random_bytes_are_refused_or_readable() {
    let mut rng = StdRng::seed_from_u64(seed());
    for _ in 0..20_000 {
        let mut bytes = (0..rng.random_range(0..8))
            .map(|_| random_element(&mut rng))
            .collect::<Vec<_>>()
            .iter()
            .collect::<Listpack>()
            .into_vec();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bytes.len().min(64));
            bytes[at] = rng.random();
        }
        if let Ok(list) = Listpack::from_vec(bytes) {
            let forward: Vec<_> = contents(&list);
            let mut backward: Vec<_> = list.iter().rev().map(|e| e.to_bytes().into_owned()).collect();
            backward.reverse();
            assert_eq!(forward, backward);
        }
    }
}
