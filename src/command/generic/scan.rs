//! SCAN.

use super::keys::{is_alive, name_of_type};
use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse};
use crate::glob;
use crate::resp::Args;
use crate::shard::{Cx, join_cursor, split_cursor};

/// Steps of the walk per key asked for: bounds the work where the table is nearly empty.
const STEPS_PER_KEY: u64 = 10;
/// Keys looked at if the client does not say how many.
const COUNT: u64 = 10;

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`
pub fn scan(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_scan(cx, args);
}

fn try_scan(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let Some(cursor) = parse_cursor(args.at(1)) else { return refuse(cx, "ERR invalid cursor") };
    let options = Options::parse(cx, args.tail(2))?;
    cx.depend_on_all();
    let now_ms = cx.now_ms();
    let (core, cores) = (cx.shard().core(), cx.shard().cores());
    let (_, mut position) = split_cursor(cursor);
    let (db, reply) = cx.reading();
    reply.array(2);
    let start = reply.deferred_array();
    let (mut seen, mut shown, mut steps) = (0, 0, 0);
    while steps == 0 || position != 0 && seen < options.count && steps < options.count.saturating_mul(STEPS_PER_KEY) {
        steps += 1;
        position = db.scan(position, &mut |entry| {
            seen += 1;
            let key = db.key(entry);
            if is_alive(db, entry, now_ms) && options.want(key, db.type_code(entry)) {
                reply.bulk(key);
                shown += 1;
            }
        });
    }
    reply.finish_array(start, shown);
    let end = reply.position();
    reply.bulk(itoa::Buffer::new().format(join_cursor(core, position, cores)).as_bytes());
    reply.put_before(start, end);
    Ok(())
}

/// A cursor: an unsigned number of 64 bits.
fn parse_cursor(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

struct Options<'a> {
    count: u64,
    pattern: Option<&'a [u8]>,
    type_name: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(cx: &mut Cx<'_>, words: Args<'a>) -> Result<Options<'a>, Refused> {
        let mut options = Options { count: COUNT, pattern: None, type_name: None };
        let mut at = 0;
        while at < words.len() {
            let value = words.get(at + 1);
            match value {
                Some(number) if words.is(at, "COUNT") => {
                    options.count = match integer(cx, number)? {
                        count @ 1.. => count as u64,
                        _ => return refuse(cx, errors::SYNTAX),
                    };
                }
                Some(pattern) if words.is(at, "MATCH") => options.pattern = Some(pattern).filter(|&p| p != b"*"),
                Some(name) if words.is(at, "TYPE") => options.type_name = Some(name),
                _ if words.is(at, "NOVALUES") => {
                    return refuse(cx, "ERR NOVALUES option can only be used in HSCAN");
                }
                _ => return refuse(cx, errors::SYNTAX),
            }
            at += 2;
        }
        Ok(options)
    }

    fn want(&self, key: &[u8], type_code: u8) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, key, false))
            && self.type_name.is_none_or(|name| name.eq_ignore_ascii_case(name_of_type(type_code).as_bytes()))
    }
}
