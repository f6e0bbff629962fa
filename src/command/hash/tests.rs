use crate::command::testing::{Bench, NOW_MS};
use crate::config::Settings;

#[test]
fn fields_are_set_read_and_deleted() {
    Bench::new().check(&[
        ("HSET h a 1 b two a 3", ":2"),
        ("HGET h a", "$1 3"),
        ("HGET h zz", "$-1"),
        ("HGET nokey a", "$-1"),
        ("HMGET h b zz a", "*3 $3 two $-1 $1 3"),
        ("HMGET nokey b", "*1 $-1"),
        ("HGETALL h", "*4 $1 a $1 3 $1 b $3 two"),
        ("HGETALL nokey", "*0"),
        ("HKEYS h", "*2 $1 a $1 b"),
        ("HVALS h", "*2 $1 3 $3 two"),
        ("HLEN h", ":2"),
        ("HLEN nokey", ":0"),
        ("HEXISTS h b", ":1"),
        ("HEXISTS h c", ":0"),
        ("HSTRLEN h b", ":3"),
        ("HSTRLEN h c", ":0"),
        ("HSETNX h b x", ":0"),
        ("HSETNX h c x", ":1"),
        ("HMSET h c y d z", "+OK"),
        ("HDEL h zz", ":0"),
        ("HDEL h c c d", ":2"),
        ("HDEL nokey c", ":0"),
        ("HDEL h a b", ":2"),
        ("EXISTS h", ":0"),
        ("HSET h a 1 b", "-ERR wrong number of arguments for 'hset' command"),
        ("HMSET h a 1 b", "-ERR wrong number of arguments for 'hmset' command"),
    ]);
}

#[test]
fn other_types_are_refused() {
    const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";
    let mut bench = Bench::new();
    bench.run("SET s v");
    for line in [
        "HSET s a 1",
        "HGET s a",
        "HMGET s a",
        "HGETALL s",
        "HDEL s a",
        "HLEN s",
        "HINCRBY s a 1",
        "HINCRBYFLOAT s a 1",
        "HRANDFIELD s",
        "HRANDFIELD s 1",
        "HSCAN s 0 FOO",
        "HEXPIRE s 10 FIELDS 1 a",
        "HTTL s FIELDS 1 a",
        "HPERSIST s FIELDS 1 a",
        "HGETEX s FIELDS 0 a",
        "HGETDEL s FIELDS 0 a",
        "HSETEX s FIELDS 1 a 1",
        "HSETNX s a 1",
    ] {
        assert_eq!(bench.run(line), WRONG_TYPE, "{line}");
    }
}

#[test]
fn resp3_has_maps_and_pairs() {
    let mut bench = Bench::new();
    bench.session.proto = crate::resp::Proto::Resp3;
    bench.check(&[
        ("HSET h a 1", ":1"),
        ("HGETALL h", "%1 $1 a $1 1"),
        ("HGETALL nokey", "%0"),
        ("HKEYS h", "*1 $1 a"),
        ("HRANDFIELD h 1 WITHVALUES", "*1 *2 $1 a $1 1"),
        ("HRANDFIELD nokey", "_"),
    ]);
}

#[test]
fn counters_refuse_what_is_no_number_and_stop_at_the_ends() {
    Bench::new().check(&[
        ("HINCRBY h n 5", ":5"),
        ("HINCRBY h n -7", ":-2"),
        ("HINCRBY h n x", "-ERR value is not an integer or out of range"),
        ("HSET h w abc", ":1"),
        ("HINCRBY h w 1", "-ERR hash value is not an integer"),
        ("HINCRBY h n -9223372036854775807", "-ERR increment or decrement would overflow"),
        ("HINCRBYFLOAT h w 1", "-ERR hash value is not a float"),
        ("HINCRBYFLOAT h n inf", "-ERR value is NaN or Infinity"),
        ("HINCRBYFLOAT h n nan", "-ERR value is not a valid float"),
        ("HINCRBYFLOAT h n x", "-ERR value is not a valid float"),
        ("HINCRBYFLOAT h n 2.5", "$3 0.5"),
        ("HINCRBYFLOAT h m 0.1", "$3 0.1"),
    ]);
}

#[test]
fn expiry_commands_answer_per_field_as_redis_does() {
    let count = "-ERR Parameter `numFields` should be greater than 0";
    let positive = "-ERR Number of fields must be a positive integer";
    let number = "-ERR The `numfields` parameter must match the number of arguments";
    let missing = "-ERR Mandatory argument FIELDS is missing or not at the right position";
    Bench::new().check(&[
        ("HEXPIRE nokey 10 FIELDS 1 a", "*1 :-2"),
        ("HEXPIRE nokey x FIELDS 1 a", "-ERR value is not an integer or out of range"),
        ("HSET h a 1 b 2 c 3", ":3"),
        ("HEXPIRE h -1 FIELDS 1 a", "-ERR invalid expire time, must be >= 0"),
        ("HEXPIRE h 10 FIELDS 0 a", count),
        ("HEXPIRE h 10 FIELDS x a", count),
        ("HEXPIRE h 10 FIELDS 2 a", number),
        ("HEXPIRE h 10 FIELDS 1 a b", number),
        ("HEXPIRE h 10 FIELDZ 1 a", missing),
        ("HEXPIRE h 10 NX GT FIELDS 1 a", missing),
        ("HEXPIRE h 70368744177663 FIELDS 1 a", "-ERR invalid expire time in 'hexpire' command"),
        ("HPEXPIREAT h 70368744177663 FIELDS 1 a", "*1 :1"),
        ("HPEXPIREAT h 70368744177664 FIELDS 1 a", "-ERR invalid expire time in 'hpexpireat' command"),
        ("HEXPIRE h 10 FIELDS 3 a zz a", "*3 :1 :-2 :1"),
        ("HEXPIRE h 10 NX FIELDS 2 a b", "*2 :0 :1"),
        ("HEXPIRE h 10 XX FIELDS 2 a c", "*2 :1 :0"),
        ("HEXPIRE h 20 GT FIELDS 2 a c", "*2 :1 :0"),
        ("HEXPIRE h 5 LT FIELDS 2 a c", "*2 :1 :1"),
        ("HTTL h FIELDS 3 a b zz", "*3 :5 :10 :-2"),
        ("HPTTL h FIELDS 1 a", "*1 :5000"),
        ("HTTL nokey FIELDS 2 a b", "*2 :-2 :-2"),
        ("HTTL h FIELDS 0 a", positive),
        ("HTTL h FIELDS 2 a", number),
        ("HTTL h FIELDZ 2 a b", missing),
        ("HPERSIST h FIELDS 3 a b zz", "*3 :1 :1 :-2"),
        ("HPERSIST h FIELDS 2 a zz", "*2 :-1 :-2"),
        ("HPERSIST nokey FIELDS 1 a", "*1 :-2"),
        ("HPERSIST h FIELDS 0 a", positive),
        ("HEXPIREAT h 1 FIELDS 3 a zz a", "*3 :2 :-2 :-2"),
        ("HEXPIRE h 0 FIELDS 1 b", "*1 :2"),
        ("HPEXPIREAT h 1999999999999 FIELDS 1 c", "*1 :1"),
        ("HEXPIRETIME h FIELDS 1 c", "*1 :2000000000"),
        ("HPEXPIRETIME h FIELDS 2 c d", "*2 :1999999999999 :-2"),
        ("HGETALL h", "*2 $1 c $1 3"),
    ]);
}

#[test]
fn hgetex_hgetdel_and_hsetex_understand_their_options() {
    let number = "-ERR The `numfields` parameter must match the number of arguments";
    let missing = "-ERR Mandatory argument FIELDS is missing or not at the right position";
    let one_time = "-ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified";
    let one_condition = "-ERR Only one of FXX or FNX arguments can be specified";
    let arity = "-ERR wrong number of arguments for 'hsetex' command";
    Bench::new().check(&[
        ("HSET h a 1 b 2 c 3", ":3"),
        ("HGETEX h FIELDS 2 a zz", "*2 $1 1 $-1"),
        ("HGETEX h EX 10 FIELDS 2 a zz", "*2 $1 1 $-1"),
        ("HTTL h FIELDS 1 a", "*1 :10"),
        ("HGETEX h PERSIST FIELDS 1 a", "*1 $1 1"),
        ("HTTL h FIELDS 1 a", "*1 :-1"),
        ("HGETEX h EX -1 FIELDS 1 a", "-ERR invalid expire time, must be >= 0"),
        ("HGETEX h EX 99999999999999 FIELDS 1 a", "-ERR invalid expire time in 'hgetex' command"),
        ("HGETEX h EX 10 PX 10 FIELDS 1 a", missing),
        ("HGETEX h FIELDS 1 a EX 10", number),
        ("HGETEX h EX 0 FIELDS 1 a", "*1 $1 1"),
        ("HGETEX h EXAT 1 FIELDS 1 a", "*1 $-1"),
        ("HGETEX nokey FIELDS 1 a", "*1 $-1"),
        ("HGETDEL h FIELDS 3 b zz b", "*3 $1 2 $-1 $-1"),
        ("HGETDEL h FIELDS 0 b", "-ERR Number of fields must be a positive integer"),
        ("HGETDEL h FIELDS 1 c", "*1 $1 3"),
        ("EXISTS h", ":0"),
        ("HSETEX h FIELDS 1 a 1", ":1"),
        ("HSETEX h FNX FIELDS 1 a 1", ":0"),
        ("HSETEX h FXX FIELDS 2 a 1 zz 1", ":0"),
        ("HSETEX h FXX FNX FIELDS 1 a 1", one_condition),
        ("HSETEX h EX 10 KEEPTTL FIELDS 1 a 1", one_time),
        ("HSETEX h EX 10 FIELDS 1 a 1", ":1"),
        ("HSETEX h KEEPTTL FIELDS 1 a 2", ":1"),
        ("HTTL h FIELDS 1 a", "*1 :10"),
        ("HSETEX h FIELDS 1 a 1", ":1"),
        ("HTTL h FIELDS 1 a", "*1 :-1"),
        ("HSETEX h FIELDS 0 a 1", "-ERR invalid number of fields"),
        ("HSETEX h FIELDS 2 a 1", arity),
        ("HSETEX h FOO FIELDS 1 a 1", "-ERR unknown argument: FOO"),
        ("HSETEX nokey FXX FIELDS 1 a 1", ":0"),
        ("HSETEX nokey PXAT 1 FIELDS 1 a 1", ":1"),
        ("EXISTS nokey", ":0"),
        ("HSETEX h PXAT 1 FIELDS 1 a 1", ":1"),
        ("EXISTS h", ":0"),
    ]);
}

#[test]
fn a_due_field_is_hidden_from_readers_and_deleted_by_writers() {
    let mut bench = Bench::new();
    bench.check(&[
        ("HSET h a 1 b 2 c 3", ":3"),
        ("HPEXPIRE h 10 FIELDS 2 a b", "*2 :1 :1"),
        ("HGETALL h", "*6 $1 a $1 1 $1 b $1 2 $1 c $1 3"),
    ]);
    bench.effects();
    bench.pass(11);
    bench.check(&[
        ("HGET h a", "$-1"),
        ("HMGET h a c", "*2 $-1 $1 3"),
        ("HGETALL h", "*2 $1 c $1 3"),
        ("HKEYS h", "*1 $1 c"),
        ("HEXISTS h a", ":0"),
        ("HSTRLEN h a", ":0"),
        ("HTTL h FIELDS 1 a", "*1 :-2"),
        ("HRANDFIELD h", "$1 c"),
        ("HRANDFIELD h 9", "*1 $1 c"),
        ("HRANDFIELD h -2", "*2 $1 c $1 c"),
        ("HSCAN h 0", "*2 $1 0 *2 $1 c $1 3"),
        ("HLEN h", ":3"),
    ]);
    assert!(bench.effects().is_empty());
    bench.check(&[("HSETNX h a 9", ":1"), ("HLEN h", ":2")]);
    assert_eq!(bench.effects(), ["HDEL h a b", "HSET h a 9"]);
    bench.check(&[("HPEXPIRE h 5 FIELDS 2 a c", "*2 :1 :1"), ("EXPIRE h 100", ":1")]);
    bench.effects();
    bench.pass(6);
    bench.check(&[("HINCRBY h a 1", ":1"), ("TTL h", ":-1")]);
    assert_eq!(bench.effects(), ["HDEL h a c", "HINCRBY h a 1"]);
}

#[test]
fn effects_are_decided_and_their_times_absolute() {
    let mut bench = Bench::new();
    for line in [
        "HSET h a 1 b 2",
        "HSETNX h a 2",
        "HSETNX h c 2",
        "HINCRBYFLOAT h a 0.5",
        "HEXPIRE h 10 NX FIELDS 2 a zz",
        "HINCRBYFLOAT h a 0.5",
        "HSETEX h KEEPTTL FIELDS 1 a 7",
        "HSETEX h PX 5 FIELDS 1 b 7",
        "HGETEX h EX 1 FIELDS 2 c zz",
        "HGETEX h PERSIST FIELDS 2 c b",
        "HPERSIST h FIELDS 2 c b",
        "HEXPIREAT h 1 FIELDS 2 c zz",
        "HGETDEL h FIELDS 2 b zz",
        "HDEL h zz",
        "HDEL h a",
    ] {
        assert!(!bench.run(line).starts_with('-'), "{line}");
    }
    let at = |ms: u64, field: &str| format!("HPEXPIREAT h {} FIELDS 1 {field}", NOW_MS + ms);
    let expected = [
        "HSET h a 1 b 2".to_string(),
        "HSET h c 2".into(),
        "HSET h a 1.5".into(),
        at(10_000, "a"),
        "HSET h a 2".into(),
        at(10_000, "a"),
        "HSET h a 7".into(),
        at(10_000, "a"),
        "HSET h b 7".into(),
        at(5, "b"),
        at(1000, "c"),
        "HPERSIST h FIELDS 2 c b".into(),
        "HDEL h c".into(),
        "HDEL h b".into(),
        "HDEL h a".into(),
    ];
    assert_eq!(bench.effects(), expected);
    assert!(bench.content().is_empty());
    assert!(bench.replayed().content().is_empty());
}

#[test]
fn replaying_the_effects_gives_the_same_hashes() {
    let lines = [
        "HSET a f 1 g 2 h 3 i 4 j 5",
        "HMSET b f 1 g 2",
        "HSETNX b h 3",
        "HDEL a f nothing f",
        "HINCRBY a g 5",
        "HINCRBYFLOAT a g 0.25",
        "HEXPIRE a 100 FIELDS 1 g",
        "HPEXPIRE a 100000 FIELDS 1 h",
        "HEXPIREAT a 1900000000 FIELDS 1 i",
        "HPEXPIREAT a 1900000000000 FIELDS 1 j",
        "HINCRBYFLOAT a g 0.25",
        "HINCRBY a h 1",
        "HPERSIST a FIELDS 1 i",
        "HSETEX a KEEPTTL FIELDS 2 h x k y",
        "HSETEX a EX 5 FIELDS 2 l x k y",
        "HSETEX new PX 5 FIELDS 2 l x k y",
        "HGETEX a EX 50 FIELDS 2 l nothing",
        "HGETEX a PERSIST FIELDS 1 k",
        "HGETDEL a FIELDS 1 l",
        "HSET gone f 1",
        "HDEL gone f",
        "HSET gone2 f 1 g 2",
        "HGETDEL gone2 FIELDS 2 f g",
        "HSET gone3 f 1",
        "HEXPIRE gone3 0 FIELDS 1 f",
    ];
    Bench::check_replay(&lines);
}

#[test]
fn hscan_shows_every_field_of_a_big_hash_once() {
    let mut bench = Bench::new();
    for field in 0..2000 {
        bench.run(&format!("HSET h field:{field} {field}"));
    }
    let (mut cursor, mut seen) = ("0".to_string(), std::collections::HashSet::new());
    loop {
        let reply = bench.run(&format!("HSCAN h {cursor} COUNT 50 NOVALUES MATCH field:*"));
        let words: Vec<&str> = reply.split(' ').filter(|word| !word.starts_with(['*', '$'])).collect();
        for field in &words[1..] {
            assert!(seen.insert(field.to_string()), "{field} twice");
        }
        cursor = words[0].to_string();
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 2000);
    bench.check(&[
        ("HSCAN h x", "-ERR invalid cursor"),
        ("HSCAN nokey 0 FOO", "*2 $1 0 *0"),
        ("HSCAN h 0 COUNT 0", "-ERR syntax error"),
        ("HSCAN h 0 TYPE hash", "-ERR syntax error"),
        ("HSCAN h 0 COUNT x", "-ERR value is not an integer or out of range"),
    ]);
}

#[test]
fn hrandfield_gives_different_fields_unless_asked_for_repeats() {
    let mut bench = Bench::new();
    let distinct = |reply: String| {
        let words: Vec<&str> = reply.split(' ').filter(|word| word.starts_with("field:")).collect();
        (words.len(), words.iter().collect::<std::collections::HashSet<_>>().len())
    };
    for fields in [20, 1000] {
        for field in 0..fields {
            bench.run(&format!("HSET h field:{field} {field}"));
        }
        for count in [1, 10, fields / 2, fields - 1, fields, 2 * fields] {
            let (given, different) = distinct(bench.run(&format!("HRANDFIELD h {count} WITHVALUES")));
            assert_eq!((given, different), (count.min(fields), count.min(fields)));
        }
        assert_eq!(distinct(bench.run("HRANDFIELD h -3000")).0, 3000);
    }
    bench.check(&[
        ("HRANDFIELD h 0", "*0"),
        ("HRANDFIELD nokey 1", "*0"),
        ("HRANDFIELD nokey", "$-1"),
        ("HRANDFIELD h x", "-ERR value is not an integer or out of range"),
        ("HRANDFIELD h 9223372036854775807 WITHVALUES", "-ERR value is out of range"),
        (
            "HRANDFIELD h -9223372036854775808",
            "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ),
        ("HRANDFIELD h 1 WITHVALUEZ", "-ERR syntax error"),
    ]);
}

#[test]
fn the_thresholds_as_set_decide_the_encoding() {
    let mut bench =
        Bench::with(Settings { hash_max_listpack_entries: 2, hash_max_listpack_value: 4, ..Settings::default() });
    bench.check(&[
        ("HSET a f 1 g 2", ":2"),
        ("OBJECT ENCODING a", "$8 listpack"),
        ("HEXPIRE a 10 FIELDS 1 f", "*1 :1"),
        ("OBJECT ENCODING a", "$10 listpackex"),
        ("HSET a h 1", ":1"),
        ("OBJECT ENCODING a", "$9 hashtable"),
        ("HSET b f 12345", ":1"),
        ("OBJECT ENCODING b", "$9 hashtable"),
    ]);
}

#[test]
fn fields_go_by_themselves_when_their_time_is_over() {
    let mut bench = Bench::new();
    bench.check(&[
        ("HSET h a 1 b 2 c 3", ":3"),
        ("HPEXPIRE h 10 FIELDS 2 a b", "*2 :1 :1"),
        ("HSET gone a 1", ":1"),
        ("HPEXPIRE gone 10 FIELDS 1 a", "*1 :1"),
        ("COPY h copy", ":1"),
        ("RENAME copy renamed", "+OK"),
        ("HSET later a 1 b 2", ":2"),
        ("HPEXPIRE later 100000 FIELDS 1 a", "*1 :1"),
    ]);
    let with_times = |bench: &Bench| bench.shard.db(0).hashes_with_times();
    assert_eq!(with_times(&bench), 4);
    bench.pass(200);
    bench.shard.expire_some(1);
    assert_eq!(bench.shard.stats.expired_fields, 1, "one field is one step");
    bench.shard.expire_some(100);
    assert_eq!(with_times(&bench), 1);
    bench.check(&[
        ("HLEN h", ":1"),
        ("HLEN renamed", ":1"),
        ("EXISTS gone", ":0"),
        ("HLEN later", ":2"),
        ("HPERSIST later FIELDS 1 a", "*1 :1"),
    ]);
    assert_eq!(with_times(&bench), 0);
    bench.check(&[("HPEXPIRE later 100 FIELDS 1 a", "*1 :1"), ("SET later x", "+OK")]);
    assert_eq!(with_times(&bench), 0);
}
