//! Positions on Earth, held in sorted sets.

use crate::command::spec::row::*;

const UNIT: Arg = one_of("unit", &[word("m", "M"), word("km", "KM"), word("ft", "FT"), word("mi", "MI")]);
const WITH: (Arg, Arg, Arg) =
    (word("withcoord", "WITHCOORD").opt(), word("withdist", "WITHDIST").opt(), word("withhash", "WITHHASH").opt());
const COUNT_ANY: Arg = block("count-block", &[integer("count").after("COUNT"), word("any", "ANY").opt()]).opt();
const COUNT_ANY_620: Arg =
    block("count-block", &[integer("count").after("COUNT"), word("any", "ANY").since("6.2.0").opt()]).opt();
const STORE: Arg = one_of(
    "store",
    &[key("storekey").spec(1).shown("key").after("STORE"), key("storedistkey").spec(2).shown("key").after("STOREDIST")],
)
.opt();
const FROM: Arg = one_of(
    "from",
    &[
        string("member").after("FROMMEMBER"),
        block("fromlonlat", &[double("longitude"), double("latitude")]).after("FROMLONLAT"),
    ],
);
const BY: Arg = one_of(
    "by",
    &[
        block("circle", &[double("radius").after("BYRADIUS"), UNIT]),
        block("box", &[double("width").after("BYBOX"), double("height"), UNIT]),
    ],
);
const RADIUS_COST: &str = "O(N+log M): N elements in the area around, M in the circle";
const SEARCH_COST: &str = "O(N+log M): N elements in the area around, M in the shape";
const RADIUS_HISTORY: &[(&str, &str)] = &[("6.2.0", "ANY."), ("7.0.0", "Units in upper case.")];
const SEARCH_HISTORY: &[(&str, &str)] = &[("7.0.0", "Units in upper case.")];

pub(in crate::command::spec) const COMMANDS: &[CommandSpec] = &[
    cmd("geoadd", -5, WRITE | DENYOOM, GEO)
        .keys(&[at(1, RW | UPDATE)])
        .doc("3.2.0", "Adds members at positions, or moves them.", "O(log N) per member")
        .history(&[("6.2.0", "CH, NX and XX.")])
        .args(&[
            KEY,
            NX_OR_XX.since("6.2.0"),
            word("change", "CH").since("6.2.0").opt(),
            block("data", &[double("longitude"), double("latitude"), string("member")]).many(),
        ]),
    cmd("geodist", -4, READONLY, GEO)
        .keys(&[at(1, RO | ACCESS)])
        .doc("3.2.0", "The distance of two members.", "O(1)")
        .args(&[KEY, string("member1"), string("member2"), UNIT.opt()]),
    cmd("geohash", -2, READONLY, GEO)
        .keys(&[at(1, RO | ACCESS)])
        .doc("3.2.0", "The geohashes of members.", "O(1) per member")
        .args(&[KEY, string("member").opt().many()]),
    cmd("geopos", -2, READONLY, GEO)
        .keys(&[at(1, RO | ACCESS)])
        .doc("3.2.0", "The positions of members.", "O(1) per member")
        .args(&[KEY, string("member").opt().many()]),
    cmd("georadius", -6, WRITE | DENYOOM, GEO)
        .keys(&[
            at(1, RO | ACCESS),
            behind("STORE", 6, 0, 1, 0, OW | UPDATE),
            behind("STOREDIST", 6, 0, 1, 0, OW | UPDATE),
        ])
        .finder(KeyFinder::GeoRadius(6))
        .doc("3.2.0", "The members around a position; may store them.", RADIUS_COST)
        .history(RADIUS_HISTORY)
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument")
        .args(&[
            KEY,
            double("longitude"),
            double("latitude"),
            double("radius"),
            UNIT,
            WITH.0,
            WITH.1,
            WITH.2,
            COUNT_ANY_620,
            ORDER,
            STORE,
        ]),
    cmd("georadius_ro", -6, READONLY, GEO)
        .keys(&[at(1, RO | ACCESS)])
        .doc("3.2.10", "The members around a position.", RADIUS_COST)
        .history(RADIUS_HISTORY)
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")
        .args(&[
            KEY,
            double("longitude"),
            double("latitude"),
            double("radius"),
            UNIT,
            WITH.0,
            WITH.1,
            WITH.2,
            COUNT_ANY_620,
            ORDER,
        ]),
    cmd("georadiusbymember", -5, WRITE | DENYOOM, GEO)
        .keys(&[
            at(1, RO | ACCESS),
            behind("STORE", 5, 0, 1, 0, OW | UPDATE),
            behind("STOREDIST", 5, 0, 1, 0, OW | UPDATE),
        ])
        .finder(KeyFinder::GeoRadius(5))
        .doc("3.2.0", "The members around another one; may store them.", RADIUS_COST)
        .history(RADIUS_HISTORY)
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments")
        .args(&[KEY, string("member"), double("radius"), UNIT, WITH.0, WITH.1, WITH.2, COUNT_ANY, ORDER, STORE]),
    cmd("georadiusbymember_ro", -5, READONLY, GEO)
        .keys(&[at(1, RO | ACCESS)])
        .doc("3.2.10", "The members around another one.", RADIUS_COST)
        .history(RADIUS_HISTORY)
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments")
        .args(&[KEY, string("member"), double("radius"), UNIT, WITH.0, WITH.1, WITH.2, COUNT_ANY, ORDER]),
    cmd("geosearch", -7, READONLY, GEO)
        .keys(&[at(1, RO | ACCESS)])
        .doc("6.2.0", "The members in a circle or box.", SEARCH_COST)
        .history(SEARCH_HISTORY)
        .args(&[KEY, FROM, BY, ORDER, COUNT_ANY, WITH.0, WITH.1, WITH.2]),
    cmd("geosearchstore", -8, WRITE | DENYOOM, GEO)
        .keys(&[at(1, OW | UPDATE), at(2, RO | ACCESS)])
        .doc("6.2.0", "Stores the members in a circle or box.", SEARCH_COST)
        .history(SEARCH_HISTORY)
        .args(&[
            key("destination"),
            key("source").spec(1),
            FROM,
            BY,
            ORDER,
            COUNT_ANY,
            word("storedist", "STOREDIST").opt(),
        ]),
];
