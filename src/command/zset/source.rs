//! What the commands over several sorted sets read: sorted sets and plain sets, whose members all have the score 1.

use crate::command::errors;
use crate::command::expect::{Refused, refuse};
use crate::keyspace::ValueRef;
use crate::listpack::Element;
use crate::object::{Object, Set, ZSet};
use crate::resp::Args;
use crate::shard::{Cx, Found};

/// One key's members with scores.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// The key is not there.
    Missing,
    /// A sorted set.
    ZSet(&'a ZSet),
    /// A set.
    Set(&'a Set),
}

impl<'a> Source<'a> {
    /// What a key holds, which was found to fit.
    pub fn of(value: Option<ValueRef<'a>>) -> Source<'a> {
        match value {
            None => Source::Missing,
            Some(ValueRef::Object(Object::ZSet(zset))) => Source::ZSet(zset),
            Some(ValueRef::Object(Object::Set(set))) => Source::Set(set),
            Some(_) => unreachable!("the type was looked at when the key was found"),
        }
    }

    /// Number of members.
    pub fn len(self) -> usize {
        match self {
            Source::Missing => 0,
            Source::ZSet(zset) => zset.len(),
            Source::Set(set) => set.len(),
        }
    }

    /// A member's score.
    pub fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Source::Missing => None,
            Source::ZSet(zset) => zset.score(member),
            Source::Set(set) => set.contains(member).then_some(1.0),
        }
    }

    /// Members and scores.
    pub fn iter(self) -> impl Iterator<Item = (Element<'a>, f64)> {
        let (zset, set) = match self {
            Source::Missing => (None, None),
            Source::ZSet(zset) => (Some(zset.iter()), None),
            Source::Set(set) => (None, Some(set.iter().map(|member| (member, 1.0)))),
        };
        zset.into_iter().flatten().chain(set.into_iter().flatten())
    }
}

/// Finds the keys; each that is there must be a set of either kind. With `to_store` they are found as a writer finds
/// them: were a key's time over and it still there, replaying the effect would read it.
pub fn find(cx: &mut Cx<'_>, keys: Args<'_>, to_store: bool) -> Result<Vec<Option<Found>>, Refused> {
    let mut sources = Vec::with_capacity(keys.len());
    for key in keys.iter() {
        let found = if to_store { cx.write(key) } else { cx.read(key) };
        if let Some(found) = found
            && !matches!(cx.value(found), ValueRef::Object(Object::ZSet(_) | Object::Set(_)))
        {
            return refuse(cx, errors::WRONG_TYPE);
        }
        sources.push(found);
    }
    Ok(sources)
}
