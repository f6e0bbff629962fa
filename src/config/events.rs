//! The classes of keyspace events, one bit each (`notify-keyspace-events`).

/// `K`: published on the key's channel, `__keyspace@<db>__:<key>`.
pub const KEYSPACE: u32 = 1 << 0;
/// `E`: published on the event's channel, `__keyevent@<db>__:<event>`.
pub const KEYEVENT: u32 = 1 << 1;
/// `g`: commands of no type: DEL, EXPIRE, RENAME …
pub const GENERIC: u32 = 1 << 2;
/// `$`: strings.
pub const STRING: u32 = 1 << 3;
/// `l`: lists.
pub const LIST: u32 = 1 << 4;
/// `s`: sets.
pub const SET: u32 = 1 << 5;
/// `h`: hashes.
pub const HASH: u32 = 1 << 6;
/// `z`: sorted sets.
pub const ZSET: u32 = 1 << 7;
/// `x`: a key expired.
pub const EXPIRED: u32 = 1 << 8;
/// `e`: a key was evicted.
pub const EVICTED: u32 = 1 << 9;
/// `t`: streams.
pub const STREAM: u32 = 1 << 10;
/// `m`: a key was looked for and not found. Not part of `A`.
pub const KEY_MISS: u32 = 1 << 11;
/// `d`: module types.
pub const MODULE: u32 = 1 << 13;
/// `n`: a key was made. Not part of `A`.
pub const NEW: u32 = 1 << 14;
/// `A`: `g$lshzxetd`.
pub const ALL: u32 = GENERIC | STRING | LIST | SET | HASH | ZSET | EXPIRED | EVICTED | STREAM | MODULE;

/// The classes of `A`, in the order they are shown.
const OF_ALL: [(u8, u32); 10] = [
    (b'g', GENERIC),
    (b'$', STRING),
    (b'l', LIST),
    (b's', SET),
    (b'h', HASH),
    (b'z', ZSET),
    (b'x', EXPIRED),
    (b'e', EVICTED),
    (b't', STREAM),
    (b'd', MODULE),
];

/// The bits of the letters; `None` if one is unknown.
pub fn parse(letters: &[u8]) -> Option<u32> {
    letters.iter().try_fold(0, |bits, letter| {
        Some(
            bits | match letter {
                b'A' => ALL,
                b'K' => KEYSPACE,
                b'E' => KEYEVENT,
                b'm' => KEY_MISS,
                b'n' => NEW,
                _ => OF_ALL.iter().find(|(name, _)| name == letter)?.1,
            },
        )
    })
}

/// The letters of the bits, as Redis shows them: beside `A` it leaves `n` out.
pub fn shown(bits: u32) -> Vec<u8> {
    letters(bits, false)
}

/// The letters of the bits, all of them, so that [`parse`] gives the bits back.
pub fn complete(bits: u32) -> Vec<u8> {
    letters(bits, true)
}

fn letters(bits: u32, new_beside_all: bool) -> Vec<u8> {
    let mut letters = Vec::new();
    let all = bits & ALL == ALL;
    if all {
        letters.push(b'A');
    } else {
        letters.extend(OF_ALL.iter().filter(|(_, bit)| bits & bit != 0).map(|(letter, _)| *letter));
    }
    let new = bits & NEW != 0 && (!all || new_beside_all);
    for (letter, set) in
        [(b'n', new), (b'K', bits & KEYSPACE != 0), (b'E', bits & KEYEVENT != 0), (b'm', bits & KEY_MISS != 0)]
    {
        if set {
            letters.push(letter);
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_shown_in_redis_s_order() {
        for (given, expected) in [
            ("KEA", "AKE"),
            ("Kn", "nK"),
            ("KEg$lshzxetd", "AKE"),
            ("mg", "gm"),
            ("", ""),
            ("KEAmn", "AKEm"),
            ("tx", "xt"),
        ] {
            assert_eq!(shown(parse(given.as_bytes()).unwrap()), expected.as_bytes(), "{given}");
        }
        assert_eq!(parse(b"KQ"), None);
    }

    #[test]
    fn no_class_is_lost_when_written_to_a_file() {
        for bits in (0..1 << 15).filter(|bits| bits & (1 << 12) == 0) {
            assert_eq!(parse(&complete(bits)), Some(bits));
        }
    }
}
