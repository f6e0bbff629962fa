//! The owned listpack: everything that writes.

use super::entry::{Element, Encoded};
use super::thin::{SelfSized, ThinVec};
use super::validate::ListpackError;
use super::view::{Iter, ListpackRef};
use super::{COUNT_UNKNOWN, END, HEADER_BYTES, MAX_BYTES};

/// The total in a listpack's first four bytes.
pub(crate) struct Total;

impl SelfSized for Total {
    const HEADER_BYTES: usize = HEADER_BYTES;

    #[inline]
    fn len(header: &[u8]) -> usize {
        u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize
    }

    #[inline]
    fn set_len(header: &mut [u8], len: usize) {
        header[..4].copy_from_slice(&(len as u32).to_le_bytes());
    }
}

/// An owned listpack: one word, and one allocation grown to the allocator's size classes so that nothing is held in vain.
///
/// Methods that take a position panic when it addresses no entry. Growing beyond [`MAX_BYTES`] panics:
/// ask [`Listpack::fits`] first where the elements' sizes are not already bounded.
#[derive(Clone, PartialEq, Eq)]
pub struct Listpack {
    bytes: ThinVec<Total>,
}

impl Listpack {
    /// An empty listpack.
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// An empty listpack with room for `capacity` bytes of entries.
    pub fn with_capacity(capacity: usize) -> Self {
        let empty = [HEADER_BYTES as u8 + 1, 0, 0, 0, 0, 0, END];
        Listpack { bytes: ThinVec::with_room(&empty, empty.len() + capacity) }
    }

    /// Takes bytes from outside: checks everything, trusts nothing, then copies.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ListpackError> {
        ListpackRef::validated(bytes)?;
        Ok(Listpack { bytes: ThinVec::from_slice(bytes) })
    }

    /// As [`Listpack::from_bytes`].
    pub fn from_vec(bytes: Vec<u8>) -> Result<Self, ListpackError> {
        Self::from_bytes(&bytes)
    }

    /// The view for reading.
    #[inline]
    pub fn view(&self) -> ListpackRef<'_> {
        ListpackRef::new(&self.bytes)
    }

    /// The raw bytes, as they stand in an RDB file.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A copy of the raw bytes.
    pub fn into_vec(self) -> Vec<u8> {
        self.bytes.to_vec()
    }

    /// Bytes allocated, beside the word of the owner itself.
    #[inline]
    pub fn allocated_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Number of elements; see [`ListpackRef::len`].
    #[inline]
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there is no element.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    /// The element with this index; negative ones count from the end.
    #[inline]
    pub fn get(&self, index: i64) -> Option<Element<'_>> {
        self.view().get(index)
    }

    /// The elements in order; also backwards.
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        self.view().iter()
    }

    /// Whether `elements` more elements of `data_bytes` bytes in all can be added below [`MAX_BYTES`].
    #[inline]
    pub fn fits(&self, elements: usize, data_bytes: usize) -> bool {
        // At most five bytes of head and five of backlen; an integer has at most nine and one.
        elements.saturating_mul(10).saturating_add(data_bytes).saturating_add(self.bytes.len()) <= MAX_BYTES
    }

    /// Adds an element at the end.
    #[inline]
    pub fn append<'e>(&mut self, element: impl Into<Element<'e>>) {
        let encoded = Encoded::new(element.into());
        let len = encoded.len();
        self.check_growth(len);
        let end = self.bytes.len() - 1;
        self.bytes.resize(end + len + 1);
        encoded.write_to(&mut self.bytes[end..][..len]);
        self.bytes[end + len] = END;
        self.changed(1, 0);
    }

    /// Adds an element at the front.
    pub fn prepend<'e>(&mut self, element: impl Into<Element<'e>>) {
        self.insert_before(HEADER_BYTES, element);
    }

    /// Inserts before the element at `at` (or at the end, for [`ListpackRef::end`]). The new element is then at `at`.
    pub fn insert_before<'e>(&mut self, at: usize, element: impl Into<Element<'e>>) {
        let encoded = Encoded::new(element.into());
        let len = encoded.len();
        self.resize_gap(at, 0, len);
        encoded.write_to(&mut self.bytes[at..][..len]);
        self.changed(1, 0);
    }

    /// Inserts behind the element at `at` and returns the new element's position.
    pub fn insert_after<'e>(&mut self, at: usize, element: impl Into<Element<'e>>) -> usize {
        let next = self.view().skip(at);
        self.insert_before(next, element);
        next
    }

    /// Puts another element in the place of the one at `at`.
    pub fn replace<'e>(&mut self, at: usize, element: impl Into<Element<'e>>) {
        let encoded = Encoded::new(element.into());
        let old = self.view().skip(at) - at;
        let len = encoded.len();
        self.resize_gap(at, old, len);
        encoded.write_to(&mut self.bytes[at..][..len]);
        self.changed(0, 0);
    }

    /// Deletes the element at `at`; the next one is then at `at`.
    pub fn delete(&mut self, at: usize) {
        self.delete_at(at, 1);
    }

    /// Deletes up to `count` elements from position `at` on, and returns how many there were.
    pub fn delete_at(&mut self, at: usize, count: usize) -> usize {
        let view = self.view();
        let mut end = at;
        let mut deleted = 0;
        while deleted < count && end < view.end() {
            end = view.skip(end);
            deleted += 1;
        }
        self.cut(at, end, deleted);
        deleted
    }

    /// Deletes up to `count` elements from `index` on (negative: counted from the end), and returns how many.
    pub fn delete_range(&mut self, index: i64, count: usize) -> usize {
        match self.view().seek(index) {
            Some(at) => self.delete_at(at, count),
            None => 0,
        }
    }

    /// Keeps the elements for which `keep` says so, looking at groups of `group` elements (1, or 2 for pairs; a
    /// shorter last group is kept). `keep` gets the group's position and may read from there on, not before.
    /// One pass, no allocation. Returns how many elements were deleted.
    pub fn retain_groups(&mut self, group: usize, mut keep: impl FnMut(ListpackRef<'_>, usize) -> bool) -> usize {
        let end = self.view().end();
        let (mut read, mut write, mut deleted) = (HEADER_BYTES, HEADER_BYTES, 0);
        while read < end {
            // Entries from `read` on have not been moved, so looking at them through a view is sound; only the part
            // before `write` has been packed together.
            let view = self.view();
            let mut next = read;
            let mut taken = 0;
            while taken < group && next < end {
                next = view.skip(next);
                taken += 1;
            }
            if taken < group || keep(view, read) {
                self.bytes.copy_within(read..next, write);
                write += next - read;
            } else {
                deleted += taken;
            }
            read = next;
        }
        self.cut(write, end, deleted);
        deleted
    }

    /// Adds all elements of `other` at the end.
    pub fn merge(&mut self, other: ListpackRef<'_>) {
        let entries = &other.as_bytes()[HEADER_BYTES..];
        let added = other.len();
        self.check_growth(entries.len() - 1);
        let end = self.bytes.len() - 1;
        self.bytes.resize(end);
        self.bytes.extend_from_slice(entries);
        self.changed(added, 0);
    }

    /// Cuts off everything from position `at` on and returns it as a listpack of its own.
    pub fn split_off(&mut self, at: usize) -> Listpack {
        let tail_entries = &self.bytes[at..self.bytes.len() - 1];
        let mut tail = Listpack::with_capacity(tail_entries.len());
        tail.bytes.resize(HEADER_BYTES);
        tail.bytes.extend_from_slice(tail_entries);
        tail.bytes.extend_from_slice(&[END]);
        let moved = ListpackRef::new(&tail.bytes).iter().count();
        tail.changed(moved, 0);
        self.cut(at, self.bytes.len() - 1, moved);
        tail
    }

    /// Gives back memory beyond what the size class of the content needs.
    pub fn shrink(&mut self) {
        self.bytes.shrink();
    }

    /// Removes `start..end`, which holds `deleted` entries.
    fn cut(&mut self, start: usize, end: usize, deleted: usize) {
        if deleted == 0 {
            return;
        }
        self.bytes.cut(start..end);
        self.bytes.release();
        self.changed(0, deleted);
    }

    /// Makes the `old` bytes at `at` a gap of `new` bytes.
    fn resize_gap(&mut self, at: usize, old: usize, new: usize) {
        let len = self.bytes.len();
        assert!(at >= HEADER_BYTES && at + old < len, "a position lies between header and end byte");
        if new > old {
            self.check_growth(new - old);
            self.bytes.resize(len + new - old);
        }
        if new != old {
            self.bytes.copy_within(at + old..len, at + new);
            self.bytes.resize(len + new - old);
        }
    }

    #[inline]
    fn check_growth(&self, additional: usize) {
        let needed = self.bytes.len() + additional;
        assert!(needed <= MAX_BYTES, "a listpack never grows beyond {MAX_BYTES} bytes");
    }

    /// Brings the header's number of elements up to date.
    #[inline]
    fn changed(&mut self, added: usize, deleted: usize) {
        let count = usize::from(u16::from_le_bytes([self.bytes[4], self.bytes[5]]));
        if count != COUNT_UNKNOWN {
            let count = (count + added - deleted).min(COUNT_UNKNOWN) as u16;
            self.bytes[4..6].copy_from_slice(&count.to_le_bytes());
        }
    }
}

impl Default for Listpack {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Listpack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.view().fmt(f)
    }
}

impl<'e, E: Into<Element<'e>>> FromIterator<E> for Listpack {
    fn from_iter<I: IntoIterator<Item = E>>(elements: I) -> Self {
        let mut list = Listpack::new();
        for element in elements {
            list.append(element);
        }
        list
    }
}

/// The allocator's size class for `bytes`: multiples of 16 up to 128, then four per doubling. Growing class by class
/// costs amortized constant time and holds nothing that the allocator would not have given anyway.
#[cfg(test)]
pub(crate) fn size_class(bytes: usize) -> usize {
    if bytes <= 128 {
        return bytes.next_multiple_of(16).max(16);
    }
    let step = 1usize << ((bytes - 1).ilog2() - 2);
    bytes.next_multiple_of(step)
}
