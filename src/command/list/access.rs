//! Finding lists.

use crate::command::expect::Refused;
use crate::command::typed::{LIST, of_type};
use crate::config::events;
use crate::keyspace::{Db, Value, ValueRef};
use crate::object::list::{End, Thresholds};
use crate::object::{List, Object};
use crate::resp::Args;
use crate::shard::{Cx, Expire, Found};

/// Finds a list to read it.
#[inline]
pub fn to_read(cx: &mut Cx<'_>, key: &[u8]) -> Result<Option<Found>, Refused> {
    let found = cx.read(key);
    of_type(cx, found, LIST)
}

/// Finds a list to change it.
#[inline]
pub fn to_write(cx: &mut Cx<'_>, key: &[u8]) -> Result<Option<Found>, Refused> {
    let found = cx.write(key);
    of_type(cx, found, LIST)
}

/// The list that was found.
#[inline]
pub fn of(db: &Db, found: Found) -> &List {
    match db.value(found.entry) {
        ValueRef::Object(Object::List(list)) => list,
        _ => unreachable!("its type was checked when it was found"),
    }
}

/// The list in an object, to be changed.
#[inline]
pub fn in_object(object: &mut Object) -> &mut List {
    match object {
        Object::List(list) => list,
        _ => unreachable!("its type was checked when it was found"),
    }
}

/// Redis's thresholds as they are set.
#[inline]
pub fn thresholds(cx: &Cx<'_>) -> Thresholds {
    Thresholds { listpack_size_max: cx.settings().list_max_listpack_size }
}

/// Adds elements at an end, to a list that is there or to a new one. Returns the length.
#[inline]
pub fn push<'v, I>(cx: &mut Cx<'_>, key: &[u8], found: Option<Found>, end: End, values: I) -> usize
where
    I: IntoIterator<Item = &'v [u8]>,
    I::IntoIter: Clone,
{
    let thresholds = thresholds(cx);
    let len = match found {
        Some(found) => {
            let mut object = cx.object_mut(key, found);
            let list = in_object(&mut object);
            list.push(end, values, &thresholds);
            list.len()
        }
        None => {
            let mut list = List::new();
            list.push(end, values, &thresholds);
            let len = list.len();
            cx.put(key, None, Value::Object(Box::new(Object::List(list))), Expire::Clear);
            len
        }
    };
    cx.notify(events::LIST, if end == End::Front { "lpush" } else { "rpush" }, key);
    len
}

/// Deletes a key whose last element has gone. The effect that removed the element does so again when it is replayed.
#[inline]
pub fn delete_if_empty(cx: &mut Cx<'_>, key: &[u8], found: Found) {
    if of(cx.db(), found).is_empty() {
        cx.delete(key, found);
        cx.notify(events::GENERIC, "del", key);
    }
}

/// The end that `LEFT` or `RIGHT` names.
pub fn end(args: Args<'_>, at: usize) -> Option<End> {
    match args.get(at)? {
        word if word.eq_ignore_ascii_case(b"LEFT") => Some(End::Front),
        word if word.eq_ignore_ascii_case(b"RIGHT") => Some(End::Back),
        _ => None,
    }
}

/// The index that is counted from the end if it is negative; `None` if there is no such element.
#[inline]
pub fn index(list: &List, index: i64) -> Option<usize> {
    let len = list.len() as i64;
    let from_front = if index < 0 { index.checked_add(len)? } else { index };
    (0..len).contains(&from_front).then_some(from_front as usize)
}
