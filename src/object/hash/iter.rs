//! Iteration over the fields of a hash.

use super::{Entry, Field, Hash, Repr, record};
use crate::listpack;
use crate::object::table::Iter as TableIter;

/// The fields of a hash.
#[derive(Clone)]
pub struct Iter<'a>(IterRepr<'a>);

#[derive(Clone)]
enum IterRepr<'a> {
    Pairs(listpack::Iter<'a>),
    Triples(listpack::Iter<'a>),
    Table(TableIter<'a, Field>),
}

impl<'a> Iter<'a> {
    pub(super) fn new(hash: &'a Hash) -> Self {
        Iter(match &hash.repr {
            Repr::Listpack(list) => IterRepr::Pairs(list.iter()),
            Repr::Timed(list) => IterRepr::Triples(list.listpack().iter()),
            Repr::Table(table) => IterRepr::Table(table.iter()),
        })
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        match &mut self.0 {
            IterRepr::Pairs(iter) => Some(Entry { field: iter.next()?, value: iter.next()?, expire_ms: None }),
            IterRepr::Triples(iter) => {
                let (field, value, expire) = (iter.next()?, iter.next()?, iter.next()?);
                let expire_ms = expire.as_int().filter(|&expire_ms| expire_ms != 0).map(|expire_ms| expire_ms as u64);
                Some(Entry { field, value, expire_ms })
            }
            IterRepr::Table(iter) => iter.next().map(table_entry),
        }
    }
}

#[inline]
pub(super) fn table_entry(record: &[u8]) -> Entry<'_> {
    let (field, value, expire_ms) = record::read(record);
    Entry { field: field.into(), value: value.into(), expire_ms }
}
