//! The nodes of the B+-tree: members in order in leaves, and above them counts and least members of the children.

use super::member::{MemberPtr, allocation_bytes, compare};
use std::cmp::Ordering;

/// Members in a leaf, so that a leaf fills an allocation of 512 bytes.
pub(super) const LEAF_MAX: usize = 63;
/// Children of an inner node, so that one fills an allocation of 1280 bytes.
pub(super) const INNER_MAX: usize = 31;
/// A node with fewer joins or shares with a neighbour.
const LEAF_LOW: usize = LEAF_MAX / 3;
const INNER_LOW: usize = INNER_MAX / 3;

/// Where in the order: a score and a member.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) score: f64,
    pub(super) member: &'a [u8],
}

impl Key<'_> {
    #[inline]
    pub(super) fn cmp_member(&self, other: MemberPtr) -> Ordering {
        compare(self.score, self.member, other.score(), || other)
    }
}

pub(super) struct Leaf {
    len: u8,
    members: [MemberPtr; LEAF_MAX],
}

/// The least member of a child, its score copied so that most descents need not look at members.
#[derive(Clone, Copy)]
pub(super) struct Least {
    score: f64,
    member: MemberPtr,
}

impl Least {
    fn of(member: MemberPtr) -> Self {
        Least { score: member.score(), member }
    }

    #[inline]
    fn compare_with(&self, key: &Key<'_>) -> Ordering {
        compare(key.score, key.member, self.score, || self.member)
    }
}

pub(super) struct Inner {
    len: u8,
    least: [Least; INNER_MAX],
    counts: [u64; INNER_MAX],
    children: [Option<Node>; INNER_MAX],
}

pub(super) enum Node {
    Leaf(Box<Leaf>),
    Inner(Box<Inner>),
}

/// Which edges of the whole tree a node lies on. There a full node is not halved: whoever inserts in order fills them.
#[derive(Clone, Copy)]
pub(super) struct Edge {
    pub(super) first: bool,
    pub(super) last: bool,
}

impl Leaf {
    pub(super) fn new() -> Box<Self> {
        Box::new(Leaf { len: 0, members: [MemberPtr::DANGLING; LEAF_MAX] })
    }

    #[inline]
    pub(super) fn members(&self) -> &[MemberPtr] {
        &self.members[..usize::from(self.len)]
    }

    /// How many members are less than the key.
    #[inline]
    pub(super) fn lower_bound(&self, key: &Key<'_>) -> usize {
        self.members().partition_point(|&member| key.cmp_member(member) == Ordering::Greater)
    }

    fn insert_at(&mut self, at: usize, member: MemberPtr) {
        let len = usize::from(self.len);
        self.members.copy_within(at..len, at + 1);
        self.members[at] = member;
        self.len += 1;
    }

    fn remove_at(&mut self, at: usize) -> MemberPtr {
        let member = self.members()[at];
        let len = usize::from(self.len);
        self.members.copy_within(at + 1..len, at);
        self.len -= 1;
        member
    }

    /// Moves everything from `at` on to a new leaf.
    fn split_off(&mut self, at: usize) -> Box<Leaf> {
        let mut right = Leaf::new();
        let moved = usize::from(self.len) - at;
        right.members[..moved].copy_from_slice(&self.members[at..usize::from(self.len)]);
        right.len = moved as u8;
        self.len = at as u8;
        right
    }

    fn append(&mut self, other: &Leaf) {
        let len = usize::from(self.len);
        self.members[len..][..other.members().len()].copy_from_slice(other.members());
        self.len += other.len;
    }

    /// Moves members over the border between two leaves, from the fuller one, until they are even.
    fn share(&mut self, right: &mut Leaf) {
        let (own, other) = (usize::from(self.len), usize::from(right.len));
        let target = (own + other) / 2;
        if own > target {
            let moved = own - target;
            right.members.copy_within(..other, moved);
            right.members[..moved].copy_from_slice(&self.members[target..own]);
        } else {
            let moved = target - own;
            self.members[own..target].copy_from_slice(&right.members[..moved]);
            right.members.copy_within(moved..other, 0);
        }
        self.len = target as u8;
        right.len = (own + other - target) as u8;
    }

    /// Moves the last member to the front of `right`.
    fn shift_last_to(&mut self, right: &mut Leaf) {
        self.len -= 1;
        right.insert_at(0, self.members[usize::from(self.len)]);
    }

    /// Moves the first member of `right` to the end.
    fn take_first_of(&mut self, right: &mut Leaf) {
        let first = right.remove_at(0);
        self.insert_at(usize::from(self.len), first);
    }
}

impl Inner {
    fn new() -> Box<Self> {
        Box::new(Inner {
            len: 0,
            least: [Least { score: 0.0, member: MemberPtr::DANGLING }; INNER_MAX],
            counts: [0; INNER_MAX],
            children: [const { None }; INNER_MAX],
        })
    }

    /// A new root over two nodes.
    pub(super) fn over(left: Node, right: Node) -> Box<Self> {
        let mut inner = Inner::new();
        inner.insert_at(0, left);
        inner.insert_at(1, right);
        inner
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    #[inline]
    pub(super) fn counts(&self) -> &[u64] {
        &self.counts[..self.len()]
    }

    #[inline]
    pub(super) fn child(&self, at: usize) -> &Node {
        self.children[at].as_ref().expect("children below len are there")
    }

    #[inline]
    fn child_mut(&mut self, at: usize) -> &mut Node {
        self.children[at].as_mut().expect("children below len are there")
    }

    /// The child that holds the key, or would.
    #[inline]
    pub(super) fn child_for(&self, key: &Key<'_>) -> usize {
        self.least[1..self.len()].partition_point(|least| least.compare_with(key) != Ordering::Less)
    }

    /// The child that holds the member of this rank, and the rank within it.
    #[inline]
    pub(super) fn child_at(&self, mut rank: u64) -> (usize, u64) {
        for (at, &count) in self.counts().iter().enumerate() {
            if rank < count {
                return (at, rank);
            }
            rank -= count;
        }
        panic!("a rank is below the count");
    }

    fn insert_at(&mut self, at: usize, child: Node) {
        let len = self.len();
        self.least.copy_within(at..len, at + 1);
        self.counts.copy_within(at..len, at + 1);
        self.children[at..=len].rotate_right(1);
        self.least[at] = Least::of(child.first());
        self.counts[at] = child.count();
        self.children[at] = Some(child);
        self.len += 1;
    }

    fn remove_at(&mut self, at: usize) -> Node {
        let len = self.len();
        self.least.copy_within(at + 1..len, at);
        self.counts.copy_within(at + 1..len, at);
        self.children[at..len].rotate_left(1);
        self.len -= 1;
        self.children[len - 1].take().expect("children below len are there")
    }

    fn split_off(&mut self, at: usize) -> Box<Inner> {
        let mut right = Inner::new();
        let len = self.len();
        right.least[..len - at].copy_from_slice(&self.least[at..len]);
        right.counts[..len - at].copy_from_slice(&self.counts[at..len]);
        right.children[..len - at].swap_with_slice(&mut self.children[at..len]);
        right.len = (len - at) as u8;
        self.len = at as u8;
        right
    }

    /// Reads a child's least member anew.
    fn refresh(&mut self, at: usize) {
        self.least[at] = Least::of(self.child(at).first());
    }

    /// Makes room beside a full leaf by moving one member to a neighbour, so that leaves fill beyond what halving
    /// leaves. Returns whether there was room.
    fn relieve(&mut self, at: usize) -> bool {
        let room = |inner: &Inner, at: usize| matches!(inner.child(at), Node::Leaf(leaf) if usize::from(leaf.len) < LEAF_MAX - 1);
        let left = if at > 0 && room(self, at - 1) {
            at - 1
        } else if at + 1 < self.len() && room(self, at + 1) {
            at
        } else {
            return false;
        };
        let (head, tail) = self.children.split_at_mut(left + 1);
        let (Some(Node::Leaf(one)), Some(Node::Leaf(two))) = (&mut head[left], &mut tail[0]) else { return false };
        if left == at {
            one.shift_last_to(two);
        } else {
            one.take_first_of(two);
        }
        self.counts[left] = u64::from(one.len);
        self.counts[left + 1] = u64::from(two.len);
        self.refresh(left + 1);
        true
    }

    /// After a removal below: joins a child that has become too small with a neighbour, or shares. Returns which nodes it
    /// freed.
    fn mend(&mut self, at: usize) -> Nodes {
        let mut nodes = Nodes::default();
        if self.child(at).len() == 0 {
            nodes.count(&self.remove_at(at));
            return nodes;
        }
        if !self.child(at).is_low() || self.len() == 1 {
            return nodes;
        }
        let left = if at > 0 { at - 1 } else { at };
        let (head, tail) = self.children.split_at_mut(left + 1);
        let (Some(one), Some(two)) = (&mut head[left], &mut tail[0]) else { return nodes };
        let joined = match (one, two) {
            (Node::Leaf(one), Node::Leaf(two)) => {
                let fits = usize::from(one.len + two.len) <= LEAF_MAX;
                if fits {
                    one.append(two)
                } else {
                    one.share(two)
                }
                fits
            }
            (Node::Inner(one), Node::Inner(two)) => {
                let fits = usize::from(one.len + two.len) <= INNER_MAX;
                if fits {
                    one.append(two)
                } else {
                    one.share(two)
                }
                fits
            }
            _ => unreachable!("all leaves are on one level"),
        };
        if joined {
            nodes.count(&self.remove_at(left + 1));
        } else {
            self.counts[left + 1] = self.child(left + 1).count();
            self.refresh(left + 1);
        }
        self.counts[left] = self.child(left).count();
        nodes
    }

    fn append(&mut self, other: &mut Inner) {
        let (own, moved) = (self.len(), other.len());
        self.least[own..own + moved].copy_from_slice(&other.least[..moved]);
        self.counts[own..own + moved].copy_from_slice(&other.counts[..moved]);
        self.children[own..own + moved].swap_with_slice(&mut other.children[..moved]);
        self.len += other.len;
        other.len = 0;
    }

    fn share(&mut self, right: &mut Inner) {
        let target = (self.len() + right.len()) / 2;
        while self.len() > target {
            let last = self.remove_at(self.len() - 1);
            right.insert_at(0, last);
        }
        while self.len() < target {
            let first = right.remove_at(0);
            self.insert_at(self.len(), first);
        }
    }
}

/// A number of nodes.
#[derive(Default, Clone, Copy)]
pub(super) struct Nodes {
    pub(super) leaves: usize,
    pub(super) inners: usize,
}

impl Nodes {
    fn count(&mut self, node: &Node) {
        match node {
            Node::Leaf(_) => self.leaves += 1,
            Node::Inner(_) => self.inners += 1,
        }
    }

    pub(super) fn add(&mut self, other: Nodes) {
        self.leaves += other.leaves;
        self.inners += other.inners;
    }

    pub(super) fn sub(&mut self, other: Nodes) {
        self.leaves -= other.leaves;
        self.inners -= other.inners;
    }

    /// Bytes the allocator holds for them.
    pub(super) fn allocated_bytes(self) -> usize {
        self.leaves * allocation_bytes(size_of::<Leaf>()) + self.inners * allocation_bytes(size_of::<Inner>())
    }
}

impl Node {
    /// Members or children.
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Node::Leaf(leaf) => usize::from(leaf.len),
            Node::Inner(inner) => inner.len(),
        }
    }

    fn is_low(&self) -> bool {
        match self {
            Node::Leaf(leaf) => usize::from(leaf.len) < LEAF_LOW,
            Node::Inner(inner) => inner.len() < INNER_LOW,
        }
    }

    /// Members below.
    pub(super) fn count(&self) -> u64 {
        match self {
            Node::Leaf(leaf) => u64::from(leaf.len),
            Node::Inner(inner) => inner.counts().iter().sum(),
        }
    }

    /// The least member below.
    fn first(&self) -> MemberPtr {
        match self {
            Node::Leaf(leaf) => leaf.members()[0],
            Node::Inner(inner) => inner.least[0].member,
        }
    }

    /// Inserts below; returns a new right neighbour if the node had to split. The key is the member's own.
    pub(super) fn insert(&mut self, key: &Key<'_>, member: MemberPtr, edge: Edge, made: &mut Nodes) -> Option<Node> {
        match self {
            Node::Leaf(leaf) => {
                let at = leaf.lower_bound(key);
                if usize::from(leaf.len) < LEAF_MAX {
                    leaf.insert_at(at, member);
                    return None;
                }
                let split_at = match edge {
                    Edge { last: true, .. } if at == LEAF_MAX => LEAF_MAX,
                    Edge { first: true, .. } if at == 0 => 0,
                    _ => LEAF_MAX / 2,
                };
                let mut right = leaf.split_off(split_at);
                if at < split_at || split_at == 0 {
                    leaf.insert_at(at, member);
                } else {
                    right.insert_at(at - split_at, member);
                }
                made.leaves += 1;
                Some(Node::Leaf(right))
            }
            Node::Inner(inner) => {
                let mut at = inner.child_for(key);
                let edge = |inner: &Inner, at: usize| Edge {
                    first: edge.first && at == 0,
                    last: edge.last && at + 1 == inner.len(),
                };
                let here = edge(inner, at);
                let in_order = here.first && inner.least[0].compare_with(key) == Ordering::Less || here.last;
                if inner.child(at).is_full_leaf() && !in_order && inner.relieve(at) {
                    at = inner.child_for(key);
                }
                let here = edge(inner, at);
                let new = inner.child_mut(at).insert(key, member, here, made);
                if inner.least[at].compare_with(key) == Ordering::Less {
                    inner.least[at] = Least { score: key.score, member };
                }
                let Some(new) = new else {
                    inner.counts[at] += 1;
                    return None;
                };
                inner.counts[at] = inner.child(at).count();
                if inner.len() < INNER_MAX {
                    inner.insert_at(at + 1, new);
                    return None;
                }
                let split_at = match here {
                    Edge { last: true, .. } => INNER_MAX - 1,
                    Edge { first: true, .. } => 1,
                    _ => INNER_MAX / 2,
                };
                let mut right = inner.split_off(split_at);
                if at < split_at {
                    inner.insert_at(at + 1, new);
                } else {
                    right.insert_at(at + 1 - split_at, new);
                }
                made.inners += 1;
                Some(Node::Inner(right))
            }
        }
    }

    /// How many members below are less than the key.
    pub(super) fn rank(&self, key: &Key<'_>) -> u64 {
        let mut node = self;
        let mut rank = 0;
        loop {
            match node {
                Node::Leaf(leaf) => return rank + leaf.lower_bound(key) as u64,
                Node::Inner(inner) => {
                    let at = inner.child_for(key);
                    rank += inner.counts()[..at].iter().sum::<u64>();
                    node = inner.child(at);
                }
            }
        }
    }

    /// How many members below are before a border that `before` draws: true for all members up to it, then false.
    pub(super) fn rank_of_border(&self, before: impl Fn(f64, &mut dyn FnMut() -> MemberPtr) -> bool) -> u64 {
        let mut node = self;
        let mut rank = 0;
        loop {
            match node {
                Node::Leaf(leaf) => {
                    let at = leaf.members().partition_point(|&member| before(member.score(), &mut || member));
                    return rank + at as u64;
                }
                Node::Inner(inner) => {
                    let least = &inner.least[1..inner.len()];
                    let at = least.partition_point(|least| before(least.score, &mut || least.member));
                    rank += inner.counts()[..at].iter().sum::<u64>();
                    node = inner.child(at);
                }
            }
        }
    }

    /// The leaf that holds the member of this rank, and the member's place in it.
    pub(super) fn leaf_at(&self, rank: u64) -> (&[MemberPtr], usize) {
        let mut node = self;
        let mut rank = rank;
        loop {
            match node {
                Node::Leaf(leaf) => return (leaf.members(), rank as usize),
                Node::Inner(inner) => {
                    let at;
                    (at, rank) = inner.child_at(rank);
                    node = inner.child(at);
                }
            }
        }
    }

    /// The leaf that holds the member of this key or would, and its place there.
    pub(super) fn leaf_of(&self, key: &Key<'_>) -> (&[MemberPtr], usize) {
        let mut node = self;
        loop {
            match node {
                Node::Leaf(leaf) => return (leaf.members(), leaf.lower_bound(key)),
                Node::Inner(inner) => node = inner.child(inner.child_for(key)),
            }
        }
    }

    /// Calls `visit` with every member below.
    pub(super) fn for_each(&self, visit: &mut impl FnMut(MemberPtr)) {
        match self {
            Node::Leaf(leaf) => leaf.members().iter().for_each(|&member| visit(member)),
            Node::Inner(inner) => {
                inner.children[..inner.len()].iter().flatten().for_each(|child| child.for_each(visit))
            }
        }
    }

    /// The only child, if this is an inner node with one.
    pub(super) fn only_child(&mut self) -> Option<Node> {
        match self {
            Node::Inner(inner) if inner.len() == 1 => Some(inner.remove_at(0)),
            _ => None,
        }
    }

    fn is_full_leaf(&self) -> bool {
        matches!(self, Node::Leaf(leaf) if usize::from(leaf.len) == LEAF_MAX)
    }

    /// Removes the member of this rank.
    pub(super) fn remove_at(&mut self, rank: u64) -> (MemberPtr, Nodes) {
        match self {
            Node::Leaf(leaf) => (leaf.remove_at(rank as usize), Nodes::default()),
            Node::Inner(inner) => {
                let (at, rank) = inner.child_at(rank);
                let (member, mut nodes) = inner.child_mut(at).remove_at(rank);
                inner.counts[at] -= 1;
                if inner.least[at].member == member && inner.counts[at] > 0 {
                    inner.refresh(at);
                }
                nodes.add(inner.mend(at));
                (member, nodes)
            }
        }
    }

    /// Takes the last leaf of the tree apart, up to `budget` members of it, without mending: for freeing.
    pub(super) fn drain_last(&mut self, budget: usize, nodes: &mut Nodes, free: &mut impl FnMut(MemberPtr)) -> usize {
        match self {
            Node::Leaf(leaf) => {
                let keep = usize::from(leaf.len).saturating_sub(budget);
                leaf.members()[keep..].iter().for_each(|&member| free(member));
                let taken = usize::from(leaf.len) - keep;
                leaf.len = keep as u8;
                taken
            }
            Node::Inner(inner) => {
                let Some(last) = inner.len().checked_sub(1) else { return 0 };
                let taken = inner.child_mut(last).drain_last(budget, nodes, free);
                inner.counts[last] -= taken as u64;
                if inner.child(last).len() == 0 {
                    nodes.count(&inner.remove_at(last));
                }
                taken
            }
        }
    }
}

/// Checks everything that must hold below a node, for tests: order, counts, least members, levels.
#[cfg(test)]
pub(super) fn check(node: &Node, level: usize, out: &mut Vec<MemberPtr>, nodes: &mut Nodes) {
    nodes.count(node);
    match node {
        Node::Leaf(leaf) => {
            assert_eq!(level, 0, "all leaves are on one level");
            out.extend_from_slice(leaf.members());
        }
        Node::Inner(inner) => {
            assert!(inner.len() > 0);
            for at in 0..inner.len() {
                let before = out.len();
                check(inner.child(at), level - 1, out, nodes);
                assert_eq!(inner.counts[at], (out.len() - before) as u64);
                assert_eq!(inner.least[at].member, out[before]);
                assert_eq!(inner.least[at].score, out[before].score());
            }
            assert!(inner.children[inner.len()..].iter().all(Option::is_none));
        }
    }
}
