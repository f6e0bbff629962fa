//! Snapshots of a shard whose keys change between slices.

use super::*;
use crate::command::testing::{Bench, NOW_MS};
use crate::config::Settings;
use crate::keyspace::ValueRef;
use crate::keyspace::{Keyspace, SlabOptions};
use crate::listpack::{Element, Listpack};
use crate::log::BaseHeader;
use crate::object::Object;
use crate::object::stream::StreamId;
use crate::rdb::{Item, KeyRecord, ListNodeView, Options, Reader, Value, ValueView};
use crate::recovery::CommandsBase;
use crate::shard::{Shard, Unit};
use crate::storage::{Fs, Open, SimFs, read_file};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

/// Database and key, the value's elements whatever its encoding, expiry.
pub(super) type Content = BTreeMap<(usize, Vec<u8>), (Vec<Vec<u8>>, Option<u64>)>;

/// The elements of a value: those of lists and streams in order, others sorted; of streams the encoding of all but nodes too.
fn elements(view: ValueView<'_>) -> Vec<Vec<u8>> {
    let text = |element: Element<'_>| element.to_bytes().into_owned();
    let pair = |a: Element<'_>, b: &[u8]| [&a.to_bytes()[..], b"=", b].concat();
    let sorted = |mut all: Vec<Vec<u8>>| {
        all.sort();
        all
    };
    let listpack = |bytes: &[u8]| Listpack::from_bytes(bytes).unwrap();
    match view {
        ValueView::List { iter, .. } => iter
            .flat_map(|node| match node {
                ListNodeView::Packed(bytes) => listpack(bytes).iter().map(text).collect(),
                ListNodeView::Plain(bytes) => vec![bytes.to_vec()],
            })
            .collect(),
        ValueView::ListListpack(bytes) => listpack(bytes).iter().map(text).collect(),
        ValueView::Set { iter, .. } => sorted(iter.map(text).collect()),
        ValueView::Hash { iter, .. } => sorted(iter.map(|(field, value)| pair(field, &value.to_bytes())).collect()),
        ValueView::HashTtl { iter, .. } => sorted(
            iter.map(|(field, value, at)| {
                pair(field, &[&value.to_bytes()[..], format!("@{at:?}").as_bytes()].concat())
            })
            .collect(),
        ),
        ValueView::ZSet { iter, .. } => {
            sorted(iter.map(|(member, score)| pair(member, &score.to_le_bytes())).collect())
        }
        // The other forms are the same on both sides.
        view => {
            let mut plain = Vec::new();
            crate::rdb::Encoder::new(false).value(&mut plain, view);
            vec![plain]
        }
    }
}

pub(super) fn content(shard: &Shard) -> Content {
    let mut content = Content::new();
    for (number, db) in shard.keyspace().dbs().iter().enumerate() {
        db.for_each(|entry| {
            let value = crate::rdb::with_stored(db.value(entry), elements);
            content.insert((number, db.key(entry).to_vec()), (value, db.expire_at(entry)));
        });
    }
    content
}

pub(super) fn read(bytes: &[u8]) -> Content {
    let mut content = Content::new();
    let mut reader = Reader::new(bytes, Options { deep: true, ..Options::default() }).unwrap();
    let mut db = 0;
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::SelectDb(number) => db = number as usize,
            Item::Key(KeyRecord { key, value, expire_ms, .. }) => {
                let plain = value.with_view(elements);
                let old = content.insert((db, key), (plain, expire_ms.map(|at| at as u64)));
                assert!(old.is_none(), "a key is written once");
            }
            _ => {}
        }
    }
    content
}

pub(super) const HEADER: BaseHeader = BaseHeader { id: 5, seed: 6, cores: 1, time_ms: NOW_MS };

/// As [`content`], but of streams what commands can tell: not how entries lie in nodes, nor when a consumer was seen.
pub(super) fn facts(shard: &Shard) -> Content {
    let mut content = content(shard);
    for (number, db) in shard.keyspace().dbs().iter().enumerate() {
        db.for_each(|entry| {
            let ValueRef::Object(Object::Stream(stream)) = db.value(entry) else { return };
            let log = stream.log();
            let entries = log.range(StreamId::MIN, StreamId::MAX);
            let entries = entries.map(|entry| format!("{:?} {:?}", entry.id, entry.fields().collect::<Vec<_>>()));
            let mut told: Vec<_> = entries.collect();
            told.push(format!("{:?} {} {:?}", log.meta(), log.len(), log.first_id()));
            for (name, group) in stream.groups() {
                told.push(format!("{name:?} {:?} {:?}", group.last_id, group.entries_read));
                for (_, consumer) in group.consumers() {
                    told.push(format!("{:?} {:?}", consumer.name(), consumer.pending()));
                }
                for (id, pending) in group.pending_range(StreamId::MIN..=StreamId::MAX) {
                    let consumer = group.consumer(pending.consumer).name();
                    told.push(format!("{id:?} {consumer:?} {} {}", pending.delivery_time_ms, pending.delivery_count));
                }
            }
            let told = told.into_iter().map(String::into_bytes).collect();
            content.insert((number, db.key(entry).to_vec()), (told, db.expire_at(entry)));
        });
    }
    content
}

/// The facts of a base of commands.
pub(super) fn read_base(fs: &SimFs, path: &Path) -> Content {
    let file = fs.open(path, Open::Read).unwrap();
    let base = CommandsBase::open(path, file, Some(HEADER.id)).unwrap();
    let mut bench = Bench::new();
    let load = |db, args: crate::resp::Args<'_>| {
        bench.session.db = db;
        let reply = bench.raw(&args.iter().collect::<Vec<_>>());
        if reply.starts_with(b"-") { Err(String::from_utf8_lossy(&reply).into_owned()) } else { Ok(()) }
    };
    let mut load = load;
    base.replay(|_| true, &mut load).unwrap();
    let facts = facts(&bench.shard);
    assert_eq!(base.end.keys, facts.len() as u64);
    facts
}

pub(super) fn order(blocks: usize) -> (Order, Receiver<Piece>) {
    let (out, pieces) = sync_channel(blocks);
    let shared = Arc::new(target(&SimFs::new(1)).shared(u64::MAX));
    (Order { shared, out, compress: true, uses: Uses::Idle, aligned: true, as_commands: false }, pieces)
}

pub(super) fn target(fs: &SimFs) -> Target {
    Target {
        fs: Arc::new(fs.clone()),
        path: PathBuf::from("/data/dump.rdb"),
        temporary: PathBuf::from("/data/temp-1.rdb"),
        checksum: true,
        redis_version: "7.4.1",
        ctime_s: 1,
        used_memory_bytes: 1,
        aof_base: false,
        commands: None,
        aligned: true,
        incremental_sync: true,
        threads: 1,
    }
}

/// A random command: strings, values that other cores sent, times, databases.
fn change(bench: &mut Bench, rng: &mut StdRng) {
    bench.session.db = rng.random_range(0..3);
    let key = format!("k{}", rng.random_range(0..400));
    let other = format!("k{}", rng.random_range(0..400));
    let line = match rng.random_range(0..12) {
        0..3 => format!("SET {key} {}", "v".repeat(rng.random_range(1..300))),
        3 => format!("SET {key} {} PX {}", rng.random::<i32>(), rng.random_range(1..100_000)),
        4 => format!("DEL {key}"),
        5 => format!("APPEND {key} x"),
        6 => format!("RENAME {key} {other}"),
        7 => format!("COPY {key} {other} DB {} REPLACE", rng.random_range(0..3)),
        8 => format!("PEXPIRE {key} {}", rng.random_range(1..100_000)),
        9 => format!("MOVE {key} {}", rng.random_range(0..3)),
        10 => format!("SETBIT {key} {} 1", rng.random_range(0..3000)),
        _ => return bench.pass(rng.random_range(0..300)),
    };
    bench.run(&line);
}

#[test]
fn a_snapshot_is_the_state_at_its_instant_whatever_changes_meanwhile() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut bench = Bench::new();
    for round in 0..40 {
        for _ in 0..rng.random_range(0..800) {
            change(&mut bench, &mut rng);
        }
        let expected = content(&bench.shard);
        let (order, pieces) = order(1 << 16);
        let shared = order.shared.clone();
        bench.shard.begin_snapshot(order);
        let abandon_at = (round % 4 == 3).then(|| rng.random_range(0..40));
        let mut slices = 0;
        while bench.shard.advance_snapshot(rng.random_range(1..20_000)) != Progress::Done {
            slices += 1;
            if Some(slices) == abandon_at {
                shared.abandon();
            }
            for _ in 0..rng.random_range(0..60) {
                change(&mut bench, &mut rng);
            }
            bench.shard.enter_unit(Unit::default());
            bench.shard.expire_some(rng.random_range(0..5));
            bench.shard.leave_unit();
            match rng.random_range(0..30) {
                0 => bench.shard.swap(0, rng.random_range(1..3)),
                1 => bench.shard.flush(Some(rng.random_range(0..3))),
                _ => {}
            }
            bench.shard.free_some(100);
        }
        let fs = SimFs::new(seed);
        fs.create_dir(Path::new("/data")).unwrap();
        let written = write(&target(&fs), &shared, pieces, 1);
        if shared.is_abandoned() {
            assert!(matches!(written, Err(WriteError::Abandoned)));
            assert!(!fs.exists(Path::new("/data/temp-1.rdb")).unwrap());
            continue;
        }
        let file = read_file(&fs, Path::new("/data/dump.rdb"), 1 << 30).unwrap();
        assert_eq!(file.len() as u64, written.unwrap());
        assert_eq!(read(&file), expected, "SEED={seed} round {round}");
        assert_eq!(shared.keys_done.load(std::sync::atomic::Ordering::Relaxed), expected.len() as u64);
        assert_eq!(shared.pending_bytes.load(std::sync::atomic::Ordering::Relaxed), 0);
    }
}

#[test]
fn flushing_everything_calls_a_snapshot_off_on_all_cores() {
    let mut bench = Bench::new();
    bench.run("MSET a 1 b 2 c 3");
    let (order, pieces) = order(16);
    let shared = order.shared.clone();
    bench.shard.begin_snapshot(order);
    bench.shard.flush(None);
    assert!(shared.is_abandoned() && !bench.shard.has_snapshot());
    assert!(pieces.recv().is_err(), "the core has let go of the writer");
}

#[test]
fn a_full_queue_pauses_the_walk_and_loses_nothing() {
    let mut bench = Bench::new();
    // Values that do not compress: numbers one behind the other, three blocks in all.
    for key in 0..600u64 {
        let value: String = (0..400u64).map(|n| (n * n * 7919 + key * 104_729).to_string()).collect();
        bench.run(&format!("SET k{key} {value}"));
    }
    let expected = content(&bench.shard);
    let (order, pieces) = order(1);
    let shared = order.shared.clone();
    bench.shard.begin_snapshot(order);
    let mut progress = Progress::More;
    for _ in 0..100_000 {
        progress = bench.shard.advance_snapshot(1 << 20);
        if progress != Progress::More {
            break;
        }
    }
    assert_eq!(progress, Progress::Waiting);
    for key in 0..600 {
        bench.run(&format!("SET k{key} new"));
    }
    let fs = SimFs::new(1);
    fs.create_dir(Path::new("/data")).unwrap();
    std::thread::scope(|scope| {
        let (target, shared) = (target(&fs), &shared);
        let writer = scope.spawn(move || write(&target, shared, pieces, 1).unwrap());
        while bench.shard.advance_snapshot(1 << 20) != Progress::Done {
            std::thread::yield_now();
        }
        writer.join().unwrap()
    });
    assert_eq!(read(&read_file(&fs, Path::new("/data/dump.rdb"), 1 << 30).unwrap()), expected);
}

#[test]
fn a_snapshot_that_cannot_be_written_leaves_the_last_one() {
    let fs = SimFs::new(1);
    fs.create_dir(Path::new("/data")).unwrap();
    let old = fs.open(Path::new("/data/dump.rdb"), Open::Create).unwrap();
    old.write_at(b"the last good one", 0, false).unwrap();
    let (order, pieces) = order(16);
    let shared = order.shared.clone();
    // One core of two never ends: it has called the snapshot off.
    let keyspace = Keyspace::new(16, NOW_MS, SlabOptions::default()).unwrap();
    let mut shard = Shard::new(0, 2, keyspace, Arc::new(Settings::default()), NOW_MS);
    shard.begin_snapshot(order);
    assert_eq!(shard.advance_snapshot(1 << 20), Progress::Done);
    assert!(matches!(write(&target(&fs), &shared, pieces, 2), Err(WriteError::Abandoned)));
    assert_eq!(fs.list(Path::new("/data")).unwrap(), ["dump.rdb"]);
    assert_eq!(read_file(&fs, Path::new("/data/dump.rdb"), 100).unwrap(), b"the last good one");
}

#[test]
fn a_file_is_of_version_12_only_if_fields_have_times() {
    for (text, version) in [("0", &b"REDIS0011"[..]), ("5000000000000", b"REDIS0012")] {
        let mut bench = Bench::new();
        let list = ["f", "v", text].iter().map(|word| word.as_bytes()).collect();
        let value = Value::Hash(crate::rdb::HashValue::ListpackTtl(list));
        let mut payload = Vec::new();
        value.with_view(|view| crate::rdb::dump(&mut crate::rdb::Encoder::new(false), &mut payload, view));
        assert_eq!(bench.raw(&[b"RESTORE", &b"h"[..], b"0", &payload]), b"+OK\r\n");
        let (order, pieces) = order(16);
        let shared = order.shared.clone();
        bench.shard.begin_snapshot(order);
        bench.shard.finish_snapshot();
        let fs = SimFs::new(1);
        fs.create_dir(Path::new("/data")).unwrap();
        write(&target(&fs), &shared, pieces, 1).unwrap();
        let file = read_file(&fs, Path::new("/data/dump.rdb"), 1 << 20).unwrap();
        assert_eq!(&file[..9], version);
        assert_eq!(read(&file).len(), 1);
    }
}
