use crate::command::testing::{Bench, NOW_MS};
use crate::config::{MaxmemoryPolicy, Settings, events};
use std::collections::BTreeSet;

#[test]
fn deleting_counts_what_was_there_and_logs_nothing_otherwise() {
    let mut bench = Bench::new();
    bench.check(&[
        ("MSET a 1 b 2 c 3", "+OK"),
        ("EXISTS a a none", ":2"),
        ("TOUCH a b none", ":2"),
        ("DEL a a none", ":1"),
        ("UNLINK b", ":1"),
        ("DEL a", ":0"),
        ("TYPE c", "+string"),
        ("TYPE a", "+none"),
        ("DBSIZE", ":1"),
    ]);
    assert_eq!(bench.effects()[1..], ["DEL a a none", "UNLINK b"]);
}

#[test]
fn times_are_set_asked_for_and_removed() {
    let mut bench = Bench::new();
    let second = NOW_MS / 1000 + 100;
    bench.check(&[
        ("SET k v", "+OK"),
        ("TTL k", ":-1"),
        ("PEXPIRETIME k", ":-1"),
        ("TTL none", ":-2"),
        ("EXPIRE k 100", ":1"),
        ("TTL k", ":100"),
        ("PTTL k", ":100000"),
        ("EXPIRETIME k", &format!(":{second}")),
        ("PEXPIRETIME k", &format!(":{second}000")),
        ("EXPIRE none 100", ":0"),
        ("PEXPIRE k 1600", ":1"),
        ("TTL k", ":2"),
        ("PERSIST k", ":1"),
        ("PERSIST k", ":0"),
        ("PERSIST none", ":0"),
        ("EXPIREAT k 1", ":1"),
        ("EXISTS k", ":0"),
        ("SET k v", "+OK"),
        ("EXPIRE k -1", ":1"),
        ("GET k", "$-1"),
    ]);
    let expected = [
        "SET k v".to_string(),
        format!("PEXPIREAT k {second}000"),
        format!("PEXPIREAT k {}", NOW_MS + 1600),
        "PERSIST k".into(),
        "DEL k".into(),
        "SET k v".into(),
        "DEL k".into(),
    ];
    assert_eq!(bench.effects(), expected);
}

#[test]
fn expire_heeds_its_conditions() {
    Bench::new().check(&[
        ("SET k v", "+OK"),
        ("EXPIRE k 10 XX", ":0"),
        ("EXPIRE k 10 GT", ":0"),
        ("EXPIRE k 10 LT", ":1"),
        ("EXPIRE k 10 NX", ":0"),
        ("EXPIRE k 10 LT", ":0"),
        ("EXPIRE k 10 gt", ":0"),
        ("EXPIRE k 20 GT XX", ":1"),
        ("EXPIRE k 15 LT XX", ":1"),
        ("TTL k", ":15"),
        ("EXPIRE k 1 NX XX", "-ERR NX and XX, GT or LT options at the same time are not compatible"),
        ("EXPIRE k 1 GT LT", "-ERR GT and LT options at the same time are not compatible"),
        ("EXPIRE k 1 Foo", "-ERR Unsupported option Foo"),
        ("EXPIRE k x", "-ERR value is not an integer or out of range"),
        ("EXPIRE k 9223372036854775807", "-ERR invalid expire time in 'expire' command"),
        ("PEXPIRE k 9223372036854775807", "-ERR invalid expire time in 'pexpire' command"),
        ("EXPIREAT k -9223372036854775808", "-ERR invalid expire time in 'expireat' command"),
        ("EXPIRE none 9223372036854775807", "-ERR invalid expire time in 'expire' command"),
    ]);
}

#[test]
fn renaming_takes_value_and_time_along() {
    let mut bench = Bench::new();
    bench.check(&[
        ("RENAME none a", "-ERR no such key"),
        ("RENAMENX none none", "-ERR no such key"),
        ("SET a v EX 10", "+OK"),
        ("SET b w", "+OK"),
        ("RENAME a a", "+OK"),
        ("RENAMENX a a", ":0"),
        ("RENAMENX a b", ":0"),
        ("RENAME a b", "+OK"),
        ("TTL b", ":10"),
        ("GET b", "$1 v"),
        ("RENAMENX b c", ":1"),
        ("EXISTS a b", ":0"),
    ]);
    assert_eq!(bench.effects()[2..], ["RENAME a b", "RENAMENX b c"]);
}

#[test]
fn copies_are_whole_and_stay_apart() {
    let mut bench = Bench::new();
    bench.check(&[
        ("SET a v EX 10", "+OK"),
        ("APPEND a x", ":2"),
        ("COPY a b", ":1"),
        ("OBJECT ENCODING b", "$3 raw"),
        ("TTL b", ":10"),
        ("COPY a b", ":0"),
        ("COPY a b REPLACE", ":1"),
        ("COPY none b REPLACE", ":0"),
        ("COPY a a", "-ERR source and destination objects are the same"),
        ("COPY a a DB 3", ":1"),
        ("COPY a b DB 16", "-ERR DB index is out of range"),
        ("COPY a b DB x", "-ERR value is not an integer or out of range"),
        ("COPY a b DB 99999999999", "-ERR value is out of range, value must between -2147483648 and 2147483647"),
        ("COPY a b FOO", "-ERR syntax error"),
        ("COPY a b DB", "-ERR syntax error"),
        ("MOVE a 0", "-ERR source and destination objects are the same"),
        ("MOVE a 16", "-ERR DB index is out of range"),
        ("MOVE a 3", ":0"),
        ("MOVE a 4", ":1"),
        ("MOVE a 4", ":0"),
    ]);
    bench.session.db = 4;
    bench.check(&[("GET a", "$2 vx"), ("TTL a", ":10")]);
}

#[test]
fn a_copy_of_an_expired_key_is_not_made_again_in_replay() {
    let mut bench = Bench::new();
    bench.check(&[("SET a v PX 5", "+OK"), ("SET b w", "+OK")]);
    bench.pass(5);
    bench.check(&[("COPY a b REPLACE", ":0"), ("RENAMENX b a", ":1")]);
    assert_eq!(bench.effects()[2..], ["DEL a", "RENAMENX b a"]);
}

#[test]
fn a_whole_scan_meets_every_key_and_keys_agrees() {
    let mut bench = Bench::new();
    let mut expected = BTreeSet::new();
    for number in 0..5000 {
        bench.run(&format!("SET key:{number} v"));
        expected.insert(format!("key:{number}"));
    }
    bench.run("SET gone v PX 1");
    bench.run("SET other v");
    bench.pass(1);
    let (mut cursor, mut met, mut calls) = ("0".to_string(), BTreeSet::new(), 0);
    loop {
        let reply = bench.run(&format!("SCAN {cursor} MATCH key:* COUNT 100 TYPE STRING"));
        let words: Vec<&str> = reply.split(' ').collect();
        met.extend(words[4..].iter().filter(|word| !word.starts_with('$')).map(|word| word.to_string()));
        cursor = words[2].to_string();
        calls += 1;
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(met, expected);
    assert!((25..=60).contains(&calls), "{calls} calls for 5,000 keys, 100 at a time");
    assert!(bench.run("KEYS key:*").starts_with("*5000 "));
    bench.check(&[
        ("KEYS o?her", "*1 $5 other"),
        ("KEYS gone", "*0"),
        ("SCAN x", "-ERR invalid cursor"),
        ("SCAN 0 COUNT 0", "-ERR syntax error"),
        ("SCAN 0 COUNT x", "-ERR value is not an integer or out of range"),
        ("SCAN 0 MATCH", "-ERR syntax error"),
        ("SCAN 0 NOVALUES", "-ERR NOVALUES option can only be used in HSCAN"),
        ("SCAN 0 COUNT 9999999 TYPE hash", "*2 $1 0 *0"),
    ]);
}

#[test]
fn object_tells_of_the_value_without_touching_it() {
    let mut bench = Bench::new();
    bench.check(&[
        ("SET n 12", "+OK"),
        ("SET m 10000", "+OK"),
        ("SET s abc", "+OK"),
        ("OBJECT ENCODING n", "$3 int"),
        ("OBJECT ENCODING s", "$6 embstr"),
        ("OBJECT ENCODING none", "$-1"),
        ("OBJECT REFCOUNT n", ":2147483647"),
        ("OBJECT REFCOUNT m", ":1"),
    ]);
    bench.pass(5000);
    bench.check(&[
        ("OBJECT IDLETIME s", ":5"),
        ("OBJECT IDLETIME s", ":5"),
        ("GET s", "$3 abc"),
        ("OBJECT IDLETIME s", ":0"),
    ]);
    assert!(
        bench.run("OBJECT FREQ s").starts_with("-ERR An LFU maxmemory policy is not selected, access frequency not ")
    );
    assert!(bench.run("OBJECT HELP").starts_with("*11 +OBJECT <subcommand>"));
    let mut lfu = Bench::with(Settings { maxmemory_policy: MaxmemoryPolicy::AllkeysLfu, ..Settings::default() });
    lfu.run("SET s abc");
    assert!(
        lfu.run("OBJECT IDLETIME s").starts_with("-ERR An LFU maxmemory policy is selected, idle time not tracked.")
    );
}

/// The bulk string in a reply.
fn bulk(reply: &[u8]) -> Vec<u8> {
    let head = memchr::memchr(b'\n', reply).unwrap() + 1;
    reply[head..reply.len() - 2].to_vec()
}

#[test]
fn what_dump_gives_restore_takes() {
    for value in ["12", "-70000", "abc", &"abcabc".repeat(500)] {
        let mut bench = Bench::new();
        bench.run(&format!("SET a {value}"));
        let payload = bulk(&bench.raw(&["DUMP", "a"]));
        let restore = |bench: &mut Bench, words: &[&str]| {
            let mut all: Vec<&[u8]> = vec![b"RESTORE", words[0].as_bytes(), words[1].as_bytes(), &payload];
            all.extend(words[2..].iter().map(|word| word.as_bytes()));
            String::from_utf8(bench.raw(&all)).unwrap().trim_end().to_string()
        };
        assert_eq!(restore(&mut bench, &["a", "0"]), "-BUSYKEY Target key name already exists.");
        assert_eq!(restore(&mut bench, &["b", "5000"]), "+OK");
        assert_eq!(restore(&mut bench, &["c", "99999999999999", "ABSTTL", "IDLETIME", "7"]), "+OK");
        assert_eq!(restore(&mut bench, &["a", "1", "ABSTTL", "REPLACE"]), "+OK");
        assert_eq!(restore(&mut bench, &["d", "1", "ABSTTL"]), "+OK");
        assert_eq!(restore(&mut bench, &["d", "-1"]), "-ERR Invalid TTL value, must be >= 0");
        assert_eq!(restore(&mut bench, &["d", "0", "FREQ", "256"]), "-ERR Invalid FREQ value, must be >= 0 and <= 255");
        assert_eq!(restore(&mut bench, &["d", "0", "IDLETIME", "-1"]), "-ERR Invalid IDLETIME value, must be >= 0");
        assert_eq!(restore(&mut bench, &["d", "0", "IDLETIME", "1", "FREQ", "1"]), "-ERR syntax error");
        bench.check(&[
            ("EXISTS a d", ":0"),
            ("GET b", &format!("${} {value}", value.len())),
            ("PTTL b", ":5000"),
            ("PEXPIRETIME c", ":99999999999999"),
            ("RESTORE d 0 short", "-ERR DUMP payload version or checksum are wrong"),
            ("DUMP none", "$-1"),
        ]);
        assert_eq!(bench.replayed().content(), bench.content());
        assert_eq!(bench.effects().len(), 4, "SET, two times RESTORE, DEL");
    }
}

#[test]
fn replaying_the_effects_leaves_the_same_keys() {
    Bench::check_replay(&["MSET a 1 b 2 c 3", "DEL a none", "UNLINK c c"]);
    Bench::check_replay(&["MSET a 1 b 2", "EXPIRE a 10", "PEXPIRE b 7", "PERSIST b", "EXPIREAT b 99999999999"]);
    Bench::check_replay(&["MSET a 1 b 2", "PEXPIREAT a 5", "EXPIRE b -9"]);
    Bench::check_replay(&["SET a v EX 5", "RENAME a b", "SET c w", "RENAMENX b d", "RENAME c d"]);
    Bench::check_replay(&["SET a v EX 5", "COPY a b", "COPY a a DB 3", "MOVE b 5", "SET b w", "COPY a b REPLACE"]);
}

#[test]
fn listeners_hear_of_keys_that_come_go_and_move() {
    let mut bench =
        Bench::with(Settings { notify_keyspace_events: events::ALL | events::KEYSPACE, ..Settings::default() });
    for line in ["SET a v", "EXPIRE a 10", "PERSIST a", "RENAME a b", "COPY b c", "MOVE b 3", "EXPIRE c -1", "DEL none"]
    {
        bench.run(line);
    }
    let heard: Vec<_> = bench.shard.events.iter().map(|event| (event.name, event.db)).collect();
    let expected = [
        ("set", 0),
        ("expire", 0),
        ("persist", 0),
        ("rename_from", 0),
        ("rename_to", 0),
        ("copy_to", 0),
        ("move_from", 0),
        ("move_to", 3),
        ("del", 0),
    ];
    assert_eq!(heard, expected);
}
