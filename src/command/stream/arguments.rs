//! IDs, ranges and trims as arguments.

use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse};
use crate::object::stream::{IdRequest, RangeError, StreamId, Trim};
use crate::resp::Args;
use crate::shard::Cx;

/// Demands an ID; a missing sequence number is 0.
#[inline]
pub fn id(cx: &mut Cx<'_>, text: &[u8]) -> Result<StreamId, Refused> {
    match StreamId::parse(text, 0) {
        Some(id) => Ok(id),
        None => refuse(cx, RangeError::Syntax.to_string()),
    }
}

/// Demands IDs.
pub fn ids(cx: &mut Cx<'_>, words: Args<'_>) -> Result<Vec<StreamId>, Refused> {
    words.iter().map(|word| id(cx, word)).collect()
}

/// Demands the lower end of a range.
pub fn start(cx: &mut Cx<'_>, text: &[u8]) -> Result<StreamId, Refused> {
    StreamId::parse_start(text).or_else(|error| refuse(cx, error.to_string()))
}

/// Demands the upper end of a range.
pub fn end(cx: &mut Cx<'_>, text: &[u8]) -> Result<StreamId, Refused> {
    StreamId::parse_end(text).or_else(|error| refuse(cx, error.to_string()))
}

/// What to trim, and how thoroughly.
#[derive(Clone, Copy)]
pub struct Trimming {
    /// What goes.
    pub trim: Trim,
    /// Only whole nodes go.
    pub approximate: bool,
    /// Entries to remove at most; 0 for no limit.
    pub limit: u64,
}

/// The options of XADD and XTRIM.
#[derive(Default)]
pub struct AddOptions {
    /// What to trim.
    pub trimming: Option<Trimming>,
    /// `NOMKSTREAM`
    pub no_create: bool,
    /// The entry's ID. XADD only.
    pub id: Option<IdRequest>,
    /// Words read, the ID included.
    pub taken: usize,
}

impl AddOptions {
    /// Understands `[NOMKSTREAM] [MAXLEN | MINID [= | ~] threshold [LIMIT count]] id` of XADD, up to the ID; or with
    /// `is_xadd` unset the same without NOMKSTREAM and ID, up to the end.
    #[inline]
    pub fn parse(cx: &mut Cx<'_>, words: Args<'_>, is_xadd: bool) -> Result<AddOptions, Refused> {
        let mut options = AddOptions::default();
        let mut limit = None;
        let mut at = 0;
        while at < words.len() {
            let more = at + 1 < words.len();
            if is_xadd && words.at(at) == b"*" {
                options.id = Some(IdRequest::Auto);
                at += 1;
                break;
            } else if more && (words.is(at, "MAXLEN") || words.is(at, "MINID")) {
                at += options.take_trim(cx, words.tail(at))?;
            } else if more && words.is(at, "LIMIT") {
                match integer(cx, words.at(at + 1))? {
                    number @ 0.. => limit = Some(number as u64),
                    _ => return refuse(cx, "ERR The LIMIT argument must be >= 0."),
                }
                at += 2;
            } else if is_xadd && words.is(at, "NOMKSTREAM") {
                options.no_create = true;
                at += 1;
            } else if is_xadd {
                match IdRequest::parse(words.at(at)) {
                    Some(id) => options.id = Some(id),
                    None => return refuse(cx, RangeError::Syntax.to_string()),
                }
                at += 1;
                break;
            } else {
                return refuse(cx, errors::SYNTAX);
            }
        }
        options.taken = at;
        options.settle_limit(cx, limit, is_xadd)?;
        Ok(options)
    }

    /// Understands `MAXLEN | MINID [= | ~] threshold`, of which two words are there; says how many words it takes.
    fn take_trim(&mut self, cx: &mut Cx<'_>, words: Args<'_>) -> Result<usize, Refused> {
        if self.trimming.is_some() {
            return refuse(cx, "ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
        }
        let has_sign = words.len() > 2 && (words.at(1) == b"~" || words.at(1) == b"=");
        let approximate = has_sign && words.at(1) == b"~";
        let at = 1 + usize::from(has_sign);
        let trim = if words.is(0, "MINID") {
            Trim::MinId(id(cx, words.at(at))?)
        } else {
            match integer(cx, words.at(at))? {
                len @ 0.. => Trim::MaxLen(len as u64),
                _ => return refuse(cx, "ERR The MAXLEN argument must be >= 0."),
            }
        };
        self.trimming = Some(Trimming { trim, approximate, limit: 0 });
        Ok(at + 1)
    }

    /// Checks LIMIT against the rest and sets what holds without it.
    #[inline]
    fn settle_limit(&mut self, cx: &mut Cx<'_>, limit: Option<u64>, is_xadd: bool) -> Result<(), Refused> {
        const NO_TRIM: &str = "ERR syntax error, XTRIM must be called with a trimming strategy";
        const LIMIT_ALONE: &str = "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy";
        const LIMIT_EXACT: &str = "ERR syntax error, LIMIT cannot be used without the special ~ option";
        let Some(trimming) = &mut self.trimming else {
            return match limit {
                Some(1..) => refuse(cx, LIMIT_ALONE),
                _ if !is_xadd => refuse(cx, NO_TRIM),
                Some(0) => refuse(cx, LIMIT_EXACT),
                None => Ok(()),
            };
        };
        match limit {
            Some(_) if !trimming.approximate => return refuse(cx, LIMIT_EXACT),
            Some(limit) => trimming.limit = limit,
            None if trimming.approximate => {
                // Bounds the work: a hundred nodes.
                let node = u64::from(cx.settings().stream_node_max_entries);
                trimming.limit = if node == 0 { 10_000 } else { (100 * node).min(1_000_000) };
            }
            None => {}
        }
        Ok(())
    }
}
