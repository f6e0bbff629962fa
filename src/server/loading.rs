//! Loading at the start: from the files that recovery has judged to the cores' shards.

use super::loading_rdb::RdbLoad;
use super::lookahead::Lookahead;
use super::move_shard::Moved;
use crate::command::{Command, Exec, spec};
use crate::config::{MaxmemoryPolicy, Settings};
use crate::keyspace::{Keyspace, SlabOptions};
use crate::log::SegmentKind;
use crate::net::Session;
use crate::object::Limits;
use crate::rdb;
use crate::recovery::{Base, CommandsBase, GenerationPlan, Plan, RecoveryError, ReplaySink, base_key};
use crate::resp::Args;
use crate::shard::locks::LockKey;
use crate::shard::{Shard, slot};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bytes of a log that are replayed before INFO is told of them.
const TOLD_BYTES: u64 = 64 * 1024;

/// How far loading is, for INFO.
#[derive(Debug, Default)]
pub struct Progress {
    /// Whether the server is loading.
    pub loading: AtomicBool,
    /// When it began, unix ms.
    pub started_ms: AtomicU64,
    /// Bytes to load.
    pub total_bytes: AtomicU64,
    /// Bytes loaded.
    pub loaded_bytes: AtomicU64,
    /// Keys read from the base or the RDB file.
    pub keys_loaded: AtomicU64,
    /// Keys left out since their time was over.
    pub keys_expired: AtomicU64,
}

/// Puts keys and commands where they belong, in the shards of all cores.
pub struct Loader<'a> {
    shards: &'a mut [Shard],
    commands: &'static [Command],
    settings: &'a Settings,
    limits: Limits,
    progress: &'a Progress,
    /// Expired keys of a stand-alone RDB file are left out; those of a base are kept until the log has been replayed.
    skip_expired: bool,
    now_ms: u64,
    reply: Vec<u8>,
}

impl<'a> Loader<'a> {
    /// Loads into `shards`, one per core in order.
    pub fn new(shards: &'a mut [Shard], settings: &'a Settings, progress: &'a Progress, now_ms: u64) -> Loader<'a> {
        Loader {
            shards,
            commands: crate::command::all(),
            settings,
            limits: Limits::from(settings),
            progress,
            skip_expired: false,
            now_ms,
            reply: Vec::new(),
        }
    }

    /// Loads a stand-alone RDB file.
    pub fn rdb_file(&mut self, path: &Path) -> Result<(), String> {
        self.skip_expired = true;
        let result = self.rdb(path);
        self.skip_expired = false;
        result.map(drop)
    }

    /// Loads an RDB file while the server runs. With a log, keys whose time is over are kept: the log still knows them, and they expire by
    /// it like all others.
    pub(super) fn rdb_again(&mut self, path: &Path, has_log: bool) -> Result<(), String> {
        if has_log { self.rdb(path).map(drop) } else { self.rdb_file(path) }
    }

    /// Loads an RDB image; returns its length in bytes.
    fn rdb(&mut self, path: &Path) -> Result<u64, String> {
        let load = RdbLoad {
            settings: self.settings,
            limits: self.limits,
            progress: self.progress,
            now_ms: self.now_ms,
            skip_expired: self.skip_expired,
        };
        load.load(path, self.shards)
    }

    /// Replays a command whose keys may belong to any core.
    fn replay(&mut self, db: u16, args: Args) -> Result<(), String> {
        let command = find(self.commands, args)?;
        check_database(db, self.settings)?;
        if is_whole(command) {
            return replay_whole(self.shards, command, db, args, self.settings);
        }
        self.replay_keyed(command, db, args)
    }

    fn replay_keyed(&mut self, command: &'static Command, db: u16, args: Args) -> Result<(), String> {
        let cores = self.shards.len();
        let mut keys = super::dispatch::lock_keys(command.spec, args, db);
        if matches!(command.exec, Exec::Reaching(_)) {
            // Only Redis logs this one as it was asked for: its other keys are on any core here.
            let source = LockKey::new(db, args.at(1));
            let value = self.shards[slot::core_of_key(&source.key, cores)].copy_for_replay(&source);
            let reached = crate::command::reached_keys(args, value.as_ref().map(|value| &value.value));
            keys.extend(reached.into_iter().flatten().map(|key| LockKey { db, key: key.into() }));
            keys.sort_unstable_by(|a, b| a.key.cmp(&b.key));
            keys.dedup();
        }
        let mut owners: Vec<usize> = keys.iter().map(|key| slot::core_of_key(&key.key, cores)).collect();
        owners.dedup();
        match owners.as_slice() {
            [] => Err(format!("{} has no key and is no effect", command.spec.name)),
            [core] => replay_on(&mut self.shards[*core], command, db, args, &mut self.reply),
            _ => self.replay_spanning(command, db, args, keys),
        }
    }

    /// Replays an effect on several keys that lived on one core when it was logged, and no longer do.
    fn replay_spanning(
        &mut self,
        command: &'static Command,
        db: u16,
        args: Args,
        keys: Vec<LockKey>,
    ) -> Result<(), String> {
        let Some(run) = command.exec.on_shard() else {
            return Err(format!("{} is no effect", command.spec.name));
        };
        let cores = self.shards.len();
        let values: Vec<_> = keys
            .into_iter()
            .map(|key| {
                let value = self.shards[slot::core_of_key(&key.key, cores)].copy_for_replay(&key);
                (key, value)
            })
            .collect();
        self.reply.clear();
        let session = Session { db, in_transaction: true, ..Session::default() };
        let changed = self.shards[0].replay_elsewhere(run, session, args, values.into_iter(), &mut self.reply);
        if self.reply.first() == Some(&b'-') {
            return Err(refused(args, &self.reply));
        }
        for (key, value) in changed {
            self.shards[slot::core_of_key(&key.key, cores)].store_in_replay(&key, value);
        }
        Ok(())
    }
}

fn check_database(db: u16, settings: &Settings) -> Result<(), String> {
    if db < settings.databases {
        return Ok(());
    }
    Err(format!("a command runs in database {db}, but there are only {} (directive databases)", settings.databases))
}

/// What a file says of a key's use, as today's policy keeps it; `None` if that says nothing to it.
pub(super) fn access_bits(access: rdb::Access, policy: MaxmemoryPolicy, now_ms: u64) -> Option<u32> {
    let is_lfu = matches!(policy, MaxmemoryPolicy::AllkeysLfu | MaxmemoryPolicy::VolatileLfu);
    match access {
        rdb::Access::Idle(seconds) if !is_lfu => Some(((now_ms / 1000).saturating_sub(seconds) & 0xff_ffff) as u32),
        rdb::Access::Frequency(counter) if is_lfu => {
            Some(((now_ms / 60_000) as u32 & 0xffff) << 8 | u32::from(counter))
        }
        _ => None,
    }
}

impl ReplaySink for Loader<'_> {
    fn base_rdb(&mut self, path: &Path) -> Result<u64, String> {
        self.rdb(path)
    }

    fn command(&mut self, _: Option<u16>, db: u16, args: Args<'_>) -> Result<(), String> {
        let bytes = args.buffer().len() - args.following().len();
        self.progress.loaded_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.replay(db, args)
    }
}

/// Whether a command is about whole databases.
fn is_whole(command: &Command) -> bool {
    matches!(command.spec.name, "flushall" | "flushdb" | "swapdb")
}

/// Replays an effect on whole databases.
fn replay_whole(
    shards: &mut [Shard],
    command: &'static Command,
    db: u16,
    args: Args,
    settings: &Settings,
) -> Result<(), String> {
    match command.spec.name {
        "flushall" => shards.iter_mut().for_each(|shard| shard.flush(None)),
        "flushdb" => shards.iter_mut().for_each(|shard| shard.flush(Some(db))),
        _ => {
            let number = |at: usize| args.get(at).and_then(|word| std::str::from_utf8(word).ok()?.parse::<u16>().ok());
            let (Some(a), Some(b)) = (number(1), number(2)) else {
                return Err("a SWAPDB without databases".into());
            };
            check_database(a, settings)?;
            check_database(b, settings)?;
            shards.iter_mut().for_each(|shard| shard.swap(a, b));
        }
    }
    Ok(())
}

/// Whether a command of the log is one that a start would run.
pub(crate) fn ensure_effect(args: Args) -> Result<(), String> {
    let command = find(crate::command::all(), args)?;
    match command.exec {
        _ if command.exec.on_shard().is_some() => Ok(()),
        _ if is_whole(command) => Ok(()),
        _ => Err(format!("{} is no effect", command.spec.name)),
    }
}

/// Loads a plan into memory as a start with one core would, and forgets it again.
pub(crate) fn try_load(plan: &Plan, settings: &Settings) -> Result<(), RecoveryError> {
    let now_ms = crate::observe::unix_ms();
    let keyspace = Keyspace::new(settings.databases as usize, now_ms, SlabOptions::default())
        .map_err(|error| RecoveryError::Sink(error.to_string()))?;
    let mut shards = [Shard::new(0, 1, keyspace, Arc::new(settings.clone()), now_ms)];
    replay_plan(plan, &mut shards, settings, &Progress::default(), now_ms)
}

fn find(commands: &'static [Command], args: Args) -> Result<&'static Command, String> {
    let row = spec::resolve(args)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(args.get(0).unwrap_or_default())))?;
    Ok(&commands[row.id.index()])
}

fn refused(args: Args, reply: &[u8]) -> String {
    let words: Vec<_> = args.iter().take(3).map(String::from_utf8_lossy).collect();
    format!("{} was answered with {}", words.join(" "), String::from_utf8_lossy(reply).trim_end())
}

fn replay_on(
    shard: &mut Shard,
    command: &'static Command,
    db: u16,
    args: Args,
    reply: &mut Vec<u8>,
) -> Result<(), String> {
    let Some(run) = command.exec.on_shard() else {
        return Err(format!("{} is no effect", command.spec.name));
    };
    reply.clear();
    shard.replay(command, run, db, args, reply);
    if reply.first() == Some(&b'-') { Err(refused(args, reply)) } else { Ok(()) }
}

/// Replays a plan. Segments of different cores are replayed side by side where each belongs to one core still.
pub fn replay_plan(
    plan: &Plan,
    shards: &mut [Shard],
    settings: &Settings,
    progress: &Progress,
    now_ms: u64,
) -> Result<(), RecoveryError> {
    match &plan.base {
        Some(Base::Rdb(path)) => {
            Loader::new(shards, settings, progress, now_ms).base_rdb(path).map_err(RecoveryError::Sink)?;
        }
        Some(Base::Aof(part)) => part.replay(&mut Loader::new(shards, settings, progress, now_ms))?,
        Some(Base::Commands(base)) => {
            load_commands(base, shards, settings, progress)?;
            progress.keys_loaded.fetch_add(base.end.keys, Ordering::Relaxed);
        }
        None => {}
    }
    for generation in &plan.generations {
        if is_parallel(generation, shards.len()) {
            replay_in_parallel(generation, shards, settings, progress)?;
        } else {
            generation.replay(&mut Loader::new(shards, settings, progress, now_ms))?;
        }
    }
    Ok(())
}

/// Loads a base of commands, each core the keys that are its own. With as many cores as wrote it, these are the blocks of one core;
/// with another number every core reads the whole file.
fn load_commands(
    base: &CommandsBase,
    shards: &mut [Shard],
    settings: &Settings,
    progress: &Progress,
) -> Result<(), RecoveryError> {
    let cores = shards.len();
    let is_same = base.header.cores as usize == cores;
    let commands = crate::command::all();
    on_each_core(shards, |core, shard| {
        let mut reply = Vec::new();
        let mut ahead = Lookahead::default();
        let mut untold = 0;
        let replayed = base.replay(|line| !is_same || line.core as usize == core, &mut |db, args| {
            let key = base_key(&args).ok_or("a command without a key")?;
            if slot::core_of_key(key, cores) != core {
                return if is_same { Err("a key of another core".into()) } else { Ok(()) };
            }
            check_database(db, settings)?;
            let following = args.following();
            if is_same {
                ahead.advance(following, shard.db(db));
            }
            untold += (args.buffer().len() - following.len()) as u64;
            if untold >= TOLD_BYTES {
                progress.loaded_bytes.fetch_add(std::mem::take(&mut untold), Ordering::Relaxed);
            }
            replay_on(shard, find(commands, args)?, db, args, &mut reply)
        });
        progress.loaded_bytes.fetch_add(untold, Ordering::Relaxed);
        replayed
    })
}

/// Runs `load` for every core's shard, each in a thread of its own.
fn on_each_core(
    shards: &mut [Shard],
    load: impl Fn(usize, &mut Shard) -> Result<(), RecoveryError> + Sync,
) -> Result<(), RecoveryError> {
    let load = &load;
    std::thread::scope(|scope| {
        let threads: Vec<_> = shards
            .iter_mut()
            .enumerate()
            .map(|(core, shard)| {
                let shard = Moved::new(shard);
                scope.spawn(move || load(core, shard.into_inner()))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread.join().unwrap_or_else(|_| Err(RecoveryError::Sink("a replaying thread panicked".into())))
            })
            .collect::<Result<Vec<()>, _>>()
            .map(drop)
    })
}

/// Whether every segment of a generation holds keys of one of today's cores only.
fn is_parallel(generation: &GenerationPlan, cores: usize) -> bool {
    generation.kind == SegmentKind::Ordinary
        && generation.plain.is_none()
        && generation.segments.iter().all(|segment| {
            segment.appended.is_none()
                && segment.header.cores as usize == cores
                && (segment.header.core as usize) < cores
        })
}

fn replay_in_parallel(
    generation: &GenerationPlan,
    shards: &mut [Shard],
    settings: &Settings,
    progress: &Progress,
) -> Result<(), RecoveryError> {
    let commands = crate::command::all();
    // A log that was sealed anew has such effects between the others, and one core for all of it.
    let is_alone = shards.len() == 1;
    on_each_core(shards, |core, shard| {
        let mut reply = Vec::new();
        let mut ahead = Lookahead::default();
        // Bytes replayed that INFO does not know of yet: it need not know of each command.
        let mut untold = 0;
        for segment in generation.segments.iter().filter(|segment| segment.header.core as usize == core) {
            segment.replay(&mut |_, db, args| {
                check_database(db, settings)?;
                let following = args.following();
                ahead.advance(following, shard.db(db));
                untold += (args.buffer().len() - following.len()) as u64;
                if untold >= TOLD_BYTES {
                    progress.loaded_bytes.fetch_add(std::mem::take(&mut untold), Ordering::Relaxed);
                }
                let command = find(commands, args)?;
                if is_alone && is_whole(command) {
                    return replay_whole(std::slice::from_mut(shard), command, db, args, settings);
                }
                replay_on(shard, command, db, args, &mut reply)
            })?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::{ValueRef, hash_key};
    use crate::listpack::Listpack;
    use crate::rdb::{Access, Encoder, ValueView};

    fn shards(cores: usize) -> Vec<Shard> {
        let settings = Arc::new(Settings::default());
        let keyspace = || Keyspace::new(16, 1000, SlabOptions::default()).unwrap();
        (0..cores).map(|core| Shard::new(core, cores, keyspace(), settings.clone(), 1000)).collect()
    }

    #[test]
    fn every_type_of_an_rdb_file_is_loaded_by_the_core_that_owns_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dump.rdb");
        let (mut file, mut encoder) = (Vec::new(), Encoder::new(true));
        encoder.header(&mut file, rdb::VERSION);
        encoder.select_db(&mut file, 3);
        let list: Listpack = [&b"a"[..], b"1", b"b", b"2"].into_iter().collect();
        let views: [(&[u8], ValueView<'_>, u8); 5] = [
            (b"string", ValueView::String(b"v"), 0),
            (b"list", ValueView::ListListpack(list.as_bytes()), 1),
            (b"set", ValueView::SetListpack(list.as_bytes()), 2),
            (b"zset", ValueView::ZSetListpack(list.as_bytes()), 3),
            (b"hash", ValueView::HashListpack(list.as_bytes()), 4),
        ];
        let types: Vec<_> = views.iter().map(|(key, _, code)| (key.to_vec(), *code)).collect();
        for (key, view, _) in views {
            encoder.encode_key(&mut file, key, view, Some(2000), Access::Idle(1));
        }
        encoder.encode_key(&mut file, b"over", ValueView::Int(1), Some(999), Access::Unknown);
        encoder.eof(&mut file);
        encoder.checksum(&mut file, 0);
        std::fs::write(&path, &file).unwrap();
        let (mut shards, settings, progress) = (shards(3), Settings::default(), Progress::default());
        Loader::new(&mut shards, &settings, &progress, 1000).rdb_file(&path).unwrap();
        assert_eq!(progress.keys_expired.load(Ordering::Relaxed), 1);
        for (key, code) in types {
            let db = shards[slot::core_of_key(&key, 3)].db(3);
            let entry = db.find(hash_key(&key), &key).unwrap();
            assert_eq!((db.type_code(entry), db.expire_at(entry), db.access(entry)), (code, Some(2000), 0));
            if let ValueRef::Object(object) = db.value(entry) {
                assert!(!object.is_empty());
            }
        }
        assert_eq!(shards.iter().map(|shard| shard.db(3).len()).sum::<usize>(), 5);
        // In a base nothing has expired yet: what follows in the log may still clear the time.
        Loader::new(&mut shards, &settings, &progress, 1000).base_rdb(&path).unwrap();
        assert_eq!(shards.iter().map(|shard| shard.db(3).len()).sum::<usize>(), 6);
    }
}
