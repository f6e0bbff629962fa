//! The large encoding: a B+-tree with counts for order and rank, an index for names. Named "skiplist" to the outside.

use super::Upsert;
use super::bounds::{LexBound, ScoreBound};
use super::index::{Index, POSITION_BITS};
use super::member::MemberPtr;
use super::node::{Edge, Inner, Key, Leaf, Node, Nodes};
use crate::object::saving::{ELEMENT_COST, Grid, Held, Slot};
use crate::object::table::{Header, read_varint};

/// Owns its members: whatever is in the tree is in the index, and the other way round.
pub(super) struct Tree {
    root: Node,
    index: Index,
    nodes: Nodes,
    len: usize,
    member_bytes: usize,
    saving: Slot<Grid>,
}

impl Tree {
    pub(super) fn new() -> Self {
        Tree {
            root: Node::Leaf(Leaf::new()),
            index: Index::new(),
            nodes: Nodes { leaves: 1, inners: 0 },
            len: 0,
            member_bytes: 0,
            saving: Slot::EMPTY,
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes allocated, without the tree's own struct.
    pub(super) fn memory(&self) -> usize {
        self.member_bytes + self.nodes.allocated_bytes() + self.index.memory()
    }

    /// Bytes allocated for members.
    pub(super) fn member_bytes(&self) -> usize {
        self.member_bytes
    }

    #[inline]
    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        self.index.find(self.index.hash(member), member).map(MemberPtr::score)
    }

    /// Position in the order of [`Tree::scan`].
    pub(super) fn position(&self, member: &[u8]) -> u64 {
        Index::position(self.index.hash(member))
    }

    pub(super) fn scan(&self, position: u64, count: usize, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        self.index.scan(position, count, |member| visit(member.bytes(), member.score()))
    }

    pub(super) fn upsert(&mut self, member: &[u8], score: f64) -> Upsert {
        let hash = self.index.hash(member);
        match self.index.find(hash, member) {
            Some(found) if found.score() == score => Upsert::Unchanged,
            Some(found) => {
                self.keep(hash);
                self.move_to(found, score);
                Upsert::Updated
            }
            None => {
                self.keep(hash);
                let new = MemberPtr::new(score, member);
                self.index.insert(hash, new);
                self.link(new);
                self.member_bytes += new.allocated_bytes();
                self.len += 1;
                Upsert::Added
            }
        }
    }

    /// Puts a member into the order.
    fn link(&mut self, member: MemberPtr) {
        let key = Key { score: member.score(), member: member.bytes() };
        let mut made = Nodes::default();
        if let Some(right) = self.root.insert(&key, member, Edge { first: true, last: true }, &mut made) {
            let left = std::mem::replace(&mut self.root, Node::Leaf(Leaf::new()));
            self.root = Node::Inner(Inner::over(left, right));
            made.inners += 1;
        }
        self.nodes.add(made);
    }

    /// Takes the member of a rank out of the order.
    fn unlink(&mut self, rank: u64) -> MemberPtr {
        let (member, freed) = self.root.remove_at(rank);
        self.nodes.sub(freed);
        self.trim_root();
        member
    }

    fn trim_root(&mut self) {
        while let Some(child) = self.root.only_child() {
            self.root = child;
            self.nodes.inners -= 1;
        }
        if self.root.len() == 0 && matches!(self.root, Node::Inner(_)) {
            self.root = Node::Leaf(Leaf::new());
            self.nodes.inners -= 1;
            self.nodes.leaves += 1;
        }
    }

    fn move_to(&mut self, member: MemberPtr, score: f64) {
        let old = Key { score: member.score(), member: member.bytes() };
        let new = Key { score, ..old };
        let (leaf, at) = self.root.leaf_of(&old);
        // The first of a leaf may have its score copied above.
        if at > 0 && at + 1 < leaf.len() && new.cmp_member(leaf[at - 1]).is_gt() && new.cmp_member(leaf[at + 1]).is_lt()
        {
            member.set_score(score);
            return;
        }
        let rank = self.root.rank(&old);
        let unlinked = self.unlink(rank);
        assert!(unlinked == member, "every member of the index is in the tree");
        member.set_score(score);
        self.link(member);
    }

    pub(super) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let hash = self.index.hash(member);
        if self.saving.is_some() && self.index.find(hash, member).is_some() {
            self.keep(hash);
        }
        let found = self.index.remove(hash, member)?;
        let score = found.score();
        let rank = self.root.rank(&Key { score, member });
        let unlinked = self.unlink(rank);
        assert!(unlinked == found, "every member of the index is in the tree");
        self.release(found);
        Some(score)
    }

    /// Removes the member of a rank, shown to `visit` before it goes.
    pub(super) fn remove_at<R>(&mut self, rank: usize, visit: impl FnOnce(&[u8], f64) -> R) -> R {
        let member = self.unlink(rank as u64);
        let hash = self.index.hash(member.bytes());
        self.keep(hash);
        let removed = self.index.remove(hash, member.bytes());
        assert!(removed == Some(member), "every member of the tree is in the index");
        let result = visit(member.bytes(), member.score());
        self.release(member);
        result
    }

    /// Frees a member that neither tree nor index hold any more.
    fn release(&mut self, member: MemberPtr) {
        self.len -= 1;
        self.member_bytes -= member.allocated_bytes();
        // SAFETY: taken out of tree and index just before, by their only copies.
        unsafe { member.free() };
    }

    pub(super) fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let found = self.index.find(self.index.hash(member), member)?;
        let score = found.score();
        Some((self.root.rank(&Key { score, member }) as usize, score))
    }

    /// How many members a range's lower bound leaves out.
    pub(super) fn rank_of_min_score(&self, min: ScoreBound) -> usize {
        self.root.rank_of_border(|score, _| !min.admits_from_below(score)) as usize
    }

    /// How many members are not above a range's upper bound.
    pub(super) fn rank_behind_max_score(&self, max: ScoreBound) -> usize {
        self.root.rank_of_border(|score, _| max.admits_from_above(score)) as usize
    }

    pub(super) fn rank_of_min_lex(&self, min: LexBound<'_>) -> usize {
        self.root.rank_of_border(|_, member| !min.admits_from_below(member().bytes())) as usize
    }

    pub(super) fn rank_behind_max_lex(&self, max: LexBound<'_>) -> usize {
        self.root.rank_of_border(|_, member| max.admits_from_above(member().bytes())) as usize
    }

    /// The members around a rank that lie in one leaf, and the rank's place among them.
    #[inline]
    pub(super) fn leaf_at(&self, rank: usize) -> (&[MemberPtr], usize) {
        self.root.leaf_at(rank as u64)
    }

    /// Begins to save the members as they are now, under the number `id`.
    pub(super) fn begin_saving(&mut self, id: u64, held: Held) {
        self.saving.set(Grid::new(id, held, POSITION_BITS, self.len, self.member_bytes));
    }

    /// The number of the saving under way.
    pub(super) fn saving(&self) -> Option<u64> {
        self.saving.as_ref().map(|grid| grid.id)
    }

    /// Ends the saving, whether all is saved or not.
    pub(super) fn end_saving(&mut self) {
        self.saving.clear();
    }

    /// Gives `with` members that are not saved yet, about `budget` bytes of them, in no order; says whether all are saved
    /// then. What comes in later is not among them.
    pub(super) fn save_some(&mut self, mut budget: usize, with: &mut dyn FnMut(&[u8], f64)) -> bool {
        let Some(mut grid) = self.saving.take() else { return true };
        budget = grid.give_kept(budget, |tail| {
            let (len, head) = read_varint(&tail[8..]);
            let (start, end) = (8 + head, 8 + head + len as usize);
            let mut score = [0; 8];
            score.copy_from_slice(&tail[..8]);
            with(&tail[start..end], f64::from_le_bytes(score));
            end
        });
        while budget > 0
            && let Some(range) = grid.claim_next()
        {
            budget = budget.saturating_sub(ELEMENT_COST);
            self.index.visit(range, |member| {
                // A member lies by itself: it costs a look into cold memory.
                budget = budget.saturating_sub(member.bytes().len() + 2 * ELEMENT_COST);
                with(member.bytes(), member.score());
            });
        }
        let is_over = grid.is_over();
        *self.saving = Some(grid);
        is_over
    }

    /// What stands at `hash` is about to change: keeps its chunk, unless that is saved.
    #[inline]
    fn keep(&mut self, hash: u64) {
        if self.saving.is_some() {
            self.keep_chunk(hash);
        }
    }

    #[cold]
    fn keep_chunk(&mut self, hash: u64) {
        let Some(mut grid) = self.saving.take() else { return };
        if let Some(range) = grid.claim(Index::position(hash)) {
            self.index.visit(range, |member| {
                let head = Header::new().varint(member.bytes().len() as u64);
                grid.keep(&[&member.score().to_le_bytes(), head.as_bytes(), member.bytes()]);
            });
        }
        *self.saving = Some(grid);
    }

    /// Frees about `budget` allocations; true when nothing is left. In between the tree is of no other use.
    pub(super) fn free_some(&mut self, budget: usize) -> bool {
        let mut left = budget.max(1);
        while left > 0 {
            let freed = self.index.free_segments(left);
            if freed > 0 {
                left -= freed.min(left);
                continue;
            }
            if self.len == 0 {
                return true;
            }
            let (mut nodes, mut bytes) = (Nodes::default(), 0);
            let taken = self.root.drain_last(left, &mut nodes, &mut |member: MemberPtr| {
                bytes += member.allocated_bytes();
                // SAFETY: the index is gone, and the leaf forgets the member as this returns.
                unsafe { member.free() };
            });
            self.member_bytes -= bytes;
            self.len -= taken;
            left -= taken.min(left);
            self.nodes.sub(nodes);
            self.trim_root();
        }
        self.len == 0
    }

    #[cfg(test)]
    pub(super) fn check(&self) {
        fn levels(node: &Node) -> usize {
            match node {
                Node::Leaf(_) => 0,
                Node::Inner(inner) => 1 + levels(inner.child(0)),
            }
        }
        let (mut members, mut nodes) = (Vec::new(), Nodes::default());
        super::node::check(&self.root, levels(&self.root), &mut members, &mut nodes);
        assert_eq!(members.len(), self.len);
        assert_eq!((nodes.leaves, nodes.inners), (self.nodes.leaves, self.nodes.inners));
        assert_eq!(members.iter().map(|member| member.allocated_bytes()).sum::<usize>(), self.member_bytes);
        for pair in members.windows(2) {
            assert!(Key { score: pair[0].score(), member: pair[0].bytes() }.cmp_member(pair[1]).is_lt());
        }
        for member in members {
            assert_eq!(self.index.find(self.index.hash(member.bytes()), member.bytes()), Some(member));
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // SAFETY: each member is in the tree once; the index does not follow its copies any more.
        self.root.for_each(&mut |member| unsafe { member.free() });
    }
}

// SAFETY: the pointers lead to memory that only the tree owns and that no thread-bound thing is part of.
unsafe impl Send for Tree {}
