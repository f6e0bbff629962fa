//! Finding the keys of a request.
//!
//! Most commands need nothing from here: [`CommandSpec::simple_range`] tells where their keys stand. The rest is worked
//! out from the key specifications, and for the few commands that these do not describe in full by a function each.

use super::{BeginSearch, CommandSpec, FindKeys, KeyFinder, KeyFlags, KeySpec};
use crate::resp::Args;

/// The arguments do not have the form that would tell the keys; the command itself would refuse them as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid arguments specified for command")]
pub struct KeysError;

const READS: KeyFlags = KeyFlags(KeyFlags::RO.0 | KeyFlags::ACCESS.0);
const CHANGES: KeyFlags = KeyFlags(KeyFlags::RW.0 | KeyFlags::ACCESS.0 | KeyFlags::UPDATE.0);
const REPLACES: KeyFlags = KeyFlags(KeyFlags::OW.0 | KeyFlags::UPDATE.0);

/// Calls `each` with the position of every key of the request `args` and what is done to it; returns how many there are.
/// The same key may come more than once. Shard channels are not keys (see [`for_each_channel`]).
///
/// `args` holds the command's name first and must suit its arity. On an error `each` may have been called already.
#[inline]
pub fn for_each_key(spec: &CommandSpec, args: Args, mut each: impl FnMut(usize, KeyFlags)) -> Result<usize, KeysError> {
    match spec.key_finder {
        KeyFinder::Specs => from_specs(spec, args, &mut each),
        KeyFinder::Set => {
            let get = (3..args.len()).any(|at| args.is(at, "GET"));
            each(1, if get { CHANGES } else { REPLACES });
            Ok(1)
        }
        KeyFinder::BitField => {
            each(1, if bit_field_writes(args) { CHANGES } else { READS });
            Ok(1)
        }
        KeyFinder::Sort => {
            each(1, READS);
            let Some(at) = sort_destination(args) else { return Ok(1) };
            each(at, REPLACES);
            Ok(2)
        }
        KeyFinder::SortRo => {
            each(1, READS);
            Ok(1)
        }
        KeyFinder::Migrate => migrate(spec, args, &mut each),
        KeyFinder::GeoRadius(options) => {
            each(1, READS);
            let Some(at) = geo_destination(args, options as usize) else { return Ok(1) };
            each(at, REPLACES);
            Ok(2)
        }
    }
}

/// Calls `each` with the position of every shard channel among `args`; returns how many there are.
pub fn for_each_channel(spec: &CommandSpec, args: Args, mut each: impl FnMut(usize)) -> usize {
    let mut count = 0;
    for key_spec in spec.keys.iter().filter(|s| s.flags.has(KeyFlags::NOT_KEY)) {
        let Ok(Some((first, last, step))) = locate(key_spec, args) else { continue };
        for at in (first..=last).step_by(step) {
            each(at);
            count += 1;
        }
    }
    count
}

fn from_specs(spec: &CommandSpec, args: Args, each: &mut impl FnMut(usize, KeyFlags)) -> Result<usize, KeysError> {
    let mut count = 0;
    for key_spec in spec.keys.iter().filter(|s| !s.flags.has(KeyFlags::NOT_KEY)) {
        // Scripts may do without keys, and their own checks complain about a bad number of them.
        let optional = spec.flags.has(super::Flags::NO_MANDATORY_KEYS);
        let found = match locate(key_spec, args) {
            Ok(found) => found,
            Err(_) if optional => return Ok(0),
            Err(error) => return Err(error),
        };
        let Some((first, last, step)) = found else {
            if optional {
                continue;
            }
            // An optional group of keys may be empty (PFMERGE with a destination only); a counted one may not.
            if matches!(key_spec.find, FindKeys::Range { .. }) && count > 0 {
                continue;
            }
            return Err(KeysError);
        };
        for at in (first..=last).step_by(step) {
            each(at, key_spec.flags);
            count += 1;
        }
    }
    Ok(count)
}

/// First, last and step of the keys that `spec` finds, all within `args`; `None` if it finds none.
fn locate(spec: &KeySpec, args: Args) -> Result<Option<(usize, usize, usize)>, KeysError> {
    let count = args.len();
    let begin = match spec.begin {
        BeginSearch::Index(index) => index as usize,
        BeginSearch::Keyword { keyword, start_from } => {
            let at = if start_from >= 0 {
                // The last argument can't be the keyword, since a key must follow.
                (start_from as usize..count.saturating_sub(1)).find(|&at| args.is(at, keyword))
            } else {
                let last = count.saturating_sub(start_from.unsigned_abs() as usize);
                (1..=last).rev().find(|&at| args.is(at, keyword))
            };
            at.ok_or(KeysError)? + 1
        }
        BeginSearch::Unknown => return Err(KeysError),
    };
    if begin >= count {
        return Ok(None);
    }
    let (first, last, step) = match spec.find {
        FindKeys::Range { last, step, limit } => {
            let last = if last >= 0 {
                begin + last as usize
            } else {
                let from_end = last.unsigned_abs() as usize;
                let end = if limit > 1 { begin + (count - begin) / limit as usize } else { count };
                match end.checked_sub(from_end) {
                    Some(last) if last >= begin => last,
                    _ => return Ok(None),
                }
            };
            (begin, last, step as usize)
        }
        FindKeys::KeyNum { num, first, step } => {
            let number = args.get(begin + num as usize).and_then(parse_count).ok_or(KeysError)?;
            if number == 0 {
                return Ok(None);
            }
            let first = begin + first as usize;
            let step = step as usize;
            let last = (number - 1).checked_mul(step).and_then(|n| n.checked_add(first)).ok_or(KeysError)?;
            (first, last, step)
        }
        FindKeys::Unknown => return Err(KeysError),
    };
    if last >= count { Err(KeysError) } else { Ok(Some((first, last, step))) }
}

/// A decimal number without sign, leading zeros or blanks.
fn parse_count(text: &[u8]) -> Option<usize> {
    let well_formed = match text {
        [] => false,
        [b'0'] => true,
        [b'0', ..] => false,
        _ => text.iter().all(u8::is_ascii_digit),
    };
    if !well_formed || text.len() > 10 {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Whether a BITFIELD has anything but GET and OVERFLOW. Incomplete ones count as writes; the command refuses them.
fn bit_field_writes(args: Args) -> bool {
    let mut at = 2;
    while at < args.len() {
        if args.is(at, "GET") {
            at += 3;
        } else if args.is(at, "OVERFLOW") {
            at += 2;
        } else {
            return true;
        }
    }
    at > args.len()
}

/// Where SORT stores. Options with values are stepped over, so that a pattern that reads STORE is none; the last STORE
/// counts.
fn sort_destination(args: Args) -> Option<usize> {
    let mut found = None;
    let mut at = 2;
    while at < args.len() {
        if args.is(at, "STORE") && at + 1 < args.len() {
            found = Some(at + 1);
            at += 2;
        } else if args.is(at, "LIMIT") {
            at += 3;
        } else if args.is(at, "GET") || args.is(at, "BY") {
            at += 2;
        } else {
            at += 1;
        }
    }
    found
}

/// Where GEORADIUS stores: the last STORE or STOREDIST counts.
fn geo_destination(args: Args, options: usize) -> Option<usize> {
    let mut found = None;
    let mut at = options;
    while at + 1 < args.len() {
        if args.is(at, "STORE") || args.is(at, "STOREDIST") {
            found = Some(at + 1);
            at += 1;
        }
        at += 1;
    }
    found
}

/// MIGRATE's one key; or, if it is empty, everything behind KEYS. An empty one without KEYS is a key like any other.
fn migrate(spec: &CommandSpec, args: Args, each: &mut impl FnMut(usize, KeyFlags)) -> Result<usize, KeysError> {
    let flags = spec.keys[0].flags;
    let mut at = 6;
    // KEYS as the last word has no keys and is left to the command to refuse.
    while at + 1 < args.len() {
        if args.is(at, "KEYS") {
            if !args[3].is_empty() {
                return Err(KeysError);
            }
            let keys = at + 1..args.len();
            let count = keys.len();
            keys.for_each(|key| each(key, flags));
            return Ok(count);
        }
        // The words after AUTH and AUTH2 are not options, even if they read KEYS.
        at += 1 + if args.is(at, "AUTH") { 1 } else { 2 * usize::from(args.is(at, "AUTH2")) };
    }
    each(3, flags);
    Ok(1)
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
