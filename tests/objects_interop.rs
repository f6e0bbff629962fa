//! HyperLogLog, geo, sorted set and stream against a real server: the same bytes, the same numbers, the same members.
//!
//! Runs with the server that `BASALT_PEERS` (a program that is called as `$BASALT_PEERS redis-server …`) or
//! `~/.cache/basalt-peers/run` starts. Without either it says so and passes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use basalt::object::geo::{self, Position, Search, Shape, Unit};
use basalt::object::hll;
use basalt::object::stream::{IdRequest, Stream, StreamId, StreamLimits, Trim};
use basalt::object::zset::{ScoreBound, ScoreText, ZSet, ZSetLimits};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

#[path = "it/ports.rs"]
mod ports;

/// A server on a free port, stopped when dropped.
struct Server {
    child: Child,
    connection: BufReader<TcpStream>,
    _directory: tempfile::TempDir,
}

#[derive(Clone, Debug, PartialEq)]
enum Reply {
    Nil,
    Int(i64),
    Bytes(Vec<u8>),
    Array(Vec<Reply>),
}

impl Reply {
    fn bytes(&self) -> &[u8] {
        match self {
            Reply::Bytes(bytes) => bytes,
            other => panic!("{other:?}"),
        }
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes().to_vec()).unwrap()
    }

    fn int(&self) -> i64 {
        match self {
            Reply::Int(value) => *value,
            other => panic!("{other:?}"),
        }
    }

    fn array(&self) -> &[Reply] {
        match self {
            Reply::Array(items) => items,
            other => panic!("{other:?}"),
        }
    }
}

impl Server {
    fn start() -> Option<Server> {
        let run = std::env::var_os("BASALT_PEERS").map(PathBuf::from).or_else(|| {
            let run = PathBuf::from(std::env::var_os("HOME")?).join(".cache/basalt-peers/run");
            run.exists().then_some(run)
        });
        let Some(run) = run else {
            eprintln!("SKIPPED: no server to compare with; set BASALT_PEERS or put one at ~/.cache/basalt-peers/run");
            return None;
        };
        let port = ports::free_port();
        let directory = tempfile::tempdir().unwrap();
        let child = Command::new(run)
            .args(["redis-server", "--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(directory.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let connection = (0..500).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        let connection = BufReader::new(connection.expect("the server accepts connections"));
        Some(Server { child, connection, _directory: directory })
    }

    fn call(&mut self, args: &[&[u8]]) -> Reply {
        let mut request = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            request.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            request.extend_from_slice(arg);
            request.extend_from_slice(b"\r\n");
        }
        self.connection.get_mut().write_all(&request).unwrap();
        self.read()
    }

    /// A command whose words have no blanks in them.
    fn words(&mut self, line: &str) -> Reply {
        self.call(&line.split_whitespace().map(str::as_bytes).collect::<Vec<_>>())
    }

    fn read(&mut self) -> Reply {
        let mut line = String::new();
        self.connection.read_line(&mut line).unwrap();
        let (kind, rest) = line.trim_end().split_at(1);
        match kind {
            "+" => Reply::Bytes(rest.as_bytes().to_vec()),
            ":" => Reply::Int(rest.parse().unwrap()),
            "$" | "*" if rest == "-1" => Reply::Nil,
            "$" => {
                let mut bytes = vec![0; rest.parse::<usize>().unwrap() + 2];
                self.connection.read_exact(&mut bytes).unwrap();
                bytes.truncate(bytes.len() - 2);
                Reply::Bytes(bytes)
            }
            "*" => Reply::Array((0..rest.parse().unwrap()).map(|_| self.read()).collect()),
            _ => panic!("{line}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn seed() -> StdRng {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("SEED={seed}");
    StdRng::seed_from_u64(seed)
}

#[test]
fn hyperloglogs_are_the_same_to_the_byte() {
    let Some(mut server) = Server::start() else { return };
    let mut rng = seed();
    for round in 0..12 {
        let names = [b"a".as_slice(), b"b", b"c"];
        let mut own = [hll::new(), hll::new(), hll::new()];
        server.words("DEL a b c union");
        for (name, value) in names.iter().zip(&mut own) {
            let elements = [0, 5, 50, 300, 1_000, 5_000][round / 2] / rng.random_range(1..3);
            server.call(&[b"PFADD", name]);
            for at in 0..elements {
                let element = format!("{:x}", rng.random::<u128>() >> rng.random_range(0..120));
                let changed = hll::add(value, element.as_bytes(), 3000).unwrap();
                assert_eq!(server.call(&[b"PFADD", name, element.as_bytes()]), Reply::Int(i64::from(changed)));
                if at % 97 == 0 {
                    let (count, _) = hll::count_and_cache(value).unwrap();
                    assert_eq!(server.call(&[b"PFCOUNT", name]), Reply::Int(count as i64));
                }
            }
            assert_eq!(server.call(&[b"GET", name]).bytes(), &value[..]);
            // Written by us, read there.
            server.call(&[b"SET", b"copy", value]);
            let (count, _) = hll::count_and_cache(value).unwrap();
            assert_eq!(server.words("PFCOUNT copy"), Reply::Int(count as i64));
            server.call(&[b"PFCOUNT", name]);
        }
        let mut union = hll::Registers::new();
        own.iter().for_each(|value| union.merge(value).unwrap());
        assert_eq!(server.words("PFCOUNT a b c"), Reply::Int(union.count() as i64));
        let dense = own.iter().any(|value| hll::is_dense(value));
        let mut fresh = hll::new();
        union.store(&mut fresh, dense, 3000).unwrap();
        server.words("PFMERGE union a b c");
        assert_eq!(server.words("GET union").bytes(), &fresh[..]);
        union.store(&mut own[0], dense, 3000).unwrap();
        server.words("PFMERGE a b c");
        assert_eq!(server.words("GET a").bytes(), &own[0][..]);
    }
}

#[test]
fn positions_distances_and_searches_are_the_same() {
    let Some(mut server) = Server::start() else { return };
    let mut rng = seed();
    let mut set = ZSet::new();
    for number in 0..3_000 {
        let spread = if number % 2 == 0 { 1.0 } else { 0.01 };
        let position = Position {
            longitude: rng.random_range(-180.0..=180.0) * spread,
            latitude: rng.random_range(-geo::LATITUDE_MAX..=geo::LATITUDE_MAX) * spread,
        };
        let member = format!("m{number}");
        let Position { longitude, latitude } = position;
        server.words(&format!("GEOADD geo {longitude} {latitude} {member}"));
        let score = geo::encode(position).unwrap() as f64;
        set.insert(member.as_bytes(), score, ZSetLimits::default());
        assert_eq!(server.words(&format!("ZSCORE geo {member}")).text(), format!("{score}"));
        assert_eq!(server.words(&format!("GEOHASH geo {member}")).array()[0].bytes(), geo::geohash(score));
        let back = geo::decode(score);
        let there = server.words(&format!("GEOPOS geo {member}"));
        let there: Vec<f64> = there.array()[0].array().iter().map(|text| text.text().parse().unwrap()).collect();
        assert_eq!(there, [back.longitude, back.latitude]);
    }
    let units = [("m", Unit::Metres), ("km", Unit::Kilometres), ("ft", Unit::Feet), ("mi", Unit::Miles)];
    for _ in 0..2_000 {
        let (one, other) = (rng.random_range(0..3_000), rng.random_range(0..3_000));
        let (name, unit) = units[rng.random_range(0..4)];
        let at = |number: usize| geo::decode(set.score(format!("m{number}").as_bytes()).unwrap());
        let mut text = Vec::new();
        geo::write_distance(at(one).distance_m(at(other)) / unit.metres(), &mut text);
        assert_eq!(server.words(&format!("GEODIST geo m{one} m{other} {name}")).bytes(), text);
    }
    for _ in 0..1_500 {
        let spread = [1.0, 0.01][rng.random_range(0..2)];
        let center = Position {
            longitude: rng.random_range(-180.0..=180.0) * spread,
            latitude: rng.random_range(-85.0..=85.0) * spread,
        };
        let (name, unit) = units[rng.random_range(0..4)];
        let reach = 10f64.powf(rng.random_range(2.0..7.3)) / unit.metres();
        let (shape, words) = if rng.random_bool(0.5) {
            (Shape::Circle { radius: reach }, format!("BYRADIUS {reach} {name}"))
        } else {
            let height = reach * rng.random_range(0.1..2.0);
            (Shape::Box { width: reach, height }, format!("BYBOX {reach} {height} {name}"))
        };
        let search = Search { center, shape, unit };
        let mut own = Vec::new();
        for scores in search.score_ranges() {
            let ranks = set.ranks_by_score(ScoreBound::Inclusive(scores.start), ScoreBound::Exclusive(scores.end));
            for (member, score) in set.range(ranks) {
                if search.distance_within_m(geo::decode(score)).is_some() {
                    own.push(Reply::Bytes(member.to_bytes().into_owned()));
                }
            }
        }
        let Position { longitude, latitude } = center;
        let there = server.words(&format!("GEOSEARCH geo FROMLONLAT {longitude} {latitude} {words}"));
        assert_eq!(there, Reply::Array(own), "{search:?}");
    }
}

/// The payload of a DUMP whose type is a plain string of bytes: without type, length, version and checksum.
fn dumped(server: &mut Server, key: &str) -> Vec<u8> {
    let dump = server.words(&format!("DUMP {key}"));
    let dump = dump.bytes();
    let (length, start) = match dump[1] >> 6 {
        0 => (usize::from(dump[1]), 2),
        1 => (usize::from(dump[1] & 63) << 8 | usize::from(dump[2]), 3),
        _ => panic!("the listpack is small and not compressed"),
    };
    dump[start..start + length].to_vec()
}

#[test]
fn sorted_set_listpacks_are_the_same_to_the_byte() {
    let Some(mut server) = Server::start() else { return };
    server.words("CONFIG SET rdbcompression no");
    let mut rng = seed();
    let mut equal = 0;
    for _ in 0..200 {
        let mut set = ZSet::new();
        // Redis's digits are not always the shortest: one score in some thousand has a digit more or less.
        let mut same_text = true;
        server.words("DEL z");
        for _ in 0..rng.random_range(1..60) {
            let member = match rng.random_range(0..3) {
                0 => rng.random_range(-300..300).to_string(),
                _ => "x".repeat(rng.random_range(1..64)),
            };
            let score = match rng.random_range(0..6) {
                0 => f64::from(rng.random_range(-9..9)),
                1 => f64::from_bits(rng.random()),
                2 => f64::INFINITY,
                3 => -0.0,
                4 => (rng.random_range(-1e9..1e9f64)).trunc() * 1e-4,
                _ => rng.random_range(-1e3..1e3),
            };
            if score.is_nan() {
                continue;
            }
            server.words(&format!("ZADD z {score:e} {member}"));
            let there = server.words(&format!("ZSCORE z {member}")).text();
            assert_eq!(there.parse::<f64>().unwrap(), score);
            // A listpack knows no -0.
            same_text &= there.as_bytes() == ScoreText::new(score + 0.0).as_bytes();
            set.insert(member.as_bytes(), score, ZSetLimits::default());
        }
        if set.is_empty() {
            continue;
        }
        let own = set.as_listpack().unwrap();
        let there = basalt::listpack::Listpack::from_vec(dumped(&mut server, "z")).unwrap();
        let there_set = ZSet::from_listpack(there.clone(), ZSetLimits::default()).unwrap();
        assert_eq!(there_set, set);
        if same_text {
            equal += 1;
            assert_eq!(there.as_bytes(), own.as_bytes(), "{there:?} {set:?}");
        }
    }
    assert!(equal > 100, "most sets have only scores with the same digits: {equal}");
}

#[test]
fn stream_nodes_are_the_same_to_the_byte() {
    let Some(mut server) = Server::start() else { return };
    server.words("CONFIG SET rdbcompression no");
    server.words("CONFIG SET stream-node-max-entries 10");
    let mut rng = seed();
    let limits = StreamLimits { node_max_entries: 10, ..StreamLimits::default() };
    for _ in 0..50 {
        let mut stream = Stream::new();
        server.words("DEL s");
        server.words("XGROUP CREATE s g 0 MKSTREAM ENTRIESREAD 0");
        stream.create_group(b"g", StreamId::MIN, Some(0));
        for step in 1..rng.random_range(10..120u64) {
            let id = format!("{}-{}", step / 3 + 1, step);
            match rng.random_range(0..10) {
                0 if step > 5 => {
                    let gone = rng.random_range(step - 5..step);
                    let id = StreamId::new(gone / 3 + 1, gone);
                    let deleted = stream.log_mut().delete(id);
                    assert_eq!(server.words(&format!("XDEL s {id}")), Reply::Int(i64::from(deleted)));
                }
                1 if step % 7 == 0 => {
                    let keep = rng.random_range(0..40);
                    let removed = stream.log_mut().trim(Trim::MaxLen(keep), true, 1_000);
                    assert_eq!(server.words(&format!("XTRIM s MAXLEN ~ {keep}")).int() as u64, removed);
                    let min = StreamId::new(rng.random_range(0..=step / 3), rng.random_range(0..=step));
                    let removed = stream.log_mut().trim(Trim::MinId(min), false, 0);
                    assert_eq!(server.words(&format!("XTRIM s MINID {min}")).int() as u64, removed);
                }
                2 => {
                    let count = rng.random_range(1..6);
                    server.words(&format!("XREADGROUP GROUP g alice COUNT {count} STREAMS s >"));
                    let (log, groups) = stream.parts_mut();
                    let group = groups.get_mut(&b"g"[..]).unwrap();
                    let (alice, _) = group.find_or_create(b"alice", 0);
                    let start = group.last_id.next().unwrap();
                    for entry in log.range(start, StreamId::MAX).take(count) {
                        group.advance(log, entry.id);
                        group.deliver(entry.id, alice, 0);
                    }
                }
                _ => {
                    let fields = ["a 1 b 2", "a x b -70000", "c 5000000000", "a 1 b 2 c 3"][rng.random_range(0..4)];
                    server.words(&format!("XADD s {id} {fields}"));
                    let words: Vec<&[u8]> = fields.split(' ').map(str::as_bytes).collect();
                    stream.log_mut().append(IdRequest::parse(id.as_bytes()).unwrap(), &words, 0, limits).unwrap();
                }
            }
            let info = server.words("XINFO STREAM s");
            let value = |name: &str| {
                let info = info.array();
                let at = info.iter().position(|item| *item == Reply::Bytes(name.as_bytes().to_vec())).unwrap();
                info[at + 1].clone()
            };
            let log = stream.log();
            assert_eq!(value("length").int() as u64, log.len());
            assert_eq!(value("radix-tree-keys").int() as usize, log.node_count());
            assert_eq!(value("entries-added").int() as u64, log.meta().entries_added);
            assert_eq!(value("last-generated-id").text(), log.last_id().to_string());
            assert_eq!(value("max-deleted-entry-id").text(), log.meta().max_deleted_id.to_string());
            assert_eq!(value("recorded-first-entry-id").text(), log.first_id().to_string());
            let groups = server.words("XINFO GROUPS s");
            let there = groups.array()[0].array();
            let group = stream.group(b"g").unwrap();
            let known = |value: Option<i64>| value.map_or(Reply::Nil, Reply::Int);
            assert_eq!(there[5], Reply::Int(group.pending_len() as i64));
            assert_eq!(there[7].text(), group.last_id.to_string());
            assert_eq!(there[9], known(group.entries_read.map(|read| read as i64)));
            assert_eq!(there[11], known(group.lag(log)), "{stream:?} {info:?}");
        }
        // Every node stands in the DUMP, each behind its first ID.
        let dump = server.words("DUMP s");
        let dump = dump.bytes();
        for (id, list) in stream.log().nodes(StreamId::MIN) {
            let holds = |bytes: &[u8]| dump.windows(bytes.len()).any(|window| window == bytes);
            assert!(holds(&id.to_bytes()) && holds(list.as_bytes()), "{id} {list:?}");
        }
    }
}
