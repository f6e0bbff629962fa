//! What the tests of handlers share: a shard to run commands on, and its replies as text.

use super::{Command, all, spec};
use crate::config::Settings;
use crate::keyspace::{Keyspace, SlabOptions};
use crate::net::Session;
use crate::resp::OwnedArgs;
use crate::shard::{Shard, Unit};
use std::sync::Arc;

/// Unix ms that every test begins at.
pub const NOW_MS: u64 = 1_700_000_000_000;

/// One core's shard without a log, and what commands did to it.
pub struct Bench {
    /// The shard.
    pub shard: Shard,
    /// The connection's state.
    pub session: Session,
    effects: Vec<(u16, OwnedArgs)>,
}

impl Bench {
    /// An empty shard with the settings as they come.
    pub fn new() -> Bench {
        Bench::with(Settings::default())
    }

    /// An empty shard with these settings.
    pub fn with(settings: Settings) -> Bench {
        let keyspace = Keyspace::new(16, NOW_MS, SlabOptions::default()).unwrap();
        let mut shard = Shard::new(0, 1, keyspace, Arc::new(settings), NOW_MS);
        shard.set_now(NOW_MS);
        Bench { shard, session: Session::default(), effects: Vec::new() }
    }

    /// Runs a command given as words and returns the reply as it goes over the wire.
    pub fn raw<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Vec<u8> {
        let args = OwnedArgs::new(words);
        let (command, run) = handler(&args);
        let mut out = Vec::new();
        self.shard.enter_unit(Unit::default());
        self.shard.run(command, run, self.session, args.as_args(), &mut out);
        let mut unit = self.shard.leave_unit();
        self.shard.tell(&mut unit.events);
        assert_eq!(unit.touched.is_empty(), unit.effects() == 0, "a change has an effect, and only a change has one");
        self.effects.extend(unit.iter().map(|(db, args)| (db, OwnedArgs::new(args.iter()))));
        out
    }

    /// Runs a command of words between blanks. The reply's lines are joined by blanks.
    pub fn run(&mut self, line: &str) -> String {
        let reply = self.raw(&line.split(' ').map(|word| if word == "''" { "" } else { word }).collect::<Vec<_>>());
        String::from_utf8_lossy(&reply).trim_end().replace("\r\n", " ")
    }

    /// Runs commands and compares each reply.
    #[track_caller]
    pub fn check(&mut self, lines: &[(&str, &str)]) {
        for (line, expected) in lines {
            assert_eq!(&self.run(line), expected, "{line}");
        }
    }

    /// The effects since they were last asked for, as lines.
    pub fn effects(&mut self) -> Vec<String> {
        let line = |args: &OwnedArgs| {
            let words: Vec<_> = args.as_args().iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
            words.join(" ")
        };
        std::mem::take(&mut self.effects).iter().map(|(_, args)| line(args)).collect()
    }

    /// A shard on which all effects so far were replayed, a year later.
    pub fn replayed(&self) -> Bench {
        let mut other = Bench::new();
        other.shard.set_now(NOW_MS + 365 * 86_400_000);
        for (db, args) in &self.effects {
            let (command, run) = handler(args);
            let mut out = Vec::new();
            other.shard.replay(command, run, *db, args.as_args(), &mut out);
            assert_ne!(out.first(), Some(&b'-'), "{}", String::from_utf8_lossy(&out));
        }
        other
    }

    /// Runs commands on an empty shard, replays their effects on another, and compares all keys, values and times.
    #[track_caller]
    pub fn check_replay(lines: &[&str]) {
        let mut bench = Bench::new();
        for line in lines {
            let reply = bench.run(line);
            assert!(!reply.starts_with('-'), "{line}: {reply}");
        }
        assert_eq!(bench.replayed().content(), bench.content(), "{lines:?}");
    }

    /// Every key with its database, value and time.
    pub fn content(&self) -> Vec<(usize, Vec<u8>, String, Option<u64>)> {
        let mut keys = Vec::new();
        for (number, db) in self.shard.keyspace().dbs().iter().enumerate() {
            db.for_each(|entry| {
                let value = match db.value(entry) {
                    crate::keyspace::ValueRef::Int(number) => format!("{:?}", number.to_string().as_bytes()),
                    crate::keyspace::ValueRef::Str(bytes) => format!("{bytes:?}"),
                    crate::keyspace::ValueRef::Object(object) => format!("{object:?}"),
                };
                keys.push((number, db.key(entry).to_vec(), value, db.expire_at(entry)));
            });
        }
        keys.sort();
        keys
    }

    /// Moves the clock on.
    pub fn pass(&mut self, ms: u64) {
        self.shard.set_now(self.shard.now_ms() + ms);
    }
}

fn handler(args: &OwnedArgs) -> (&'static Command, super::KeyedFn) {
    let row = spec::resolve(args.as_args()).unwrap_or_else(|error| {
        panic!("{}", String::from_utf8_lossy(&error.text(args.as_args())));
    });
    let command = &all()[row.id.index()];
    let run = command.exec.on_shard().unwrap_or_else(|| panic!("{} does not run on a shard", row.name));
    (command, run)
}
