//! One entry: its value, its bytes and its length.

use std::borrow::Cow;

const STR_32: u8 = 0xF0;
const INT_16: u8 = 0xF1;
const INT_24: u8 = 0xF2;
const INT_32: u8 = 0xF3;
const INT_64: u8 = 0xF4;

/// The value of an entry. Two elements are equal when they spell the same bytes.
#[derive(Clone, Copy, Debug)]
pub enum Element<'a> {
    /// A number, standing for its canonical decimal.
    Int(i64),
    /// Bytes. Written into a listpack they become an integer if they spell one canonically.
    Str(&'a [u8]),
}

impl<'a> Element<'a> {
    /// The element that a listpack stores for `bytes`: an integer where they are the canonical decimal of one.
    #[inline]
    pub fn canonical(bytes: &'a [u8]) -> Self {
        match parse_i64(bytes) {
            Some(value) => Element::Int(value),
            None => Element::Str(bytes),
        }
    }

    /// The number, if the element is one or spells one canonically.
    #[inline]
    pub fn as_int(&self) -> Option<i64> {
        match *self {
            Element::Int(value) => Some(value),
            Element::Str(bytes) => parse_i64(bytes),
        }
    }

    /// Length in bytes of the spelled-out element.
    pub fn spelled_len(&self) -> usize {
        match *self {
            Element::Int(value) => itoa::Buffer::new().format(value).len(),
            Element::Str(bytes) => bytes.len(),
        }
    }

    /// The bytes, borrowed where they lie in the listpack as such.
    pub fn to_bytes(&self) -> Cow<'a, [u8]> {
        match *self {
            Element::Int(value) => Cow::Owned(itoa::Buffer::new().format(value).as_bytes().to_vec()),
            Element::Str(bytes) => Cow::Borrowed(bytes),
        }
    }

    /// Calls `with` on the bytes; no allocation.
    #[inline]
    pub fn with_bytes<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
        match *self {
            Element::Int(value) => with(itoa::Buffer::new().format(value).as_bytes()),
            Element::Str(bytes) => with(bytes),
        }
    }

    /// Appends the bytes to `out`.
    #[inline]
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.with_bytes(|bytes| out.extend_from_slice(bytes));
    }
}

impl PartialEq for Element<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (*self, *other) {
            (Element::Int(a), Element::Int(b)) => a == b,
            (Element::Str(a), Element::Str(b)) => a == b,
            (Element::Int(int), Element::Str(bytes)) | (Element::Str(bytes), Element::Int(int)) => {
                parse_i64(bytes) == Some(int)
            }
        }
    }
}

impl Eq for Element<'_> {}

impl<'a> From<&'a [u8]> for Element<'a> {
    #[inline]
    fn from(bytes: &'a [u8]) -> Self {
        Element::Str(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Element<'a> {
    #[inline]
    fn from(bytes: &'a [u8; N]) -> Self {
        Element::Str(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for Element<'a> {
    #[inline]
    fn from(bytes: &'a Vec<u8>) -> Self {
        Element::Str(bytes)
    }
}

impl From<i64> for Element<'_> {
    #[inline]
    fn from(value: i64) -> Self {
        Element::Int(value)
    }
}

/// The integer that `bytes` spell canonically: no sign but `-`, no leading zero, no `-0`, within `i64`.
#[inline]
pub fn parse_i64(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [digit] if !negative || *digit != b'0' => {
            let digit = digit.wrapping_sub(b'0');
            return (digit <= 9).then_some(if negative { -i64::from(digit) } else { i64::from(digit) });
        }
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    // Nineteen digits are below 10^19, which fits u64: no overflow before the last comparison.
    let mut magnitude: u64 = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        magnitude = magnitude * 10 + u64::from(digit);
    }
    if negative {
        (magnitude <= i64::MIN.unsigned_abs()).then(|| (magnitude as i64).wrapping_neg())
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// An entry about to be written: head (encoding byte, length or integer), then `body`, then the backlen.
pub(super) struct Encoded<'a> {
    head: [u8; 9],
    head_len: u8,
    body: &'a [u8],
}

impl<'a> Encoded<'a> {
    #[inline]
    pub(super) fn new(element: Element<'a>) -> Self {
        match element {
            Element::Int(value) => Self::int(value),
            Element::Str(bytes) => match parse_i64(bytes) {
                Some(value) => Self::int(value),
                None => Self::string(bytes),
            },
        }
    }

    #[inline]
    fn int(value: i64) -> Self {
        let mut head = [0; 9];
        let wide = value.to_le_bytes();
        let head_len = match value {
            0..=127 => {
                head[0] = value as u8;
                1
            }
            -4096..=4095 => {
                let bits = (value & 0x1FFF) as u16;
                head[0] = 0xC0 | (bits >> 8) as u8;
                head[1] = bits as u8;
                2
            }
            _ => {
                let (code, bytes) = match value {
                    -0x8000..=0x7FFF => (INT_16, 2),
                    -0x80_0000..=0x7F_FFFF => (INT_24, 3),
                    -0x8000_0000..=0x7FFF_FFFF => (INT_32, 4),
                    _ => (INT_64, 8),
                };
                head[0] = code;
                head[1..9].copy_from_slice(&wide);
                1 + bytes
            }
        };
        Encoded { head, head_len, body: &[] }
    }

    #[inline]
    fn string(bytes: &'a [u8]) -> Self {
        let mut head = [0; 9];
        let len = bytes.len();
        let head_len = if len < 64 {
            head[0] = 0x80 | len as u8;
            1
        } else if len < 4096 {
            head[0] = 0xE0 | (len >> 8) as u8;
            head[1] = len as u8;
            2
        } else {
            head[0] = STR_32;
            head[1..5].copy_from_slice(&(len as u32).to_le_bytes());
            5
        };
        Encoded { head, head_len, body: bytes }
    }

    /// Length of encoding and data, without the backlen.
    #[inline]
    fn inner_len(&self) -> usize {
        usize::from(self.head_len) + self.body.len()
    }

    /// Length of the whole entry.
    #[inline]
    pub(super) fn len(&self) -> usize {
        let inner = self.inner_len();
        inner + backlen_len(inner)
    }

    /// Writes the entry into `target`, which must be [`Encoded::len`] bytes long.
    #[inline]
    pub(super) fn write_to(&self, target: &mut [u8]) {
        let (head, rest) = target.split_at_mut(usize::from(self.head_len));
        head.copy_from_slice(&self.head[..usize::from(self.head_len)]);
        let (body, back) = rest.split_at_mut(self.body.len());
        body.copy_from_slice(self.body);
        let inner = self.inner_len();
        for (index, byte) in back.iter_mut().enumerate() {
            *byte = backlen_byte(inner, index);
        }
    }
}

/// How many bytes the backlen of an entry of `inner` bytes takes. The odd limits (16382, not 16383) are Redis's.
#[inline]
pub(super) fn backlen_len(inner: usize) -> usize {
    match inner {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

/// Byte `index` of the backlen: high bits first, every byte but the first marked "more to the left".
#[inline]
fn backlen_byte(inner: usize, index: usize) -> u8 {
    let shift = 7 * (backlen_len(inner) - 1 - index);
    let more = if index == 0 { 0 } else { 0x80 };
    ((inner >> shift) & 0x7F) as u8 | more
}

/// Reads the backlen that ends just before `end`: the inner length, and how many bytes the backlen has.
#[inline]
pub(super) fn read_backlen(bytes: &[u8], end: usize) -> Option<(usize, usize)> {
    let mut inner = 0usize;
    for taken in 0..5 {
        let byte = *bytes.get(end.checked_sub(taken + 1)?)?;
        inner |= usize::from(byte & 0x7F) << (7 * taken);
        if byte & 0x80 == 0 {
            return Some((inner, taken + 1));
        }
    }
    None
}

/// Length of encoding and data of the entry at `at`, without the backlen; `None` for no entry or a cut one's head.
#[inline]
pub(super) fn inner_len(bytes: &[u8], at: usize) -> Option<usize> {
    let code = *bytes.get(at)?;
    Some(match code {
        0x00..=0x7F => 1,
        0x80..=0xBF => 1 + usize::from(code & 0x3F),
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 2 + (usize::from(code & 0x0F) << 8 | usize::from(*bytes.get(at + 1)?)),
        STR_32 => {
            let len = bytes.get(at + 1..at + 5)?;
            5 + u32::from_le_bytes([len[0], len[1], len[2], len[3]]) as usize
        }
        INT_16 => 3,
        INT_24 => 4,
        INT_32 => 5,
        INT_64 => 9,
        _ => return None,
    })
}

/// The element at `at`, which must be an entry of a valid listpack.
#[inline]
pub(super) fn read(bytes: &[u8], at: usize) -> Element<'_> {
    let code = bytes[at];
    match code {
        0x00..=0x7F => Element::Int(i64::from(code)),
        0x80..=0xBF => Element::Str(&bytes[at + 1..][..usize::from(code & 0x3F)]),
        0xC0..=0xDF => {
            let bits = i16::from(code & 0x1F) << 8 | i16::from(bytes[at + 1]);
            Element::Int(i64::from(bits << 3 >> 3))
        }
        0xE0..=0xEF => Element::Str(&bytes[at + 2..][..usize::from(code & 0x0F) << 8 | usize::from(bytes[at + 1])]),
        STR_32 => {
            let len = u32::from_le_bytes([bytes[at + 1], bytes[at + 2], bytes[at + 3], bytes[at + 4]]);
            Element::Str(&bytes[at + 5..][..len as usize])
        }
        _ => {
            let width = match code {
                INT_16 => 2,
                INT_24 => 3,
                INT_32 => 4,
                _ => 8,
            };
            let mut wide = [0; 8];
            wide[8 - width..].copy_from_slice(&bytes[at + 1..][..width]);
            Element::Int(i64::from_le_bytes(wide) >> (8 * (8 - width)))
        }
    }
}
