//! LCS: the longest common subsequence of two strings.

use super::text;
use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse};
use crate::keyspace::TYPE_STRING;
use crate::resp::{Args, Reply};
use crate::shard::Cx;

/// Redis keeps a table of lengths, this many bytes for each pair of prefixes, and refuses what would outgrow
/// `proto-max-bulk-len`. The table here is smaller, but the bound bounds the time, too.
const CELL_BYTES: u64 = 4;

/// `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]`
pub fn lcs(cx: &mut Cx<'_>, args: Args<'_>) {
    let _ = try_lcs(cx, args);
}

fn try_lcs(cx: &mut Cx<'_>, args: Args<'_>) -> Result<(), Refused> {
    let (first, second) = (cx.read(args.at(1)), cx.read(args.at(2)));
    if [first, second].iter().flatten().any(|found| cx.db().type_code(found.entry) != TYPE_STRING) {
        return refuse(cx, "ERR The specified keys must contain string values");
    }
    let options = Options::parse(cx, args.tail(3))?;
    if options.len && options.idx {
        return refuse(cx, "ERR If you want both the length and indexes, please just use IDX.");
    }
    let room = cx.settings().proto_max_bulk_len;
    let mut digits = [itoa::Buffer::new(), itoa::Buffer::new()];
    let [first_digits, second_digits] = &mut digits;
    let (db, reply) = cx.reading();
    let a = first.map_or(&b""[..], |found| text::bytes(db.value(found.entry), first_digits));
    let b = second.map_or(&b""[..], |found| text::bytes(db.value(found.entry), second_digits));
    let cells = (a.len() as u64 + 1).saturating_mul(b.len() as u64 + 1);
    if cells.saturating_mul(CELL_BYTES) > room {
        return refuse(cx, "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
    }
    if options.len {
        reply.int(Lengths::of(a, b, None) as i64);
        return Ok(());
    }
    let Some(mut steps) = Steps::new(a.len(), b.len()) else {
        return refuse(cx, "ERR Insufficient memory, failed allocating transient memory for LCS");
    };
    let len = Lengths::of(a, b, Some(&mut steps));
    if options.idx {
        reply_matches(reply, a, b, &steps, len, &options);
    } else {
        reply.bulk(&common(a, b, &steps, len));
    }
    Ok(())
}

#[derive(Default)]
struct Options {
    len: bool,
    idx: bool,
    with_match_len: bool,
    match_len_min: i64,
}

impl Options {
    fn parse(cx: &mut Cx<'_>, words: Args<'_>) -> Result<Options, Refused> {
        let mut options = Options::default();
        let mut at = 0;
        while at < words.len() {
            if words.is(at, "LEN") {
                options.len = true;
            } else if words.is(at, "IDX") {
                options.idx = true;
            } else if words.is(at, "WITHMATCHLEN") {
                options.with_match_len = true;
            } else if words.is(at, "MINMATCHLEN")
                && let Some(number) = words.get(at + 1)
            {
                options.match_len_min = integer(cx, number)?.max(0);
                at += 1;
            } else {
                return refuse(cx, errors::SYNTAX);
            }
            at += 1;
        }
        Ok(options)
    }
}

/// For every pair of prefixes whose last bytes differ: whether the way back leads over the shorter prefix of `a` (its
/// subsequence is longer) or of `b`. One bit each, a thirty-second of a table of lengths.
struct Steps {
    bits: Vec<u64>,
    columns: usize,
}

impl Steps {
    /// `None` if there is no memory.
    fn new(a: usize, b: usize) -> Option<Steps> {
        let words = a.checked_mul(b)?.div_ceil(64);
        let mut bits = Vec::new();
        bits.try_reserve_exact(words).ok()?;
        bits.resize(words, 0);
        Some(Steps { bits, columns: b })
    }

    fn set(&mut self, i: usize, j: usize) {
        let at = i * self.columns + j;
        self.bits[at / 64] |= 1 << (at % 64);
    }

    fn get(&self, i: usize, j: usize) -> bool {
        let at = i * self.columns + j;
        self.bits[at / 64] >> (at % 64) & 1 != 0
    }
}

struct Lengths;

impl Lengths {
    /// The length of the longest common subsequence, by the classic recurrence, a row at a time.
    fn of(a: &[u8], b: &[u8], mut steps: Option<&mut Steps>) -> usize {
        let mut row = vec![0u32; b.len() + 1];
        for (i, &byte) in a.iter().enumerate() {
            let mut diagonal = 0;
            for (j, &other) in b.iter().enumerate() {
                let above = row[j + 1];
                if byte == other {
                    row[j + 1] = diagonal + 1;
                } else if above > row[j] {
                    if let Some(steps) = &mut steps {
                        steps.set(i, j);
                    }
                } else {
                    row[j + 1] = row[j];
                }
                diagonal = above;
            }
        }
        row[b.len()] as usize
    }
}

/// Walks back from the ends; calls `visit` with the positions of each pair of bytes of the subsequence, last first.
fn walk_back(a: &[u8], b: &[u8], steps: &Steps, mut visit: impl FnMut(usize, usize)) {
    let (mut i, mut j) = (a.len(), b.len());
    while i > 0 && j > 0 {
        if a[i - 1] == b[j - 1] {
            i -= 1;
            j -= 1;
            visit(i, j);
        } else if steps.get(i - 1, j - 1) {
            i -= 1;
        } else {
            j -= 1;
        }
    }
}

fn common(a: &[u8], b: &[u8], steps: &Steps, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    walk_back(a, b, steps, |i, _| bytes.push(a[i]));
    bytes.reverse();
    bytes
}

/// Replies with the runs of bytes that match, from the last to the first, and the length of the whole.
fn reply_matches(reply: &mut Reply<'_>, a: &[u8], b: &[u8], steps: &Steps, len: usize, options: &Options) {
    reply.map(2);
    reply.bulk(b"matches");
    let start = reply.deferred_array();
    let mut shown = 0;
    // Where the run begins in both strings, and its length.
    let mut run = (0, 0, 0);
    let mut show = |(i, j, len): (usize, usize, usize)| {
        if len > 0 && len as i64 >= options.match_len_min {
            shown += 1;
            reply.array(2 + options.with_match_len as usize);
            for first in [i, j] {
                reply.array(2);
                reply.int(first as i64);
                reply.int((first + len - 1) as i64);
            }
            if options.with_match_len {
                reply.int(len as i64);
            }
        }
    };
    walk_back(a, b, steps, |i, j| {
        if run.2 > 0 && run.0 == i + 1 && run.1 == j + 1 {
            run = (i, j, run.2 + 1);
        } else {
            show(std::mem::replace(&mut run, (i, j, 1)));
        }
    });
    show(run);
    reply.finish_array(start, shown);
    reply.bulk(b"len");
    reply.int(len as i64);
}
