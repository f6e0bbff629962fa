//! The large encoding: a B+-tree with counts for order and rank, an index for names. Named "skiplist" to the outside.

use super::Upsert;
use super::bounds::{LexBound, ScoreBound};
use super::index::Index;
use super::member::MemberPtr;
use super::node::{Edge, Inner, Key, Leaf, Node, Nodes};

/// Owns its members: whatever is in the tree is in the index, and the other way round.
pub(super) struct Tree {
    root: Node,
    index: Index,
    nodes: Nodes,
    len: usize,
    member_bytes: usize,
}

impl Tree {
    pub(super) fn new() -> Self {
        Tree {
            root: Node::Leaf(Leaf::new()),
            index: Index::new(),
            nodes: Nodes { leaves: 1, inners: 0 },
            len: 0,
            member_bytes: 0,
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
                self.move_to(found, score);
                Upsert::Updated
            }
            None => {
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
        let found = self.index.remove(self.index.hash(member), member)?;
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
        let removed = self.index.remove(self.index.hash(member.bytes()), member.bytes());
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
