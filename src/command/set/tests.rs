use crate::command::testing::Bench;
use crate::config::Settings;
use std::collections::BTreeSet;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

#[test]
fn members_are_added_found_and_removed() {
    Bench::new().check(&[
        ("SADD s 1 2 1", ":2"),
        ("SADD s 2", ":0"),
        ("SADD s 2 x", ":1"),
        ("SCARD s", ":3"),
        ("SCARD nokey", ":0"),
        ("SISMEMBER s x", ":1"),
        ("SISMEMBER nokey x", ":0"),
        ("SMISMEMBER s 1 zz 2", "*3 :1 :0 :1"),
        ("SMISMEMBER nokey 1", "*1 :0"),
        ("SMEMBERS s", "*3 $1 1 $1 2 $1 x"),
        ("SMEMBERS nokey", "*0"),
        ("SREM s zz", ":0"),
        ("SREM s zz 1 1", ":1"),
        ("SREM nokey 1", ":0"),
        ("SREM s 2 x", ":2"),
        ("EXISTS s", ":0"),
    ]);
}

#[test]
fn other_types_are_refused() {
    let mut bench = Bench::new();
    bench.check(&[("SET k v", "+OK"), ("SADD s a", ":1")]);
    for line in [
        "SADD k a",
        "SREM k a",
        "SCARD k",
        "SISMEMBER k a",
        "SMISMEMBER k a",
        "SMEMBERS k",
        "SPOP k",
        "SPOP k 1",
        "SRANDMEMBER k",
        "SRANDMEMBER k 1",
        "SSCAN k 0",
        "SINTER nokey k",
        "SINTER k nokey",
        "SUNION s k",
        "SDIFF nokey k",
        "SDIFFSTORE k k s",
        "SINTERCARD 2 nokey k",
        "SMOVE s k zz",
        "SMOVE k s a",
    ] {
        assert_eq!(bench.run(line), WRONG_TYPE, "{line}");
    }
    bench.check(&[("SMOVE nokey k a", ":0"), ("SUNIONSTORE k s", ":1"), ("TYPE k", "+set")]);
}

#[test]
fn resp3_has_sets() {
    let mut bench = Bench::new();
    bench.session.proto = crate::resp::Proto::Resp3;
    bench.check(&[
        ("SADD s 1", ":1"),
        ("SMEMBERS s", "~1 $1 1"),
        ("SINTER s s", "~1 $1 1"),
        ("SUNION s nokey", "~1 $1 1"),
        ("SDIFF s s", "~0"),
        ("SINTER s nokey", "~0"),
        ("SRANDMEMBER s 1", "*1 $1 1"),
        ("SPOP s 0", "~0"),
        ("SPOP s 5", "~1 $1 1"),
        ("SPOP s 5", "~0"),
        ("SPOP s", "_"),
    ]);
}

#[test]
fn sets_are_combined_and_the_result_is_stored() {
    Bench::new().check(&[
        ("SADD a 1 2 3 4", ":4"),
        ("SADD b 3 4 x", ":3"),
        ("SADD c 4 5", ":2"),
        ("SINTER a b", "*2 $1 3 $1 4"),
        ("SINTER a b c", "*1 $1 4"),
        ("SDIFF a b c", "*2 $1 1 $1 2"),
        ("SDIFF b a", "*1 $1 x"),
        ("SUNION a c nokey", "*5 $1 1 $1 2 $1 3 $1 4 $1 5"),
        ("SINTERSTORE d a b", ":2"),
        ("OBJECT ENCODING d", "$6 intset"),
        ("SMEMBERS d", "*2 $1 3 $1 4"),
        ("SDIFFSTORE d d c", ":1"),
        ("SMEMBERS d", "*1 $1 3"),
        ("SUNIONSTORE d d b", ":3"),
        ("OBJECT ENCODING d", "$8 listpack"),
        ("SDIFFSTORE d b d", ":0"),
        ("EXISTS d", ":0"),
        ("SINTERSTORE d nokey a", ":0"),
        ("SINTERCARD 2 a b", ":2"),
        ("SINTERCARD 2 a b LIMIT 1", ":1"),
        ("SINTERCARD 2 a b LIMIT 0", ":2"),
        ("SINTERCARD 2 a nokey", ":0"),
        ("SINTERCARD 2 a b LIMIT -1", "-ERR LIMIT can't be negative"),
        ("SINTERCARD 2 a b LIMIT x", "-ERR LIMIT can't be negative"),
        ("SINTERCARD 2 a b FOO 1", "-ERR syntax error"),
        ("SINTERCARD 2 a b LIMIT", "-ERR syntax error"),
        ("SINTERCARD 3 a b", "-ERR Number of keys can't be greater than number of args"),
    ]);
}

#[test]
fn smove_takes_and_adds_once() {
    Bench::new().check(&[
        ("SADD a 1 2", ":2"),
        ("SADD b 2", ":1"),
        ("SMOVE a b zz", ":0"),
        ("SMOVE a a 1", ":1"),
        ("SMOVE a b 2", ":1"),
        ("SMEMBERS b", "*1 $1 2"),
        ("SMOVE a c 1", ":1"),
        ("EXISTS a", ":0"),
        ("SMEMBERS c", "*1 $1 1"),
    ]);
}

/// The words of a reply that are members.
fn members(reply: &str) -> Vec<String> {
    reply.split(' ').filter(|word| word.starts_with("m:")).map(String::from).collect()
}

#[test]
fn random_members_differ_and_popped_ones_are_gone() {
    for size in [20, 3000] {
        let mut bench = Bench::new();
        for member in 0..size {
            bench.run(&format!("SADD s m:{member}"));
        }
        for count in [1, 10, size / 2, size - 1, size, 2 * size] {
            let given = members(&bench.run(&format!("SRANDMEMBER s {count}")));
            assert_eq!(given.len(), count.min(size));
            assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), count.min(size));
        }
        assert_eq!(members(&bench.run("SRANDMEMBER s -50")).len(), 50);
        let mut popped = BTreeSet::new();
        for count in [1, 5, size / 2, size] {
            popped.extend(members(&bench.run(&format!("SPOP s {count}"))));
            if popped.len() < size {
                popped.extend(members(&bench.run("SPOP s")));
                assert_eq!(bench.run("SCARD s"), format!(":{}", size - popped.len()));
            }
            assert!(bench.replayed().content() == bench.content());
        }
        assert_eq!(popped.len(), size);
        assert_eq!(bench.run("EXISTS s"), ":0");
    }
    let out_of_range = "-ERR value is out of range, must be positive";
    Bench::new().check(&[
        ("SPOP s x", out_of_range),
        ("SPOP s -1", out_of_range),
        ("SPOP s 1 2", "-ERR syntax error"),
        ("SPOP s", "$-1"),
        ("SPOP s 3", "*0"),
        ("SRANDMEMBER s x", "-ERR value is not an integer or out of range"),
        ("SRANDMEMBER s", "$-1"),
        ("SRANDMEMBER s 1", "*0"),
        ("SRANDMEMBER s 1 2", "-ERR syntax error"),
    ]);
}

#[test]
fn chance_is_decided_in_the_log() {
    let mut bench = Bench::new();
    bench.check(&[("SADD s 1 2", ":2"), ("SADD s 1", ":0"), ("SREM s 9", ":0")]);
    let popped = bench.run("SPOP s").split_off(3);
    let left = if popped == "1" { "2" } else { "1" };
    bench.check(&[("SADD s 3", ":1")]);
    let second = bench.run("SPOP s 1").split_off(6);
    assert!([left, "3"].contains(&second.as_str()), "{second}");
    bench.run("SPOP s 7");
    assert_eq!(
        bench.effects(),
        ["SADD s 1 2", &format!("SREM s {popped}"), "SADD s 3", &format!("SREM s {second}"), "DEL s"]
    );
}

#[test]
fn replaying_the_effects_gives_the_same_sets() {
    let lines = [
        "SADD a 1 2 3",
        "SADD a x",
        "SADD b 3 x y",
        "SREM a 1 nothing",
        "SMOVE a b 2",
        "SMOVE a new 3",
        "SMOVE a b x",
        "SUNIONSTORE u b new",
        "SINTERSTORE i u b",
        "SDIFFSTORE d u new",
        "SET k v",
        "SUNIONSTORE k u i",
        "EXPIRE u 100",
        "SINTERSTORE u nokey u",
        "SPOP b",
        "SPOP b 2",
        "SPOP d 100",
    ];
    Bench::check_replay(&lines);
}

#[test]
fn a_source_whose_time_is_over_goes_before_the_result_is_logged() {
    let mut bench = Bench::new();
    bench.check(&[("SADD a 1", ":1"), ("SADD b 2", ":1"), ("PEXPIRE a 5", ":1")]);
    bench.pass(6);
    bench.check(&[("SUNIONSTORE d a b", ":1")]);
    assert_eq!(bench.replayed().content(), bench.content());
}

#[test]
fn sscan_shows_every_member_of_a_big_set_once() {
    let mut bench = Bench::new();
    for member in 0..2000 {
        bench.run(&format!("SADD s m:{member}"));
    }
    let (mut cursor, mut seen) = ("0".to_string(), BTreeSet::new());
    loop {
        let reply = bench.run(&format!("SSCAN s {cursor} COUNT 50 MATCH m:*"));
        for member in members(&reply) {
            assert!(seen.insert(member), "a member twice");
        }
        cursor = reply.split(' ').nth(2).unwrap().to_string();
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 2000);
    bench.check(&[
        ("SSCAN s x", "-ERR invalid cursor"),
        ("SSCAN nokey 0 FOO", "*2 $1 0 *0"),
        ("SSCAN s 0 NOVALUES", "-ERR NOVALUES option can only be used in HSCAN"),
        ("SSCAN s 0 TYPE set", "-ERR syntax error"),
    ]);
}

#[test]
fn differences_are_the_same_whichever_way_they_are_found() {
    let mut bench = Bench::new();
    for number in 0..1000 {
        bench.run(&format!("SADD big m:{number}"));
        bench.run(&format!("SADD odd m:{}", 2 * number + 1));
    }
    bench.run("SADD small m:0 m:2");
    // Many small sets: removing them from a copy is cheaper than asking each of them.
    let by_removing = members(&bench.run("SDIFF big small small small small small small small small"));
    let by_asking = members(&bench.run("SDIFF big small"));
    assert_eq!(by_asking.len(), 998);
    assert_eq!(by_removing.iter().collect::<BTreeSet<_>>(), by_asking.iter().collect());
    assert_eq!(members(&bench.run("SDIFF big odd small")).len(), 498);
    assert_eq!(members(&bench.run("SINTER odd big")).len(), 500);
    assert_eq!(members(&bench.run("SUNION odd big small")).len(), 1500);
}

#[test]
fn the_thresholds_as_set_decide_the_encoding() {
    let settings = Settings {
        set_max_intset_entries: 2,
        set_max_listpack_entries: 3,
        set_max_listpack_value: 4,
        ..Settings::default()
    };
    Bench::with(settings).check(&[
        ("SADD a 1 2", ":2"),
        ("OBJECT ENCODING a", "$6 intset"),
        ("SADD a 3", ":1"),
        ("OBJECT ENCODING a", "$9 hashtable"),
        ("SADD b x y z", ":3"),
        ("OBJECT ENCODING b", "$8 listpack"),
        ("SADD b w", ":1"),
        ("OBJECT ENCODING b", "$9 hashtable"),
        ("SADD c 12345", ":1"),
        ("SADD c x", ":1"),
        ("OBJECT ENCODING c", "$9 hashtable"),
    ]);
}
