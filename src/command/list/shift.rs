//! From list to list: LMOVE, RPOPLPUSH.

use super::access::{self, end, in_object, of, to_write};
use super::pop::{next, pop_event, remove};
use crate::command::errors;
use crate::command::expect::{Refused, refuse};
use crate::config::events;
use crate::object::list::End;
use crate::resp::Args;
use crate::shard::Cx;

/// `LMOVE source destination LEFT | RIGHT LEFT | RIGHT`
pub fn lmove(cx: &mut Cx<'_>, args: Args<'_>) {
    let (Some(take), Some(add)) = (end(args, 3), end(args, 4)) else { return cx.reply.error(errors::SYNTAX) };
    let _ = shift(cx, args.at(1), args.at(2), take, add);
}

/// `RPOPLPUSH source destination`
pub fn rpoplpush(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = shift(cx, args.at(1), args.at(2), End::Back, End::Front);
}

/// Takes an element from one end of a list and adds it to an end of another or of the same. In the log it is LMOVE.
pub fn shift(cx: &mut Cx<'_>, from: &[u8], to: &[u8], take: End, add: End) -> Result<(), Refused> {
    let Some(source) = to_write(cx, from)? else {
        cx.reply.null();
        return Ok(());
    };
    let destination = to_write(cx, to)?;
    let Some(element) = next(of(cx.db(), source), take).map(|element| element.to_bytes().into_owned()) else {
        return refuse(cx, errors::NO_SUCH_KEY);
    };
    cx.reply.bulk(&element);
    if from == to {
        // In between the list may have no element, and is a list nevertheless.
        let thresholds = access::thresholds(cx);
        let mut object = cx.object_mut(from, source);
        in_object(&mut object).pop(take, &thresholds, |_| ());
        drop(object);
        access::push(cx, to, Some(source), add, [&element[..]]);
        cx.notify(events::LIST, pop_event(take), from);
    } else {
        access::push(cx, to, destination, add, [&element[..]]);
        remove(cx, from, source, take, 1);
    }
    let name = |end| if end == End::Front { &b"LEFT"[..] } else { b"RIGHT" };
    cx.effect(&[b"LMOVE", from, to, name(take), name(add)]);
    Ok(())
}
