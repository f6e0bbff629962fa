//! Cursor and options of HSCAN, SSCAN and their like.

use super::errors;
use super::expect::{Refused, integer, refuse};
use crate::glob;
use crate::listpack::Element;
use crate::resp::Args;
use crate::shard::Cx;

/// Elements looked at if the client does not say how many.
const COUNT: usize = 10;

/// The cursor, an unsigned number of 64 bits.
pub fn cursor(cx: &mut Cx<'_>, text: &[u8]) -> Result<u64, Refused> {
    match std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()) {
        Some(cursor) => Ok(cursor),
        None => refuse(cx, "ERR invalid cursor"),
    }
}

/// What a walk shows.
pub struct Options<'a> {
    /// About how many elements to look at.
    pub count: usize,
    /// Whether values are left out.
    pub no_values: bool,
    pattern: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    /// `[MATCH pattern] [COUNT count]`, and NOVALUES if it `is_hash`.
    pub fn parse(cx: &mut Cx<'_>, words: Args<'a>, is_hash: bool) -> Result<Options<'a>, Refused> {
        let mut options = Options { count: COUNT, no_values: false, pattern: None };
        let mut at = 0;
        while at < words.len() {
            match words.get(at + 1) {
                _ if words.is(at, "NOVALUES") => {
                    if !is_hash {
                        return refuse(cx, "ERR NOVALUES option can only be used in HSCAN");
                    }
                    options.no_values = true;
                    at += 1;
                    continue;
                }
                Some(number) if words.is(at, "COUNT") => {
                    options.count = match integer(cx, number)? {
                        count @ 1.. => count as usize,
                        _ => return refuse(cx, errors::SYNTAX),
                    };
                }
                Some(pattern) if words.is(at, "MATCH") => options.pattern = Some(pattern).filter(|&p| p != b"*"),
                _ => return refuse(cx, errors::SYNTAX),
            }
            at += 2;
        }
        Ok(options)
    }

    /// Whether an element is to be shown.
    #[inline]
    pub fn want(&self, element: Element<'_>) -> bool {
        self.pattern.is_none_or(|pattern| element.with_bytes(|bytes| glob::matches(pattern, bytes, false)))
    }
}

/// Writes cursor and elements. `walk` writes the elements, and returns their number and the cursor to go on from.
pub fn reply(cx: &mut Cx<'_>, walk: impl FnOnce(&crate::keyspace::Db, &mut crate::resp::Reply<'_>) -> (usize, u64)) {
    let (db, reply) = cx.reading();
    reply.array(2);
    let start = reply.deferred_array();
    let (shown, cursor) = walk(db, reply);
    reply.finish_array(start, shown);
    let end = reply.position();
    reply.bulk(itoa::Buffer::new().format(cursor).as_bytes());
    reply.put_before(start, end);
}
