//! The runs: random work by seed, every operation failing, power off at every step.

use super::*;
use crate::recovery::{Finding, Row};

/// For every N, the Nth operation fails in a way of its own; then power goes off.
fn fail_every_nth(seed: u64, fault: Fault) {
    for nth in 1.. {
        let mut world = World::new(seed);
        world.start(1 + seed as u16 % 3, false);
        world.fs.fail_nth(nth, fault);
        world.run(150);
        let reached = !world.fs.clear_fault();
        let how = if nth % 2 == 0 { PowerCut::Random } else { PowerCut::LoseAll };
        world.crash(how);
        world.start(2, false);
        if !reached {
            assert!(nth > 20, "there is something to fail");
            return;
        }
    }
}

#[test]
fn r4_every_nth_operation_may_fail() {
    for seed in 0..4 {
        for fault in [Fault::Eio, Fault::Enospc, Fault::Short] {
            if std::panic::catch_unwind(|| fail_every_nth(seed, fault)).is_err() {
                panic!("seed {seed}, {fault:?} fails");
            }
        }
    }
}

#[test]
fn r4_every_nth_operation_of_recovery_may_fail() {
    for seed in 0..4 {
        for nth in 1.. {
            let mut world = World::new(seed);
            world.start(2, false);
            world.run(100);
            world.crash(PowerCut::Random);
            let fault = [Fault::Eio, Fault::Enospc, Fault::Short][nth as usize % 3];
            world.fs.fail_nth(nth, fault);
            let result = world.recover(2, false);
            let reached = !world.fs.clear_fault();
            // A failed unlink of a leftover or the like is no reason to refuse.
            drop(result);
            world.fs.power_cut(PowerCut::Random);
            world.after_power_cut();
            world.start(2, false);
            if !reached {
                break;
            }
        }
    }
}

/// Power goes off at every step of `work`, which begins on a log that has something in it.
fn cut_every_step(seed: u64, work: fn(&mut World)) {
    for nth in 1.. {
        let mut world = World::new(seed);
        world.start(1 + seed as u16 % 3, false);
        world.run(80);
        if !world.alive() || world.closed || world.opening.is_some() || world.rewrite.is_some() {
            return;
        }
        world.fs.fail_nth(nth, Fault::PowerOff);
        work(&mut world);
        let reached = world.fs.is_off();
        world.fs.clear_fault();
        world.crash([PowerCut::Random, PowerCut::LoseAll, PowerCut::KeepAll][nth as usize % 3]);
        world.start(2, false);
        if !reached {
            assert!(nth > 5, "there is something to cut short");
            return;
        }
    }
}

/// Logs something on every core, with the disk keeping up.
fn log_more(world: &mut World) {
    for core in 0..world.logs.len() {
        for _ in 0..3 {
            if world.alive() {
                world.log(core as u16, None);
                world.complete(core);
            }
        }
    }
}

#[test]
fn s1_power_goes_off_at_every_step_of_a_rewrite() {
    for seed in 0..12 {
        cut_every_step(seed, |world| {
            world.rewrite();
            log_more(world);
            if world.alive() {
                world.rewrite();
            }
        });
    }
}

#[test]
fn s6_power_goes_off_at_every_step_of_closing_and_opening_the_log() {
    for seed in 0..12 {
        cut_every_step(seed, |world| {
            world.close();
            for _ in 0..2 {
                if world.alive() && (world.closed || world.opening.is_some()) {
                    world.open();
                    log_more(world);
                }
            }
            log_more(world);
        });
    }
}

#[test]
fn x6_power_goes_off_at_every_step_of_a_barrier_and_of_another_policy() {
    for seed in 0..12 {
        cut_every_step(seed, |world| {
            world.barrier();
            log_more(world);
            if world.alive() {
                world.turn_policy();
            }
            log_more(world);
        });
    }
}

/// Content of every file in a directory.
fn files_of(dir: &Directory) -> Vec<(String, Vec<u8>)> {
    let names = dir.fs.list(&dir.path()).unwrap();
    let read = |name: &String| crate::storage::read_file(&*dir.fs, &dir.file(name), u64::MAX).unwrap();
    names.iter().map(|name| (name.clone(), read(name))).collect()
}

/// Whatever happens to the log afterwards, power cuts and repairs included.
#[test]
fn s7_a_backup_by_hard_link_holds_one_instant_and_never_changes() {
    for seed in 0..60 {
        let mut world = World::new(seed);
        world.start(1 + seed as u16 % 3, false);
        world.run(120);
        if world.closed || world.opening.is_some() || !world.drain() {
            continue;
        }
        let ends: Vec<_> = world.logs.iter().map(CoreLog::end).collect();
        let (segments, files) =
            world.keeper.as_mut().unwrap().seal_backup("backup", &ends, world.now_ms).expect("the disk is sound");
        world.enter(segments);
        let set = Directory { dirname: "backup".into(), ..world.dir.clone() };
        let before = files_of(&set);
        assert_eq!(files.unwrap().len(), before.len());
        let ends_again: Vec<_> = world.logs.iter().map(CoreLog::end).collect();
        let again = world.keeper.as_mut().unwrap().seal_backup("backup", &ends_again, world.now_ms);
        let (segments, files) = again.expect("the log goes on");
        world.enter(segments);
        assert!(files.is_err(), "a directory that holds something is left alone");
        for round in 0..3 {
            world.run(80);
            world.crash([PowerCut::Random, PowerCut::LoseAll, PowerCut::KeepAll][round]);
            world.start(2, false);
        }
        assert!(files_of(&set) == before, "seed {seed}: the backup has changed");
        let options = Options { lock_held: true, ..Options::default() };
        let mut state = Recovered::default();
        super::plan(&set, &options).unwrap().replay(&mut state).unwrap();
        for (core, end) in ends.iter().enumerate() {
            let records = &world.lives[0].records[core][..end.last_lsn as usize];
            let effects: usize = records.iter().map(|record| record.effects.len()).sum();
            assert_eq!(state.effects.get(&(0, core)).map_or(0, Vec::len), effects, "seed {seed} core {core}");
        }
    }
}

/// A first start with an RDB file may end at any step, and the next one does not refuse.
#[test]
fn s4_power_goes_off_at_every_step_of_beginning_with_an_rdb_file() {
    for nth in 1.. {
        let mut world = World::new(nth);
        let rdb = PathBuf::from("/dump.rdb");
        let mut content = Vec::new();
        crate::resp::write_command(&mut content, words("0:0:1:0", b""));
        let file = world.fs.open(&rdb, Open::Create).unwrap();
        write_all_at(&*file, &content, 0).unwrap();
        file.sync_all().unwrap();
        world.fs.sync_dir(Path::new("/")).unwrap();
        let begin = |world: &mut World| {
            let mut plan = plan(&world.dir, &Options::default())?;
            if plan.fresh {
                plan.begin_with(&rdb)?;
            }
            let (id, entropy, segment_bytes) = (world.rng.next(), world.rng.next(), SEGMENT_BYTES_MIN);
            plan.repair(Incarnation { id, cores: 2, segment_bytes, entropy, relaxed: false, boot: 0 }, world.now_ms)
        };
        world.fs.fail_nth(nth, Fault::PowerOff);
        let begun = begin(&mut world).is_ok();
        let reached = world.fs.is_off();
        world.fs.clear_fault();
        for how in [PowerCut::Random, PowerCut::LoseAll] {
            world.fs.power_cut(how);
            drop(begin(&mut world).unwrap());
        }
        let found = plan(&world.dir, &Options::default()).unwrap();
        let mut state = Recovered::default();
        found.replay(&mut state).unwrap();
        assert!(state.effects.contains_key(&(0, 0)) && found.opening.is_none(), "operation {nth}");
        if !reached {
            assert!(begun && nth > 20);
            return;
        }
    }
}

/// A log that was found and not loaded is replaced by one that is opened: at any moment a start finds one of them whole.
#[test]
fn s6_a_log_that_was_found_is_there_until_the_new_one_is_and_then_as_history() {
    for nth in 1.. {
        let mut world = World::new(nth);
        world.start(2, false);
        log_more(&mut world);
        assert!(world.drain());
        world.crash(PowerCut::KeepAll);
        let options = Options { boot: world.boot, ..Options::default() };
        let plan = plan(&world.dir, &options).unwrap();
        let incarnation =
            Incarnation { id: 7, cores: 2, segment_bytes: SEGMENT_BYTES_MIN, entropy: 9, relaxed: false, boot: 1 };
        let fs = world.fs.clone();
        fs.fail_nth(nth, Fault::PowerOff);
        let open = || -> Option<()> {
            let mut keeper = plan.stand_by(incarnation).ok()?;
            keeper.set_retention(Retention { since_ms: 0, bytes_max: 0 });
            let (rewrite, segments) = keeper.open_begin(false, true, world.now_ms).ok()?;
            let file = fs.open(&world.dir.file(&keeper.rewrite_base_name(rewrite)), Open::Create).ok()?;
            let mut base = Vec::new();
            crate::resp::write_command(&mut base, words("1:0:1:0", b""));
            write_all_at(&*file, &base, 0).ok()?;
            file.sync_all().ok()?;
            assert_eq!(segments.len(), 2);
            keeper.open_end(rewrite, world.now_ms).ok()
        };
        let opened = open().is_some();
        let reached = fs.is_off();
        fs.clear_fault();
        fs.power_cut([PowerCut::Random, PowerCut::LoseAll][nth as usize % 2]);
        let plan = super::plan(&world.dir, &options).unwrap();
        let mut state = Recovered::default();
        plan.replay(&mut state).unwrap();
        let (old, new) = (state.effects.contains_key(&(0, 0)), state.effects.contains_key(&(1, 0)));
        assert!(old != new && (new || !opened), "operation {nth}: old {old}, new {new}");
        if opened {
            let history = world.dir.data_dir.join("appendonlydir.history");
            let dirname = format!("{:013}-1", world.now_ms);
            assert_eq!(fs.list(&history).unwrap(), std::slice::from_ref(&dirname));
            let set = Directory { data_dir: history, dirname, ..world.dir.clone() };
            let kept = super::plan(&set, &Options { lock_held: true, ..options }).unwrap();
            let mut state = Recovered::default();
            kept.replay(&mut state).unwrap();
            assert!(state.effects.contains_key(&(0, 0)), "what was replaced can be brought back");
        }
        if !reached {
            assert!(opened && nth > 20);
            return;
        }
    }
}

fn run_seed(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..2 + seed % 3 {
        let cores = 1 + world.rng.below(4) as u16;
        world.start(cores, true);
        let steps = 20 + world.rng.below(250);
        if world.rng.chance(50) {
            world.fs.fail_nth(1 + world.rng.next() % 120, Fault::PowerOff);
        }
        world.run(steps);
        let how = [PowerCut::Random, PowerCut::Random, PowerCut::LoseAll, PowerCut::KeepAll][world.rng.below(4)];
        world.crash(how);
    }
    world.start(1, false);
}

#[test]
fn r2_no_power_cut_loses_what_was_acknowledged() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("SEED") {
        return run_seed(seed);
    }
    for seed in 0..number("SEEDS").unwrap_or(1000) {
        if std::panic::catch_unwind(|| run_seed(seed)).is_err() {
            panic!("SEED={seed} fails");
        }
    }
}

/// One write is reported as done and lands elsewhere; whether the next start refuses. If it does not, nothing is missing that was told to
/// be durable, and what is there is a prefix of the whole history.
fn misdirect(seed: u64) -> bool {
    let mut world = World::new(seed);
    world.value_bytes_max = 600;
    world.start(1 + seed as u16 % 3, false);
    let nth = 1 + world.rng.next() % 200;
    world.fs.misdirect_nth(nth);
    for _ in 0..200 {
        let core = world.rng.below(world.logs.len());
        match world.rng.below(100) {
            0..45 => world.log(core as u16, None),
            45..55 => world.begin_multi_core_write(),
            55..70 => world.log_pending_part(),
            70..97 => world.complete(core),
            97..99 => world.logs[core].seal_idle(world.now_ms),
            _ => world.barrier(),
        }
        assert!(world.alive(), "nobody is told of it");
    }
    // What is at the very end can't be missed (rule W5), so the end is of frames without records.
    for _ in 0..2 {
        assert!(world.drain());
        world.logs.iter_mut().for_each(|log| log.seal_clean_stop(world.now_ms));
        for core in 0..world.logs.len() {
            world.pump(core);
            while !world.ops[core].is_empty() {
                world.complete(core);
            }
        }
    }
    world.crash(PowerCut::KeepAll);
    let is_hole = |finding: &Finding| matches!(finding, Finding::TornTail { row: Row::HoleTorn | Row::BeyondTear, .. });
    match plan(&world.dir, &Options { boot: world.boot, inspect: true, ..Options::default() }) {
        Err(_) => return true,
        Ok(plan) if plan.findings.iter().any(is_hole) => {
            // Replies did not wait for the disk, and none of it was known to be durable: it is as if the power had taken it.
            assert!(world.relaxed, "{:?}", plan.findings);
            (world.relaxed_cut, world.killed) = (true, false);
        }
        Ok(_) => {}
    }
    world.recover(2, false).is_err()
}

#[test]
fn r3_a_write_that_landed_elsewhere_is_found_or_was_not_needed() {
    let refused = (0..200)
        .filter(|&seed| std::panic::catch_unwind(|| misdirect(seed)).unwrap_or_else(|_| panic!("seed {seed} fails")))
        .count();
    assert!(refused > 40, "only {refused} of 200 starts were refused");
}
