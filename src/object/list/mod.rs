//! Lists: a listpack, or a quicklist (a tree of listpacks).

mod iter;
mod limits;
mod node;
mod saving;
mod tree;

pub use iter::{Iter, NodeRef, Nodes};
pub use limits::Thresholds;

use super::alloc::size_class;
use super::saving::{Held, Slot};
use crate::listpack::{Element, Listpack};
use node::{Account, Node};
use saving::ListSaving;
use std::ops::Range;
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
    saving: Slot<ListSaving>,
}

impl Clone for Quicklist {
    fn clone(&self) -> Self {
        let tree = self.tree.clone();
        // The copy's blocks are as large as their contents.
        Quicklist { len: self.len, bytes: tree.memory(), tree, garbage: Tree::new(), saving: Slot::EMPTY }
    }
}

impl Quicklist {
    const fn new() -> Self {
        Quicklist { tree: Tree::new(), len: 0, bytes: 0, garbage: Tree::new(), saving: Slot::EMPTY }
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

    /// Gives `with` the elements in `range`.
    fn read(&self, range: Range<usize>, with: &mut dyn FnMut(Element<'_>)) {
        let (nodes, offset) = Nodes::of_tree(&self.tree, range.start, false);
        Iter::new(nodes, offset, false).take(range.len()).for_each(with);
    }

    /// The elements in `range` are about to change: keeps them, if the list is being saved.
    #[inline]
    fn keep(&mut self, range: Range<usize>) {
        if let Some(mut saving) = self.saving.take() {
            saving.keep(range, |range, with| self.read(range, with));
            *self.saving = Some(saving);
        }
    }

    /// As [`Quicklist::keep`], to go on with.
    fn keeping(&mut self, range: Range<usize>) -> &mut Self {
        self.keep(range);
        self
    }

    /// Deletes elements, all of which exist.
    fn delete_range(&mut self, range: Range<usize>, thresholds: Thresholds) {
        self.keep(range.clone());
        self.change(|tree, account| tree.delete_range(range.start, range.len(), thresholds, account));
        if let Some(saving) = &mut *self.saving {
            saving.shrink(range);
        }
    }

    /// As [`List::remove_equal`], one after another.
    fn delete_equal_singly(&mut self, value: &[u8], limit: usize, from_back: bool, thresholds: Thresholds) -> usize {
        let mut found = Vec::new();
        let mut index = 0;
        self.read(0..self.len, &mut |element| {
            if element == Element::Str(value) {
                found.push(index);
            }
            index += 1;
        });
        let count = found.len().min(limit);
        let found = if from_back { &found[found.len() - count..] } else { &found[..count] };
        for &index in found.iter().rev() {
            self.delete_range(index..index + 1, thresholds);
        }
        count
    }

    #[inline]
    fn push(&mut self, end: End, value: &[u8], thresholds: Thresholds) {
        if let Some(saving) = &mut *self.saving {
            saving.grow(if end == End::Front { 0 } else { self.len }, 1);
        }
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
                let (seek, index) = if end == End::Front { (Seek::Front, 0) } else { (Seek::Back, last) };
                list.keep(index..index + 1);
                if let Some(saving) = &mut *list.saving {
                    saving.shrink(index..index + 1);
                }
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
            Repr::Quicklist(list) => {
                list.keep(index..index + 1);
                if let Some(saving) = &mut *list.saving {
                    saving.grow(index, 1);
                }
                list.change(|tree, account| {
                    tree.edit(Seek::At(index), account, |nodes, at, offset, account| {
                        node::insert(nodes, at, offset, value, *thresholds, account);
                    });
                });
            }
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
            Repr::Quicklist(list) => list.keeping(index..index + 1).change(|tree, account| {
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
                list.delete_range(start..start + count, *thresholds);
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
            list.delete_range(end..list.len, *thresholds);
            list.delete_range(0..start, *thresholds);
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
            Repr::Quicklist(list) if list.saving.is_some() => {
                list.delete_equal_singly(value, limit, from == End::Back, *thresholds)
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

    /// Begins to save the elements as they are now, under the number `id`. The list must be a quicklist.
    pub(super) fn begin_saving(&mut self, id: u64, held: Held) {
        match &mut self.repr {
            Repr::Quicklist(list) => list.saving.set(ListSaving::new(id, held, list.len, list.bytes)),
            Repr::Listpack(_) => unreachable!("only large lists are saved in pieces"),
        }
    }

    /// The number of the saving under way.
    pub(super) fn saving(&self) -> Option<u64> {
        match &self.repr {
            Repr::Quicklist(list) => list.saving.as_ref().map(|saving| saving.id),
            Repr::Listpack(_) => None,
        }
    }

    /// Ends the saving, whether all is saved or not.
    pub(super) fn end_saving(&mut self) {
        if let Repr::Quicklist(list) = &mut self.repr {
            list.saving.clear();
        }
    }

    /// Gives `with` the next elements in order, about `budget` bytes of them; says whether all are saved then.
    pub(super) fn save_some(&mut self, budget: usize, with: &mut dyn FnMut(Element<'_>)) -> bool {
        let Repr::Quicklist(list) = &mut self.repr else { return true };
        let Some(mut saving) = list.saving.take() else { return true };
        let is_over = saving.save_some(budget, |range, with| list.read(range, with), with);
        *list.saving = Some(saving);
        is_over
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
        if list.saving.is_some() {
            // What of it is not saved is known by it alone.
            return;
        }
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
