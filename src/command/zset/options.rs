//! What the commands about ranges are told: which range, in which direction, how much of it.

use super::score;
use crate::command::errors;
use crate::command::expect::{Refused, integer, refuse};
use crate::command::typed::range;
use crate::object::ZSet;
use crate::object::zset::{LexBound, ScoreBound};
use crate::resp::Args;
use crate::shard::Cx;
use std::ops::Range;

/// What a range goes by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Ranks, from the end if negative.
    Rank,
    /// Scores.
    Score,
    /// Names.
    Lex,
}

/// A range, understood.
#[derive(Clone, Copy)]
pub enum Bounds<'a> {
    /// From rank to rank, both included, from the end if negative.
    Rank(i64, i64),
    /// From score to score.
    Score(ScoreBound, ScoreBound),
    /// From name to name.
    Lex(LexBound<'a>, LexBound<'a>),
}

impl<'a> Bounds<'a> {
    /// Reads the two ends.
    pub fn parse(cx: &mut Cx<'_>, by: By, min: &'a [u8], max: &'a [u8]) -> Result<Bounds<'a>, Refused> {
        Ok(match by {
            By::Rank => {
                let first = integer(cx, min)?;
                Bounds::Rank(first, integer(cx, max)?)
            }
            By::Score => {
                let (min, max) = score::score_bounds(cx, min, max)?;
                Bounds::Score(min, max)
            }
            By::Lex => {
                let (min, max) = score::lex_bounds(cx, min, max)?;
                Bounds::Lex(min, max)
            }
        })
    }

    /// The ranks that lie within, from the low end; ranks that were given count from the high end if `reverse`.
    #[inline]
    pub fn ranks(self, zset: &ZSet, reverse: bool) -> Range<usize> {
        match self {
            Bounds::Score(min, max) => zset.ranks_by_score(min, max),
            Bounds::Lex(min, max) => zset.ranks_by_lex(min, max),
            Bounds::Rank(first, last) => {
                let len = zset.len();
                let ranks = range(first, last, len);
                if reverse { len - ranks.end..len - ranks.start } else { ranks }
            }
        }
    }
}

/// A range with all that may be said about it.
pub struct RangeOptions<'a> {
    bounds: Bounds<'a>,
    /// From the high end to the low one.
    pub reverse: bool,
    /// The scores are wanted, too.
    pub with_scores: bool,
    /// How many to leave out at first.
    offset: i64,
    /// How many at most; negative: all.
    count: i64,
}

impl<'a> RangeOptions<'a> {
    /// Understands `min max [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`. `by` and `reverse` are given by
    /// the commands whose names say it; the words are then not allowed. Neither is WITHSCORES with `store`.
    #[inline]
    pub fn parse(
        cx: &mut Cx<'_>,
        words: Args<'a>,
        by: Option<By>,
        reverse: Option<bool>,
        store: bool,
    ) -> Result<RangeOptions<'a>, Refused> {
        let (mut given_by, mut given_reverse) = (by, reverse);
        let (mut with_scores, mut offset, mut count) = (false, 0, -1);
        let mut at = 2;
        while at < words.len() {
            if !store && words.is(at, "WITHSCORES") {
                with_scores = true;
            } else if words.is(at, "LIMIT") && at + 2 < words.len() {
                offset = integer(cx, words.at(at + 1))?;
                count = integer(cx, words.at(at + 2))?;
                at += 2;
            } else if given_reverse.is_none() && words.is(at, "REV") {
                given_reverse = Some(true);
            } else if given_by.is_none() && words.is(at, "BYLEX") {
                given_by = Some(By::Lex);
            } else if given_by.is_none() && words.is(at, "BYSCORE") {
                given_by = Some(By::Score);
            } else {
                return refuse(cx, errors::SYNTAX);
            }
            at += 1;
        }
        let (by, reverse) = (given_by.unwrap_or(By::Rank), given_reverse.unwrap_or(false));
        if count != -1 && by == By::Rank {
            return refuse(cx, "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
        }
        if with_scores && by == By::Lex {
            return refuse(cx, "ERR syntax error, WITHSCORES not supported in combination with BYLEX");
        }
        let (min, max) = match reverse && by != By::Rank {
            true => (words.at(1), words.at(0)),
            false => (words.at(0), words.at(1)),
        };
        let bounds = Bounds::parse(cx, by, min, max)?;
        Ok(RangeOptions { bounds, reverse, with_scores, offset, count })
    }

    /// The ranks that are wanted, from the low end.
    #[inline]
    pub fn ranks(&self, zset: &ZSet) -> Range<usize> {
        let ranks = self.bounds.ranks(zset, self.reverse);
        if matches!(self.bounds, Bounds::Rank(..)) {
            return ranks;
        }
        let Ok(offset) = usize::try_from(self.offset) else { return 0..0 };
        let len = ranks.len();
        let skip = offset.min(len);
        let take = usize::try_from(self.count).unwrap_or(usize::MAX).min(len - skip);
        if self.reverse {
            ranks.end - skip - take..ranks.end - skip
        } else {
            ranks.start + skip..ranks.start + skip + take
        }
    }
}
