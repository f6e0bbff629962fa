use crate::command::testing::Bench;
use crate::config::Settings;
use std::fmt::Write;

#[test]
fn zadd_understands_its_flags_and_refuses_what_contradicts() {
    Bench::new().check(&[
        ("ZADD z 1 a 2 b", ":2"),
        ("ZADD z 1 a 3 b", ":0"),
        ("ZADD z CH 1 a 4 b 5 c", ":2"),
        ("ZADD z NX 9 a 9 d", ":1"),
        ("ZADD z XX CH 9 e 8 a", ":1"),
        ("ZADD z GT CH 7 a 9 b 1 f", ":2"),
        ("ZADD z LT CH 8 a 10 b", ":0"),
        ("ZADD z INCR 2 a", "$2 10"),
        ("ZADD z NX INCR 2 a", "$-1"),
        ("ZADD z XX INCR 2 none", "$-1"),
        ("ZADD z GT INCR -1 a", "$-1"),
        ("ZADD none XX 1 a", ":0"),
        ("ZADD none XX INCR 1 a", "$-1"),
        ("EXISTS none", ":0"),
        ("ZINCRBY z 0 a", "$2 10"),
        ("ZINCRBY z inf a", "$3 inf"),
        ("ZINCRBY z -inf a", "-ERR resulting score is not a number (NaN)"),
        ("ZADD z NX XX 1 a", "-ERR XX and NX options at the same time are not compatible"),
        ("ZADD z NX GT 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible"),
        ("ZADD z LT GT 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible"),
        ("ZADD z INCR 1 a 2 b", "-ERR INCR option supports a single increment-element pair"),
        ("ZADD z 1 a 2", "-ERR syntax error"),
        ("ZADD z NX CH", "-ERR syntax error"),
        ("ZADD z x a", "-ERR value is not a valid float"),
        ("ZADD z 1 g nan h", "-ERR value is not a valid float"),
        ("ZSCORE z g", "$-1"),
        ("SET s v", "+OK"),
        ("ZADD s 1 a", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("ZADD s x a", "-ERR value is not a valid float"),
    ]);
}

/// A small and a large sorted set of the members m0, m1 … with the scores 0, 1 …
fn both() -> [Bench; 2] {
    let small = Settings { zset_max_listpack_entries: 0, ..Settings::default() };
    let mut benches = [Bench::new(), Bench::with(small)];
    for bench in &mut benches {
        bench.run("ZADD z 0 m0 1 m1 2 m2 3 m3 4 m4");
        bench.run("ZADD l 0 a 0 b 0 c 0 d");
    }
    benches
}

#[test]
fn ranges_are_the_same_in_both_encodings() {
    for mut bench in both() {
        bench.check(&[
            ("ZRANGE z 1 2", "*2 $2 m1 $2 m2"),
            ("ZRANGE z -2 -1 WITHSCORES", "*4 $2 m3 $1 3 $2 m4 $1 4"),
            ("ZRANGE z 0 0 REV", "*1 $2 m4"),
            ("ZREVRANGE z 1 2", "*2 $2 m3 $2 m2"),
            ("ZRANGE z (1 3 BYSCORE", "*2 $2 m2 $2 m3"),
            ("ZRANGE z 3 (1 BYSCORE REV", "*2 $2 m3 $2 m2"),
            ("ZRANGE z -inf +inf BYSCORE LIMIT 1 2", "*2 $2 m1 $2 m2"),
            ("ZRANGE z +inf -inf BYSCORE REV LIMIT 1 -1", "*4 $2 m3 $2 m2 $2 m1 $2 m0"),
            ("ZRANGE z -inf +inf BYSCORE LIMIT -1 2", "*0"),
            ("ZRANGE z -inf +inf BYSCORE LIMIT 9 2", "*0"),
            ("ZRANGEBYSCORE z 1 2 WITHSCORES LIMIT 0 1", "*2 $2 m1 $1 1"),
            ("ZREVRANGEBYSCORE z 2 1", "*2 $2 m2 $2 m1"),
            ("ZRANGE l [b + BYLEX", "*3 $1 b $1 c $1 d"),
            ("ZRANGEBYLEX l - (c LIMIT 1 9", "*1 $1 b"),
            ("ZREVRANGEBYLEX l + [c", "*2 $1 d $1 c"),
            ("ZRANGEBYLEX l + -", "*0"),
            ("ZLEXCOUNT l - +", ":4"),
            ("ZCOUNT z (0 4", ":4"),
            ("ZCOUNT z 4 0", ":0"),
            ("ZRANK z m3", ":3"),
            ("ZREVRANK z m3 WITHSCORE", "*2 :1 $1 3"),
            ("ZRANK z none WITHSCORE", "*-1"),
            ("ZRANK z none", "$-1"),
            ("ZMSCORE z m1 none", "*2 $1 1 $-1"),
            ("ZCARD z", ":5"),
            ("ZRANGESTORE t z 1 -2", ":3"),
            ("ZRANGE t 0 -1", "*3 $2 m1 $2 m2 $2 m3"),
            ("ZRANGESTORE t z 9 10", ":0"),
            ("EXISTS t", ":0"),
        ]);
    }
}

#[test]
fn ranges_refuse_what_makes_no_sense() {
    const LIMIT: &str = "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX";
    const SCORES: &str = "-ERR syntax error, WITHSCORES not supported in combination with BYLEX";
    let mut bench = Bench::new();
    bench.check(&[
        ("ZRANGE z 0 1 LIMIT 0 1", LIMIT),
        ("ZRANGE z - + BYLEX WITHSCORES", SCORES),
        ("ZRANGEBYLEX z - + WITHSCORES", SCORES),
        ("ZRANGE z 0 1 BYSCORE BYSCORE", "-ERR syntax error"),
        ("ZRANGE z 0 1 BYSCORE LIMIT 0", "-ERR syntax error"),
        ("ZREVRANGE z 0 1 REV", "-ERR syntax error"),
        ("ZRANGESTORE t z 0 1 WITHSCORES", "-ERR syntax error"),
        ("ZRANGE z a 1", "-ERR value is not an integer or out of range"),
        ("ZRANGE z a 1 BYSCORE", "-ERR min or max is not a float"),
        ("ZRANGE z a 1 BYLEX", "-ERR min or max not valid string range item"),
        ("ZCOUNT z a 1", "-ERR min or max is not a float"),
        ("ZLEXCOUNT z a 1", "-ERR min or max not valid string range item"),
        ("ZRANK z a WITHSCORES", "-ERR syntax error"),
        ("ZSCAN z x", "-ERR invalid cursor"),
        ("ZSCAN z 0 NOVALUES", "*2 $1 0 *0"),
        ("ZADD z 1 a", ":1"),
        ("ZSCAN z 0 NOVALUES", "-ERR NOVALUES option can only be used in HSCAN"),
        ("ZSCAN z 0 TYPE zset", "-ERR syntax error"),
        ("ZSCAN z 0 COUNT 0", "-ERR syntax error"),
        ("ZSCAN z 0 MATCH a*", "*2 $1 0 *2 $1 a $1 1"),
    ]);
}

#[test]
fn several_sets_are_joined_by_weight_and_aggregate() {
    let mut bench = Bench::new();
    bench.check(&[
        ("ZADD a 1 x 2 y", ":2"),
        ("ZADD b 10 y 20 z", ":2"),
        ("ZUNION 2 a b WITHSCORES", "*6 $1 x $1 1 $1 y $2 12 $1 z $2 20"),
        ("ZUNION 3 a none b WEIGHTS 2 5 1 AGGREGATE MAX WITHSCORES", "*6 $1 x $1 2 $1 y $2 10 $1 z $2 20"),
        ("ZINTER 2 a b AGGREGATE min WITHSCORES", "*2 $1 y $1 2"),
        ("ZINTER 2 a none", "*0"),
        ("ZDIFF 2 a b WITHSCORES", "*2 $1 x $1 1"),
        ("ZINTERCARD 2 a a", ":2"),
        ("ZINTERCARD 2 a a LIMIT 1", ":1"),
        ("ZINTERCARD 2 a a LIMIT -1", "-ERR LIMIT can't be negative"),
        ("ZUNIONSTORE t 2 a b", ":3"),
        ("ZINTERSTORE t 2 a b WEIGHTS 1 x", "-ERR weight value is not a float"),
        ("ZINTERSTORE a 2 a b", ":1"),
        ("ZRANGE a 0 -1 WITHSCORES", "*2 $1 y $2 12"),
        ("ZDIFFSTORE a 2 a b", ":0"),
        ("EXISTS a", ":0"),
        ("ZUNION 0 a", "-ERR at least 1 input key is needed for 'zunion' command"),
        ("ZUNIONSTORE t 3 a b", "-ERR syntax error"),
        ("ZDIFF 1 a WEIGHTS 1", "-ERR syntax error"),
        ("ZUNIONSTORE t 1 a WITHSCORES", "-ERR syntax error"),
        ("ZUNION 1 a AGGREGATE avg", "-ERR syntax error"),
        ("SET s v", "+OK"),
        ("ZUNION 1 s", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("ZADD i inf m", ":1"),
        ("ZADD j -inf m", ":1"),
        ("ZUNION 2 i j WITHSCORES", "*2 $1 m $1 0"),
        ("ZADD k -10 m 1 n", ":2"),
        ("ZADD l inf m 1 n 2 o", ":3"),
        ("ZINTER 2 k l WEIGHTS 4 0 AGGREGATE MAX WITHSCORES", "*4 $1 m $3 -40 $1 n $1 4"),
        ("ZINTER 2 k l WEIGHTS 4 0 WITHSCORES", "*4 $1 m $1 0 $1 n $1 4"),
    ]);
}

#[test]
fn pops_log_how_many_went_and_keys_go_with_their_last_member() {
    let mut bench = Bench::new();
    bench.check(&[
        ("ZADD z 1 a 2 b 3 c 4 d 5 e", ":5"),
        ("ZPOPMIN z", "*2 $1 a $1 1"),
        ("ZPOPMAX z 2", "*4 $1 e $1 5 $1 d $1 4"),
        ("ZPOPMIN z 0", "*0"),
        ("ZMPOP 2 none z MIN", "*2 $1 z *1 *2 $1 b $1 2"),
        ("ZMPOP 1 z MAX COUNT 9", "*2 $1 z *1 *2 $1 c $1 3"),
        ("ZMPOP 1 z MAX", "*-1"),
        ("ZPOPMIN z", "*0"),
        ("ZPOPMIN z -1", "-ERR value is out of range, must be positive"),
        ("ZPOPMIN z x", "-ERR value is out of range, must be positive"),
        ("ZMPOP 0 z MIN", "-ERR numkeys should be greater than 0"),
        ("ZMPOP 1 z MIN COUNT 0", "-ERR count should be greater than 0"),
        ("ZMPOP 1 z MID", "-ERR syntax error"),
        ("ZMPOP 2 z MIN", "-ERR syntax error"),
    ]);
    assert_eq!(bench.effects(), ["ZADD z 1 a 2 b 3 c 4 d 5 e", "ZPOPMIN z 1", "ZPOPMAX z 2", "ZPOPMIN z 1", "DEL z"],);
}

#[test]
fn waiting_pops_take_at_once_what_is_there() {
    let mut bench = Bench::new();
    bench.check(&[
        ("ZADD z 1 a 2 b 3 c 4 d", ":4"),
        ("BZPOPMIN none z 0", "*3 $1 z $1 a $1 1"),
        ("BZPOPMAX z 1.5", "*3 $1 z $1 d $1 4"),
        ("BZMPOP 0 2 none z MAX COUNT 5", "*2 $1 z *2 *2 $1 c $1 3 *2 $1 b $1 2"),
        ("BZPOPMIN z x", "-ERR timeout is not a float or out of range"),
        ("BZPOPMIN z -1", "-ERR timeout is negative"),
        ("BZMPOP 0 0 z MIN", "-ERR numkeys should be greater than 0"),
    ]);
    assert_eq!(bench.effects(), ["ZADD z 1 a 2 b 3 c 4 d", "ZPOPMIN z 1", "ZPOPMAX z 1", "DEL z"]);
}

#[test]
fn replaying_the_effects_makes_the_same_sets() {
    let mut many = "ZADD big".to_owned();
    for number in 0..300 {
        write!(many, " {} m{number}", number % 7).unwrap();
    }
    Bench::check_replay(&[
        &many,
        "ZREMRANGEBYRANK big 3 9",
        "ZREMRANGEBYSCORE big (3 4",
        "ZPOPMAX big 5",
        "ZREM big m1 m2 none",
        "ZADD z GT CH INCR 1 a",
        "ZADD z NX 1 a 0 b 0 c",
        "ZADD z LT -1.5 b",
        "ZINCRBY z 0.1 a",
        "ZINCRBY z 0.2 a",
        "ZUNIONSTORE u 2 big z WEIGHTS 0.3 3",
        "ZINTERSTORE i 2 u z",
        "ZDIFFSTORE d 2 big z",
        "ZRANGESTORE r big 0 2 BYSCORE LIMIT 2 9",
        "ZADD l 0 a 0 b 0 c",
        "ZREMRANGEBYLEX l [b +",
        "ZMPOP 2 none l MIN COUNT 3",
        "ZADD e 1 a",
        "ZREM e a",
        "ZADD e 1 a",
        "PEXPIRE e 100",
        "ZREMRANGEBYRANK z 0 0",
        "ZRANGESTORE z none 0 -1",
    ]);
}

#[test]
fn random_members_are_members_and_distinct_unless_more_are_wanted() {
    let mut bench = Bench::new();
    bench.check(&[
        ("ZRANDMEMBER z", "$-1"),
        ("ZRANDMEMBER z 3", "*0"),
        ("ZADD z 1 a", ":1"),
        ("ZRANDMEMBER z", "$1 a"),
        ("ZRANDMEMBER z 3 WITHSCORES", "*2 $1 a $1 1"),
        ("ZRANDMEMBER z -2", "*2 $1 a $1 a"),
        ("ZRANDMEMBER z 0", "*0"),
        ("ZRANDMEMBER z 1 x", "-ERR syntax error"),
        ("ZRANDMEMBER z x", "-ERR value is not an integer or out of range"),
        ("ZRANDMEMBER z -9223372036854775807 WITHSCORES", "-ERR value is out of range"),
    ]);
    bench.run("ZADD z 2 b 3 c");
    for _ in 0..20 {
        let two = bench.run("ZRANDMEMBER z 2");
        let words: Vec<_> = two.split(' ').collect();
        assert_ne!(words[2], words[4], "{two}");
    }
}
