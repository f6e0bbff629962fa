//! Sets.

use crate::command::spec::row::*;

/// A key to write to, then keys to read.
const STORES: &[crate::command::spec::KeySpec] = &[at(1, OW | UPDATE), span(2, -1, 1, RO | ACCESS)];
const READS: &[crate::command::spec::KeySpec] = &[span(1, -1, 1, RO | ACCESS)];
const STORE_ARGS: &[Arg] = &[key("destination"), KEYS.spec(1)];
const ALL_MEMBERS: &str = "O(N) in the members of all sets";
const INTERSECTION: &str = "O(N*M): N members of the smallest set, M sets";

pub(in crate::command::spec) const COMMANDS: &[CommandSpec] = &[
    cmd("sadd", -3, WRITE | DENYOOM | FAST, SET)
        .keys(&[at(1, RW | INSERT)])
        .doc("1.0.0", "Adds members.", "O(1) per member")
        .history(&[("2.4.0", "Several members.")])
        .args(&[KEY, string("member").many()]),
    cmd("scard", 2, READONLY | FAST, SET)
        .keys(&[at(1, RO)])
        .doc("1.0.0", "The number of members.", "O(1)")
        .args(&[KEY]),
    cmd("sdiff", -2, READONLY, SET)
        .keys(READS)
        .tips(RANDOM_ORDER)
        .doc("1.0.0", "The members of the first set that no other one has.", ALL_MEMBERS)
        .args(&[KEYS]),
    cmd("sdiffstore", -3, WRITE | DENYOOM, SET)
        .keys(STORES)
        .doc("1.0.0", "Stores the members of the first set that no other one has.", ALL_MEMBERS)
        .args(STORE_ARGS),
    cmd("sinter", -2, READONLY, SET)
        .keys(READS)
        .tips(RANDOM_ORDER)
        .doc("1.0.0", "The members that all sets have.", INTERSECTION)
        .args(&[KEYS]),
    cmd("sintercard", -3, READONLY, SET)
        .keys(&[counted(1, RO | ACCESS)])
        .doc("7.0.0", "How many members all sets have.", INTERSECTION)
        .args(&[integer("numkeys"), KEYS, integer("limit").after("LIMIT").opt()]),
    cmd("sinterstore", -3, WRITE | DENYOOM, SET)
        .keys(STORES)
        .doc("1.0.0", "Stores the members that all sets have.", INTERSECTION)
        .args(STORE_ARGS),
    cmd("sismember", 3, READONLY | FAST, SET)
        .keys(&[at(1, RO)])
        .doc("1.0.0", "Whether something is a member.", "O(1)")
        .args(&[KEY, string("member")]),
    cmd("smembers", 2, READONLY, SET)
        .keys(&[at(1, RO | ACCESS)])
        .tips(RANDOM_ORDER)
        .doc("1.0.0", "All members.", "O(N) in the members")
        .args(&[KEY]),
    cmd("smismember", -3, READONLY | FAST, SET)
        .keys(&[at(1, RO | ACCESS)])
        .doc("6.2.0", "Which of several things are members.", "O(N) in the members asked for")
        .args(&[KEY, string("member").many()]),
    cmd("smove", 4, WRITE | FAST, SET)
        .keys(&[at(1, RW | ACCESS | DELETE), at(2, RW | INSERT)])
        .doc("1.0.0", "Moves a member to another set.", "O(1)")
        .args(&[key("source"), key("destination").spec(1), string("member")]),
    cmd("spop", -2, WRITE | FAST, SET)
        .keys(&[at(1, RW | ACCESS | DELETE)])
        .tips(RANDOM)
        .doc("1.0.0", "Removes members picked at random, and returns them.", "O(N) in the members returned")
        .history(&[("3.2.0", "A count.")])
        .args(&[KEY, integer("count").since("3.2.0").opt()]),
    cmd("srandmember", -2, READONLY, SET)
        .keys(&[at(1, RO | ACCESS)])
        .tips(RANDOM)
        .doc("1.0.0", "Members picked at random.", "O(N) in the members returned")
        .history(&[("2.6.0", "A count.")])
        .args(&[KEY, integer("count").since("2.6.0").opt()]),
    cmd("srem", -3, WRITE | FAST, SET)
        .keys(&[at(1, RW | DELETE)])
        .doc("1.0.0", "Removes members; an empty set goes away.", "O(N) in the members given")
        .history(&[("2.4.0", "Several members.")])
        .args(&[KEY, string("member").many()]),
    cmd("sscan", -3, READONLY, SET)
        .keys(&[at(1, RO | ACCESS)])
        .tips(RANDOM)
        .doc("2.8.0", "Walks through the members, some at each call.", "O(1) per call; O(N) for the whole walk")
        .args(&[KEY, integer("cursor"), MATCH, COUNT]),
    cmd("sunion", -2, READONLY, SET)
        .keys(READS)
        .tips(RANDOM_ORDER)
        .doc("1.0.0", "The members that any of the sets has.", ALL_MEMBERS)
        .args(&[KEYS]),
    cmd("sunionstore", -3, WRITE | DENYOOM, SET)
        .keys(STORES)
        .doc("1.0.0", "Stores the members that any of the sets has.", ALL_MEMBERS)
        .args(STORE_ARGS),
];
