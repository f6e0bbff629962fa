//! Expiry times of fields.

use super::{EXPIRE_MS_MAX, Hash, Repr, TimedListpack, iter, record};
use crate::object::hash::Entry;
use crate::object::table::NEVER;

/// The state of a field's expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldExpire {
    /// There is no such field.
    NoField,
    /// The field does not expire.
    Never,
    /// It expires at this time, in unix ms.
    At(u64),
}

impl Hash {
    /// When `field` expires.
    pub fn expire(&self, field: &[u8]) -> FieldExpire {
        match self.get(field) {
            None => FieldExpire::NoField,
            Some((_, None)) => FieldExpire::Never,
            Some((_, Some(expire_ms))) => FieldExpire::At(expire_ms),
        }
    }

    /// Sets when `field` expires, in unix ms from 1 to [`EXPIRE_MS_MAX`], or with `None` that it does not. Returns what was
    /// before. The first time given to a field of a listpack makes it a listpackex, which it then stays.
    pub fn set_expire(&mut self, field: &[u8], expire_ms: Option<u64>) -> FieldExpire {
        assert!(expire_ms.is_none_or(|expire_ms| (1..=EXPIRE_MS_MAX).contains(&expire_ms)), "commands check the range");
        let before = self.expire(field);
        let expire_before_ms = match before {
            FieldExpire::NoField => return before,
            FieldExpire::Never => None,
            FieldExpire::At(expire_ms) => Some(expire_ms),
        };
        if expire_before_ms == expire_ms {
            return before;
        }
        if let Repr::Listpack(list) = &self.repr {
            self.repr = Repr::Timed(TimedListpack::from_pairs(list));
        }
        let value = self.get(field).map(|(value, _)| value.to_bytes().into_owned()).unwrap_or_default();
        match &mut self.repr {
            Repr::Timed(list) => list.set(list.find(field), field, &value, expire_ms),
            Repr::Table(table) => {
                record::write(table, field, &value, expire_ms);
            }
            Repr::Listpack(_) => unreachable!("it has just been given times"),
        }
        before
    }

    /// The earliest expiry time of a field, in unix ms; `None` if none expires. Constant time.
    #[inline]
    pub fn min_expire(&self) -> Option<u64> {
        match &self.repr {
            Repr::Listpack(_) => None,
            Repr::Timed(list) => list.min_expire_ms(),
            Repr::Table(table) => Some(table.earliest_expire_ms()).filter(|&expire_ms| expire_ms != NEVER),
        }
    }

    /// Deletes up to `budget` fields whose time is before `now_ms` (at its very millisecond a field still lives, as a key
    /// does), giving each to `with` first. Returns how many; fewer than `budget` means that no more are due.
    pub fn expire_due(&mut self, now_ms: u64, budget: usize, mut with: impl FnMut(Entry<'_>)) -> usize {
        match &mut self.repr {
            Repr::Listpack(_) => 0,
            Repr::Timed(list) => {
                list.take_expired(now_ms, budget, |(field, value, expire_ms)| with(Entry { field, value, expire_ms }))
            }
            Repr::Table(table) => table.take_expired(now_ms, budget, |record| with(iter::table_entry(record))),
        }
    }
}
