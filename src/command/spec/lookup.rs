//! Finding a command by name, for every request: no allocation, and as a rule one probe of a table made at compile time.

use super::command::{CommandId, CommandSpec};
use super::table::COMMANDS;

/// The longest name that [`pack`] takes, in bytes.
const NAME_LEN_MAX: usize = 24;

/// A name in lower case as numbers: two names of the same length are equal if and only if these are.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Packed {
    head: u64,
    tail: u64,
    middle: u64,
}

#[derive(Clone, Copy)]
struct Slot {
    name: Packed,
    /// 0 if the slot is free.
    len: u8,
    id: CommandId,
}

const SLOTS: usize = 1024;
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

static INDEX: [Slot; SLOTS] = build();

const _: () = assert!(COMMANDS.len() * 2 < SLOTS);

const fn build() -> [Slot; SLOTS] {
    let free = Slot { name: Packed { head: 0, tail: 0, middle: 0 }, len: 0, id: CommandId(0) };
    let mut index = [free; SLOTS];
    let mut id = 0;
    while id < COMMANDS.len() {
        let bytes = COMMANDS[id].name.as_bytes();
        assert!(!bytes.is_empty() && bytes.len() <= NAME_LEN_MAX);
        let name = pack(bytes);
        let mut at = home(name, bytes.len());
        while index[at].len != 0 {
            at = (at + 1) % SLOTS;
        }
        index[at] = Slot { name, len: bytes.len() as u8, id: CommandId(id as u16) };
        id += 1;
    }
    index
}

/// The top-level command of that name, ignoring ASCII case.
#[inline]
pub fn find(name: &[u8]) -> Option<&'static CommandSpec> {
    find_id(name).map(|id| &COMMANDS[id.index()])
}

/// The number of the top-level command of that name, ignoring ASCII case.
#[inline]
pub fn find_id(name: &[u8]) -> Option<CommandId> {
    if name.is_empty() || name.len() > NAME_LEN_MAX {
        return None;
    }
    let packed = pack(name);
    let mut at = home(packed, name.len());
    loop {
        let slot = &INDEX[at];
        if slot.len as usize == name.len() && slot.name == packed {
            return Some(slot.id);
        }
        if slot.len == 0 {
            return None;
        }
        at = (at + 1) % SLOTS;
    }
}

/// The command or, written with `|`, subcommand of that name, as ACL rules and COMMAND INFO name it. Ignores ASCII case.
pub fn find_path(name: &[u8]) -> Option<&'static CommandSpec> {
    match name.iter().position(|&b| b == b'|') {
        None => find(name),
        Some(bar) => find(&name[..bar])?.subcommand(&name[bar + 1..]),
    }
}

#[inline]
const fn home(name: Packed, len: usize) -> usize {
    let mixed =
        (name.head ^ name.tail.rotate_left(23) ^ name.middle.rotate_left(41) ^ len as u64).wrapping_mul(MULTIPLIER);
    (mixed >> (64 - SLOTS.trailing_zeros())) as usize
}

/// Packs a name of 1 to 24 bytes. Loads overlap, so that no load leaves the name.
#[inline]
const fn pack(name: &[u8]) -> Packed {
    let len = name.len();
    let (head, tail, middle) = if len >= 8 {
        let middle = if len > 16 { load(name, 8, 8) } else { 0 };
        (load(name, 0, 8), load(name, len - 8, 8), middle)
    } else if len >= 4 {
        (load(name, 0, 4), load(name, len - 4, 4), 0)
    } else {
        (name[0] as u64 | (name[len / 2] as u64) << 8 | (name[len - 1] as u64) << 16, 0, 0)
    };
    Packed { head: lower(head), tail: lower(tail), middle: lower(middle) }
}

#[inline]
const fn load(bytes: &[u8], at: usize, count: usize) -> u64 {
    let (_, rest) = bytes.split_at(at);
    if count == 8 {
        match rest.first_chunk::<8>() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => 0,
        }
    } else {
        match rest.first_chunk::<4>() {
            Some(chunk) => u32::from_le_bytes(*chunk) as u64,
            None => 0,
        }
    }
}

/// Turns A–Z into a–z in each of eight bytes and leaves all others as they are.
#[inline]
const fn lower(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    // With the high bit cleared, adding can't carry into the next byte; the sum's high bit tells how a byte compares.
    let low = word & !HIGH;
    let from_a = low + (0x80 - b'A' as u64) * ONES;
    let past_z = low + (0x80 - b'Z' as u64 - 1) * ONES;
    let upper = from_a & !past_z & !word & HIGH;
    word | (upper >> 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case() {
        for spec in &COMMANDS {
            for name in [spec.name.to_owned(), spec.name.to_ascii_uppercase()] {
                assert!(std::ptr::eq(find(name.as_bytes()).unwrap(), spec), "{name}");
            }
            let mixed: Vec<u8> = spec
                .name
                .bytes()
                .enumerate()
                .map(|(i, b)| if i % 2 == 0 { b.to_ascii_uppercase() } else { b })
                .collect();
            assert!(std::ptr::eq(find(&mixed).unwrap(), spec));
        }
    }

    #[test]
    fn a_name_that_differs_in_one_byte_is_not_taken_for_a_command() {
        for spec in &COMMANDS {
            for at in 0..spec.name.len() {
                for byte in 0..=255u8 {
                    let mut name = spec.name.as_bytes().to_vec();
                    name[at] = byte;
                    let expected = COMMANDS.iter().find(|c| c.name.as_bytes().eq_ignore_ascii_case(&name));
                    assert_eq!(find(&name).map(|c| c.name), expected.map(|c| c.name));
                }
            }
        }
    }

    #[test]
    fn names_too_short_or_too_long_are_unknown() {
        assert!(find(b"").is_none());
        assert!(find(&[b'a'; 25]).is_none());
        assert!(find(&[b'g'; 1000]).is_none());
    }

    #[test]
    fn probes_stay_short() {
        let run = (0..SLOTS).map(|start| (start..).take_while(|at| INDEX[at % SLOTS].len != 0).count()).max();
        assert!(run.unwrap() < 12, "longest run of full slots: {run:?}");
    }

    #[test]
    fn paths_name_subcommands() {
        assert_eq!(find_path(b"CONFIG|Get").unwrap().name, "config|get");
        assert_eq!(find_path(b"config").unwrap().name, "config");
        assert!(find_path(b"config|nope").is_none());
        assert!(find_path(b"get|get").is_none());
        assert!(find_path(b"|").is_none());
    }
}
