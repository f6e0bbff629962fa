//! Finding sets.

use crate::command::expect::Refused;
use crate::command::typed::{SET, of_type};
use crate::config::events;
use crate::keyspace::{Db, Value, ValueRef};
use crate::object::set::Thresholds;
use crate::object::{Object, Set};
use crate::shard::{Cx, Expire, Found};

/// Finds a set to read it.
#[inline]
pub fn to_read(cx: &mut Cx<'_>, key: &[u8]) -> Result<Option<Found>, Refused> {
    let found = cx.read(key);
    of_type(cx, found, SET)
}

/// Finds a set to change it.
#[inline]
pub fn to_write(cx: &mut Cx<'_>, key: &[u8]) -> Result<Option<Found>, Refused> {
    let found = cx.write(key);
    of_type(cx, found, SET)
}

/// The set that was found.
#[inline]
pub fn of(db: &Db, found: Found) -> &Set {
    match db.value(found.entry) {
        ValueRef::Object(Object::Set(set)) => set,
        _ => unreachable!("its type was checked when it was found"),
    }
}

/// The set in an object, to be changed.
#[inline]
pub fn in_object(object: &mut Object) -> &mut Set {
    match object {
        Object::Set(set) => set,
        _ => unreachable!("its type was checked when it was found"),
    }
}

/// Whether something is a member of the set under a key, if there is one.
#[inline]
pub fn contains(cx: &Cx<'_>, found: Option<Found>, member: &[u8]) -> bool {
    found.is_some_and(|found| of(cx.db(), found).contains(member))
}

/// Redis's thresholds as they are set.
#[inline]
pub fn thresholds(cx: &Cx<'_>) -> Thresholds {
    let settings = cx.settings();
    Thresholds {
        intset_entries_max: settings.set_max_intset_entries as usize,
        listpack_entries_max: settings.set_max_listpack_entries as usize,
        listpack_value_bytes_max: settings.set_max_listpack_value as usize,
    }
}

/// Puts a set under a key in place of what is there.
pub fn put(cx: &mut Cx<'_>, key: &[u8], found: Option<Found>, set: Set) {
    cx.put(key, found, Value::Object(Box::new(Object::Set(set))), Expire::Clear);
}

/// Deletes a key whose last member has gone. The effect that removed the member does so again when it is replayed.
pub fn delete_if_empty(cx: &mut Cx<'_>, key: &[u8], found: Found) {
    if of(cx.db(), found).is_empty() {
        cx.delete(key, found);
        cx.notify(events::GENERIC, "del", key);
    }
}
