//! The small encoding: member and score pairs in a listpack, in order, as Redis stores them.

use super::member::MemberPtr;
use super::score::{ScoreText, as_integer, parse_score};
use crate::listpack::{Element, Listpack, ListpackRef};
use std::cmp::Ordering;

/// The score that an element spells. Elements that spell none were refused at loading.
#[inline]
pub(super) fn score_of(element: Element<'_>) -> f64 {
    match element {
        Element::Int(integer) => integer as f64,
        Element::Str(text) => parse_score(text).unwrap_or(0.0),
    }
}

/// The position of a member, and its score.
pub(super) fn find(list: ListpackRef<'_>, member: &[u8]) -> Option<(usize, f64)> {
    let at = list.find(member, 1)?;
    Some((at, score_of(list.at(list.skip(at)))))
}

/// A pair read at a position, and the position behind it.
#[inline]
pub(super) fn pair_at(list: ListpackRef<'_>, at: usize) -> (Element<'_>, f64, usize) {
    let score_at = list.skip(at);
    (list.at(at), score_of(list.at(score_at)), list.skip(score_at))
}

/// Position of the pair with this rank, or the end.
pub(super) fn seek(list: ListpackRef<'_>, rank: usize) -> usize {
    i64::try_from(rank * 2).ok().and_then(|index| list.seek(index)).unwrap_or(list.end())
}

/// Walks the pairs while `before` holds; gives the number walked and the position of the first for which it doesn't.
pub(super) fn walk(list: ListpackRef<'_>, mut before: impl FnMut(Element<'_>, f64) -> bool) -> (usize, usize) {
    let (mut at, mut rank) = (list.first().unwrap_or(list.end()), 0);
    while at < list.end() {
        let (member, score, next) = pair_at(list, at);
        if !before(member, score) {
            break;
        }
        at = next;
        rank += 1;
    }
    (rank, at)
}

/// Inserts a member that is not there.
pub(super) fn insert(list: &mut Listpack, member: &[u8], score: f64) {
    let (_, at) = walk(list.view(), |other, other_score| order(other, other_score, member, score).is_lt());
    list.insert_before(at, member);
    match as_integer(score) {
        Some(integer) => list.insert_after(at, integer),
        None => list.insert_after(at, ScoreText::new(score).as_bytes()),
    };
}

/// Adds a member behind all others, where the caller knows that it belongs.
pub(super) fn append(list: &mut Listpack, member: &[u8], score: f64) {
    list.append(member);
    match as_integer(score) {
        Some(integer) => list.append(integer),
        None => list.append(ScoreText::new(score).as_bytes()),
    }
}

/// How a pair of the listpack stands to another one.
fn order(one: Element<'_>, one_score: f64, other: &[u8], other_score: f64) -> Ordering {
    if one_score < other_score {
        Ordering::Less
    } else if one_score > other_score {
        Ordering::Greater
    } else {
        one.with_bytes(|bytes| bytes.cmp(other))
    }
}

/// What is wrong with a listpack that should be a sorted set. Pairs are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZSetError {
    /// No pair at all, or a member without a score.
    #[error("sorted set listpack of {0} elements is not made of pairs")]
    Pairs(usize),
    /// A score that is no number.
    #[error("sorted set listpack: the score of pair {0} is not a number")]
    Score(usize),
    /// A pair that belongs before the one in front of it.
    #[error("sorted set listpack is out of order at pair {0}")]
    Order(usize),
    /// The same member twice.
    #[error("sorted set listpack has a member twice")]
    Duplicate,
}

/// Checks what [`Listpack::from_bytes`] can't know: pairs, scores, order, no member twice.
pub(super) fn validate(list: ListpackRef<'_>) -> Result<(), ZSetError> {
    let count = list.iter().count();
    if count == 0 || !count.is_multiple_of(2) {
        return Err(ZSetError::Pairs(count));
    }
    let mut members = Vec::with_capacity(count / 2);
    let mut previous: Option<(Element<'_>, f64)> = None;
    for (index, (member, score)) in list.pairs().enumerate() {
        let score = match score {
            Element::Int(integer) => integer as f64,
            Element::Str(text) => parse_score(text).ok_or(ZSetError::Score(index))?,
        };
        let bytes = member.to_bytes();
        if previous.is_some_and(|(last, last_score)| order(last, last_score, &bytes, score).is_gt()) {
            return Err(ZSetError::Order(index));
        }
        previous = Some((member, score));
        members.push(bytes);
    }
    members.sort_unstable();
    if members.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(ZSetError::Duplicate);
    }
    Ok(())
}

/// An element that is a member of the tree.
#[inline]
pub(super) fn element<'a>(member: MemberPtr) -> Element<'a> {
    Element::Str(member.bytes())
}
