//! A save that fails or is cut off at any of its steps.

use super::tests::{HEADER, content, facts, order, read, read_base, target};
use super::*;
use crate::command::testing::Bench;
use crate::storage::{Fault, Fs, Open, PowerCut, SimFs, read_file};
use std::path::Path;

const FILE: &str = "/data/dump.rdb";

/// A directory with a last good file, durable.
fn disk(seed: u64) -> SimFs {
    let fs = SimFs::new(seed);
    fs.create_dir(Path::new("/data")).unwrap();
    let old = fs.open(Path::new(FILE), Open::Create).unwrap();
    old.write_at(b"the last good one", 0, false).unwrap();
    old.sync_all().unwrap();
    fs.sync_dir(Path::new("/data")).unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    fs
}

/// A file that is padded, a plain one, and one of commands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Padded,
    Plain,
    Commands,
}

const FORMS: [Form; 3] = [Form::Padded, Form::Plain, Form::Commands];

/// Keys of some blocks, one of them a large hash; saves them to `fs`.
fn save(bench: &mut Bench, fs: &SimFs, form: Form) -> Result<u64, WriteError> {
    let aligned = form != Form::Plain;
    let (mut order, pieces) = order(1 << 10);
    order.aligned = aligned;
    order.as_commands = form == Form::Commands;
    let mut target = target(fs);
    target.aligned = aligned;
    target.commands = order.as_commands.then_some(HEADER);
    order.shared = std::sync::Arc::new(target.shared(u64::MAX));
    let shared = order.shared.clone();
    bench.shard.begin_snapshot(order);
    bench.shard.finish_snapshot();
    write(&target, &shared, pieces, 1)
}

fn filled() -> Bench {
    let mut bench = Bench::new();
    for number in 0..6000u64 {
        let value: String = (0..30).map(|n| (number * 7919 * (n + 3)).to_string()).collect();
        bench.run(&format!("SET key:{number} {value}"));
        bench.run(&format!("HSET hash field:{number} {number}"));
    }
    bench
}

#[test]
fn r4_whichever_operation_of_a_save_fails_the_last_good_file_is_there() {
    let mut bench = filled();
    let expected = content(&bench.shard);
    let facts = facts(&bench.shard);
    for form in FORMS {
        for fault in [Fault::Eio, Fault::Enospc, Fault::Short] {
            for nth in 1.. {
                let fs = disk(nth);
                fs.fail_nth(nth, fault);
                let saved = save(&mut bench, &fs, form);
                if fs.clear_fault() {
                    // It had fewer operations than that.
                    saved.unwrap();
                    break;
                }
                let file = read_file(&fs, Path::new(FILE), 1 << 30).unwrap();
                let is_right = || match form {
                    Form::Commands => read_base(&fs, Path::new(FILE)) == facts,
                    _ => read(&file) == expected,
                };
                match saved {
                    // A short write is gone on with, and a failure to clean up fails nothing.
                    Ok(len) => assert!(file.len() as u64 == len && is_right(), "operation {nth}"),
                    Err(_) if file != b"the last good one" => assert!(is_right(), "operation {nth}"),
                    Err(_) => {}
                }
            }
        }
    }
}

#[test]
fn r2_a_power_cut_at_any_step_of_a_save_leaves_the_old_file_or_the_new_one_whole() {
    let mut bench = filled();
    let expected = content(&bench.shard);
    let facts = facts(&bench.shard);
    let cuts = [PowerCut::LoseAll, PowerCut::Random, PowerCut::KeepAll];
    for (form, how) in FORMS.into_iter().flat_map(|form| cuts.map(|how| (form, how))) {
        let mut before = 0;
        for nth in 1.. {
            let fs = disk(nth);
            fs.fail_nth(nth, Fault::PowerOff);
            let saved = save(&mut bench, &fs, form);
            let is_over = fs.clear_fault();
            assert_eq!(saved.is_ok(), is_over, "what was not finished is not called so");
            fs.power_cut(how);
            let file = read_file(&fs, Path::new(FILE), 1 << 30).unwrap();
            if file == b"the last good one" {
                assert!(!is_over);
                before += 1;
            } else {
                let is_right = match form {
                    Form::Commands => read_base(&fs, Path::new(FILE)) == facts,
                    _ => read(&file) == expected,
                };
                assert!(is_right, "{form:?}, {how:?} at operation {nth}");
            }
            if is_over {
                break;
            }
        }
        assert!(before > 5, "the cut came {before} times before the rename");
    }
}
