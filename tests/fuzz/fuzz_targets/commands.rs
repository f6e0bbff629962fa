//! Sequences of commands on one core's keyspace: none may crash it, every reply must be whole, and replaying the effects
//! must make the same content. The input is a text: a command a line, its words between blanks.
#![no_main]

use basalt::command::{all, spec};
use basalt::config::Settings;
use basalt::keyspace::{Keyspace, SlabOptions, ValueRef};
use basalt::net::Session;
use basalt::resp::OwnedArgs;
use basalt::shard::{Shard, Unit};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

const NOW_MS: u64 = 1_700_000_000_000;

fn shard() -> Shard {
    let options = SlabOptions { reserve_bytes: 1 << 28, ..SlabOptions::default() };
    let keyspace = Keyspace::new(16, NOW_MS, options).expect("memory for an empty keyspace");
    let mut shard = Shard::new(0, 1, keyspace, Arc::new(Settings::default()), NOW_MS);
    shard.set_now(NOW_MS);
    shard
}

/// Whether a word asks for so much memory that running it says nothing about the code: long offsets of SETRANGE and SETBIT.
fn is_excessive(word: &[u8]) -> bool {
    word.len() > 6 && word.iter().all(u8::is_ascii_digit)
}

/// Every key with its database, value and time.
fn content(shard: &Shard) -> Vec<(usize, Vec<u8>, String, Option<u64>)> {
    let mut keys = Vec::new();
    for (number, db) in shard.keyspace().dbs().iter().enumerate() {
        db.for_each(|entry| {
            let value = match db.value(entry) {
                ValueRef::Int(number) => number.to_string().escape_default().to_string(),
                ValueRef::Str(bytes) => bytes.escape_ascii().to_string(),
                ValueRef::Object(object) => format!("{object:?}"),
            };
            keys.push((number, db.key(entry).to_vec(), value, db.expire_at(entry)));
        });
    }
    keys.sort();
    keys
}

/// Length of the reply that `bytes` begin with.
fn reply_len(bytes: &[u8]) -> usize {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n").expect("a line's end") + 2;
    let number = || std::str::from_utf8(&bytes[1..end - 2]).expect("a number").parse::<i64>().expect("a number");
    match bytes[0] {
        b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => end,
        b'$' if number() < 0 => end,
        b'$' | b'=' => end + number() as usize + 2,
        b'*' | b'~' | b'>' | b'%' => {
            let items = number().max(0) * if bytes[0] == b'%' { 2 } else { 1 };
            (0..items).fold(end, |at, _| at + reply_len(&bytes[at..]))
        }
        other => panic!("no reply begins with {other}"),
    }
}

fuzz_target!(|input: &[u8]| {
    let mut shard = shard();
    let mut session = Session { client: 1, ..Session::default() };
    let mut effects: Vec<(u16, OwnedArgs)> = Vec::new();
    for line in input.split(|&byte| byte == b'\n').take(64) {
        let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        if words[0].is_empty() || words.iter().any(|word| is_excessive(word)) {
            continue;
        }
        session.proto = if line.len() % 2 == 0 { Default::default() } else { basalt::resp::Proto::Resp3 };
        let args = OwnedArgs::new(&words);
        let Ok(row) = spec::resolve(args.as_args()) else { continue };
        let command = &all()[row.id.index()];
        let Some(run) = command.exec.on_shard() else { continue };
        let mut reply = Vec::new();
        shard.enter_unit(Unit::default());
        shard.run(command, run, session, args.as_args(), &mut reply);
        let unit = shard.leave_unit();
        effects.extend(unit.iter().map(|(db, args)| (db, OwnedArgs::new(args.iter()))));
        // What a waiting command says to its own core is no reply.
        if reply.first() != Some(&0) {
            assert_eq!(reply_len(&reply), reply.len(), "one whole reply: {}", reply.escape_ascii());
        }
    }
    let mut other = self::shard();
    other.set_now(NOW_MS + 365 * 86_400_000);
    for (db, args) in &effects {
        let row = spec::resolve(args.as_args()).expect("an effect is a command");
        let command = &all()[row.id.index()];
        let run = command.exec.on_shard().expect("an effect runs on a shard");
        let mut reply = Vec::new();
        other.replay(command, run, *db, args.as_args(), &mut reply);
        assert_ne!(reply.first(), Some(&b'-'), "an effect fails: {}", reply.escape_ascii());
    }
    assert_eq!(content(&other), content(&shard));
});
