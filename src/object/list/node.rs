//! The nodes of a big list, and changes to a run of them.

use super::limits::Thresholds;
use crate::listpack::{Element, Listpack, parse_i64};
use crate::object::alloc::{reserve, size_class};

/// A node: never empty.
#[derive(Clone)]
pub(super) struct Node {
    /// Elements; kept here so that finding an index touches no listpack on the way.
    len: u32,
    body: Body,
}

/// What a node holds.
#[derive(Clone)]
pub(super) enum Body {
    /// Several elements.
    Packed(Listpack),
    /// One long element.
    Plain(Box<[u8]>),
}

/// What a change did.
#[derive(Default)]
pub(super) struct Account {
    pub elements: isize,
    pub bytes: isize,
}

impl Node {
    /// A node for one value.
    pub fn of(value: &[u8], thresholds: Thresholds) -> Node {
        if thresholds.is_large(value.len()) {
            return Node { len: 1, body: Body::Plain(value.into()) };
        }
        let mut list = Listpack::with_capacity(value.len() + 8);
        list.append(value);
        Node { len: 1, body: Body::Packed(list) }
    }

    /// A node of all elements of a listpack.
    pub fn packed(list: Listpack) -> Node {
        Node { len: list.len() as u32, body: Body::Packed(list) }
    }

    #[inline]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The listpack, if it is one.
    pub fn into_listpack(self) -> Option<Listpack> {
        match self.body {
            Body::Packed(list) => Some(list),
            Body::Plain(_) => None,
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Heap bytes.
    #[inline]
    pub fn memory(&self) -> usize {
        match &self.body {
            Body::Packed(list) => size_class(list.allocated_bytes()),
            Body::Plain(value) => size_class(value.len()),
        }
    }

    /// Whether `value` can be added.
    #[inline]
    pub fn takes(&self, value: &[u8], thresholds: Thresholds) -> bool {
        match &self.body {
            Body::Packed(list) => !thresholds.full(list.as_bytes().len(), list.len(), value.len()),
            Body::Plain(_) => false,
        }
    }

    /// The element at `offset`.
    #[inline]
    pub fn get(&self, offset: usize) -> Option<Element<'_>> {
        match &self.body {
            Body::Packed(list) => list.get(offset as i64),
            Body::Plain(value) => (offset == 0).then_some(plain(value)),
        }
    }
}

/// The element that a plain node is.
#[inline]
pub(super) fn plain(value: &[u8]) -> Element<'_> {
    Element::Str(value)
}

/// Changes node `at` in place.
fn change(nodes: &mut [Node], at: usize, account: &mut Account, with: impl FnOnce(&mut Listpack)) {
    let node = &mut nodes[at];
    let (len, bytes) = (node.len() as isize, node.memory() as isize);
    match &mut node.body {
        Body::Packed(list) => {
            with(list);
            node.len = list.len() as u32;
        }
        Body::Plain(_) => unreachable!("callers have seen that it is packed"),
    }
    account.elements += node.len() as isize - len;
    account.bytes += node.memory() as isize - bytes;
}

/// Adds a node at `at`.
pub(super) fn add(nodes: &mut Vec<Node>, at: usize, node: Node, account: &mut Account) {
    account.elements += node.len() as isize;
    account.bytes += node.memory() as isize;
    reserve(nodes, 1);
    nodes.insert(at, node);
}

/// Takes node `at` out.
fn take(nodes: &mut Vec<Node>, at: usize, account: &mut Account) -> Node {
    let node = nodes.remove(at);
    account.elements -= node.len() as isize;
    account.bytes -= node.memory() as isize;
    node
}

/// Adds `value` behind the last node's last element.
pub(super) fn push_back(nodes: &mut Vec<Node>, value: &[u8], thresholds: Thresholds, account: &mut Account) {
    match nodes.last() {
        Some(last) if last.takes(value, thresholds) => {
            let last = nodes.len() - 1;
            change(nodes, last, account, |list| list.append(value));
        }
        _ => add(nodes, nodes.len(), Node::of(value, thresholds), account),
    }
}

/// Adds `value` before the first node's first element.
pub(super) fn push_front(nodes: &mut Vec<Node>, value: &[u8], thresholds: Thresholds, account: &mut Account) {
    match nodes.first() {
        Some(first) if first.takes(value, thresholds) => change(nodes, 0, account, |list| list.prepend(value)),
        _ => add(nodes, 0, Node::of(value, thresholds), account),
    }
}

/// Inserts `value` before element `offset` of node `at`, or behind its last if `offset` is its length.
pub(super) fn insert(
    nodes: &mut Vec<Node>,
    at: usize,
    offset: usize,
    value: &[u8],
    thresholds: Thresholds,
    account: &mut Account,
) {
    let len = nodes[at].len();
    if nodes[at].takes(value, thresholds) {
        change(nodes, at, account, |list| {
            let position = if offset == len { list.view().end() } else { position(list, offset) };
            list.insert_before(position, value);
        });
    } else if offset == 0 && at > 0 && nodes[at - 1].takes(value, thresholds) {
        change(nodes, at - 1, account, |list| list.append(value));
    } else if offset == len && at + 1 < nodes.len() && nodes[at + 1].takes(value, thresholds) {
        change(nodes, at + 1, account, |list| list.prepend(value));
    } else if offset == 0 || offset == len {
        add(nodes, if offset == 0 { at } else { at + 1 }, Node::of(value, thresholds), account);
    } else {
        let Some(mut list) = take(nodes, at, account).into_listpack() else {
            unreachable!("a plain node has no element between its ends");
        };
        let tail = list.split_off(position(&list, offset));
        list.shrink();
        add(nodes, at, Node::packed(tail), account);
        add(nodes, at, Node::of(value, thresholds), account);
        add(nodes, at, Node::packed(list), account);
        // The new element joins a half, and the halves their outer neighbours where both are small.
        join(nodes, at, thresholds.bytes_max(), thresholds, account);
        for near in [at + 1, at] {
            join_small(nodes, near, thresholds, account);
        }
    }
}

/// Puts `value` in the place of element `offset` of node `at`.
pub(super) fn replace(
    nodes: &mut Vec<Node>,
    at: usize,
    offset: usize,
    value: &[u8],
    thresholds: Thresholds,
    account: &mut Account,
) {
    let fits = match &nodes[at].body {
        Body::Packed(list) => {
            let old = list.get(offset as i64).map_or(0, |old| old.spelled_len());
            !thresholds.is_large(value.len())
                && (value.len() <= old || !thresholds.full(list.as_bytes().len() - old, list.len() - 1, value.len()))
        }
        Body::Plain(_) => false,
    };
    if fits {
        change(nodes, at, account, |list| list.replace(position(list, offset), value));
        return;
    }
    if nodes[at].len() == 1 {
        take(nodes, at, account);
        add(nodes, at, Node::of(value, thresholds), account);
        return;
    }
    change(nodes, at, account, |list| list.delete(position(list, offset)));
    insert(nodes, at, offset, value, thresholds, account);
}

/// Deletes up to `count` elements of node `at` from `offset` on; an emptied node goes.
pub(super) fn delete(
    nodes: &mut Vec<Node>,
    at: usize,
    offset: usize,
    count: usize,
    thresholds: Thresholds,
    account: &mut Account,
) {
    if offset == 0 && count >= nodes[at].len() {
        take(nodes, at, account);
    } else {
        change(nodes, at, account, |list| {
            list.delete_range(offset as i64, count);
        });
        join_small(nodes, at, thresholds, account);
    }
}

/// Deletes element `offset` of node `at`, at an end of the list: joins nothing.
pub(super) fn delete_one(nodes: &mut Vec<Node>, at: usize, offset: usize, account: &mut Account) {
    if nodes[at].len() == 1 {
        take(nodes, at, account);
    } else {
        change(nodes, at, account, |list| list.delete(position(list, offset)));
    }
}

/// Deletes up to `limit` elements equal to `value`, the last ones if `from_back`; returns how many.
pub(super) fn delete_equal(
    nodes: &mut Vec<Node>,
    value: &[u8],
    limit: usize,
    from_back: bool,
    thresholds: Thresholds,
    account: &mut Account,
) -> usize {
    let number = parse_i64(value);
    let is_equal = |element: Element<'_>| match element {
        Element::Int(int) => number == Some(int),
        Element::Str(bytes) => bytes == value,
    };
    let mut deleted = 0;
    let mut next = if from_back { nodes.len() } else { 0 };
    while deleted < limit && if from_back { next > 0 } else { next < nodes.len() } {
        let at = if from_back { next - 1 } else { next };
        let (matches, gone) = match &nodes[at].body {
            Body::Packed(list) => {
                let matches = list.iter().filter(|&element| is_equal(element)).count();
                (matches, matches == list.len() && matches <= limit - deleted)
            }
            Body::Plain(bytes) => (usize::from(**bytes == *value), **bytes == *value),
        };
        let wanted = matches.min(limit - deleted);
        deleted += wanted;
        if gone {
            take(nodes, at, account);
        } else if wanted > 0 {
            let mut spared = if from_back { matches - wanted } else { 0 };
            let mut left = wanted;
            change(nodes, at, account, |list| {
                list.retain_groups(1, |view, position| {
                    if left == 0 || !is_equal(view.at(position)) {
                        return true;
                    }
                    if spared > 0 {
                        spared -= 1;
                        return true;
                    }
                    left -= 1;
                    false
                });
            });
        }
        next = if from_back || gone { at } else { at + 1 };
    }
    if deleted > 0 {
        for at in (0..nodes.len()).rev() {
            join_small(nodes, at, thresholds, account);
        }
    }
    deleted
}

fn position(list: &Listpack, offset: usize) -> usize {
    list.view().seek(offset as i64).expect("the offset lies within the node")
}

/// Joins node `at` with a neighbour if both together are at most half a node. Never joins the last two: whether one
/// node is left decides the encoding, and there Redis joins none.
fn join_small(nodes: &mut Vec<Node>, at: usize, thresholds: Thresholds, account: &mut Account) {
    for left in [at, at.wrapping_sub(1)] {
        if nodes.len() > 2 {
            join(nodes, left, thresholds.bytes_max() / 2, thresholds, account);
        }
    }
}

/// Joins nodes `left` and `left + 1` if both are packed and have at most `bytes_max` bytes together.
fn join(nodes: &mut Vec<Node>, left: usize, bytes_max: usize, thresholds: Thresholds, account: &mut Account) {
    let Some([a, b]) = nodes.get(left..).and_then(|rest| rest.get(..2)) else { return };
    let (Body::Packed(a), Body::Packed(b)) = (&a.body, &b.body) else { return };
    let (bytes, len) = (a.as_bytes().len() + b.as_bytes().len(), a.len() + b.len());
    if bytes > bytes_max || thresholds.exceeded(bytes, len) {
        return;
    }
    if let Some(tail) = take(nodes, left + 1, account).into_listpack() {
        change(nodes, left, account, |list| list.merge(tail.view()));
    }
}
