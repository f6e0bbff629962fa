use crate::command::testing::Bench;

#[test]
fn single_bits_are_set_and_read() {
    let mut bench = Bench::new();
    bench.check(&[
        ("GETBIT k 100", ":0"),
        ("SETBIT k 7 1", ":0"),
        ("GET k", "$1 \u{1}"),
        ("SETBIT k 7 1", ":1"),
        ("SETBIT k 23 0", ":0"),
        ("STRLEN k", ":3"),
        ("SETBIT k 7 0", ":1"),
        ("SETBIT n 0 0", ":0"),
        ("STRLEN n", ":1"),
        ("SETBIT k -1 1", "-ERR bit offset is not an integer or out of range"),
        ("SETBIT k 4294967296 1", "-ERR bit offset is not an integer or out of range"),
        ("GETBIT k x", "-ERR bit offset is not an integer or out of range"),
        ("SETBIT k 1 2", "-ERR bit is not an integer or out of range"),
        ("SETBIT k 1 x", "-ERR bit is not an integer or out of range"),
        ("SET i 1", "+OK"),
        ("GETBIT i 2", ":1"),
        ("SETBIT i 6 1", ":0"),
        ("GET i", "$1 3"),
    ]);
    let expected = ["SETBIT k 7 1", "SETBIT k 23 0", "SETBIT k 7 0", "SETBIT n 0 0", "SET i 1", "SETBIT i 6 1"];
    assert_eq!(bench.effects(), expected, "what changed nothing is not logged");
}

#[test]
fn bits_are_counted_in_ranges_of_bytes_and_bits() {
    Bench::new().check(&[
        ("SET k foobar", "+OK"),
        ("BITCOUNT k", ":26"),
        ("BITCOUNT k 0 0", ":4"),
        ("BITCOUNT k 1 1 BYTE", ":6"),
        ("BITCOUNT k 5 30 BIT", ":17"),
        ("BITCOUNT k -1 -2", ":0"),
        ("BITCOUNT k -5 -100", ":0"),
        ("BITCOUNT none", ":0"),
        ("BITCOUNT k 0", "-ERR syntax error"),
        ("BITCOUNT k 0 1 BITS", "-ERR syntax error"),
        ("BITCOUNT k a 1", "-ERR value is not an integer or out of range"),
    ]);
}

#[test]
fn positions_know_of_the_zeros_behind_the_string() {
    let mut bench = Bench::new();
    bench.raw(&[&b"SET"[..], b"k", b"\xff\xf0\x00"]);
    bench.raw(&[&b"SET"[..], b"ones", b"\xff\xff"]);
    bench.check(&[
        ("BITPOS k 0", ":12"),
        ("BITPOS k 1", ":0"),
        ("BITPOS k 1 2", ":-1"),
        ("BITPOS k 0 -1", ":16"),
        ("BITPOS k 1 7 15 BIT", ":7"),
        ("BITPOS k 0 7 11 BIT", ":-1"),
        ("BITPOS ones 0", ":16"),
        ("BITPOS ones 0 1", ":16"),
        ("BITPOS ones 0 0 -1", ":-1"),
        ("BITPOS ones 1 5", ":-1"),
        ("BITPOS ones 0 5", ":-1"),
        ("BITPOS none 0", ":0"),
        ("BITPOS none 1", ":-1"),
        ("BITPOS k 2", "-ERR The bit argument must be 1 or 0."),
        ("BITPOS k 1 0 1 FOO", "-ERR syntax error"),
    ]);
}

#[test]
fn strings_are_joined_bit_by_bit() {
    let mut bench = Bench::new();
    bench.check(&[
        ("MSET a foobar b abcdef c x", "+OK"),
        ("BITOP AND d a b", ":6"),
        ("GET d", "$6 `bc`ab"),
        ("BITOP OR d a b c", ":6"),
        ("BITOP xor d a a", ":6"),
        ("GET d", "$6 \0\0\0\0\0\0"),
        ("BITOP AND d a c", ":6"),
        ("GET d", "$6 `\0\0\0\0\0"),
        ("BITOP AND d a none", ":6"),
        ("BITOP NOT d none", ":0"),
        ("EXISTS d", ":0"),
        ("BITOP NOT d none", ":0"),
        ("BITOP NOT d a b", "-ERR BITOP NOT must be called with a single source key."),
        ("BITOP FOO d a", "-ERR syntax error"),
        ("EXPIRE a 10", ":1"),
        ("BITOP NOT a a", ":6"),
        ("TTL a", ":-1"),
    ]);
    assert_eq!(bench.raw(&["GET", "a"]), b"$6\r\n\x99\x90\x90\x9d\x9e\x8d\r\n");
}

#[test]
fn fields_are_read_set_and_added_to() {
    let mut bench = Bench::new();
    bench.check(&[
        ("BITFIELD k", "*0"),
        ("BITFIELD k INCRBY i5 100 1 GET u4 0", "*2 :1 :0"),
        ("BITFIELD k SET u8 #0 255 GET u8 0 GET i8 0 GET u4 4", "*4 :0 :255 :-1 :15"),
        ("BITFIELD k INCRBY u8 0 1", "*1 :0"),
        ("BITFIELD k OVERFLOW SAT INCRBY u8 0 300 INCRBY i8 #1 -200", "*2 :255 :-128"),
        ("BITFIELD k OVERFLOW FAIL INCRBY u8 0 1 OVERFLOW WRAP INCRBY u8 0 1", "*2 $-1 :0"),
        ("BITFIELD k SET i64 3 -1 GET i64 3 GET u63 3", "*3 :288230376151711744 :-1 :9223372036854775807"),
        ("BITFIELD k SET u2 0 -1", "*1 :0"),
        ("BITFIELD k GET u8 #99999", "*1 :0"),
        ("BITFIELD_RO k GET u2 0", "*1 :3"),
        ("BITFIELD_RO k SET u2 0 0", "-ERR BITFIELD_RO only supports the GET subcommand"),
        ("BITFIELD k OVERFLOW X", "-ERR Invalid OVERFLOW type specified"),
        (
            "BITFIELD k GET u64 0",
            "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        ),
        ("BITFIELD k GET u8 -1", "-ERR bit offset is not an integer or out of range"),
        ("BITFIELD k GET u8 #9223372036854775807", "-ERR bit offset is not an integer or out of range"),
        ("BITFIELD k SET u8 0", "-ERR syntax error"),
        ("BITFIELD k SET u8 0 x", "-ERR value is not an integer or out of range"),
    ]);
    bench.effects();
    bench
        .check(&[("BITFIELD k SET u2 0 3 GET u2 0", "*2 :3 :3"), ("BITFIELD k OVERFLOW FAIL INCRBY u2 0 1", "*1 $-1")]);
    assert_eq!(bench.effects(), [""; 0], "what changed nothing is not logged");
}

#[test]
fn replaying_the_effects_leaves_the_same_bits() {
    Bench::check_replay(&["SETBIT k 9 1", "SETBIT k 90 1", "EXPIRE k 10", "SETBIT k 9 0", "SET i 5", "SETBIT i 1 1"]);
    Bench::check_replay(&["MSET a foo b ba", "BITOP XOR c a b", "BITOP NOT a c", "BITOP AND b none"]);
    Bench::check_replay(&["BITFIELD k SET u8 3 77 INCRBY i9 100 -5", "BITFIELD f OVERFLOW FAIL INCRBY u2 9 7"]);
}

#[test]
fn an_expired_source_is_not_used_again_in_replay() {
    let mut bench = Bench::new();
    bench.check(&[("SET a foo PX 5", "+OK"), ("SET b ba", "+OK")]);
    bench.pass(5);
    bench.check(&[("BITOP OR c a b", ":2")]);
    assert_eq!(bench.effects()[2..], ["DEL a", "BITOP OR c a b"]);
}
