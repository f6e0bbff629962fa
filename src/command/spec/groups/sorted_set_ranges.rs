//! Sorted sets: the commands that work on ranges of them.

use super::sorted_set::WITH_SCORES;
use crate::command::spec::row::*;

const RETURNED: &str = "O(log N + M): M elements returned of N";
const REMOVED: &str = "O(log N + M): M elements removed of N";
const SORT_BY: Arg = one_of("sortby", &[word("byscore", "BYSCORE"), word("bylex", "BYLEX")]).opt();
const REVERSED: Arg = word("rev", "REV").opt();

pub(in crate::command::spec) const COMMANDS: &[CommandSpec] = &[
    cmd("zcount", 4, READONLY | FAST, SORTEDSET)
        .keys(&[at(1, RO | ACCESS)])
        .doc("2.0.0", "How many elements have a score in a range.", "O(log N)")
        .args(&[KEY, double("min"), double("max")]),
    cmd("zlexcount", 4, READONLY | FAST, SORTEDSET)
        .keys(&[at(1, RO | ACCESS)])
        .doc("2.8.9", "How many elements lie in a range by their bytes.", "O(log N)")
        .args(&[KEY, string("min"), string("max")]),
    cmd("zrange", -4, READONLY, SORTEDSET)
        .keys(&[at(1, RO | ACCESS)])
        .doc("1.2.0", "The elements in a range of positions, scores or bytes.", RETURNED)
        .history(&[("6.2.0", "REV, BYSCORE, BYLEX and LIMIT.")])
        .args(&[
            KEY,
            string("start"),
            string("stop"),
            SORT_BY.since("6.2.0"),
            REVERSED.since("6.2.0"),
            OFFSET_COUNT.since("6.2.0"),
            WITH_SCORES,
        ]),
    cmd("zrangebylex", -4, READONLY, SORTEDSET)
        .keys(&[at(1, RO | ACCESS)])
        .doc("2.8.9", "The elements in a range by their bytes.", RETURNED)
        .deprecated("6.2.0", "`ZRANGE` with the `BYLEX` argument")
        .args(&[KEY, string("min"), string("max"), OFFSET_COUNT]),
    cmd("zrangebyscore", -4, READONLY, SORTEDSET)
        .keys(&[at(1, RO | ACCESS)])
        .doc("1.0.5", "The elements in a range of scores.", RETURNED)
        .history(&[("2.0.0", "WITHSCORES.")])
        .deprecated("6.2.0", "`ZRANGE` with the `BYSCORE` argument")
        .args(&[KEY, double("min"), double("max"), WITH_SCORES.since("2.0.0"), OFFSET_COUNT]),
    cmd("zrangestore", -5, WRITE | DENYOOM, SORTEDSET)
        .keys(&[at(1, OW | UPDATE), at(2, RO | ACCESS)])
        .doc("6.2.0", "Stores the elements in a range.", "O(log N + M): M elements stored of N")
        .args(&[key("dst"), key("src").spec(1), string("min"), string("max"), SORT_BY, REVERSED, OFFSET_COUNT]),
    cmd("zremrangebylex", 4, WRITE, SORTEDSET)
        .keys(&[at(1, RW | DELETE)])
        .doc("2.8.9", "Removes the elements in a range by their bytes.", REMOVED)
        .args(&[KEY, string("min"), string("max")]),
    cmd("zremrangebyrank", 4, WRITE, SORTEDSET)
        .keys(&[at(1, RW | DELETE)])
        .doc("2.0.0", "Removes the elements in a range of positions.", REMOVED)
        .args(&[KEY, integer("start"), integer("stop")]),
    cmd("zremrangebyscore", 4, WRITE, SORTEDSET)
        .keys(&[at(1, RW | DELETE)])
        .doc("1.2.0", "Removes the elements in a range of scores.", REMOVED)
        .args(&[KEY, double("min"), double("max")]),
    cmd("zrevrange", -4, READONLY, SORTEDSET)
        .keys(&[at(1, RO | ACCESS)])
        .doc("1.2.0", "The elements in a range of positions, from the greatest on.", RETURNED)
        .deprecated("6.2.0", "`ZRANGE` with the `REV` argument")
        .args(&[KEY, integer("start"), integer("stop"), WITH_SCORES]),
    cmd("zrevrangebylex", -4, READONLY, SORTEDSET)
        .keys(&[at(1, RO | ACCESS)])
        .doc("2.8.9", "The elements in a range by their bytes, from the greatest on.", RETURNED)
        .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYLEX` arguments")
        .args(&[KEY, string("max"), string("min"), OFFSET_COUNT]),
    cmd("zrevrangebyscore", -4, READONLY, SORTEDSET)
        .keys(&[at(1, RO | ACCESS)])
        .doc("2.2.0", "The elements in a range of scores, from the greatest on.", RETURNED)
        .history(&[("2.1.6", "The bounds of the range may be exclusive.")])
        .deprecated("6.2.0", "`ZRANGE` with the `REV` and `BYSCORE` arguments")
        .args(&[KEY, double("max"), double("min"), WITH_SCORES, OFFSET_COUNT]),
];
