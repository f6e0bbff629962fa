//! LPOS.

use super::access::{of, to_read};
use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse};
use crate::keyspace::parse_canonical_i64;
use crate::listpack::Element;
use crate::resp::Args;
use crate::shard::Cx;

/// `LPOS key element [RANK rank] [COUNT matches] [MAXLEN len]`
pub fn lpos(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_lpos(cx, args);
}

struct Options {
    /// How many matches to pass over.
    skip: u64,
    /// Whether to go from the end to the front.
    backward: bool,
    /// How many matches to give, 0 for all; without it, one that is no array.
    count: Option<usize>,
    /// How many elements to look at.
    len_max: usize,
}

fn try_lpos(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let options = Options::parse(cx, args.tail(3))?;
    let found = to_read(cx, args.at(1))?;
    let (db, reply) = cx.reading();
    let Some(found) = found else {
        match options.count {
            Some(_) => reply.array(0),
            None => reply.null(),
        }
        return Ok(());
    };
    let list = of(db, found);
    let element = Element::canonical(args.at(2));
    let len = list.len();
    let elements = if options.backward { list.iter_back_from(len - 1) } else { list.iter() };
    let mut matches = elements
        .take(options.len_max)
        .enumerate()
        .filter(|&(_, other)| other == element)
        .map(|(index, _)| if options.backward { len - 1 - index } else { index } as i64)
        .skip(usize::try_from(options.skip).unwrap_or(usize::MAX));
    match options.count {
        None => match matches.next() {
            Some(index) => reply.int(index),
            None => reply.null(),
        },
        Some(count) => {
            let start = reply.deferred_array();
            let limit = if count == 0 { usize::MAX } else { count };
            let shown = matches.take(limit).map(|index| reply.int(index)).count();
            reply.finish_array(start, shown);
        }
    }
    Ok(())
}

impl Options {
    fn parse(cx: &mut Cx<'_>, words: Args<'_>) -> Result<Options, Refused> {
        let mut options = Options { skip: 0, backward: false, count: None, len_max: usize::MAX };
        let mut at = 0;
        while at < words.len() {
            let Some(number) = words.get(at + 1) else { return refuse(cx, errors::SYNTAX) };
            if words.is(at, "RANK") {
                options.take_rank(cx, number)?;
            } else if words.is(at, "COUNT") {
                options.count = Some(not_negative(cx, number, "COUNT")?);
            } else if words.is(at, "MAXLEN") {
                options.len_max = match not_negative(cx, number, "MAXLEN")? {
                    0 => usize::MAX,
                    len_max => len_max,
                };
            } else {
                return refuse(cx, errors::SYNTAX);
            }
            at += 2;
        }
        Ok(options)
    }

    fn take_rank(&mut self, cx: &mut Cx<'_>, text: &[u8]) -> Result<(), Refused> {
        match integer(cx, text)? {
            i64::MIN => {
                refuse(cx, format!("ERR value is out of range, value must between {} and {}", -i64::MAX, i64::MAX))
            }
            0 => refuse(
                cx,
                "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
                 negative to start from the end of the list",
            ),
            rank => {
                self.backward = rank < 0;
                self.skip = rank.unsigned_abs() - 1;
                Ok(())
            }
        }
    }
}

fn not_negative(cx: &mut Cx<'_>, text: &[u8], option: &str) -> Result<usize, Refused> {
    match parse_canonical_i64(text).and_then(|number| usize::try_from(number).ok()) {
        Some(number) => Ok(number),
        None => refuse(cx, format!("ERR {option} can't be negative")),
    }
}
