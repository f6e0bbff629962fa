//! SORT on one shard; over several cores see `server/reaching.rs`.

use crate::command::testing::Bench;

#[test]
fn elements_come_in_the_order_that_is_asked_for() {
    Bench::new().check(&[
        ("RPUSH l 10 9 -3.5 100", ":4"),
        ("SORT l", "*4 $4 -3.5 $1 9 $2 10 $3 100"),
        ("SORT l DESC", "*4 $3 100 $2 10 $1 9 $4 -3.5"),
        ("SORT l ALPHA", "*4 $4 -3.5 $2 10 $3 100 $1 9"),
        ("SORT l LIMIT 1 2", "*2 $1 9 $2 10"),
        ("SORT l LIMIT -5 2", "*2 $4 -3.5 $1 9"),
        ("SORT l LIMIT 1 -1", "*3 $1 9 $2 10 $3 100"),
        ("SORT l LIMIT 9 2", "*0"),
        ("SORT l LIMIT 0 0", "*0"),
        ("SORT l BY nosort DESC", "*4 $3 100 $4 -3.5 $1 9 $2 10"),
        ("SORT l BY nosort LIMIT 1 2", "*2 $1 9 $4 -3.5"),
        ("ZADD z 3 a 2 b 1 c", ":3"),
        ("SORT z BY nosort DESC LIMIT 0 2", "*2 $1 a $1 b"),
        ("SORT z ALPHA DESC", "*3 $1 c $1 b $1 a"),
        ("SADD s 3 1 2", ":3"),
        ("SORT_RO s DESC", "*3 $1 3 $1 2 $1 1"),
        ("SORT none", "*0"),
    ]);
}

#[test]
fn by_and_get_read_keys_named_after_the_elements() {
    Bench::new().check(&[
        ("RPUSH l 1 2 3", ":3"),
        ("MSET w_1 30 w_2 20 w_3 10 n_1 one n_3 three", "+OK"),
        ("SORT l BY w_*", "*3 $1 3 $1 2 $1 1"),
        ("SORT l BY w_* GET n_* GET #", "*6 $5 three $1 3 $-1 $1 2 $3 one $1 1"),
        ("HSET h_1 f x", ":1"),
        ("HSET h_2 f a", ":1"),
        ("SORT l BY h_*->f ALPHA GET # GET h_*->f", "*6 $1 3 $-1 $1 2 $1 a $1 1 $1 x"),
        ("SORT l BY h_*->f ALPHA DESC", "*3 $1 1 $1 2 $1 3"),
        ("SORT l GET h_*", "*3 $-1 $-1 $-1"),
        ("SORT l GET n_1", "*3 $-1 $-1 $-1"),
        ("SORT l BY n_*", "-ERR One or more scores can't be converted into double"),
    ]);
}

#[test]
fn what_is_stored_is_a_list_and_nothing_stored_removes_the_key() {
    let mut bench = Bench::new();
    bench.check(&[
        ("RPUSH l 2 1", ":2"),
        ("SET d x EX 100", "+OK"),
        ("SORT l STORE d", ":2"),
        ("TTL d", ":-1"),
        ("LRANGE d 0 -1", "*2 $1 1 $1 2"),
        ("SORT l GET none_* GET # STORE l", ":4"),
        ("LRANGE l 0 -1", "*4 $0  $1 1 $0  $1 2"),
        ("SADD s c a b", ":3"),
        ("SORT s BY nosort STORE d", ":3"),
        ("LRANGE d 0 -1", "*3 $1 a $1 b $1 c"),
        ("SORT none STORE d", ":0"),
        ("EXISTS d", ":0"),
    ]);
    assert_eq!(bench.replayed().content(), bench.content());
}

#[test]
fn errors_are_redis_s() {
    Bench::new().check(&[
        ("SET k v", "+OK"),
        ("SORT k", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("SORT k LIMIT 1", "-ERR syntax error"),
        ("SORT k LIMIT a 1", "-ERR value is not an integer or out of range"),
        ("SORT k BY", "-ERR syntax error"),
        ("SORT_RO k STORE d", "-ERR syntax error"),
        ("RPUSH l a", ":1"),
        ("SORT l", "-ERR One or more scores can't be converted into double"),
    ]);
}
