//! The order of nodes: a B-tree that counts elements, so that any index is found in a few steps.

#[cfg(test)]
use super::node::Body;
use super::node::{self, Account, Node};
use crate::listpack::Element;
use crate::object::alloc::{held, release, reserve};
use crate::object::list::Thresholds;

/// Most nodes of a leaf, and most children of an inner level.
const WIDTH_MAX: usize = 64;

#[derive(Clone)]
pub(super) enum Tree {
    Leaf(Vec<Node>),
    Inner(Vec<Child>),
}

#[derive(Clone)]
pub(super) struct Child {
    /// Elements below.
    pub len: usize,
    pub tree: Tree,
}

/// Where to go.
#[derive(Clone, Copy)]
pub(super) enum Seek {
    Front,
    Back,
    /// The element with this index, which exists.
    At(usize),
}

impl Tree {
    pub const fn new() -> Tree {
        Tree::Leaf(Vec::new())
    }

    fn width(&self) -> usize {
        match self {
            Tree::Leaf(nodes) => nodes.len(),
            Tree::Inner(children) => children.len(),
        }
    }

    fn len(&self) -> usize {
        match self {
            Tree::Leaf(nodes) => nodes.iter().map(Node::len).sum(),
            Tree::Inner(children) => children.iter().map(|child| child.len).sum(),
        }
    }

    /// Heap bytes of this level alone, without nodes and children.
    fn level_memory(&self) -> usize {
        match self {
            Tree::Leaf(nodes) => held(nodes),
            Tree::Inner(children) => held(children),
        }
    }

    /// Heap bytes of everything below.
    pub fn memory(&self) -> usize {
        self.level_memory()
            + match self {
                Tree::Leaf(nodes) => nodes.iter().map(Node::memory).sum::<usize>(),
                Tree::Inner(children) => children.iter().map(|child| child.tree.memory()).sum(),
            }
    }

    /// The only node, if there is but one.
    pub fn single(&self) -> Option<&Node> {
        match self {
            Tree::Leaf(nodes) if nodes.len() == 1 => nodes.first(),
            _ => None,
        }
    }

    /// The element with this index.
    pub fn get(&self, mut index: usize) -> Option<Element<'_>> {
        let mut tree = self;
        loop {
            match tree {
                Tree::Leaf(nodes) => {
                    let (at, offset) = find_node(nodes, index)?;
                    return nodes[at].get(offset);
                }
                Tree::Inner(children) => {
                    let (at, rest) = find_child(children, index)?;
                    (tree, index) = (&children[at].tree, rest);
                }
            }
        }
    }

    /// Goes to a leaf and lets `change` work on it, given the number of the node sought and the offset in it; then keeps
    /// counts and shape. With [`Seek::Front`] and [`Seek::Back`] the node is the first or last, the offset its first or
    /// last; both are 0 in an empty tree.
    pub fn edit<R>(
        &mut self,
        seek: Seek,
        account: &mut Account,
        change: impl FnOnce(&mut Vec<Node>, usize, usize, &mut Account) -> R,
    ) -> R {
        let result = self.edit_below(seek, account, change);
        self.restore_root(account);
        result
    }

    fn edit_below<R>(
        &mut self,
        seek: Seek,
        account: &mut Account,
        change: impl FnOnce(&mut Vec<Node>, usize, usize, &mut Account) -> R,
    ) -> R {
        match self {
            Tree::Leaf(nodes) => {
                let (at, offset) = match seek {
                    Seek::Front => (0, 0),
                    Seek::Back => (nodes.len().saturating_sub(1), nodes.last().map_or(0, |node| node.len() - 1)),
                    Seek::At(index) => find_node(nodes, index).expect("the caller's index exists"),
                };
                let before = held(nodes);
                let result = change(nodes, at, offset, account);
                release(nodes);
                account.bytes += held(nodes) as isize - before as isize;
                result
            }
            Tree::Inner(children) => {
                let (at, below) = match seek {
                    Seek::Front => (0, seek),
                    Seek::Back => (children.len() - 1, seek),
                    Seek::At(index) => {
                        let (at, rest) = find_child(children, index).expect("the caller's index exists");
                        (at, Seek::At(rest))
                    }
                };
                let elements = account.elements;
                let child = &mut children[at];
                let result = child.tree.edit_below(below, account, change);
                child.len = child.len.wrapping_add_signed(account.elements - elements);
                restore(children, at, account);
                result
            }
        }
    }

    /// Deletes `count` elements from index `start` on; all of them exist.
    pub fn delete_range(&mut self, start: usize, count: usize, thresholds: Thresholds, account: &mut Account) {
        self.delete_below(start, count, thresholds, account);
        self.restore_root(account);
    }

    fn delete_below(&mut self, start: usize, count: usize, thresholds: Thresholds, account: &mut Account) {
        if count == 0 {
            return;
        }
        match self {
            Tree::Leaf(nodes) => {
                let before = held(nodes);
                let mut left = count;
                // Looked up anew after each step: nodes are taken out, and small ones joined with their neighbours.
                while let Some((at, offset)) = find_node(nodes, start).filter(|_| left > 0) {
                    let part = left.min(nodes[at].len() - offset);
                    node::delete(nodes, at, offset, part, thresholds, account);
                    left -= part;
                }
                release(nodes);
                account.bytes += held(nodes) as isize - before as isize;
            }
            Tree::Inner(children) => {
                let Some((first, mut offset)) = find_child(children, start) else { return };
                let mut at = first;
                let mut left = count;
                while left > 0 && at < children.len() {
                    let part = left.min(children[at].len - offset);
                    if part == children[at].len {
                        let level = held(children);
                        let child = children.remove(at);
                        account.elements -= child.len as isize;
                        account.bytes -= (child.tree.memory() + level - held(children)) as isize;
                    } else {
                        children[at].tree.delete_below(offset, part, thresholds, account);
                        children[at].len -= part;
                        at += 1;
                    }
                    left -= part;
                    offset = 0;
                }
                for near in [first + 1, first] {
                    if near < children.len() {
                        restore(children, near, account);
                    }
                }
            }
        }
    }

    /// Deletes up to `limit` elements equal to `value`; the last ones if `from_back`. Returns how many.
    pub fn delete_equal(
        &mut self,
        value: &[u8],
        limit: usize,
        from_back: bool,
        thresholds: Thresholds,
        account: &mut Account,
    ) -> usize {
        let deleted = self.delete_equal_below(value, limit, from_back, thresholds, account);
        self.restore_root(account);
        deleted
    }

    fn delete_equal_below(
        &mut self,
        value: &[u8],
        limit: usize,
        from_back: bool,
        thresholds: Thresholds,
        account: &mut Account,
    ) -> usize {
        match self {
            Tree::Leaf(nodes) => {
                let before = held(nodes);
                let deleted = node::delete_equal(nodes, value, limit, from_back, thresholds, account);
                release(nodes);
                account.bytes += held(nodes) as isize - before as isize;
                deleted
            }
            Tree::Inner(children) => {
                let mut deleted = 0;
                for step in 0..children.len() {
                    if deleted == limit {
                        break;
                    }
                    let at = if from_back { children.len() - 1 - step } else { step };
                    let child = &mut children[at];
                    let tree = &mut child.tree;
                    let part = tree.delete_equal_below(value, limit - deleted, from_back, thresholds, account);
                    child.len -= part;
                    deleted += part;
                }
                if deleted > 0 {
                    for at in (0..children.len()).rev() {
                        if at < children.len() {
                            restore(children, at, account);
                        }
                    }
                }
                deleted
            }
        }
    }

    /// Frees up to `budget` nodes; counts them off.
    pub fn free_some(&mut self, budget: &mut usize) {
        match self {
            Tree::Leaf(nodes) => {
                let keep = nodes.len().saturating_sub(*budget);
                *budget -= nodes.len() - keep;
                nodes.truncate(keep);
            }
            Tree::Inner(children) => {
                while let Some(last) = children.last_mut() {
                    last.tree.free_some(budget);
                    if last.tree.width() > 0 {
                        break;
                    }
                    children.pop();
                }
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.width() == 0
    }

    /// Adds a level when the root is too wide, takes levels off when it has but one child.
    fn restore_root(&mut self, account: &mut Account) {
        while let Tree::Inner(children) = self {
            if children.len() > 1 {
                break;
            }
            account.bytes -= held(children) as isize;
            *self = children.pop().map_or(Tree::new(), |child| child.tree);
        }
        if self.width() > WIDTH_MAX {
            let tree = std::mem::replace(self, Tree::new());
            let mut children = Vec::new();
            reserve(&mut children, 2);
            children.push(Child { len: tree.len(), tree });
            account.bytes += held(&children) as isize;
            restore(&mut children, 0, account);
            *self = Tree::Inner(children);
        }
    }

    #[cfg(test)]
    pub fn check(&self) -> (usize, usize, usize) {
        assert!(self.width() > 0 && self.width() <= WIDTH_MAX);
        match self {
            Tree::Leaf(nodes) => {
                for node in nodes {
                    let len = match node.body() {
                        Body::Packed(list) => list.len(),
                        Body::Plain(_) => 1,
                    };
                    assert!(len > 0 && len == node.len());
                }
                (self.len(), self.memory(), 0)
            }
            Tree::Inner(children) => {
                let depths: Vec<usize> = children.iter().map(|child| child.tree.check().2).collect();
                assert!(depths.iter().all(|&depth| depth == depths[0]));
                assert!(children.iter().all(|child| child.len == child.tree.len()));
                (self.len(), self.memory(), depths[0] + 1)
            }
        }
    }
}

#[inline]
pub(super) fn find_node(nodes: &[Node], mut index: usize) -> Option<(usize, usize)> {
    for (at, node) in nodes.iter().enumerate() {
        let len = node.len();
        if index < len {
            return Some((at, index));
        }
        index -= len;
    }
    None
}

#[inline]
pub(super) fn find_child(children: &[Child], mut index: usize) -> Option<(usize, usize)> {
    for (at, child) in children.iter().enumerate() {
        if index < child.len {
            return Some((at, index));
        }
        index -= child.len;
    }
    None
}

/// Brings child `at` back into bounds after a change: removes it if empty, splits it if too wide, joins it with a
/// neighbour if narrow.
fn restore(children: &mut Vec<Child>, at: usize, account: &mut Account) {
    let width = children[at].tree.width();
    if width > WIDTH_MAX {
        let before = held(children) + children[at].tree.level_memory();
        let (left_len, right) = match &mut children[at].tree {
            Tree::Leaf(nodes) => {
                let right = halve(nodes);
                (nodes.iter().map(Node::len).sum(), Tree::Leaf(right))
            }
            Tree::Inner(below) => {
                let right = halve(below);
                (below.iter().map(|child| child.len).sum(), Tree::Inner(right))
            }
        };
        let right = Child { len: children[at].len - left_len, tree: right };
        let right_memory = right.tree.level_memory();
        children[at].len = left_len;
        reserve(children, 1);
        children.insert(at + 1, right);
        let after = held(children) + children[at].tree.level_memory() + right_memory;
        account.bytes += after as isize - before as isize;
        if children[at + 1].tree.width() > WIDTH_MAX {
            restore(children, at + 1, account);
        }
        if children[at].tree.width() > WIDTH_MAX {
            restore(children, at, account);
        }
    } else if width == 0 {
        let before = held(children) + children[at].tree.level_memory();
        children.remove(at);
        release(children);
        account.bytes += held(children) as isize - before as isize;
    } else if width < WIDTH_MAX / 4 {
        for left in [at, at.wrapping_sub(1)] {
            let Some([a, b]) = children.get(left..).and_then(|rest| rest.get(..2)) else { continue };
            if a.tree.width() + b.tree.width() > WIDTH_MAX / 2 {
                continue;
            }
            let before = held(children) + a.tree.level_memory() + b.tree.level_memory();
            let right = children.remove(left + 1);
            children[left].len += right.len;
            match (&mut children[left].tree, right.tree) {
                (Tree::Leaf(nodes), Tree::Leaf(mut more)) => {
                    reserve(nodes, more.len());
                    nodes.append(&mut more);
                }
                (Tree::Inner(below), Tree::Inner(mut more)) => {
                    reserve(below, more.len());
                    below.append(&mut more);
                }
                _ => unreachable!("all leaves are equally deep"),
            }
            release(children);
            let after = held(children) + children[left].tree.level_memory();
            account.bytes += after as isize - before as isize;
            return;
        }
    }
}

/// Splits a vector in two, and gives back the room that neither needs.
fn halve<T>(items: &mut Vec<T>) -> Vec<T> {
    let right = items.split_off(items.len() / 2);
    release(items);
    right
}
