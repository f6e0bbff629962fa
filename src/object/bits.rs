//! Strings as arrays of bits, the first bit of a byte being its highest: counting, finding, combining, and integer
//! fields of any width.

use std::ops::Range;

/// The bit at `offset`; 0 beyond the end.
#[inline]
pub fn get_bit(bytes: &[u8], offset: u64) -> bool {
    usize::try_from(offset / 8).ok().and_then(|at| bytes.get(at)).is_some_and(|byte| byte >> (7 - offset % 8) & 1 == 1)
}

/// Sets the bit at `offset`, which must be within, and gives what it was.
#[inline]
pub fn set_bit(bytes: &mut [u8], offset: u64, bit: bool) -> bool {
    let byte = &mut bytes[(offset / 8) as usize];
    let mask = 1 << (7 - offset % 8);
    let was = *byte & mask != 0;
    if bit {
        *byte |= mask
    } else {
        *byte &= !mask
    }
    was
}

/// How many bits are 1.
pub fn popcount(bytes: &[u8]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("popcnt") {
        // SAFETY: the processor has the feature, as just asked.
        return unsafe { popcount_native(bytes) };
    }
    popcount_words(bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "popcnt")]
fn popcount_native(bytes: &[u8]) -> u64 {
    popcount_words(bytes)
}

#[inline(always)]
fn popcount_words(bytes: &[u8]) -> u64 {
    let (blocks, rest) = bytes.as_chunks::<32>();
    let (words, tail) = rest.as_chunks::<8>();
    let word = |bytes: &[u8; 8]| u64::from(u64::from_le_bytes(*bytes).count_ones());
    let blocks: u64 = blocks.iter().map(|block| block.as_chunks::<8>().0.iter().map(word).sum::<u64>()).sum();
    blocks + words.iter().map(word).sum::<u64>() + tail.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

/// How many bits of a range (cut to what there is) are 1.
pub fn popcount_bits(bytes: &[u8], bits: Range<u64>) -> u64 {
    let end = bits.end.min(bytes.len() as u64 * 8);
    if bits.start >= end {
        return 0;
    }
    // Whole bytes, less what the first and the last have outside.
    let (first, last) = ((bits.start / 8) as usize, ((end - 1) / 8) as usize);
    let before = bytes[first] & !(0xFF >> (bits.start % 8));
    let after = bytes[last] & (0x7F >> ((end - 1) % 8));
    popcount(&bytes[first..=last]) - u64::from(before.count_ones() + after.count_ones())
}

/// The offset of the first bit of this value within a range, cut to what there is.
pub fn find_bit(bytes: &[u8], bit: bool, bits: Range<u64>) -> Option<u64> {
    let end = bits.end.min(bytes.len() as u64 * 8);
    if bits.start >= end {
        return None;
    }
    let flip = if bit { 0 } else { 0xFF };
    let (first, last) = ((bits.start / 8) as usize, ((end - 1) / 8) as usize);
    let found = |at: usize, byte: u8| {
        let offset = at as u64 * 8 + u64::from(byte.leading_zeros());
        (offset < end).then_some(offset)
    };
    let head = (bytes[first] ^ flip) & 0xFF >> (bits.start % 8);
    if head != 0 {
        return found(first, head);
    }
    let rest = &bytes[first + 1..=last];
    let (words, tail) = rest.as_chunks::<8>();
    let skip = u64::from_ne_bytes([flip; 8]);
    let words_skipped = words.iter().position(|word| u64::from_ne_bytes(*word) != skip).unwrap_or(words.len());
    let at = words_skipped * 8;
    let hit = match words.get(words_skipped) {
        Some(word) => word.iter().position(|&byte| byte != flip),
        None => tail.iter().position(|&byte| byte != flip),
    };
    let at = at + hit?;
    found(first + 1 + at, rest[at] ^ flip)
}

/// How BITOP combines strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitOp {
    /// 1 where all are 1.
    And,
    /// 1 where any is 1.
    Or,
    /// 1 where an odd number is 1.
    Xor,
    /// The opposite of the only source.
    Not,
}

/// Combines strings into one as long as the longest; shorter ones count as filled up with zeros. `Not` looks at the
/// first source only. Runs over words: no branch per byte.
pub fn combine(op: BitOp, sources: &[&[u8]]) -> Vec<u8> {
    let Some((first, others)) = sources.split_first() else { return Vec::new() };
    if op == BitOp::Not {
        return first.iter().map(|byte| !byte).collect();
    }
    let len = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let mut out = Vec::with_capacity(len);
    out.extend_from_slice(first);
    out.resize(len, 0);
    for source in others {
        let (common, beyond) = out.split_at_mut(source.len());
        let pairs = common.iter_mut().zip(*source);
        match op {
            BitOp::And => {
                pairs.for_each(|(own, other)| *own &= other);
                beyond.fill(0);
            }
            BitOp::Or => pairs.for_each(|(own, other)| *own |= other),
            BitOp::Xor => pairs.for_each(|(own, other)| *own ^= other),
            BitOp::Not => {}
        }
    }
    out
}

/// The type of a bit field: `i1`–`i64`, `u1`–`u63`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldType {
    signed: bool,
    bits: u8,
}

/// What happens when a value does not fit its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Overflow {
    /// The lower bits are kept.
    #[default]
    Wrap,
    /// The nearest value that fits.
    Saturate,
    /// Nothing is written.
    Fail,
}

impl FieldType {
    /// Reads a type as in BITFIELD: `i` or `u` and the width.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (signed, width) = match text {
            [b'i', width @ ..] => (true, width),
            [b'u', width @ ..] => (false, width),
            _ => return None,
        };
        let bits = crate::listpack::parse_i64(width)?;
        let max = if signed { 64 } else { 63 };
        (1..=max).contains(&bits).then_some(FieldType { signed, bits: bits as u8 })
    }

    /// The width in bits.
    pub fn bits(self) -> u64 {
        u64::from(self.bits)
    }

    /// Bytes that a string must have for this field at a bit offset to be written.
    pub fn bytes_needed(self, offset: u64) -> u64 {
        (offset + self.bits() - 1) / 8 + 1
    }

    fn limits(self) -> (i128, i128) {
        if self.signed { (-(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1) } else { (0, (1 << self.bits) - 1) }
    }

    /// Reads the field at a bit offset; what lies beyond the end is 0.
    pub fn get(self, bytes: &[u8], offset: u64) -> i64 {
        // Up to 64 bits from any offset lie in nine bytes.
        let start = offset / 8;
        let window = usize::try_from(start).ok().and_then(|start| bytes.get(start..)).unwrap_or(&[]);
        let mut wide = [0u8; 16];
        let taken = window.len().min(9);
        wide[..taken].copy_from_slice(&window[..taken]);
        let shifted = u128::from_be_bytes(wide) << (offset % 8);
        if self.signed { (shifted as i128 >> (128 - self.bits)) as i64 } else { (shifted >> (128 - self.bits)) as i64 }
    }

    /// Writes the lower bits of `value` to the field at a bit offset, which must be within.
    pub fn set(self, bytes: &mut [u8], offset: u64, value: i64) {
        let start = (offset / 8) as usize;
        let end = self.bytes_needed(offset) as usize;
        let window = &mut bytes[start..end];
        let mut wide = [0u8; 16];
        wide[..window.len()].copy_from_slice(window);
        let shift = 128 - u32::from(self.bits) - (offset % 8) as u32;
        let mask = (u128::MAX >> (128 - u32::from(self.bits))) << shift;
        let field = (value as u128) << shift & mask;
        wide = (u128::from_be_bytes(wide) & !mask | field).to_be_bytes();
        window.copy_from_slice(&wide[..window.len()]);
    }

    /// The value to write for SET; `None` when it does not fit and must fail. As in Redis, a negative number for an
    /// unsigned field is taken as the huge one with the same bits.
    pub fn fit(self, value: i64, overflow: Overflow) -> Option<i64> {
        let value = if self.signed { i128::from(value) } else { i128::from(value as u64) };
        self.fit_wide(value, overflow)
    }

    /// The value to write for INCRBY; `None` when it does not fit and must fail.
    pub fn add(self, value: i64, increment: i64, overflow: Overflow) -> Option<i64> {
        self.fit_wide(i128::from(value) + i128::from(increment), overflow)
    }

    fn fit_wide(self, value: i128, overflow: Overflow) -> Option<i64> {
        let (min, max) = self.limits();
        let fitting = match overflow {
            _ if (min..=max).contains(&value) => value,
            Overflow::Fail => return None,
            Overflow::Saturate => value.clamp(min, max),
            Overflow::Wrap => {
                let unused = 128 - u32::from(self.bits);
                if self.signed { value << unused >> unused } else { ((value as u128) << unused >> unused) as i128 }
            }
        };
        Some(fitting as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    fn seed() -> u64 {
        let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
        eprintln!("SEED={seed}");
        seed
    }

    fn bytes(rng: &mut StdRng, max: usize) -> Vec<u8> {
        let fill = [Some(0), Some(0xFF), None][rng.random_range(0..3)];
        let mut bytes: Vec<u8> = (0..rng.random_range(0..=max)).map(|_| fill.unwrap_or_else(|| rng.random())).collect();
        if !bytes.is_empty() && rng.random_bool(0.7) {
            let at = rng.random_range(0..bytes.len());
            bytes[at] ^= 1 << rng.random_range(0..8);
        }
        bytes
    }

    #[test]
    fn counting_and_finding_agree_with_bit_by_bit() {
        let mut rng = StdRng::seed_from_u64(seed());
        for _ in 0..3_000 {
            let bytes = bytes(&mut rng, 60);
            let len = bytes.len() as u64 * 8;
            let (start, end) = (rng.random_range(0..=len + 9), rng.random_range(0..=len + 9));
            let bits = || (start..end.min(len)).map(|offset| (offset, get_bit(&bytes, offset)));
            assert_eq!(popcount(&bytes), (0..len).filter(|&offset| get_bit(&bytes, offset)).count() as u64);
            assert_eq!(popcount_bits(&bytes, start..end), bits().filter(|bit| bit.1).count() as u64);
            for wanted in [false, true] {
                let expected = bits().find(|bit| bit.1 == wanted).map(|bit| bit.0);
                assert_eq!(find_bit(&bytes, wanted, start..end), expected, "{bytes:?} {wanted} {start}..{end}");
            }
        }
        assert!(!get_bit(b"", u64::MAX));
        assert_eq!(find_bit(&[0xFF; 3], false, 0..u64::MAX), None);
    }

    #[test]
    fn combining_fills_short_strings_with_zeros() {
        let mut rng = StdRng::seed_from_u64(seed());
        for _ in 0..1_000 {
            let sources: Vec<Vec<u8>> = (0..rng.random_range(1..5)).map(|_| bytes(&mut rng, 40)).collect();
            let slices: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
            let len = slices.iter().map(|source| source.len()).max().unwrap();
            for (op, fold) in [
                (BitOp::And, (|a, b| a & b) as fn(u8, u8) -> u8),
                (BitOp::Or, |a, b| a | b),
                (BitOp::Xor, |a, b| a ^ b),
            ] {
                let at = |index: usize| slices.iter().map(move |source| source.get(index).copied().unwrap_or(0));
                let expected: Vec<u8> = (0..len).map(|index| at(index).reduce(fold).unwrap()).collect();
                assert_eq!(combine(op, &slices), expected);
            }
        }
        assert_eq!(combine(BitOp::Not, &[b"\x00\xF0"]), b"\xFF\x0F");
    }

    #[test]
    fn fields_are_written_where_they_are_read() {
        let mut rng = StdRng::seed_from_u64(seed());
        for _ in 0..5_000 {
            let signed = rng.random_bool(0.5);
            let field = FieldType { signed, bits: rng.random_range(1..=if signed { 64 } else { 63 }) };
            let offset = rng.random_range(0..100);
            let mut bytes = bytes(&mut rng, 30);
            let needed = field.bytes_needed(offset) as usize;
            let before = bytes.clone();
            bytes.resize(bytes.len().max(needed), 0);
            assert_eq!(field.get(&before, offset), field.get(&bytes, offset), "beyond the end is zero");
            let value = field.fit(rng.random(), Overflow::Wrap).unwrap();
            let old: Vec<bool> = (0..bytes.len() as u64 * 8).map(|at| get_bit(&bytes, at)).collect();
            field.set(&mut bytes, offset, value);
            assert_eq!(field.get(&bytes, offset), value);
            for (at, &bit) in old.iter().enumerate() {
                let at = at as u64;
                assert!((offset..offset + field.bits()).contains(&at) || get_bit(&bytes, at) == bit);
            }
        }
    }

    #[test]
    fn overflow_does_what_was_asked_for() {
        let parse = |text: &[u8]| FieldType::parse(text).unwrap();
        let (i8, u2, i64, u63) = (parse(b"i8"), parse(b"u2"), parse(b"i64"), parse(b"u63"));
        assert_eq!(i8.add(127, 1, Overflow::Wrap), Some(-128));
        assert_eq!(i8.add(127, 1, Overflow::Saturate), Some(127));
        assert_eq!(i8.add(-128, -1, Overflow::Saturate), Some(-128));
        assert_eq!(i8.add(127, 1, Overflow::Fail), None);
        assert_eq!(i8.fit(200, Overflow::Wrap), Some(-56));
        assert_eq!(u2.add(3, 2, Overflow::Wrap), Some(1));
        assert_eq!(u2.add(0, -1, Overflow::Wrap), Some(3));
        assert_eq!(u2.add(0, -1, Overflow::Saturate), Some(0));
        assert_eq!(u2.fit(-1, Overflow::Saturate), Some(3));
        assert_eq!(i64.add(i64::MAX, 1, Overflow::Wrap), Some(i64::MIN));
        assert_eq!(i64.add(i64::MIN, -1, Overflow::Saturate), Some(i64::MIN));
        assert_eq!(u63.add(i64::MAX, 1, Overflow::Wrap), Some(0));
        for wrong in [&b"u64"[..], b"i65", b"i0", b"8", b"", b"x8", b"i08"] {
            assert_eq!(FieldType::parse(wrong), None);
        }
    }
}
