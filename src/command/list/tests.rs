use crate::command::testing::Bench;
use crate::config::Settings;

const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value";

#[test]
fn elements_are_pushed_read_and_popped_at_both_ends() {
    let positive = "-ERR value is out of range, must be positive";
    Bench::new().check(&[
        ("LPUSH l a b c", ":3"),
        ("RPUSH l d e", ":5"),
        ("LPUSHX nokey a", ":0"),
        ("RPUSHX nokey a", ":0"),
        ("RPUSHX l f", ":6"),
        ("LPUSHX l 0", ":7"),
        ("LPOP l", "$1 0"),
        ("LRANGE l 0 -1", "*6 $1 c $1 b $1 a $1 d $1 e $1 f"),
        ("LRANGE l -2 100", "*2 $1 e $1 f"),
        ("LRANGE l -100 0", "*1 $1 c"),
        ("LRANGE l 3 1", "*0"),
        ("LRANGE l 6 9", "*0"),
        ("LRANGE nokey 0 -1", "*0"),
        ("LRANGE l x 1", "-ERR value is not an integer or out of range"),
        ("LINDEX l 0", "$1 c"),
        ("LINDEX l -1", "$1 f"),
        ("LINDEX l 6", "$-1"),
        ("LINDEX l -7", "$-1"),
        ("LINDEX nokey x", "$-1"),
        ("LINDEX l x", "-ERR value is not an integer or out of range"),
        ("LLEN l", ":6"),
        ("LLEN nokey", ":0"),
        ("LPOP nokey", "$-1"),
        ("LPOP nokey 0", "*-1"),
        ("LPOP l 0", "*0"),
        ("LPOP l -1", positive),
        ("LPOP l x", positive),
        ("LPOP l 1 2", "-ERR wrong number of arguments for 'lpop' command"),
        ("RPOP l", "$1 f"),
        ("RPOP l 2", "*2 $1 e $1 d"),
        ("LPOP l 100", "*3 $1 c $1 b $1 a"),
        ("EXISTS l", ":0"),
    ]);
}

#[test]
fn other_types_are_refused() {
    let mut bench = Bench::new();
    bench.check(&[("SET k v", "+OK"), ("RPUSH l a", ":1")]);
    for line in [
        "LPUSH k a",
        "LPUSHX k a",
        "LLEN k",
        "LINDEX k 0",
        "LRANGE k 0 1",
        "LPOP k",
        "LPOP k 0",
        "LSET k x a",
        "LINSERT k BEFORE a b",
        "LREM k 0 a",
        "LTRIM k 0 1",
        "LPOS k a",
        "LMPOP 2 k l LEFT",
        "LMOVE k l LEFT LEFT",
        "LMOVE l k LEFT LEFT",
        "RPOPLPUSH l k",
    ] {
        assert_eq!(bench.run(line), WRONG_TYPE, "{line}");
    }
    bench.check(&[("LMOVE nokey k LEFT LEFT", "$-1"), ("LLEN l", ":1")]);
}

#[test]
fn the_midst_of_a_list_is_changed() {
    Bench::new().check(&[
        ("RPUSH l a b c a b c a", ":7"),
        ("LREM l 2 a", ":2"),
        ("LREM l -1 b", ":1"),
        ("LREM l 0 zz", ":0"),
        ("LREM nokey 0 a", ":0"),
        ("LREM nokey x a", "-ERR value is not an integer or out of range"),
        ("LRANGE l 0 -1", "*4 $1 b $1 c $1 c $1 a"),
        ("LSET l 0 X", "+OK"),
        ("LSET l -5 X", "-ERR index out of range"),
        ("LSET l 4 X", "-ERR index out of range"),
        ("LSET nokey x X", "-ERR no such key"),
        ("LINSERT l BEFORE X Y", ":5"),
        ("LINSERT l after X 7", ":6"),
        ("LINSERT l AFTER 7 8", ":7"),
        ("LINSERT l FOO X Z", "-ERR syntax error"),
        ("LINSERT l BEFORE nope Z", ":-1"),
        ("LINSERT nokey BEFORE nope Z", ":0"),
        ("LRANGE l 0 -1", "*7 $1 Y $1 X $1 7 $1 8 $1 c $1 c $1 a"),
        ("LTRIM l 1 -4", "+OK"),
        ("LRANGE l 0 -1", "*3 $1 X $1 7 $1 8"),
        ("LTRIM nokey 0 2", "+OK"),
        ("LTRIM l x 2", "-ERR value is not an integer or out of range"),
        ("LTRIM l 5 10", "+OK"),
        ("EXISTS l", ":0"),
        ("RPUSH l a a", ":2"),
        ("LREM l 0 a", ":2"),
        ("EXISTS l", ":0"),
    ]);
}

#[test]
fn lpos_counts_from_either_end() {
    let zero = "-ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to \
                start from the end of the list";
    Bench::new().check(&[
        ("RPUSH l a b c 1 2 3 c c", ":8"),
        ("LPOS l c", ":2"),
        ("LPOS l 2", ":4"),
        ("LPOS l c RANK 2", ":6"),
        ("LPOS l c RANK -1", ":7"),
        ("LPOS l c RANK 10", "$-1"),
        ("LPOS l c RANK 10 COUNT 1", "*0"),
        ("LPOS l c COUNT 0", "*3 :2 :6 :7"),
        ("LPOS l c COUNT 2 RANK -1", "*2 :7 :6"),
        ("LPOS l c COUNT 0 MAXLEN 3", "*1 :2"),
        ("LPOS l c COUNT 0 RANK -1 MAXLEN 1", "*1 :7"),
        ("LPOS l c MAXLEN 0", ":2"),
        ("LPOS l c RANK 0", zero),
        (
            "LPOS l c RANK -9223372036854775808",
            "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ),
        ("LPOS l c COUNT -1", "-ERR COUNT can't be negative"),
        ("LPOS l c MAXLEN x", "-ERR MAXLEN can't be negative"),
        ("LPOS l zz", "$-1"),
        ("LPOS nokey c COUNT 0", "*0"),
        ("LPOS l c FOO 1", "-ERR syntax error"),
        ("LPOS l c RANK", "-ERR syntax error"),
    ]);
}

#[test]
fn lmpop_takes_from_the_first_list_that_has_any() {
    let count = "-ERR count should be greater than 0";
    let mut bench = Bench::new();
    bench.check(&[
        ("RPUSH l a b c d e", ":5"),
        ("LMPOP 1 l LEFT", "*2 $1 l *1 $1 a"),
        ("LMPOP 2 nokey l RIGHT COUNT 2", "*2 $1 l *2 $1 e $1 d"),
        ("LMPOP 1 l left COUNT 100", "*2 $1 l *2 $1 b $1 c"),
        ("LMPOP 1 l LEFT", "*-1"),
        ("LMPOP 0 l LEFT", "-ERR numkeys should be greater than 0"),
        ("LMPOP 1 l FOO", "-ERR syntax error"),
        ("LMPOP 1 l LEFT COUNT 0", count),
        ("LMPOP 1 l LEFT COUNT x", count),
        ("LMPOP 1 l LEFT COUNT 1 COUNT 2", "-ERR syntax error"),
        ("LMPOP 1 l LEFT COUNT", "-ERR syntax error"),
    ]);
    assert_eq!(bench.effects(), ["RPUSH l a b c d e", "LPOP l 1", "RPOP l 2", "LPOP l 2"]);
    assert!(bench.replayed().content().is_empty());
}

#[test]
fn elements_move_between_lists_and_within_one() {
    let mut bench = Bench::new();
    bench.check(&[
        ("RPUSH l a b c", ":3"),
        ("LMOVE l m LEFT RIGHT", "$1 a"),
        ("LMOVE l l LEFT RIGHT", "$1 b"),
        ("LRANGE l 0 -1", "*2 $1 c $1 b"),
        ("RPOPLPUSH l m", "$1 b"),
        ("RPOPLPUSH l l", "$1 c"),
        ("LRANGE l 0 -1", "*1 $1 c"),
        ("RPOPLPUSH l m", "$1 c"),
        ("EXISTS l", ":0"),
        ("LRANGE m 0 -1", "*3 $1 c $1 b $1 a"),
        ("LMOVE l m LEFT RIGHT", "$-1"),
        ("LMOVE m l FOO RIGHT", "-ERR syntax error"),
        ("LMOVE m l LEFT FOO", "-ERR syntax error"),
    ]);
    assert_eq!(bench.replayed().content(), bench.content());
}

#[test]
fn replaying_the_effects_gives_the_same_lists() {
    let lines = [
        "RPUSH a 1 2 3 x y z x",
        "LPUSH a 0",
        "LPUSHX a -1",
        "RPUSHX a last",
        "LPOP a",
        "RPOP a 2",
        "LSET a 1 one",
        "LINSERT a BEFORE x before",
        "LINSERT a AFTER nothing before",
        "LREM a 1 x",
        "LMOVE a b LEFT RIGHT",
        "RPOPLPUSH a b",
        "RPOPLPUSH b b",
        "LMPOP 2 nokey a RIGHT COUNT 1",
        "LTRIM a 0 1",
        "RPUSH gone 1 2",
        "LPOP gone 5",
        "RPUSH gone2 1 2",
        "LTRIM gone2 5 1",
        "RPUSH gone3 1",
        "LREM gone3 0 1",
        "RPUSH gone4 1",
        "LMOVE gone4 b LEFT LEFT",
    ];
    Bench::check_replay(&lines);
}

#[test]
fn a_long_list_is_read_and_popped_from_anywhere() {
    let mut bench = Bench::with(Settings { list_max_listpack_size: 8, ..Settings::default() });
    let values: Vec<String> = (0..5000).map(|number| format!("v{number}")).collect();
    let words: Vec<&str> = ["RPUSH", "l"].into_iter().chain(values.iter().map(String::as_str)).collect();
    bench.raw(&words);
    bench.check(&[
        ("OBJECT ENCODING l", "$9 quicklist"),
        ("LINDEX l 2500", "$5 v2500"),
        ("LRANGE l 4998 -1", "*2 $5 v4998 $5 v4999"),
        ("LPOS l v4000 RANK -1", ":4000"),
        ("RPOP l 3", "*3 $5 v4999 $5 v4998 $5 v4997"),
        ("LPOP l 2", "*2 $2 v0 $2 v1"),
        ("LTRIM l 1000 1003", "+OK"),
        ("OBJECT ENCODING l", "$8 listpack"),
        ("LRANGE l 0 -1", "*4 $5 v1002 $5 v1003 $5 v1004 $5 v1005"),
    ]);
}
