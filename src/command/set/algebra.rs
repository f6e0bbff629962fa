//! Intersection, union and difference of sets.

use crate::listpack::Element;
use crate::object::Set;
use crate::object::set::Thresholds;

/// Gives `with` the members that all sets have, until it says to stop. Walks through the smallest set; those that do not
/// have a member are most likely small too, so they are asked in order of size.
pub fn intersection<'s>(mut sets: Vec<&'s Set>, mut with: impl FnMut(Element<'s>) -> bool) {
    sets.sort_by_key(|set| set.len());
    let Some((smallest, others)) = sets.split_first() else { return };
    for member in smallest.iter() {
        let in_all = member.with_bytes(|bytes| others.iter().all(|set| set.contains(bytes)));
        if in_all && !with(member) {
            return;
        }
    }
}

/// The members that any of the sets has.
pub fn union(sets: &[&Set], thresholds: &Thresholds) -> Option<Set> {
    let mut result = Builder::new(thresholds);
    for set in sets {
        set.iter().for_each(|member| result.insert(member));
    }
    result.set
}

/// Gives `with` the members of the first set that no other has.
pub fn difference(first: &Set, others: &mut [&Set], mut with: impl FnMut(Element<'_>)) {
    // Asking the others about each member stops at the first that has it, so it is reckoned half. Removing the others'
    // members from a copy looks at each of them once.
    let asking = first.len() / 2 * (others.len() + 1);
    let removing = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    if asking <= removing {
        // Large ones are most likely to have a member.
        others.sort_by_key(|set| std::cmp::Reverse(set.len()));
        return first
            .iter()
            .filter(|member| member.with_bytes(|bytes| others.iter().all(|set| !set.contains(bytes))))
            .for_each(with);
    }
    let mut left = first.clone();
    for set in others {
        for member in set.iter() {
            member.with_bytes(|bytes| left.remove(bytes));
        }
        if left.is_empty() {
            return;
        }
    }
    left.iter().for_each(&mut with);
}

/// A set being made, in the encoding that suits its members.
pub struct Builder<'t> {
    thresholds: &'t Thresholds,
    /// The set; `None` without members.
    pub set: Option<Set>,
}

impl<'t> Builder<'t> {
    /// No members yet.
    pub fn new(thresholds: &'t Thresholds) -> Self {
        Builder { thresholds, set: None }
    }

    /// Adds a member.
    pub fn insert(&mut self, member: Element<'_>) {
        member.with_bytes(|bytes| {
            self.set.get_or_insert_with(|| Set::for_member(bytes, 1, self.thresholds)).insert(bytes, self.thresholds)
        });
    }
}
