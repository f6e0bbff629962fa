//! Keys as commands that build them, for the base of a log under `aof-use-rdb-preamble no`.
//!
//! They are the commands that Redis's own rewrite writes, of at most 64 elements each, so that every server runs them. A large
//! collection needs no place of its own in the file: its commands stand in the core's blocks, between those of other keys.
//!
//! Commands can't tell when a consumer was last seen; all else that an RDB file would say of a value they say too.

use crate::keyspace::ValueRef;
use crate::listpack::Element;
use crate::object::stream::{Entry, Group, Groups, Pending, Stream, StreamId, StreamMeta};
use crate::object::zset::ScoreText;
use crate::object::{Object, Part};
use crate::resp::write_command;

/// Elements in one command, as in Redis.
const ITEMS_MAX: usize = 64;
/// A command of so many bytes gets no further element.
const ROWS_BYTES_MAX: usize = 64 << 10;
/// What the entries are made of that have to be there for a moment.
const STAND_IN: [&[u8]; 2] = [b"x", b"y"];

fn bulk(out: &mut Vec<u8>, word: &[u8]) {
    out.reserve(word.len() + 24);
    out.push(b'$');
    out.extend_from_slice(itoa::Buffer::new().format(word.len()).as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(word);
    out.extend_from_slice(b"\r\n");
}

fn array(out: &mut Vec<u8>, words: usize) {
    out.push(b'*');
    out.extend_from_slice(itoa::Buffer::new().format(words).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    write_command(out, words.iter().copied());
}

fn digits<T: itoa::Integer>(number: T) -> Vec<u8> {
    itoa::Buffer::new().format(number).into()
}

fn text(id: StreamId) -> Vec<u8> {
    let mut text = Vec::new();
    id.write_to(&mut text);
    text
}

/// Appends the number of the database in which the following commands run.
pub(super) fn select(out: &mut Vec<u8>, db: u16) {
    command(out, &[b"SELECT", &digits(db)]);
}

/// Appends the commands that build a key; returns how many.
pub(super) fn key(out: &mut Vec<u8>, key: &[u8], value: ValueRef<'_>, expire_ms: Option<u64>) -> u32 {
    let object = match value {
        ValueRef::Int(number) => return string(out, key, &digits(number), expire_ms),
        ValueRef::Str(bytes) => return string(out, key, bytes, expire_ms),
        ValueRef::Object(object) => object,
    };
    let mut building = Building::begin(key, object, expire_ms);
    let to = &mut building;
    match object {
        Object::List(list) => list.iter().for_each(|element| to.part(out, Part::Element(element))),
        Object::Set(set) => {
            set.iter().for_each(|member| member.with_bytes(|member| to.part(out, Part::Member(member))));
        }
        Object::ZSet(zset) => zset.iter().for_each(|(member, score)| {
            member.with_bytes(|member| to.part(out, Part::Scored(member, score)));
        }),
        Object::Hash(hash) => hash.iter().for_each(|entry| {
            entry.field.with_bytes(|field| {
                entry.value.with_bytes(|value| to.part(out, Part::Field(field, value, entry.expire_ms)));
            });
        }),
        Object::Stream(stream) => {
            stream.log().range(StreamId::MIN, StreamId::MAX).for_each(|entry| to.entry(out, &entry));
        }
    }
    building.finish(out);
    building.take_commands()
}

fn string(out: &mut Vec<u8>, key: &[u8], value: &[u8], expire_ms: Option<u64>) -> u32 {
    match expire_ms {
        None => command(out, &[b"SET", key, value]),
        Some(at) => command(out, &[b"SET", key, value, b"PXAT", &digits(at)]),
    }
    1
}

/// A collection whose commands are being written.
pub(super) struct Building {
    key: Box<[u8]>,
    verb: &'static [u8],
    expire_ms: Option<u64>,
    /// Words of the command that gathers, behind its key, and how many.
    rows: Vec<u8>,
    words: usize,
    items: usize,
    /// Commands that follow it: times of fields.
    then: Vec<u8>,
    then_commands: u32,
    commands: u32,
    stream: Option<Box<StreamRest>>,
}

impl Building {
    /// Begins with a collection as it is now; its parts come by [`Building::part`].
    pub fn begin(key: &[u8], object: &Object, expire_ms: Option<u64>) -> Building {
        let (verb, stream): (&[u8], _) = match object {
            Object::List(_) => (b"RPUSH", None),
            Object::Set(_) => (b"SADD", None),
            Object::ZSet(_) => (b"ZADD", None),
            Object::Hash(_) => (b"HSET", None),
            Object::Stream(stream) => (b"XADD", Some(Box::new(StreamRest::of(key, stream)))),
        };
        Building {
            key: key.into(),
            verb,
            expire_ms,
            rows: Vec::new(),
            words: 0,
            items: 0,
            then: Vec::new(),
            then_commands: 0,
            commands: 0,
            stream,
        }
    }

    /// Bytes that wait for their command.
    pub fn waiting_bytes(&self) -> usize {
        self.rows.len() + self.then.len()
    }

    /// Bytes that it holds for what comes at the end.
    pub fn rest_bytes(&self) -> usize {
        self.stream.as_ref().map_or(0, |rest| rest.groups.len() + rest.pending.len() * size_of::<StreamId>())
    }

    /// How many commands were written since this was last asked.
    pub fn take_commands(&mut self) -> u32 {
        std::mem::take(&mut self.commands)
    }

    /// Adds a part of the collection.
    pub fn part(&mut self, out: &mut Vec<u8>, part: Part<'_>) {
        match part {
            Part::Element(Element::Int(number)) => bulk(&mut self.rows, &digits(number)),
            Part::Element(Element::Str(element)) => bulk(&mut self.rows, element),
            Part::Member(member) => bulk(&mut self.rows, member),
            Part::Scored(member, score) => {
                bulk(&mut self.rows, ScoreText::new(score).as_bytes());
                bulk(&mut self.rows, member);
            }
            Part::Field(field, value, expire_ms) => {
                bulk(&mut self.rows, field);
                bulk(&mut self.rows, value);
                if let Some(at) = expire_ms {
                    let words = [&b"HPEXPIREAT"[..], &self.key, &digits(at), b"FIELDS", b"1", field];
                    command(&mut self.then, &words);
                    self.then_commands += 1;
                }
            }
            Part::Node(id, list) => {
                crate::object::stream::entries_of(id, list).for_each(|entry| self.entry(out, &entry));
                return;
            }
        }
        self.words += if matches!(part, Part::Scored(..) | Part::Field(..)) { 2 } else { 1 };
        self.items += 1;
        if self.items == ITEMS_MAX || self.waiting_bytes() >= ROWS_BYTES_MAX {
            self.flush(out);
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        if self.items == 0 {
            return;
        }
        array(out, 2 + self.words);
        bulk(out, self.verb);
        bulk(out, &self.key);
        out.extend_from_slice(&self.rows);
        out.extend_from_slice(&self.then);
        self.commands += 1 + std::mem::take(&mut self.then_commands);
        self.rows.clear();
        self.then.clear();
        (self.words, self.items) = (0, 0);
    }

    /// Adds an entry of a stream; before it those that are pending and not there any more.
    fn entry(&mut self, out: &mut Vec<u8>, entry: &Entry<'_>) {
        let Some(rest) = &mut self.stream else { return };
        self.commands += rest.stand_ins_below(out, &self.key, entry.id);
        array(out, 3 + 2 * entry.len());
        bulk(out, self.verb);
        bulk(out, &self.key);
        bulk(out, &text(entry.id));
        for (field, value) in entry.fields() {
            field.with_bytes(|field| bulk(out, field));
            value.with_bytes(|value| bulk(out, value));
        }
        self.commands += 1;
    }

    /// All parts were added: what follows them.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.flush(out);
        self.rows = Vec::new();
        if let Some(rest) = self.stream.take() {
            self.commands += rest.finish(out, &self.key);
        }
        if let Some(at) = self.expire_ms {
            command(out, &[b"PEXPIREAT", &self.key, &digits(at)]);
            self.commands += 1;
        }
    }
}

/// What of a stream follows its entries, as it was at the beginning.
///
/// XCLAIM takes no entry that is not there. So an entry that is pending and was deleted or trimmed since is added with the others, with
/// something in its place, claimed, and taken away again as it was then: by XDEL, which notes the highest ID, or by XTRIM, which doesn't.
struct StreamRest {
    meta: StreamMeta,
    length: u64,
    first_id: StreamId,
    /// IDs that are pending anywhere, ascending, and how many of them lie behind.
    pending: Vec<StreamId>,
    passed: usize,
    /// Those of them that are not there.
    gone: Vec<StreamId>,
    /// Commands that make the groups.
    groups: Vec<u8>,
    groups_commands: u32,
}

impl StreamRest {
    fn of(key: &[u8], stream: &Stream) -> StreamRest {
        let log = stream.log();
        let mut groups = Vec::new();
        let groups_commands = write_groups(&mut groups, key, stream.groups());
        let all = StreamId::MIN..=StreamId::MAX;
        let pending = stream.groups().values().flat_map(|group| group.pending_range(all.clone()).map(|(id, _)| id));
        let mut pending: Vec<_> = pending.collect();
        pending.sort_unstable();
        pending.dedup();
        // There is no entry of this ID, and none can be made.
        let passed = usize::from(pending.first() == Some(&StreamId::MIN));
        StreamRest {
            meta: log.meta(),
            length: log.len(),
            first_id: log.first_id(),
            pending,
            passed,
            gone: Vec::new(),
            groups,
            groups_commands,
        }
    }

    /// Adds what is pending below `id` and was not passed: there is no entry any more.
    fn stand_ins_below(&mut self, out: &mut Vec<u8>, key: &[u8], id: StreamId) -> u32 {
        let before = self.gone.len();
        while let Some(&next) = self.pending.get(self.passed).filter(|next| **next < id) {
            self.stand_in(out, key, next);
        }
        if self.pending.get(self.passed) == Some(&id) {
            self.passed += 1;
        }
        (self.gone.len() - before) as u32
    }

    fn stand_in(&mut self, out: &mut Vec<u8>, key: &[u8], id: StreamId) {
        command(out, &[b"XADD", key, &text(id), STAND_IN[0], STAND_IN[1]]);
        self.gone.push(id);
        self.passed += 1;
    }

    fn finish(mut self, out: &mut Vec<u8>, key: &[u8]) -> u32 {
        let before = self.gone.len();
        while let Some(&next) = self.pending.get(self.passed) {
            self.stand_in(out, key, next);
        }
        let mut commands = (self.gone.len() - before) as u32;
        if self.length == 0 && self.gone.is_empty() {
            // So Redis makes a stream without an entry.
            command(out, &[b"XADD", key, b"MAXLEN", b"0", b"0-1", STAND_IN[0], STAND_IN[1]]);
            commands += 1;
        }
        let meta = self.meta;
        if let Some(&last_gone) = self.gone.last() {
            let added = meta.entries_added.max(self.length + self.gone.len() as u64);
            set_ids(out, key, StreamMeta { last_id: meta.last_id.max(last_gone), entries_added: added, ..meta });
            commands += 1;
        } else {
            set_ids(out, key, meta);
            commands += 1;
        }
        out.extend_from_slice(&self.groups);
        commands + self.groups_commands + self.take_gone(out, key)
    }

    /// Takes away again what was only added to be claimed.
    fn take_gone(&self, out: &mut Vec<u8>, key: &[u8]) -> u32 {
        if self.gone.is_empty() {
            return 0;
        }
        let mut commands = 1;
        let trimmed = self.gone.iter().filter(|id| self.length == 0 || **id < self.first_id).count();
        if self.length == 0 {
            command(out, &[b"XTRIM", key, b"MAXLEN", b"0"]);
            commands += 1;
        } else if trimmed > 0 {
            command(out, &[b"XTRIM", key, b"MINID", &text(self.first_id)]);
            commands += 1;
        }
        for ids in self.gone[trimmed..].chunks(ITEMS_MAX) {
            let ids: Vec<_> = ids.iter().map(|id| text(*id)).collect();
            let words: Vec<&[u8]> = [&b"XDEL"[..], key].into_iter().chain(ids.iter().map(Vec::as_slice)).collect();
            command(out, &words);
            commands += 1;
        }
        set_ids(out, key, self.meta);
        commands
    }
}

fn set_ids(out: &mut Vec<u8>, key: &[u8], meta: StreamMeta) {
    let (last, added, deleted) = (text(meta.last_id), digits(meta.entries_added), text(meta.max_deleted_id));
    command(out, &[b"XSETID", key, &last, b"ENTRIESADDED", &added, b"MAXDELETEDID", &deleted]);
}

/// Appends the commands that make the groups of a stream, its consumers and what they have pending; returns how many.
fn write_groups(out: &mut Vec<u8>, key: &[u8], groups: &Groups) -> u32 {
    let mut commands = 0;
    for (name, group) in groups {
        let read = group.entries_read.map_or(b"-1".to_vec(), digits);
        command(out, &[b"XGROUP", b"CREATE", key, name, &text(group.last_id), b"ENTRIESREAD", &read]);
        commands += 1;
        for (_, consumer) in group.consumers() {
            command(out, &[b"XGROUP", b"CREATECONSUMER", key, name, consumer.name()]);
            commands += 1;
            let pending = consumer.pending().iter().filter_map(|&id| Some((id, *group.pending(id)?)));
            commands += write_pending(out, key, name, group, pending);
        }
    }
    commands
}

/// One XCLAIM for those in a row that were delivered at the same time and equally often.
fn write_pending(
    out: &mut Vec<u8>,
    key: &[u8],
    name: &[u8],
    group: &Group,
    pending: impl Iterator<Item = (StreamId, Pending)>,
) -> u32 {
    let mut commands = 0;
    let mut ids: Vec<Vec<u8>> = Vec::new();
    let mut of: Option<Pending> = None;
    let mut claim = |ids: &mut Vec<Vec<u8>>, of: Option<Pending>| {
        let Some(of) = of.filter(|_| !ids.is_empty()) else { return };
        let (time, count) = (digits(of.delivery_time_ms), digits(of.delivery_count));
        let mut words: Vec<&[u8]> = vec![b"XCLAIM", key, name, group.consumer(of.consumer).name(), b"0"];
        words.extend(ids.iter().map(Vec::as_slice));
        words.extend([&b"TIME"[..], &time, b"RETRYCOUNT", &count, b"JUSTID", b"FORCE"]);
        command(out, &words);
        ids.clear();
        commands += 1;
    };
    for (id, pending) in pending {
        if of != Some(pending) || ids.len() == ITEMS_MAX {
            claim(&mut ids, of);
            of = Some(pending);
        }
        ids.push(text(id));
    }
    claim(&mut ids, of);
    commands
}
