//! docs/COMPAT.md, made from the command table: it cannot claim what is not there.

use basalt::command::spec::{COMMANDS, CommandSpec, Group};
use basalt::command::{Exec, all};
use std::fmt::Write;
use std::path::Path;

const HEAD: &str = "\
# Commands

This page is made from the command table. A test fails when it is out of date; to write it anew:

    REGENERATE=1 cargo test --test tests compat

The table knows every command of Redis 7.4 and Valkey 8.0, with arity, flags, key positions, ACL categories and documentation.
What is *missing* answers `ERR unknown command`, as an older Redis would: nothing is taken and ignored. `COMMAND`,
`COMMAND LIST` and `COMMAND DOCS` show only what is there. Replies and error texts are compared with those of a real Redis
(`tests/it/differential.rs`).
";

/// Differences that are meant, or not yet mended.
const NOTES: &str = "
## Where Basalt differs

- Writes are durable unless told otherwise: `appendonly yes`, `appendfsync always`. See DURABILITY.md.
- A command whose keys live on several cores runs as one: MSET, MGET, DEL, RENAME, COPY, MULTI/EXEC and their like need no hash tags.
- `SCAN` walks core by core. Its guarantees are Redis's; the cursors are other numbers.
- `KEYS`, `SCAN`, `RANDOMKEY` and sets show their members in another order.
- `SELECT`ed databases share one log; `SWAPDB`, `FLUSHDB` and `FLUSHALL` stop all cores for a moment.
- `OBJECT ENCODING` may say `embstr` where Redis says `raw` (a short string that was once changed in place), and `listpack` where Redis
  says `listpackex` (a hash whose fields no longer have times to live).
- A transaction over several cores does not stop the clock: two of its commands may see times a millisecond apart.
- `BITFIELD` with `OVERFLOW FAIL` that makes the string longer and then fails counts as a change: it is logged, and WATCH sees it.
- Of two shortest ways to write a score (`999999999999999.2` and `.3` for `.25`) the other one may be chosen.
- `INFO` reports `redis_version:7.4.1` for tools that look at it; Basalt's own version is in `basalt_version`.
- A client that waits for keys on several cores keeps its place in line, but is told of a new element a moment later than one whose
  keys are all on one core: a command that takes the element in that moment gets it, and the client waits on.
- While `CLIENT PAUSE … ALL` holds, the commands of `CLIENT` get through; Redis holds back even `CLIENT UNPAUSE`.
- In `SLOWLOG` a command of a transaction that ran on another core has `id=` and the client's number in place of its address.
- `SORT` does not change how a sorted set is encoded; Redis makes a skiplist of it.
- Reads leave expired keys to the active expiry, which finds them within a tenth of a second.
- `SORT` with `BY` or `GET` in a transaction stops all cores for a moment if there are several.
- `XREADGROUP` of a consumer's own pending entries is logged: delivery counts survive a crash.
- Directives that are honoured, refused or without effect: CONFIGURATION.md.
";

/// What the suite of Redis itself found, one unit a line: name, passed, failed, not run, why not all passed.
const SUITE: &str = include_str!("../redis_suite.tsv");

const SUITE_HEAD: &str = "
## Redis's own tests

The suite of Redis 7.4.1 against a Basalt with 2 cores, from outside, each unit on a fresh server:

    ./runtest --host 127.0.0.1 --port 6379 --durable --single UNIT --tags \"-needs:repl -slow -scripting\"

The server needs `--enable-debug-command yes --enable-protected-configs yes --appendfsync no`. The suite begins each test with
`FUNCTION FLUSH`, whose error has to be ignored as long as there are no functions. Nothing of the suite is part of this repository.

| Unit | Passed | Failed | Not run | What failed, and why |
|---|---|---|---|---|
";

fn suite() -> String {
    let mut table = SUITE_HEAD.to_owned();
    let mut sums = [0u32; 3];
    for line in SUITE.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let [unit, numbers @ .., why] = columns.as_slice() else { panic!("a line without columns: {line}") };
        let numbers: Vec<u32> = numbers.iter().map(|number| number.parse().unwrap()).collect();
        sums.iter_mut().zip(&numbers).for_each(|(sum, number)| *sum += number);
        assert!(numbers[1] == 0 || !why.is_empty(), "failures without a reason: {line}");
        writeln!(table, "| {unit} | {} | {} | {} | {why} |", numbers[0], numbers[1], numbers[2]).unwrap();
    }
    writeln!(table, "| all of these | {} | {} | {} | |", sums[0], sums[1], sums[2]).unwrap();
    table
}

fn title(group: Group) -> String {
    let name = group.name();
    name[..1].to_uppercase() + &name[1..].replace(['_', '-'], " ")
}

fn is_there(spec: &CommandSpec) -> bool {
    !matches!(all()[spec.id.index()].exec, Exec::Missing)
}

/// Commands and, of containers, the subcommands: those that are there, and those that are not.
fn divided(group: Group) -> (Vec<String>, Vec<String>) {
    let (mut there, mut missing) = (Vec::new(), Vec::new());
    for spec in COMMANDS.iter().filter(|spec| spec.group == group) {
        let name = spec.name.to_uppercase();
        if spec.is_container() {
            let of = |wanted: bool| {
                let subs = spec.subcommands.iter().filter(|sub| is_there(sub) == wanted);
                subs.map(|sub| sub.own_name().to_uppercase()).collect::<Vec<_>>().join(", ")
            };
            let (yes, no) = (of(true), of(false));
            if !yes.is_empty() {
                there.push(format!("{name} ({yes})"));
            } else if is_there(spec) {
                there.push(name.clone());
            }
            if !(no.is_empty() || is_there(spec) && yes.is_empty()) {
                missing.push(format!("{name} ({no})"));
            }
        } else if is_there(spec) {
            there.push(name);
        } else {
            missing.push(name);
        }
    }
    (there, missing)
}

fn page() -> String {
    let groups = [
        Group::String,
        Group::Generic,
        Group::List,
        Group::Hash,
        Group::Set,
        Group::SortedSet,
        Group::Stream,
        Group::Bitmap,
        Group::HyperLogLog,
        Group::Geo,
        Group::Transactions,
        Group::PubSub,
        Group::Connection,
        Group::Server,
        Group::Cluster,
        Group::Scripting,
        Group::Sentinel,
    ];
    let implemented = COMMANDS.iter().filter(|spec| is_there(spec) || spec.subcommands.iter().any(is_there));
    let mut page = HEAD.to_owned();
    write!(page, "\n{} of {} commands are there.\n\n", implemented.count(), COMMANDS.len()).unwrap();
    page.push_str("| Group | There | Missing |\n|---|---|---|\n");
    for group in groups {
        let (there, missing) = divided(group);
        if !there.is_empty() || !missing.is_empty() {
            writeln!(page, "| {} | {} | {} |", title(group), there.join(" "), missing.join(" ")).unwrap();
        }
    }
    page + NOTES + &suite()
}

#[test]
fn the_page_says_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/COMPAT.md");
    if std::env::var_os("REGENERATE").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page(), "docs/COMPAT.md is out of date: REGENERATE=1 cargo test --test tests compat");
}

#[test]
fn every_group_is_on_the_page() {
    let page = page();
    for spec in COMMANDS.iter() {
        assert!(page.contains(&spec.name.to_uppercase()), "{} is in no group of the page", spec.name);
    }
}
