//! Large collections under change while a snapshot is inside them.

use super::tests::{HEADER, content, facts, order, read, read_base, target};
use super::*;
use crate::command::testing::Bench;
use crate::storage::{Fs, SimFs, read_file};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::path::Path;
use std::sync::Arc;

/// Values whose elements are counted in thousands, of every type.
fn fill(bench: &mut Bench, elements: usize) {
    for n in 0..elements {
        bench.run(&format!("HSET hash field:{n} {}", n * 7));
        bench.run(&format!("HSET timed field:{n} value"));
        bench.run(&format!("SADD set member:{n}"));
        bench.run(&format!("ZADD zset {} member:{n}", n % 97));
        bench.run(&format!("RPUSH list element:{n}"));
        bench.run(&format!("XADD stream {}-1 f {n}", n + 1));
    }
    for n in (0..elements).step_by(5) {
        bench.run(&format!("HPEXPIREAT timed {} FIELDS 1 field:{n}", 5_000_000_000_000u64 + n as u64));
    }
    bench.run("PEXPIRE zset 100000000");
    bench.run("XGROUP CREATE stream group 0");
    bench.run("XREADGROUP GROUP group alice COUNT 10 STREAMS stream >");
}

fn change(bench: &mut Bench, rng: &mut StdRng, elements: usize) {
    let n = rng.random_range(0..elements * 5 / 4);
    let key = |rng: &mut StdRng, name: &str| match rng.random_range(0..4) {
        0 => format!("{name}2"),
        _ => name.to_string(),
    };
    let (hash, set, zset) = (key(rng, "hash"), key(rng, "set"), key(rng, "zset"));
    let (list, stream) = (key(rng, "list"), key(rng, "stream"));
    let line = match rng.random_range(0..34) {
        0..3 => format!("HSET {hash} field:{n} new"),
        3 => format!("HDEL {hash} field:{n}"),
        4 => format!("HSET timed field:{n} new"),
        5 => format!("HPEXPIREAT timed {} FIELDS 1 field:{n}", 4_000_000_000_000u64 + n as u64),
        6 => format!("HPERSIST timed FIELDS 1 field:{n}"),
        7 => format!("SADD {set} member:{n} other:{n}"),
        8 => format!("SREM {set} member:{n}"),
        9 => format!("SPOP {set} 3"),
        10..13 => format!("ZADD {zset} {} member:{n}", rng.random_range(0..1000)),
        13 => format!("ZREM {zset} member:{n}"),
        14 => format!("ZPOPMIN {zset} 2"),
        15 => format!("ZREMRANGEBYRANK {zset} {n} {}", n + 3),
        16 => format!("LPUSH {list} a b c"),
        17 => format!("RPUSH {list} {n}"),
        18 => format!("LPOP {list} 2"),
        19 => format!("RPOP {list} 5"),
        20 => format!("LSET {list} {n} changed"),
        21 => format!("LINSERT {list} BEFORE element:{n} inserted"),
        22 => format!("LREM {list} {} element:{n}", rng.random_range(-1..2)),
        23 => format!("LTRIM {list} {} -{}", rng.random_range(0..20), rng.random_range(1..20)),
        24 => format!("XADD {stream} * f new"),
        25 => format!("XDEL {stream} {n}-1"),
        26 => format!("XTRIM {stream} MAXLEN {}", elements - elements / 8),
        27 => "XREADGROUP GROUP group bob COUNT 3 STREAMS stream >".to_string(),
        28 => format!("XACK stream group {}-1", rng.random_range(1..20)),
        _ => match rng.random_range(0..60) {
            0 => format!("RENAME {hash} hash2"),
            1 => format!("RENAME {set} set2"),
            2 => format!("RENAME {zset} zset"),
            3 => format!("RENAME {list} list2"),
            4 => format!("RENAME {stream} stream2"),
            5 => format!("DEL {hash}"),
            6 => format!("DEL {zset} {list}"),
            7 => format!("SET {set} string"),
            8 => format!("MOVE {stream} 1"),
            9 => "COPY hash hash2 REPLACE".to_string(),
            10 => format!("PEXPIRE {list} 500"),
            11 => format!("SUNIONSTORE set {set} set2"),
            _ => return bench.pass(rng.random_range(0..50)),
        },
    };
    bench.run(&line);
}

#[test]
fn a_large_collection_is_saved_as_it_was_whatever_changes_in_it_meanwhile() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    for round in 0..6 {
        let mut bench = Bench::new();
        let elements = rng.random_range(4200..9000);
        fill(&mut bench, elements);
        let expected = content(&bench.shard);
        let (mut order, pieces) = order(1 << 12);
        let (mut target, fs) = (target(&SimFs::new(1)), SimFs::new(seed));
        target.fs = Arc::new(fs.clone());
        order.as_commands = round % 2 == 1;
        target.commands = order.as_commands.then_some(HEADER);
        let as_commands = order.as_commands;
        let expected = if as_commands { facts(&bench.shard) } else { expected };
        order.shared = Arc::new(target.shared(u64::MAX));
        let shared = order.shared.clone();
        bench.shard.begin_snapshot(order);
        let changes = rng.random_range(1..40);
        let mut steps = 0;
        while bench.shard.advance_snapshot(rng.random_range(1..8000)) != Progress::Done {
            steps += 1;
            for _ in 0..changes {
                change(&mut bench, &mut rng, elements);
            }
            bench.shard.enter_unit(crate::shard::Unit::default());
            bench.shard.expire_some(3);
            bench.shard.leave_unit();
            match rng.random_range(0..200) {
                0 => bench.shard.swap(0, 1),
                1 => bench.shard.flush(Some(rng.random_range(0..2))),
                _ => {}
            }
        }
        assert!(steps > 50, "the collections were saved in pieces");
        fs.create_dir(Path::new("/data")).unwrap();
        let len = write(&target, &shared, pieces, 1).unwrap();
        let file = read_file(&fs, Path::new("/data/dump.rdb"), 1 << 30).unwrap();
        assert_eq!(file.len() as u64, len);
        let found = if as_commands { read_base(&fs, Path::new("/data/dump.rdb")) } else { read(&file) };
        for (key, value) in &expected {
            let name = String::from_utf8_lossy(&key.1);
            assert!(found.get(key) == Some(value), "SEED={seed} round {round}: {name} is not as it was");
        }
        assert_eq!(found.len(), expected.len());
        assert_eq!(shared.memory_bytes(), 0, "nothing is held any more");
    }
}

#[test]
fn a_snapshot_called_off_inside_large_collections_leaves_them_alone() {
    let mut bench = Bench::new();
    fill(&mut bench, 5000);
    for _ in 0..3 {
        let (order, pieces) = order(1 << 12);
        let shared = order.shared.clone();
        bench.shard.begin_snapshot(order);
        for _ in 0..10 {
            bench.shard.advance_snapshot(4000);
        }
        bench.run("HSET hash field:1 x");
        bench.run("DEL list");
        bench.run("LPUSH list a");
        shared.abandon();
        while bench.shard.advance_snapshot(4000) != Progress::Done {}
        assert_eq!(shared.held.bytes(), 0);
        drop(pieces);
    }
}

#[test]
fn one_write_to_a_huge_hash_keeps_a_chunk_and_not_the_hash() {
    let mut bench = Bench::new();
    for n in 0..100_000 {
        bench.run(&format!("HSET hash field:{n} {n}"));
    }
    let (order, _pieces) = order(1 << 12);
    let shared = order.shared.clone();
    bench.shard.begin_snapshot(order);
    bench.run("HSET hash field:1 x");
    let held = shared.held.bytes();
    assert!((1000..100_000).contains(&held), "{held} bytes are kept");
    bench.run("HSET hash field:1 y");
    assert_eq!(shared.held.bytes(), held, "what is kept is not kept again");
    shared.abandon();
    bench.shard.finish_snapshot();
}

#[test]
fn writes_wait_while_a_snapshot_holds_more_than_it_may() {
    let mut bench = Bench::new();
    for n in 0..20_000 {
        bench.run(&format!("HSET hash field:{n} {n}"));
    }
    let (mut order, _pieces) = order(1 << 12);
    let shared = Arc::new(target(&SimFs::new(1)).shared(1000));
    order.shared = shared.clone();
    let no_words = crate::resp::Args::new(&[], &[]);
    bench.shard.begin_snapshot(order);
    assert!(bench.shard.admit(no_words).is_ok());
    bench.run("HSET hash field:1 x");
    assert!(shared.is_over_budget() && bench.shard.admit(no_words).is_err());
    assert_eq!(bench.shard.snapshot_rest_factor(), 0, "the walk takes all of the core that it can get");
    // What the hash kept goes first, into blocks for the file.
    while bench.shard.advance_snapshot(1 << 20) != Progress::Done {}
    assert_eq!(shared.held.bytes(), 0);
    assert!(bench.shard.admit(no_words).is_ok());
}
