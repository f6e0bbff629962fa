//! The sorted set: members with scores, ordered by score and then by the members' bytes.
//!
//! Two encodings, under Redis's names:
//! - `listpack`: member and score pairs in order, byte for byte as Redis stores them;
//! - `skiplist`: in truth a B+-tree with counts (`tree`, `node`) whose leaves hold thin pointers to the members, one
//!   allocation each (`member`), and an extendible hash index over the same pointers (`index`). Some 58 bytes per member with
//!   a name of 16; no insert moves more than one leaf per level and one index segment.
//!
//! Ranks count from 0. Every range (by rank, score, name) is first turned into a range of ranks, then walked, counted or
//! removed. `-0` and `0` are the same score; NaN must not come in (the command refuses it).

mod bounds;
mod index;
mod iter;
mod member;
mod node;
mod packed;
mod score;
mod tree;

#[cfg(test)]
mod tests;

pub use bounds::{LexBound, ScoreBound};
pub use iter::Iter;
pub use packed::ZSetError;
pub use score::{ScoreText, parse_score};

use super::saving::Held;
use crate::listpack::{Element, Listpack, ListpackRef};
use rand::RngExt;
use std::ops::Range;
use tree::Tree;

/// Up to which size a sorted set stays a listpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZSetLimits {
    /// `zset-max-listpack-entries`: members.
    pub max_listpack_entries: usize,
    /// `zset-max-listpack-value`: bytes of the longest member.
    pub max_listpack_value: usize,
}

impl Default for ZSetLimits {
    /// Redis's: 128 members of 64 bytes.
    fn default() -> Self {
        ZSetLimits { max_listpack_entries: 128, max_listpack_value: 64 }
    }
}

/// What an insert did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upsert {
    /// The member is new.
    Added,
    /// The member had another score.
    Updated,
    /// The member had this score.
    Unchanged,
}

/// A sorted set.
pub struct ZSet(Encoding);

enum Encoding {
    Packed(Listpack),
    Tree(Box<Tree>),
}

impl ZSet {
    /// An empty one.
    pub fn new() -> Self {
        ZSet(Encoding::Packed(Listpack::new()))
    }

    /// An empty one, at once in the encoding that `expected` members of up to `longest` bytes will need.
    pub fn for_size(expected: usize, longest: usize, limits: ZSetLimits) -> Self {
        if expected > limits.max_listpack_entries || longest > limits.max_listpack_value {
            ZSet(Encoding::Tree(Box::new(Tree::new())))
        } else {
            Self::new()
        }
    }

    /// Takes a listpack from an RDB file: checks pairs, scores, order and that no member comes twice; changes the encoding
    /// if it has more members than the limit.
    pub fn from_listpack(list: Listpack, limits: ZSetLimits) -> Result<Self, ZSetError> {
        Self::try_from_listpack(list, limits).map_err(|(error, _)| error)
    }

    /// As [`ZSet::from_listpack`], but gives a refused listpack back.
    pub fn try_from_listpack(list: Listpack, limits: ZSetLimits) -> Result<Self, (ZSetError, Listpack)> {
        if let Err(error) = packed::validate(list.view()) {
            return Err((error, list));
        }
        let mut set = ZSet(Encoding::Packed(list));
        if set.len() > limits.max_listpack_entries {
            set.unpack();
        }
        Ok(set)
    }

    /// The listpack, if that is the encoding: as it stands in an RDB file.
    pub fn as_listpack(&self) -> Option<ListpackRef<'_>> {
        match &self.0 {
            Encoding::Packed(list) => Some(list.view()),
            Encoding::Tree(_) => None,
        }
    }

    /// The name that OBJECT ENCODING gives.
    pub fn encoding_name(&self) -> &'static str {
        match &self.0 {
            Encoding::Packed(_) => "listpack",
            Encoding::Tree(_) => "skiplist",
        }
    }

    /// Number of members.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Encoding::Packed(list) => list.len() / 2,
            Encoding::Tree(tree) => tree.len(),
        }
    }

    /// Whether there is no member.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held on the heap, as the allocator rounds them. Constant time.
    pub fn memory(&self) -> usize {
        match &self.0 {
            Encoding::Packed(list) => list.allocated_bytes(),
            Encoding::Tree(tree) => member::allocation_bytes(size_of::<Tree>()) + tree.memory(),
        }
    }

    /// Bytes that the members and their scores take, as the allocator rounds them, of a large set.
    pub(super) fn element_bytes(&self) -> usize {
        match &self.0 {
            Encoding::Packed(list) => list.allocated_bytes(),
            Encoding::Tree(tree) => tree.member_bytes(),
        }
    }

    /// Adds a member, or changes its score. The score is not NaN.
    pub fn insert(&mut self, member: &[u8], score: f64, limits: ZSetLimits) -> Upsert {
        assert!(!score.is_nan(), "a command that yields NaN is refused before");
        if let Encoding::Packed(list) = &mut self.0 {
            if let Some((at, old)) = packed::find(list.view(), member) {
                if old == score {
                    return Upsert::Unchanged;
                }
                list.delete_at(at, 2);
                packed::insert(list, member, score);
                return Upsert::Updated;
            }
            if list.len() / 2 < limits.max_listpack_entries
                && member.len() <= limits.max_listpack_value
                && list.fits(2, member.len() + ScoreText::new(score).as_bytes().len())
            {
                packed::insert(list, member, score);
                return Upsert::Added;
            }
            self.unpack();
        }
        match &mut self.0 {
            Encoding::Tree(tree) => tree.upsert(member, score),
            Encoding::Packed(_) => unreachable!("unpacked above"),
        }
    }

    /// Changes the encoding to the large one.
    fn unpack(&mut self) {
        if let Encoding::Packed(list) = &self.0 {
            let mut tree = Box::new(Tree::new());
            for (member, score) in list.view().pairs() {
                member.with_bytes(|bytes| tree.upsert(bytes, packed::score_of(score)));
            }
            self.0 = Encoding::Tree(tree);
        }
    }

    /// Changes the encoding to the small one if everything fits, as ZUNIONSTORE and its kin do with their results.
    pub fn pack(&mut self, limits: ZSetLimits) {
        let Encoding::Tree(tree) = &self.0 else { return };
        if tree.len() > limits.max_listpack_entries {
            return;
        }
        let mut list = Listpack::new();
        for (member, score) in Iter::tree(tree, 0, tree.len()) {
            let Element::Str(bytes) = member else { unreachable!("the tree's members are bytes") };
            if bytes.len() > limits.max_listpack_value || !list.fits(2, bytes.len() + 32) {
                return;
            }
            packed::append(&mut list, bytes, score);
        }
        list.shrink();
        self.0 = Encoding::Packed(list);
    }

    /// The member's score.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.0 {
            Encoding::Packed(list) => packed::find(list.view(), member).map(|(_, score)| score),
            Encoding::Tree(tree) => tree.score(member),
        }
    }

    /// The member's rank from the low end, and its score. From the high end it is `len - 1 - rank`.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match &self.0 {
            Encoding::Packed(list) => {
                let number = crate::listpack::parse_i64(member);
                let (rank, at) = packed::walk(list.view(), |other, _| match other {
                    Element::Str(bytes) => bytes != member,
                    Element::Int(integer) => number != Some(integer),
                });
                let list = list.view();
                (at < list.end()).then(|| (rank, packed::pair_at(list, at).1))
            }
            Encoding::Tree(tree) => tree.rank(member),
        }
    }

    /// Removes a member and gives the score it had.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.0 {
            Encoding::Packed(list) => {
                let (at, score) = packed::find(list.view(), member)?;
                list.delete_at(at, 2);
                Some(score)
            }
            Encoding::Tree(tree) => tree.remove(member),
        }
    }

    /// Removes the member of this rank after showing it to `visit`.
    fn take<R>(&mut self, rank: usize, visit: impl FnOnce(&[u8], f64) -> R) -> Option<R> {
        if rank >= self.len() {
            return None;
        }
        match &mut self.0 {
            Encoding::Packed(list) => {
                let at = packed::seek(list.view(), rank);
                let (member, score, _) = packed::pair_at(list.view(), at);
                let result = member.with_bytes(|bytes| visit(bytes, score));
                list.delete_at(at, 2);
                Some(result)
            }
            Encoding::Tree(tree) => Some(tree.remove_at(rank, visit)),
        }
    }

    /// Removes the lowest member after showing it to `visit`.
    pub fn pop_min<R>(&mut self, visit: impl FnOnce(&[u8], f64) -> R) -> Option<R> {
        self.take(0, visit)
    }

    /// Removes the highest member after showing it to `visit`.
    pub fn pop_max<R>(&mut self, visit: impl FnOnce(&[u8], f64) -> R) -> Option<R> {
        self.take(self.len().checked_sub(1)?, visit)
    }

    /// The ranks whose scores lie between the bounds. Counting is taking its length.
    pub fn ranks_by_score(&self, min: ScoreBound, max: ScoreBound) -> Range<usize> {
        let (start, end) = match &self.0 {
            Encoding::Packed(list) => (
                packed::walk(list.view(), |_, score| !min.admits_from_below(score)).0,
                packed::walk(list.view(), |_, score| max.admits_from_above(score)).0,
            ),
            Encoding::Tree(tree) => (tree.rank_of_min_score(min), tree.rank_behind_max_score(max)),
        };
        start..end.max(start)
    }

    /// The ranks whose names lie between the bounds; of use when all scores are the same.
    pub fn ranks_by_lex(&self, min: LexBound<'_>, max: LexBound<'_>) -> Range<usize> {
        let (start, end) = match &self.0 {
            Encoding::Packed(list) => (
                packed::walk(list.view(), |name, _| !name.with_bytes(|name| min.admits_from_below(name))).0,
                packed::walk(list.view(), |name, _| name.with_bytes(|name| max.admits_from_above(name))).0,
            ),
            Encoding::Tree(tree) => (tree.rank_of_min_lex(min), tree.rank_behind_max_lex(max)),
        };
        start..end.max(start)
    }

    /// Members and scores of these ranks in order, cut to what there is; also backwards.
    pub fn range(&self, ranks: Range<usize>) -> Iter<'_> {
        let end = ranks.end.min(self.len());
        let start = ranks.start.min(end);
        match &self.0 {
            Encoding::Packed(list) => {
                let list = list.view();
                Iter::packed(list, packed::seek(list, start), packed::seek(list, end), end - start)
            }
            Encoding::Tree(tree) => Iter::tree(tree, start, end),
        }
    }

    /// All members and scores in order; also backwards.
    pub fn iter(&self) -> Iter<'_> {
        self.range(0..self.len())
    }

    /// Removes these ranks, cut to what there is, and returns how many there were.
    pub fn remove_range(&mut self, ranks: Range<usize>) -> usize {
        let end = ranks.end.min(self.len());
        let start = ranks.start.min(end);
        match &mut self.0 {
            Encoding::Packed(list) => {
                let at = packed::seek(list.view(), start);
                list.delete_at(at, 2 * (end - start));
            }
            Encoding::Tree(tree) => {
                for _ in start..end {
                    tree.remove_at(start, |_, _| ());
                }
            }
        }
        end - start
    }

    /// The member of this rank.
    #[inline]
    pub fn nth(&self, rank: usize) -> Option<(Element<'_>, f64)> {
        self.range(rank..rank.saturating_add(1)).next()
    }

    /// A member, each with the same chance.
    pub fn random(&self, rng: &mut impl rand::Rng) -> Option<(Element<'_>, f64)> {
        match self.len() {
            0 => None,
            len => self.nth(rng.random_range(0..len)),
        }
    }

    /// Visits at least `count` members (or what is left) from `cursor` on and returns the cursor to go on with, below 2^48,
    /// or 0 at the end. The order is by hash of the name: what is there from the first call to the last is visited exactly
    /// once, whatever else comes, goes or changes its score, as long as the encoding stays. A listpack is visited whole.
    pub fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        match &self.0 {
            Encoding::Packed(list) => {
                for (member, score) in list.view().pairs() {
                    member.with_bytes(|bytes| visit(bytes, packed::score_of(score)));
                }
                0
            }
            Encoding::Tree(tree) => tree.scan(cursor, count.max(1), visit),
        }
    }

    /// Where a member stands in the order of [`ZSet::scan`], whether it is there or not: a walk that has been given
    /// the cursor `c` has visited the members with positions below `c`, and only those. 0 in a listpack.
    pub fn scan_position(&self, member: &[u8]) -> u64 {
        match &self.0 {
            Encoding::Packed(_) => 0,
            Encoding::Tree(tree) => tree.position(member),
        }
    }

    /// Begins to save the members as they are now, under the number `id`. The set must be a tree.
    pub(super) fn begin_saving(&mut self, id: u64, held: Held) {
        match &mut self.0 {
            Encoding::Tree(tree) => tree.begin_saving(id, held),
            _ => unreachable!("only large sets are saved in pieces"),
        }
    }

    /// The number of the saving under way.
    #[inline]
    pub(super) fn saving(&self) -> Option<u64> {
        match &self.0 {
            Encoding::Tree(tree) => tree.saving(),
            _ => None,
        }
    }

    /// Ends the saving, whether all is saved or not.
    pub(super) fn end_saving(&mut self) {
        if let Encoding::Tree(tree) = &mut self.0 {
            tree.end_saving();
        }
    }

    /// Gives `with` about `budget` bytes of members that are not saved yet, in no order; says whether all are saved then.
    pub(super) fn save_some(&mut self, budget: usize, with: &mut dyn FnMut(&[u8], f64)) -> bool {
        let Encoding::Tree(tree) = &mut self.0 else { return true };
        tree.save_some(budget, with)
    }

    /// Frees about `budget` allocations and returns whether everything is gone. Once begun, the set is only to be freed on.
    pub fn free_some(&mut self, budget: usize) -> bool {
        match &mut self.0 {
            Encoding::Packed(list) => {
                *list = Listpack::new();
                true
            }
            Encoding::Tree(tree) => tree.free_some(budget),
        }
    }
}

impl Default for ZSet {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for ZSet {
    fn clone(&self) -> Self {
        match &self.0 {
            Encoding::Packed(list) => ZSet(Encoding::Packed(list.clone())),
            Encoding::Tree(_) => {
                let mut tree = Box::new(Tree::new());
                for (member, score) in self.iter() {
                    member.with_bytes(|bytes| tree.upsert(bytes, score));
                }
                ZSet(Encoding::Tree(tree))
            }
        }
    }
}

/// Equal when members and scores are, whatever the encoding.
impl PartialEq for ZSet {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl std::fmt::Debug for ZSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
