//! Random operations against a plain map: whatever the sequence, both agree.

use std::collections::{BTreeMap, HashMap};

use super::testing::Rng64;
use super::*;
use crate::object::list::{End, Thresholds};
use crate::object::{List, Object};

#[derive(Clone, Debug, PartialEq)]
enum Model {
    Text(Vec<u8>),
    List(Vec<Vec<u8>>),
}

struct Pair {
    keyspace: Keyspace,
    model: HashMap<Vec<u8>, (Model, Option<u64>, u32)>,
    due: BTreeMap<(u64, Vec<u8>), ()>,
    rng: Rng64,
}

const NOW: u64 = 1_700_000_000_000;

impl Pair {
    fn new() -> Pair {
        let rng = Rng64::from_env();
        let keyspace = Keyspace::new(2, NOW, SlabOptions::default()).unwrap();
        Pair { keyspace, model: HashMap::new(), due: BTreeMap::new(), rng }
    }

    fn key(&mut self, keys: u64) -> Vec<u8> {
        let n = self.rng.below(keys);
        match n % 50 {
            0 => vec![n as u8; 200 + n as usize % 900],
            1 => format!("{n:0>254}").into_bytes(),
            2 => format!("{n:0>255}").into_bytes(),
            _ => format!("key:{n}").into_bytes(),
        }
    }

    fn text(&mut self) -> Vec<u8> {
        match self.rng.below(10) {
            0 => self.rng.next().to_string().into_bytes(),
            1 => (self.rng.next() as i64 >> self.rng.below(64)).to_string().into_bytes(),
            2 => vec![b'm'; 200 + self.rng.below(900) as usize],
            3 => vec![b'l'; 1000 + self.rng.below(5000) as usize],
            _ => vec![b's'; self.rng.below(60) as usize],
        }
    }

    fn deadline(&mut self) -> Option<u64> {
        (self.rng.below(3) == 0).then(|| NOW + self.rng.below(1_000_000))
    }

    fn forget(&mut self, key: &[u8]) -> (Model, Option<u64>, u32) {
        let gone = self.model.remove(key).unwrap();
        if let Some(at) = gone.1 {
            self.due.remove(&(at, key.to_vec()));
        }
        gone
    }

    fn learn(&mut self, key: Vec<u8>, value: Model, expire: Option<u64>, access: u32) {
        if let Some(at) = expire {
            self.due.insert((at, key.clone()), ());
        }
        self.model.insert(key, (value, expire, access));
    }

    fn step(&mut self, keys: u64, deletes: u64) {
        let key = self.key(keys);
        let hash = hash_key(&key);
        let choice = if self.rng.below(100) < deletes { 0 } else { 1 + self.rng.below(10) };
        let (text, deadline) = (self.text(), self.deadline());
        let access = self.rng.next() as u32 & 0xff_ffff;
        let db = self.keyspace.db_mut(0);
        let found = db.find(hash, &key);
        assert_eq!(found.is_some(), self.model.contains_key(&key));
        let Some(entry) = found else {
            if choice == 0 {
                return;
            }
            let value = if choice == 1 { Model::List(vec![text]) } else { Model::Text(text) };
            let stored = match &value {
                Model::Text(text) => Value::from_bytes(text),
                Model::List(items) => Value::Object(Box::new(list_of(items))),
            };
            let entry = db.insert(hash, &key, stored, deadline);
            db.set_access(entry, access);
            self.learn(key, value, deadline, access);
            return;
        };
        let (mut value, mut expire, access) = self.forget(&key);
        let db = self.keyspace.db_mut(0);
        let entry = match choice {
            0 => {
                if text.len() % 2 == 0 {
                    db.delete(entry, hash);
                } else {
                    let out = db.remove(entry, hash);
                    assert_eq!(owned(out), value);
                }
                return;
            }
            1 | 2 => {
                value = Model::Text(text.clone());
                db.set_value(entry, hash, Value::from_bytes(&text))
            }
            3 => {
                (value, expire) = (Model::Text(text.clone()), deadline);
                db.replace(entry, hash, Value::Owned(text), deadline)
            }
            4 => {
                value = Model::List(vec![text]);
                let Model::List(items) = &value else { unreachable!() };
                db.set_value(entry, hash, Value::Object(Box::new(list_of(items))))
            }
            5 | 6 => {
                expire = deadline;
                db.set_expire(entry, hash, deadline)
            }
            7 | 8 => match &mut value {
                Model::Text(bytes) => {
                    bytes.extend_from_slice(&text);
                    let (entry, len) = db.append(entry, hash, &text);
                    assert_eq!(len, bytes.len());
                    assert_eq!(db.encoding_name(entry), "raw");
                    entry
                }
                Model::List(items) => {
                    items.push(text.clone());
                    match &mut *db.object_mut(entry) {
                        Object::List(held) => held.push(End::Back, [text.as_slice()], &Thresholds::default()),
                        other => unreachable!("{other:?} was put in as a list"),
                    }
                    entry
                }
            },
            9 => {
                if let (Some(held), Model::Text(bytes)) = (db.string_mut(entry), &mut value)
                    && !held.is_empty()
                {
                    let at = text.len() % held.len();
                    (held[at], bytes[at]) = (b'!', b'!');
                }
                entry
            }
            _ => {
                let taken = db.take(entry, hash);
                assert_eq!((taken.expire_ms, taken.access), (expire, access));
                db.put(hash, &key, taken)
            }
        };
        self.keyspace.db_mut(0).set_epoch(entry, (access & 3) as u8);
        self.check(entry, &key, &value, expire, access);
        self.learn(key, value, expire, access);
    }

    fn check(&self, entry: EntryRef, key: &[u8], value: &Model, expire: Option<u64>, access: u32) {
        let db = self.keyspace.db(0);
        assert_eq!(db.find(hash_key(key), key), Some(entry));
        assert_eq!(db.key(entry), key);
        assert_eq!((db.expire_at(entry), db.access(entry)), (expire, access));
        match (db.value(entry), value) {
            (ValueRef::Int(number), Model::Text(text)) => assert_eq!(number.to_string().as_bytes(), text),
            (ValueRef::Str(bytes), Model::Text(text)) => assert_eq!(bytes, text),
            (ValueRef::Object(object), Model::List(items)) => assert_eq!(elements(object), *items),
            (held, wanted) => panic!("{held:?} instead of {wanted:?}"),
        }
        assert_eq!(db.type_code(entry), if matches!(value, Model::List(_)) { 1 } else { TYPE_STRING });
    }

    fn check_all(&mut self) {
        let db = self.keyspace.db(0);
        assert_eq!((db.len(), db.expires_len()), (self.model.len(), self.due.len()));
        let mut met = 0;
        db.for_each(|entry| {
            let (value, expire, access) = &self.model[db.key(entry)];
            self.check(entry, db.key(entry), value, *expire, *access);
            met += 1;
        });
        assert_eq!(met, self.model.len());
        if let Some(entry) = db.soonest_to_expire() {
            let first = self.due.first_key_value().map_or(0, |((at, _), ())| *at);
            assert!(db.expire_at(entry).unwrap() - first < 64);
        }
        let mut blocks = 0;
        db.for_each(|entry| blocks += db.memory_of(entry) - db.slab.slot_size(entry.get()) - 8);
        let index = 12 * db.expires_len();
        assert_eq!(blocks - index, db.block_bytes, "the count of heap bytes went astray");
    }
}

fn owned(value: Value<'static>) -> Model {
    match value {
        Value::Int(number) => Model::Text(number.to_string().into_bytes()),
        Value::Str(_) => unreachable!(),
        Value::Owned(bytes) => Model::Text(bytes),
        Value::Object(object) => Model::List(elements(&object)),
    }
}

fn list_of(items: &[Vec<u8>]) -> Object {
    let mut list = List::new();
    list.push(End::Back, items.iter().map(Vec::as_slice), &Thresholds::default());
    Object::List(list)
}

fn elements(object: &Object) -> Vec<Vec<u8>> {
    match object {
        Object::List(list) => list.iter().map(|element| element.to_bytes().to_vec()).collect(),
        other => unreachable!("{other:?} was put in as a list"),
    }
}

#[test]
fn the_database_agrees_with_a_map_through_growth_and_shrinkage() {
    let mut pair = Pair::new();
    let (keys, rounds) = if cfg!(miri) { (60, 400) } else { (20_000, 60_000) };
    for deletes in [10, 80, 20, 60] {
        (0..rounds).for_each(|_| pair.step(keys, deletes));
        pair.check_all();
    }
    assert!(pair.keyspace.memory_bytes() > 0);
    let mut garbage = pair.keyspace.db_mut(0).clear();
    assert!(pair.keyspace.db(0).is_empty());
    while !garbage.free_some(100) {}
    drop(garbage);
    assert_eq!(pair.keyspace.slab().stats().used_bytes, 0, "slots leaked");
    assert_eq!(pair.keyspace.memory_bytes(), 0, "heap blocks leaked");
}

#[test]
fn due_keys_come_out_in_order_and_all_of_them() {
    let mut pair = Pair::new();
    let (keys, rounds) = if cfg!(miri) { (60, 300) } else { (5_000, 20_000) };
    (0..rounds).for_each(|_| pair.step(keys, 10));
    let mut last = 0;
    while let Some(entry) = pair.keyspace.db(0).next_due(NOW + 2_000_000) {
        let db = pair.keyspace.db_mut(0);
        let at = db.expire_at(entry).unwrap();
        assert!(at + 64 > last);
        last = last.max(at);
        let (hash, key) = (db.hash(entry), db.key(entry).to_vec());
        db.delete(entry, hash);
        pair.forget(&key);
    }
    assert!(pair.due.is_empty());
    pair.check_all();
}

fn small_keys(keyspace: &mut Keyspace, from: usize, to: usize, expire: impl Fn(usize) -> Option<u64>) {
    for n in from..to {
        let (key, value) = (format!("key:{n:012}"), format!("val:{n:012}"));
        let hash = hash_key(key.as_bytes());
        keyspace.db_mut(0).insert(hash, key.as_bytes(), Value::from_bytes(value.as_bytes()), expire(n));
    }
}

/// Goal: below Valkey's 62.5 bytes by 15%. The table is at its thinnest just after its segments split, so it is the worst of
/// many fill levels that counts.
#[test]
fn small_strings_take_at_most_53_bytes_at_every_fill_level() {
    if cfg!(miri) {
        return;
    }
    Rng64::from_env();
    let mut keyspace = Keyspace::new(1, NOW, SlabOptions::default()).unwrap();
    let (mut last, mut worst) = (0, 0.0f64);
    for keys in (250_000..=1_000_000).step_by(10_000) {
        small_keys(&mut keyspace, last, keys, |_| None);
        last = keys;
        let waste = keyspace.slab().stats().waste_bytes();
        worst = worst.max((keyspace.memory_bytes() + waste) as f64 / keys as f64);
    }
    println!("worst bytes per key: {worst:.2}");
    assert!(worst <= 53.0, "{worst}");
}

#[test]
fn small_strings_with_an_expiry_time_take_at_most_76_bytes() {
    if cfg!(miri) {
        return;
    }
    for spread in [1, 977] {
        Rng64::from_env();
        let mut keyspace = Keyspace::new(1, NOW, SlabOptions::default()).unwrap();
        let (mut last, mut worst) = (0, 0.0f64);
        for keys in (250_000..=1_000_000).step_by(10_000) {
            // Rising, or scattered over an hour.
            let expire = |n: usize| if spread == 1 { n as u64 } else { (n * spread % 3_600_000) as u64 };
            small_keys(&mut keyspace, last, keys, |n| Some(NOW + expire(n)));
            last = keys;
            let waste = keyspace.slab().stats().waste_bytes();
            worst = worst.max((keyspace.memory_bytes() + waste) as f64 / keys as f64);
        }
        println!("worst bytes per key with expiry time: {worst:.2}");
        assert!(worst <= 76.0, "{worst}");
    }
}

#[test]
fn a_value_of_the_same_length_stays_in_its_slot() {
    let mut keyspace = Keyspace::new(1, NOW, SlabOptions::default()).unwrap();
    let (db, hash) = (keyspace.db_mut(0), hash_key(b"k"));
    let entry = db.insert(hash, b"k", Value::from_bytes(b"some value"), Some(NOW + 5));
    assert_eq!(db.set_value(entry, hash, Value::Str(b"other valu")), entry);
    assert_eq!(db.expire_at(entry), Some(NOW + 5));
    let entry = db.set_value(entry, hash, Value::Int(5));
    assert_eq!(db.set_value(entry, hash, Value::Int(-77)), entry);
    assert_eq!(db.value(entry), ValueRef::Int(-77));
    assert_eq!(db.find(hash, b"k"), Some(entry));
}

#[test]
fn encodings_of_strings_are_named_as_redis_names_them() {
    let mut keyspace = Keyspace::new(1, NOW, SlabOptions::default()).unwrap();
    let (db, hash) = (keyspace.db_mut(0), hash_key(b"k"));
    let mut entry = db.insert(hash, b"k", Value::from_bytes(b"12"), None);
    assert_eq!(db.encoding_name(entry), "int");
    for (len, name) in [(0, "embstr"), (44, "embstr"), (45, "raw"), (255, "raw"), (256, "raw"), (5_000, "raw")] {
        entry = db.set_value(entry, hash, Value::Str(&vec![b'x'; len]));
        assert_eq!(db.encoding_name(entry), name, "{len}");
    }
    entry = db.set_value(entry, hash, Value::Int(1));
    let (entry, len) = db.append(entry, hash, b"2");
    assert_eq!((len, db.encoding_name(entry), db.value(entry)), (2, "raw", ValueRef::Str(b"12")));
    let taken = db.take(entry, hash);
    let other = hash_key(b"other");
    let entry = db.put(other, b"other", taken);
    assert_eq!(db.encoding_name(entry), "raw");
    let entry = db.set_value(entry, other, Value::from_bytes(b"short"));
    assert_eq!(db.encoding_name(entry), "embstr");
}

/// Without spare room kept between appends, a string built byte by byte would be copied once per byte.
#[test]
fn appends_to_a_long_string_rarely_move_it() {
    let mut keyspace = Keyspace::new(1, NOW, SlabOptions::default()).unwrap();
    let (db, hash) = (keyspace.db_mut(0), hash_key(b"k"));
    let mut entry = db.insert(hash, b"k", Value::Str(&[b'x'; 2_000]), None);
    let (mut moves, mut place) = (0, std::ptr::null());
    let appends = if cfg!(miri) { 100 } else { 100_000 };
    for _ in 0..appends {
        entry = db.append(entry, hash, b"0123456789").0;
        let ValueRef::Str(bytes) = db.value(entry) else { unreachable!() };
        moves += usize::from(bytes.as_ptr() != place);
        place = bytes.as_ptr();
    }
    assert!(moves <= 12, "{moves}");
    assert_eq!(db.block_bytes, db.memory_of(entry) - db.slab.slot_size(entry.get()) - 8);
}

#[test]
fn garbage_is_freed_in_steps_of_the_size_asked_for() {
    let mut keyspace = Keyspace::new(1, NOW, SlabOptions::default()).unwrap();
    let keys = if cfg!(miri) { 1_000 } else { 20_000 };
    small_keys(&mut keyspace, 0, keys, |n| (n % 2 == 0).then_some(NOW + 1));
    let mut garbage = keyspace.db_mut(0).clear();
    small_keys(&mut keyspace, 0, 10, |_| None);
    let mut steps = 0;
    let mut before = keyspace.slab().stats();
    while !garbage.free_some(50) {
        let after = keyspace.slab().stats();
        let entries = (before.used_bytes - before.segment_bytes) - (after.used_bytes - after.segment_bytes);
        assert!(entries <= 62 * 48);
        (before, steps) = (after, steps + 1);
    }
    assert!(steps >= keys / 62);
    drop(garbage);
    assert_eq!(keyspace.db(0).len(), 10);
    drop(keyspace.db_mut(0).clear());
    assert_eq!(keyspace.slab().stats().used_bytes, 0);
}

#[test]
fn databases_swap_and_share_one_slab() {
    let mut keyspace = Keyspace::new(2, NOW, SlabOptions::default()).unwrap();
    small_keys(&mut keyspace, 0, 3, |_| None);
    keyspace.swap(0, 1);
    assert_eq!((keyspace.db(0).len(), keyspace.db(1).len()), (0, 3));
    let (to, from) = keyspace.two_mut(0, 1);
    let key = b"key:000000000001";
    let hash = hash_key(key);
    let taken = from.take(from.find(hash, key).unwrap(), hash);
    to.put(hash, key, taken);
    assert_eq!((keyspace.db(0).len(), keyspace.db(1).len()), (1, 2));
    let mut scratch = keyspace.scratch(NOW);
    scratch.insert(hash, key, Value::Int(1), None);
    drop(scratch);
    assert_eq!(keyspace.db(0).value(keyspace.db(0).find(hash, key).unwrap()), ValueRef::Str(b"val:000000000001"));
}

/// A handle kept past a change is the one misuse the types allow: debug builds must name it.
#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "stale handle")]
fn a_stale_handle_is_reported() {
    let mut keyspace = Keyspace::new(1, NOW, SlabOptions::default()).unwrap();
    let (db, hash) = (keyspace.db_mut(0), hash_key(b"k"));
    let stale = db.insert(hash, b"k", Value::Int(1), None);
    db.set_value(stale, hash, Value::Str(&[b'x'; 100]));
    db.value(stale);
}
