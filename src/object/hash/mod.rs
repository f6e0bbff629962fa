//! Hashes: a listpack, a listpack with expiry times, or a table.

mod expire;
mod iter;
mod record;
mod timed;

pub use expire::FieldExpire;
pub use iter::Iter;
pub use record::Field;
pub use timed::TimedListpack;

use super::alloc::size_class;
use super::saving::{Held, Part};
use super::table::{Table, position};
use crate::listpack::{Element, Listpack};

/// Latest expiry time of a field that the formats have room for, in unix ms (Redis's commands stop earlier, at 2^46).
pub const EXPIRE_MS_MAX: u64 = (1 << 48) - 2;

/// When a hash becomes a table: Redis's settings of the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// `hash-max-listpack-entries`, in fields.
    pub listpack_entries_max: usize,
    /// `hash-max-listpack-value`: longest field or value of a listpack, in bytes.
    pub listpack_value_bytes_max: usize,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds { listpack_entries_max: 512, listpack_value_bytes_max: 64 }
    }
}

/// What setting a field did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOutcome {
    /// The field is new.
    Created,
    /// The field had a value.
    Updated,
}

/// What setting a field's value does to the field's expiry time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUpdate {
    /// The field has none afterwards, as with HSET.
    ClearExpire,
    /// It stays, as with HINCRBY.
    KeepExpire,
}

/// What becomes of a field's expiry time.
#[derive(Clone, Copy)]
enum Expire {
    Keep,
    Exactly(Option<u64>),
}

/// A field with what belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The field's name.
    pub field: Element<'a>,
    /// Its value.
    pub value: Element<'a>,
    /// Its expiry time in unix ms. Whether it has passed is the caller's business.
    pub expire_ms: Option<u64>,
}

/// A map from byte strings to byte strings.
#[derive(Clone)]
pub struct Hash {
    repr: Repr,
}

#[derive(Clone)]
enum Repr {
    Listpack(Listpack),
    Timed(TimedListpack),
    Table(Box<Table<Field>>),
}

/// A hash's bytes, as they are for a compact encoding.
pub enum Compact<'a> {
    /// A listpack of pairs.
    Listpack(&'a Listpack),
    /// A listpack of triples with expiry times.
    Timed(&'a TimedListpack),
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

impl Hash {
    /// An empty hash.
    pub fn new() -> Self {
        Hash { repr: Repr::Listpack(Listpack::new()) }
    }

    /// A listpack of pairs from outside, already validated: becomes a table if it has too many. Given back if a field
    /// stands in it twice or lacks its value.
    pub fn from_listpack(list: Listpack, thresholds: &Thresholds) -> Result<Self, Listpack> {
        if !list.len().is_multiple_of(2) || !super::distinct(&list, 2) {
            return Err(list);
        }
        let mut hash = Hash { repr: Repr::Listpack(list) };
        hash.expect(hash.len(), thresholds);
        Ok(hash)
    }

    /// A listpack of triples (field, value, expiry time in unix ms or 0) from outside, already validated: becomes a table
    /// if it has too many. Given back if it is not in ascending order of times with 0 last, a time is out of range, or a
    /// field stands in it twice or is not whole.
    pub fn from_timed_listpack(list: Listpack, thresholds: &Thresholds) -> Result<Self, Listpack> {
        if !list.len().is_multiple_of(3) || !super::distinct(&list, 3) {
            return Err(list);
        }
        let mut hash = Hash { repr: Repr::Timed(TimedListpack::from_triples(list)?) };
        hash.expect(hash.len(), thresholds);
        Ok(hash)
    }

    /// Converts ahead, as HSET does when `expected` fields come in one command.
    pub fn expect(&mut self, expected: usize, thresholds: &Thresholds) {
        if expected > thresholds.listpack_entries_max {
            self.become_table();
        }
    }

    /// The name that OBJECT ENCODING gives.
    pub fn encoding_name(&self) -> &'static str {
        match self.repr {
            Repr::Listpack(_) => "listpack",
            Repr::Timed(_) => "listpackex",
            Repr::Table(_) => "hashtable",
        }
    }

    /// The bytes of a compact encoding; `None` for a table.
    pub fn compact(&self) -> Option<Compact<'_>> {
        match &self.repr {
            Repr::Listpack(list) => Some(Compact::Listpack(list)),
            Repr::Timed(list) => Some(Compact::Timed(list)),
            Repr::Table(_) => None,
        }
    }

    /// Heap bytes. Constant time.
    pub fn memory(&self) -> usize {
        match &self.repr {
            Repr::Listpack(list) => size_class(list.allocated_bytes()),
            Repr::Timed(list) => size_class(list.listpack().allocated_bytes()),
            Repr::Table(table) => size_class(size_of::<Table<Field>>()) + table.memory(),
        }
    }

    /// Number of fields, expired ones that are not yet deleted included.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.repr {
            Repr::Listpack(list) => list.len() / 2,
            Repr::Timed(list) => list.len(),
            Repr::Table(table) => table.len(),
        }
    }

    /// Whether there is no field.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Value and expiry time of `field`.
    #[inline]
    pub fn get(&self, field: &[u8]) -> Option<(Element<'_>, Option<u64>)> {
        match &self.repr {
            Repr::Listpack(list) => {
                let view = list.view();
                Some((view.at(view.skip(view.find(field, 1)?)), None))
            }
            Repr::Timed(list) => {
                let (_, value, expire_ms) = list.triple(list.find(field)?);
                Some((value, expire_ms))
            }
            Repr::Table(table) => {
                let (_, value, expire_ms) = record::read(table.get(field)?);
                Some((Element::Str(value), expire_ms))
            }
        }
    }

    /// Whether `field` is there.
    #[inline]
    pub fn contains(&self, field: &[u8]) -> bool {
        match &self.repr {
            Repr::Listpack(list) => list.view().find(field, 1).is_some(),
            Repr::Timed(list) => list.find(field).is_some(),
            Repr::Table(table) => table.get(field).is_some(),
        }
    }

    /// Sets `field` to `value`, converting the hash where the thresholds say so.
    pub fn set(&mut self, field: &[u8], value: &[u8], on_update: OnUpdate, thresholds: &Thresholds) -> SetOutcome {
        let expire = match on_update {
            OnUpdate::ClearExpire => Expire::Exactly(None),
            OnUpdate::KeepExpire => Expire::Keep,
        };
        self.store(field, value, expire, thresholds)
    }

    /// Sets `field` to `value` with an expiry time in unix ms, from 1 to [`EXPIRE_MS_MAX`]: [`Hash::set`] and
    /// [`Hash::set_expire`] in one, as loading needs it.
    pub fn set_expiring(&mut self, field: &[u8], value: &[u8], expire_ms: u64, thresholds: &Thresholds) -> SetOutcome {
        assert!((1..=EXPIRE_MS_MAX).contains(&expire_ms), "callers check the range");
        if let Repr::Listpack(list) = &self.repr {
            self.repr = Repr::Timed(TimedListpack::from_pairs(list));
        }
        self.store(field, value, Expire::Exactly(Some(expire_ms)), thresholds)
    }

    fn store(&mut self, field: &[u8], value: &[u8], expire: Expire, thresholds: &Thresholds) -> SetOutcome {
        let long = field.len().max(value.len()) > thresholds.listpack_value_bytes_max;
        let added = field.len() + value.len();
        let updated = match &mut self.repr {
            Repr::Listpack(list) if !long && list.fits(2, added) => match list.view().find(field, 1) {
                Some(at) => {
                    let value_at = list.view().skip(at);
                    list.replace(value_at, value);
                    true
                }
                None => {
                    list.append(field);
                    list.append(value);
                    false
                }
            },
            Repr::Timed(list) if !long && list.fits(added) => {
                let at = list.find(field);
                let expire_ms = match expire {
                    Expire::Keep => at.and_then(|at| list.triple(at).2),
                    Expire::Exactly(expire_ms) => expire_ms,
                };
                list.set(at, field, value, expire_ms);
                at.is_some()
            }
            _ => {
                let table = self.become_table();
                let expire_ms = match expire {
                    Expire::Keep => table.get(field).and_then(|record| record::read(record).2),
                    Expire::Exactly(expire_ms) => expire_ms,
                };
                record::write(table, field, value, expire_ms)
            }
        };
        if updated {
            SetOutcome::Updated
        } else {
            self.expect(self.len(), thresholds);
            SetOutcome::Created
        }
    }

    /// Deletes `field`; says whether it was there.
    pub fn delete(&mut self, field: &[u8]) -> bool {
        match &mut self.repr {
            Repr::Listpack(list) => match list.view().find(field, 1) {
                Some(at) => {
                    list.delete_at(at, 2);
                    true
                }
                None => false,
            },
            Repr::Timed(list) => match list.find(field) {
                Some(at) => {
                    list.delete(at);
                    true
                }
                None => false,
            },
            Repr::Table(table) => table.remove(field, |_| ()).is_some(),
        }
    }

    /// A field, each equally likely; `None` when empty. `bits` gives random numbers.
    pub fn random(&self, mut bits: impl FnMut() -> u64) -> Option<Entry<'_>> {
        if let Repr::Table(table) = &self.repr {
            return table.random(bits).map(iter::table_entry);
        }
        let index = ((u128::from(bits()) * self.len() as u128) >> 64) as usize;
        self.iter().nth(index)
    }

    /// The fields: a listpack's in its order, a table's by position.
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(self)
    }

    /// Gives `with` about `count` fields from `cursor` on, and returns the cursor to go on from (below 2^48); 0 begins
    /// and 0 ends. A field that is there from the first call to the last is given at least once, whatever else is added
    /// and deleted; exactly once if the encoding stays. A compact hash is given whole.
    ///
    /// In a table the fields given so far are those whose [`Hash::position`] is below the cursor.
    pub fn scan(&self, cursor: u64, count: usize, mut with: impl FnMut(Entry<'_>)) -> u64 {
        match &self.repr {
            Repr::Table(table) => table.scan(cursor, count, |record| with(iter::table_entry(record))),
            _ => {
                self.iter().for_each(with);
                0
            }
        }
    }

    /// Where `field` stands, or would stand, in the order of [`Hash::scan`]: below 2^48.
    pub fn position(field: &[u8]) -> u64 {
        position(field)
    }

    /// Frees a large hash in steps of about `budget` allocations; says whether all is freed. The hash is empty from the
    /// first call on.
    pub fn free_some(&mut self, budget: usize) -> bool {
        match &mut self.repr {
            Repr::Table(table) => table.free_some(budget),
            _ => {
                *self = Self::new();
                true
            }
        }
    }

    /// Begins to save the fields as they are now, under the number `id`. The hash must be a table.
    pub(super) fn begin_saving(&mut self, id: u64, held: Held) {
        match &mut self.repr {
            Repr::Table(table) => table.begin_saving(id, held),
            _ => unreachable!("only large hashes are saved in pieces"),
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

    /// Gives `with` about `budget` bytes of fields that are not saved yet; says whether all are saved then.
    pub(super) fn save_some(&mut self, budget: usize, with: &mut dyn FnMut(Part<'_>)) -> bool {
        let Repr::Table(table) = &mut self.repr else { return true };
        table.save_some(budget, &mut |bytes| {
            let (field, value, expire_ms) = record::read(bytes);
            with(Part::Field(field, value, expire_ms));
        })
    }

    fn become_table(&mut self) -> &mut Table<Field> {
        if !matches!(self.repr, Repr::Table(_)) {
            let mut table = Box::<Table<Field>>::default();
            for entry in self.iter() {
                entry.field.with_bytes(|field| {
                    entry.value.with_bytes(|value| record::write(&mut table, field, value, entry.expire_ms))
                });
            }
            self.repr = Repr::Table(table);
        }
        match &mut self.repr {
            Repr::Table(table) => table,
            _ => unreachable!("it has just been made a table"),
        }
    }
}

impl PartialEq for Hash {
    /// The same fields with the same values and expiry times, in whatever encoding.
    fn eq(&self, other: &Self) -> bool {
        let same =
            |entry: Entry<'_>| entry.field.with_bytes(|field| other.get(field) == Some((entry.value, entry.expire_ms)));
        self.len() == other.len() && self.iter().all(same)
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter().map(|entry| (entry.field, (entry.value, entry.expire_ms)))).finish()
    }
}

#[cfg(test)]
mod tests;
