use crate::command::testing::{Bench, NOW_MS};

const NO_KEY: &str = "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.";

#[test]
fn entries_are_added_ranged_and_deleted() {
    Bench::new().check(&[
        ("XADD s 1-1 a 1 b 2", "$3 1-1"),
        ("XADD s 1-* a 2 b 3", "$3 1-2"),
        ("XADD s 5 c 3", "$3 5-0"),
        ("XADD s NOMKSTREAM 6-0 c x", "$3 6-0"),
        ("XADD none NOMKSTREAM * c x", "$-1"),
        ("XLEN s", ":4"),
        ("XLEN none", ":0"),
        ("XRANGE s - +", "*4 *2 $3 1-1 *4 $1 a $1 1 $1 b $1 2 *2 $3 1-2 *4 $1 a $1 2 $1 b $1 3 *2 $3 5-0 *2 $1 c $1 3 *2 $3 6-0 *2 $1 c $1 x"),
        ("XRANGE s 1 1 COUNT 1", "*1 *2 $3 1-1 *4 $1 a $1 1 $1 b $1 2"),
        ("XRANGE s (1-2 (6-0", "*1 *2 $3 5-0 *2 $1 c $1 3"),
        ("XREVRANGE s + - COUNT 1", "*1 *2 $3 6-0 *2 $1 c $1 x"),
        ("XRANGE s - + COUNT 0", "*-1"),
        ("XRANGE s - + COUNT -5", "*-1"),
        ("XRANGE none - +", "*0"),
        ("XRANGE s + -", "*0"),
        ("XDEL s 1-2 9-9", ":1"),
        ("XDEL s 1-2", ":0"),
        ("XDEL none x", ":0"),
        ("XDEL s x", "-ERR Invalid stream ID specified as stream command argument"),
        ("XLEN s", ":3"),
        ("XADD s 6-0 a b", "-ERR The ID specified in XADD is equal or smaller than the target stream top item"),
        ("XADD s 0-0 a b", "-ERR The ID specified in XADD must be greater than 0-0"),
        ("XADD s x a b", "-ERR Invalid stream ID specified as stream command argument"),
        ("XADD s * a b c", "-ERR wrong number of arguments for 'xadd' command"),
        ("XADD s 18446744073709551615-18446744073709551615 a b", "$41 18446744073709551615-18446744073709551615"),
        ("XADD s * a b", "-ERR The stream has exhausted the last possible ID, unable to add more items"),
        ("XADD z 0-* a b", "$3 0-1"),
        ("XRANGE s x +", "-ERR Invalid stream ID specified as stream command argument"),
        ("XRANGE s - (0-0", "-ERR invalid end ID for the interval"),
        ("XRANGE s - + LIMIT 1", "-ERR syntax error"),
        ("SET k v", "+OK"),
        ("XADD k * a b", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
    ]);
}

#[test]
fn trims_are_exact_unless_they_need_not_be() {
    Bench::new().check(&[
        ("XADD s 1 a b", "$3 1-0"),
        ("XADD s 2 a b", "$3 2-0"),
        ("XADD s 3 a b", "$3 3-0"),
        ("XADD s MAXLEN = 2 4 a b", "$3 4-0"),
        ("XLEN s", ":2"),
        ("XTRIM s MAXLEN ~ 1", ":0"),
        ("XTRIM s MINID 4", ":1"),
        ("XTRIM s MAXLEN 0", ":1"),
        ("XTRIM s MAXLEN 0", ":0"),
        ("EXISTS s", ":1"),
        ("XADD s MAXLEN 0 5 a b", "$3 5-0"),
        ("XLEN s", ":0"),
        ("XTRIM s MAXLEN -1", "-ERR The MAXLEN argument must be >= 0."),
        ("XTRIM s MAXLEN x", "-ERR value is not an integer or out of range"),
        ("XTRIM s MINID x", "-ERR Invalid stream ID specified as stream command argument"),
        ("XTRIM s MAXLEN = 1 LIMIT 1", "-ERR syntax error, LIMIT cannot be used without the special ~ option"),
        ("XTRIM s MAXLEN ~ 1 LIMIT -1", "-ERR The LIMIT argument must be >= 0."),
        ("XTRIM s LIMIT 1", "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"),
        ("XTRIM s LIMIT 1 LIMIT 1", "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"),
        ("XTRIM s MAXLEN 1 MINID 1", "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible"),
        ("XTRIM s x 1", "-ERR syntax error"),
    ]);
}

#[test]
fn the_last_id_is_set_only_where_ids_go_on_rising() {
    Bench::new().check(&[
        ("XSETID s 1-1", "-ERR no such key"),
        ("XADD s 5 a b", "$3 5-0"),
        ("XSETID s 4-0", "-ERR The ID specified in XSETID is smaller than the target stream top item"),
        ("XSETID s 9-0 ENTRIESADDED 7 MAXDELETEDID 3-0", "+OK"),
        ("XSETID s 2-0", "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"),
        ("XSETID s 9-0 MAXDELETEDID 10-0", "-ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id"),
        ("XSETID s 9-0 ENTRIESADDED -1", "-ERR entries_added must be positive"),
        ("XSETID s 9-0 ENTRIESADDED 0", "-ERR The entries_added specified in XSETID is smaller than the target stream length"),
        ("XSETID s 9-0 NONE 0", "-ERR syntax error"),
        ("XINFO STREAM s", "*20 $6 length :1 $15 radix-tree-keys :1 $16 radix-tree-nodes :2 $17 last-generated-id $3 9-0 $20 max-deleted-entry-id $3 3-0 $13 entries-added :7 $23 recorded-first-entry-id $3 5-0 $6 groups :0 $11 first-entry *2 $3 5-0 *2 $1 a $1 b $10 last-entry *2 $3 5-0 *2 $1 a $1 b"),
        ("XINFO STREAM none", "-ERR no such key"),
        ("XINFO STREAM s x", "-ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP."),
    ]);
}

#[test]
fn groups_and_consumers_come_and_go() {
    Bench::new().check(&[
        ("XGROUP CREATE s g $", NO_KEY),
        ("XGROUP CREATE s g $ MKSTREAM", "+OK"),
        ("XGROUP CREATE s g $", "-BUSYGROUP Consumer Group name already exists"),
        ("XGROUP CREATE s h x", "-ERR Invalid stream ID specified as stream command argument"),
        ("XGROUP CREATE s h 0 ENTRIESREAD -2", "-ERR value for ENTRIESREAD must be positive or -1"),
        ("XGROUP CREATE s h 0 NONE", "-ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP."),
        ("XGROUP CREATECONSUMER s g c", ":1"),
        ("XGROUP CREATECONSUMER s g c", ":0"),
        ("XGROUP CREATECONSUMER s h c", "-NOGROUP No such consumer group 'h' for key name 's'"),
        ("XGROUP SETID s g 0 ENTRIESREAD 3", "+OK"),
        ("XGROUP SETID s h 0", "-NOGROUP No such consumer group 'h' for key name 's'"),
        ("XINFO GROUPS s", "*1 *12 $4 name $1 g $9 consumers :1 $7 pending :0 $17 last-delivered-id $3 0-0 $12 entries-read :3 $3 lag :0"),
        ("XINFO CONSUMERS s h", "-NOGROUP No such consumer group 'h' for key name 's'"),
        ("XGROUP DELCONSUMER s g none", ":0"),
        ("XGROUP DELCONSUMER s g c", ":0"),
        ("XGROUP DESTROY s g", ":1"),
        ("XGROUP DESTROY s g", ":0"),
        ("XGROUP DESTROY none g", NO_KEY),
        ("XPENDING s g", "-NOGROUP No such key 's' or consumer group 'g'"),
        ("XACK s g 1-0", ":0"),
        ("XCLAIM s g c 0 1-0", "-NOGROUP No such key 's' or consumer group 'g'"),
        ("XREADGROUP GROUP g c STREAMS s >", "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option"),
    ]);
}

#[test]
fn reads_give_what_lies_behind_an_id() {
    Bench::new().check(&[
        ("XADD s 1 a b", "$3 1-0"),
        ("XADD s 2 a c", "$3 2-0"),
        ("XADD t 3 a d", "$3 3-0"),
        ("XREAD STREAMS s t 1 0", "*2 *2 $1 s *1 *2 $3 2-0 *2 $1 a $1 c *2 $1 t *1 *2 $3 3-0 *2 $1 a $1 d"),
        ("XREAD COUNT 1 STREAMS s 0", "*1 *2 $1 s *1 *2 $3 1-0 *2 $1 a $1 b"),
        ("XREAD STREAMS s $", "*-1"),
        ("XREAD STREAMS s none 2 0", "*-1"),
        ("XREAD BLOCK 10 STREAMS s 1", "*1 *2 $1 s *1 *2 $3 2-0 *2 $1 a $1 c"),
        (
            "XREAD STREAMS s t 0",
            "-ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', or '$' must be specified.",
        ),
        (
            "XREAD STREAMS s >",
            "-ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        ),
        ("XREAD NOACK STREAMS s 0", "-ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead."),
        (
            "XREAD GROUP g c STREAMS s 0",
            "-ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
        ),
        ("XREAD BLOCK -1 STREAMS s 0", "-ERR timeout is negative"),
        ("XREAD BLOCK x STREAMS s 0", "-ERR timeout is not an integer or out of range"),
        ("XREAD COUNT 1 STREAMZ s 0", "-ERR syntax error"),
    ]);
}

#[test]
fn groups_give_each_entry_once_and_remember_to_whom() {
    Bench::new().check(&[
        ("XADD s 1 a b", "$3 1-0"),
        ("XADD s 2 a c", "$3 2-0"),
        ("XADD s 3 a d", "$3 3-0"),
        ("XGROUP CREATE s g 0", "+OK"),
        ("XREADGROUP GROUP g c COUNT 2 STREAMS s >", "*1 *2 $1 s *2 *2 $3 1-0 *2 $1 a $1 b *2 $3 2-0 *2 $1 a $1 c"),
        ("XREADGROUP GROUP g d STREAMS s >", "*1 *2 $1 s *1 *2 $3 3-0 *2 $1 a $1 d"),
        ("XREADGROUP GROUP g d STREAMS s >", "*-1"),
        ("XREADGROUP GROUP g c STREAMS s 1", "*1 *2 $1 s *1 *2 $3 2-0 *2 $1 a $1 c"),
        ("XREADGROUP GROUP g e STREAMS s 0", "*1 *2 $1 s *0"),
        ("XPENDING s g", "*4 :3 $3 1-0 $3 3-0 *2 *2 $1 c $1 2 *2 $1 d $1 1"),
        ("XPENDING s g - + 10 none", "*0"),
        ("XPENDING s g IDLE 100000 - + 10", "*0"),
        ("XPENDING s g - +", "-ERR syntax error"),
        ("XDEL s 2", ":1"),
        ("XREADGROUP GROUP g c STREAMS s 1", "*1 *2 $1 s *1 *2 $3 2-0 *-1"),
        ("XACK s g 1 9", ":1"),
        ("XACK s g x", "-ERR Invalid stream ID specified as stream command argument"),
        ("XCLAIM s g e 0 3", "*1 *2 $3 3-0 *2 $1 a $1 d"),
        ("XCLAIM s g e 0 1 FORCE JUSTID", "*1 $3 1-0"),
        ("XCLAIM s g e 0 1 NONE", "-ERR Unrecognized XCLAIM option 'NONE'"),
        ("XCLAIM s g e x 1", "-ERR Invalid min-idle-time argument for XCLAIM"),
        ("XCLAIM s g f 1000000 1 3", "*0"),
        ("XAUTOCLAIM s g f 0 - COUNT 1 JUSTID", "*3 $3 2-0 *1 $3 1-0 *0"),
        ("XAUTOCLAIM s g f 0 2-0", "*3 $3 0-0 *1 *2 $3 3-0 *2 $1 a $1 d *1 $3 2-0"),
        ("XAUTOCLAIM s g f 0 - COUNT 0", "-ERR COUNT must be > 0"),
        ("XAUTOCLAIM s g f x -", "-ERR Invalid min-idle-time argument for XAUTOCLAIM"),
        ("XGROUP DELCONSUMER s g f", ":2"),
        ("XPENDING s g", "*4 :0 $-1 $-1 *-1"),
        ("XREADGROUP GROUP g d STREAMS s $", "-ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set."),
        ("XREADGROUP GROUP g d STREAMS s t >", "-ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified."),
        ("XINFO GROUPS s", "*1 *12 $4 name $1 g $9 consumers :3 $7 pending :0 $17 last-delivered-id $3 3-0 $12 entries-read :3 $3 lag :0"),
    ]);
}

/// The content without the times at which consumers were last here, which no effect carries.
fn without_times(bench: &Bench) -> String {
    let content = format!("{:?}", bench.content());
    let mut parts = content.split("seen_time_ms: ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once("pending: ").map_or(part, |(_, rest)| rest))
}

#[track_caller]
fn check_replay(lines: &[&str]) -> Bench {
    let mut bench = Bench::new();
    for line in lines {
        let reply = bench.run(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
        bench.pass(7);
    }
    assert_eq!(without_times(&bench.replayed()), without_times(&bench), "{lines:?}");
    bench
}

#[test]
fn replaying_the_effects_makes_the_same_entries() {
    let mut adds = vec!["XADD s * a 1 b 2".to_owned(); 150];
    adds.push("XADD s MAXLEN ~ 60 * a 3 b 4".into());
    adds.push("XADD s MINID ~ 9999999999999 LIMIT 10 * a 3 b 4".into());
    adds.push("XTRIM s MAXLEN ~ 30".into());
    adds.push("XADD s MAXLEN 20 * c 5".into());
    adds.push("XTRIM s MAXLEN = 10".into());
    adds.push("XADD t NOMKSTREAM * a b".into());
    adds.push("XADD t 5-* a b".into());
    adds.push("XADD t 6-0 a b".into());
    adds.push("XDEL t 5-0 9-9".into());
    adds.push("XTRIM t MINID 7".into());
    adds.push("XSETID t 9-0 ENTRIESADDED 20 MAXDELETEDID 8-0".into());
    check_replay(&adds.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn replaying_the_effects_makes_the_same_groups() {
    check_replay(&[
        "XGROUP CREATE s g $ MKSTREAM",
        "XGROUP CREATE s h 0 ENTRIESREAD 1",
        "XADD s * a 1",
        "XADD s * a 2",
        "XADD s 9999999999999-1 a 3",
        "XADD s 9999999999999-2 a 4",
        "XGROUP CREATECONSUMER s g first",
        "XREADGROUP GROUP g c COUNT 2 STREAMS s >",
        "XREADGROUP GROUP g c STREAMS s 0",
        "XREADGROUP GROUP g d COUNT 1 STREAMS s >",
        "XREADGROUP GROUP h d NOACK STREAMS s >",
        "XREADGROUP GROUP g c STREAMS s 0",
        "XCLAIM s g d 0 9999999999999-1 IDLE 3",
        "XCLAIM s g e 0 9999999999999-2 FORCE RETRYCOUNT 9",
        "XCLAIM s h e 0 9999999999999-2 FORCE JUSTID TIME 5 LASTID 9999999999999-5",
        "XDEL s 9999999999999-1",
        "XAUTOCLAIM s g f 0 - COUNT 9",
        "XAUTOCLAIM s g never 99999 - COUNT 9",
        "XACK s g 9999999999999-2 1-1",
        "XGROUP DELCONSUMER s g first",
        "XGROUP SETID s h $",
        "XADD s 9999999999999-9 a 5",
        "XREADGROUP GROUP g x STREAMS s >",
        "XREADGROUP GROUP g x STREAMS s >",
        "XGROUP CREATE s i 0",
        "XGROUP DESTROY s i",
    ]);
}

#[test]
fn what_is_logged_depends_on_nothing_but_the_log() {
    let mut bench = Bench::new();
    for line in [
        "XADD s NOMKSTREAM * a b",
        "XADD s * a b",
        "XADD s MAXLEN ~ 1 * a b",
        "XADD s MAXLEN 1 7-7 a b",
        "XADD s MAXLEN 1 * a b",
        "XGROUP CREATE s g 0",
        "XREADGROUP GROUP g c STREAMS s >",
        "XREADGROUP GROUP g c STREAMS s >",
    ] {
        bench.run(line);
    }
    let expected = [
        format!("XADD s {NOW_MS}-0 a b"),
        format!("XADD s {NOW_MS}-1 a b"),
        format!("XADD s MAXLEN = 1 {NOW_MS}-2 a b"),
        "XGROUP CREATE s g 0".into(),
        "XGROUP CREATECONSUMER s g c".into(),
        format!("XCLAIM s g c 0 {NOW_MS}-2 TIME {NOW_MS} RETRYCOUNT 1 FORCE JUSTID LASTID {NOW_MS}-2"),
        format!("XGROUP SETID s g {NOW_MS}-2 ENTRIESREAD 3"),
    ];
    assert_eq!(bench.effects(), expected);
}

#[test]
fn a_group_may_be_set_to_either_end_of_all_ids() {
    Bench::new().check(&[
        ("XADD s 1-1 f v", "$3 1-1"),
        ("XGROUP CREATE s g $", "+OK"),
        ("XGROUP CREATE s h -", "-ERR Invalid stream ID specified as stream command argument"),
        ("XGROUP SETID s g -", "+OK"),
        ("XREADGROUP GROUP g c STREAMS s >", "*1 *2 $1 s *1 *2 $3 1-1 *2 $1 f $1 v"),
        ("XGROUP SETID s g +", "+OK"),
        ("XREADGROUP GROUP g c STREAMS s >", "*-1"),
    ]);
}
