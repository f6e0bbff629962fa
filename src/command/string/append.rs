//! APPEND.

use super::text;
use crate::command::expect::{Refused, string_to_write};
use crate::config::events;
use crate::keyspace::Value;
use crate::resp::Args;
use crate::shard::{Cx, Expire};

/// `APPEND key value`
pub fn append(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_append(cx, args);
}

fn try_append(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let (key, tail) = (args.at(1), args.at(2));
    let len = match string_to_write(cx, key)? {
        None => {
            cx.put(key, None, Value::from_bytes(tail), Expire::Clear);
            tail.len()
        }
        Some(found) => {
            let len = text::len(cx, found) + tail.len();
            text::check_len(cx, len as u64)?;
            cx.update_string(key, found, |bytes| bytes.extend_from_slice(tail));
            len
        }
    };
    cx.notify(events::STRING, "append", key);
    cx.effect_verbatim();
    cx.reply.int(len as i64);
    Ok(())
}
