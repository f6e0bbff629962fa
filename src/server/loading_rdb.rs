//! Loading an RDB file by all cores: each reads blocks of its own where the file has an index of them, else one thread reads
//! and hands the keys to the cores that own them.

use super::loading::Progress;
use super::loading_keys::KeyLoad;
use super::move_shard::Moved;
use crate::config::Settings;
use crate::object::Limits;
use crate::rdb::crc;
use crate::rdb::index::{self, BlockPlace, TRAILER_BYTES};
use crate::rdb::{self, Item, KeyRecord, Reader};
use crate::shard::{Shard, slot};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};

/// Keys handed over at once.
const BATCH_KEYS: usize = 256;
/// Batches that may wait for a core.
const BATCHES_WAITING: usize = 16;
/// Bytes read ahead of the reader's own buffer.
const READ_BYTES: usize = 1 << 20;

type Batch = Vec<(u16, KeyRecord)>;

/// How a file is loaded.
pub(super) struct RdbLoad<'a> {
    pub settings: &'a Settings,
    pub limits: Limits,
    pub progress: &'a Progress,
    pub now_ms: u64,
    /// Keys whose time is over are left out: not in a base of the log.
    pub skip_expired: bool,
}

impl RdbLoad<'_> {
    /// Loads the file into `shards`, one per core in order. Returns its length in bytes.
    pub fn load(&self, path: &Path, shards: &mut [Shard]) -> Result<u64, String> {
        let told = |error: String| format!("{}: {error}", path.display());
        let file = File::open(path).map_err(|error| told(error.to_string()))?;
        let len = file.metadata().map_err(|error| told(error.to_string()))?.len();
        match find_blocks(&file, len).map_err(|error| told(error.to_string()))? {
            Some(found) => self.load_blocks(&file, len, &found, shards).map_err(told),
            None => self.load_in_order(&file, len, shards).map_err(told),
        }
    }

    fn options(&self) -> rdb::Options {
        rdb::Options {
            deep: false,
            checksum: self.settings.rdbchecksum,
            string_bytes_max: self.settings.proto_max_bulk_len,
        }
    }

    fn database(&self, number: u32) -> Result<u16, String> {
        u16::try_from(number).ok().filter(|&db| db < self.settings.databases).ok_or_else(|| {
            format!(
                "it holds keys of database {number}, but there are only {} (directive databases)",
                self.settings.databases
            )
        })
    }

    /// Goes through the records of `reader` and gives each key with its database to `with`.
    fn read<R: Read>(
        &self,
        reader: &mut Reader<R>,
        mut with: impl FnMut(u16, KeyRecord) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut db = 0;
        while let Some(item) = reader.next_item().map_err(|error| error.to_string())? {
            match item {
                Item::SelectDb(number) => db = self.database(number)?,
                Item::Key(record) => with(db, record)?,
                Item::Function(_) => {
                    return Err("it holds a library of functions, which Basalt cannot run yet; remove it with \
                                FUNCTION FLUSH on the server that wrote the file"
                        .into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// One thread reads, and each core puts in what is its own.
    fn load_in_order(&self, file: &File, len: u64, shards: &mut [Shard]) -> Result<u64, String> {
        let source = Section { file, at: 0, end: len, sum: 0, checksum: false, progress: self.progress };
        let source = io::BufReader::with_capacity(READ_BYTES, source);
        let mut reader = Reader::new(source, self.options()).map_err(|error| error.to_string())?;
        if let [shard] = shards {
            let mut keys = KeyLoad::new(self, shard);
            self.read(&mut reader, |db, record| keys.put(db, record))?;
            keys.finish()?;
            return Ok(reader.offset());
        }
        let cores = shards.len();
        let (ways, ends): (Vec<_>, Vec<_>) = (0..cores).map(|_| sync_channel::<Batch>(BATCHES_WAITING)).unzip();
        std::thread::scope(|scope| {
            let threads: Vec<_> = shards
                .iter_mut()
                .zip(ends)
                .map(|(shard, end)| {
                    let shard = Moved::new(shard);
                    scope.spawn(move || {
                        let mut keys = KeyLoad::new(self, shard.into_inner());
                        for (db, record) in end.into_iter().flatten() {
                            keys.put(db, record)?;
                        }
                        keys.finish()
                    })
                })
                .collect();
            let mut filling: Vec<Batch> = (0..cores).map(|_| Vec::with_capacity(BATCH_KEYS)).collect();
            let read = self.read(&mut reader, |db, record| {
                let core = slot::core_of_key(&record.key, cores);
                let batch = &mut filling[core];
                batch.push((db, record));
                if batch.len() < BATCH_KEYS {
                    return Ok(());
                }
                let full = std::mem::replace(batch, Vec::with_capacity(BATCH_KEYS));
                // A core that has met an error listens no more, and says why.
                ways[core].send(full).map_err(|_| String::new())
            });
            for (way, batch) in ways.into_iter().zip(filling) {
                let _ = way.send(batch);
            }
            join_all(threads)?;
            read?;
            Ok(reader.offset())
        })
    }

    /// All cores read blocks at once.
    fn load_blocks(&self, file: &File, len: u64, found: &Found, shards: &mut [Shard]) -> Result<u64, String> {
        let cores = shards.len();
        // Where as many cores wrote it, the keys of a block are those of one core.
        let is_by_core = found.blocks.iter().map(|block| usize::from(block.core) + 1).max().unwrap_or(0) <= cores;
        let (ways, ends): (Vec<_>, Vec<_>) = (0..cores).map(|_| sync_channel::<Batch>(BATCHES_WAITING)).unzip();
        let (next, has_failed) = (AtomicUsize::new(0), AtomicBool::new(false));
        let mut sums = std::thread::scope(|scope| {
            let threads: Vec<_> = shards
                .iter_mut()
                .zip(ends)
                .enumerate()
                .map(|(core, (shard, end))| {
                    let (shard, ways) = (Moved::new(shard), ways.clone());
                    let (next, has_failed) = (&next, &has_failed);
                    scope.spawn(move || {
                        let keys = KeyLoad::new(self, shard.into_inner());
                        let mut own = BlockLoad { load: self, file, core, keys, ways, end: Some(end) };
                        let take = || match is_by_core {
                            true => None,
                            false => found.blocks.get(next.fetch_add(1, Ordering::Relaxed)).copied(),
                        };
                        let mine =
                            found.blocks.iter().copied().filter(|block| is_by_core && block.core as usize == core);
                        let result = own.load(mine.chain(std::iter::from_fn(take)), found.version, has_failed);
                        if result.is_err() {
                            has_failed.store(true, Ordering::Relaxed);
                        }
                        result
                    })
                })
                .collect();
            drop(ways);
            join_all(threads).map(|sums| sums.into_iter().flatten().collect::<Vec<_>>())
        })?;
        if sums.len() != found.blocks.len() {
            return Err("internal error: a block was not loaded".into());
        }
        if self.settings.rdbchecksum && found.checksum != 0 {
            sums.sort_unstable_by_key(|(block, _)| block.offset);
            let sum = sums.iter().fold(found.head_sum, |sum, (block, of)| crc::combine(sum, *of, block.len));
            let actual = crc::combine(sum, found.tail_sum, found.tail_len);
            if actual != found.checksum {
                let expected = found.checksum;
                return Err(rdb::Fault::Checksum { expected, actual }.to_string());
            }
        }
        Ok(len)
    }
}

/// The results of all threads, or the first error that says something: one that only met another's end has an empty text.
fn join_all<T>(threads: Vec<std::thread::ScopedJoinHandle<'_, Result<T, String>>>) -> Result<Vec<T>, String> {
    let ended = |thread: std::thread::ScopedJoinHandle<'_, _>| {
        thread.join().unwrap_or_else(|_| Err("a loading thread panicked".into()))
    };
    let results: Vec<_> = threads.into_iter().map(ended).collect();
    let said = results.iter().find_map(|result| result.as_ref().err().filter(|text| !text.is_empty()).cloned());
    if let Some(text) = said {
        return Err(text);
    }
    results.into_iter().collect()
}

/// One core that loads blocks.
struct BlockLoad<'a> {
    load: &'a RdbLoad<'a>,
    file: &'a File,
    core: usize,
    keys: KeyLoad<'a>,
    ways: Vec<SyncSender<Batch>>,
    end: Option<Receiver<Batch>>,
}

impl BlockLoad<'_> {
    /// Loads `blocks`, and the keys that other cores find for this one. Returns the checksums of the blocks.
    fn load(
        &mut self,
        blocks: impl Iterator<Item = BlockPlace>,
        version: u16,
        has_failed: &AtomicBool,
    ) -> Result<Vec<(BlockPlace, u64)>, String> {
        let load = self.load;
        let mut sums = Vec::new();
        let mut filling: Vec<Batch> = self.ways.iter().map(|_| Vec::new()).collect();
        for block in blocks {
            if has_failed.load(Ordering::Relaxed) {
                break;
            }
            let (at, end) = (block.offset, block.offset + block.len);
            let checksum = load.settings.rdbchecksum;
            let mut source = Section { file: self.file, at, end, sum: 0, checksum, progress: load.progress };
            let mut reader = Reader::block(&mut source, version, at, load.options());
            load.read(&mut reader, |db, record| {
                let core = slot::core_of_key(&record.key, filling.len());
                if core == self.core {
                    return self.keys.put(db, record);
                }
                filling[core].push((db, record));
                if filling[core].len() == BATCH_KEYS { self.send(core, &mut filling[core]) } else { Ok(()) }
            })?;
            let reached = reader.offset();
            drop(reader);
            if reached != end {
                return Err(format!("the block at offset {at} ends at {reached} and not at {end}"));
            }
            sums.push((block, source.sum));
            self.receive()?;
        }
        for (core, batch) in filling.iter_mut().enumerate() {
            if !batch.is_empty() {
                self.send(core, batch)?;
            }
        }
        // The last who sends lets the others know that it was all.
        self.ways.clear();
        if let Some(end) = self.end.take() {
            for (db, record) in end.into_iter().flatten() {
                self.keys.put(db, record)?;
            }
        }
        self.keys.finish()?;
        Ok(sums)
    }

    /// Sends a batch, taking in what comes while the other is busy: two that wait for each other would wait for good.
    fn send(&mut self, core: usize, batch: &mut Batch) -> Result<(), String> {
        let mut batch = std::mem::take(batch);
        loop {
            match self.ways[core].try_send(batch) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Disconnected(_)) => return Err(String::new()),
                Err(TrySendError::Full(back)) => {
                    batch = back;
                    if !self.receive()? {
                        std::thread::yield_now();
                    }
                }
            }
        }
    }

    /// Puts in what other cores have sent; says whether there was any.
    fn receive(&mut self) -> Result<bool, String> {
        let mut any = false;
        loop {
            let batch = match self.end.as_ref().map(Receiver::try_recv) {
                Some(Ok(batch)) => batch,
                None | Some(Err(TryRecvError::Empty | TryRecvError::Disconnected)) => return Ok(any),
            };
            any = true;
            for (db, record) in batch {
                self.keys.put(db, record)?;
            }
        }
    }
}

/// A part of the file as a source, with its checksum.
struct Section<'a> {
    file: &'a File,
    at: u64,
    end: u64,
    sum: u64,
    checksum: bool,
    progress: &'a Progress,
}

impl Read for Section<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let wanted = buf.len().min(usize::try_from(self.end - self.at).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut buf[..wanted], self.at)?;
        if self.checksum {
            self.sum = crc::combine(self.sum, crc::checksum(&buf[..read]), read as u64);
        }
        self.at += read as u64;
        self.progress.loaded_bytes.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// What an index says of a file.
struct Found {
    version: u16,
    blocks: Vec<BlockPlace>,
    head_sum: u64,
    tail_sum: u64,
    tail_len: u64,
    /// As the file ends; 0: none.
    checksum: u64,
}

/// The blocks of a file, if its head announces an index and that is whole. What is wrong otherwise is found by reading in
/// order.
fn find_blocks(file: &File, len: u64) -> io::Result<Option<Found>> {
    /// The head is a page.
    const HEAD_BYTES_MAX: usize = 64 << 10;
    /// Some 40 million blocks.
    const TAIL_BYTES_MAX: u64 = 1 << 30;
    let mut head = vec![0; HEAD_BYTES_MAX.min(len as usize)];
    file.read_exact_at(&mut head, 0)?;
    let options = rdb::Options { checksum: false, ..rdb::Options::default() };
    let Ok(mut reader) = Reader::new(&head[..], options) else { return Ok(None) };
    loop {
        match reader.next_item() {
            Ok(Some(Item::Aux { name, value })) if index::is_announcement(&name, &value) => break,
            Ok(Some(Item::Aux { .. })) => {}
            _ => return Ok(None),
        }
    }
    if len < TRAILER_BYTES as u64 {
        return Ok(None);
    }
    let mut trailer = [0; TRAILER_BYTES];
    file.read_exact_at(&mut trailer, len - TRAILER_BYTES as u64)?;
    let Some((at, sum)) = index::find(&trailer) else { return Ok(None) };
    let Some(tail_len) = (len - 8).checked_sub(at).filter(|&tail_len| tail_len <= TAIL_BYTES_MAX) else {
        return Ok(None);
    };
    let mut tail = vec![0; tail_len as usize];
    file.read_exact_at(&mut tail, at)?;
    let mut fields = Reader::block(&tail[..], rdb::VERSION, at, options);
    let Ok(Some(Item::Aux { name, value })) = fields.next_item() else { return Ok(None) };
    // Behind the announcement the head has padding only.
    while reader.offset() < HEAD_BYTES_MAX as u64 && !reader.offset().is_multiple_of(index::BLOCK_ALIGN as u64) {
        if !matches!(reader.next_item(), Ok(Some(Item::Aux { .. }))) {
            return Ok(None);
        }
    }
    let first = reader.offset();
    let Some(blocks) = index::parse(&name, &value, sum, first, at) else { return Ok(None) };
    let Some(checksum) = trailer.last_chunk::<8>().copied().map(u64::from_le_bytes) else { return Ok(None) };
    let version = reader.version();
    let head_sum = crc::checksum(&head[..first as usize]);
    Ok(Some(Found { version, blocks, head_sum, tail_sum: crc::checksum(&tail), tail_len, checksum }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::{Keyspace, SlabOptions, hash_key};
    use crate::shard::Unit;
    use crate::snapshot::{self, Order, Progress as Walked, Target, Uses};
    use crate::storage::RealFs;
    use std::sync::Arc;

    fn shards(cores: usize) -> Vec<Shard> {
        let settings = Arc::new(Settings::default());
        let keyspace = || Keyspace::new(16, 1000, SlabOptions::default()).unwrap();
        (0..cores).map(|core| Shard::new(core, cores, keyspace(), settings.clone(), 1000)).collect()
    }

    fn load(path: &Path, shards: &mut [Shard]) -> Result<u64, String> {
        let (settings, progress) = (Settings::default(), Progress::default());
        let limits = Limits::from(&settings);
        let load = RdbLoad { settings: &settings, limits, progress: &progress, now_ms: 1000, skip_expired: true };
        let result = load.load(path, shards);
        if result.is_ok() {
            let keys: usize = shards.iter().map(|shard| shard.db(0).len() + shard.db(7).len()).sum();
            assert_eq!(progress.keys_loaded.load(Ordering::Relaxed), keys as u64);
        }
        result
    }

    /// A file that `cores` cores wrote, with many blocks.
    fn file(path: &Path, cores: usize, aligned: bool, numbers: u64) -> usize {
        let mut shards = shards(cores);
        let mut keys = 0;
        for number in 0..numbers {
            let key = format!("key:{number}");
            let shard = &mut shards[slot::core_of_key(key.as_bytes(), cores)];
            let value: String = (0..9).map(|n| (number * 7919 * (n + 3)).to_string()).collect();
            let db = shard.keyspace_mut().db_mut(if number % 10 == 0 { 7 } else { 0 });
            db.insert(
                hash_key(key.as_bytes()),
                key.as_bytes(),
                crate::keyspace::Value::from_bytes(value.as_bytes()),
                None,
            );
            keys += 1;
        }
        let target = Target {
            commands: None,
            fs: Arc::new(RealFs),
            path: path.to_path_buf(),
            temporary: path.with_extension("tmp"),
            checksum: true,
            redis_version: "7.4.1",
            ctime_s: 1,
            used_memory_bytes: 1,
            aof_base: false,
            aligned,
            incremental_sync: true,
            threads: 2,
        };
        let (out, pieces) = sync_channel(1000);
        let shared = Arc::new(target.shared(u64::MAX));
        let order =
            Order { shared: shared.clone(), out, compress: false, uses: Uses::Untold, aligned, as_commands: false };
        for shard in &mut shards {
            shard.enter_unit(Unit::default());
            shard.begin_snapshot(order.clone());
            while shard.advance_snapshot(1 << 20) != Walked::Done {}
        }
        drop(order);
        snapshot::write(&target, &shared, pieces, cores).unwrap();
        keys
    }

    #[test]
    fn a_file_of_any_number_of_cores_is_loaded_by_any_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dump.rdb");
        for (wrote, aligned) in [(1, true), (2, true), (3, true), (3, false)] {
            let keys = file(&path, wrote, aligned, 40_000);
            let found = find_blocks(&File::open(&path).unwrap(), std::fs::metadata(&path).unwrap().len()).unwrap();
            assert_eq!(found.is_some(), aligned, "the index is found where there is one");
            assert!(found.is_none_or(|found| found.blocks.len() > 3));
            for cores in 1..=4 {
                let mut shards = shards(cores);
                load(&path, &mut shards).unwrap();
                assert_eq!(shards.iter().map(|shard| shard.db(0).len() + shard.db(7).len()).sum::<usize>(), keys);
                for (core, shard) in shards.iter().enumerate() {
                    shard.db(0).for_each(|entry| {
                        assert_eq!(slot::core_of_key(shard.db(0).key(entry), cores), core);
                    });
                }
            }
        }
    }

    #[test]
    fn r3_a_flipped_bit_or_a_lost_end_is_found_in_a_file_with_an_index_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dump.rdb");
        file(&path, 2, true, 2000);
        let good = std::fs::read(&path).unwrap();
        let near_end = good.len() - 150..good.len();
        for at in (0..good.len()).step_by(good.len() / 60 + 1).chain(near_end).chain(0..20).chain(4080..4120) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            std::fs::write(&path, &bad).unwrap();
            assert!(load(&path, &mut shards(2)).is_err(), "a flipped bit at {at} of {}", good.len());
        }
        for len in [0, 8, 100, 4096, good.len() / 2, good.len() - 30, good.len() - 9, good.len() - 1] {
            std::fs::write(&path, &good[..len]).unwrap();
            assert!(load(&path, &mut shards(2)).is_err(), "cut at {len}");
        }
    }
}
