use crate::command::testing::{Bench, NOW_MS};
use crate::config::events;

#[test]
fn set_understands_its_options_and_refuses_what_contradicts() {
    Bench::new().check(&[
        ("SET k v", "+OK"),
        ("GET k", "$1 v"),
        ("SET k w NX", "$-1"),
        ("SET k w XX", "+OK"),
        ("SET n w XX", "$-1"),
        ("SET n w XX GET", "$-1"),
        ("SET k x NX GET", "$1 w"),
        ("SET k x get", "$1 w"),
        ("SET k 12 EX 10 GET", "$1 x"),
        ("SET k 13 keepttl", "+OK"),
        ("SET k v NX XX", "-ERR syntax error"),
        ("SET k v EX 10 PX 10", "-ERR syntax error"),
        ("SET k v EX 10 KEEPTTL", "-ERR syntax error"),
        ("SET k v KEEPTTL EX 10", "-ERR syntax error"),
        ("SET k v EX", "-ERR syntax error"),
        ("SET k v PERSIST", "-ERR syntax error"),
        ("SET k v EX 0", "-ERR invalid expire time in 'set' command"),
        ("SET k v PX -1", "-ERR invalid expire time in 'set' command"),
        ("SET k v EX 9223372036854775807", "-ERR invalid expire time in 'set' command"),
        ("SET k v PX 9223372036854775807", "-ERR invalid expire time in 'set' command"),
        ("SET k v EX x", "-ERR value is not an integer or out of range"),
        ("GET k", "$2 13"),
        ("SETEX k 0 v", "-ERR invalid expire time in 'setex' command"),
        ("PSETEX k 0 v", "-ERR invalid expire time in 'psetex' command"),
        ("GETSET k y", "$2 13"),
        ("SETNX k z", ":0"),
        ("GET k", "$1 y"),
    ]);
}

#[test]
fn times_in_the_log_are_absolute_and_conditions_are_decided() {
    let mut bench = Bench::new();
    for line in [
        "SET a v NX EX 10",
        "SET a w KEEPTTL GET",
        "SETEX b 5 v",
        "PSETEX b 5 v",
        "SETNX c v",
        "SET d v PXAT 1",
        "SET c v EXAT 1",
        "SET a v NX",
    ] {
        bench.run(line);
    }
    let expected = [
        format!("SET a v PXAT {}", NOW_MS + 10_000),
        "SET a w KEEPTTL".into(),
        format!("SET b v PXAT {}", NOW_MS + 5000),
        format!("SET b v PXAT {}", NOW_MS + 5),
        "SET c v".into(),
        "DEL c".into(),
    ];
    assert_eq!(bench.effects(), expected);
}

#[test]
fn getex_and_getdel_log_what_they_did() {
    let mut bench = Bench::new();
    bench.check(&[
        ("SET k v", "+OK"),
        ("GETEX k", "$1 v"),
        ("GETEX k EX 10", "$1 v"),
        ("GETEX k PERSIST", "$1 v"),
        ("GETEX k PERSIST", "$1 v"),
        ("GETEX k PERSIST EX 10", "-ERR syntax error"),
        ("GETEX k NX", "-ERR syntax error"),
        ("GETEX k EX 0", "-ERR invalid expire time in 'getex' command"),
        ("GETEX k EXAT 1", "$1 v"),
        ("GETEX k EX 0", "$-1"),
        ("SET k v", "+OK"),
        ("GETDEL k", "$1 v"),
        ("GETDEL k", "$-1"),
    ]);
    let pexpireat = format!("PEXPIREAT k {}", NOW_MS + 10_000);
    assert_eq!(bench.effects(), ["SET k v", &pexpireat, "PERSIST k", "DEL k", "SET k v", "DEL k"]);
}

#[test]
fn an_expired_key_is_gone_for_everyone_and_its_removal_is_logged_by_writers() {
    let mut bench = Bench::new();
    bench.check(&[("SET k v PX 10", "+OK"), ("GET k", "$1 v")]);
    bench.effects();
    bench.pass(10);
    bench.check(&[("GET k", "$-1"), ("STRLEN k", ":0"), ("SET k w KEEPTTL", "+OK"), ("GETEX k PERSIST", "$1 w")]);
    assert_eq!(bench.effects(), ["DEL k", "SET k w KEEPTTL"]);
}

#[test]
fn counters_stop_at_the_ends_of_64_bits() {
    Bench::new().check(&[
        ("INCR n", ":1"),
        ("INCRBY n 41", ":42"),
        ("DECR n", ":41"),
        ("DECRBY n 42", ":-1"),
        ("SET n 9223372036854775807", "+OK"),
        ("INCR n", "-ERR increment or decrement would overflow"),
        ("SET n -9223372036854775808", "+OK"),
        ("DECR n", "-ERR increment or decrement would overflow"),
        ("DECRBY n -9223372036854775808", "-ERR decrement would overflow"),
        ("INCRBY n 1.5", "-ERR value is not an integer or out of range"),
        ("SET s abc", "+OK"),
        ("INCR s", "-ERR value is not an integer or out of range"),
        ("SET a 1", "+OK"),
        ("APPEND a 2", ":2"),
        ("INCR a", ":13"),
    ]);
}

#[test]
fn incrbyfloat_keeps_the_time_and_logs_the_sum() {
    let mut bench = Bench::new();
    bench.check(&[
        ("SET f 10.5 PX 1000", "+OK"),
        ("INCRBYFLOAT f 0.1", "$4 10.6"),
        ("INCRBYFLOAT g 3", "$1 3"),
        ("INCRBYFLOAT f x", "-ERR value is not a valid float"),
        ("INCRBYFLOAT f inf", "-ERR increment would produce NaN or Infinity"),
    ]);
    assert_eq!(bench.effects()[1..], ["SET f 10.6 KEEPTTL", "SET g 3 KEEPTTL"]);
}

#[test]
fn parts_of_strings_are_read_and_written() {
    Bench::new().check(&[
        ("SETRANGE k 3 ab", ":5"),
        ("GET k", "$5 \0\0\0ab"),
        ("SETRANGE k 0 xy", ":5"),
        ("GETRANGE k 0 1", "$2 xy"),
        ("SUBSTR k -2 -1", "$2 ab"),
        ("GETRANGE none 0 -1", "$0"),
        ("SETRANGE none 5 ''", ":0"),
        ("SETRANGE k 9 ''", ":5"),
        ("SETRANGE k -1 x", "-ERR offset is out of range"),
        ("SETRANGE k 536870912 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
        ("SETRANGE k 9223372036854775807 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"),
        ("SET n 12345", "+OK"),
        ("GETRANGE n 1 3", "$3 234"),
        ("SETRANGE n 1 x", ":5"),
        ("GET n", "$5 1x345"),
        ("STRLEN n", ":5"),
        ("APPEND n 6789", ":9"),
        ("APPEND new 12", ":2"),
        ("MGET n none new", "*3 $9 1x3456789 $-1 $2 12"),
    ]);
}

#[test]
fn many_keys_are_set_together_or_not_at_all() {
    let mut bench = Bench::new();
    bench.check(&[
        ("MSET a 1 b 2 a 3", "+OK"),
        ("MGET a b", "*2 $1 3 $1 2"),
        ("MSETNX c 1 a 2", ":0"),
        ("MSETNX c 1 c 2", ":1"),
        ("MGET c", "*1 $1 2"),
        ("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command"),
        ("MSETNX a 1 b", "-ERR wrong number of arguments for 'msetnx' command"),
    ]);
    assert_eq!(bench.effects(), ["MSET a 1 b 2 a 3", "MSETNX c 1 c 2"]);
}

#[test]
fn lcs_finds_the_same_subsequence_as_redis() {
    Bench::new().check(&[
        ("MSET a ohmytext b mynewtext", "+OK"),
        ("LCS a b", "$6 mytext"),
        ("LCS a b LEN", ":6"),
        ("LCS a b IDX", "*4 $7 matches *2 *2 *2 :4 :7 *2 :5 :8 *2 *2 :2 :3 *2 :0 :1 $3 len :6"),
        ("LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN", "*4 $7 matches *1 *3 *2 :4 :7 *2 :5 :8 :4 $3 len :6"),
        ("LCS a none", "$0"),
        ("LCS a none IDX", "*4 $7 matches *0 $3 len :0"),
        ("LCS a b LEN IDX", "-ERR If you want both the length and indexes, please just use IDX."),
        ("LCS a b MINMATCHLEN", "-ERR syntax error"),
    ]);
}

#[test]
fn lcs_of_long_strings_does_not_hold_up_the_core() {
    let refusal = "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
    let mut bench = Bench::new();
    bench.check(&[("SETRANGE a 20000 x", ":20001"), ("LCS a a", refusal), ("LCS a a LEN", refusal)]);
}

#[test]
fn replaying_the_effects_leaves_the_same_strings() {
    Bench::check_replay(&["SET a v", "SET a w EX 100", "SET b 1 PXAT 99999999999999", "SET b 2 KEEPTTL"]);
    Bench::check_replay(&["SETEX a 10 v", "PSETEX b 10 v", "SETNX c v", "GETSET c w", "SET d v EXAT 5"]);
    Bench::check_replay(&["SET a v EX 5", "GETEX a PERSIST", "SET b v", "GETEX b PX 77", "SET c v", "GETEX c EXAT 1"]);
    Bench::check_replay(&["SET a v", "GETDEL a", "MSET a 1 b 2", "MSETNX c 1 d 2", "MSETNX d 1 e 1"]);
    Bench::check_replay(&["SET n 5 EX 9", "INCR n", "INCRBY n 7", "DECR n", "DECRBY n 3", "INCRBYFLOAT n 0.1"]);
    Bench::check_replay(&["APPEND a x", "APPEND a y", "SETRANGE a 7 z", "SETRANGE a 0 q", "SET i 5", "SETRANGE i 2 k"]);
}

#[test]
fn a_number_changed_in_part_is_kept_as_bytes() {
    let mut bench = Bench::new();
    bench.run("SET n 12");
    bench.run("APPEND n 3");
    let db = bench.shard.db(0);
    let entry = db.find(crate::keyspace::hash_key(b"n"), b"n").unwrap();
    assert_eq!(db.encoding_name(entry), "raw");
}

#[test]
fn listeners_hear_what_happened_in_redis_s_words() {
    let heard = events::ALL | events::NEW | events::KEY_MISS | events::KEYEVENT;
    let settings = crate::config::Settings { notify_keyspace_events: heard, ..Default::default() };
    let mut bench = Bench::with(settings);
    for line in ["GET k", "SET k v EX 5", "APPEND k w", "GETEX k PERSIST", "GETDEL k", "INCR n", "SETRANGE n 0 1"] {
        bench.run(line);
    }
    let names: Vec<_> = bench.shard.events.iter().map(|event| event.name).collect();
    let expected = ["keymiss", "new", "set", "expire", "append", "persist", "del", "new", "incrby", "setrange"];
    assert_eq!(names, expected);
}
