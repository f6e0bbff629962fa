//! Sorted sets.

use crate::command::spec::row::*;

const AGGREGATE: Arg =
    one_of("aggregate", &[word("sum", "SUM"), word("min", "MIN"), word("max", "MAX")]).after("AGGREGATE").opt();
const WEIGHTS: Arg = integer("weight").after("WEIGHTS").opt().many();
pub(super) const WITH_SCORES: Arg = word("withscores", "WITHSCORES").opt();
const STORES: &[crate::command::spec::KeySpec] = &[at(1, OW | UPDATE), counted(2, RO | ACCESS)];
const DESTINATION: Arg = key("destination");
const POPS: &str = "O(M*log N): M elements popped of N";
const BLOCKING_POP: u32 = WRITE | FAST | BLOCKING;
const DIFFERENCE: &str = "O(L+(N-K)*log N): L elements in all sets, N in the first, K in the result";
const INTERSECTION: &str = "O(N*K+M*log M): N elements in the smallest of K sets, M in the result";
const UNION: &str = "O(N+M*log M): N elements in all sets, M in the result";

pub(in crate::command::spec) const COMMANDS: &[CommandSpec] = &[
    cmd("bzmpop", -5, WRITE | BLOCKING, SORTEDSET)
        .keys(&[counted(2, RW | ACCESS | DELETE)])
        .doc("7.0.0", "Takes elements from the first sorted set that has any; waits for one.", POPS)
        .args(&[double("timeout"), integer("numkeys"), KEYS, one_of("where", ENDS), COUNT]),
    cmd("bzpopmax", -3, BLOCKING_POP, SORTEDSET)
        .keys(&[span(1, -2, 1, RW | ACCESS | DELETE)])
        .doc("5.0.0", "Takes the greatest element of the first sorted set that has any; waits for one.", "O(log N)")
        .history(&[("6.0.0", "Fractions of a second as timeout.")])
        .args(&[KEYS, double("timeout")]),
    cmd("bzpopmin", -3, BLOCKING_POP, SORTEDSET)
        .keys(&[span(1, -2, 1, RW | ACCESS | DELETE)])
        .doc("5.0.0", "Takes the least element of the first sorted set that has any; waits for one.", "O(log N)")
        .history(&[("6.0.0", "Fractions of a second as timeout.")])
        .args(&[KEYS, double("timeout")]),
    cmd("zadd", -4, WRITE | DENYOOM | FAST, SORTEDSET)
        .keys(&[at(1, RW | UPDATE)])
        .doc("1.2.0", "Adds elements or changes their scores.", "O(log N) per element")
        .history(&[("2.4.0", "Several elements."), ("3.0.2", "NX, XX, CH and INCR."), ("6.2.0", "GT and LT.")])
        .args(&[
            KEY,
            NX_OR_XX.since("3.0.2"),
            one_of("comparison", &[word("gt", "GT"), word("lt", "LT")]).since("6.2.0").opt(),
            word("change", "CH").since("3.0.2").opt(),
            word("increment", "INCR").since("3.0.2").opt(),
            block("data", &[double("score"), string("member")]).many(),
        ]),
    cmd("zcard", 2, READONLY | FAST, SORTEDSET)
        .keys(&[at(1, RO)])
        .doc("1.2.0", "The number of elements.", "O(1)")
        .args(&[KEY]),
    cmd("zdiff", -3, READONLY, SORTEDSET)
        .keys(&[counted(1, RO | ACCESS)])
        .doc("6.2.0", "The elements of the first sorted set that no other one has.", DIFFERENCE)
        .args(&[integer("numkeys"), KEYS, WITH_SCORES]),
    cmd("zdiffstore", -4, WRITE | DENYOOM, SORTEDSET)
        .keys(STORES)
        .doc("6.2.0", "Stores the elements of the first sorted set that no other one has.", DIFFERENCE)
        .args(&[DESTINATION, integer("numkeys"), KEYS.spec(1)]),
    cmd("zincrby", 4, WRITE | DENYOOM | FAST, SORTEDSET)
        .keys(&[at(1, RW | ACCESS | UPDATE)])
        .doc("1.2.0", "Adds to an element's score; a missing one counts as 0.", "O(log N)")
        .args(&[KEY, integer("increment"), string("member")]),
    cmd("zinter", -3, READONLY, SORTEDSET)
        .keys(&[counted(1, RO | ACCESS)])
        .doc("6.2.0", "The elements that all sorted sets have.", INTERSECTION)
        .args(&[integer("numkeys"), KEYS, WEIGHTS, AGGREGATE, WITH_SCORES]),
    cmd("zintercard", -3, READONLY, SORTEDSET)
        .keys(&[counted(1, RO | ACCESS)])
        .doc("7.0.0", "How many elements all sorted sets have.", "O(N*K): N elements in the smallest of K sets")
        .args(&[integer("numkeys"), KEYS, integer("limit").after("LIMIT").opt()]),
    cmd("zinterstore", -4, WRITE | DENYOOM, SORTEDSET)
        .keys(STORES)
        .doc("2.0.0", "Stores the elements that all sorted sets have.", INTERSECTION)
        .args(&[DESTINATION, integer("numkeys"), KEYS.spec(1), WEIGHTS, AGGREGATE]),
    cmd("zmpop", -4, WRITE, SORTEDSET)
        .keys(&[counted(1, RW | ACCESS | DELETE)])
        .doc("7.0.0", "Takes elements from the first sorted set that has any.", POPS)
        .args(&[integer("numkeys"), KEYS, one_of("where", ENDS), COUNT]),
    cmd("zmscore", -3, READONLY | FAST, SORTEDSET)
        .keys(&[at(1, RO | ACCESS)])
        .doc("6.2.0", "The scores of several elements.", "O(N) in the elements asked for")
        .args(&[KEY, string("member").many()]),
    cmd("zpopmax", -2, WRITE | FAST, SORTEDSET)
        .keys(&[at(1, RW | ACCESS | DELETE)])
        .doc("5.0.0", "Takes the greatest elements.", POPS)
        .args(&[KEY, integer("count").opt()]),
    cmd("zpopmin", -2, WRITE | FAST, SORTEDSET)
        .keys(&[at(1, RW | ACCESS | DELETE)])
        .doc("5.0.0", "Takes the least elements.", POPS)
        .args(&[KEY, integer("count").opt()]),
    cmd("zrandmember", -2, READONLY, SORTEDSET)
        .keys(&[at(1, RO | ACCESS)])
        .tips(RANDOM)
        .doc("6.2.0", "Elements picked at random.", "O(N) in the elements returned")
        .args(&[KEY, block("options", &[integer("count"), WITH_SCORES]).opt()]),
    cmd("zrank", -3, READONLY | FAST, SORTEDSET)
        .keys(&[at(1, RO | ACCESS)])
        .doc("2.0.0", "An element's position, from the least on.", "O(log N)")
        .history(&[("7.2.0", "WITHSCORE.")])
        .args(&[KEY, string("member"), word("withscore", "WITHSCORE").opt()]),
    cmd("zrem", -3, WRITE | FAST, SORTEDSET)
        .keys(&[at(1, RW | DELETE)])
        .doc("1.2.0", "Removes elements; an empty sorted set goes away.", "O(M*log N): M elements removed of N")
        .history(&[("2.4.0", "Several elements.")])
        .args(&[KEY, string("member").many()]),
    cmd("zrevrank", -3, READONLY | FAST, SORTEDSET)
        .keys(&[at(1, RO | ACCESS)])
        .doc("2.0.0", "An element's position, from the greatest on.", "O(log N)")
        .history(&[("7.2.0", "WITHSCORE.")])
        .args(&[KEY, string("member"), word("withscore", "WITHSCORE").opt()]),
    cmd("zscan", -3, READONLY, SORTEDSET)
        .keys(&[at(1, RO | ACCESS)])
        .tips(RANDOM)
        .doc("2.8.0", "Walks through the elements, some at each call.", "O(1) per call; O(N) for the whole walk")
        .args(&[KEY, integer("cursor"), MATCH, COUNT]),
    cmd("zscore", 3, READONLY | FAST, SORTEDSET)
        .keys(&[at(1, RO | ACCESS)])
        .doc("1.2.0", "An element's score.", "O(1)")
        .args(&[KEY, string("member")]),
    cmd("zunion", -3, READONLY, SORTEDSET)
        .keys(&[counted(1, RO | ACCESS)])
        .doc("6.2.0", "The elements that any of the sorted sets has.", UNION)
        .args(&[integer("numkeys"), KEYS, WEIGHTS, AGGREGATE, WITH_SCORES]),
    cmd("zunionstore", -4, WRITE | DENYOOM, SORTEDSET)
        .keys(STORES)
        .doc("2.0.0", "Stores the elements that any of the sorted sets has.", UNION)
        .args(&[DESTINATION, integer("numkeys"), KEYS.spec(1), WEIGHTS, AGGREGATE]),
];
