//! Sets: an intset, a listpack, or a table.

mod record;

use std::ops::Range;

pub use record::Member;

use super::alloc::size_class;
use super::saving::Held;
use super::table::{Iter as TableIter, POSITION_BITS, Table, position};
use crate::intset::Intset;
use crate::listpack::{self, Element, Listpack, parse_i64};

/// When a set changes its encoding: Redis's settings of the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// `set-max-intset-entries`.
    pub intset_entries_max: usize,
    /// `set-max-listpack-entries`.
    pub listpack_entries_max: usize,
    /// `set-max-listpack-value`: longest member of a listpack, in bytes.
    pub listpack_value_bytes_max: usize,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds { intset_entries_max: 512, listpack_entries_max: 128, listpack_value_bytes_max: 64 }
    }
}

/// A set of byte strings.
#[derive(Clone)]
pub struct Set {
    repr: Repr,
}

#[derive(Clone)]
enum Repr {
    Intset(Intset),
    Listpack(Listpack),
    Table(Box<Table<Member>>),
}

/// A set's bytes, as they are for a compact encoding.
pub enum Compact<'a> {
    /// An intset.
    Intset(&'a Intset),
    /// A listpack of members.
    Listpack(&'a Listpack),
}

impl Set {
    /// An empty set in the encoding that suits `first`, when some `expected` members are to come.
    pub fn for_member(first: &[u8], expected: usize, thresholds: &Thresholds) -> Self {
        let repr = if parse_i64(first).is_some() && expected <= thresholds.intset_entries_max {
            Repr::Intset(Intset::new())
        } else if expected <= thresholds.listpack_entries_max {
            Repr::Listpack(Listpack::new())
        } else {
            Repr::Table(Box::default())
        };
        Set { repr }
    }

    /// An intset from outside, already validated. Becomes a table if it has too many integers.
    pub fn from_intset(intset: Intset, thresholds: &Thresholds) -> Self {
        let mut set = Set { repr: Repr::Intset(intset) };
        set.convert_long_intset(thresholds);
        set
    }

    /// A listpack from outside, already validated: becomes a table if it has too many members. Given back if a member
    /// stands in it twice.
    pub fn from_listpack(list: Listpack, thresholds: &Thresholds) -> Result<Self, Listpack> {
        if !super::distinct(&list, 1) {
            return Err(list);
        }
        let mut set = Set { repr: Repr::Listpack(list) };
        set.expect(set.len(), thresholds);
        Ok(set)
    }

    /// Makes it an intset if all members are integers and few enough, as the STORE commands do with their result.
    pub fn shrink_to_intset(&mut self, thresholds: &Thresholds) {
        if matches!(self.repr, Repr::Intset(_)) || self.len() > thresholds.intset_entries_max.min(1 << 30) {
            return;
        }
        let mut integers: Vec<i64> = Vec::new();
        for member in self.iter() {
            match member.as_int() {
                Some(value) => integers.push(value),
                None => return,
            }
        }
        // Ascending, each goes in at the end.
        integers.sort_unstable();
        self.repr = Repr::Intset(integers.into_iter().collect());
    }

    /// Converts ahead, as SADD does when `expected` members come in one command.
    pub fn expect(&mut self, expected: usize, thresholds: &Thresholds) {
        let entries_max = match self.repr {
            Repr::Intset(_) => thresholds.intset_entries_max,
            Repr::Listpack(_) => thresholds.listpack_entries_max,
            Repr::Table(_) => return,
        };
        if expected > entries_max {
            self.become_table();
        }
    }

    /// The name that OBJECT ENCODING gives.
    pub fn encoding_name(&self) -> &'static str {
        match self.repr {
            Repr::Intset(_) => "intset",
            Repr::Listpack(_) => "listpack",
            Repr::Table(_) => "hashtable",
        }
    }

    /// The bytes of a compact encoding; `None` for a table.
    pub fn compact(&self) -> Option<Compact<'_>> {
        match &self.repr {
            Repr::Intset(set) => Some(Compact::Intset(set)),
            Repr::Listpack(list) => Some(Compact::Listpack(list)),
            Repr::Table(_) => None,
        }
    }

    /// Heap bytes. Constant time.
    pub fn memory(&self) -> usize {
        match &self.repr {
            Repr::Intset(set) => size_class(set.allocated_bytes()),
            Repr::Listpack(list) => size_class(list.allocated_bytes()),
            Repr::Table(table) => size_class(size_of::<Table<Member>>()) + table.memory(),
        }
    }

    /// Number of members.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.repr {
            Repr::Intset(set) => set.len(),
            Repr::Listpack(list) => list.len(),
            Repr::Table(table) => table.len(),
        }
    }

    /// Whether there is no member.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `member` is there.
    #[inline]
    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.repr {
            Repr::Intset(set) => set.contains_bytes(member),
            Repr::Listpack(list) => list.view().find(member, 0).is_some(),
            Repr::Table(table) => table.get(member).is_some(),
        }
    }

    /// Adds `member`, converting the set where the thresholds say so. Says whether it is new.
    pub fn insert(&mut self, member: &[u8], thresholds: &Thresholds) -> bool {
        match &mut self.repr {
            Repr::Intset(set) => {
                if let Some(value) = parse_i64(member) {
                    let added = set.insert(value);
                    if added {
                        self.convert_long_intset(thresholds);
                    }
                    return added;
                }
                let longest = [set.get(0), set.len().checked_sub(1).and_then(|last| set.get(last))]
                    .into_iter()
                    .flatten()
                    .map(|value| Element::Int(value).spelled_len())
                    .max()
                    .unwrap_or(0);
                let fits = set.len() < thresholds.listpack_entries_max
                    && member.len().max(longest) <= thresholds.listpack_value_bytes_max;
                if fits {
                    let mut list: Listpack = set.iter().collect();
                    list.append(member);
                    self.repr = Repr::Listpack(list);
                    return true;
                }
            }
            Repr::Listpack(list) => {
                if list.view().find(member, 0).is_some() {
                    return false;
                }
                let fits = list.len() < thresholds.listpack_entries_max
                    && member.len() <= thresholds.listpack_value_bytes_max
                    && list.fits(1, member.len());
                if fits {
                    list.append(member);
                    return true;
                }
            }
            Repr::Table(table) => return record::insert(table, member),
        }
        record::insert(self.become_table(), member)
    }

    /// Removes `member`; says whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match &mut self.repr {
            Repr::Intset(set) => parse_i64(member).is_some_and(|value| set.remove(value)),
            Repr::Listpack(list) => match list.view().find(member, 0) {
                Some(at) => {
                    list.delete(at);
                    true
                }
                None => false,
            },
            Repr::Table(table) => table.remove(member, |_| ()).is_some(),
        }
    }

    /// A member, each equally likely; `None` when empty. `bits` gives random numbers.
    pub fn random(&self, mut bits: impl FnMut() -> u64) -> Option<Element<'_>> {
        match &self.repr {
            Repr::Intset(set) => set.random(bits()).map(Element::Int),
            Repr::Listpack(list) => list.get(((u128::from(bits()) * list.len() as u128) >> 64) as i64),
            Repr::Table(table) => table.random(bits).map(|record| Element::Str(record::member(record))),
        }
    }

    /// Removes and returns a random member, each equally likely.
    pub fn pop_random(&mut self, bits: impl FnMut() -> u64) -> Option<Vec<u8>> {
        let member = self.random(bits)?.to_bytes().into_owned();
        self.remove(&member);
        Some(member)
    }

    /// The members: integers ascending, a listpack's in order of insertion, a table's by position.
    pub fn iter(&self) -> Iter<'_> {
        match &self.repr {
            Repr::Intset(set) => Iter(IterRepr::Intset(set, 0..set.len())),
            Repr::Listpack(list) => Iter(IterRepr::Listpack(list.iter())),
            Repr::Table(table) => Iter(IterRepr::Table(table.iter())),
        }
    }

    /// Gives `with` about `count` members from `cursor` on, and returns the cursor to go on from (below 2^48); 0 begins
    /// and 0 ends. A member that is there from the first call to the last is given at least once, whatever else is added
    /// and removed; exactly once if the encoding stays. A compact set is given whole.
    ///
    /// In a table the members given so far are those whose [`Set::position`] is below the cursor.
    pub fn scan(&self, cursor: u64, count: usize, mut with: impl FnMut(Element<'_>)) -> u64 {
        match &self.repr {
            Repr::Table(table) => table.scan(cursor, count, |record| with(Element::Str(record::member(record)))),
            _ => {
                self.iter().for_each(with);
                0
            }
        }
    }

    /// Where `member` stands, or would stand, in the order of [`Set::scan`]: below 2^48.
    pub fn position(member: &[u8]) -> u64 {
        const { assert!(POSITION_BITS == 48) };
        position(member)
    }

    /// Frees a large set in steps of about `budget` allocations; says whether all is freed. The set is empty from the
    /// first call on.
    pub fn free_some(&mut self, budget: usize) -> bool {
        match &mut self.repr {
            Repr::Table(table) => table.free_some(budget),
            _ => {
                self.repr = Repr::Intset(Intset::new());
                true
            }
        }
    }

    fn convert_long_intset(&mut self, thresholds: &Thresholds) {
        // Redis never lets an intset have more than 2^30 integers.
        if self.len() > thresholds.intset_entries_max.min(1 << 30) {
            self.become_table();
        }
    }

    /// Begins to save the members as they are now, under the number `id`. The set must be a table.
    pub(super) fn begin_saving(&mut self, id: u64, held: Held) {
        match &mut self.repr {
            Repr::Table(table) => table.begin_saving(id, held),
            _ => unreachable!("only large sets are saved in pieces"),
        }
    }

    /// The number of the saving under way.
    #[inline]
    pub(super) fn saving(&self) -> Option<u64> {
        match &self.repr {
            Repr::Table(table) => table.saving(),
            _ => None,
        }
    }

    /// Ends the saving, whether all is saved or not.
    pub(super) fn end_saving(&mut self) {
        if let Repr::Table(table) = &mut self.repr {
            table.end_saving();
        }
    }

    /// Gives `with` about `budget` bytes of members that are not saved yet; says whether all are saved then.
    pub(super) fn save_some(&mut self, budget: usize, with: &mut dyn FnMut(&[u8])) -> bool {
        let Repr::Table(table) = &mut self.repr else { return true };
        table.save_some(budget, &mut |bytes| with(record::member(bytes)))
    }

    fn become_table(&mut self) -> &mut Table<Member> {
        if !matches!(self.repr, Repr::Table(_)) {
            let mut table = Box::<Table<Member>>::default();
            for member in self.iter() {
                member.with_bytes(|bytes| record::insert(&mut table, bytes));
            }
            self.repr = Repr::Table(table);
        }
        match &mut self.repr {
            Repr::Table(table) => table,
            _ => unreachable!("it has just been made a table"),
        }
    }
}

impl PartialEq for Set {
    /// The same members, in whatever encoding.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().all(|member| member.with_bytes(|bytes| other.contains(bytes)))
    }
}

impl std::fmt::Debug for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The members of a set.
#[derive(Clone)]
pub struct Iter<'a>(IterRepr<'a>);

#[derive(Clone)]
enum IterRepr<'a> {
    Intset(&'a Intset, Range<usize>),
    Listpack(listpack::Iter<'a>),
    Table(TableIter<'a, Member>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        match &mut self.0 {
            IterRepr::Intset(set, range) => set.get(range.next()?).map(Element::Int),
            IterRepr::Listpack(iter) => iter.next(),
            IterRepr::Table(iter) => iter.next().map(|record| Element::Str(record::member(record))),
        }
    }
}

#[cfg(test)]
mod tests;
