//! The same random commands to Basalt and to a real Redis: replies, times to live and content must be the same.
//!
//! `COUNT` sets how many commands (20,000 by default), `SEED` which ones, `PEER` the program to compare with (redis-server),
//! `DIFFERENTIAL_LOG=file` writes them all down. Both protocols, blocking forms, transactions, and restarts in between.
//! Values are small and keys few, so that commands meet each other. Commands that are not there yet are left out, loudly.

use super::client::Value;
use super::crash::content;
use super::peers;
use super::rng::{Rng, seed, setting};
use super::server::{Server, directory};
use basalt::command::{Exec, all};
use std::collections::BTreeSet;

/// Commands, with what stands for random words:
/// `K` a key of any type, `S L H E Z X B P G` one of a type (string, list, hash, set, sorted set, stream, bitmap,
/// HyperLogLog, geo), `v` a value, `n` a small number, `i` an index that may be negative, `f` a fraction, `m` a member or
/// field, `s` seconds and `t` milliseconds that do not run out during the test, `p` a pattern. Everything else stands for
/// itself.
const COMMANDS: &[&str] = &[
    // Strings.
    "SET S v",
    "SET S v NX",
    "SET S v XX",
    "SET S v GET",
    "SET S v EX s",
    "SET S v KEEPTTL",
    "SET S v NX GET",
    "SET K v",
    "SET S v PX t",
    "SET S v EX 0",
    "SET S v EX abc",
    "SET S v NX XX",
    "SETNX S v",
    "SETEX S s v",
    "PSETEX S t v",
    "GET S",
    "GET K",
    "GETSET S v",
    "GETDEL S",
    "GETEX S",
    "GETEX S EX s",
    "GETEX S PERSIST",
    "APPEND S v",
    "STRLEN S",
    "STRLEN K",
    "GETRANGE S i i",
    "SETRANGE S n v",
    "SETRANGE S -1 v",
    "SUBSTR S i i",
    "INCR S",
    "DECR S",
    "INCRBY S i",
    "DECRBY S i",
    "INCRBYFLOAT S f",
    "MGET S S K",
    "MSET S v S v",
    "MSETNX S v S v",
    "LCS S S",
    "LCS S S LEN",
    "LCS S S IDX WITHMATCHLEN MINMATCHLEN n",
    "SET S 9223372036854775807",
    "SET S f",
    "SET S i",
    "MSET S v S",
    // Keys.
    "DEL K",
    "DEL K K K",
    "UNLINK K K",
    "EXISTS K K",
    "TYPE K",
    "TOUCH K K",
    "RENAME K K",
    "RENAMENX K K",
    "COPY K K",
    "COPY K K REPLACE",
    "COPY K K DB 1",
    "MOVE K 1",
    "EXPIRE K s",
    "EXPIRE K s NX",
    "EXPIRE K s XX",
    "EXPIRE K s GT",
    "EXPIRE K s LT",
    "EXPIRE K -1",
    "PEXPIRE K t",
    "PERSIST K",
    "OBJECT ENCODING K",
    "DBSIZE",
    "EXPIRE K s NX XX",
    "OBJECT FREQ K",
    "KEYS p",
    "SELECT 1",
    "SELECT 0",
    "SELECT 0",
    "SELECT 0",
    "EXPIREAT K 99999999999",
    "PEXPIREAT K 9999999999999",
    "EXPIRETIME K",
    "PEXPIRETIME K",
    "SWAPDB 0 1",
    // Bits.
    "SETBIT B n 1",
    "SETBIT B n 0",
    "SETBIT B n 2",
    "GETBIT B n",
    "GETBIT S n",
    "BITCOUNT B",
    "BITCOUNT B i i",
    "BITCOUNT B i i BIT",
    "BITPOS B 1",
    "BITPOS B 0 i",
    "BITPOS B 1 i i BIT",
    "BITOP AND B B B",
    "BITOP OR B B S",
    "BITOP XOR B B B",
    "BITOP NOT B S",
    "BITFIELD B GET u8 n SET i5 #n i",
    "BITFIELD B INCRBY u4 n i",
    "BITFIELD B OVERFLOW SAT INCRBY i6 n i",
    "BITFIELD B OVERFLOW FAIL INCRBY u3 n 1 GET u3 n",
    "BITFIELD_RO B GET i8 n",
    // Lists.
    "LPUSH L v",
    "RPUSH L v v v",
    "LPUSHX L v",
    "RPUSHX L v",
    "LPOP L",
    "RPOP L",
    "LPOP L n",
    "RPOP L n",
    "LLEN L",
    "LRANGE L i i",
    "LINDEX L i",
    "LSET L i v",
    "LINSERT L BEFORE m v",
    "LINSERT L AFTER m v",
    "LREM L i m",
    "LTRIM L i i",
    "LPOS L m",
    "LPOS L m RANK i COUNT n",
    "LMOVE L L LEFT RIGHT",
    "LMOVE L L RIGHT LEFT",
    "RPOPLPUSH L L",
    "LMPOP 2 L L LEFT COUNT n",
    "RPUSH L m m m",
    "LLEN K",
    "LPOP L -1",
    // Hashes.
    "HSET H m v",
    "HSET H m v m v m n",
    "HSETNX H m v",
    "HGET H m",
    "HMGET H m m m",
    "HMSET H m v",
    "HDEL H m m",
    "HLEN H",
    "HEXISTS H m",
    "HSTRLEN H m",
    "HINCRBY H m i",
    "HINCRBYFLOAT H m f",
    "HGETALL H",
    "HKEYS H",
    "HVALS H",
    "HGET K m",
    "HSET H m",
    "HEXPIRE H s FIELDS 1 m",
    "HEXPIRETIME H FIELDS 1 m",
    "HPEXPIRETIME H FIELDS 1 m",
    "HPERSIST H FIELDS 1 m",
    "HEXPIRE H s NX FIELDS 2 m m",
    // Sets.
    "SADD E m m",
    "SADD E n n",
    "SREM E m",
    "SISMEMBER E m",
    "SMISMEMBER E m m n",
    "SCARD E",
    "SMEMBERS E",
    "SINTER E E",
    "SUNION E E",
    "SDIFF E E",
    "SINTERSTORE E E E",
    "SUNIONSTORE E E E",
    "SDIFFSTORE E E E",
    "SINTERCARD 2 E E LIMIT n",
    "SMOVE E E m",
    "SADD K m",
    "SINTERCARD 0 E",
    // Sorted sets.
    "ZADD Z f m n m",
    "ZADD Z n m",
    "ZADD Z NX f m",
    "ZADD Z XX CH f m",
    "ZADD Z GT CH f m",
    "ZADD Z LT f m",
    "ZADD Z INCR f m",
    "ZADD Z NX XX f m",
    "ZADD Z inf m",
    "ZADD Z nan m",
    "ZINCRBY Z f m",
    "ZREM Z m m",
    "ZSCORE Z m",
    "ZMSCORE Z m m",
    "ZCARD Z",
    "ZRANK Z m",
    "ZREVRANK Z m",
    "ZRANK Z m WITHSCORE",
    "ZRANGE Z i i",
    "ZRANGE Z i i WITHSCORES",
    "ZRANGE Z i i REV",
    "ZRANGE Z (n n BYSCORE LIMIT n n",
    "ZRANGE Z -inf +inf BYSCORE",
    "ZRANGEBYSCORE Z n n WITHSCORES",
    "ZREVRANGEBYSCORE Z n n",
    "ZREVRANGE Z i i",
    "ZRANGEBYLEX Z - +",
    "ZCOUNT Z n (n",
    "ZLEXCOUNT Z - +",
    "ZPOPMIN Z",
    "ZPOPMAX Z n",
    "ZREMRANGEBYRANK Z i i",
    "ZREMRANGEBYSCORE Z n n",
    "ZUNIONSTORE Z 2 Z Z",
    "ZINTERSTORE Z 2 Z Z WEIGHTS n n AGGREGATE MAX",
    "ZUNION 2 Z E WITHSCORES",
    "ZDIFF 2 Z Z",
    "ZDIFFSTORE Z 2 Z Z",
    "ZINTER 2 Z Z",
    "ZINTERCARD 2 Z Z",
    "ZRANGESTORE Z Z i i",
    "ZMPOP 1 Z MIN COUNT n",
    "ZSCORE K m",
    // Streams.
    "XADD X n-n m v",
    "XADD X 99-* m v",
    "XLEN X",
    "XRANGE X - +",
    "XRANGE X n n COUNT n",
    "XREVRANGE X + -",
    "XDEL X n-n",
    "XTRIM X MAXLEN n",
    "XADD X NOMKSTREAM 0-0 m v",
    "XGROUP CREATE X g 0 MKSTREAM",
    "XGROUP DESTROY X g",
    "XREADGROUP GROUP g c COUNT n STREAMS X >",
    "XACK X g n-n",
    "XPENDING X g",
    "XREAD COUNT n STREAMS X n",
    "XGROUP CREATE X g n-n",
    "XGROUP CREATE X h $ MKSTREAM",
    "XGROUP SETID X g n-n",
    "XGROUP CREATECONSUMER X g d",
    "XGROUP DELCONSUMER X g c",
    "XREADGROUP GROUP g d COUNT n STREAMS X X > >",
    "XREADGROUP GROUP g c COUNT n STREAMS X 0",
    "XREADGROUP GROUP g c NOACK COUNT n STREAMS X >",
    "XREADGROUP GROUP h c STREAMS X n-n",
    "XCLAIM X g d 0 n-n JUSTID",
    "XCLAIM X g c 0 n-n n-n n-n",
    "XCLAIM X g c 0 n-n FORCE JUSTID",
    "XAUTOCLAIM X g c 0 0 COUNT n JUSTID",
    "XAUTOCLAIM X g d 0 n-n COUNT 3",
    "XSETID X n-n",
    "XINFO GROUPS X",
    "XRANGE X (n-n +",
    "XTRIM X MINID n-n",
    "XADD X MAXLEN n 99-* m v",
    "XREAD STREAMS X X n-n +",
    "XREAD STREAMS X",
    // What would wait; it ends at once, or after a moment.
    "BLPOP L L 0.001",
    "BRPOP L 0.001",
    "BLPOP K K 0.001",
    "BLMOVE L L LEFT RIGHT 0.001",
    "BRPOPLPUSH L L 0.001",
    "BLMPOP 0.001 2 L L LEFT COUNT n",
    "BZPOPMIN Z Z 0.001",
    "BZPOPMAX Z 0.001",
    "BZMPOP 0.001 2 Z Z MAX",
    "XREAD COUNT n BLOCK 1 STREAMS X $",
    "XREAD BLOCK 1 STREAMS X X n-n $",
    "XREAD BLOCK 1 STREAMS X +",
    "XREADGROUP GROUP g c COUNT n BLOCK 1 STREAMS X >",
    "BLPOP L -1",
    "BLPOP L abc",
    "BLMPOP 0.001 0 L LEFT",
    "XREAD BLOCK -1 STREAMS X $",
    // HyperLogLog and geo.
    "PFADD P m m m",
    "PFCOUNT P P",
    "PFCOUNT P",
    "PFCOUNT K",
    "PFMERGE P P",
    "GEOADD G f f m",
    "GEOPOS G m m",
    "GEODIST G m m km",
    "GEOHASH G m",
    "GEOSEARCH G FROMLONLAT n n BYRADIUS 1000 km ASC",
    "SORT L ALPHA",
    "SORT L BY nosort LIMIT n n",
    "RPUSH L n n n",
    "SORT L",
    "SORT L DESC LIMIT i n",
    "SORT L ALPHA DESC",
    "SORT E ALPHA LIMIT n n",
    "SORT E",
    "SORT Z ALPHA",
    "SORT Z BY nosort DESC LIMIT n n",
    "SORT_RO Z BY nosort",
    "SORT L BY S* GET # GET S*",
    "SORT L BY S* DESC GET S*",
    "SORT L BY S* ALPHA GET # GET S*",
    "SORT L BY H*->m1 GET # GET H*->m2",
    "SORT L BY S* GET # STORE L",
    "SORT E BY nosort STORE L",
    "SORT E ALPHA STORE L",
    "SORT L GET # GET H*->m1 LIMIT 0 5 STORE L",
    "SORT K ALPHA",
    "SORT L LIMIT 1",
    "SORT_RO L STORE L",
    // Transactions and the connection.
    "MULTI",
    "EXEC",
    "EXEC",
    "DISCARD",
    "WATCH K",
    "UNWATCH",
    "ECHO v",
    "PING",
    "PING v",
    "NOSUCH v",
    "GET",
    "FLUSHDB",
    "CLIENT GETNAME",
];

/// What OBJECT ENCODING says.
const ENCODINGS: [&str; 9] =
    ["listpack", "listpackex", "hashtable", "intset", "skiplist", "quicklist", "int", "embstr", "raw"];

/// How far apart, in seconds, the two servers may run the same command on a busy machine.
const SKEW_S: i64 = 60;

/// Without an order of its own: compared sorted.
const UNORDERED: &[&str] = &["KEYS", "SMEMBERS", "SINTER", "SUNION", "SDIFF", "HKEYS", "HVALS", "HGETALL"];

/// Rarely, since they empty what others fill.
const RARE: &[&str] = &["FLUSHDB", "SWAPDB 0 1", "NOSUCH v", "GET", "DISCARD", "SELECT 1"];

fn word(rng: &mut Rng, pattern: &str) -> String {
    let number = |rng: &mut Rng| rng.below(12).to_string();
    let signed = |rng: &mut Rng| (rng.below(25) as i64 - 12).to_string();
    let key = |rng: &mut Rng, kind: char| format!("{kind}{}", rng.below(4));
    let value = |rng: &mut Rng| match rng.below(12) {
        0 => "long".repeat(1 + rng.below(40) as usize),
        1 => String::new(),
        2..=5 => (rng.next() as i64 >> rng.below(64)).to_string(),
        6 => format!("{}.5", rng.below(1_000)),
        _ => format!("value{}", rng.below(100)),
    };
    match pattern {
        "K" => {
            // No 'G': positions made of scores that no GEOADD gives are undefined in Redis.
            let kind = *rng.pick(&['S', 'L', 'H', 'E', 'Z', 'X', 'B', 'P']);
            key(rng, kind)
        }
        "S" | "L" | "H" | "E" | "Z" | "X" | "B" | "P" | "G" => key(rng, pattern.chars().next().unwrap()),
        "v" => value(rng),
        "n" => number(rng),
        "(n" => format!("({}", number(rng)),
        "#n" => format!("#{}", number(rng)),
        "n-n" => format!("{}-{}", 1 + rng.below(60), rng.below(4)),
        "i" => signed(rng),
        "f" => format!("{}.{}", signed(rng), [0, 5, 25, 125][rng.below(4) as usize]),
        "m" => format!("m{}", rng.below(15)),
        // Hardly ever twice the same: which of two equal times is later, the millisecond decides.
        "s" => (100_000 + rng.below(900_000)).to_string(),
        "t" => (100_000_000 + rng.below(900_000_000)).to_string(),
        "p" => ["*", "S*", "?1", "[SL]*", "nothing"][rng.below(5) as usize].into(),
        _ => pattern.into(),
    }
}

/// Whether this Basalt has the command that a line begins with.
pub fn is_there(line: &str) -> bool {
    let mut words = line.split(' ');
    let Some(found) = basalt::command::spec::find(words.next().unwrap().as_bytes()) else {
        return line.starts_with("NOSUCH");
    };
    let own = if found.is_container() { found.subcommand(words.next().unwrap().as_bytes()).unwrap() } else { found };
    !matches!(all()[own.id.index()].exec, Exec::Missing)
}

/// Whether Valkey 9 has an own mind about a command. There MULTI and WATCH within MULTI doom the transaction, and SORT takes an
/// empty element for no number; SORT that stores what GET does not find makes such elements.
///
/// What else differs there is reported and not left out: lags in XINFO GROUPS, the encoding of hashes with times to live, XREAD
/// with `+` behind XSETID.
fn differs_in_valkey(line: &str, in_multi: bool) -> bool {
    let in_vain = line == "MULTI" || line.starts_with("WATCH");
    (in_multi && in_vain) || (line.starts_with("SORT") && line.contains("GET") && line.contains("STORE"))
}

/// What both must agree on.
fn comparable(words: &[String], value: Value) -> Value {
    let name = words[0].to_uppercase();
    match value {
        Value::Array(mut items) if UNORDERED.contains(&name.as_str()) => {
            items.sort();
            Value::Array(items)
        }
        Value::Array(items) if name.starts_with("SORT") && words.iter().any(|word| word == "ALPHA") => {
            Value::Array(ties_sorted(items, words.iter().any(|word| word == "BY")))
        }
        value => value,
    }
}

/// The reply of a SORT by text with those that compare as equal put in order: which of them comes first Redis leaves to the C
/// library, and that compares up to the first zero byte. `by`: elements and what they are sorted by take turns.
fn ties_sorted(items: Vec<Value>, by: bool) -> Vec<Value> {
    let weight = |row: &[Value]| match row.last() {
        Some(Value::Bulk(bytes)) => Some(bytes.iter().copied().take_while(|&byte| byte != 0).collect::<Vec<u8>>()),
        _ => None,
    };
    let mut rows: Vec<Vec<Value>> = items.chunks(1 + by as usize).map(<[Value]>::to_vec).collect();
    rows.chunk_by_mut(|a, b| weight(a) == weight(b)).for_each(<[_]>::sort);
    rows.into_iter().flatten().collect()
}

/// Whether two replies are the same, but for what may differ. `restarted`: one of the servers has loaded its data since,
/// and then holds small what was large once, and digits as a number.
fn same(words: &[String], ours: &Value, theirs: &Value, restarted: bool) -> bool {
    const LOOSELY: [&str; 7] = ["EXEC", "OBJECT", "EXPIRETIME", "PEXPIRETIME", "HEXPIRETIME", "HPEXPIRETIME", "GEOPOS"];
    ours == theirs || (LOOSELY.contains(&words[0].as_str()) && alike(ours, theirs, restarted))
}

/// The same but for what may differ: relative times were turned into absolute ones a moment apart; Redis remembers of a short
/// string that it was once changed in place, and of a small hash that it once had fields with times to live; Redis 8 prints
/// positions with fewer digits than Redis 7; SORT leaves a small sorted set of Redis as a skiplist.
fn alike(ours: &Value, theirs: &Value, restarted: bool) -> bool {
    let either = |names: [&str; 2]| [ours, theirs].iter().all(|value| names.iter().any(|n| **value == Value::bulk(n)));
    let number = |value: &Value| value.text().trim_start_matches(',').parse::<f64>().ok();
    match (ours, theirs) {
        (Value::Bulk(_), Value::Bulk(_)) | (Value::Line(_), Value::Line(_))
            if number(ours).zip(number(theirs)).is_some_and(|(a, b)| a == b || (a - b).abs() < 1e-9) =>
        {
            true
        }
        // Points in time, in milliseconds and in seconds.
        (Value::Int(a), Value::Int(b)) if *a > 1_000_000_000_000 => (a - b).abs() <= 1000 * SKEW_S,
        (Value::Int(a), Value::Int(b)) if *a > 1_000_000_000 => (a - b).abs() <= SKEW_S,
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b, restarted))
        }
        _ => {
            let is_encoding = |value: &Value| ENCODINGS.contains(&value.text().as_str());
            ours == theirs
                || (restarted && is_encoding(ours) && is_encoding(theirs))
                || either(["raw", "embstr"])
                || either(["listpack", "skiplist"])
                || either(["listpack", "listpackex"])
        }
    }
}

#[test]
fn random_commands_get_the_replies_of_redis() {
    if peers::program("redis-server").is_none() {
        return peers::skipped("no redis-server to compare with: set BASALT_PEERS or install it");
    }
    let (seed, count) = (seed(), setting("COUNT", 20_000));
    let mut rng = Rng::new(seed);
    let peer = std::env::var("PEER").unwrap_or_else(|_| "redis-server".into());
    let is_valkey = peer.contains("valkey");
    let known: Vec<&str> = COMMANDS.iter().filter(|line| is_there(line)).copied().collect();
    let left_out: BTreeSet<&str> =
        COMMANDS.iter().filter(|line| !known.contains(line)).map(|line| line.split(' ').next().unwrap()).collect();
    if !left_out.is_empty() {
        peers::skipped(&format!("not compared, since not there yet: {left_out:?}"));
    }
    let (our_dir, their_dir) = (directory(), directory());
    let cores = 1 + seed % 4;
    let options = format!("--cores {cores} --appendfsync no");
    let mut basalt = Server::start(our_dir.path(), &options);
    // Often: it is as often that waits are looked at which are over.
    let redis = peers::start(&peer, their_dir.path(), &["--appendonly", "no", "--hz", "500"]);
    let (mut ours, mut theirs) = (basalt.client(), redis.client());
    (ours.shapes, theirs.shapes) = (true, true);
    let mut journal: Vec<String> = Vec::new();
    let mut differences = Vec::new();
    let mut sent = 0;
    // Transactions queue: what is unordered in an EXEC's reply cannot be told, so it is compared sorted throughout.
    let mut queued = false;
    // A collection that was large once and is small is loaded in a small encoding.
    let mut restarted = false;
    while sent < count && differences.len() < 25 {
        // Now and then the server comes up anew, or the protocol changes.
        let (restarts, changes) = (rng.below(150) == 0, rng.below(20) == 0);
        if restarts {
            let crashes = rng.below(2) == 0;
            journal.push(format!("# restart, crash: {crashes}"));
            // Without a policy that syncs, what came last may be on its way when the process dies.
            ours.say("DISCARD");
            ours.say("WAITAOF 1 0 0");
            restarted = true;
            if crashes {
                basalt.kill()
            } else {
                basalt.stop()
            }
            basalt = Server::start(our_dir.path(), &options);
            ours = basalt.client();
            ours.shapes = true;
            theirs.expect("RESET", "RESET");
        }
        if restarts || changes {
            queued = false;
            let hello = format!("HELLO {}", 2 + rng.below(2));
            for client in [&mut ours, &mut theirs] {
                client.say("DISCARD");
                assert!(!client.say(&hello).is_error());
            }
        }
        let mut in_multi = queued;
        let batch: Vec<Vec<String>> = (0..50)
            .map(|_| {
                let mut line = rng.pick(&known);
                while (RARE.contains(line) && rng.below(30) > 0) || (is_valkey && differs_in_valkey(line, in_multi)) {
                    line = rng.pick(&known);
                }
                in_multi = match *line {
                    "MULTI" => true,
                    "EXEC" | "DISCARD" => false,
                    _ => in_multi,
                };
                let words = line.split(' ').map(|pattern| word(&mut rng, pattern));
                words.map(|word| if is_valkey && word.is_empty() { "value".into() } else { word }).collect()
            })
            .collect();
        let (left, right) = (ours.pipeline(&batch), theirs.pipeline(&batch));
        for ((words, left), right) in batch.iter().zip(left).zip(right) {
            sent += 1;
            journal.push(words.join(" "));
            let (left, right) = if queued && words[0] == "EXEC" {
                (deeply_sorted(left), deeply_sorted(right))
            } else {
                (comparable(words, left), comparable(words, right))
            };
            queued = match words[0].as_str() {
                "MULTI" => true,
                "EXEC" | "DISCARD" => false,
                _ => queued,
            };
            if !same(words, &left, &right, restarted) {
                differences.push(format!("command {sent}: {}\n{}", words.join(" "), difference(&left, &right)));
            }
        }
    }
    if let Some(path) = std::env::var_os("DIFFERENTIAL_LOG") {
        std::fs::write(path, journal.join("\n")).unwrap();
    }
    assert!(differences.is_empty(), "SEED={seed} COUNT={count}, {cores} cores\n{}", differences.join("\n"));
    for client in [&mut ours, &mut theirs] {
        client.shapes = false;
        client.expect("RESET", "RESET");
    }
    let (left, right) = (content(&mut ours), content(&mut theirs));
    assert_eq!(left.len(), right.len());
    for (left, right) in left.iter().zip(&right) {
        let millis = |content: &[String]| content[2].parse::<i64>().unwrap();
        let close = left.1[2] == right.1[2] || (millis(&left.1) - millis(&right.1)).abs() <= 1000 * SKEW_S;
        let (a, b) = ([&left.1[..2], &left.1[3..]], [&right.1[..2], &right.1[3..]]);
        assert!(left.0 == right.0 && a == b && close, "SEED={seed}\n  Basalt: {left:?}\n  Redis:  {right:?}");
    }
    // And it is all there again after a crash.
    basalt.kill();
    let basalt = Server::start(our_dir.path(), "--cores 2");
    assert_eq!(content(&mut basalt.client()), left, "after kill -9, SEED={seed}");
}

fn deeply_sorted(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(
            items
                .into_iter()
                .map(|item| match item {
                    // Positions differ in their digits, which would sort them apart.
                    Value::Array(mut items) if !items.iter().any(|item| matches!(item, Value::Array(_))) => {
                        items.sort();
                        Value::Array(items)
                    }
                    item => item,
                })
                .collect(),
        ),
        value => value,
    }
}

/// What differs, for people; of arrays only the elements that do.
fn difference(left: &Value, right: &Value) -> String {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            let pairs = left.iter().zip(right).enumerate().filter(|(_, (left, right))| left != right);
            pairs.map(|(at, (left, right))| format!(" element {at}:\n{}", difference(left, right))).collect()
        }
        _ => format!("  Basalt: {left:?}\n  Redis:  {right:?}\n"),
    }
}
