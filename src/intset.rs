//! Intset: Redis's sorted array of integers, byte for byte.
//!
//! ```text
//! width u32 LE (2, 4 or 8 bytes per integer) │ length u32 LE │ integers, LE, ascending, no duplicates
//! ```
//!
//! All integers have the width that the widest ever added needed; it never shrinks again.

use crate::listpack::{SelfSized, ThinVec, parse_i64};

const HEADER_BYTES: usize = 8;

/// What is wrong with bytes that should be an intset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntsetError {
    /// Fewer bytes than an empty intset has.
    #[error("intset of {0} bytes is shorter than an empty one")]
    TooShort(usize),
    /// The width is none of 2, 4, 8.
    #[error("intset has unknown width {0}")]
    Width(u32),
    /// The header's length and width do not give the number of bytes there are.
    #[error("intset of {length} integers has {actual} bytes")]
    Size {
        /// The header's length.
        length: u32,
        /// The bytes there are, header included.
        actual: usize,
    },
    /// Not strictly ascending at this index.
    #[error("intset is out of order at index {0}")]
    Order(usize),
}

/// The width and number in an intset's header.
struct WidthAndNumber;

impl SelfSized for WidthAndNumber {
    const HEADER_BYTES: usize = HEADER_BYTES;

    #[inline]
    fn len(header: &[u8]) -> usize {
        let number = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        HEADER_BYTES + number as usize * usize::from(header[0])
    }

    #[inline]
    fn set_len(header: &mut [u8], len: usize) {
        let number = (len - HEADER_BYTES) / usize::from(header[0]);
        header[4..8].copy_from_slice(&(number as u32).to_le_bytes());
    }
}

/// An owned intset: one word and one allocation.
#[derive(Clone, PartialEq, Eq)]
pub struct Intset {
    bytes: ThinVec<WidthAndNumber>,
}

impl Intset {
    /// An empty intset of 16-bit integers.
    pub fn new() -> Self {
        Intset { bytes: ThinVec::from_slice(&[2, 0, 0, 0, 0, 0, 0, 0]) }
    }

    /// Takes bytes from outside: checks everything, then copies.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IntsetError> {
        validate(bytes)?;
        Ok(Intset { bytes: ThinVec::from_slice(bytes) })
    }

    /// As [`Intset::from_bytes`].
    pub fn from_vec(bytes: Vec<u8>) -> Result<Self, IntsetError> {
        Self::from_bytes(&bytes)
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
    pub fn allocated_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Number of integers.
    #[inline]
    pub fn len(&self) -> usize {
        u32::from_le_bytes([self.bytes[4], self.bytes[5], self.bytes[6], self.bytes[7]]) as usize
    }

    /// Whether there is no integer.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The integer with this index in ascending order.
    #[inline]
    pub fn get(&self, index: usize) -> Option<i64> {
        (index < self.len()).then(|| self.at(index))
    }

    /// The integer for random bits, all equally likely to within `len / 2^64`; `None` when empty.
    #[inline]
    pub fn random(&self, bits: u64) -> Option<i64> {
        self.get(((u128::from(bits) * self.len() as u128) >> 64) as usize)
    }

    /// Whether `value` is there.
    #[inline]
    pub fn contains(&self, value: i64) -> bool {
        width_of(value) <= self.width() && self.search(value).is_ok()
    }

    /// Whether the integer that `bytes` spell canonically is there.
    #[inline]
    pub fn contains_bytes(&self, bytes: &[u8]) -> bool {
        parse_i64(bytes).is_some_and(|value| self.contains(value))
    }

    /// Adds `value`; says whether it is new.
    pub fn insert(&mut self, value: i64) -> bool {
        let width = width_of(value);
        if width > self.width() {
            self.widen(width);
        }
        let width = self.width();
        match self.search(value) {
            Ok(_) => false,
            Err(index) => {
                let at = HEADER_BYTES + index * width;
                let end = self.bytes.len();
                self.bytes.resize(end + width);
                self.bytes.copy_within(at..end, at + width);
                self.bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
                true
            }
        }
    }

    /// Removes `value`; says whether it was there.
    pub fn remove(&mut self, value: i64) -> bool {
        if width_of(value) > self.width() {
            return false;
        }
        match self.search(value) {
            Ok(index) => {
                let at = HEADER_BYTES + index * self.width();
                self.bytes.cut(at..at + self.width());
                self.bytes.release();
                true
            }
            Err(_) => false,
        }
    }

    /// The integers in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = i64> + ExactSizeIterator + Clone + '_ {
        (0..self.len()).map(|index| self.at(index))
    }

    #[inline]
    fn width(&self) -> usize {
        usize::from(self.bytes[0])
    }

    #[inline]
    fn at(&self, index: usize) -> i64 {
        read(&self.bytes, self.width(), index)
    }

    fn search(&self, value: i64) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        // Appending ascending integers is the common way to fill one.
        if high > 0 && self.at(high - 1) < value {
            return Err(high);
        }
        while low < high {
            let middle = (low + high) / 2;
            match self.at(middle).cmp(&value) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    fn widen(&mut self, width: usize) {
        let empty = [width as u8, 0, 0, 0, 0, 0, 0, 0];
        let mut bytes = ThinVec::with_room(&empty, HEADER_BYTES + (self.len() + 1) * width);
        for value in self.iter() {
            bytes.extend_from_slice(&value.to_le_bytes()[..width]);
        }
        self.bytes = bytes;
    }
}

impl Default for Intset {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Intset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl FromIterator<i64> for Intset {
    fn from_iter<I: IntoIterator<Item = i64>>(values: I) -> Self {
        let mut set = Intset::new();
        for value in values {
            set.insert(value);
        }
        set
    }
}

/// Bytes that `value` needs.
#[inline]
fn width_of(value: i64) -> usize {
    if i16::try_from(value).is_ok() {
        2
    } else if i32::try_from(value).is_ok() {
        4
    } else {
        8
    }
}

#[inline]
fn read(bytes: &[u8], width: usize, index: usize) -> i64 {
    let slice = &bytes[HEADER_BYTES + index * width..][..width];
    match *slice {
        [a, b] => i64::from(i16::from_le_bytes([a, b])),
        [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
        _ => {
            let mut wide = [0; 8];
            wide.copy_from_slice(slice);
            i64::from_le_bytes(wide)
        }
    }
}

/// Checks that `bytes` are exactly one intset: width, length, order.
fn validate(bytes: &[u8]) -> Result<(), IntsetError> {
    let Some((header, integers)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(IntsetError::TooShort(bytes.len()));
    };
    let width = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
    if !matches!(width, 2 | 4 | 8) {
        return Err(IntsetError::Width(width));
    }
    if integers.len() as u64 != u64::from(length) * u64::from(width) {
        return Err(IntsetError::Size { length, actual: bytes.len() });
    }
    let width = width as usize;
    for index in 1..length as usize {
        if read(bytes, width, index - 1) >= read(bytes, width, index) {
            return Err(IntsetError::Order(index));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use std::collections::BTreeSet;

    #[test]
    fn bytes_are_redis_bytes_and_widen_as_there() {
        let mut set: Intset = [5, -1, 300].into_iter().collect();
        assert_eq!(set.as_bytes(), [2, 0, 0, 0, 3, 0, 0, 0, 0xFF, 0xFF, 5, 0, 0x2C, 1]);
        assert!(set.insert(-40_000));
        assert_eq!(
            set.as_bytes(),
            [4, 0, 0, 0, 4, 0, 0, 0, 0xC0, 0x63, 0xFF, 0xFF, 255, 255, 255, 255, 5, 0, 0, 0, 0x2C, 1, 0, 0]
        );
        assert!(set.remove(-40_000));
        assert_eq!(set.as_bytes()[0], 4);
    }

    #[test]
    fn random_changes_agree_with_a_tree() {
        let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
        eprintln!("SEED={seed}");
        let mut rng = StdRng::seed_from_u64(seed);
        for bits in [4, 8, 16, 17, 32, 40, 63] {
            let mut set = Intset::new();
            let mut model = BTreeSet::new();
            for _ in 0..500 {
                let value = rng.random::<i64>() >> (64 - bits);
                match rng.random_range(0..3) {
                    0 => assert_eq!(set.remove(value), model.remove(&value)),
                    _ => assert_eq!(set.insert(value), model.insert(value)),
                }
                assert_eq!(set.contains(value), model.contains(&value));
                assert!(!set.contains(i64::MAX - 1) || model.contains(&(i64::MAX - 1)));
            }
            assert!(set.iter().eq(model.iter().copied()));
            assert_eq!(set.len(), model.len());
            assert_eq!(Intset::from_bytes(set.as_bytes()).as_ref(), Ok(&set));
            assert_eq!(set.random(u64::MAX), model.last().copied());
            assert_eq!(set.random(0), model.first().copied());
        }
    }

    #[test]
    fn broken_bytes_are_refused_by_name() {
        let good = [1i64, 2, 3].into_iter().collect::<Intset>().into_vec();
        let broken = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            Intset::from_vec(bytes).unwrap_err()
        };
        assert_eq!(Intset::from_bytes(&good[..7]), Err(IntsetError::TooShort(7)));
        assert_eq!(broken(0, 3), IntsetError::Width(3));
        assert_eq!(broken(4, 4), IntsetError::Size { length: 4, actual: good.len() });
        assert_eq!(broken(10, 1), IntsetError::Order(1));
        assert_eq!(broken(11, 0x80), IntsetError::Order(1));
    }
}
