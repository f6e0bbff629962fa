//! The command table against running servers: a Redis (8.0, or 7.4) and a Valkey (8.0 or later).
//!
//! `BASALT_PEERS` names a program that runs `redis-server` and `valkey-server` (`$BASALT_PEERS redis-server --port …`);
//! without it, `~/.cache/basalt-peers/run` is tried, and if there is none the tests say that they compared nothing.
//!
//! What must be equal: arity, flags, first/last/step, ACL categories, tips, key specifications (all but the remarks),
//! subcommands, and of the documentation everything but prose. What may differ stands in the lists below, with the reason.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use basalt::command::spec::{COMMANDS, SUBCOMMANDS, reply};
use basalt::resp::{OwnedArgs, Proto, Reply};

#[path = "it/ports.rs"]
mod ports;

/// Rows that Redis 8.0 has otherwise, with what differs there.
const REDIS_DIFFERS: &[(&str, &str, &str)] = &[
    ("hexpire", "flags", "Redis 7.4 has denyoom, 8.0 dropped it"),
    ("hexpireat", "flags", "Redis 7.4 has denyoom, 8.0 dropped it"),
    ("hpexpire", "flags", "Redis 7.4 has denyoom, 8.0 dropped it"),
    ("hpexpireat", "flags", "Redis 7.4 has denyoom, 8.0 dropped it"),
    ("client|list", "history", "8.0 added io-thread to its lines"),
    ("client|capa", "all", "Valkey's"),
    ("cluster|slot-stats", "all", "Valkey's"),
    ("script|show", "all", "Valkey's"),
    ("backup", "all", "Redis 8.10 has it"),
    ("backup|abort", "all", "Redis 8.10 has it"),
    ("backup|cleanup", "all", "Redis 8.10 has it"),
    ("backup|help", "all", "Redis 8.10 has it"),
    ("backup|list", "all", "Redis 8.10 has it"),
    ("backup|seal", "all", "Redis 8.10 has it"),
    ("backup|start", "all", "Redis 8.10 has it"),
    ("backup|status", "all", "Redis 8.10 has it"),
];

/// Rows that came from Valkey, compared with it; the rest follows Redis. The Valkey at hand may be newer than 8.0.
const VALKEY_ROWS: &[&str] = &["client|capa", "cluster|slot-stats", "script|show"];
const VALKEY_DIFFERS: &[(&str, &str, &str)] = &[("client|capa", "flags", "allow_busy since Valkey 9")];

/// Requests whose keys Redis reports otherwise.
const KEYS_DIFFER: &[(&str, &str)] = &[
    ("pfmerge d", "Redis's specification wants a source; the command does not, and it must be routed"),
    ("zunion 01 a b", "Redis finds a key although the command takes no such number"),
    ("georadius k 1 2 3 m store d storedist e", "Redis also reports the destination that is not written"),
];

type Predicate = fn(&[&str]) -> bool;

/// The same for random requests: which ones of a command.
const KEYS_DIFFER_FOR: &[(&str, Predicate, &str)] = &[
    ("pfmerge", |words| words.len() == 2, "as above"),
    ("georadius", stores_twice, "as above"),
    ("georadiusbymember", stores_twice, "as above"),
];

fn stores_twice(words: &[&str]) -> bool {
    words.contains(&"store") && words.contains(&"storedist")
}

const REQUESTS: &[&str] = &[
    "get k",
    "get",
    "ping",
    "foo",
    "config",
    "config foo",
    "config get x",
    "command count",
    "mget a b c",
    "mset a b c",
    "msetnx a 1 b 2",
    "set a b",
    "set a b get",
    "set a get",
    "set a b GET ex 1",
    "bitfield k",
    "bitfield k get u8 0",
    "bitfield k get u8 0 set u8 0 1",
    "bitfield k overflow fail",
    "bitfield k overflow",
    "bitfield k overflow sat get u8 0",
    "bitfield k overflow sat incrby u8 0 1",
    "bitfield k get u8",
    "bitop and d a b",
    "lcs a b len",
    "blpop a b 0",
    "blpop 0 1",
    "rename a b",
    "smove a b c",
    "sdiffstore d a b",
    "sintercard 2 a b",
    "sintercard 3 a b",
    "zunion 0 a",
    "zunion 2 a b weights 1 2",
    "zunion 3 a",
    "zunion -1 a b",
    "zunion x a b",
    "zunionstore d 2 a b",
    "zunionstore d 5 a",
    "zdiffstore d 1 a b",
    "zrangestore d s 0 -1",
    "lmpop 2 a b left",
    "lmpop 9 a b left",
    "blmpop 0 2 a b left count 1",
    "bzmpop 0 1 a min",
    "eval x 0",
    "eval x 2 a b c",
    "eval x 9 a b c",
    "eval x a",
    "evalsha_ro x 1 a",
    "fcall f 3 a",
    "fcall_ro f 1 a b",
    "sort k",
    "sort k store d",
    "sort k by store get store store d",
    "sort k limit store 1 alpha",
    "sort k store a store b",
    "sort k store",
    "sort_ro k by w* get #",
    "georadius k 1 2 3 m",
    "georadius k 1 2 3 m store d",
    "georadius k 1 2 3 m count 1 storedist d",
    "georadius_ro k 1 2 3 m",
    "georadiusbymember k m 3 m store d",
    "geosearchstore d s frommember m byradius 1 m",
    "migrate h 1 k 0 0",
    "migrate h 1 k 0 0 keys a b",
    "migrate h 1 - 0 0 copy",
    "migrate h 1 - 0 0 keys",
    "migrate h 1 - 0 0 keys a b",
    "migrate h 1 - 0 0 auth keys keys a",
    "migrate h 1 - 0 0 auth2 keys keys keys a b",
    "xread streams a 0",
    "xread streams a b 0",
    "xread count 5 streams a b 0 0",
    "xread count 5 streams",
    "xreadgroup group g c streams a b > >",
    "xreadgroup group streams c streams a >",
    "xadd s * f v",
    "object encoding k",
    "memory usage k samples 5",
    "memory doctor",
    "xinfo stream k full",
    "xgroup create k g $ mkstream",
    "spublish c m",
    "publish c m",
    "watch a b",
    "pfcount a b",
    "pfmerge d a",
    "restore k 0 v replace",
    "hgetex k fields 1 f",
    "hsetex k fields 1 f v",
    "copy a b",
    "exists a b",
    "keys *",
    "scan 0",
];

#[test]
fn no_row_differs_from_redis() {
    let Some(mut peer) = Peer::start("redis-server") else { return };
    let expected = rows(&peer.ask(&["COMMAND"]));
    let ours = rows(&basalt(&["COMMAND"]));
    let mut report = Report::new(REDIS_DIFFERS);
    for (name, row) in &ours {
        match expected.get(name) {
            Some(expected) => compare_rows(name, row, expected, &mut report),
            None => report.add(name, "all", "is not there"),
        }
    }
    for (name, row) in &expected {
        let module = list(&list(row)[2]).contains(&Value::Text("module".into()));
        if !module && !ours.contains_key(name) {
            report.add(name, "missing", "is missing here");
        }
    }
    report.finish();
}

#[test]
fn no_documentation_differs_from_redis() {
    let Some(mut peer) = Peer::start("redis-server") else { return };
    let expected = documents(&peer.ask(&["COMMAND", "DOCS"]));
    let ours = documents(&basalt(&["COMMAND", "DOCS"]));
    let mut report = Report::new(REDIS_DIFFERS);
    for (name, document) in &ours {
        match expected.get(name) {
            Some(expected) => compare_documents(name, document, expected, &mut report),
            None => report.add(name, "all", "is not there"),
        }
    }
    report.finish();
}

#[test]
fn rows_taken_from_valkey_are_as_there() {
    let Some(mut peer) = Peer::start("valkey-server") else { return };
    let (expected, ours) = (rows(&peer.ask(&["COMMAND"])), rows(&basalt(&["COMMAND"])));
    let expected_docs = documents(&peer.ask(&["COMMAND", "DOCS"]));
    let our_docs = documents(&basalt(&["COMMAND", "DOCS"]));
    let mut report = Report::new(VALKEY_DIFFERS);
    for name in VALKEY_ROWS {
        compare_rows(name, &ours[*name], &expected[*name], &mut report);
        compare_documents(name, &our_docs[*name], &expected_docs[*name], &mut report);
    }
    report.finish();
}

#[test]
fn the_same_keys_are_found_as_by_redis() {
    let Some(mut peer) = Peer::start("redis-server") else { return };
    let mut wrong = Vec::new();
    for request in REQUESTS.iter().copied().chain(KEYS_DIFFER.iter().map(|(request, _)| *request)) {
        for subcommand in ["GETKEYS", "GETKEYSANDFLAGS"] {
            let mut words = vec!["COMMAND", subcommand];
            words.extend(request.split(' ').map(|word| if word == "-" { "" } else { word }));
            let (ours, theirs) = (basalt(&words), peer.ask(&words));
            let known = KEYS_DIFFER.iter().any(|(known, _)| *known == request);
            if (ours == theirs) == known {
                wrong.push(format!("{subcommand} {request}: {ours:?} here, {theirs:?} there"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Words that mean something to some command, and some that don't.
const WORDS: &[&str] = &[
    "-",
    "a",
    "b",
    "0",
    "1",
    "2",
    "3",
    "-1",
    "get",
    "set",
    "incrby",
    "overflow",
    "store",
    "storedist",
    "by",
    "limit",
    "keys",
    "auth",
    "auth2",
    "copy",
    "streams",
    "count",
    "block",
    "group",
    "u8",
    "asc",
];

#[test]
fn random_requests_have_the_same_keys_as_in_redis() {
    let Some(mut peer) = Peer::start("redis-server") else { return };
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1u64);
    println!("SEED={seed}");
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % below
    };
    let with_keys: Vec<_> = COMMANDS.iter().chain(&SUBCOMMANDS).filter(|spec| !spec.keys.is_empty()).collect();
    for _ in 0..10_000 {
        let spec = with_keys[random(with_keys.len())];
        if VALKEY_ROWS.contains(&spec.name) {
            continue;
        }
        let mut words = vec!["COMMAND", "GETKEYSANDFLAGS"];
        words.extend(spec.name.split('|'));
        let least = spec.arity.unsigned_abs() as usize + 2;
        let count = if spec.arity < 0 { least + random(8) } else { least };
        // Each word once: what Redis makes of two STORE or KEYS is not always what the command makes of them.
        while words.len() < count {
            let word = WORDS[random(WORDS.len())];
            if !words.contains(&word) {
                words.push(word);
            }
        }
        words.iter_mut().filter(|word| **word == "-").for_each(|word| *word = "");
        if KEYS_DIFFER_FOR.iter().any(|(name, differs, _)| *name == spec.name && differs(&words[2..])) {
            continue;
        }
        assert_eq!(basalt(&words), peer.ask(&words), "{words:?}, SEED={seed}");
    }
}

#[test]
fn unknown_commands_are_refused_in_the_same_words_as_by_redis() {
    let Some(mut peer) = Peer::start("redis-server") else { return };
    let long = "x".repeat(300);
    let many = ["y"; 200].join(" ");
    for request in ["nosuch", "NoSuch a b", "config", "CONFIG get", "config nosuch x", "get", "get a b", "object freq"]
    {
        compare_refusals(&mut peer, &request.split(' ').collect::<Vec<_>>());
    }
    compare_refusals(&mut peer, &[&long, &long, "a"]);
    compare_refusals(&mut peer, &["config", &long]);
    compare_refusals(&mut peer, &format!("nosuch {many}").split(' ').collect::<Vec<_>>());
    compare_refusals(&mut peer, &["no\0such", "a\0b", "c\r\nd"]);
}

fn compare_refusals(peer: &mut Peer, words: &[&str]) {
    let owned = OwnedArgs::new(words);
    let error = basalt::command::spec::resolve(owned.as_args()).expect_err("must be refused");
    let mut out = Vec::new();
    Reply::new(&mut out, Proto::Resp3).error(error.text(owned.as_args()));
    assert_eq!(read_value(&mut &out[..]), peer.ask(words), "{words:?}");
}

/// What COMMAND answers here.
fn basalt(words: &[&str]) -> Value {
    let owned = OwnedArgs::new(words);
    let mut out = Vec::new();
    reply::command(owned.as_args(), &mut Reply::new(&mut out, Proto::Resp3), &|_| true);
    read_value(&mut &out[..])
}

/// Differences, but for those that are known.
struct Report {
    known: &'static [(&'static str, &'static str, &'static str)],
    met: Vec<(&'static str, &'static str)>,
    differences: Vec<String>,
}

impl Report {
    fn new(known: &'static [(&'static str, &'static str, &'static str)]) -> Self {
        Report { known, met: Vec::new(), differences: Vec::new() }
    }

    fn add(&mut self, name: &str, part: &str, what: impl std::fmt::Display) {
        match self.known.iter().find(|(n, p, _)| *n == name && (*p == part || *p == "all")) {
            Some((name, part, _)) => self.met.push((name, part)),
            None => self.differences.push(format!("{name}: {part} {what}")),
        }
    }

    fn finish(self) {
        assert!(
            self.differences.is_empty(),
            "{} differences:\n{}",
            self.differences.len(),
            self.differences.join("\n")
        );
        println!("known differences met: {:?}", self.met);
    }
}

/// The elements of COMMAND, subcommands included, by name.
fn rows(value: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for row in list(value) {
        found.extend(rows(&list(row)[9]));
        found.insert(text(&list(row)[0]), row.clone());
    }
    found
}

fn compare_rows(name: &str, ours: &Value, theirs: &Value, report: &mut Report) {
    let parts = ["name", "arity", "flags", "first", "last", "step", "categories", "tips", "keys"];
    for (at, part) in parts.iter().enumerate() {
        let (ours, theirs) = (without_notes(&list(ours)[at]), without_notes(&list(theirs)[at]));
        if ours != theirs {
            report.add(name, part, format!("{ours:?} here, {theirs:?} there"));
        }
    }
}

/// Remarks are prose, and ours are our own.
fn without_notes(value: &Value) -> Value {
    match value {
        Value::Map(pairs) => Value::Map(
            pairs.iter().filter(|(k, _)| text(k) != "notes").map(|(k, v)| (k.clone(), without_notes(v))).collect(),
        ),
        Value::List(items) => Value::List(items.iter().map(without_notes).collect()),
        other => other.clone(),
    }
}

fn documents(value: &Value) -> BTreeMap<String, BTreeMap<String, Value>> {
    let mut found = BTreeMap::new();
    let Value::Map(pairs) = value else { panic!("{value:?}") };
    for (name, document) in pairs {
        let Value::Map(fields) = document else { panic!("{document:?}") };
        let fields: BTreeMap<_, _> = fields.iter().map(|(k, v)| (text(k), v.clone())).collect();
        if let Some(subcommands) = fields.get("subcommands") {
            found.extend(documents(subcommands));
        }
        found.insert(text(name), fields);
    }
    found
}

fn compare_documents(
    name: &str,
    ours: &BTreeMap<String, Value>,
    theirs: &BTreeMap<String, Value>,
    report: &mut Report,
) {
    for part in ["since", "group", "doc_flags", "deprecated_since", "replaced_by", "arguments"] {
        let (ours, theirs) = (ours.get(part), theirs.get(part));
        if ours != theirs {
            report.add(name, part, format!("{ours:?} here, {theirs:?} there"));
        }
    }
    let versions = |document: &BTreeMap<String, Value>| -> Vec<Value> {
        document.get("history").map_or(Vec::new(), |h| list(h).iter().map(|change| list(change)[0].clone()).collect())
    };
    if versions(ours) != versions(theirs) {
        report.add(name, "history", format!("{:?} here, {:?} there", versions(ours), versions(theirs)));
    }
}

/// A RESP3 value; sets and arrays are not told apart but by the tests beside the code.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Null,
    Integer(i64),
    Text(String),
    Error(String),
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::List(items) => items,
        other => panic!("no list: {other:?}"),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        other => panic!("no text: {other:?}"),
    }
}

fn read_value(from: &mut impl BufRead) -> Value {
    let mut line = Vec::new();
    from.read_until(b'\n', &mut line).expect("read");
    let line = String::from_utf8_lossy(&line).trim_end_matches("\r\n").to_owned();
    let (kind, rest) = line.split_at(1);
    let number = || rest.parse::<i64>().expect("a number");
    match kind {
        "+" => Value::Text(rest.to_owned()),
        "-" => Value::Error(rest.to_owned()),
        ":" => Value::Integer(number()),
        "_" => Value::Null,
        "$" => {
            let mut bytes = vec![0; number() as usize + 2];
            from.read_exact(&mut bytes).expect("read");
            bytes.truncate(bytes.len() - 2);
            Value::Text(String::from_utf8_lossy(&bytes).into_owned())
        }
        "*" | "~" => Value::List((0..number()).map(|_| read_value(from)).collect()),
        "%" => Value::Map((0..number()).map(|_| (read_value(from), read_value(from))).collect()),
        _ => panic!("unknown type: {line}"),
    }
}

/// A running server, stopped when dropped.
struct Peer {
    child: Child,
    connection: BufReader<TcpStream>,
    _dir: tempfile::TempDir,
}

impl Peer {
    /// Starts it and speaks RESP3 to it; `None`, loudly, if there is none to start.
    fn start(server: &str) -> Option<Peer> {
        let runner = std::env::var_os("BASALT_PEERS").map(PathBuf::from).or_else(|| {
            Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/basalt-peers/run")).filter(|path| path.exists())
        });
        let Some(runner) = runner else {
            // Not eprintln!, which the test harness would swallow.
            let notice =
                format!("SKIPPED: nothing compared with {server}; set BASALT_PEERS to a program that runs it\n");
            std::io::stderr().write_all(notice.as_bytes()).expect("write");
            return None;
        };
        let dir = tempfile::tempdir().expect("a directory");
        let port = ports::free_port();
        let child = Command::new(runner)
            .arg(server)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("the server starts");
        let mut attempts = 0;
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(error) if attempts == 500 => panic!("{server} does not answer: {error}"),
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(20)),
            }
            attempts += 1;
        };
        let mut peer = Peer { child, connection: BufReader::new(stream), _dir: dir };
        peer.ask(&["HELLO", "3"]);
        Some(peer)
    }

    fn ask(&mut self, words: &[&str]) -> Value {
        let mut request = Vec::new();
        basalt::resp::write_command(&mut request, words.iter().map(|word| word.as_bytes()));
        self.connection.get_mut().write_all(&request).expect("write");
        read_value(&mut self.connection)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Nothing is to be saved; a server that is gone already needs no stopping.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn no_documented_command_is_missing() {
    // Redis 7.4 without SENTINEL (250 and 129), HGETDEL, HGETEX and HSETEX, BACKUP of Redis 8.10 (1 and 7), and three subcommands of
    // Valkey 8.
    assert_eq!((COMMANDS.len(), SUBCOMMANDS.len()), (254, 139));
}
