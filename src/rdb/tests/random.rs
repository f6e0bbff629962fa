use super::*;
use crate::intset::Intset;
use crate::listpack::Element;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

fn random_bytes(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..4) {
        0 => (rng.random::<i64>() >> rng.random_range(0..64)).to_string().into_bytes(),
        1 => vec![b'a' + rng.random_range(0..26); rng.random_range(0..400)],
        _ => {
            let mut bytes = vec![0; rng.random_range(0..60)];
            rng.fill_bytes(&mut bytes);
            bytes
        }
    }
}

pub(super) fn random_value(rng: &mut StdRng) -> Value {
    let count = rng.random_range(1..20);
    let strings: std::collections::BTreeSet<Vec<u8>> = (0..count).map(|_| random_bytes(rng)).collect();
    let pairs: Listpack = strings.iter().flat_map(|s| [Element::Str(s), Element::Int(s.len() as i64)]).collect();
    match rng.random_range(0..10) {
        0 => Value::String(random_bytes(rng)),
        1 => Value::List(
            strings
                .into_iter()
                .map(|s| if rng.random() { ListNode::Plain(s) } else { ListNode::Packed(list_of(&[&s, &s])) })
                .collect(),
        ),
        2 => Value::Set(SetValue::Intset(
            (0..count).map(|_| rng.random::<i64>() >> rng.random_range(0..64)).collect::<Intset>(),
        )),
        3 => Value::Set(SetValue::Listpack(strings.iter().collect())),
        4 => Value::Set(SetValue::Members(strings.into_iter().collect())),
        5 => Value::Hash(HashValue::Listpack(pairs)),
        6 => Value::Hash(HashValue::Fields(
            strings
                .into_iter()
                .map(|field| HashField {
                    field,
                    value: random_bytes(rng),
                    expire_ms: rng.random::<bool>().then(|| rng.random_range(1..1 << 48)),
                })
                .collect(),
        )),
        7 => Value::ZSet(ZSetValue::Listpack(
            strings.iter().enumerate().flat_map(|(i, s)| [Element::Str(s), Element::Int(i as i64)]).collect(),
        )),
        8 => Value::ZSet(ZSetValue::Members(strings.into_iter().map(|s| (s, rng.random::<f64>())).collect())),
        _ => Value::Stream(Box::new(stream())),
    }
}

/// A file with random records, and what they are.
fn random_file(rng: &mut StdRng, keys: usize) -> (Vec<u8>, Vec<KeyRecord>) {
    let mut encoder = Encoder::new(rng.random());
    let mut out = Vec::new();
    encoder.header(&mut out, VERSION_FIELD_TTL);
    let mut records = Vec::new();
    for index in 0..keys {
        let access = match rng.random_range(0..3) {
            0 => Access::Unknown,
            1 => Access::Idle(rng.random_range(0..100_000)),
            _ => Access::Frequency(rng.random()),
        };
        let expire_ms = rng.random::<bool>().then(|| rng.random_range(0..1 << 50));
        let record = KeyRecord { key: index.to_string().into_bytes(), value: random_value(rng), expire_ms, access };
        record.value.with_view(|view| encoder.encode_key(&mut out, &record.key, view, expire_ms, access));
        records.push(record);
    }
    encoder.eof(&mut out);
    let crc = crc::checksum(&out);
    encoder.checksum(&mut out, crc);
    (out, records)
}

/// Gives a few bytes at a time, as a socket does.
struct Dribble<'a>(&'a [u8], StdRng);

impl std::io::Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = self.1.random_range(1..50).min(buffer.len());
        self.0.read(&mut buffer[..len])
    }
}

#[test]
pub(super) fn random_values_come_back_the_same() {
    let mut rng = StdRng::seed_from_u64(seed());
    for _ in 0..50 {
        let (bytes, records) = random_file(&mut rng, 40);
        let source = Dribble(&bytes, StdRng::seed_from_u64(rng.random()));
        let mut reader = Reader::new(source, Options { deep: true, ..Options::default() }).unwrap();
        for record in records {
            let mut payload = Vec::new();
            record.value.with_view(|view| dump(&mut Encoder::new(true), &mut payload, view));
            assert_eq!(parse_dump(&payload).unwrap(), record.value);
            assert_eq!(reader.next_item().unwrap(), Some(Item::Key(record)));
        }
        assert_eq!(reader.next_item().unwrap(), Some(Item::Eof(Checksum::Right)));
    }
}

#[test]
fn a_string_longer_than_the_buffer_comes_whole() {
    let mut rng = StdRng::seed_from_u64(seed());
    let mut big = vec![0; 3_000_000];
    rng.fill_bytes(&mut big);
    let mut out = b"REDIS0011".to_vec();
    let mut encoder = Encoder::new(true);
    let long_run = vec![b'r'; 40_000_000];
    encoder.encode_key(&mut out, b"a", ValueView::String(&big), None, Access::Unknown);
    encoder.encode_key(&mut out, b"b", ValueView::String(&long_run), None, Access::Unknown);
    encoder.eof(&mut out);
    let crc = crc::checksum(&out);
    encoder.checksum(&mut out, crc);
    let mut reader = Reader::new(&out[..], Options::default()).unwrap();
    for expected in [&big, &long_run] {
        let Some(Item::Key(record)) = reader.next_item().unwrap() else { panic!("no key") };
        assert!(record.value == Value::String(expected.clone()));
    }
    assert_eq!(reader.next_item().unwrap(), Some(Item::Eof(Checksum::Right)));
    // The same with the limit below.
    let options = Options { string_bytes_max: 1_000_000, ..Options::default() };
    let error = Reader::new(&out[..], options).unwrap().next_item().unwrap_err();
    assert!(matches!(error.fault, Fault::StringTooLong { announced: 3_000_000, limit: 1_000_000 }));
}

#[test]
fn a_file_cut_anywhere_ends_in_an_error() {
    let mut rng = StdRng::seed_from_u64(seed());
    let (bytes, _) = random_file(&mut rng, 30);
    for cut in 9..bytes.len() {
        let mut reader = Reader::new(&bytes[..cut], Options::default()).unwrap();
        let error = loop {
            match reader.next_item() {
                Ok(Some(Item::Eof(_)) | None) => panic!("cut at {cut} of {} was not noticed", bytes.len()),
                Ok(Some(_)) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(error.fault, Fault::UnexpectedEnd), "{error}");
    }
}

#[test]
fn mutated_files_are_read_or_refused_and_what_is_read_can_be_written() {
    let mut rng = StdRng::seed_from_u64(seed());
    let options = Options { checksum: false, string_bytes_max: 1 << 24, deep: false };
    let mut values = 0;
    for _ in 0..40 {
        let (bytes, _) = random_file(&mut rng, 12);
        for _ in 0..100 {
            let mut mutated = bytes.clone();
            for _ in 0..rng.random_range(1..5) {
                let at = rng.random_range(9..mutated.len());
                match rng.random_range(0..4) {
                    0 => mutated[at] = rng.random(),
                    1 => mutated[at] ^= 1 << rng.random_range(0..8),
                    2 => drop(mutated.drain(at..(at + rng.random_range(1..9)).min(mutated.len()))),
                    _ => mutated.insert(at, [0, 0xFF, 0x80, 0x81, 0xC3][rng.random_range(0..5)]),
                }
                if mutated.len() < 20 {
                    break;
                }
            }
            let mut reader = Reader::new(&mutated[..], options).unwrap();
            while let Ok(Some(item)) = reader.next_item() {
                if let Item::Key(record) = item {
                    let bytes = encoded(&record.value, true);
                    let type_byte = record.value.with_view(|view| view.type_byte());
                    let mut framed = vec![type_byte, 0];
                    framed.extend(bytes);
                    let mut again = Reader::block(&framed[..], VERSION_FIELD_TTL, 0, options);
                    let Some(Item::Key(read)) = again.next_item().unwrap() else { panic!("no key") };
                    assert_eq!(read.value, record.value);
                    values += 1;
                }
            }
        }
    }
    assert!(values > 1000);
}
