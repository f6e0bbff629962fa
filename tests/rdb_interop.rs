//! RDB files travel between Basalt, Redis and Valkey, both ways, with every type in every encoding.
//!
//! Needs the peers: `BASALT_PEERS` names a program that runs `redis-server`, `redis-cli`, `redis-check-rdb` and their
//! Valkey namesakes given as its first argument. Without it the tests say loudly that they did nothing.

#![allow(clippy::unwrap_used)] // Failing is what a test is for.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use basalt::listpack::{Element, Listpack};
use basalt::rdb::{
    Access, Checksum, Consumer, Encoder, Group, HashField, HashValue, Item, KeyRecord, ListNode, Options, Pending,
    Reader, SetValue, StreamData, StreamId, StreamMeta, StreamNode, VERSION, VERSION_FIELD_TTL, VERSION_VALKEY, Value,
    ZSetValue, crc, dump, index, parse_dump,
};

#[path = "it/ports.rs"]
mod ports;

fn peers() -> Option<PathBuf> {
    let runner = std::env::var_os("BASALT_PEERS").map(PathBuf::from);
    if runner.is_none() {
        // Written past the test harness, which would swallow what a passing test prints.
        let text = b"\n*** SKIPPED: set BASALT_PEERS to a program that runs redis-server and valkey-server ***\n\n";
        std::io::stderr().write_all(text).unwrap();
    }
    runner
}

/// A server on a port of its own, killed when dropped.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(runner: &Path, name: &str, dir: &Path, file: &str) -> Server {
        for _ in 0..5 {
            let port = ports::free_port();
            let log = std::fs::File::create(dir.join("log")).unwrap();
            let child = Command::new(runner)
                .args([name, "--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
                .args(["--dir".as_ref(), dir.as_os_str()])
                .args(["--dbfilename", file])
                .stdout(Stdio::from(log))
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let mut server = Server { child, port };
            let patience = Instant::now() + Duration::from_secs(20);
            while Instant::now() < patience && server.child.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() && server.call(&[b"PING"]) == b"+PONG\r\n" {
                    return server;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        panic!("{name} did not start:\n{}", std::fs::read_to_string(dir.join("log")).unwrap());
    }

    /// The raw reply to one command.
    fn call(&self, words: &[&[u8]]) -> Vec<u8> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            request.extend(format!("${}\r\n", word.len()).bytes());
            request.extend(*word);
            request.extend(b"\r\n");
        }
        // QUIT makes the peer close, so the reply ends where the stream does.
        request.extend(b"*1\r\n$4\r\nQUIT\r\n");
        socket.write_all(&request).unwrap();
        let mut reply = Vec::new();
        socket.read_to_end(&mut reply).unwrap();
        reply.strip_suffix(b"+OK\r\n").unwrap().to_vec()
    }

    /// The reply to a command line of words without blanks, for people.
    fn say(&self, line: &str) -> String {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        String::from_utf8_lossy(&self.call(&words)).replace("\r\n", " ").trim_end().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn pack(elements: &[&[u8]]) -> Listpack {
    elements.iter().copied().collect()
}

fn id(ms: u64, seq: u64) -> StreamId {
    StreamId { ms, seq }
}

fn stream() -> StreamData {
    let mut entries = Listpack::new();
    // Master entry: 2 alive, 1 deleted, the field `f`. Then 5-1 (f: v1), 5-2 deleted, 6-0 (f: v3, g: w).
    let numbers = |list: &mut Listpack, numbers: &[i64]| numbers.iter().for_each(|n| list.append(*n));
    numbers(&mut entries, &[2, 1, 1]);
    entries.append(b"f");
    numbers(&mut entries, &[0, 2, 0, 0]);
    entries.append(b"v1");
    numbers(&mut entries, &[4, 3, 0, 1]);
    entries.append(b"v2");
    numbers(&mut entries, &[4, 0, 1, -1, 2]);
    for element in [b"f", &b"v3"[..], b"g", b"w"] {
        entries.append(element);
    }
    numbers(&mut entries, &[8]);
    StreamData {
        nodes: vec![StreamNode { master_id: id(5, 1), entries }],
        meta: StreamMeta {
            length: 2,
            last_id: id(7, 0),
            first_id: id(5, 1),
            max_deleted_id: id(5, 2),
            entries_added: 4,
        },
        groups: vec![Group {
            name: b"group".to_vec(),
            last_id: id(6, 0),
            entries_read: None,
            pending: vec![
                Pending { id: id(5, 1), consumer: 0, delivery_ms: 1_700_000_000_000, delivery_count: 2 },
                Pending { id: id(6, 0), consumer: 1, delivery_ms: 1_700_000_000_001, delivery_count: 1 },
            ],
            consumers: vec![
                Consumer { name: b"alice".to_vec(), seen_ms: 1_700_000_000_000, active_ms: 1_700_000_000_000 },
                Consumer { name: b"bob".to_vec(), seen_ms: 1_700_000_000_001, active_ms: -1 },
            ],
        }],
    }
}

/// A key, its value, and what a peer must say about it: commands and replies.
type Sample = (&'static str, Value, Vec<(&'static str, String)>);

/// One key per encoding.
fn samples() -> Vec<Sample> {
    let many: Vec<Vec<u8>> = (0..600).map(|i| format!("member:{i}").into_bytes()).collect();
    let field = |i: usize, expire_ms| HashField {
        field: many[i].clone(),
        value: format!("value of {i}").into_bytes(),
        expire_ms,
    };
    let text = "compress me, ".repeat(30);
    vec![
        ("str:empty", Value::String(vec![]), vec![("STRLEN str:empty", ":0".into())]),
        ("str:int8", Value::String(b"-7".to_vec()), vec![("GET str:int8", "$2 -7".into())]),
        ("str:int16", Value::String(b"-30000".to_vec()), vec![("INCR str:int16", ":-29999".into())]),
        ("str:int32", Value::String(b"2000000000".to_vec()), vec![("GET str:int32", "$10 2000000000".into())]),
        (
            "str:int64",
            Value::String(b"-9223372036854775808".to_vec()),
            vec![("GET str:int64", "$20 -9223372036854775808".into())],
        ),
        (
            "str:lzf",
            Value::String(text.clone().into_bytes()),
            vec![("GET str:lzf", format!("$390 {}", text.trim_end()))],
        ),
        ("12345", Value::String(b"a key that is a number".to_vec()), vec![("STRLEN 12345", ":22".into())]),
        (
            "list:packed",
            Value::List(vec![ListNode::Packed(pack(&[b"a", b"-5", b"70000"]))]),
            vec![("LRANGE list:packed 0 -1", "*3 $1 a $2 -5 $5 70000".into())],
        ),
        (
            "list:plain",
            Value::List(vec![
                ListNode::Packed(pack(&[b"first"])),
                ListNode::Plain(vec![b'p'; 20_000]),
                ListNode::Packed(pack(&[b"last"])),
            ]),
            vec![("LLEN list:plain", ":3".into()), ("LINDEX list:plain -1", "$4 last".into())],
        ),
        (
            "set:intset16",
            Value::Set(SetValue::Intset([3i64, -9, 5].into_iter().collect())),
            vec![
                ("SMEMBERS set:intset16", "*3 $2 -9 $1 3 $1 5".into()),
                ("OBJECT ENCODING set:intset16", "$6 intset".into()),
            ],
        ),
        (
            "set:intset64",
            Value::Set(SetValue::Intset([i64::MIN, 1 << 40].into_iter().collect())),
            vec![("SISMEMBER set:intset64 1099511627776", ":1".into())],
        ),
        (
            "set:listpack",
            Value::Set(SetValue::Listpack(pack(&[b"x", b"y", b"12"]))),
            vec![
                ("SMISMEMBER set:listpack x 12 z", "*3 :1 :1 :0".into()),
                ("OBJECT ENCODING set:listpack", "$8 listpack".into()),
            ],
        ),
        (
            "set:table",
            Value::Set(SetValue::Members(many.clone())),
            vec![("SCARD set:table", ":600".into()), ("SISMEMBER set:table member:599", ":1".into())],
        ),
        (
            "hash:listpack",
            Value::Hash(HashValue::Listpack(pack(&[b"f", b"v", b"g", b"1"]))),
            vec![("HGETALL hash:listpack", "*4 $1 f $1 v $1 g $1 1".into())],
        ),
        (
            "hash:table",
            Value::Hash(HashValue::Fields((0..600).map(|i| field(i, None)).collect())),
            vec![("HLEN hash:table", ":600".into()), ("HGET hash:table member:77", "$11 value of 77".into())],
        ),
        (
            "zset:listpack",
            Value::ZSet(ZSetValue::Listpack(pack(&[b"a", b"-1", b"b", b"2.5"]))),
            vec![("ZRANGE zset:listpack 0 -1 WITHSCORES", "*4 $1 a $2 -1 $1 b $3 2.5".into())],
        ),
        (
            "zset:table",
            Value::ZSet(ZSetValue::Members(
                many.iter().enumerate().rev().map(|(i, m)| (m.clone(), i as f64 / 4.0)).collect(),
            )),
            vec![("ZSCORE zset:table member:10", "$3 2.5".into()), ("ZRANK zset:table member:599", ":599".into())],
        ),
        (
            "stream",
            Value::Stream(Box::new(stream())),
            vec![
                ("XRANGE stream - +", "*2 *2 $3 5-1 *2 $1 f $2 v1 *2 $3 6-0 *4 $1 f $2 v3 $1 g $1 w".into()),
                ("XPENDING stream group", "*4 :2 $3 5-1 $3 6-0 *2 *2 $5 alice $1 1 *2 $3 bob $1 1".into()),
                ("XLEN stream", ":2".into()),
            ],
        ),
    ]
}

fn ttl_samples() -> Vec<Sample> {
    let later = 4_000_000_000_000u64;
    let mut fields: Vec<HashField> = (0..600)
        .map(|i| HashField { field: format!("f{i}").into_bytes(), value: b"v".to_vec(), expire_ms: None })
        .collect();
    fields[5].expire_ms = Some(later + 5000);
    fields[9].expire_ms = Some(later);
    vec![
        (
            "ttl:table",
            Value::Hash(HashValue::Fields(fields)),
            vec![("HPEXPIRETIME ttl:table FIELDS 3 f5 f9 f0", "*3 :4000000005000 :4000000000000 :-1".into())],
        ),
        (
            "ttl:listpack",
            Value::Hash(HashValue::ListpackTtl(pack(&[b"f", b"v", b"4000000000000", b"g", b"w", b"0"]))),
            vec![("HPEXPIRETIME ttl:listpack FIELDS 2 f g", "*2 :4000000000000 :-1".into())],
        ),
    ]
}

/// A file with these keys in two databases, in padded blocks, with a function.
fn write_file(path: &Path, version: u16, samples: &[Sample], compress: bool) {
    let mut encoder = Encoder::new(compress);
    let mut out = Vec::new();
    encoder.header(&mut out, version);
    encoder.aux_standard(&mut out, "7.4.0", 1_700_000_000, 1 << 20, false);
    encoder.aux(&mut out, "basalt-unknown", b"skipped");
    encoder.function(&mut out, b"#!lua name=lib\nredis.register_function('f', function() return 42 end)");
    // Padding on both sides of every limit between forms of its length.
    [3, 4, 13, 14, 76, 77, 78, 16_397, 16_398].into_iter().for_each(|total| index::pad(&mut out, total));
    index::pad_to_block(&mut out);
    for (block, chunk) in samples.chunks(4).enumerate() {
        encoder.select_db(&mut out, 0);
        if block == 0 {
            encoder.resize_db(&mut out, samples.len() as u64, 2);
        }
        for (number, (key, value, _)) in chunk.iter().enumerate() {
            let expire_ms = (number == 1).then_some(4_000_000_000_000);
            let access = [Access::Unknown, Access::Idle(100), Access::Unknown, Access::Idle(70_000)][number];
            value.with_view(|view| encoder.encode_key(&mut out, key.as_bytes(), view, expire_ms, access));
        }
        index::pad_to_block(&mut out);
    }
    encoder.select_db(&mut out, 9);
    Value::String(b"there".to_vec()).with_view(|v| encoder.encode_key(&mut out, b"db9", v, None, Access::Frequency(7)));
    encoder.eof(&mut out);
    let crc = crc::checksum(&out);
    encoder.checksum(&mut out, crc);
    std::fs::write(path, out).unwrap();
}

#[test]
fn what_we_write_is_valid_and_means_the_same_in_redis_and_valkey() {
    let Some(runner) = peers() else { return };
    for (version, peers) in [(VERSION, &["redis", "valkey"][..]), (VERSION_FIELD_TTL, &["redis"])] {
        let mut samples = samples();
        if version == VERSION_FIELD_TTL {
            samples.extend(ttl_samples());
        }
        for (peer, compress) in peers.iter().flat_map(|peer| [(peer, false), (peer, true)]) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("ours.rdb");
            write_file(&path, version, &samples, compress);
            let check = Command::new(&runner).arg(format!("{peer}-check-rdb")).arg(&path).output().unwrap();
            assert!(check.status.success(), "{peer}: {}", String::from_utf8_lossy(&check.stdout));
            let server = Server::start(&runner, &format!("{peer}-server"), dir.path(), "ours.rdb");
            assert_eq!(server.say("DBSIZE"), format!(":{}", samples.len()), "{peer} {version}");
            for (key, value, questions) in &samples {
                let theirs = server.call(&[b"DUMP", key.as_bytes()]);
                let start = theirs.iter().position(|b| *b == b'\n').unwrap() + 1;
                let theirs = parse_dump(&theirs[start..theirs.len() - 2]).unwrap();
                assert_eq!(plain(&theirs), plain(value), "{peer} {key}");
                for (question, answer) in questions {
                    assert_eq!(server.say(question), *answer, "{peer} {version}: {question}");
                }
                // And the payload that we make is taken.
                let mut payload = Vec::new();
                value.with_view(|view| dump(&mut Encoder::new(compress), &mut payload, view));
                let reply = server.call(&[b"RESTORE", b"again", b"0", &payload, b"REPLACE"]);
                assert_eq!(reply, b"+OK\r\n", "{peer} {key}: {}", reply.escape_ascii());
            }
            assert_eq!(server.say("PEXPIRETIME str:int8"), ":4000000000000");
            assert_eq!(server.say("FCALL f 0"), ":42");
        }
    }
}

/// A value without its encoding: what two servers must agree on.
fn plain(value: &Value) -> Vec<Vec<u8>> {
    let spelled = |list: &Listpack| list.iter().map(|e| e.to_bytes().into_owned()).collect::<Vec<_>>();
    let score = |score: f64| score.to_bits().to_be_bytes().to_vec();
    let mut words = match value {
        Value::String(bytes) => return vec![bytes.clone()],
        Value::List(nodes) => {
            return nodes
                .iter()
                .flat_map(|node| match node {
                    ListNode::Packed(list) => spelled(list),
                    ListNode::Plain(bytes) => vec![bytes.clone()],
                })
                .collect();
        }
        Value::Stream(stream) => {
            let mut stream = stream.clone();
            for consumer in stream.groups.iter_mut().flat_map(|group| &mut group.consumers) {
                consumer.active_ms = 0;
            }
            return vec![format!("{stream:?}").into_bytes()];
        }
        Value::Set(SetValue::Intset(set)) => set.iter().map(|i| i.to_string().into_bytes()).collect(),
        Value::Set(SetValue::Listpack(list)) => spelled(list),
        Value::Set(SetValue::Members(members)) => members.clone(),
        Value::Hash(HashValue::Listpack(list)) => {
            spelled(list).chunks(2).map(|pair| [&pair[0][..], b"=", &pair[1], b"@0"].concat()).collect()
        }
        Value::Hash(HashValue::ListpackTtl(list)) => {
            spelled(list).chunks(3).map(|f| [&f[0][..], b"=", &f[1], b"@", &f[2]].concat()).collect()
        }
        Value::Hash(HashValue::Fields(fields)) => fields
            .iter()
            .map(|f| {
                let expire = f.expire_ms.unwrap_or(0).to_string();
                [&f.field[..], b"=", &f.value, b"@", expire.as_bytes()].concat()
            })
            .collect(),
        Value::ZSet(ZSetValue::Listpack(list)) => list
            .view()
            .pairs()
            .map(|(member, text)| {
                let number: f64 = text.with_bytes(|b| std::str::from_utf8(b).unwrap().parse().unwrap());
                [&member.to_bytes()[..], b"=", &score(number)].concat()
            })
            .collect(),
        Value::ZSet(ZSetValue::Members(members)) => {
            members.iter().map(|(member, number)| [&member[..], b"=", &score(*number)].concat()).collect()
        }
    };
    words.sort();
    words
}

/// Fills a peer, has it save, and gives back what it saved.
fn saved_by(runner: &Path, peer: &str, settings: &[&str], ttl: bool) -> (u16, Vec<KeyRecord>) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(runner, &format!("{peer}-server"), dir.path(), "theirs.rdb");
    for setting in settings {
        assert_eq!(server.say(&format!("CONFIG SET {setting}")), "+OK");
    }
    for line in [
        "SET s hello",
        "SET i 123456",
        "SET e soon PXAT 4000000000000",
        "RPUSH l a b 3 -4",
        "SADD si 1 2 3",
        "SADD sl a b 3",
        "HSET h f v g 1",
        "ZADD z 1 a 2.5 b inf c",
        "XADD x 1-1 f v",
        "XADD x 1-2 f w",
        "XADD x 2-0 g v h w",
        "XDEL x 1-2",
        "XGROUP CREATE x grp 0",
        "XREADGROUP GROUP grp alice COUNT 1 STREAMS x >",
        "XREADGROUP GROUP grp bob STREAMS x >",
        "PFADD hll a b c",
        "GEOADD geo 13.3 38.1 palermo",
    ] {
        let reply = server.say(line);
        assert!(!reply.starts_with('-'), "{peer}: {line}: {reply}");
    }
    let long = vec![b'x'; 20_000];
    let big: Vec<Vec<u8>> = (0..300).map(|i| format!("big:{i}").into_bytes()).collect();
    server.call(&[b"SET", b"long", &long]);
    server.call(&[b"RPUSH", b"llong", &long, b"short"]);
    let mut words: Vec<&[u8]> = vec![b"SADD", b"sbig"];
    words.extend(big.iter().map(|m| &m[..]));
    assert_eq!(server.call(&words), b":300\r\n");
    let mut words: Vec<&[u8]> = vec![b"HSET", b"hbig"];
    words.extend(big.iter().flat_map(|m| [&m[..], b"a value that repeats, a value that repeats"]));
    assert_eq!(server.call(&words), b":300\r\n");
    let scores: Vec<String> = (0..300).map(|i| (f64::from(i) / 3.0).to_string()).collect();
    let mut words: Vec<&[u8]> = vec![b"ZADD", b"zbig"];
    words.extend(big.iter().zip(&scores).flat_map(|(m, s)| [s.as_bytes(), &m[..]]));
    assert_eq!(server.call(&words), b":300\r\n");
    if ttl {
        for line in [
            "HSET ht a 1 b 2",
            "HPEXPIREAT ht 4000000000000 FIELDS 1 b",
            "HPEXPIREAT hbig 4000000000000 FIELDS 1 big:7",
        ] {
            assert!(!server.say(line).starts_with('-'), "{peer}: {line}");
        }
    }
    assert_eq!(server.say("SAVE"), "+OK");
    let file = std::fs::read(dir.path().join("theirs.rdb")).unwrap();
    let mut reader = Reader::new(&file[..], Options { deep: true, ..Options::default() }).unwrap();
    let mut keys = Vec::new();
    loop {
        match reader.next_item().unwrap() {
            Some(Item::Key(record)) => {
                // The same by the other way: DUMP and RESTORE under another name give an equal DUMP.
                let theirs = server.call(&[b"DUMP", &record.key]);
                let start = theirs.iter().position(|b| *b == b'\n').unwrap() + 1;
                assert_eq!(plain(&parse_dump(&theirs[start..theirs.len() - 2]).unwrap()), plain(&record.value));
                keys.push(record);
            }
            Some(Item::Eof(checksum)) => {
                assert_eq!(checksum, Checksum::Right);
                break;
            }
            Some(_) => {}
            None => unreachable!("a whole file ends in EOF"),
        }
    }
    keys.sort_by(|a, b| a.key.cmp(&b.key));
    (reader.version(), keys)
}

#[test]
fn what_redis_and_valkey_save_is_read_whole() {
    let Some(runner) = peers() else { return };
    let small: &[&str] = &[];
    let tables: &[&str] = &[
        "rdbcompression no",
        "hash-max-listpack-entries 0",
        "zset-max-listpack-entries 0",
        "set-max-listpack-entries 0",
        "set-max-intset-entries 0",
        "list-max-listpack-size 1",
        "maxmemory-policy allkeys-lfu",
    ];
    for peer in ["redis", "valkey"] {
        for settings in [small, tables] {
            for ttl in [false, true] {
                let (version, keys) = saved_by(&runner, peer, settings, ttl);
                let names: Vec<_> = keys.iter().map(|k| String::from_utf8_lossy(&k.key).into_owned()).collect();
                assert_eq!(keys.len(), 16 + usize::from(ttl), "{peer}: {names:?}");
                let get = |name: &str| keys.iter().find(|k| k.key == name.as_bytes()).unwrap();
                assert_eq!(get("e").expire_ms, Some(4_000_000_000_000));
                assert_eq!(get("i").value, Value::String(b"123456".to_vec()));
                assert_eq!(plain(&get("l").value), [&b"a"[..], b"b", b"3", b"-4"]);
                assert_eq!(plain(&get("sl").value), [&b"3"[..], b"a", b"b"]);
                assert_eq!(plain(&get("hbig").value).len(), 300);
                assert_eq!(plain(&get("zbig").value).len(), 300);
                let Value::Stream(stream) = &get("x").value else { panic!("not a stream") };
                assert_eq!((stream.meta.length, stream.meta.last_id, stream.meta.entries_added), (2, id(2, 0), 3));
                assert_eq!(stream.meta.max_deleted_id, id(1, 2));
                assert_eq!(stream.groups[0].pending.len(), 2);
                assert_eq!(stream.groups[0].consumers[1].name, b"bob");
                if ttl {
                    assert_eq!(plain(&get("ht").value), [&b"a=1@0"[..], b"b=2@4000000000000"]);
                    assert!(plain(&get("hbig").value).iter().any(|f| f.ends_with(b"@4000000000000")));
                }
                eprintln!("{peer}: read RDB version {version} with {} keys", keys.len());
                assert!([VERSION, VERSION_FIELD_TTL, VERSION_VALKEY].contains(&version));
            }
        }
    }
}

#[test]
fn a_listpack_is_what_redis_makes_of_the_same_elements() {
    let Some(runner) = peers() else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&runner, "redis-server", dir.path(), "none.rdb");
    assert_eq!(server.say("CONFIG SET rdbcompression no"), "+OK");
    assert_eq!(server.say("CONFIG SET list-max-listpack-size -5"), "+OK");
    let mut words: Vec<Vec<u8>> = [0, 1, 127, 128, -1, 4095, -4096, 4096, 32767, -32769, 8_388_607, -8_388_609]
        .into_iter()
        .chain([i64::from(i32::MAX), i64::from(i32::MIN) - 1, i64::MAX, i64::MIN])
        .map(|i| i.to_string().into_bytes())
        .collect();
    words.extend([b"".to_vec(), b"-0".to_vec(), b"01".to_vec(), b"9223372036854775808".to_vec()]);
    words.extend([63, 64, 4095, 4096, 16_378].map(|len| vec![b'x'; len]));
    let mut request: Vec<&[u8]> = vec![b"RPUSH", b"l"];
    request.extend(words.iter().map(|w| &w[..]));
    server.call(&request);
    let theirs = server.call(&[b"DUMP", b"l"]);
    let start = theirs.iter().position(|b| *b == b'\n').unwrap() + 1;
    let ours: Listpack = words.iter().map(|w| Element::Str(w)).collect();
    let Value::List(nodes) = parse_dump(&theirs[start..theirs.len() - 2]).unwrap() else { panic!("not a list") };
    let [ListNode::Packed(list)] = &nodes[..] else { panic!("not one node") };
    assert_eq!(list.as_bytes(), ours.as_bytes());
}
