use crate::command::testing::Bench;

#[test]
fn counts_and_encodings_are_those_of_redis() {
    let mut bench = Bench::new();
    bench.check(&[
        ("PFADD h a b c", ":1"),
        ("PFADD h a b c", ":0"),
        ("PFADD h", ":0"),
        ("PFCOUNT h", ":3"),
        ("PFCOUNT none", ":0"),
        ("PFADD e", ":1"),
        ("PFADD e", ":0"),
        ("PFADD g c d", ":1"),
        ("PFCOUNT h g none", ":4"),
        ("PFMERGE m h g none", "+OK"),
        ("PFCOUNT m", ":4"),
        ("PFDEBUG ENCODING m", "+sparse"),
        ("PFDEBUG TODENSE m", ":1"),
        ("PFDEBUG TODENSE m", ":0"),
        ("PFDEBUG ENCODING m", "+dense"),
        ("PFDEBUG DECODE m", "-ERR HLL encoding is not sparse"),
        ("PFDEBUG DECODE e", "$7 Z:16384"),
        ("PFDEBUG NONE e", "-ERR Unknown PFDEBUG subcommand 'NONE'"),
        ("PFDEBUG ENCODING none", "-ERR The specified key does not exist"),
        ("PFCOUNT m", ":4"),
        ("SET s 12", "+OK"),
        ("PFADD s a", "-WRONGTYPE Key is not a valid HyperLogLog string value."),
        ("PFCOUNT h s", "-WRONGTYPE Key is not a valid HyperLogLog string value."),
        ("ZADD z 1 a", ":1"),
        ("PFADD z a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ]);
}

#[test]
fn replaying_the_effects_makes_the_same_bytes() {
    Bench::check_replay(&[
        "PFADD h a b c",
        "PFADD h a b d",
        "PFCOUNT h",
        "PFADD g x y z",
        "PFCOUNT g h",
        "PFMERGE m h g",
        "PFMERGE h g",
        "PFCOUNT m",
        "PFDEBUG TODENSE m",
        "PFDEBUG GETREG g",
        "PFMERGE h m",
        "PFADD e",
    ]);
}

#[test]
fn a_corrupt_value_is_refused_and_left_as_it_is() {
    let mut bench = Bench::new();
    bench.raw(&[&b"SET"[..], b"k", b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80\x80"]);
    bench.check(&[
        ("PFADD k a", "-INVALIDOBJ Corrupted HLL object detected"),
        ("PFCOUNT k", "-INVALIDOBJ Corrupted HLL object detected"),
        ("PFMERGE k", "-INVALIDOBJ Corrupted HLL object detected"),
        ("PFDEBUG TODENSE k", "-INVALIDOBJ Corrupted HLL object detected"),
    ]);
    assert_eq!(bench.effects().len(), 1);
}
