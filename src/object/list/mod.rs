//! Lists: a listpack, or a quicklist (a tree of listpacks).

mod iter;
mod limits;
mod node;
mod tree;

pub use iter::{Iter, NodeRef, Nodes};
pub use limits::Thresholds;

use super::alloc::size_class;
use crate::listpack::{Element, Listpack};
use node::{Account, Node};
use tree::{Seek, Tree};

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The left one, where the index is 0.
    Front,
    /// The right one.
    Back,
}

/// A sequence of byte strings. Pushing and popping at both ends and finding an index take time independent of the length
/// in practice (a tree of a few levels).
#[derive(Clone)]
pub struct List {
    repr: Repr,
}

#[derive(Clone)]
enum Repr {
    Listpack(Listpack),
    Quicklist(Box<Quicklist>),
}

struct Quicklist {
    tree: Tree,
    len: usize,
    /// Heap bytes of the tree.
    bytes: usize,
    /// What [`List::free_some`] has yet to free.
    garbage: Tree,
}

impl Clone for Quicklist {
    fn clone(&self) -> Self {
        let tree = self.tree.clone();
        // The copy's blocks are as large as their contents.
        Quicklist { len: self.len, bytes: tree.memory(), tree, garbage: Tree::new() }
    }
}

impl Quicklist {
    const fn new() -> Self {
        Quicklist { tree: Tree::new(), len: 0, bytes: 0, garbage: Tree::new() }
    }

    /// Changes the tree and keeps the counts.
    #[inline]
    fn change<R>(&mut self, with: impl FnOnce(&mut Tree, &mut Account) -> R) -> R {
        let mut account = Account::default();
        let result = with(&mut self.tree, &mut account);
        self.len = self.len.wrapping_add_signed(account.elements);
        self.bytes = self.bytes.wrapping_add_signed(account.bytes);
        result
    }

    #[inline]
    fn push(&mut self, end: End, value: &[u8], thresholds: Thresholds) {
        self.change(|tree, account| match end {
            End::Front => tree.edit(Seek::Front, account, |nodes, _, _, account| {
                node::push_front(nodes, value, thresholds, account);
            }),
            End::Back => tree.edit(Seek::Back, account, |nodes, _, _, account| {
                node::push_back(nodes, value, thresholds, account);
            }),
        });
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

impl List {
    /// An empty list.
    pub fn new() -> Self {
        List { repr: Repr::Listpack(Listpack::new()) }
    }

    /// A whole list from outside as one listpack, already validated; becomes a quicklist if it is too large.
    pub fn from_listpack(list: Listpack, thresholds: &Thresholds) -> Self {
        if !thresholds.exceeded(list.as_bytes().len(), list.len()) {
            return List { repr: Repr::Listpack(list) };
        }
        let mut whole = List { repr: Repr::Quicklist(Box::new(Quicklist::new())) };
        whole.push_node(list, thresholds);
        whole
    }

    /// Adds a node of a list that is being loaded, already validated, at the back. Call [`List::finish_loading`] at the
    /// end.
    pub fn push_node(&mut self, list: Listpack, thresholds: &Thresholds) {
        let thresholds = *thresholds;
        let quicklist = self.become_quicklist(thresholds);
        if list.is_empty() {
            return;
        }
        if thresholds.exceeded(list.as_bytes().len(), list.len()) {
            for element in list.view() {
                element.with_bytes(|value| quicklist.push(End::Back, value, thresholds));
            }
            return;
        }
        quicklist.change(|tree, account| {
            tree.edit(Seek::Back, account, |nodes, _, _, account| {
                node::add(nodes, nodes.len(), Node::packed(list), account);
            });
        });
    }

    /// Adds one long element of a list that is being loaded.
    pub fn push_plain_node(&mut self, value: &[u8], thresholds: &Thresholds) {
        self.become_quicklist(*thresholds).push(End::Back, value, *thresholds);
    }

    /// Chooses the encoding of a list that has been loaded node by node: a listpack if it is but one that fits.
    pub fn finish_loading(&mut self, thresholds: &Thresholds) {
        self.become_listpack_if(|bytes, len| !thresholds.exceeded(bytes, len));
    }

    /// The name that OBJECT ENCODING gives.
    pub fn encoding_name(&self) -> &'static str {
        match self.repr {
            Repr::Listpack(_) => "listpack",
            Repr::Quicklist(_) => "quicklist",
        }
    }

    /// The listpack that is the whole list; `None` for a quicklist.
    pub fn compact(&self) -> Option<&Listpack> {
        match &self.repr {
            Repr::Listpack(list) => Some(list),
            Repr::Quicklist(_) => None,
        }
    }

    /// Heap bytes. Constant time.
    pub fn memory(&self) -> usize {
        match &self.repr {
            Repr::Listpack(list) => size_class(list.allocated_bytes()),
            Repr::Quicklist(list) => size_class(size_of::<Quicklist>()) + list.bytes,
        }
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.repr {
            Repr::Listpack(list) => list.len(),
            Repr::Quicklist(list) => list.len,
        }
    }

    /// Whether there is no element.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element with this index.
    #[inline]
    pub fn get(&self, index: usize) -> Option<Element<'_>> {
        match &self.repr {
            Repr::Listpack(list) => list.get(i64::try_from(index).ok()?),
            Repr::Quicklist(list) => list.tree.get(index),
        }
    }

    /// Adds `values` one after another at `end` (at the front the last one ends up first).
    pub fn push<'v, I>(&mut self, end: End, values: I, thresholds: &Thresholds)
    where
        I: IntoIterator<Item = &'v [u8]>,
        I::IntoIter: Clone,
    {
        let values = values.into_iter();
        // Redis looks at all values of a command at once before it adds the first.
        let (bytes, count) = values.clone().fold((0, 0), |(bytes, count), value| (bytes + value.len(), count + 1));
        self.convert_to_grow(bytes, count, thresholds);
        match &mut self.repr {
            Repr::Listpack(list) => values.for_each(|value| match end {
                End::Front => list.prepend(value),
                End::Back => list.append(value),
            }),
            Repr::Quicklist(list) => values.for_each(|value| list.push(end, value, *thresholds)),
        }
    }

    /// Removes the element at `end`; gives what `take` makes of it.
    pub fn pop<R>(&mut self, end: End, thresholds: &Thresholds, take: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        let last = self.len().checked_sub(1)?;
        let taken = match &mut self.repr {
            Repr::Listpack(list) => {
                let view = list.view();
                let at = if end == End::Front { view.first() } else { view.last() }?;
                let taken = take(view.at(at));
                list.delete(at);
                taken
            }
            Repr::Quicklist(list) => {
                let seek = if end == End::Front { Seek::Front } else { Seek::Back };
                list.change(|tree, account| {
                    tree.edit(seek, account, |nodes, at, offset, account| {
                        let taken = nodes[at].get(offset).map(take);
                        node::delete_one(nodes, at, offset, account);
                        taken
                    })
                })?
            }
        };
        debug_assert_eq!(self.len(), last);
        self.convert_if_small(thresholds);
        Some(taken)
    }

    /// Inserts `value` before the element with this index, or at the back if `index` is the length; false, changing
    /// nothing, if it is beyond.
    pub fn insert(&mut self, index: usize, value: &[u8], thresholds: &Thresholds) -> bool {
        let len = self.len();
        if index >= len {
            if index == len {
                self.push(End::Back, [value], thresholds);
            }
            return index == len;
        }
        self.convert_to_grow(value.len(), 1, thresholds);
        match &mut self.repr {
            Repr::Listpack(list) => {
                if let Some(at) = list.view().seek(index as i64) {
                    list.insert_before(at, value);
                }
            }
            Repr::Quicklist(list) => list.change(|tree, account| {
                tree.edit(Seek::At(index), account, |nodes, at, offset, account| {
                    node::insert(nodes, at, offset, value, *thresholds, account);
                });
            }),
        }
        true
    }

    /// Puts `value` in the place of the element with this index; false, changing nothing, if there is none.
    pub fn set(&mut self, index: usize, value: &[u8], thresholds: &Thresholds) -> bool {
        if index >= self.len() {
            return false;
        }
        self.convert_to_grow(value.len(), 1, thresholds);
        match &mut self.repr {
            Repr::Listpack(list) => {
                if let Some(at) = list.view().seek(index as i64) {
                    list.replace(at, value);
                }
            }
            Repr::Quicklist(list) => list.change(|tree, account| {
                tree.edit(Seek::At(index), account, |nodes, at, offset, account| {
                    node::replace(nodes, at, offset, value, *thresholds, account);
                });
            }),
        }
        self.convert_if_small(thresholds);
        true
    }

    /// Removes up to `count` elements from index `start` on; returns how many.
    pub fn remove_range(&mut self, start: usize, count: usize, thresholds: &Thresholds) -> usize {
        let count = count.min(self.len().saturating_sub(start));
        if count == 0 {
            return 0;
        }
        match &mut self.repr {
            Repr::Listpack(list) => {
                list.delete_range(start as i64, count);
            }
            Repr::Quicklist(list) => {
                list.change(|tree, account| tree.delete_range(start, count, *thresholds, account));
            }
        }
        self.convert_if_small(thresholds);
        count
    }

    /// Keeps `count` elements from index `start` on, and removes the others.
    pub fn trim(&mut self, start: usize, count: usize, thresholds: &Thresholds) {
        // The encoding is decided once, when both ends are off.
        let end = start.saturating_add(count).min(self.len());
        let start = start.min(end);
        if let Repr::Quicklist(list) = &mut self.repr {
            let behind = list.len - end;
            list.change(|tree, account| tree.delete_range(end, behind, *thresholds, account));
            list.change(|tree, account| tree.delete_range(0, start, *thresholds, account));
            self.convert_if_small(thresholds);
        } else {
            self.remove_range(end, usize::MAX, thresholds);
            self.remove_range(0, start, thresholds);
        }
    }

    /// Removes up to `limit` elements equal to `value`, from the `from` end on; returns how many.
    pub fn remove_equal(&mut self, value: &[u8], limit: usize, from: End, thresholds: &Thresholds) -> usize {
        let removed = match &mut self.repr {
            Repr::Listpack(list) => {
                let matches = list.iter().filter(|&element| element == Element::Str(value)).count();
                let wanted = matches.min(limit);
                let mut spared = if from == End::Back { matches - wanted } else { 0 };
                let mut left = wanted;
                list.retain_groups(1, |view, at| {
                    if left == 0 || view.at(at) != Element::Str(value) {
                        return true;
                    }
                    let spare = spared > 0;
                    if spare {
                        spared -= 1
                    } else {
                        left -= 1
                    }
                    spare
                });
                wanted
            }
            Repr::Quicklist(list) => {
                list.change(|tree, account| tree.delete_equal(value, limit, from == End::Back, *thresholds, account))
            }
        };
        self.convert_if_small(thresholds);
        removed
    }

    /// The elements from index `start` on.
    pub fn iter_from(&self, start: usize) -> Iter<'_> {
        self.walk(start, false)
    }

    /// The element with index `start` and those before it, backwards.
    pub fn iter_back_from(&self, start: usize) -> Iter<'_> {
        self.walk(start, true)
    }

    /// All elements.
    pub fn iter(&self) -> Iter<'_> {
        self.iter_from(0)
    }

    /// The nodes from the one with element `start` on, as they lie in memory, and how many elements of the first come
    /// before `start`. Taking a few and coming back with the index behind them is a walk in bounded steps.
    pub fn nodes_from(&self, start: usize) -> (Nodes<'_>, usize) {
        match &self.repr {
            Repr::Listpack(list) if start < list.len() => (Nodes::of_listpack(list), start),
            Repr::Listpack(_) => Nodes::of_tree(&EMPTY, 0, false),
            Repr::Quicklist(list) => Nodes::of_tree(&list.tree, start, false),
        }
    }

    /// Frees a large list in steps of about `budget` nodes; says whether all is freed. The list is empty from the first
    /// call on.
    pub fn free_some(&mut self, mut budget: usize) -> bool {
        let Repr::Quicklist(list) = &mut self.repr else {
            *self = Self::new();
            return true;
        };
        if list.garbage.is_empty() {
            let Quicklist { tree, .. } = std::mem::replace(&mut **list, Quicklist::new());
            list.garbage = tree;
        }
        list.garbage.free_some(&mut budget);
        let done = list.garbage.is_empty();
        if done && list.len == 0 {
            *self = Self::new();
        }
        done
    }

    fn walk(&self, start: usize, backward: bool) -> Iter<'_> {
        let (nodes, offset) = match &self.repr {
            Repr::Quicklist(list) => Nodes::of_tree(&list.tree, start, backward),
            Repr::Listpack(_) => self.nodes_from(start),
        };
        Iter::new(nodes, offset, backward)
    }

    /// Makes a quicklist of a listpack that would become too large.
    fn convert_to_grow(&mut self, bytes: usize, count: usize, thresholds: &Thresholds) {
        if let Repr::Listpack(list) = &self.repr
            && thresholds.exceeded(list.as_bytes().len() + bytes, list.len() + count)
        {
            self.become_quicklist(*thresholds);
        }
    }

    /// Makes a listpack again of a quicklist that has one node left, half full at most.
    #[inline]
    fn convert_if_small(&mut self, thresholds: &Thresholds) {
        self.become_listpack_if(|bytes, len| thresholds.small_again(bytes, len));
    }

    fn become_listpack_if(&mut self, suits: impl FnOnce(usize, usize) -> bool) {
        let Repr::Quicklist(list) = &mut self.repr else { return };
        if list.len == 0 && list.garbage.is_empty() {
            *self = Self::new();
            return;
        }
        let Some(node) = list.tree.single() else { return };
        let node::Body::Packed(only) = node.body() else { return };
        if suits(only.as_bytes().len(), only.len()) && list.garbage.is_empty() {
            let mut only = only.clone();
            only.shrink();
            self.repr = Repr::Listpack(only);
        }
    }

    fn become_quicklist(&mut self, thresholds: Thresholds) -> &mut Quicklist {
        if let Repr::Listpack(list) = &mut self.repr {
            let list = std::mem::take(list);
            self.repr = Repr::Quicklist(Box::new(Quicklist::new()));
            self.push_node(list, &thresholds);
        }
        match &mut self.repr {
            Repr::Quicklist(list) => list,
            Repr::Listpack(_) => unreachable!("it has just been made a quicklist"),
        }
    }
}

static EMPTY: Tree = Tree::new();

impl PartialEq for List {
    /// The same elements in the same order, in whatever encoding.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl std::fmt::Debug for List {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
