//! The borrowed listpack: everything that reads.

use super::entry::{self, Element, parse_i64};
use super::{COUNT_UNKNOWN, END, HEADER_BYTES};

/// A borrowed listpack, trusted to be valid: two words, copy it freely.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ListpackRef<'a> {
    bytes: &'a [u8],
}

impl<'a> ListpackRef<'a> {
    /// A view of bytes that are known to be a valid listpack. Broken ones lead to panics, never to undefined
    /// behaviour; bytes from outside go through [`ListpackRef::validated`].
    #[inline]
    pub fn trusted(bytes: &'a [u8]) -> Self {
        debug_assert!(Self::validated(bytes).is_ok());
        ListpackRef { bytes }
    }

    /// For callers inside the module whose bytes are valid by construction, without the debug check's cost.
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        ListpackRef { bytes }
    }

    /// The raw bytes, as they stand in an RDB file.
    #[inline]
    pub fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Number of elements. Walks the listpack when there are more than 65,534 (or have been).
    #[inline]
    pub fn len(self) -> usize {
        match usize::from(u16::from_le_bytes([self.bytes[4], self.bytes[5]])) {
            COUNT_UNKNOWN => self.iter().count(),
            count => count,
        }
    }

    /// Whether there is no element.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.bytes[HEADER_BYTES] == END
    }

    /// The offset of the end byte: behind the last element.
    #[inline]
    pub fn end(self) -> usize {
        self.bytes.len() - 1
    }

    /// Position of the first element.
    #[inline]
    pub fn first(self) -> Option<usize> {
        (!self.is_empty()).then_some(HEADER_BYTES)
    }

    /// Position of the last element.
    #[inline]
    pub fn last(self) -> Option<usize> {
        self.prev(self.end())
    }

    /// Position of the element behind the one at `at`.
    #[inline]
    pub fn next(self, at: usize) -> Option<usize> {
        let next = self.skip(at);
        (next < self.end()).then_some(next)
    }

    /// Position of the element before `at`, which may also be [`ListpackRef::end`].
    #[inline]
    pub fn prev(self, at: usize) -> Option<usize> {
        if at <= HEADER_BYTES {
            return None;
        }
        let (inner, back) = entry::read_backlen(self.bytes, at).expect("a valid listpack's backlens are readable");
        Some(at - back - inner)
    }

    /// The offset behind the element at `at`: the next element's position or [`ListpackRef::end`].
    #[inline]
    pub fn skip(self, at: usize) -> usize {
        let inner = entry::inner_len(self.bytes, at).expect("a position addresses an entry");
        at + inner + entry::backlen_len(inner)
    }

    /// The element at position `at`.
    #[inline]
    pub fn at(self, at: usize) -> Element<'a> {
        entry::read(self.bytes, at)
    }

    /// Position of the element with this index; negative ones count from the end (-1 is the last).
    pub fn seek(self, index: i64) -> Option<usize> {
        let count = match usize::from(u16::from_le_bytes([self.bytes[4], self.bytes[5]])) {
            COUNT_UNKNOWN => None,
            count => Some(count as i64),
        };
        // With a known count walk from the nearer end.
        let index = match count {
            Some(count) if index >= count || index < -count => return None,
            Some(count) if index >= 0 && index > count / 2 => index - count,
            Some(count) if index < 0 && -index > count / 2 => index + count,
            _ => index,
        };
        if index >= 0 {
            let mut at = self.first()?;
            for _ in 0..index {
                at = self.next(at)?;
            }
            Some(at)
        } else {
            let mut at = self.last()?;
            for _ in 1..index.unsigned_abs() {
                at = self.prev(at)?;
            }
            Some(at)
        }
    }

    /// The element with this index; negative ones count from the end.
    #[inline]
    pub fn get(self, index: i64) -> Option<Element<'a>> {
        self.seek(index).map(|at| self.at(at))
    }

    /// Position of the first element equal to `needle` among the one at `from` and every `skip + 1`th behind it.
    /// For a hash's fields start at the first element with `skip` 1.
    #[inline]
    pub fn find_from(self, from: usize, needle: &[u8], skip: usize) -> Option<usize> {
        let end = self.end();
        let number = parse_i64(needle);
        let mut at = from;
        while at < end {
            let found = match self.at(at) {
                Element::Str(bytes) => bytes == needle,
                Element::Int(value) => number == Some(value),
            };
            if found {
                return Some(at);
            }
            at = self.skip(at);
            for _ in 0..skip {
                if at >= end {
                    return None;
                }
                at = self.skip(at);
            }
        }
        None
    }

    /// As [`ListpackRef::find_from`] from the first element.
    #[inline]
    pub fn find(self, needle: &[u8], skip: usize) -> Option<usize> {
        self.find_from(HEADER_BYTES, needle, skip)
    }

    /// The elements in order; also backwards.
    #[inline]
    pub fn iter(self) -> Iter<'a> {
        Iter { list: self, front: HEADER_BYTES, back: self.end() }
    }

    /// The elements from position `at` to the end.
    #[inline]
    pub fn iter_from(self, at: usize) -> Iter<'a> {
        Iter { list: self, front: at, back: self.end() }
    }

    /// Elements two by two (field and value, member and score). A last element without a partner is left out.
    pub fn pairs(self) -> impl Iterator<Item = (Element<'a>, Element<'a>)> + Clone {
        let mut iter = self.iter();
        std::iter::from_fn(move || Some((iter.next()?, iter.next()?)))
    }
}

impl std::fmt::Debug for ListpackRef<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> IntoIterator for ListpackRef<'a> {
    type Item = Element<'a>;
    type IntoIter = Iter<'a>;
    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The elements of a listpack, from both ends.
#[derive(Clone)]
pub struct Iter<'a> {
    list: ListpackRef<'a>,
    front: usize,
    back: usize,
}

impl Iter<'_> {
    /// Position of the element that `next` will give (or the end of the range).
    #[inline]
    pub fn position(&self) -> usize {
        self.front
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Element<'a>;

    #[inline]
    fn next(&mut self) -> Option<Element<'a>> {
        if self.front >= self.back {
            return None;
        }
        let element = self.list.at(self.front);
        self.front = self.list.skip(self.front);
        Some(element)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        self.back = self.list.prev(self.back)?;
        Some(self.list.at(self.back))
    }
}
