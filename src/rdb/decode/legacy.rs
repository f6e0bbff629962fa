//! Compact forms of Redis before 7.0, turned into listpacks.
//!
//! ```text
//! ziplist: total bytes u32 LE │ offset of the last entry u32 LE │ count u16 LE (65535: walk) │ entry … │ 0xFF
//! entry:   length of the entry before (1 byte, or 0xFE and u32 LE) │ encoding │ data
//!          00llllll, 01llllll llllllll, 10______ u32 BE: string lengths; 0xC0 i16, 0xD0 i32, 0xE0 i64, 0xF0 i24,
//!          0xFE i8 (all LE); 0xF1–0xFD: 0–12
//! zipmap:  count u8 (254 and more: walk) │ (key length │ key │ value length │ free u8 │ value │ free bytes) … │ 0xFF
//!          a length is one byte below 254, or 254 and u32 LE
//! ```

use super::error::Fault;
use crate::listpack::{Element, Listpack};

const END: u8 = 0xFF;

/// Calls `each` on every element of a ziplist, all of whose bounds are checked.
pub(super) fn ziplist(bytes: &[u8], mut each: impl FnMut(Element<'_>)) -> Result<(), Fault> {
    const HEADER_BYTES: usize = 10;
    let Some((header, _)) = bytes.split_at_checked(HEADER_BYTES).filter(|(_, rest)| !rest.is_empty()) else {
        return Err(Fault::Ziplist("shorter than an empty one", 0));
    };
    let total = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
    let tail = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
    let count = usize::from(u16::from_le_bytes([header[8], header[9]]));
    if total != bytes.len() {
        return Err(Fault::Ziplist("the header has another total", 0));
    }
    let end = bytes.len() - 1;
    if bytes[end] != END {
        return Err(Fault::Ziplist("no end byte", end));
    }
    let body = &bytes[..end];
    let (mut at, mut before, mut walked) = (HEADER_BYTES, 0, 0);
    while at < end {
        let (element, next) = ziplist_entry(body, at, before)?;
        each(element);
        before = next - at;
        at = next;
        walked += 1;
    }
    if at - before != tail && !(walked == 0 && tail == HEADER_BYTES) {
        return Err(Fault::Ziplist("the last entry is not where the header says", at - before));
    }
    if count != usize::from(u16::MAX) && count != walked {
        return Err(Fault::Ziplist("the header has another count", 8));
    }
    Ok(())
}

/// The entry at `at`, and where the next one starts.
fn ziplist_entry(body: &[u8], at: usize, before: usize) -> Result<(Element<'_>, usize), Fault> {
    let bounds = || Fault::Ziplist("an entry reaches beyond the end", at);
    let take = |from: usize, len: usize| body.get(from..from.checked_add(len)?);
    let (said, encoding_at) = match body[at] {
        0xFE => {
            let wide = take(at + 1, 4).ok_or_else(bounds)?;
            (u32::from_le_bytes([wide[0], wide[1], wide[2], wide[3]]) as usize, at + 5)
        }
        END => return Err(Fault::Ziplist("an end byte before the end", at)),
        short => (usize::from(short), at + 1),
    };
    if said != before {
        return Err(Fault::Ziplist("an entry has a wrong length for the one before", at));
    }
    let code = *body.get(encoding_at).ok_or_else(bounds)?;
    let data_at = encoding_at + 1;
    let string =
        |from: usize, len: usize| take(from, len).map(|bytes| (Element::Str(bytes), from + len)).ok_or_else(bounds);
    let int = |len: usize| {
        let bytes = take(data_at, len).ok_or_else(bounds)?;
        let mut wide = [0; 8];
        wide[8 - len..].copy_from_slice(bytes);
        Ok((Element::Int(i64::from_le_bytes(wide) >> (64 - 8 * len)), data_at + len))
    };
    match code {
        0x00..=0x3F => string(data_at, usize::from(code)),
        0x40..=0x7F => {
            let low = *body.get(data_at).ok_or_else(bounds)?;
            string(data_at + 1, usize::from(code & 0x3F) << 8 | usize::from(low))
        }
        0x80..=0xBF => {
            let wide = take(data_at, 4).ok_or_else(bounds)?;
            string(data_at + 4, u32::from_be_bytes([wide[0], wide[1], wide[2], wide[3]]) as usize)
        }
        0xC0 => int(2),
        0xD0 => int(4),
        0xE0 => int(8),
        0xF0 => int(3),
        0xFE => int(1),
        0xF1..=0xFD => Ok((Element::Int(i64::from(code) - 0xF1), data_at)),
        _ => Err(Fault::Ziplist("an entry has an unknown encoding", at)),
    }
}

/// The listpack with the elements of a ziplist.
pub(super) fn ziplist_to_listpack(bytes: &[u8]) -> Result<Listpack, Fault> {
    let mut list = Listpack::with_capacity(bytes.len());
    let mut fits = true;
    ziplist(bytes, |element| {
        fits = fits && list.fits(1, element.spelled_len());
        if fits {
            list.append(element);
        }
    })?;
    if !fits {
        return Err(Fault::Ziplist("too large for a listpack", 0));
    }
    list.shrink();
    Ok(list)
}

/// The listpack with the fields and values of a zipmap.
pub(super) fn zipmap_to_listpack(bytes: &[u8]) -> Result<Listpack, Fault> {
    let (&count, _) = bytes.split_first().ok_or(Fault::Zipmap("no bytes", 0))?;
    let end = bytes.len() - 1;
    if end == 0 || bytes[end] != END {
        return Err(Fault::Zipmap("no end byte", end));
    }
    let body = &bytes[..end];
    let mut list = Listpack::with_capacity(bytes.len());
    let (mut at, mut walked) = (1, 0usize);
    while at < end {
        let (key, value_at) = zipmap_string(body, at, 0)?;
        let (value, next) = zipmap_string(body, value_at, 1)?;
        if !list.fits(2, key.len() + value.len()) {
            return Err(Fault::Zipmap("too large for a listpack", at));
        }
        list.append(key);
        list.append(value);
        at = next;
        walked += 1;
    }
    if count < 254 && usize::from(count) != walked {
        return Err(Fault::Zipmap("the header has another count", 0));
    }
    list.shrink();
    Ok(list)
}

/// A length, `free_bytes` bytes that say how much behind the string is free, and the string; and where it all ends.
fn zipmap_string(body: &[u8], at: usize, free_bytes: usize) -> Result<(&[u8], usize), Fault> {
    let bounds = || Fault::Zipmap("a string reaches beyond the end", at);
    let (len, from) = match *body.get(at).ok_or_else(bounds)? {
        254 => {
            let wide = body.get(at + 1..at + 5).ok_or_else(bounds)?;
            (u32::from_le_bytes([wide[0], wide[1], wide[2], wide[3]]) as usize, at + 5)
        }
        255 => return Err(Fault::Zipmap("an end byte before the end", at)),
        short => (usize::from(short), at + 1),
    };
    let free = if free_bytes == 0 { 0 } else { usize::from(*body.get(from).ok_or_else(bounds)?) };
    let string_at = from + free_bytes;
    let string = body.get(string_at..string_at + len).ok_or_else(bounds)?;
    let next = string_at + len + free;
    if next > body.len() {
        return Err(bounds());
    }
    Ok((string, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ziplist_of(tail: u32, count: u16, entries: &[u8]) -> Vec<u8> {
        let mut bytes = (entries.len() as u32 + 11).to_le_bytes().to_vec();
        bytes.extend(tail.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(entries);
        bytes.push(END);
        bytes
    }

    #[test]
    fn each_ziplist_encoding_is_read() {
        let mut entries: Vec<u8> = vec![0, 2, b'a', b'b'];
        entries.extend([4, 0xC0, 0x00, 0x80, 4, 0xF0, 0xFF, 0xFF, 0x7F, 5, 0xD0, 1, 2, 3, 4]);
        entries.extend([6, 0xE0, 0, 0, 0, 0, 0, 0, 0, 0x80, 10, 0xFE, 0xFF, 3, 0xF1, 2, 0xFD]);
        entries.extend([2, 0x41, 0x00]);
        entries.extend([b'x'; 256]);
        entries.extend([0xFE, 3, 1, 0, 0, 0x80, 0, 0, 0, 1, b'y']);
        let tail = 10 + entries.len() as u32 - 11;
        let list = ziplist_to_listpack(&ziplist_of(tail, 10, &entries)).unwrap();
        let found: Vec<_> = list.iter().map(|e| e.to_bytes().into_owned()).collect();
        let long = vec![b'x'; 256];
        let expected: [&[u8]; 10] =
            [b"ab", b"-32768", b"8388607", b"67305985", b"-9223372036854775808", b"-1", b"0", b"12", &long, b"y"];
        assert_eq!(found, expected);
        assert!(ziplist_to_listpack(&ziplist_of(tail, 9, &entries)).is_err());
        assert!(ziplist_to_listpack(&ziplist_of(tail - 1, 10, &entries)).is_err());
        assert!(ziplist_to_listpack(&ziplist_of(10, 0, &[])).unwrap().is_empty());
    }

    #[test]
    fn a_zipmap_with_free_bytes_is_read() {
        let bytes = [2, 1, b'k', 2, 3, b'v', b'1', 9, 9, 9, 2, b'k', b'2', 0, 0, END];
        let list = zipmap_to_listpack(&bytes).unwrap();
        let found: Vec<_> = list.iter().map(|e| e.to_bytes().into_owned()).collect();
        assert_eq!(found, [&b"k"[..], b"v1", b"k2", b""]);
        for cut in 0..bytes.len() {
            assert!(zipmap_to_listpack(&bytes[..cut]).is_err());
        }
    }
}
