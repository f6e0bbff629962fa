//! BITOP.

use crate::command::errors;
use crate::command::expect::{Refused, refuse, string_to_write};
use crate::command::string::text;
use crate::config::events;
use crate::resp::Args;
use crate::shard::{Cx, Found};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
}

impl Operation {
    fn named(args: Args<'_>) -> Option<Operation> {
        [("AND", Operation::And), ("OR", Operation::Or), ("XOR", Operation::Xor), ("NOT", Operation::Not)]
            .into_iter()
            .find_map(|(name, operation)| args.is(1, name).then_some(operation))
    }

    /// Joins one more source into the result, which is at least as long. Shorter sources count as followed by zeros.
    fn join(self, result: &mut [u8], source: &[u8]) {
        let (head, tail) = result.split_at_mut(source.len());
        let pairs = head.iter_mut().zip(source);
        match self {
            Operation::And => {
                pairs.for_each(|(to, from)| *to &= from);
                tail.fill(0);
            }
            Operation::Or => pairs.for_each(|(to, from)| *to |= from),
            Operation::Xor => pairs.for_each(|(to, from)| *to ^= from),
            Operation::Not => {}
        }
    }
}

/// `BITOP (AND | OR | XOR | NOT) destination source [source …]`
pub fn bitop(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_bitop(cx, args);
}

fn try_bitop(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let Some(operation) = Operation::named(args) else { return refuse(cx, errors::SYNTAX) };
    if operation == Operation::Not && args.len() != 4 {
        return refuse(cx, "ERR BITOP NOT must be called with a single source key.");
    }
    let mut sources = Vec::with_capacity(args.len() - 3);
    for key in args.tail(3).iter() {
        // Found as a writer finds it: were its time over and the key still there, replaying the effect would use it.
        sources.push(string_to_write(cx, key)?);
    }
    let result = compute(cx, operation, &sources);
    let len = result.len();
    store(cx, args.at(2), result);
    cx.reply.int(len as i64);
    Ok(())
}

fn compute(cx: &Cx<'_>, operation: Operation, sources: &[Option<Found>]) -> Vec<u8> {
    let mut digits = itoa::Buffer::new();
    let len = sources.iter().flatten().map(|&found| text::len(cx, found)).max().unwrap_or(0);
    let mut result = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        let bytes = source.map_or(&b""[..], |found| text::bytes(cx.value(found), &mut digits));
        if number == 0 {
            result.reserve_exact(len);
            result.extend_from_slice(bytes);
            result.resize(len, 0);
        } else {
            operation.join(&mut result, bytes);
        }
    }
    if operation == Operation::Not {
        result.iter_mut().for_each(|byte| *byte = !*byte);
    }
    result
}

/// Puts the result under a key; an empty one removes it.
fn store(cx: &mut Cx<'_>, key: &[u8], result: Vec<u8>) {
    let found = cx.write(key);
    if !result.is_empty() {
        text::put_raw(cx, key, found, result);
        cx.notify(events::STRING, "set", key);
        cx.effect_verbatim();
    } else if let Some(found) = found {
        cx.delete(key, found);
        cx.notify(events::GENERIC, "del", key);
        cx.effect(&[b"DEL", key]);
    }
}
