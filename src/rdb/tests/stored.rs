use super::random::random_value;
use super::*;
use crate::keyspace::{self, ValueRef};
use crate::object::{Limits, Object};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Objects cross cores as whole values.
const _: () = {
    const fn is_send<T: Send + Clone>() {}
    is_send::<Object>();
};

fn limits(small: bool) -> Limits {
    let mut limits = Limits::default();
    if small {
        limits.list.listpack_size_max = 3;
        limits.set.intset_entries_max = 3;
        limits.set.listpack_entries_max = 3;
        limits.hash.listpack_entries_max = 3;
        limits.zset.max_listpack_entries = 3;
    }
    limits
}

fn borrowed<'a>(value: &'a keyspace::Value<'_>) -> ValueRef<'a> {
    match value {
        keyspace::Value::Int(number) => ValueRef::Int(*number),
        keyspace::Value::Str(bytes) => ValueRef::Str(bytes),
        keyspace::Value::Owned(bytes) => ValueRef::Str(bytes),
        keyspace::Value::Object(object) => ValueRef::Object(object),
    }
}

fn round_trip(value: &keyspace::Value<'_>, limits: &Limits) -> keyspace::Value<'static> {
    let mut payload = Vec::new();
    with_stored(borrowed(value), |view| dump(&mut Encoder::new(true), &mut payload, view));
    into_stored(parse_dump(&payload).unwrap(), limits).unwrap()
}

#[test]
fn what_is_held_comes_back_the_same_whatever_the_encodings() {
    let seed = seed();
    let mut rng = StdRng::seed_from_u64(seed);
    for _ in 0..3000 {
        let (first, second) = (limits(rng.random()), limits(rng.random()));
        let value = random_value(&mut rng);
        let shown = format!("{value:?}");
        let held = into_stored(value, &first).unwrap();
        assert_eq!(round_trip(&held, &second), held, "SEED={seed} {shown}");
    }
    let stream = into_stored(Value::Stream(Box::new(super::stream())), &limits(false)).unwrap();
    assert_eq!(round_trip(&stream, &limits(false)), stream);
}

#[test]
fn the_encoding_is_what_the_settings_ask_for() {
    let members: Vec<Vec<u8>> = (0..5).map(|n| format!("m{n}").into_bytes()).collect();
    let name = |value: Value, small: bool| match into_stored(value, &limits(small)).unwrap() {
        keyspace::Value::Object(object) => object.encoding_name(),
        _ => "string",
    };
    for (small, list, set, zset) in
        [(false, "listpack", "listpack", "listpack"), (true, "quicklist", "hashtable", "skiplist")]
    {
        let packed: Listpack = members.iter().collect();
        let scored = || members.iter().map(|member| (member.clone(), 1.5)).collect();
        assert_eq!(name(Value::List(vec![ListNode::Packed(packed.clone())]), small), list);
        assert_eq!(name(Value::Set(SetValue::Listpack(packed)), small), set);
        assert_eq!(name(Value::Set(SetValue::Members(members.clone())), small), set);
        assert_eq!(name(Value::ZSet(ZSetValue::Members(scored())), small), zset);
        let numbers = (0..5).map(|n| n.to_string().into_bytes()).collect();
        assert_eq!(name(Value::Set(SetValue::Members(numbers)), small), if small { "hashtable" } else { "intset" });
    }
}

#[test]
fn members_that_stand_twice_count_once() {
    let pairs = || list_of(&[b"a", b"1", b"b", b"2", b"a", b"3"]);
    let count = |value: Value| match into_stored(value, &limits(false)).unwrap() {
        keyspace::Value::Object(object) => match *object {
            Object::Set(set) => set.len(),
            Object::Hash(hash) => {
                assert_eq!(hash.get(b"a").unwrap().0, crate::listpack::Element::Int(1));
                hash.len()
            }
            Object::ZSet(zset) => {
                assert_eq!(zset.score(b"a"), Some(1.0));
                zset.len()
            }
            _ => 0,
        },
        _ => 0,
    };
    assert_eq!(count(Value::Set(SetValue::Listpack(list_of(&[b"a", b"b", b"a"])))), 2);
    assert_eq!(count(Value::Set(SetValue::Members(vec![b"a".to_vec(), b"a".to_vec()]))), 1);
    assert_eq!(count(Value::Hash(HashValue::Listpack(pairs()))), 2);
    assert_eq!(count(Value::ZSet(ZSetValue::Listpack(pairs()))), 2);
    let timed = list_of(&[b"a", b"1", b"5", b"b", b"2", b"0", b"a", b"3", b"0"]);
    assert_eq!(count(Value::Hash(HashValue::ListpackTtl(timed))), 2);
}

#[test]
fn a_hash_without_times_is_written_for_older_readers() {
    let timed = list_of(&[b"a", b"1", b"0"]);
    let held = into_stored(Value::Hash(HashValue::ListpackTtl(timed)), &limits(false)).unwrap();
    with_stored(borrowed(&held), |view| assert_eq!(view.version(), VERSION));
}
