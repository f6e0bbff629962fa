//! Bitmaps, held in strings.

use crate::command::spec::row::*;

const UNIT: Arg = one_of("unit", &[word("byte", "BYTE"), word("bit", "BIT")]).since("7.0.0").opt();
const GET: Arg = block("get-block", &[string("encoding"), integer("offset")]).after("GET");

pub(in crate::command::spec) const COMMANDS: &[CommandSpec] = &[
    cmd("bitcount", -2, READONLY, BITMAP)
        .keys(&[at(1, RO | ACCESS)])
        .doc("2.6.0", "How many bits are set.", "O(N) in the bytes")
        .history(&[("7.0.0", "BYTE and BIT.")])
        .args(&[KEY, block("range", &[integer("start"), integer("end"), UNIT]).opt()]),
    cmd("bitfield", -2, WRITE | DENYOOM, BITMAP)
        .keys(&[at(1, RW | ACCESS | UPDATE | VARIABLE_FLAGS).note("Only GETs do not write")])
        .finder(KeyFinder::BitField)
        .doc("3.2.0", "Reads, sets and counts up integers of any width inside a string.", "O(1) per operation")
        .args(&[
            KEY,
            one_of(
                "operation",
                &[
                    GET,
                    block(
                        "write",
                        &[
                            one_of("overflow-block", &[word("wrap", "WRAP"), word("sat", "SAT"), word("fail", "FAIL")])
                                .after("OVERFLOW")
                                .opt(),
                            one_of(
                                "write-operation",
                                &[
                                    block("set-block", &[string("encoding"), integer("offset"), integer("value")])
                                        .after("SET"),
                                    block(
                                        "incrby-block",
                                        &[string("encoding"), integer("offset"), integer("increment")],
                                    )
                                    .after("INCRBY"),
                                ],
                            ),
                        ],
                    ),
                ],
            )
            .opt()
            .many(),
        ]),
    cmd("bitfield_ro", -2, READONLY | FAST, BITMAP)
        .keys(&[at(1, RO | ACCESS)])
        .doc("6.0.0", "Reads integers of any width inside a string.", "O(1) per operation")
        .args(&[KEY, GET.opt().many_tokens()]),
    cmd("bitop", -4, WRITE | DENYOOM, BITMAP)
        .keys(&[at(2, OW | UPDATE), span(3, -1, 1, RO | ACCESS)])
        .doc("2.6.0", "Stores the and, or, exclusive or, or complement of bitmaps.", "O(N) in the bytes")
        .args(&[
            one_of("operation", &[word("and", "AND"), word("or", "OR"), word("xor", "XOR"), word("not", "NOT")]),
            key("destkey"),
            KEYS.spec(1),
        ]),
    cmd("bitpos", -3, READONLY, BITMAP)
        .keys(&[at(1, RO | ACCESS)])
        .doc("2.8.7", "The position of the first bit that is set, or clear.", "O(N) in the bytes")
        .history(&[("7.0.0", "BYTE and BIT.")])
        .args(&[
            KEY,
            integer("bit"),
            block("range", &[integer("start"), block("end-unit-block", &[integer("end"), UNIT]).opt()]).opt(),
        ]),
    cmd("getbit", 3, READONLY | FAST, BITMAP)
        .keys(&[at(1, RO | ACCESS)])
        .doc("2.2.0", "The bit at an offset.", "O(1)")
        .args(&[KEY, integer("offset")]),
    cmd("setbit", 4, WRITE | DENYOOM, BITMAP)
        .keys(&[at(1, RW | ACCESS | UPDATE)])
        .doc("2.2.0", "Sets or clears the bit at an offset; the string grows if need be.", "O(1)")
        .args(&[KEY, integer("offset"), integer("value")]),
];
