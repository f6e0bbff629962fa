//! XGROUP.

use super::{arguments, value};
use crate::command::answer::subcommand_error;
use crate::command::expect::{Refused, integer, refuse};
use crate::config::events;
use crate::keyspace::Value;
use crate::object::stream::StreamId;
use crate::object::{Object, Stream};
use crate::resp::Args;
use crate::shard::{Cx, Expire, Found};

const NO_KEY: &str = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the \
                      MKSTREAM option to create an empty stream automatically.";

/// The error of a group that is not there.
pub(super) fn no_group(key: &[u8], group: &[u8]) -> Vec<u8> {
    [b"NOGROUP No such consumer group '", group, b"' for key name '", key, b"'"].concat()
}

/// `XGROUP CREATE key group id | $ [MKSTREAM] [ENTRIESREAD count]`
pub fn create(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_create(cx, args);
}

fn try_create(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let (key, name) = (args.at(2), args.at(3));
    let options = Options::parse(cx, args, true)?;
    let found = value::to_write(cx, key)?;
    if found.is_none() && !options.make_stream {
        return refuse(cx, NO_KEY);
    }
    let last_id = last_id(cx, args.at(4), found)?;
    match found {
        Some(found) => {
            if value::of(cx.value(found)).group(name).is_some() {
                return refuse(cx, "BUSYGROUP Consumer Group name already exists");
            }
            value::of_mut(&mut cx.object_mut_unwatched(key, found)).create_group(name, last_id, options.entries_read);
        }
        None => {
            let mut stream = Stream::new();
            stream.create_group(name, last_id, options.entries_read);
            cx.put(key, None, Value::Object(Box::new(Object::Stream(Box::new(stream)))), Expire::Clear);
        }
    }
    cx.notify(events::STREAM, "xgroup-create", key);
    cx.effect_verbatim();
    cx.reply.ok();
    Ok(())
}

/// `XGROUP SETID key group id | $ [ENTRIESREAD count]`
pub fn set_id(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_set_id(cx, args);
}

fn try_set_id(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let (key, name) = (args.at(2), args.at(3));
    let options = Options::parse(cx, args, false)?;
    let found = with_group(cx, key, name)?;
    // Here, unlike in CREATE, the ends of all IDs have names.
    let last_id = match args.at(4) {
        b"-" => StreamId::MIN,
        b"+" => StreamId::MAX,
        text => last_id(cx, text, Some(found))?,
    };
    let mut object = cx.object_mut_unwatched(key, found);
    let group = value::group_mut(&mut object, name);
    group.last_id = last_id;
    group.entries_read = options.entries_read;
    drop(object);
    cx.notify(events::STREAM, "xgroup-setid", key);
    cx.effect_verbatim();
    cx.reply.ok();
    Ok(())
}

/// `XGROUP DESTROY key group`
pub fn destroy(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_destroy(cx, args);
}

fn try_destroy(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let (key, name) = (args.at(2), args.at(3));
    let Some(found) = value::to_write(cx, key)? else { return refuse(cx, NO_KEY) };
    let there = value::of(cx.value(found)).group(name).is_some();
    if there {
        value::of_mut(&mut cx.object_mut_unwatched(key, found)).destroy_group(name);
        cx.notify(events::STREAM, "xgroup-destroy", key);
        cx.effect_verbatim();
    }
    cx.reply.int(there as i64);
    Ok(())
}

/// `XGROUP CREATECONSUMER key group consumer`
pub fn create_consumer(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_create_consumer(cx, args);
}

fn try_create_consumer(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let (key, name) = (args.at(2), args.at(3));
    let found = with_group(cx, key, name)?;
    let missing = value::of(cx.value(found)).group(name).is_some_and(|group| group.find(args.at(4)).is_none());
    if missing {
        let now_ms = cx.now_ms() as i64;
        value::group_mut(&mut cx.object_mut_unwatched(key, found), name).find_or_create(args.at(4), now_ms);
        cx.notify(events::STREAM, "xgroup-createconsumer", key);
        cx.effect_verbatim();
    }
    cx.reply.int(missing as i64);
    Ok(())
}

/// `XGROUP DELCONSUMER key group consumer`
pub fn delete_consumer(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_delete_consumer(cx, args);
}

fn try_delete_consumer(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let (key, name) = (args.at(2), args.at(3));
    let found = with_group(cx, key, name)?;
    let there = value::of(cx.value(found)).group(name).is_some_and(|group| group.find(args.at(4)).is_some());
    let mut pending = 0;
    if there {
        let deleted = value::group_mut(&mut cx.object_mut_unwatched(key, found), name).delete_consumer(args.at(4));
        pending = deleted.unwrap_or(0);
        cx.notify(events::STREAM, "xgroup-delconsumer", key);
        cx.effect_verbatim();
    }
    cx.reply.int(pending as i64);
    Ok(())
}

/// Finds a key that must be there and have the group, to change it.
fn with_group(cx: &mut Cx<'_>, key: &[u8], name: &[u8]) -> Result<Found, Refused> {
    let Some(found) = value::to_write(cx, key)? else { return refuse(cx, NO_KEY) };
    match value::of(cx.value(found)).group(name) {
        Some(_) => Ok(found),
        None => refuse(cx, no_group(key, name)),
    }
}

/// The ID that a group begins behind: `$` is the stream's last.
fn last_id(cx: &mut Cx<'_>, text: &[u8], found: Option<Found>) -> Result<StreamId, Refused> {
    match text {
        b"$" => Ok(found.map_or(StreamId::MIN, |found| value::of(cx.value(found)).log().last_id())),
        text => arguments::id(cx, text),
    }
}

/// The options of CREATE and SETID.
struct Options {
    make_stream: bool,
    entries_read: Option<u64>,
}

impl Options {
    fn parse(cx: &mut Cx<'_>, args: Args<'_>, create: bool) -> Result<Options, Refused> {
        let mut options = Options { make_stream: false, entries_read: None };
        let mut at = 5;
        while at < args.len() {
            if create && args.is(at, "MKSTREAM") {
                options.make_stream = true;
                at += 1;
            } else if args.is(at, "ENTRIESREAD") && at + 1 < args.len() {
                options.entries_read = match integer(cx, args.at(at + 1))? {
                    -1 => None,
                    count @ 0.. => Some(count as u64),
                    _ => return refuse(cx, "ERR value for ENTRIESREAD must be positive or -1"),
                };
                at += 2;
            } else {
                return refuse(cx, subcommand_error(args));
            }
        }
        Ok(options)
    }
}
