//! Iteration over a list, from any index, in either direction.

use super::node::{Body, Node, plain};
use super::tree::{Child, Tree, find_child, find_node};
use crate::listpack::{Element, Listpack, ListpackRef};

/// A part of a list as it lies in memory, for writing it out whole.
#[derive(Clone, Copy)]
pub enum NodeRef<'a> {
    /// Several elements.
    Packed(&'a Listpack),
    /// One long element.
    Plain(&'a [u8]),
}

impl NodeRef<'_> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            NodeRef::Packed(list) => list.len(),
            NodeRef::Plain(_) => 1,
        }
    }

    /// Never: nodes have elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The nodes of a list, forwards or backwards.
#[derive(Clone)]
pub struct Nodes<'a> {
    backward: bool,
    /// Children still to visit on each level.
    levels: Vec<std::slice::Iter<'a, Child>>,
    leaf: std::slice::Iter<'a, Node>,
    /// The listpack of a small list.
    only: Option<&'a Listpack>,
}

impl<'a> Nodes<'a> {
    /// The node with element `index` and those behind it (or before it, if `backward`), and the index's offset in it.
    pub(super) fn of_tree(mut tree: &'a Tree, mut index: usize, backward: bool) -> (Self, usize) {
        let mut levels = Vec::new();
        loop {
            match tree {
                Tree::Inner(children) => {
                    let Some((at, rest)) = find_child(children, index) else { break };
                    levels.push(if backward { children[..at].iter() } else { children[at + 1..].iter() });
                    (tree, index) = (&children[at].tree, rest);
                }
                Tree::Leaf(nodes) => {
                    let Some((at, offset)) = find_node(nodes, index) else { break };
                    let leaf = if backward { nodes[..=at].iter() } else { nodes[at..].iter() };
                    return (Nodes { backward, levels, leaf, only: None }, offset);
                }
            }
        }
        (Nodes { backward, levels: Vec::new(), leaf: [].iter(), only: None }, 0)
    }

    pub(super) fn of_listpack(list: &'a Listpack) -> Self {
        Nodes { backward: false, levels: Vec::new(), leaf: [].iter(), only: (!list.is_empty()).then_some(list) }
    }
}

impl<'a> Iterator for Nodes<'a> {
    type Item = NodeRef<'a>;

    fn next(&mut self) -> Option<NodeRef<'a>> {
        if let Some(list) = self.only.take() {
            return Some(NodeRef::Packed(list));
        }
        loop {
            let node = if self.backward { self.leaf.next_back() } else { self.leaf.next() };
            if let Some(node) = node {
                return Some(match node.body() {
                    Body::Packed(list) => NodeRef::Packed(list),
                    Body::Plain(value) => NodeRef::Plain(value),
                });
            }
            // Up to the first level with more children, and down again.
            let mut child = loop {
                let level = self.levels.last_mut()?;
                match if self.backward { level.next_back() } else { level.next() } {
                    Some(child) => break child,
                    None => self.levels.pop(),
                };
            };
            loop {
                match &child.tree {
                    Tree::Leaf(nodes) => {
                        self.leaf = nodes.iter();
                        break;
                    }
                    Tree::Inner(children) => {
                        let mut level = children.iter();
                        child = if self.backward { level.next_back() } else { level.next() }?;
                        self.levels.push(level);
                    }
                }
            }
        }
    }
}

/// The elements of a list from an index on, forwards or backwards.
#[derive(Clone)]
pub struct Iter<'a> {
    nodes: Nodes<'a>,
    current: Option<(ListpackRef<'a>, usize)>,
    /// A long element to be given next.
    plain: Option<&'a [u8]>,
}

impl<'a> Iter<'a> {
    pub(super) fn new(mut nodes: Nodes<'a>, offset: usize, backward: bool) -> Self {
        nodes.backward = backward;
        let (mut current, mut plain) = (None, None);
        match nodes.next() {
            Some(NodeRef::Packed(list)) => {
                current = list.view().seek(offset as i64).map(|position| (list.view(), position));
            }
            Some(NodeRef::Plain(value)) => plain = Some(value),
            None => {}
        }
        Iter { nodes, current, plain }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        loop {
            if let Some((view, position)) = self.current {
                let next = if self.nodes.backward { view.prev(position) } else { view.next(position) };
                self.current = next.map(|next| (view, next));
                return Some(view.at(position));
            }
            if let Some(value) = self.plain.take() {
                return Some(plain(value));
            }
            match self.nodes.next()? {
                NodeRef::Packed(list) => {
                    let view = list.view();
                    let first = if self.nodes.backward { view.last() } else { view.first() };
                    self.current = first.map(|position| (view, position));
                }
                NodeRef::Plain(value) => self.plain = Some(value),
            }
        }
    }
}
