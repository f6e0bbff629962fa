//! Consumer groups: who has been given which entries and has not acknowledged them yet.

use super::id::StreamId;
use super::log::EntryLog;
use slab::Slab;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// Heap bytes per pending entry, about: in the group's map and in the consumer's set.
const PENDING_BYTES: usize = 80;
/// Heap bytes per consumer beside its name, about.
const CONSUMER_BYTES: usize = 160;

/// Names a consumer within its group as long as it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerKey(u32);

/// A pending entry: given to a consumer, not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Who has it.
    pub consumer: ConsumerKey,
    /// When it was given last, in Unix milliseconds.
    pub delivery_time_ms: i64,
    /// How often it was given.
    pub delivery_count: u64,
}

/// A consumer.
#[derive(Clone, Debug)]
pub struct Consumer {
    name: Box<[u8]>,
    /// When it last asked for something, in Unix milliseconds.
    pub seen_time_ms: i64,
    /// When it last got something, in Unix milliseconds; -1 for never.
    pub active_time_ms: i64,
    pending: BTreeSet<StreamId>,
}

impl Consumer {
    /// The name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The IDs of its pending entries.
    pub fn pending(&self) -> &BTreeSet<StreamId> {
        &self.pending
    }
}

/// A consumer group.
#[derive(Clone, Debug)]
pub struct Group {
    /// The last ID given to a consumer.
    pub last_id: StreamId,
    /// How many entries have been given, where known.
    pub entries_read: Option<u64>,
    pending: BTreeMap<StreamId, Pending>,
    names: BTreeMap<Box<[u8]>, ConsumerKey>,
    consumers: Slab<Consumer>,
}

/// How XCLAIM claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimOptions {
    /// Only entries idle for at least this long.
    pub min_idle_ms: i64,
    /// The delivery time to note; `None` for now. Future and negative times become now.
    pub delivery_time_ms: Option<i64>,
    /// The delivery count to note; `None` to add one.
    pub delivery_count: Option<u64>,
    /// Also entries that nobody has.
    pub force: bool,
    /// The entries themselves are not wanted, so a delivery is not counted.
    pub just_id: bool,
}

/// What came of claiming an ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is the consumer's now.
    Claimed,
    /// The entry does not exist any more; it was taken off the pending entries with what was known of it.
    Deleted(Pending),
    /// Nothing changed: not pending, or not idle long enough, or no such entry.
    Left,
}

/// What came of an XAUTOCLAIM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AutoClaim {
    /// Where to go on; `0-0` when all has been seen.
    pub next: StreamId,
    /// The consumer's now.
    pub claimed: Vec<StreamId>,
    /// Taken off the pending entries, for they exist no more, with what was known of them.
    pub deleted: Vec<(StreamId, Pending)>,
}

impl Group {
    /// A group that begins behind `last_id`.
    pub fn new(last_id: StreamId, entries_read: Option<u64>) -> Self {
        Group { last_id, entries_read, pending: BTreeMap::new(), names: BTreeMap::new(), consumers: Slab::new() }
    }

    /// Bytes held on the heap, about. Constant time but for the consumers' number.
    pub fn memory(&self) -> usize {
        let names: usize = self.names.keys().map(|name| 2 * name.len()).sum();
        self.pending.len() * PENDING_BYTES + self.consumers.capacity() * CONSUMER_BYTES + names
    }

    /// The consumers, by name.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = (ConsumerKey, &Consumer)> {
        self.names.values().map(|&key| (key, self.consumer(key)))
    }

    /// The consumer of this name.
    pub fn find(&self, name: &[u8]) -> Option<ConsumerKey> {
        self.names.get(name).copied()
    }

    /// A consumer; the key is from this group and its consumer not deleted.
    pub fn consumer(&self, key: ConsumerKey) -> &Consumer {
        &self.consumers[key.0 as usize]
    }

    /// As [`Group::consumer`], to note times.
    pub fn consumer_mut(&mut self, key: ConsumerKey) -> &mut Consumer {
        &mut self.consumers[key.0 as usize]
    }

    /// The consumer of this name, made if need be; says whether it was.
    pub fn find_or_create(&mut self, name: &[u8], now_ms: i64) -> (ConsumerKey, bool) {
        if let Some(key) = self.find(name) {
            return (key, false);
        }
        let consumer =
            Consumer { name: name.into(), seen_time_ms: now_ms, active_time_ms: -1, pending: BTreeSet::new() };
        let key = ConsumerKey(u32::try_from(self.consumers.insert(consumer)).expect("consumers are fewer than 2^32"));
        self.names.insert(name.into(), key);
        (key, true)
    }

    /// Deletes a consumer and all that is pending for it; says how much that was.
    pub fn delete_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let key = self.names.remove(name)?;
        let consumer = self.consumers.remove(key.0 as usize);
        for id in &consumer.pending {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    /// Number of pending entries.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The lowest and the highest pending ID.
    pub fn pending_bounds(&self) -> Option<(StreamId, StreamId)> {
        Some((*self.pending.first_key_value()?.0, *self.pending.last_key_value()?.0))
    }

    /// What is known of a pending entry.
    pub fn pending(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(&id)
    }

    /// Pending entries of a range of IDs, in order.
    pub fn pending_range(&self, ids: RangeInclusive<StreamId>) -> impl Iterator<Item = (StreamId, &Pending)> {
        let sound = (ids.start() <= ids.end()).then(|| self.pending.range(ids));
        sound.into_iter().flatten().map(|(&id, pending)| (id, pending))
    }

    /// As [`Group::pending_range`], of one consumer.
    pub fn pending_of(
        &self,
        consumer: ConsumerKey,
        ids: RangeInclusive<StreamId>,
    ) -> impl Iterator<Item = (StreamId, &Pending)> {
        let own = &self.consumer(consumer).pending;
        let sound = (ids.start() <= ids.end()).then(|| own.range(ids));
        sound.into_iter().flatten().filter_map(|&id| Some((id, self.pending.get(&id)?)))
    }

    /// Notes that the entry was read as a new one: the group moves on to it.
    pub fn advance(&mut self, log: &EntryLog, id: StreamId) {
        if id > self.last_id {
            self.entries_read = log.entries_read_after(self.last_id, self.entries_read, id);
            self.last_id = id;
        }
    }

    /// Notes that an entry was given to a consumer for the first time (or anew, after XGROUP SETID went back).
    pub fn deliver(&mut self, id: StreamId, consumer: ConsumerKey, now_ms: i64) {
        self.set_pending(id, Pending { consumer, delivery_time_ms: now_ms, delivery_count: 1 });
        self.consumer_mut(consumer).active_time_ms = now_ms;
    }

    /// Puts a pending entry in, or in place of what was there (loading).
    pub fn set_pending(&mut self, id: StreamId, pending: Pending) {
        match self.pending.insert(id, pending) {
            Some(old) if old.consumer == pending.consumer => return,
            Some(old) => {
                self.consumer_mut(old.consumer).pending.remove(&id);
            }
            None => {}
        }
        self.consumer_mut(pending.consumer).pending.insert(id);
    }

    /// Notes another delivery of an entry that is pending already: a consumer has read its own history.
    pub fn deliver_again(&mut self, id: StreamId, now_ms: i64) {
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.delivery_time_ms = now_ms;
            pending.delivery_count += 1;
        }
    }

    /// Acknowledges an entry; gives what was known of it if it was pending.
    pub fn acknowledge(&mut self, id: StreamId) -> Option<Pending> {
        let pending = self.pending.remove(&id)?;
        self.consumer_mut(pending.consumer).pending.remove(&id);
        Some(pending)
    }

    /// XCLAIM of one ID.
    pub fn claim(
        &mut self,
        log: &EntryLog,
        id: StreamId,
        consumer: ConsumerKey,
        options: ClaimOptions,
        now_ms: i64,
    ) -> Claim {
        if log.get(id).is_none() {
            return self.acknowledge(id).map_or(Claim::Left, Claim::Deleted);
        }
        let before = self.pending.get(&id);
        let count = match before {
            None if !options.force => return Claim::Left,
            None => 0,
            Some(pending)
                if options.min_idle_ms > 0 && now_ms.saturating_sub(pending.delivery_time_ms) < options.min_idle_ms =>
            {
                return Claim::Left;
            }
            Some(pending) => pending.delivery_count,
        };
        // An entry put in by FORCE counts as given once, also when it is only to be known by its ID.
        let count = if before.is_none() { count + 1 } else { count };
        let delivery_count = match options.delivery_count {
            Some(given) => given,
            None if options.just_id => count,
            None => count + 1,
        };
        let delivery_time_ms = options.delivery_time_ms.filter(|time| (0..=now_ms).contains(time)).unwrap_or(now_ms);
        self.set_pending(id, Pending { consumer, delivery_time_ms, delivery_count });
        self.consumer_mut(consumer).active_time_ms = now_ms;
        Claim::Claimed
    }

    /// XAUTOCLAIM: goes through what is pending from `start` on until `count` IDs have been claimed or found deleted, or
    /// ten times as many have been looked at.
    pub fn auto_claim(
        &mut self,
        log: &EntryLog,
        consumer: ConsumerKey,
        start: StreamId,
        count: usize,
        options: ClaimOptions,
        now_ms: i64,
    ) -> AutoClaim {
        let mut result = AutoClaim::default();
        let (mut from, mut left, mut attempts) = (Some(start), count, count.saturating_mul(10));
        while let Some(at) = from {
            let Some((&id, _)) = self.pending.range(at..).next() else { return result };
            if left == 0 || attempts == 0 {
                result.next = id;
                return result;
            }
            attempts -= 1;
            match self.claim(log, id, consumer, options, now_ms) {
                Claim::Claimed => result.claimed.push(id),
                Claim::Deleted(pending) => result.deleted.push((id, pending)),
                Claim::Left => left += 1,
            }
            left -= 1;
            from = id.next();
        }
        result
    }

    /// Entries added behind the last one given, where that can be known.
    pub fn lag(&self, log: &EntryLog) -> Option<i64> {
        log.lag(self.last_id, self.entries_read)
    }

    /// Frees up to `budget` pending entries; true when none are left.
    pub(super) fn free_some(&mut self, budget: usize) -> bool {
        for _ in 0..budget {
            let Some((id, pending)) = self.pending.pop_last() else { return true };
            self.consumer_mut(pending.consumer).pending.remove(&id);
        }
        self.pending.is_empty()
    }
}

/// Equal when all that a client could see is: keys of consumers are not.
impl PartialEq for Group {
    fn eq(&self, other: &Self) -> bool {
        let consumers = |group: &Self| -> Vec<_> {
            let all = group.consumers().map(|(_, one)| (one.name.clone(), one.seen_time_ms, one.active_time_ms));
            all.collect()
        };
        let pending = |group: &Self| -> Vec<_> {
            let all = group.pending.iter();
            let named = all.map(|(&id, one)| {
                (id, group.consumer(one.consumer).name.clone(), one.delivery_time_ms, one.delivery_count)
            });
            named.collect()
        };
        self.last_id == other.last_id
            && self.entries_read == other.entries_read
            && consumers(self) == consumers(other)
            && pending(self) == pending(other)
    }
}
