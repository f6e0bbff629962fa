//! Lists.

use crate::command::spec::row::*;

/// The keys of LMOVE and its like.
const MOVES: &[crate::command::spec::KeySpec] = &[at(1, RW | ACCESS | DELETE), at(2, RW | INSERT)];
const FROM_TO: (Arg, Arg) = (key("source"), key("destination").spec(1));
const WHERE_FROM: Arg = one_of("wherefrom", SIDES);
const WHERE_TO: Arg = one_of("whereto", SIDES);
const ELEMENTS: Arg = string("element").many();

pub(in crate::command::spec) const COMMANDS: &[CommandSpec] = &[
    cmd("blmove", 6, WRITE | DENYOOM | BLOCKING, LIST)
        .keys(MOVES)
        .doc("6.2.0", "Takes an element from one list and adds it to another; waits for one.", "O(1)")
        .args(&[FROM_TO.0, FROM_TO.1, WHERE_FROM, WHERE_TO, double("timeout")]),
    cmd("blmpop", -5, WRITE | BLOCKING, LIST)
        .keys(&[counted(2, RW | ACCESS | DELETE)])
        .doc("7.0.0", "Takes elements from the first list that has any; waits for one.", "O(N+M): N keys, M elements")
        .args(&[double("timeout"), integer("numkeys"), KEYS, one_of("where", SIDES), COUNT]),
    cmd("blpop", -3, WRITE | BLOCKING, LIST)
        .keys(&[span(1, -2, 1, RW | ACCESS | DELETE)])
        .doc("2.0.0", "Takes the first element of the first list that has any; waits for one.", "O(N) in the keys")
        .history(&[("6.0.0", "Fractions of a second as timeout.")])
        .args(&[KEYS, double("timeout")]),
    cmd("brpop", -3, WRITE | BLOCKING, LIST)
        .keys(&[span(1, -2, 1, RW | ACCESS | DELETE)])
        .doc("2.0.0", "Takes the last element of the first list that has any; waits for one.", "O(N) in the keys")
        .history(&[("6.0.0", "Fractions of a second as timeout.")])
        .args(&[KEYS, double("timeout")]),
    cmd("brpoplpush", 4, WRITE | DENYOOM | BLOCKING, LIST)
        .keys(MOVES)
        .doc("2.2.0", "Takes a list's last element and puts it first in another; waits for one.", "O(1)")
        .history(&[("6.0.0", "Fractions of a second as timeout.")])
        .deprecated("6.2.0", "`BLMOVE` with the `RIGHT` and `LEFT` arguments")
        .args(&[FROM_TO.0, FROM_TO.1, double("timeout")]),
    cmd("lindex", 3, READONLY, LIST)
        .keys(&[at(1, RO | ACCESS)])
        .doc("1.0.0", "The element at a position.", "O(N) in the elements passed over; O(1) at both ends")
        .args(&[KEY, integer("index")]),
    cmd("linsert", 5, WRITE | DENYOOM, LIST)
        .keys(&[at(1, RW | INSERT)])
        .doc("2.2.0", "Adds an element before or after another.", "O(N) in the elements passed over")
        .args(&[
            KEY,
            one_of("where", &[word("before", "BEFORE"), word("after", "AFTER")]),
            string("pivot"),
            string("element"),
        ]),
    cmd("llen", 2, READONLY | FAST, LIST)
        .keys(&[at(1, RO)])
        .doc("1.0.0", "The number of elements.", "O(1)")
        .args(&[KEY]),
    cmd("lmove", 5, WRITE | DENYOOM, LIST)
        .keys(MOVES)
        .doc("6.2.0", "Takes an element from one list and adds it to another.", "O(1)")
        .args(&[FROM_TO.0, FROM_TO.1, WHERE_FROM, WHERE_TO]),
    cmd("lmpop", -4, WRITE, LIST)
        .keys(&[counted(1, RW | ACCESS | DELETE)])
        .doc("7.0.0", "Takes elements from the first list that has any.", "O(N+M): N keys, M elements")
        .args(&[integer("numkeys"), KEYS, one_of("where", SIDES), COUNT]),
    cmd("lpop", -2, WRITE | FAST, LIST)
        .keys(&[at(1, RW | ACCESS | DELETE)])
        .doc("1.0.0", "Takes elements from the head.", "O(N) in the elements returned")
        .history(&[("6.2.0", "A count.")])
        .args(&[KEY, integer("count").since("6.2.0").opt()]),
    cmd("lpos", -3, READONLY, LIST)
        .keys(&[at(1, RO | ACCESS)])
        .doc("6.0.6", "The positions of an element.", "O(N) in the elements")
        .args(&[
            KEY,
            string("element"),
            integer("rank").after("RANK").opt(),
            integer("num-matches").after("COUNT").opt(),
            integer("len").after("MAXLEN").opt(),
        ]),
    cmd("lpush", -3, WRITE | DENYOOM | FAST, LIST)
        .keys(&[at(1, RW | INSERT)])
        .doc("1.0.0", "Adds elements at the head.", "O(1) per element")
        .history(&[("2.4.0", "Several elements.")])
        .args(&[KEY, ELEMENTS]),
    cmd("lpushx", -3, WRITE | DENYOOM | FAST, LIST)
        .keys(&[at(1, RW | INSERT)])
        .doc("2.2.0", "Adds elements at the head of a list that exists.", "O(1) per element")
        .history(&[("4.0.0", "Several elements.")])
        .args(&[KEY, ELEMENTS]),
    cmd("lrange", 4, READONLY, LIST)
        .keys(&[at(1, RO | ACCESS)])
        .doc("1.0.0", "The elements from one position to another.", "O(S+N): S elements passed over, N returned")
        .args(&[KEY, integer("start"), integer("stop")]),
    cmd("lrem", 4, WRITE, LIST)
        .keys(&[at(1, RW | DELETE)])
        .doc("1.0.0", "Removes elements that equal a value.", "O(N) in the elements")
        .args(&[KEY, integer("count"), string("element")]),
    cmd("lset", 4, WRITE | DENYOOM, LIST)
        .keys(&[at(1, RW | UPDATE)])
        .doc("1.0.0", "Replaces the element at a position.", "O(N) in the elements passed over; O(1) at both ends")
        .args(&[KEY, integer("index"), string("element")]),
    cmd("ltrim", 4, WRITE, LIST)
        .keys(&[at(1, RW | DELETE)])
        .doc("1.0.0", "Removes all but the elements from one position to another.", "O(N) in the elements removed")
        .args(&[KEY, integer("start"), integer("stop")]),
    cmd("rpop", -2, WRITE | FAST, LIST)
        .keys(&[at(1, RW | ACCESS | DELETE)])
        .doc("1.0.0", "Takes elements from the tail.", "O(N) in the elements returned")
        .history(&[("6.2.0", "A count.")])
        .args(&[KEY, integer("count").since("6.2.0").opt()]),
    cmd("rpoplpush", 3, WRITE | DENYOOM, LIST)
        .keys(MOVES)
        .doc("1.2.0", "Takes a list's last element and puts it first in another.", "O(1)")
        .deprecated("6.2.0", "`LMOVE` with the `RIGHT` and `LEFT` arguments")
        .args(&[FROM_TO.0, FROM_TO.1]),
    cmd("rpush", -3, WRITE | DENYOOM | FAST, LIST)
        .keys(&[at(1, RW | INSERT)])
        .doc("1.0.0", "Adds elements at the tail.", "O(1) per element")
        .history(&[("2.4.0", "Several elements.")])
        .args(&[KEY, ELEMENTS]),
    cmd("rpushx", -3, WRITE | DENYOOM | FAST, LIST)
        .keys(&[at(1, RW | INSERT)])
        .doc("2.2.0", "Adds elements at the tail of a list that exists.", "O(1) per element")
        .history(&[("4.0.0", "Several elements.")])
        .args(&[KEY, ELEMENTS]),
];
