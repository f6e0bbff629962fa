use crate::command::testing::Bench;

const SICILY: &str = "GEOADD s 13.361389 38.115556 Palermo 15.087269 37.502669 Catania";

#[test]
fn positions_and_distances_are_those_of_redis() {
    let mut bench = Bench::new();
    bench.check(&[
        (SICILY, ":2"),
        (SICILY, ":0"),
        ("GEOADD s NX CH 1 1 Palermo", ":0"),
        ("GEOADD s XX CH 12.758489 38.788135 edge1", ":0"),
        ("ZSCORE s Palermo", "$16 3479099956230698"),
        ("GEOHASH s Palermo none Catania", "*3 $11 sqc8b49rny0 $-1 $11 sqdtr74hyu0"),
        ("GEOPOS s Palermo none", "*2 *2 $20 13.36138933897018433 $20 38.11555639549629859 *-1"),
        ("GEODIST s Palermo Catania", "$11 166274.1516"),
        ("GEODIST s Palermo Catania km", "$8 166.2742"),
        ("GEODIST s Palermo none", "$-1"),
        ("GEODIST s Palermo Catania x", "-ERR unsupported unit provided. please use M, KM, FT, MI"),
        ("GEOADD s 181 0 x", "-ERR invalid longitude,latitude pair 181.000000,0.000000"),
        ("GEOADD s a 0 x", "-ERR value is not a valid float"),
        ("GEOADD s NX XX 1 1 x", "-ERR syntax error"),
        ("GEOADD s 1 1 x 2", "-ERR syntax error"),
        ("GEOPOS none a", "*1 *-1"),
    ]);
}

#[test]
fn searches_find_order_cut_and_store() {
    let mut bench = Bench::new();
    bench.check(&[
        (SICILY, ":2"),
        ("GEORADIUS s 15 37 200 km ASC", "*2 $7 Catania $7 Palermo"),
        ("GEORADIUS s 15 37 200 km DESC COUNT 1", "*1 $7 Palermo"),
        ("GEORADIUS_RO s 15 37 100 km WITHDIST WITHHASH", "*1 *3 $7 Catania $7 56.4413 :3479447370796909"),
        ("GEORADIUS_RO s 15 37 100 km STORE t", "-ERR syntax error"),
        ("GEORADIUSBYMEMBER s Palermo 1 m", "*1 $7 Palermo"),
        ("GEORADIUSBYMEMBER s none 1 m", "-ERR could not decode requested zset member"),
        ("GEORADIUSBYMEMBER none x y z", "*0"),
        (
            "GEOSEARCH s FROMLONLAT 15 37 BYBOX 400 400 km ASC WITHCOORD COUNT 1",
            "*1 *2 $7 Catania *2 $20 15.08726745843887329 $20 37.50266842333162032",
        ),
        ("GEOSEARCH s FROMMEMBER Palermo BYRADIUS 200 km COUNT 1 ANY", "*1 $7 Palermo"),
        ("GEOSEARCHSTORE t s FROMMEMBER Palermo BYRADIUS 200 km STOREDIST", ":2"),
        ("ZRANGE t 0 -1 WITHSCORES", "*4 $7 Palermo $1 0 $7 Catania $18 166.27415156960032"),
        ("GEOSEARCHSTORE t s FROMLONLAT 0 0 BYRADIUS 1 m", ":0"),
        ("EXISTS t", ":0"),
        ("GEORADIUS s 15 37 200 km STORE t", ":2"),
        ("ZSCORE t Catania", "$16 3479447370796909"),
        ("GEORADIUS none 15 37 200 km STORE t", ":0"),
        ("EXISTS t", ":0"),
        (
            "GEOSEARCH s BYRADIUS 1 m ASC ASC",
            "-ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH",
        ),
        (
            "GEOSEARCH s FROMMEMBER Palermo ASC ASC ASC",
            "-ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH",
        ),
        ("GEOSEARCH s FROMMEMBER Palermo BYRADIUS 1 m ANY", "-ERR the ANY argument requires COUNT argument"),
        ("GEOSEARCH s FROMMEMBER Palermo BYRADIUS 1 m COUNT 0", "-ERR COUNT must be > 0"),
        ("GEOSEARCH s FROMMEMBER Palermo FROMLONLAT 1 1 BYRADIUS 1 m", "-ERR syntax error"),
        ("GEOSEARCH s FROMMEMBER Palermo BYRADIUS x m", "-ERR need numeric radius"),
        ("GEOSEARCH s FROMMEMBER Palermo BYRADIUS -1 m", "-ERR radius cannot be negative"),
        ("GEOSEARCH s FROMMEMBER Palermo BYBOX 1 -1 m", "-ERR height or width cannot be negative"),
        (
            "GEORADIUS s 15 37 200 km STORE t WITHDIST",
            "-ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
        ),
    ]);
}

#[test]
fn replaying_the_effects_makes_the_same_sets() {
    Bench::check_replay(&[
        SICILY,
        "GEOADD s XX CH 13.5 38 Palermo",
        "GEOSEARCHSTORE t s FROMMEMBER Palermo BYRADIUS 300 km",
        "GEOSEARCHSTORE u s FROMMEMBER Palermo BYRADIUS 300 km STOREDIST",
        "GEORADIUS s 15 37 100 km STOREDIST v",
        "GEORADIUSBYMEMBER s Palermo 1 km STORE u",
    ]);
}
