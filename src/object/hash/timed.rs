//! The compact hash whose fields can have expiry times, which Redis calls `listpackex`.
//!
//! A listpack of triples field, value, expiry time in unix ms. Those with a time come first, ascending by it (a later
//! arrival behind its equals); those without have 0 and come last, in order of insertion.

use crate::listpack::{Element, Listpack, ListpackRef};

/// A listpack of triples, in Redis's order.
#[derive(Clone)]
pub struct TimedListpack {
    list: Listpack,
}

/// One field, as it stands in a listpack.
pub(super) type Triple<'a> = (Element<'a>, Element<'a>, Option<u64>);

impl TimedListpack {
    /// From a listpack of pairs: no field has a time.
    pub(super) fn from_pairs(pairs: &Listpack) -> Self {
        let mut list = Listpack::with_capacity(pairs.as_bytes().len() + pairs.len());
        for (field, value) in pairs.view().pairs() {
            list.append(field);
            list.append(value);
            list.append(0);
        }
        TimedListpack { list }
    }

    /// From a valid listpack of triples; given back if it is not in order or a time is none.
    pub(super) fn from_triples(list: Listpack) -> Result<Self, Listpack> {
        if list.len().is_multiple_of(3) && has_sound_times(&list).is_some() {
            Ok(TimedListpack { list })
        } else {
            Err(list)
        }
    }

    /// The listpack of triples.
    pub fn listpack(&self) -> &Listpack {
        &self.list
    }

    pub(super) fn len(&self) -> usize {
        self.list.len() / 3
    }

    pub(super) fn find(&self, field: &[u8]) -> Option<usize> {
        self.list.view().find(field, 2)
    }

    /// The triple whose field is at `at`.
    #[inline]
    pub(super) fn triple(&self, at: usize) -> Triple<'_> {
        triple(self.list.view(), at)
    }

    pub(super) fn min_expire_ms(&self) -> Option<u64> {
        self.triple(self.list.view().first()?).2
    }

    /// Sets field `field`, which stands at `at` if it is there.
    pub(super) fn set(&mut self, at: Option<usize>, field: &[u8], value: &[u8], expire_ms: Option<u64>) {
        if let Some(at) = at {
            if self.triple(at).2 == expire_ms {
                let value_at = self.list.view().skip(at);
                self.list.replace(value_at, value);
                return;
            }
            self.list.delete_at(at, 3);
        }
        let mut at = self.place(expire_ms);
        at = self.put(at, field.into());
        at = self.put(at, value.into());
        self.put(at, Element::Int(expire_ms.unwrap_or(0) as i64));
    }

    pub(super) fn delete(&mut self, at: usize) {
        self.list.delete_at(at, 3);
    }

    /// Removes up to `budget` fields whose time is before `now_ms`.
    pub(super) fn take_expired(&mut self, now_ms: u64, budget: usize, mut with: impl FnMut(Triple<'_>)) -> usize {
        let view = self.list.view();
        let Some(first) = view.first() else { return 0 };
        let mut taken = 0;
        let mut at = first;
        while taken < budget && at < view.end() {
            let triple = triple(view, at);
            if triple.2.is_none_or(|expire_ms| expire_ms >= now_ms) {
                break;
            }
            with(triple);
            taken += 1;
            at = skip_triple(view, at);
        }
        self.list.delete_at(first, 3 * taken);
        taken
    }

    pub(super) fn fits(&self, data_bytes: usize) -> bool {
        self.list.fits(3, data_bytes + 8)
    }

    /// Where a triple with this time belongs.
    fn place(&self, expire_ms: Option<u64>) -> usize {
        let view = self.list.view();
        let Some(expire_ms) = expire_ms else { return view.end() };
        let mut next = view.first();
        while let Some(at) = next {
            if triple(view, at).2.is_none_or(|other_ms| other_ms > expire_ms) {
                return at;
            }
            let behind = skip_triple(view, at);
            next = (behind < view.end()).then_some(behind);
        }
        view.end()
    }

    fn put(&mut self, at: usize, element: Element<'_>) -> usize {
        self.list.insert_before(at, element);
        self.list.view().skip(at)
    }
}

/// `None` if times are missing, out of range or not ascending.
fn has_sound_times(list: &Listpack) -> Option<()> {
    let mut last_ms = 0;
    for expire in list.iter().skip(2).step_by(3) {
        let expire_ms = match expire.as_int()? {
            0 => u64::MAX,
            expire_ms => u64::try_from(expire_ms).ok().filter(|&expire_ms| expire_ms <= super::EXPIRE_MS_MAX)?,
        };
        if expire_ms < last_ms {
            return None;
        }
        last_ms = expire_ms;
    }
    Some(())
}

#[inline]
fn skip_triple(view: ListpackRef<'_>, at: usize) -> usize {
    view.skip(view.skip(view.skip(at)))
}

#[inline]
fn triple(view: ListpackRef<'_>, at: usize) -> Triple<'_> {
    let value = view.skip(at);
    let expire_ms = view.at(view.skip(value)).as_int().filter(|&expire_ms| expire_ms != 0);
    (view.at(at), view.at(value), expire_ms.map(|expire_ms| expire_ms as u64))
}
