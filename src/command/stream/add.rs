//! XADD.

use super::arguments::{AddOptions, Trimming};
use super::id_text::IdText;
use super::value;
use crate::command::expect::{Refused, refuse};
use crate::config::events;
use crate::keyspace::Value;
use crate::object::stream::{AppendError, IdRequest, StreamId};
use crate::object::{Object, Stream};
use crate::resp::Args;
use crate::shard::{Cx, Expire, Found};

/// Words of an entry's effect that need no allocation.
const FEW_WORDS: usize = 19;

/// `XADD key [NOMKSTREAM] [MAXLEN | MINID [= | ~] threshold [LIMIT count]] * | id field value [field value …]`
pub fn xadd(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_xadd(cx, args);
}

fn try_xadd(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let key = args.at(1);
    let options = AddOptions::parse(cx, args.tail(2), true)?;
    let fields = args.tail(2 + options.taken);
    let Some(request) = options.id.filter(|_| !fields.is_empty() && fields.len().is_multiple_of(2)) else {
        return refuse(cx, "ERR wrong number of arguments for 'xadd' command");
    };
    if request == IdRequest::Exact(StreamId::MIN) {
        return refuse(cx, AppendError::Zero.to_string());
    }
    let found = value::to_write(cx, key)?;
    if found.is_none() && options.no_create {
        cx.reply.null();
        return Ok(());
    }
    let (now_ms, limits) = (cx.now_ms(), value::limits(cx));
    // The effect's words, the entry's own at their end: the stream takes them from there.
    let (mut few, mut many) = ([&b""[..]; FEW_WORDS], Vec::new());
    let len = 3 + fields.len();
    let words = if len <= FEW_WORDS {
        &mut few[..len]
    } else {
        many.resize(len, &b""[..]);
        &mut many[..]
    };
    words[..2].copy_from_slice(&[b"XADD", key]);
    words[3..].iter_mut().zip(fields.iter()).for_each(|(word, field)| *word = field);
    let appended = match found {
        Some(found) => {
            // Asked first, as a refusal must leave the key untouched.
            let log = value::of(cx.value(found)).log();
            log.check_append(request, &words[3..], now_ms).map(|()| {
                let mut object = cx.object_mut(key, found);
                let log = value::of_mut(&mut object).log_mut();
                (log.append(request, &words[3..], now_ms, limits).expect("the append was checked"), found)
            })
        }
        None => {
            let mut stream = Stream::new();
            stream.log_mut().append(request, &words[3..], now_ms, limits).map(|id| {
                let value = Value::Object(Box::new(Object::Stream(Box::new(stream))));
                (id, cx.put(key, None, value, Expire::Clear))
            })
        }
    };
    let (id, found) = appended.or_else(|error| refuse(cx, error.to_string()))?;
    cx.notify(events::STREAM, "xadd", key);
    let id_text = IdText::new(id);
    cx.reply.bulk(id_text.as_bytes());
    words[2] = id_text.as_bytes();
    match options.trimming.and_then(|trimming| trim(cx, key, found, trimming)) {
        None => cx.effect(words),
        Some(left) => {
            let mut left_text = itoa::Buffer::new();
            let trimming = [b"MAXLEN", &b"="[..], left_text.format(left).as_bytes()];
            cx.effect(&[&words[..2], &trimming, &words[2..]].concat());
        }
    }
    Ok(())
}

/// Trims behind an append; says how many entries are left if some went.
fn trim(cx: &mut Cx<'_>, key: &[u8], found: Found, trimming: Trimming) -> Option<u64> {
    let mut object = cx.object_mut(key, found);
    let log = value::of_mut(&mut object).log_mut();
    let removed = log.trim(trimming.trim, trimming.approximate, trimming.limit);
    let left = log.len();
    drop(object);
    (removed > 0).then(|| {
        cx.notify(events::STREAM, "xtrim", key);
        left
    })
}
