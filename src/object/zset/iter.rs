//! Walking a range of ranks, from either end.

use super::member::MemberPtr;
use super::packed::{element, pair_at, score_of};
use super::tree::Tree;
use crate::listpack::{Element, ListpackRef};

/// Members and scores of a range of ranks, in order; also backwards. No allocation.
#[derive(Clone)]
pub struct Iter<'a>(Inner<'a>);

#[derive(Clone)]
enum Inner<'a> {
    Packed { list: ListpackRef<'a>, front: usize, back: usize, left: usize },
    Tree { tree: &'a Tree, front: usize, back: usize, front_leaf: &'a [MemberPtr], back_leaf: &'a [MemberPtr] },
}

impl<'a> Iter<'a> {
    /// Pairs between two positions.
    pub(super) fn packed(list: ListpackRef<'a>, front: usize, back: usize, left: usize) -> Self {
        Iter(Inner::Packed { list, front, back, left })
    }

    /// Ranks `front..back`, which must be within the tree.
    pub(super) fn tree(tree: &'a Tree, front: usize, back: usize) -> Self {
        Iter(Inner::Tree { tree, front, back, front_leaf: &[], back_leaf: &[] })
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Element<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Inner::Packed { list, front, back, left } => {
                if front >= back {
                    return None;
                }
                let (member, score, next) = pair_at(*list, *front);
                *front = next;
                *left -= 1;
                Some((member, score))
            }
            Inner::Tree { tree, front, back, front_leaf, .. } => {
                if front >= back {
                    return None;
                }
                if front_leaf.is_empty() {
                    let (leaf, at) = tree.leaf_at(*front);
                    *front_leaf = &leaf[at..];
                }
                let (&member, rest) = front_leaf.split_first()?;
                *front_leaf = rest;
                *front += 1;
                Some((element(member), member.score()))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.0 {
            Inner::Packed { left, .. } => *left,
            Inner::Tree { front, back, .. } => back - front,
        };
        (left, Some(left))
    }

    /// Skips in logarithmic time where the set is large.
    fn nth(&mut self, count: usize) -> Option<Self::Item> {
        match &mut self.0 {
            Inner::Packed { .. } => {
                for _ in 0..count {
                    self.next()?;
                }
            }
            Inner::Tree { front, back, front_leaf, .. } => {
                *front = front.saturating_add(count).min(*back);
                *front_leaf = front_leaf.get(count..).unwrap_or(&[]);
            }
        }
        self.next()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Inner::Packed { list, front, back, left } => {
                if front >= back {
                    return None;
                }
                let score_at = list.prev(*back)?;
                *back = list.prev(score_at)?;
                *left -= 1;
                Some((list.at(*back), score_of(list.at(score_at))))
            }
            Inner::Tree { tree, front, back, back_leaf, .. } => {
                if front >= back {
                    return None;
                }
                if back_leaf.is_empty() {
                    let (leaf, at) = tree.leaf_at(*back - 1);
                    *back_leaf = &leaf[..=at];
                }
                let (&member, rest) = back_leaf.split_last()?;
                *back_leaf = rest;
                *back -= 1;
                Some((element(member), member.score()))
            }
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}
