//! Sorting, and what comes of it.

use super::options::Options;
use super::order::{Weighed, Weight, number};
use super::pattern::Pattern;
use crate::command::errors;
use crate::command::expect::{Refused, refuse};
use crate::config::events;
use crate::keyspace::{Value, ValueRef};
use crate::object::list::{End, Thresholds};
use crate::object::{List, Object};
use crate::resp::Args;
use crate::shard::{Cx, Expire};
use std::collections::BTreeSet;

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA] [STORE destination]`
pub fn sort(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_sort(cx, args);
}

/// `SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern …] [ASC | DESC] [ALPHA]`
pub fn sort_ro(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_sort(cx, args);
}

/// The keys that BY and GET read, for the value that is sorted. `None`: the request names all that it reads.
pub fn reached_keys(args: Args<'_>, value: Option<&Value<'_>>) -> Option<BTreeSet<Vec<u8>>> {
    let options = Options::parse(args).ok().filter(Options::reaches)?;
    let mut keys = BTreeSet::new();
    if let Some(Value::Object(object)) = value {
        for element in elements(object, false).unwrap_or_default() {
            keys.extend(options.by.iter().chain(&options.gets).filter_map(|pattern| pattern.key(&element)));
        }
    }
    Some(keys)
}

fn try_sort(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let options = Options::parse(args).or_else(|error| refuse(cx, error))?;
    let (elements, is_set) = load(cx, args.at(1), &options)?;
    // A set keeps no order of its own, so what is stored of it gets one.
    let force_text = is_set && options.keeps_order() && options.store.is_some();
    let window = options.window(elements.len());
    let shown: Vec<Vec<u8>> = if options.keeps_order() && !force_text {
        elements.into_iter().skip(window.start).take(window.len()).collect()
    } else {
        let mut weighed = weigh(cx, elements, &options, force_text)?;
        match options.descending {
            false => weighed.sort_by(Weighed::compare),
            true => weighed.sort_by(|a, b| b.compare(a)),
        }
        weighed.into_iter().skip(window.start).take(window.len()).map(|one| one.element).collect()
    };
    match options.store {
        Some(target) => store(cx, target, &options, shown),
        None => show(cx, &options, shown),
    }
    Ok(())
}

/// The elements under a key, and whether it is a set. Those that have an order of their own and keep it are turned
/// around already where that is wanted.
fn load(cx: &mut Cx<'_>, key: &[u8], options: &Options<'_>) -> Result<(Vec<Vec<u8>>, bool), Refused> {
    let Some(found) = cx.read(key) else { return Ok((Vec::new(), false)) };
    let backwards = options.keeps_order() && options.descending;
    let loaded = match cx.value(found) {
        ValueRef::Object(object) => elements(object, backwards).map(|some| (some, matches!(object, Object::Set(_)))),
        _ => None,
    };
    match loaded {
        Some(loaded) => Ok(loaded),
        None => refuse(cx, errors::WRONG_TYPE),
    }
}

/// The elements of a collection that can be sorted.
fn elements(object: &Object, backwards: bool) -> Option<Vec<Vec<u8>>> {
    let bytes = |element: crate::listpack::Element<'_>| element.to_bytes().into_owned();
    let mut elements: Vec<Vec<u8>> = match object {
        Object::List(list) => list.iter().map(bytes).collect(),
        Object::Set(set) => return Some(set.iter().map(bytes).collect()),
        Object::ZSet(zset) => zset.iter().map(|(member, _)| bytes(member)).collect(),
        _ => return None,
    };
    if backwards {
        elements.reverse();
    }
    Some(elements)
}

fn weigh(
    cx: &mut Cx<'_>,
    elements: Vec<Vec<u8>>,
    options: &Options<'_>,
    force_text: bool,
) -> Result<Vec<Weighed>, Refused> {
    let by = options.by.as_ref().filter(|_| !force_text);
    let mut weighed = Vec::with_capacity(elements.len());
    for element in elements {
        let weight = match (by, options.alpha || force_text) {
            (None, true) => Weight::Itself,
            (Some(by), true) => Weight::Text(look_up(cx, by, &element)),
            (by, false) => {
                let text = by.map(|by| look_up(cx, by, &element));
                let number = match &text {
                    None => number(&element),
                    Some(None) => Some(0.0),
                    Some(Some(text)) => number(text),
                };
                match number {
                    Some(number) => Weight::Number(number),
                    None => return refuse(cx, "ERR One or more scores can't be converted into double"),
                }
            }
        };
        weighed.push(Weighed { element, weight });
    }
    Ok(weighed)
}

/// What a pattern means for an element, if it is there.
fn look_up(cx: &mut Cx<'_>, pattern: &Pattern<'_>, element: &[u8]) -> Option<Vec<u8>> {
    if pattern.is_element() {
        return Some(element.to_vec());
    }
    let found = cx.read(&pattern.key(element)?)?;
    match (pattern.field(), cx.value(found)) {
        (None, ValueRef::Int(number)) => Some(itoa::Buffer::new().format(number).as_bytes().to_vec()),
        (None, ValueRef::Str(bytes)) => Some(bytes.to_vec()),
        (Some(field), ValueRef::Object(Object::Hash(hash))) => {
            let now_ms = if cx.is_replay() { 0 } else { cx.now_ms() };
            let (value, expire_ms) = hash.get(field)?;
            expire_ms.is_none_or(|at| at >= now_ms).then(|| value.to_bytes().into_owned())
        }
        _ => None,
    }
}

fn show(cx: &mut Cx<'_>, options: &Options<'_>, shown: Vec<Vec<u8>>) {
    cx.reply.array(shown.len() * options.gets.len().max(1));
    for element in &shown {
        if options.gets.is_empty() {
            cx.reply.bulk(element);
        }
        for get in &options.gets {
            match look_up(cx, get, element) {
                Some(value) => cx.reply.bulk(&value),
                None => cx.reply.null(),
            }
        }
    }
}

fn store(cx: &mut Cx<'_>, target: &[u8], options: &Options<'_>, shown: Vec<Vec<u8>>) {
    let mut values = Vec::new();
    for element in shown {
        if options.gets.is_empty() {
            values.push(element);
            continue;
        }
        for get in &options.gets {
            // What is not there is stored as an empty element: a list has no nulls.
            values.push(look_up(cx, get, &element).unwrap_or_default());
        }
    }
    let old = cx.write(target);
    let len = values.len();
    if len > 0 {
        let thresholds = Thresholds { listpack_size_max: cx.settings().list_max_listpack_size };
        let mut list = List::new();
        list.push(End::Back, values.iter().map(Vec::as_slice), &thresholds);
        let found = cx.put(target, old, Value::Object(Box::new(Object::List(list))), Expire::Clear);
        cx.notify(events::LIST, "sortstore", target);
        cx.add_dirty(len as u64 - 1);
        // The same keys need not hold the same when this is replayed, and then on other cores.
        cx.effect_whole(target, found);
    } else if let Some(old) = old {
        cx.delete(target, old);
        cx.notify(events::GENERIC, "del", target);
        cx.effect(&[b"DEL", target]);
    }
    cx.reply.int(len as i64);
}
