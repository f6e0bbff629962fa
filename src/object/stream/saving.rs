//! Saving the nodes of a large stream while entries come and go.

use super::id::StreamId;
use crate::listpack::{Listpack, ListpackRef};
use crate::object::saving::{ELEMENT_COST, Held};
use std::collections::BTreeMap;
use std::ops::Bound;

/// The state of a saving: nodes from `next` to `last` are to be saved, each as it was.
pub(super) struct LogSaving {
    pub id: u64,
    next: Bound<StreamId>,
    last: Option<StreamId>,
    /// Nodes that have changed or gone since, as they were.
    kept: BTreeMap<StreamId, Listpack>,
    held: Held,
}

impl LogSaving {
    /// For a stream whose last node is `last`.
    pub fn new(id: u64, held: Held, last: Option<StreamId>) -> Self {
        LogSaving { id, next: Bound::Unbounded, last, kept: BTreeMap::new(), held }
    }

    fn is_ahead(&self, node: StreamId) -> bool {
        let is_passed = matches!(self.next, Bound::Excluded(next) if node <= next);
        !is_passed && self.last.is_some_and(|last| node <= last)
    }

    /// A node is about to change, or has gone.
    pub fn keep(&mut self, node: StreamId, list: &Listpack) {
        if self.is_ahead(node) && !self.kept.contains_key(&node) {
            self.held.add(list.as_bytes().len());
            self.kept.insert(node, list.clone());
        }
    }

    /// Gives `with` the next nodes, about `budget` bytes of them; says whether that was all.
    pub fn save_some(
        &mut self,
        nodes: &BTreeMap<StreamId, Listpack>,
        mut budget: usize,
        with: &mut dyn FnMut(StreamId, ListpackRef<'_>),
    ) -> bool {
        while budget > 0 {
            let range = (self.next, Bound::Unbounded);
            let live = nodes.range(range).next().map(|(&id, _)| id).filter(|&id| self.is_ahead(id));
            let kept = self.kept.first_key_value().map(|(&id, _)| id);
            let Some(id) = [live, kept].into_iter().flatten().min() else {
                self.next = Bound::Excluded(StreamId::MAX);
                return true;
            };
            let taken;
            let list = match self.kept.remove(&id) {
                Some(list) => {
                    self.held.sub(list.as_bytes().len());
                    taken = list;
                    &taken
                }
                None => &nodes[&id],
            };
            with(id, list.view());
            budget = budget.saturating_sub(list.as_bytes().len() + ELEMENT_COST);
            self.next = Bound::Excluded(id);
        }
        false
    }
}

impl Drop for LogSaving {
    fn drop(&mut self) {
        self.held.sub(self.kept.values().map(|list| list.as_bytes().len()).sum());
    }
}
